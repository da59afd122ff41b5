//! [`Planned`]: what a run would do, step by step, without doing it. A step whose effect depends on the
//! output of one before it is shown as such, never filled with a stand-in.

use super::machine::Machine;
use super::walk::Walk;
use crate::playbook::{Body, Step};
use crate::step::{ActionContext, Effect, FailureReason, Hold, Memo, Move, Outcome};

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
    pub fn preview(&mut self) -> Vec<(&'static str, Vec<Planned>)> {
        let playbook = self.playbook.clone();
        let parts = [
            ("steps", &playbook.steps, "", Walk::main(false)),
            ("on_failure", &playbook.on_failure, "on_failure/", Walk::main(false)),
            ("finally", &playbook.finally, "finally/", Walk::finally(None, false)),
        ];
        parts
            .into_iter()
            .filter(|(_, steps, ..)| !steps.is_empty())
            .map(|(part, steps, prefix, cx)| {
                let mut out = Vec::new();
                self.preview_list(steps, prefix, 0, &cx, &mut out);
                (part, out)
            })
            .collect()
    }

    fn preview_list(
        &mut self,
        steps: &[Step],
        prefix: &str,
        depth: usize,
        cx: &Walk,
        out: &mut Vec<Planned>,
    ) {
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

    fn preview_step(&mut self, step: &Step, path: &str, depth: usize, cx: &Walk, out: &mut Vec<Planned>) {
        let known_false = step.when.as_ref().is_some_and(|when| {
            self.scope(path, cx).ok().and_then(|scope| when.is_true(&scope).ok()) == Some(false)
        });
        if known_false {
            self.push(step, path, depth, PlannedMove::Skipped, out);
            return;
        }
        match &step.body {
            Body::Action(action) => {
                let does = self.preview_action(action.as_ref(), path, cx);
                self.push(step, path, depth, does, out);
            }
            Body::Block(block) => {
                self.push(step, path, depth, PlannedMove::Group("block"), out);
                self.preview_list(&block.steps, &format!("{path}/"), depth + 1, cx, out);
                self.preview_list(&block.finally, &format!("{path}/finally/"), depth + 1, cx, out);
            }
            Body::Parallel(branches) => {
                self.push(step, path, depth, PlannedMove::Group("parallel"), out);
                self.preview_list(branches, &format!("{path}/"), depth + 1, cx, out);
            }
        }
    }

    #[expect(clippy::unused_self, reason = "reads like its neighbours")]
    fn push(&self, step: &Step, path: &str, depth: usize, does: PlannedMove, out: &mut Vec<Planned>) {
        let summary = match &step.body {
            Body::Action(action) => action.summary(),
            Body::Block(_) => "block".to_owned(),
            Body::Parallel(_) => "parallel".to_owned(),
        };
        out.push(Planned {
            path: path.to_owned(),
            name: step.name.clone(),
            depth,
            summary,
            when: step.when.as_ref().map(|when| when.source().to_owned()),
            does,
        });
    }

    fn preview_action(&mut self, action: &dyn crate::step::Action, path: &str, cx: &Walk) -> PlannedMove {
        let scope = match self.scope(path, cx) {
            Ok(scope) => scope,
            Err(message) => return PlannedMove::Fails(message),
        };
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
        match action.advance(&context, &Memo::Null, None) {
            Ok(Move::Do { effect, .. }) => PlannedMove::Effect(Box::new(effect)),
            Ok(Move::Hold { hold, .. }) => PlannedMove::Hold(Box::new(hold)),
            Ok(Move::Park { .. }) => PlannedMove::Wait,
            Ok(Move::Done { outcome: Outcome::Failed { message, reason, .. }, .. })
                if reason != FailureReason::Fail && reason != FailureReason::Assertion =>
            {
                PlannedMove::Fails(message)
            }
            Ok(Move::Release { .. } | Move::Done { .. }) => PlannedMove::Glue,
            Err(error) if error.reason == FailureReason::Template => PlannedMove::NotYetKnown(error.message),
            Err(error) => PlannedMove::Fails(error.message),
        }
    }
}
