//! Silences of a cluster. Main functions: [`Cluster::create_silence`], [`Cluster::extend_silence`].

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::sleep;
use url::Url;

use super::cluster::{Cluster, is_refusal};
use super::error::{ClusterError, PeerError};
use crate::client::base_url::BaseUrl;
use crate::client::error::{Failure, HttpError};
use crate::client::http::HttpRequest;
use crate::model::matcher::lists_silence;
use crate::model::{Matcher, PostableSilence, Silence, SilenceId, SilenceState};

/// What a list of silences may be at most, in bytes.
const MAX_LIST: usize = 256 * 1024 * 1024;
/// What any other answer may be at most, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// When a silence begins that is to begin now: Alertmanager (0.25 to 0.34) makes the present of what is past, and
/// lets what lies in its future wait, so that a clock which goes before its own would mute too late.
pub const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;
/// Peers know of each other's silences after 14 to 200 ms.
const GOSSIP: Duration = Duration::from_millis(400);

/// How a silence came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceEnd {
    /// Its time was over.
    Lapsed,
    /// Somebody expired it before its time.
    Expired,
}

/// What became of a silence that was to be expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It mutes no more.
    Done,
    /// No peer that answered knows it.
    Unknown,
}

/// Silences, as far as they can be read.
#[derive(Debug, Clone, Default)]
pub struct SilenceList {
    /// Active ones, then pending ones, then expired ones.
    pub silences: Vec<Silence>,
    /// What could not be read of the others.
    pub unreadable: Vec<String>,
}

#[derive(Deserialize)]
struct Made {
    #[serde(alias = "silenceID", alias = "silenceId")]
    id: SilenceId,
}

impl Cluster {
    /// Makes a silence at the first peer that takes it; peers tell each other.
    ///
    /// When a peer's answer was lost, it is looked up by `marker`, a text that its comment holds and no
    /// other silence's does, before another peer is asked: so it is made once.
    ///
    /// # Errors
    /// When a peer refuses it, or none answers.
    #[expect(clippy::disallowed_methods, reason = "a pause for gossip needs no wall clock")]
    pub async fn create_silence(
        &self,
        silence: &PostableSilence,
        marker: &str,
    ) -> Result<SilenceId, ClusterError> {
        let silence = PostableSilence { id: None, ..silence.clone() };
        let mut failed = Vec::new();
        for peer in self.peers.iter() {
            let error = match self.post_silence(peer, &silence).await {
                Ok(id) => return Ok(id),
                Err(error) if is_refusal(&error) => return Err(ClusterError::Refused(error)),
                Err(error) => error,
            };
            if error.error.may_have_acted() {
                let here = self.list(peer, &[]).await.map(|list| first_marked(list.silences, marker));
                let found = match here {
                    Ok(found) => found,
                    Err(_) if self.peers.len() == 1 => None,
                    Err(_) => {
                        sleep(GOSSIP).await;
                        self.find_silence_by_comment_marker(marker).await.unwrap_or(None)
                    }
                };
                if let Some(found) = found {
                    return Ok(found.id);
                }
            }
            failed.push(error);
        }
        Err(ClusterError::NoAnswer(failed))
    }

