//! [`decide`]: the limits of a playbook, as a pure function over rows of the store.
//!
//! A gate is a row: a key and a small state. Admission decides all gates of a run inside the store's
//! transaction, so that processes don't race; the end of a run settles them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::gate_keys;
use super::pauses::in_force;
use crate::model::format_duration;
use crate::text::plural;

/// One limit that a run must pass to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateAsk {
    /// The row: `cooldown:disk:<target>`, `rate:disk`, `pause:*` ...
    pub key: String,
    /// The rule.
    pub rule: GateRule,
}

/// The rule of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum GateRule {
    /// Nobody paused it.
    Pause,
    /// Fewer than `failures` failed runs in a row.
    Breaker {
        /// The count at which it opens.
        failures: u32,
    },
    /// So long since the last run of this target ended; a run that works on it counts, too.
    Cooldown {
        /// How long.
        every: Duration,
    },
    /// At most `count` starts in a sliding `window`.
    Rate {
        /// Starts.
        count: u32,
        /// Window.
        window: Duration,
    },
    /// The target's alert has not come back too often within `window` after a run that succeeded.
    Comebacks {
        /// Comebacks that are worked on.
        max: u32,
        /// How soon after a success a firing is the same trouble again.
        window: Duration,
        /// When the present firing began.
        starts_at: Timestamp,
    },
    /// At most `max` holders at the same time (targets worked on, runs running).
    Slots {
        /// Holders.
        max: u32,
        /// The holder: a target, a run id.
        holder: String,
    },
}

/// The state of a gate, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateState {
    /// Starts that a rate still counts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Timestamp>,
    /// Who holds a slot, and for how many runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holders: BTreeMap<String, u32>,
    /// When the last run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Failed runs in a row.
    #[serde(default)]
    pub failures: u32,
    /// When the breaker opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// Why and by whom it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Who ended the last pause that did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaused: Option<Unpaused>,
    /// After a pause or a breaker's reset, starts trickle: one, then the next when it succeeded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trickle: bool,
    /// The run that was started first while trickling, and is not over yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trickling: Option<String>,
}

impl GateState {
    /// Returns the count of failed runs in a row, for people.
    pub fn failures_in_words(&self) -> String {
        match self.failures {
            1 => "1 failed run".to_owned(),
            n => format!("{n} failed runs in a row"),
        }
    }

    /// Takes what lies in the future, because the clock was set back since, for what happens now: no limit lasts
    /// longer than it says.
    fn put_right(&mut self, now: Timestamp) {
        let past = [&mut self.ended_at, &mut self.opened_at].into_iter().flatten().chain(&mut self.starts);
        past.for_each(|at| *at = (*at).min(now));
        if let Some(paused) = &mut self.paused
            && paused.since > now
        {
            let ahead = paused.since.duration_since(now);
            paused.until = paused.until.map(|until| until.checked_sub(ahead).unwrap_or(until));
            paused.since = now;
        }
    }

    /// Returns the pause, unless there is none or it has lapsed.
    pub fn pause_in_force(&self, now: Timestamp) -> Option<&Paused> {
        self.paused.as_ref().filter(|p| p.until.is_none_or(|until| until > now))
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until `unpause`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, in the words of who paused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// The end of a pause by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaused {
    /// When.
    pub at: Timestamp,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// Why a run may not start now, and when to ask again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// Why.
    pub reason: LaterReason,
    /// When it may pass at the earliest; `None`: not by time alone.
    pub until: Option<Timestamp>,
    /// One line for people, with the figures.
    pub detail: String,
}

impl Closed {
    /// Returns when it is asked again at the earliest, without anything else having happened; `None`: at any time,
    /// because a person may end the reason before its time.
    pub fn asked_again_at(&self) -> Option<Timestamp> {
        self.until.filter(|_| self.reason != LaterReason::Paused)
    }
}

/// Why a run comes back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaterReason {
    /// The alert has not been firing for as long as `for` says.
    TooYoung,
    /// A silence or an inhibition mutes it.
    Muted,
    /// Outside its time intervals.
    OutsideInterval,
    /// Too soon after the last run of the target.
    Cooldown,
    /// Too many starts in the window.
    Rate,
    /// Too many targets at the same time.
    Targets,
    /// Too many runs at the same time, over all playbooks.
    Running,
    /// The breaker is open.
    Breaker,
    /// Paused by a person.
    Paused,
    /// Starts trickle after a pause or a reset, and the one before is not over.
    Trickle,
    /// Another run holds its concurrency key and the playbook says `when_busy: skip`.
    Busy,
    /// The alert came back too often after runs that succeeded: it is a person's.
    Comebacks,
    /// What the playbook needs cannot be had.
    Missing,
}

