//! Prometheus' `http_config`: how to reach a server. Main type: [`HttpConfig`].
//!
//! The format is that of Prometheus and Alertmanager (`config/http_config.go` of prometheus/common),
//! so that a piece of their configuration, or the file that amtool's `http.config.file` names, can be
//! used as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tls_config::TlsConfig;
use super::yaml::{YamlError, read_foreign};
use crate::model::Secret;

/// How to reach a server: credentials, TLS, proxy, headers.
///
/// At most one of `basic_auth`, `authorization`, `oauth2` and `bearer_token`/`bearer_token_file` may be
/// given. Files are read again for every request and white space around their text is cut, as
/// Prometheus' own client does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// User name and password, sent with every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// The `Authorization` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// A token that is fetched with OAuth 2.0 client credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// A bearer token. Old; `authorization` says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<Secret>,
    /// A file with a bearer token. Old; `authorization.credentials_file` says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<PathBuf>,
    /// Certificates and versions of TLS.
    pub tls_config: TlsConfig,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered to the server.
    pub enable_http2: bool,
    /// The proxy for every request; it may hold `user:password@`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// Hosts, domains, addresses and networks that are reached without the proxy, with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<String>,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment name the proxy.
    pub proxy_from_environment: bool,
    /// Headers that are sent to the proxy with a CONNECT.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    /// More headers for every request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub http_headers: BTreeMap<String, HeaderValues>,
}

/// User name and password, each as text or in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuth {
    /// The user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file with the user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_file: Option<PathBuf>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// The `Authorization` header: a type and credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Authorization {
    /// The authentication type, `Bearer` when not given. `Basic` is refused: use `basic_auth`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What follows the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Secret>,
    /// A file with what follows the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

/// OAuth 2.0 client credentials: where and as whom to fetch a token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OAuth2 {
    /// The client's name at the authorisation server.
    pub client_id: String,
    /// The client's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// A file with the client's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// What the token shall allow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The URL that gives tokens.
    pub token_url: String,
    /// More parameters of the token request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS towards the token URL.
    pub tls_config: TlsConfig,
    /// The proxy towards the token URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// What is reached without that proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<String>,
    /// Whether the environment names the proxy towards the token URL.
    pub proxy_from_environment: bool,
    /// Headers that are sent to that proxy with a CONNECT.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

/// The values of one header: as text, as secrets, and from files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderValues {
    /// Values that may be shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Values that may not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Files that each hold a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
}

/// Something in an [`HttpConfig`] that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (`{key}`): {hint}")]
pub struct HttpConfigProblem {
    /// Where, below the `http_config`, such as `oauth2.token_url`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// Why an `http_config` could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum HttpConfigError {
    /// The file can't be read, or is no `http_config`.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// It can be read, but contradicts itself.
    #[error("{}", list(.0))]
    Problems(Vec<HttpConfigProblem>),
}

/// Headers that Prometheus does not let `http_headers` set.
const RESERVED_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
    "x-prometheus-scrape-timeout-seconds",
];

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            bearer_token: None,
            bearer_token_file: None,
            tls_config: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            proxy_connect_header: BTreeMap::new(),
            http_headers: BTreeMap::new(),
        }
    }
}

impl HttpConfig {
    /// What holds where nothing is configured: like curl and amtool, the environment's proxies count.
    ///
    /// A written `http_config` uses them only with `proxy_from_environment`, as Prometheus' does.
    pub fn unconfigured() -> Self {
        Self { proxy_from_environment: true, ..Self::default() }
    }

