//! What can go wrong with a request, in words that help. Main type: [`HttpError`].

use std::io;
use std::time::Duration;

use url::Url;

use super::tls;

/// A request that did not bring what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method} {url}: {failure}")]
pub struct HttpError {
    /// The method, such as `GET`.
    pub method: String,
    /// The URL without credentials and query.
    pub url: String,
    /// What failed.
    pub failure: Failure,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The host's name has no address.
    #[error("no address for `{host}` ({message}); check the name")]
    Dns {
        /// The host.
        host: String,
        /// What the resolver says.
        message: String,
    },
    /// Nobody listens there.
    #[error("connection refused; does the server run and listen there?")]
    Refused,
    /// The connection could not be made for another reason.
    #[error("can't connect: {0}")]
    Connect(String),
    /// TLS could not be spoken.
    #[error("TLS failed: {message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Tls {
        /// What rustls says.
        message: String,
        /// How to mend it, where that is known.
        hint: Option<String>,
    },
    /// No complete answer in time.
    #[error("no {} within {}", if *.connected { "complete answer" } else { "connection" }, crate::model::format_duration(*.after))]
    Timeout {
        /// How long was waited.
        after: Duration,
        /// Whether there was an answer that stopped, or may have been one.
        connected: bool,
    },
    /// The server answered with a status that is no success.
    #[error("{}", status_text(*.code, .excerpt, .location.as_deref()))]
    Status {
        /// The status code.
        code: u16,
        /// The start of the body, at most 200 characters, without control characters.
        excerpt: String,
        /// Where the answer points to, for a redirect that was not followed.
        location: Option<String>,
    },
    /// The body ended before it was complete.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The body is larger than what is taken.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// What is taken, in bytes.
        limit: usize,
    },
    /// The answer is not what such a server answers.
    #[error("{0}")]
    Unexpected(String),
    /// There were more redirects than are followed.
    #[error("more than {0} redirects")]
    Redirects(usize),
    /// What the request needs of our side (a file, a certificate, a proxy's URL) can't be used.
    #[error("{0}")]
    Setup(String),
    /// No token could be fetched.
    #[error("no OAuth 2.0 token: {0}")]
    Token(String),
}

impl HttpError {
    /// Returns an error of a request.
    pub(super) fn new(method: &str, url: &Url, failure: Failure) -> Self {
        Self { method: method.to_owned(), url: shown(url), failure }
    }

    /// Tells whether the same request may succeed a little later.
    pub const fn is_transient(&self) -> bool {
        match &self.failure {
            Failure::Dns { .. }
            | Failure::Refused
            | Failure::Connect(_)
            | Failure::Timeout { .. }
            | Failure::Broken(_) => true,
            Failure::Status { code, .. } => matches!(*code, 408 | 429 | 500..=599),
            Failure::Tls { .. }
            | Failure::TooLarge { .. }
            | Failure::Unexpected(_)
            | Failure::Redirects(_)
            | Failure::Setup(_)
            | Failure::Token(_) => false,
        }
    }

    /// Tells whether the server may have acted on the request although no answer was understood.
    pub const fn may_have_acted(&self) -> bool {
        match &self.failure {
            Failure::Dns { .. }
            | Failure::Refused
            | Failure::Connect(_)
            | Failure::Tls { .. }
            | Failure::Redirects(_)
            | Failure::Setup(_)
            | Failure::Token(_) => false,
            Failure::Timeout { connected, .. } => *connected,
            Failure::Status { code, .. } => *code >= 500,
            Failure::Broken(_) | Failure::TooLarge { .. } | Failure::Unexpected(_) => true,
        }
    }

