//! Alertmanager as a source.

use std::sync::Mutex;

use jiff::Timestamp;

use super::error::SourceError;
use super::intake::{Intake, Keep, Origin, bad_alerts};
use crate::client::{AlertQuery, Cluster, Dialect, PeerResult};
use crate::model::Matcher;
use crate::model::payload::RawAlert;

/// Asks all peers of a cluster for their alerts; the filters are applied by them.
///
/// # Errors
/// No peer answers completely.
pub async fn from_poll(
    cluster: &Cluster,
    filters: &[Matcher],
    now: Timestamp,
    keep: &Keep<'_>,
) -> Result<Intake, SourceError> {
    let listed = Mutex::new(Vec::new());
    let wanted = |raw: &RawAlert<'_>| {
        if let Ok(mut listed) = listed.lock() {
            listed.push(raw.fingerprint());
        }
        keep(raw)
    };
    let query = AlertQuery { filters: filters.to_vec(), ..AlertQuery::default() };
    let answer = cluster.alerts_where(&query, now, wanted).await?;
    let whole = answer.peers.iter().all(|peer| matches!(peer.result, PeerResult::Complete { .. }));
    let mut listed = listed.into_inner().unwrap_or_default();
    listed.sort_unstable();
    listed.dedup();
    let mut warnings = answer.warnings;
    for peer in &answer.peers {
        if let PeerResult::Failed(error) = &peer.result {
            warnings.push(format!("one of {} Alertmanagers did not answer: {error}", answer.peers.len()));
        }
    }
    let answered = answer.peers.iter().filter_map(|peer| match &peer.result {
        PeerResult::Complete { answered, .. } => *answered,
        PeerResult::Failed(_) => None,
    });
    let answered = answered.max();
    let source = cluster.urls().collect::<Vec<_>>().join(", ");
    Ok(Intake {
        read: listed.len() as u64,
        bad: bad_alerts(&source, answer.bad.iter().map(ToString::to_string), answer.bad_count),
        warnings,
        alerts: answer.alerts,
        origin: match cluster.dialect() {
            Dialect::Alertmanager => Origin::Alertmanager,
            Dialect::Grafana => Origin::Grafana,
        },
        listed: Some(listed).filter(|_| whole && filters.is_empty()),
        truncated: 0,
        source,
        answered,
    })
}
