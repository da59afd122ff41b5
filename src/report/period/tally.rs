//! [`Tally`]: adds runs up to a [`PeriodReport`]. Pure: facts in, figures out; what it keeps of a run is small.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::facts::{AlertFacts, Ending, RunFacts};
use super::figures::{Figures, GroupRecord, Outcomes, Percentiles, PeriodReport, SlotRecord, TimelineRun};
use crate::report::OUTPUT_VERSION;
use crate::run::RunStatus;

/// Runs of the timeline, at most: the newest.
const MOST_RUNS: usize = 500;
/// Slots of the timeline, at most.
const MOST_SLOTS: i64 = 48;
/// How long a slot may be, in seconds, from the shortest.
const SLOTS: [i64; 13] =
    [60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 604_800, 2_592_000];

/// What a report is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// Runs that started from then on.
    pub since: Timestamp,
    /// Runs that started before then.
    pub until: Timestamp,
    /// The present.
    pub now: Timestamp,
    /// Only runs of this playbook.
    pub playbook: Option<String>,
    /// Only runs whose oldest alert these match.
    pub matchers: Vec<String>,
}

/// Adds runs up.
#[derive(Debug)]
pub struct Tally {
    period: Period,
    total: Sums,
    playbooks: BTreeMap<String, Sums>,
    alertnames: BTreeMap<String, Sums>,
    scopes: HashMap<String, u32>,
    slots: Vec<SlotRecord>,
    slot_seconds: i64,
    timeline: Vec<TimelineRun>,
}

/// An episode, in few bytes.
type Key = (u32, u64, i64);

#[derive(Debug, Default)]
struct Sums {
    runs: u64,
    outcomes: Outcomes,
    unchanged: u64,
    alerts: HashMap<Key, Handled>,
}

/// What is known of one alert. Times are milliseconds since the epoch.
#[derive(Debug)]
struct Handled {
    ending: Ending,
    /// When runs worked on it.
    worked: Vec<(i64, i64)>,
}

impl Tally {
    /// Begins with nothing.
    pub fn new(period: Period) -> Tally {
        let length = (period.until.as_second() - period.since.as_second()).max(1);
        let wanted = SLOTS.into_iter().find(|slot| length / slot < MOST_SLOTS);
        let slot_seconds = wanted.unwrap_or(length / MOST_SLOTS + 1);
        let count = (length + slot_seconds - 1) / slot_seconds;
        let slots = (0..count).map(|n| SlotRecord {
            starts_at: period
                .since
                .saturating_add(SignedDuration::from_secs(n * slot_seconds))
                .unwrap_or(period.until),
            outcomes: Outcomes::default(),
        });
        Tally {
            slots: slots.collect(),
            slot_seconds,
            total: Sums::default(),
            playbooks: BTreeMap::new(),
            alertnames: BTreeMap::new(),
            scopes: HashMap::new(),
            timeline: Vec::new(),
            period,
        }
    }

    /// Adds a run; runs come newest first.
    pub fn add(&mut self, run: RunFacts) {
        let until = run.ended_at.unwrap_or(self.period.now);
        let span =
            (run.started_at.as_millisecond(), until.as_millisecond().max(run.started_at.as_millisecond()));
        let alerts: Vec<_> = run.alerts.iter().map(|alert| (self.key(alert), alert.ending)).collect();
        let groups = [
            &mut self.total,
            self.playbooks.entry(run.playbook.clone()).or_default(),
            self.alertnames.entry(run.alertname.clone()).or_default(),
        ];
        for sums in groups {
            sums.add(&run, span, &alerts);
        }
        let offset = run.started_at.as_second() - self.period.since.as_second();
        let slot = usize::try_from(offset / self.slot_seconds).ok().and_then(|n| self.slots.get_mut(n));
        if let Some(slot) = slot {
            slot.outcomes.count(run.status);
        }
        if self.timeline.len() < MOST_RUNS {
            self.timeline.push(TimelineRun {
                run: run.run,
                playbook: run.playbook,
                alertname: run.alertname,
                target: run.target,
                status: run.status,
                reason: run.reason,
                changed: run.changed,
                started_at: run.started_at,
                ended_at: run.ended_at,
            });
        }
    }

    /// Returns the report.
    pub fn finish(self) -> PeriodReport {
        let now = self.period.now;
        let groups = |sums: BTreeMap<String, Sums>| {
            let mut groups: Vec<_> = sums
                .into_iter()
                .map(|(name, sums)| GroupRecord { name, figures: sums.figures(now) })
                .collect();
            groups.sort_by(|a, b| b.figures.runs.cmp(&a.figures.runs).then_with(|| a.name.cmp(&b.name)));
            groups
        };
        let left_out = self.total.runs - u64::try_from(self.timeline.len()).unwrap_or(self.total.runs);
        PeriodReport {
            version: OUTPUT_VERSION,
            since: self.period.since,
            until: self.period.until,
            made_at: now,
            playbook: self.period.playbook,
            matchers: self.period.matchers,
            total: self.total.figures(now),
            playbooks: groups(self.playbooks),
            alertnames: groups(self.alertnames),
            slot_seconds: u64::try_from(self.slot_seconds).unwrap_or_default(),
            slots: self.slots,
            runs: self.timeline,
            runs_left_out: left_out,
        }
    }