    /// Returns the status code, where there was one.
    pub const fn status(&self) -> Option<u16> {
        match &self.failure {
            Failure::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns the word by which reports count this error.
    pub const fn kind(&self) -> &'static str {
        match &self.failure {
            Failure::Dns { .. } => "dns",
            Failure::Refused => "refused",
            Failure::Connect(_) => "connect",
            Failure::Tls { .. } => "tls",
            Failure::Timeout { .. } => "timeout",
            Failure::Status { .. } => "status",
            Failure::Broken(_) => "broken",
            Failure::TooLarge { .. } => "too_large",
            Failure::Unexpected(_) => "unexpected",
            Failure::Redirects(_) => "redirects",
            Failure::Setup(_) => "setup",
            Failure::Token(_) => "token",
        }
    }
}

impl Failure {
    /// Reads the error of the transport. `limit` is the time that the request had.
    pub(super) fn of_transport(error: &reqwest::Error, url: &Url, limit: Duration) -> Self {
        if let Some(found) = tls::find(error) {
            return Self::Tls { message: found.to_string(), hint: tls::hint(found) };
        }
        let kind = io_kind(error);
        if error.is_dns() {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Self::Dns { host, message: deepest(error) };
        }
        if kind == Some(io::ErrorKind::ConnectionRefused) {
            return Self::Refused;
        }
        if error.is_timeout() {
            return Self::Timeout { after: limit, connected: !error.is_connect() };
        }
        let plain_for_tls = url.scheme() == "https" && kind == Some(io::ErrorKind::UnexpectedEof);
        if plain_for_tls && error.is_connect() {
            let hint = Some("the server closed the connection; does it speak TLS on this port?".to_owned());
            return Self::Tls { message: deepest(error), hint };
        }
        if error.is_connect() { Self::Connect(deepest(error)) } else { Self::Broken(deepest(error)) }
    }
}

/// Returns a URL as it may be shown: without credentials, query and fragment.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that can't have credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// Returns the first 200 characters of a body on one line, without control characters.
pub fn excerpt(body: &[u8]) -> String {
    const CHARACTERS: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * CHARACTERS)]);
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.chars().count() > CHARACTERS {
        line = line.chars().take(CHARACTERS).collect();
        line.push('…');
    }
    line
}

fn status_text(code: u16, excerpt: &str, location: Option<&str>) -> String {
    let name = reqwest::StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    let mut text = format!("HTTP {code}");
    if let Some(name) = name {
        text.push(' ');
        text.push_str(name);
    }
    if !excerpt.is_empty() && !name.is_some_and(|name| name.eq_ignore_ascii_case(excerpt)) {
        text.push_str(": ");
        text.push_str(excerpt);
    }
    if let Some(location) = location {
        text.push_str("; it points to `");
        text.push_str(location);
        text.push_str("`: use that URL");
    }
    text
}

fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            kind = Some(found.kind());
        }
        next = error.source();
    }
    kind
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    excerpt(deepest.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_credentials_and_query() {
        let url = Url::parse("https://u:hunter2@am.example:9093/prefix/api/v2/alerts?token=x#y").unwrap();
        assert_eq!(shown(&url), "https://am.example:9093/prefix/api/v2/alerts");
    }

    #[test]
    fn an_excerpt_is_one_short_line_without_control_characters() {
        assert_eq!(excerpt(b"a\n\tb\x1b[31mc  d\xff"), "a b [31mc d\u{fffd}");
        assert_eq!(excerpt("x".repeat(500).as_bytes()).chars().count(), 201);
    }

    #[test]
    fn a_status_is_told_with_its_name_its_body_and_where_it_points() {
        let failure = |code, excerpt: &str, location: Option<&str>| {
            let location = location.map(str::to_owned);
            Failure::Status { code, excerpt: excerpt.to_owned(), location }.to_string()
        };
        assert_eq!(failure(404, "404 page not found", None), "HTTP 404 Not Found: 404 page not found");
        assert_eq!(failure(401, "Unauthorized", None), "HTTP 401 Unauthorized");
        assert_eq!(
            failure(301, "", Some("https://x/")),
            "HTTP 301 Moved Permanently; it points to `https://x/`: use that URL"
        );
    }
}
