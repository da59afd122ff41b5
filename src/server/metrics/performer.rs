//! [`Metered`]: a performer whose work on Alertmanager is counted.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::engine::{Answer, Call, Performer};
use crate::playbook::Need;
use crate::step::{Effect, Hold, HoldAction, HoldEffect, Reply};

/// The kinds of holds.
pub(super) const KINDS: [&str; 2] = ["silence", "alert"];
/// What is done with holds.
pub(super) const ACTIONS: [&str; 3] = ["make", "renew", "release"];

/// A performer whose work on Alertmanager is counted.
pub struct Metered {
    performer: Arc<dyn Performer>,
    metrics: Arc<Metrics>,
}

impl Metered {
    /// Makes it around the one that does the work.
    pub fn new(performer: Arc<dyn Performer>, metrics: Arc<Metrics>) -> Metered {
        Metered { performer, metrics }
    }
}

impl Performer for Metered {
    fn perform<'a>(
        &'a self,
        call: &'a Call,
        limit: Duration,
        stop: &'a CancellationToken,
    ) -> Answer<'a, Reply> {
        let Effect::Hold(effect) = &call.effect else { return self.performer.perform(call, limit, stop) };
        Box::pin(async move {
            let reply = self.performer.perform(call, limit, stop).await;
            let worked = matches!(reply, Reply::Held { .. });
            self.metrics.lock().holds.entry(key(effect)).or_default().count(worked);
            reply
        })
    }

    fn lacks(&self, need: &Need) -> Option<String> {
        self.performer.lacks(need)
    }

    fn end_survivors<'a>(&'a self, runs: &'a [String]) -> Answer<'a, Vec<String>> {
        self.performer.end_survivors(runs)
    }
}

fn key(effect: &HoldEffect) -> (&'static str, &'static str) {
    let kind = match effect.hold {
        Hold::Silence(_) => KINDS[0],
        Hold::Alert(_) => KINDS[1],
    };
    let action = match effect.action {
        HoldAction::Make => ACTIONS[0],
        HoldAction::Renew => ACTIONS[1],
        HoldAction::Release => ACTIONS[2],
    };
    (kind, action)
}
