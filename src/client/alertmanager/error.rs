//! What can go wrong with an Alertmanager, and what to do about it. Main type: [`ClusterError`].

use crate::client::alertmanager::SilenceEnd;
use crate::client::error::{Failure, HttpError};
use crate::model::SilenceId;

/// Why one peer did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct PeerError {
    /// What went wrong.
    pub error: Box<HttpError>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

/// Why the cluster did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// There is no peer.
    #[error("no Alertmanager is configured; give `--alertmanager.url http://HOST:9093`")]
    NoUrl,
    /// Credentials stand in a URL and in the `http_config`.
    #[error("`{url}` holds credentials and so does http_config; keep one of them")]
    TwoCredentials {
        /// The URL, without them.
        url: String,
    },
    /// No peer answered.
    #[error("{}", no_answer(.0))]
    NoAnswer(Vec<PeerError>),
    /// A peer understood and refused.
    #[error("refused: {0}")]
    Refused(PeerError),
    /// No peer knows the silence.
    #[error("silence `{0}` not found")]
    UnknownSilence(SilenceId),
    /// The silence has ended, so that it can't be extended in place.
    #[error("silence `{id}` has ended: {how}")]
    SilenceEnded {
        /// Its id.
        id: SilenceId,
        /// How it ended.
        how: SilenceEnd,
    },
    /// This kind of Alertmanager has no such call.
    #[error("{0}")]
    Unsupported(String),
}

impl ClusterError {
    /// Tells whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer(errors) => errors.iter().any(|error| error.error.is_transient()),
            _ => false,
        }
    }
}

impl From<HttpError> for PeerError {
    fn from(error: HttpError) -> Self {
        let hint = match &error.failure {
            Failure::Status { code: 401, .. } => Some(
                "the server wants credentials; give them in http_config (basic_auth, authorization, oauth2)",
            ),
            Failure::Status { code: 403, .. } => {
                Some("these credentials may not do this; ask who runs the server")
            }
            Failure::Status { code: 404, .. } => {
                Some("no Alertmanager API under this URL; check its path prefix (`--web.route-prefix`)")
            }
            Failure::Status { code: 410, .. } => {
                Some("this API is gone; amflow speaks API v2 (Alertmanager 0.16 and later)")
            }
            Failure::Status { code: 400, excerpt, .. }
                if excerpt.contains("HTTP request to an HTTPS server") =>
            {
                Some("the server speaks TLS; write https:// instead of http://")
            }
            Failure::Status { code: 503, excerpt, .. } if excerpt.contains("concurrent GET") => {
                Some("too many requests at once; raise the server's `--web.get-concurrency`")
            }
            Failure::Timeout { connected: true, .. } => {
                Some("raise the timeout, or narrow what is asked by a filter")
            }
            _ => None,
        };
        Self { hint: hint.map(str::to_owned), error: Box::new(error) }
    }
}

fn no_answer(errors: &[PeerError]) -> String {
    match errors {
        [one] => format!("Alertmanager did not answer: {one}"),
        many => {
            let list: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("none of {} Alertmanagers answered: {}", many.len(), list.join("; "))
        }
    }
}
