//! The API in the form of OpenAPI 3.1: [`openapi`]. It is kept in `docs/openapi.json`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api::{Cancelled, PauseBody, PauseList, RejectedList, RunList, StatusAnswer, Trouble};
use super::people::{DecisionBody, LinkAnswer, LinkBody, TaskList};
use super::receiver::ReceiptAnswer;
use crate::report::{RunStory, TaskRecord};

/// A route as it is described.
struct Route {
    path: &'static str,
    method: &'static str,
    says: &'static str,
    query: &'static [(&'static str, &'static str)],
    body: Option<Value>,
    /// What is answered when all is well.
    answer: Value,
    /// Statuses of the troubles that it may have.
    troubles: &'static [u16],
}

/// Returns the description of the API.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.for_serialize().into_generator();
    let routes = routes(&mut generator);
    let trouble = of::<Trouble>(&mut generator);
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(&route, &trouble);
    }
    paths.insert("/-/healthy".to_owned(), probe("Answers while the process does."));
    paths.insert("/-/ready".to_owned(), probe("503 while it drains, or the store cannot be read."));
    let metrics = "text/plain; version=0.0.4; charset=utf-8";
    paths.insert("/metrics".to_owned(), json!({"get": {
        "summary": "Figures for Prometheus.",
        "responses": {"200": {"description": "Figures.", "content": {metrics: {"schema": {"type": "string"}}}}},
    }}));
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "amflow serve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Within a version of the shapes, fields are only added: pass over what you don't know.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Below `server.route_prefix`, if there is one."}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
            "schemas": schemas,
        },
    })
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn routes(generator: &mut SchemaGenerator) -> Vec<Route> {
    let route = |path, method, says, answer| Route {
        path,
        method,
        says,
        query: &[],
        body: None,
        answer,
        troubles: &[401],
    };
    let alerts = json!({"description": "Alerts, in any shape that `amflow run` reads."});
    let deliver = |path, receipt: &Value| Route {
        body: Some(alerts.clone()),
        troubles: &[400, 401, 403, 413, 415, 503],
        ..route(
            path,
            "post",
            "Takes a delivery: its claims are durable when it is answered.",
            receipt.clone(),
        )
    };
    let receipt = of::<ReceiptAnswer>(generator);
    let list = of::<RunList>(generator);
    let task = of::<TaskRecord>(generator);
    vec![
        deliver("/webhook", &receipt),
        deliver("/api/v1/alerts", &receipt),
        deliver("/api/v2/alerts", &receipt),
        route("/api/v1/status", "get", "Says what the service is about.", of::<StatusAnswer>(generator)),
        Route {
            query: &[
                ("status", "Only runs of this status."),
                ("playbook", "Only runs of this playbook."),
                ("since", "Only runs that started then or later, RFC 3339."),
                ("until", "Only runs that started before, RFC 3339."),
                ("limit", "At most so many, up to 1000; 100 when not given."),
            ],
            troubles: &[400, 401, 503],
            ..route("/api/v1/runs", "get", "Lists runs, newest first.", list)
        },
        Route {
            troubles: &[401, 404, 503],
            ..route("/api/v1/runs/{run}", "get", "Tells a run's whole story.", of::<RunStory>(generator))
        },
        Route {
            troubles: &[401, 403, 404, 503],
            ..route(
                "/api/v1/runs/{run}/cancel",
                "post",
                "Ends a run; its `finally` still runs. It is answered before the run is over.",
                of::<Cancelled>(generator),
            )
        },
        Route {
            query: &[("playbook", "Only of this playbook."), ("run", "Only of this run.")],
            troubles: &[400, 401, 503],
            ..route(
                "/api/v1/tasks",
                "get",
                "Lists what people have to decide, those that wait longest first.",
                of::<TaskList>(generator),
            )
        },
        Route {
            query: &[("step", "The step, when the run asks several things.")],
            troubles: &[400, 401, 404, 409, 503],
            ..route("/api/v1/tasks/{run}", "get", "Shows what a run asks.", task.clone())
        },
        Route {
            body: Some(of::<DecisionBody>(generator)),
            troubles: &[400, 401, 403, 404, 409, 410, 503],
            ..route(
                "/api/v1/tasks/{run}/decide",
                "post",
                "Decides. 409: it is decided already, or is not what was seen; 410: its time is over, or nobody is \
                 needed any more; 403: it is not theirs to decide.",
                task,
            )
        },
        Route {
            body: Some(of::<LinkBody>(generator)),
            troubles: &[400, 401, 403, 404, 409, 410, 503],
            ..route(
                "/api/v1/tasks/{run}/link",
                "post",
                "Makes a link to a page on which a person decides, without a password.",
                of::<LinkAnswer>(generator),
            )
        },
        Route {
            troubles: &[401, 503],
            ..route("/api/v1/pause", "get", "Lists the pauses in force.", of::<PauseList>(generator))
        },
        Route {
            body: Some(of::<PauseBody>(generator)),
            troubles: &[400, 401, 403, 503],
            ..route(
                "/api/v1/pause",
                "post",
                "Holds everything, or one playbook, at once and everywhere.",
                of::<PauseList>(generator),
            )
        },
        Route {
            query: &[("playbook", "Only the pause of this playbook.")],
            troubles: &[400, 401, 403, 503],
            ..route("/api/v1/pause", "delete", "Ends a pause.", of::<PauseList>(generator))
        },
        route(
            "/api/v1/rejected",
            "get",
            "Lists the last bodies that were not understood, newest first.",
            of::<RejectedList>(generator),
        ),
        route("/api/v1/openapi.json", "get", "This description.", json!({"type": "object"})),
        Route {
            troubles: &[401, 403, 500, 503],
            ..route(
                "/-/reload",
                "post",
                "Reads configuration and playbooks again: all of it, or nothing.",
                json!({
                    "type": "object",
                    "required": ["reloaded"],
                    "properties": {"reloaded": {"type": "string", "description": "What is in force now."}},
                }),
            )
        },
    ]
}

