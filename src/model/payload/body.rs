//! The second look at an alert, once it is wanted: everything but its labels.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::value::explained;
use crate::model::alert::{Alert, AlertStatus};
use crate::model::fingerprint::Fingerprint;
use crate::model::labels::LabelSet;
use crate::model::time;

/// All that any source writes about an alert beside its labels.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an alert")]
struct Body {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    starts_at: Option<String>,
    /// Prometheus and vmalert: since when the expression holds.
    #[serde(default)]
    active_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(rename = "generatorURL", default)]
    generator_url: Option<String>,
    /// vmalert's page of the alert.
    #[serde(default)]
    source: Option<Value>,
    #[serde(default)]
    status: Option<Value>,
    #[serde(default)]
    receivers: Option<Vec<Receiver>>,
    /// Prometheus writes it as text, vmalert too.
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    values: Option<Value>,
    #[serde(default)]
    links: Option<BTreeMap<String, String>>,
    #[serde(rename = "dashboardURL", default)]
    dashboard_url: Option<String>,
    #[serde(rename = "panelURL", default)]
    panel_url: Option<String>,
    #[serde(rename = "silenceURL", default)]
    silence_url: Option<String>,
    #[serde(rename = "imageURL", default)]
    image_url: Option<String>,
}

#[derive(Deserialize)]
struct Receiver {
    name: String,
}

/// API v2's status; webhooks have a word instead.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    state: Option<String>,
    silenced_by: Option<Vec<String>>,
    inhibited_by: Option<Vec<String>>,
    muted_by: Option<Vec<String>>,
}

/// Reads the object; the error is a path inside it and what is wrong there.
pub(super) fn read(
    json: &[u8],
    labels: LabelSet,
    fingerprint: Option<Fingerprint>,
    now: Timestamp,
) -> Result<Alert, (String, String)> {
    // Following the path takes half of the time, and is needed for what is wrong only.
    let body: Body = match serde_json::from_slice(json) {
        Ok(body) => body,
        Err(_) => serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(json))
            .map_err(|error| (error.path().to_string(), explained(error.inner())))?,
    };
    let moment = |path: &str, text: Option<&String>| match text {
        Some(text) => time::parse_time(text).map_err(|reason| (path.to_owned(), reason)),
        None => Ok(None),
    };
    let said = match moment("startsAt", body.starts_at.as_ref())? {
        Some(start) => Some(start),
        None => moment("activeAt", body.active_at.as_ref())?,
    };
    let ends_at = moment("endsAt", body.ends_at.as_ref())?;
    let updated_at = moment("updatedAt", body.updated_at.as_ref())?;
    let status = status(body.status)?;
    let mut alert = Alert {
        annotations: body.annotations.unwrap_or_default(),
        ends_at,
        updated_at,
        generator_url: body
            .generator_url
            .or_else(|| Some(body.source?.as_str()?.to_owned()))
            .unwrap_or_default(),
        status: match status.state.as_deref() {
            Some("firing") => AlertStatus::Firing,
            Some("resolved") => AlertStatus::Resolved,
            _ => AlertStatus::by_end(ends_at, now),
        },
        receivers: body.receivers.unwrap_or_default().into_iter().map(|receiver| receiver.name).collect(),
        silenced_by: status.silenced_by.unwrap_or_default(),
        inhibited_by: status.inhibited_by.unwrap_or_default(),
        muted_by: status.muted_by.unwrap_or_default(),
        values: values(body.value.as_ref(), body.values.as_ref()),
        links: body.links.unwrap_or_default(),
        start_is_guessed: said.is_none(),
        ..Alert::firing(labels, said.unwrap_or(now))
    };
    if let Some(fingerprint) = fingerprint {
        alert.fingerprint = fingerprint;
    }
    let pages = [
        ("dashboard", body.dashboard_url),
        ("panel", body.panel_url),
        ("silence", body.silence_url),
        ("image", body.image_url),
    ];
    for (name, url) in pages {
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            alert.links.insert(name.to_owned(), url);
        }
    }
    Ok(alert)
}

fn status(status: Option<Value>) -> Result<Status, (String, String)> {
    match status {
        None | Some(Value::Null) => Ok(Status::default()),
        Some(Value::String(state)) => Ok(Status { state: Some(state), ..Status::default() }),
        Some(object) => serde_path_to_error::deserialize(object).map_err(|error| {
            let inside = error.path().to_string();
            let path = if inside == "." { "status".to_owned() } else { format!("status.{inside}") };
            (path, explained(error.inner()))
        }),
    }
}

/// Takes the numbers; `NaN`, infinities and nulls are left out.
fn values(value: Option<&Value>, values: Option<&Value>) -> BTreeMap<String, f64> {
    let number = |value: &Value| {
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.filter(|number| number.is_finite())
    };
    let named = values.and_then(Value::as_object).into_iter().flatten();
    let named = named.filter_map(|(name, value)| Some((name.clone(), number(value)?)));
    named.chain(value.and_then(number).map(|number| ("value".to_owned(), number))).collect()
}

/// Returns the message of an error without its line and column, which count from the beginning of one alert.
pub(super) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
