//! [`Machine::preview`]: what a run would do, step by step, without doing it. A step whose effect depends on the
//! output of one before it is shown as such, never filled with a stand-in. What is known without doing
//! anything (`set`, replies that somebody has) is known to the steps after it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::RunEvent;
use super::machine::Machine;
use super::planned::{Planned, PlannedMove, PlannedPart};
use super::walk::Walk;
use crate::playbook::{Body, Step};
use crate::step::{
    Action, ActionContext, Effect, FailureReason, Memo, Move, Outcome, Reply, Task, TaskContext,
};

impl Machine {
    /// Returns what the run would do, in the order of the playbook: steps, then `on_failure`, then `finally`.
    /// `replies` are those that are known already, by the path of the step.
    pub fn preview(&mut self, replies: &BTreeMap<String, Reply>) -> Vec<PlannedPart> {
        let playbook = self.playbook.clone();
        let nobody = (String::new(), String::new());
        let parts = [
            ("steps", &playbook.steps, "", Walk::main(false)),
            ("on_failure", &playbook.on_failure, "on_failure/", Walk::handler(nobody, false)),
            ("finally", &playbook.finally, "finally/", Walk::finally(None, false)),
        ];
        let so_far = self.run.clone();
        self.previewing = true;
        let planned = parts
            .into_iter()
            .filter(|(_, steps, ..)| !steps.is_empty())
            .map(|(part, steps, prefix, cx)| {
                let mut preview = Preview {
                    replies,
                    certain: part == "steps",
                    to_approval: false,
                    stopped: false,
                    out: Vec::new(),
                };
                self.preview_list(steps, prefix, 0, &cx, &mut preview);
                (part, preview.out)
            })
            .collect();
        self.previewing = false;
        self.run = so_far;
        planned
    }

