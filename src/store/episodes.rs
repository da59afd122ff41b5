//! [`place`]: which episode an observation belongs to, as a pure function over the rows of one alert.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Claim, Episode, EpisodeKey, Observation};
use crate::model::Alert;

/// How long an alert fires on that nobody says an end of: Alertmanager's default of `resolve_timeout`.
const RESOLVE_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// One episode as a store keeps it, beside its scope and fingerprint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EpisodeRow {
    /// The store's number of it; `None` until it is stored.
    pub(super) id: Option<i64>,
    /// First startsAt, its key, in milliseconds.
    pub(super) starts_at_ms: i64,
    /// Latest startsAt that belonged to it, in milliseconds.
    pub(super) latest_start_ms: i64,
    /// When it was last known to fire.
    pub(super) last_firing: Option<Timestamp>,
    /// The last endsAt seen.
    pub(super) ends_at: Option<Timestamp>,
    /// When it was said to be over.
    pub(super) closed_at: Option<Timestamp>,
    /// What is known of its alert and not yet stored.
    pub(super) alert: Option<Arc<Alert>>,
    /// Whether something is stored of its alert.
    pub(super) knows_alert: bool,
    /// Whether it must be written.
    pub(super) changed: bool,
}

impl EpisodeRow {
    /// Returns the row of an episode that is known by its key alone (a claim on an alert that no
    /// delivery brought).
    pub(super) fn of_key(key: &EpisodeKey) -> EpisodeRow {
        EpisodeRow {
            id: None,
            starts_at_ms: key.starts_at_ms,
            latest_start_ms: key.starts_at_ms,
            last_firing: None,
            ends_at: None,
            closed_at: None,
            alert: None,
            knows_alert: false,
            changed: true,
        }
    }

    /// Returns it as the store's callers know it.
    pub(super) fn to_episode(&self, seen: &Observation, claims: Vec<Claim>) -> Episode {
        Episode {
            key: EpisodeKey {
                scope: seen.scope.clone(),
                fingerprint: seen.fingerprint.clone(),
                starts_at_ms: self.starts_at_ms,
            },
            last_firing: self.last_firing,
            ends_at: self.ends_at,
            closed_at: self.closed_at,
            claims,
        }
    }

    /// Returns whether retention may drop it: it ended before then, or nobody has seen it fire for so
    /// long that it is forgotten.
    pub(super) fn is_old(&self, before: Timestamp, forgotten: Timestamp) -> bool {
        if let Some(closed) = self.closed_at {
            return closed < before;
        }
        let start = Timestamp::from_millisecond(self.starts_at_ms).unwrap_or(Timestamp::MIN);
        self.last_firing.unwrap_or(start) < forgotten
    }

    /// Returns whether it fires on for a source that says no times: until its lease ends, else for a while after it
    /// was last seen.
    fn lasts_at(&self, now: Timestamp) -> bool {
        let lease = self.last_firing.map(|at| at.saturating_add(RESOLVE_TIMEOUT).unwrap_or(Timestamp::MAX));
        self.ends_at.max(lease).is_some_and(|until| now <= until)
    }

    fn covers(&self, start: i64) -> bool {
        (self.starts_at_ms..=self.latest_start_ms).contains(&start)
    }

    fn fires(&mut self, start: i64, seen: &Observation, now: Timestamp) {
        self.latest_start_ms = self.latest_start_ms.max(start);
        self.last_firing = self.last_firing.max(Some(now.max(seen.starts_at)));
        self.ends_at = seen.ends_at.or(self.ends_at);
        self.closed_at = None;
        if !self.knows_alert && seen.alert.is_some() {
            self.alert.clone_from(&seen.alert);
            self.knows_alert = true;
        }
        self.changed = true;
    }

    fn closes(&mut self, start: i64, seen: &Observation, now: Timestamp) {
        let before = self.clone();
        self.latest_start_ms = self.latest_start_ms.max(start);
        self.closed_at.get_or_insert(now);
        self.ends_at = seen.ends_at.or(self.ends_at);
        self.changed |= *self != before;
    }
}

