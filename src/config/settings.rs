//! What commands work with. Main type: [`Settings`].

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::env::Environment;
use super::file::{ConfigError, ConfigFile, Connection, find};
use super::places::{PlaybookPlaces, StorePlace};
use super::server::ServerSettings;
use super::telemetry::TelemetrySettings;
use crate::client::amtool::default_paths;
use crate::client::{
    AmtoolConfig, BaseUrl, Cluster, ClusterError, Dialect, HttpConfig, HttpOptions, Prometheus,
};
use crate::engine::{EngineOptions, Offered};
use crate::model::{Matcher, MatcherSyntax, People, Scope, Secret, TimeInterval};
use crate::perform::SecretSource;
use crate::playbook::Facts;
use crate::run::GlobalLimits;
use crate::source::Origin;

/// What the alerts of Alertmanager are called in the store when nothing else is configured: polled,
/// piped and delivered ones alike, so that each is worked on once.
pub const DEFAULT_SCOPE: &str = "alertmanager";
/// What the alerts of Prometheus' own API are called: they lack external labels, so their fingerprints
/// are others.
pub const PROMETHEUS_SCOPE: &str = "prometheus";
/// Grafana's alerts.
const GRAFANA_SCOPE: &str = "grafana";
/// The header by which Mimir and Cortex tell tenants apart.
const TENANT_HEADER: &str = "X-Scope-OrgID";

/// What flags say; each goes before the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--alertmanager.url`.
    pub alertmanager_urls: Vec<BaseUrl>,
    /// `--http.config.file`.
    pub http_config_file: Option<PathBuf>,
    /// `--playbooks`.
    pub playbooks: Vec<PathBuf>,
    /// `--store`.
    pub store: Option<PathBuf>,
    /// `--metrics-file`.
    pub metrics_file: Option<PathBuf>,
    /// `--parallel`.
    pub parallel: Option<NonZeroUsize>,
    /// `--no-wait`.
    pub no_wait: bool,
}

/// Where Alertmanager is, and how to talk to it.
#[derive(Debug, Clone)]
pub struct AlertmanagerSettings {
    /// Its peers; never empty.
    pub urls: Vec<BaseUrl>,
    /// Credentials, TLS, proxy.
    pub http_config: HttpConfig,
    /// Headers and timeouts.
    pub options: HttpOptions,
    /// Whose API it is.
    pub dialect: Dialect,
    /// What says so, for people: `--alertmanager.url`, the configuration, amtool's file.
    pub said_by: String,
}

/// Where Prometheus is, and how to talk to it.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    /// Its URL.
    pub url: BaseUrl,
    /// Credentials, TLS, proxy.
    pub http_config: HttpConfig,
    /// Headers and timeouts.
    pub options: HttpOptions,
}

/// Everything that is configured, resolved.
#[derive(Debug)]
pub struct Settings {
    /// The configuration file; none when there is none.
    pub file: Option<PathBuf>,
    /// The Alertmanager, if one is configured.
    pub alertmanager: Option<AlertmanagerSettings>,
    /// The Prometheus, if one is configured.
    pub prometheus: Option<PrometheusSettings>,
    /// What polls ask for; `--filter` is added to it.
    pub filter: Vec<Matcher>,
    /// What Alertmanager's alerts are called in the store.
    pub scope: Scope,
    /// Services by name.
    pub connections: BTreeMap<String, Connection>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Values that stand in the configuration and must not be seen.
    pub redact: Vec<Secret>,
    /// Names of variables that playbooks may read.
    pub env_names: Vec<String>,
    /// Those of them that are set, with their values.
    pub env: BTreeMap<String, String>,
    /// Times by name.
    pub time_intervals: BTreeMap<String, Arc<TimeInterval>>,
    /// Where playbooks are.
    pub playbooks: PlaybookPlaces,
    /// Where the store is.
    pub store: StorePlace,
    /// Limits over all playbooks.
    pub limits: GlobalLimits,
    /// The file that one-shot runs write metrics to.
    pub textfile: Option<PathBuf>,
    /// Runs worked on at the same time.
    pub parallel: usize,
    /// Whether runs that wait are left parked.
    pub no_wait: bool,
    /// Who silences are made by.
    pub author: String,
    /// Who decides.
    pub people: People,
    /// Where traces are sent.
    pub telemetry: TelemetrySettings,
    /// How `amflow serve` works.
    pub server: ServerSettings,
    /// What people should know of it, such as a variable that is no UTF-8.
    pub notices: Vec<String>,
}