fn operation(route: &Route, trouble: &Value) -> Value {
    let json_of = |schema: &Value| json!({"application/json": {"schema": schema}});
    let well = if route.path.ends_with("/cancel") { "202" } else { "200" };
    let mut responses = Map::new();
    responses
        .insert(well.to_owned(), json!({"description": "All is well.", "content": json_of(&route.answer)}));
    for status in route.troubles {
        let says = json!({"description": meaning(*status), "content": json_of(trouble)});
        responses.insert(status.to_string(), says);
    }
    let in_path = route.path.contains("{run}").then(|| {
        json!({"name": "run", "in": "path", "required": true, "schema": {"type": "string"},
            "description": "The run's whole id."})
    });
    let in_query = route.query.iter().map(|(name, says)| {
        json!({"name": name, "in": "query", "schema": {"type": "string"}, "description": says})
    });
    let mut operation = json!({
        "summary": route.says,
        "parameters": in_path.into_iter().chain(in_query).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some(body) = &route.body {
        operation["requestBody"] = json!({"required": true, "content": json_of(body)});
    }
    operation
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "It is not understood.",
        401 => "Credentials are needed.",
        403 => "This is not theirs to do.",
        404 => "There is no such thing.",
        409 => "It is not as it was thought to be.",
        410 => "It is over.",
        413 => "It is too large.",
        415 => "Its encoding is not known.",
        500 => "What was in force stays so.",
        _ => "It cannot be done now: come again.",
    }
}

fn probe(says: &str) -> Value {
    let text = |says: &str| json!({"description": says, "content": {"text/plain; charset=utf-8": {"schema": {"type": "string"}}}});
    json!({"get": {"summary": says, "security": [], "responses": {"200": text("Yes."), "503": text("No, and why.")}}})
}
