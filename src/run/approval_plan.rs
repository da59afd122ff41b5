//! What an approval lets happen: the steps that follow it, up to the next approval, as they are known by then.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::planned::{Planned, PlannedMove};
use super::preview::Preview;
use super::walk::Walk;
use crate::playbook::{Body, Step};
use crate::step::PlanLine;

/// Where the approval stands as seen from a list of steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not in it.
    Elsewhere,
    /// In it, and what follows it follows the approval.
    Before,
    /// In a handler of one of its steps, after which the list ends.
    InHandler,
}

impl Machine {
    /// Returns what follows the approval at `path`, up to the next one. Handlers of what is around it are left
    /// out: they run whatever is decided.
    pub(super) fn plan_after(&mut self, path: &str) -> Vec<PlanLine> {
        let playbook = self.playbook.clone();
        let failed = (String::new(), String::new());
        let parts = [
            (&playbook.steps, "", Walk::main(false)),
            (&playbook.on_failure, "on_failure/", Walk::handler(failed, false)),
            (&playbook.finally, "finally/", Walk::finally(None, false)),
        ];
        let so_far = self.run.clone();
        self.previewing = true;
        let replies = BTreeMap::new();
        let mut after = Preview::after_approval(&replies);
        for (steps, prefix, cx) in parts {
            if self.after(steps, prefix, 0, &cx, path, &mut after) != Place::Elsewhere {
                break;
            }
        }
        self.previewing = false;
        self.run = so_far;
        let mut plan: Vec<PlanLine> = after.out.iter().map(line).collect();
        for line in plan.iter_mut().filter(|line| line.does == "not_yet_known") {
            // Its kind has turned out already, although not yet the whole of it.
            let seen = self.run.asked_again.iter().rev().find(|again| again.before == line.path);
            if let Some(seen) = seen {
                line.kind = Some(seen.kind.clone());
            }
        }
        plan
    }

    fn after(
        &mut self,
        steps: &[Step],
        prefix: &str,
        depth: usize,
        cx: &Walk,
        target: &str,
        out: &mut Preview<'_>,
    ) -> Place {
        for (at, step) in steps.iter().enumerate() {
            let path = format!("{prefix}{}", step.id);
            let inside = target.strip_prefix(&path);
            if !inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '['])) {
                continue;
            }
            let place = match self.run.nodes.get(&path).and_then(|node| node.items.clone()) {
                Some(items) if step.foreach.is_some() => {
                    self.after_in_turns(step, &path, depth, (cx, &items), target, out)
                }
                _ => self.after_in(step, &path, depth, cx, target, out),
            };
            if place == Place::Before || step.continue_on_error {
                self.preview_list(&steps[at + 1..], prefix, depth, cx, out);
                return Place::Before;
            }
            return place;
        }
        Place::Elsewhere
    }

    /// The same within the turns of a `foreach`: the turns that follow are part of it.
    fn after_in_turns(
        &mut self,
        step: &Step,
        path: &str,
        depth: usize,
        (cx, items): (&Walk, &[serde_json::Value]),
        target: &str,
        out: &mut Preview<'_>,
    ) -> Place {
        let mut found = Place::Elsewhere;
        for (n, item) in items.iter().enumerate() {
            let turn = format!("{path}[{n}]");
            let mut inner = cx.clone();
            inner.items.push((turn.clone(), item.clone()));
            if found == Place::Before {
                if !out.stopped {
                    self.preview_step(step, &turn, depth, &inner, out);
                }
            } else if target.strip_prefix(&turn).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            {
                found = self.after_in(step, &turn, depth, &inner, target, out);
                if found == Place::InHandler && !step.continue_on_error {
                    break;
                }
                found = Place::Before;
            }
        }
        found
    }

    /// The same within one step: it is the approval itself, or holds it.
    fn after_in(
        &mut self,
        step: &Step,
        at: &str,
        depth: usize,
        cx: &Walk,
        target: &str,
        out: &mut Preview<'_>,
    ) -> Place {
        match &step.body {
            Body::Action(_) => Place::Before,
            Body::Parallel(branches) => {
                for branch in branches {
                    let one = std::slice::from_ref(branch);
                    if self.after(one, &format!("{at}/"), depth + 1, cx, target, out) != Place::Elsewhere {
                        return Place::Before;
                    }
                }
                Place::Elsewhere
            }
            Body::Block(block) => {
                let found = self.after(&block.steps, &format!("{at}/"), depth + 1, cx, target, out);
                if found != Place::Elsewhere {
                    return found;
                }
                for (list, name) in [(&block.on_failure, "on_failure"), (&block.finally, "finally")] {
                    let prefix = format!("{at}/{name}/");
                    if self.after(list, &prefix, depth + 1, cx, target, out) != Place::Elsewhere {
                        return Place::InHandler;
                    }
                }
                Place::Elsewhere
            }
        }
    }
}

/// Makes what people are shown, and what is journaled of it.
fn line(planned: &Planned) -> PlanLine {
    let mut line = PlanLine {
        path: planned.path.clone(),
        depth: planned.depth,
        does: planned.does.word().to_owned(),
        summary: planned.summary.clone(),
        when: planned.when.clone(),
        kind: planned.kind.clone(),
        why: None,
        effect: None,
        hold: None,
    };
    match &planned.does {
        PlannedMove::Effect(effect) => {
            line.kind = Some(effect.kind());
            line.effect = Some(effect.clone());
        }
        PlannedMove::Hold(hold) => {
            line.kind = Some(hold.describe().to_owned());
            line.hold = Some(hold.clone());
        }
        PlannedMove::NotYetKnown(why) | PlannedMove::Fails(why) => line.why = Some(why.clone()),
        _ => line.kind = None,
    }
    line
}
