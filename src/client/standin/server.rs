//! The stand-in's server and its controls. Main type: [`StandIn`].

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, DATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::serve::Listener;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::io::ReaderStream;

use super::alerts::{Alerts, Posted};
use super::faults::{Fault, FaultRule, take};
use super::routes::{Answer, Kind, answer};
use super::silences::Silences;
use crate::model::{Alert, LabelSet, PostableAlert, Silence};

/// As much is taken of a request's body, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// As many requests are remembered.
const MAX_RECORDED: usize = 10_000;

/// Says what time it is for a stand-in.
pub type StandInClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A running stand-in. It stops when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// How a stand-in behaves.
#[derive(Debug, Clone)]
pub struct StandInOptions {
    /// How long an alert lives that is posted without an end.
    pub resolve_timeout: Duration,
    /// The labels that must be equal for amflow's inhibition rule; none means all but `amflow_...`.
    pub inhibit_equal: Option<Vec<String>>,
    /// The receivers; alerts go to the first.
    pub receivers: Vec<String>,
    /// A path before all others, as of `--web.route-prefix`; empty or beginning with a slash.
    pub prefix: String,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
    /// Its headers that are text, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// What the requests share.
pub(super) struct Shared {
    pub(super) options: StandInOptions,
    clock: StandInClock,
    alerts: Mutex<Alerts>,
    silences: Arc<Mutex<Silences>>,
    started: Mutex<Timestamp>,
    faults: Mutex<Vec<FaultRule>>,
    requests: Mutex<Vec<RecordedRequest>>,
}

impl Default for StandInOptions {
    fn default() -> Self {
        Self {
            resolve_timeout: Duration::from_secs(300),
            inhibit_equal: None,
            receivers: vec!["default".to_owned()],
            prefix: String::new(),
        }
    }
}

impl StandIn {
    /// Starts to answer on a listener.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, clock: StandInClock, options: StandInOptions) -> io::Result<Self> {
        Self::run(listener, clock, options, Arc::default())
    }

    /// Starts a second one that shares the silences of this one, as the peers of a cluster do by gossip;
    /// alerts are not shared.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start_peer(&self, listener: TcpListener) -> io::Result<Self> {
        let shared = &self.shared;
        Self::run(listener, Arc::clone(&shared.clock), shared.options.clone(), Arc::clone(&shared.silences))
    }

    fn run(
        listener: TcpListener,
        clock: StandInClock,
        options: StandInOptions,
        silences: Arc<Mutex<Silences>>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            options,
            started: Mutex::new(clock()),
            clock,
            alerts: Mutex::default(),
            silences,
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let door = Door { listener, shared: Arc::clone(&shared) };
        let server = tokio::spawn(async move {
            // It ends by being aborted only.
            let _ = axum::serve(door, router).await;
        });
        Ok(Self { address, shared, server })
    }

    /// Returns the URL to configure.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.options.prefix)
    }

    /// Posts an alert without HTTP.
    ///
    /// # Errors
    /// What Alertmanager would say, when it would refuse it.
    pub fn put(&self, alert: &PostableAlert) -> Result<(), String> {
        let posted = Posted {
            labels: alert.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            annotations: alert.annotations.clone(),
            starts_at: Some(alert.starts_at),
            ends_at: Some(alert.ends_at),
            generator_url: alert.generator_url.clone(),
        };
        self.shared.alerts().post(posted, self.shared.now(), self.shared.options.resolve_timeout)
    }

    /// Ends the alert with these labels now, if it is there.
    pub fn resolve(&self, labels: &LabelSet) {
        let found = self.alerts().into_iter().find(|alert| alert.labels == *labels);
        if let Some(alert) = found {
            let ended = PostableAlert {
                labels: alert.labels,
                annotations: alert.annotations,
                starts_at: alert.starts_at,
                ends_at: self.shared.now(),
                generator_url: alert.generator_url,
            };
            // What was taken once is taken again.
            let _ = self.put(&ended);
        }
    }

    /// Returns the alerts that have not ended.
    pub fn alerts(&self) -> Vec<Alert> {
        self.shared.current()
    }

    /// Returns all silences, those that have ended too.
    pub fn silences(&self) -> Vec<Silence> {
        self.shared.silences().list(&[], self.shared.now())
    }

    /// Makes something go wrong from now on.
    pub fn fail(&self, rule: FaultRule) {
        locked(&self.shared.faults).push(rule);
    }

    /// Makes nothing go wrong any more.
    pub fn heal(&self) {
        locked(&self.shared.faults).clear();
    }

    /// Does what a restart of Alertmanager does: alerts are forgotten, silences stay, uptime begins anew.
    pub fn restart(&self) {
        self.shared.alerts().forget();
        *locked(&self.shared.started) = self.shared.now();
    }

    /// Returns the requests so far, the oldest first; at most the last 10,000.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        locked(&self.shared.requests).clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIn").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn started(&self) -> Timestamp {
        *locked(&self.started)
    }

    pub(super) fn alerts(&self) -> MutexGuard<'_, Alerts> {
        locked(&self.alerts)
    }

    pub(super) fn silences(&self) -> MutexGuard<'_, Silences> {
        locked(&self.silences)
    }

    pub(super) fn current(&self) -> Vec<Alert> {
        let equal = self.options.inhibit_equal.as_deref();
        self.alerts().current(&self.silences(), equal, &self.options.receivers, self.now())
    }

    fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        take(&mut locked(&self.faults), method, path)
    }

    fn refuses(&self) -> bool {
        let refuses =
            |rule: &FaultRule| rule.fault == Fault::Refuse && rule.method.is_none() && rule.path.is_empty();
        locked(&self.faults).iter().any(refuses)
    }

    fn record(&self, request: RecordedRequest) {
        let mut requests = locked(&self.requests);
        if requests.len() == MAX_RECORDED {
            requests.remove(0);
        }
        requests.push(request);
    }
}

