//! Alerts of all peers. Main function: [`Cluster::alerts_where`].

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use url::Url;

use super::cluster::{Cluster, PeerAnswer, PeerResult, WRONG_ADDRESS, all};
use super::error::{ClusterError, PeerError};
use super::merge::merge;
use crate::client::base_url::BaseUrl;
use crate::client::error::Failure;
use crate::client::http::{HttpRequest, HttpResponse};
use crate::model::labels::is_classic_label_name;
use crate::model::matcher::first_failing;
use crate::model::payload::{BadAlert, PayloadError, PayloadReader, RawAlert, ReadStats, Shape};
use crate::model::{Alert, Matcher};

/// How long is waited before a busy peer (503) is asked again.
const BUSY: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];

/// What a `Date` header leaves out is less than this.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

const CUT_OFF: &str = "the server or a proxy before it ended its answer early; asking again may help";
const FOREIGN: &str =
    "Alertmanager does not write that: does something between it and amflow change its answers?";

/// Which alerts are asked for. The default is all of them, whatever their state.
#[derive(Debug, Clone)]
pub struct AlertQuery {
    /// All must hold.
    pub filters: Vec<Matcher>,
    /// Whether alerts that are not muted are wanted.
    pub active: bool,
    /// Whether silenced alerts are wanted.
    pub silenced: bool,
    /// Whether inhibited alerts are wanted.
    pub inhibited: bool,
    /// Whether alerts are wanted that Alertmanager has not looked at yet.
    pub unprocessed: bool,
    /// A regular expression for the whole name of a receiver, evaluated by Alertmanager.
    pub receiver: Option<String>,
}

/// The alerts of a cluster, and how reliable that is.
#[derive(Debug, Clone)]
pub struct ClusterAlerts {
    /// The alerts, by fingerprint.
    pub alerts: Vec<Alert>,
    /// What every peer answered; at least one completely.
    pub peers: Vec<PeerAnswer>,
    /// Alerts that could not be read; the others could.
    pub bad: Vec<BadAlert>,
    /// How many could not be read.
    pub bad_count: u64,
    /// What should be known: peers that failed, filters that a peer did not understand.
    pub warnings: Vec<String>,
}

/// What one peer brought.
struct FromPeer {
    alerts: Vec<Alert>,
    stats: ReadStats,
    warning: Option<String>,
    started: Option<Timestamp>,
    answered: Option<Timestamp>,
}

impl Default for AlertQuery {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            active: true,
            silenced: true,
            inhibited: true,
            unprocessed: true,
            receiver: None,
        }
    }
}

impl Cluster {
    /// Returns the alerts that a query asks for; see [`alerts_where`](Self::alerts_where).
    ///
    /// # Errors
    /// When no peer answers.
    pub async fn alerts(&self, query: &AlertQuery, now: Timestamp) -> Result<ClusterAlerts, ClusterError> {
        self.alerts_where(query, now, |_| true).await
    }

