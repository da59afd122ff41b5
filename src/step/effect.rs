//! [`Effect`]: what a step wants done, as data; [`Reply`]: what doing it returned, as data.
//!
//! Effects are journaled as they are, so they carry references to secrets, never secrets. Replies
//! are capped and redacted by the performer before anything else sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hold::HoldEffect;

/// What a step wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// A process on this host.
    Command(CommandEffect),
    /// An HTTP request.
    Request(RequestEffect),
    /// A query to Prometheus.
    Query(QueryEffect),
    /// A look at whether alerts are still there.
    Sighting(SightingEffect),
    /// Making or releasing a hold.
    Hold(HoldEffect),
}

/// A process: argv, environment, standard input. No shell unless argv names one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandEffect {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// Variables set beside the clean base environment (PATH, HOME, LANG, TZ, USER).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, TextOrSecret>,
    /// Standard input; `/dev/null` when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Working directory; the performer's default when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The context that the command finds as a 0600 file named by `$AMFLOW_CONTEXT`, as JSON. Not
    /// journaled: it can be built again from the journal.
    #[serde(skip)]
    pub context: Option<Arc<str>>,
    /// Whether `$AMFLOW_OUTPUT` names a file whose `key=value` lines become outputs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outputs: bool,
    /// Most bytes kept of standard output and of standard error, each (head and tail).
    #[serde(default = "default_output_limit")]
    pub output_limit: usize,
    /// Resource limits and the user to run as.
    #[serde(default, skip_serializing_if = "CommandLimits::is_none")]
    pub limits: CommandLimits,
}

/// Resource limits of a command; `None` leaves amflow's own in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandLimits {
    /// CPU time in seconds (`ulimit -t`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// Address space in bytes (`ulimit -v`, which counts KiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Largest file written, in bytes (`ulimit -f`, which counts 512-byte blocks).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// Open files (`ulimit -n`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// User name or numeric id to run as; needs the right to change to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl CommandLimits {
    /// Returns whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == CommandLimits::default()
    }
}

/// Bytes of output kept by default, of each stream: 64 KiB.
pub const DEFAULT_OUTPUT_LIMIT: usize = 64 * 1024;

fn default_output_limit() -> usize {
    DEFAULT_OUTPUT_LIMIT
}

/// A text, or a reference to a secret that the performer resolves when it performs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextOrSecret {
    /// Plain text, already rendered.
    Text(String),
    /// The name of a secret of the configuration.
    Secret(String),
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestEffect {
    /// GET, POST ...
    pub method: String,
    /// The absolute URL, or a path below the connection's URL.
    pub url: String,
    /// The connection of the configuration whose URL, authentication and TLS settings apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Headers, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, TextOrSecret)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RequestBody>,
    /// Sent as `Idempotency-Key`: run and step, so that a retry is known as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Most bytes kept of the response's body.
    #[serde(default = "default_output_limit")]
    pub output_limit: usize,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Sent as it is.
    Text(String),
}

/// A query to Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueryEffect {
    /// The connection of the configuration; the configured Prometheus when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// `PromQL`, already rendered.
    pub query: String,
    /// A range query over this long before now, in seconds, with this step in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<QueryRange>,
}

/// The range of a range query.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueryRange {
    /// Seconds before now at which the range begins.
    pub seconds: f64,
    /// Seconds between points.
    pub step: f64,
}

/// A look at whether alerts are still there: asked of every peer of the cluster, in all states and
/// without a filter, because a filtered answer cannot prove absence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SightingEffect {
    /// Fingerprints of the alerts looked for, 16 hex digits.
    pub fingerprints: Vec<String>,
}

/// What doing an effect returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// A command ended.
    Exited(Exited),
    /// A server answered.
    Responded(Responded),
    /// Prometheus answered.
    Queried(Queried),
    /// Peers were asked for alerts.
    Sighted(Sighted),
    /// A hold was made, renewed or released.
    Held {
        /// The server's id for it, when it gives one (a silence's).
        id: Option<String>,
    },
    /// It did not end within its time; it was stopped.
    TimedOut {
        /// The limit that passed, in milliseconds.
        limit_ms: u64,
        /// What a command had written by then.
        output: Option<Box<Exited>>,
    },
    /// It was stopped because the run was cancelled.
    Stopped {
        /// What a command had written by then.
        output: Option<Box<Exited>>,
    },
    /// It could not be done: no such program, connection refused, an unknown secret.
    Impossible {
        /// What went wrong, redacted.
        message: String,
        /// Whether trying again may help.
        retryable: bool,
        /// Whether nothing can have happened: the effect was never begun.
        untouched: bool,
    },
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exited {
    /// Exit code; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Standard output, capped and redacted.
    #[serde(default, skip_serializing_if = "Captured::is_empty")]
    pub stdout: Captured,
    /// Standard error, capped and redacted.
    #[serde(default, skip_serializing_if = "Captured::is_empty")]
    pub stderr: Captured,
    /// `key=value` lines written to `$AMFLOW_OUTPUT`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
}

/// A text that was capped: head and tail of it with a mark between, when it was too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// What was kept; invalid UTF-8 replaced, secrets redacted.
    pub text: String,
    /// Bytes left out between head and tail.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Captured {
    /// Returns whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.cut == 0
    }
}

impl From<&str> for Captured {
    fn from(text: &str) -> Captured {
        Captured { text: text.to_owned(), cut: 0 }
    }
}

/// A server's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Responded {
    /// HTTP status code.
    pub status: u16,
    /// Headers, lower-case names, redacted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, capped and redacted.
    #[serde(default, skip_serializing_if = "Captured::is_empty")]
    pub body: Captured,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// Prometheus' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Queried {
    /// `vector`, `matrix`, `scalar` or `string`.
    pub result_type: String,
    /// The result as Prometheus' API gives it.
    pub result: Value,
    /// Prometheus' warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What the peers of a cluster know about the alerts looked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sighted {
    /// When the peers had answered.
    pub at: Timestamp,
    /// One entry a peer asked.
    pub peers: Vec<PeerSight>,
}

/// What one peer said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerSight {
    /// The peer's URL, without credentials.
    pub url: String,
    /// Why its answer does not count: unreachable, half an answer, an HTML page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// When it started, by its own account: a peer that restarted has forgotten its alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it answered, by its own clock, at the latest: what it says of ends and starts is by that clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// The alerts looked for that it knows, by fingerprint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen: BTreeMap<String, SeenAlert>,
}

/// One alert as a peer knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenAlert {
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// Until when it is known to fire: a lease that its Prometheus renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Silences that mute it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts that inhibit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inhibited_by: Vec<String>,
}
