//! `approve`: waits for a person. Who may decide, what is asked and what the run does afterwards is one [`Task`].

mod inputs;
mod question;
mod task;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

pub use question::{Question, QuestionType};
pub use task::{Approvers, Decision, Escalation, OnTimeout, PlanLine, Refusal, Standing, Task};

use super::action::{Action, ActionContext, Needs, StepError};
use super::command::no_reply;
use super::compiler::Compiler;
use super::effect::Reply;
use super::kind::{Field, FieldType, StepKind};
use super::outcome::{FailureReason, Memo, Move, Outcome};
use super::spec::{DurationText, JsonValue, MapOf, Name, Template};
use crate::model::format_duration;
use crate::template::TextTemplate;
use crate::text::{Node, closest};

pub(super) const KIND: StepKind = StepKind {
    name: "approve",
    summary: "waits until people approve what the run does next, or reject it",
    docs: "The run waits without a process: `amflow run --no-wait` leaves it and ends with code 4, and whatever process \
        comes next goes on with it once it is decided. People decide by `amflow approve RUN` and `amflow reject RUN`, \
        on the page of `amflow serve`, or where `amflow run` runs on a terminal. `amflow tasks list` shows what is \
        open.\n\nWhat people approve is what they are shown: the playbook, the labels of the alerts, and every effect \
        up to the next approval. An effect that depends on what is known only later is shown as *not yet known*, with \
        its kind as far as the playbook says it (`run ssh`, `POST https://wiki.example.com`). When it becomes known \
        and is of another kind, or an effect is not the one that was shown, the task asks again before anything of it \
        is done.\n\nWhile a person is waited for nothing is muted, so that the page reaches them, and the time doesn't \
        count against the run's `timeout`. The run is cancelled when the alert resolves meanwhile (with `recheck: never` only when a delivery says so). A rejected run runs \
        `finally`, but not `on_failure`, and doesn't count for the breaker.\n\n`approvers` are users by name, and \
        groups that the configuration lists under `people`. Without it everybody may decide who can write to the \
        store. With `required: 2` two different people must approve; one rejection is enough.",
    example: "approve:\n  prompt: \"Restart {{ alert.labels.instance }}?\"\n  approvers: {users: [ann], groups: [oncall]}\n  timeout: 30m\n  inputs:\n    drain: {type: bool, prompt: Drain it first?, default: true}",
    outputs: &[
        Field::tainted("inputs", FieldType::Map, "the answers, by name; none for one that nobody gave"),
        Field::tainted(
            "by",
            FieldType::Text,
            "who approved, with commas between several; empty when nobody did",
        ),
        Field::tainted("comment", FieldType::Text, "their words, a line each"),
        Field::tainted("decisions", FieldType::List, "what each of them said: `by`, `comment`, `at`, `via`"),
    ],
    schema,
    compile,
    takes_env: false,
};

/// A question to people.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct ApproveSpec {
    /// What people are asked.
    prompt: Template,
    /// Who may decide: a list of users, or `users` and `groups`. Default: everybody who can write to the store.
    approvers: Option<WhoSpec>,
    /// How many different people must approve, up to `100`. Default: `1`.
    required: Option<u32>,
    /// Whether the one who started the run may not decide. Default: `false`.
    prevent_self: Option<bool>,
    /// How long people have; `none` is for ever. The `timeout` of the step, written beside it, says the same.
    /// Default: `24h`.
    timeout: Option<DurationText>,
    /// What happens then: `reject`, `fail`, `escalate` or `approve`. Default: `reject`.
    on_timeout: Option<Name>,
    /// Who is asked as well then, with `on_timeout: escalate`.
    escalate: Option<EscalateSpec>,
    /// Whether the run may go on although nobody approved; `on_timeout: approve` needs it.
    allow_unattended: Option<bool>,
    /// What is asked beside yes or no, by the name of the answer.
    inputs: Option<MapOf<InputSpec>>,
}

