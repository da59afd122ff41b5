//! [`EngineOptions`]: resolved settings of the engine, without flags or files.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::playbook::Playbook;
use crate::run::GlobalLimits;
use crate::step::Needs;

/// How the engine works.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Runs worked on at the same time by this process.
    pub parallel: usize,
    /// Leaves runs that wait parked instead of waiting with them.
    pub no_wait: bool,
    /// This process takes up again what is parked, when it is due: runs that wait for a person need none.
    pub always_on: bool,
    /// Limits over all playbooks.
    pub limits: GlobalLimits,
    /// Author of silences.
    pub author: String,
    /// Who started this program: a run's `prevent_self` keeps them from approving it.
    pub started_by: Option<String>,
    /// Variables of the environment that the configuration lists, as they are now.
    pub env: BTreeMap<String, String>,
    /// What is configured.
    pub offered: Offered,
    /// How often leases are renewed.
    pub heartbeat: Duration,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            parallel: 4,
            no_wait: false,
            always_on: false,
            limits: GlobalLimits::default(),
            author: "amflow".to_owned(),
            started_by: None,
            env: BTreeMap::new(),
            offered: Offered::default(),
            heartbeat: Duration::from_secs(1),
        }
    }
}

/// What the configuration offers to playbooks.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// Whether there is an Alertmanager.
    pub alertmanager: bool,
    /// Whether there is a Prometheus.
    pub prometheus: bool,
    /// Connections by name.
    pub connections: Vec<String>,
    /// Secrets by name.
    pub secrets: Vec<String>,
    /// Groups of people by name.
    pub groups: Vec<String>,
}

impl Offered {
    /// Returns what a playbook needs and is not offered, for people, with how to mend it.
    pub fn missing(&self, playbook: &Playbook) -> Option<String> {
        let needs: &Needs = &playbook.needs;
        if let Some(purpose) = needs.alertmanager.as_ref().filter(|_| !self.alertmanager) {
            return Some(format!("needs an Alertmanager for `{purpose}`: give --alertmanager.url"));
        }
        if needs.prometheus && !self.prometheus {
            return Some("needs a Prometheus: set `prometheus.url` in the configuration".to_owned());
        }
        if let Some(name) = needs.connections.iter().find(|n| !self.connections.contains(n)) {
            return Some(format!(
                "needs the connection `{name}`: add it to `connections` in the configuration"
            ));
        }
        if let Some(name) = needs.secrets.iter().find(|n| !self.secrets.contains(n)) {
            return Some(format!("needs the secret `{name}`: add it to `secrets` in the configuration"));
        }
        if let Some(name) = needs.groups.iter().find(|n| !self.groups.contains(n)) {
            return Some(format!("asks the group `{name}`: add it to `people.groups` in the configuration"));
        }
        None
    }
}
