//! Time limits, retries, waits, pauses and looks at the alert.

use super::sim::{Answer, Sim, at, exit, playbook, script};
use crate::run::{RunEvent, Signal, SignalKind, Waits};
use crate::step::{Outcome, PeerSight, Reply, Responded, Sighted};

const TWO: &str = "steps: [{id: a, exec: [a]}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n";

fn run(text: &str, answers: &[(&str, &[Answer])]) -> Sim {
    let mut sim = Sim::new(&playbook(text)).with(script(answers));
    sim.run();
    sim
}

fn seconds(sim: &Sim, wanted: impl Fn(&RunEvent) -> bool) -> Vec<i64> {
    let found = sim.journal.iter().filter(|s| wanted(&s.event));
    found.map(|s| s.at.duration_since(at(0)).as_secs()).collect()
}

fn looks(sim: &Sim) -> usize {
    sim.begun.iter().filter(|(call, _)| call.path == "recheck").count()
}

#[test]
fn a_step_that_hangs_is_ended_by_its_timeout_and_tried_again_when_it_may() {
    let sim = run(
        "steps: [{id: a, exec: [a], timeout: 10s, retry: {attempts: 2, backoff: 4s}}]\n",
        &[("a", &[Answer::Hang])],
    );
    assert_eq!(
        (sim.effects(), sim.end()),
        (vec!["a".to_owned(), "a#2".to_owned()], "failed: a: no end within 10s".to_owned())
    );
    let begun = seconds(&sim, |e| matches!(e, RunEvent::AttemptStarted { .. }));
    assert!(begun[0] == 0 && (12..=14).contains(&begun[1]), "{begun:?}");
}

#[test]
fn the_time_of_the_next_attempt_is_journaled_and_the_servers_wish_is_kept() {
    let busy = Answer::Reply(Reply::Responded(Responded {
        status: 429,
        headers: [("retry-after".to_owned(), "90".to_owned())].into(),
        ..Responded::default()
    }));
    let sim = run(
        "steps: [{id: a, http: {post: 'http://h/x'}, retry: {attempts: 2, backoff: 4s}}]\n",
        &[("a", &[busy, Answer::Usual])],
    );
    let due: Vec<_> = sim
        .journal
        .iter()
        .filter_map(|s| match &s.event {
            RunEvent::RetryScheduled { due, attempt, .. } => Some((*due, *attempt)),
            _ => None,
        })
        .collect();
    assert_eq!(due, [(at(90), 2)]);
    assert_eq!(seconds(&sim, |e| matches!(e, RunEvent::AttemptStarted { .. })), [0, 90]);
    assert_eq!(sim.end(), "succeeded");
    assert_eq!(looks(&sim), 2, "an hour may pass before the next attempt: the alert is looked at again");
}

#[test]
fn a_run_that_takes_too_long_fails_and_its_handlers_still_run() {
    let text = format!("timeout: 1m\n{TWO}");
    let sim = run(&text, &[("b", &[Answer::Hang])]);
    assert_eq!(sim.effects(), ["a", "b", "on_failure/f", "finally/z"]);
    assert_eq!(sim.end(), "failed: the run: no end within 1m");
    assert_eq!(sim.outcome("b"), Some(Outcome::Cancelled));
    assert_eq!(sim.now, at(60));
}

#[test]
fn a_run_waits_for_its_key_without_its_timeout_running() {
    let text = format!("timeout: 1m\nconcurrency: {{key: k}}\n{TWO}");
    let mut sim = Sim::new(&playbook(&text));
    sim.machine.want_key();
    sim.run();
    assert_eq!(sim.last, Some((None, Some(Waits::Key("k".to_owned())))));
    assert!(sim.effects().is_empty());
    sim.now = at(3_600);
    sim.machine.grant_key();
    sim.run();
    assert_eq!((sim.effects().len(), sim.end()), (3, "succeeded".to_owned()));
    assert_eq!(looks(&sim), 1, "after the queue, not before it");
    assert_eq!(sim.machine.run.idle_ms, 3_600_000);
}

