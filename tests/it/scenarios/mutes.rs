//! What a run wants to be so while it works: silences of its own, and the one alert that it works on inhibited.

use std::process::Child;

use serde_json::{Value, json};

use crate::support::alertmanager::{Alertmanager, wait_until};
use crate::support::lab::{Lab, finish, outcome, send};

const UNTIL_GO: &str = "  - id: work\n    idempotent: true\n    shell: |\n      echo $AMFLOW_ATTEMPT >> worked\n      touch began\n      while [ ! -e go ]; do sleep 0.02; done\n";

/// Starts a run and comes back when its work has begun.
fn begin(lab: &Lab) -> Child {
    let child = lab.start("run --poll");
    lab.await_file("began");
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_silence_is_made_extended_in_place_and_expired_with_its_run() {
    let lab = Lab::new();
    lab.playbook("mutes", &format!("matchers: [alertname = A]\nsteps:\n  - silence: {{duration: 30s, comment: 'for {{{{ alert.labels.instance }}}}'}}\n{UNTIL_GO}"));
    lab.fire(&[json!({"alertname": "A", "instance": "one"}), json!({"alertname": "B", "instance": "one"})]);
    let child = begin(&lab);
    let silences = lab.silences();
    assert_eq!(silences.len(), 1);
    let (id, ends) = (text(&silences[0], "/id").to_owned(), text(&silences[0], "/endsAt").to_owned());
    assert_eq!(silences[0]["createdBy"], "amflow");
    assert!(text(&silences[0], "/comment").contains("for one"), "{silences:?}");
    assert_eq!(text(&lab.alerts("alertname", "A")[0], "/status/silencedBy/0"), id);
    assert_eq!(text(&lab.alerts("alertname", "B")[0], "/status/state"), "active", "exactly the run's alert");
    wait_until("it is extended", || text(&lab.silences()[0], "/endsAt") > ends.as_str());
    assert_eq!(text(&lab.silences()[0], "/id"), id, "in place");
    lab.write("go", "");
    outcome(child).code(0);
    assert!(lab.silences().is_empty());
    assert_eq!(text(&lab.alerts("alertname", "A")[0], "/status/state"), "active");
}

#[test]
fn a_silence_that_is_kept_outlives_its_run_and_an_expired_one_ends_before() {
    let lab = Lab::new();
    lab.playbook(
        "mutes",
        "matchers: [alertname = A]\nsteps:\n  - silence: {duration: 2h, keep: true, matchers: ['instance = \"{{ alert.labels.instance }}\"']}\n  \
         - id: short\n    silence: {}\n  - silence: {expire: short}\n  - exec: [touch, began]\n  - shell: while [ ! -e go ]; do sleep 0.02; done\n",
    );
    lab.fire(&[json!({"alertname": "A", "instance": "one"})]);
    let child = begin(&lab);
    assert_eq!(lab.silences().len(), 1);
    lab.write("go", "");
    outcome(child).code(0);
    let kept = lab.silences();
    assert_eq!(kept.len(), 1);
    assert_eq!(text(&kept[0], "/matchers/0/name"), "instance");
    assert!(text(&kept[0], "/endsAt") > crate::support::lab::time(7_000).as_str());
}

#[test]
fn a_silence_is_found_again_after_a_kill_and_not_made_twice() {
    let lab = Lab::new();
    lab.playbook(
        "mutes",
        &format!("matchers: [alertname = A]\nsteps:\n  - silence: {{duration: 1m}}\n{UNTIL_GO}"),
    );
    lab.fire(&[json!({"alertname": "A", "instance": "one"})]);
    kill(begin(&lab));
    let before = lab.silences();
    assert_eq!(before.len(), 1, "it stands until its lease is over");
    std::fs::remove_file(lab.path("began")).unwrap();
    let child = begin(&lab);
    wait_until("it is extended", || text(&lab.silences()[0], "/endsAt") > text(&before[0], "/endsAt"));
    let now = lab.silences();
    assert_eq!((now.len(), &now[0]["id"]), (1, &before[0]["id"]));
    lab.write("go", "");
    outcome(child).code(0);
    assert!(lab.silences().is_empty());
    assert_eq!(lab.lines("worked").len(), 2, "the step is idempotent: it was tried again");
    let all: Vec<Value> = lab.am().get_json("/api/v2/silences");
    assert_eq!(all.len(), 1, "none was made beside it");
}

/// Returns a lab whose Alertmanager has the configuration that the program prints.
fn inhibiting(args: &[&str]) -> Lab {
    let lab = Lab::alone();
    let mut command = lab.amflow("alertmanager-config");
    let config = finish(command.args(args)).code(0).stdout;
    lab.write("am.yml", &config);
    finish(lab.command("amtool").args(["check-config", "am.yml"])).code(0);
    Lab::with(&config)
}

fn inhibited(lab: &Lab, instance: &str) -> Vec<Value> {
    let alerts = lab.alerts("instance", instance);
    let of: Vec<_> = alerts.iter().filter(|alert| alert["labels"].get("amflow_state").is_none()).collect();
    assert_eq!(of.len(), 1, "{alerts:#?}");
    of[0]["status"]["inhibitedBy"].as_array().unwrap().clone()
}

#[test]
fn exactly_the_alert_that_is_worked_on_is_inhibited_and_released_at_the_end() {
    let lab = inhibiting(&[]);
    lab.playbook(
        "works",
        &format!("matchers: [alertname = A, instance = one]\nsync: {{inhibit: true}}\nsteps:\n{UNTIL_GO}"),
    );
    lab.fire(&[json!({"alertname": "A", "instance": "one"}), json!({"alertname": "A", "instance": "two"})]);
    let child = begin(&lab);
    let own = lab.alerts("amflow_state", "running");
    assert_eq!(own.len(), 1);
    assert_eq!(inhibited(&lab, "one"), [own[0]["fingerprint"].clone()]);
    assert_eq!(inhibited(&lab, "two"), [] as [Value; 0]);
    assert_eq!(own[0]["receivers"][0]["name"], "amflow-nobody", "nobody is told of it");
    lab.write("go", "");
    outcome(child).code(0);
    assert!(lab.alerts("amflow_state", "running").is_empty());
    assert_eq!(inhibited(&lab, "one"), [] as [Value; 0]);
}

#[test]
fn a_warning_that_is_worked_on_does_not_mute_the_critical_alert_of_the_same_name() {
    let lab = inhibiting(&[]);
    lab.playbook(
        "works",
        &format!(
            "matchers: [alertname = A, severity = warning]\nsync: {{inhibit: true}}\nsteps:\n{UNTIL_GO}"
        ),
    );
    let alert = |label: &str, value: &str| {
        let mut labels = json!({"alertname": "A", "instance": "one", "severity": "critical"});
        labels[label] = json!(value);
        labels
    };
    // As common rule sets tell alerts of one name apart.
    let labels =
        ["device", "datname", "persistentvolumeclaim", "job_name", "condition", "name", "long", "cluster"];
    let near: Vec<Value> =
        labels.iter().map(|label| alert(label, "x")).chain([alert("severity", "critical")]).collect();
    lab.fire(&near);
    lab.fire(&[alert("severity", "warning")]);
    let child = begin(&lab);
    let inhibited: Vec<Value> = lab
        .alerts("alertname", "A")
        .into_iter()
        .filter(|alert| alert["status"]["inhibitedBy"] != json!([]))
        .map(|alert| alert["labels"].clone())
        .collect();
    assert_eq!(inhibited, [alert("severity", "warning")]);
    lab.write("go", "");
    outcome(child).code(0);
}

#[test]
fn a_rule_that_mutes_nothing_or_too_much_is_warned_of() {
    let labels = json!({"alertname": "A", "instance": "one", "severity": "warning", "tier": "gold"});
    let playbook = "matchers: [alertname = A]\nsync: {inhibit: true}\nsteps:\n  - exec: ['true']\n";
    let (doubts, nothing, more) =
        ("`sync.inhibit` of works mutes", "mutes nothing", "under `equal`: severity, tier");
    for (args, wanted) in [
        (None, nothing),
        (Some(&["--equal", "alertname", "--equal", "instance"][..]), more),
        (
            Some(
                &["--equal", "alertname", "--equal", "instance", "--equal", "severity", "--equal", "tier"][..],
            ),
            "",
        ),
    ] {
        let lab = args.map_or_else(Lab::new, inhibiting);
        lab.playbook("works", playbook);
        lab.fire(std::slice::from_ref(&labels));
        for command in ["plan --poll", "run --poll -q"] {
            let outcome = lab.run(command).code(0);
            if wanted.is_empty() {
                outcome.keeps_silent_about(doubts);
            } else {
                outcome.says(doubts).says(wanted).says("amflow alertmanager-config");
            }
        }
        // Nothing starts, nothing is muted, nothing is said.
        lab.run("run --poll").code(0).keeps_silent_about(doubts);
    }
}

#[test]
fn an_inhibition_ends_with_a_cancelled_run_and_goes_over_to_a_failure() {
    let lab = inhibiting(&[]);
    lab.playbook(
        "works",
        "matchers: [alertname = A]\nsync: {inhibit: true, on_failure: alert}\nlimits: {cooldown: none}\nsteps:\n  \
         - shell: |\n      touch began\n      while [ ! -e go ]; do sleep 0.02; done\n      exit 3\n",
    );
    lab.fire(&[json!({"alertname": "A", "instance": "one"})]);
    let child = begin(&lab);
    assert_eq!(inhibited(&lab, "one").len(), 1);
    send("TERM", child.id());
    outcome(child).code(143);
    assert!(inhibited(&lab, "one").is_empty());
    assert!(lab.alerts("amflow_state", "failed").is_empty(), "cancelled is not failed");

    std::fs::remove_file(lab.path("began")).unwrap();
    lab.write("go", "");
    lab.run(&format!("runs retry {}", text(&lab.only_run(), "/run"))).code(1);
    assert!(inhibited(&lab, "one").is_empty());
    let failed = lab.alerts("amflow_state", "failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["receivers"][0]["name"], "people");
}

#[test]
fn an_inhibition_is_taken_over_after_a_kill_and_ends_by_itself_when_nobody_does() {
    let lab = inhibiting(&[]);
    lab.playbook("works", &format!("matchers: [alertname = A]\nsync: {{inhibit: true}}\nsteps:\n{UNTIL_GO}"));
    lab.fire(&[json!({"alertname": "A", "instance": "one"})]);
    kill(begin(&lab));
    let left = lab.alerts("amflow_state", "running");
    assert_eq!(left.len(), 1);
    let soon = crate::support::lab::time(6 * 60);
    assert!(text(&left[0], "/endsAt") < soon.as_str(), "it lapses within its lease");
    std::fs::remove_file(lab.path("began")).unwrap();
    let child = begin(&lab);
    let now = lab.alerts("amflow_state", "running");
    assert_eq!((now.len(), &now[0]["startsAt"]), (1, &left[0]["startsAt"]));
    lab.write("go", "");
    outcome(child).code(0);
    assert!(inhibited(&lab, "one").is_empty());
}

#[test]
fn a_run_mutes_by_a_silence_when_it_is_told_to() {
    let lab = Lab::new();
    lab.playbook("works", &format!("matchers: [alertname = A]\nsync: {{silence: true}}\nsteps:\n{UNTIL_GO}"));
    lab.fire(&[json!({"alertname": "A", "instance": "one"}), json!({"alertname": "B", "instance": "one"})]);
    let child = begin(&lab);
    assert_eq!(lab.silences().len(), 1);
    lab.write("go", "");
    outcome(child).code(0);
    assert!(lab.silences().is_empty());
}

#[test]
fn a_run_works_on_every_peer_of_a_cluster() {
    let mut lab = Lab::alone();
    let config = lab.run("alertmanager-config").code(0).stdout;
    let first = Alertmanager::start_clustered(&config);
    let second = first.start_peer(&config);
    lab.configure(&format!("alertmanager: {{urls: ['{}', '{}']}}\n", first.url(), second.url()));
    lab.playbook("works", &format!("matchers: [alertname = A]\nsync: {{inhibit: true}}\nsteps:\n{UNTIL_GO}"));
    lab.am = Some(first);
    let alert = json!([{"labels": {"alertname": "A", "instance": "one"}}]).to_string();
    second.post("/api/v2/alerts", &alert);
    lab.am().post("/api/v2/alerts", &alert);
    let child = begin(&lab);
    for am in [lab.am(), &second] {
        let all: Vec<Value> = am.get_json("/api/v2/alerts");
        assert_eq!(all.iter().filter(|alert| alert["labels"]["amflow_state"] == "running").count(), 1);
    }
    lab.write("go", "");
    outcome(child).code(0).says("1 alert read");
    for am in [lab.am(), &second] {
        let all: Vec<Value> = am.get_json("/api/v2/alerts");
        assert_eq!(all.len(), 1, "{all:?}");
    }
}

#[test]
fn a_parked_run_mutes_nothing_and_mutes_again_when_it_goes_on() {
    let lab = inhibiting(&[]);
    lab.playbook(
        "works",
        &format!("matchers: [alertname = A]\nsync: {{inhibit: true}}\nsteps:\n  - wait: 2s\n{UNTIL_GO}"),
    );
    lab.fire(&[json!({"alertname": "A", "instance": "one"})]);
    lab.run("run --poll --no-wait").code(4);
    assert_eq!(inhibited(&lab, "one"), [] as [Value; 0], "no process would renew the mute");
    let mut child = None;
    wait_until("it is due, and works", || {
        let ended = child.as_mut().is_none_or(|child: &mut Child| child.try_wait().unwrap().is_some());
        if ended {
            child = Some(lab.start("run --poll"));
        }
        lab.path("began").exists()
    });
    assert_eq!(inhibited(&lab, "one").len(), 1);
    lab.write("go", "");
    outcome(child.unwrap()).code(0).says("1 succeeded");
    assert_eq!(inhibited(&lab, "one"), [] as [Value; 0]);
}
