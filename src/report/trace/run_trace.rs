//! [`RunTrace`]: a run's journal as the spans of a trace, event by event.
//!
//! The run is the root; below it are its steps, each below the block, parallel steps or `foreach` around it, and
//! below a step its attempts. What a span says follows from the journal alone, so that it is the same whichever
//! process says it, and holds nothing that the journal does not. Events of spans are called as those of the
//! journal are, where there is one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::otlp::{KeyValue, Link, Span, SpanKind, attribute};
use crate::engine::RunHeader;
use crate::model::{SpanId, TraceId};
use crate::report::effect_line;
use crate::run::{KeptAlert, RunEvent, RunStatus, Signal, SignalKind, Stamped, Started, is_mute, is_raised};
use crate::step::{Effect, FailureReason, IfLost, Outcome, Task};

/// Labels of the alert that the root has, at most.
const MOST_LABELS: usize = 64;

/// A run, as far as its journal is known.
#[derive(Debug)]
pub(super) struct RunTrace {
    run: String,
    trace: TraceId,
    /// The run's span, until it is over.
    root: Option<Span>,
    /// Spans of steps that are not over, by path.
    steps: BTreeMap<String, Span>,
    /// Attempts under way, by the path of their step.
    attempts: BTreeMap<String, Attempt>,
    /// How often steps were over, by path.
    rounds: BTreeMap<String, u32>,
    /// Why the run will have failed: the step.
    failed: Option<String>,
}

#[derive(Debug)]
struct Attempt {
    number: u32,
    span: Span,
    /// Whether it is begun anew, as another attempt, when its process is killed.
    begun_anew: bool,
}

impl RunTrace {
    /// Begins the trace of a run that was admitted.
    pub(super) fn begin(header: &RunHeader, started: &Started, at: Timestamp) -> RunTrace {
        let (run, trace) = (header.run.clone(), TraceId::of_run(&header.run));
        let mut root = Span::begin(trace, SpanId::of_run(&run), None, format!("run {}", header.playbook), at);
        root.set("amflow.run.id", run.as_str());
        root.set("amflow.playbook.name", header.playbook.as_str());
        root.set("amflow.playbook.digest", header.digest.as_str());
        root.set("amflow.trigger", header.trigger.as_str());
        root.set("amflow.target", header.target.as_str());
        root.set("amflow.scope", header.scope.as_str());
        root.set("amflow.source", started.source.as_str());
        root.set("amflow.alerts", started.alerts.len());
        for (name, value) in header.labels.iter().take(MOST_LABELS) {
            root.set(&format!("alert.label.{name}"), value.as_str());
        }
        let more = header.labels.len().saturating_sub(MOST_LABELS);
        root.dropped_attributes_count = u32::try_from(more).unwrap_or(u32::MAX);
        let oldest = started.alerts.first().map(KeptAlert::json);
        for (key, name) in [("alert.fingerprint", "fingerprint"), ("alert.starts_at", "startsAt")] {
            if let Some(text) = oldest.as_ref().and_then(|alert| alert.get(name)).and_then(Value::as_str) {
                root.set(key, text);
            }
        }
        if let Some(before) = &started.retry_of {
            let why = attribute("amflow.link", "retry_of");
            root.links.push(Link::to(TraceId::of_run(before), SpanId::of_run(before), vec![why]));
        }
        RunTrace {
            run,
            trace,
            root: Some(root),
            steps: BTreeMap::new(),
            attempts: BTreeMap::new(),
            rounds: BTreeMap::new(),
            failed: None,
        }
    }

