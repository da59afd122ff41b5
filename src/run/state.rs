//! [`Run`]: one execution of one playbook, as the fold of its journal. Nothing is known of a run that
//! is not in its events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::event::{RunEvent, RunStatus, SignalKind, Stamped, Started};
use super::kept::KeptAlert;
use crate::step::{Decision, Effect, Hold, IfLost, Memo, Outcome, PlanLine, RunAlert, Task};

/// One execution of one playbook for one group of episodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// How it was admitted.
    pub started: Started,
    /// When it was admitted.
    pub started_at: Timestamp,
    /// Its alerts, oldest first.
    pub alerts: Vec<RunAlert>,
    /// When its last event was recorded.
    pub updated_at: Timestamp,
    /// Events applied so far.
    pub seq: u64,
    /// What became of each step, by path.
    pub nodes: BTreeMap<String, Node>,
    /// Variables that `set` changed: the step's path and what it set, in order.
    pub set: Vec<(String, Map<String, Value>)>,
    /// Holds, by their id within the run.
    pub holds: BTreeMap<String, HoldState>,
    /// The concurrency key that it still waits for.
    pub waits_for_key: Option<String>,
    /// Ids of signals that were taken.
    pub signals: BTreeSet<String>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Fingerprints of alerts that a delivery said are resolved.
    pub resolved: Vec<String>,
    /// How it is going to end, once that is settled.
    pub ending: Option<Ending>,
    /// How it ended.
    pub finished: Option<Ending>,
    /// Why the alert is no longer what the run was started for: a re-check did not pass.
    pub gone: Option<String>,
    /// Whether the alert must be looked at before the next effect.
    pub recheck_due: bool,
    /// Whether a `wait: {until: resolved}` has proved that the alert is gone: no more re-checks.
    pub proved_gone: bool,
    /// Milliseconds spent waiting for people and queues: they don't count against the timeout.
    pub idle_ms: u64,
    /// Milliseconds by which the wall clock was set: they are no time that the run took.
    pub clock_set_ms: i64,
    /// When a process last took it over from one that was gone.
    pub taken_over_at: Option<Timestamp>,
    /// What people said, and to which step, in order.
    pub decisions: Vec<(String, Decision)>,
    /// What was approved, in order.
    pub approvals: Vec<Approval>,
    /// Approvals that asked once more.
    pub asked_again: Vec<AskedAgain>,
    waiting_since: Option<Timestamp>,
}

/// What people let happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// The step that asked.
    pub path: String,
    /// What was shown.
    pub plan: Vec<PlanLine>,
}

/// An approval that asked once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedAgain {
    /// The step that asks.
    pub path: String,
    /// The step that was not as it was shown.
    pub before: String,
    /// Of which kind its effect turned out to be.
    pub kind: String,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Its status.
    pub status: RunStatus,
    /// Why, for people.
    pub reason: String,
    /// Path of the failed step.
    pub step: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What became of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Whether a block began.
    pub entered: bool,
    /// Attempts begun.
    pub attempts: u32,
    /// Attempts that were lost and are done again; they don't use up `retry`.
    pub repeated: u32,
    /// The attempt under way.
    pub attempt: Option<Attempt>,
    /// When the next attempt is due, after a failed one.
    pub retry_due: Option<Timestamp>,
    /// The outcome of the last attempt, until the next begins.
    pub last: Option<Outcome>,
    /// What `steps.<id>` gives beside status and attempts.
    pub output: Value,
    /// Items of a `foreach`.
    pub items: Option<Vec<Value>>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When its first attempt began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Since when it waits for a person.
    pub asked: Option<Timestamp>,
    /// Milliseconds that it has waited for people before: they don't count against a timeout around it.
    pub asked_ms: u64,
}

impl Node {
    /// Takes note of whether it waits for a person.
    fn note_asked(&mut self, asked: bool, at: Timestamp) {
        match (asked, self.asked) {
            (true, None) => self.asked = Some(at),
            (false, Some(since)) => {
                self.asked_ms = self.asked_ms.saturating_add(milliseconds(since, at));
                self.asked = None;
            }
            _ => {}
        }
    }
}

/// An attempt under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub began: Timestamp,
    /// The action's memory.
    pub memo: Memo,
    /// The effect last begun, when one is.
    pub effect: Option<Box<Effect>>,
    /// What recovery does.
    pub if_lost: IfLost,
    /// Whether it has gone on past its first exchange.
    pub continued: bool,
    /// It waits.
    pub parked: Option<Parked>,
    /// Whether a wait of it with this memory is in the journal.
    pub parked_once: bool,
    /// Milliseconds by which the wall clock was set since it began: its memory tells moments as if it had not been.
    pub clock_set_ms: i64,
}

