//! [`StoreFigures`] as metrics of Prometheus: what one-shot runs write for node_exporter's textfile collector.
//!
//! Every name and its help stand in [`FAMILIES`], once. The figures are those of the store: whoever shares it
//! accumulates them, whatever process does the work.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::period::Figures;
use crate::run::RunStatus;

/// What a metric is called, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its help.
    pub help: &'static str,
}

/// How long ago the runs began, in seconds, that the figures of the last day count.
pub const DAY_SECONDS: i64 = 86_400;

const RUNS: Family = Family { name: "amflow_store_runs", help: "Runs in the store, by playbook and status." };
const LAST_RUN: Family = Family {
    name: "amflow_store_last_run_timestamp_seconds",
    help: "When the last run of a playbook started.",
};
const PUT_OFF: Family =
    Family { name: "amflow_store_put_off", help: "Targets that were put off and are offered again." };
const BREAKER: Family =
    Family { name: "amflow_store_breaker_open", help: "Whether the breaker of a playbook is open." };
const PAUSED: Family = Family {
    name: "amflow_store_paused",
    help: "Whether a playbook is paused; the empty name is all of them.",
};
const DAY_ALERTS: Family = Family {
    name: "amflow_last_day_alerts",
    help: "Alerts worked on by runs that started in the last 24 hours, by how they went on.",
};
const DAY_UNCHANGED: Family = Family {
    name: "amflow_last_day_runs_unchanged",
    help: "Runs that started in the last 24 hours and changed nothing.",
};
const DAY_HANDLING: Family = Family {
    name: "amflow_last_day_handling_seconds",
    help: "Handling time T of alerts in the last 24 hours, added up over the alerts.",
};
const DAY_EFFICIENCY: Family = Family {
    name: "amflow_last_day_efficiency_ratio",
    help: "Efficiency E in the last 24 hours: handling time over the time that alerts were firing.",
};
const DAY_RECOVERY: Family = Family {
    name: "amflow_last_day_recovery_seconds",
    help: "Recovery time R of alerts in the last 24 hours, added up over those that recovered.",
};
const WRITTEN: Family =
    Family { name: "amflow_store_written_timestamp_seconds", help: "When these figures were written." };

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
        page.sample(RUNS, &[("playbook", playbook), ("status", status)], whole(*runs));
    }
    page.family(LAST_RUN);
    for (playbook, at) in &figures.last_run {
        page.sample(LAST_RUN, &[("playbook", playbook)], seconds(*at));
    }
    page.family(PUT_OFF);
    for (playbook, targets) in &figures.put_off {
        page.sample(PUT_OFF, &[("playbook", playbook)], whole(*targets));
    }
    for (family, states) in [(BREAKER, &figures.breakers), (PAUSED, &figures.paused)] {
        page.family(family);
        for (playbook, is) in states {
            page.sample(family, &[("playbook", playbook)], f64::from(u8::from(*is)));
        }
    }
    let day = &figures.day;
    page.family(DAY_ALERTS);
    let alerts = [("recovered", day.recovered), ("firing", day.still_firing), ("unknown", day.unknown)];
    for (state, alerts) in alerts {
        page.sample(DAY_ALERTS, &[("state", state)], whole(alerts));
    }
    page.single(DAY_UNCHANGED, whole(day.unchanged));
    page.single(DAY_HANDLING, day.handling_seconds);
    if let Some(efficiency) = day.efficiency {
        page.single(DAY_EFFICIENCY, efficiency);
    }
    page.single(DAY_RECOVERY, day.recovery_seconds);
    page.single(WRITTEN, seconds(figures.at));
    page.text
}

/// A page in the text format of Prometheus.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, family: Family) {
        let Family { name, help } = family;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn single(&mut self, family: Family, value: f64) {
        self.family(family);
        self.sample(family, &[], value);
    }

    fn sample(&mut self, family: Family, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{labels} {value}", family.name);
    }
}

/// Makes a label's value as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is not met")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
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
