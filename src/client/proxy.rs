//! Which proxy a URL is reached through, by Go's rules. Main type: [`ProxyEnvironment`].
//!
//! Prometheus and amtool use Go's `http.ProxyFromEnvironment` (golang.org/x/net/http/httpproxy), whose
//! `NO_PROXY` knows domains, ports, addresses and networks, and which never uses a proxy for this machine.

use std::net::IpAddr;

use url::{Host, Url};

use super::http_config::HttpConfig;
use crate::model::Secret;

/// What the environment says of proxies; read by the configuration, which is where the environment is read.
#[derive(Debug, Clone, Default)]
pub struct ProxyEnvironment {
    /// `HTTP_PROXY` or `http_proxy`; not to be taken where `REQUEST_METHOD` is set (a CGI script, whose
    /// `HTTP_PROXY` a client can choose).
    pub http_proxy: Option<Secret>,
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https_proxy: Option<Secret>,
    /// `NO_PROXY` or `no_proxy`.
    pub no_proxy: Option<String>,
}

/// The proxies for both schemes, and what is reached without.
#[derive(Debug, Clone)]
pub(super) struct ProxyRules {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Vec<Exception>,
    skip_this_machine: bool,
}

/// One entry of `no_proxy`.
#[derive(Debug, Clone, PartialEq)]
enum Exception {
    Everything,
    Network {
        address: IpAddr,
        bits: u8,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// `example.com` is the host and what is below it, `.example.com` only what is below it.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl ProxyRules {
    /// Returns the rules of a configuration; `None` when no proxy can ever be used.
    ///
    /// # Errors
    /// Text that names the variable or key whose URL is wrong, without the URL (it may hold a password).
    pub(super) fn new(config: &HttpConfig, environment: &ProxyEnvironment) -> Result<Option<Self>, String> {
        let rules = if config.proxy_from_environment {
            Self {
                http: proxy_url(environment.http_proxy.as_ref(), "HTTP_PROXY")?,
                https: proxy_url(environment.https_proxy.as_ref(), "HTTPS_PROXY")?,
                exceptions: exceptions(environment.no_proxy.as_deref().unwrap_or_default()),
                skip_this_machine: true,
            }
        } else {
            let url = proxy_url(config.proxy_url.as_ref(), "proxy_url")?;
            Self {
                http: url.clone(),
                https: url,
                exceptions: exceptions(config.no_proxy.as_deref().unwrap_or_default()),
                skip_this_machine: false,
            }
        };
        Ok((rules.http.is_some() || rules.https.is_some()).then_some(rules))
    }

    /// Returns the proxy for a URL.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        let host = url.host()?.to_owned();
        let port = url.port_or_known_default();
        if self.skip_this_machine && is_this_machine(&host) {
            return None;
        }
        if self.exceptions.iter().any(|exception| exception.covers(&host, port)) {
            None
        } else {
            proxy.clone()
        }
    }
}

impl Exception {
    fn covers(&self, host: &Host, port: Option<u16>) -> bool {
        let address = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        let port_fits = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Network { address: network, bits }, _) => {
                address.is_some_and(|address| same_network(address, *network, *bits))
            }
            (Self::Address { address: wanted, port }, _) => address == Some(*wanted) && port_fits(port),
            (Self::Domain { suffix, itself, port }, Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let fits = match name.strip_suffix(suffix.as_str()) {
                    Some("") => *itself,
                    Some(rest) => rest.ends_with('.'),
                    None => false,
                };
                fits && port_fits(port)
            }
            (Self::Domain { .. }, _) => false,
        }
    }
}

