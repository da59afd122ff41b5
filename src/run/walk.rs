//! The walk over a playbook's steps: what is done is passed over, what is under way goes on, what is
//! next begins. It is repeated after every change and finds the same place again, because all that it
//! knows is in the run's nodes.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::backoff;
use super::event::RunEvent;
use super::machine::{Machine, PendingCall, Waits, hold_key};
use super::mutes;
use super::recheck::Recheckpoint;
use super::state::Node;
use crate::model::format_duration;
use crate::playbook::{Block, Body, Step};
use crate::step::{
    Action, ActionContext, FailureReason, HoldAction, IfLost, Memo, Move, Outcome, Reply, StepError,
};

/// Where in the playbook the walk is.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Items of the `foreach`s around, by the path of their turn.
    pub(super) items: Vec<(String, Value)>,
    /// The failed step and why, in handlers.
    pub(super) failed: Option<(String, String)>,
    /// Whether nothing new may start.
    pub(super) halt: bool,
    /// Whether what is under way is ended, too.
    pub(super) stop: bool,
    /// Whether a pause and re-checks don't apply: handlers.
    pub(super) handler: Handler,
}

/// In which part of the playbook the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    Main,
    OnFailure,
    Finally,
}

impl Walk {
    pub(super) fn main(halt: bool) -> Walk {
        Walk { items: Vec::new(), failed: None, halt, stop: halt, handler: Handler::Main }
    }

    pub(super) fn handler(failed: (String, String), halt: bool) -> Walk {
        Walk { failed: Some(failed), handler: Handler::OnFailure, ..Walk::main(halt) }
    }

    pub(super) fn finally(failed: Option<(String, String)>, halt: bool) -> Walk {
        Walk { failed, handler: Handler::Finally, ..Walk::main(halt) }
    }
}

/// How far a list is.
pub(super) enum Progress {
    /// Something is under way or waited for.
    Working,
    /// It is over.
    Done(Ended),
}

/// How a list ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    Good,
    Failed { step: String, reason: String },
    Rejected { step: String, by: String },
    Cancelled,
}

impl Machine {
    /// Works on steps in order.
    pub(super) fn visit_list(&mut self, steps: &[Step], prefix: &str, cx: &Walk) -> Progress {
        for step in steps {
            let path = format!("{prefix}{}", step.id);
            let Some(outcome) = self.visit_step(step, &path, cx) else { return Progress::Working };
            match outcome {
                outcome if outcome.is_good() => {}
                Outcome::Cancelled => return Progress::Done(Ended::Cancelled),
                Outcome::Rejected { by } => return Progress::Done(Ended::Rejected { step: path, by }),
                _ if step.continue_on_error => {}
                outcome => return Progress::Done(Ended::Failed { step: path, reason: outcome.reason() }),
            }
        }
        Progress::Done(Ended::Good)
    }

    fn visit_step(&mut self, step: &Step, path: &str, cx: &Walk) -> Option<Outcome> {
        if let Some(outcome) = self.run.nodes.get(path).and_then(|n| n.outcome.clone()) {
            return Some(outcome);
        }
        match &step.foreach {
            Some(list) => self.visit_foreach(step, list, path, cx),
            None => self.visit_turn(step, path, cx),
        }
    }

    fn visit_foreach(
        &mut self,
        step: &Step,
        list: &crate::template::Expression,
        path: &str,
        cx: &Walk,
    ) -> Option<Outcome> {
        let known = self.run.nodes.get(path).and_then(|n| n.items.clone());
        let items = match known {
            Some(items) => items,
            None if cx.halt => return Some(Outcome::Cancelled),
            None => match self.eval_list(list, path, cx) {
                Ok(items) => {
                    self.record(RunEvent::ForeachExpanded { path: path.to_owned(), items: items.clone() });
                    items
                }
                Err(message) => {
                    return Some(
                        self.finish(path, Outcome::failed_for_good(FailureReason::Template, message)),
                    );
                }
            },
        };
        let mut failed = None;
        for (n, item) in items.iter().enumerate() {
            let turn = format!("{path}[{n}]");
            let known = self.run.nodes.get(&turn).and_then(|n| n.outcome.clone());
            let outcome = if let Some(outcome) = known {
                outcome
            } else {
                let mut inner = cx.clone();
                inner.items.push((turn.clone(), item.clone()));
                self.visit_turn(step, &turn, &inner)?
            };
            match outcome {
                outcome if outcome.is_good() => {}
                Outcome::Cancelled | Outcome::Rejected { .. } => return Some(self.finish(path, outcome)),
                outcome => {
                    failed.get_or_insert_with(|| format!("item {n}: {}", outcome.reason()));
                    if !step.continue_on_error {
                        break;
                    }
                }
            }
        }
        let outcome = match failed {
            Some(message) => Outcome::failed_for_good(FailureReason::Block, message),
            None if items.is_empty() => Outcome::Skipped { reason: "foreach: the list is empty".to_owned() },
            None => Outcome::Succeeded,
        };
        Some(self.finish(path, outcome))
    }

