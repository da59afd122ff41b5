//! SIGINT, SIGTERM and SIGHUP: the running command is ended with all its children, `finally` runs, and the store says so.

use std::process::Stdio;
use std::time::Instant;

use serde_json::json;

use crate::support::alertmanager::wait_until;
use crate::support::lab::{Lab, outcome, send};

/// A step that has a child of its own, which both hear TERM as they like, and two steps for the end.
fn lab(script: &str, finally: &str) -> Lab {
    let lab = Lab::new();
    lab.playbook(
        "long",
        &format!(
            "matchers: [alertname = A]\nsteps:\n  - id: long\n    shell: |\n{script}\n  - exec: [sh, -c, 'echo no >> after']\n\
             on_failure:\n  - exec: [sh, -c, 'echo no >> after']\nfinally:\n  - id: tidy\n    exec: [sh, -c, '{finally}']\n"
        ),
    );
    lab.fire(&[json!({"alertname": "A"})]);
    lab
}

const OBEDIENT: &str = "      (trap 'echo child >> heard; exit' TERM; echo $$ > child.tmp; mv child.tmp child; while :; do sleep 0.05; done) &\n      \
    trap 'echo parent >> heard; exit' TERM\n      while [ ! -e child ]; do sleep 0.01; done; touch began\n      while :; do sleep 0.05; done";
const DEAF: &str = "      trap '' TERM\n      sh -c 'trap \"\" TERM; echo $$ > child; exec sleep 1000' &\n      \
    while [ ! -s child ]; do sleep 0.01; done\n      touch began\n      wait";

/// Returns whether a process is alive (and not only not yet waited for).
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z')
}

#[test]
fn the_first_signal_ends_the_command_with_its_children_and_finally_still_runs() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
        let lab = lab(OBEDIENT, "echo tidy >> after");
        let program = lab.amflow("run --poll -o json");
        // These tests may run under nohup themselves, and what is ignored is inherited.
        let mut command = lab.command("env");
        command.arg("--default-signal=HUP").arg(program.get_program()).args(program.get_args());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        lab.await_file("began");
        send(signal, child.id());
        let outcome = outcome(child).code(code).says(&format!("SIG{signal}")).says("1 cancelled");
        assert_eq!(outcome.json()["runs"][0]["status"], "cancelled");
        let mut heard = lab.lines("heard");
        heard.sort();
        assert_eq!(heard, ["child", "parent"]);
        assert_eq!(lab.lines("after"), ["tidy"]);
        let run = lab.only_run();
        assert_eq!(run["status"], "cancelled");
        assert!(run["reason"].as_str().unwrap().contains(&format!("SIG{signal}")), "{run}");
        // Cancelled is ended: the next poll does not begin it again.
        lab.run("run --poll").code(0).says("nothing to run");
    }
}

#[test]
fn under_nohup_a_closed_terminal_stops_nothing() {
    let lab =
        lab("      touch began\n      while [ ! -e enough ]; do sleep 0.05; done", "echo tidy >> after");
    lab.write("playbooks/long.yaml", &lab.read("playbooks/long.yaml").replacen("echo no", "echo next", 1));
    let program = lab.amflow("run --poll");
    let mut command = lab.command("nohup");
    command.arg(program.get_program()).args(program.get_args());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    lab.await_file("began");
    send("HUP", child.id());
    lab.write("enough", "");
    outcome(child).code(0).says("1 run, 1 succeeded");
    assert_eq!(lab.lines("after"), ["next", "tidy"]);
}

#[test]
fn a_command_that_does_not_hear_is_killed_with_its_children() {
    let lab = lab(DEAF, "echo tidy >> after");
    let child = lab.start("run --poll");
    lab.await_file("began");
    let grandchild = lab.read("child");
    assert!(lives(&grandchild));
    send("TERM", child.id());
    outcome(child).code(143);
    assert!(!lives(&grandchild));
    assert_eq!(lab.lines("after"), ["tidy"]);
    assert_eq!(lab.only_run()["status"], "cancelled");
}

#[test]
fn the_second_signal_stops_at_once_and_the_next_start_ends_the_run_well() {
    let lab = lab(DEAF, "echo tidy >> after");
    let child = lab.start("run --poll");
    lab.await_file("began");
    let grandchild = lab.read("child");
    let begin = Instant::now();
    send("INT", child.id());
    // Two at the same moment are one.
    let show = format!("runs show {}", lab.only_run()["run"].as_str().unwrap());
    wait_until("the first one is heard", || lab.run(&show).stdout.contains("cancelled by SIGINT"));
    send("INT", child.id());
    let outcome = outcome(child).code(130).says("1 run, 1 left in the middle").says("amflow runs resume");
    assert!(begin.elapsed().as_secs() < 5, "{}", outcome.stderr);
    assert!(!lives(&grandchild), "{}", outcome.stderr);
    lab.run("run --poll").code(0);
    assert_eq!(lab.only_run()["status"], "cancelled");
    assert_eq!(lab.lines("after"), ["tidy"]);
}

#[test]
fn finally_has_a_limit_of_its_own() {
    let lab = lab(OBEDIENT, "echo tidy >> after; exec sleep 1000");
    let text = lab.read("playbooks/long.yaml");
    lab.write("playbooks/long.yaml", &format!("{text}finally_timeout: 1s\n"));
    let child = lab.start("run --poll");
    lab.await_file("began");
    send("TERM", child.id());
    outcome(child).code(143);
    assert_eq!(lab.lines("after"), ["tidy"]);
    assert_eq!(lab.only_run()["status"], "cancelled");
}
