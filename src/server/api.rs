//! The API for runs. Shapes are those of `amflow runs ... -o json`.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::auth::Sender;
use super::routes::{App, answer};
use crate::engine::{RunFilter, StoreError};
use crate::report::OUTPUT_VERSION;
use crate::run::{RunStatus, Signal, SignalKind};

/// Runs that are listed when no number is given, and at most.
const LISTED: usize = 100;
const MOST_LISTED: usize = 1_000;

/// Which runs to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    status: Option<RunStatus>,
    playbook: Option<String>,
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
    limit: Option<usize>,
}

/// Says what the service is about.
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    let state = app.service.state();
    let engine = app.service.engine();
    answer(
        StatusCode::OK,
        &json!({
            "version": OUTPUT_VERSION,
            "amflow": env!("CARGO_PKG_VERSION"),
            "draining": state.draining,
            "going": state.going,
            "playbooks": state.playbooks,
            "store": engine.store().place(),
        }),
    )
}

/// Lists runs, newest first.
pub(super) async fn runs(State(app): State<Arc<App>>, Query(query): Query<RunsQuery>) -> Response {
    let filter = RunFilter {
        statuses: query.status.into_iter().collect(),
        playbook: query.playbook,
        since: query.since,
        until: query.until,
        id_prefix: None,
        limit: query.limit.unwrap_or(LISTED).clamp(1, MOST_LISTED),
        before: None,
    };
    match app.service.engine().store().list(filter).await {
        Ok(runs) => answer(StatusCode::OK, &json!({"version": OUTPUT_VERSION, "runs": runs})),
        Err(error) => troubled(&error),
    }
}

/// Shows a run with its journal.
pub(super) async fn run(State(app): State<Arc<App>>, Path(run): Path<String>) -> Response {
    match app.service.engine().store().read(run).await {
        Ok((summary, _, journal)) => {
            answer(StatusCode::OK, &json!({"version": OUTPUT_VERSION, "run": summary, "journal": journal}))
        }
        Err(error) => troubled(&error),
    }
}

/// Cancels a run.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    Path(run): Path<String>,
) -> Response {
    let engine = app.service.engine();
    let by = match sender {
        Sender::Known(name) => format!("{name} (API)"),
        _ => "the API".to_owned(),
    };
    let signal = Signal { id: "cancel:api".to_owned(), kind: SignalKind::Cancel { by } };
    match engine.store().signal(run.clone(), signal, app.clock.now()).await {
        Ok(()) => answer(StatusCode::ACCEPTED, &json!({"run": run})),
        Err(error) => troubled(&error),
    }
}

/// Lists the last bodies that were refused.
pub(super) async fn rejected(State(app): State<Arc<App>>) -> Response {
    answer(StatusCode::OK, &json!({"version": OUTPUT_VERSION, "rejected": app.rejected.list()}))
}

fn troubled(error: &StoreError) -> Response {
    let status = match error {
        StoreError::NoSuchRun { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, &json!({"error": error.to_string()}))
}