impl LaterReason {
    /// Returns the one word that every output uses.
    pub fn as_str(self) -> &'static str {
        match self {
            LaterReason::TooYoung => "too_young",
            LaterReason::Muted => "muted",
            LaterReason::OutsideInterval => "outside_interval",
            LaterReason::Cooldown => "cooldown",
            LaterReason::Rate => "rate",
            LaterReason::Targets => "targets",
            LaterReason::Running => "running",
            LaterReason::Breaker => "breaker",
            LaterReason::Paused => "paused",
            LaterReason::Trickle => "trickle",
            LaterReason::Busy => "busy",
            LaterReason::Comebacks => "comebacks",
            LaterReason::Missing => "missing",
        }
    }
}

/// What the end of a run (or a person) does to a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateChange {
    /// The row.
    pub key: String,
    /// The change.
    pub change: Change,
}

/// The changes of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A run of this holder ended: its slot is free.
    Leave {
        /// The holder.
        holder: String,
    },
    /// A run of the target ended: the cooldown begins.
    Ended,
    /// A run of the target succeeded: a firing that begins soon after it is a comeback.
    Cleared,
    /// A run succeeded: the breaker counts anew, the next may trickle.
    Succeeded {
        /// The run.
        run: String,
    },
    /// A run failed: the breaker counts; it opens at `breaker`, when there is one.
    Failed {
        /// The run.
        run: String,
        /// The count at which the breaker opens.
        breaker: Option<u32>,
    },
    /// A run ended without saying anything about the playbook (cancelled, rejected).
    Neutral {
        /// The run.
        run: String,
    },
    /// A person paused.
    Pause(Paused),
    /// A person ended the pause.
    Unpause {
        /// Who.
        by: String,
    },
    /// A person reset the breaker.
    Reset,
}

/// Decides all gates of one run: passes them all and changes their states, or changes nothing (but what the clock
/// was set back from).
///
/// `states` holds the rows of `asks` (a missing row is an empty state); `run` is the run to be.
///
/// # Errors
///
/// The first closed gate, in the order of `asks`.
pub fn decide(
    states: &mut BTreeMap<String, GateState>,
    asks: &[GateAsk],
    run: &str,
    now: Timestamp,
) -> Result<(), Closed> {
    for ask in asks {
        let state = states.entry(ask.key.clone()).or_default();
        state.put_right(now);
        check(state, ask, now)?;
    }
    for ask in asks {
        let state = states.entry(ask.key.clone()).or_default();
        pass(state, ask, run, now);
    }
    Ok(())
}

fn closed(reason: LaterReason, until: Option<Timestamp>, detail: String) -> Result<(), Closed> {
    Err(Closed { reason, until, detail })
}

fn check(state: &GateState, ask: &GateAsk, now: Timestamp) -> Result<(), Closed> {
    match &ask.rule {
        GateRule::Pause => check_pause(state, ask, now),
        GateRule::Breaker { failures } => {
            if state.opened_at.is_some() || state.failures >= *failures {
                let playbook = ask.key.split_once(':').map_or("", |(_, p)| p);
                return closed(
                    LaterReason::Breaker,
                    None,
                    format!(
                        "the breaker is open after {}: mend the cause, then `amflow breakers reset {playbook}`",
                        state.failures_in_words()
                    ),
                );
            }
            match &state.trickling {
                Some(run) if state.trickle => closed(LaterReason::Trickle, None, one_by_one("reset", run)),
                _ => Ok(()),
            }
        }
        GateRule::Cooldown { .. } if !state.holders.is_empty() => {
            let run = state.holders.keys().next().map_or("", String::as_str);
            closed(LaterReason::Cooldown, None, format!("run {run} is working on this target"))
        }
        GateRule::Cooldown { every } => match state.ended_at.and_then(|t| t.checked_add(*every).ok()) {
            Some(until) if until > now => closed(
                LaterReason::Cooldown,
                Some(until),
                format!(
                    "the last run of this target ended {} ago, and the cooldown is {}: {} to go",
                    ago(state.ended_at, now),
                    format_duration(*every),
                    in_words(now, until)
                ),
            ),
            _ => Ok(()),
        },
        GateRule::Rate { count, window } => {
            let alive: Vec<_> = in_window(&state.starts, *window, now).collect();
            if alive.len() < *count as usize {
                return Ok(());
            }
            let first = alive.len() - *count as usize;
            let until = alive.get(first).and_then(|t| t.checked_add(*window).ok());
            let limit = if ask.key == gate_keys::STARTS {
                "the limit over all playbooks (`limits.starts` of the configuration)"
            } else {
                "the playbook's `rate`"
            };
            let next = until.map_or_else(String::new, |until| format!(": {} to go", in_words(now, until)));
            closed(
                LaterReason::Rate,
                until,
                format!(
                    "{} in the last {}, and {limit} is {count} in {}{next}",
                    plural(alive.len(), "start"),
                    format_duration(*window),
                    format_duration(*window),
                ),
            )
        }
        GateRule::Comebacks { max, window, starts_at } => {
            if state.failures < *max || !comes_back(state, *window, *starts_at) {
                return Ok(());
            }
            let playbook = ask.key.split(':').nth(1).unwrap_or_default();
            closed(
                LaterReason::Comebacks,
                None,
                format!(
                    "it came back {} within {} after a run that succeeded, so it is a person's: mend the cause, \
                     then `amflow breakers reset {playbook}`",
                    plural(state.failures as usize, "time"),
                    format_duration(*window),
                ),
            )
        }
        GateRule::Slots { max, holder } => {
            if state.holders.contains_key(holder) || state.holders.len() < *max as usize {
                return Ok(());
            }
            let (reason, thing, limit) = if ask.key == gate_keys::RUNNING {
                (LaterReason::Running, "run", "over all playbooks (`limits.running` of the configuration)")
            } else {
                (LaterReason::Targets, "target", "for this playbook (`targets`)")
            };
            let busy = plural(state.holders.len(), thing);
            closed(
                reason,
                None,
                format!("{busy} in work, and at most {max} {limit}: starts when one is done"),
            )
        }
    }
}

