//! Alerts as Alertmanager has them. Main type: [`Alert`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fingerprint::Fingerprint;
use super::id::Scope;
use super::labels::LabelSet;
use super::time;

/// The label that marks amflow's own alerts; they are never worked on.
pub const STATE_LABEL: &str = "amflow_state";

/// One alert, whichever way it came in.
///
/// Written to JSON in the shape of API v2, with two additions: the state `resolved`, and `values` and `links` where
/// the source had them. Reads what it writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its identity.
    pub labels: LabelSet,
    /// What people read; may change while it fires.
    pub annotations: BTreeMap<String, String>,
    /// When it began to fire, in whole milliseconds.
    pub starts_at: Timestamp,
    /// Whether nobody said when it began, and `starts_at` is when it was read. Not written to JSON.
    pub start_is_guessed: bool,
    /// When it ended, or until when its source vouches for it; none where the source does not say.
    pub ends_at: Option<Timestamp>,
    /// When Alertmanager last heard of it.
    pub updated_at: Option<Timestamp>,
    /// The page of the rule that raised it; empty where unknown.
    pub generator_url: String,
    /// What Alertmanager calls it by.
    pub fingerprint: Fingerprint,
    /// Whether it fires.
    pub status: AlertStatus,
    /// Names of the receivers that it is routed to.
    pub receivers: Vec<String>,
    /// Ids of the silences that mute it.
    pub silenced_by: Vec<String>,
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<String>,
    /// Names of the time intervals that mute it (Alertmanager 0.28 and later).
    pub muted_by: Vec<String>,
    /// Measured values: Grafana's by their reference, Prometheus' and vmalert's as `value`.
    pub values: BTreeMap<String, f64>,
    /// Grafana's pages: `dashboard`, `panel`, `silence`, `image`.
    pub links: BTreeMap<String, String>,
}

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// It has ended.
    Resolved,
}

/// One firing of one alert in one scope, by its first startsAt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EpisodeKey {
    /// Whose alert it is.
    pub scope: Scope,
    /// Which alert.
    pub fingerprint: Fingerprint,
    /// Its first startsAt, in whole milliseconds.
    #[serde(with = "time::required")]
    pub starts_at: Timestamp,
}

impl Alert {
    /// Makes a firing alert with nothing but labels and a beginning.
    pub fn firing(labels: LabelSet, starts_at: Timestamp) -> Self {
        Self {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: BTreeMap::new(),
            starts_at: time::truncate(starts_at),
            start_is_guessed: false,
            ends_at: None,
            updated_at: None,
            generator_url: String::new(),
            status: AlertStatus::Firing,
            receivers: Vec::new(),
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
            muted_by: Vec::new(),
            values: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Returns the label `alertname`, or nothing: Alertmanager does not insist on one.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or_default()
    }

    /// Tells whether it fires.
    pub fn is_firing(&self) -> bool {
        self.status == AlertStatus::Firing
    }

    /// Tells whether a silence, another alert or a time interval mutes it.
    pub fn is_muted(&self) -> bool {
        !(self.silenced_by.is_empty() && self.inhibited_by.is_empty() && self.muted_by.is_empty())
    }

    /// Tells whether amflow raised it itself.
    pub fn is_own(&self) -> bool {
        self.labels.contains(STATE_LABEL)
    }

    /// Returns the key of its episode if this is the first that is seen of it.
    pub fn episode_key(&self, scope: &Scope) -> EpisodeKey {
        EpisodeKey { scope: scope.clone(), fingerprint: self.fingerprint, starts_at: self.starts_at }
    }

    /// Returns the state as API v2 names it, or `resolved`.
    pub fn state(&self) -> &'static str {
        match self.status {
            AlertStatus::Resolved => "resolved",
            AlertStatus::Firing if self.is_muted() => "suppressed",
            AlertStatus::Firing => "active",
        }
    }
}

impl AlertStatus {
    /// Returns `firing` or `resolved`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }

    /// Judges by the end alone, as Alertmanager does: resolved when it is not after `now`.
    pub fn by_end(ends_at: Option<Timestamp>, now: Timestamp) -> Self {
        match ends_at {
            Some(end) if end <= now => Self::Resolved,
            _ => Self::Firing,
        }
    }
}

impl std::fmt::Display for AlertStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An alert in the shape of Alertmanager's API v2, with two additions: the state `resolved`, and `values` and `links`
/// where the source had them.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Alert")]
struct Document<'a> {
    /// What people read.
    annotations: std::borrow::Cow<'a, BTreeMap<String, String>>,
    /// When it ended, or until when its source vouches for it; `0001-01-01T00:00:00Z` where the source does not say.
    #[serde(with = "time::optional")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    ends_at: Option<Timestamp>,
    /// What Alertmanager calls it by: 16 hexadecimal digits.
    #[schemars(with = "String")]
    fingerprint: Fingerprint,
    /// Where it is routed to.
    receivers: Vec<Receiver<'a>>,
    /// When it began to fire.
    #[serde(with = "time::required")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    starts_at: Timestamp,
    /// Whether it fires, and what mutes it.
    status: Status<'a>,
    /// When Alertmanager last heard of it.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Option<Timestamp>,
    /// The page of the rule that raised it.
    #[serde(rename = "generatorURL", default, skip_serializing_if = "str::is_empty")]
    generator_url: std::borrow::Cow<'a, str>,
    /// Its identity.
    #[schemars(with = "BTreeMap<String, String>")]
    labels: std::borrow::Cow<'a, LabelSet>,
    /// Measured values: Grafana's by their reference, Prometheus' and vmalert's as `value`.
    #[serde(default, skip_serializing_if = "no_entries")]
    values: std::borrow::Cow<'a, BTreeMap<String, f64>>,
    /// Grafana's pages: `dashboard`, `panel`, `silence`, `image`.
    #[serde(default, skip_serializing_if = "no_entries")]
    links: std::borrow::Cow<'a, BTreeMap<String, String>>,
}

