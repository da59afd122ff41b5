//! The peers of a cluster and how all or any of them are asked. Main type: [`Cluster`].

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use jiff::Timestamp;
use url::Url;

use super::error::{ClusterError, PeerError};
use crate::client::base_url::BaseUrl;
use crate::client::error::{Failure, HttpError};
use crate::client::http::{HttpClient, HttpOptions, HttpRequest};
use crate::client::http_config::HttpConfig;
use crate::model::PostableAlert;

/// What an answer to a post may be at most, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// What to do about an answer that is none of Alertmanager's.
pub(super) const WRONG_ADDRESS: &str =
    "is this the URL of the API, with its path prefix, and not of a page or a proxy's login?";

/// A cluster of Alertmanagers. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) peers: Arc<[BaseUrl]>,
    pub(super) client: HttpClient,
    dialect: Dialect,
}

/// Whose API it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Alertmanager's own, and Mimir's, Cortex's, and `VictoriaMetrics`' copies of it.
    #[default]
    Alertmanager,
    /// The Alertmanager inside Grafana: alerts can't be posted to it.
    Grafana,
}

/// What one peer answered to a question that all were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAnswer {
    /// The peer, without credentials.
    pub url: String,
    /// What it answered.
    pub result: PeerResult,
}

/// Whether a peer's answer can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerResult {
    /// It answered to the end.
    Complete {
        /// Alerts in its answer, also those that were not kept.
        count: u64,
        /// When the peer was started, where it says so. It is asked after the alerts, so that a peer that
        /// restarted meanwhile (and forgot its alerts) is known by it.
        started: Option<Timestamp>,
        /// When it answered, by its own clock, rounded up to a second; where it says so.
        answered: Option<Timestamp>,
    },
    /// It did not.
    Failed(PeerError),
}

/// What one peer made of posted alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAnswer {
    /// The peer, without credentials.
    pub url: String,
    /// Nothing, or why it did not take (all of) them. A batch of good and bad alerts is answered 400 and
    /// the good ones are stored (Alertmanager 0.25 to 0.34).
    pub result: Result<(), PeerError>,
}

impl Cluster {
    /// Returns a cluster of the peers at these URLs. Nothing is asked yet.
    ///
    /// # Errors
    /// When there is no URL, or credentials stand both in a URL and in the `http_config`.
    pub fn new(
        peers: Vec<BaseUrl>,
        config: HttpConfig,
        options: HttpOptions,
        dialect: Dialect,
    ) -> Result<Self, ClusterError> {
        let mut unique: Vec<BaseUrl> = Vec::with_capacity(peers.len());
        for peer in peers {
            if peer.has_credentials() && config.has_credentials() {
                return Err(ClusterError::TwoCredentials { url: peer.to_string() });
            }
            if !unique.contains(&peer) {
                unique.push(peer);
            }
        }
        if unique.is_empty() {
            return Err(ClusterError::NoUrl);
        }
        Ok(Self { peers: unique.into(), client: HttpClient::new(config, options), dialect })
    }

    /// Returns the peers' URLs, without credentials.
    pub fn urls(&self) -> impl ExactSizeIterator<Item = String> {
        self.peers.iter().map(ToString::to_string)
    }

    /// Returns every peer as a cluster of its own, for questions whose answers must not be merged. They
    /// share connections and tokens with this one.
    pub fn each(&self) -> impl Iterator<Item = Self> {
        self.peers.iter().map(|peer| Self { peers: [peer.clone()].into(), ..self.clone() })
    }

    /// Returns whose API it is.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Says why it could not be asked at present, as far as that is known without asking it.
    pub fn unready(&self) -> Option<String> {
        self.client.unready()
    }

    /// Posts alerts to every peer, since peers don't tell each other. Every 2xx is a success that is no
    /// page for people.
    ///
    /// # Errors
    /// [`ClusterError::Unsupported`] for Grafana; what single peers did is in the answer.
    pub async fn post_alerts(&self, alerts: &[PostableAlert]) -> Result<Vec<PostAnswer>, ClusterError> {
        if self.dialect == Dialect::Grafana {
            let message = "Grafana's Alertmanager takes no alerts from outside; mute with `sync: {silence: true}` \
                           and report failures with a `notify` step instead";
            return Err(ClusterError::Unsupported(message.to_owned()));
        }
        // Labels and times always serialise.
        let body = serde_json::to_vec(alerts).unwrap_or_default();
        let posts = self.peers.iter().map(|peer| {
            let body = body.clone();
            async move {
                let url = peer.at("/api/v2/alerts");
                let result = self.fetch_done("POST", url, |post| post.json(body).repeatable()).await;
                PostAnswer { url: peer.to_string(), result: result.map_err(PeerError::from) }
            }
        });
        Ok(all(posts).await)
    }

    /// Sends a request that is answered with a success and nothing worth reading.
    pub(super) async fn fetch_done(
        &self,
        method: &str,
        url: Url,
        request: impl FnOnce(HttpRequest) -> HttpRequest,
    ) -> Result<(), HttpError> {
        let body = self.client.fetch(request(HttpRequest::new(method, url.clone())), MAX_ANSWER).await?;
        // A page for people, as of a proxy that wants somebody to sign in: nothing was done.
        if body.trim_ascii_start().starts_with(b"<") {
            let problem = format!("the answer is a web page, not Alertmanager's: {WRONG_ADDRESS}");
            return Err(HttpError::new(method, &url, Failure::Unexpected(problem)));
        }
        Ok(())
    }

    /// Asks one peer after the other until one succeeds or refuses for a reason that the others share.
    pub(super) async fn any<'a, T, F>(&'a self, ask: impl Fn(&'a BaseUrl) -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, PeerError>>,
    {
        let mut failed = Vec::new();
        for peer in self.peers.iter() {
            match ask(peer).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_refusal(&error) => return Err(ClusterError::Refused(error)),
                Err(error) => failed.push(error),
            }
        }
        Err(ClusterError::NoAnswer(failed))
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("peers", &self.peers)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// Whether a peer judged what was asked, so that another one would say the same.
pub(super) fn is_refusal(error: &PeerError) -> bool {
    matches!(error.error.status(), Some(400 | 409 | 413 | 415 | 422))
}

/// Drives all futures at once and returns what they give, in order.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
