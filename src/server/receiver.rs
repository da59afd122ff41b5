//! The receiver of webhooks, and of any other document that holds alerts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body as HttpBody, HttpBody as _};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::auth::Sender;
use super::client::Client;
use super::room::FREE;
use super::routes::{App, answer, unauthorized};
use super::unpack::{Unpack, Unpacked};
use crate::engine::{Delivery, Refusal, StoreError};
use crate::model::payload::RawAlert;
use crate::source::{Body, Intake};

/// Bodies that were refused and are kept for inspection, and bytes of each.
const KEPT: usize = 20;
const KEPT_BYTES: usize = 64 * 1024;

/// A body that was refused.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Rejected {
    /// When it came.
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: Timestamp,
    /// Why it was refused.
    reason: String,
    /// Its beginning; what is no UTF-8 is replaced.
    body: String,
}

/// What became of a delivery: everything that it claims is durable.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct ReceiptAnswer {
    /// Runs that it started.
    started: usize,
    /// Pairs of an alert and a playbook that come later.
    later: usize,
    /// Those that do not run.
    skipped: usize,
    /// Alerts that could not be read, and were passed over.
    bad_alerts: usize,
}

/// The last bodies that were refused.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    kept: Mutex<VecDeque<Rejected>>,
}

impl Inspection {
    fn keep(&self, rejected: Rejected) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front(rejected);
    }

    /// Returns them, newest first.
    pub(super) fn list(&self) -> Vec<Rejected> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Why a body was not read.
enum Unread {
    /// Its sender is not known.
    Unknown,
    /// It is too large.
    TooLarge,
    /// It did not come to its end.
    Broken(String),
    /// It is not understood.
    NotAlerts(String),
}

/// A body that was read, with the room that it takes.
struct Read {
    intake: Intake,
    _room: Option<OwnedSemaphorePermit>,
}

/// Takes a delivery in.
pub(super) async fn receive(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: HttpBody,
) -> Response {
    let began = app.clock.now();
    let response = match app.in_force().auth.sender(&headers, &client) {
        Sender::Unknown => {
            app.metrics.delivery("unauthorized");
            unauthorized(&app, Some(&client))
        }
        sender => take_in(&app, &sender, &client, &headers, body).await,
    };
    app.metrics.delivery_took(app.clock.now().duration_since(began).as_secs_f64());
    response
}

async fn take_in(
    app: &App,
    sender: &Sender,
    client: &Client,
    headers: &HeaderMap,
    body: HttpBody,
) -> Response {
    let Some(unpack) = Unpack::of(headers) else {
        app.metrics.delivery("rejected");
        let error = "send the body as it is, or as gzip: nothing here decodes its encoding";
        tell_refused(app, client, error);
        return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({"error": error}));
    };
    let mut start = Vec::new();
    let reading = Reading { app, sender, headers, unpack };
    let read = timeout(app.options.body_timeout, reading.read(body, &mut start)).await;
    let refuse = |status: StatusCode, result: &'static str, reason: String| {
        app.metrics.delivery(result);
        tell_refused(app, client, &reason);
        app.rejected.keep(Rejected {
            at: app.clock.now(),
            reason: reason.clone(),
            body: String::from_utf8_lossy(&start).into_owned(),
        });
        answer(status, &json!({"error": reason}))
    };
    let read = match read {
        Ok(Ok(read)) => read,
        Ok(Err(Unread::Unknown)) => {
            app.metrics.delivery("unauthorized");
            return unauthorized(app, Some(client));
        }
        Ok(Err(Unread::TooLarge)) => {
            let reason = format!("the body has more than {} bytes", app.options.max_body);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "rejected", reason);
        }
        Ok(Err(Unread::NotAlerts(reason))) => return refuse(StatusCode::BAD_REQUEST, "rejected", reason),
        Ok(Err(Unread::Broken(reason))) => {
            app.metrics.delivery("broken");
            return answer(StatusCode::BAD_REQUEST, &json!({"error": reason}));
        }
        Err(_) => {
            // Not 408: Alertmanager gives up after 4xx, and sends again after 503.
            app.metrics.delivery("slow");
            return later("the body did not come to its end in time");
        }
    };
    // The room is given back when the delivery is in the store.
    let Read { intake, _room } = read;
    deliver(app, intake).await
}

/// Leaves a line in the log: after 4xx a sender forgets what it sent.
fn tell_refused(app: &App, client: &Client, why: &str) {
    let from = client.address.ip();
    app.service.engine().notice(&format!("a delivery from {from} was refused, and is lost: {why}"));
}