    fn visit_turn(&mut self, step: &Step, path: &str, cx: &Walk) -> Option<Outcome> {
        let begun = self.run.nodes.get(path).is_some_and(|n| n.entered || n.attempts > 0);
        if !begun {
            if cx.halt {
                return Some(Outcome::Cancelled);
            }
            if let Some(when) = &step.when {
                let scope = match self.scope(path, cx) {
                    Ok(scope) => scope,
                    Err(message) => {
                        return Some(
                            self.finish(path, Outcome::failed_for_good(FailureReason::Template, message)),
                        );
                    }
                };
                match when.is_true(&scope) {
                    Ok(true) => {}
                    Ok(false) => {
                        return Some(
                            self.finish(path, Outcome::Skipped { reason: "`when` is false".to_owned() }),
                        );
                    }
                    Err(error) => {
                        let outcome =
                            Outcome::failed_for_good(FailureReason::Template, format!("when: {error}"));
                        return Some(self.finish(path, outcome));
                    }
                }
            }
            if !matches!(step.body, Body::Action(_)) {
                self.record(RunEvent::StepEntered { path: path.to_owned() });
            }
        }
        match &step.body {
            Body::Action(action) => self.visit_action(step, action.as_ref(), path, cx),
            Body::Block(block) => self.visit_block(step, block, path, cx),
            Body::Parallel(branches) => self.visit_parallel(branches, path, cx),
        }
    }

    fn visit_block(&mut self, step: &Step, block: &Block, path: &str, cx: &Walk) -> Option<Outcome> {
        let prefix = format!("{path}/");
        let mut inner = cx.clone();
        let late = self.block_deadline(step, path).is_some_and(|at| at <= self.now);
        inner.halt |= late;
        inner.stop |= late;
        let ended = match self.visit_list(&block.steps, &prefix, &inner) {
            Progress::Working => return None,
            Progress::Done(ended) => ended,
        };
        // Once its `on_failure` has begun, the block has failed, whatever reaches it after that.
        let handling = format!("{prefix}on_failure/");
        let failing = self.run.nodes.keys().any(|path| path.starts_with(&handling));
        let ended = match ended {
            Ended::Cancelled if failing || (late && !cx.halt) => Ended::Failed {
                step: path.to_owned(),
                reason: format!("no end within {}", format_duration(step.timeout.unwrap_or_default())),
            },
            ended => ended,
        };
        if let Ended::Failed { step: failed, reason } = &ended {
            let mut handler = cx.clone();
            handler.failed = Some((failed.clone(), reason.clone()));
            if cx.handler == Handler::Main {
                handler.handler = Handler::OnFailure;
            }
            if let Progress::Working = self.visit_list(&block.on_failure, &handling, &handler) {
                return None;
            }
        }
        let handling = format!("{prefix}finally/");
        let mut last = cx.clone();
        last.handler = Handler::Finally;
        last.halt = self.is_too_long(&handling);
        last.stop = last.halt;
        if let Ended::Failed { step, reason } = &ended {
            last.failed = Some((step.clone(), reason.clone()));
        }
        if let Progress::Working = self.visit_list(&block.finally, &handling, &last) {
            return None;
        }
        let outcome = match ended {
            Ended::Good => Outcome::Succeeded,
            Ended::Cancelled => Outcome::Cancelled,
            Ended::Rejected { by, .. } => Outcome::Rejected { by },
            Ended::Failed { step, reason } if step == path => {
                Outcome::failed_for_good(FailureReason::Block, reason)
            }
            Ended::Failed { step, reason } => {
                Outcome::failed_for_good(FailureReason::Block, format!("{step}: {reason}"))
            }
        };
        Some(self.finish(path, outcome))
    }

