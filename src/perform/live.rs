//! [`Live`]: the performer that really does things.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::clock::SystemClock;
use super::environment::Environment;
use super::hold::hold;
use super::http::{Connection, Requests};
use super::process::Commands;
use super::query::query;
use super::scratch::scratch_place;
use super::secrets::{SecretSource, Secrets};
use super::sighting::sight;
use super::survivors::end_survivors;
use super::trouble::Trouble;
use crate::client::{BaseUrl, Cluster, HttpClient, HttpConfig, HttpOptions, Prometheus};
use crate::engine::{Answer, Call, Clock, Performer};
use crate::model::Secret;
use crate::playbook::Need;
use crate::step::{Effect, HoldEffect, QueryEffect, Reply, RequestEffect, SightingEffect};

/// Between TERM and KILL by default.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// What the real performer needs.
pub struct LiveOptions {
    /// amflow's own environment: commands get [`super::BASE_VARIABLES`] of it, secrets may be read from it.
    pub environment: Environment,
    /// Working directory of commands that name none; amflow's own when `None`.
    pub directory: Option<PathBuf>,
    /// Below it a private directory is made for files of commands.
    pub scratch: PathBuf,
    /// Between TERM and KILL.
    pub grace: Duration,
    /// The named secrets.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Further values that must not be seen, such as passwords of connections.
    pub redact: Vec<Secret>,
    /// The connections that steps name.
    pub connections: BTreeMap<String, Connection>,
    /// For requests that name no connection; by default the environment's proxies count.
    pub http_config: HttpConfig,
    /// For requests that name no connection.
    pub http_options: HttpOptions,
    /// Where holds are kept and alerts are looked for.
    pub alertmanager: Option<Cluster>,
    /// Where queries go that name no connection.
    pub prometheus: Option<Prometheus>,
    /// Whether commands and servers are told for which span of the run's trace they work.
    pub traces: bool,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Default for LiveOptions {
    fn default() -> LiveOptions {
        LiveOptions {
            environment: Environment::default(),
            directory: None,
            scratch: scratch_place(),
            grace: DEFAULT_GRACE,
            secrets: BTreeMap::new(),
            redact: Vec::new(),
            connections: BTreeMap::new(),
            http_config: HttpConfig::unconfigured(),
            http_options: HttpOptions::default(),
            alertmanager: None,
            prometheus: None,
            traces: false,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Does effects for real.
pub struct Live {
    commands: Commands,
    requests: Requests,
    alertmanager: Option<Cluster>,
    prometheus: Option<Prometheus>,
    secrets: Secrets,
    grace: Duration,
    traces: bool,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("commands", &self.commands).finish_non_exhaustive()
    }
}

impl Live {
    /// Makes the performer. Nothing is opened or read before the first effect that needs it.
    pub fn new(options: LiveOptions) -> Live {
        let base = options.environment.base();
        Live {
            commands: Commands::new(base, options.directory, options.grace, options.scratch, options.traces),
            requests: Requests::new(
                options.connections,
                HttpClient::new(options.http_config, options.http_options),
            ),
            alertmanager: options.alertmanager,
            prometheus: options.prometheus,
            secrets: Secrets::new(options.secrets, options.redact, options.environment),
            grace: options.grace,
            traces: options.traces,
            clock: options.clock,
        }
    }

    async fn request(&self, call: &Call, effect: &RequestEffect, limit: Duration) -> Result<Reply, Trouble> {
        let traceparent = self.traces.then(|| call.traceparent());
        let sent = self.requests.send(effect, traceparent.as_deref(), &self.secrets, limit);
        sent.await.map(Reply::Responded)
    }

    async fn query(&self, effect: &QueryEffect) -> Result<Reply, Trouble> {
        let named;
        let prometheus = match &effect.connection {
            Some(name) => {
                named = self.named_prometheus(name)?;
                &named
            }
            None => self.prometheus.as_ref().ok_or_else(|| {
                Trouble::for_good("no Prometheus is configured; give `prometheus.url`, or a `connection`")
            })?,
        };
        query(prometheus, effect, &self.secrets.redactor(), self.clock.now()).await.map(Reply::Queried)
    }

    fn named_prometheus(&self, name: &str) -> Result<Prometheus, Trouble> {
        let (connection, _) = self.requests.connection(name)?;
        let base: BaseUrl = connection.url.as_str().parse().map_err(|error| {
            Trouble::for_good(format!("the connection `{name}` is no Prometheus: {error}"))
        })?;
        Ok(Prometheus::new(base, connection.http_config.clone(), connection.options.clone())?)
    }

    async fn sight(&self, effect: &SightingEffect, limit: Duration) -> Result<Reply, Trouble> {
        let cluster = self.cluster()?;
        let sighted = sight(cluster, effect, &self.secrets.redactor(), self.clock.as_ref(), limit).await;
        Ok(Reply::Sighted(sighted))
    }

    async fn hold(&self, effect: &HoldEffect) -> Result<Reply, Trouble> {
        let id = hold(self.cluster()?, effect, self.clock.now()).await?;
        Ok(Reply::Held { id })
    }

    fn cluster(&self) -> Result<&Cluster, Trouble> {
        self.alertmanager.as_ref().ok_or_else(|| {
            Trouble::for_good("no Alertmanager is configured; give `--alertmanager.url http://HOST:9093`")
        })
    }

    /// Does something with a server, for at most `limit`, and until it is stopped.
    async fn ask(
        &self,
        asked: impl Future<Output = Result<Reply, Trouble>>,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Reply {
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => return Reply::Stopped { output: None },
            answer = timeout(limit, asked) => answer,
        };
        match answer {
            Ok(Ok(reply)) => reply,
            Ok(Err(trouble)) => trouble.reply(|text| self.secrets.redactor().text(text).into_owned()),
            Err(_) => Reply::TimedOut {
                limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                output: None,
            },
        }
    }
}

impl Performer for Live {
    fn perform<'a>(
        &'a self,
        call: &'a Call,
        limit: Duration,
        stop: &'a CancellationToken,
    ) -> Answer<'a, Reply> {
        match &call.effect {
            Effect::Command(effect) => Box::pin(self.commands.run(call, effect, &self.secrets, limit, stop)),
            Effect::Request(effect) => Box::pin(self.ask(self.request(call, effect, limit), limit, stop)),
            Effect::Query(effect) => Box::pin(self.ask(self.query(effect), limit, stop)),
            Effect::Sighting(effect) => Box::pin(self.ask(self.sight(effect, limit), limit, stop)),
            Effect::Hold(effect) => Box::pin(self.ask(self.hold(effect), limit, stop)),
        }
    }

    fn lacks(&self, need: &Need) -> Option<String> {
        match need {
            Need::Alertmanager => self.alertmanager.as_ref().and_then(Cluster::unready),
            Need::Prometheus => self.prometheus.as_ref().and_then(Prometheus::unready),
            Need::Connection(name) => {
                self.requests.connection(name).ok().and_then(|(_, client)| client.unready())
            }
            Need::Secret(name) => self.secrets.resolve(name).err().map(|error| error.to_string()),
            Need::Variable(_) | Need::Group(_) => None,
        }
    }

    fn end_survivors<'a>(&'a self, runs: &'a [String]) -> Answer<'a, Vec<String>> {
        Box::pin(end_survivors(runs, self.grace))
    }
}
