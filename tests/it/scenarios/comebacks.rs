//! What comes back whatever its playbook does is handed over to people: once, by one process, whatever happens.

use serde_json::{Value, json};

use super::serve::{Served, firing_now};
use crate::support::alertmanager::wait_until;
use crate::support::lab::{Lab, outcome, time};

/// Succeeds, and mends nothing.
const MENDS: &str = "matchers: [alertname = A]\n\
    limits: {cooldown: none, rate: none, targets: none, max_comebacks: 2, flap_window: 1h%}\n\
    steps:\n  - exec: [sh, -c, 'echo mends >> ran']\n";
/// Never starts by itself.
const PEOPLE: &str = "matchers: [alertname = A]\nwhen: 'false'\n\
    steps:\n  - exec: [sh, -c, 'echo \"people, for $0, $1\" >> ran', '{{ run.handed_over_by }}', '{{ alert.labels.instance }}']\n";

fn lab() -> Lab {
    let lab = Lab::alone();
    lab.playbook("mends", &MENDS.replace('%', ", hand_over: people"));
    lab.playbook("people", PEOPLE);
    lab
}

/// An alert that fires once more, since now.
fn fires() -> Value {
    json!({"labels": {"alertname": "A", "instance": "n1"}, "startsAt": time(0), "endsAt": time(3_600)})
}

/// Lets it fire once more in the file that is read.
fn again(lab: &Lab) {
    lab.write("alerts.json", &json!([fires()]).to_string());
}

fn comes_back_too_often(lab: &Lab) {
    for _ in 0..3 {
        again(lab);
        lab.run("run --from alerts.json").code(0).says("1 run, 1 succeeded");
    }
    assert_eq!(lab.lines("ran"), ["mends"; 3]);
    again(lab);
}

#[test]
fn what_comes_back_too_often_is_handed_over_and_plan_and_runs_tell_why() {
    let lab = lab();
    comes_back_too_often(&lab);
    let why = "it came back 2 times within 1h after a run that succeeded, so it is a person's: mend the cause, then \
               `amflow breakers reset mends`";
    lab.run("plan --from alerts.json --explain")
        .code(0)
        .prints(&format!(
            "later mends  {{alertname=\"A\", instance=\"n1\"}}\n    {why}; playbook people gets it\n"
        ))
        .prints(&format!(
            "start people  {{alertname=\"A\", instance=\"n1\"}}\n    handed over by mends: {why}\n"
        ));
    let planned = lab.run("plan --from alerts.json --explain -o json").code(0).json();
    let planned = planned.as_array().unwrap();
    assert_eq!(planned.len(), 2, "one verdict for each playbook: {planned:#?}");
    let starts: Vec<_> = planned.iter().filter(|record| record["type"] == "start").collect();
    assert_eq!((starts.len(), &starts[0]["handed_over_by"]), (1, &json!("mends")), "{planned:#?}");
    lab.run("run --from alerts.json")
        .code(0)
        .says("1 run, 1 succeeded")
        .says("1 later")
        .says("handed over by mends");
    assert_eq!(lab.lines("ran")[3..], ["people, for mends, n1"]);
    for _ in 0..3 {
        lab.run("run --from alerts.json").code(0).says("nothing to run").says("1 later");
    }
    assert_eq!(lab.lines("ran").len(), 4, "once for each time that it fires");
    let run = lab.runs()[0]["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs show {run}"))
        .code(0)
        .prints("handed over by playbook mends: it came back too often");
    // It fires once more: people hear of that, too, when their own cooldown is over.
    again(&lab);
    lab.run("run --from alerts.json").code(0).says("later people").says("and the cooldown is 15m");
    lab.run("breakers reset mends").code(0);
    lab.run("run --from alerts.json").code(0).says("1 run, 1 succeeded");
    assert_eq!(lab.lines("ran")[4..], ["mends"]);
}

#[test]
fn of_many_processes_at_once_one_hands_over() {
    let lab = lab();
    comes_back_too_often(&lab);
    let started: Vec<_> = (0..6).map(|_| lab.start("run --from alerts.json")).collect();
    started.into_iter().for_each(|child| drop(outcome(child).code(0)));
    assert_eq!(lab.lines("ran")[3..], ["people, for mends, n1"]);
}

#[test]
fn a_service_that_is_killed_hands_over_once() {
    let lab = lab();
    let mut served = Served::start(&lab, "");
    for n in 1..=3 {
        served.deliver(&firing_now("n1"));
        wait_until("it is worked on", || lab.lines("ran").len() == n);
        wait_until("the run is over", || lab.runs().iter().all(|run| run["status"] == "succeeded"));
    }
    // What is paused is not handed over yet, and not forgotten over a kill.
    lab.run("pause --playbook people").code(0);
    let fourth = firing_now("n1");
    let receipt = served.deliver(&fourth);
    assert_eq!((&receipt["started"], &receipt["later"]), (&json!(0), &json!(2)), "{receipt:#}");
    served.end("KILL");
    lab.run("unpause --playbook people").code(0);
    let mut served = Served::start(&lab, "");
    wait_until("people hear of it", || lab.lines("ran").len() == 4);
    served.end("KILL");
    let served = Served::start(&lab, "");
    for _ in 0..3 {
        served.deliver(&fourth);
    }
    drop(served);
    assert_eq!(lab.lines("ran")[3..], ["people, for mends, n1"]);
    assert_eq!(lab.runs().iter().filter(|run| run["playbook"] == "people").count(), 1);
}

#[test]
fn without_a_playbook_for_it_alertmanager_is_told_until_it_is_mended() {
    let mut lab = Lab::new();
    lab.playbook(
        "mends",
        &format!("sync: {{on_failure: alert}}\nrecheck: never\n{}", MENDS.replace('%', "")),
    );
    let labels = [json!({"alertname": "A", "instance": "n1"})];
    for _ in 0..3 {
        lab.post(&labels, 0, 3_600);
        lab.run("run --poll").code(0).says("1 run, 1 succeeded");
        lab.resolve(&labels);
        lab.run("run --poll").code(0);
    }
    let told = |lab: &Lab| lab.alerts("alertname", "AmflowComesBack");
    assert_eq!(told(&lab).len(), 0);
    lab.post(&labels, 0, 3_600);
    lab.run("plan --poll").code(0).prints("; AmflowComesBack in Alertmanager tells of it");
    assert_eq!(told(&lab).len(), 0, "a plan changes nothing");
    for _ in 0..2 {
        lab.run("run --poll").code(0).says("1 later");
        let told = told(&lab);
        assert_eq!(told.len(), 1, "{told:#?}");
        for (label, value) in [
            ("amflow_alertname", "A"),
            ("amflow_state", "failed"),
            ("amflow_playbook", "mends"),
            ("instance", "n1"),
        ] {
            assert_eq!(told[0]["labels"][label], value, "{told:#?}");
        }
    }
    lab.am.as_mut().unwrap().restart();
    assert_eq!(told(&lab).len(), 0, "alerts live in its memory");
    lab.post(&labels, 0, 3_600);
    lab.run("run --poll").code(0);
    assert_eq!(told(&lab).len(), 1, "the poll tells it again");
    lab.run("breakers reset mends").code(0);
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    assert_eq!(told(&lab).len(), 0, "it is worked on again");
}
