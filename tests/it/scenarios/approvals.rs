//! People: what they are shown, what they say by command and on a terminal, and what comes of it.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::alertmanager::wait_until;
use crate::support::lab::{Lab, Outcome, finish, outcome};

fn people(lab: &Lab) {
    let me = lab.user();
    lab.configure(&format!(
        "people: {{users: [carl], groups: {{oncall: [ann, bob]}}, may_act_as_others: ['{me}']}}\n"
    ));
}

const RESTART: &str = "\
matchers: [alertname = A]
recheck: never
limits: {cooldown: none, rate: none, targets: none}
steps:
  - id: look
    exec: [echo, seen]
  - id: ask
    approve:
      prompt: \"Restart {{ alert.labels.instance }}?\"
      approvers: {users: [carl], groups: [oncall]}
      timeout: 1h
      inputs:
        drain: {type: bool, prompt: Drain it first?, default: true}
        ticket: {pattern: 'OPS-[0-9]+'}
  - exec: [sh, -c, 'echo \"$@\" >> restarted', sh, \"{{ steps.ask.inputs.ticket }}\", \"{{ steps.ask.inputs.drain }}\", \"{{ steps.ask.by }}\"]
on_failure:
  - exec: [sh, -c, 'echo failed >> restarted']
finally:
  - exec: [sh, -c, 'echo over >> restarted']
";

fn alert(instance: &str) -> String {
    json!([{"labels": {"alertname": "A", "instance": instance}, "startsAt": "2026-01-01T00:00:00Z"}])
        .to_string()
}

/// Leaves a run that waits for a person.
fn asked() -> Lab {
    let lab = Lab::alone();
    people(&lab);
    lab.playbook("restart", RESTART);
    lab.pipe("run --no-wait", alert("web-1")).code(4).says("asks carl, group oncall: Restart web-1?");
    lab
}

fn id(lab: &Lab) -> String {
    lab.only_run()["run"].as_str().unwrap().to_owned()
}

fn as_ann(lab: &Lab, args: &str) -> Outcome {
    lab.run(&format!("{args} --as ann"))
}

#[test]
fn a_run_waits_without_a_process_until_somebody_approves_it() {
    let lab = asked();
    let id = id(&lab);
    let waiting = lab.only_run();
    assert_eq!(
        (waiting["status"].as_str(), waiting["reason"].as_str()),
        (Some("waiting"), Some("waits for carl, group oncall at ask"))
    );
    let tasks = lab.run("tasks list -o json").code(0).json();
    assert_eq!(tasks.as_array().map(Vec::len), Some(1));
    let task = &tasks[0];
    assert_eq!(
        (&task["step"], &task["prompt"], &task["status"], &task["missing"]),
        (&json!("ask"), &json!("Restart web-1?"), &json!("open"), &json!(1))
    );
    assert_eq!(task["started_by"], lab.user());
    lab.run("tasks list").code(0).prints("Restart web-1?").prints("0 of 1");
    lab.run(&format!("tasks show {id}"))
        .code(0)
        .prints("asks      Restart web-1?")
        .prints("input     drain: Drain it first? (`yes` or `no`, else true)")
        .prints("step3: run sh -c")
        .prints("not yet known: run sh");

    let set = "--set drain=no --set ticket=OPS-7";
    as_ann(&lab, &format!("approve {id} {set} --comment granted")).code(0).says("ask: approved");
    assert_eq!(lab.run("tasks list -o json").json(), json!([]), "it is decided");
    assert!(lab.lines("restarted").is_empty(), "deciding does nothing by itself");
    lab.run("runs resume").code(0).says("ask: succeeded");
    assert_eq!(lab.lines("restarted"), ["OPS-7 false ann", "over"]);
    lab.run(&format!("runs show {id}")).prints(&format!(
        "ask: approved by ann (command of {}) with drain=false, ticket=OPS-7: granted",
        lab.user()
    ));
    let shown = lab.run(&format!("tasks show {id} -o json")).json();
    assert_eq!((&shown["status"], &shown["decisions"][0]["by"]), (&json!("approved"), &json!("ann")));
}

#[test]
fn a_rejected_run_ends_without_on_failure() {
    let lab = asked();
    let id = id(&lab);
    as_ann(&lab, &format!("reject {id}/ask --comment no")).code(0).says("rejected");
    lab.run("runs resume").code(1);
    let run = lab.only_run();
    assert_eq!((&run["status"], &run["reason"]), (&json!("rejected"), &json!("rejected by ann: no")));
    assert_eq!(lab.lines("restarted"), ["over"]);
}

#[test]
fn why_a_decision_is_not_taken_has_a_code_of_its_own() {
    let lab = asked();
    let id = id(&lab);
    let set = "--set ticket=OPS-7";
    for (args, code, says) in [
        (format!("approve {id}/nowhere --as ann"), 2, "asks nothing at `nowhere`"),
        ("approve nobody --as ann".to_owned(), 2, "no run `nobody`"),
        (format!("approve {id} --as ann"), 2, "`ticket`: an answer is needed"),
        (format!("approve {id} --as ann --set ticket=7"), 2, "does not match `OPS-[0-9]+`"),
        (format!("approve {id} --as ann --set tiket=OPS-7"), 2, "nobody asks for this"),
        (format!("approve {id} --as ann --set ticket"), 2, "no `=` in it"),
        (format!("approve {id} --as eve {set}"), 7, "eve may not decide it: it is for carl, group oncall"),
        (format!("approve {id} {set}"), 7, "may not decide it"),
        (format!("approve {id} --as ann {set} --digest 0123"), 8, "has changed since"),
    ] {
        lab.run(&args).code(code).says(says);
    }
    let digest = lab.run(&format!("tasks show {id} -o json")).json()["digest"].as_str().unwrap().to_owned();
    as_ann(&lab, &format!("approve {id} {set} --digest {digest}")).code(0);
    lab.run(&format!("approve {id} --as bob {set}")).code(5).says("approved by ann at");
    lab.run(&format!("reject {id} --as bob")).code(5);
    lab.run("runs resume").code(0);
    lab.run(&format!("approve {id} --as bob {set}")).code(5).says("approved by ann at");
    lab.configure("people: {groups: {oncall: [ann]}}\n");
    as_ann(&lab, &format!("approve {id}")).code(7).says("may not decide in the name of ann");
}

#[test]
fn what_nobody_decides_in_time_is_over() {
    let lab = Lab::alone();
    people(&lab);
    lab.playbook("restart", &RESTART.replace("timeout: 1h", "timeout: 1s"));
    lab.pipe("run --no-wait", alert("web-1")).code(4);
    let id = id(&lab);
    wait_until("its time is over", || {
        lab.run(&format!("tasks show {id} -o json")).json()["status"] == "expired"
    });
    as_ann(&lab, &format!("approve {id} --set ticket=OPS-1")).code(6).says("it could be decided until");
    wait_until("it is settled", || lab.run("runs resume --no-wait").code == 1);
    assert_eq!(lab.only_run()["reason"], "rejected by nobody: it was not decided within 1s");
    as_ann(&lab, &format!("approve {id} --set ticket=OPS-1")).code(6);
}

#[test]
fn the_process_that_waits_goes_on_within_seconds() {
    let lab = Lab::alone();
    people(&lab);
    lab.playbook("restart", RESTART);
    lab.write("alerts.json", &alert("web-1"));
    let child = lab.start("run --from alerts.json");
    wait_until("it asks", || lab.run("tasks list -o json").json() != json!([]));
    as_ann(&lab, &format!("approve {} --set ticket=OPS-7", id(&lab)))
        .code(0)
        .says("the process that works on the run goes on within seconds");
    outcome(child).code(0).says("ask: approved by ann").keeps_silent_about("approve? [yes, no");
    assert_eq!(lab.lines("restarted"), ["OPS-7 true ann", "over"]);
}

#[test]
fn the_page_reaches_people_and_what_resolved_needs_nobody() {
    let lab = Lab::new();
    let labels = [json!({"alertname": "B", "instance": "web-1"})];
    lab.playbook(
        "asks",
        "matchers: [alertname = B]\nlimits: {cooldown: none}\nsync: {inhibit: true}\nsteps:\n  - exec: [sh, -c, 'echo x >> done']\n  - id: ask\n    approve: {prompt: go}\n  - exec: [sh, -c, 'echo y >> done']\nfinally:\n  - exec: [sh, -c, 'echo z >> done']\n",
    );
    lab.fire(&labels);
    lab.run("run --poll --no-wait").code(4);
    assert!(
        lab.alerts("amflow_state", "running").is_empty(),
        "nothing is muted while a person is waited for"
    );
    let id = id(&lab);
    lab.run("plan --poll").code(0).prints("waits for anybody at ask");
    lab.resolve(&labels);
    // It is looked at again now and then; by name it is at once, and still the look comes in its time.
    lab.run(&format!("approve {id}")).code(0);
    lab.run("run --poll --no-wait").code(0).says("cancelled");
    assert_eq!(lab.lines("done"), ["x", "z"], "what was approved is not done for an alert that is gone");
}

#[test]
fn a_plan_says_whom_a_run_will_ask() {
    let lab = Lab::alone();
    people(&lab);
    lab.playbook("restart", RESTART);
    lab.pipe("plan", alert("web-1"))
        .code(0)
        .prints("ask: asks carl, group oncall: Restart web-1? (within 1h, else it is rejected)");
    let plan = lab.pipe("plan -o json", alert("web-1")).json();
    assert_eq!(plan[0]["steps"][1]["does"], "approve");
    lab.configure("");
    lab.pipe("plan", alert("web-1")).code(2).says("approve-unknown-group");
}

#[test]
fn what_turns_out_to_be_of_another_kind_is_asked_again() {
    let lab = Lab::alone();
    people(&lab);
    lab.playbook(
        "again",
        "matchers: [alertname = A]\nrecheck: never\nsteps:\n  - id: ask\n    approve: {prompt: go, approvers: [ann]}\n  - {id: look, exec: ['true']}\n  - {id: act, exec: ['./act{{ steps.look.exit_code }}']}\n",
    );
    lab.write("act0", "#!/bin/sh\necho acted >> acted\n");
    finish(lab.command("chmod").args(["+x", "act0"])).code(0);
    lab.pipe("run --no-wait", alert("web-1")).code(4);
    let id = id(&lab);
    lab.run(&format!("tasks show {id}"))
        .prints("act: run ./act{{ steps.look.exit_code }} (not yet known: run (not yet known)");
    as_ann(&lab, &format!("approve {id}")).code(0);
    lab.run("runs resume --no-wait")
        .code(4)
        .says("asks again, because what act does is not what was approved");
    assert!(lab.lines("acted").is_empty());
    lab.run(&format!("tasks show {id}")).prints("act: ./act0").prints("again     it was to be");
    as_ann(&lab, &format!("approve {id}")).code(0);
    lab.run("runs resume --no-wait").code(0);
    assert_eq!(lab.lines("acted"), ["acted"]);
}

#[test]
fn on_a_terminal_it_asks_in_place() {
    let lab = Lab::alone();
    lab.playbook("restart", &RESTART.replace("      approvers: {users: [carl], groups: [oncall]}\n", ""));
    lab.write("alerts.json", &alert("web-1"));
    // script(1) gives a terminal; what is written to it is what somebody types.
    let program = env!("CARGO_BIN_EXE_amflow");
    let mut command = lab.command("script");
    command.args(["-qec", &format!("{program} run --from alerts.json"), "/dev/null"]).env("TERM", "dumb");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return };
    let mut keys = child.stdin.take().unwrap();
    wait_until("it asks", || lab.run("tasks list -o json").json() != json!([]));
    // maybe? no answer; yes, no answer to the first question, a wrong one and a right one to the second, a comment.
    for line in ["maybe", "yes", "", "7", "OPS-9", "by hand"] {
        writeln!(keys, "{line}").unwrap();
    }
    let ended = outcome(child);
    drop(keys);
    let ended = ended.code(0);
    assert_eq!(lab.lines("restarted"), [format!("OPS-9 true {}", lab.user()), "over".to_owned()]);
    for said in
        ["Restart web-1?", "approve? [yes, no", "write `yes` or `no`", "does not match", "step3: run sh -c"]
    {
        assert!(ended.stdout.contains(said), "{said} is not in\n{}", ended.stdout);
    }
    let story = lab.run(&format!("runs show {}", id(&lab)));
    story.prints(&format!("ask: approved by {} (terminal) with ticket=OPS-9: by hand", lab.user()));
}