    /// Reads the file that amtool's `http.config.file` names.
    ///
    /// Relative paths in it start at the parent of the file's directory, as amtool resolves them
    /// (`LoadHTTPConfigFile` of prometheus/common).
    ///
    /// # Errors
    /// When the file can't be read, holds an unknown key, or contradicts itself.
    pub fn read_file(path: &Path) -> Result<Self, HttpConfigError> {
        let mut config: Self = read_foreign(path)?;
        config.resolve_paths(&grandparent(path));
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(HttpConfigError::Problems(problems)) }
    }

    /// Makes relative paths start at `base`: the directory of the file in which they were written.
    pub fn resolve_paths(&mut self, base: &Path) {
        let mut paths: Vec<&mut PathBuf> = Vec::new();
        paths.extend(&mut self.bearer_token_file);
        if let Some(basic) = &mut self.basic_auth {
            paths.extend(&mut basic.username_file);
            paths.extend(&mut basic.password_file);
        }
        if let Some(authorization) = &mut self.authorization {
            paths.extend(&mut authorization.credentials_file);
        }
        if let Some(oauth2) = &mut self.oauth2 {
            paths.extend(&mut oauth2.client_secret_file);
            paths.extend(oauth2.tls_config.paths_mut());
        }
        paths.extend(self.http_headers.values_mut().flat_map(|header| &mut header.files));
        paths.extend(self.tls_config.paths_mut());
        for path in paths {
            *path = base.join(&*path);
        }
    }

    /// Tells whether it says who is asking.
    pub const fn has_credentials(&self) -> bool {
        self.basic_auth.is_some()
            || self.authorization.is_some()
            || self.oauth2.is_some()
            || self.bearer_token.is_some()
            || self.bearer_token_file.is_some()
    }

    /// Returns everything in it that contradicts itself, by Prometheus' rules.
    pub fn problems(&self) -> Vec<HttpConfigProblem> {
        let mut found = Found(Vec::new());
        self.check_credentials(&mut found);
        found.0.extend(self.tls_config.problems("tls_config"));
        check_proxy(
            &mut found,
            "",
            self.proxy_url.as_ref(),
            self.no_proxy.as_deref(),
            self.proxy_from_environment,
            &self.proxy_connect_header,
        );
        if let Some(oauth2) = &self.oauth2 {
            oauth2.check(&mut found);
        }
        for (name, header) in &self.http_headers {
            let key = format!("http_headers.{name}");
            let lower = name.to_ascii_lowercase();
            if RESERVED_HEADERS.contains(&lower.as_str()) {
                found.add(&key, format!("header `{name}` can't be set here"), reserved_hint(&lower));
            } else if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
                found.add(&key, format!("`{name}` is no name of a header"), "use letters, digits and dashes");
            } else if header.values.is_empty() && header.secrets.is_empty() && header.files.is_empty() {
                found.add(
                    &key,
                    format!("header `{name}` has no value"),
                    "give `values`, `secrets` or `files`",
                );
            }
        }
        found.0
    }

    fn check_credentials(&self, found: &mut Found) {
        let given = [
            ("basic_auth", self.basic_auth.is_some()),
            ("authorization", self.authorization.is_some()),
            ("oauth2", self.oauth2.is_some()),
            ("bearer_token", self.bearer_token.is_some()),
            ("bearer_token_file", self.bearer_token_file.is_some()),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
        if let [first, second, ..] = given[..] {
            found.add(second, format!("`{first}` and `{second}` are both given"), "keep one of them");
        }
        if let Some(basic) = &self.basic_auth {
            found.both("basic_auth", "username", basic.username.as_ref(), basic.username_file.as_ref());
            found.both("basic_auth", "password", basic.password.as_ref(), basic.password_file.as_ref());
        }
        if let Some(authorization) = &self.authorization {
            found.both(
                "authorization",
                "credentials",
                authorization.credentials.as_ref(),
                authorization.credentials_file.as_ref(),
            );
            if authorization.kind.as_deref().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("basic")) {
                found.add("authorization.type", "type `Basic` is refused".to_owned(), "use `basic_auth`");
            }
        }
    }
}

