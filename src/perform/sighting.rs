//! Whether alerts are still there, asked of every peer on its own: [`sight`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::redact::Redactor;
use crate::client::alertmanager::PeerResult;
use crate::client::{AlertQuery, Cluster};
use crate::engine::Clock;
use crate::model::format_duration;
use crate::step::{PeerSight, SeenAlert, Sighted, SightingEffect};

/// Asks all peers at once for all alerts, in all states and without a filter, and keeps those that are
/// looked for. A peer that fails is an entry that says so: others may still know.
///
/// Each peer has nine tenths of the limit, so that a silent one does not make the answers of the others void.
pub(super) async fn sight(
    cluster: &Cluster,
    effect: &SightingEffect,
    redactor: &Redactor,
    clock: &dyn Clock,
    limit: Duration,
) -> Sighted {
    let now = clock.now();
    let wanted: BTreeSet<String> = effect.fingerprints.iter().cloned().collect();
    let limit = limit / 10 * 9;
    let mut asked = JoinSet::new();
    let mut peers = Vec::new();
    for (place, peer) in cluster.each().enumerate() {
        let url = peer.urls().next().unwrap_or_default();
        let pending = format!("no complete answer within {}", format_duration(limit));
        peers.push(PeerSight {
            url,
            failed: Some(pending),
            started_at: None,
            answered_at: None,
            seen: BTreeMap::new(),
        });
        let wanted = wanted.clone();
        asked.spawn(async move { (place, timeout(limit, ask(&peer, &wanted, now)).await) });
    }
    while let Some(answer) = asked.join_next().await {
        // One that did not end in time, or panicked, keeps its entry as it is.
        if let Ok((place, Ok(answer))) = answer {
            let sight = &mut peers[place];
            match answer {
                Ok(Seen { started_at, answered_at, alerts }) => {
                    sight.failed = None;
                    (sight.started_at, sight.answered_at, sight.seen) = (started_at, answered_at, alerts);
                }
                Err(message) => sight.failed = Some(redactor.text(&message).into_owned()),
            }
        }
    }
    // A peer that says nothing of its clock had not answered later than now.
    Sighted { at: clock.now(), peers }
}

/// What one peer said.
struct Seen {
    started_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    alerts: BTreeMap<String, SeenAlert>,
}

async fn ask(peer: &Cluster, wanted: &BTreeSet<String>, now: Timestamp) -> Result<Seen, String> {
    let keep = |raw: &crate::model::RawAlert<'_>| wanted.contains(&raw.fingerprint().to_string());
    let found =
        peer.alerts_where(&AlertQuery::default(), now, keep).await.map_err(|error| error.to_string())?;
    if found.bad_count > 0 {
        // It may be the very one that is looked for.
        return Err(format!("{} alerts of its answer cannot be read", found.bad_count));
    }
    let (started_at, answered_at) = match found.peers.first().map(|answer| &answer.result) {
        Some(PeerResult::Complete { started, answered, .. }) => (*started, *answered),
        _ => (None, None),
    };
    let seen = found.alerts.into_iter().map(|alert| {
        let seen = SeenAlert {
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            silenced_by: alert.silenced_by,
            inhibited_by: alert.inhibited_by,
        };
        (alert.fingerprint.to_string(), seen)
    });
    Ok(Seen { started_at, answered_at, alerts: seen.collect() })
}
