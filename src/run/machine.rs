//! [`Machine`]: what a run does next. Pure: it is told the time, replies and signals, and says which
//! events to record and which effects to begin. The engine commits the events, then begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::event::{RunEvent, RunStatus, Signal, SignalKind};
use super::gate::GateChange;
use super::mutes;
use super::state::{Run, moved};
use super::walk::{Ended, Progress, Walk};
use crate::model::format_duration;
use crate::playbook::{Playbook, Recheck, TriggerStatus};
use crate::step::{Effect, HoldAction, HoldEffect, Reply};

/// One run in the hands of one process.
#[derive(Debug)]
pub struct Machine {
    /// What the journal says.
    pub run: Run,
    pub(super) playbook: Arc<Playbook>,
    pub(super) options: Options,
    pub(super) in_flight: BTreeSet<String>,
    pub(super) replies: BTreeMap<String, Reply>,
    pub(super) recheck: RecheckState,
    pub(super) paused: bool,
    pub(super) now: Timestamp,
    pub(super) next: Next,
    pub(super) base: Option<super::scope::Base>,
    /// Waits that were woken by what a delivery said, and how many alerts it had named by then.
    pub(super) told: BTreeMap<String, usize>,
    /// Holds that steps release, or will as soon as they are made, to the paths of those steps.
    pub(super) released_by: BTreeMap<String, BTreeSet<String>>,
    /// Holds whose release is under way, as opposed to their making.
    releasing: BTreeSet<String>,
    signals: Vec<Signal>,
    key: Option<KeyNews>,
    taken_over: Option<String>,
    /// Nothing is done: what is not known yet is an error where it is read.
    pub(super) previewing: bool,
    /// When the alert is looked at next while a person is waited for.
    pub(super) next_look: Option<Timestamp>,
}

/// What the world allows a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether there is an Alertmanager to look the alert up in.
    pub has_alertmanager: bool,
    /// The alerts were read from Alertmanager so lately that looking again would tell nothing new:
    /// until then the re-check at the start is left out.
    pub fresh_until: Option<Timestamp>,
    /// Author of silences.
    pub author: String,
}

/// How far the re-check before the next effect is.
#[derive(Clone, Debug, Default)]
pub(super) struct RecheckState {
    pub(super) tries: u32,
    pub(super) not_before: Option<Timestamp>,
    /// Paths of steps before which it passed, and which have not begun since.
    pub(super) passed: BTreeSet<String>,
}

/// What the store said of the concurrency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyNews {
    /// Another run has it.
    Wanted,
    /// This run has it.
    Granted,
}

/// What the driver is to do: commit `record` in one fenced batch, then start and stop.
#[derive(Debug, Default)]
pub struct Next {
    /// Events to record, in order; they are applied already.
    pub record: Vec<RunEvent>,
    /// Gates that the end of the run settles, in the same commit.
    pub gates: Vec<GateChange>,
    /// Calls to begin, once the events are durable.
    pub start: Vec<PendingCall>,
    /// Keys of calls to stop.
    pub stop: Vec<String>,
    /// When to ask again, at the latest.
    pub wake: Option<Timestamp>,
    /// What the run waits for, when nothing is in flight.
    pub waits: Option<Waits>,
    /// Whether the run is over.
    pub finished: bool,
    /// Changes that are not journaled, so that the walk is repeated.
    pub(super) quiet_changes: u32,
}

/// What a run waits for while nothing is in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A concurrency key.
    Key(String),
    /// A time (a wait, a retry, the next poll).
    Time,
    /// A person.
    Person,
    /// The end of a pause.
    Pause,
}

/// A call to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingCall {
    /// By which its reply is given back.
    pub key: String,
    /// The step's path or the hold's id, for the effect's mark.
    pub path: String,
    /// The attempt.
    pub attempt: u32,
    /// What to do.
    pub effect: Effect,
    /// How long it may take; `None`: as long as it needs.
    pub limit: Option<Duration>,
}

/// The key of the call that looks the alert up; with its space it is no path of a step.
pub(super) const RECHECK: &str = "look up";
/// The key of the look that is made while a person is waited for: no other one's answer.
pub(super) const WATCH: &str = "look on";
/// Passes of one `next`, at most.
const MOST_PASSES: usize = 100_000;
/// How long holds and re-checks may take.
pub(super) const SHORT_CALL: Duration = Duration::from_secs(30);

pub(super) fn hold_key(id: &str) -> String {
    format!("hold {id}")
}

