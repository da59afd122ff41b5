//! The API for tasks: what people have to decide, and how they say it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::{bad_query, troubled};
use super::auth::Sender;
use super::links::Link;
use super::routes::{App, answer};
use crate::engine::{DecideError, RunTask, Say, TaskFilter, TaskStatus, decide, find_task, open_tasks};
use crate::report::{OUTPUT_VERSION, TaskRecord};
use crate::step::Refusal;

/// Bytes of a request to the API, at most.
const MOST_BYTES: usize = 256 * 1024;
/// How long a link is good when the task has no deadline, in hours.
const LINK_HOURS: i64 = 24;

/// Which tasks to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TasksQuery {
    playbook: Option<String>,
    run: Option<String>,
}

/// Which task of a run.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskQuery {
    step: Option<String>,
}

/// Open tasks.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TaskList {
    /// Version of the shape.
    version: u32,
    /// Those that wait longest first.
    tasks: Vec<TaskRecord>,
}

/// What somebody says to a task.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionBody {
    /// Whether the run may go on.
    approve: bool,
    /// The step, when the run asks several things.
    #[serde(default)]
    step: Option<String>,
    /// Their words.
    #[serde(default)]
    comment: String,
    /// Their answers.
    #[serde(default)]
    inputs: BTreeMap<String, Value>,
    /// The digest of what they saw: nothing else is decided. Without it, whatever is asked now.
    #[serde(default)]
    digest: Option<String>,
    /// In whose name; only who is in `people.may_act_as_others` may give another than their own.
    #[serde(default)]
    by: Option<String>,
}

/// For whom a link is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    /// Who decides by it.
    #[serde(rename = "for")]
    who: String,
    /// The step, when the run asks several things.
    #[serde(default)]
    step: Option<String>,
}

/// A link.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LinkAnswer {
    /// Its address: whoever has it decides in the name of the one that it is for.
    url: String,
    /// Until when it is good.
    #[schemars(with = "String", extend("format" = "date-time"))]
    expires: Timestamp,
}

/// Lists open tasks.
pub(super) async fn tasks(
    State(app): State<Arc<App>>,
    query: Result<Query<TasksQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(error) => return bad_query(&error),
    };
    let filter = TaskFilter { playbook: query.playbook, run: query.run, of: None };
    match open_tasks(app.service.engine().store().as_ref(), &filter, app.clock.now()).await {
        Ok(tasks) => {
            let tasks = tasks.iter().map(TaskRecord::of).collect();
            answer(StatusCode::OK, &TaskList { version: OUTPUT_VERSION, tasks })
        }
        Err(error) => troubled(&error),
    }
}

/// Shows the task of a run.
pub(super) async fn task(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    query: Result<Query<TaskQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(error) => return bad_query(&error),
    };
    let engine = app.service.engine();
    match find_task(engine.store().as_ref(), &run, query.step.as_deref(), app.clock.now()).await {
        Ok(found) => answer(StatusCode::OK, &TaskRecord::of(&found)),
        Err(error) => refused(&error),
    }
}

/// Decides the task of a run.
pub(super) async fn decide_task(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    Path(run): Path<String>,
    body: Body,
) -> Response {
    let said: DecisionBody = match read(body).await {
        Ok(said) => said,
        Err(response) => return response,
    };
    let Sender::Known(own) = sender else { return nobody() };
    let in_force = app.in_force();
    let (by, via) = match said.by {
        None => (own.to_string(), "api".to_owned()),
        Some(by) if by == *own => (by, "api".to_owned()),
        Some(by) if in_force.people.may_act_as_others.iter().any(|who| *who == *own) => {
            (by, format!("api of {own}"))
        }
        Some(by) => {
            let error = format!("{own} may not decide in the name of {by}");
            return answer(StatusCode::FORBIDDEN, &json!({"error": error}));
        }
    };
    if !in_force.people.may_be(&by) {
        return no_person(&by);
    }
    let say = Say {
        approve: said.approve,
        groups: in_force.people.groups_of(&by),
        by,
        comment: said.comment,
        inputs: said.inputs,
        digest: said.digest,
        via,
    };
    match decided(&app, &run, said.step.as_deref(), say).await {
        Ok(task) => answer(StatusCode::OK, &TaskRecord::of(&task)),
        Err(error) => refused(&error),
    }
}

