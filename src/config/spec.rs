//! The configuration file as people write it. Main type: [`ConfigSpec`]; its comments are the reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::{Dialect, HttpConfig};
use crate::model::TimeIntervalSpec;
use crate::perform::SecretSource;

/// The configuration of amflow. Everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigSpec {
    /// Where Alertmanager is. Without it, amtool's own configuration says so.
    pub alertmanager: Option<AlertmanagerSpec>,
    /// Where Prometheus is: for `prometheus` steps and waits.
    pub prometheus: Option<PrometheusSpec>,
    /// Playbooks: files, and directories with all below them. Relative paths start at this file's directory.
    pub playbooks: Vec<PathBuf>,
    /// Where journals, claims and gates are kept.
    pub store: Option<StoreSpec>,
    /// Limits over all playbooks.
    pub limits: GlobalLimitsSpec,
    /// Runs worked on at the same time by one process; 4 when not given.
    pub parallel: Option<u16>,
    /// Variables of the environment that playbooks may read as `env.NAME`. They are fixed when a run starts.
    pub env: Vec<String>,
    /// Secrets by name, and where each comes from.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Services that steps reach by name, such as an Airflow.
    pub connections: BTreeMap<String, ConnectionSpec>,
    /// Times that playbooks name in `active_time_intervals` and `mute_time_intervals`, in Alertmanager's own form.
    pub time_intervals: Vec<TimeIntervalSpec>,
    /// Figures for Prometheus from one-shot runs.
    pub metrics: MetricsSpec,
    /// OpenTelemetry: a run is a trace, its steps are spans. Nothing is sent when no collector is named here or in
    /// the environment.
    pub telemetry: TelemetrySpec,
    /// Who silences are made by; `amflow` when not given.
    pub author: Option<String>,
    /// Who decides what `approve` steps ask.
    pub people: PeopleSpec,
    /// `amflow serve`: how it listens, who may send, how it polls and ends.
    pub server: Option<ServerSpec>,
}

/// Who decides what `approve` steps ask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleSpec {
    /// Users by name, beside those that are in groups. On the command line a user is the user of the system.
    pub users: Vec<String>,
    /// Groups by name, with the names of their members.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Users of the system that may decide in the name of others, with `--as`. The journal names both.
    pub may_act_as_others: Vec<String>,
}

/// `amflow serve`: how it listens, who may send, how it polls and ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSpec {
    /// Addresses with ports, such as `0.0.0.0:9096`; `127.0.0.1:9096` when not given. Credentials or clients'
    /// certificates are needed unless all of them are loopback.
    pub listen: Vec<String>,
    /// The path before all others, such as `/amflow`.
    pub route_prefix: Option<String>,
    /// The address that people reach it by, such as `https://ops.example.com/amflow`: for links to tasks.
    pub external_url: Option<String>,
    /// Who may send: any of these. `/-/healthy` and `/-/ready` are open to everybody.
    pub auth: Vec<CredentialSpec>,
    /// Certificate and key; without them it speaks plain HTTP.
    pub tls: Option<TlsSpec>,
    /// Bytes of a request's body, at most; 67108864 (64 MiB) when not given.
    pub max_body: Option<u64>,
    /// How long the head of a request or a handshake may take; 10s when not given. Idle connections end after it.
    pub header_timeout: Option<String>,
    /// How long the body of a request may take; 30s when not given.
    pub body_timeout: Option<String>,
    /// Connections at the same time; 1024 when not given, at most half of the files that the process may have open.
    /// More wait.
    pub connections: Option<u32>,
    /// Requests a second that one client may make; as many as it likes when not given.
    pub rate: Option<u32>,
    /// How often Alertmanager is polled beside what it sends; 1m when not given, `none`: only when a webhook says that it
    /// left alerts out.
    pub poll_interval: Option<String>,
    /// How long running steps may take to end after SIGTERM; 25s when not given.
    pub drain_timeout: Option<String>,
    /// Runs that were started and are not over, at most; 10000 when not given. Beyond it deliveries are
    /// answered with 503.
    pub queue: Option<u32>,
}

/// One way to be let in: exactly one of the four, and what it is called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialSpec {
    /// What it is called in logs and journals; the user of `basic`, else its place in the list when not given.
    pub name: Option<String>,
    /// A token in `Authorization: Bearer`.
    pub bearer: Option<SecretSource>,
    /// A user and a password.
    pub basic: Option<BasicSpec>,
    /// A signature of the body, as Grafana's webhooks carry it.
    pub signature: Option<SignatureSpec>,
    /// A client's certificate, signed by `tls.client_ca_file`.
    pub certificate: Option<CertificateSpec>,
}

/// A client's certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateSpec {
    /// DNS names or URIs, one of which must be among its alternative names; any certificate when not given.
    pub names: Vec<String>,
}

