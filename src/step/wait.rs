//! `wait`: a duration, the end of the alert, or a condition over a poll. Survives a restart: all it knows is its memory.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::{Action, ActionContext, Needs, StepError};
use super::command::no_reply;
use super::compiler::Compiler;
use super::effect::{Effect, Reply, SightingEffect};
use super::kind::{Field, FieldType, StepKind};
use super::outcome::{FailureReason, IfLost, Memo, Move, Outcome};
use super::output::judged;
use super::sighting::{Sight, Watch};
use super::spec::{DurationText, ExpressionText, JsonValue, Promql, short_or};
use crate::model::format_duration;
use crate::template::Expression;
use crate::text::{Node, plural};

pub(super) const KIND: StepKind = StepKind {
    name: "wait",
    summary: "waits for a time, for the end of the alert, or for a condition over a poll",
    docs: "`wait: 30s` waits that long.\n\n`wait: {until: resolved}` verifies: it looks at every Alertmanager of the \
        cluster until all of the run's alerts are resolved, and stay so `for` some time. An alert is resolved when a \
        delivery says so, or when it is gone *before* the end that its Prometheus last vouched for, from every peer, \
        each having answered completely and none having restarted within 5 minutes. An alert that is gone later than \
        that may only have lost its Prometheus: the wait goes on, and fails as `lost_sight` when its `timeout` comes. \
        An alert that comes back is waited for anew.\n\n`wait: {until: EXPRESSION, prometheus: QUERY}` asks \
        Prometheus until the expression holds: the best proof. `wait: {until: EXPRESSION, probe: {KIND: ...}}` does \
        the same with an `http`, `exec`, `shell` or `prometheus` step, which must change nothing. The expression sees \
        the fields of the answer by their names: `value < 80`, `json.state == \"ok\"`, `exit_code == 0`. An answer \
        without the fields that it reads is not yet the right one.\n\nNo process is needed while it waits.",
    example: "wait: {until: resolved, for: 5m, timeout: 12m}",
    outputs: &[Field::tainted(
        "probe",
        FieldType::Map,
        "the last answer, with the fields of the probe's kind; only for a condition",
    )],
    schema,
    compile,
    takes_env: true,
};

/// What is waited for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct WaitSpec {
    /// `resolved`, or an expression over the answer of `prometheus` or `probe`.
    until: Option<ExpressionText>,
    /// Without `until`: how long to wait. With it: how long it must stay so. Default for `resolved`: `2m`, else not at all.
    #[schemars(rename = "for")]
    stays: Option<DurationText>,
    /// When to give up; the `timeout` of the step, written beside the `wait`, says the same. Default: `30m`.
    timeout: Option<DurationText>,
    /// The longest time between two looks; the first ones come sooner. Default: `30s`.
    every: Option<DurationText>,
    /// A query whose answer the expression judges.
    prometheus: Option<Promql>,
    /// A step of kind `http`, `exec`, `shell` or `prometheus` whose answer the expression judges.
    probe: Option<JsonValue>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    short_or::<DurationText, WaitSpec>(generator)
}

