//! [`SetClock`]: notices that the wall clock was set, by a steady one beside it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ports::Clock;

/// Less than this is a clock that is kept right, not one that is set.
const LEAST: SignedDuration = SignedDuration::from_secs(1);

/// What both clocks showed at the last look.
#[derive(Debug)]
pub(super) struct SetClock {
    wall: Timestamp,
    steady: Duration,
}

impl SetClock {
    /// Looks for the first time.
    pub(super) fn new(clock: &dyn Clock) -> SetClock {
        SetClock { wall: clock.now(), steady: clock.steady() }
    }

    /// Returns by how much the wall clock was set since the last look, when it was.
    pub(super) fn was_set(&mut self, clock: &dyn Clock) -> Option<SignedDuration> {
        let before = std::mem::replace(self, SetClock::new(clock));
        let passed = SignedDuration::try_from(self.steady.saturating_sub(before.steady)).ok()?;
        let by = self.wall.duration_since(before.wall).checked_sub(passed)?;
        (by.abs() >= LEAST).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playtest::JumpClock;

    #[test]
    fn time_that_passes_is_no_set_clock() {
        let clock = JumpClock::by_hand("2026-11-23T06:00:00Z".parse().unwrap());
        let mut looked = SetClock::new(&clock);
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(looked.was_set(&clock), None);
        clock.set(clock.now() + SignedDuration::from_millis(900));
        assert_eq!(looked.was_set(&clock), None);
        for hours in [1, -1] {
            clock.advance(Duration::from_secs(30));
            clock.set(clock.now() + SignedDuration::from_hours(hours));
            clock.advance(Duration::from_secs(30));
            assert_eq!(looked.was_set(&clock), Some(SignedDuration::from_hours(hours)));
            assert_eq!(looked.was_set(&clock), None, "it is told once");
        }
    }
}
