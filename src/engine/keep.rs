//! Keeps the holds of a run in force: renews them well inside their leases, one request for each at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::run::{HoldState, Run, RunEvent, is_mute};
use crate::step::{Hold, HoldAction, HoldEffect};

/// How soon a renewal that failed is tried again: there is time for it, well inside the lease.
const AGAIN: Duration = Duration::from_secs(10);

/// When holds are renewed, and whose turn it is. Moments are those of the steady clock: an Alertmanager elsewhere
/// does not wait because the wall clock is set back here.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    renew_at: BTreeMap<String, Duration>,
    turns: HashMap<String, Turn>,
}

/// Requests for one hold wait for each other. It says whether the hold was released: a renewal after that
/// would bring it back.
pub(super) type Turn = Arc<Mutex<bool>>;

impl Keeper {
    /// Returns the turn of a hold.
    pub(super) fn turn(&mut self, id: &str) -> Turn {
        self.turns.entry(id.to_owned()).or_default().clone()
    }

    /// Takes note of a hold that was made or released.
    pub(super) fn note(&mut self, run: &Run, event: &RunEvent, now: Duration) {
        match event {
            RunEvent::HoldMade { id, .. } => {
                if let Some(hold) = run.holds.get(id).filter(|hold| is_kept(hold)) {
                    self.renew_at.insert(id.clone(), renewal(now, hold.hold.lease_seconds()));
                }
            }
            RunEvent::HoldReleased { id, .. } => {
                self.renew_at.remove(id);
            }
            _ => {}
        }
    }

    /// Takes note of a renewal that failed.
    pub(super) fn failed(&mut self, run: &Run, id: &str, now: Duration) {
        if run.holds.get(id).is_some_and(is_kept) {
            self.renew_at.insert(id.to_owned(), now.saturating_add(AGAIN));
        }
    }

    /// Lets all be renewed now: an Alertmanager on this host sees the ends of their leases where they were before
    /// the clock was set.
    pub(super) fn renew_all(&mut self, now: Duration) {
        self.renew_at.values_mut().for_each(|at| *at = now);
    }

    /// Returns the ids of the holds that are to be renewed now; those that a process left which is gone
    /// at once, because their leases may be almost over.
    pub(super) fn due(&mut self, run: &Run, now: Duration, releasing: impl Fn(&str) -> bool) -> Vec<String> {
        let kept: BTreeMap<_, _> =
            run.holds.iter().filter(|(id, hold)| is_kept(hold) && !releasing(id)).collect();
        self.renew_at.retain(|id, _| kept.contains_key(id));
        let mut due = Vec::new();
        for (id, hold) in kept {
            let at = self.renew_at.entry(id.clone()).or_insert(now);
            if *at <= now {
                *at = renewal(now, hold.hold.lease_seconds());
                due.push(id.clone());
            }
        }
        due
    }

    /// Returns when the next renewal is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.renew_at.values().min().copied()
    }
}

/// Returns the renewal of a hold.
pub(super) fn renewal_of(run: &Run, id: &str) -> Option<HoldEffect> {
    let state = run.holds.get(id).filter(|hold| is_kept(hold))?;
    Some(HoldEffect {
        action: HoldAction::Renew,
        hold: state.hold.clone(),
        owner: format!("{}/{id}", run.id),
        id: state.server_id.clone(),
    })
}

/// Returns the renewals that carry a run's own holds over a time without a process, until a lease after
/// it goes on. What mutes by `sync` is released instead.
pub(super) fn carry_over(run: &Run, now: Timestamp, until: Timestamp) -> Vec<(String, HoldEffect)> {
    let gap = u64::try_from(until.duration_since(now).as_secs().max(0)).unwrap_or(0);
    let ids = run.holds.keys().filter(|id| !is_mute(id));
    ids.filter_map(|id| {
        let mut effect = renewal_of(run, id)?;
        match &mut effect.hold {
            Hold::Silence(silence) => silence.lease_seconds = silence.lease_seconds.saturating_add(gap),
            Hold::Alert(alert) => alert.lease_seconds = alert.lease_seconds.saturating_add(gap),
        }
        Some((id.clone(), effect))
    })
    .collect()
}

/// One that outlives the run has its whole duration from the start.
fn is_kept(hold: &HoldState) -> bool {
    hold.in_force() && !hold.keep
}

/// A third of the lease leaves time for two more tries.
fn renewal(from: Duration, lease_seconds: u64) -> Duration {
    from.saturating_add(Duration::from_secs((lease_seconds / 3).max(1)))
}
