//! [`Action`]: one step kind's behaviour, compiled: a pure function from what is known to a [`Move`].

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::approve::{Asks, Decision, PlanLine};
use super::effect::Reply;
use super::outcome::{FailureReason, Memo, Move, Outcome};
use crate::template::{RenderError, Scope};

/// What a compiled step does. It does nothing: it says what it wants next.
pub trait Action: fmt::Debug + Send + Sync {
    /// Returns the next move of an attempt.
    ///
    /// The first call of an attempt has a null `memo` and no reply; then one call for each reply, hold
    /// made or released, and wake-up of a [`Move::Park`], with the memo that the last move carried.
    ///
    /// # Errors
    ///
    /// A template that cannot be filled, a value that cannot be placed: the attempt fails with it.
    fn advance(&self, cx: &ActionContext<'_>, memo: &Memo, last: Option<&Reply>) -> Result<Move, StepError>;

    /// Returns whether the kind itself changes nothing (a query, a wait, `log`): such a step needs no
    /// `read_only: true`, may be repeated when lost, and is not preceded by a re-check of `always`.
    fn changes_nothing(&self) -> bool {
        false
    }

    /// Returns whether the alert must be looked at again before its first effect. False for glue.
    fn has_effects(&self) -> bool {
        true
    }

    /// Returns one line for people about what it will do, from the author's text alone.
    fn summary(&self) -> String;

    /// Returns the same line once everything in it is known: `ended` is what the step ends with.
    fn summary_of(&self, _ended: &Outcome, _output: &Value) -> String {
        self.summary()
    }

    /// Returns the kind of its effect as far as the author's text alone says it, in the words of
    /// [`super::Effect::kind`]; `None` where the kind of the step says it all.
    fn effect_kind(&self) -> Option<String> {
        None
    }

    /// Returns whom it asks, when it waits for people to approve what comes next.
    fn asks(&self) -> Option<&Asks> {
        None
    }

    /// Tells what of the configuration it needs.
    fn needs(&self, needs: &mut Needs);
}

/// What an action may know.
#[derive(Clone, Copy, Debug)]
pub struct ActionContext<'a> {
    /// The names that templates see.
    pub scope: &'a Scope,
    /// The run's id.
    pub run: &'a str,
    /// The playbook's name.
    pub playbook: &'a str,
    /// The step's path.
    pub path: &'a str,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When the attempt began.
    pub began: Timestamp,
    /// The present.
    pub now: Timestamp,
    /// By how much the wall clock was set since the attempt began. `began`, and what the memory tells of moments,
    /// are as if it had not been.
    pub clock_set: SignedDuration,
    /// The run's alerts, oldest first.
    pub alerts: &'a [RunAlert],
    /// Fingerprints of alerts that a delivery said are resolved since the run began.
    pub resolved: &'a [String],
    /// What a step that asks people may know.
    pub task: TaskContext<'a>,
}

/// What a step that asks people may know.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskContext<'a> {
    /// What people have said to it, in order.
    pub decisions: &'a [Decision],
    /// Who started the run.
    pub started_by: Option<&'a str>,
    /// What the run does once it is approved; given when it asks for the first time.
    pub plan: &'a [PlanLine],
    /// The digest of all that is approved; given when it asks for the first time.
    pub digest: &'a str,
}

/// An alert of a run, as far as verifying it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct RunAlert {
    /// Fingerprint, 16 hex digits.
    pub fingerprint: String,
    /// The episode's start.
    pub starts_at: Timestamp,
    /// The last endsAt seen.
    pub ends_at: Option<Timestamp>,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its generatorURL, or empty.
    pub generator_url: String,
}

/// Why an action could not say what it wants.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// For machines.
    pub reason: FailureReason,
    /// For people, one line.
    pub message: String,
}

impl StepError {
    /// Makes an error of a template or an expression, with the field it stands in.
    pub fn template(field: &str, error: &RenderError) -> StepError {
        StepError { reason: FailureReason::Template, message: format!("{field}: {error}") }
    }

    /// Makes an error.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> StepError {
        StepError { reason, message: message.into() }
    }
}

/// What a playbook needs of the configuration; checked before its first step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// An Alertmanager, and what for (the first use: `verify`, `silence`, `sync.inhibit`).
    pub alertmanager: Option<String>,
    /// The configured Prometheus.
    pub prometheus: bool,
    /// Connections by name.
    pub connections: Vec<String>,
    /// Secrets by name.
    pub secrets: Vec<String>,
    /// Groups of people.
    pub groups: Vec<String>,
}

impl Needs {
    /// Adds the need of an Alertmanager, keeping the first purpose.
    pub fn alertmanager_for(&mut self, purpose: &str) {
        self.alertmanager.get_or_insert_with(|| purpose.to_owned());
    }
}

/// The time a step may take when it says nothing: 5 minutes (of an attempt; `wait` has its own).
pub const DEFAULT_STEP_TIMEOUT: Duration = Duration::from_secs(300);