#[test]
fn a_cancel_ends_what_runs_skips_on_failure_and_counts_for_no_breaker() {
    let mut sim = Sim::new(&playbook(TWO)).with(script(&[("a", &[Answer::Hang])]));
    sim.run_while(|sim| sim.in_flight.iter().all(|(call, _)| call.path != "a"));
    sim.cancel("ann");
    sim.run();
    assert_eq!(
        (sim.effects(), sim.end()),
        (vec!["a".to_owned(), "finally/z".to_owned()], "cancelled: cancelled by ann".to_owned())
    );
    let failed = sim.gates.iter().filter(|g| matches!(g.change, crate::run::Change::Failed { .. })).count();
    assert_eq!(failed, 0);
    assert_eq!(seconds(&sim, |e| matches!(e, RunEvent::SignalReceived(_))).len(), 1);
}

#[test]
fn the_same_signal_counts_once_and_one_before_the_start_begins_nothing() {
    let mut sim = Sim::new(&playbook(TWO));
    sim.cancel("ann");
    sim.cancel("ann");
    sim.run();
    assert!(sim.effects().is_empty(), "{:?}", sim.effects());
    assert_eq!(sim.end(), "cancelled: cancelled by ann");
    assert_eq!(seconds(&sim, |e| matches!(e, RunEvent::SignalReceived(_))).len(), 1);
}

#[test]
fn a_cancel_while_on_failure_works_leaves_the_run_failed() {
    let mut sim =
        Sim::new(&playbook(TWO)).with(script(&[("a", &[exit(1, "")]), ("on_failure/f", &[Answer::Hang])]));
    sim.run_while(|sim| sim.in_flight.iter().all(|(call, _)| call.path != "on_failure/f"));
    sim.cancel("ann");
    sim.run();
    assert_eq!(
        (sim.effects().last().unwrap().as_str(), sim.end()),
        ("finally/z", "failed: a: exit code 1".to_owned())
    );
}

#[test]
fn what_finally_does_is_ended_by_its_own_time_limit_in_blocks_too() {
    let text = "finally_timeout: 20s\nsteps: [{id: k, block: {steps: [{id: a, exec: [a]}], finally: [{id: g, exec: [g]}]}}]\nfinally: [{id: z, exec: [z]}]\n";
    let sim = run(text, &[("k/finally/g", &[Answer::Hang]), ("finally/z", &[Answer::Hang])]);
    assert_eq!(
        (sim.effects(), sim.end()),
        (vec!["k/a".to_owned(), "k/finally/g".to_owned(), "finally/z".to_owned()], "succeeded".to_owned())
    );
    assert_eq!(sim.now, at(40));
}

#[test]
fn the_finally_of_a_block_runs_although_its_run_is_cancelled() {
    let text = "steps: [{id: k, block: {steps: [{id: a, exec: [a]}], on_failure: [{id: f, exec: [f]}], finally: [{id: g, exec: [g]}]}}]\nfinally: [{id: z, exec: [z]}]\n";
    let mut sim = Sim::new(&playbook(text)).with(script(&[("k/a", &[Answer::Hang])]));
    sim.run_while(|sim| sim.in_flight.iter().all(|(call, _)| call.path != "k/a"));
    sim.cancel("SIGTERM");
    sim.run();
    assert_eq!(sim.effects(), ["k/a", "k/finally/g", "finally/z"]);
    assert_eq!(sim.end(), "cancelled: cancelled by SIGTERM");
}

#[test]
fn a_block_that_takes_too_long_fails_and_tidies_up() {
    let text = "steps: [{id: k, timeout: 30s, block: {steps: [{id: a, exec: [a]}, {id: b, exec: [b]}], on_failure: [{id: f, exec: [f]}], finally: [{id: g, exec: [g]}]}}, {id: c, exec: [c]}]\n";
    let sim = run(text, &[("k/a", &[Answer::Hang])]);
    assert_eq!(sim.effects(), ["k/a", "k/on_failure/f", "k/finally/g"]);
    assert_eq!(sim.end(), "failed: k: no end within 30s");
}

#[test]
fn a_pause_holds_the_next_effect_but_not_finally() {
    let mut sim = Sim::new(&playbook(TWO));
    sim.run_while(|sim| sim.effects().is_empty());
    sim.paused = true;
    sim.run_while(|sim| !matches!(&sim.last, Some((_, Some(Waits::Pause)))));
    assert_eq!(sim.effects(), ["a"]);
    sim.cancel("ann");
    sim.run();
    assert_eq!(sim.effects(), ["a", "finally/z"]);
}

