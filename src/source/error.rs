//! Why no alerts came. Main type: [`SourceError`].

use std::io;

use crate::client::{ClusterError, HttpError};
use crate::model::payload::PayloadError;

/// Why no alerts came from a source. Nothing of it may be acted upon.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Two sources are named.
    #[error("--from {from} and --poll: alerts come from one source")]
    TwoSources {
        /// The one that `--from` names.
        from: String,
    },
    /// What is named can be no source.
    #[error("--from {from}: {why}")]
    NoSource {
        /// The name.
        from: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no Alertmanager to ask.
    #[error("no Alertmanager is configured, and nothing was piped")]
    NobodyToPoll,
    /// The input ended before anything came.
    #[error("{name} is empty: not even an empty list came")]
    Empty {
        /// What it is called.
        name: String,
    },
    /// The answer of an address has no content.
    #[error("{name} answered with nothing: not even an empty list came")]
    EmptyAnswer {
        /// The address.
        name: String,
    },
    /// It cannot be read.
    #[error("cannot read {name}")]
    Unreadable {
        /// What it is called.
        name: String,
        /// As the system says it.
        #[source]
        error: io::Error,
    },
    /// It is not alerts.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// What came from an address is not alerts.
    #[error(transparent)]
    Answer(PayloadError),
    /// The address does not answer.
    #[error(transparent)]
    Fetch(#[from] HttpError),
    /// Alertmanager does not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Alerts of several origins came together.
    #[error("{name} holds {one} and {other} together: their labels differ for the same alert")]
    Mixed {
        /// What it is called.
        name: String,
        /// What came first.
        one: &'static str,
        /// What came with it.
        other: &'static str,
    },
}

impl SourceError {
    /// Tells whether what was asked for is wrong, so that the same again would fail again; else it could not be done.
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::TwoSources { .. }
                | Self::NoSource { .. }
                | Self::NobodyToPoll
                | Self::Payload(_)
                | Self::Mixed { .. }
        )
    }

    /// Returns what to do about it.
    pub fn hints(&self) -> Vec<&'static str> {
        match self {
            Self::NobodyToPoll => vec![
                "give --alertmanager.url http://HOST:9093, or set it in amflow.yaml or amtool's configuration",
                "or pipe alerts: amtool alert query -o json | amflow run",
            ],
            Self::Empty { .. } => vec![
                "the command before the pipe failed, or this runs from cron: `--poll` asks Alertmanager",
                "where no alerts at all are meant, `--from -` says so",
            ],
            Self::NoSource { .. } => vec!["`--from` takes a file, a URL, or - for standard input"],
            Self::Mixed { .. } => vec!["give them to amflow one after the other, not in one stream"],
            Self::Payload(error) | Self::Answer(error) => vec![error.hint()],
            Self::EmptyAnswer { .. } => {
                vec!["no alerts at all are an empty list, `[]`: is it the address of the API that was asked?"]
            }
            Self::Fetch(error) if matches!(error.status(), Some(401 | 403)) => {
                vec!["credentials are only sent to the Alertmanager and the Prometheus of the configuration"]
            }
            Self::TwoSources { .. } | Self::Unreadable { .. } | Self::Fetch(_) | Self::Cluster(_) => {
                Vec::new()
            }
        }
    }
}