/// Finds or makes the episode of an observation among the rows of its alert, newest first, changes
/// the rows as the observation says, and returns the index of its row.
///
/// A startsAt before the last moment at which the open episode was known to fire belongs to it: HA
/// pairs and restarts of Prometheus shift startsAt. What is later than that, or later than every
/// startsAt of a closed episode, is a new one, and ends the one before.
pub(super) fn place(rows: &mut Vec<EpisodeRow>, seen: &Observation, now: Timestamp) -> usize {
    let start = seen.starts_at.as_millisecond();
    if let Some(found) = belongs(rows, start, seen) {
        let stale = found > 0;
        match rows.get_mut(found) {
            Some(row) if seen.firing && !stale => row.fires(start, seen, now),
            Some(row) if !seen.firing => row.closes(start, seen, now),
            _ => {}
        }
        return found;
    }
    if let Some(latest) = rows.first_mut().filter(|r| r.closed_at.is_none() && start > r.starts_at_ms) {
        latest.closed_at = Some(now.min(seen.starts_at));
        latest.changed = true;
    }
    let at = rows.iter().take_while(|r| r.starts_at_ms > start).count();
    let mut row = EpisodeRow {
        id: None,
        starts_at_ms: start,
        latest_start_ms: start,
        last_firing: None,
        ends_at: None,
        closed_at: None,
        alert: None,
        knows_alert: false,
        changed: true,
    };
    if seen.firing {
        row.fires(start, seen, now);
    } else {
        row.closes(start, seen, now);
    }
    rows.insert(at, row);
    at
}

/// Finds the episode of an observation among the rows of its alert, newest first, and changes nothing.
pub(super) fn find<'r>(rows: &'r [EpisodeRow], seen: &Observation) -> Option<&'r EpisodeRow> {
    rows.get(belongs(rows, seen.starts_at.as_millisecond(), seen)?)
}