async fn deliver(app: &App, mut intake: Intake) -> Response {
    intake.settle();
    for bad in &intake.bad {
        app.service.engine().notice(&format!("{bad}; it is passed over"));
    }
    for warning in &intake.warnings {
        app.service.engine().notice(warning);
    }
    app.metrics.alerts(intake.read, intake.bad.len() as u64);
    if intake.truncated > 0 {
        app.service.poll_soon();
    }
    let scope = (app.in_force().scope_of)(intake.origin);
    let bad = intake.bad.len();
    let delivery = Delivery {
        scope,
        source: intake.source,
        alerts: intake.alerts.into_iter().map(Arc::new).collect(),
        at: app.clock.now(),
        fresh: false,
        listed: None,
    };
    match app.service.deliver(delivery).await {
        Ok(receipt) => {
            app.metrics.delivery("taken");
            app.metrics.admitted(&receipt);
            let (started, later, skipped) = (receipt.started, receipt.later, receipt.skipped);
            answer(StatusCode::OK, &ReceiptAnswer { started, later, skipped, bad_alerts: bad })
        }
        Err(refusal) => {
            app.metrics.delivery(match &refusal {
                Refusal::Draining => "draining",
                Refusal::Full { .. } => "full",
                Refusal::Store(_) => "store",
            });
            if let Refusal::Store(error) = &refusal {
                let trouble = format!("a delivery was not taken, and is to be sent again: {error}");
                app.service.engine().notice(&trouble);
            }
            later(&public(&refusal))
        }
    }
}

/// Asks a sender to come again: the only answer but 2xx after which Alertmanager does.
fn later(why: &str) -> Response {
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": why}));
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    response
}

/// Says why a delivery is not taken, without what is nobody's business outside.
fn public(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Store(StoreError::Busy { .. }) => "the store is busy".to_owned(),
        Refusal::Store(StoreError::Full { .. }) => "the store cannot grow".to_owned(),
        Refusal::Store(_) => "the store failed".to_owned(),
        other => other.to_string(),
    }
}

/// A body that is being read.
struct Reading<'a> {
    app: &'a App,
    sender: &'a Sender,
    headers: &'a HeaderMap,
    unpack: Unpack,
}

impl Reading<'_> {
    /// Reads a body to its end; `start` gets its first bytes. What is read of a body whose signature turns out not to
    /// hold is forgotten: nobody learns what it was, nor what was wrong with it.
    async fn read(self, mut body: HttpBody, start: &mut Vec<u8>) -> Result<Read, Unread> {
        let Reading { app, sender, headers, mut unpack } = self;
        let (library, now, most) = (app.service.library(), app.clock.now(), app.options.max_body);
        let keep = |raw: &RawAlert<'_>| !raw.is_own() && library.matches_any(raw.labels());
        let mut document = Some(Body::new("webhook", now, &keep));
        let announced = body.size_hint().lower();
        if announced > most {
            return Err(Unread::TooLarge);
        }
        let mut signing = (*sender == Sender::Signs).then(|| app.in_force().auth.signing(headers, now));
        let (mut size, mut room, mut failed) = (0_u64, None, None);
        let mut take = |bytes: &[u8]| {
            size += bytes.len() as u64;
            if size > most {
                return Err(Unread::TooLarge);
            }
            start.extend_from_slice(&bytes[..bytes.len().min(KEPT_BYTES - start.len())]);
            let Some(reader) = &mut document else { return Ok(size) };
            if let Err(error) = reader.take(bytes) {
                document = None;
                return Err(not_alerts(error));
            }
            Ok(size)
        };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Unread::Broken(format!("the body broke off: {error}")))?;
            let Ok(piece) = frame.into_data() else { continue };
            if let Some(signing) = &mut signing {
                signing.take(&piece);
            }
            if failed.is_some() {
                continue;
            }
            let mut seen = 0;
            let taken = unpack.piece(&piece, |bytes| take(bytes).map(|size| seen = size));
            match taken.map_err(unread) {
                Ok(()) => {}
                // Only who is known learns what is wrong.
                Err(error) if signing.is_some() && !matches!(error, Unread::TooLarge) => failed = Some(error),
                Err(error) => return Err(error),
            }
            if room.is_none() && seen > FREE {
                let wanted = if unpack.grows() || announced == 0 { most } else { announced };
                room = app.room.take(signing.is_none(), wanted).await;
            }
        }
        if let Some(signing) = signing {
            signing.end().ok_or(Unread::Unknown)?;
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        unpack.end(|bytes| take(bytes).map(drop)).map_err(unread)?;
        let document =
            document.ok_or_else(|| Unread::Broken("the body was not read to its end".to_owned()))?;
        Ok(Read { intake: document.end().map_err(not_alerts)?, _room: room })
    }
}

fn unread(error: Unpacked<Unread>) -> Unread {
    match error {
        Unpacked::NotGzip(problem) => {
            Unread::NotAlerts(format!("the header says that the body is gzip, and it is not: {problem}"))
        }
        Unpacked::Other(error) => error,
    }
}

fn not_alerts(error: crate::source::SourceError) -> Unread {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Unread::NotAlerts(reason)
}
