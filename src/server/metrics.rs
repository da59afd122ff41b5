//! What `/metrics` says. Main type: [`Metrics`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::engine::{Receipt, RunEnd, RunEndKind, RunHeader, Service, gate_keys};
use crate::run::RunEvent;

/// Upper bounds of the buckets of histograms, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const RUN_BUCKETS: [f64; 12] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0];

/// Figures of one process since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    deliveries: BTreeMap<String, u64>,
    delivery_seconds: Histogram,
    alerts: u64,
    bad_alerts: u64,
    admissions: BTreeMap<(String, String), u64>,
    runs: BTreeMap<(String, String), u64>,
    run_seconds: BTreeMap<String, Histogram>,
    polls: BTreeMap<&'static str, u64>,
    polled_at: Option<Timestamp>,
    held_back: u64,
    decisions: BTreeMap<&'static str, u64>,
    steps: BTreeMap<(String, &'static str), u64>,
    retries: u64,
    reloads: BTreeMap<&'static str, u64>,
    reloaded_at: Option<Timestamp>,
    reload_failed: bool,
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        self.counts.resize(bounds.len(), 0);
        for (count, bound) in self.counts.iter_mut().zip(bounds) {
            *count += u64::from(value <= *bound);
        }
        self.count += 1;
        self.sum += value;
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn delivery(&self, result: &str) {
        *self.lock().deliveries.entry(result.to_owned()).or_default() += 1;
    }

    pub(super) fn delivery_took(&self, seconds: f64) {
        self.lock().delivery_seconds.observe(&BUCKETS, seconds.max(0.0));
    }

    pub(super) fn alerts(&self, read: u64, bad: u64) {
        let mut figures = self.lock();
        figures.alerts += read;
        figures.bad_alerts += bad;
    }

    pub(super) fn held_back(&self) {
        self.lock().held_back += 1;
    }

    pub(super) fn decided(&self, approve: bool) {
        *self.lock().decisions.entry(if approve { "approved" } else { "rejected" }).or_default() += 1;
    }

    /// Counts what happens in a run.
    pub fn happened(&self, run: &RunHeader, event: &RunEvent) {
        match event {
            RunEvent::AttemptFinished { outcome, .. } => {
                let key = (run.playbook.clone(), outcome.status());
                *self.lock().steps.entry(key).or_default() += 1;
            }
            RunEvent::AttemptStarted { attempt, .. } if *attempt > 1 => self.lock().retries += 1,
            _ => {}
        }
    }

    /// Counts verdicts.
    pub fn admitted(&self, receipt: &Receipt) {
        let mut figures = self.lock();
        for ((verdict, reason), count) in &receipt.reasons {
            let key = ((*verdict).to_owned(), reason.clone());
            *figures.admissions.entry(key).or_default() += *count as u64;
        }
    }

    /// Counts a run that was left.
    pub fn ended(&self, end: &RunEnd) {
        let RunEndKind::Finished(status) = &end.kind else { return };
        let mut figures = self.lock();
        let playbook = end.header.playbook.clone();
        let took = end.ended_at.duration_since(end.started_at).as_secs_f64().max(0.0);
        figures.run_seconds.entry(playbook.clone()).or_default().observe(&RUN_BUCKETS, took);
        *figures.runs.entry((playbook, status.as_str().to_owned())).or_default() += 1;
    }

    /// Counts a poll.
    pub fn polled(&self, worked: bool, now: Timestamp) {
        let mut figures = self.lock();
        *figures.polls.entry(if worked { "success" } else { "failure" }).or_default() += 1;
        if worked {
            figures.polled_at = Some(now);
        }
    }

    /// Counts a reload.
    pub fn reloaded(&self, worked: bool, now: Timestamp) {
        let mut figures = self.lock();
        *figures.reloads.entry(if worked { "success" } else { "failure" }).or_default() += 1;
        figures.reload_failed = !worked;
        if worked {
            figures.reloaded_at = Some(now);
        }
    }

    /// Returns everything in the text format of Prometheus.
    pub(super) async fn text(&self, service: &Service) -> String {
        let state = service.state();
        let engine = service.engine();
        let store = engine.store();
        let pauses = store.gates(gate_keys::pause("")).await;
        let breakers = store.gates(gate_keys::breaker("")).await;
        let mut page = Page::default();
        page.family("amflow_build_info", "gauge", "Which amflow this is.");
        page.sample("amflow_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.single(
            "amflow_runs_going",
            "gauge",
            "Runs of this process that are not over.",
            count(state.going),
        );
        let draining = f64::from(u8::from(state.draining));
        page.single("amflow_draining", "gauge", "Whether this process is about to end.", draining);
        page.single("amflow_playbooks", "gauge", "Playbooks in force.", count(state.playbooks));
        let up = f64::from(u8::from(pauses.is_ok() && breakers.is_ok()));
        page.single("amflow_store_up", "gauge", "Whether the store can be read.", up);
        if let Ok(pauses) = pauses {
            let now = engine.now();
            page.family("amflow_paused", "gauge", "Pauses in force, by playbook; `*` is all of them.");
            for (key, state) in &pauses {
                let playbook = key.split_once(':').map_or(key.as_str(), |(_, name)| name);
                let value = f64::from(u8::from(state.pause_in_force(now).is_some()));
                page.sample("amflow_paused", &[("playbook", playbook)], value);
            }
        }
        if let Ok(breakers) = breakers {
            page.family("amflow_breaker_open", "gauge", "Whether a playbook's breaker is open.");
            for (key, state) in &breakers {
                let playbook = key.split_once(':').map_or(key.as_str(), |(_, name)| name);
                let value = f64::from(u8::from(state.opened_at.is_some()));
                page.sample("amflow_breaker_open", &[("playbook", playbook)], value);
            }
        }
        self.lock().write(&mut page);
        page.text
    }
}

