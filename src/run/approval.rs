//! What a run does around a person's decision: what they are shown, the look at the alert meanwhile, and the
//! check that what comes next is what they approved.

use std::time::Duration;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::event::RunEvent;
use super::machine::{Machine, PendingCall, RECHECK, SHORT_CALL, WATCH};
use super::recheck::{Look, look};
use super::scope::{is_turn_of, without_turns};
use super::state::{AskedAgain, Run};
use super::walk::{Handler, Walk};
use crate::playbook::{Recheck, TriggerStatus};
use crate::step::{
    Action, Decision, Effect, FailureReason, Move, Outcome, PlanLine, Reply, SightingEffect, TaskContext,
};

/// How often the alert is looked at while a person is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often an approval asks once more before the same step: what is another thing each time can't be approved.
const MOST_ASKED_AGAIN: usize = 3;

/// What a step that asks people is told.
pub(super) struct Asked {
    decisions: Vec<Decision>,
    plan: Vec<PlanLine>,
    digest: String,
}

impl Asked {
    /// Returns it as the step sees it.
    pub(super) fn context<'a>(&'a self, run: &'a Run) -> TaskContext<'a> {
        TaskContext {
            decisions: &self.decisions,
            started_by: run.started.by.as_deref(),
            plan: &self.plan,
            digest: &self.digest,
        }
    }
}

impl Machine {
    /// Gathers what a step that asks people is told; what it asks about, when it asks for the `first` time.
    pub(super) fn asked(&mut self, path: &str, attempt: u32, first: bool) -> Asked {
        let plan = if first { self.plan_after(path) } else { Vec::new() };
        let digest = if first { self.digest_of(path, attempt, &plan) } else { String::new() };
        Asked { decisions: self.run.decisions_of(path), plan, digest }
    }

