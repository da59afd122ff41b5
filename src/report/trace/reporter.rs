//! [`TraceReporter`]: makes the spans of runs from their events, and gives them to an [`Exporter`].

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exporter::Exporter;
use super::run_trace::RunTrace;
use crate::engine::{Reporter, RunEnd, RunHeader};
use crate::run::{RunEvent, Stamped};

/// Sees the events of runs.
pub struct TraceReporter {
    exporter: Exporter,
    runs: Mutex<HashMap<String, Known>>,
}

struct Known {
    trace: RunTrace,
    /// A run that is left may be taken up again before it is told that it was left.
    holders: u32,
}

impl TraceReporter {
    /// Makes one.
    pub fn new(exporter: Exporter) -> TraceReporter {
        TraceReporter { exporter, runs: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, run: &RunHeader, event: &Stamped) {
        let RunEvent::RunStarted(started) = &event.event else { return };
        let trace = RunTrace::begin(run, started, event.at);
        let mut runs = self.lock();
        let holders = runs.get(&run.run).map_or(0, |known| known.holders) + 1;
        runs.insert(run.run.clone(), Known { trace, holders });
    }
}

impl Reporter for TraceReporter {
    fn event(&self, run: &RunHeader, event: &Stamped) {
        // A run that began while nobody wanted spans is left out.
        if !self.exporter.is_on() {
            return;
        }
        self.begin(run, event);
        let mut ended = Vec::new();
        if let Some(known) = self.lock().get_mut(&run.run) {
            known.trace.see(event, &mut ended);
        }
        self.exporter.give(ended);
    }

    fn resumed(&self, run: &RunHeader, journal: &[Stamped], orphaned: bool) {
        let Some(first) = journal.first().filter(|_| self.exporter.is_on()) else { return };
        self.begin(run, first);
        let mut ended = Vec::new();
        if let Some(known) = self.lock().get_mut(&run.run) {
            journal.iter().for_each(|event| known.trace.see(event, &mut ended));
        }
        // A process that was killed may have kept what it had not yet sent: each span is the same when it comes
        // twice. One that left the run in order has sent it.
        if orphaned {
            self.exporter.give(ended);
        }
    }

    fn ended(&self, end: &RunEnd) {
        let mut runs = self.lock();
        if let Some(known) = runs.get_mut(&end.header.run) {
            known.holders = known.holders.saturating_sub(1);
            if known.holders == 0 {
                runs.remove(&end.header.run);
            }
        }
    }

    fn notice(&self, _text: &str) {}
}
