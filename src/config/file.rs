//! The configuration file, read and checked. Main type: [`ConfigFile`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::env::Environment;
use super::server::ServerSettings;
use super::spec::{ConfigSpec, ServerSpec, schema};
use crate::client::amtool::AmtoolError;
use crate::client::http_config::HttpConfigError;
use crate::client::{BaseUrl, ClusterError, HttpConfig};
use crate::model::{Matcher, MatcherSyntax, TimeInterval, parse_duration, parse_list, parse_rate};
use crate::perform::SecretSource;
use crate::run::GlobalLimits;
use crate::text::{Decoded, Diagnostic, Diagnostics, Node, PathSegment, Span, read};

/// Names what configuration file is used, whatever the directory.
const CONFIG_VARIABLE: &str = "AMFLOW_CONFIG";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Something in the file is wrong; the problems say where.
    #[error("the configuration `{}` cannot be used", path.display())]
    Problems {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problems: Diagnostics,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of `--http.config.file` cannot be used.
    #[error("cannot use `{}`", path.display())]
    HttpConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: HttpConfigError,
    },
    /// amtool's configuration cannot be used.
    #[error("amtool's configuration cannot be used")]
    Amtool(#[from] AmtoolError),
    /// A URL that amtool's configuration names is none.
    #[error("`alertmanager.url` of amtool's configuration `{}` cannot be used", path.display())]
    AmtoolUrl {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::client::BaseUrlError,
    },
    /// The addresses and credentials do not fit together.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The group of the store is not known here.
    #[error("there is no group `{0}` on this machine")]
    Group(String),
}

/// A service that steps reach by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Its URL.
    pub url: BaseUrl,
    /// How to talk to it.
    pub http_config: HttpConfig,
}

/// The configuration file with all its values checked.
#[derive(Debug, Default)]
pub struct ConfigFile {
    /// The file; none when there is none.
    pub path: Option<PathBuf>,
    /// What is written in it; its paths are resolved.
    pub spec: ConfigSpec,
    /// The peers of the Alertmanager.
    pub alertmanager_urls: Vec<BaseUrl>,
    /// How long a request to it may take.
    pub alertmanager_timeout: Option<Duration>,
    /// What is polled.
    pub filter: Vec<Matcher>,
    /// The Prometheus.
    pub prometheus_url: Option<BaseUrl>,
    /// How long a request to it may take.
    pub prometheus_timeout: Option<Duration>,
    /// The collector of traces.
    pub otlp_url: Option<BaseUrl>,
    /// How long a request to it may take.
    pub otlp_timeout: Option<Duration>,
    /// Services by name.
    pub connections: BTreeMap<String, Connection>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Times by name.
    pub time_intervals: BTreeMap<String, Arc<TimeInterval>>,
    /// Limits over all playbooks.
    pub limits: GlobalLimits,
    /// How `amflow serve` works.
    pub server: ServerSettings,
    /// What is doubtful in it.
    pub warnings: Diagnostics,
}

/// Returns which file is the configuration: `--config`, `$AMFLOW_CONFIG`, `./amflow.yaml`, that of the
/// user, that of the machine. A named one must exist.
pub(super) fn find(named: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = named.map(Path::to_owned).or_else(|| environment.path(CONFIG_VARIABLE)) {
        return Some(path);
    }
    let user = environment.xdg_config().map(|dir| dir.join("amflow/config.yaml"));
    let places = [Some(PathBuf::from("amflow.yaml")), user, Some(PathBuf::from("/etc/amflow/config.yaml"))];
    places.into_iter().flatten().find(|path| path.exists())
}

impl ConfigFile {
    /// Reads and checks a file; every problem is found in one pass.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes =
            fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let mut problems = Diagnostics::new();
        let checked = Self::parse(path, bytes, &mut problems);
        problems.sort();
        match checked {
            Some(config) if !problems.has_errors() => Ok(Self { warnings: problems, ..config }),
            _ => Err(ConfigError::Problems { path: path.to_owned(), problems }),
        }
    }

    /// Checks the text of a file, which is called by its path. Nothing comes back when it can't be decoded.
    pub fn parse(path: &Path, bytes: Vec<u8>, out: &mut Diagnostics) -> Option<Self> {
        let name = path.display().to_string();
        let before = out.errors();
        let mut documents = read::<ConfigSpec>(&name, bytes, &schema(), out).into_iter();
        let Some(first) = documents.next() else {
            let blank = Self { path: Some(path.to_owned()), ..Self::default() };
            return (out.errors() == before).then_some(blank);
        };
        if let Some(second) = documents.next() {
            let message = "a configuration is one YAML document, and this is a second one";
            out.push(
                Diagnostic::error("two-documents", &second.file, second.node.span, message)
                    .hint("join both, or remove the line `---`"),
            );
        }
        Some(Checker { from: &first, out }.check(path))
    }
}

