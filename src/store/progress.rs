//! [`Progress`]: what a batch of events changes of a run's line in listings.

use crate::run::{RunEvent, RunStatus, Signal};
use crate::step::Task;

/// What a batch of events says of the run as a whole.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Progress<'a> {
    /// Its status after them, when they change it, and why.
    pub(super) status: Option<(RunStatus, String)>,
    /// Signals that they took.
    pub(super) signals: Vec<&'a Signal>,
}

impl Progress<'_> {
    /// Reads a batch of events.
    pub(super) fn of(events: &[RunEvent]) -> Progress<'_> {
        let mut progress = Progress::default();
        for event in events {
            match event {
                RunEvent::RunStarted(_)
                | RunEvent::GateGranted { .. }
                | RunEvent::AttemptStarted { .. }
                | RunEvent::AttemptContinued { parked: false, .. }
                | RunEvent::AttemptFinished { .. } => {
                    progress.status = Some((RunStatus::Running, String::new()));
                }
                RunEvent::GateWanted { key } => {
                    progress.status = Some((RunStatus::Queued, queued(key)));
                }
                RunEvent::AttemptContinued { parked: true, path, for_person, memo, .. } => {
                    let reason = match Task::of_memo(memo) {
                        Some(task) => task.waits_for(path),
                        None if *for_person => format!("waits for a person at {path}"),
                        None => format!("waits at {path}"),
                    };
                    progress.status = Some((RunStatus::Waiting, reason));
                }
                RunEvent::RunEnding { reason, .. } => {
                    progress.status = Some((RunStatus::Running, reason.clone()));
                }
                RunEvent::RunFinished { status, reason } => {
                    progress.status = Some((*status, reason.clone()));
                }
                RunEvent::SignalReceived(signal) => progress.signals.push(signal),
                RunEvent::StepEntered { .. }
                | RunEvent::ForeachExpanded { .. }
                | RunEvent::RetryScheduled { .. }
                | RunEvent::StepFinished { .. }
                | RunEvent::RecheckFailed { .. }
                | RunEvent::AskedAgain { .. }
                | RunEvent::HoldWanted { .. }
                | RunEvent::HoldMade { .. }
                | RunEvent::HoldReleased { .. }
                | RunEvent::HoldFailed { .. }
                | RunEvent::TakenOver { .. }
                | RunEvent::ClockSet { .. }
                | RunEvent::Unknown => {}
            }
        }
        progress
    }

    /// Returns the status with which a run begins, and why: queued, when another run has its key.
    pub(super) fn at_start(events: &[RunEvent], waits_for: Option<&str>) -> (RunStatus, String) {
        match (Progress::of(events).status, waits_for) {
            (None | Some((RunStatus::Running, _)), Some(key)) => (RunStatus::Queued, queued(key)),
            (Some(status), _) => status,
            (None, None) => (RunStatus::Running, String::new()),
        }
    }

    /// Returns whether nothing follows.
    pub(super) fn is_over(&self) -> bool {
        self.status.as_ref().is_some_and(|(status, _)| status.is_final())
    }
}

fn queued(key: &str) -> String {
    format!("waits for the concurrency key `{key}`")
}
