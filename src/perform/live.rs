//! [`Live`]: the performer that really does things.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::process::Commands;
use super::secrets::{SecretSource, Secrets};
use super::survivors::end_survivors;
use crate::engine::{Answer, Call, Performer};
use crate::model::secret::Secret;
use crate::step::{Effect, Reply};

/// Between TERM and KILL by default.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// What the real performer needs.
#[derive(Debug)]
pub struct LiveOptions {
    /// amflow's own environment: commands get [`super::BASE_VARIABLES`] of it, secrets may be read from it.
    pub environment: Environment,
    /// Working directory of commands that name none; amflow's own when `None`.
    pub directory: Option<PathBuf>,
    /// Below it a private directory is made for files of commands.
    pub scratch: PathBuf,
    /// Between TERM and KILL.
    pub grace: Duration,
    /// The named secrets.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Further values that must not be seen, such as passwords of connections.
    pub redact: Vec<Secret>,
}

impl Default for LiveOptions {
    fn default() -> LiveOptions {
        LiveOptions {
            environment: Environment::default(),
            directory: None,
            scratch: PathBuf::from("/tmp"),
            grace: DEFAULT_GRACE,
            secrets: BTreeMap::new(),
            redact: Vec::new(),
        }
    }
}

/// Does effects for real.
#[derive(Debug)]
pub struct Live {
    commands: Commands,
    secrets: Secrets,
    grace: Duration,
}

impl Live {
    /// Makes the performer. Nothing is opened or read before the first effect that needs it.
    pub fn new(options: LiveOptions) -> Live {
        let LiveOptions { environment, directory, scratch, grace, secrets, redact } = options;
        let base = environment.base();
        Live {
            commands: Commands::new(base, directory, grace, scratch),
            secrets: Secrets::new(secrets, redact, environment),
            grace,
        }
    }
}

impl Performer for Live {
    fn perform<'a>(
        &'a self,
        call: &'a Call,
        limit: Duration,
        stop: &'a CancellationToken,
    ) -> Answer<'a, Reply> {
        match &call.effect {
            Effect::Command(effect) => Box::pin(self.commands.run(call, effect, &self.secrets, limit, stop)),
            _ => Box::pin(std::future::ready(Reply::Impossible {
                message: "nothing is configured that could do it".to_owned(),
                retryable: false,
                untouched: true,
            })),
        }
    }

    fn end_survivors<'a>(&'a self, runs: &'a [String]) -> Answer<'a, Vec<String>> {
        Box::pin(end_survivors(runs, self.grace))
    }
}
