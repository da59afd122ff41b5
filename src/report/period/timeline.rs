//! Where runs stand on the timeline of the page: lanes by playbook, rows for what ran at the same time; and the ticks
//! of its axis.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::figures::{PeriodReport, TimelineRun};

/// Lanes, at most: those with the most runs.
const MOST_LANES: usize = 16;
/// Rows of a lane, at most; what finds no free one is drawn over the bar that is over for the longest time.
const MOST_ROWS: usize = 5;
/// A short bar is drawn so wide, in percent, so that it can be seen.
const SHORTEST: f64 = 0.5;
/// Ticks of an axis, at most.
const MOST_TICKS: i64 = 7;
/// How far ticks of less than a day may stand apart, in seconds: each of them meets every midnight.
const STEPS: [i64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 43_200];
const DAY: i64 = 86_400;

/// The runs of a playbook.
#[derive(Debug, PartialEq)]
pub(super) struct Lane<'r> {
    pub(super) playbook: &'r str,
    pub(super) rows: usize,
    pub(super) bars: Vec<Bar<'r>>,
    /// Whether bars lie on others.
    pub(super) crowded: bool,
}

/// A run on a lane, in percent of the period's length.
#[derive(Debug, PartialEq)]
pub(super) struct Bar<'r> {
    pub(super) run: &'r TimelineRun,
    pub(super) row: usize,
    pub(super) left: f64,
    pub(super) width: f64,
}

/// Lays the listed runs out; also returns how many playbooks found no lane.
pub(super) fn lanes(report: &PeriodReport) -> (Vec<Lane<'_>>, usize) {
    let mut by_playbook: BTreeMap<&str, Vec<&TimelineRun>> = BTreeMap::new();
    for run in report.runs.iter().rev() {
        by_playbook.entry(&run.playbook).or_default().push(run);
    }
    let mut playbooks: Vec<_> = by_playbook.into_iter().collect();
    playbooks.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.len()));
    let left_out = playbooks.len().saturating_sub(MOST_LANES);
    playbooks.truncate(MOST_LANES);
    (playbooks.into_iter().map(|(playbook, runs)| lane(report, playbook, &runs)).collect(), left_out)
}

fn lane<'r>(report: &'r PeriodReport, playbook: &'r str, runs: &[&'r TimelineRun]) -> Lane<'r> {
    let mut free_from: Vec<f64> = Vec::new();
    let (mut bars, mut crowded) = (Vec::with_capacity(runs.len()), false);
    for &run in runs {
        // What began just now is not drawn beyond the end.
        let left = place(report, run.started_at).min(100.0 - SHORTEST);
        let width = (place(report, run.ended_at.unwrap_or(report.made_at)) - left).max(0.0);
        let row = match free_from.iter().position(|free| *free <= left) {
            Some(row) => row,
            None if free_from.len() < MOST_ROWS => {
                free_from.push(0.0);
                free_from.len() - 1
            }
            None => {
                crowded = true;
                let longest = free_from.iter().enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
                longest.map_or(0, |(row, _)| row)
            }
        };
        free_from[row] = left + width.max(SHORTEST);
        bars.push(Bar { run, row, left, width });
    }
    Lane { playbook, rows: free_from.len(), bars, crowded }
}

/// A tick of an axis.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    /// Where it stands, in percent.
    pub(super) left: f64,
    /// The day at midnight, else the time of day.
    pub(super) says: String,
}

/// Returns the ticks of an axis that begins somewhere and is so many seconds long: round times of day, midnights when
/// it is long. All are UTC.
pub(super) fn ticks(since: Timestamp, seconds: i64) -> Vec<Tick> {
    let length = seconds.max(1);
    let short = STEPS.into_iter().find(|step| length <= MOST_TICKS * step);
    let step = short.unwrap_or_else(|| DAY * ((length - 1) / (MOST_TICKS * DAY) + 1));
    // Each step of less than a day is a part of one, so that its ticks are round; days are counted from the first.
    let (since, unit) = (since.as_second(), step.min(DAY));
    let from = since.saturating_add(unit - 1).div_euclid(unit).saturating_mul(unit);
    let moments = (0..).map(|n| from.saturating_add(n * step)).take_while(|at| at - since < length);
    let tick = |at: i64| {
        let form = match at.rem_euclid(DAY) {
            0 => "%b %-d",
            _ if step < 60 => "%H:%M:%S",
            _ => "%H:%M",
        };
        let says = Timestamp::from_second(at).ok()?.strftime(form).to_string();
        Some(Tick { left: percent(at - since, length), says })
    };
    moments.map_while(tick).collect()
}

/// Returns where a moment stands, in percent.
fn place(report: &PeriodReport, at: Timestamp) -> f64 {
    let since = report.since.as_millisecond();
    percent(at.as_millisecond() - since, report.until.as_millisecond() - since).clamp(0.0, 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "a pixel is enough")]
fn percent(part: i64, whole: i64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(since: &str, seconds: i64) -> Vec<String> {
        ticks(since.parse().unwrap(), seconds).into_iter().map(|tick| tick.says).collect()
    }

    #[test]
    fn ticks_stand_at_round_times_and_are_never_many() {
        let week = ["Nov 25", "Nov 26", "Nov 27", "Nov 28", "Nov 29", "Nov 30", "Dec 1"];
        assert_eq!(said("2026-11-24T14:24:00Z", 7 * DAY), week);
        let day = ["16:00", "20:00", "Dec 1", "04:00", "08:00", "12:00"];
        assert_eq!(said("2026-11-30T14:24:00Z", DAY), day);
        let month = ["Nov 2", "Nov 7", "Nov 12", "Nov 17", "Nov 22", "Nov 27"];
        assert_eq!(said("2026-11-01T14:24:00Z", 30 * DAY), month);
        assert_eq!(said("2026-11-30T23:50:00Z", 1_200), ["23:50", "23:55", "Dec 1", "00:05"]);
        assert_eq!(
            said("2026-11-30T10:00:01.500Z", 10),
            ["10:00:02", "10:00:04", "10:00:06", "10:00:08", "10:00:10"]
        );
        for seconds in (0..200).map(|n| 1 + n * n * n * n) {
            let ticks = ticks("2026-11-30T14:24:07Z".parse().unwrap(), seconds);
            assert!((1..=7).contains(&ticks.len()), "{seconds}: {ticks:?}");
            assert!(ticks.iter().all(|tick| (0.0..100.0).contains(&tick.left)), "{seconds}: {ticks:?}");
        }
    }

    #[test]
    fn a_tick_stands_where_its_moment_is() {
        let ticks = ticks("2026-11-30T12:00:00Z".parse().unwrap(), 2 * DAY);
        let noon = ticks.iter().find(|tick| tick.says == "12:00").unwrap();
        assert!((noon.left - 50.0).abs() < 1e-9 || noon.left.abs() < 1e-9, "{ticks:?}");
        let midnight = ticks.iter().find(|tick| tick.says == "Dec 1").unwrap();
        assert!((midnight.left - 25.0).abs() < 1e-9, "{ticks:?}");
    }
}