/// A user and a password.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicSpec {
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretSource,
}

/// An HMAC-SHA256 of the body, in hex.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureSpec {
    /// The key.
    pub secret: SecretSource,
    /// The header with the signature; `X-Grafana-Alerting-Signature` when not given.
    #[serde(default)]
    pub header: Option<String>,
    /// The header with the time, when it is signed with the body.
    #[serde(default)]
    pub timestamp_header: Option<String>,
}

/// Files of a TLS server, in PEM. They are read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSpec {
    /// The certificate, and those between it and the root.
    pub cert_file: PathBuf,
    /// The key.
    pub key_file: PathBuf,
    /// Who signs clients' certificates.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// Whether every client needs a certificate; `required` when `client_ca_file` is given.
    #[serde(default)]
    pub client_auth: Option<ClientAuthSpec>,
}

/// Whether clients need a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthSpec {
    /// Nobody gets a connection without one.
    Required,
    /// Those without one need another credential.
    Optional,
}

/// Where Alertmanager is, and how to talk to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertmanagerSpec {
    /// Every peer of the cluster, such as `http://alertmanager:9093`, with its path prefix if it has one.
    pub urls: Vec<String>,
    /// Credentials, TLS, proxy and headers, in the form that Prometheus' configuration has.
    pub http_config: Option<HttpConfig>,
    /// The tenant, sent as `X-Scope-OrgID`: for Mimir and Cortex.
    pub tenant: Option<String>,
    /// Whose API it is.
    pub dialect: Dialect,
    /// Only alerts that these match are polled. `wait: {until: resolved}` looks past them.
    pub filter: Vec<String>,
    /// What its alerts are called in the store: clusters that share a store need different names.
    pub scope: Option<String>,
    /// How long a request may take; 30s when not given.
    pub timeout: Option<String>,
}

/// Where Prometheus is, and how to talk to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusSpec {
    /// Its URL, such as `http://prometheus:9090`, with its path prefix if it has one.
    pub url: String,
    /// Credentials, TLS, proxy and headers.
    #[serde(default)]
    pub http_config: Option<HttpConfig>,
    /// The tenant, sent as `X-Scope-OrgID`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// How long a request may take; 30s when not given.
    #[serde(default)]
    pub timeout: Option<String>,
}

/// A service that steps reach by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSpec {
    /// Its URL.
    pub url: String,
    /// Credentials, TLS, proxy and headers.
    #[serde(default)]
    pub http_config: Option<HttpConfig>,
}

/// Where journals, claims and gates are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSpec {
    /// Its directory. `/var/lib/amflow` where that exists, else `~/.local/state/amflow`, when not given.
    pub path: Option<PathBuf>,
    /// The group whose members share it, by name or number; only its owner uses it when not given.
    pub group: Option<String>,
}

/// Figures for Prometheus from one-shot runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSpec {
    /// The file, such as `/var/lib/node_exporter/amflow.prom`, that `run` and `runs resume` write for the textfile
    /// collector of node_exporter. None is written when not given.
    pub textfile: Option<PathBuf>,
}

/// OpenTelemetry: what is sent, and what this program is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySpec {
    /// The collector. `OTEL_EXPORTER_OTLP_ENDPOINT` of the environment names one when this does not.
    pub otlp: Option<OtlpSpec>,
    /// What this program is, such as `deployment.environment.name: production`; beside `service.name`, which is
    /// `amflow`, `service.version` and `host.name`.
    pub resource: BTreeMap<String, String>,
    /// Whether `http` steps and commands are told for which span they work, by the header `traceparent` and the
    /// variable `TRACEPARENT`; they are when not given.
    pub propagate: Option<bool>,
}

/// A collector of OpenTelemetry, or what speaks as one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtlpSpec {
    /// Its URL for OTLP/HTTP, such as `http://collector:4318`; `/v1/traces` comes after it.
    pub endpoint: String,
    /// Credentials, TLS, proxy and headers.
    #[serde(default)]
    pub http_config: Option<HttpConfig>,
    /// How long a request may take; 10s when not given.
    #[serde(default)]
    pub timeout: Option<String>,
    /// How bodies are compressed; they are not when not given.
    #[serde(default)]
    pub compression: Option<CompressionSpec>,
}

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompressionSpec {
    /// By gzip.
    Gzip,
    /// Not at all.
    None,
}

/// Limits over all playbooks; `none` takes one away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalLimitsSpec {
    /// Runs at the same time; 10 when not given.
    pub running: Option<String>,
    /// Runs started in a window of time; `60 in 1h` when not given.
    pub starts: Option<String>,
}

/// Returns the JSON Schema of the configuration file.
pub fn schema() -> serde_json::Value {
    crate::text::schema_of::<ConfigSpec>()
}
