//! Figures in words, the same in every form of the report.

use std::time::Duration;

use jiff::Timestamp;

use super::figures::{Figures, PeriodReport};
use crate::model::format_duration;

/// What stands where nothing is known.
pub(super) const NONE: &str = "-";

/// Returns a time span as people say it: no more digits than matter, two units at most.
pub(super) fn span(seconds: f64) -> String {
    let rounded = match seconds {
        s if s < 60.0 => return format!("{s:.1}s"),
        s if s < 3_600.0 => s.round(),
        s if s < 86_370.0 => (s / 60.0).round() * 60.0,
        s if s < 8_638_200.0 => (s / 3_600.0).round() * 3_600.0,
        s => (s / 86_400.0).round() * 86_400.0,
    };
    Duration::try_from_secs_f64(rounded).map_or_else(|_| format!("{rounded:.0}s"), format_duration)
}

pub(super) fn span_or_none(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| NONE.to_owned(), span)
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

pub(super) fn percent_or_none(share: Option<f64>) -> String {
    share.map_or_else(|| NONE.to_owned(), percent)
}

/// Returns a part of a whole as a share; nothing of nothing is none.
#[expect(clippy::cast_precision_loss, reason = "so many runs are not")]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Returns what the report is about: its period, and what it leaves out.
pub(super) fn about(report: &PeriodReport) -> String {
    let mut about = format!("{} to {}", moment(report.since), moment(report.until));
    if let Some(playbook) = &report.playbook {
        about.push_str(&format!(", playbook {playbook}"));
    }
    if !report.matchers.is_empty() {
        about.push_str(&format!(", alerts {{{}}}", report.matchers.join(", ")));
    }
    about
}

/// Returns how runs ended, those kinds that happened.
pub(super) fn outcomes(figures: &Figures) -> Vec<(&'static str, u64)> {
    let o = figures.outcomes;
    let all = [
        ("succeeded", o.succeeded),
        ("failed", o.failed),
        ("cancelled", o.cancelled),
        ("rejected", o.rejected),
        ("unfinished", o.unfinished),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Returns the headings of [`cells`].
pub(super) const HEADS: [&str; 9] =
    ["RUNS", "SUCCEEDED", "FAILED", "OTHER", "UNCHANGED", "T", "E", "R/m", "p90"];

/// Returns one line of a table of groups, after the group's name.
pub(super) fn cells(figures: &Figures) -> [String; 9] {
    let o = figures.outcomes;
    [
        figures.runs.to_string(),
        o.succeeded.to_string(),
        o.failed.to_string(),
        (o.cancelled + o.rejected + o.unfinished).to_string(),
        figures.unchanged.to_string(),
        span(figures.handling_seconds),
        percent_or_none(figures.efficiency),
        span_or_none(figures.recovery_seconds_per_alert),
        span_or_none(figures.time_to_recovery.map(|p| p.p90)),
    ]
}

/// Returns the lines of the summary: a name and what it says.
pub(super) fn summary(report: &PeriodReport) -> Vec<(&'static str, String)> {
    let f = &report.total;
    let listed: Vec<_> = outcomes(f).iter().map(|(word, count)| format!("{count} {word}")).collect();
    let listed = if listed.is_empty() { String::new() } else { format!(": {}", listed.join(", ")) };
    let mut lines = vec![("runs", format!("{}{listed}", f.runs))];
    if let Some(noise) = share(f.unchanged, f.runs) {
        lines.push(("noise", format!("{} ({}) changed nothing", f.unchanged, percent(noise))));
    }
    lines.push((
        "alerts",
        format!("{}: {} recovered, {} firing, {} unknown", f.alerts, f.recovered, f.still_firing, f.unknown),
    ));
    lines.push((
        "handling time T",
        format!("{}, {} per alert", span(f.handling_seconds), span_or_none(f.handling_seconds_per_alert)),
    ));
    lines.push((
        "efficiency E",
        format!("{} of {} firing", percent_or_none(f.efficiency), span(f.firing_seconds)),
    ));
    lines.push((
        "recovery time R",
        format!("{}, {} per alert", span(f.recovery_seconds), span_or_none(f.recovery_seconds_per_alert)),
    ));
    if let Some(p) = f.time_to_recovery {
        lines.push((
            "time to recovery",
            format!("p50 {}, p90 {}, p99 {}", span(p.p50), span(p.p90), span(p.p99)),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_no_more_digits_than_matter() {
        for (seconds, said) in [
            (0.0, "0.0s"),
            (2.345, "2.3s"),
            (59.9, "59.9s"),
            (61.4, "1m1s"),
            (3_600.0, "1h"),
            (86_369.0, "23h59m"),
            (86_370.0, "1d"),
            (90_061.0, "1d1h"),
            (5_440_800.0, "62d23h"),
            (8_638_199.0, "99d23h"),
            (8_638_200.0, "100d"),
            (10_472_520.0, "121d"),
        ] {
            assert_eq!(span(seconds), said);
        }
    }
}
