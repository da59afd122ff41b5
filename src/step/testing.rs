//! Help for the tests of step kinds: compile a step from YAML, ask it for its next move.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::action::{Action, ActionContext, RunAlert, StepError};
use super::compiler::Compiler;
use super::effect::Reply;
use super::kind::StepKind;
use super::outcome::{Memo, Move, Outcome};
use super::uses::Use;
use crate::template::{Scope, value_from_json};
use crate::text::{Diagnostics, SourceFile, parse, walk};

/// A moment so many seconds after the attempt began.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// Compiles a step such as `shell: true`; anything wrong with it fails the test.
pub(super) fn compiled(step: &str) -> Box<dyn Action> {
    let (action, _, problems) = compile(step);
    assert_eq!(problems, Vec::<String>::new(), "{step}");
    action.expect(step)
}

/// Returns what is wrong with a step: code and message.
pub(super) fn problems(step: &str) -> Vec<String> {
    compile(step).2
}

/// Returns the names of a step that strangers must not have written, with what they would become.
pub(super) fn must_trust(step: &str) -> Vec<(String, String)> {
    let (_, uses, problems) = compile(step);
    assert_eq!(problems, Vec::<String>::new(), "{step}");
    let trusted = uses.iter().flat_map(|noted| &noted.trusted);
    trusted.map(|trust| (trust.named.reference.name(), trust.becomes.clone())).collect()
}

/// Compiles a step of any kind, as the playbook layer does it: first its schema, then the kind.
pub(super) fn compile(step: &str) -> (Option<Box<dyn Action>>, Vec<Use>, Vec<String>) {
    let file = SourceFile::new("step.yaml", step.as_bytes().to_vec()).unwrap();
    let mut out = Diagnostics::new();
    let documents = parse(&file, &mut out);
    let node = &documents.first().expect(step).root;
    let kind = node.entries().iter().find_map(|entry| StepKind::named(&entry.key.value)).expect(step);
    let value = node.get(kind.name).expect(step);
    let fits = walk(value, &kind.schema_document(), &file, &mut out).is_some();
    let mut compiler = Compiler::new(&file, &mut out).with_env(node.get("env"));
    let action = compiler.kind(kind, value).filter(|_| fits);
    let (uses, _) = compiler.finish();
    out.sort();
    let said = out.iter().map(|problem| {
        let at = file.slice(problem.span);
        let file: &Arc<SourceFile> = problem.file.as_ref().unwrap();
        format!("{}: {} at {at:?} of {}", problem.code, problem.message, file.name())
    });
    (action, uses, said.collect())
}

/// The scope of all tests: an alert, a step that ran, variables.
pub(super) fn scope() -> Scope {
    let alert = json!({
        "labels": {"alertname": "DiskFull", "instance": "db1:9100", "n": "7", "evil": "$(id) `id` '\"; -x"},
        "annotations": {"summary": "full"},
    });
    Scope::new()
        .with("alert", value_from_json(&alert))
        .with("alerts", value_from_json(&json!([alert])))
        .with("steps", value_from_json(&json!({"usage": {"stdout": "81%\n", "exit_code": 0}})))
        .with("vars", value_from_json(&json!({"keep": "500M", "hosts": ["a", "b"]})))
}

/// The run's one alert; its lease ends after 240 s.
pub(super) fn alerts() -> Vec<RunAlert> {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![RunAlert {
        fingerprint: "a".to_owned(),
        starts_at: at(-600),
        ends_at: Some(at(240)),
        labels: vec![label("alertname", "DiskFull"), label("instance", "db1:9100")],
        generator_url: String::new(),
    }]
}

/// Asks for the next move at the time at which the attempt began.
pub(super) fn advance(action: &dyn Action, memo: &Memo, last: Option<&Reply>) -> Move {
    advance_result(action, memo, last).unwrap()
}

/// As [`advance`], when an error may come back.
pub(super) fn advance_result(
    action: &dyn Action,
    memo: &Memo,
    last: Option<&Reply>,
) -> Result<Move, StepError> {
    advance_at(action, memo, last, 0, &[])
}

/// Asks for the next move so many seconds later, when these alerts were delivered as resolved.
pub(super) fn advance_at(
    action: &dyn Action,
    memo: &Memo,
    last: Option<&Reply>,
    seconds: i64,
    resolved: &[String],
) -> Result<Move, StepError> {
    let (scope, alerts) = (scope(), alerts());
    let cx = ActionContext {
        scope: &scope,
        run: "0190",
        playbook: "disk",
        path: "clean",
        attempt: 1,
        began: at(0),
        now: at(seconds),
        clock_set: jiff::SignedDuration::ZERO,
        alerts: &alerts,
        resolved,
        task: super::TaskContext::default(),
    };
    action.advance(&cx, memo, last)
}

/// Returns how an attempt and its output.
pub(super) fn done(next: Move) -> (Outcome, Json) {
    match next {
        Move::Done { outcome, output } => (outcome, output),
        other => panic!("the attempt goes on: {other:?}"),
    }
}