/// What alerts of every origin are called in the store. Labels of Prometheus' API and of Grafana's
/// webhooks differ from Alertmanager's for the same alert, so they are never compared with them.
#[derive(Debug, Clone)]
pub struct Scopes {
    own: String,
    is_grafana: bool,
}

impl Scopes {
    /// Returns what alerts of an origin are called.
    pub fn of(&self, origin: Origin) -> String {
        match origin {
            Origin::Prometheus => PROMETHEUS_SCOPE.to_owned(),
            Origin::Grafana if !self.is_grafana => GRAFANA_SCOPE.to_owned(),
            Origin::Alertmanager | Origin::Grafana => self.own.clone(),
        }
    }
}

impl Settings {
    /// Reads the configuration and puts flags before it.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn resolve(flags: Overrides, environment: &Environment) -> Result<Self, ConfigError> {
        let path = find(flags.config.as_deref(), environment);
        let config = path.as_deref().map(ConfigFile::load).transpose()?.unwrap_or_default();
        Self::of_file(config, flags, environment)
    }

    /// Puts flags before a configuration that was read.
    ///
    /// # Errors
    /// What flags name cannot be used.
    pub fn of_file(
        config: ConfigFile,
        flags: Overrides,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let store = StorePlace::choose(flags.store.clone(), config.spec.store.as_ref(), environment)?;
        let amtool = match &config.spec.alertmanager {
            Some(_) => AmtoolConfig::default(),
            None => AmtoolConfig::read(&default_paths(environment.home().as_deref()))?,
        };
        let alertmanager = alertmanager(&config, &flags, &amtool, environment)?;
        let prometheus = config.prometheus_url.clone().map(|url| {
            let spec = config.spec.prometheus.clone().unwrap_or_default();
            PrometheusSettings {
                url,
                options: options(environment, spec.tenant.as_deref(), config.prometheus_timeout),
                http_config: spec.http_config.unwrap_or_else(HttpConfig::unconfigured),
            }
        });
        let mut notices: Vec<String> =
            config.warnings.iter().map(|warning| warning.message.clone()).collect();
        let env_names = config.spec.env.clone();
        let mut env = BTreeMap::new();
        for name in &env_names {
            // What is not set is missed by the playbooks that read it, before their first step.
            match environment.raw(name).map(|value| value.to_str()) {
                Some(Some(value)) => drop(env.insert(name.clone(), value.to_owned())),
                Some(None) => notices.push(format!("`{name}` of the environment is not UTF-8, and left out")),
                None => {}
            }
        }
        let author = config.spec.author.clone().or_else(|| amtool.author.map(|author| author.value));
        let configured_parallel = config.spec.parallel.map(usize::from);
        Ok(Self {
            scope: scope(&config),
            telemetry: TelemetrySettings::resolve(&config, environment),
            alertmanager,
            prometheus,
            redact: secrets_in(&config),
            filter: config.filter,
            connections: config.connections,
            secrets: config.secrets,
            env_names,
            env,
            time_intervals: config.time_intervals,
            playbooks: PlaybookPlaces::choose(flags.playbooks, config.spec.playbooks),
            store,
            limits: config.limits,
            textfile: flags.metrics_file.or(config.spec.metrics.textfile),
            parallel: flags.parallel.map(NonZeroUsize::get).or(configured_parallel).unwrap_or(4),
            no_wait: flags.no_wait,
            server: config.server,
            author: author.unwrap_or_else(|| "amflow".to_owned()),
            people: People {
                users: config.spec.people.users,
                groups: config.spec.people.groups,
                may_act_as_others: config.spec.people.may_act_as_others,
            },
            file: config.path,
            notices,
        })
    }

    /// Makes the cluster of the configured Alertmanager, if there is one. Nothing is asked yet.
    ///
    /// # Errors
    /// Addresses and credentials do not fit together.
    pub fn cluster(&self) -> Result<Option<Cluster>, ClusterError> {
        let Some(am) = &self.alertmanager else { return Ok(None) };
        let (config, options) = (am.http_config.clone(), am.options.clone());
        Cluster::new(am.urls.clone(), config, options, am.dialect).map(Some)
    }

    /// Makes the client of the configured Prometheus, if there is one. Nothing is asked yet.
    ///
    /// # Errors
    /// Address and credentials do not fit together.
    pub fn prometheus(&self) -> Result<Option<Prometheus>, ClusterError> {
        let Some(prometheus) = &self.prometheus else { return Ok(None) };
        let (config, options) = (prometheus.http_config.clone(), prometheus.options.clone());
        Prometheus::new(prometheus.url.clone(), config, options).map(Some)
    }

    /// Returns what alerts of an origin are called in the store.
    pub fn scope_of(&self, origin: Origin) -> String {
        self.scopes().of(origin)
    }

    /// Returns what alerts of every origin are called in the store.
    pub fn scopes(&self) -> Scopes {
        let is_grafana = self.alertmanager.as_ref().is_some_and(|am| am.dialect == Dialect::Grafana);
        Scopes { own: self.scope.as_str().to_owned(), is_grafana }
    }

    /// Returns the scope among those that a store knows whose alerts may be those of `scope` under other labels:
    /// with both in one store, an alert may be worked on once for each.
    pub fn overlapping<'k>(scope: &str, known: &'k [String]) -> Option<&'k str> {
        let is_apart = |scope: &str| matches!(scope, PROMETHEUS_SCOPE | GRAFANA_SCOPE);
        let other = known.iter().find(|other| *other != scope && (is_apart(scope) || is_apart(other)));
        other.map(String::as_str)
    }

    /// Returns how to talk to the server of an address: as to the configured Alertmanager or Prometheus
    /// when it is the same server, else without credentials.
    pub fn http_for(&self, url: &Url) -> (HttpConfig, HttpOptions) {
        let origin = url.origin();
        if let Some(am) = &self.alertmanager
            && am.urls.iter().any(|peer| peer.at("/").origin() == origin)
        {
            return (am.http_config.clone(), am.options.clone());
        }
        if let Some(prometheus) = &self.prometheus
            && prometheus.url.at("/").origin() == origin
        {
            return (prometheus.http_config.clone(), prometheus.options.clone());
        }
        (HttpConfig::unconfigured(), HttpOptions::default())
    }

    /// Returns what the configuration offers, for the engine.
    pub fn offered(&self) -> Offered {
        Offered {
            alertmanager: self.alertmanager.is_some(),
            prometheus: self.prometheus.is_some(),
            connections: self.connections.keys().cloned().collect(),
            secrets: self.secrets.keys().cloned().collect(),
            groups: self.people.groups.keys().cloned().collect(),
        }
    }

    /// Returns what the configuration offers, for reading playbooks.
    pub fn facts(&self) -> Facts {
        Facts {
            env: Some(self.env_names.clone()),
            secrets: Some(self.secrets.keys().cloned().collect()),
            connections: Some(self.connections.keys().cloned().collect()),
            time_intervals: Some(self.time_intervals.clone()),
            alertmanager: Some(self.alertmanager.is_some()),
            prometheus: Some(self.prometheus.is_some()),
            people: Some(self.people.clone()),
            matcher_syntax: MatcherSyntax::default(),
        }
    }

    /// Returns how the engine works.
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            parallel: self.parallel,
            no_wait: self.no_wait,
            limits: self.limits.clone(),
            author: self.author.clone(),
            env: self.env.clone(),
            offered: self.offered(),
            ..EngineOptions::default()
        }
    }
}

