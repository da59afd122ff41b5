//! [`Exporter`]: sends spans to a collector, in batches, from a task of its own.
//!
//! Nobody waits for it: what it has no room for is dropped and counted. A collector that does not answer is asked
//! again after a pause, and people are told of that once, until it has answered again.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use prost::Message as _;
use tokio::sync::{Notify, oneshot};
use url::Url;

use super::otlp::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, InstrumentationScope, Resource, ResourceSpans,
    RpcStatus, ScopeSpans, Span, attribute,
};
use super::queue::{Batch, Queue};
use crate::client::error::{excerpt, shown};
use crate::client::{HttpClient, HttpRequest};
use crate::engine::Clock;
use crate::model::Secret;
use crate::step::retry_after;

/// How long a span waits for others, so that they are sent together.
const GATHER: Duration = Duration::from_secs(1);
/// The pauses between requests that fail, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// As much is read of an answer, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Where spans are sent, and how.
pub struct TraceTarget {
    /// The address.
    pub url: Url,
    /// How it is reached.
    pub client: HttpClient,
    /// Headers that may hold credentials.
    pub headers: Vec<(String, Secret)>,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// What this program is, by OpenTelemetry's names: `service.name` and others.
    pub resource: Vec<(String, String)>,
}

/// What became of spans, since the start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceFigures {
    /// Spans that the collector took.
    pub sent: u64,
    /// Spans that nobody will see: there was no room for them, or the collector refused them.
    pub dropped: u64,
    /// Spans that wait.
    pub waiting: usize,
    /// Requests that failed.
    pub failures: u64,
}

/// Tells people what is wrong.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// The near end: spans are given to it. Cheap to clone.
#[derive(Clone)]
pub struct Exporter {
    shared: Arc<Shared>,
}