    /// Takes in the next event, and gives out the spans that it ends.
    pub(super) fn see(&mut self, stamped: &Stamped, ended: &mut Vec<Span>) {
        let at = stamped.at;
        match &stamped.event {
            RunEvent::RunStarted(_) | RunEvent::HoldWanted { .. } | RunEvent::Unknown => {}
            RunEvent::GateWanted { key } => {
                self.note_root(at, "gate_wanted", vec![attribute("amflow.key", key.as_str())]);
            }
            RunEvent::GateGranted { key } => {
                self.note_root(at, "gate_granted", vec![attribute("amflow.key", key.as_str())]);
            }
            RunEvent::StepEntered { path } => {
                self.step(path, at);
            }
            RunEvent::ForeachExpanded { path, items } => {
                self.step(path, at).set("amflow.foreach.items", items.len());
            }
            RunEvent::AttemptStarted { path, attempt, effect, if_lost, .. } => {
                self.step(path, at);
                let id = SpanId::of_attempt(&self.run, path, *attempt);
                let step = self.step_id(path);
                let mut span = Span::begin(self.trace, id, Some(step), format!("attempt {attempt}"), at);
                span.set("amflow.step.path", path.as_str());
                span.set("amflow.attempt", *attempt);
                if let Some(effect) = effect {
                    describe(&mut span, effect);
                }
                let begun_anew = *if_lost == IfLost::Repeat;
                self.attempts.insert(path.clone(), Attempt { number: *attempt, span, begun_anew });
            }
            RunEvent::AttemptContinued { path, effect, memo, parked_until, for_person, parked, .. } => {
                let Some(attempt) = self.attempts.get_mut(path) else { return };
                attempt.begun_anew = false;
                match (effect, Task::of_memo(memo).filter(|_| *for_person)) {
                    (_, Some(task)) => {
                        let mut said = vec![
                            attribute("amflow.asks", task.whom()),
                            attribute("amflow.prompt", task.prompt.as_str()),
                        ];
                        said.extend(task.deadline.map(|at| attribute("amflow.until", at.to_string())));
                        let name = if task.escalated_at.is_some() { "escalated" } else { "asked" };
                        attempt.span.note(at, name, said);
                    }
                    _ if *parked => {
                        let until = parked_until.map(|at| attribute("amflow.until", at.to_string()));
                        attempt.span.note(at, "waiting", until.into_iter().collect());
                    }
                    (Some(effect), _) => {
                        attempt.span.note(
                            at,
                            "continued",
                            vec![attribute("amflow.effect", effect_line(effect))],
                        );
                    }
                    (None, _) => {}
                }
            }
            RunEvent::AttemptFinished { path, attempt, outcome, output } => {
                // What acts without an effect, such as `set`, has no attempt that took time.
                self.step(path, at);
                if self.attempts.get(path).is_some_and(|under_way| under_way.number == *attempt) {
                    self.end_attempt(path, at, outcome, output, ended);
                }
            }
            RunEvent::RetryScheduled { path, attempt, due } => {
                let said =
                    vec![attribute("amflow.attempt", *attempt), attribute("amflow.due", due.to_string())];
                self.step(path, at).note(at, "retry_scheduled", said);
            }
            RunEvent::StepFinished { path, outcome } => self.end_step(path, at, outcome, ended),
            RunEvent::RecheckFailed { path, reason } => {
                let said = vec![
                    attribute("amflow.step.path", path.as_str()),
                    attribute("amflow.reason", reason.as_str()),
                ];
                self.note_root(at, "recheck_failed", said);
            }
            RunEvent::AskedAgain { path, before, reason, .. } => {
                self.reopen(path, at);
                let said = vec![
                    attribute("amflow.before", before.as_str()),
                    attribute("amflow.reason", reason.as_str()),
                ];
                self.step(path, at).note(at, "asked_again", said);
            }
            RunEvent::HoldMade { id, server_id } => {
                let server = server_id.as_ref().map(|id| attribute("amflow.hold.server_id", id.as_str()));
                self.note_hold(id, at, "hold_made", server);
            }
            RunEvent::HoldReleased { id, failed } => {
                let failed = failed.as_ref().map(|why| attribute("amflow.reason", why.as_str()));
                let name = if failed.is_some() { "hold_not_released" } else { "hold_released" };
                self.note_hold(id, at, name, failed);
            }
            RunEvent::HoldFailed { id, reason } => {
                self.note_hold(id, at, "hold_failed", Some(attribute("amflow.reason", reason.as_str())));
            }
            RunEvent::SignalReceived(signal) => self.note_signal(at, signal),
            RunEvent::TakenOver { by, lost } => self.take_over(by, lost, at, ended),
            RunEvent::ClockSet { by_ms } => {
                self.note_root(at, "clock_set", vec![attribute("amflow.by_ms", *by_ms)]);
            }
            RunEvent::RunEnding { step, .. } => self.failed.clone_from(step),
            RunEvent::RunFinished { status, reason } => self.end(*status, reason, at, ended),
        }
    }