    /// Returns whether the `finally` of a block has taken longer than it may: it is not ended by what ends
    /// its block, but by a time limit of its own.
    fn is_too_long(&mut self, handling: &str) -> bool {
        let of_it = |(path, node): (&String, &Node)| path.starts_with(handling).then_some(node.began)?;
        let Some(began) = self.run.nodes.iter().filter_map(of_it).min() else { return false };
        let deadline = self.finally_deadline(began);
        self.wake_by(deadline);
        deadline <= self.now
    }

    fn block_deadline(&mut self, step: &Step, path: &str) -> Option<Timestamp> {
        let began = self.run.nodes.get(path)?.began?;
        let at = began.checked_add(step.timeout?).ok()?;
        self.wake_by(at);
        Some(at)
    }

    fn visit_parallel(&mut self, branches: &[Step], path: &str, cx: &Walk) -> Option<Outcome> {
        let mut working = false;
        let mut worst: Option<Outcome> = None;
        for branch in branches {
            let child = format!("{path}/{}", branch.id);
            match self.visit_step(branch, &child, cx) {
                None => working = true,
                Some(outcome) if outcome.is_good() => {}
                Some(Outcome::Cancelled) => worst = Some(Outcome::Cancelled),
                Some(Outcome::Rejected { by }) => worst = Some(Outcome::Rejected { by }),
                Some(_) if branch.continue_on_error => {}
                Some(outcome) => {
                    let message = format!("{child}: {}", outcome.reason());
                    worst.get_or_insert(Outcome::failed_for_good(FailureReason::Block, message));
                }
            }
        }
        if working {
            return None;
        }
        Some(self.finish(path, worst.unwrap_or(Outcome::Succeeded)))
    }

    fn finish(&mut self, path: &str, outcome: Outcome) -> Outcome {
        self.record(RunEvent::StepFinished { path: path.to_owned(), outcome: outcome.clone() });
        outcome
    }

    fn eval_list(
        &mut self,
        list: &crate::template::Expression,
        path: &str,
        cx: &Walk,
    ) -> Result<Vec<Value>, String> {
        let scope = self.scope(path, cx)?;
        let value = list.eval(&scope).map_err(|e| format!("foreach: {e}"))?;
        match super::scope::to_json(&value) {
            Value::Array(items) => Ok(items),
            other => Err(format!("foreach: a list is needed, this is {}", kind_of(&other))),
        }
    }

    // --- one action ---

    fn visit_action(&mut self, step: &Step, action: &dyn Action, path: &str, cx: &Walk) -> Option<Outcome> {
        if let Some(outcome) = self.run.nodes.get(path).and_then(|n| n.outcome.clone()) {
            return Some(outcome);
        }
        let node = self.run.nodes.get(path).cloned().unwrap_or_default();
        if let Some(attempt) = node.attempt {
            if self.in_flight.contains(path) {
                if cx.stop {
                    self.next.stop.push(path.to_owned());
                }
                return None;
            }
            let releasing = self.released_by.values().any(|releaser| releaser == path);
            if releasing || self.in_flight.contains(&hold_key(path)) {
                return None;
            }
            if let Some(reply) = self.replies.remove(path) {
                return self.heard(step, action, path, cx, &reply);
            }
            if cx.halt {
                return self.end_attempt(step, path, attempt.number, Outcome::Cancelled, Value::Null, cx);
            }
            let Some(parked) = attempt.parked else {
                // Taken over between two exchanges, or while its hold was being made: go on there.
                if self.run.holds.get(path).is_some_and(|h| h.made_at.is_none() && !h.over) {
                    self.start_hold(path, HoldAction::Make);
                    return None;
                }
                return self.advance(step, action, path, cx, None);
            };
            let news = self.run.resolved.len();
            let told = news > self.told.get(path).copied().unwrap_or(0);
            if told {
                self.told.insert(path.to_owned(), news);
            }
            if told || parked.until.is_some_and(|until| until <= self.now) {
                return self.advance(step, action, path, cx, None);
            }
            let waits = if parked.for_person { Waits::Person } else { Waits::Time };
            match parked.until {
                Some(until) => self.wake_at(until, waits),
                None => self.note_wait(waits),
            }
            return None;
        }
        if let Some(outcome) = node.last.filter(|_| node.retry_due.is_none()) {
            // The process died before it was settled what follows.
            return self.settle_attempt(step, path, node.attempts, outcome, cx);
        }
        if cx.halt {
            return Some(self.finish(path, Outcome::Cancelled));
        }
        if let Some(due) = node.retry_due.filter(|due| *due > self.now) {
            self.wake_at(due, Waits::Time);
            return None;
        }
        if action.has_effects() {
            if self.paused && cx.handler != Handler::Finally {
                self.note_wait(Waits::Pause);
                return None;
            }
            if cx.handler == Handler::Main && !action.changes_nothing() {
                match self.recheck_before(path, step.read_only) {
                    Recheckpoint::Passed if mutes::mute(self) => return None,
                    Recheckpoint::Passed => {}
                    Recheckpoint::Asked => return None,
                    Recheckpoint::Gone => return Some(Outcome::Cancelled),
                    Recheckpoint::Unknown(why) => {
                        let outcome = Outcome::failed_for_good(FailureReason::Unreachable, why);
                        return Some(self.finish(path, outcome));
                    }
                }
            }
        }
        self.advance(step, action, path, cx, None)
    }