    pub(super) fn preview_list(
        &mut self,
        steps: &[Step],
        prefix: &str,
        depth: usize,
        cx: &Walk,
        out: &mut Preview<'_>,
    ) {
        for step in steps {
            let path = format!("{prefix}{}", step.id);
            if out.stopped {
                return;
            }
            if out.to_approval && self.run.nodes.get(&path).is_some_and(|node| node.outcome.is_some()) {
                continue;
            }
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
                    if !out.stopped {
                        self.preview_step(step, &turn, depth, &inner, out);
                    }
                }
            } else {
                let why = format!("once for each of `{}`", list.source());
                self.push(step, &path, depth, PlannedMove::NotYetKnown(why), out);
                if out.to_approval {
                    // Whatever the items are: what is done for each of them is part of what is approved.
                    let certain = std::mem::replace(&mut out.certain, false);
                    self.preview_inside(step, &path, depth, cx, out);
                    out.certain = certain;
                }
            }
        }
    }

    pub(super) fn preview_step(
        &mut self,
        step: &Step,
        path: &str,
        depth: usize,
        cx: &Walk,
        out: &mut Preview<'_>,
    ) {
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
                let (does, summary) = self.preview_action(action.as_ref(), path, cx, out);
                self.push(step, path, depth, does, out);
                if let (Some(summary), Some(planned)) = (summary, out.out.last_mut()) {
                    planned.summary = summary;
                }
            }
            Body::Block(_) => self.push(step, path, depth, PlannedMove::Group("block"), out),
            Body::Parallel(_) => self.push(step, path, depth, PlannedMove::Group("parallel"), out),
        }
        self.preview_inside(step, path, depth, cx, out);
        out.certain = certain;
    }

    /// Goes on with the steps inside a step, and sees whether an approval is among them.
    fn preview_inside(&mut self, step: &Step, path: &str, depth: usize, cx: &Walk, out: &mut Preview<'_>) {
        match &step.body {
            // One that may be skipped may not come: what follows it is part of what is approved now.
            Body::Action(action) => {
                out.stopped |= out.to_approval && out.certain && action.asks().is_some();
            }
            Body::Block(block) => {
                self.preview_list(&block.steps, &format!("{path}/"), depth + 1, cx, out);
                // A failure comes before the next approval, too.
                let stopped = std::mem::replace(&mut out.stopped, false);
                out.certain = false;
                self.preview_list(&block.on_failure, &format!("{path}/on_failure/"), depth + 1, cx, out);
                out.stopped = false;
                self.preview_list(&block.finally, &format!("{path}/finally/"), depth + 1, cx, out);
                out.stopped = stopped;
            }
            Body::Parallel(branches) => {
                let mut stopped = false;
                for branch in branches {
                    let one = std::slice::from_ref(branch);
                    self.preview_list(one, &format!("{path}/"), depth + 1, cx, out);
                    stopped |= std::mem::replace(&mut out.stopped, false);
                }
                out.stopped = stopped;
            }
        }
        // It goes on behind a failure, which may come before the approval inside.
        out.stopped &= !step.continue_on_error;
    }

    #[expect(clippy::unused_self, reason = "reads like its neighbours")]
    fn push(&self, step: &Step, path: &str, depth: usize, does: PlannedMove, out: &mut Preview<'_>) {
        let (summary, harmless, kind) = match &step.body {
            Body::Action(action) => (action.summary(), action.changes_nothing(), action.effect_kind()),
            Body::Block(_) => ("block".to_owned(), false, None),
            Body::Parallel(_) => ("parallel".to_owned(), false, None),
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
            kind,
        });
    }

    /// Returns what a step would do and, where it is known to the last word, what it says.
    fn preview_action(
        &mut self,
        action: &dyn Action,
        path: &str,
        cx: &Walk,
        out: &Preview<'_>,
    ) -> (PlannedMove, Option<String>) {
        let reply = out.replies.get(path);
        let first = match self.preview_move(action, path, cx, &Memo::Null, None) {
            Ok(first) => first,
            Err(does) => return (does, None),
        };
        let (wanted, heard) = match (first, reply) {
            (Move::Do { memo, .. }, Some(reply)) => {
                match self.preview_move(action, path, cx, &memo, Some(reply)) {
                    Ok(next) => (next, true),
                    Err(does) => return (does, None),
                }
            }
            (first, _) => (first, false),
        };
        let does = match wanted {
            // After a reply it would ask again, a little later.
            Move::Do { .. } if heard => PlannedMove::Wait,
            Move::Park { for_person: true, memo, .. } => {
                Task::of_memo(&memo).map_or(PlannedMove::Wait, |task| PlannedMove::Asks(Box::new(task)))
            }
            Move::Do { effect: Effect::Sighting(_), .. } | Move::Park { .. } => PlannedMove::Wait,
            Move::Do { effect, .. } => PlannedMove::Effect(Box::new(effect)),
            Move::Hold { hold, .. } => PlannedMove::Hold(Box::new(hold)),
            Move::Release { .. } => PlannedMove::Glue,
            Move::Done { outcome, output } => {
                let summary = action.summary_of(&outcome, &output);
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
                return (does, Some(summary));
            }
        };
        (does, None)
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
            clock_set: jiff::SignedDuration::ZERO,
            alerts: &self.run.alerts,
            resolved: &[],
            task: TaskContext { started_by: self.run.started.by.as_deref(), ..TaskContext::default() },
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
pub(super) struct Preview<'a> {
    replies: &'a BTreeMap<String, Reply>,
    /// Whether the steps are sure to come: nothing around them depends on what is not yet known.
    certain: bool,
    /// It is of what follows an approval: what is over is left out, and the next approval ends it.
    to_approval: bool,
    /// The next approval was met.
    pub(super) stopped: bool,
    /// What was planned so far.
    pub(super) out: Vec<Planned>,
}

