//! [`Hold`]: what a run wants to be so while it lives, as data: a silence, a posted alert.
//!
//! The engine makes a hold, keeps it (renews it well inside its lease) and releases it with the run.
//! A hold is found again after a crash by its owner's mark, so that it is never made twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run wants to be so while it lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum Hold {
    /// A silence in Alertmanager.
    Silence(SilenceHold),
    /// An alert posted to every Alertmanager of the cluster.
    Alert(AlertHold),
}

/// A silence, short and extended in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SilenceHold {
    /// Name, operator (`=`, `!=`, `=~`, `!~`) and value; never empty.
    pub matchers: Vec<(String, String, String)>,
    /// Author.
    pub created_by: String,
    /// Comment, without the owner's mark, which the performer appends.
    pub comment: String,
    /// Seconds that the silence is made for, and extended by.
    pub lease_seconds: u64,
}

/// A posted alert with a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertHold {
    /// Labels; must hold `amflow_state`.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Always sent with it: without startsAt a heartbeat moves startsAt forward (Alertmanager, all versions).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub starts_at: Timestamp,
    /// Seconds after now that it is posted to end at.
    pub lease_seconds: u64,
    /// Link back, or empty.
    pub generator_url: String,
}

impl Hold {
    /// Returns the lease in seconds.
    pub fn lease_seconds(&self) -> u64 {
        match self {
            Hold::Silence(s) => s.lease_seconds,
            Hold::Alert(a) => a.lease_seconds,
        }
    }

    /// Returns a few words for people: `silence`, `alert`.
    pub fn describe(&self) -> &'static str {
        match self {
            Hold::Silence(_) => "silence",
            Hold::Alert(_) => "alert",
        }
    }
}

/// Making, renewing or releasing a hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HoldEffect {
    /// What to do.
    pub action: HoldAction,
    /// The hold.
    pub hold: Hold,
    /// The owner's mark, such as `amflow run/step`: by it a hold is found again.
    pub owner: String,
    /// The server's id, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What to do with a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldAction {
    /// Make it, or find the one that is there.
    Make,
    /// Extend it in place.
    Renew,
    /// Expire the silence, resolve the alert.
    Release,
}
