//! What `/metrics` says. Main type: [`Metrics`]; every metric stands in [`FAMILIES`].

mod families;
mod performer;
mod watches;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;

pub use families::FAMILIES;
pub use performer::Metered;

use self::families as f;
use crate::engine::{Receipt, RunEnd, RunEndKind, RunHeader, Service, StoreError, gate_keys};
use crate::report::{Bounds, Exporter, Histogram, Page, TraceFigures, seconds, whole};
use crate::run::{RunEvent, Stamped};

/// What becomes of deliveries.
const RESULTS: [&str; 8] =
    ["taken", "rejected", "unauthorized", "broken", "slow", "draining", "full", "store"];

/// Figures of one process since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    figures: Mutex<Figures>,
    traces: OnceLock<Exporter>,
}

#[derive(Debug)]
struct Figures {
    deliveries: BTreeMap<&'static str, u64>,
    delivery_seconds: Histogram,
    alerts: u64,
    bad_alerts: u64,
    admissions: BTreeMap<(String, String), u64>,
    runs: BTreeMap<(String, &'static str), u64>,
    run_seconds: BTreeMap<String, Histogram>,
    attempts: BTreeMap<(String, &'static str), u64>,
    attempt_seconds: BTreeMap<String, Histogram>,
    /// When the attempts that are under way began, by run and path.
    under_way: BTreeMap<(String, String), Timestamp>,
    retries: u64,
    polls: Outcomes,
    poll_seconds: Histogram,
    polled_at: Option<Timestamp>,
    /// By peer, what was asked, and what came of it.
    peer_requests: BTreeMap<(String, &'static str, &'static str), u64>,
    peer_seconds: BTreeMap<&'static str, Histogram>,
    /// By kind, what was done, and whether it was done.
    holds: BTreeMap<(&'static str, &'static str), Outcomes>,
    held_back: u64,
    decisions: BTreeMap<&'static str, u64>,
    reloads: Outcomes,
    reloaded_at: Option<Timestamp>,
    reload_failed: bool,
    commits: u64,
    committed_writes: u64,
    commit_seconds: Histogram,
    write_seconds: Histogram,
    read_seconds: Histogram,
    store_errors: BTreeMap<&'static str, u64>,
}

/// How often something worked, and how often it did not.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    good: u64,
    bad: u64,
}

impl Outcomes {
    fn count(&mut self, worked: bool) {
        *if worked { &mut self.good } else { &mut self.bad } += 1;
    }