    fn key(&mut self, alert: &AlertFacts) -> Key {
        let next = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX);
        let episode = &alert.episode;
        let scope = match self.scopes.get(&episode.scope) {
            Some(scope) => *scope,
            None => *self.scopes.entry(episode.scope.clone()).or_insert(next),
        };
        let fingerprint = u64::from_str_radix(&episode.fingerprint, 16).unwrap_or_default();
        (scope, fingerprint, episode.starts_at_ms)
    }
}

impl Sums {
    fn add(&mut self, run: &RunFacts, span: (i64, i64), alerts: &[(Key, Ending)]) {
        self.runs += 1;
        self.outcomes.count(run.status);
        self.unchanged += u64::from(run.status.is_final() && !run.changed);
        for (key, ending) in alerts {
            let handled =
                self.alerts.entry(*key).or_insert_with(|| Handled { ending: *ending, worked: Vec::new() });
            handled.worked.push(span);
            handled.ending = handled.ending.known_better(*ending);
        }
    }

    fn figures(self, now: Timestamp) -> Figures {
        let now = now.as_millisecond();
        let (mut handling, mut judged_handling, mut firing) = (0, 0, 0);
        let (mut recoveries, mut still_firing, mut unknown) = (Vec::new(), 0, 0);
        let alerts = u64::try_from(self.alerts.len()).unwrap_or(u64::MAX);
        for ((_, _, starts_at), handled) in self.alerts {
            let worked = united(handled.worked);
            handling += worked;
            match handled.ending {
                Ending::Cleared(at) => {
                    let took = (at.as_millisecond() - starts_at).max(0);
                    recoveries.push(took);
                    firing += took;
                    judged_handling += worked;
                }
                Ending::Firing => {
                    still_firing += 1;
                    firing += (now - starts_at).max(0);
                    judged_handling += worked;
                }
                Ending::Unknown => unknown += 1,
            }
        }
        recoveries.sort_unstable();
        let recovered = u64::try_from(recoveries.len()).unwrap_or(u64::MAX);
        let recovery = recoveries.iter().sum();
        Figures {
            runs: self.runs,
            outcomes: self.outcomes,
            unchanged: self.unchanged,
            alerts,
            handling_seconds: seconds(handling),
            handling_seconds_per_alert: mean(handling, alerts),
            firing_seconds: seconds(firing),
            efficiency: (firing > 0).then(|| round(seconds(judged_handling) / seconds(firing))),
            recovered,
            still_firing,
            unknown,
            recovery_seconds: seconds(recovery),
            recovery_seconds_per_alert: mean(recovery, recovered),
            time_to_recovery: Percentiles::of(&recoveries.into_iter().map(seconds).collect::<Vec<_>>()),
        }
    }
}

impl Ending {
    /// Returns which of two runs' knowledge of one alert counts: its end, the earliest that was told.
    fn known_better(self, other: Ending) -> Ending {
        match (self, other) {
            (Ending::Cleared(a), Ending::Cleared(b)) => Ending::Cleared(a.min(b)),
            (Ending::Cleared(at), _) | (_, Ending::Cleared(at)) => Ending::Cleared(at),
            (Ending::Firing, _) | (_, Ending::Firing) => Ending::Firing,
            (Ending::Unknown, Ending::Unknown) => Ending::Unknown,
        }
    }
}

/// Returns how long at least one of these spans lasted.
fn united(mut spans: Vec<(i64, i64)>) -> i64 {
    spans.sort_unstable();
    let (mut whole, mut reached) = (0, i64::MIN);
    for (from, to) in spans {
        whole += (to - from.max(reached)).max(0);
        reached = reached.max(to);
    }
    whole
}

#[expect(clippy::cast_precision_loss, reason = "centuries of milliseconds fit")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "so many alerts are not")]
fn mean(ms: i64, of: u64) -> Option<f64> {
    (of > 0).then(|| round(seconds(ms) / of as f64))
}

fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