/// Users by name, or users and groups.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
enum WhoSpec {
    Users(Vec<Name>),
    UsersAndGroups(WhoMap),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct WhoMap {
    /// People by name.
    users: Option<Vec<Name>>,
    /// Groups of the configuration.
    groups: Option<Vec<Name>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct EscalateSpec {
    /// People by name.
    users: Option<Vec<Name>>,
    /// Groups of the configuration.
    groups: Option<Vec<Name>>,
    /// How long they have, from the end of the first time on; `none` is for ever. Default: the same again.
    timeout: Option<DurationText>,
    /// What happens then: `reject`, `fail` or `approve`. Default: `reject`.
    on_timeout: Option<Name>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct InputSpec {
    /// `string`, `int`, `bool` or `choice`. Default: `choice` with `choices`, else `string`.
    #[schemars(rename = "type")]
    kind: Option<Name>,
    /// What people are asked. Default: the name.
    prompt: Option<String>,
    /// The answer when none is given.
    default: Option<JsonValue>,
    /// Whether there is no approval without an answer. Default: `true` without `default`.
    required: Option<bool>,
    /// What a text must match as a whole; a regular expression as in matchers.
    pattern: Option<String>,
    /// What a choice may be.
    choices: Option<Vec<String>>,
    /// The least number.
    min: Option<i64>,
    /// The greatest number.
    max: Option<i64>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ApproveSpec>()
}

/// How long after its end a wait is settled: by then the run has heard of a decision that was made in time.
const GRACE: SignedDuration = SignedDuration::from_secs(3);

/// How long people have when nothing is said: a day.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);

/// What an `approve` step says of the people that it asks, for checks and plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Asks {
    /// Who may decide.
    pub approvers: Approvers,
    /// How many different people must approve.
    pub required: u32,
    /// Whether the one who started the run may not decide.
    pub prevent_self: bool,
    /// How long they have; `None`: for ever.
    pub timeout: Option<Duration>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Who is asked as well then.
    pub escalation: Option<Escalation>,
    /// Whether the run may go on although nobody approved.
    pub allow_unattended: bool,
    /// What is asked beside yes or no.
    pub questions: Vec<Question>,
}

#[derive(Debug)]
struct Approve {
    prompt: TextTemplate,
    asks: Asks,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let prompt = node.get("prompt").and_then(|prompt| compiler.text("prompt", prompt));
    let approvers = who(node.get("approvers"), compiler);
    let required = compiler.optional(node, "required", |compiler, field, node| {
        compiler.integer(field, node, 1..=100).and_then(|count| u32::try_from(count).ok())
    });
    let prevent_self = compiler.optional(node, "prevent_self", Compiler::switch);
    let allow_unattended = compiler.optional(node, "allow_unattended", Compiler::switch);
    let timeout = timeout(node, compiler, Some(DEFAULT_TIMEOUT));
    let on_timeout = on_timeout(node, compiler);
    let escalation = escalation(node, compiler, timeout.flatten());
    let questions = inputs::questions(node, compiler);
    let asks = Asks {
        approvers: approvers?,
        required: required?.unwrap_or(1),
        prevent_self: prevent_self?.unwrap_or(false),
        timeout: timeout?,
        on_timeout: on_timeout?,
        escalation: escalation?,
        allow_unattended: allow_unattended?.unwrap_or(false),
        questions: questions?,
    };
    let is_sound = times_make_sense(node, &asks, compiler);
    is_sound.then_some(())?;
    Some(Box::new(Approve { prompt: prompt?, asks }))
}

/// Reads users and groups; without any, everybody.
fn who(node: Option<&Node>, compiler: &mut Compiler<'_>) -> Option<Approvers> {
    let Some(node) = node else { return Some(Approvers::default()) };
    let mut names = |nodes: &[Node], field: &str| -> Option<Vec<String>> {
        let all: Vec<Option<String>> = nodes.iter().map(|node| compiler.name(field, node)).collect();
        all.into_iter().collect()
    };
    let list = |key: &str| node.get(key).map_or(&[][..], Node::items);
    let users = names(if node.items().is_empty() { list("users") } else { node.items() }, "users");
    let groups = names(list("groups"), "groups");
    let who = Approvers { users: users?, groups: groups? };
    if who.is_empty() {
        let hint = "name `users` or `groups`; leave `approvers` out when everybody may decide";
        compiler.error("approve-nobody", node.span, "nobody is named here", Some(hint));
        return None;
    }
    Some(who)
}

/// Reads `timeout`, here or beside the kind; `None` inside is for ever.
#[expect(clippy::option_option, reason = "what is wrong and what is for ever are two things")]
fn timeout(node: &Node, compiler: &mut Compiler<'_>, default: Option<Duration>) -> Option<Option<Duration>> {
    let beside = compiler.timeout.take();
    if let (Some(inside), Some(beside)) = (node.key_span("timeout"), beside) {
        let message = "`timeout` stands here and beside the step: one of them must go";
        compiler.error("approve-timeout", inside, message, None);
        compiler.timeout = Some(beside);
        return None;
    }
    match node.get("timeout").or(beside) {
        None => Some(default),
        Some(text) if text.as_str() == Some("none") => Some(None),
        Some(text) => compiler.duration("timeout", text).map(Some),
    }
}

fn on_timeout(node: &Node, compiler: &mut Compiler<'_>) -> Option<OnTimeout> {
    let Some(written) = node.get("on_timeout") else { return Some(OnTimeout::default()) };
    let known = [
        ("reject", OnTimeout::Reject),
        ("fail", OnTimeout::Fail),
        ("escalate", OnTimeout::Escalate),
        ("approve", OnTimeout::Approve),
    ];
    let word = compiler.scalar("on_timeout", written)?;
    if let Some((_, found)) = known.iter().find(|(name, _)| *name == word) {
        return Some(*found);
    }
    let hint = match closest(word, known.iter().map(|(name, _)| *name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "one of `reject`, `fail`, `escalate` and `approve`".to_owned(),
    };
    let message = format!("`{word}` is nothing that can happen when the time is over");
    compiler.error("approve-timeout", written.span, message, Some(&hint));
    None
}

#[expect(clippy::option_option, reason = "what is wrong and what is not there are two things")]
fn escalation(
    node: &Node,
    compiler: &mut Compiler<'_>,
    first: Option<Duration>,
) -> Option<Option<Escalation>> {
    let Some(written) = node.get("escalate") else { return Some(None) };
    let to = who(Some(written), compiler);
    // The step's own `timeout` is that of the first time.
    let beside = compiler.timeout.take();
    let timeout = timeout(written, compiler, first);
    compiler.timeout = beside;
    let on_timeout = on_timeout(written, compiler)?;
    if on_timeout == OnTimeout::Escalate {
        let span = written.get("on_timeout").unwrap_or(written).span;
        compiler.error("approve-escalate", span, "what is escalated is not escalated again", None);
        return None;
    }
    let timeout_ms = timeout?.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    Some(Some(Escalation { to: to?, timeout_ms, on_timeout }))
}

/// Checks that what happens when the time is over can happen.
fn times_make_sense(node: &Node, asks: &Asks, compiler: &mut Compiler<'_>) -> bool {
    let written = node.get("on_timeout").unwrap_or(node).span;
    let last = asks.escalation.as_ref().map_or(asks.on_timeout, |escalation| escalation.on_timeout);
    let mut wrong = |code: &'static str, span, message: &str, hint: &str| {
        compiler.error(code, span, message, Some(hint));
        false
    };
    let mut sound = true;
    if (asks.on_timeout == OnTimeout::Approve || last == OnTimeout::Approve) && !asks.allow_unattended {
        let message = "the run would go on although nobody approved";
        sound =
            wrong("approve-unattended", written, message, "add `allow_unattended: true` when that is meant");
    }
    match (asks.on_timeout, &asks.escalation) {
        (OnTimeout::Escalate, None) => {
            let hint = "add `escalate: {groups: [...]}`";
            sound = wrong("approve-escalate", written, "nobody is named who is asked then", hint);
        }
        (OnTimeout::Reject | OnTimeout::Fail | OnTimeout::Approve, Some(_)) => {
            let span = node.key_span("escalate").unwrap_or(node.span);
            let hint = "add `on_timeout: escalate`";
            sound = wrong("approve-escalate", span, "nobody of these is ever asked", hint);
        }
        _ => {}
    }
    if asks.timeout.is_none() && node.get("on_timeout").is_some() {
        let message = "the time is never over, with `timeout: none`";
        sound = wrong("approve-timeout", written, message, "leave one of the two out");
    }
    sound
}

impl Approve {
    /// Makes the task as it is asked for the first time.
    fn ask(&self, cx: &ActionContext<'_>) -> Result<Task, StepError> {
        let prompt = self.prompt.render(cx.scope).map_err(|error| StepError::template("prompt", &error))?;
        let asks = &self.asks;
        Ok(Task {
            prompt,
            approvers: asks.approvers.clone(),
            required: asks.required,
            not_by: cx.task.started_by.filter(|_| asks.prevent_self).map(str::to_owned),
            asked_at: cx.now,
            deadline: asks.timeout.and_then(|timeout| later(cx.now, timeout)),
            on_timeout: asks.on_timeout,
            escalation: asks.escalation.clone(),
            escalated_at: None,
            questions: asks.questions.clone(),
            plan: cx.task.plan.to_vec(),
            digest: cx.task.digest.to_owned(),
        })
    }
}

fn later(from: Timestamp, by: Duration) -> Option<Timestamp> {
    from.checked_add(SignedDuration::try_from(by).ok()?).ok()
}

/// Returns the end of a step whose task was approved; nobody approved one that the time did.
fn approved(task: &Task, decisions: &[Decision]) -> Move {
    let said = |decision: &Decision| {
        json!({
            "by": decision.by, "comment": decision.comment, "at": decision.at.to_string(), "via": decision.via,
        })
    };
    let comments: Vec<&str> =
        decisions.iter().map(|decision| decision.comment.as_str()).filter(|text| !text.is_empty()).collect();
    Move::succeeded(json!({
        "inputs": task.answers(decisions),
        "by": task::names(decisions),
        "comment": comments.join("\n"),
        "decisions": decisions.iter().map(said).collect::<Vec<_>>(),
    }))
}

fn rejected(decision: &Decision) -> Move {
    let by = match decision.comment.as_str() {
        "" => decision.by.clone(),
        comment => format!("{}: {comment}", decision.by),
    };
    let output = json!({"by": decision.by, "comment": decision.comment});
    Move::ended(Outcome::Rejected { by }, output)
}

impl Action for Approve {
    fn advance(&self, cx: &ActionContext<'_>, memo: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        if let Some(reply) = last {
            return Ok(Move::ended(no_reply(reply, FailureReason::Unexpected), json!({})));
        }
        let task = match Task::of_memo(memo) {
            Some(task) => task.at(cx.now),
            None => self.ask(cx)?,
        };
        match task.standing(cx.task.decisions) {
            Standing::Approved(decisions) => return Ok(approved(&task, &decisions)),
            Standing::Rejected(decision) => return Ok(rejected(&decision)),
            Standing::Open(_) if !task.is_late(cx.now.saturating_sub(GRACE).unwrap_or(cx.now)) => {
                let until = task.deadline.map(|at| at.saturating_add(GRACE).unwrap_or(at));
                let memo = json!({"task": task});
                return Ok(Move::Park { until, for_person: true, memo });
            }
            Standing::Open(_) => {}
        }
        let limit = task.deadline.map_or(0, |deadline| {
            u64::try_from(deadline.duration_since(task.asked_at).as_millis()).unwrap_or(0)
        });
        Ok(match task.on_timeout {
            OnTimeout::Approve if self.asks.allow_unattended => approved(&task, &[]),
            OnTimeout::Fail => Move::ended(Outcome::TimedOut { limit_ms: limit }, json!({})),
            OnTimeout::Reject | OnTimeout::Escalate | OnTimeout::Approve => {
                let within = format_duration(Duration::from_millis(limit));
                let by = format!("nobody: it was not decided within {within}");
                Move::ended(Outcome::Rejected { by }, json!({}))
            }
        })
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn asks(&self) -> Option<&Asks> {
        Some(&self.asks)
    }

    fn summary(&self) -> String {
        let asks = &self.asks;
        let many = if asks.required > 1 { format!("{} of ", asks.required) } else { String::new() };
        format!("ask {many}{}: {}", asks.approvers, self.prompt.source().trim())
    }

    fn needs(&self, needs: &mut Needs) {
        let asks = &self.asks;
        let escalated = asks.escalation.iter().flat_map(|escalation| &escalation.to.groups);
        for group in asks.approvers.groups.iter().chain(escalated) {
            if !needs.groups.contains(group) {
                needs.groups.push(group.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