/// Goes through a decoded file and checks what the schema cannot.
struct Checker<'a> {
    from: &'a Decoded<ConfigSpec>,
    out: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn check(mut self, path: &Path) -> ConfigFile {
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut spec = self.from.value.clone();
        let mut config = ConfigFile { path: Some(path.to_owned()), ..ConfigFile::default() };
        if let Some(alertmanager) = &mut spec.alertmanager {
            config.alertmanager_urls = self.urls(&alertmanager.urls);
            config.alertmanager_timeout =
                self.duration(&["alertmanager", "timeout"], alertmanager.timeout.as_deref());
            config.filter = self.filter(&alertmanager.filter);
            self.http_config(&["alertmanager", "http_config"], &mut alertmanager.http_config, &base);
            self.not_empty(&["alertmanager", "tenant"], alertmanager.tenant.as_deref());
            self.not_empty(&["alertmanager", "scope"], alertmanager.scope.as_deref());
            self.header(&["alertmanager", "tenant"], alertmanager.tenant.as_deref());
        }
        if let Some(prometheus) = &mut spec.prometheus {
            config.prometheus_url = self.url(&["prometheus", "url"], &prometheus.url);
            config.prometheus_timeout =
                self.duration(&["prometheus", "timeout"], prometheus.timeout.as_deref());
            self.http_config(&["prometheus", "http_config"], &mut prometheus.http_config, &base);
            self.header(&["prometheus", "tenant"], prometheus.tenant.as_deref());
        }
        if let Some(otlp) = &mut spec.telemetry.otlp {
            config.otlp_url = self.url(&["telemetry", "otlp", "endpoint"], &otlp.endpoint);
            config.otlp_timeout = self.duration(&["telemetry", "otlp", "timeout"], otlp.timeout.as_deref());
            self.http_config(&["telemetry", "otlp", "http_config"], &mut otlp.http_config, &base);
        }
        for (name, connection) in &mut spec.connections {
            let url = self.url(&["connections", name, "url"], &connection.url);
            self.http_config(&["connections", name, "http_config"], &mut connection.http_config, &base);
            let http_config = connection.http_config.clone().unwrap_or_else(HttpConfig::unconfigured);
            let connection = url.map(|url| (name.clone(), Connection { url, http_config }));
            config.connections.extend(connection);
        }
        for (name, secret) in &mut spec.secrets {
            if let Some(problem) = secret.problem() {
                let span = self.span(&["secrets", name]);
                self.error("bad-secret", span, format!("secret `{name}`: {problem}"), None);
            }
            secret.resolve_paths(&base);
        }
        config.secrets.clone_from(&spec.secrets);
        self.environment(&spec.env);
        config.time_intervals = self.time_intervals();
        config.limits = self.limits();
        spec.playbooks.iter_mut().for_each(|path| *path = base.join(&*path));
        if let Some(path) = spec.metrics.textfile.as_mut() {
            *path = base.join(&*path);
        }
        if let Some(path) = spec.store.as_mut().and_then(|store| store.path.as_mut()) {
            *path = base.join(&*path);
        }
        if spec.parallel == Some(0) {
            let span = self.span(&["parallel"]);
            self.error("bad-value", span, "at least 1 run must be worked on at a time", None);
        }
        self.not_empty(&["author"], spec.author.as_deref());
        self.people();
        if let Some(server) = &spec.server {
            config.server = self.server(server, &base);
        }
        config.spec = spec;
        config
    }

    fn server(&mut self, spec: &ServerSpec, base: &Path) -> ServerSettings {
        ServerSettings::of_spec(spec, base).unwrap_or_else(|problems| {
            for problem in problems {
                let path: Vec<&str> =
                    ["server"].into_iter().chain(problem.path.iter().map(String::as_str)).collect();
                let span = self.nearest(&path);
                self.error("bad-server", span, problem.message, problem.hint);
            }
            ServerSettings::default()
        })
    }

    fn urls(&mut self, urls: &[String]) -> Vec<BaseUrl> {
        let mut read = Vec::with_capacity(urls.len());
        for (at, url) in urls.iter().enumerate() {
            let span = self.item_span(&["alertmanager", "urls"], at);
            read.extend(self.url_at(span, url));
        }
        if urls.is_empty() && self.node(&["alertmanager", "urls"]).is_some() {
            let span = self.span(&["alertmanager", "urls"]);
            self.error(
                "bad-value",
                span,
                "the list of URLs is empty",
                Some("leave `urls` out, or name a peer".into()),
            );
        }
        read
    }

    fn url(&mut self, path: &[&str], url: &str) -> Option<BaseUrl> {
        let span = self.span(path);
        self.url_at(span, url)
    }

    fn url_at(&mut self, span: Span, url: &str) -> Option<BaseUrl> {
        match url.parse() {
            Ok(url) => Some(url),
            Err(error) => {
                let error: crate::client::BaseUrlError = error;
                self.error("bad-url", span, error.to_string(), None);
                None
            }
        }
    }

    fn duration(&mut self, path: &[&str], text: Option<&str>) -> Option<Duration> {
        match parse_duration(text?) {
            Ok(duration) if duration.is_zero() => {
                let span = self.span(path);
                self.error("bad-duration", span, "a request needs more than no time", None);
                None
            }
            Ok(duration) => Some(duration),
            Err(error) => {
                let span = self.part(path, error.range.clone());
                self.error("bad-duration", span, error.message, error.hint);
                None
            }
        }
    }

    fn filter(&mut self, filters: &[String]) -> Vec<Matcher> {
        let mut matchers = Vec::new();
        for (at, text) in filters.iter().enumerate() {
            match parse_list(text, MatcherSyntax::default()) {
                Ok(parsed) => matchers.extend(parsed.matchers),
                Err(error) => {
                    let node = self.node(&["alertmanager", "filter"]).and_then(|node| node.items().get(at));
                    let span = node.map_or_else(
                        || self.from.node.span,
                        |node| node.source_span(&self.from.file, error.range.clone()),
                    );
                    self.error("bad-matcher", span, error.message, error.hint);
                }
            }
        }
        matchers
    }

    fn http_config(&mut self, path: &[&str], config: &mut Option<HttpConfig>, base: &Path) {
        let Some(config) = config else { return };
        for problem in config.problems() {
            let whole: Vec<&str> = path.iter().copied().chain(problem.key.split('.')).collect();
            let span = self.nearest(&whole);
            self.error("bad-http-config", span, problem.message, Some(problem.hint));
        }
        config.resolve_paths(base);
    }

    fn environment(&mut self, names: &[String]) {
        for (at, name) in names.iter().enumerate() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let span = self.item_span(&["env"], at);
                let message = format!("`{name}` is not the name of a variable");
                self.error("bad-variable-name", span, message, Some("list names, such as `- REGION`".into()));
            }
        }
    }

    fn time_intervals(&mut self) -> BTreeMap<String, Arc<TimeInterval>> {
        let mut intervals = BTreeMap::new();
        for (at, spec) in self.from.value.time_intervals.iter().enumerate() {
            let root = [PathSegment::Key("time_intervals".to_owned()), PathSegment::Index(at)];
            match TimeInterval::compile(spec) {
                Ok(interval) => {
                    if intervals.insert(spec.name.clone(), Arc::new(interval)).is_some() {
                        let span = self.from.node.at(&root).map_or(self.from.node.span, |node| node.span);
                        let message = format!("there are two time intervals `{}`", spec.name);
                        self.error("duplicate-name", span, message, None);
                    }
                }
                Err(errors) => {
                    for error in errors {
                        let path: Vec<PathSegment> =
                            root.iter().cloned().chain(segments(&error.path)).collect();
                        let span = self.from.node.nearest(&path).0.span;
                        self.error("bad-time-interval", span, error.message, error.hint);
                    }
                }
            }
        }
        intervals
    }

    fn limits(&mut self) -> GlobalLimits {
        let mut limits = GlobalLimits::default();
        let spec = &self.from.value.limits;
        match spec.running.as_deref() {
            None => (),
            Some("none") => limits.running = None,
            Some(text) => match text.parse::<u32>() {
                Ok(count) if count > 0 => limits.running = Some(count),
                _ => {
                    let span = self.span(&["limits", "running"]);
                    let hint = Some("write a number such as `10`, or `none`".to_owned());
                    self.error("bad-value", span, format!("`{text}` is not a number of runs"), hint);
                }
            },
        }
        match spec.starts.as_deref() {
            None => (),
            Some("none") => limits.starts = None,
            Some(text) => match parse_rate(text) {
                Ok(rate) => limits.starts = Some((rate.count, rate.window)),
                Err(error) => {
                    let span = self.part(&["limits", "starts"], error.range.clone());
                    self.error("bad-rate", span, error.message, error.hint);
                }
            },
        }
        limits
    }

    /// Checks names of people: they are typed on a command line and printed in lists.
    fn people(&mut self) {
        let people = self.from.value.people.clone();
        let mut lists = vec![
            (vec!["users".to_owned()], people.users),
            (vec!["may_act_as_others".to_owned()], people.may_act_as_others),
        ];
        lists.extend(
            people.groups.into_iter().map(|(group, names)| (vec!["groups".to_owned(), group], names)),
        );
        for (place, names) in lists {
            let path: Vec<&str> = std::iter::once("people").chain(place.iter().map(String::as_str)).collect();
            let groups = place.get(1).map(String::as_str).into_iter().filter(|group| !is_person(group));
            for group in groups {
                let span = self.nearest(&path);
                self.error("bad-value", span, format!("`{group}` is no name of a group"), None);
            }
            for (at, name) in names.iter().enumerate().filter(|(_, name)| !is_person(name)) {
                let span = self.item_span(&path, at);
                let hint = Some("a name has no white space and no commas".to_owned());
                self.error("bad-value", span, format!("`{name}` is no name of a user"), hint);
            }
        }
    }

    fn not_empty(&mut self, path: &[&str], text: Option<&str>) {
        if text.is_some_and(|text| text.trim().is_empty()) {
            let span = self.span(path);
            let key = path.last().copied().unwrap_or_default();
            self.error(
                "bad-value",
                span,
                format!("`{key}` is empty"),
                Some("leave it out, or give it a value".into()),
            );
        }
    }

    fn header(&mut self, path: &[&str], text: Option<&str>) {
        if text.is_some_and(|text| text.contains(|c: char| c.is_control())) {
            let span = self.span(path);
            self.error("bad-value", span, "a header has no line break or other control character", None);
        }
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.out.push(Diagnostic::error(code, &self.from.file, span, message).maybe_hint(hint));
    }

    fn node(&self, path: &[&str]) -> Option<&Node> {
        self.from.node.at(&keys(path))
    }

    fn span(&self, path: &[&str]) -> Span {
        self.nearest(path)
    }

    fn item_span(&self, path: &[&str], at: usize) -> Span {
        self.node(path)
            .and_then(|node| node.items().get(at))
            .map_or_else(|| self.nearest(path), |node| node.span)
    }

    /// Returns the place of a part of a value's text.
    fn part(&self, path: &[&str], range: std::ops::Range<usize>) -> Span {
        self.node(path).map_or(self.from.node.span, |node| node.source_span(&self.from.file, range))
    }

    /// Returns the place of a value, or of what is around it.
    fn nearest(&self, path: &[&str]) -> Span {
        self.from.node.nearest(&keys(path)).0.span
    }
}