    /// Returns the span of a step, which begins when there is none.
    fn step(&mut self, path: &str, at: Timestamp) -> &mut Span {
        if !self.steps.contains_key(path) {
            let parent = self.around(path).map_or(SpanId::of_run(&self.run), |around| self.step_id(around));
            let (name, item) = named(path);
            let mut span = Span::begin(self.trace, self.step_id(path), Some(parent), name, at);
            span.set("amflow.step.path", path);
            if let Some(item) = item {
                span.set("amflow.foreach.index", item);
            }
            self.steps.insert(path.to_owned(), span);
        }
        self.steps.get_mut(path).expect("it was just inserted")
    }

    fn step_id(&self, path: &str) -> SpanId {
        SpanId::of_step(&self.run, path, self.rounds.get(path).copied().unwrap_or(0))
    }

    /// Returns the path of the step that is around another: the nearest that is not over.
    fn around<'p>(&self, path: &'p str) -> Option<&'p str> {
        let ends = path.char_indices().rev().filter(|(_, c)| matches!(c, '/' | '['));
        ends.map(|(end, _)| &path[..end]).find(|around| self.steps.contains_key(*around))
    }

    fn end_attempt(
        &mut self,
        path: &str,
        at: Timestamp,
        outcome: &Outcome,
        output: &Value,
        ended: &mut Vec<Span>,
    ) {
        let Some(Attempt { mut span, .. }) = self.attempts.remove(path) else { return };
        let number = |pointer: &str| output.pointer(pointer).and_then(Value::as_i64);
        for (key, pointer) in [
            ("process.exit.code", "/exit_code"),
            ("process.exit.signal", "/signal"),
            ("http.response.status_code", "/http/status"),
        ] {
            if let Some(number) = number(pointer) {
                span.set(key, number);
            }
        }
        judge(&mut span, outcome);
        ended.push(span.end(at));
    }

    fn end_step(&mut self, path: &str, at: Timestamp, outcome: &Outcome, ended: &mut Vec<Span>) {
        if let Outcome::Skipped { reason } = outcome
            && !self.steps.contains_key(path)
        {
            // It took no time: a word on what is around it says as much as a span would.
            let said = vec![attribute("amflow.step.path", path), attribute("amflow.reason", reason.as_str())];
            match self.around(path) {
                Some(around) => self.step(around, at).note(at, "step_skipped", said),
                None => self.note_root(at, "step_skipped", said),
            }
            return;
        }
        self.step(path, at);
        self.end_attempt(path, at, outcome, &Value::Null, ended);
        if let Some(mut span) = self.steps.remove(path) {
            judge(&mut span, outcome);
            ended.push(span.end(at));
        }
        *self.rounds.entry(path.to_owned()).or_default() += 1;
    }

    /// An approval asks once more: it, and what is around it, are not over.
    fn reopen(&mut self, path: &str, at: Timestamp) {
        let inside = |around: &str| {
            path.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
        };
        let over: Vec<_> = self.rounds.keys().filter(|around| inside(around)).cloned().collect();
        // From the outside in: the map is in order, and what is around a path is a part of it.
        for path in over {
            self.step(&path, at);
        }
    }

    fn take_over(&mut self, by: &str, lost: &[String], at: Timestamp, ended: &mut Vec<Span>) {
        let mut said = vec![attribute("amflow.by", by)];
        if !lost.is_empty() {
            said.push(attribute("amflow.lost", lost.join(", ")));
        }
        self.note_root(at, "taken_over", said);
        for mark in lost {
            let Some((path, _)) = mark.rsplit_once('#') else { continue };
            let Some(attempt) = self.attempts.get_mut(path) else { continue };
            if attempt.begun_anew {
                self.end_attempt(path, at, &Outcome::Lost, &Value::Null, ended);
            } else {
                attempt.span.note(at, "lost", Vec::new());
            }
        }
    }

    fn note_signal(&mut self, at: Timestamp, signal: &Signal) {
        match &signal.kind {
            SignalKind::Cancel { by } => {
                self.note_root(at, "cancelled", vec![attribute("amflow.by", by.as_str())]);
            }
            SignalKind::Restart => {
                let by = attribute("amflow.by", "a newer run with the same key");
                self.note_root(at, "cancelled", vec![by]);
            }
            SignalKind::Resolved { fingerprints } => {
                let which = attribute("alert.fingerprint", fingerprints.join(", "));
                self.note_root(at, "resolved", vec![which]);
            }
            SignalKind::Decide { step, approve, by, comment, via, .. } => {
                let mut said = vec![attribute("amflow.by", by.as_str())];
                for (key, text) in [("amflow.via", via), ("amflow.comment", comment)] {
                    if !text.is_empty() {
                        said.push(attribute(key, text.as_str()));
                    }
                }
                let name = if *approve { "approved" } else { "rejected" };
                match self.attempts.get_mut(step) {
                    Some(attempt) => attempt.span.note(at, name, said),
                    None => self.note_root(at, name, said),
                }
            }
        }
    }

    fn note_root(&mut self, at: Timestamp, name: &str, attributes: Vec<KeyValue>) {
        if let Some(root) = &mut self.root {
            root.note(at, name, attributes);
        }
    }

    /// Notes what became of a hold, with the step that wanted it or with the run.
    fn note_hold(&mut self, id: &str, at: Timestamp, name: &str, more: Option<KeyValue>) {
        let mut said = vec![attribute("amflow.hold.id", id)];
        if is_mute(id) {
            said.push(attribute("amflow.hold.purpose", "mute"));
        } else if is_raised(id) {
            said.push(attribute("amflow.hold.purpose", "AmflowRunFailed"));
        }
        said.extend(more);
        match self.steps.get_mut(id) {
            Some(step) => step.note(at, name, said),
            None => self.note_root(at, name, said),
        }
    }

    fn end(&mut self, status: RunStatus, reason: &str, at: Timestamp, ended: &mut Vec<Span>) {
        // Nothing of a run outlives it; what a halt left without an end is cancelled.
        let open: Vec<_> = self.steps.keys().rev().cloned().collect();
        for path in open {
            self.end_step(&path, at, &Outcome::Cancelled, ended);
        }
        let Some(mut root) = self.root.take() else { return };
        root.set("amflow.run.status", status.as_str());
        if !reason.is_empty() {
            root.set("amflow.run.reason", reason);
        }
        if let Some(step) = &self.failed {
            root.set("amflow.run.failed_step", step.as_str());
        }
        if status == RunStatus::Failed {
            root.fail(reason);
        }
        ended.push(root.end(at));
    }
}

