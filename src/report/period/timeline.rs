//! Where runs stand on the timeline of the page: lanes by playbook, rows for what ran at the same time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::figures::{PeriodReport, TimelineRun};

/// Lanes, at most: those with the most runs.
const MOST_LANES: usize = 16;
/// Rows of a lane, at most; what finds no free one is drawn over others.
const MOST_ROWS: usize = 5;
/// Ticks of the axis.
const TICKS: u32 = 6;

/// The runs of a playbook.
#[derive(Debug, PartialEq)]
pub(super) struct Lane<'r> {
    pub(super) playbook: &'r str,
    pub(super) rows: usize,
    pub(super) bars: Vec<Bar<'r>>,
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
    let mut bars = Vec::with_capacity(runs.len());
    for &run in runs {
        let left = place(report, run.started_at);
        let width = (place(report, run.ended_at.unwrap_or(report.made_at)) - left).max(0.0);
        let row = match free_from.iter().position(|free| *free <= left) {
            Some(row) => row,
            None if free_from.len() < MOST_ROWS => {
                free_from.push(0.0);
                free_from.len() - 1
            }
            None => 0,
        };
        // A short bar is drawn wider than it is, so that it can be seen.
        free_from[row] = left + width.max(0.5);
        bars.push(Bar { run, row, left, width });
    }
    Lane { playbook, rows: free_from.len(), bars }
}

/// Returns the ticks of the axis: where they stand, in percent, and their moments.
pub(super) fn ticks(report: &PeriodReport) -> Vec<(f64, Timestamp)> {
    let (from, to) = (report.since.as_second(), report.until.as_second());
    let moment = |n: u32| Timestamp::from_second(from + (to - from) * i64::from(n) / i64::from(TICKS));
    (0..TICKS).filter_map(|n| Some((100.0 * f64::from(n) / f64::from(TICKS), moment(n).ok()?))).collect()
}

/// Returns where a moment stands, in percent.
#[expect(clippy::cast_precision_loss, reason = "a pixel is enough")]
fn place(report: &PeriodReport, at: Timestamp) -> f64 {
    let since = report.since.as_millisecond();
    let length = (report.until.as_millisecond() - since).max(1) as f64;
    (100.0 * (at.as_millisecond() - since) as f64 / length).clamp(0.0, 100.0)
}
