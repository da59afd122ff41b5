//! What makes a playbook run, and for which alerts together: groups, mutes that are passed over, age.

use serde_json::{Value, json};

use crate::support::alertmanager::wait_until;
use crate::support::lab::{Lab, outcome, time};

/// Alerts as a pipe brings them, each with the name of an instance and a number; the lower, the older.
fn piped(alerts: &[(&str, &str)]) -> String {
    let alert = |(instance, n): &(&str, &str)| {
        let labels = json!({"alertname": "A", "instance": instance, "n": n});
        json!({"labels": labels, "startsAt": format!("2026-01-01T00:00:0{n}Z")})
    };
    Value::Array(alerts.iter().map(alert).collect()).to_string()
}

/// A playbook that writes which alerts it was given, as `INSTANCE: N N`.
fn grouped(by: &str) -> Lab {
    let lab = Lab::alone();
    lab.playbook(
        "grouped",
        &format!(
            "matchers: [alertname = A]\ngroup_by: {by}\nrecheck: never\nlimits: {{cooldown: none, targets: none}}\nsteps:\n  \
             - shell: |\n      printf '%s: %s\\n' {{{{ alert.labels.instance }}}} \"{{{{ alerts | map(attribute='labels') | map(attribute='n') | join(' ') }}}}\" >> seen\n"
        ),
    );
    lab
}

fn seen(lab: &Lab) -> Vec<String> {
    let mut lines = lab.lines("seen");
    lines.sort();
    lines
}

#[test]
fn the_alerts_of_a_group_are_worked_on_together_and_each_episode_once() {
    let lab = grouped("[instance]");
    let two_groups = [("one", "1"), ("two", "2"), ("one", "3")];
    let plan = lab.pipe("plan", piped(&two_groups)).code(0).says("2 runs would start");
    plan.prints("start grouped  2 alerts of {instance=\"one\"}")
        .prints("start grouped  1 alert of {instance=\"two\"}");
    let report = lab.pipe("run -o json", piped(&two_groups)).code(0).says("2 runs, 2 succeeded").json();
    assert_eq!(seen(&lab), ["one: 1 3", "two: 2"]);
    let mut targets: Vec<&str> =
        report["runs"].as_array().unwrap().iter().map(|run| run["target"].as_str().unwrap()).collect();
    targets.sort_unstable();
    assert_eq!(targets, ["{instance=\"one\"}", "{instance=\"two\"}"]);
    lab.pipe("run", piped(&two_groups)).code(0).says("nothing to run");
    // One that joins later has a run of its own, with nothing that was worked on already.
    lab.pipe("run", piped(&[("one", "1"), ("one", "3"), ("one", "4")])).code(0).says("1 run, 1 succeeded");
    assert_eq!(seen(&lab), ["one: 1 3", "one: 4", "two: 2"]);
}

#[test]
fn all_labels_make_a_group_of_each_alert_and_a_label_that_is_missing_is_empty() {
    let lab = grouped("[...]");
    lab.pipe("run", piped(&[("one", "1"), ("one", "2")])).code(0).says("2 runs, 2 succeeded");
    assert_eq!(seen(&lab), ["one: 1", "one: 2"]);
    let lab = grouped("[zone]");
    lab.pipe("run", piped(&[("one", "1"), ("two", "2")])).code(0).says("1 run, 1 succeeded");
    assert_eq!(seen(&lab), ["one: 1 2"]);
    lab.run("runs list").code(0).prints("{zone=\"\"}");
}

#[test]
fn a_group_is_resolved_when_all_its_alerts_are_and_each_is_muted() {
    let config = Lab::alone().run("alertmanager-config").code(0).stdout;
    let lab = Lab::with(&config);
    for (instance, timeout) in [("one", "3s"), ("two", "1m")] {
        lab.playbook(
            instance,
            &format!(
                "matchers: [alertname = A, instance = {instance}]\ngroup_by: [instance]\nsync: {{inhibit: true}}\nsteps:\n  \
                 - shell: |\n      touch began.{instance}\n      while [ ! -e go.{instance} ]; do sleep 0.02; done\n  \
                 - wait: {{until: resolved, for: 1s, timeout: {timeout}}}\n"
            ),
        );
    }
    for (instance, resolved) in [("one", 1), ("two", 2)] {
        let alerts = ["1", "2"].map(|n| json!({"alertname": "A", "instance": instance, "name": n}));
        lab.fire(&alerts);
        let child = lab.start("run --poll");
        lab.await_file(&format!("began.{instance}"));
        assert_eq!(lab.alerts("amflow_state", "running").len(), 2, "each is muted");
        lab.resolve(&alerts[..resolved]);
        lab.write(&format!("go.{instance}"), "");
        match resolved {
            1 => outcome(child).code(1).says("1 alert still fires"),
            _ => outcome(child).code(0).says("1 run, 1 succeeded"),
        };
        assert!(lab.alerts("amflow_state", "running").is_empty());
    }
}

#[test]
fn a_silenced_alert_waits_for_the_end_of_its_silence_unless_the_playbook_includes_it() {
    let lab = Lab::new();
    let steps =
        "limits: {cooldown: none}\nsteps:\n  - exec: [sh, -c, 'echo $0 >> ran', \"{{ run.playbook }}\"]\n";
    lab.playbook("waits", &format!("matchers: [alertname = A]\n{steps}"));
    lab.playbook("works", &format!("matchers: [alertname = A]\ninclude: [silenced]\n{steps}"));
    lab.fire(&[json!({"alertname": "A"})]);
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "A", "isRegex": false}],
        "startsAt": time(0), "endsAt": time(3_600), "createdBy": "ann", "comment": "night",
    });
    let answer = lab.am().post("/api/v2/silences", &silence.to_string());
    wait_until("it is silenced", || lab.alerts("alertname", "A")[0]["status"]["state"] == "suppressed");
    lab.run("run --poll").code(0).says("1 run, 1 succeeded").says("later waits").says("silenced");
    assert_eq!(lab.lines("ran"), ["works"]);
    let id = serde_json::from_str::<Value>(&answer).unwrap()["silenceID"].as_str().unwrap().to_owned();
    let url = format!("--alertmanager.url={}", lab.am().url());
    assert!(lab.command("amtool").args(["silence", "expire", &id, &url]).status().unwrap().success());
    wait_until("it is not", || lab.alerts("alertname", "A")[0]["status"]["state"] == "active");
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    assert_eq!(lab.lines("ran"), ["works", "waits"]);
}

#[test]
fn an_alert_that_is_too_young_comes_back_when_it_has_fired_for_long_enough() {
    let lab = Lab::new();
    lab.playbook("old", "matchers: [alertname = A]\nfor: 3s\nsteps:\n  - exec: [touch, ran]\n");
    lab.post(&[json!({"alertname": "A"})], 0, 3_600);
    let young = lab.run("run --poll -o json").code(0).says("1 later").json();
    assert_eq!(young["later"][0]["reason"], "too_young");
    assert!(young["later"][0]["until"].is_string());
    wait_until("it is old enough", || {
        lab.run("run --poll -q").code(0);
        lab.path("ran").exists()
    });
    assert_eq!(lab.only_run()["status"], "succeeded");
}
