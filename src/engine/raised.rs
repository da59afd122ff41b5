//! Alerts of amflow's own that outlive their run: `AmflowRunFailed` stands until the original alert is
//! resolved or a later run succeeds, and is posted again meanwhile, because Alertmanager forgets alerts
//! when it restarts.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Engine;
use super::admission::Delivery;
use super::ports::{Call, Raised, RunHeader, StoreError};
use crate::run::{Run, RunEvent, RunStatus, is_raised};
use crate::step::{AlertHold, Effect, Hold, HoldAction, HoldEffect, Reply};

impl Engine {
    /// Remembers what a run raised, and takes back what its success ends.
    pub(super) async fn keep_failure(
        &self,
        header: &RunHeader,
        run: &Run,
        event: &RunEvent,
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
            _ => Ok(()),
        }
    }

    /// Posts what stands again, and resolves what a complete poll no longer knows to fire.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn keep_raised(&self, firing: &[String], delivery: &Delivery) -> Result<(), StoreError> {
        let (stands, over): (Vec<_>, Vec<_>) = self
            .store
            .raised()
            .await?
            .into_iter()
            .filter(|r| r.scope == delivery.scope)
            .partition(|r| r.fingerprints.iter().any(|f| firing.contains(f)));
        for raised in stands {
            self.hold(&raised.id, raised.alert, HoldAction::Renew).await;
        }
        self.take_back(over).await
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
        let reply = self.performer.perform(&call, Duration::from_secs(30), &CancellationToken::new()).await;
        if !matches!(reply, Reply::Held { .. }) {
            self.reporter.notice(&format!("the alert that run {run} failed could not be posted or resolved"));
        }
        reply
    }
}
