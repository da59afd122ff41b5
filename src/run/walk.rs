//! The walk over a playbook's steps: what is done is passed over, what is under way goes on, what is
//! next begins. It is repeated after every change and finds the same place again, because all that it
//! knows is in the run's nodes.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::event::RunEvent;
use super::machine::Machine;
use super::state::Node;
use crate::model::format_duration;
use crate::playbook::{Block, Body, Step};
use crate::step::{FailureReason, Outcome};

/// Where in the playbook the walk is.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Items of the `foreach`s around, by the path of their turn.
    pub(super) items: Vec<(String, Value)>,
    /// The failed step and why, in handlers.
    pub(super) failed: Option<(String, String)>,
    /// Whether nothing new may start.
    pub(super) halt: bool,
    /// Whether what is under way is ended, too.
    pub(super) stop: bool,
    /// Whether a pause and re-checks don't apply: handlers.
    pub(super) handler: Handler,
}

/// In which part of the playbook the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    Main,
    OnFailure,
    Finally,
}

impl Walk {
    pub(super) fn main(halt: bool) -> Walk {
        Walk { items: Vec::new(), failed: None, halt, stop: halt, handler: Handler::Main }
    }

    pub(super) fn handler(failed: (String, String), halt: bool) -> Walk {
        Walk { failed: Some(failed), handler: Handler::OnFailure, ..Walk::main(halt) }
    }

    pub(super) fn finally(failed: Option<(String, String)>, halt: bool) -> Walk {
        Walk { failed, handler: Handler::Finally, ..Walk::main(halt) }
    }
}

/// How far a list is.
pub(super) enum Progress {
    /// Something is under way or waited for.
    Working,
    /// It is over.
    Done(Ended),
}

/// How a list ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    Good,
    Failed { step: String, reason: String },
    Rejected { step: String, by: String },
    Cancelled,
}

impl Machine {
    /// Works on steps in order.
    pub(super) fn visit_list(&mut self, steps: &[Step], prefix: &str, cx: &Walk) -> Progress {
        for step in steps {
            let path = format!("{prefix}{}", step.id);
            let Some(outcome) = self.visit_step(step, &path, cx) else { return Progress::Working };
            match outcome {
                outcome if outcome.is_good() => {}
                Outcome::Cancelled => return Progress::Done(Ended::Cancelled),
                Outcome::Rejected { by } => return Progress::Done(Ended::Rejected { step: path, by }),
                _ if step.continue_on_error => {}
                outcome => return Progress::Done(Ended::Failed { step: path, reason: outcome.reason() }),
            }
        }
        Progress::Done(Ended::Good)
    }

    fn visit_step(&mut self, step: &Step, path: &str, cx: &Walk) -> Option<Outcome> {
        if let Some(outcome) = self.run.nodes.get(path).and_then(|n| n.outcome.clone()) {
            return Some(outcome);
        }
        match &step.foreach {
            Some(list) => self.visit_foreach(step, list, path, cx),
            None => self.visit_turn(step, path, cx),
        }
    }

    fn visit_foreach(
        &mut self,
        step: &Step,
        list: &crate::template::Expression,
        path: &str,
        cx: &Walk,
    ) -> Option<Outcome> {
        let known = self.run.nodes.get(path).and_then(|n| n.items.clone());
        let items = match known {
            Some(items) => items,
            None if cx.halt => return Some(Outcome::Cancelled),
            None => match self.eval_list(list, path, cx) {
                Ok(items) => {
                    self.record(RunEvent::ForeachExpanded { path: path.to_owned(), items: items.clone() });
                    items
                }
                Err(message) => {
                    return Some(
                        self.finish(path, Outcome::failed_for_good(FailureReason::Template, message)),
                    );
                }
            },
        };
        let mut failed = None;
        for (n, item) in items.iter().enumerate() {
            let turn = format!("{path}[{n}]");
            let known = self.run.nodes.get(&turn).and_then(|n| n.outcome.clone());
            let outcome = if let Some(outcome) = known {
                outcome
            } else {
                let mut inner = cx.clone();
                inner.items.push((turn.clone(), item.clone()));
                self.visit_turn(step, &turn, &inner)?
            };
            match outcome {
                outcome if outcome.is_good() => {}
                Outcome::Cancelled | Outcome::Rejected { .. } => return Some(self.finish(path, outcome)),
                outcome => {
                    failed.get_or_insert_with(|| format!("item {n}: {}", outcome.reason()));
                    if !step.continue_on_error {
                        break;
                    }
                }
            }
        }
        let outcome = match failed {
            Some(message) => Outcome::failed_for_good(FailureReason::Block, message),
            None if items.is_empty() => Outcome::Skipped { reason: "foreach: the list is empty".to_owned() },
            None => Outcome::Succeeded,
        };
        Some(self.finish(path, outcome))
    }

    fn visit_turn(&mut self, step: &Step, path: &str, cx: &Walk) -> Option<Outcome> {
        let begun = self.run.nodes.get(path).is_some_and(|n| n.entered || n.attempts > 0);
        if !begun {
            if cx.halt {
                return Some(Outcome::Cancelled);
            }
            if let Some(when) = &step.when {
                let scope = match self.scope(path, cx) {
                    Ok(scope) => scope,
                    Err(message) => {
                        return Some(
                            self.finish(path, Outcome::failed_for_good(FailureReason::Template, message)),
                        );
                    }
                };
                match when.is_true(&scope) {
                    Ok(true) => {}
                    Ok(false) => {
                        return Some(
                            self.finish(path, Outcome::Skipped { reason: "`when` is false".to_owned() }),
                        );
                    }
                    Err(error) => {
                        let outcome =
                            Outcome::failed_for_good(FailureReason::Template, format!("when: {error}"));
                        return Some(self.finish(path, outcome));
                    }
                }
            }
            if !matches!(step.body, Body::Action(_)) {
                self.record(RunEvent::StepEntered { path: path.to_owned() });
            }
        }
        match &step.body {
            Body::Action(action) => self.visit_action(step, action.as_ref(), path, cx),
            Body::Block(block) => self.visit_block(step, block, path, cx),
            Body::Parallel(branches) => self.visit_parallel(branches, path, cx),
        }
    }