impl OAuth2 {
    fn check(&self, found: &mut Found) {
        if self.client_id.is_empty() {
            found.add("oauth2.client_id", "the client's name is missing".to_owned(), "give `client_id`");
        }
        if self.token_url.is_empty() {
            found.add("oauth2.token_url", "the token's URL is missing".to_owned(), "give `token_url`");
        } else if !url::Url::parse(&self.token_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        {
            found.add("oauth2.token_url", "not an http or https URL".to_owned(), "write `https://HOST/PATH`");
        }
        found.both("oauth2", "client_secret", self.client_secret.as_ref(), self.client_secret_file.as_ref());
        found.0.extend(self.tls_config.problems("oauth2.tls_config"));
        check_proxy(
            found,
            "oauth2.",
            self.proxy_url.as_ref(),
            self.no_proxy.as_deref(),
            self.proxy_from_environment,
            &self.proxy_connect_header,
        );
    }

    /// Returns how the token URL is reached.
    pub(super) fn transport(&self) -> HttpConfig {
        HttpConfig {
            tls_config: self.tls_config.clone(),
            proxy_url: self.proxy_url.clone(),
            no_proxy: self.no_proxy.clone(),
            proxy_from_environment: self.proxy_from_environment,
            proxy_connect_header: self.proxy_connect_header.clone(),
            ..HttpConfig::default()
        }
    }
}

/// The parent of the directory of a file. Go's `filepath.Dir` of `.` is `.` again, and so here.
fn grandparent(path: &Path) -> PathBuf {
    let directory = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    };
    directory(&directory(path))
}

/// The problems found so far.
struct Found(Vec<HttpConfigProblem>);

impl Found {
    fn add(&mut self, key: &str, message: String, hint: &str) {
        self.0.push(HttpConfigProblem { key: key.to_owned(), message, hint: hint.to_owned() });
    }

    fn both<T, F>(&mut self, parent: &str, key: &str, text: Option<&T>, file: Option<&F>) {
        if text.is_some() && file.is_some() {
            let message = format!("`{key}` and `{key}_file` are both given");
            self.add(&format!("{parent}.{key}_file"), message, "keep one of them");
        }
    }
}

fn check_proxy(
    found: &mut Found,
    prefix: &str,
    proxy_url: Option<&Secret>,
    no_proxy: Option<&str>,
    from_environment: bool,
    connect_header: &BTreeMap<String, Vec<Secret>>,
) {
    let has_url = proxy_url.is_some_and(|url| !url.is_empty());
    let mut add = |key: &str, message: &str, hint: &str| {
        found.add(&format!("{prefix}{key}"), message.to_owned(), hint);
    };
    if from_environment && has_url {
        add("proxy_url", "`proxy_url` and `proxy_from_environment` are both given", "keep one of them");
    }
    if from_environment && no_proxy.is_some_and(|list| !list.is_empty()) {
        add(
            "no_proxy",
            "`no_proxy` and `proxy_from_environment` are both given",
            "set NO_PROXY in the environment",
        );
    }
    if !has_url && !from_environment && no_proxy.is_some_and(|list| !list.is_empty()) {
        add("no_proxy", "`no_proxy` is given without a proxy", "give `proxy_url`");
    }
    if !has_url && !from_environment && !connect_header.is_empty() {
        add("proxy_connect_header", "`proxy_connect_header` is given without a proxy", "give `proxy_url`");
    }
    let scheme_known = |url: &url::Url| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    if has_url
        && !proxy_url.is_some_and(|url| url::Url::parse(url.expose()).is_ok_and(|url| scheme_known(&url)))
    {
        add("proxy_url", "not the URL of a proxy", "write `http://HOST:PORT` or `socks5://HOST:PORT`");
    }
}

fn reserved_hint(lower: &str) -> &'static str {
    match lower {
        "authorization" => "use `authorization` or `basic_auth`",
        "host" => "it follows from the URL",
        _ => "Prometheus reserves it; remove it",
    }
}

