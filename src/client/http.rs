//! HTTP with everything that an `http_config` says. Main type: [`HttpClient`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::auth::{Credentials, basic_header, extra_headers, plain, sensitive, status_failure};
use super::error::{Failure, HttpError, shown};
use super::http_config::HttpConfig;
use super::proxy::{ProxyEnvironment, ProxyRules};
use super::tls::client_config;
use super::watch::{Asked, RequestWatch};

/// As many redirects are followed as Go's client follows.
const MAX_REDIRECTS: usize = 10;
/// As much is read of the body of an answer that is an error, in bytes.
const MAX_ERROR_BODY: usize = 16 * 1024;

/// Sends requests by an [`HttpConfig`]. Cheap to clone; clones share connections and tokens.
///
/// It is made without reading a file or opening a connection: both happen at the first request.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

/// What a client needs beside its [`HttpConfig`].
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Sent with every request; such as `X-Scope-OrgID` for a tenant.
    pub headers: Vec<(String, String)>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take in all, its body and its redirects included.
    pub timeout: Duration,
    /// What the environment says of proxies.
    pub proxy_environment: ProxyEnvironment,
    /// Who sees what is asked.
    pub watch: Option<Arc<dyn RequestWatch>>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    method: String,
    url: Url,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    follow_redirects: Option<bool>,
    repeatable: bool,
}

/// An answer whose body is still to be read.
pub struct HttpResponse {
    response: reqwest::Response,
    method: String,
    deadline: Instant,
    limit: Duration,
}

struct Inner {
    config: HttpConfig,
    options: HttpOptions,
    parts: OnceLock<Parts>,
}

/// What is made at the first request.
struct Parts {
    client: reqwest::Client,
    credentials: Credentials,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            proxy_environment: ProxyEnvironment::default(),
            watch: None,
        }
    }
}

impl HttpClient {
    /// Returns a client. What is wrong with the configuration is told by [`HttpConfig::problems`]
    /// before, or by the first request.
    pub fn new(config: HttpConfig, options: HttpOptions) -> Self {
        Self { inner: Arc::new(Inner { config, options, parts: OnceLock::new() }) }
    }

    /// Returns the time that a request has in all, when it does not say otherwise.
    pub fn timeout(&self) -> Duration {
        self.inner.options.timeout
    }

