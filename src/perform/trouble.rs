//! Errors of clients as replies: [`Trouble`].

use crate::client::{ClusterError, Failure, HttpError, PeerError, PrometheusError};
use crate::step::Reply;

/// Why a server did not do what was asked, on its way to becoming a [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) message: String,
    pub(super) retryable: bool,
    /// Whether nothing can have happened.
    pub(super) untouched: bool,
    /// The time that passed without an answer, in milliseconds, when that was it.
    pub(super) timed_out: Option<u64>,
}

impl Trouble {
    /// Something that trying again does not mend, found before anything was done.
    pub(super) fn for_good(message: impl Into<String>) -> Trouble {
        Trouble { message: message.into(), retryable: false, untouched: true, timed_out: None }
    }

    /// Returns the reply, without what `redact` takes out.
    pub(super) fn reply(self, redact: impl Fn(&str) -> String) -> Reply {
        match self.timed_out {
            Some(limit_ms) => Reply::TimedOut { limit_ms, output: None },
            None => Reply::Impossible {
                message: redact(&self.message),
                retryable: self.retryable,
                untouched: self.untouched,
            },
        }
    }
}

impl From<&HttpError> for Trouble {
    fn from(error: &HttpError) -> Trouble {
        let timed_out = match &error.failure {
            Failure::Timeout { after, connected: true } => {
                Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
            }
            _ => None,
        };
        Trouble {
            message: error.to_string(),
            retryable: error.is_transient(),
            untouched: !error.may_have_acted(),
            timed_out,
        }
    }
}

impl From<HttpError> for Trouble {
    fn from(error: HttpError) -> Trouble {
        Trouble::from(&error)
    }
}

impl From<PeerError> for Trouble {
    fn from(error: PeerError) -> Trouble {
        // The hint is worth more than the exact kind of silence.
        Trouble { message: error.to_string(), timed_out: None, ..Trouble::from(&*error.error) }
    }
}

impl From<ClusterError> for Trouble {
    fn from(error: ClusterError) -> Trouble {
        let acted = match &error {
            ClusterError::NoAnswer(errors) => errors.iter().any(|error| error.error.may_have_acted()),
            _ => false,
        };
        Trouble {
            message: error.to_string(),
            retryable: error.is_transient(),
            untouched: !acted,
            timed_out: None,
        }
    }
}

impl From<PrometheusError> for Trouble {
    fn from(error: PrometheusError) -> Trouble {
        match error {
            PrometheusError::Request(error) => error.into(),
            // Prometheus' words for what is not the query's fault.
            PrometheusError::Query { ref kind, .. } => Trouble {
                retryable: matches!(kind.as_str(), "timeout" | "unavailable" | "internal" | "canceled"),
                ..Trouble::for_good(error.to_string())
            },
        }
    }
}