    fn heard(
        &mut self,
        step: &Step,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
        reply: &Reply,
    ) -> Option<Outcome> {
        if cx.halt {
            // Whatever comes of it, nothing follows; what it wrote until then is kept.
            let number = self.run.nodes.get(path).map_or(1, |n| n.attempts);
            let outcome = match self.ask(action, path, cx, Some(reply)) {
                Ok(Move::Done { outcome, output }) if !matches!(reply, Reply::Stopped { .. }) => {
                    (outcome, output)
                }
                Ok(Move::Done { output, .. }) => (Outcome::Cancelled, output),
                _ => (Outcome::Cancelled, Value::Null),
            };
            return self.end_attempt(step, path, number, outcome.0, outcome.1, cx);
        }
        self.advance(step, action, path, cx, Some(reply))
    }

    fn ask(
        &mut self,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
        reply: Option<&Reply>,
    ) -> Result<Move, StepError> {
        let scope = self.scope(path, cx).map_err(|m| StepError::new(FailureReason::Template, m))?;
        let node = self.run.nodes.get(path);
        let attempt = node.and_then(|n| n.attempt.as_ref());
        let number = attempt.map_or_else(|| node.map_or(0, |n| n.attempts) + 1, |a| a.number);
        let memo = attempt.map_or(Memo::Null, |a| a.memo.clone());
        let context = ActionContext {
            scope: &scope,
            run: &self.run.id,
            playbook: &self.run.started.playbook,
            path,
            attempt: number,
            began: attempt.map_or(self.now, |a| a.began),
            now: self.now,
            alerts: &self.run.alerts,
            resolved: &self.run.resolved,
        };
        action.advance(&context, &memo, reply)
    }

    fn advance(
        &mut self,
        step: &Step,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
        reply: Option<&Reply>,
    ) -> Option<Outcome> {
        let first = self.run.nodes.get(path).is_none_or(|n| n.attempt.is_none());
        let number = self.run.nodes.get(path).map_or(0, |n| n.attempts) + u32::from(first);
        let wanted = self.ask(action, path, cx, reply).unwrap_or_else(|error| Move::Done {
            outcome: Outcome::failed_for_good(error.reason, error.message),
            output: Value::Null,
        });
        match wanted {
            Move::Do { effect, if_lost, memo } => {
                let twice = step.idempotent || step.read_only || action.changes_nothing();
                let if_lost = if twice { IfLost::Repeat } else { if_lost };
                let boxed = Some(Box::new(effect.clone()));
                self.recheck.passed.remove(path);
                if first {
                    self.record(RunEvent::AttemptStarted {
                        path: path.to_owned(),
                        attempt: number,
                        effect: boxed,
                        if_lost,
                        memo,
                    });
                } else {
                    self.go_on(path, number, boxed, if_lost, memo, None);
                }
                self.in_flight.insert(path.to_owned());
                let limit = step.timeout;
                self.next.start.push(PendingCall {
                    key: path.to_owned(),
                    path: path.to_owned(),
                    attempt: number,
                    effect,
                    limit,
                });
                None
            }
            Move::Park { until, for_person, memo } => {
                if first {
                    self.start_without_effect(path, number, &memo);
                }
                self.go_on(path, number, None, IfLost::Repeat, memo, Some((until, for_person)));
                None
            }
            Move::Hold { hold, keep, memo } => {
                if first {
                    self.start_without_effect(path, number, &memo);
                } else {
                    self.go_on(path, number, None, IfLost::Repeat, memo, None);
                }
                self.record(RunEvent::HoldWanted { id: path.to_owned(), hold, keep });
                self.start_hold(path, HoldAction::Make);
                None
            }
            Move::Release { step: maker, memo } => {
                if first {
                    self.start_without_effect(path, number, &memo);
                } else {
                    self.go_on(path, number, None, IfLost::Repeat, memo, None);
                }
                self.release_for(path, &maker);
                None
            }
            Move::Done { outcome, output } => self.end_attempt(step, path, number, outcome, output, cx),
        }
    }

