//! The API for runs and pauses. Shapes are those of `amflow ... -o json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::auth::Sender;
use super::openapi::openapi;
use super::people::read;
use super::receiver::Rejected;
use super::routes::{App, answer};
use crate::engine::{RunFilter, RunSummary, StoreError, gate_keys};
use crate::model::parse_duration;
use crate::report::{OUTPUT_VERSION, RunStory};
use crate::run::{Change, GateChange, Paused, RunStatus, Signal, SignalKind};

/// Runs that are listed when no number is given, and at most.
const LISTED: usize = 100;
const MOST_LISTED: usize = 1_000;

/// Which runs to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    status: Option<RunStatus>,
    playbook: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
}

/// Which pause.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseQuery {
    playbook: Option<String>,
}

/// What the service is about.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusAnswer {
    /// Version of the shape.
    version: u32,
    /// Which amflow this is.
    amflow: &'static str,
    /// Whether it takes nothing more, and is about to end.
    draining: bool,
    /// Runs of this process that are not over.
    going: usize,
    /// Playbooks in force.
    playbooks: usize,
    /// Those of them that cannot have what they need, by name, and why: their alerts are put off.
    held_back: BTreeMap<String, String>,
    /// Where its store is.
    store: String,
}

/// Runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunList {
    /// Version of the shape.
    version: u32,
    /// Newest first.
    runs: Vec<RunSummary>,
}

/// A run that is to end.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cancelled {
    /// Its id.
    run: String,
}

/// Bodies that were refused.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RejectedList {
    /// Version of the shape.
    version: u32,
    /// Newest first.
    rejected: Vec<Rejected>,
}

/// Pauses in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PauseList {
    /// Version of the shape.
    version: u32,
    /// One for everything, and one for each playbook that is paused by itself.
    pauses: Vec<PauseRecord>,
}

/// A pause.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PauseRecord {
    /// The playbook; absent: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    playbook: Option<String>,
    /// Since when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    since: Timestamp,
    /// Until when; absent: until somebody ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    until: Option<Timestamp>,
    /// Why.
    reason: String,
    /// By whom.
    by: String,
}

/// What is to be held.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseBody {
    /// The playbook; everything when it is not given.
    #[serde(default)]
    playbook: Option<String>,
    /// For how long, such as `2h`; until somebody ends it when it is not given.
    #[serde(default, rename = "for")]
    duration: Option<String>,
    /// Why, for those who will wonder.
    #[serde(default)]
    reason: String,
}

/// Why something was not done.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Trouble {
    /// What is wrong.
    error: String,
}

/// Says what the service is about.
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    let state = app.service.state();
    let status = StatusAnswer {
        version: OUTPUT_VERSION,
        amflow: env!("CARGO_PKG_VERSION"),
        draining: state.draining,
        going: state.going,
        playbooks: state.playbooks,
        held_back: state.held_back,
        store: app.service.engine().store().place(),
    };
    answer(StatusCode::OK, &status)
}

/// Lists runs, newest first.
pub(super) async fn runs(
    State(app): State<Arc<App>>,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(error) => return bad_query(&error),
    };
    let filter = RunFilter {
        statuses: query.status.into_iter().collect(),
        playbook: query.playbook,
        since: query.since,
        until: query.until,
        id_part: None,
        limit: query.limit.unwrap_or(LISTED).clamp(1, MOST_LISTED),
        before: None,
    };
    match app.service.engine().store().list(filter).await {
        Ok(runs) => answer(StatusCode::OK, &RunList { version: OUTPUT_VERSION, runs }),
        Err(error) => troubled(&error),
    }
}

/// Shows a run with its journal.
pub(super) async fn run(State(app): State<Arc<App>>, Path(run): Path<String>) -> Response {
    match app.service.engine().store().read(run).await {
        Ok((run, text, journal)) => {
            let playbook_text = text.to_string();
            answer(StatusCode::OK, &RunStory { version: OUTPUT_VERSION, run, playbook_text, journal })
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
    let kind = SignalKind::Cancel { by: name_of(&sender) };
    let signal = Signal { id: "cancel:api".to_owned(), kind };
    match engine.store().signal(run.clone(), signal, app.clock.now()).await {
        Ok(()) => answer(StatusCode::ACCEPTED, &Cancelled { run }),
        Err(error) => troubled(&error),
    }
}

/// Lists the last bodies that were refused.
pub(super) async fn rejected(State(app): State<Arc<App>>) -> Response {
    answer(StatusCode::OK, &RejectedList { version: OUTPUT_VERSION, rejected: app.rejected.list() })
}

/// Lists pauses.
pub(super) async fn pauses(State(app): State<Arc<App>>) -> Response {
    let now = app.clock.now();
    match app.service.engine().store().gates(gate_keys::pause("")).await {
        Ok(gates) => {
            let pauses = gates.iter().filter_map(|(key, gate)| {
                let Paused { since, until, reason, by } = gate.pause_in_force(now)?.clone();
                let playbook = key.split_once(':').map_or(key.as_str(), |(_, name)| name);
                let playbook = (*key != gate_keys::PAUSE_ALL).then(|| playbook.to_owned());
                Some(PauseRecord { playbook, since, until, reason, by })
            });
            answer(StatusCode::OK, &PauseList { version: OUTPUT_VERSION, pauses: pauses.collect() })
        }
        Err(error) => troubled(&error),
    }
}

/// Pauses.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    body: Body,
) -> Response {
    let asked: PauseBody = match read(body).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let now = app.clock.now();
    let until = match asked.duration.as_deref().map(parse_duration) {
        None => None,
        Some(Ok(duration)) => Some(now.checked_add(duration).unwrap_or(Timestamp::MAX)),
        Some(Err(error)) => {
            return answer(StatusCode::BAD_REQUEST, &json!({"error": format!("for: {}", error.message)}));
        }
    };
    let paused = Paused { since: now, until, reason: asked.reason, by: name_of(&sender) };
    change(app, asked.playbook, Change::Pause(paused)).await
}

/// Ends a pause.
pub(super) async fn unpause(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    query: Result<Query<PauseQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => change(app, query.playbook, Change::Unpause { by: name_of(&sender) }).await,
        Err(error) => bad_query(&error),
    }
}

async fn change(app: Arc<App>, playbook: Option<String>, change: Change) -> Response {
    let key = playbook.map_or_else(|| gate_keys::PAUSE_ALL.to_owned(), |name| gate_keys::pause(&name));
    let changes = vec![GateChange { key, change }];
    match app.service.engine().store().change_gates(changes, app.clock.now()).await {
        Ok(_) => pauses(State(app)).await,
        Err(error) => troubled(&error),
    }
}

/// Describes the API.
pub(super) async fn description() -> Response {
    answer(StatusCode::OK, &openapi())
}

fn name_of(sender: &Sender) -> String {
    match sender {
        Sender::Known(name) => format!("{name} (API)"),
        _ => "the API".to_owned(),
    }
}

pub(super) fn bad_query(error: &QueryRejection) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({"error": error.body_text()}))
}

pub(super) fn troubled(error: &StoreError) -> Response {
    let status = match error {
        StoreError::NoSuchRun { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, &json!({"error": error.to_string()}))
}