fn belongs(rows: &[EpisodeRow], start: i64, seen: &Observation) -> Option<usize> {
    let latest = rows.first()?;
    let open = latest.closed_at.is_none();
    if seen.start_is_guessed && open && (!seen.firing || latest.lasts_at(seen.starts_at)) {
        return Some(0);
    }
    if start >= latest.starts_at_ms {
        let known_to_fire = latest.last_firing.is_some_and(|t| start < t.as_millisecond());
        return (start <= latest.latest_start_ms || (open && known_to_fire)).then_some(0);
    }
    let older = rows.iter().position(|r| r.covers(start));
    if seen.firing {
        return if open { Some(0) } else { older.or(Some(0)) };
    }
    // An end that came late must not close what began after it.
    let reaches_latest = seen.ends_at.is_none_or(|t| t.as_millisecond() >= latest.starts_at_ms);
    older.or(reaches_latest.then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn seen(firing: bool, starts: i64, ends: Option<i64>) -> Observation {
        Observation {
            scope: "am".into(),
            fingerprint: "0123456789abcdef".into(),
            starts_at: at(starts),
            start_is_guessed: false,
            ends_at: ends.map(at),
            firing,
            alert: None,
        }
    }

    fn key(starts: i64) -> i64 {
        at(starts).as_millisecond()
    }

    /// Each story: (firing, startsAt, endsAt, now) and the startsAt of the episode it belongs to.
    type Story = &'static [((bool, i64, Option<i64>, i64), i64)];

    #[test]
    fn an_alert_whose_start_nobody_says_goes_on_with_what_is_open() {
        let mut rows = Vec::new();
        let mut sees = |firing: bool, second: i64, ends: Option<i64>| {
            let guessed = Observation { start_is_guessed: true, ..seen(firing, second, ends) };
            let found = place(&mut rows, &guessed, at(second));
            assert!(rows.iter().skip(1).all(|row| row.closed_at.is_some()), "one is open");
            (rows[found].starts_at_ms - key(0)) / 1_000
        };
        assert_eq!([sees(true, 0, None), sees(true, 60, None), sees(true, 350, None)], [0, 0, 0]);
        assert_eq!(sees(true, 651, None), 651, "nobody spoke of it for five minutes");
        assert_eq!(sees(false, 700, None), 651, "its end");
        assert_eq!(
            [sees(true, 710, Some(9_000)), sees(true, 8_000, None)],
            [710, 710],
            "a lease says how long"
        );
        assert_eq!(sees(true, 9_001, None), 9_001);
    }

    #[test]
    fn observations_find_their_episode() {
        let stories: &[(&str, Story)] = &[
            ("the same again", &[((true, 0, None, 5), 0), ((true, 0, None, 65), 0)]),
            ("a shift within the firing", &[((true, 0, None, 60), 0), ((true, 20, None, 65), 0)]),
            ("a shift to the past", &[((true, 10, None, 60), 10), ((true, 0, None, 65), 10)]),
            ("a later start that was missed", &[((true, 0, None, 60), 0), ((true, 100, None, 120), 100)]),
            (
                "resolved, then again",
                &[((true, 0, None, 60), 0), ((false, 0, Some(70), 75), 0), ((true, 90, None, 95), 90)],
            ),
            (
                "resolved, then again soon after it was last seen",
                &[((true, 0, None, 60), 0), ((false, 0, Some(50), 75), 0), ((true, 55, None, 95), 55)],
            ),
            (
                "a late retry of the first delivery",
                &[
                    ((true, 0, None, 60), 0),
                    ((false, 0, Some(70), 75), 0),
                    ((true, 90, None, 95), 90),
                    ((false, 0, Some(70), 99), 0),
                    ((true, 90, None, 100), 90),
                ],
            ),
            (
                "the end of a firing that nobody saw",
                &[((true, 100, None, 110), 100), ((false, 10, Some(20), 120), 10)],
            ),
            (
                "the end of the open episode with an earlier start",
                &[((true, 100, None, 110), 100), ((false, 90, Some(115), 120), 100)],
            ),
            ("a resolved alert alone", &[((false, 0, Some(5), 6), 0), ((false, 0, Some(5), 9), 0)]),
        ];
        for (name, story) in stories {
            let mut rows = Vec::new();
            for (i, ((firing, starts, ends, now), expected)) in story.iter().enumerate() {
                let found = place(&mut rows, &seen(*firing, *starts, *ends), at(*now));
                assert_eq!(rows[found].starts_at_ms, key(*expected), "{name}, observation {i}");
                assert!(
                    rows.windows(2).all(|w| w[0].starts_at_ms > w[1].starts_at_ms),
                    "{name}: newest first"
                );
                assert!(rows.iter().skip(1).all(|r| r.closed_at.is_some()), "{name}: one is open");
            }
        }
    }

    #[test]
    fn a_late_end_leaves_the_open_episode_open() {
        let mut rows = Vec::new();
        place(&mut rows, &seen(true, 0, None), at(10));
        place(&mut rows, &seen(false, 0, Some(20)), at(25));
        place(&mut rows, &seen(true, 30, None), at(35));
        place(&mut rows, &seen(false, 0, Some(20)), at(40));
        assert_eq!(rows[0].closed_at, None);
        assert_eq!(rows[1].closed_at, Some(at(25)), "the first word counts");
    }

    #[test]
    fn firing_on_with_the_same_start_opens_the_episode_again() {
        let mut rows = Vec::new();
        place(&mut rows, &seen(true, 0, None), at(10));
        place(&mut rows, &seen(false, 0, Some(20)), at(25));
        assert_eq!(place(&mut rows, &seen(true, 0, None), at(30)), 0);
        assert_eq!((rows.len(), rows[0].closed_at, rows[0].last_firing), (1, None, Some(at(30))));
    }
}
