//! What every peer says about itself. Main type: [`AlertmanagerStatus`].

use jiff::Timestamp;
use serde::Deserialize;

use super::cluster::{Cluster, all};
use super::error::PeerError;
use crate::client::base_url::BaseUrl;
use crate::client::error::Failure;
use crate::client::http::HttpRequest;
use crate::model::time::parse_time;

/// What a status may be at most, in bytes: it holds the whole configuration.
const MAX_STATUS: usize = 16 * 1024 * 1024;

/// What an Alertmanager says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertmanagerStatus {
    /// Its version, such as `0.25.0`; Grafana says `N/A`.
    pub version: String,
    /// When it was started; it has forgotten all alerts that were posted before.
    pub started: Option<Timestamp>,
    /// Whether its cluster is `ready`, `settling` or `disabled`.
    pub cluster: String,
    /// How many members its cluster has, itself included.
    pub members: usize,
    /// Its configuration, with secrets already taken out by Alertmanager.
    pub config: String,
}

/// The status of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer, without credentials.
    pub url: String,
    /// What it says, or why it does not.
    pub result: Result<AlertmanagerStatus, PeerError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    cluster: ClusterDocument,
    #[serde(default)]
    version_info: VersionDocument,
    #[serde(default)]
    config: ConfigDocument,
    uptime: Option<String>,
}

#[derive(Deserialize, Default)]
struct ClusterDocument {
    #[serde(default)]
    status: String,
    peers: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize, Default)]
struct VersionDocument {
    #[serde(default)]
    version: String,
}

#[derive(Deserialize, Default)]
struct ConfigDocument {
    #[serde(default)]
    original: String,
}

impl Cluster {
    /// Asks every peer for its status.
    pub async fn status(&self) -> Vec<PeerStatus> {
        let asks = self.peers.iter().map(|peer| async move {
            PeerStatus { url: peer.to_string(), result: self.status_of(peer).await }
        });
        all(asks).await
    }

    pub(super) async fn started(&self, peer: &BaseUrl) -> Option<Timestamp> {
        self.status_of(peer).await.ok().and_then(|status| status.started)
    }

    async fn status_of(&self, peer: &BaseUrl) -> Result<AlertmanagerStatus, PeerError> {
        let url = peer.at("/api/v2/status");
        let body = self.client.fetch(HttpRequest::get(url.clone()), MAX_STATUS).await?;
        parse(&body).map_err(|problem| {
            PeerError::from(crate::client::error::HttpError::new("GET", &url, Failure::Unexpected(problem)))
        })
    }
}

fn parse(body: &[u8]) -> Result<AlertmanagerStatus, String> {
    let document: Document =
        serde_json::from_slice(body).map_err(|_| "the answer is no status".to_owned())?;
    Ok(AlertmanagerStatus {
        version: document.version_info.version,
        started: document.uptime.and_then(|uptime| parse_time(&uptime).ok().flatten()),
        cluster: document.cluster.status,
        members: document.cluster.peers.map_or(0, |peers| peers.len()),
        config: document.config.original,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whatever_is_missing() {
        let status = parse(br#"{"cluster":{"status":"ready","peers":[{},{}]},"versionInfo":{"version":"0.25.0"},"config":{"original":"route: x"},"uptime":"2026-11-23T06:42:33.955Z"}"#).unwrap();
        assert_eq!(
            (status.version.as_str(), status.cluster.as_str(), status.members),
            ("0.25.0", "ready", 2)
        );
        assert_eq!(status.started, Some("2026-11-23T06:42:33.955Z".parse().unwrap()));
        assert_eq!(parse(b"{}").unwrap().started, None);
        assert!(parse(b"<html>").is_err());
    }
}
