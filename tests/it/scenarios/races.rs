//! Several processes that share a store.

use serde_json::{Value, json};

use crate::support::lab::{Lab, outcome};

#[test]
fn ten_that_start_at_once_run_each_alert_exactly_once() {
    let lab = Lab::new();
    lab.configure("limits: {running: none, starts: none}\n");
    lab.playbook(
        "once",
        "matchers: [alertname = A]\nlimits: {cooldown: none, rate: none, targets: none, breaker: none}\n\
         steps:\n  - exec: [sh, -c, 'echo \"$0\" >> ran', \"{{ alert.labels.n }}\"]\n",
    );
    let labels: Vec<Value> = (0..200).map(|n| json!({"alertname": "A", "n": n.to_string()})).collect();
    lab.fire(&labels);
    let started: Vec<_> = (0..10).map(|_| lab.start("run --poll -o json")).collect();
    let mut runs = 0;
    for child in started {
        let outcome = outcome(child).code(0);
        runs += outcome.json()["runs"].as_array().unwrap().len();
    }
    assert_eq!(runs, 200, "each run is told by one process");
    let mut ran: Vec<usize> = lab.lines("ran").iter().map(|line| line.parse().unwrap()).collect();
    ran.sort_unstable();
    assert_eq!(ran, (0..200).collect::<Vec<_>>());
    lab.run("run --poll").code(0).says("200 already done or under way");
}