    /// Asks all peers at once for the alerts of a query, keeps those that `keep` says, and merges them.
    ///
    /// The answers are streamed: what is not kept needs no memory. A filter that a peer does not
    /// understand (names with UTF-8 before Alertmanager 0.27) is applied here; a busy peer (503) is asked
    /// again; a peer that fails is told in the warnings while another one answers.
    ///
    /// # Errors
    /// When no peer answers.
    pub async fn alerts_where<K>(
        &self,
        query: &AlertQuery,
        now: Timestamp,
        keep: K,
    ) -> Result<ClusterAlerts, ClusterError>
    where
        K: Fn(&RawAlert<'_>) -> bool + Sync,
    {
        let alone = self.peers.len() == 1;
        let asks = self.peers.iter().map(|peer| self.ask(peer, query, alone, now, &keep));
        let answers = all(asks).await;
        let mut result = ClusterAlerts {
            alerts: Vec::new(),
            peers: Vec::new(),
            bad: Vec::new(),
            bad_count: 0,
            warnings: Vec::new(),
        };
        let mut lists = Vec::new();
        for (peer, answer) in self.peers.iter().zip(answers) {
            let answer = match answer {
                Ok(from) => {
                    lists.push(from.alerts);
                    result.bad_count += from.stats.bad_count;
                    result.bad.extend(from.stats.bad);
                    result.warnings.extend(from.stats.warnings);
                    result.warnings.extend(from.warning);
                    PeerResult::Complete {
                        count: from.stats.alerts,
                        started: from.started,
                        answered: from.answered,
                    }
                }
                Err(error) => PeerResult::Failed(error),
            };
            result.peers.push(PeerAnswer { url: peer.to_string(), result: answer });
        }
        let failed = result.peers.iter().filter_map(|answer| match &answer.result {
            PeerResult::Failed(error) => Some(error.clone()),
            PeerResult::Complete { .. } => None,
        });
        let failed: Vec<PeerError> = failed.collect();
        if lists.is_empty() {
            return Err(ClusterError::NoAnswer(failed));
        }
        result.warnings.extend(failed.iter().map(ToString::to_string));
        result.alerts = merge(lists);
        if !alone {
            result.alerts.retain(|alert| query.wants(alert));
        }
        Ok(result)
    }

    async fn ask<K>(
        &self,
        peer: &BaseUrl,
        query: &AlertQuery,
        alone: bool,
        now: Timestamp,
        keep: &K,
    ) -> Result<FromPeer, PeerError>
    where
        K: Fn(&RawAlert<'_>) -> bool + Sync,
    {
        let (response, warning) = self.open(peer, query, alone).await?;
        // Go's server writes it when the answer begins: the list was made before that.
        let answered = response.header("date").and_then(rounded_up);
        // Whether an alert has ended is a matter of the peer's clock, which its ends are compared with.
        let theirs = answered.and_then(|at| at.checked_sub(A_SECOND).ok()).unwrap_or(now);
        let mut alerts = Vec::new();
        let mut take = |raw: &RawAlert<'_>| {
            if first_failing(&query.filters, raw.labels()).is_none() && keep(raw) {
                alerts.push(raw.to_alert(theirs)?);
            }
            Ok(())
        };
        let stats = read(peer, response, &mut take).await?;
        let started = self.started(peer).await;
        Ok(FromPeer { alerts, stats, warning, started, answered })
    }

    /// Opens a peer's list, with fewer filters where it does not understand them.
    async fn open(
        &self,
        peer: &BaseUrl,
        query: &AlertQuery,
        alone: bool,
    ) -> Result<(HttpResponse, Option<String>), PeerError> {
        let every: Vec<&Matcher> = query.filters.iter().collect();
        let portable: Vec<&Matcher> =
            query.filters.iter().filter(|filter| is_classic_label_name(filter.name())).collect();
        let mut tries = vec![every];
        if portable.len() < tries[0].len() && !portable.is_empty() {
            tries.push(portable);
        }
        if !tries[0].is_empty() {
            tries.push(Vec::new());
        }
        let mut warning = None;
        for filters in &tries {
            let error = match self.open_busy(query.url(peer, filters, alone)).await {
                Ok(response) => return Ok((response, warning)),
                Err(error) => error,
            };
            // A receiver that is no regular expression is 400 too, and no fewer filters help.
            if error.error.status() != Some(400) || filters.is_empty() || query.receiver.is_some() {
                return Err(error);
            }
            warning =
                Some(format!("{peer} does not understand a filter, which is applied here instead: {error}"));
        }
        Err(PeerError::from(crate::client::error::HttpError::new(
            "GET",
            &peer.at("/api/v2/alerts"),
            Failure::Unexpected("no answer to any form of the query".to_owned()),
        )))
    }

    #[expect(clippy::disallowed_methods, reason = "a pause between two tries needs no wall clock")]
    async fn open_busy(&self, url: Url) -> Result<HttpResponse, PeerError> {
        let mut waits = BUSY.iter();
        loop {
            let request = HttpRequest::get(url.clone()).header("accept", "application/json");
            let answer = match self.client.send(request).await {
                Ok(response) => response.success().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(response) => return Ok(response),
                Err(error) if error.status() == Some(503) => match waits.next() {
                    Some(wait) => sleep(*wait).await,
                    None => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AlertQuery {
    /// The states are asked for only where one peer decides them alone: of two peers that differ, the one
    /// that does not mute is right.
    fn url(&self, peer: &BaseUrl, filters: &[&Matcher], alone: bool) -> Url {
        let mut url = peer.at("/api/v2/alerts");
        let states = [
            ("active", self.active),
            ("silenced", self.silenced),
            ("inhibited", self.inhibited),
            ("unprocessed", self.unprocessed),
        ];
        let left_out = states.iter().filter(|(_, wanted)| alone && !wanted);
        let mut pairs: Vec<(&str, String)> = left_out.map(|(name, _)| (*name, "false".to_owned())).collect();
        pairs.extend(filters.iter().map(|filter| ("filter", filter.to_string())));
        pairs.extend(self.receiver.iter().map(|receiver| ("receiver", receiver.clone())));
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        url
    }

    /// As Alertmanager's `alertFilter`.
    fn wants(&self, alert: &Alert) -> bool {
        (self.active || alert.is_muted())
            && (self.silenced || alert.silenced_by.is_empty())
            && (self.inhibited || alert.inhibited_by.is_empty())
    }
}

/// Returns the moment of a `Date` header, which leaves fractions of a second out, as the next whole second.
fn rounded_up(date: &str) -> Option<Timestamp> {
    let date = DateTimeParser::new().parse_timestamp(date).ok()?;
    date.checked_add(A_SECOND).ok()
}

/// Streams a list of alerts out of an answer.
pub(in crate::client) async fn read<V>(
    peer: &BaseUrl,
    mut response: HttpResponse,
    visit: &mut V,
) -> Result<ReadStats, PeerError>
where
    V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
{
    let html = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let mut reader = PayloadReader::new(&peer.to_string());
    let outcome = loop {
        let Some(chunk) = response.chunk().await? else { break reader.finish(visit) };
        let chunk = chunk.as_ref();
        reader.space(chunk.len())[..chunk.len()].copy_from_slice(chunk);
        if let Err(error) = reader.filled(chunk.len(), visit) {
            break Err(error);
        }
    };
    let wrong = |message: String, hint: &str| PeerError {
        error: Box::new(response.fail(Failure::Unexpected(message))),
        hint: Some(hint.to_owned()),
    };
    let unexpected = |message: String| wrong(message, WRONG_ADDRESS);
    match outcome {
        Ok(stats) if stats.is_empty_input() => Err(unexpected("the answer is empty".to_owned())),
        Ok(stats) if stats.shapes.iter().all(|shape| matches!(shape, Shape::ApiV2 | Shape::Prometheus)) => {
            Ok(stats)
        }
        Ok(_) => Err(unexpected("the answer is no list of alerts".to_owned())),
        Err(_) if html => Err(unexpected("the answer is a web page, not JSON".to_owned())),
        Err(error) => match &error {
            PayloadError::CutOff { .. } => Err(wrong(error.to_string(), CUT_OFF)),
            PayloadError::Broken { .. } | PayloadError::TooLarge { .. } | PayloadError::AllBad { .. } => {
                Err(wrong(error.to_string(), FOREIGN))
            }
            PayloadError::NotJson { .. }
            | PayloadError::NotAlerts { .. }
            | PayloadError::ErrorAnswer { .. } => Err(unexpected(error.to_string())),
        },
    }
}
