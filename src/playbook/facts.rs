//! [`Facts`]: what the configuration offers to playbooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{MatcherSyntax, People, TimeInterval};

/// What the configuration offers to playbooks. `None` is "not known here", and then nothing is said about it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Names that `env.NAME` may read.
    pub env: Option<Vec<String>>,
    /// Names of secrets.
    pub secrets: Option<Vec<String>>,
    /// Names of connections.
    pub connections: Option<Vec<String>>,
    /// Time intervals by name.
    pub time_intervals: Option<BTreeMap<String, Arc<TimeInterval>>>,
    /// Whether an Alertmanager is configured.
    pub alertmanager: Option<bool>,
    /// Whether a Prometheus is configured.
    pub prometheus: Option<bool>,
    /// Who decides.
    pub people: Option<People>,
    /// The grammar that matchers are read by.
    pub matcher_syntax: MatcherSyntax,
}
