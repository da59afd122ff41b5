//! Alerts of amflow's own that outlive their run: `AmflowRunFailed` stands until the original alert is
//! resolved or a later run succeeds, `AmflowBreakerOpen` until the breaker is reset. Both are posted again
//! meanwhile, because Alertmanager forgets alerts when it restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Engine;
use super::ports::{Call, Raised, RunHeader, StoreError};
use crate::run::{GateState, RAISED_LEASE, Run, RunEvent, RunStatus, gate_keys, is_raised};
use crate::step::{AlertHold, Effect, Hold, HoldAction, HoldEffect, Reply, Sighted, SightingEffect};

/// How long a request for an alert of amflow's own may take.
const SHORT: Duration = Duration::from_secs(30);

impl Engine {
    /// Remembers what a run raised, and takes back what its success ends. `tells_of_failures` is the
    /// playbook's `sync.on_failure: alert`.
    pub(super) async fn keep_failure(
        &self,
        header: &RunHeader,
        run: &Run,
        event: &RunEvent,
        tells_of_failures: bool,
    ) -> Result<(), StoreError> {
        match event {
            RunEvent::HoldMade { id, .. } if is_raised(id) => {
                let Some(Hold::Alert(alert)) = run.holds.get(id).map(|h| h.hold.clone()) else {
                    return Ok(());
                };
                let raised = Raised {
                    id: format!("{}/{id}", run.id),
                    alert,
                    scope: header.scope.clone(),
                    fingerprints: run.alerts.iter().map(|a| a.fingerprint.clone()).collect(),
                    playbook: header.playbook.clone(),
                    target: run.started.target.clone(),
                };
                self.store.put_raised(vec![raised], Vec::new()).await
            }
            RunEvent::RunFinished { status: RunStatus::Succeeded, .. }
                if self.options.offered.alertmanager =>
            {
                let (playbook, target) = (&header.playbook, &run.started.target);
                let over: Vec<_> = self
                    .store
                    .raised()
                    .await?
                    .into_iter()
                    .filter(|r| r.playbook == *playbook && r.target == *target && r.scope == header.scope)
                    .collect();
                self.take_back(over).await
            }
            RunEvent::RunFinished { status: RunStatus::Failed, .. }
                if self.options.offered.alertmanager && tells_of_failures =>
            {
                self.raise_breaker(header).await
            }
            _ => Ok(()),
        }
    }

    /// Posts that the playbook's breaker is open, when this run opened it.
    async fn raise_breaker(&self, header: &RunHeader) -> Result<(), StoreError> {
        let key = gate_keys::breaker(&header.playbook);
        let gates = self.store.gates(key.clone()).await?;
        let Some((_, state)) = gates.into_iter().find(|(name, state)| *name == key && is_open(state)) else {
            return Ok(());
        };
        let raised = breaker_open(header, key, &state);
        self.store.put_raised(vec![raised.clone()], Vec::new()).await?;
        self.hold(&raised.id, raised.alert, HoldAction::Make).await;
        Ok(())
    }

    /// Posts what stands again, and resolves what is over: the original alert is gone, or the breaker was
    /// reset. A peer that is silent or has just restarted proves nothing: then it stands.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn keep_raised(&self, scope: &str) -> Result<(), StoreError> {
        let mut raised = self.store.raised().await?;
        raised.retain(|r| r.scope == scope);
        if raised.is_empty() {
            return Ok(());
        }
        let open: Vec<String> = self
            .store
            .gates(gate_keys::breaker(""))
            .await?
            .into_iter()
            .filter_map(|(key, state)| is_open(&state).then_some(key))
            .collect();
        let seen = self.look_for(&raised).await;
        let (stands, over): (Vec<_>, Vec<_>) = raised.into_iter().partition(|r| {
            let looked_for = !r.fingerprints.is_empty();
            open.contains(&r.id) || looked_for && seen.as_ref().is_none_or(|s| s.knows_any(&r.fingerprints))
        });
        for raised in stands {
            self.hold(&raised.id, raised.alert, HoldAction::Renew).await;
        }
        self.take_back(over).await
    }

    /// Looks for the original alerts; nothing comes back when absence would prove nothing.
    async fn look_for(&self, raised: &[Raised]) -> Option<Sighted> {
        let fingerprints: Vec<_> = raised.iter().flat_map(|r| r.fingerprints.iter().cloned()).collect();
        if fingerprints.is_empty() {
            return None;
        }
        let effect = Effect::Sighting(SightingEffect { fingerprints });
        let call = Call { run: "raised".to_owned(), path: "look".to_owned(), attempt: 1, effect };
        match self.performer.perform(&call, SHORT, &CancellationToken::new()).await {
            Reply::Sighted(sighted) if sighted.unclear().is_none() => Some(sighted),
            _ => None,
        }
    }

    async fn take_back(&self, over: Vec<Raised>) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        for raised in over {
            if let Reply::Held { .. } = self.hold(&raised.id, raised.alert, HoldAction::Release).await {
                gone.push(raised.id);
            }
        }
        if gone.is_empty() { Ok(()) } else { self.store.put_raised(Vec::new(), gone).await }
    }

    async fn hold(&self, id: &str, alert: AlertHold, action: HoldAction) -> Reply {
        let (run, path) = id.split_once('/').unwrap_or((id, ""));
        let effect =
            Effect::Hold(HoldEffect { action, hold: Hold::Alert(alert), owner: id.to_owned(), id: None });
        let call = Call { run: run.to_owned(), path: path.to_owned(), attempt: 1, effect };
        let reply = self.performer.perform(&call, SHORT, &CancellationToken::new()).await;
        if !matches!(reply, Reply::Held { .. }) {
            let what = match path {
                "" => format!("the alert that {run} is open"),
                _ => format!("the alert that run {run} failed"),
            };
            self.reporter.notice(&format!("{what} could not be posted or resolved"));
        }
        reply
    }
}

fn is_open(state: &GateState) -> bool {
    state.opened_at.is_some()
}

/// The alert that a playbook no longer starts. It has no labels of the run's alert: the breaker is the
/// playbook's.
fn breaker_open(header: &RunHeader, key: String, state: &GateState) -> Raised {
    let playbook = &header.playbook;
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let alert = AlertHold {
        labels: BTreeMap::from([
            pair("alertname", "AmflowBreakerOpen".to_owned()),
            pair("amflow_state", "failed".to_owned()),
            pair("amflow_playbook", playbook.clone()),
        ]),
        annotations: BTreeMap::from([
            pair("summary", format!("amflow no longer starts playbook {playbook}")),
            pair(
                "description",
                format!("open after {}, the last one is {}", state.failures_in_words(), header.run),
            ),
            pair("command", format!("amflow breakers reset {playbook}")),
        ]),
        starts_at: state.opened_at.unwrap_or_default(),
        lease_seconds: RAISED_LEASE,
        generator_url: String::new(),
    };
    Raised {
        id: key,
        alert,
        scope: header.scope.clone(),
        fingerprints: Vec::new(),
        playbook: playbook.clone(),
        target: String::new(),
    }
}
