//! What was put off comes back by itself, and is forgotten when its alert is gone.

use serde_json::json;

use crate::support::lab::{Lab, time};

/// Returns how many rows of what was put off the store keeps.
fn rows(lab: &Lab) -> i64 {
    let store = rusqlite::Connection::open(lab.path("store/amflow.db")).unwrap();
    store.query_row("SELECT count(*) FROM later", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_was_put_off_while_it_fired_is_forgotten_when_the_alert_is_gone() {
    let lab = Lab::new();
    lab.playbook("p", "matchers: [alertname = A]\nsteps:\n  - exec: [sh, -c, 'echo x >> ran']\n");
    let labels = [json!({"alertname": "A"})];
    lab.fire(&labels);
    lab.run("pause").code(0);
    lab.run("run --poll").code(0).says("1 later");
    assert_eq!(rows(&lab), 1);
    lab.run("run --poll --filter severity=page").code(0);
    assert_eq!(rows(&lab), 1, "a filtered answer proves nothing");
    lab.resolve(&labels);
    lab.run("run --poll").code(0).says("nothing to run");
    assert_eq!(rows(&lab), 0);

    lab.fire(&[json!({"alertname": "A", "n": "2"})]);
    lab.run("run --poll").code(0).says("1 later");
    lab.run("unpause").code(0);
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    assert_eq!((rows(&lab), lab.lines("ran").len()), (0, 1));
}

#[test]
fn a_resolved_alert_that_was_put_off_comes_back_though_no_poll_brings_it() {
    let lab = Lab::new();
    lab.playbook(
        "p",
        "status: resolved\nmatchers: [alertname = A]\nsteps:\n  - exec: [sh, -c, 'echo x >> ran']\n",
    );
    lab.playbook(
        "other",
        "status: resolved\nmatchers: [alertname = A]\nsteps:\n  - exec: [sh, -c, 'echo x >> other']\n",
    );
    lab.run("pause --playbook p").code(0);
    let over = json!([{"labels": {"alertname": "A"}, "startsAt": time(-120), "endsAt": time(-60)}]);
    lab.pipe("run", over.to_string()).code(0).says("1 run, 1 succeeded").says("1 later");
    lab.run("run --poll").code(0).says("1 later");
    lab.run("unpause --playbook p").code(0);
    lab.run("plan --poll").code(0).prints("start p").says("1 run would start");
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    assert_eq!((rows(&lab), lab.lines("ran").len(), lab.lines("other").len()), (0, 1, 1));

    lab.run("pause --playbook p").code(0);
    let over = json!([{"labels": {"alertname": "A", "n": "2"}, "startsAt": time(-120), "endsAt": time(-60)}]);
    lab.pipe("run", over.to_string()).code(0).says("1 later");
    lab.fire(&[json!({"alertname": "A", "n": "2"})]);
    lab.run("run --poll").code(0);
    assert_eq!(rows(&lab), 0, "it fires again: its end is no longer news");
}