impl<'a> Preview<'a> {
    /// Begins a preview of what follows an approval.
    pub(super) fn after_approval(replies: &'a BTreeMap<String, Reply>) -> Preview<'a> {
        Preview { replies, certain: true, to_approval: true, stopped: false, out: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::playbook::{Facts, TriggerStatus, compile_text};
    use crate::run::{Options, Run, Stamped, Started, next_to_read};
    use crate::step::Exited;

    /// Returns the machine of a run that was just admitted, for a playbook with these steps and handlers.
    fn machine(steps: &str) -> Machine {
        let text = format!("version: 1\nname: p\nmatchers: [alertname = A]\nvars: {{most: 80}}\n{steps}");
        let playbook = Arc::new(compile_text(&text, &Facts::default()).unwrap());
        let started = Started {
            playbook: "p".to_owned(),
            digest: String::new(),
            trigger: TriggerStatus::Firing,
            target: "t".to_owned(),
            group: BTreeMap::new(),
            scope: "s".to_owned(),
            alerts: vec![
                json!({"labels": {"alertname": "A", "x": "1"}, "startsAt": "2026-01-01T00:00:00Z"}).into(),
            ],
            env: BTreeMap::new(),
            source: "stdin".to_owned(),
            by: None,
            retry_of: None,
            handed_over_by: None,
            seed: 0,
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let journal = [Stamped { seq: 1, at, event: RunEvent::RunStarted(Box::new(started)) }];
        Machine::new(Run::replay("r", &journal).unwrap(), playbook, Options::default())
    }

    /// Says a plan in one word a step.
    fn words(parts: &[PlannedPart]) -> Vec<String> {
        let word = |does: &PlannedMove| match does {
            PlannedMove::Effect(effect) => match &**effect {
                Effect::Command(command) => command.argv.join(" "),
                other => format!("{other:?}"),
            },
            PlannedMove::Hold(_) => "hold".to_owned(),
            PlannedMove::Wait => "wait".to_owned(),
            PlannedMove::Asks(task) => format!("asks {}: {}", task.approvers, task.prompt),
            PlannedMove::Glue => "glue".to_owned(),
            PlannedMove::Did { outcome, .. } => format!("did: {}", outcome.status()),
            PlannedMove::Group(kind) => (*kind).to_owned(),
            PlannedMove::NotYetKnown(why) => format!("not yet known: {why}"),
            PlannedMove::Fails(why) => format!("fails: {why}"),
            PlannedMove::Skipped => "skipped".to_owned(),
        };
        let steps = parts.iter().flat_map(|(_, steps)| steps);
        steps.map(|step| format!("{}: {}", step.path, word(&step.does))).collect()
    }

    fn said(stdout: &str) -> Reply {
        Reply::Exited(Exited { exit_code: Some(0), stdout: stdout.into(), ..Exited::default() })
    }

    const STEPS: &str = "\
steps:
  - {id: look, exec: [df], read_only: true}
  - {id: used, set: {used: '{{ steps.look.stdout | trim | int }}'}}
  - {id: clean, when: vars.used > 80, exec: [rm, '{{ vars.used }}']}
  - {id: no, when: vars.used < 80, exec: [echo, no]}
  - {id: again, exec: [df, '{{ steps.clean.stdout | default(\"none\") }}'], read_only: true}
on_failure:
  - {id: say, exec: [echo, '{{ failed.reason }}']}
finally:
  - {id: log, exec: [echo, '{{ run.id }} {{ run.status }}']}
";

    #[test]
    fn what_is_known_only_then_is_never_filled_with_a_stand_in() {
        assert_eq!(
            words(&machine(STEPS).preview(&BTreeMap::new())),
            [
                "look: df",
                "used: not yet known: used: `steps.look` is known only when it runs",
                "clean: not yet known: argv[1]: `vars.used` is known only when it runs",
                "no: echo no",
                "again: not yet known: argv[1]: `steps.clean` is known only when it runs",
                "on_failure/say: not yet known: argv[1]: `failed.reason` is known only when it runs",
                "finally/log: not yet known: argv[1]: `run.status` is known only when it runs",
            ]
        );
    }

    #[test]
    fn a_reply_that_is_known_makes_what_depends_on_it_known() {
        let mut machine = machine(STEPS);
        let replies = BTreeMap::from([("look".to_owned(), said("83\n"))]);
        let parts = machine.preview(&replies);
        assert_eq!(
            words(&parts)[..5],
            [
                "look: did: succeeded",
                "used: glue",
                "clean: rm 83",
                "no: skipped",
                "again: not yet known: argv[1]: `steps.clean` is known only when it runs",
            ]
        );
        assert_eq!(
            words(&machine.preview(&BTreeMap::new()))[0],
            "look: df",
            "a preview leaves nothing behind"
        );
    }

    #[test]
    fn only_what_changes_nothing_and_comes_first_may_be_done_for_a_plan() {
        let next = |steps: &str, replies: &[(&str, Reply)]| {
            let replies = replies.iter().map(|(path, reply)| ((*path).to_owned(), reply.clone())).collect();
            let parts = machine(&format!("steps:\n{steps}")).preview(&replies);
            next_to_read(&parts).map(|(planned, _)| planned.path.clone())
        };
        let look = "  - {id: look, exec: [df], read_only: true}\n";
        let touch = "  - {id: touch, exec: [rm]}\n";
        let perhaps = "  - {id: look, when: steps.touch.stdout == 'x', exec: [df], read_only: true}\n";
        let failed = Reply::Exited(Exited { exit_code: Some(1), ..Exited::default() });
        assert_eq!(next(look, &[]).as_deref(), Some("look"));
        assert_eq!(next(look, &[("look", said(""))]), None);
        assert_eq!(next(&format!("{touch}{look}"), &[]), None);
        assert_eq!(next(&format!("{touch}{perhaps}"), &[]), None);
        let second = "  - {id: second, exec: [df], read_only: true}\n";
        assert_eq!(next(&format!("{look}{second}"), &[("look", said(""))]).as_deref(), Some("second"));
        assert_eq!(next(&format!("{look}{second}"), &[("look", failed)]), None, "the run would fail there");
        let inside =
            format!("  - id: b\n    block:\n    {}", look.trim_start_matches("  ").replace("  -", "    -"));
        assert_eq!(next(&inside.replace("    -", "      -"), &[]).as_deref(), Some("b/look"));
    }
}