impl Figures {
    fn write(&self, page: &mut Page) {
        page.family(
            "amflow_deliveries_total",
            "counter",
            "Requests that brought alerts, by what became of them.",
        );
        for (result, n) in &self.deliveries {
            page.sample("amflow_deliveries_total", &[("result", result)], whole(*n));
        }
        let help = "How long deliveries took to be answered.";
        page.family("amflow_delivery_duration_seconds", "histogram", help);
        page.histogram("amflow_delivery_duration_seconds", &[], &BUCKETS, &self.delivery_seconds);
        page.single("amflow_alerts_received_total", "counter", "Alerts in deliveries.", whole(self.alerts));
        let help = "Alerts in deliveries that could not be read.";
        page.single("amflow_bad_alerts_total", "counter", help, whole(self.bad_alerts));
        page.family("amflow_admissions_total", "counter", "Verdicts on alerts and playbooks, by reason.");
        for ((verdict, reason), n) in &self.admissions {
            let labels = [("verdict", verdict.as_str()), ("reason", reason.as_str())];
            page.sample("amflow_admissions_total", &labels, whole(*n));
        }
        page.family("amflow_runs_total", "counter", "Runs that are over, by playbook and status.");
        for ((playbook, status), n) in &self.runs {
            let labels = [("playbook", playbook.as_str()), ("status", status.as_str())];
            page.sample("amflow_runs_total", &labels, whole(*n));
        }
        page.family("amflow_run_duration_seconds", "histogram", "How long runs took, from admission to end.");
        for (playbook, histogram) in &self.run_seconds {
            let labels = [("playbook", playbook.as_str())];
            page.histogram("amflow_run_duration_seconds", &labels, &RUN_BUCKETS, histogram);
        }
        page.family(
            "amflow_attempts_total",
            "counter",
            "Attempts of steps that ended, by playbook and outcome.",
        );
        for ((playbook, outcome), n) in &self.steps {
            let labels = [("playbook", playbook.as_str()), ("outcome", *outcome)];
            page.sample("amflow_attempts_total", &labels, whole(*n));
        }
        let help = "Attempts of steps that were not the first.";
        page.single("amflow_retries_total", "counter", help, whole(self.retries));
        page.family("amflow_decisions_total", "counter", "Decisions of people by link and API.");
        for (decision, n) in &self.decisions {
            page.sample("amflow_decisions_total", &[("decision", decision)], whole(*n));
        }
        page.family("amflow_polls_total", "counter", "Polls of Alertmanager.");
        for (result, n) in &self.polls {
            page.sample("amflow_polls_total", &[("result", result)], whole(*n));
        }
        if let Some(at) = self.polled_at {
            let help = "When Alertmanager last answered a poll.";
            page.single("amflow_last_poll_timestamp_seconds", "gauge", help, seconds(at));
        }
        let help = "Requests that were held back because their client made too many.";
        page.single("amflow_requests_held_back_total", "counter", help, whole(self.held_back));
        let good = f64::from(u8::from(!self.reload_failed));
        let help = "Whether the last reload of configuration and playbooks succeeded.";
        page.single("amflow_config_last_reload_successful", "gauge", help, good);
        if let Some(at) = self.reloaded_at {
            let help = "When configuration and playbooks were last put in force.";
            page.single("amflow_config_last_reload_success_timestamp_seconds", "gauge", help, seconds(at));
        }
    }
}

/// A page in the text format of Prometheus.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], bounds: &[f64], histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        for (n, bound) in bounds.iter().enumerate() {
            let bound = bound.to_string();
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&bucket, &labels, whole(histogram.counts.get(n).copied().unwrap_or(0)));
        }
        let labels_of_all: Vec<_> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.sample(&bucket, &labels_of_all, whole(histogram.count));
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, whole(histogram.count));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is not met")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn count(count: usize) -> f64 {
    whole(count as u64)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