fn alertmanager(
    config: &ConfigFile,
    flags: &Overrides,
    amtool: &AmtoolConfig,
    environment: &Environment,
) -> Result<Option<AlertmanagerSettings>, ConfigError> {
    let (urls, said_by) = if !flags.alertmanager_urls.is_empty() {
        (flags.alertmanager_urls.clone(), "--alertmanager.url".to_owned())
    } else if !config.alertmanager_urls.is_empty() {
        (config.alertmanager_urls.clone(), shown(config.path.as_deref()))
    } else if let Some(setting) = &amtool.url {
        let url = setting.value.parse();
        let url = url.map_err(|source| ConfigError::AmtoolUrl { path: setting.file.clone(), source })?;
        (vec![url], shown(Some(&setting.file)))
    } else {
        return Ok(None);
    };
    let spec = config.spec.alertmanager.clone().unwrap_or_default();
    let file = flags.http_config_file.clone();
    let file = file.or_else(|| amtool.http_config_file.as_ref().map(|setting| PathBuf::from(&setting.value)));
    let http_config = match file {
        Some(path) => {
            HttpConfig::read_file(&path).map_err(|source| ConfigError::HttpConfig { path, source })?
        }
        None => spec.http_config.unwrap_or_else(HttpConfig::unconfigured),
    };
    let timeout = config.alertmanager_timeout.or(amtool.timeout);
    let options = options(environment, spec.tenant.as_deref(), timeout);
    Ok(Some(AlertmanagerSettings { urls, http_config, options, dialect: spec.dialect, said_by }))
}

fn options(environment: &Environment, tenant: Option<&str>, timeout: Option<Duration>) -> HttpOptions {
    let default = HttpOptions::default();
    HttpOptions {
        headers: tenant.map(|tenant| (TENANT_HEADER.to_owned(), tenant.to_owned())).into_iter().collect(),
        timeout: timeout.unwrap_or(default.timeout),
        proxy_environment: environment.proxies(),
        ..default
    }
}

