//! The configuration of `amflow serve`, checked. Main type: [`ServerSettings`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::spec::{ClientAuthSpec, CredentialSpec, ServerSpec};
use crate::model::parse_duration;
use crate::perform::SecretSource;
use crate::server::{Credential, ServerOptions, TlsFiles, Way};

/// The header that Grafana signs in.
const GRAFANA_HEADER: &str = "X-Grafana-Alerting-Signature";

/// How `amflow serve` listens, polls and ends.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How it listens.
    pub options: ServerOptions,
    /// Who may send.
    pub credentials: Vec<Credential>,
    /// The secrets that they name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// How often it polls; `None`: never.
    pub poll_interval: Option<Duration>,
    /// How long running steps may take to end.
    pub drain_timeout: Duration,
    /// Runs that are not over, at most.
    pub queue: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            options: ServerOptions::default(),
            credentials: Vec::new(),
            secrets: BTreeMap::new(),
            poll_interval: Some(Duration::from_secs(60)),
            drain_timeout: Duration::from_secs(25),
            queue: 10_000,
        }
    }
}

/// What is wrong with a value: its path below `server`, what it is, how to mend it.
pub(super) struct Problem {
    pub(super) path: Vec<String>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl ServerSettings {
    /// Checks what is written; relative files start at `base`.
    pub(super) fn of_spec(spec: &ServerSpec, base: &Path) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut settings = Self::default();
        let mut wrong = |path: &[&str], message: String, hint: Option<&str>| {
            let path = path.iter().map(|part| (*part).to_owned()).collect();
            problems.push(Problem { path, message, hint: hint.map(str::to_owned) });
        };
        if !spec.listen.is_empty() {
            settings.options.listen.clear();
        }
        for text in &spec.listen {
            match text.parse::<SocketAddr>() {
                Ok(address) => settings.options.listen.push(address),
                Err(_) => wrong(
                    &["listen"],
                    format!("`{text}` is not an address with a port"),
                    Some("write it as `127.0.0.1:9096` or `[::1]:9096`; `0.0.0.0` is every IPv4 address"),
                ),
            }
        }
        if let Some(prefix) = &spec.route_prefix {
            match prefix_of(prefix) {
                Some(prefix) => settings.options.prefix = prefix,
                None => wrong(
                    &["route_prefix"],
                    format!("`{prefix}` is not a path"),
                    Some("write it as `/amflow`"),
                ),
            }
        }
        if let Some(text) = &spec.external_url {
            match url_of(text) {
                Some(url) => settings.options.external_url = Some(url),
                None => wrong(
                    &["external_url"],
                    format!("`{text}` is not an address that a browser opens"),
                    Some("write it as `https://ops.example.com/amflow`"),
                ),
            }
        }
        for (n, credential) in spec.auth.iter().enumerate() {
            match named(n, credential, base) {
                Ok((way, source)) => {
                    let secret = way.secret().map(str::to_owned).zip(source);
                    settings.secrets.extend(secret);
                    settings.credentials.push(Credential { name: name_of(n, credential), way });
                }
                Err(message) => wrong(&["auth"], format!("credential {}: {message}", n + 1), None),
            }
        }
        settings.options.tls = spec.tls.as_ref().map(|tls| TlsFiles {
            cert_file: base.join(&tls.cert_file),
            key_file: base.join(&tls.key_file),
            client_ca_file: tls.client_ca_file.as_ref().map(|file| base.join(file)),
            client_required: tls.client_auth != Some(ClientAuthSpec::Optional),
        });
        let has_ca = settings.options.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        let wants_ca = spec.tls.as_ref().is_some_and(|tls| tls.client_auth.is_some());
        if wants_ca && !has_ca {
            let hint = "add `client_ca_file`: who signs clients' certificates";
            wrong(
                &["tls", "client_auth"],
                "nobody can have a certificate that is known here".to_owned(),
                Some(hint),
            );
        }
        if spec.auth.iter().any(|credential| credential.certificate.is_some()) && !has_ca {
            let hint = "add `tls` with `client_ca_file`";
            wrong(&["auth"], "a client's certificate cannot be verified".to_owned(), Some(hint));
        }
        if spec.max_body == Some(0) {
            wrong(&["max_body"], "it must be at least 1".to_owned(), None);
        }
        settings.options.max_body = spec.max_body.unwrap_or(settings.options.max_body);
        for (key, value) in [("connections", spec.connections), ("rate", spec.rate), ("queue", spec.queue)] {
            if value == Some(0) {
                wrong(&[key], "it must be at least 1".to_owned(), None);
            }
        }
        let whole = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        settings.options.connections = spec.connections.map_or(settings.options.connections, whole);
        settings.options.rate = spec.rate;
        settings.queue = spec.queue.map_or(settings.queue, whole);
        let mut duration = |key: &str, text: &str| match parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Some(duration),
            Ok(_) => {
                wrong(&[key], "it must be more than no time".to_owned(), None);
                None
            }
            Err(error) => {
                wrong(&[key], error.message, error.hint.as_deref());
                None
            }
        };
        match spec.poll_interval.as_deref() {
            None => {}
            Some("none") => settings.poll_interval = None,
            Some(text) => settings.poll_interval = duration("poll_interval", text),
        }
        let options = &mut settings.options;
        for (key, text, limit) in [
            ("header_timeout", &spec.header_timeout, &mut options.header_timeout),
            ("body_timeout", &spec.body_timeout, &mut options.body_timeout),
        ] {
            *limit = text.as_deref().and_then(|text| duration(key, text)).unwrap_or(*limit);
        }
        if let Some(timeout) = spec.drain_timeout.as_deref().and_then(|text| duration("drain_timeout", text))
        {
            settings.drain_timeout = timeout;
        }
        let open = settings.credentials.is_empty() && !settings.options.asks_for_certificates();
        if let Some(address) = settings.options.reachable().filter(|_| open && spec.auth.is_empty()) {
            wrong(
                &["listen"],
                format!("{address} can be reached by others, and everybody would be let in"),
                Some("add `auth`, or `tls` with `client_ca_file`, or listen on 127.0.0.1"),
            );
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

/// Brings a path to the form that the server has: empty, or beginning with a slash and not ending in one.
pub fn prefix_of(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let path = text.trim_end_matches('/');
    let fits = (path.is_empty() && text.starts_with('/')) || (path.starts_with('/') && !path.contains("//"));
    (fits && path.chars().all(plain)).then(|| path.to_owned())
}

/// Brings an address to the form that links begin with: without a slash at its end.
pub fn url_of(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let whole = plain && url.has_host() && url.query().is_none() && url.fragment().is_none();
    whole.then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// Returns what a credential is called in logs and journals.
fn name_of(n: usize, spec: &CredentialSpec) -> String {
    let given = spec.name.as_ref().or(spec.basic.as_ref().map(|basic| &basic.username));
    given.cloned().unwrap_or_else(|| format!("server.auth[{n}]"))
}

fn named(n: usize, spec: &CredentialSpec, base: &Path) -> Result<(Way, Option<SecretSource>), String> {
    let name = |kind: &str| format!("server.auth[{n}].{kind}");
    if spec.name.as_ref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
        return Err("its name is empty, or cannot be printed".to_owned());
    }
    let (way, mut source) = match (&spec.bearer, &spec.basic, &spec.signature, &spec.certificate) {
        (Some(source), None, None, None) => (Way::Bearer { secret: name("bearer") }, source.clone()),
        (None, None, None, Some(certificate)) => {
            return Ok((Way::Certificate { names: certificate.names.clone() }, None));
        }
        (None, Some(basic), None, None) => {
            if basic.username.is_empty() || basic.username.contains(':') {
                return Err("a user has a name, without a colon".to_owned());
            }
            let way = Way::Basic { username: basic.username.clone(), secret: name("basic") };
            (way, basic.password.clone())
        }
        (None, None, Some(signature), None) => {
            let header = signature.header.clone().unwrap_or_else(|| GRAFANA_HEADER.to_owned());
            for name in [Some(&header), signature.timestamp_header.as_ref()].into_iter().flatten() {
                if name.parse::<axum::http::HeaderName>().is_err() {
                    return Err(format!("`{name}` is not the name of a header"));
                }
            }
            let timestamp_header = signature.timestamp_header.clone();
            let way = Way::Signature { secret: name("signature"), header, timestamp_header };
            (way, signature.secret.clone())
        }
        _ => return Err("give one of `bearer`, `basic`, `signature` and `certificate`".to_owned()),
    };
    if let Some(problem) = source.problem() {
        return Err(problem);
    }
    source.resolve_paths(base);
    Ok((way, Some(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_with_an_address_that_a_browser_opens() {
        for (text, url) in [
            ("https://ops.example.com/amflow/", Some("https://ops.example.com/amflow")),
            ("http://127.0.0.1:9096", Some("http://127.0.0.1:9096")),
            ("ops.example.com", None),
            ("javascript:alert(1)", None),
            ("https://ann:pw@x", None),
            ("https://x/?a=b", None),
        ] {
            assert_eq!(url_of(text).as_deref(), url, "{text}");
        }
    }

    #[test]
    fn a_prefix_is_a_path_without_a_slash_at_its_end() {
        for (text, prefix) in [
            ("/", Some("")),
            ("/amflow", Some("/amflow")),
            ("/a/b/", Some("/a/b")),
            ("amflow", None),
            ("", None),
            ("/a//b", None),
            ("/a b", None),
            ("/{x}", None),
        ] {
            assert_eq!(prefix_of(text).as_deref(), prefix, "{text}");
        }
    }
}