fn check_pause(state: &GateState, ask: &GateAsk, now: Timestamp) -> Result<(), Closed> {
    let Some(paused) = state.pause_in_force(now) else {
        return match &state.trickling {
            Some(run) if state.trickle => closed(LaterReason::Trickle, None, one_by_one("pause", run)),
            _ => Ok(()),
        };
    };
    closed(LaterReason::Paused, paused.until, in_force(&ask.key, paused, now))
}

fn ago(then: Option<Timestamp>, now: Timestamp) -> String {
    then.map_or_else(|| "0s".to_owned(), |then| in_words(then, now))
}

/// Says why a run waits for another one after a person opened the way again.
fn one_by_one(after: &str, run: &str) -> String {
    format!("after a {after} runs start one by one: waits for the end of run {run}")
}

/// Says how long it is from one moment to another, as far as it matters to people.
pub(super) fn in_words(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3_600),
    }
}

/// Starts that a window still holds.
fn in_window(starts: &[Timestamp], window: Duration, now: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
    starts.iter().copied().filter(move |t| t.checked_add(window).is_ok_and(|until| until > now))
}

fn pass(state: &mut GateState, ask: &GateAsk, run: &str, now: Timestamp) {
    match &ask.rule {
        GateRule::Pause => {
            if state.paused.take_if(|p| p.until.is_some_and(|until| until <= now)).is_some() {
                state.trickle = true;
            }
            if state.trickle {
                state.trickling = Some(run.to_owned());
            }
        }
        GateRule::Breaker { .. } => {
            if state.trickle {
                state.trickling = Some(run.to_owned());
            }
        }
        GateRule::Cooldown { .. } => *state.holders.entry(run.to_owned()).or_default() += 1,
        GateRule::Rate { window, .. } => {
            state.starts = in_window(&state.starts, *window, now).collect();
            state.starts.push(now);
        }
        GateRule::Comebacks { window, starts_at, .. } => {
            state.failures = if comes_back(state, *window, *starts_at) { state.failures + 1 } else { 0 };
            // Counted: what fires on, and is started again by hand or after a reset, has not come back again.
            state.ended_at = None;
        }
        GateRule::Slots { holder, .. } => *state.holders.entry(holder.clone()).or_default() += 1,
    }
}

/// Returns whether a firing began so soon after the last success that nothing was mended.
fn comes_back(state: &GateState, window: Duration, starts_at: Timestamp) -> bool {
    state.ended_at.and_then(|ended| ended.checked_add(window).ok()).is_some_and(|until| starts_at < until)
}

/// Applies one change to a gate's state.
pub fn settle(state: &mut GateState, change: &Change, now: Timestamp) {
    match change {
        Change::Leave { holder } => {
            if let Some(n) = state.holders.get_mut(holder) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    state.holders.remove(holder);
                }
            }
        }
        Change::Cleared => state.ended_at = Some(now),
        Change::Ended => {
            state.ended_at = Some(now);
            state.holders.clear();
        }
        Change::Succeeded { run } => {
            state.failures = 0;
            if state.trickling.as_ref() == Some(run) {
                state.trickling = None;
                state.trickle = false;
            }
        }
        Change::Failed { run, breaker } => {
            state.failures = state.failures.saturating_add(1);
            if breaker.is_some_and(|n| state.failures >= n) {
                state.opened_at.get_or_insert(now);
            }
            if state.trickling.as_ref() == Some(run) {
                state.trickling = None;
                // It was reset to see whether it works again: it doesn't.
                if breaker.is_some() {
                    state.opened_at.get_or_insert(now);
                }
            }
        }
        Change::Neutral { run } => {
            if state.trickling.as_ref() == Some(run) {
                state.trickling = None;
            }
        }
        Change::Pause(paused) => state.paused = Some(paused.clone()),
        Change::Unpause { by } => {
            if state.paused.take().is_some() {
                state.unpaused = Some(Unpaused { at: now, by: by.clone() });
                state.trickle = true;
                state.trickling = None;
            }
        }
        Change::Reset => {
            if state.opened_at.take().is_some() {
                state.trickle = true;
                state.trickling = None;
            }
            state.failures = 0;
        }
    }
}