    fn each(self) -> [(&'static str, u64); 2] {
        [("success", self.good), ("failure", self.bad)]
    }
}

impl Default for Figures {
    /// What is known to happen begins with 0, so that the first time is seen as a change.
    fn default() -> Figures {
        let zero = |names: &[&'static str]| names.iter().map(|name| (*name, 0)).collect();
        let mut holds = BTreeMap::new();
        for kind in performer::KINDS {
            holds.extend(performer::ACTIONS.map(|action| ((kind, action), Outcomes::default())));
        }
        let (short, by_playbook) = (|| Histogram::new(f::SHORT), BTreeMap::new);
        Figures {
            deliveries: zero(&RESULTS),
            delivery_seconds: short(),
            alerts: 0,
            bad_alerts: 0,
            admissions: BTreeMap::new(),
            runs: BTreeMap::new(),
            run_seconds: by_playbook(),
            attempts: BTreeMap::new(),
            attempt_seconds: by_playbook(),
            under_way: BTreeMap::new(),
            retries: 0,
            polls: Outcomes::default(),
            poll_seconds: short(),
            polled_at: None,
            peer_requests: BTreeMap::new(),
            peer_seconds: BTreeMap::new(),
            holds,
            held_back: 0,
            decisions: zero(&["approved", "rejected"]),
            reloads: Outcomes::default(),
            reloaded_at: None,
            reload_failed: false,
            commits: 0,
            committed_writes: 0,
            commit_seconds: short(),
            write_seconds: short(),
            read_seconds: short(),
            store_errors: zero(&StoreError::REASONS),
        }
    }
}

/// Counts a value in the histogram of a key.
fn observe<K: Ord>(histograms: &mut BTreeMap<K, Histogram>, key: K, bounds: Bounds, value: f64) {
    histograms.entry(key).or_insert_with(|| Histogram::new(bounds)).observe(value);
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows also what becomes of the spans of traces.
    pub fn watch(&self, traces: Exporter) {
        // The first one stays: a process has one.
        let _ = self.traces.set(traces);
    }

    pub(super) fn delivery(&self, result: &'static str) {
        *self.lock().deliveries.entry(result).or_default() += 1;
    }

    pub(super) fn delivery_took(&self, seconds: f64) {
        self.lock().delivery_seconds.observe(seconds);
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
    pub fn happened(&self, run: &RunHeader, event: &Stamped) {
        match &event.event {
            RunEvent::AttemptStarted { path, attempt, .. } => {
                let mut figures = self.lock();
                figures.under_way.insert((run.run.clone(), path.clone()), event.at);
                figures.retries += u64::from(*attempt > 1);
            }
            RunEvent::AttemptFinished { path, outcome, .. } => {
                let mut figures = self.lock();
                let key = (run.playbook.clone(), outcome.status());
                *figures.attempts.entry(key).or_default() += 1;
                // One that began in a process before this is not known to have begun.
                if let Some(began) = figures.under_way.remove(&(run.run.clone(), path.clone())) {
                    let took = event.at.duration_since(began).as_secs_f64();
                    observe(&mut figures.attempt_seconds, run.playbook.clone(), f::LONG, took);
                }
            }
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
        let mut figures = self.lock();
        figures.under_way.retain(|(run, _), _| *run != end.header.run);
        let RunEndKind::Finished(status) = &end.kind else { return };
        let playbook = end.header.playbook.clone();
        let took = end.ended_at.duration_since(end.started_at).as_secs_f64();
        observe(&mut figures.run_seconds, playbook.clone(), f::LONG, took);
        *figures.runs.entry((playbook, status.as_str())).or_default() += 1;
    }

    /// Counts a poll that began and ended then.
    pub fn polled(&self, worked: bool, began: Timestamp, now: Timestamp) {
        let mut figures = self.lock();
        figures.polls.count(worked);
        figures.poll_seconds.observe(now.duration_since(began).as_secs_f64());
        if worked {
            figures.polled_at = Some(now);
        }
    }

    /// Counts a reload.
    pub fn reloaded(&self, worked: bool, now: Timestamp) {
        let mut figures = self.lock();
        figures.reloads.count(worked);
        figures.reload_failed = !worked;
        if worked {
            figures.reloaded_at = Some(now);
        }
    }

    /// Returns everything, as it is now.
    pub(super) async fn page(&self, service: &Service) -> Page {
        let state = service.state();
        let engine = service.engine();
        let store = engine.store();
        let pauses = store.gates(gate_keys::pause("")).await;
        let breakers = store.gates(gate_keys::breaker("")).await;
        let put_off = store.count_later().await;
        let yes = |is: bool| f64::from(u8::from(is));
        let up = pauses.is_ok() && breakers.is_ok() && put_off.is_ok();
        let mut page = Page::default();
        page.family(f::BUILD);
        page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.single(f::GOING, whole(state.going as u64));
        page.single(f::QUEUE_LIMIT, whole(state.limit as u64));
        page.family(f::PUT_OFF);
        for row in put_off.unwrap_or_default() {
            let labels = [("playbook", row.playbook.as_str()), ("reason", row.reason.as_str())];
            page.sample(&labels, whole(row.targets));
        }
        page.single(f::DRAINING, yes(state.draining));
        page.single(f::PLAYBOOKS, whole(state.playbooks as u64));
        page.family(f::HELD_BACK);
        state.held_back.keys().for_each(|playbook| page.sample(&[("playbook", playbook)], 1.0));
        let of = |key: &str| key.split_once(':').map_or(key, |(_, name)| name).to_owned();
        let now = engine.now();
        page.family(f::PAUSED);
        for (key, state) in pauses.unwrap_or_default() {
            page.sample(&[("playbook", &of(&key))], yes(state.pause_in_force(now).is_some()));
        }
        page.family(f::BREAKER);
        for (key, state) in breakers.unwrap_or_default() {
            page.sample(&[("playbook", &of(&key))], yes(state.opened_at.is_some()));
        }
        page.single(f::STORE_UP, yes(up));
        self.lock().write(&mut page);
        write_traces(&mut page, self.traces.get().map(Exporter::figures).unwrap_or_default());
        page
    }
}

fn write_traces(page: &mut Page, figures: TraceFigures) {
    page.single(f::SPANS_SENT, whole(figures.sent));
    page.single(f::SPANS_DROPPED, whole(figures.dropped));
    page.single(f::SPANS_WAITING, whole(figures.waiting as u64));
    page.single(f::TRACE_FAILURES, whole(figures.failures));
}

impl Figures {
    fn write(&self, page: &mut Page) {
        page.family(f::DELIVERIES);
        self.deliveries.iter().for_each(|(result, n)| page.sample(&[("result", result)], whole(*n)));
        page.family(f::DELIVERY_SECONDS);
        page.histogram(&[], &self.delivery_seconds);
        page.single(f::ALERTS, whole(self.alerts));
        page.single(f::BAD_ALERTS, whole(self.bad_alerts));
        page.single(f::REQUESTS_HELD_BACK, whole(self.held_back));
        page.family(f::ADMISSIONS);
        for ((verdict, reason), n) in &self.admissions {
            page.sample(&[("verdict", verdict), ("reason", reason)], whole(*n));
        }
        page.family(f::RUNS);
        for ((playbook, status), n) in &self.runs {
            page.sample(&[("playbook", playbook), ("status", status)], whole(*n));
        }
        page.family(f::RUN_SECONDS);
        for (playbook, histogram) in &self.run_seconds {
            page.histogram(&[("playbook", playbook)], histogram);
        }
        page.family(f::ATTEMPTS);
        for ((playbook, outcome), n) in &self.attempts {
            page.sample(&[("playbook", playbook), ("outcome", outcome)], whole(*n));
        }
        page.family(f::ATTEMPT_SECONDS);
        for (playbook, histogram) in &self.attempt_seconds {
            page.histogram(&[("playbook", playbook)], histogram);
        }
        page.single(f::RETRIES, whole(self.retries));
        page.family(f::DECISIONS);
        self.decisions.iter().for_each(|(decision, n)| page.sample(&[("decision", decision)], whole(*n)));
        self.write_sync(page);
        page.family(f::RELOADS);
        self.reloads.each().iter().for_each(|(result, n)| page.sample(&[("result", result)], whole(*n)));
        page.single(f::RELOADED, f64::from(u8::from(!self.reload_failed)));
        page.family(f::RELOADED_AT);
        self.reloaded_at.iter().for_each(|at| page.sample(&[], seconds(*at)));
        self.write_store(page);
    }

    fn write_sync(&self, page: &mut Page) {
        page.family(f::POLLS);
        self.polls.each().iter().for_each(|(result, n)| page.sample(&[("result", result)], whole(*n)));
        page.family(f::POLL_SECONDS);
        page.histogram(&[], &self.poll_seconds);
        page.family(f::POLLED_AT);
        self.polled_at.iter().for_each(|at| page.sample(&[], seconds(*at)));
        page.family(f::PEER_REQUESTS);
        for ((peer, request, result), n) in &self.peer_requests {
            page.sample(&[("peer", peer), ("request", request), ("result", result)], whole(*n));
        }
        page.family(f::PEER_SECONDS);
        for (request, histogram) in &self.peer_seconds {
            page.histogram(&[("request", request)], histogram);
        }
        page.family(f::HOLDS);
        for ((kind, action), outcomes) in &self.holds {
            for (result, n) in outcomes.each() {
                page.sample(&[("kind", kind), ("action", action), ("result", result)], whole(n));
            }
        }
    }

    fn write_store(&self, page: &mut Page) {
        page.single(f::COMMITS, whole(self.commits));
        page.single(f::COMMITTED, whole(self.committed_writes));
        for (family, histogram) in [
            (f::COMMIT_SECONDS, &self.commit_seconds),
            (f::WRITE_SECONDS, &self.write_seconds),
            (f::READ_SECONDS, &self.read_seconds),
        ] {
            page.family(family);
            page.histogram(&[], histogram);
        }
        page.family(f::STORE_ERRORS);
        self.store_errors.iter().for_each(|(reason, n)| page.sample(&[("reason", reason)], whole(*n)));
    }
}