const DEFAULT_STAYS: Duration = Duration::from_secs(120);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const DEFAULT_EVERY: Duration = Duration::from_secs(30);
/// The time between the first two looks.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// The least time between two looks.
const LEAST_DELAY: Duration = Duration::from_secs(1);

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let Some(until) = node.get("until") else { return compile_pause(node, compiler) };
    let stays = compiler.optional(node, "for", Compiler::duration);
    let timeout = compile_timeout(node, compiler);
    let every = compiler.optional(node, "every", Compiler::duration);
    let for_resolved = until.as_str() == Some("resolved");
    let default_stays = if for_resolved { DEFAULT_STAYS } else { Duration::ZERO };
    let plan = match (stays, timeout, every) {
        (Some(stays), Some(timeout), Some(every)) => Some(Plan {
            stays: stays.unwrap_or(default_stays),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            every: every.unwrap_or(DEFAULT_EVERY).max(LEAST_DELAY),
        }),
        _ => None,
    };
    if let Some(plan) = plan
        && plan.timeout <= plan.stays
    {
        let message = format!(
            "it cannot stay so for {} within {}",
            format_duration(plan.stays),
            format_duration(plan.timeout)
        );
        let span = node.get("timeout").or(compiler.timeout).or(node.get("for")).unwrap_or(node).span;
        compiler.error("wait-timeout", span, message, Some("make `timeout` longer than `for`"));
        return None;
    }
    if for_resolved {
        for key in ["prometheus", "probe"] {
            if let Some(span) = node.key_span(key) {
                let message = format!("`{key}` means nothing beside `until: resolved`");
                compiler.error(
                    "wait-keys",
                    span,
                    message,
                    Some("write the condition as `until: EXPRESSION`"),
                );
                return None;
            }
        }
        return Some(Box::new(Resolved { plan: plan? }));
    }
    let probe = compile_probe(node, compiler);
    let locals = probe.as_ref().map_or(&[][..], |probe| probe.fields);
    let until = compiler.expression("until", until, locals);
    Some(Box::new(Condition { until: until?, probe: probe?.action, plan: plan? }))
}

/// Reads when to give up: a wait's `timeout` may stand in it or beside it, where all steps have theirs.
#[expect(clippy::option_option, reason = "as `Compiler::optional`: wrong, absent, or there")]
fn compile_timeout(node: &Node, compiler: &mut Compiler<'_>) -> Option<Option<Duration>> {
    let Some(beside) = compiler.timeout else {
        return compiler.optional(node, "timeout", Compiler::duration);
    };
    if node.get("timeout").is_some() {
        let message = "`timeout` is written twice: beside the `wait`, and in it";
        compiler.error("wait-keys", beside.span, message, Some("leave one of them out"));
        return None;
    }
    compiler.duration("timeout", beside).map(Some)
}

fn compile_pause(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let unknown = node.entries().iter().find(|entry| entry.key.value != "for");
    if let Some(entry) = unknown {
        let message = format!("`{}` means nothing without `until`", entry.key.value);
        compiler.error("wait-keys", entry.key.span, message, Some("add `until: resolved`, or a condition"));
        return None;
    }
    if let Some(beside) = compiler.timeout {
        let message = "`timeout` means nothing to a wait for a time";
        compiler.error("wait-keys", beside.span, message, Some("leave it out: it waits as long as it says"));
        return None;
    }
    let duration = match (node.get("for"), node.as_str()) {
        (Some(duration), _) => compiler.duration("for", duration)?,
        (None, Some("resolved")) => {
            compiler.error(
                "duration",
                node.span,
                "`resolved` is no duration",
                Some("write `wait: {until: resolved}`"),
            );
            return None;
        }
        (None, Some(_)) => compiler.duration("wait", node)?,
        (None, None) => {
            if !node.is_broken() {
                compiler.error("wait-keys", node.span, "`for` or `until` is missing here", None);
            }
            return None;
        }
    };
    Some(Box::new(Pause { duration }))
}

struct Probe {
    action: Box<dyn Action>,
    fields: &'static [Field],
}

/// Kinds whose answers a condition may judge.
const PROBES: [&str; 4] = ["http", "exec", "shell", "prometheus"];

fn compile_probe(node: &Node, compiler: &mut Compiler<'_>) -> Option<Probe> {
    let (kind, inner) = match (node.get("prometheus"), node.get("probe")) {
        (Some(query), None) => (StepKind::named("prometheus"), query),
        (None, Some(probe)) => match probe.entries() {
            [entry] if PROBES.contains(&entry.key.value.as_str()) => {
                (StepKind::named(&entry.key.value), &entry.value)
            }
            _ if probe.is_broken() => return None,
            _ => {
                let message = "a probe is one step of kind `http`, `exec`, `shell` or `prometheus`";
                compiler.error("wait-probe", probe.span, message, Some("write `probe: {http: {get: URL}}`"));
                return None;
            }
        },
        (Some(_), Some(probe)) => {
            compiler.error("wait-probe", probe.span, "`probe` means nothing beside `prometheus`", None);
            return None;
        }
        (None, None) => {
            let hint = "add `prometheus: QUERY` or `probe: {http: {get: URL}}`, or write `until: resolved`";
            compiler.error("wait-probe", node.span, "nothing is asked that could change", Some(hint));
            return None;
        }
    };
    let kind = kind?;
    if !compiler.fits(kind, inner) {
        return None;
    }
    let action = compiler.kind(kind, inner)?;
    Some(Probe { action, fields: kind.outputs })
}

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    stays: Duration,
    timeout: Duration,
    every: Duration,
}