    fn visit_block(&mut self, step: &Step, block: &Block, path: &str, cx: &Walk) -> Option<Outcome> {
        let prefix = format!("{path}/");
        let mut inner = cx.clone();
        let late = self.block_deadline(step, path).is_some_and(|at| at <= self.now);
        inner.halt |= late;
        inner.stop |= late;
        let ended = match self.visit_list(&block.steps, &prefix, &inner) {
            Progress::Working => return None,
            Progress::Done(ended) => ended,
        };
        // Once its `on_failure` has begun, the block has failed, whatever reaches it after that.
        let handling = format!("{prefix}on_failure/");
        let failing = self.run.nodes.keys().any(|path| path.starts_with(&handling));
        let ended = match ended {
            Ended::Cancelled if failing || (late && !cx.halt) => Ended::Failed {
                step: path.to_owned(),
                reason: format!("no end within {}", format_duration(step.timeout.unwrap_or_default())),
            },
            ended => ended,
        };
        if let Ended::Failed { step: failed, reason } = &ended {
            let mut handler = cx.clone();
            handler.failed = Some((failed.clone(), reason.clone()));
            if cx.handler == Handler::Main {
                handler.handler = Handler::OnFailure;
            }
            if let Progress::Working = self.visit_list(&block.on_failure, &handling, &handler) {
                return None;
            }
        }
        let handling = format!("{prefix}finally/");
        let mut last = cx.clone();
        last.handler = Handler::Finally;
        last.halt = self.is_too_long(&handling);
        last.stop = last.halt;
        if let Ended::Failed { step, reason } = &ended {
            last.failed = Some((step.clone(), reason.clone()));
        }
        if let Progress::Working = self.visit_list(&block.finally, &handling, &last) {
            return None;
        }
        let outcome = match ended {
            Ended::Good => Outcome::Succeeded,
            Ended::Cancelled => Outcome::Cancelled,
            Ended::Rejected { by, .. } => Outcome::Rejected { by },
            Ended::Failed { step, reason } if step == path => {
                Outcome::failed_for_good(FailureReason::Block, reason)
            }
            Ended::Failed { step, reason } => {
                Outcome::failed_for_good(FailureReason::Block, format!("{step}: {reason}"))
            }
        };
        Some(self.finish(path, outcome))
    }

    /// Returns whether the `finally` of a block has taken longer than it may: it is not ended by what ends
    /// its block, but by a time limit of its own.
    fn is_too_long(&mut self, handling: &str) -> bool {
        let of_it = |(path, node): (&String, &Node)| path.starts_with(handling).then_some(node.began)?;
        let Some(began) = self.run.nodes.iter().filter_map(of_it).min() else { return false };
        let deadline = self.finally_deadline(began);
        self.wake_by(deadline);
        deadline <= self.now
    }

    fn block_deadline(&mut self, step: &Step, path: &str) -> Option<Timestamp> {
        let timeout = step.timeout?;
        let began = self.run.nodes.get(path)?.began?;
        let inside = format!("{path}/");
        let nodes = self.run.nodes.iter().filter(|(path, _)| path.starts_with(&inside));
        // People inside don't count, as they don't for the run.
        let mut asked = 0;
        for (_, node) in nodes {
            if node.asked.is_some() {
                return None;
            }
            asked += node.asked_ms;
        }
        let at = began.checked_add(timeout.saturating_add(Duration::from_millis(asked))).ok()?;
        self.wake_by(at);
        Some(at)
    }

    fn visit_parallel(&mut self, branches: &[Step], path: &str, cx: &Walk) -> Option<Outcome> {
        let mut working = false;
        let mut worst: Option<Outcome> = None;
        for branch in branches {
            let child = format!("{path}/{}", branch.id);
            match self.visit_step(branch, &child, cx) {
                None => working = true,
                Some(outcome) if outcome.is_good() => {}
                Some(Outcome::Cancelled) => worst = Some(Outcome::Cancelled),
                Some(Outcome::Rejected { by }) => worst = Some(Outcome::Rejected { by }),
                Some(_) if branch.continue_on_error => {}
                Some(outcome) => {
                    let message = format!("{child}: {}", outcome.reason());
                    worst.get_or_insert(Outcome::failed_for_good(FailureReason::Block, message));
                }
            }
        }
        if working {
            return None;
        }
        Some(self.finish(path, worst.unwrap_or(Outcome::Succeeded)))
    }

    pub(super) fn finish(&mut self, path: &str, outcome: Outcome) -> Outcome {
        self.record(RunEvent::StepFinished { path: path.to_owned(), outcome: outcome.clone() });
        outcome
    }

    fn eval_list(
        &mut self,
        list: &crate::template::Expression,
        path: &str,
        cx: &Walk,
    ) -> Result<Vec<Value>, String> {
        let scope = self.scope(path, cx)?;
        let value = list.eval(&scope).map_err(|e| format!("foreach: {e}"))?;
        match super::scope::to_json(&value) {
            Value::Array(items) => Ok(items),
            other => Err(format!("foreach: a list is needed, this is {}", kind_of(&other))),
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "none",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