fn proxy_url(text: Option<&Secret>, name: &str) -> Result<Option<Url>, String> {
    let Some(text) = text.map(|text| text.expose().trim()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url =
        Url::parse(&with_scheme).map_err(|error| format!("{name} is not the URL of a proxy: {error}"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(format!("{name} has a scheme that no proxy has; write `http://` or `socks5://`"));
    }
    Ok(Some(url))
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn exceptions(list: &str) -> Vec<Exception> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(exception).collect()
}

fn exception(entry: &str) -> Exception {
    if entry == "*" {
        return Exception::Everything;
    }
    if let Some((address, bits)) = entry.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
    {
        return Exception::Network { address, bits };
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Exception::Address { address, port: None };
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ => (entry, None),
    };
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return Exception::Address { address, port };
    }
    let below_only = host.starts_with('.');
    let suffix =
        host.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    Exception::Domain { suffix, itself: !below_only && !host.starts_with("*."), port }
}

fn same_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    fn top(value: u128, width: u32, bits: u8) -> Option<u128> {
        let rest = width.checked_sub(u32::from(bits))?;
        Some(value.checked_shr(rest).unwrap_or(0))
    }
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let (a, n) = (top(a.to_bits().into(), 32, bits), top(n.to_bits().into(), 32, bits));
            a.is_some() && a == n
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let (a, n) = (top(a.to_bits(), 128, bits), top(n.to_bits(), 128, bits));
            a.is_some() && a == n
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(no_proxy: &str, url: &str) -> bool {
        let environment = ProxyEnvironment {
            http_proxy: Some(Secret::new("proxy:3128")),
            https_proxy: Some(Secret::new("http://u:p@proxy:3129")),
            no_proxy: Some(no_proxy.to_owned()),
        };
        let rules = ProxyRules::new(&HttpConfig::unconfigured(), &environment).unwrap().unwrap();
        rules.proxy_for(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        let cases = [
            ("", "http://example.com/", true),
            ("", "http://localhost:9093/", false),
            ("", "http://127.0.0.2/", false),
            ("", "http://[::1]/", false),
            ("*", "http://example.com/", false),
            ("example.com", "http://example.com/", false),
            ("example.com", "http://a.Example.com/", false),
            ("example.com", "http://badexample.com/", true),
            (".example.com", "http://example.com/", true),
            (".example.com", "http://a.example.com/", false),
            ("*.example.com", "http://a.example.com/", false),
            ("example.com:8080", "http://example.com:8080/", false),
            ("example.com:8080", "http://example.com/", true),
            ("example.com:443", "https://example.com/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", false),
            ("10.0.0.0/8", "http://11.1.2.3/", true),
            ("0.0.0.0/0", "http://11.1.2.3/", false),
            ("10.0.0.0/99", "http://10.1.2.3/", true),
            ("fd00::/8", "http://[fd00::1]/", false),
            ("192.0.2.1", "http://192.0.2.1:80/", false),
            ("192.0.2.1:81", "http://192.0.2.1:80/", true),
            ("a, b ,c.d", "http://b/", false),
        ];
        for (no_proxy, url, expected) in cases {
            assert_eq!(used(no_proxy, url), expected, "{no_proxy} {url}");
        }
    }

    #[test]
    fn a_named_proxy_is_used_for_this_machine_too_and_the_environment_only_when_asked() {
        let environment =
            ProxyEnvironment { http_proxy: Some(Secret::new("http://env")), ..ProxyEnvironment::default() };
        assert!(ProxyRules::new(&HttpConfig::default(), &environment).unwrap().is_none());
        let config = HttpConfig { proxy_url: Some(Secret::new("http://named:1")), ..HttpConfig::default() };
        let rules = ProxyRules::new(&config, &environment).unwrap().unwrap();
        assert_eq!(
            rules.proxy_for(&Url::parse("http://localhost/").unwrap()).unwrap().host_str(),
            Some("named")
        );
    }

    #[test]
    fn a_wrong_proxy_is_named_without_its_password() {
        let environment = ProxyEnvironment {
            http_proxy: Some(Secret::new("ftp://u:hunter2@x")),
            ..ProxyEnvironment::default()
        };
        let error = ProxyRules::new(&HttpConfig::unconfigured(), &environment).unwrap_err();
        assert!(error.contains("HTTP_PROXY") && !error.contains("hunter2"), "{error}");
    }
}
