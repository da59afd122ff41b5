//! Where traces are sent: the configuration's `telemetry`, then OpenTelemetry's own variables of the environment.
//! Main type: [`TelemetrySettings`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use url::form_urlencoded;

use super::env::Environment;
use super::file::ConfigFile;
use super::spec::CompressionSpec;
use crate::client::{BaseUrl, HttpConfig, HttpOptions};
use crate::model::Secret;

/// How long a request to a collector may take, as OpenTelemetry has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where traces are taken, below the address of a collector.
const PATH: &str = "/v1/traces";

/// What is said of traces.
#[derive(Debug, Clone, Default)]
pub struct TelemetrySettings {
    /// Where they are sent; none are when this is `None`.
    pub collector: Option<CollectorSettings>,
    /// What people should know of it once there would be something to send.
    pub notices: Vec<String>,
}

/// Where traces are sent, and how.
#[derive(Debug, Clone)]
pub struct CollectorSettings {
    /// The address.
    pub url: Url,
    /// Credentials, TLS, proxy.
    pub http_config: HttpConfig,
    /// Timeouts, and what the environment says of proxies.
    pub options: HttpOptions,
    /// Headers of the environment; values may be credentials.
    pub headers: Vec<(String, Secret)>,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// What this program is, over what it says of itself.
    pub resource: BTreeMap<String, String>,
    /// Whether servers and commands are told for which span they work.
    pub propagate: bool,
}

impl TelemetrySettings {
    /// Puts the configuration before the environment, each value by itself. What is wrong in the environment, which
    /// was likely set for other programs, is told and ignored.
    pub(super) fn resolve(config: &ConfigFile, environment: &Environment) -> TelemetrySettings {
        let mut reading = Reading { environment, notices: Vec::new() };
        let collector = reading.collector(config);
        TelemetrySettings { collector, notices: reading.notices }
    }
}

/// Reads the variables of the specification of OpenTelemetry.
struct Reading<'e> {
    environment: &'e Environment,
    notices: Vec<String>,
}

