//! What the stand-in answers. Main function: [`answer`].

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::form_urlencoded;

use super::alerts::Posted;
use super::server::Shared;
use super::silences::Body;
use crate::model::time::format_time;
use crate::model::{Alert, MatchOp, Matcher, MatcherSyntax, parse_one};

/// An answer: a status, what its body is, and the body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: Kind,
    pub(super) body: Vec<u8>,
}

/// What a body is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Json,
    Text,
    Html,
}

impl Answer {
    fn json(status: u16, value: &Value) -> Self {
        Self { status, kind: Kind::Json, body: value.to_string().into_bytes() }
    }

    /// Most errors are a JSON string.
    fn error(status: u16, message: &str) -> Self {
        match status {
            // The router's and validator's own errors are objects, with codes of their own for 422.
            422 => Self::json(422, &json!({"code": 602, "message": message})),
            405 | 415 => Self::json(status, &json!({"code": status, "message": message})),
            _ => Self::json(status, &json!(message)),
        }
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self { status, kind: Kind::Text, body: text.as_bytes().to_vec() }
    }

    pub(super) fn html() -> Self {
        let page =
            "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";
        Self { status: 200, kind: Kind::Html, body: page.as_bytes().to_vec() }
    }
}

/// Answers a request to a path (without the prefix) as Alertmanager would.
pub(super) fn answer(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &str,
    content_type: &str,
    body: &[u8],
) -> Answer {
    if let "/-/healthy" | "/-/ready" = path {
        return Answer::text(200, "OK");
    }
    if path.starts_with("/api/v1") {
        return Answer::json(
            410,
            &json!({"status": "deprecated", "error": "The Alertmanager v1 API was removed."}),
        );
    }
    let Some(call) = path.strip_prefix("/api/v2") else { return Answer::text(404, "404 page not found\n") };
    if method == "POST" && content_type.split(';').next().map(str::trim) != Some("application/json") {
        let message =
            format!("unsupported media type \"{content_type}\", only [application/json] are allowed");
        return Answer::error(415, &message);
    }
    let id = call.strip_prefix("/silence/");
    match (method, call, id) {
        ("GET", "/status", _) => status(shared),
        ("GET", "/receivers", _) => {
            let receivers = shared.options.receivers.iter().map(|name| json!({"name": name}));
            Answer::json(200, &receivers.collect())
        }
        ("GET", "/alerts", _) => match selected(shared, query) {
            Ok(alerts) => Answer::json(200, &json!(alerts)),
            Err(message) => Answer::error(400, &message),
        },
        ("GET", "/alerts/groups", _) => match selected(shared, query) {
            Ok(alerts) => Answer::json(200, &groups(alerts)),
            Err(message) => Answer::error(400, &message),
        },
        ("POST", "/alerts", _) => post_alerts(shared, body),
        ("GET", "/silences", _) => match filters(query) {
            Ok(filters) => Answer::json(200, &json!(shared.silences().list(&filters, shared.now()))),
            Err(message) => Answer::error(400, &message),
        },
        ("POST", "/silences", _) => post_silence(shared, body),
        ("GET" | "DELETE", _, Some(id)) if id.parse::<uuid::Uuid>().is_err() => {
            let message = format!("silenceID in path must be of type uuid: {id:?}");
            Answer::json(422, &json!({"code": 601, "message": message}))
        }
        ("GET", _, Some(id)) => match shared.silences().get(id, shared.now()) {
            Some(silence) => Answer::json(200, &json!(silence)),
            None => Answer { status: 404, kind: Kind::Text, body: Vec::new() },
        },
        ("DELETE", _, Some(id)) => {
            let known = shared.silences().expire(id, shared.now());
            Answer { status: if known { 200 } else { 404 }, kind: Kind::Text, body: Vec::new() }
        }
        (_, "/status" | "/receivers" | "/alerts" | "/alerts/groups" | "/silences", _) | (_, _, Some(_)) => {
            Answer::error(405, &format!("method {method} is not allowed"))
        }
        _ => Answer::json(404, &json!({"code": 404, "message": format!("path {path} was not found")})),
    }
}

