//! An Alertmanager that is gone, slow, restarting, that answers with a page or with half an answer: while the service
//! polls, while a run verifies, and while it mutes.

use std::time::Duration;

use serde_json::{Value, json};

use super::serve::{FREE, Served};
use crate::support::alertmanager::{CONFIG, wait_until};
use crate::support::lab::{Lab, outcome, send, time};
use crate::support::proxy::Mood;

const FAULTS: [Mood; 3] = [Mood::Gone, Mood::Html, Mood::Cut(300)];

fn labels(instance: &str) -> Value {
    json!({"alertname": "A", "instance": instance})
}

fn figure(served: &Served, name: &str) -> f64 {
    let (_, text) = served.get("/metrics");
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map_or(0.0, |v| v.parse().unwrap())
}

/// Waits for two polls that begin after this.
fn await_polls(served: &Served, result: &str) {
    let name = format!("amflow_polls_total{{result=\"{result}\"}}");
    let before = figure(served, &name);
    wait_until(&format!("two polls: {result}"), || figure(served, &name) >= before + 2.0);
}

#[test]
fn polls_that_fail_begin_nothing_end_nothing_and_are_told() {
    let lab = Lab::new();
    for (name, status) in [("fix", "firing"), ("tidy", "resolved")] {
        lab.playbook(
            name,
            &format!(
                "status: {status}\nmatchers: [alertname = A]\n{FREE}steps:\n  \
                 - exec: [sh, -c, 'echo \"{name} $0\" >> out', '{{{{ alert.labels.instance }}}}']\n"
            ),
        );
    }
    // More than `Mood::Cut` lets through.
    let others: Vec<Value> = (0..20).map(|n| json!({"alertname": "B", "n": n.to_string()})).collect();
    lab.fire(&others);
    lab.fire(&[labels("first")]);
    let served = Served::start(&lab, "--poll-interval 1s");
    wait_until("it is worked on", || lab.lines("out") == ["fix first"]);
    let mut expected = vec!["fix first".to_owned()];
    for (n, mood) in FAULTS.into_iter().enumerate() {
        lab.proxy().becomes(mood);
        lab.fire(&[labels(&format!("new{n}"))]);
        await_polls(&served, "failure");
        assert_eq!(lab.lines("out"), expected, "{mood:?}");
        assert!(lab.read("serve.log").contains("a poll failed: "), "{}", lab.read("serve.log"));
        assert_eq!((served.get("/-/healthy").0, served.get("/-/ready").0), (200, 200));
        lab.proxy().becomes(Mood::Veteran);
        expected.push(format!("fix new{n}"));
        wait_until("what came meanwhile is worked on", || lab.lines("out") == expected);
    }
    // A slow one is waited for; nobody else waits for it.
    lab.proxy().becomes(Mood::Slow(Duration::from_secs(2)));
    lab.fire(&[labels("slow")]);
    await_polls(&served, "success");
    expected.push("fix slow".to_owned());
    wait_until("what came is worked on", || lab.lines("out") == expected);
    lab.resolve(&[labels("first")]);
    expected.push("tidy first".to_owned());
    wait_until("its end is worked on", || lab.lines("out") == expected);
}

#[test]
fn an_alert_whose_lease_passes_while_a_slow_alertmanager_answers_is_not_taken_for_resolved() {
    let lab = Lab::new();
    lab.playbook(
        "verifies",
        "matchers: [alertname = A]\nlimits: {cooldown: none}\nsteps:\n  - exec: [sh, -c, 'echo x >> mended']\n  \
         - id: verify\n    wait: {until: resolved, every: 1s, for: 1s, timeout: 15s}\n",
    );
    // Its Prometheus has died: nobody sends it again. It was asked for while it fired, and looked up when it did not.
    lab.post(&[labels("x")], -60, 6);
    let child = lab.start("run --poll");
    wait_until("it verifies", || {
        lab.path("mended").exists() && lab.run("runs list -o json --status waiting").json() != json!([])
    });
    lab.proxy().becomes(Mood::Slow(Duration::from_secs(7)));
    outcome(child).code(1).says("lost sight");
    let reason = lab.only_run()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("gone without having been resolved"), "{reason}");
}

/// A lab with a playbook that makes a silence, or mutes, and then works until it is told to end.
fn mutes(how: &str, steps: &str) -> Lab {
    let lab = Lab::with(CONFIG);
    lab.playbook(
        "mutes",
        &format!(
            "matchers: [alertname = A]\nlimits: {{cooldown: none}}\n{how}steps:\n{steps}  - id: work\n    shell: |\n      \
             touch began\n      while [ ! -e go ]; do sleep 0.02; done\n"
        ),
    );
    lab.fire(&[labels("x")]);
    lab
}