    /// Sends a request and returns the answer, whatever its status is.
    ///
    /// Redirects are followed where the configuration allows it: 307 and 308 always, the others for GET
    /// and HEAD only, since they would turn a POST into a GET and lose its body. Credentials and extra
    /// headers are sent to the same host only, and never from https to http. A token that was refused is
    /// renewed once.
    ///
    /// # Errors
    /// When no answer came: see [`Failure`].
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let limit = request.timeout.unwrap_or(self.inner.options.timeout);
        let began = Instant::now();
        let deadline = began + limit;
        let answer =
            timeout_at(deadline, self.follow(&request, deadline, limit)).await.unwrap_or_else(|_| {
                let failure = Failure::Timeout { after: limit, connected: true };
                Err(HttpError::new(&request.method, &request.url, failure))
            });
        if let Some(watch) = &self.inner.options.watch {
            let status = answer.as_ref().ok().map(HttpResponse::status);
            watch.asked(&Asked { method: &request.method, url: &request.url, took: began.elapsed(), status });
        }
        answer
    }

    /// Sends a request and returns the body of a successful answer (2xx) of at most `max_body` bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the status is no success or the body is cut or too large.
    pub async fn fetch(&self, request: HttpRequest, max_body: usize) -> Result<Vec<u8>, HttpError> {
        self.send(request).await?.success().await?.body(max_body).await
    }

    fn parts(&self) -> Result<&Parts, String> {
        match self.inner.parts.get() {
            Some(parts) => Ok(parts),
            // A file that is missing now may be there at the next request.
            None => self.build().map(|parts| self.inner.parts.get_or_init(|| parts)),
        }
    }

    /// Says why no request could be made at present: a file that the configuration names is not there, or is
    /// not what it should be. Nothing is asked.
    pub fn unready(&self) -> Option<String> {
        if let Some(why) = self.inner.config.unreadable() {
            return Some(why);
        }
        match self.parts() {
            Ok(parts) => parts.credentials.unready(),
            Err(why) => Some(why),
        }
    }

    fn build(&self) -> Result<Parts, String> {
        let (config, options) = (&self.inner.config, &self.inner.options);
        let tls = client_config(&config.tls_config, config.enable_http2)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("amflow/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if !config.enable_http2 {
            builder = builder.http1_only();
        }
        if let Some(rules) = ProxyRules::new(config, &options.proxy_environment)? {
            let mut connect_headers = HeaderMap::new();
            for (name, values) in &config.proxy_connect_header {
                let header = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| format!("`{name}` is no name of a header"))?;
                for value in values {
                    connect_headers.append(header.clone(), sensitive(value.expose())?);
                }
            }
            let mut proxy = reqwest::Proxy::custom(move |url| rules.proxy_for(url));
            if !connect_headers.is_empty() {
                proxy = proxy.headers(connect_headers);
            }
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Parts { client, credentials: Credentials::new(config, options)? })
    }

    async fn follow(
        &self,
        request: &HttpRequest,
        deadline: Instant,
        limit: Duration,
    ) -> Result<HttpResponse, HttpError> {
        let fail = |url: &Url, failure| HttpError::new(&request.method, url, failure);
        let parts = self.parts().map_err(|problem| fail(&request.url, Failure::Setup(problem)))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| fail(&request.url, Failure::Setup(format!("`{}` is no method", request.method))))?;
        let follow = request.follow_redirects.unwrap_or(self.inner.config.follow_redirects);
        let mut url = request.url.clone();
        let mut trusted = true;
        let mut renewed = false;
        let mut repeated = false;
        let mut redirects = 0;
        loop {
            let headers = self.headers(parts, request, &url, trusted).await;
            let headers = headers.map_err(|failure| fail(&url, failure))?;
            let authorization = headers.get(AUTHORIZATION).cloned();
            let mut sent = parts.client.request(method.clone(), bare(&url)).headers(headers);
            if let Some(body) = &request.body {
                sent = sent.body(body.clone());
            }
            let answer = match sent.send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let connecting = error.is_connect();
                    let within =
                        if connecting { limit.min(self.inner.options.connect_timeout) } else { limit };
                    let failure = Failure::of_transport(&error, &url, within);
                    // A kept connection may have been closed by the server just now, as by its restart.
                    if request.repeatable && !repeated && matches!(failure, Failure::Broken(_)) {
                        repeated = true;
                        continue;
                    }
                    return Err(fail(&url, failure));
                }
            };
            let status = answer.status();
            if status == StatusCode::UNAUTHORIZED && trusted && !renewed {
                renewed = true;
                if parts.credentials.refused(authorization.as_ref()).await {
                    continue;
                }
            }
            if let Some(next) = follow.then(|| next_url(&method, &url, &answer)).flatten() {
                redirects += 1;
                if redirects > MAX_REDIRECTS {
                    return Err(fail(&request.url, Failure::Redirects(MAX_REDIRECTS)));
                }
                trusted = trusted && same_host(&url, &next);
                url = next;
                continue;
            }
            return Ok(HttpResponse { response: answer, method: request.method.clone(), deadline, limit });
        }
    }

    async fn headers(
        &self,
        parts: &Parts,
        request: &HttpRequest,
        url: &Url,
        trusted: bool,
    ) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if trusted {
            if let Some(header) = parts.credentials.header().await? {
                headers.insert(AUTHORIZATION, header);
            } else if let Some(header) = credentials_of(&request.url) {
                headers.insert(AUTHORIZATION, header.map_err(Failure::Setup)?);
            }
            extra_headers(self.inner.config.http_headers.iter(), &mut headers)
                .await
                .map_err(Failure::Setup)?;
        } else if let Some(header) = credentials_of(url) {
            headers.insert(AUTHORIZATION, header.map_err(Failure::Setup)?);
        }
        let given = self.inner.options.headers.iter().chain(&request.headers);
        for (name, value) in given {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Failure::Setup(format!("`{name}` is no name of a header")))?;
            let describes_body = header.as_str().starts_with("content-") || header.as_str() == "accept";
            if trusted || describes_body {
                headers.insert(header, plain(name, value).map_err(Failure::Setup)?);
            }
        }
        Ok(headers)
    }
}

impl HttpRequest {
    /// Returns a request without headers of its own and without a body.
    pub fn new(method: &str, url: Url) -> Self {
        Self {
            method: method.to_owned(),
            url,
            headers: Vec::new(),
            body: None,
            timeout: None,
            follow_redirects: None,
            repeatable: matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE"),
        }
    }

    /// Returns a GET.
    pub fn get(url: Url) -> Self {
        Self::new("GET", url)
    }

    /// Sets a header; it wins over one of the client's.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets the body to JSON, and says so in the headers.
    #[must_use]
    pub fn json(self, body: Vec<u8>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// Says that doing it twice is the same as doing it once, as it is for every method but POST and PATCH:
    /// it is sent again where a kept connection turns out to be closed.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Sets how long this request may take in all.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Says whether redirects are followed, instead of what the configuration says.
    #[must_use]
    pub const fn follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = Some(follow);
        self
    }
}

