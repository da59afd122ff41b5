//! [`delay`]: how long to wait before attempt n: exponential with jitter, the same for the same seed.

use std::time::Duration;

use crate::playbook::Retry;

/// Returns the delay before attempt `attempt` (from 2): `min` doubled each time, at most `max`, of
/// which the last half is jitter taken from `seed`; never less than the server asked for.
pub(super) fn delay(retry: &Retry, attempt: u32, seed: u64, asked: Option<Duration>) -> Duration {
    let doublings = attempt.saturating_sub(2).min(30);
    let full = retry.min.saturating_mul(1 << doublings).min(retry.max.max(retry.min));
    let share =
        f64::from(u32::try_from(mix(seed ^ u64::from(attempt)) >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    let jittered = full.mul_f64(0.5 + share / 2.0);
    asked.map_or(jittered, |asked| jittered.max(asked))
}

/// `SplitMix64`'s finaliser: spreads a counter over all bits.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    proptest! {
        #[test]
        fn a_delay_lies_between_half_and_all_of_the_doubled_minimum(attempt in 2u32..40, seed: u64) {
            let retry = Retry { attempts: 40, min: Duration::from_secs(5), max: Duration::from_secs(60) };
            let full = Duration::from_secs(5).saturating_mul(1 << (attempt - 2).min(20)).min(Duration::from_secs(60));
            let got = delay(&retry, attempt, seed, None);
            prop_assert!(got >= full / 2 && got <= full, "{got:?} of {full:?}");
        }
    }

    #[test]
    fn a_server_that_asks_for_more_time_gets_it() {
        let retry = Retry { attempts: 3, min: Duration::from_secs(1), max: Duration::from_secs(4) };
        assert_eq!(delay(&retry, 2, 1, Some(Duration::from_secs(90))), Duration::from_secs(90));
    }
}