fn list(problems: &[HttpConfigProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(yaml: &str) -> Result<HttpConfig, serde_yaml::Error> {
        serde_yaml::from_str(yaml)
    }

    fn problem(yaml: &str) -> String {
        let problems = parse(yaml).unwrap().problems();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_empty_mapping_follows_redirects_speaks_http2_and_knows_no_proxy() {
        let config = parse("{}").unwrap();
        assert_eq!(config, HttpConfig::default());
        assert!(config.follow_redirects && config.enable_http2 && !config.proxy_from_environment);
        assert!(config.problems().is_empty() && !config.has_credentials());
    }

    #[test]
    fn every_key_of_prometheus_is_read() {
        let yaml = "
basic_auth: {username: u, password_file: pw}
tls_config: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem, server_name: s, insecure_skip_verify: false, min_version: TLS12, max_version: TLS13}
follow_redirects: false
enable_http2: false
proxy_url: http://proxy:3128
no_proxy: localhost,10.0.0.0/8
proxy_connect_header: {X-A: [b]}
http_headers: {X-Tenant: {values: [a], secrets: [b], files: [c]}}
";
        let mut config = parse(yaml).unwrap();
        assert_eq!(config.problems(), []);
        config.resolve_paths(Path::new("/etc/amflow"));
        assert_eq!(config.basic_auth.unwrap().password_file.unwrap(), Path::new("/etc/amflow/pw"));
        assert_eq!(config.tls_config.ca_file.unwrap(), Path::new("/etc/amflow/ca.pem"));
        assert_eq!(config.http_headers["X-Tenant"].files, [Path::new("/etc/amflow/c")]);
        let oauth = "oauth2: {client_id: a, client_secret: b, token_url: 'https://t/x', scopes: [s], endpoint_params: {p: q}, tls_config: {ca_file: x}}";
        assert_eq!(problem(oauth), "");
    }

    #[test]
    fn contradictions_are_named_with_a_hint() {
        let cases = [
            (
                "{basic_auth: {username: a}, bearer_token: x}",
                "`basic_auth` and `bearer_token` are both given",
            ),
            (
                "{basic_auth: {username: a, username_file: b}}",
                "`username` and `username_file` are both given",
            ),
            (
                "{authorization: {type: basic, credentials: x}}",
                "type `Basic` is refused (`authorization.type`): use `basic_auth`",
            ),
            ("{oauth2: {client_secret: x}}", "the client's name is missing"),
            ("{oauth2: {client_id: a, token_url: 'ftp://x'}}", "not an http or https URL"),
            ("{proxy_url: 'http://p', proxy_from_environment: true}", "are both given"),
            ("{no_proxy: x}", "`no_proxy` is given without a proxy"),
            ("{proxy_url: 'ldap://p'}", "not the URL of a proxy"),
            ("{http_headers: {Authorization: {values: [x]}}}", "header `Authorization` can't be set here"),
            ("{http_headers: {'a b': {values: [x]}}}", "is no name of a header"),
            ("{http_headers: {X-A: {}}}", "has no value"),
            ("{tls_config: {cert_file: x}}", "without `key"),
            ("{tls_config: {min_version: TLS13, max_version: TLS12}}", "above"),
            ("{tls_config: {max_version: TLS11}}", "TLS 1.2"),
        ];
        for (yaml, expected) in cases {
            assert!(problem(yaml).contains(expected), "{yaml}: {}", problem(yaml));
        }
    }

    #[test]
    fn unknown_keys_are_refused_and_secrets_do_not_show() {
        assert!(parse("{basic_auth: {user: a}}").unwrap_err().to_string().contains("user"));
        let shown = format!(
            "{:?}",
            parse("{basic_auth: {username: a, password: hunter2}, proxy_url: 'http://a:hunter2@p'}")
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn amtool_resolves_paths_against_the_parent_of_the_files_directory() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("amtool");
        std::fs::create_dir(&sub).unwrap();
        let file = sub.join("http.yml");
        std::fs::write(&file, "\u{feff}bearer_token_file: token\n").unwrap();
        let config = HttpConfig::read_file(&file).unwrap();
        assert_eq!(config.bearer_token_file.unwrap(), dir.path().join("token"));
        std::fs::write(&file, "basic_auth: {username: a}\nbearer_token: b\n").unwrap();
        let error = HttpConfig::read_file(&file).unwrap_err().to_string();
        assert!(error.contains("both given"), "{error}");
        let error = HttpConfig::read_file(&sub.join("none.yml")).unwrap_err().to_string();
        assert!(error.contains("none.yml"), "{error}");
    }
}
