//! A playbook that fails: its handlers, what it raises in Alertmanager, and when that ends.

use serde_json::{Value, json};

use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;
use crate::support::proxy::Mood;

const FAILS: &str = "matchers: [alertname = A]\nlimits: {cooldown: none, breaker: none}\nsync: {on_failure: alert}\n\
    steps:\n  - exec: [sh, -c, 'echo begun >> told']\n  - id: mend\n    exec: [sh, -c, 'test -e mended || { echo \"no such disk\" >&2; exit 3; }']\n  \
    - exec: [sh, -c, 'echo never >> told']\n\
    on_failure:\n  - shell: printf 'failure %s %s\\n' {{ failed.step }} {{ failed.reason }} >> told\n\
    finally:\n  - shell: printf 'finally %s\\n' {{ run.status }} >> told\n";

/// Returns a lab in which one run has failed, and the labels of its alert.
fn failed_lab() -> (Lab, Value) {
    let lab = Lab::new();
    lab.playbook("fails", FAILS);
    let labels = json!({"alertname": "A", "instance": "one", "severity": "page"});
    lab.fire(std::slice::from_ref(&labels));
    lab.run("run --poll")
        .code(1)
        .says("1 run, 1 failed")
        .says("mend: failed: exit code 3")
        .says("amflow runs show");
    (lab, labels)
}

/// Returns the alert that the failed run raised.
fn raised(lab: &Lab) -> Vec<Value> {
    lab.alerts("alertname", "AmflowRunFailed")
}

#[test]
fn handlers_run_and_an_alert_is_raised() {
    let (lab, _) = failed_lab();
    let told = lab.lines("told");
    assert_eq!(told, ["begun", "failure mend exit code 3: no such disk", "finally failed"]);
    let run = lab.only_run();
    assert_eq!(run["status"], "failed");
    let raised = raised(&lab);
    assert_eq!(raised.len(), 1);
    let labels = &raised[0]["labels"];
    for (name, value) in [
        ("amflow_state", "failed"),
        ("amflow_alertname", "A"),
        ("amflow_playbook", "fails"),
        ("instance", "one"),
        ("severity", "page"),
    ] {
        assert_eq!(labels[name], value, "{labels}");
    }
    assert_eq!(labels["amflow_run"], run["run"]);
    // amflow never works on its own alerts, and what has failed is not begun again.
    lab.run("run --poll").code(0).says("nothing to run").says("1 already done or under way");
    assert_eq!(lab.runs().len(), 1);
}

#[test]
fn what_was_raised_stands_over_a_restart_of_alertmanager_until_the_original_is_resolved() {
    let (mut lab, labels) = failed_lab();
    lab.am.as_mut().unwrap().restart();
    lab.proxy().becomes(Mood::Honest);
    assert_eq!(raised(&lab).len(), 0, "alerts live in its memory");
    // Its memory is empty: that proves nothing about the original either.
    lab.run("run --poll").code(0);
    assert_eq!(raised(&lab).len(), 1);
    lab.fire(std::slice::from_ref(&labels));
    lab.run("run --poll").code(0);
    assert_eq!(raised(&lab).len(), 1);
}

#[test]
fn what_was_raised_ends_with_the_original() {
    let (lab, labels) = failed_lab();
    lab.run("run --poll").code(0);
    assert_eq!(raised(&lab).len(), 1);
    lab.resolve(&[labels]);
    lab.run("run --poll").code(0);
    wait_until("it is resolved", || raised(&lab).is_empty());
}

#[test]
fn what_was_raised_ends_when_a_later_run_succeeds() {
    let (lab, _) = failed_lab();
    lab.write("mended", "");
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs retry {id}")).code(0);
    assert!(raised(&lab).is_empty());
    let runs = lab.runs();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["status"], "succeeded");
}