impl Attempt {
    /// Returns by how much the wall clock was set since it began.
    pub fn clock_set(&self) -> SignedDuration {
        SignedDuration::from_millis(self.clock_set_ms)
    }
}

/// A wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Goes on then at the latest.
    pub until: Option<Timestamp>,
    /// Whether a person is waited for.
    pub for_person: bool,
}

/// A hold of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldState {
    /// The hold.
    pub hold: Hold,
    /// Left in force when the run ends.
    pub keep: bool,
    /// When it was first made.
    pub made_at: Option<Timestamp>,
    /// The server's id.
    pub server_id: Option<String>,
    /// It is over: released, failed, or kept beyond the run.
    pub over: bool,
    /// Why it could not be made.
    pub failed: Option<String>,
}

impl HoldState {
    /// Returns whether it is in force.
    pub fn in_force(&self) -> bool {
        self.made_at.is_some() && !self.over
    }
}

impl Run {
    /// Folds a journal. `None` when it does not begin with `RunStarted`.
    pub fn replay(id: &str, journal: &[Stamped]) -> Option<Run> {
        let (first, rest) = journal.split_first()?;
        let RunEvent::RunStarted(started) = &first.event else { return None };
        let mut run = Run::start(id, started, first.at);
        for event in rest {
            run.apply(event);
        }
        Some(run)
    }

    fn start(id: &str, started: &Started, at: Timestamp) -> Run {
        Run {
            id: id.to_owned(),
            alerts: started.alerts.iter().filter_map(run_alert).collect(),
            started: started.clone(),
            started_at: at,
            updated_at: at,
            seq: 1,
            nodes: BTreeMap::new(),
            set: Vec::new(),
            holds: BTreeMap::new(),
            waits_for_key: None,
            signals: BTreeSet::new(),
            cancelled_by: None,
            resolved: Vec::new(),
            ending: None,
            finished: None,
            gone: None,
            recheck_due: true,
            proved_gone: false,
            idle_ms: 0,
            clock_set_ms: 0,
            taken_over_at: None,
            decisions: Vec::new(),
            approvals: Vec::new(),
            asked_again: Vec::new(),
            waiting_since: None,
        }
    }

    /// Applies one event. Events that make no sense here change nothing: a journal of another version
    /// of the playbook must never take the program down.
    pub fn apply(&mut self, stamped: &Stamped) {
        self.seq = stamped.seq;
        self.apply_at(&stamped.event, stamped.at);
    }