/// What every wait that looks at something remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Looking {
    /// When it gives up.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    /// The time between the last look and the next, in milliseconds.
    delay_ms: u64,
}

impl Plan {
    /// Reads the memory of an attempt, in moments of the clock as it is now; a memory that cannot be read is begun
    /// again.
    fn remember(&self, memo: &Memo, cx: &ActionContext<'_>) -> Looking {
        let looking =
            memo.get("looking").and_then(|looking| Looking::deserialize(looking).ok()).unwrap_or_default();
        let deadline = looking.deadline.unwrap_or_else(|| later(cx.began, self.timeout));
        Looking { deadline: Some(deadline), ..looking }.moved(cx.clock_set)
    }

    /// Returns when to look again: later and later, never after the deadline or one of these moments.
    fn next_look(
        &self,
        looking: &mut Looking,
        now: Timestamp,
        not_after: [Option<Timestamp>; 2],
    ) -> Timestamp {
        let delay = Duration::from_millis(looking.delay_ms).mul_f64(1.5);
        let delay = delay.clamp(FIRST_DELAY.min(self.every), self.every);
        looking.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let wanted = not_after.into_iter().flatten().fold(later(now, delay), Timestamp::min);
        let wanted = wanted.max(later(now, LEAST_DELAY));
        looking.deadline.map_or(wanted, |deadline| wanted.min(deadline.max(now)))
    }
}

impl Looking {
    /// Returns it as it is after the clock was set by that much.
    fn moved(self, by: SignedDuration) -> Looking {
        Looking { deadline: self.deadline.map(|deadline| moved(deadline, by)), ..self }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }
}

/// `wait: 30s`.
#[derive(Debug)]
struct Pause {
    duration: Duration,
}

impl Action for Pause {
    fn advance(&self, cx: &ActionContext<'_>, memo: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        if let Some(reply @ (Reply::Stopped { .. } | Reply::TimedOut { .. })) = last {
            return Ok(Move::ended(no_reply(reply, FailureReason::Unexpected), json!({})));
        }
        let known = memo.get("until").and_then(|until| Timestamp::deserialize(until).ok());
        let remembered = known.unwrap_or_else(|| later(cx.began, self.duration));
        let until = moved(remembered, cx.clock_set);
        if cx.now >= until {
            return Ok(Move::ended(Outcome::Succeeded, json!({})));
        }
        Ok(Move::Park { until: Some(until), for_person: false, memo: json!({"until": remembered}) })
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        format!("wait {}", format_duration(self.duration))
    }

    fn needs(&self, _: &mut Needs) {}
}

/// `wait: {until: resolved}`.
#[derive(Debug)]
struct Resolved {
    plan: Plan,
}

