//! The URL of a server as people write and paste it. Main type: [`BaseUrl`].

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::error::shown;

/// The URL of a server, up to and without its API's path. It never prints its credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(Url);

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// There is nothing.
    #[error("the URL is empty; write it as `http://HOST:9093`")]
    Empty,
    /// It can't be read as a URL.
    #[error("not a URL: {0}; write it as `http://HOST:9093`")]
    Malformed(url::ParseError),
    /// It is a URL of something else.
    #[error("scheme `{0}` is not http or https")]
    Scheme(String),
}

/// Paths of APIs and pages that get pasted with the URL; the longest first.
const PASTED: &[&str] = &[
    "/api/v2/alerts/groups",
    "/api/v2/alerts",
    "/api/v2/silences",
    "/api/v2/status",
    "/api/v2",
    "/api/v1/alerts",
    "/api/v1/query",
    "/api/v1",
    "/v1/traces",
];

impl BaseUrl {
    /// Returns the URL of a path of the API, which begins with a slash.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{path}"));
        url
    }

    /// Tells whether it holds a user name or a password.
    pub fn has_credentials(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    /// Reads a URL. Without a scheme it is http; a trailing slash, the path of the API and the fragment
    /// of a page are cut.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BaseUrlError::Empty);
        }
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let mut url = Url::parse(&with_scheme).map_err(BaseUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme(url.scheme().to_owned()));
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/');
        let path = PASTED.iter().find_map(|pasted| path.strip_suffix(pasted)).unwrap_or(path);
        let path = path.trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(shown(&self.0).trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste_becomes_the_url_of_the_server() {
        let cases = [
            ("localhost:9093", "http://localhost:9093/api/v2/alerts"),
            (" http://am/ ", "http://am/api/v2/alerts"),
            ("https://am.example/prefix/", "https://am.example/prefix/api/v2/alerts"),
            ("http://am:9093/api/v2", "http://am:9093/api/v2/alerts"),
            ("http://am:9093/x/api/v2/alerts?active=true", "http://am:9093/x/api/v2/alerts"),
            ("http://am:9093/#/alerts", "http://am:9093/api/v2/alerts"),
            ("[::1]:9093", "http://[::1]:9093/api/v2/alerts"),
            ("http://tempo:4318/otlp/v1/traces", "http://tempo:4318/otlp/api/v2/alerts"),
            ("mimir/alertmanager", "http://mimir/alertmanager/api/v2/alerts"),
            ("http://g/api/alertmanager/grafana", "http://g/api/alertmanager/grafana/api/v2/alerts"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<BaseUrl>().unwrap().at("/api/v2/alerts").as_str(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused() {
        for text in ["", "ftp://x", "unix:///run/x", "http://", "http://a b"] {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_are_kept_and_never_printed() {
        let url: BaseUrl = "https://ops:hunter2@am/x".parse().unwrap();
        assert!(url.has_credentials() && url.at("/y").password() == Some("hunter2"));
        assert_eq!(format!("{url} {url:?}"), "https://am/x BaseUrl(https://am/x)");
    }
}