#[test]
fn a_silence_whose_making_was_not_answered_is_made_once() {
    let lab = mutes("recheck: never\n", "  - silence: {}\n");
    lab.write("alerts.json", &lab.am().get("/api/v2/alerts").unwrap());
    lab.proxy().becomes(Mood::Unanswered);
    let child = lab.start("run --from alerts.json");
    lab.await_file("began");
    assert_eq!(lab.silences().len(), 1, "{:?}", lab.silences());
    lab.write("go", "");
    outcome(child).code(0);
    assert!(lab.silences().is_empty(), "it is known, and expired");
    let all: Vec<Value> = lab.am().get_json("/api/v2/silences");
    assert_eq!(all.len(), 1);
}

#[test]
fn a_silence_that_cannot_be_made_fails_its_step_and_says_why() {
    for (mood, why) in
        [(Mood::Gone, "127.0.0.1"), (Mood::Html, "is this the URL of the API"), (Mood::Cut(20), "127.0.0.1")]
    {
        let lab = mutes("recheck: never\n", "  - id: quiet\n    silence: {}\n");
        lab.write("alerts.json", &lab.am().get("/api/v2/alerts").unwrap());
        lab.proxy().becomes(mood);
        lab.run("run --from alerts.json").code(1).says("quiet: failed").says(&lab.proxy().url());
        assert!(!lab.path("began").exists(), "{mood:?}");
        let reason = lab.only_run()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(why), "{mood:?}: {reason}");
    }
}

#[test]
fn a_mute_that_cannot_be_made_is_told_and_does_not_keep_the_alert_from_being_worked_on() {
    for mood in FAULTS {
        let lab = mutes("recheck: never\nsync: {inhibit: true}\n", "");
        lab.write("alerts.json", &lab.am().get("/api/v2/alerts").unwrap());
        lab.write("go", "");
        lab.proxy().becomes(if mood == Mood::Cut(300) { Mood::Cut(20) } else { mood });
        lab.run("run --from alerts.json").code(0).says("could not mute its alert").says("1 succeeded");
        assert!(lab.path("began").exists());
    }
}

#[test]
fn what_a_run_holds_survives_a_restart_of_alertmanager_and_ends_with_the_run() {
    let mut lab = mutes("sync: {silence: true}\n", "  - silence: {duration: 15s}\n");
    let child = lab.start("run --poll");
    lab.await_file("began");
    assert_eq!(lab.silences().len(), 2);
    let ends = |lab: &Lab| {
        lab.silences().iter().map(|silence| silence["endsAt"].as_str().unwrap().to_owned()).min().unwrap()
    };
    lab.am.as_mut().unwrap().restart();
    let before = ends(&lab);
    wait_until("the shorter one is extended", || ends(&lab) > before);
    assert_eq!(lab.silences().len(), 2, "in place");
    lab.write("go", "");
    outcome(child).code(0).says("1 succeeded");
    assert!(lab.silences().is_empty());
}

#[test]
fn what_could_not_be_released_is_told_and_lapses() {
    let lab = mutes("", "  - silence: {duration: 15s}\n");
    let child = lab.start("run --poll");
    lab.await_file("began");
    lab.proxy().becomes(Mood::Gone);
    lab.write("go", "");
    outcome(child).code(0).says("could not be released").says("it ends with its lease");
    let ends = lab.silences()[0]["endsAt"].as_str().unwrap().to_owned();
    assert!(ends < time(31), "it lapses within its lease: {ends}");
}

#[test]
fn a_service_that_is_told_to_end_while_alertmanager_does_not_answer_ends_in_time() {
    let lab = mutes("recheck: never\nsync: {silence: true}\n", "");
    lab.configure("server: {drain_timeout: 2s}\n");
    let mut served = Served::start(&lab, "--poll-interval 1s");
    lab.await_file("began");
    lab.proxy().becomes(Mood::Slow(Duration::from_secs(600)));
    send("TERM", served.child.id());
    wait_until("it has ended", || served.child.try_wait().unwrap().is_some());
    lab.proxy().becomes(Mood::Veteran);
    lab.write("go", "");
    let _again = Served::start(&lab, "--poll-interval 1s");
    wait_until("the next start ends the run", || lab.only_run()["status"] == "failed");
    wait_until("and what it muted", || lab.silences().is_empty());
}
