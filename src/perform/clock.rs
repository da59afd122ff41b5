//! [`SystemClock`]: the only file that reads the time.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use crate::engine::{Answer, Clock};

/// The wall clock may be set while somebody sleeps, and the machine may sleep as well, which timers do not
/// count: clocks are looked at again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The host's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn steady(&self) -> Duration {
        // It goes on while the machine sleeps, as the world does.
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    fn sleep_until(&self, until: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            while let Some(nap) = nap(self.now(), until) {
                tokio::time::sleep(nap).await;
            }
        })
    }

    fn sleep(&self, time: Duration) -> Answer<'_, ()> {
        let end = self.steady().saturating_add(time);
        Box::pin(async move {
            while let Some(left) = end.checked_sub(self.steady()).filter(|left| !left.is_zero()) {
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// Returns how long to sleep before the clock is looked at again; `None` when the time has come.
fn nap(now: Timestamp, until: Timestamp) -> Option<Duration> {
    let left = Duration::try_from(until.duration_since(now)).ok().filter(|left| !left.is_zero())?;
    Some(left.min(LOOK_AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sleep_is_cut_into_naps_and_the_past_is_not_slept_for() {
        let now: Timestamp = "2026-11-23T06:42:37Z".parse().unwrap();
        let cases =
            [(-5_000, None), (0, None), (20, Some(20)), (30_000, Some(30_000)), (86_400_000, Some(30_000))];
        for (ahead, expected) in cases {
            let until = now + jiff::SignedDuration::from_millis(ahead);
            assert_eq!(nap(now, until), expected.map(Duration::from_millis), "{ahead}");
        }
        assert_eq!(nap(Timestamp::MIN, Timestamp::MAX), Some(LOOK_AGAIN));
        assert_eq!(nap(Timestamp::MAX, Timestamp::MIN), None);
    }

    #[tokio::test]
    async fn the_clock_sleeps_until_the_moment_that_was_asked_for() {
        let until = SystemClock.now() + jiff::SignedDuration::from_millis(15);
        SystemClock.sleep_until(until).await;
        assert!(SystemClock.now() >= until);
    }

    #[tokio::test]
    async fn the_clock_sleeps_as_long_as_was_asked_for() {
        let before = SystemClock.steady();
        SystemClock.sleep(Duration::from_millis(15)).await;
        assert!(SystemClock.steady() >= before + Duration::from_millis(15));
        SystemClock.sleep(Duration::ZERO).await;
    }
}