#[test]
fn waits_need_nobody_and_say_until_when() {
    let mut sim = Sim::new(&playbook("steps: [{id: w, wait: 10m}, {id: a, exec: [a]}]\n"));
    sim.turn();
    sim.turn();
    assert_eq!(sim.last, Some((Some(at(600)), Some(Waits::Time))));
    let mut again =
        Sim::resumed(&playbook("steps: [{id: w, wait: 10m}, {id: a, exec: [a]}]\n"), sim.journal.clone());
    again.now = at(599);
    again.turn();
    assert!(again.journal.len() == sim.journal.len() && again.last == sim.last);
    again.now = at(600);
    again.run();
    assert_eq!((again.effects(), again.end()), (vec!["a".to_owned()], "succeeded".to_owned()));
}

#[test]
fn after_the_end_is_settled_nothing_is_left_to_another_process() {
    let mut sim = Sim::new(&playbook(
        "steps: [{id: a, exec: [a]}]\nfinally: [{id: w, wait: 20s}, {id: z, exec: [z]}]\n",
    ));
    sim.run_while(|sim| !sim.machine.run.nodes.contains_key("finally/w"));
    sim.turn();
    assert!(matches!(&sim.last, Some((Some(_), None))), "{:?}", sim.last);
    sim.run();
    assert_eq!(
        (sim.effects(), sim.end()),
        (vec!["a".to_owned(), "finally/z".to_owned()], "succeeded".to_owned())
    );
}

// --- looks at the alert ---

#[test]
fn an_alert_that_is_gone_before_the_first_effect_cancels_the_run() {
    let mut sim = Sim::new(&playbook(TWO));
    sim.resolved_at = Some(at(-1));
    sim.run();
    assert!(sim.effects().is_empty());
    assert_eq!(sim.end(), "cancelled: the alert was gone before `a`");
}

#[test]
fn what_already_runs_ends_by_itself_when_the_alert_is_gone() {
    let text = "steps: [{id: p, parallel: [{id: a, exec: [a], timeout: 1m}, {id: k, block: [{id: w, wait: 10s}, {id: b, exec: [b]}]}]}]\nfinally: [{id: z, exec: [z]}]\n";
    let mut sim = Sim::new(&playbook(text)).with(script(&[("p/a", &[Answer::Hang])]));
    sim.resolved_at = Some(at(5));
    sim.run_while(|sim| sim.machine.run.gone.is_none());
    sim.turn();
    assert!(sim.in_flight.iter().any(|(call, _)| call.path == "p/a"), "it is not killed in the middle");
    let done = Reply::Exited(crate::step::Exited { exit_code: Some(0), ..Default::default() });
    sim.in_flight.clear();
    sim.machine.reply("p/a", done);
    sim.run();
    assert_eq!(sim.outcome("p/a"), Some(Outcome::Succeeded));
    assert_eq!(sim.effects(), ["p/a", "finally/z"]);
    assert_eq!(sim.end(), "cancelled: the alert was gone before `p/k/b`");
}

#[test]
fn how_often_the_alert_is_looked_at_is_what_the_playbook_says() {
    let steps = "steps: [{id: r, exec: [r], read_only: true}, {id: a, exec: [a]}, {id: w, wait: 10s}, {id: b, exec: [b]}, {id: c, exec: [c]}]\n";
    for (recheck, expected) in
        [("", 2), ("recheck: start\n", 2), ("recheck: always\n", 4), ("recheck: never\n", 0)]
    {
        let sim = run(&format!("{recheck}{steps}"), &[]);
        assert_eq!((looks(&sim), sim.end()), (expected, "succeeded".to_owned()), "{recheck}");
    }
}

#[test]
fn handlers_are_never_preceded_by_a_look() {
    let sim = run(&format!("recheck: always\n{TWO}"), &[("a", &[exit(1, "")])]);
    assert_eq!((looks(&sim), sim.effects().len()), (1, 3));
}

#[test]
fn a_step_that_is_called_like_the_look_is_a_step() {
    let sim = run("recheck: always\nsteps: [{id: recheck, exec: [a]}, {id: b, exec: [b]}]\n", &[]);
    assert_eq!((sim.begun.len(), sim.end()), (4, "succeeded".to_owned()));
    assert_eq!(sim.outcome("recheck"), Some(Outcome::Succeeded));
}