impl Reading<'_> {
    fn collector(&mut self, config: &ConfigFile) -> Option<CollectorSettings> {
        if self.says("OTEL_SDK_DISABLED", "true") {
            return None;
        }
        if let Some(exporters) = self.environment.text("OTEL_TRACES_EXPORTER")
            && !exporters.split(',').any(|exporter| exporter.trim().eq_ignore_ascii_case("otlp"))
        {
            return None;
        }
        let spec = &config.spec.telemetry;
        let url = match &config.otlp_url {
            Some(url) => url.at(PATH),
            None => self.endpoint()?,
        };
        let otlp = spec.otlp.clone().unwrap_or_default();
        let mut http_config = otlp.http_config.clone().unwrap_or_else(HttpConfig::unconfigured);
        if otlp.http_config.is_none() {
            let tls = &mut http_config.tls_config;
            tls.ca_file = self.file("CERTIFICATE");
            (tls.cert_file, tls.key_file) = (self.file("CLIENT_CERTIFICATE"), self.file("CLIENT_KEY"));
            if tls.cert_file.is_some() != tls.key_file.is_some() {
                self.notice("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together: the one is ignored");
                (tls.cert_file, tls.key_file) = (None, None);
            }
        }
        let timeout = config.otlp_timeout.or_else(|| self.timeout()).unwrap_or(TIMEOUT);
        let gzip = match otlp.compression {
            Some(compression) => compression == CompressionSpec::Gzip,
            None => self.gzip(),
        };
        let mut headers = self.headers();
        headers.retain(|(name, _)| {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let said = http_config.http_headers.keys().any(|other| is(other))
                || is("authorization") && http_config.has_credentials();
            !said
        });
        let mut resource = self.resource();
        resource.extend(spec.resource.clone());
        Some(CollectorSettings {
            url,
            http_config,
            options: HttpOptions {
                timeout,
                proxy_environment: self.environment.proxies(),
                ..HttpOptions::default()
            },
            headers,
            gzip,
            resource,
            propagate: spec.propagate.unwrap_or_else(|| self.propagates()),
        })
    }

    fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(text.into());
    }

    fn says(&self, name: &str, word: &str) -> bool {
        self.environment.text(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
    }

    /// Returns a variable of the exporter with its name: that for traces, else that for everything.
    fn variable(&self, what: &str) -> Option<(String, &str)> {
        let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| {
            let value = self.environment.text(&name)?.trim();
            Some((name, value))
        })
    }

    /// Returns the address for traces, or that for everything with the path for traces.
    fn endpoint(&mut self) -> Option<Url> {
        let (name, text) = self.variable("ENDPOINT")?;
        let (name, text) = (name, text.to_owned());
        if let Some((protocol, value)) = self.variable("PROTOCOL")
            && value != "http/protobuf"
        {
            let value = value.to_owned();
            self.notice(format!(
                "no traces are sent: {protocol} is `{value}`, and amflow speaks `http/protobuf`; name a collector \
                 by `telemetry.otlp.endpoint` of the configuration"
            ));
            return None;
        }
        let read = if name.contains("_TRACES_") {
            // As it stands: that is what the specification says.
            let url = Url::parse(&text).map_err(|error| error.to_string());
            url.and_then(|url| match url.scheme() {
                "http" | "https" => Ok(url),
                scheme => Err(format!("scheme `{scheme}` is not http or https")),
            })
        } else {
            text.parse::<BaseUrl>().map(|url| url.at(PATH)).map_err(|error| error.to_string())
        };
        match read {
            Ok(url) => Some(url),
            // The text may hold a password.
            Err(error) => {
                self.notice(format!("no traces are sent: {name} is no address of a collector: {error}"));
                None
            }
        }
    }

    fn file(&self, what: &str) -> Option<PathBuf> {
        self.variable(what).map(|(_, path)| PathBuf::from(path))
    }

    fn timeout(&mut self) -> Option<Duration> {
        let (name, text) = self.variable("TIMEOUT")?;
        match text.parse::<u64>() {
            Ok(milliseconds) if milliseconds > 0 => Some(Duration::from_millis(milliseconds)),
            _ => {
                let notice = format!("{name} is `{text}`, which is no number of milliseconds: it is ignored");
                self.notice(notice);
                None
            }
        }
    }

    fn gzip(&mut self) -> bool {
        let Some((name, text)) = self.variable("COMPRESSION") else { return false };
        if !matches!(text, "gzip" | "none") {
            let notice = format!("{name} is `{text}`; amflow knows `gzip` and `none`: it is ignored");
            self.notice(notice);
            return false;
        }
        text == "gzip"
    }

    fn headers(&mut self) -> Vec<(String, Secret)> {
        let Some((name, text)) = self.variable("HEADERS") else { return Vec::new() };
        let pairs = pairs(text);
        if pairs.is_none() {
            self.notice(format!("{name} is no list of NAME=VALUE with commas between: it is ignored"));
        }
        pairs.unwrap_or_default().into_iter().map(|(name, value)| (name, Secret::new(value))).collect()
    }

    fn resource(&mut self) -> BTreeMap<String, String> {
        let text = self.environment.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let pairs = pairs(text);
        if pairs.is_none() {
            self.notice(
                "OTEL_RESOURCE_ATTRIBUTES is no list of NAME=VALUE with commas between: it is ignored",
            );
        }
        let mut resource: BTreeMap<_, _> = pairs.unwrap_or_default().into_iter().collect();
        if let Some(name) = self.environment.text("OTEL_SERVICE_NAME") {
            resource.insert("service.name".to_owned(), name.to_owned());
        }
        resource
    }

    fn propagates(&self) -> bool {
        let Some(list) = self.environment.text("OTEL_PROPAGATORS") else { return true };
        list.split(',').any(|one| one.trim().eq_ignore_ascii_case("tracecontext"))
    }
}

/// Reads `NAME=VALUE,...`, the values percent-encoded, as W3C's Baggage has it, without properties. `None` when it is
/// none.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((decoded(name.trim()), decoded(value.trim()))).filter(|(name, _)| !name.is_empty())
        })
        .collect()
}