    fn digest_of(&self, path: &str, attempt: u32, plan: &[PlanLine]) -> String {
        let labels: Vec<_> =
            self.run.alerts.iter().map(|alert| (&alert.fingerprint, &alert.labels)).collect();
        let whole = json!({
            "run": self.run.id,
            "step": path,
            "attempt": attempt,
            "playbook": self.run.started.digest,
            "labels": labels,
            "plan": plan,
        });
        let digest = digest(&SHA256, whole.to_string().as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Looks now and then whether the alert is still what the run was started for, while the step at `path`
    /// waits for a person: nobody must be asked about what is over.
    pub(super) fn watch_while_asked(&mut self, path: &str, began: Timestamp, cx: &Walk) {
        if cx.handler != Handler::Main || cx.halt || self.run.gone.is_some() || self.run.proved_gone {
            return;
        }
        let firing = self.run.started.trigger == TriggerStatus::Firing;
        let resolved = |fingerprint: &String| self.run.resolved.contains(fingerprint);
        if firing && !self.run.alerts.is_empty() && self.run.alerts.iter().all(|a| resolved(&a.fingerprint)) {
            self.gone_while_asked(path, "the alert resolved");
            return;
        }
        if !self.options.has_alertmanager || self.playbook.recheck == Recheck::Never {
            return;
        }
        if self.in_flight.contains(WATCH) {
            return;
        }
        if let Some(reply) = self.replies.remove(WATCH) {
            self.next_look = self.now.checked_add(LOOK_EVERY).ok();
            match (self.run.started.trigger, heard(&reply)) {
                (TriggerStatus::Firing, Look::Gone) => {
                    self.gone_while_asked(path, "the alert was gone");
                    return;
                }
                (TriggerStatus::Resolved, Look::Firing) => {
                    self.gone_while_asked(path, "the alert fires again");
                    return;
                }
                // Nobody can say: the person is still needed.
                _ => {}
            }
        }
        let due = self.next_look.or_else(|| began.checked_add(LOOK_EVERY).ok());
        match due {
            Some(due) if due > self.now => self.wake_by(due),
            _ => self.look_up(WATCH),
        }
    }

    fn gone_while_asked(&mut self, path: &str, what: &str) {
        let reason = format!("{what} while `{path}` waited for a person");
        self.record(RunEvent::RecheckFailed { path: path.to_owned(), reason });
    }

    /// Begins a look at the run's alerts; its answer comes under this key.
    pub(super) fn look_up(&mut self, key: &str) {
        let fingerprints = self.run.alerts.iter().map(|a| a.fingerprint.clone()).collect();
        self.in_flight.insert(key.to_owned());
        self.next.start.push(PendingCall {
            key: key.to_owned(),
            path: "recheck".to_owned(),
            attempt: 1,
            effect: Effect::Sighting(SightingEffect { fingerprints }),
            limit: Some(SHORT_CALL),
        });
    }

    /// Compares what the step at `path` wants with what was approved. Where it is something else, the approval
    /// asks once more: nothing of the step is begun. Inside is what the visit of the step comes to.
    #[expect(clippy::option_option, reason = "that it may go on and that it is over are two things")]
    pub(super) fn is_not_approved(
        &mut self,
        action: &dyn Action,
        path: &str,
        wanted: &Move,
    ) -> Option<Option<Outcome>> {
        if action.changes_nothing() {
            return None;
        }
        let approval = self.run.approvals.iter().rev().find(|approval| {
            approval.plan.iter().any(|line| without_turns(&line.path) == without_turns(path))
        })?;
        let shown = approval.plan.iter().find(|line| line.path == path);
        let shown = shown.or_else(|| approval.plan.iter().find(|line| is_turn_of(path, &line.path)));
        let (kind, reason) = differs(shown, wanted)?;
        if self.is_busy() {
            // What is under way beside it ends first: its reply is for this walk, and asking may end the process.
            return Some(None);
        }
        let asks = approval.path.clone();
        let same = |again: &&AskedAgain| again.path == asks && again.before == path;
        let times = self.run.asked_again.iter().filter(same).count();
        if times >= MOST_ASKED_AGAIN {
            let message = format!("it is another thing each time that it is approved: {reason}");
            return Some(Some(
                self.finish(path, Outcome::failed_for_good(FailureReason::Unexpected, message)),
            ));
        }
        let before = path.to_owned();
        self.record(RunEvent::AskedAgain { path: asks, before, kind, reason });
        Some(None)
    }
}

impl Machine {
    /// Returns whether an effect or a hold is under way, or its reply was not heard yet.
    fn is_busy(&self) -> bool {
        let looks = |key: &String| key == RECHECK || key == WATCH;
        !self.in_flight.iter().all(looks) || !self.replies.keys().all(looks)
    }
}

/// Says in which way a move is not what was shown, and of which kind it is.
fn differs(shown: Option<&PlanLine>, wanted: &Move) -> Option<(String, String)> {
    let kind = match wanted {
        Move::Do { effect, .. } => effect.kind(),
        Move::Hold { hold, .. } => hold.describe().to_owned(),
        Move::Park { .. } | Move::Release { .. } | Move::Done { .. } => return None,
    };
    let Some(shown) = shown else {
        let reason = format!("`{kind}` was not shown");
        return Some((kind, reason));
    };
    let same = match (wanted, &shown.effect, &shown.hold) {
        (Move::Do { effect, .. }, Some(shown), _) => effect.does_the_same(shown),
        (Move::Hold { hold, .. }, _, Some(shown)) => hold.does_the_same(shown),
        // The kind of the step says the kind of its effect, where nothing else does.
        _ if shown.does == "not_yet_known" => shown.kind.as_ref().is_none_or(|shown| *shown == kind),
        _ => false,
    };
    if same {
        return None;
    }
    let reason = match (&shown.kind, shown.does.as_str()) {
        (Some(before), "not_yet_known") => format!("it was to be `{before}`, and is `{kind}`"),
        (_, "effect" | "hold") => format!("`{kind}` is not what was shown"),
        (_, does) => format!("it was shown as {}, and is `{kind}`", does.replace('_', " ")),
    };
    Some((kind, reason))
}

fn heard(reply: &Reply) -> Look {
    match reply {
        Reply::Sighted(sighted) => look(sighted),
        _ => Look::Unknown(String::new()),
    }
}