    /// Applies an event that is about to be recorded.
    pub fn apply_at(&mut self, event: &RunEvent, at: Timestamp) {
        self.updated_at = at;
        match event {
            RunEvent::RunStarted(_) | RunEvent::Unknown => {}
            RunEvent::GateWanted { key } => {
                self.waits_for_key = Some(key.clone());
                self.count_idle(at);
            }
            RunEvent::GateGranted { .. } => {
                self.waits_for_key = None;
                self.recheck_due = true;
                self.count_idle(at);
            }
            RunEvent::StepEntered { path } => {
                let node = self.node(path);
                node.entered = true;
                node.began.get_or_insert(at);
            }
            RunEvent::ForeachExpanded { path, items } => self.node(path).items = Some(items.clone()),
            RunEvent::AttemptStarted { path, attempt, effect, if_lost, memo } => {
                let node = self.node(path);
                node.attempts = node.attempts.max(*attempt);
                node.retry_due = None;
                node.last = None;
                node.began.get_or_insert(at);
                node.attempt = Some(Attempt {
                    number: *attempt,
                    began: at,
                    memo: memo.clone(),
                    effect: effect.clone(),
                    if_lost: *if_lost,
                    continued: false,
                    parked: None,
                    parked_once: false,
                    clock_set_ms: 0,
                });
            }
            RunEvent::AttemptContinued {
                path,
                effect,
                if_lost,
                memo,
                parked_until,
                for_person,
                parked,
                ..
            } => {
                let node = self.node(path);
                node.note_asked(*parked && *for_person, at);
                if let Some(attempt) = node.attempt.as_mut() {
                    attempt.memo = memo.clone();
                    attempt.effect.clone_from(effect);
                    attempt.if_lost = *if_lost;
                    attempt.continued = true;
                    attempt.parked =
                        parked.then_some(Parked { until: *parked_until, for_person: *for_person });
                    attempt.parked_once = *parked;
                }
                self.count_idle(at);
            }
            RunEvent::AttemptFinished { path, attempt, outcome, output } => {
                let node = self.node(path);
                node.attempts = node.attempts.max(*attempt);
                node.began.get_or_insert(at);
                node.note_asked(false, at);
                let ended = node.attempt.take();
                let waited = ended.as_ref().is_some_and(|a| a.parked.is_some() || a.continued);
                let task = ended.and_then(|a| Task::of_memo(&a.memo)).filter(|_| outcome.is_good());
                node.last = Some(outcome.clone());
                node.output = output.clone();
                if let Some(Value::Object(vars)) = output.get("vars") {
                    self.set.push((path.clone(), vars.clone()));
                }
                if output.get("resolved") == Some(&Value::Bool(true)) {
                    self.proved_gone = true;
                }
                if waited {
                    self.recheck_due = true;
                }
                if let Some(task) = task {
                    self.approvals.push(Approval { path: path.clone(), plan: task.plan });
                }
                self.count_idle(at);
            }
            RunEvent::RetryScheduled { path, due, .. } => {
                self.node(path).retry_due = Some(*due);
                self.recheck_due = true;
            }
            RunEvent::StepFinished { path, outcome } => {
                let node = self.node(path);
                node.attempt = None;
                node.retry_due = None;
                node.outcome = Some(outcome.clone());
                node.ended = Some(at);
            }
            RunEvent::AskedAgain { path, before, kind, .. } => {
                let (path, before, kind) = (path.clone(), before.clone(), kind.clone());
                self.reopen(&path, at);
                self.asked_again.push(AskedAgain { path, before, kind });
            }
            RunEvent::RecheckFailed { reason, .. } => {
                self.gone.get_or_insert_with(|| reason.clone());
            }
            RunEvent::HoldWanted { id, hold, keep } => {
                self.holds.insert(
                    id.clone(),
                    HoldState {
                        hold: hold.clone(),
                        keep: *keep,
                        made_at: None,
                        server_id: None,
                        over: false,
                        failed: None,
                    },
                );
            }
            RunEvent::HoldMade { id, server_id } => {
                if let Some(hold) = self.holds.get_mut(id) {
                    hold.made_at.get_or_insert(at);
                    hold.server_id.clone_from(server_id);
                }
            }
            RunEvent::HoldReleased { id, .. } => {
                if let Some(hold) = self.holds.get_mut(id) {
                    hold.over = true;
                }
            }
            RunEvent::HoldFailed { id, reason } => {
                if let Some(hold) = self.holds.get_mut(id) {
                    hold.over = true;
                    hold.failed = Some(reason.clone());
                }
            }
            RunEvent::SignalReceived(signal) => {
                self.signals.insert(signal.id.clone());
                match &signal.kind {
                    SignalKind::Cancel { by } => {
                        self.cancelled_by.get_or_insert_with(|| by.clone());
                    }
                    SignalKind::Restart => {
                        self.cancelled_by.get_or_insert_with(|| "a newer run with the same key".to_owned());
                    }
                    SignalKind::Resolved { fingerprints } => {
                        self.resolved.extend(fingerprints.iter().cloned());
                    }
                    SignalKind::Decide { .. } => {}
                }
                if let Some((step, decision)) = signal.kind.decision(at) {
                    self.decisions.push((step.to_owned(), decision));
                }
            }
            RunEvent::TakenOver { lost, .. } => {
                self.taken_over_at = Some(at);
                self.apply_lost(lost);
            }
            RunEvent::ClockSet { by_ms } => self.move_along(*by_ms),
            RunEvent::RunEnding { status, reason, step } => {
                self.ending =
                    Some(Ending { status: *status, reason: reason.clone(), step: step.clone(), at });
            }
            RunEvent::RunFinished { status, reason } => {
                let step = self.ending.as_ref().and_then(|e| e.step.clone());
                self.finished = Some(Ending { status: *status, reason: reason.clone(), step, at });
            }
        }
    }

    /// Moves the moments from which something is counted, and those that are waited for, with the clock.
    fn move_along(&mut self, by_ms: i64) {
        let by = SignedDuration::from_millis(by_ms);
        let shift = |at: &mut Timestamp| *at = moved(*at, by);
        self.clock_set_ms = self.clock_set_ms.saturating_add(by_ms);
        for node in self.nodes.values_mut() {
            [&mut node.began, &mut node.asked, &mut node.retry_due].into_iter().flatten().for_each(shift);
            let Some(attempt) = &mut node.attempt else { continue };
            attempt.clock_set_ms = attempt.clock_set_ms.saturating_add(by_ms);
            if let Some(parked) = attempt.parked.as_mut().filter(|parked| !parked.for_person) {
                parked.until.as_mut().into_iter().for_each(shift);
            }
        }
        self.holds.values_mut().filter_map(|hold| hold.made_at.as_mut()).for_each(shift);
        [&mut self.waiting_since, &mut self.taken_over_at].into_iter().flatten().for_each(shift);
        self.ending.as_mut().map(|ending| &mut ending.at).into_iter().for_each(shift);
    }

