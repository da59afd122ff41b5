use serde_json::{Value, json};

use super::*;
use crate::step::testing::{alerts, at, compiled, problems, scope};
use crate::step::{Effect, TaskContext};

fn said(by: &str, approve: bool, seconds: i64) -> Decision {
    Decision {
        approve,
        by: by.to_owned(),
        groups: Vec::new(),
        comment: format!("says {by}"),
        inputs: std::collections::BTreeMap::new(),
        digest: "digest".to_owned(),
        at: at(seconds),
        via: "command".to_owned(),
    }
}

/// Asks for the next move so many seconds later, when people have said this.
fn advance(action: &dyn Action, memo: &Memo, seconds: i64, decisions: &[Decision]) -> Move {
    let (scope, alerts) = (scope(), alerts());
    let cx = ActionContext {
        scope: &scope,
        run: "0190",
        playbook: "disk",
        path: "ask",
        attempt: 1,
        began: at(0),
        now: at(seconds),
        clock_set: jiff::SignedDuration::ZERO,
        alerts: &alerts,
        resolved: &[],
        task: TaskContext { decisions, started_by: Some("starter"), plan: &[], digest: "digest" },
    };
    action.advance(&cx, memo, None).unwrap()
}

fn parked(next: Move) -> (Option<Timestamp>, Memo, Task) {
    let Move::Park { until, for_person: true, memo } = next else { panic!("{next:?}") };
    let task = Task::of_memo(&memo).unwrap();
    (until, memo, task)
}

#[test]
fn it_asks_and_waits_until_enough_people_approve() {
    let step = compiled(
        "approve: {prompt: 'Restart {{ alert.labels.instance }}?', approvers: [ann, bob, eve], required: 2, timeout: 30m}",
    );
    let (until, memo, task) = parked(advance(&*step, &Memo::Null, 0, &[]));
    assert_eq!((until, task.prompt.as_str()), (Some(at(1_803)), "Restart db1:9100?"));
    let one = [said("ann", true, 5)];
    let (_, same, _) = parked(advance(&*step, &memo, 10, &one));
    assert_eq!(same, memo, "a first approval is in the journal once");
    let both = [said("ann", true, 5), said("bob", true, 20)];
    let Move::Done { outcome, output } = advance(&*step, &memo, 21, &both) else { panic!() };
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!((&output["by"], &output["comment"]), (&json!("ann, bob"), &json!("says ann\nsays bob")));
    assert_eq!(output["decisions"][1]["via"], "command");
}

#[test]
fn a_decision_in_time_counts_although_it_is_heard_late() {
    let step = compiled("approve: {prompt: go, timeout: 30m}");
    let (_, memo, _) = parked(advance(&*step, &Memo::Null, 0, &[]));
    let in_time = [said("ann", true, 1_799)];
    assert!(matches!(
        advance(&*step, &memo, 9_999, &in_time),
        Move::Done { outcome: Outcome::Succeeded, .. }
    ));
    assert!(matches!(advance(&*step, &memo, 1_801, &in_time), Move::Done { .. }));
    parked(advance(&*step, &memo, 1_802, &[]));
    let late = [said("ann", true, 1_800)];
    let Move::Done { outcome, .. } = advance(&*step, &memo, 9_999, &late) else { panic!() };
    assert_eq!(outcome.reason(), "rejected by nobody: it was not decided within 30m");
}

#[test]
fn what_happens_when_nobody_decides_is_said_by_the_step() {
    for (rest, wanted) in [
        ("", "rejected by nobody: it was not decided within 1d"),
        ("timeout: 5m, on_timeout: reject", "rejected by nobody: it was not decided within 5m"),
        ("timeout: 5m, on_timeout: fail", "no end within 5m"),
        ("timeout: 5m, on_timeout: approve, allow_unattended: true", ""),
        (
            "timeout: 5m, on_timeout: escalate, escalate: {users: [boss], timeout: 1m}",
            "rejected by nobody: it was not decided within 6m",
        ),
        ("timeout: none", "waits"),
    ] {
        let step = compiled(&format!("approve: {{prompt: go, {rest}}}"));
        let (_, memo, _) = parked(advance(&*step, &Memo::Null, 0, &[]));
        let reason = match advance(&*step, &memo, 100_000, &[]) {
            Move::Done { outcome, .. } => outcome.reason(),
            _ => "waits".to_owned(),
        };
        assert_eq!(reason, wanted, "{rest}");
    }
}

#[test]
fn an_escalation_is_remembered() {
    let step = compiled(
        "approve: {prompt: go, approvers: [ann], timeout: 5m, on_timeout: escalate, escalate: {users: [boss]}}",
    );
    let (_, memo, _) = parked(advance(&*step, &Memo::Null, 0, &[]));
    let (until, memo, task) = parked(advance(&*step, &memo, 300, &[]));
    assert_eq!(
        (until, task.escalated_at, task.whom()),
        (Some(at(603)), Some(at(300)), "ann, boss".to_owned())
    );
    let boss = [said("boss", true, 400)];
    assert!(matches!(advance(&*step, &memo, 401, &boss), Move::Done { outcome: Outcome::Succeeded, .. }));
}

