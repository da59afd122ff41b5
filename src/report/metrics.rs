//! [`StoreFigures`] as metrics of Prometheus: what one-shot runs write for node_exporter's textfile collector.
//!
//! Every name and its help stand in [`FAMILIES`], once. The figures are those of the store: whoever shares it
//! accumulates them, whatever process does the work.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::exposition::{Family, Page, seconds, whole};
use super::period::Figures;
use crate::run::RunStatus;

/// How long ago the runs began, in seconds, that the figures of the last day count.
pub const DAY_SECONDS: i64 = 86_400;

const RUNS: Family = Family::gauge("amflow_store_runs", "Runs in the store, by playbook and status.");
const LAST_RUN: Family =
    Family::gauge("amflow_store_last_run_timestamp_seconds", "When the last run of a playbook started.");
const PUT_OFF: Family =
    Family::gauge("amflow_store_put_off", "Targets that were put off and are offered again.");
const BREAKER: Family =
    Family::gauge("amflow_store_breaker_open", "Whether the breaker of a playbook is open.");
const PAUSED: Family =
    Family::gauge("amflow_store_paused", "Whether a playbook is paused; the empty name is all of them.");
const DAY_ALERTS: Family = Family::gauge(
    "amflow_last_day_alerts",
    "Alerts worked on by runs that started in the last 24 hours, by how they went on.",
);
const DAY_UNCHANGED: Family = Family::gauge(
    "amflow_last_day_runs_unchanged",
    "Runs that started in the last 24 hours and changed nothing.",
);
const DAY_HANDLING: Family = Family::gauge(
    "amflow_last_day_handling_seconds",
    "Handling time T of alerts in the last 24 hours, added up over the alerts.",
);
const DAY_EFFICIENCY: Family = Family::gauge(
    "amflow_last_day_efficiency_ratio",
    "Efficiency E in the last 24 hours: handling time over the time that alerts were firing.",
);
const DAY_RECOVERY: Family = Family::gauge(
    "amflow_last_day_recovery_seconds",
    "Recovery time R of alerts in the last 24 hours, added up over those that recovered.",
);
const WRITTEN: Family =
    Family::gauge("amflow_store_written_timestamp_seconds", "When these figures were written.");

/// Every metric of a store, all of them gauges.
pub const FAMILIES: [Family; 11] = [
    RUNS,
    LAST_RUN,
    PUT_OFF,
    BREAKER,
    PAUSED,
    DAY_ALERTS,
    DAY_UNCHANGED,
    DAY_HANDLING,
    DAY_EFFICIENCY,
    DAY_RECOVERY,
    WRITTEN,
];

/// What is known of a store.
#[derive(Clone, Debug, Default)]
pub struct StoreFigures {
    /// Runs by playbook and status.
    pub runs: BTreeMap<(String, &'static str), u64>,
    /// When the last run of each playbook started.
    pub last_run: BTreeMap<String, Timestamp>,
    /// Targets that were put off, by playbook.
    pub put_off: BTreeMap<String, u64>,
    /// Breakers by playbook: whether each is open.
    pub breakers: BTreeMap<String, bool>,
    /// Pauses in force, by playbook; the empty name is all of them.
    pub paused: BTreeMap<String, bool>,
    /// Over the runs that started in the last [`DAY_SECONDS`].
    pub day: Figures,
    /// The present.
    pub at: Timestamp,
}

impl StoreFigures {
    /// Counts runs of a playbook and a status.
    pub fn count(&mut self, playbook: &str, status: RunStatus, runs: u64, last: Timestamp) {
        *self.runs.entry((playbook.to_owned(), status.as_str())).or_default() += runs;
        let known = self.last_run.entry(playbook.to_owned()).or_insert(last);
        *known = last.max(*known);
    }
}

/// Writes the figures in the text format of Prometheus.
pub fn store_metrics(figures: &StoreFigures) -> String {
    let mut page = Page::default();
    page.family(RUNS);
    for ((playbook, status), runs) in &figures.runs {
        page.sample(&[("playbook", playbook), ("status", status)], whole(*runs));
    }
    page.family(LAST_RUN);
    for (playbook, at) in &figures.last_run {
        page.sample(&[("playbook", playbook)], seconds(*at));
    }
    page.family(PUT_OFF);
    for (playbook, targets) in &figures.put_off {
        page.sample(&[("playbook", playbook)], whole(*targets));
    }
    for (family, states) in [(BREAKER, &figures.breakers), (PAUSED, &figures.paused)] {
        page.family(family);
        for (playbook, is) in states {
            page.sample(&[("playbook", playbook)], f64::from(u8::from(*is)));
        }
    }
    let day = &figures.day;
    page.family(DAY_ALERTS);
    let alerts = [("recovered", day.recovered), ("firing", day.still_firing), ("unknown", day.unknown)];
    for (state, alerts) in alerts {
        page.sample(&[("state", state)], whole(alerts));
    }
    page.single(DAY_UNCHANGED, whole(day.unchanged));
    page.single(DAY_HANDLING, day.handling_seconds);
    if let Some(efficiency) = day.efficiency {
        page.single(DAY_EFFICIENCY, efficiency);
    }
    page.single(DAY_RECOVERY, day.recovery_seconds);
    page.single(WRITTEN, seconds(figures.at));
    page.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_named_once_with_a_help_and_values_are_escaped() {
        let mut figures = StoreFigures::default();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        figures.count("a\"b\\c\nd", RunStatus::Succeeded, 2, at);
        figures.count("a\"b\\c\nd", RunStatus::Failed, 1, Timestamp::UNIX_EPOCH);
        figures.breakers.insert("p".to_owned(), true);
        figures.paused.insert(String::new(), true);
        figures.put_off.insert("p".to_owned(), 3);
        figures.day.efficiency = Some(0.25);
        figures.at = at;
        let text = store_metrics(&figures);
        for family in FAMILIES {
            let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
            assert_eq!(lines(&format!("# HELP {} ", family.name)), 1, "{}\n{text}", family.name);
            assert_eq!(lines(&format!("# TYPE {} gauge", family.name)), 1, "{}", family.name);
        }
        for line in [
            r#"amflow_store_runs{playbook="a\"b\\c\nd",status="succeeded"} 2"#,
            r#"amflow_store_last_run_timestamp_seconds{playbook="a\"b\\c\nd"} 1800000000"#,
            r#"amflow_store_breaker_open{playbook="p"} 1"#,
            r#"amflow_store_paused{playbook=""} 1"#,
            "amflow_last_day_efficiency_ratio 0.25",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
