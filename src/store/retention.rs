//! [`Retention`]: for how long finished runs are kept.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Store, StoreError};
use crate::run::GateState;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long finished runs are kept when nothing else is said.
pub const KEEP: Duration = DAY.saturating_mul(30);

/// How much longer is remembered what has no end of its own: an episode that nobody saw fire and
/// nobody saw end (pipes bring no ends), the cooldown of a target that does not come back.
const REMEMBER: Duration = DAY.saturating_mul(90);

/// For how long finished runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From a run's last event on.
    pub keep: Duration,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { keep: KEEP }
    }
}

impl Retention {
    /// Returns the moment before which a finished run's last event must lie for it to go.
    pub fn before(self, now: Timestamp) -> Timestamp {
        back(now, self.keep)
    }
}

/// Deletes finished runs that need not be kept, and what only they needed; with `dry_run` nothing.
/// Returns how many runs went, or would.
///
/// # Errors
///
/// What [`Store::prune`] returns.
pub async fn tidy(
    store: &dyn Store,
    retention: Retention,
    now: Timestamp,
    dry_run: bool,
) -> Result<u64, StoreError> {
    store.prune(retention.before(now), dry_run).await
}

/// Returns the moment before which an open episode must have been seen last for it to be forgotten,
/// when finished runs go that are older than `before`.
pub(super) fn forgotten_before(before: Timestamp) -> Timestamp {
    back(before, REMEMBER)
}

/// Returns whether a gate holds nothing but the end of a run that is long ago.
pub(super) fn is_forgotten(state: &GateState, before: Timestamp) -> bool {
    let rest = GateState { ended_at: None, ..state.clone() };
    rest == GateState::default() && state.ended_at.is_none_or(|t| t < forgotten_before(before))
}

fn back(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_when_its_last_event_is_older_than_it_is_kept() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let day = Retention { keep: DAY };
        assert_eq!(day.before(now), Timestamp::from_second(1_800_000_000 - 86_400).unwrap());
        let for_ever = Retention { keep: Duration::MAX };
        assert_eq!(for_ever.before(now), Timestamp::MIN);
    }

    #[test]
    fn only_the_end_of_a_cooldown_is_forgotten() {
        let before = Timestamp::from_second(1_800_000_000).unwrap();
        let long_ago = Some(back(before, REMEMBER + DAY));
        let cases = [
            (GateState { ended_at: long_ago, ..GateState::default() }, true),
            (GateState { ended_at: Some(before), ..GateState::default() }, false),
            (GateState { ended_at: long_ago, failures: 1, ..GateState::default() }, false),
        ];
        for (state, forgotten) in cases {
            assert_eq!(is_forgotten(&state, before), forgotten, "{state:?}");
        }
    }
}