impl Machine {
    /// Makes the machine of a run.
    pub fn new(run: Run, playbook: Arc<Playbook>, options: Options) -> Machine {
        let now = run.updated_at;
        Machine {
            run,
            playbook,
            options,
            in_flight: BTreeSet::new(),
            replies: BTreeMap::new(),
            recheck: RecheckState::default(),
            paused: false,
            now,
            next: Next::default(),
            base: None,
            told: BTreeMap::new(),
            released_by: BTreeMap::new(),
            releasing: BTreeSet::new(),
            signals: Vec::new(),
            key: None,
            taken_over: None,
            previewing: false,
            next_look: None,
        }
    }

    /// Tells that another process is gone that had this run, and that `by` goes on with it. Its
    /// surviving commands have been found and ended before.
    pub fn take_over(&mut self, by: &str) {
        self.taken_over = Some(by.to_owned());
    }

    /// Gives the reply of a call.
    pub fn reply(&mut self, key: &str, reply: Reply) {
        self.in_flight.remove(key);
        self.replies.insert(key.to_owned(), reply);
    }

    /// Gives a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// Tells that another run has the concurrency key: nothing is begun until it is granted.
    pub fn want_key(&mut self) {
        self.key = Some(KeyNews::Wanted);
    }

    /// Tells that the run holds its concurrency key (or needs none).
    pub fn grant_key(&mut self) {
        self.key = Some(KeyNews::Granted);
    }

    /// Tells that the wall clock was set by that much, and shows `now`.
    pub fn clock_was_set(&mut self, by: SignedDuration, now: Timestamp) {
        if self.run.finished.is_some() {
            return;
        }
        self.now = now;
        let by_ms = i64::try_from(by.as_millis()).unwrap_or_default();
        self.record(RunEvent::ClockSet { by_ms });
        let known = [&mut self.recheck.not_before, &mut self.next_look, &mut self.options.fresh_until];
        known.into_iter().flatten().for_each(|at| *at = moved(*at, by));
    }

    /// Returns the playbook.
    pub fn playbook(&self) -> &Arc<Playbook> {
        &self.playbook
    }

    /// Returns whether a hold is being released: it must not be renewed any more.
    pub fn is_releasing(&self, id: &str) -> bool {
        self.releasing.contains(id)
    }

