//! [`EngineOptions`]: resolved settings of the engine, without flags or files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::needs::Offered;
use crate::run::GlobalLimits;

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
