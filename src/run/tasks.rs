//! [`TaskState`]: the tasks of a run as its journal tells them, open and decided ones.

use jiff::Timestamp;

use super::event::{RunEvent, Signal, Stamped};
use super::state::{Node, Run};
use crate::step::{Decision, Outcome, Task};

/// A task of a run: what is asked, what was said, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    /// Path of the step that asks.
    pub step: String,
    /// Which attempt of it asks: it counts up when it asks again.
    pub attempt: u32,
    /// What is asked.
    pub task: Task,
    /// What people said to this step, in order.
    pub decisions: Vec<Decision>,
    /// Why it asked again, when it did.
    pub again: Option<String>,
    /// How it ended, and when; `None` while it is open.
    pub ended: Option<(Outcome, Timestamp)>,
}

/// Returns the tasks of a run in the order in which they were first asked, one for each step that asks: the last.
/// `waiting` are signals that are not in the journal yet.
pub fn tasks_of(journal: &[Stamped], waiting: &[Signal]) -> Vec<TaskState> {
    let mut tasks: Vec<TaskState> = Vec::new();
    let mut again: Vec<(String, String)> = Vec::new();
    let mut decisions: Vec<(String, Decision)> = Vec::new();
    for Stamped { at, event, .. } in journal {
        match event {
            RunEvent::AttemptContinued { path, attempt, memo, parked: true, for_person: true, .. } => {
                let Some(task) = Task::of_memo(memo) else { continue };
                let reason = again.iter().rev().find(|(step, _)| step == path).map(|(_, why)| why.clone());
                let state = TaskState {
                    step: path.clone(),
                    attempt: *attempt,
                    task,
                    decisions: Vec::new(),
                    again: reason,
                    ended: None,
                };
                match tasks.iter_mut().find(|known| known.step == *path) {
                    Some(known) => *known = state,
                    None => tasks.push(state),
                }
            }
            RunEvent::AttemptFinished { path, attempt, outcome, .. } => {
                if let Some(task) = tasks.iter_mut().find(|t| t.step == *path && t.attempt == *attempt) {
                    task.ended = Some((outcome.clone(), *at));
                }
            }
            RunEvent::AskedAgain { path, reason, .. } => again.push((path.clone(), reason.clone())),
            RunEvent::SignalReceived(signal) => {
                decisions.extend(signal.kind.decision(*at).map(|(step, said)| (step.to_owned(), said)));
            }
            RunEvent::RunEnding { .. } | RunEvent::RunFinished { .. } => {
                for task in tasks.iter_mut().filter(|task| task.ended.is_none()) {
                    task.ended = Some((Outcome::Cancelled, *at));
                }
            }
            _ => {}
        }
    }
    let heard = journal.last().map_or(Timestamp::UNIX_EPOCH, |last| last.at);
    decisions.extend(
        waiting.iter().filter_map(|s| s.kind.decision(heard).map(|(step, said)| (step.to_owned(), said))),
    );
    for task in &mut tasks {
        let of_it = decisions.iter().filter(|(step, _)| *step == task.step);
        task.decisions = of_it.map(|(_, said)| said.clone()).collect();
    }
    tasks
}

impl Run {
    /// Says at which steps the run waits for a time, for listings.
    pub fn waits_where(&self) -> String {
        let waits = |node: &Node| match &node.attempt {
            Some(attempt) => attempt.parked.is_some_and(|parked| !parked.for_person),
            None => node.outcome.is_none() && node.retry_due.is_some(),
        };
        let paths: Vec<_> =
            self.nodes.iter().filter(|(_, node)| waits(node)).map(|(path, _)| path.as_str()).collect();
        if paths.is_empty() { "waits".to_owned() } else { format!("waits at {}", paths.join(", ")) }
    }

    /// Says for whom the run waits, for listings.
    pub fn waits_for_whom(&self) -> String {
        let tasks = self.nodes.iter().filter_map(|(path, node)| {
            let attempt = node.attempt.as_ref().filter(|a| a.parked.is_some_and(|p| p.for_person))?;
            Some(Task::of_memo(&attempt.memo)?.waits_for(path))
        });
        let tasks: Vec<String> = tasks.collect();
        if tasks.is_empty() { "waits for a person".to_owned() } else { tasks.join("; ") }
    }

    /// Returns what people said to a step, in order.
    pub fn decisions_of(&self, path: &str) -> Vec<Decision> {
        let of_it = self.decisions.iter().filter(|(step, _)| step == path);
        of_it.map(|(_, decision)| decision.clone()).collect()
    }
}
