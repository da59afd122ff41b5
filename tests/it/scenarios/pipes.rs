//! `amtool alert query -o json | amflow run`: works on exactly what is piped, and standard output is data.

use serde_json::json;

use crate::support::lab::{Lab, finish};

const TOUCH: &str = "matchers: [job = node]\nlimits: {cooldown: none, targets: none}\n\
                     steps:\n  - shell: printf '%s\\n' {{ alert.labels.instance }} >> seen\n";

/// Returns what amtool prints for matchers.
fn amtool(lab: &Lab, matchers: &[&str]) -> String {
    let mut command = lab.command("amtool");
    let url = format!("--alertmanager.url={}", lab.am().url());
    finish(command.args(["alert", "query", "-o", "json", &url]).args(matchers)).code(0).stdout
}

#[test]
fn what_amtool_prints_is_worked_on_exactly_once() {
    let lab = Lab::new();
    lab.playbook("touch", TOUCH);
    lab.fire(&[
        json!({"alertname": "A", "job": "node", "instance": "one"}),
        json!({"alertname": "A", "job": "node", "instance": "two"}),
        json!({"alertname": "A", "job": "node", "instance": "three"}),
        json!({"alertname": "B", "job": "other", "instance": "four"}),
    ]);
    let piped = amtool(&lab, &["instance=~one|two|four"]);
    let report = lab.pipe("run -o json", &piped).code(0).says("2 runs, 2 succeeded").json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["alerts_read"], 3);
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run["status"] == "succeeded" && run["playbook"] == "touch"));
    let mut seen = lab.lines("seen");
    seen.sort();
    assert_eq!(seen, ["one", "two"], "`three` was not piped, `four` does not match");

    let again = lab.pipe("run -o json", &piped).code(0).says("nothing to run").json();
    assert_eq!(again["runs"], json!([]));
    assert_eq!(again["skipped"].as_array().unwrap().len(), 2);
    assert_eq!(again["skipped"][0]["reason"], "claimed");
    // Whichever way an alert comes in, its episode is the same.
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    assert_eq!(lab.lines("seen").len(), 3);
}

#[test]
fn documents_one_a_line_come_out_and_go_in() {
    let lab = Lab::new();
    lab.playbook("touch", TOUCH);
    lab.fire(&[
        json!({"alertname": "A", "job": "node", "instance": "one"}),
        json!({"alertname": "A", "job": "node", "instance": "two"}),
    ]);
    let list: Vec<serde_json::Value> = serde_json::from_str(&amtool(&lab, &[])).unwrap();
    let lines: String = list.iter().map(|alert| format!("{alert}\n")).collect();
    let records = lab.pipe("run -o ndjson", lines).code(0).ndjson();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record["type"] == "run" && record["status"] == "succeeded"));
}

#[test]
fn warnings_that_newer_amtools_print_before_the_json_are_passed_over() {
    let lab = Lab::alone();
    lab.playbook("touch", &format!("recheck: never\n{TOUCH}"));
    let alert = json!([{"labels": {"alertname": "A", "job": "node", "instance": "x"}, "startsAt": "2026-01-01T00:00:00Z"}]);
    let input = format!(
        "time=2026-01-01T00:00:00.000Z level=WARN msg=\"Alertmanager is moving to a new parser\"\n{alert}\n"
    );
    lab.pipe("run -o json", input).code(0).says("1 run, 1 succeeded").json();
}

#[test]
fn alerts_that_two_sources_may_tell_twice_are_warned_of() {
    let lab = Lab::alone();
    lab.playbook("touch", &format!("recheck: never\n{TOUCH}"));
    let labels = json!({"alertname": "A", "job": "node", "instance": "x"});
    let alertmanager = json!([{"labels": labels, "startsAt": "2026-01-01T00:00:00Z"}]).to_string();
    let firing =
        json!({"labels": labels, "state": "firing", "activeAt": "2026-01-01T00:00:00Z", "value": "1"});
    let prometheus = json!({"status": "success", "data": {"alerts": [firing]}}).to_string();
    lab.pipe("run", &alertmanager).code(0).says("1 run, 1 succeeded").keeps_silent_about("warning");
    for (input, scope, other) in
        [(&prometheus, "prometheus", "alertmanager"), (&alertmanager, "alertmanager", "prometheus")]
    {
        let says = format!("is fed with alerts of `{scope}` and of `{other}`");
        lab.pipe("plan", input).code(0).says(&says);
        lab.pipe("run -q", input).code(0).says(&says);
    }
    let nothing_for_us = alertmanager.replace("node", "other");
    assert_eq!(lab.pipe("run -q", nothing_for_us).code(0).stderr, "", "cron stays silent");
}

#[test]
fn quiet_says_nothing_when_nothing_went_wrong() {
    let lab = Lab::new();
    lab.playbook("touch", TOUCH);
    lab.fire(&[json!({"alertname": "A", "job": "node", "instance": "one"})]);
    for _ in 0..2 {
        let outcome = lab.run("run --poll --no-wait -q").code(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    }
    assert_eq!(lab.lines("seen"), ["one"]);
}

#[test]
fn quiet_tells_all_the_same_which_run_failed_and_why() {
    let lab = Lab::new();
    lab.playbook("fails", "matchers: [job = node]\nlimits: {breaker: 1}\nsteps:\n  - exec: [sh, -c, 'echo no disk >&2; exit 3']\n");
    lab.fire(&[json!({"alertname": "A", "job": "node", "instance": "one"})]);
    let outcome = lab.run("run --poll --no-wait -q").code(1);
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    let said: Vec<&str> = outcome.stderr.lines().collect();
    let failed = format!(
        "fails {} failed for {{alertname=\"A\", instance=\"one\", job=\"node\"}}: step1: exit code 3: no disk",
        &id[id.len() - 8..]
    );
    let breaker =
        "warning: the breaker of fails is open: it starts nothing more until `amflow breakers reset fails`";
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said.contains(&failed.as_str()) && said.contains(&breaker), "{said:#?}\n{failed}");
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_plan_shows_what_a_run_then_does_and_changes_nothing() {
    let lab = Lab::new();
    lab.playbook("touch", TOUCH);
    lab.fire(&[
        json!({"alertname": "A", "job": "node", "instance": "one"}),
        json!({"alertname": "B", "job": "other", "instance": "two"}),
    ]);
    for _ in 0..2 {
        let plan = lab.run("plan --poll --explain").code(0).says("1 run would start");
        plan.prints("start touch").prints("skip  touch").prints("job=\"node\"");
    }
    assert!(!lab.path("seen").exists() && !lab.path("store").exists());
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    lab.run("plan --poll --explain").code(0).says("0 runs would start").prints("already");
}