fn is_person(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == ',')
}

fn keys(path: &[&str]) -> Vec<PathSegment> {
    path.iter().map(|key| PathSegment::Key((*key).to_owned())).collect()
}

/// Reads a path such as `time_intervals[0].weekdays[1]`.
fn segments(path: &str) -> Vec<PathSegment> {
    let mut segments = Vec::new();
    for part in path.split('.') {
        let mut pieces = part.split('[');
        segments
            .extend(pieces.next().filter(|key| !key.is_empty()).map(|key| PathSegment::Key(key.to_owned())));
        let indices = pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok());
        segments.extend(indices.map(PathSegment::Index));
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::render;

    fn problems(text: &str) -> String {
        let mut out = Diagnostics::new();
        ConfigFile::parse(Path::new("amflow.yaml"), text.as_bytes().to_vec(), &mut out);
        out.sort();
        render::lines(&out)
    }

    #[test]
    fn a_whole_configuration_is_read_and_its_paths_start_at_its_directory() {
        let text = r#"
alertmanager:
  urls: [http://am-1:9093/am/, "am-2:9093"]
  http_config: {basic_auth: {username: ann, password_file: pw}}
  tenant: team-a
  filter: ['severity=~"critical|warning"', env = prod]
  timeout: 10s
prometheus: {url: http://prom:9090}
playbooks: [playbooks, /srv/playbooks]
store: {path: state, group: ops}
limits: {running: none, starts: 5 in 10m}
telemetry: {otlp: {endpoint: 'http://otel:4318/v1/traces', timeout: 3s, compression: gzip}, resource: {a.b: c}}
parallel: 8
env: [REGION]
secrets: {token: {file: token}}
connections: {airflow: {url: http://airflow:8080}}
time_intervals:
  - {name: nights, time_intervals: [{times: [{start_time: "22:00", end_time: "24:00"}]}]}
author: ops
"#;
        let mut out = Diagnostics::new();
        let config = ConfigFile::parse(Path::new("/etc/amflow/config.yaml"), text.into(), &mut out).unwrap();
        assert_eq!(render::lines(&out), "");
        let urls: Vec<String> = config.alertmanager_urls.iter().map(ToString::to_string).collect();
        assert_eq!(urls, ["http://am-1:9093/am", "http://am-2:9093"]);
        assert_eq!(config.filter.len(), 2);
        assert_eq!(config.otlp_url.unwrap().at("/v1/traces").as_str(), "http://otel:4318/v1/traces");
        assert_eq!(config.otlp_timeout, Some(Duration::from_secs(3)));
        assert_eq!(
            config.limits,
            GlobalLimits { running: None, starts: Some((5, Duration::from_secs(600))) }
        );
        assert_eq!(config.spec.playbooks, [Path::new("/etc/amflow/playbooks"), Path::new("/srv/playbooks")]);
        assert_eq!(config.secrets["token"].file.as_deref(), Some(Path::new("/etc/amflow/token")));
        let auth = config.spec.alertmanager.unwrap().http_config.unwrap().basic_auth.unwrap();
        assert_eq!(auth.password_file.as_deref(), Some(Path::new("/etc/amflow/pw")));
        assert!(config.connections.contains_key("airflow") && config.time_intervals.contains_key("nights"));
    }

    #[test]
    fn an_empty_file_is_a_configuration() {
        for text in ["", "# nothing yet\n", "{}"] {
            assert_eq!(problems(text), "", "{text:?}");
        }
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let cases = [
            ("alertmanagr: {}", "amflow.yaml:1:1: error[unknown-key]: "),
            ("alertmanager: {urls: ['ftp://x']}", "amflow.yaml:1:23: error[bad-url]: "),
            ("alertmanager: {filter: ['a=\"b']}", "amflow.yaml:1:"),
            ("limits: {starts: 3 per 1h}", "amflow.yaml:1:18: error[bad-rate]: "),
            ("limits: {running: 0}", "amflow.yaml:1:19: error[bad-value]: "),
            ("env: [1A]", "amflow.yaml:1:7: error[bad-variable-name]: "),
            ("secrets: {t: {}}", "amflow.yaml:1:14: error[bad-secret]: "),
            ("telemetry: {otlp: {endpoint: 'grpc://x'}}", "amflow.yaml:1:30: error[bad-url]: "),
            ("telemetry: {otlp: {endpoint: x, timeout: 3}}", "amflow.yaml:1:42: error[bad-duration]: "),
            (
                "telemetry: {otlp: {endpoint: x, compression: zstd}}",
                "amflow.yaml:1:46: error[unknown-value]: ",
            ),
            ("telemetry: {otlp: {endpoint: x, http_config: {no_proxy: x}}}", "amflow.yaml:1:"),
            ("telemetry: {otlp: {}}", "amflow.yaml:1:"),
            ("prometheus: {url: p, timeout: 3}", "amflow.yaml:1:31: error[bad-duration]: "),
            (
                "prometheus: {url: p, http_config: {basic_auth: {username: a}, bearer_token: b}}",
                "amflow.yaml:1:",
            ),
            (
                "people: {groups: {oncall: [ann, 'b b']}}",
                "amflow.yaml:1:33: error[bad-value]: `b b` is no name",
            ),
            ("people: {groups: {'on call': [ann]}}", "amflow.yaml:1:"),
            ("people: {may_act_as_others: ['']}", "amflow.yaml:1:"),
            ("author: x\n---\nauthor: y", "amflow.yaml:3:1: error[two-documents]: "),
            (
                "time_intervals: [{name: n, time_intervals: [{weekdays: [mon]}]}]",
                "amflow.yaml:1:57: error[bad-time-interval]: ",
            ),
        ];
        for (text, expected) in cases {
            let told = problems(text);
            assert!(told.starts_with(expected), "{text}\n{told}");
        }
    }
}
