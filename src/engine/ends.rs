//! Ends of episodes that no delivery tells: webhooks are not sent for alerts that are muted when they
//! resolve, nor while the receiver is down. A poll that lists everything shows what is gone; whether that
//! is resolved, or only lost sight of, is judged as `wait: {until: resolved}` judges it.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::admission::Delivery;
use super::ports::{Call, OpenEpisode, StoreError};
use crate::model::{Alert, AlertStatus};
use crate::step::{Effect, Reply, RunAlert, Sight, SightingEffect, Watch};

/// How long the look may take.
const LOOK: Duration = Duration::from_secs(30);

impl Engine {
    /// Returns the alerts that have resolved since they were last seen, as a delivery would bring them:
    /// those of open episodes that a poll no longer lists, and that every peer has lost before their endsAt. `answered`
    /// is when the poll was answered, by the clock that gives the ends.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn ends(&self, polled: &Delivery, answered: Timestamp) -> Result<Vec<Alert>, StoreError> {
        let Some(listed) = &polled.listed else { return Ok(Vec::new()) };
        let open = self.store.open_episodes(polled.scope.clone(), answered).await?;
        let gone: Vec<OpenEpisode> =
            open.into_iter().filter(|e| listed.binary_search(&e.alert.fingerprint).is_err()).collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let fingerprints = gone.iter().map(|episode| episode.key.fingerprint.clone()).collect();
        let effect = Effect::Sighting(SightingEffect { fingerprints });
        let call = Call { run: "ends".to_owned(), path: "sighting".to_owned(), attempt: 1, effect };
        let reply = self.performer.perform(&call, LOOK, &CancellationToken::new()).await;
        let Reply::Sighted(sighted) = reply else { return Ok(Vec::new()) };
        let resolved = gone.into_iter().filter_map(|episode| {
            let OpenEpisode { key, ends_at, alert } = episode;
            let watched = RunAlert {
                fingerprint: key.fingerprint,
                starts_at: alert.starts_at,
                ends_at,
                labels: Vec::new(),
                generator_url: String::new(),
            };
            let mut watch = Watch::begin(&[watched]);
            watch.looked(&sighted, &[]);
            let Sight::Clear { since, sure: true } = watch.sight() else { return None };
            let silent = (Vec::new(), Vec::new());
            Some(Alert {
                status: AlertStatus::Resolved,
                ends_at: Some(since),
                silenced_by: silent.0,
                inhibited_by: silent.1,
                ..alert
            })
        });
        Ok(resolved.collect())
    }
}