#[test]
fn a_rejection_says_who_and_why() {
    let step = compiled("approve: {prompt: go, prevent_self: true}");
    let (_, memo, task) = parked(advance(&*step, &Memo::Null, 0, &[]));
    assert_eq!(task.not_by.as_deref(), Some("starter"));
    let Move::Done { outcome, output } = advance(&*step, &memo, 9, &[said("ann", false, 5)]) else {
        panic!()
    };
    assert_eq!(outcome, Outcome::Rejected { by: "ann: says ann".to_owned() });
    assert_eq!(output["by"], "ann");
    parked(advance(&*step, &memo, 9, &[said("starter", false, 5)]));
}

#[test]
fn answers_are_outputs_with_their_types() {
    let step = compiled(
        "approve: {prompt: go, inputs: {keep: {type: int, default: 500, min: 1}, drain: {type: bool, required: false}, how: {choices: [fast, slow], default: slow}}}",
    );
    let (_, memo, task) = parked(advance(&*step, &Memo::Null, 0, &[]));
    assert_eq!(task.questions[0].default, Some(json!(500)));
    let mut yes = said("ann", true, 5);
    yes.inputs.insert("drain".to_owned(), json!("yes"));
    let Move::Done { output, .. } = advance(&*step, &memo, 6, &[yes]) else { panic!() };
    assert_eq!(output["inputs"], json!({"keep": 500, "drain": true, "how": "slow"}));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (step, wanted) in [
        ("approve: {prompt: go, approvers: []}", "approve-nobody"),
        ("approve: {prompt: go, on_timeout: aprove}", "approve-timeout: `aprove` is nothing"),
        ("approve: {prompt: go, on_timeout: approve}", "approve-unattended"),
        ("approve: {prompt: go, on_timeout: escalate}", "approve-escalate: nobody is named"),
        ("approve: {prompt: go, escalate: {users: [a]}}", "approve-escalate: nobody of these"),
        (
            "approve: {prompt: go, on_timeout: escalate, escalate: {users: [a], on_timeout: escalate}}",
            "approve-escalate: what is escalated",
        ),
        (
            "approve: {prompt: go, on_timeout: escalate, escalate: {users: [a], on_timeout: approve}}",
            "approve-unattended",
        ),
        ("approve: {prompt: go, timeout: none, on_timeout: fail}", "approve-timeout: the time is never over"),
        ("approve: {prompt: go, inputs: {'a-b': {}}}", "approve-input: `a-b` is not the name"),
        ("approve: {prompt: go, inputs: {a: {type: choice}}}", "approve-input: a choice needs"),
        ("approve: {prompt: go, inputs: {a: {type: text}}}", "approve-input: this is no type"),
        ("approve: {prompt: go, inputs: {a: {type: int, default: x}}}", "approve-input: it is not an answer"),
        ("approve: {prompt: go, inputs: {a: {pattern: '('}}}", "approve-input: "),
        ("approve: {prompt: go, inputs: {a: {type: int, pattern: x}}}", "approve-input: `pattern` means"),
        ("approve: {approvers: [ann]}", "missing-key"),
        ("approve: {prompt: go, required: 0}", "number: "),
    ] {
        let found = problems(step);
        assert!(found.len() == 1 && found[0].starts_with(wanted), "{step}: {found:?}");
    }
}

#[test]
fn a_memory_that_is_none_asks_anew() {
    let step = compiled("approve: {prompt: go}");
    for memo in [json!({}), json!({"task": 7}), json!([1]), json!({"task": {"prompt": "x"}})] {
        parked(advance(&*step, &memo, 3, &[]));
    }
    let value: Value = json!({"task": null});
    assert_eq!(Task::of_memo(&value), None);
}

#[test]
fn a_plan_of_kinds_says_what_an_effect_is() {
    let kind = |step: &str| compiled(step).effect_kind();
    assert_eq!(kind("exec: [ssh, -- , '{{ vars.keep }}']").as_deref(), Some("run ssh"));
    assert_eq!(kind("exec: ['{{ steps.usage.exit_code }}']").as_deref(), Some("run (not yet known)"));
    assert_eq!(kind("shell: echo {{ vars.keep }}").as_deref(), Some("run /bin/sh"));
    assert_eq!(kind("http: {post: 'https://h/{{ vars.keep }}'}").as_deref(), Some("POST https://h"));
    assert_eq!(kind("silence: {}"), None);
    let step = compiled("http: {post: 'https://h/{{ vars.keep }}'}");
    let effect = match advance(&*step, &Memo::Null, 0, &[]) {
        Move::Do { effect: effect @ Effect::Request(_), .. } => effect,
        other => panic!("{other:?}"),
    };
    assert_eq!(Some(effect.kind()), step.effect_kind());
}
