//! [`KeptAlert`]: an alert of a run as its journal has it.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::Serde;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::model::Alert;

/// An alert of a run as its journal has it, in the shape of Alertmanager's API v2: cheap to clone.
///
/// What was read from a journal stays as it stands there, whatever version wrote it.
#[derive(Clone, Debug)]
pub struct KeptAlert(Kept);

#[derive(Clone, Debug)]
enum Kept {
    /// It came with a delivery of this process.
    Brought(Arc<Alert>),
    /// It stands in a journal.
    Written(Arc<Value>),
}

impl KeptAlert {
    /// Returns it as JSON.
    pub fn json(&self) -> Cow<'_, Value> {
        match &self.0 {
            Kept::Brought(alert) => Cow::Owned(serde_json::to_value(alert).unwrap_or(Value::Null)),
            Kept::Written(json) => Cow::Borrowed(json),
        }
    }

    /// Returns the alert, unless it stands in a journal and no version known here wrote it.
    pub fn alert(&self) -> Option<Arc<Alert>> {
        match &self.0 {
            Kept::Brought(alert) => Some(Arc::clone(alert)),
            Kept::Written(json) => Alert::deserialize(&**json).ok().map(Arc::new),
        }
    }

    /// Returns it as templates see it.
    pub(super) fn value(&self) -> minijinja::Value {
        match &self.0 {
            Kept::Brought(alert) => minijinja::Value::from(Serde(alert)),
            Kept::Written(json) => minijinja::Value::from(Serde(json)),
        }
    }

    /// Returns the alert itself when it came with a delivery of this process, else its JSON.
    pub(super) fn brought(&self) -> Result<&Alert, &Value> {
        match &self.0 {
            Kept::Brought(alert) => Ok(alert),
            Kept::Written(json) => Err(json),
        }
    }
}

impl From<Arc<Alert>> for KeptAlert {
    fn from(alert: Arc<Alert>) -> Self {
        Self(Kept::Brought(alert))
    }
}

impl From<Value> for KeptAlert {
    fn from(json: Value) -> Self {
        Self(Kept::Written(Arc::new(json)))
    }
}

impl PartialEq for KeptAlert {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Serialize for KeptAlert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kept::Brought(alert) => alert.serialize(serializer),
            Kept::Written(json) => json.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeptAlert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(Value::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::LabelSet;

    #[test]
    fn it_is_the_same_brought_and_written() {
        let labels = LabelSet::from([("alertname", "Disk \"full\""), ("instance", "db1:9100")]);
        let mut alert = Alert::firing(labels, Timestamp::from_second(1_800_000_000).unwrap());
        alert.annotations.insert("summary".to_owned(), "Über <90%>".to_owned());
        alert.values.insert("A".to_owned(), 1.5);
        let brought = KeptAlert::from(Arc::new(alert.clone()));
        let text = serde_json::to_string(&brought).unwrap();
        let written: KeptAlert = serde_json::from_str(&text).unwrap();
        assert_eq!(brought, written);
        assert_eq!(serde_json::to_string(&written).unwrap(), text);
        assert_eq!(written.alert().as_deref(), Some(&alert));
        assert_eq!(brought.value(), written.value());
        assert_eq!(brought.value().to_string(), written.value().to_string());
    }

    #[test]
    fn what_another_version_wrote_is_kept_as_it_is() {
        let text = r#"{"labels":{"a":"b"},"shape":["of","tomorrow"]}"#;
        let kept: KeptAlert = serde_json::from_str(text).unwrap();
        assert_eq!(kept.alert(), None);
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
    }
}