impl Action for Resolved {
    fn advance(&self, cx: &ActionContext<'_>, memo: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        let mut looking = self.plan.remember(memo, cx);
        let known = memo.get("watch").and_then(|watch| Watch::deserialize(watch).ok());
        let mut watch = known.unwrap_or_else(|| Watch::begin(cx.alerts)).moved(cx.clock_set);
        watch.delivered(cx.resolved, cx.now);
        match last {
            None if !looking.is_over(cx.now) => {
                let effect = Effect::Sighting(SightingEffect { fingerprints: watch.fingerprints() });
                let memo = remembered(looking, watch, cx);
                return Ok(Move::Do { effect, if_lost: IfLost::Repeat, memo });
            }
            None => {}
            Some(Reply::Sighted(sighted)) => {
                watch.looked(sighted, cx.resolved);
            }
            Some(reply @ (Reply::Impossible { retryable: false, .. } | Reply::Stopped { .. })) => {
                let outcome = no_reply(reply, FailureReason::Missing);
                return Ok(Move::ended(outcome, json!({})));
            }
            Some(Reply::Impossible { message, .. }) => watch.blind(message),
            Some(Reply::TimedOut { .. }) => watch.blind("no answer in time"),
            Some(_) => watch.blind("an answer to something else"),
        }
        let sight = watch.sight();
        let stays_until = match &sight {
            Sight::Clear { since, .. } => Some(later(*since, self.plan.stays)),
            _ => None,
        };
        let proved =
            matches!(sight, Sight::Clear { sure: true, .. }) && stays_until.is_some_and(|end| cx.now >= end);
        if proved && last.is_some() {
            // By this the run knows that its alerts need no look any more.
            return Ok(Move::ended(Outcome::Succeeded, json!({"resolved": true})));
        }
        if looking.is_over(cx.now) {
            return Ok(Move::ended(self.too_late(&sight, &watch), json!({})));
        }
        // A look must come well before the lease is over: one after it proves nothing.
        let half_lease = watch.next_end().filter(|end| *end > cx.now).map(|end| halfway(cx.now, end));
        let until =
            self.plan.next_look(&mut looking, cx.now, [half_lease, stays_until.filter(|end| *end > cx.now)]);
        Ok(Move::Park { until: Some(until), for_person: false, memo: remembered(looking, watch, cx) })
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        let Plan { stays, timeout, .. } = self.plan;
        format!(
            "verify that it is resolved and stays so for {}, within {}",
            format_duration(stays),
            format_duration(timeout)
        )
    }

    fn needs(&self, needs: &mut Needs) {
        needs.alertmanager_for("verify");
    }
}

impl Resolved {
    fn too_late(&self, sight: &Sight, watch: &Watch) -> Outcome {
        let within = format_duration(self.plan.timeout);
        let why = watch.unclear().map_or_else(String::new, |why| format!(" ({why})"));
        match sight {
            Sight::Firing { count } => {
                let verb = if *count == 1 { "fires" } else { "fire" };
                let message = format!("{} still {verb} after {within}", plural(*count, "alert"));
                Outcome::failed(FailureReason::NotResolved, message)
            }
            Sight::Clear { sure: true, .. } => {
                let stays = format_duration(self.plan.stays);
                let message = format!("it is resolved, but within {within} it did not stay so for {stays}");
                Outcome::failed(FailureReason::NotResolved, message)
            }
            Sight::Clear { sure: false, .. } => {
                let message =
                    format!("it was resolved, and nobody could say after {within} whether it still is{why}");
                Outcome::failed(FailureReason::LostSight, message)
            }
            Sight::Lost { count } => {
                let verb = if *count == 1 { "is" } else { "are" };
                let message = format!(
                    "{} {verb} gone without having been resolved: Alertmanager lost sight of it{why}",
                    plural(*count, "alert")
                );
                Outcome::failed(FailureReason::LostSight, message)
            }
            Sight::Unclear => Outcome::failed(
                FailureReason::LostSight,
                format!("nobody could say within {within} whether it is resolved{why}"),
            ),
        }
    }
}

/// The memory of a condition. It stays the same from look to look as long as nothing new is known, so that
/// the journal does not grow with the looks.
fn condition_memo(looking: &Looking, since: Option<Timestamp>, said: &str, cx: &ActionContext<'_>) -> Memo {
    let looking = looking.clone().moved(-cx.clock_set);
    let since = since.map(|since| moved(since, -cx.clock_set));
    json!({"looking": looking, "since": since, "said": said})
}

fn remembered(looking: Looking, watch: Watch, cx: &ActionContext<'_>) -> Memo {
    json!({"looking": looking.moved(-cx.clock_set), "watch": watch.moved(-cx.clock_set)})
}

