//! What keeps amflow from running away: breaker, cooldown, rate, targets, pause; and that it says so.

use serde_json::{Value, json};

use crate::support::lab::Lab;

fn alerts(count: usize) -> Vec<Value> {
    (1..=count).map(|n| json!({"alertname": "A", "instance": format!("n{n}")})).collect()
}

#[test]
fn a_breaker_opens_after_failures_in_a_row_and_is_reset_by_hand() {
    let lab = Lab::new();
    lab.playbook(
        "fails",
        "matchers: [alertname = A]\nlimits: {cooldown: none, targets: 1, breaker: 2}\nsteps:\n  \
         - exec: [sh, -c, 'echo x >> tried; test -e mended']\n",
    );
    lab.fire(&alerts(5));
    lab.run("run --poll").code(1).says("2 runs, 2 failed").says("3 later").says("breakers reset fails");
    assert_eq!(lab.lines("tried").len(), 2);
    let listed = lab.run("breakers list").code(0);
    listed.prints("fails").prints("open");
    lab.run("plan --poll --explain").code(0).prints("the breaker is open after 2 failed runs in a row");
    lab.run("run --poll").code(0).says("nothing to run");
    assert_eq!(lab.lines("tried").len(), 2);

    lab.write("mended", "");
    lab.run("breakers reset fials").code(0).says("is this its name?");
    lab.run("breakers reset fails").code(0).says("reset: fails");
    lab.run("run --poll").code(0).says("3 runs, 3 succeeded");
    let listed = lab.run("breakers list -o json").code(0).json();
    assert_eq!(listed, json!([]));
}

#[test]
fn a_breaker_that_was_reset_is_open_again_when_the_trial_fails() {
    let lab = Lab::new();
    lab.playbook(
        "fails",
        "matchers: [alertname = A]\nlimits: {cooldown: none, targets: none, breaker: 2}\nsteps:\n  - shell: echo x >> tried; exit 1\n",
    );
    lab.fire(&alerts(2));
    // Both were admitted before the first had failed: what has begun is not taken back.
    lab.run("run --poll --parallel 1").code(1).says("2 failed").says("the breaker of fails is open");
    lab.fire(&alerts(5));
    lab.run("run --poll").code(0).says("3 later");
    lab.run("breakers reset fails").code(0);
    lab.run("breakers list").code(0).prints("trickles");
    // One run is a trial, and the others wait for what comes of it.
    lab.run("run --poll").code(1).says("1 run, 1 failed, 2 later").says("the breaker of fails is open");
    assert_eq!(lab.lines("tried").len(), 3);
    lab.run("breakers list").code(0).prints("open");
}

#[test]
fn reasons_for_later_are_told_with_their_figures() {
    for (limits, steps, reason, explained) in [
        ("{cooldown: 1h, rate: none, targets: none}", "", "cooldown", "and the cooldown is 1h"),
        (
            "{cooldown: none, rate: 1 in 1h, targets: none}",
            "",
            "rate",
            "1 start in the last 1h, and the playbook's `rate` is 1 in 1h",
        ),
    ] {
        let lab = Lab::new();
        lab.playbook(
            "p",
            &format!(
                "matchers: [alertname = A]\nlimits: {limits}\ngroup_by: [alertname]\nsteps:\n  - exec: ['true']\n{steps}"
            ),
        );
        lab.fire(&alerts(1));
        lab.run("run --poll").code(0).says("1 run, 1 succeeded");
        lab.fire(&alerts(2));
        let report = lab.run("run --poll -o json").code(0).says("1 later").json();
        assert_eq!(report["later"][0]["reason"], reason, "{report:#}");
        assert!(report["later"][0]["until"].is_string());
        lab.run("plan --poll --explain").code(0).prints("later p").prints(explained);
    }
}

#[test]
fn only_so_many_targets_are_worked_on_at_the_same_time() {
    let lab = Lab::new();
    lab.playbook(
        "p",
        "matchers: [alertname = A]\nlimits: {cooldown: none, targets: 1}\nsteps:\n  \
         - exec: [sh, -c, 'mkdir busy && echo x >> seen && rmdir busy']\n",
    );
    lab.fire(&alerts(6));
    lab.run("run --poll --parallel 4").code(0).says("6 runs, 6 succeeded");
    assert_eq!(lab.lines("seen").len(), 6);
    let listed = lab.run("runs list").code(0);
    assert!(!listed.stderr.contains("put off"), "all have started: {}", listed.stderr);
}

#[test]
fn what_was_put_off_is_kept_until_it_starts_or_its_alert_is_gone() {
    let lab = Lab::new();
    lab.playbook("p", "matchers: [alertname = A]\nsteps:\n  - exec: [sh, -c, 'echo x >> ran']\n");
    lab.run("pause").code(0);
    lab.fire(&alerts(3));
    lab.run("run --poll")
        .code(0)
        .says("3 later")
        .says("later p {alertname=\"A\", instance=\"n2\"}: everything is paused");
    lab.run("runs list").code(0).says("3 targets put off");
    lab.resolve(&alerts(1));
    // What a filter leaves out is not gone.
    lab.run("run --poll --filter instance=n2").code(0).says("1 later");
    lab.run("runs list").code(0).says("3 targets put off");
    lab.run("run --poll").code(0).says("2 later");
    lab.run("runs list").code(0).says("2 targets put off");
    lab.run("unpause").code(0);
    lab.run("run --poll").code(0).says("2 runs, 2 succeeded");
    let listed = lab.run("runs list").code(0).keeps_silent_about("is paused");
    assert!(!listed.stderr.contains("put off"), "{}", listed.stderr);
}

#[test]
fn a_storm_is_told_of_in_a_screenful() {
    let lab = Lab::new();
    lab.playbook("p", "matchers: [alertname = A]\nsteps:\n  - exec: ['true']\n");
    lab.run("pause").code(0);
    lab.fire(&alerts(60));
    let told = |args: &str| {
        let outcome = lab.run(args).code(0).says("60 later");
        outcome.stderr.lines().filter(|line| line.starts_with("later p ")).count()
    };
    assert_eq!((told("run --poll"), told("run --poll -v")), (20, 60));
    lab.run("run --poll").code(0).says("and 40 more");
}

#[test]
fn a_pause_of_one_playbook_holds_that_one_until_it_is_ended() {
    let lab = Lab::new();
    for name in ["one", "two"] {
        lab.playbook(
            name,
            &format!("matchers: [alertname = A]\nsteps:\n  - exec: [sh, -c, 'echo {name} >> ran']\n"),
        );
    }
    lab.fire(&alerts(1));
    lab.run("pause --playbook one --reason works").code(0).says("playbook one is paused");
    for command in ["runs list", "plan --poll"] {
        let says = format!(
            "playbook one is paused by {}: works (until `amflow unpause --playbook one`)",
            lab.user()
        );
        lab.run(command).code(0).says(&says);
    }
    lab.run("run --poll").code(0).says("1 run, 1 succeeded").says("1 later").says("works");
    assert_eq!(lab.lines("ran"), ["two"]);
    lab.run("unpause").code(0).says("not everything was paused");
    lab.run("unpause --playbook one").code(0).says("playbook one is no longer paused");
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    assert_eq!(lab.lines("ran"), ["two", "one"]);
}
