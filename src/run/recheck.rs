//! The re-check: before the first effect and after every wait, the alert must still be what the run
//! was started for.

use std::time::Duration;

use super::event::RunEvent;
use super::machine::{Machine, RECHECK, Waits, describe};
use crate::playbook::TriggerStatus;
use crate::step::{Reply, Sighted, started_lately};

/// Where a re-check stands.
pub(super) enum Recheckpoint {
    /// The effect may begin.
    Passed,
    /// The answer is still to come.
    Asked,
    /// The alert is no longer what the run was started for: nothing more may begin.
    Gone,
    /// Nobody can say: the step fails with this.
    Unknown(String),
}

/// Pauses between the looks when nobody can say, before the step is failed: long enough for an
/// Alertmanager that restarted to be sent the alert again, which Prometheus does every minute.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30), Duration::from_secs(45)];

impl Machine {
    /// Looks the run's alerts up, when that is due before the step at `path`.
    pub(super) fn recheck_before(&mut self, path: &str, read_only: bool) -> Recheckpoint {
        if self.run.gone.is_some() {
            return Recheckpoint::Gone;
        }
        if !self.recheck_wanted(path, read_only) {
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
        self.look_up(RECHECK);
        Recheckpoint::Asked
    }

    fn judge(&mut self, path: &str, reply: &Reply) -> Recheckpoint {
        let seen = match reply {
            Reply::Sighted(sighted) => look(sighted),
            other => Look::Unknown(describe(other)),
        };
        let wanted = self.run.started.trigger;
        let reason = match (wanted, seen) {
            (TriggerStatus::Firing, Look::Firing)
            | (TriggerStatus::Resolved, Look::Gone | Look::Forgotten(_)) => {
                self.run.recheck_due = false;
                self.recheck.tries = 0;
                self.recheck.not_before = None;
                self.recheck.passed.insert(path.to_owned());
                self.next.quiet_changes += 1;
                return Recheckpoint::Passed;
            }
            (_, Look::Unknown(why)) | (TriggerStatus::Firing, Look::Forgotten(why)) => {
                let pause = PAUSES.get(self.recheck.tries as usize);
                self.recheck.tries += 1;
                if let Some(at) = pause.and_then(|pause| self.now.checked_add(*pause).ok()) {
                    self.recheck.not_before = Some(at);
                    self.wake_at(at, Waits::Time);
                    return Recheckpoint::Asked;
                }
                self.recheck.tries = 0;
                self.recheck.not_before = None;
                return Recheckpoint::Unknown(format!("cannot tell whether the alert is still there: {why}"));
            }
            (TriggerStatus::Firing, Look::Gone) => format!("the alert was gone before `{path}`"),
            (TriggerStatus::Resolved, Look::Firing) => format!("the alert fires again before `{path}`"),
        };
        self.record(RunEvent::RecheckFailed { path: path.to_owned(), reason });
        Recheckpoint::Gone
    }
}

/// What a look at the run's alerts says.
pub(super) enum Look {
    /// One of them is there.
    Firing,
    /// All are gone.
    Gone,
    /// Nobody knows it, and a peer that restarted may have forgotten it.
    Forgotten(String),
    /// Nobody can say, and why.
    Unknown(String),
}

/// An alert that any peer knows is there; it is gone only when every peer says so, and none of them has
/// just forgotten what it knew: Alertmanager (all versions) keeps alerts in memory alone.
pub(super) fn look(sighted: &Sighted) -> Look {
    if sighted.peers.iter().any(|peer| peer.failed.is_none() && !peer.seen.is_empty()) {
        return Look::Firing;
    }
    match sighted.peers.iter().find_map(|peer| peer.failed.as_ref().map(|why| (peer, why))) {
        Some((peer, why)) => Look::Unknown(format!("{}: {why}", peer.url)),
        None if sighted.peers.is_empty() => Look::Unknown("no Alertmanager was asked".to_owned()),
        None => forgetful(sighted).map_or(Look::Gone, Look::Forgotten),
    }
}

fn forgetful(sighted: &Sighted) -> Option<String> {
    let peer = sighted.peers.iter().find(|peer| started_lately(sighted, peer))?;
    Some(format!("{} started less than 5m ago and may have forgotten the alert", peer.url))
}