#[test]
fn when_nobody_can_say_the_look_is_repeated_and_then_the_step_fails() {
    let silent = Answer::Reply(Reply::Sighted(Sighted {
        at: at(0),
        peers: vec![PeerSight {
            url: "p".to_owned(),
            failed: Some("refused".to_owned()),
            started_at: None,
            answered_at: None,
            seen: [].into(),
        }],
    }));
    let sim = run(TWO, &[("recheck", std::slice::from_ref(&silent))]);
    assert_eq!(sim.effects(), ["on_failure/f", "finally/z"]);
    assert_eq!(sim.end(), "failed: a: cannot tell whether the alert is still there: p: refused");
    assert_eq!((looks(&sim), sim.now), (5, at(95)));
    let sim = run(TWO, &[("recheck", &[silent.clone(), silent, Answer::Usual])]);
    assert_eq!((looks(&sim), sim.end()), (3, "succeeded".to_owned()));
}

#[test]
fn a_proof_that_the_alert_is_gone_ends_the_looks() {
    let text = "steps: [{id: a, exec: [a]}, {id: v, wait: {until: resolved, for: 1m, timeout: 10m}}, {id: w, wait: 1m}, {id: c, exec: [c]}]\n";
    let mut sim = Sim::new(&playbook(text));
    sim.resolved_at = Some(at(20));
    sim.run();
    assert_eq!((sim.effects(), sim.end()), (vec!["a".to_owned(), "c".to_owned()], "succeeded".to_owned()));
}

#[test]
fn a_delivery_that_says_resolved_wakes_the_verification() {
    let text = "steps: [{id: v, wait: {until: resolved, for: 1m, timeout: 10m, every: 5m}}]\n";
    let mut sim = Sim::new(&playbook(text));
    sim.run_while(|sim| !matches!(&sim.last, Some((Some(_), Some(Waits::Time)))));
    sim.now = at(1);
    sim.resolved_at = Some(at(1));
    sim.machine.signal(Signal {
        id: "s".to_owned(),
        kind: SignalKind::Resolved { fingerprints: vec![super::sim::ALERT.to_owned()] },
    });
    sim.turn();
    assert_eq!(sim.in_flight.len(), 1, "it looks at once");
    sim.run();
    assert_eq!(sim.end(), "succeeded");
    assert!(sim.now <= at(70), "{}", sim.now);
}

#[test]
fn a_run_is_cancelled_by_the_end_of_its_alert_when_its_playbook_says_so() {
    let steps =
        "steps: [{id: a, exec: [a]}, {id: w, wait: 5m}, {id: c, exec: [c]}]\nfinally: [{id: z, exec: [z]}]\n";
    for (says, end, effects) in [
        ("", "succeeded", &["a", "c", "finally/z"][..]),
        ("cancel_on_resolved: true\n", "cancelled: cancelled by the end of its alert", &["a", "finally/z"]),
    ] {
        let mut sim = Sim::new(&playbook(&format!("recheck: never\n{says}{steps}")));
        sim.run_while(|sim| !matches!(&sim.last, Some((Some(_), Some(Waits::Time)))));
        for _ in 0..2 {
            sim.machine.signal(Signal {
                id: "s".to_owned(),
                kind: SignalKind::Resolved { fingerprints: vec![super::sim::ALERT.to_owned()] },
            });
        }
        sim.run();
        assert_eq!(
            (sim.end().as_str(), sim.effects()),
            (end, effects.iter().map(|e| (*e).to_owned()).collect())
        );
    }
}

#[test]
fn a_verification_is_not_cancelled_by_what_it_waits_for() {
    let text = "cancel_on_resolved: true\nsteps: [{id: v, wait: {until: resolved, for: 1m, timeout: 10m}}]\n";
    let mut sim = Sim::new(&playbook(text));
    sim.run_while(|sim| !matches!(&sim.last, Some((Some(_), Some(Waits::Time)))));
    sim.resolved_at = Some(sim.now);
    sim.machine.signal(Signal {
        id: "s".to_owned(),
        kind: SignalKind::Resolved { fingerprints: vec![super::sim::ALERT.to_owned()] },
    });
    sim.run();
    assert_eq!(sim.end(), "succeeded");
}
