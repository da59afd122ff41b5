//! What a plan may do to know more: the steps that change nothing, as far as nothing that changes something
//! comes before them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Engine;
use super::admission::{Offer, StartedRun};
use super::ports::Call;
use crate::run::{Machine, Options, PlannedPart, Run, next_to_read};
use crate::step::{DEFAULT_STEP_TIMEOUT, Reply};

/// Steps that one plan does for one run, at most.
const MOST_STEPS: usize = 100;

impl Engine {
    /// Returns what a run that would start would do, without doing any of it.
    pub fn plan(offer: &Offer, started: &StartedRun) -> Vec<PlannedPart> {
        machine(offer, started).map(|mut machine| machine.preview(&BTreeMap::new())).unwrap_or_default()
    }

    /// The same, after doing the steps that change nothing, so that what depends on them is known. Nothing
    /// of it is journaled.
    pub async fn look_ahead(&self, offer: &Offer, started: &StartedRun) -> Vec<PlannedPart> {
        let Some(mut machine) = machine(offer, started) else { return Vec::new() };
        let mut replies: BTreeMap<String, Reply> = BTreeMap::new();
        loop {
            let parts = machine.preview(&replies);
            let Some((planned, effect)) = next_to_read(&parts) else { return parts };
            if replies.len() >= MOST_STEPS || self.stopped_by().is_some() {
                return parts;
            }
            let (run, path) = (started.header.run.clone(), planned.path.clone());
            let call = Call { run, path: path.clone(), attempt: 1, effect: effect.clone() };
            let reply = self.read(&call, planned.timeout.unwrap_or(DEFAULT_STEP_TIMEOUT)).await;
            replies.insert(path, reply);
        }
    }

    /// Performs one call; a stop ends it.
    async fn read(&self, call: &Call, limit: Duration) -> Reply {
        let token = CancellationToken::new();
        let performed = self.performer.perform(call, limit, &token);
        tokio::pin!(performed);
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                reply = &mut performed => return reply,
                () = stop.changed(), if !token.is_cancelled() => token.cancel(),
            }
        }
    }
}

fn machine(offer: &Offer, started: &StartedRun) -> Option<Machine> {
    let run = Run::replay(&started.header.run, &started.journal)?;
    Some(Machine::new(run, offer.playbook.clone(), Options::default()))
}