impl fmt::Debug for Exporter {
    /// Where it sends, and how, is not for logs: headers have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

/// The work of an [`Exporter`], to be driven for as long as the process lives.
pub struct ExporterWork {
    shared: Arc<Shared>,
    tell: Tell,
    pause: Duration,
    /// People know that it does not work.
    told: bool,
}

struct Shared {
    clock: Arc<dyn Clock>,
    target: RwLock<Option<Arc<TraceTarget>>>,
    state: Mutex<State>,
    /// There is something to do.
    wake: Notify,
    sent: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// Who waits until everything is sent, or cannot be.
    flushes: Vec<oneshot::Sender<()>>,
    /// There is another target, with which nothing was tried yet.
    aimed: bool,
}

/// Why a request did not bring its spans.
enum Trouble {
    /// It may later; not before this long, when the collector says so.
    ForNow(String, Option<Duration>),
    /// It never will.
    ForGood(String),
}

impl Exporter {
    /// Makes both ends. Without a target nothing is taken, until one is [set](Self::aim).
    pub fn new(target: Option<TraceTarget>, clock: Arc<dyn Clock>, tell: Tell) -> (Exporter, ExporterWork) {
        let shared = Arc::new(Shared {
            clock,
            target: RwLock::new(target.map(Arc::new)),
            state: Mutex::default(),
            wake: Notify::new(),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        let work = ExporterWork { shared: shared.clone(), tell, pause: FIRST_PAUSE, told: false };
        (Exporter { shared }, work)
    }

    /// Returns whether spans are wanted.
    pub fn is_on(&self) -> bool {
        self.shared.target().is_some()
    }

    /// Sends to another collector from now on, or to none.
    pub fn aim(&self, target: Option<TraceTarget>) {
        let off = target.is_none();
        *self.shared.target.write().unwrap_or_else(PoisonError::into_inner) = target.map(Arc::new);
        if off {
            self.shared.drop_all();
        }
        self.shared.lock().aimed = true;
        self.shared.wake.notify_one();
    }

    /// Takes spans, as many as there is room for.
    pub(super) fn give(&self, spans: Vec<Span>) {
        if spans.is_empty() || !self.is_on() {
            return;
        }
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        let first = state.queue.is_empty();
        let dropped =
            spans.into_iter().filter_map(|span| (!state.queue.push(span, now)).then_some(())).count();
        let full = state.queue.is_batch();
        drop(state);
        self.shared.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
        if first || full {
            self.shared.wake.notify_one();
        }
    }

    /// Sends what waits, and comes back when that is done, when it cannot be done, or when the time is over. What
    /// is not sent by then waits on.
    pub async fn flush(&self, limit: Duration) {
        let (done, heard) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            if state.queue.count() == 0 {
                return;
            }
            state.flushes.push(done);
        }
        self.shared.wake.notify_one();
        let limit = self.shared.after(limit);
        tokio::select! {
            // Both when it is done, and when nobody does it any more.
            _ = heard => {}
            () = self.shared.clock.sleep_until(limit) => {}
        }
    }

    /// Returns what became of spans so far.
    pub fn figures(&self) -> TraceFigures {
        TraceFigures {
            sent: self.shared.sent.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            waiting: self.shared.lock().queue.count(),
            failures: self.shared.failures.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self) -> Option<Arc<TraceTarget>> {
        self.target.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn after(&self, wait: Duration) -> Timestamp {
        self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    fn drop_all(&self) {
        let mut dropped = 0;
        let mut state = self.lock();
        while !state.queue.is_empty() {
            let batch = state.queue.take();
            dropped += batch.spans.len() as u64;
            state.queue.settle(&batch);
        }
        drop(state);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

impl ExporterWork {
    /// Sends what comes, for ever.
    pub async fn work(mut self) {
        loop {
            self.gather().await;
            let asked = self.send_all().await;
            for flush in self.shared.lock().flushes.drain(..) {
                // Who waits for everything hears also that it cannot be sent, unless they wait no more.
                let _ = flush.send(());
            }
            if let Some(asked) = asked {
                let until = self.shared.after(self.pause.max(asked));
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
                self.rest(until).await;
            }
        }
    }

    /// Waits until there is something to send that need not wait for more.
    async fn gather(&self) {
        loop {
            let due = {
                let state = self.shared.lock();
                if !state.flushes.is_empty() || state.queue.is_batch() {
                    return;
                }
                state.queue.since().map(|since| since.checked_add(GATHER).unwrap_or(Timestamp::MAX))
            };
            match due {
                None => self.shared.wake.notified().await,
                Some(due) if due <= self.shared.clock.now() => return,
                // Not longer, wherever the clock was set to.
                Some(due) => tokio::select! {
                    () = self.shared.clock.sleep_until(due.min(self.shared.after(GATHER))) => return,
                    () = self.shared.wake.notified() => {}
                },
            }
        }
    }

    /// Waits for the next try, or for somebody who wants one now.
    async fn rest(&self, until: Timestamp) {
        loop {
            {
                let state = self.shared.lock();
                if state.aimed || !state.flushes.is_empty() {
                    return;
                }
            }
            tokio::select! {
                () = self.shared.clock.sleep_until(until) => return,
                () = self.shared.wake.notified() => {}
            }
        }
    }

    /// Sends until nothing is left. Returns how long the collector asks to be left alone when it does not take
    /// more for now.
    async fn send_all(&mut self) -> Option<Duration> {
        loop {
            let target = self.shared.target()?;
            let batch = {
                let mut state = self.shared.lock();
                if std::mem::take(&mut state.aimed) {
                    // What is known of another collector says nothing about this one.
                    (self.pause, self.told) = (FIRST_PAUSE, false);
                }
                state.queue.take()
            };
            if batch.spans.is_empty() {
                return None;
            }
            let (batch, result) = send(&target, batch, self.shared.clock.now()).await;
            let count = batch.spans.len() as u64;
            match result {
                Ok(refused) => {
                    self.shared.lock().queue.settle(&batch);
                    (self.pause, self.told) = (FIRST_PAUSE, self.told && refused.is_some());
                    let lost = refused.as_ref().map_or(0, |(spans, _)| count.min(*spans));
                    self.shared.sent.fetch_add(count - lost, Ordering::Relaxed);
                    self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
                    if let Some((_, why)) = refused {
                        self.tell(&format!(
                            "traces: {} took all but {lost} of {count} spans: {why}",
                            shown(&target.url)
                        ));
                    }
                }
                Err(trouble) => {
                    self.shared.failures.fetch_add(1, Ordering::Relaxed);
                    match trouble {
                        Trouble::ForNow(why, asked) => {
                            self.shared.lock().queue.put_back(batch, self.shared.clock.now());
                            self.tell(&format!("traces cannot be sent: {why}; runs are not affected"));
                            return Some(asked.unwrap_or_default());
                        }
                        Trouble::ForGood(why) => {
                            self.shared.lock().queue.settle(&batch);
                            self.shared.dropped.fetch_add(count, Ordering::Relaxed);
                            self.tell(&format!(
                                "traces are refused, and dropped: {why}; runs are not affected"
                            ));
                        }
                    }
                }
            }
        }
    }

    /// Tells people once, until it has worked again.
    fn tell(&mut self, text: &str) {
        if !std::mem::replace(&mut self.told, true) {
            (self.tell)(text);
        }
    }
}

/// Sends one request. What the collector did not take of it is returned with the reason.
async fn send(
    target: &TraceTarget,
    batch: Batch,
    now: Timestamp,
) -> (Batch, Result<Option<(u64, String)>, Trouble>) {
    let (batch, body) = encode(target, batch);
    let answer = match request(target, body) {
        Ok(request) => post(target, request, now).await,
        Err(error) => Err(Trouble::ForGood(format!("a request cannot be compressed: {error}"))),
    };
    (batch, answer)
}

/// Writes spans as the body of a request.
fn encode(target: &TraceTarget, mut batch: Batch) -> (Batch, Vec<u8>) {
    let attributes = target.resource.iter().map(|(key, value)| attribute(key.as_str(), value.as_str()));
    let scope =
        InstrumentationScope { name: "amflow".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let mut message = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: attributes.collect() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans: std::mem::take(&mut batch.spans) }],
        }],
    };
    let body = message.encode_to_vec();
    let scopes = message.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    batch.spans = scopes.flat_map(|scope| std::mem::take(&mut scope.spans)).collect();
    (batch, body)
}

fn request(target: &TraceTarget, mut body: Vec<u8>) -> std::io::Result<HttpRequest> {
    let mut request =
        HttpRequest::new("POST", target.url.clone()).header("content-type", "application/x-protobuf");
    if target.gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body)?;
        body = encoder.finish()?;
        request = request.header("content-encoding", "gzip");
    }
    for (name, value) in &target.headers {
        request = request.header(name, value.expose());
    }
    // A span that comes twice is the same span.
    Ok(request.body(body).repeatable())
}

async fn post(
    target: &TraceTarget,
    request: HttpRequest,
    now: Timestamp,
) -> Result<Option<(u64, String)>, Trouble> {
    let mut response = match target.client.send(request).await {
        Ok(response) => response,
        // Whatever it is, it may be mended: a name, a certificate, a token.
        Err(error) => return Err(Trouble::ForNow(error.to_string(), None)),
    };
    let status = response.status();
    let asked =
        response.header("retry-after").and_then(|text| retry_after(text, now)).map(Duration::from_millis);
    // An error whose text can't be read is still that error.
    let body = response.body_up_to(LONGEST_ANSWER).await.map(|(body, _)| body).unwrap_or_default();
    if (200..300).contains(&status) {
        let answer = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
        let partial = answer
            .partial_success
            .filter(|partial| partial.rejected_spans > 0 || !partial.error_message.is_empty());
        return Ok(partial.map(|partial| {
            (u64::try_from(partial.rejected_spans).unwrap_or(0), excerpt(partial.error_message.as_bytes()))
        }));
    }
    let said = RpcStatus::decode(body.as_slice()).map(|status| status.message).unwrap_or_default();
    let said = excerpt(if said.is_empty() { &body } else { said.as_bytes() });
    let why = format!(
        "POST {}: HTTP {status}{}{said}",
        shown(&target.url),
        if said.is_empty() { "" } else { ": " }
    );
    // As the specification of OTLP/HTTP has it; 500 and 408 are not among them.
    match status {
        429 | 502 | 503 | 504 => Err(Trouble::ForNow(why, asked)),
        _ => Err(Trouble::ForGood(why)),
    }
}