/// Takes percent-encoding away. A `+` is one.
fn decoded(text: &str) -> String {
    let whole = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let value = form_urlencoded::parse(whole.as_bytes()).next().map(|(_, value)| value.into_owned());
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::text::Diagnostics;

    fn resolve(text: &str, environment: &[(&str, &str)]) -> TelemetrySettings {
        let config = ConfigFile::parse(Path::new("/c/amflow.yaml"), text.into(), &mut Diagnostics::new());
        let environment: Environment = environment.iter().copied().collect();
        TelemetrySettings::resolve(&config.unwrap(), &environment)
    }

    const FILE: &str =
        "telemetry: {otlp: {endpoint: 'http://file:4318/base', http_config: {bearer_token: hush}}}";
    const NAMED: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318");

    #[test]
    fn nothing_is_sent_unless_somebody_names_a_collector_and_nobody_says_no() {
        let table: [(&str, &[(&str, &str)], Option<&str>); 14] = [
            ("", &[], None),
            ("telemetry: {resource: {a: b}}", &[("OTEL_SERVICE_NAME", "x")], None),
            (FILE, &[], Some("http://file:4318/base/v1/traces")),
            (FILE, &[NAMED], Some("http://file:4318/base/v1/traces")),
            ("", &[NAMED], Some("http://env:4318/v1/traces")),
            ("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://env/otlp/")], Some("https://env/otlp/v1/traces")),
            ("", &[NAMED, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x?y")], Some("http://t/x?y")),
            ("", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:4318")], Some("http://t:4318/")),
            (
                "",
                &[NAMED, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
                Some("http://env:4318/v1/traces"),
            ),
            (FILE, &[("OTEL_SDK_DISABLED", "True")], None),
            (FILE, &[("OTEL_SDK_DISABLED", "false")], Some("http://file:4318/base/v1/traces")),
            ("", &[NAMED, ("OTEL_TRACES_EXPORTER", "none")], None),
            ("", &[NAMED, ("OTEL_TRACES_EXPORTER", "console, otlp")], Some("http://env:4318/v1/traces")),
            ("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], None),
        ];
        for (text, environment, expected) in table {
            let settings = resolve(text, environment);
            let url = settings.collector.as_ref().map(|collector| collector.url.as_str());
            assert_eq!((url, settings.notices.len()), (expected, 0), "{text} {environment:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_secrets() {
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://u:hunter2@x");
        let table: [(&[(&str, &str)], bool, &str); 8] = [
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///x")],
                false,
                "OTEL_EXPORTER_OTLP_ENDPOINT is no address",
            ),
            (&[traces], false, "scheme `ftp`"),
            (&[NAMED, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")], false, "speaks `http/protobuf`"),
            (&[NAMED, ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")], true, "OTEL_EXPORTER_OTLP_TIMEOUT is `10s`"),
            (&[NAMED, ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")], true, "`zstd`"),
            (
                &[NAMED, ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")],
                true,
                "OTEL_EXPORTER_OTLP_HEADERS is no list",
            ),
            (&[NAMED, ("OTEL_RESOURCE_ATTRIBUTES", "=x")], true, "OTEL_RESOURCE_ATTRIBUTES is no list"),
            (&[NAMED, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "k")], true, "belong together"),
        ];
        for (environment, on, expected) in table {
            let settings = resolve("", environment);
            let told = settings.notices.join("\n");
            assert_eq!(settings.collector.is_some(), on, "{environment:?}");
            assert!(told.contains(expected) && !told.contains("hunter2"), "{environment:?}: {told}");
        }
    }

    #[test]
    fn each_value_is_the_configurations_or_else_the_environments() {
        let environment = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x, X-Tenant=a+b&c ,x-key = k%2C1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=one,a=%C3%A9,b=2"),
            ("OTEL_SERVICE_NAME", "two"),
            ("OTEL_PROPAGATORS", "b3"),
        ];
        let with = |text: &str| {
            let all: Vec<_> = environment.iter().copied().chain([NAMED]).collect();
            resolve(text, &all).collector.unwrap()
        };
        let headers = |collector: &CollectorSettings| -> Vec<String> {
            collector.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect()
        };
        let of_environment = with("");
        assert_eq!(headers(&of_environment), ["Authorization: Bearer x", "X-Tenant: a+b&c", "x-key: k,1"]);
        assert_eq!(of_environment.options.timeout, Duration::from_millis(2_500));
        assert!(of_environment.gzip && !of_environment.propagate);
        assert_eq!(of_environment.http_config.tls_config.ca_file.as_deref(), Some(Path::new("/ca.pem")));
        let resource: Vec<_> = of_environment.resource.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(resource, ["a=é", "b=2", "service.name=two"]);

        let file = "telemetry: {resource: {service.name: three}, propagate: true, otlp: {endpoint: x, timeout: 1s, \
                    compression: none, http_config: {bearer_token: hush, http_headers: {X-KEY: {values: [mine]}}}}}";
        let of_file = with(file);
        assert_eq!(headers(&of_file), ["X-Tenant: a+b&c"]);
        assert_eq!(of_file.options.timeout, Duration::from_secs(1));
        assert!(!of_file.gzip && of_file.propagate);
        assert_eq!(of_file.http_config.tls_config.ca_file, None);
        assert_eq!(
            (of_file.resource["service.name"].as_str(), of_file.resource["b"].as_str()),
            ("three", "2")
        );
        let shown = format!("{of_environment:?}{of_file:?}");
        assert!(!shown.contains("Bearer x") && !shown.contains("hush"), "{shown}");
    }
}