#[test]
fn what_is_left_open_at_a_terminal_is_left_without_a_process() {
    let lab = Lab::alone();
    lab.playbook("restart", &RESTART.replace("      approvers: {users: [carl], groups: [oncall]}\n", ""));
    lab.write("alerts.json", &alert("web-1"));
    let program = env!("CARGO_BIN_EXE_amflow");
    let mut command = lab.command("script");
    command.args(["-qec", &format!("{program} run --from alerts.json"), "/dev/null"]).env("TERM", "dumb");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return };
    let mut keys = child.stdin.take().unwrap();
    wait_until("it asks", || lab.run("tasks list -o json").json() != json!([]));
    writeln!(keys).unwrap();
    let ended = outcome(child).code(4);
    drop(keys);
    assert!(ended.stdout.contains("left open: `amflow approve"), "{}", ended.stdout);
    lab.run(&format!("approve {} --set ticket=OPS-1", id(&lab))).code(0).says("`amflow serve`");
    lab.run("runs resume").code(0);
}

#[test]
fn what_an_alert_says_obeys_no_terminal_and_decides_nothing() {
    let lab = Lab::alone();
    people(&lab);
    lab.playbook("restart", RESTART);
    let hostile = "web\u{1b}[31m\r\nstatus    approved\u{202e}{{ 1 }}";
    lab.pipe("run --no-wait", alert(hostile)).code(4);
    for args in
        ["tasks list".to_owned(), format!("tasks show {}", id(&lab)), format!("runs show {}", id(&lab))]
    {
        let said = lab.run(&args).code(0);
        let raw = said.stdout.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(raw, None, "{args}: {:?}", said.stdout);
        assert!(!said.stdout.lines().any(|line| line == "status    approved"), "{}", said.stdout);
    }
    let shown = lab.run("tasks list -o json").json();
    assert_eq!(shown[0]["prompt"], format!("Restart {hostile}?"));
}

#[test]
fn only_their_own_tasks_are_listed_for_those_who_ask_for_them() {
    let lab = asked();
    assert_eq!(lab.run("tasks list --mine -o json").json(), json!([]));
    let me = lab.user();
    lab.configure(&format!("people: {{users: [carl], groups: {{oncall: [ann, '{me}']}}}}\n"));
    let mine: Value = lab.run("tasks list --mine -o json").json();
    assert_eq!(mine[0]["step"], "ask");
    lab.run("tasks list --playbook other").code(0).says("no open tasks");
    lab.run(&format!("approve {} --set ticket=OPS-1", id(&lab))).code(0);
}