    /// Returns whether effects are being performed.
    pub fn is_working(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Says what to do at `now`. While `paused`, no new effect is begun outside `finally`.
    pub fn next(&mut self, now: Timestamp, paused: bool) -> Next {
        self.now = now;
        self.paused = paused;
        self.hear();
        // Each pass that changes something is followed by another; the bound is for a playbook of glue
        // that never ends, of which there is none.
        for _ in 0..MOST_PASSES {
            let size = |next: &Next| (next.record.len(), next.start.len(), next.quiet_changes);
            let before = size(&self.next);
            self.pass();
            if size(&self.next) == before {
                break;
            }
        }
        let mut next = std::mem::take(&mut self.next);
        next.finished = self.run.finished.is_some();
        next.stop.sort();
        next.stop.dedup();
        // What comes after the end is settled has a time limit of its own: it is not left to another process.
        if next.finished || self.run.ending.is_some() || !self.in_flight.is_empty() {
            next.waits = None;
        }
        next
    }

    /// Releases what mutes alerts, because no process will keep it while the run is parked.
    pub fn release_mutes(&mut self, now: Timestamp) -> Next {
        self.now = now;
        let ids = mutes::in_force(self);
        for id in ids {
            self.start_hold(&id, HoldAction::Release);
        }
        std::mem::take(&mut self.next)
    }

    /// Takes in replies to releases alone, for the time between the last effect and the parking.
    pub fn settle_releases(&mut self, now: Timestamp) -> Next {
        self.now = now;
        self.hear_holds();
        std::mem::take(&mut self.next)
    }

    fn hear(&mut self) {
        if let Some(by) = self.taken_over.take() {
            self.record_takeover(by);
        }
        for signal in std::mem::take(&mut self.signals) {
            if !self.run.signals.contains(&signal.id) {
                self.record(RunEvent::SignalReceived(signal));
            }
        }
        self.cancel_when_resolved();
        self.hear_key();
        self.hear_holds();
    }

    /// Cancels a run whose alerts have all resolved, when its playbook says so.
    fn cancel_when_resolved(&mut self) {
        let run = &self.run;
        // The memory of `wait: {until: resolved}`, and of nothing else, has what it knows of the alerts.
        let verifies = || {
            let attempts = run.nodes.values().filter_map(|node| node.attempt.as_ref());
            attempts.map(|attempt| &attempt.memo).any(|memo| memo.get("watch").is_some())
        };
        if !self.playbook.cancel_on_resolved
            || run.started.trigger != TriggerStatus::Firing
            || run.cancelled_by.is_some()
            || run.resolved.is_empty()
            || !run.alerts.iter().all(|alert| run.resolved.contains(&alert.fingerprint))
            || verifies()
        {
            return;
        }
        let kind = SignalKind::Cancel { by: "the end of its alert".to_owned() };
        self.record(RunEvent::SignalReceived(Signal { id: "resolved".to_owned(), kind }));
    }

    fn hear_key(&mut self) {
        match (self.key.take(), self.run.waits_for_key.clone()) {
            (Some(KeyNews::Granted), Some(key)) => self.record(RunEvent::GateGranted { key }),
            (Some(KeyNews::Wanted), None) if self.run.finished.is_none() => {
                let key = super::scope::key(&self.run, &self.playbook).ok().flatten();
                self.record(RunEvent::GateWanted { key: key.unwrap_or_default() });
            }
            _ => {}
        }
    }

    fn record_takeover(&mut self, by: String) {
        let lost = self.run.unknown_ends();
        let marks = lost.iter().map(|(path, n, _)| format!("{path}#{n}")).collect();
        self.record(RunEvent::TakenOver { by, lost: marks });
        for (path, attempt, if_lost) in lost {
            if if_lost == crate::step::IfLost::Fail {
                let outcome = crate::step::Outcome::Lost;
                self.record(RunEvent::AttemptFinished {
                    path: path.clone(),
                    attempt,
                    outcome: outcome.clone(),
                    output: Value::Null,
                });
                self.record(RunEvent::StepFinished { path, outcome });
            }
        }
    }

    /// Replies to holds become events; a step that waits for one finds its reply under its own path.
    fn hear_holds(&mut self) {
        let held: Vec<_> = self.run.holds.keys().cloned().collect();
        for id in held {
            let Some(reply) = self.replies.remove(&hold_key(&id)) else { continue };
            let done = matches!(reply, Reply::Held { .. });
            let released = self.releasing.remove(&id);
            let event = match (&reply, released) {
                (Reply::Held { id: server_id }, false) => {
                    RunEvent::HoldMade { id: id.clone(), server_id: server_id.clone() }
                }
                (Reply::Held { .. }, true) => RunEvent::HoldReleased { id: id.clone(), failed: None },
                (other, false) => RunEvent::HoldFailed { id: id.clone(), reason: describe(other) },
                (other, true) => RunEvent::HoldReleased { id: id.clone(), failed: Some(describe(other)) },
            };
            self.record(event);
            let releasers = self.released_by.remove(&id).unwrap_or_default();
            if released {
                releasers.into_iter().for_each(|path| self.tell(path, reply.clone()));
                continue;
            }
            if !(mutes::is_mute(&id) || mutes::is_raised(&id)) {
                self.tell(id.clone(), reply);
            }
            if done && !releasers.is_empty() {
                self.released_by.insert(id.clone(), releasers);
                self.start_hold(&id, HoldAction::Release);
            } else {
                releasers.into_iter().for_each(|path| self.tell(path, Reply::Held { id: None }));
            }
        }
    }

    /// Keeps a reply for a step. One that releases several holds hears of a failure, if there is one.
    fn tell(&mut self, path: String, reply: Reply) {
        if matches!(reply, Reply::Held { .. }) {
            self.replies.entry(path).or_insert(reply);
        } else {
            self.replies.insert(path, reply);
        }
    }

    pub(super) fn record(&mut self, event: RunEvent) {
        self.run.apply_at(&event, self.now);
        self.next.record.push(event);
    }

    pub(super) fn wake_at(&mut self, at: Timestamp, waits: Waits) {
        self.wake_by(at);
        self.note_wait(waits);
    }

    /// Asks to be asked again then; what is past has been seen.
    pub(super) fn wake_by(&mut self, at: Timestamp) {
        if at > self.now {
            self.next.wake = Some(self.next.wake.map_or(at, |w| w.min(at)));
        }
    }

    pub(super) fn note_wait(&mut self, waits: Waits) {
        self.next.waits.get_or_insert(waits);
    }

    fn pass(&mut self) {
        self.next.wake = None;
        self.next.waits = None;
        if self.run.finished.is_some() {
            return;
        }
        mutes::keep_to_max(self);
        if self.run.ending.is_none() {
            self.work();
        }
        if let Some(ending) = self.run.ending.clone() {
            self.end(&ending);
        }
    }

    /// Works on the steps, then on `on_failure`, until it is settled how the run ends.
    fn work(&mut self) {
        if let Some(key) = self.run.waits_for_key.clone()
            && self.run.cancelled_by.is_none()
        {
            self.note_wait(Waits::Key(key));
            return;
        }
        let playbook = self.playbook.clone();
        if let Err(problem) = self.base() {
            self.ending(RunStatus::Failed, problem, None);
            return;
        }
        let halt = self.halt();
        let stop = self.run.cancelled_by.is_some() || self.timed_out();
        let cx = Walk { stop, ..Walk::main(halt) };
        let Progress::Done(ended) = self.visit_list(&playbook.steps, "", &cx) else { return };
        // Once `on_failure` has begun, the run has failed, whatever reaches it after that.
        let failing = self.run.nodes.keys().any(|path| path.starts_with("on_failure/"));
        match ended {
            Ended::Good => match self.run.cancelled_by.clone() {
                // A cancel that came after the last step changed nothing.
                Some(by) if self.run.nodes.values().all(|n| n.outcome.is_none()) => self.cancelled(&by),
                _ => self.ending(RunStatus::Succeeded, String::new(), None),
            },
            Ended::Rejected { step, by } => {
                self.ending(RunStatus::Rejected, format!("rejected by {by}"), Some(step));
            }
            Ended::Failed { step, reason } => match self.run.cancelled_by.clone() {
                Some(by) if !failing => self.cancelled(&by),
                _ => self.fail(step, reason),
            },
            Ended::Cancelled => match (self.run.cancelled_by.clone(), self.run.gone.clone()) {
                (Some(by), _) if !failing => self.cancelled(&by),
                (None, Some(reason)) if !failing => self.ending(RunStatus::Cancelled, reason, None),
                _ => {
                    let limit = format_duration(self.playbook.timeout.unwrap_or_default());
                    self.fail("the run".to_owned(), format!("no end within {limit}"));
                }
            },
        }
    }

    fn cancelled(&mut self, by: &str) {
        self.ending(RunStatus::Cancelled, format!("cancelled by {by}"), None);
    }

    fn fail(&mut self, step: String, reason: String) {
        let playbook = self.playbook.clone();
        let halt = self.run.cancelled_by.is_some();
        let cx = Walk::handler((step.clone(), reason.clone()), halt);
        if let Progress::Working = self.visit_list(&playbook.on_failure, "on_failure/", &cx) {
            return;
        }
        self.ending(RunStatus::Failed, format!("{step}: {reason}"), Some(step));
    }

    pub(super) fn ending(&mut self, status: RunStatus, reason: String, step: Option<String>) {
        self.record(RunEvent::RunEnding { status, reason, step });
    }

    /// Returns whether nothing new may start: because of a cancel, the run's timeout, or an alert that is gone.
    fn halt(&mut self) -> bool {
        if self.run.cancelled_by.is_some() || self.run.gone.is_some() || self.timed_out() {
            return true;
        }
        if let Some(at) = self.times_out_at() {
            self.wake_by(at);
        }
        false
    }

    fn times_out_at(&self) -> Option<Timestamp> {
        let timeout = self.playbook.timeout?.saturating_add(Duration::from_millis(self.run.idle_ms));
        let at = self.run.started_at.checked_add(timeout).ok()?;
        Some(moved(at, SignedDuration::from_millis(self.run.clock_set_ms)))
    }

    fn timed_out(&self) -> bool {
        !self.run.waits_for_person() && self.times_out_at().is_some_and(|at| at <= self.now)
    }

    pub(super) fn start_hold(&mut self, id: &str, action: HoldAction) {
        let Some(state) = self.run.holds.get(id) else { return };
        let key = hold_key(id);
        if !self.in_flight.insert(key.clone()) {
            return;
        }
        if action == HoldAction::Release {
            self.releasing.insert(id.to_owned());
        }
        let effect = Effect::Hold(HoldEffect {
            action,
            hold: state.hold.clone(),
            owner: format!("{}/{id}", self.run.id),
            id: state.server_id.clone(),
        });
        self.next.start.push(PendingCall {
            key,
            path: id.to_owned(),
            attempt: 1,
            effect,
            limit: Some(SHORT_CALL),
        });
    }

    /// Returns whether the alert must be looked at before the next effect.
    pub(super) fn recheck_wanted(&self, path: &str, read_only: bool) -> bool {
        let passed = !self.run.recheck_due && self.recheck.passed.contains(path);
        if !self.options.has_alertmanager || self.run.proved_gone || passed {
            return false;
        }
        match self.playbook.recheck {
            Recheck::Never => false,
            Recheck::Always => self.run.recheck_due || !read_only,
            Recheck::Default | Recheck::Start => self.run.recheck_due,
        }
    }
}

/// Says what a reply that is no success means, in a few words.
pub(super) fn describe(reply: &Reply) -> String {
    match reply {
        Reply::Impossible { message, .. } => message.clone(),
        Reply::TimedOut { limit_ms, .. } => format!("no answer within {limit_ms} ms"),
        Reply::Stopped { .. } => "stopped".to_owned(),
        _ => "an answer of another kind".to_owned(),
    }
}
