//! Silences and posted alerts, in the shapes that API v2 reads and writes. Main type: [`Silence`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::labels::LabelSet;
use super::matcher::Matcher;
use super::time;

/// What Alertmanager calls a silence by: a UUID, taken as text, for only Alertmanager makes them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SilenceId(String);

/// A silence as Alertmanager has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Its id; an update may be answered with another one.
    pub id: SilenceId,
    /// All must hold. Their order matters: an update that reorders them makes a new silence.
    pub matchers: Vec<Matcher>,
    /// Since when it mutes.
    #[serde(with = "time::required")]
    pub starts_at: Timestamp,
    /// Until when it mutes.
    #[serde(with = "time::required")]
    pub ends_at: Timestamp,
    /// When it was last changed.
    #[serde(default, with = "time::optional")]
    pub updated_at: Option<Timestamp>,
    /// Who made it.
    #[serde(default)]
    pub created_by: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// Further facts (Alertmanager 0.32 and later).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whether it mutes now.
    #[serde(with = "status")]
    pub status: SilenceState,
}

/// Whether a silence mutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It mutes.
    Active,
    /// It will.
    Pending,
    /// It did.
    Expired,
}

/// A silence to be made, or changed where it has an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostableSilence {
    /// The silence to change; none makes a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SilenceId>,
    /// All must hold; for a change in the order that Alertmanager gave.
    pub matchers: Vec<Matcher>,
    /// Since when; the past is taken as now (Alertmanager 0.25 to 0.34).
    #[serde(with = "time::required")]
    pub starts_at: Timestamp,
    /// Until when; in the future.
    #[serde(with = "time::required")]
    pub ends_at: Timestamp,
    /// Who makes it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Further facts; silently ignored before Alertmanager 0.32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An alert to be posted to Alertmanager.
///
/// It always carries startsAt: with endsAt alone, Alertmanager sets startsAt to endsAt, in the future.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostableAlert {
    /// Its identity.
    pub labels: LabelSet,
    /// Replaced as a whole by every post.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Since when; the same in every post of one alert.
    #[serde(with = "time::required")]
    pub starts_at: Timestamp,
    /// Until when it stands without another post; now or earlier resolves it.
    #[serde(with = "time::required")]
    pub ends_at: Timestamp,
    /// A URI, or nothing.
    #[serde(rename = "generatorURL", default, skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
}

impl SilenceId {
    /// Takes an id that Alertmanager gave.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SilenceId({:?})", self.0)
    }
}

impl Silence {
    /// Returns what to post to move its end and nothing else, so that Alertmanager keeps the id.
    pub fn until(&self, ends_at: Timestamp) -> PostableSilence {
        PostableSilence {
            id: Some(self.id.clone()),
            matchers: self.matchers.clone(),
            starts_at: self.starts_at,
            ends_at,
            created_by: self.created_by.clone(),
            comment: self.comment.clone(),
            annotations: self.annotations.clone(),
        }
    }

    /// Tells whether it mutes an alert with these labels while it is active.
    pub fn covers(&self, labels: &LabelSet) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

/// API v2 wraps the state in an object.
mod status {
    use super::{Deserialize, Serialize, SilenceState};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Status {
        state: SilenceState,
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `with` calls")]
    pub(super) fn serialize<S: Serializer>(state: &SilenceState, serializer: S) -> Result<S::Ok, S::Error> {
        Status { state: *state }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SilenceState, D::Error> {
        Status::deserialize(deserializer).map(|status| status.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matcher::MatchOp;

    const READ: &str = r#"{"id":"f005d350-7507-4227-bf0c-de46f3f3f375","status":{"state":"active"},
        "updatedAt":"2026-11-23T06:58:05.700Z","comment":"by amtool","createdBy":"ops","endsAt":"2026-11-23T07:58:05.662Z",
        "matchers":[{"isEqual":true,"isRegex":false,"name":"alertname","value":"Toggle"}],"startsAt":"2026-11-23T06:58:05.662Z"}"#;

    #[test]
    fn a_silence_is_read_and_posted_back_with_another_end_only() {
        let silence: Silence = serde_json::from_str(READ).unwrap();
        assert_eq!(silence.status, SilenceState::Active);
        assert!(silence.covers(&LabelSet::from([("alertname", "Toggle"), ("a", "b")])));
        let posted = serde_json::to_value(silence.until("2026-11-23T09:00:00Z".parse().unwrap())).unwrap();
        let expected = serde_json::json!({
            "id": "f005d350-7507-4227-bf0c-de46f3f3f375",
            "matchers": [{"isEqual": true, "isRegex": false, "name": "alertname", "value": "Toggle"}],
            "startsAt": "2026-11-23T06:58:05.662Z",
            "endsAt": "2026-11-23T09:00:00.000Z",
            "createdBy": "ops",
            "comment": "by amtool",
        });
        assert_eq!(posted, expected);
        assert_eq!(
            serde_json::from_str::<Silence>(&serde_json::to_string(&silence).unwrap()).unwrap(),
            silence
        );
    }

    #[test]
    fn a_posted_alert_always_says_when_it_began() {
        let at: Timestamp = "2026-11-23T07:00:00Z".parse().unwrap();
        let alert = PostableAlert {
            labels: LabelSet::from([("alertname", "X")]),
            annotations: BTreeMap::new(),
            starts_at: at,
            ends_at: at,
            generator_url: String::new(),
        };
        assert_eq!(
            serde_json::to_string(&alert).unwrap(),
            r#"{"labels":{"alertname":"X"},"annotations":{},"startsAt":"2026-11-23T07:00:00.000Z","endsAt":"2026-11-23T07:00:00.000Z"}"#
        );
    }

    #[test]
    fn silences_of_every_captured_version_are_read() {
        let Some(path) = crate::testing::shared_data("captures/am-0.25.0/amtool/15-silence-query-json.json")
        else {
            return;
        };
        let silences: Vec<Silence> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(
            silences
                .iter()
                .any(|silence| silence.matchers.iter().any(|matcher| matcher.op() == MatchOp::NotEqual))
        );
    }
}