impl Outcomes {
    fn count(&mut self, status: RunStatus) {
        let counted = match status {
            RunStatus::Succeeded => &mut self.succeeded,
            RunStatus::Failed => &mut self.failed,
            RunStatus::Cancelled => &mut self.cancelled,
            RunStatus::Rejected => &mut self.rejected,
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => &mut self.unfinished,
        };
        *counted += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EpisodeKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn period() -> Period {
        Period { since: at(0), until: at(86_400), now: at(86_400), playbook: None, matchers: Vec::new() }
    }

    /// A run from one second to another on alerts that began at a second.
    fn run(playbook: &str, from: i64, to: Option<i64>, alerts: &[(u8, i64, Ending)]) -> RunFacts {
        let alert = |(n, starts, ending): &(u8, i64, Ending)| AlertFacts {
            episode: EpisodeKey {
                scope: "am".to_owned(),
                fingerprint: format!("{n:016x}"),
                starts_at_ms: at(*starts).as_millisecond(),
            },
            ending: *ending,
        };
        RunFacts {
            run: format!("r{from}"),
            playbook: playbook.to_owned(),
            alertname: "A".to_owned(),
            target: "t".to_owned(),
            status: if to.is_some() { RunStatus::Succeeded } else { RunStatus::Waiting },
            reason: String::new(),
            started_at: at(from),
            ended_at: to.map(at),
            changed: true,
            alerts: alerts.iter().map(alert).collect(),
        }
    }

    fn total(runs: Vec<RunFacts>) -> Figures {
        let mut tally = Tally::new(period());
        runs.into_iter().for_each(|run| tally.add(run));
        tally.finish().total
    }

    #[test]
    fn times_are_added_up_per_alert() {
        type Case = (&'static str, Vec<RunFacts>, f64, u64, Option<f64>, f64, u64, u64, u64);
        let cleared = |second| Ending::Cleared(at(second));
        // (what, runs, T, alerts, E, R, recovered, firing, unknown)
        let cases: Vec<Case> = vec![
            ("nothing", vec![], 0.0, 0, None, 0.0, 0, 0, 0),
            (
                "one alert that cleared",
                vec![run("p", 160, Some(180), &[(1, 100, cleared(200))])],
                20.0,
                1,
                Some(0.2),
                100.0,
                1,
                0,
                0,
            ),
            (
                "a group: each of its alerts was handled so long",
                vec![run("p", 160, Some(180), &[(1, 100, cleared(200)), (2, 0, cleared(200))])],
                40.0,
                2,
                Some(0.1333),
                300.0,
                2,
                0,
                0,
            ),
            (
                "two runs on one alert at the same time count once",
                vec![
                    run("p", 150, Some(190), &[(1, 100, cleared(200))]),
                    run("q", 160, Some(180), &[(1, 100, cleared(300))]),
                ],
                40.0,
                1,
                Some(0.4),
                100.0,
                1,
                0,
                0,
            ),
            (
                "one run after the other adds up, and a gap does not count",
                vec![
                    run("p", 110, Some(120), &[(1, 100, Ending::Unknown)]),
                    run("q", 180, Some(190), &[(1, 100, cleared(200))]),
                ],
                20.0,
                1,
                Some(0.2),
                100.0,
                1,
                0,
                0,
            ),
            (
                "an alert whose end is not known has no part in E and R",
                vec![
                    run("p", 160, Some(180), &[(1, 100, cleared(200))]),
                    run("p", 160, Some(999), &[(2, 100, Ending::Unknown)]),
                ],
                859.0,
                2,
                Some(0.2),
                100.0,
                1,
                0,
                1,
            ),
            (
                "a run that goes on and an alert that fires on count until now",
                vec![run("p", 85_400, None, &[(1, 84_400, Ending::Firing)])],
                1_000.0,
                1,
                Some(0.5),
                0.0,
                0,
                1,
                0,
            ),
            (
                "a clock that jumped back makes no time negative",
                vec![run("p", 180, Some(160), &[(1, 200, cleared(100))])],
                0.0,
                1,
                None,
                0.0,
                1,
                0,
                0,
            ),
        ];
        for (what, runs, handling, alerts, efficiency, recovery, recovered, firing, unknown) in cases {
            let told = total(runs);
            assert_eq!((told.handling_seconds, told.alerts), (handling, alerts), "{what}: T");
            assert_eq!(told.efficiency, efficiency, "{what}: E");
            assert_eq!((told.recovery_seconds, told.recovered), (recovery, recovered), "{what}: R");
            assert_eq!((told.still_firing, told.unknown), (firing, unknown), "{what}: the others");
        }
    }

    #[test]
    fn slots_cover_the_period_and_count_every_run() {
        for (length, slots, seconds) in
            [(60, 1, 60), (3_600, 12, 300), (86_400, 24, 3_600), (604_800, 42, 14_400)]
        {
            let mut tally = Tally::new(Period { until: at(length), ..period() });
            for second in [0, length / 2, length - 1] {
                tally.add(run("p", second, Some(second), &[]));
            }
            let report = tally.finish();
            assert_eq!((report.slots.len(), report.slot_seconds), (slots, seconds), "{length}");
            assert_eq!(report.slots.iter().map(|s| s.outcomes.succeeded).sum::<u64>(), 3);
        }
    }

    #[test]
    fn only_the_newest_runs_are_kept_and_all_are_counted() {
        let mut tally = Tally::new(period());
        for n in 0..2_000 {
            tally.add(run("p", 80_000 - n, Some(80_000), &[]));
        }
        let report = tally.finish();
        assert_eq!((report.total.runs, report.runs.len(), report.runs_left_out), (2_000, 500, 1_500));
        assert_eq!(report.runs[0].run, "r80000");
    }

    #[test]
    fn groups_come_with_the_most_runs_first() {
        let mut tally = Tally::new(period());
        for (playbook, runs) in [("b", 1), ("a", 1), ("c", 2)] {
            (0..runs).for_each(|_| tally.add(run(playbook, 1, Some(2), &[])));
        }
        let names: Vec<_> = tally.finish().playbooks.into_iter().map(|g| g.name).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }
}