    /// Takes an approval for not given, and what is around it for not over.
    fn reopen(&mut self, path: &str, at: Timestamp) {
        self.approvals.retain(|approval| approval.path != path);
        let Some(node) = self.nodes.get_mut(path) else { return };
        node.repeated += u32::from(node.attempts > 0);
        node.attempt = None;
        node.retry_due = None;
        node.last = None;
        for (around, node) in &mut self.nodes {
            let inside = path.strip_prefix(around.as_str());
            if inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '['])) {
                node.outcome = None;
                node.ended = None;
                if node.entered {
                    // What is around it has its whole time again.
                    node.began = Some(at);
                }
            }
        }
    }

    /// Attempts whose end is unknown but which may be done again begin anew, or go on where their
    /// memory says.
    fn apply_lost(&mut self, lost: &[String]) {
        for mark in lost {
            let Some((path, _)) = mark.rsplit_once('#') else { continue };
            let node = self.node(path);
            let Some(attempt) = node.attempt.as_mut() else { continue };
            attempt.effect = None;
            if attempt.if_lost == IfLost::Repeat && !attempt.continued {
                node.attempt = None;
                node.repeated += 1;
            } else if attempt.if_lost == IfLost::Repeat {
                attempt.parked = Some(Parked { until: Some(attempt.began), for_person: false });
            }
        }
    }

    fn node(&mut self, path: &str) -> &mut Node {
        if !self.nodes.contains_key(path) {
            self.nodes.insert(path.to_owned(), Node::default());
        }
        self.nodes.get_mut(path).expect("it was just inserted")
    }

    /// Keeps the account of the time spent waiting for people and queues.
    fn count_idle(&mut self, at: Timestamp) {
        let idle = self.waits_for_key.is_some() || self.waits_for_person();
        match (idle, self.waiting_since) {
            (true, None) => self.waiting_since = Some(at),
            (false, Some(since)) => {
                self.idle_ms = self.idle_ms.saturating_add(milliseconds(since, at));
                self.waiting_since = None;
            }
            _ => {}
        }
    }

    /// Returns whether a person is waited for.
    pub fn waits_for_person(&self) -> bool {
        let waits = |n: &Node| n.attempt.as_ref().and_then(|a| a.parked).is_some_and(|p| p.for_person);
        self.nodes.values().any(waits)
    }

    /// Returns the status that listings show.
    pub fn status(&self) -> RunStatus {
        if let Some(end) = &self.finished {
            return end.status;
        }
        if self.waits_for_key.is_some() {
            return RunStatus::Queued;
        }
        let active: Vec<_> = self.nodes.values().filter(|n| n.outcome.is_none()).collect();
        let waits =
            |n: &&Node| n.retry_due.is_some() || n.attempt.as_ref().is_some_and(|a| a.parked.is_some());
        let works = |n: &&Node| n.attempt.as_ref().is_some_and(|a| a.parked.is_none());
        if active.iter().any(waits) && !active.iter().any(works) {
            RunStatus::Waiting
        } else {
            RunStatus::Running
        }
    }

    /// Returns attempts whose effect was begun and whose end is not known, as `path#attempt`, with
    /// what recovery does with them.
    pub fn unknown_ends(&self) -> Vec<(String, u32, IfLost)> {
        self.nodes
            .iter()
            .filter_map(|(path, node)| {
                let attempt = node.attempt.as_ref().filter(|a| a.parked.is_none())?;
                Some((path.clone(), attempt.number, attempt.if_lost))
            })
            .collect()
    }
}

/// Returns a moment that much later, or earlier.
pub(super) fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

fn milliseconds(since: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.duration_since(since).as_millis()).unwrap_or(0)
}

/// Takes of an alert what verifying it needs.
fn run_alert(alert: &KeptAlert) -> Option<RunAlert> {
    let alert = match alert.brought() {
        Err(json) => return written_alert(json),
        Ok(alert) => alert,
    };
    Some(RunAlert {
        fingerprint: alert.fingerprint.to_string(),
        starts_at: alert.starts_at,
        ends_at: alert.ends_at.filter(|t| t.as_second() > 0),
        labels: alert.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        generator_url: alert.generator_url.clone(),
    })
}

/// Reads an alert of the shape of API v2 as far as verifying it needs.
fn written_alert(alert: &Value) -> Option<RunAlert> {
    let time = |key: &str| alert.get(key)?.as_str()?.parse::<Timestamp>().ok();
    let labels = alert.get("labels")?.as_object()?;
    Some(RunAlert {
        fingerprint: alert.get("fingerprint")?.as_str()?.to_owned(),
        starts_at: time("startsAt")?,
        ends_at: time("endsAt").filter(|t| t.as_second() > 0),
        labels: labels.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
        generator_url: alert.get("generatorURL").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}