/// Says of an attempt what it does.
fn describe(span: &mut Span, effect: &Effect) {
    span.set("amflow.effect", effect_line(effect));
    if let Effect::Request(request) = effect {
        span.set("http.request.method", request.method.as_str());
    }
    if !matches!(effect, Effect::Command(_)) {
        span.kind = SpanKind::Client.into();
    }
}

/// Says how a step or an attempt ended. What a person or a condition stopped is no error.
fn judge(span: &mut Span, outcome: &Outcome) {
    span.set("amflow.outcome", outcome.status());
    let reason = outcome.reason();
    let kind = match outcome {
        Outcome::Succeeded => return,
        Outcome::Skipped { .. } | Outcome::Cancelled | Outcome::Rejected { .. } => {
            span.set("amflow.reason", reason);
            return;
        }
        Outcome::Failed { reason, .. } => word(*reason),
        Outcome::TimedOut { .. } | Outcome::Lost => outcome.status().to_owned(),
    };
    span.set("error.type", kind);
    span.fail(&reason);
}

/// Returns the word of a reason, as `steps.<id>.reason` has it.
fn word(reason: FailureReason) -> String {
    let value = serde_json::to_value(reason).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns what a step's span is called: the step's id, and which item of a `foreach` it is for. Names are few:
/// the whole path is an attribute.
fn named(path: &str) -> (String, Option<i64>) {
    let last = path.rsplit('/').next().unwrap_or(path);
    match last.strip_suffix(']').and_then(|turn| turn.rsplit_once('[')) {
        Some((step, item)) => (format!("{step}[]"), item.parse().ok()),
        None => (last.to_owned(), None),
    }
}
