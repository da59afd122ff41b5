//! Waiting until the alert is really gone: proofs, lost sight, processes that end in between; runs that are parked.

use serde_json::{Value, json};

use crate::support::alertmanager::wait_until;
use crate::support::lab::{Lab, outcome, send, time};
use crate::support::proxy::Mood;

fn lab(wait: &str) -> Lab {
    let lab = Lab::new();
    lab.playbook(
        "verifies",
        &format!("matchers: [alertname = A]\nlimits: {{cooldown: none}}\nsteps:\n  - exec: [sh, -c, 'echo x >> mended']\n  - id: verify\n    wait: {{until: resolved, every: 1s, {wait}}}\n"),
    );
    lab
}

fn labels() -> [Value; 1] {
    [json!({"alertname": "A", "instance": "one"})]
}

/// Comes back when a run of the lab waits.
fn await_waiting(lab: &Lab) {
    wait_until("it waits", || {
        lab.path("mended").exists() && lab.run("runs list -o json --status waiting").json() != json!([])
    });
}

fn reason(lab: &Lab) -> String {
    lab.only_run()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn an_alert_that_its_sender_resolved_is_verified_by_polling() {
    let lab = lab("for: 1s, timeout: 30s");
    lab.fire(&labels());
    let child = lab.start("run --poll");
    await_waiting(&lab);
    lab.resolve(&labels());
    outcome(child).code(0).says("verify: succeeded");
    assert_eq!(lab.only_run()["status"], "succeeded");
}

#[test]
fn an_alert_that_still_fires_fails_the_run() {
    let lab = lab("for: 1s, timeout: 2s");
    lab.fire(&labels());
    lab.run("run --poll").code(1).says("1 alert still fires after 2s");
    assert_eq!(lab.only_run()["status"], "failed");
}

#[test]
fn a_wait_survives_a_kill_and_goes_on_after_it() {
    let lab = lab("for: 1s, timeout: 30s");
    lab.fire(&labels());
    let mut child = lab.start("run --poll");
    await_waiting(&lab);
    child.kill().unwrap();
    child.wait().unwrap();
    let child = lab.start("run --poll");
    lab.resolve(&labels());
    outcome(child).code(0).says("verify: succeeded");
    assert_eq!(lab.lines("mended").len(), 1, "what was done before is not done again");
    assert_eq!(lab.only_run()["status"], "succeeded");
}

#[test]
fn an_alert_whose_lease_passes_is_lost_from_sight_and_not_resolved() {
    let lab = lab("for: 1s, timeout: 5s");
    // Its Prometheus has died: nobody sends it again.
    lab.post(&labels(), -60, 3);
    lab.run("run --poll").code(1).says("lost sight");
    assert!(reason(&lab).contains("gone without having been resolved"), "{}", reason(&lab));
}

#[test]
fn an_alertmanager_that_restarted_has_forgotten_and_not_resolved() {
    let mut lab = lab("for: 1s, timeout: 4s");
    lab.fire(&labels());
    let child = lab.start("run --poll");
    await_waiting(&lab);
    lab.proxy().becomes(Mood::Honest);
    lab.am.as_mut().unwrap().restart();
    assert!(lab.alerts("alertname", "A").is_empty());
    outcome(child).code(1).says("started less than 5m ago and may have forgotten the alert");
    assert_eq!(lab.only_run()["status"], "failed");
}

#[test]
fn an_alertmanager_that_is_gone_says_nothing_about_the_alert() {
    for mood in [Mood::Gone, Mood::Html, Mood::Cut(200)] {
        let lab = lab("for: 1s, timeout: 3s");
        lab.fire(&labels());
        let child = lab.start("run --poll");
        await_waiting(&lab);
        lab.proxy().becomes(mood);
        outcome(child).code(1);
        let reason = reason(&lab);
        assert!(reason.contains("nobody could say within 3s whether it is resolved"), "{mood:?}: {reason}");
        assert!(reason.contains(&lab.proxy().url()), "{reason}");
    }
}

#[test]
fn what_comes_back_in_time_is_not_held_against_the_alert() {
    let lab = lab("for: 1s, timeout: 30s");
    lab.fire(&labels());
    let child = lab.start("run --poll");
    await_waiting(&lab);
    lab.proxy().becomes(Mood::Gone);
    lab.resolve(&labels());
    let asked = lab.proxy().asked();
    wait_until("it looked while nobody answered", || lab.proxy().asked() > asked);
    lab.proxy().becomes(Mood::Veteran);
    outcome(child).code(0).says("verify: succeeded");
}

#[test]
fn what_a_killed_process_left_is_ended_though_no_alertmanager_answers() {
    let lab = Lab::new();
    lab.playbook(
        "long",
        "matchers: [alertname = A]\nsteps:\n  - id: long\n    exec: [sh, -c, 'echo $$ > long; exec sleep 600']\n\
         finally:\n  - exec: [sh, -c, 'echo end >> did']\n",
    );
    lab.fire(&labels());
    let mut child = lab.start("run --poll");
    lab.await_file("long");
    send("KILL", child.id());
    child.wait().unwrap();
    lab.proxy().becomes(Mood::Gone);
    lab.run("run --poll").code(3).says("ended a command that was left running").says("went on with 1 run");
    // In a container nobody collects it: a process that has ended has no command line.
    let line = std::fs::read(format!("/proc/{}/cmdline", lab.read("long").trim())).unwrap_or_default();
    assert_eq!(line, b"", "its command is gone");
    assert_eq!(lab.lines("did"), ["end"]);
    assert!(reason(&lab).contains("lost"), "{}", reason(&lab));
}

const PARKED: &str = "matchers: [alertname = A]\nlimits: {cooldown: none}\nsteps:\n  - exec: [sh, -c, 'echo one >> did']\n  \
                      - id: rest\n    wait: WAIT\n  - exec: [sh, -c, 'echo two >> did']\nfinally:\n  - exec: [sh, -c, 'echo end >> did']\n";

fn parked(wait: &str) -> Lab {
    let lab = Lab::new();
    lab.playbook("parks", &PARKED.replace("WAIT", wait));
    lab.fire(&labels());
    lab.run("run --poll --no-wait").code(4).says("1 left waiting");
    assert_eq!(lab.lines("did"), ["one"]);
    assert_eq!(lab.only_run()["status"], "waiting");
    lab
}

#[test]
fn a_parked_run_goes_on_when_it_is_due_and_not_before() {
    let lab = parked("3s");
    lab.run("plan --poll").code(0).prints("would go on").prints("parks");
    lab.run("run --poll --no-wait").code(0).says("nothing to run");
    assert_eq!(lab.lines("did"), ["one"]);
    wait_until("it is due, and goes on", || {
        lab.run("run --poll --no-wait -q").code(0);
        lab.lines("did").len() > 1
    });
    assert_eq!(lab.lines("did"), ["one", "two", "end"]);
    assert_eq!(lab.only_run()["status"], "succeeded");
}

#[test]
fn a_run_of_piped_alerts_leaves_parked_runs_alone() {
    let lab = parked("2s");
    let due = time(3);
    wait_until("it is due", || time(0) > due);
    lab.pipe("run", "[]").code(0);
    assert_eq!(lab.lines("did"), ["one"]);
    lab.run("runs resume").code(0).says("went on with 1 run");
    assert_eq!(lab.lines("did"), ["one", "two", "end"]);
}

#[test]
fn a_parked_run_is_cancelled_by_hand_and_its_finally_runs() {
    let lab = parked("1h");
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    let short = &id[id.len() - 8..];
    lab.run("runs list").code(0).prints(short).prints("waiting").prints("waits at rest, looks again at 20");
    lab.run(&format!("runs cancel {short}")).code(0).says("cancelled");
    assert_eq!(lab.lines("did"), ["one", "end"]);
    let run = lab.only_run();
    assert_eq!(run["status"], "cancelled");
    let by = format!("cancelled by {} (`amflow runs cancel`)", lab.user());
    assert_eq!(run["reason"], by);
    lab.run(&format!("runs show {short}")).code(0).prints(&by);
    lab.run(&format!("runs cancel {short}")).code(2).says("is over: cancelled");
    lab.run("runs cancel ffffffff").code(2).says("ffffffff");
}

#[test]
fn of_several_runs_none_is_cancelled_when_one_is_not_to_be_found() {
    let lab = parked("1h");
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs cancel {id} ffffffff")).code(2).says("ffffffff");
    lab.run("run --poll --no-wait").code(0).says("nothing to run");
    assert_eq!(lab.only_run()["status"], "waiting");
}

#[test]
fn a_run_that_a_process_works_on_is_cancelled_there() {
    let lab = Lab::new();
    lab.playbook("parks", &PARKED.replace("WAIT", "1h"));
    lab.fire(&labels());
    let child = lab.start("run --poll");
    wait_until("it waits", || lab.lines("did").len() == 1);
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs cancel {id}")).code(0).says("another process works on it");
    outcome(child).code(0).says("1 cancelled");
    assert_eq!(lab.lines("did"), ["one", "end"]);
}

#[test]
fn a_finished_run_is_done_again_by_hand_with_the_same_text_and_alerts() {
    let lab = Lab::new();
    lab.playbook("p", "matchers: [alertname = A]\nlimits: {cooldown: none}\nsteps:\n  - exec: [sh, -c, 'echo \"$0\" >> did; test -e mended', \"{{ alert.labels.instance }}\"]\n");
    lab.fire(&labels());
    lab.run("run --poll").code(1);
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.write("mended", "");
    // What is written now does not change what was run.
    lab.playbook("p", "matchers: [alertname = A]\nsteps:\n  - exec: ['false']\n");
    lab.run(&format!("runs retry {id}")).code(0).says("succeeded");
    assert_eq!(lab.lines("did"), ["one", "one"]);
}

#[test]
fn the_re_check_ends_a_run_whose_alert_is_gone_when_it_goes_on() {
    let lab = parked("2s");
    lab.resolve(&labels());
    wait_until("it is due, and goes on", || {
        lab.run("run --poll --no-wait -q");
        lab.only_run()["status"] != "waiting"
    });
    let run = lab.only_run();
    assert_eq!(run["status"], "cancelled");
    assert!(run["reason"].as_str().unwrap().contains("the alert was gone"), "{run}");
    assert_eq!(lab.lines("did"), ["one", "end"]);
}
