//! The receiver of webhooks, and of any other document that holds alerts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::auth::Sender;
use super::routes::{App, answer, unauthorized};
use crate::engine::{Delivery, Refusal, StoreError};
use crate::model::payload::RawAlert;
use crate::source::{Body, Intake};

/// Bodies that were refused and are kept for inspection, and bytes of each.
const KEPT: usize = 20;
const KEPT_BYTES: usize = 64 * 1024;

/// A body that was refused.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rejected {
    /// When it came.
    at: Timestamp,
    /// Why it was refused.
    reason: String,
    /// Its beginning; what is no UTF-8 is replaced.
    body: String,
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

/// Takes a delivery in.
pub(super) async fn receive(State(app): State<Arc<App>>, headers: HeaderMap, body: HttpBody) -> Response {
    let began = app.clock.now();
    let response = match app.in_force().auth.sender(&headers) {
        Sender::Unknown => {
            app.metrics.delivery("unauthorized");
            unauthorized()
        }
        sender => take_in(&app, sender, &headers, body).await,
    };
    app.metrics.delivery_took(app.clock.now().duration_since(began).as_secs_f64());
    response
}

async fn take_in(app: &App, sender: Sender, headers: &HeaderMap, body: HttpBody) -> Response {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        app.metrics.delivery("rejected");
        let error = "send the body as it is: it is encoded, and nothing here decodes it";
        return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({"error": error}));
    }
    let mut start = Vec::new();
    let read = timeout(app.options.body_timeout, read(app, sender, headers, body, &mut start)).await;
    let refuse = |status: StatusCode, result: &str, reason: String| {
        app.metrics.delivery(result);
        app.rejected.keep(Rejected {
            at: app.clock.now(),
            reason: reason.clone(),
            body: String::from_utf8_lossy(&start).into_owned(),
        });
        answer(status, &json!({"error": reason}))
    };
    let intake = match read {
        Ok(Ok(intake)) => intake,
        Ok(Err(Unread::Unknown)) => {
            app.metrics.delivery("unauthorized");
            return unauthorized();
        }
        Ok(Err(Unread::TooLarge)) => {
            let reason = format!("the body has more than {} bytes", app.options.max_body);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "rejected", reason);
        }
        Ok(Err(Unread::NotAlerts(reason))) => return refuse(StatusCode::BAD_REQUEST, "rejected", reason),
        Ok(Err(Unread::Broken(reason))) => return refuse(StatusCode::BAD_REQUEST, "broken", reason),
        Err(_) => {
            let reason = "the body did not come to its end in time".to_owned();
            return refuse(StatusCode::REQUEST_TIMEOUT, "broken", reason);
        }
    };
    deliver(app, intake).await
}

async fn deliver(app: &App, mut intake: Intake) -> Response {
    intake.settle();
    for bad in &intake.bad {
        app.service.engine().notice(&format!("{bad}; it is passed over"));
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
        alerts: intake.alerts,
        at: app.clock.now(),
        fresh: false,
        listed: None,
    };
    match app.service.deliver(delivery).await {
        Ok(receipt) => {
            app.metrics.delivery("taken");
            app.metrics.admitted(&receipt);
            let (started, later, skipped) = (receipt.started, receipt.later, receipt.skipped);
            answer(
                StatusCode::OK,
                &json!({"started": started, "later": later, "skipped": skipped, "bad_alerts": bad}),
            )
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
            let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": public(&refusal)}));
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
            response
        }
    }
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

/// Reads a body to its end; `start` gets its first bytes.
async fn read(
    app: &App,
    sender: Sender,
    headers: &HeaderMap,
    mut body: HttpBody,
    start: &mut Vec<u8>,
) -> Result<Intake, Unread> {
    let library = app.service.library();
    let keep = |raw: &RawAlert<'_>| !raw.is_own() && library.matches_any(raw.labels());
    let mut document = Body::new("webhook", app.clock.now(), &keep);
    let (mut size, mut signed) = (0_u64, Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unread::Broken(format!("the body broke off: {error}")))?;
        let Ok(piece) = frame.into_data() else { continue };
        size += piece.len() as u64;
        if size > app.options.max_body {
            return Err(Unread::TooLarge);
        }
        start.extend_from_slice(&piece[..piece.len().min(KEPT_BYTES - start.len())]);
        if sender == Sender::Signs {
            signed.extend_from_slice(&piece);
        } else {
            document.take(&piece).map_err(not_alerts)?;
        }
    }
    if sender == Sender::Signs {
        // Nothing of it is looked at before it is known who sent it.
        if !app.in_force().auth.is_signed(headers, &signed) {
            return Err(Unread::Unknown);
        }
        document.take(&signed).map_err(not_alerts)?;
    }
    document.end().map_err(not_alerts)
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
