//! The re-check: before the first effect and after every wait, the alert must still be what the run
//! was started for.

use std::time::Duration;

use super::event::{RunEvent, RunStatus};
use super::machine::{Machine, PendingCall, RECHECK, SHORT_CALL, Waits, describe};
use crate::playbook::TriggerStatus;
use crate::step::{Effect, Reply, Sighted, SightingEffect};

/// Where a re-check stands.
pub(super) enum Recheckpoint {
    /// The effect may begin.
    Passed,
    /// The answer is still to come.
    Asked,
    /// The run ends instead.
    Ended,
}

/// Looks when Alertmanager does not answer, before the run is failed.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(5);

impl Machine {
    /// Looks the run's alerts up, when that is due before the step at `path`.
    pub(super) fn recheck_before(&mut self, path: &str, read_only: bool) -> Recheckpoint {
        if !self.recheck_wanted(read_only) {
            return Recheckpoint::Passed;
        }
        if self.options.fresh_until.is_some_and(|until| self.now <= until) {
            self.run.recheck_due = false;
            return Recheckpoint::Passed;
        }
        if self.in_flight.contains(RECHECK) {
            return Recheckpoint::Asked;
        }
        if let Some(reply) = self.replies.remove(RECHECK) {
            return self.judge(path, &reply);
        }
        if let Some(at) = self.recheck.not_before.filter(|at| *at > self.now) {
            self.wake_at(at, Waits::Time);
            return Recheckpoint::Asked;
        }
        let fingerprints = self.run.alerts.iter().map(|a| a.fingerprint.clone()).collect();
        self.in_flight.insert(RECHECK.to_owned());
        self.next.start.push(PendingCall {
            key: RECHECK.to_owned(),
            path: RECHECK.to_owned(),
            attempt: 1,
            effect: Effect::Sighting(SightingEffect { fingerprints }),
            limit: Some(SHORT_CALL),
        });
        Recheckpoint::Asked
    }

    fn judge(&mut self, path: &str, reply: &Reply) -> Recheckpoint {
        let seen = match reply {
            Reply::Sighted(sighted) => look(sighted),
            other => Look::Unknown(describe(other)),
        };
        let wanted = self.run.started.trigger;
        let reason = match (wanted, seen) {
            (TriggerStatus::Firing, Look::Firing) | (TriggerStatus::Resolved, Look::Gone) => {
                self.run.recheck_due = false;
                self.recheck = super::machine::RecheckState::default();
                self.next.quiet_changes += 1;
                return Recheckpoint::Passed;
            }
            (_, Look::Unknown(why)) => {
                self.recheck.tries += 1;
                if self.recheck.tries < TRIES {
                    self.recheck.not_before = self.now.checked_add(PAUSE).ok();
                    self.wake_at(self.recheck.not_before.unwrap_or(self.now), Waits::Time);
                    return Recheckpoint::Asked;
                }
                let reason = format!("cannot tell whether the alert is still there: {why}");
                self.ending(RunStatus::Failed, reason, Some(path.to_owned()));
                return Recheckpoint::Ended;
            }
            (TriggerStatus::Firing, Look::Gone) => format!("the alert was gone before `{path}`"),
            (TriggerStatus::Resolved, Look::Firing) => format!("the alert fires again before `{path}`"),
        };
        self.record(RunEvent::RecheckFailed { path: path.to_owned(), reason: reason.clone() });
        self.ending(RunStatus::Cancelled, reason, None);
        Recheckpoint::Ended
    }
}

enum Look {
    Firing,
    Gone,
    Unknown(String),
}

/// An alert that any peer knows is there; it is gone only when every peer says so.
fn look(sighted: &Sighted) -> Look {
    if sighted.peers.iter().any(|peer| peer.failed.is_none() && !peer.seen.is_empty()) {
        return Look::Firing;
    }
    match sighted.peers.iter().find_map(|peer| peer.failed.as_ref().map(|why| (peer, why))) {
        Some((peer, why)) => Look::Unknown(format!("{}: {why}", peer.url)),
        None if sighted.peers.is_empty() => Look::Unknown("no Alertmanager was asked".to_owned()),
        None => Look::Gone,
    }
}