/// A listener that may close connections as soon as they are made.
struct Door {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted = Listener::accept(&mut self.listener).await;
            if !self.shared.refuses() {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

#[expect(clippy::disallowed_methods, reason = "a slow answer is a fault that the stand-in plays")]
async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let method = head.method.as_str().to_owned();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return respond(Answer::text(413, "request body too large"), None, shared.now());
    };
    let text = |(name, value): (&axum::http::HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    shared.record(RecordedRequest {
        method: method.clone(),
        path: path.clone(),
        query: query.clone(),
        headers: head.headers.iter().filter_map(text).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let fault = shared.fault(&method, &path);
    match &fault {
        Some(Fault::Html) => return respond(Answer::html(), None, shared.now()),
        Some(Fault::Status(status, text)) => return respond(Answer::text(*status, text), None, shared.now()),
        Some(Fault::Refuse) => return respond(Answer::text(200, ""), Some(0), shared.now()),
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::HalfBody) | None => {}
    }
    let content_type =
        head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = match path.strip_prefix(shared.options.prefix.as_str()) {
        Some(path) => answer(&shared, &method, path, &query, content_type, &body),
        None => Answer::text(404, "404 page not found\n"),
    };
    let half = (fault == Some(Fault::HalfBody)).then_some(answer.body.len() / 2);
    respond(answer, half, shared.now())
}

/// Makes the response; its body breaks off after `cut` bytes.
fn respond(answer: Answer, cut: Option<usize>, now: Timestamp) -> Response<Body> {
    let body = match cut {
        Some(length) => {
            let start = io::Cursor::new(answer.body[..length].to_vec());
            Body::from_stream(ReaderStream::new(start.chain(Breaks)))
        }
        None => Body::from(answer.body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = match answer.kind {
        Kind::Json => "application/json",
        Kind::Text => "text/plain; charset=utf-8",
        Kind::Html => "text/html; charset=utf-8",
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // Of its own clock, as everything that it says.
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok();
    headers.extend(date.and_then(|date| HeaderValue::from_str(&date).ok()).map(|date| (DATE, date)));
    // So that `Fault::Refuse` is met by every request that comes after it.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The end of a body that breaks off.
struct Breaks;

impl AsyncRead for Breaks {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the stand-in breaks off here")))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
