//! Journals as they were written once: an event once written is readable for ever.
//!
//! `tests/histories/vN/NAME.jsonl` is the journal of a run, one event a line, as version N of the store
//! keeps it; `NAME.end` beside it says what it folds to.
//!
//! To add one: put its `.jsonl` there (into the directory of the present version), run this test with
//! `AMFLOW_KEEP_HISTORIES=1`, which writes the `.end` files that are missing and no other, and look at it.
//! What is there is never changed: when this test fails, the code must learn to read it again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use amflow::run::{Run, RunEvent, Stamped};
use serde_json::{Value, json};

fn histories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let versions = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let files =
        versions.flat_map(|version| fs::read_dir(version).unwrap().map(|entry| entry.unwrap().path()));
    let mut found: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect();
    found.sort();
    found
}

fn journal(path: &Path) -> Vec<Stamped> {
    let text = fs::read_to_string(path).unwrap();
    let read = |(n, line): (usize, &str)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), n + 1))
    };
    text.lines().enumerate().map(read).collect()
}

/// What is known of a run from its journal, for people and for comparison.
fn told(run: &Run) -> String {
    let mut text = String::new();
    let mut line = |parts: &[&str]| {
        let words: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        writeln!(text, "{}", words.join(" ")).unwrap();
    };
    line(&["status", run.status().as_str()]);
    if let Some(end) = &run.finished {
        line(&["ended", &end.at.to_string(), end.step.as_deref().unwrap_or_default(), &end.reason]);
    }
    line(&["playbook", &run.started.playbook, run.started.trigger.as_str(), &run.started.target]);
    for alert in &run.alerts {
        line(&["alert", &alert.fingerprint, &alert.starts_at.to_string(), &json!(alert.labels).to_string()]);
    }
    for (path, node) in &run.nodes {
        let outcome = node.outcome.as_ref().map_or("open", |outcome| outcome.status());
        let reason = node.outcome.as_ref().map(amflow::step::Outcome::reason).unwrap_or_default();
        let items = node.items.as_ref().map(|items| json!(items).to_string()).unwrap_or_default();
        let output = if node.output == Value::Null { String::new() } else { node.output.to_string() };
        line(&["step", path, outcome, &format!("attempts={}", node.attempts), &items, &output, &reason]);
    }
    for (id, hold) in &run.holds {
        let state = if hold.in_force() { "in force" } else { "over" };
        let kept = if hold.keep { "kept" } else { "" };
        let failed = hold.failed.as_deref().unwrap_or_default();
        line(&[
            "hold",
            id,
            hold.hold.describe(),
            state,
            kept,
            hold.server_id.as_deref().unwrap_or_default(),
            failed,
        ]);
    }
    for (path, vars) in &run.set {
        line(&["set", path, &json!(vars).to_string()]);
    }
    for (step, said) in &run.decisions {
        line(&[
            "decision",
            step,
            if said.approve { "yes" } else { "no" },
            &said.by,
            &said.at.to_string(),
            &said.via,
        ]);
    }
    for approval in &run.approvals {
        let plan: Vec<&str> = approval.plan.iter().map(|line| line.path.as_str()).collect();
        line(&["approved", &approval.path, &plan.join(",")]);
    }
    for (name, value) in [
        ("cancelled by", run.cancelled_by.clone()),
        ("gone", run.gone.clone()),
        ("proved gone", run.proved_gone.then(String::new)),
        ("taken over", run.taken_over_at.map(|at| at.to_string())),
        ("idle", (run.idle_ms > 0).then(|| format!("{} ms", run.idle_ms))),
        ("clock set", (run.clock_set_ms != 0).then(|| format!("{} ms", run.clock_set_ms))),
    ] {
        if let Some(value) = value {
            line(&[name, &value]);
        }
    }
    text
}

#[test]
fn journals_of_old_fold_to_what_they_always_did() {
    let found = histories();
    assert!(found.len() >= 12);
    for path in found {
        let journal = journal(&path);
        for stamped in &journal {
            assert_ne!(stamped.event, RunEvent::Unknown, "{}: event {}", path.display(), stamped.seq);
        }
        let run = Run::replay("run", &journal).unwrap_or_else(|| panic!("{}: no beginning", path.display()));
        let kept = path.with_extension("end");
        if !kept.exists() && std::env::var_os("AMFLOW_KEEP_HISTORIES").is_some() {
            fs::write(&kept, told(&run)).unwrap();
        }
        let kept = fs::read_to_string(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
        assert_eq!(told(&run), kept, "{}", path.display());
    }
}

#[test]
fn each_kind_of_event_has_a_place_in_history() {
    let mut seen: Vec<String> = histories()
        .iter()
        .flat_map(|path| journal(path))
        .map(|stamped| serde_json::to_value(&stamped.event).unwrap()["event"].as_str().unwrap().to_owned())
        .collect();
    seen.sort();
    seen.dedup();
    let expected = [
        "asked_again",
        "attempt_continued",
        "attempt_finished",
        "attempt_started",
        "clock_set",
        "foreach_expanded",
        "gate_granted",
        "gate_wanted",
        "hold_failed",
        "hold_made",
        "hold_released",
        "hold_wanted",
        "recheck_failed",
        "retry_scheduled",
        "run_ending",
        "run_finished",
        "run_started",
        "signal_received",
        "step_entered",
        "step_finished",
        "taken_over",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_event_of_a_later_version_is_passed_over() {
    let line = json!({"seq": 2, "at": "2027-01-15T08:00:00Z", "event": {"event": "something_new", "path": "a", "n": [1]}});
    let stamped: Stamped = serde_json::from_value(line).unwrap();
    assert_eq!(stamped.event, RunEvent::Unknown);
    let path = histories().into_iter().find(|path| path.ends_with("succeeded.jsonl")).unwrap();
    let mut journal = journal(&path);
    let expected = told(&Run::replay("run", &journal).unwrap());
    journal.insert(3, stamped);
    assert_eq!(told(&Run::replay("run", &journal).unwrap()), expected);
}
