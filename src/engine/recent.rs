//! [`Recent`]: which alerts this process has seen lately. A hint and no more: what is known of an alert only the
//! store says.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::ports::Observation;

/// Alerts that are remembered: 64 KiB.
const PLACES: usize = 8_192;

/// The alerts that were seen last.
pub(super) struct Recent {
    hasher: RandomState,
    places: Box<[AtomicU64]>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { hasher: RandomState::new(), places: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Recent {
    /// Remembers alerts, and returns whether one of them was remembered.
    pub(super) fn see(&self, seen: &[Observation]) -> bool {
        let mut known = false;
        for one in seen {
            let mark = self.hasher.hash_one((&one.scope, &one.fingerprint, one.starts_at)).max(1);
            let at = usize::try_from(mark % PLACES as u64).unwrap_or_default();
            let Some(place) = self.places.get(at) else { continue };
            known |= place.swap(mark, Ordering::Relaxed) == mark;
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn seen(fingerprint: &str, second: i64) -> Observation {
        Observation {
            scope: "default".to_owned(),
            fingerprint: fingerprint.to_owned(),
            starts_at: Timestamp::from_second(second).unwrap(),
            start_is_guessed: false,
            ends_at: None,
            firing: true,
            alert: None,
        }
    }

    #[test]
    fn what_comes_again_is_known() {
        let recent = Recent::default();
        assert!(!recent.see(&[seen("a", 1), seen("a", 2)]));
        assert!(recent.see(&[seen("b", 1), seen("a", 2)]));
        assert!(!recent.see(&[seen("c", 1)]));
        assert!(!recent.see(&[]));
    }
}