/// `wait: {until: EXPRESSION}`.
#[derive(Debug)]
struct Condition {
    until: Expression,
    probe: Box<dyn Action>,
    plan: Plan,
}

impl Action for Condition {
    fn advance(&self, cx: &ActionContext<'_>, memo: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        let mut looking = self.plan.remember(memo, cx);
        let since = memo.get("since").and_then(|since| Timestamp::deserialize(since).ok());
        let since = since.map(|since| moved(since, cx.clock_set));
        let last_said = memo.get("said").and_then(Value::as_str).unwrap_or("it was not asked yet");
        if last.is_none() && looking.is_over(cx.now) {
            return Ok(self.too_late(last_said, &json!({})));
        }
        let inner = memo.get("probe").cloned().unwrap_or_default();
        let (outcome, answer) =
            match self.probe.advance(cx, if last.is_none() { &Value::Null } else { &inner }, last)? {
                Move::Do { effect, memo: inner, .. } => {
                    let mut memo = condition_memo(&looking, since, last_said, cx);
                    if !inner.is_null() {
                        memo["probe"] = inner;
                    }
                    return Ok(Move::Do { effect, if_lost: IfLost::Repeat, memo });
                }
                Move::Done { outcome, output } => (outcome, output),
                Move::Park { .. } | Move::Hold { .. } | Move::Release { .. } => {
                    let message = "the probe wants something that is no question";
                    return Err(StepError::new(FailureReason::Unexpected, message));
                }
            };
        let output = json!({"probe": answer});
        if outcome == Outcome::Cancelled || is_hopeless(&outcome) {
            return Ok(Move::ended(outcome, output));
        }
        let (since, said) = match self.until.is_true(&judged(cx.scope, &answer)) {
            Ok(true) => (Some(since.unwrap_or(cx.now)), "it holds".to_owned()),
            Ok(false) => (None, "it does not hold".to_owned()),
            Err(error) if outcome.is_good() => (None, error.to_string()),
            Err(_) => (None, outcome.reason()),
        };
        let stays_until = since.map(|since| later(since, self.plan.stays));
        if stays_until.is_some_and(|end| cx.now >= end) {
            return Ok(Move::ended(Outcome::Succeeded, output));
        }
        if looking.is_over(cx.now) {
            return Ok(self.too_late(&said, &answer));
        }
        let until = self.plan.next_look(&mut looking, cx.now, [stays_until, None]);
        let memo = condition_memo(&looking, since, &said, cx);
        Ok(Move::Park { until: Some(until), for_person: false, memo })
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn summary(&self) -> String {
        let within = format_duration(self.plan.timeout);
        format!("{}, until {}, within {within}", self.probe.summary(), self.until.source().trim())
    }

    fn needs(&self, needs: &mut Needs) {
        self.probe.needs(needs);
    }
}

impl Condition {
    fn too_late(&self, said: &str, answer: &Value) -> Move {
        let (until, within) = (self.until.source().trim(), format_duration(self.plan.timeout));
        let said = if said == "it holds" {
            format!("it holds, but did not stay so for {}", format_duration(self.plan.stays))
        } else {
            said.to_owned()
        };
        let message = format!("`{until}` did not come true within {within}: {said}");
        let outcome = Outcome::failed(FailureReason::Assertion, message);
        Move::ended(outcome, json!({"probe": answer}))
    }
}

/// Tells whether asking again cannot help: no such program, nothing configured, a template that cannot be filled.
fn is_hopeless(outcome: &Outcome) -> bool {
    use FailureReason::{Missing, NotStarted, Template, Unreachable};
    matches!(
        outcome,
        Outcome::Failed { reason: Missing | NotStarted | Template | Unreachable, retryable: false, .. }
    )
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

fn halfway(from: Timestamp, to: Timestamp) -> Timestamp {
    let half = to.as_millisecond().saturating_sub(from.as_millisecond()) / 2;
    from.saturating_add(SignedDuration::from_millis(half)).unwrap_or(to)
}

#[cfg(test)]
mod tests;