/// A receiver of Alertmanager.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Receiver<'a> {
    /// Its name.
    name: std::borrow::Cow<'a, str>,
}

/// Whether an alert fires, and what mutes it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AlertStatus")]
struct Status<'a> {
    /// Fingerprints of the alerts that inhibit it.
    inhibited_by: std::borrow::Cow<'a, [String]>,
    /// Names of the time intervals that mute it.
    #[serde(default)]
    muted_by: std::borrow::Cow<'a, [String]>,
    /// Ids of the silences that mute it.
    silenced_by: std::borrow::Cow<'a, [String]>,
    /// `active`, `suppressed`, `unprocessed`, or `resolved`.
    state: std::borrow::Cow<'a, str>,
}

fn no_entries<K, V>(map: &BTreeMap<K, V>) -> bool {
    map.is_empty()
}

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::borrow::Cow::Borrowed;
        let document = Document {
            annotations: Borrowed(&self.annotations),
            ends_at: self.ends_at,
            fingerprint: self.fingerprint,
            receivers: self.receivers.iter().map(|name| Receiver { name: Borrowed(name) }).collect(),
            starts_at: self.starts_at,
            status: Status {
                inhibited_by: Borrowed(&self.inhibited_by),
                muted_by: Borrowed(&self.muted_by),
                silenced_by: Borrowed(&self.silenced_by),
                state: Borrowed(self.state()),
            },
            updated_at: self.updated_at,
            generator_url: Borrowed(&self.generator_url),
            labels: Borrowed(&self.labels),
            values: Borrowed(&self.values),
            links: Borrowed(&self.links),
        };
        document.serialize(serializer)
    }
}

impl JsonSchema for Alert {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Document::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Document::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Alert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Document::deserialize(deserializer)?;
        let resolved = document.status.state == "resolved";
        Ok(Self {
            labels: document.labels.into_owned(),
            annotations: document.annotations.into_owned(),
            starts_at: document.starts_at,
            start_is_guessed: false,
            ends_at: document.ends_at,
            updated_at: document.updated_at,
            generator_url: document.generator_url.into_owned(),
            fingerprint: document.fingerprint,
            status: if resolved { AlertStatus::Resolved } else { AlertStatus::Firing },
            receivers: document.receivers.into_iter().map(|receiver| receiver.name.into_owned()).collect(),
            silenced_by: document.status.silenced_by.into_owned(),
            inhibited_by: document.status.inhibited_by.into_owned(),
            muted_by: document.status.muted_by.into_owned(),
            values: document.values.into_owned(),
            links: document.links.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_alert_is_written_as_api_v2_writes_it_and_read_again() {
        let labels = LabelSet::from([("alertname", "X"), ("instance", "web-1")]);
        let mut alert = Alert::firing(labels, moment("2026-01-02T03:04:05.678912Z"));
        alert.receivers.push("team".to_owned());
        let json = serde_json::to_string(&alert).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"annotations":{},"endsAt":"0001-01-01T00:00:00Z","fingerprint":"c4c5dae1aa9e464b","receivers":[{"name":"team"}],"#,
                r#""startsAt":"2026-01-02T03:04:05.678Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"#,
                r#""labels":{"alertname":"X","instance":"web-1"}}"#
            )
        );
        alert.annotations.insert("summary".to_owned(), "slow".to_owned());
        alert.ends_at = Some(moment("2026-01-02T04:00:00Z"));
        alert.updated_at = Some(moment("2026-01-02T03:05:00Z"));
        alert.generator_url = "http://prometheus.example/graph".to_owned();
        alert.status = AlertStatus::Resolved;
        alert.silenced_by.push("s".to_owned());
        alert.values.insert("A".to_owned(), 93.5);
        alert.values.insert("B".to_owned(), 555_555_555_556_555.56);
        alert.links.insert("panel".to_owned(), "http://grafana.example/p".to_owned());
        let again: Alert = serde_json::from_str(&serde_json::to_string(&alert).unwrap()).unwrap();
        assert_eq!(again, alert);
    }

    #[test]
    fn muted_and_own_alerts_say_so() {
        let mut alert = Alert::firing(LabelSet::from([("alertname", "X")]), Timestamp::UNIX_EPOCH);
        assert!(!alert.is_muted() && !alert.is_own() && alert.is_firing());
        assert_eq!((alert.name(), alert.state()), ("X", "active"));
        alert.inhibited_by.push("f".to_owned());
        assert_eq!(alert.state(), "suppressed");
        alert.labels.insert(STATE_LABEL, "running");
        assert!(alert.is_muted() && alert.is_own());
    }

    #[test]
    fn an_end_that_is_not_in_the_future_resolves() {
        let now = moment("2026-01-01T00:00:00Z");
        for (end, status) in [
            (None, AlertStatus::Firing),
            (Some("2026-01-01T00:00:00.001Z"), AlertStatus::Firing),
            (Some("2026-01-01T00:00:00Z"), AlertStatus::Resolved),
            (Some("2025-12-31T00:00:00Z"), AlertStatus::Resolved),
        ] {
            assert_eq!(AlertStatus::by_end(end.map(moment), now), status);
        }
    }
}