fn no_person(name: &str) -> Response {
    let error = format!("{name} is none of the users and groups that the configuration lists under `people`");
    answer(StatusCode::FORBIDDEN, &json!({"error": error}))
}

/// Makes a link by which a person decides the task of a run.
pub(super) async fn link(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    Path(run): Path<String>,
    body: Body,
) -> Response {
    let asked: LinkBody = match read(body).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let Sender::Known(own) = sender else { return nobody() };
    let in_force = app.in_force();
    let Some(links) = &in_force.links else {
        return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "there is no key for links"}));
    };
    let may = asked.who == *own || in_force.people.may_act_as_others.iter().any(|who| *who == *own);
    if !may {
        let error = format!("{own} may not make links for {}", asked.who);
        return answer(StatusCode::FORBIDDEN, &json!({"error": error}));
    }
    if !in_force.people.may_be(&asked.who) {
        return no_person(&asked.who);
    }
    let (engine, now) = (app.service.engine(), app.clock.now());
    let found = match find_task(engine.store().as_ref(), &run, asked.step.as_deref(), now).await {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    if !matches!(found.status, TaskStatus::Open { .. }) {
        let error = format!("it is not asked any more: it is {}", found.status.as_str());
        return answer(StatusCode::GONE, &json!({"error": error}));
    }
    let task = &found.state.task;
    if let Err(why) = task.may_decide(&asked.who, &in_force.people.groups_of(&asked.who)) {
        return answer(StatusCode::FORBIDDEN, &json!({"error": format!("{}: {why}", asked.who)}));
    }
    let day = now.checked_add(SignedDuration::from_hours(LINK_HOURS)).unwrap_or(Timestamp::MAX);
    let expires = task.deadline.map_or(day, |deadline| deadline.min(day));
    let says = Link {
        run: run.clone(),
        step: found.state.step.clone(),
        digest: task.digest.clone(),
        who: asked.who,
        expires: expires.as_second(),
    };
    let url = format!("{}/tasks/{run}?t={}", app.options.public_url(), links.sign(&says));
    answer(StatusCode::OK, &LinkAnswer { url, expires })
}

/// Makes a decision durable, and wakes the run.
pub(super) async fn decided(
    app: &App,
    run: &str,
    step: Option<&str>,
    say: Say,
) -> Result<RunTask, DecideError> {
    let (engine, now) = (app.service.engine(), app.clock.now());
    let approve = say.approve;
    let decided = decide(engine.store().as_ref(), run, step, say, now).await?;
    app.metrics.decided(approve);
    Ok(decided.task)
}

/// Returns the status that tells why a decision was not made.
pub(super) fn status_of(error: &DecideError) -> StatusCode {
    match error {
        DecideError::Store(crate::engine::StoreError::NoSuchRun { .. }) | DecideError::NoTask { .. } => {
            StatusCode::NOT_FOUND
        }
        DecideError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        DecideError::Ambiguous { .. } => StatusCode::CONFLICT,
        DecideError::Over { .. } => StatusCode::GONE,
        DecideError::Refused(refusal) => match refusal {
            Refusal::Decided { .. } | Refusal::Twice { .. } | Refusal::Changed { .. } => StatusCode::CONFLICT,
            Refusal::Expired { .. } => StatusCode::GONE,
            Refusal::NotAllowed { .. } => StatusCode::FORBIDDEN,
            Refusal::BadInput { .. } => StatusCode::BAD_REQUEST,
        },
    }
}

fn refused(error: &DecideError) -> Response {
    answer(status_of(error), &json!({"error": error.to_string()}))
}

/// Decisions carry a name, and here nobody has shown one.
fn nobody() -> Response {
    let error = "who decides must be known: configure `server.auth`, or use `amflow approve`";
    answer(StatusCode::FORBIDDEN, &json!({"error": error}))
}

/// Reads the JSON of a small body.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Response> {
    let bad = |error: String| answer(StatusCode::BAD_REQUEST, &json!({"error": error}));
    let bytes = to_bytes(body, MOST_BYTES).await.map_err(|error| bad(format!("the body: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| bad(format!("the body: {error}")))
}