impl HttpResponse {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Returns the value of a header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns all headers that are text, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.response.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// Returns the URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        self.response.url()
    }

    /// Returns the next piece of the body, or `None` at its complete end.
    ///
    /// # Errors
    /// When the body breaks off, or the time of the request is over.
    pub async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, HttpError> {
        let next = match timeout_at(self.deadline, self.response.chunk()).await {
            Ok(Ok(chunk)) => return Ok(chunk),
            Ok(Err(error)) => Failure::of_transport(&error, self.response.url(), self.limit),
            Err(_) => Failure::Timeout { after: self.limit, connected: true },
        };
        Err(self.fail(next))
    }

    /// Returns the whole body.
    ///
    /// # Errors
    /// When it is cut or larger than `max` bytes.
    pub async fn body(mut self, max: usize) -> Result<Vec<u8>, HttpError> {
        match self.body_up_to(max).await? {
            (body, Cut::Whole) => Ok(body),
            (_, Cut::Longer) => Err(self.fail(Failure::TooLarge { limit: max })),
        }
    }

    /// Returns the first `max` bytes of the body, and whether that is all of it.
    ///
    /// # Errors
    /// When it breaks off before.
    pub async fn body_up_to(&mut self, max: usize) -> Result<(Vec<u8>, Cut), HttpError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let chunk = chunk.as_ref();
            let room = max - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                return Ok((body, Cut::Longer));
            }
        }
        Ok((body, Cut::Whole))
    }

    /// Returns the answer if its status is a success (2xx).
    ///
    /// # Errors
    /// [`Failure::Status`] with the start of the body.
    pub async fn success(mut self) -> Result<Self, HttpError> {
        if self.response.status().is_success() {
            return Ok(self);
        }
        let code = self.status();
        let target = self.header(LOCATION.as_str()).and_then(|location| self.url().join(location).ok());
        let location = target.filter(|_| (300..400).contains(&code)).map(|target| shown(&target));
        // An error whose text can't be read is still that error.
        let body = self.body_up_to(MAX_ERROR_BODY).await.map(|(body, _)| body).unwrap_or_default();
        Err(self.fail(status_failure(code, &body, location)))
    }

    /// Returns an error of the request that this answers.
    pub(super) fn fail(&self, failure: Failure) -> HttpError {
        HttpError::new(&self.method, self.response.url(), failure)
    }
}

/// Whether a body was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It is all there.
    Whole,
    /// There was more.
    Longer,
}

/// The credentials that stand in a URL, as a header.
fn credentials_of(url: &Url) -> Option<Result<HeaderValue, String>> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decoded(text);
    Some(sensitive(&basic_header(&decoded(url.username()), &decoded(url.password().unwrap_or_default()))))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(hex);
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The URL without the credentials in it, which the header has.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both fail only for URLs that can't have credentials.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

/// Where a redirect leads that may be followed.
fn next_url(method: &Method, url: &Url, answer: &reqwest::Response) -> Option<Url> {
    let keeps_body = matches!(answer.status().as_u16(), 307 | 308);
    let rewrites =
        matches!(answer.status().as_u16(), 301..=303) && matches!(*method, Method::GET | Method::HEAD);
    if !keeps_body && !rewrites {
        return None;
    }
    let next = bare(url).join(answer.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// Whether credentials may go along: the same host, and not from https to http.
fn same_host(from: &Url, to: &Url) -> bool {
    let downgrade = from.scheme() == "https" && to.scheme() != "https";
    let same_scheme_other_port =
        from.scheme() == to.scheme() && from.port_or_known_default() != to.port_or_known_default();
    from.host() == to.host() && !downgrade && !same_scheme_other_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_follow_to_the_same_host_only_and_never_out_of_tls() {
        let cases = [
            ("http://a/x", "http://a/y", true),
            ("http://a/x", "https://a/x", true),
            ("https://a/x", "http://a/x", false),
            ("http://a/x", "http://b/x", false),
            ("http://a:1/x", "http://a:2/x", false),
        ];
        for (from, to, expected) in cases {
            assert_eq!(same_host(&from.parse().unwrap(), &to.parse().unwrap()), expected, "{from} {to}");
        }
    }

    #[test]
    fn credentials_of_a_url_become_a_header_that_does_not_show() {
        let header = credentials_of(&"http://u%40x:p%3Aw%zz@a/".parse().unwrap()).unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), basic_header("u@x", "p:w%zz"));
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(credentials_of(&"http://a/".parse().unwrap()).is_none());
    }

    #[tokio::test]
    async fn what_the_configuration_gets_wrong_is_told_by_the_first_request() {
        let mut config = HttpConfig::default();
        config.tls_config.ca_file = Some("/nonexistent/ca.pem".into());
        let client = HttpClient::new(config, HttpOptions::default());
        let error =
            client.fetch(HttpRequest::get("http://127.0.0.1:9/".parse().unwrap()), 10).await.unwrap_err();
        assert_eq!(error.kind(), "setup");
        assert!(error.to_string().contains("can't read `/nonexistent/ca.pem`"), "{error}");
    }
}