    /// Moves the end of a silence and changes nothing else, so that it keeps its id where Alertmanager
    /// keeps it. Returns the id of the answer, which counts from now on.
    ///
    /// # Errors
    /// [`ClusterError::SilenceEnded`] when it mutes no more: it is for the caller to decide whether a new
    /// one is in order. [`ClusterError::UnknownSilence`] when no peer that answers knows it.
    pub async fn extend_silence(
        &self,
        id: &SilenceId,
        ends_at: Timestamp,
    ) -> Result<SilenceId, ClusterError> {
        let answer = self
            .any(async |peer| {
                let Some(silence) = self.get(peer, id).await? else { return Ok(None) };
                if silence.status == SilenceState::Expired {
                    return Ok(Some(Err(silence)));
                }
                let mut longer = silence.until(ends_at);
                if silence.status == SilenceState::Pending {
                    // The Alertmanager's clock was set back since. Another one is made, which begins now.
                    longer.starts_at = LONG_AGO;
                }
                match self.post_silence(peer, &longer).await {
                    Ok(id) => Ok(Some(Ok(id))),
                    Err(error) if error.error.status() == Some(404) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .await?;
        match answer {
            Some(Ok(id)) => Ok(id),
            Some(Err(silence)) => {
                Err(ClusterError::SilenceEnded { id: id.clone(), how: SilenceEnd::of(&silence) })
            }
            None => Err(ClusterError::UnknownSilence(id.clone())),
        }
    }

    /// Ends a silence now. One that has ended already is done too.
    ///
    /// An unknown silence is answered 404, by Alertmanager 0.25 with 500 and a text.
    ///
    /// # Errors
    /// When no peer answers.
    pub async fn expire_silence(&self, id: &SilenceId) -> Result<Expired, ClusterError> {
        if !is_id(id) {
            return Ok(Expired::Unknown);
        }
        let mut failed = Vec::new();
        let mut unknown = false;
        for peer in self.peers.iter() {
            match self.fetch_done("DELETE", at_silence(peer, id), |request| request).await {
                Ok(()) => return Ok(Expired::Done),
                Err(error) if is_unknown(&error) => unknown = true,
                Err(error) => failed.push(PeerError::from(error)),
            }
        }
        if unknown { Ok(Expired::Unknown) } else { Err(ClusterError::NoAnswer(failed)) }
    }

    /// Lists the silences that have all these matchers, literally; with none, all silences.
    ///
    /// # Errors
    /// When no peer answers.
    pub async fn silences(&self, filters: &[Matcher]) -> Result<SilenceList, ClusterError> {
        self.any(|peer| self.list(peer, filters)).await
    }

    /// Returns one silence, or `None` where no peer that answers knows it.
    ///
    /// # Errors
    /// When no peer answers.
    pub async fn silence(&self, id: &SilenceId) -> Result<Option<Silence>, ClusterError> {
        let mut failed = Vec::new();
        for peer in self.peers.iter() {
            match self.get(peer, id).await {
                Ok(Some(silence)) => return Ok(Some(silence)),
                Ok(None) => {}
                Err(error) => failed.push(error),
            }
        }
        if failed.len() == self.peers.len() { Err(ClusterError::NoAnswer(failed)) } else { Ok(None) }
    }

    /// Returns the silence whose comment holds a marker; one that mutes before one that has ended.
    ///
    /// # Errors
    /// When no peer answers.
    pub async fn find_silence_by_comment_marker(
        &self,
        marker: &str,
    ) -> Result<Option<Silence>, ClusterError> {
        Ok(first_marked(self.silences(&[]).await?.silences, marker))
    }

    async fn list(&self, peer: &BaseUrl, filters: &[Matcher]) -> Result<SilenceList, PeerError> {
        let mut url = peer.at("/api/v2/silences");
        // Names that old versions can't read are compared here only.
        let asked =
            filters.iter().filter(|filter| crate::model::labels::is_classic_label_name(filter.name()));
        let asked: Vec<(&str, String)> = asked.map(|filter| ("filter", filter.to_string())).collect();
        if !asked.is_empty() {
            url.query_pairs_mut().extend_pairs(asked);
        }
        let body = self.client.fetch(HttpRequest::get(url.clone()), MAX_LIST).await?;
        let items: Vec<&RawValue> = parse("GET", &url, &body, "the answer is no list of silences")?;
        let mut list = SilenceList::default();
        for item in items {
            match serde_json::from_str::<Silence>(item.get()) {
                Ok(silence) if lists_silence(&silence.matchers, filters) => list.silences.push(silence),
                Ok(_) => {}
                Err(error) => list.unreadable.push(error.to_string()),
            }
        }
        Ok(list)
    }

    async fn get(&self, peer: &BaseUrl, id: &SilenceId) -> Result<Option<Silence>, PeerError> {
        if !is_id(id) {
            return Ok(None);
        }
        let url = at_silence(peer, id);
        match self.client.fetch(HttpRequest::get(url.clone()), MAX_ANSWER).await {
            Ok(body) => parse("GET", &url, &body, "the answer is no silence").map(Some),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn post_silence(&self, peer: &BaseUrl, silence: &PostableSilence) -> Result<SilenceId, PeerError> {
        let url = peer.at("/api/v2/silences");
        // Matchers and times always serialise.
        let body = serde_json::to_vec(silence).unwrap_or_default();
        let answer = self.client.fetch(HttpRequest::new("POST", url.clone()).json(body), MAX_ANSWER).await?;
        parse::<Made>("POST", &url, &answer, "the answer names no silence").map(|made| made.id)
    }
}

impl SilenceEnd {
    /// A silence that is expired has its end and its last change at one moment.
    fn of(silence: &Silence) -> Self {
        let by_hand = silence.updated_at.is_some_and(|updated| {
            silence.ends_at.duration_since(updated).abs() < jiff::SignedDuration::from_millis(10)
        });
        if by_hand { Self::Expired } else { Self::Lapsed }
    }
}

impl fmt::Display for SilenceEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lapsed => "its time was over",
            Self::Expired => "it was expired before its time",
        })
    }
}

/// Tells whether a comment holds a marker as a word of its own: `run-1` is not in `run-12`.
pub fn has_marker(comment: &str, marker: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/');
    !marker.is_empty()
        && comment.match_indices(marker).any(|(at, _)| {
            !comment[..at].chars().next_back().is_some_and(part_of_word)
                && !comment[at + marker.len()..].chars().next().is_some_and(part_of_word)
        })
}

fn first_marked(silences: Vec<Silence>, marker: &str) -> Option<Silence> {
    let marked = silences.into_iter().filter(|silence| has_marker(&silence.comment, marker));
    marked.min_by_key(|silence| match silence.status {
        SilenceState::Active => 0,
        SilenceState::Pending => 1,
        SilenceState::Expired => 2,
    })
}

/// Every Alertmanager's ids are UUIDs. Anything else is unknown without asking: servers resolve `..` in
/// the path that it would be put into.
fn is_id(id: &SilenceId) -> bool {
    id.as_str().parse::<uuid::Uuid>().is_ok()
}

fn at_silence(peer: &BaseUrl, id: &SilenceId) -> Url {
    peer.at(&format!("/api/v2/silence/{id}"))
}

/// 404 without a body or with Alertmanager's text; the 404 of another server has its page.
fn is_unknown(error: &HttpError) -> bool {
    match &error.failure {
        Failure::Status { code: 404, excerpt, .. } => {
            excerpt.is_empty() || excerpt.contains("silence not found")
        }
        Failure::Status { code: 500, excerpt, .. } => excerpt.contains("silence not found"),
        _ => false,
    }
}

fn parse<'a, T: Deserialize<'a>>(
    method: &str,
    url: &Url,
    body: &'a [u8],
    problem: &str,
) -> Result<T, PeerError> {
    serde_json::from_slice(body).map_err(|error| {
        let hint = Some("is this the URL of the API, with its path prefix?".to_owned());
        PeerError {
            error: Box::new(HttpError::new(method, url, Failure::Unexpected(format!("{problem}: {error}")))),
            hint,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_as_a_word_of_its_own() {
        for (comment, expected) in [
            ("amflow run-1", true),
            ("run-1: mutes while it works", true),
            ("(run-1)", true),
            ("run-12", false),
            ("xrun-1", false),
            ("run-12 and run-1", true),
            ("run-1/step", false),
            ("", false),
        ] {
            assert_eq!(has_marker(comment, "run-1"), expected, "{comment}");
        }
        assert!(!has_marker("anything", ""));
    }

    #[test]
    fn what_is_no_uuid_is_never_put_into_a_path() {
        assert!(is_id(&SilenceId::new("11111111-2222-3333-4444-555555555555")));
        for id in ["", "..", "abc", "a/../b", "11111111-2222-3333-4444-55555555555?"] {
            assert!(!is_id(&SilenceId::new(id)), "{id}");
        }
    }
}