fn status(shared: &Shared) -> Answer {
    let config = "# This is amflow's stand-in for Alertmanager. It notifies nobody.\n";
    Answer::json(
        200,
        &json!({
            "cluster": {"status": "disabled", "peers": []},
            "versionInfo": {
                "version": "0.25.0", "branch": "amflow-stand-in", "revision": "stand-in",
                "buildUser": "amflow", "buildDate": "", "goVersion": "",
            },
            "config": {"original": config},
            "uptime": format_time(shared.started()),
        }),
    )
}

fn post_alerts(shared: &Shared, body: &[u8]) -> Answer {
    let broken = |what: &dyn std::fmt::Display| {
        let message = format!("parsing alerts body from \"\" failed, because {what}");
        Answer::json(400, &json!({"code": 400, "message": message}))
    };
    let posted: Option<Vec<Value>> = match serde_json::from_slice(body) {
        Ok(posted) => posted,
        Err(error) => return broken(&error),
    };
    let mut read = Vec::new();
    for (index, value) in posted.unwrap_or_default().iter().enumerate() {
        match Posted::read(index, value) {
            Ok(alert) => read.push(alert),
            Err((400, message)) => {
                return Answer::json(400, &json!({"code": 400, "message": message}));
            }
            Err((status, message)) => return Answer::error(status, &message),
        }
    }
    let now = shared.now();
    let mut alerts = shared.alerts();
    // Good ones are kept although bad ones make the answer a 400.
    let errors: Vec<String> = read
        .into_iter()
        .filter_map(|alert| alerts.post(alert, now, shared.options.resolve_timeout).err())
        .collect();
    if errors.is_empty() { Answer::text(200, "") } else { Answer::error(400, &errors.join("; ")) }
}

fn post_silence(shared: &Shared, body: &[u8]) -> Answer {
    let posted = match serde_json::from_slice::<Body>(body) {
        Ok(posted) => posted,
        Err(error) => {
            let message = format!("parsing silence body from \"\" failed, because {error}");
            return Answer::json(400, &json!({"code": 400, "message": message}));
        }
    };
    match posted.check().and_then(|silence| shared.silences().set(silence, shared.now())) {
        Ok(id) => Answer::json(200, &json!({"silenceID": id})),
        Err((status, message)) => Answer::error(status, &message),
    }
}

/// Evaluates the parameters of `GET /alerts`.
fn selected(shared: &Shared, query: &str) -> Result<Vec<Alert>, String> {
    let filters = filters(query)?;
    let mut wanted = BTreeMap::from([("active", true), ("silenced", true), ("inhibited", true)]);
    let mut receiver = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some(state) = wanted.get_mut(name.as_ref()) {
            // What is no boolean counts as false, without an error.
            *state =
                matches!(value.to_ascii_lowercase().as_str(), "true" | "t" | "1" | "yes" | "y" | "on" | "ok");
        } else if name == "receiver" && !value.is_empty() {
            let pattern = Matcher::new("receiver", MatchOp::Regex, value.into_owned())
                .map_err(|error| format!("failed to parse receiver param: {error}"))?;
            receiver = Some(pattern);
        }
    }
    let mut alerts = shared.current();
    alerts.retain(|alert| {
        filters.iter().all(|filter| filter.matches(&alert.labels))
            && (wanted["active"] || alert.is_muted())
            && (wanted["silenced"] || alert.silenced_by.is_empty())
            && (wanted["inhibited"] || alert.inhibited_by.is_empty())
            && receiver.as_ref().is_none_or(|pattern| {
                alert.receivers.iter().any(|receiver| pattern.matches_value(Some(receiver)))
            })
    });
    Ok(alerts)
}

fn filters(query: &str) -> Result<Vec<Matcher>, String> {
    let given = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "filter");
    given
        .map(|(_, value)| match parse_one(&value, MatcherSyntax::default()) {
            Ok((matcher, _)) => Ok(matcher),
            Err(error) => Err(error.message),
        })
        .collect()
}

/// One group for each alertname.
fn groups(alerts: Vec<Alert>) -> Value {
    let mut groups: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
    for alert in alerts {
        groups.entry(alert.name().to_owned()).or_default().push(alert);
    }
    let groups = groups.into_iter().map(|(name, alerts)| {
        let receiver = alerts.first().and_then(|alert| alert.receivers.first()).cloned().unwrap_or_default();
        json!({"labels": {"alertname": name}, "receiver": {"name": receiver}, "alerts": alerts})
    });
    groups.collect()
}
