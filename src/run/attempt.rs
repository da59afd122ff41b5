//! One step that does something: its attempts, from the first move to the decision whether another follows.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::backoff;
use super::event::RunEvent;
use super::limits;
use super::machine::{Machine, PendingCall, Waits, hold_key};
use super::mutes;
use super::recheck::Recheckpoint;
use super::walk::{Handler, Walk};
use crate::playbook::Step;
use crate::step::{
    Action, ActionContext, FailureReason, HoldAction, IfLost, Memo, Move, Outcome, Reply, StepError,
};

impl Machine {
    pub(super) fn visit_action(
        &mut self,
        step: &Step,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
    ) -> Option<Outcome> {
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
            let releasing = self.released_by.values().any(|releasers| releasers.contains(path));
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
            if parked.for_person {
                self.watch_while_asked(path, attempt.began, cx);
            }
            let news = self.run.resolved.len() + self.run.decisions.len();
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
        let (memo, began) = attempt.map_or((Memo::Null, self.now), |a| (a.memo.clone(), a.began));
        let clock_set = attempt.map(super::state::Attempt::clock_set).unwrap_or_default();
        let asked = action.asks().map(|_| self.asked(path, number, memo.is_null()));
        let context = ActionContext {
            scope: &scope,
            run: &self.run.id,
            playbook: &self.run.started.playbook,
            path,
            attempt: number,
            began,
            now: self.now,
            clock_set,
            alerts: &self.run.alerts,
            resolved: &self.run.resolved,
            task: asked.as_ref().map(|asked| asked.context(&self.run)).unwrap_or_default(),
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
        if first && let Some(settled) = self.is_not_approved(action, path, &wanted) {
            return settled;
        }
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
                    // What a person is asked is long, and written once: with the wait.
                    let begun = if for_person { &Memo::Null } else { &memo };
                    self.start_without_effect(path, number, begun);
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
            self.released_by.entry(id.clone()).or_default().insert(path.to_owned());
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
        if parked.is_some_and(|p| p.for_person) {
            let waits = limits::waits_for_person(&self.run.started.playbook, &self.run.id);
            self.next.gates.extend(waits);
        }
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

/// FNV-1a: so that steps of one run don't retry in step.
fn seed_of(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
