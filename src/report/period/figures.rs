//! [`PeriodReport`]: what `amflow report` tells, as data.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::run::RunStatus;

/// What happened in a period.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PeriodReport {
    /// Version of the shape.
    pub version: u32,
    /// Runs are counted that started from then on.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// Runs are counted that started before then.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
    /// When the report was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub made_at: Timestamp,
    /// Only runs of this playbook are counted.
    pub playbook: Option<String>,
    /// Only runs are counted whose oldest alert these match.
    pub matchers: Vec<String>,
    /// Over all runs.
    pub total: Figures,
    /// By playbook, those with the most runs first.
    pub playbooks: Vec<GroupRecord>,
    /// By the name of the oldest alert, those with the most runs first.
    pub alertnames: Vec<GroupRecord>,
    /// How long a slot is.
    pub slot_seconds: u64,
    /// The period in slots, with the runs that started in each.
    pub slots: Vec<SlotRecord>,
    /// The newest runs, newest first, 500 at most.
    pub runs: Vec<TimelineRun>,
    /// Older runs, which are counted and not listed.
    pub runs_left_out: u64,
}

/// The figures of a playbook, or of an alert's name.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GroupRecord {
    /// Its name; empty for alerts without one.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures over some runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Figures {
    /// Runs that started.
    pub runs: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Runs that are over and changed nothing (noise): all that they did was read only or skipped.
    pub unchanged: u64,
    /// Alerts that they worked on: each firing of an alert once, however many runs worked on it.
    pub alerts: u64,
    /// T: how long runs worked on these alerts, added up over the alerts.
    pub handling_seconds: f64,
    /// T over the number of alerts.
    pub handling_seconds_per_alert: Option<f64>,
    /// How long these alerts were firing, those aside whose end is not known.
    pub firing_seconds: f64,
    /// E: handling time over firing time, of the alerts whose firing time is known.
    pub efficiency: Option<f64>,
    /// Alerts that are known to have cleared.
    pub recovered: u64,
    /// Alerts that fire on.
    pub still_firing: u64,
    /// Alerts of which nobody has told how they went on.
    pub unknown: u64,
    /// R: from startsAt until they cleared, added up over the alerts that recovered.
    pub recovery_seconds: f64,
    /// R over the number of alerts that recovered: the mean time to recovery.
    pub recovery_seconds_per_alert: Option<f64>,
    /// How the times to recovery are spread.
    pub time_to_recovery: Option<Percentiles>,
}

/// How many runs ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outcomes {
    /// Every step went well.
    pub succeeded: u64,
    /// A step failed.
    pub failed: u64,
    /// Ended from outside.
    pub cancelled: u64,
    /// A person said no.
    pub rejected: u64,
    /// Queued, running or waiting.
    pub unfinished: u64,
}

/// Percentiles, in seconds, by nearest rank: each is a time that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Percentiles {
    /// Half of them took no longer.
    pub p50: f64,
    /// 90 of 100 took no longer.
    pub p90: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
}

/// A slot of time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SlotRecord {
    /// When it begins.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub starts_at: Timestamp,
    /// The runs that started in it.
    pub outcomes: Outcomes,
}

/// A run on the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TimelineRun {
    /// The run's id.
    pub run: String,
    /// The playbook.
    pub playbook: String,
    /// The name of its oldest alert.
    pub alertname: String,
    /// The target, for people.
    pub target: String,
    /// How it stands, or ended.
    pub status: RunStatus,
    /// Why, for people.
    pub reason: String,
    /// Whether it did anything that may change something.
    pub changed: bool,
    /// When it was admitted.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// When it was over.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<Timestamp>,
}

impl Percentiles {
    /// Takes them from sorted values; `None` where there is none.
    pub fn of(sorted: &[f64]) -> Option<Percentiles> {
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100);
            sorted.get(rank.saturating_sub(1)).copied()
        };
        Some(Percentiles { p50: at(50)?, p90: at(90)?, p99: at(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let upto = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        for (values, expected) in [
            (vec![], None),
            (upto(1), Some((1.0, 1.0, 1.0))),
            (upto(2), Some((1.0, 2.0, 2.0))),
            (upto(10), Some((5.0, 9.0, 10.0))),
            (upto(100), Some((50.0, 90.0, 99.0))),
            (upto(101), Some((51.0, 91.0, 100.0))),
        ] {
            let told = Percentiles::of(&values).map(|p| (p.p50, p.p90, p.p99));
            assert_eq!(told, expected, "{}", values.len());
        }
    }
}
