//! HTTP requests. Main types: [`Requests`], [`Connection`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::output::Capture;
use super::redact::Redactor;
use super::secrets::Secrets;
use super::trouble::Trouble;
use crate::client::{HttpClient, HttpConfig, HttpOptions, HttpRequest, HttpResponse};
use crate::model::secret::REDACTED;
use crate::step::{RequestBody, RequestEffect, Responded, TextOrSecret};

/// As much of a body is read at most, in bytes; what is kept of it is less.
const MOST_READ: usize = 64 * 1024 * 1024;
/// The longest value of a header that is kept, in bytes.
const LONGEST_HEADER: usize = 8 * 1024;

/// A server of the configuration: where it is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its URL; paths of effects are below it.
    pub url: Url,
    /// Authentication, TLS, proxy.
    pub http_config: HttpConfig,
    /// Headers, timeouts.
    pub options: HttpOptions,
}

/// Sends requests.
pub(super) struct Requests {
    connections: BTreeMap<String, (Connection, HttpClient)>,
    /// For requests that name no connection.
    plain: HttpClient,
}

impl Requests {
    pub(super) fn new(connections: BTreeMap<String, Connection>, plain: HttpClient) -> Requests {
        let with_client = |(name, connection): (String, Connection)| {
            let client = HttpClient::new(connection.http_config.clone(), connection.options.clone());
            (name, (connection, client))
        };
        Requests { connections: connections.into_iter().map(with_client).collect(), plain }
    }

    /// Returns a connection of the configuration.
    pub(super) fn connection(&self, name: &str) -> Result<&(Connection, HttpClient), Trouble> {
        self.connections.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.connections.keys().map(String::as_str).collect();
            let known = if names.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has: {}", names.join(", "))
            };
            Trouble::for_good(format!("no connection `{name}` in the configuration; {known}"))
        })
    }

    /// Sends a request and reads its answer, whatever its status is.
    pub(super) async fn send(
        &self,
        effect: &RequestEffect,
        traceparent: Option<&str>,
        secrets: &Secrets,
        limit: Duration,
    ) -> Result<Responded, Trouble> {
        let (client, url) = match &effect.connection {
            Some(name) => {
                let (connection, client) = self.connection(name)?;
                (client, below(&connection.url, &effect.url).map_err(Trouble::for_good)?)
            }
            None => (&self.plain, absolute(&effect.url).map_err(Trouble::for_good)?),
        };
        let request = request(effect, url, traceparent, secrets)?.timeout(limit);
        // After the secrets were resolved, so that it knows them.
        let redactor = secrets.redactor();
        let begun = Instant::now();
        let mut response = client.send(request).await?;
        let mut responded = Responded {
            status: response.status(),
            headers: headers(&response, &redactor),
            ..Responded::default()
        };
        let mut body = Capture::new(effect.output_limit, &redactor);
        let mut read = 0;
        while let Some(piece) = response.chunk().await? {
            body.push(piece.as_ref());
            read += piece.as_ref().len();
            if read > MOST_READ {
                break;
            }
        }
        responded.body = body.finish();
        responded.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(responded)
    }
}

/// Puts a request together. The client refuses headers that could not be sent as one line.
fn request(
    effect: &RequestEffect,
    url: Url,
    traceparent: Option<&str>,
    secrets: &Secrets,
) -> Result<HttpRequest, Trouble> {
    let mut request = HttpRequest::new(&effect.method, url);
    let given = |wanted: &str| effect.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    for (name, value) in &effect.headers {
        request = match value {
            TextOrSecret::Text(text) => request.header(name, text),
            TextOrSecret::Secret(secret) => {
                let secret = secrets.resolve(secret).map_err(|error| Trouble::for_good(error.to_string()))?;
                request.header(name, secret.expose())
            }
        };
    }
    if let Some(key) = effect.idempotency_key.as_ref().filter(|_| !given("idempotency-key")) {
        request = request.header("idempotency-key", key);
    }
    if let Some(parent) = traceparent.filter(|_| !given("traceparent")) {
        request = request.header("traceparent", parent);
    }
    let (body, kind) = match &effect.body {
        None => return Ok(request),
        Some(RequestBody::Json(value)) => (value.to_string(), "application/json"),
        Some(RequestBody::Form(pairs)) => {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            (form, "application/x-www-form-urlencoded")
        }
        Some(RequestBody::Text(text)) => (text.clone(), "text/plain; charset=utf-8"),
    };
    if !given("content-type") {
        request = request.header("content-type", kind);
    }
    Ok(request.body(body.into_bytes()))
}