    fn start_without_effect(&mut self, path: &str, attempt: u32, memo: &Memo) {
        self.record(RunEvent::AttemptStarted {
            path: path.to_owned(),
            attempt,
            effect: None,
            if_lost: IfLost::Repeat,
            memo: memo.clone(),
        });
    }

    /// Releases the holds that another step made; the reply is heard under this step's path.
    fn release_for(&mut self, path: &str, maker: &str) {
        let ids = self.holds_of(path, maker);
        for id in &ids {
            self.released_by.insert(id.clone(), path.to_owned());
            self.start_hold(id, HoldAction::Release);
        }
        if ids.is_empty() {
            // Nothing is in force: as good as released.
            self.replies.insert(path.to_owned(), Reply::Held { id: None });
        }
    }

    /// Goes on with an attempt. Polls whose memory does not change are not journaled: repeating one
    /// more of them after a crash is harmless.
    fn go_on(
        &mut self,
        path: &str,
        number: u32,
        effect: Option<Box<crate::step::Effect>>,
        if_lost: IfLost,
        memo: Memo,
        park: Option<(Option<Timestamp>, bool)>,
    ) {
        // A wait that is over before it begins would spin.
        let soonest = self.now.checked_add(Duration::from_millis(20)).unwrap_or(self.now);
        let parked = park.map(|(until, for_person)| super::state::Parked {
            until: until.map(|t| t.max(soonest)),
            for_person,
        });
        let Some(attempt) = self.run.nodes.get_mut(path).and_then(|n| n.attempt.as_mut()) else { return };
        let was_parked = attempt.parked.is_some() || attempt.parked_once;
        let repeats = if_lost == IfLost::Repeat && attempt.if_lost == IfLost::Repeat;
        if attempt.memo == memo && repeats && (was_parked || parked.is_none()) {
            attempt.effect = effect;
            attempt.parked = parked;
            attempt.parked_once |= was_parked;
            // The pass must see that something changed.
            self.next.quiet_changes += 1;
            return;
        }
        self.record(RunEvent::AttemptContinued {
            path: path.to_owned(),
            attempt: number,
            effect,
            if_lost,
            memo,
            parked_until: parked.and_then(|p| p.until),
            for_person: parked.is_some_and(|p| p.for_person),
            parked: parked.is_some(),
        });
    }

    /// Records the end of an attempt, and settles what follows.
    fn end_attempt(
        &mut self,
        step: &Step,
        path: &str,
        number: u32,
        outcome: Outcome,
        output: Value,
        cx: &Walk,
    ) -> Option<Outcome> {
        self.record(RunEvent::AttemptFinished {
            path: path.to_owned(),
            attempt: number,
            outcome: outcome.clone(),
            output,
        });
        self.settle_attempt(step, path, number, outcome, cx)
    }

    /// Decides, in this one place, whether another attempt follows.
    fn settle_attempt(
        &mut self,
        step: &Step,
        path: &str,
        number: u32,
        outcome: Outcome,
        cx: &Walk,
    ) -> Option<Outcome> {
        let asked = match &outcome {
            Outcome::Failed { retryable: true, retry_after_ms, .. } => {
                retry_after_ms.map(Duration::from_millis)
            }
            Outcome::TimedOut { .. } => None,
            _ => return Some(self.finish(path, outcome)),
        };
        let repeated = self.run.nodes.get(path).map_or(0, |n| n.repeated);
        let used = number.saturating_sub(repeated);
        if used >= step.retry.attempts || cx.halt {
            return Some(self.finish(path, outcome));
        }
        let seed = self.run.started.seed ^ seed_of(path);
        let delay = backoff::delay(&step.retry, used + 1, seed, asked);
        let due = self.now.checked_add(delay).unwrap_or(self.now);
        self.record(RunEvent::RetryScheduled { path: path.to_owned(), attempt: number + 1, due });
        None
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "none",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// FNV-1a: so that steps of one run don't retry in step.
fn seed_of(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
