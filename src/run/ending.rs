//! How a run ends, once that is settled: `finally`, write-back, releases, the last event.

use jiff::Timestamp;

use super::event::{RunEvent, RunStatus};
use super::machine::{Machine, hold_key};
use super::state::Ending;
use super::walk::{Progress, Walk};
use super::{limits, mutes};
use crate::step::HoldAction;

impl Machine {
    /// `finally`, the failure's own alert, releases, and the end.
    pub(super) fn end(&mut self, ending: &Ending) {
        let playbook = self.playbook.clone();
        let deadline = self.finally_deadline(ending.at);
        let halt = deadline <= self.now;
        let failed = ending.step.clone().map(|step| (step, ending.reason.clone()));
        let cx = Walk::finally(failed, halt);
        let begun = ending.status != RunStatus::Cancelled || !self.run.nodes.is_empty();
        if begun && let Progress::Working = self.visit_list(&playbook.finally, "finally/", &cx) {
            self.wake_by(deadline);
            return;
        }
        if ending.status == RunStatus::Failed
            && playbook.sync.alert_on_failure
            && self.options.has_alertmanager
        {
            mutes::raise(self, ending);
        }
        if self.holds_unsettled() {
            return;
        }
        // Nothing of a run outlives it: a look whose answer nobody waits for any more, above all.
        if !self.in_flight.is_empty() {
            self.next.stop.extend(self.in_flight.iter().cloned());
            return;
        }
        let gates = limits::settled(
            &self.run.started.playbook,
            &self.run.started.target,
            &self.run.id,
            &playbook.limits,
            ending.status,
        );
        self.next.gates.extend(gates);
        self.record(RunEvent::RunFinished { status: ending.status, reason: ending.reason.clone() });
    }

    /// Returns when a `finally` that began then is to be over; after a process was killed in it, the next
    /// one has the whole time again.
    pub(super) fn finally_deadline(&self, began: Timestamp) -> Timestamp {
        let began = self.run.taken_over_at.map_or(began, |at| at.max(began));
        began.checked_add(self.playbook.finally_timeout).unwrap_or(Timestamp::MAX)
    }

    /// Makes what is still to be made, then releases what is not kept; returns whether that goes on.
    fn holds_unsettled(&mut self) -> bool {
        let holds: Vec<_> = self.run.holds.iter().map(|(id, h)| (id.clone(), h.clone())).collect();
        let mut unsettled = false;
        let raising = holds.iter().any(|(id, h)| mutes::is_raised(id) && h.made_at.is_none() && !h.over);
        for (id, hold) in holds.iter().filter(|(_, h)| !h.over) {
            if self.in_flight.contains(&hold_key(id)) {
                unsettled = true;
            } else if hold.made_at.is_none() && mutes::is_raised(id) {
                self.start_hold(id, HoldAction::Make);
                unsettled = true;
            } else if hold.keep && hold.made_at.is_some() {
                // It outlives the run.
            } else {
                unsettled = true;
                // One whose making was never answered may exist: releasing finds it by its mark.
                if !raising {
                    self.start_hold(id, HoldAction::Release);
                }
            }
        }
        unsettled
    }
}
