//! [`Planned`]: what a run would do, step by step, without doing it. A step whose effect depends on the
//! output of one before it is shown as such, never filled with a stand-in. What is known without doing
//! anything (`set`, replies that somebody has) is known to the steps after it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::event::RunEvent;
use super::machine::Machine;
use super::walk::Walk;
use crate::playbook::{Body, Step};
use crate::step::{Action, ActionContext, Effect, FailureReason, Hold, Memo, Move, Outcome, Reply};

/// One step as a plan shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its path.
    pub path: String,
    /// Its name, for people.
    pub name: String,
    /// How deep it stands in blocks, from 0.
    pub depth: usize,
    /// What its kind says of it, from the author's text.
    pub summary: String,
    /// Its `when`, which may still skip it, as written.
    pub when: Option<String>,
    /// What it would do.
    pub does: PlannedMove,
    /// It changes nothing and is sure to come, so that a plan may do it.
    pub read_only: bool,
    /// How long one attempt of it may take; `None`: as long as it needs.
    pub timeout: Option<Duration>,
    /// A failure of it does not end its list.
    pub continue_on_error: bool,
}

/// The steps of one part of a playbook, in its order: `steps`, `on_failure`, `finally`.
pub type PlannedPart = (&'static str, Vec<Planned>);

/// Returns the next effect that may be performed to know more: one that changes nothing, before anything
/// that does. After that the world would be another one.
pub fn next_to_read(parts: &[PlannedPart]) -> Option<(&Planned, &Effect)> {
    let (_, steps) = parts.iter().find(|(part, _)| *part == "steps")?;
    for planned in steps {
        match &planned.does {
            PlannedMove::Glue | PlannedMove::Group(_) | PlannedMove::Skipped => {}
            PlannedMove::Did { outcome, .. } if outcome.is_good() || planned.continue_on_error => {}
            PlannedMove::Effect(effect) => {
                let reads = match **effect {
                    Effect::Command(_) | Effect::Request(_) | Effect::Query(_) => planned.read_only,
                    Effect::Sighting(_) | Effect::Hold(_) => false,
                };
                return reads.then_some((planned, effect));
            }
            PlannedMove::Did { .. }
            | PlannedMove::Hold(_)
            | PlannedMove::Wait
            | PlannedMove::NotYetKnown(_)
            | PlannedMove::Fails(_) => return None,
        }
    }
    None
}

/// What a planned step would do, as far as that is known.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedMove {
    /// Perform this effect first.
    Effect(Box<Effect>),
    /// Make this hold.
    Hold(Box<Hold>),
    /// Wait.
    Wait,
    /// Nothing outside amflow.
    Glue,
    /// It was done for the plan, because it changes nothing.
    Did {
        /// How it ended.
        outcome: Outcome,
        /// What `steps.<id>` gives of it.
        output: Value,
    },
    /// Contain the steps that follow, one deeper.
    Group(&'static str),
    /// Its effect depends on what is known only then.
    NotYetKnown(String),
    /// It would fail.
    Fails(String),
    /// Skipped: its `when` is false already.
    Skipped,
}

impl Machine {
    /// Returns what the run would do, in the order of the playbook: steps, then `on_failure`, then `finally`.
    /// `replies` are those that are known already, by the path of the step.
    pub fn preview(&mut self, replies: &BTreeMap<String, Reply>) -> Vec<PlannedPart> {
        let playbook = self.playbook.clone();
        let parts = [
            ("steps", &playbook.steps, "", Walk::main(false)),
            ("on_failure", &playbook.on_failure, "on_failure/", Walk::main(false)),
            ("finally", &playbook.finally, "finally/", Walk::finally(None, false)),
        ];
        let so_far = self.run.clone();
        let planned = parts
            .into_iter()
            .filter(|(_, steps, ..)| !steps.is_empty())
            .map(|(part, steps, prefix, cx)| {
                let mut preview = Preview { replies, certain: part == "steps", out: Vec::new() };
                self.preview_list(steps, prefix, 0, &cx, &mut preview);
                (part, preview.out)
            })
            .collect();
        self.run = so_far;
        planned
    }

    fn preview_list(&mut self, steps: &[Step], prefix: &str, depth: usize, cx: &Walk, out: &mut Preview<'_>) {
        for step in steps {
            let path = format!("{prefix}{}", step.id);
            let Some(list) = &step.foreach else {
                self.preview_step(step, &path, depth, cx, out);
                continue;
            };
            let scope = self.scope(&path, cx);
            if let Ok(items) = scope.map_err(|_| ()).and_then(|s| list.eval(&s).map_err(|_| ())) {
                let items = super::scope::to_json(&items);
                for (n, item) in items.as_array().into_iter().flatten().enumerate() {
                    let turn = format!("{path}[{n}]");
                    let mut inner = cx.clone();
                    inner.items.push((turn.clone(), item.clone()));
                    self.preview_step(step, &turn, depth, &inner, out);
                }
            } else {
                let why = format!("once for each of `{}`", list.source());
                self.push(step, &path, depth, PlannedMove::NotYetKnown(why), out);
            }
        }
    }

    fn preview_step(&mut self, step: &Step, path: &str, depth: usize, cx: &Walk, out: &mut Preview<'_>) {
        let when = step
            .when
            .as_ref()
            .map_or(Some(true), |when| self.scope(path, cx).ok().and_then(|scope| when.is_true(&scope).ok()));
        if when == Some(false) {
            self.push(step, path, depth, PlannedMove::Skipped, out);
            if out.certain {
                self.suppose(path, Outcome::Skipped { reason: "`when` is false".to_owned() }, Value::Null);
            }
            return;
        }
        let certain = out.certain;
        out.certain &= when.is_some();
        match &step.body {
            Body::Action(action) => {
                let does = self.preview_action(action.as_ref(), path, cx, out);
                self.push(step, path, depth, does, out);
            }
            Body::Block(block) => {
                self.push(step, path, depth, PlannedMove::Group("block"), out);
                self.preview_list(&block.steps, &format!("{path}/"), depth + 1, cx, out);
                out.certain = false;
                self.preview_list(&block.on_failure, &format!("{path}/on_failure/"), depth + 1, cx, out);
                self.preview_list(&block.finally, &format!("{path}/finally/"), depth + 1, cx, out);
            }
            Body::Parallel(branches) => {
                self.push(step, path, depth, PlannedMove::Group("parallel"), out);
                self.preview_list(branches, &format!("{path}/"), depth + 1, cx, out);
            }
        }
        out.certain = certain;
    }

    #[expect(clippy::unused_self, reason = "reads like its neighbours")]
    fn push(&self, step: &Step, path: &str, depth: usize, does: PlannedMove, out: &mut Preview<'_>) {
        let (summary, harmless) = match &step.body {
            Body::Action(action) => (action.summary(), action.changes_nothing()),
            Body::Block(_) => ("block".to_owned(), false),
            Body::Parallel(_) => ("parallel".to_owned(), false),
        };
        out.out.push(Planned {
            path: path.to_owned(),
            name: step.name.clone(),
            depth,
            summary,
            when: step.when.as_ref().map(|when| when.source().to_owned()),
            does,
            read_only: out.certain && (step.read_only || harmless),
            timeout: step.timeout,
            continue_on_error: step.continue_on_error,
        });
    }

    fn preview_action(
        &mut self,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
        out: &Preview<'_>,
    ) -> PlannedMove {
        let reply = out.replies.get(path);
        let first = match self.preview_move(action, path, cx, &Memo::Null, None) {
            Ok(first) => first,
            Err(does) => return does,
        };
        let (wanted, heard) = match (first, reply) {
            (Move::Do { memo, .. }, Some(reply)) => {
                match self.preview_move(action, path, cx, &memo, Some(reply)) {
                    Ok(next) => (next, true),
                    Err(does) => return does,
                }
            }
            (first, _) => (first, false),
        };
        match wanted {
            // After a reply it would ask again, a little later.
            Move::Do { .. } if heard => PlannedMove::Wait,
            Move::Do { effect: Effect::Sighting(_), .. } => PlannedMove::Wait,
            Move::Do { effect, .. } => PlannedMove::Effect(Box::new(effect)),
            Move::Hold { hold, .. } => PlannedMove::Hold(Box::new(hold)),
            Move::Park { .. } => PlannedMove::Wait,
            Move::Release { .. } => PlannedMove::Glue,
            Move::Done { outcome, output } => {
                let does = match &outcome {
                    _ if heard => PlannedMove::Did { outcome: outcome.clone(), output: output.clone() },
                    Outcome::Failed { message, reason, .. } if *reason != FailureReason::Fail => {
                        PlannedMove::Fails(message.clone())
                    }
                    _ => PlannedMove::Glue,
                };
                if out.certain {
                    self.suppose(path, outcome, output);
                }
                does
            }
        }
    }

    fn preview_move(
        &mut self,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
        memo: &Memo,
        reply: Option<&Reply>,
    ) -> Result<Move, PlannedMove> {
        let scope = self.scope(path, cx).map_err(PlannedMove::Fails)?;
        let context = ActionContext {
            scope: &scope,
            run: &self.run.id,
            playbook: &self.run.started.playbook,
            path,
            attempt: 1,
            began: self.now,
            now: self.now,
            alerts: &self.run.alerts,
            resolved: &[],
        };
        action.advance(&context, memo, reply).map_err(|error| match error.reason {
            FailureReason::Template => PlannedMove::NotYetKnown(error.message),
            _ => PlannedMove::Fails(error.message),
        })
    }

    /// Takes a step for done, in this preview only, so that those after it see what it gives.
    fn suppose(&mut self, path: &str, outcome: Outcome, output: Value) {
        let (path, at) = (path.to_owned(), self.now);
        let attempt = RunEvent::AttemptFinished { path: path.clone(), attempt: 1, outcome, output };
        self.run.apply_at(&attempt, at);
        if let RunEvent::AttemptFinished { outcome, .. } = attempt {
            self.run.apply_at(&RunEvent::StepFinished { path, outcome }, at);
        }
    }
}

/// A preview under way.
struct Preview<'a> {
    replies: &'a BTreeMap<String, Reply>,
    /// Whether the steps are sure to come: nothing around them depends on what is not yet known.
    certain: bool,
    out: Vec<Planned>,
}
