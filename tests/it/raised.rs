//! What amflow raises in Alertmanager itself, for as long as it holds: a failed run, an open breaker.

use std::fs;
use std::path::Path;
use std::process::Command;

use predicates::str::contains;

use crate::support::alertmanager::{Alertmanager, CONFIG, wait_until};
use crate::support::program::amflow;

/// A playbook that fails until a file says that it is mended.
const FAILS: &str = "version: 1\nname: fails\nmatchers: [alertname = A]\n\
                     limits: {cooldown: none, targets: none, breaker: 2}\nsync: {on_failure: alert}\n\
                     steps:\n  - exec: [test, -e, mended]\n";

fn poll(home: &Path, url: &str) -> assert_cmd::assert::Assert {
    amflow(home).args(["run", "--poll", "-p", "fails.yaml", "--alertmanager.url", url]).assert()
}

/// Sends an alert `A` of an instance, as a client of Alertmanager does.
fn add(url: &str, instance: &str, flags: &[&str]) {
    let instance = format!("instance={instance}");
    let status = Command::new("amtool")
        .args(["--alertmanager.url", url, "alert", "add", "A", &instance])
        .args(flags)
        .status()
        .expect("amtool is needed: apt-get install prometheus-alertmanager");
    assert!(status.success());
}

/// Returns the names of the alerts that Alertmanager holds.
fn names(alertmanager: &Alertmanager) -> Vec<String> {
    let body = alertmanager.get("/api/v2/alerts").expect("Alertmanager answers");
    let alerts: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    let mut names: Vec<_> =
        alerts.iter().map(|a| a["labels"]["alertname"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_open_breaker_is_an_alert_until_it_is_reset() {
    let mut alertmanager = Alertmanager::start(CONFIG);
    let url = alertmanager.url();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("fails.yaml"), FAILS).unwrap();
    let poll = || poll(home.path(), &url);
    let fire = |instance: &str| add(&url, instance, &[]);

    fire("one");
    poll().code(1);
    assert_eq!(names(&alertmanager), ["A", "AmflowRunFailed"], "one failure does not open it");
    fire("two");
    poll().code(1);
    let all = ["A", "A", "AmflowBreakerOpen", "AmflowRunFailed", "AmflowRunFailed"];
    assert_eq!(names(&alertmanager), all);

    alertmanager.restart();
    assert_eq!(names(&alertmanager).len(), 0, "Alertmanager forgets alerts");
    fire("one");
    fire("two");
    poll().success().stderr(contains("nothing to run"));
    assert_eq!(names(&alertmanager), all, "the poll tells it again");

    fs::write(home.path().join("mended"), "").unwrap();
    amflow(home.path()).args(["breakers", "reset", "fails"]).assert().success();
    poll().success().stderr(contains("2 runs, 2 succeeded"));
    assert!(!names(&alertmanager).contains(&"AmflowBreakerOpen".to_owned()), "it is closed");
}

#[test]
fn a_failed_run_is_an_alert_until_its_own_alert_is_resolved() {
    let alertmanager = Alertmanager::start(CONFIG);
    let url = alertmanager.url();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("fails.yaml"), FAILS).unwrap();
    add(&url, "one", &[]);
    poll(home.path(), &url).code(1);
    poll(home.path(), &url).success();
    assert_eq!(names(&alertmanager), ["A", "AmflowRunFailed"], "it stands while the alert fires");

    let now = jiff::Timestamp::now();
    add(
        &url,
        "one",
        &[&format!("--start={}", now - jiff::SignedDuration::from_mins(5)), &format!("--end={now}")],
    );
    wait_until("the alert is gone", || !names(&alertmanager).contains(&"A".to_owned()));
    poll(home.path(), &url).success();
    assert_eq!(names(&alertmanager), [""; 0], "nothing is left to be mended");
}