/// Reads a whole URL.
fn absolute(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the URL is none: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("scheme `{}` is not http or https", url.scheme()));
    }
    Ok(url)
}

/// Puts a path below the URL of a connection, or checks that a whole URL is there: the connection's
/// credentials are for that server, and for that part of it.
fn below(base: &Url, text: &str) -> Result<Url, String> {
    let prefix = base.path().trim_end_matches('/');
    let url = if text.starts_with("http://") || text.starts_with("https://") {
        absolute(text)?
    } else {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let mut url = base.clone();
        let tail = path.trim_start_matches('/');
        url.set_path(&if tail.is_empty() { base.path().to_owned() } else { format!("{prefix}/{tail}") });
        let queries: Vec<&str> =
            [base.query(), query].into_iter().flatten().filter(|query| !query.is_empty()).collect();
        url.set_query(Some(queries.join("&")).as_deref().filter(|query| !query.is_empty()));
        url
    };
    let inside = url.path().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if url.origin() != base.origin() || !inside {
        let shown = crate::client::error::shown(base);
        return Err(format!("the URL leads away from its connection, which is `{shown}`"));
    }
    // What the connection says, and nobody else.
    let mut url = url;
    let same = url.set_username(base.username()).and_then(|()| url.set_password(base.password()));
    same.map_err(|()| "the URL cannot have credentials".to_owned())?;
    Ok(url)
}

/// Returns the headers of an answer, several of one name joined as HTTP allows. Cookies are secrets.
fn headers(response: &HttpResponse, redactor: &Arc<Redactor>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in response.headers() {
        let value = match name {
            "set-cookie" => REDACTED.to_owned(),
            _ => redactor.text(value).into_owned(),
        };
        let joined = headers.entry(name.to_owned()).or_default();
        if joined.len() + value.len() > LONGEST_HEADER {
            continue;
        }
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_connection() {
        let base: Url = "https://u:p@tickets.example/api/v2/?key=1".parse().unwrap();
        for (text, expected) in [
            ("/issues", "https://u:p@tickets.example/api/v2/issues?key=1"),
            ("issues?a=b&c=d#x", "https://u:p@tickets.example/api/v2/issues?key=1&a=b&c=d"),
            ("", "https://u:p@tickets.example/api/v2/?key=1"),
            ("//evil.example/x", "https://u:p@tickets.example/api/v2/evil.example/x?key=1"),
            ("/a%2Fb/ö?q=%26", "https://u:p@tickets.example/api/v2/a%2Fb/%C3%B6?key=1&q=%26"),
            ("https://tickets.example/api/v2/x?y", "https://u:p@tickets.example/api/v2/x?y"),
            ("https://other:q@tickets.example:443/api/v2", "https://u:p@tickets.example/api/v2"),
        ] {
            assert_eq!(below(&base, text).unwrap().as_str(), expected, "{text}");
        }
        for text in [
            "/../v1/x",
            "/%2e%2e/v1/x",
            "/a/../../../x",
            "https://evil.example/api/v2/x",
            "http://tickets.example/api/v2/x",
            "https://tickets.example:8443/api/v2/x",
            "https://tickets.example/api/v2x",
            "https://tickets.example@evil.example/api/v2/x",
        ] {
            let message = below(&base, text).unwrap_err();
            assert_eq!(
                message,
                "the URL leads away from its connection, which is `https://tickets.example/api/v2/`"
            );
        }
    }

    #[test]
    fn without_a_connection_the_url_is_whole_and_of_the_web() {
        assert!(absolute("https://a/b?c").is_ok());
        for text in ["/x", "a/b", "file:///etc/passwd", "ftp://a/", ""] {
            assert!(absolute(text).is_err(), "{text}");
        }
    }
}
