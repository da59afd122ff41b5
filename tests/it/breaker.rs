//! An open breaker is told to people by Alertmanager itself, for as long as it is open.

use std::fs;
use std::process::Command;

use predicates::str::contains;

use crate::support::alertmanager::{Alertmanager, CONFIG};
use crate::support::program::amflow;

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
    let playbook = "version: 1\nname: fails\nmatchers: [alertname = A]\n\
                    limits: {cooldown: none, targets: none, breaker: 2}\nsync: {on_failure: alert}\n\
                    steps:\n  - exec: [test, -e, mended]\n";
    fs::write(home.path().join("fails.yaml"), playbook).unwrap();
    let poll = || {
        amflow(home.path()).args(["run", "--poll", "-p", "fails.yaml", "--alertmanager.url", &url]).assert()
    };
    let fire = |instance: &str| {
        let status = Command::new("amtool")
            .args(["--alertmanager.url", &url, "alert", "add", "A", &format!("instance={instance}")])
            .status()
            .expect("amtool is needed: apt-get install prometheus-alertmanager");
        assert!(status.success());
    };

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