fn scope(config: &ConfigFile) -> Scope {
    let Some(spec) = &config.spec.alertmanager else { return Scope::new(DEFAULT_SCOPE) };
    if let Some(name) = &spec.scope {
        return Scope::new(name);
    }
    let kind = if spec.dialect == Dialect::Grafana { GRAFANA_SCOPE } else { DEFAULT_SCOPE };
    match &spec.tenant {
        Some(tenant) => Scope::new(format!("{kind}/{tenant}")),
        None => Scope::new(kind),
    }
}

/// Collects the passwords and tokens that stand in the configuration itself.
fn secrets_in(config: &ConfigFile) -> Vec<Secret> {
    let spec = &config.spec;
    let configs = spec.alertmanager.iter().filter_map(|am| am.http_config.as_ref());
    let configs =
        configs.chain(spec.prometheus.iter().filter_map(|prometheus| prometheus.http_config.as_ref()));
    let configs = configs.chain(config.connections.values().map(|connection| &connection.http_config));
    let configs = configs.chain(spec.telemetry.otlp.iter().filter_map(|otlp| otlp.http_config.as_ref()));
    let mut secrets = Vec::new();
    for http in configs {
        secrets.extend(http.basic_auth.iter().filter_map(|basic| basic.password.clone()));
        secrets.extend(http.authorization.iter().filter_map(|given| given.credentials.clone()));
        secrets.extend(http.oauth2.iter().filter_map(|oauth2| oauth2.client_secret.clone()));
        secrets.extend(http.bearer_token.clone());
        secrets.extend(http.http_headers.values().flat_map(|header| header.secrets.iter().cloned()));
        secrets.extend(http.proxy_connect_header.values().flatten().cloned());
    }
    secrets
}

fn shown(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Diagnostics;

    fn resolve(text: &str, flags: Overrides) -> Settings {
        let mut out = Diagnostics::new();
        let config = ConfigFile::parse(Path::new("/c/amflow.yaml"), text.into(), &mut out).unwrap();
        let env = Environment::from_iter([("HOME", "/nonexistent"), ("REGION", "eu"), ("SECRET", "x")]);
        Settings::of_file(config, flags, &env).unwrap()
    }

    #[test]
    fn a_flag_says_where_alertmanager_is_and_the_file_says_how_to_talk_to_it() {
        let text = "alertmanager: {urls: ['a:1'], tenant: t, http_config: {bearer_token: hush}}";
        let flags = Overrides { alertmanager_urls: vec!["b:2".parse().unwrap()], ..Overrides::default() };
        let settings = resolve(text, flags);
        let am = settings.alertmanager.as_ref().unwrap();
        assert_eq!(am.urls[0].to_string(), "http://b:2");
        assert_eq!(am.options.headers, [("X-Scope-OrgID".to_owned(), "t".to_owned())]);
        assert!(am.http_config.has_credentials());
        assert_eq!(settings.scope.as_str(), "alertmanager/t");
        assert_eq!(settings.redact, [Secret::new("hush")]);
        assert_eq!(settings.cluster().unwrap().unwrap().urls().len(), 1);
    }

    #[test]
    fn alerts_of_prometheus_own_api_and_of_alertmanager_overlap() {
        let table: [(&str, &[&str], Option<&str>); 8] = [
            ("alertmanager", &[], None),
            ("alertmanager", &["alertmanager", "alertmanager/t"], None),
            ("alertmanager", &["alertmanager", "prometheus"], Some("prometheus")),
            ("alertmanager", &["grafana"], Some("grafana")),
            ("prometheus", &["prometheus"], None),
            ("prometheus", &["alertmanager/t", "prometheus"], Some("alertmanager/t")),
            ("prometheus", &["grafana"], Some("grafana")),
            ("grafana", &["grafana"], None),
        ];
        for (scope, known, wanted) in table {
            let known: Vec<_> = known.iter().map(|&scope| scope.to_owned()).collect();
            assert_eq!(Settings::overlapping(scope, &known), wanted, "{scope} {known:?}");
        }
    }

    #[test]
    fn only_listed_variables_reach_playbooks() {
        let settings = resolve("env: [REGION, ZONE]", Overrides::default());
        assert_eq!(settings.env, BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]));
        assert_eq!(settings.notices, Vec::<String>::new());
        assert!(settings.alertmanager.is_none() && !settings.offered().alertmanager);
        assert_eq!(settings.parallel, 4);
    }
}
