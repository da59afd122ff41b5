//! [`RunEvent`]: what the journal keeps. An event once written is readable for ever: variants and
//! fields are only ever added, new fields have a default, samples of old versions are in
//! `tests/histories/`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kept::KeptAlert;
use crate::playbook::TriggerStatus;
use crate::step::{Decision, Effect, Hold, IfLost, Memo, Outcome};

/// An event with its place in the journal and the time at which it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stamped {
    /// Place in the run's journal, from 1.
    pub seq: u64,
    /// When it was recorded.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What happened.
    pub event: RunEvent,
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run was admitted: its claims are durable.
    RunStarted(Box<Started>),
    /// The run waits for a concurrency key.
    GateWanted {
        /// The key.
        key: String,
    },
    /// It has the concurrency key.
    GateGranted {
        /// The key.
        key: String,
    },
    /// A block (or parallel steps) began: its `when` held.
    StepEntered {
        /// The step.
        path: String,
    },
    /// The items of a `foreach` are fixed.
    ForeachExpanded {
        /// The step.
        path: String,
        /// One item a turn.
        items: Vec<Value>,
    },
    /// An effect is about to be performed (or a wait begun, when there is none).
    AttemptStarted {
        /// The step.
        path: String,
        /// From 1.
        attempt: u32,
        /// What will be done, with references to secrets, never secrets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<Box<Effect>>,
        /// What recovery does when the end of it is unknown.
        if_lost: IfLost,
        /// The action's memory.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        memo: Memo,
    },
    /// An attempt of several exchanges went on, and its memory changed.
    AttemptContinued {
        /// The step.
        path: String,
        /// From 1.
        attempt: u32,
        /// The effect that comes next, when one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<Box<Effect>>,
        /// What recovery does when the end of it is unknown.
        if_lost: IfLost,
        /// The action's memory.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        memo: Memo,
        /// The wait goes on until then at the latest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>", extend("format" = "date-time"))]
        parked_until: Option<Timestamp>,
        /// Whether a person is waited for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_person: bool,
        /// Whether it waits at all (as opposed to having the next effect under way).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        parked: bool,
    },
    /// An attempt ended.
    AttemptFinished {
        /// The step.
        path: String,
        /// From 1.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// What `steps.<id>` gives beside status and attempts.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        output: Value,
    },
    /// A failed attempt will be followed by another.
    RetryScheduled {
        /// The step.
        path: String,
        /// Number of the attempt to come.
        attempt: u32,
        /// Not before then.
        #[schemars(with = "String", extend("format" = "date-time"))]
        due: Timestamp,
    },
    /// A step is over: after its last attempt, or without any (skipped, a block's end).
    StepFinished {
        /// The step.
        path: String,
        /// How.
        outcome: Outcome,
    },
    /// The alert was looked at before an effect, and it no longer is what the run was started for.
    RecheckFailed {
        /// The step that would have come next.
        path: String,
        /// What was seen.
        reason: String,
    },
    /// What comes next is not what was approved: the approval at `path` asks once more.
    AskedAgain {
        /// The step that asks.
        path: String,
        /// The step that would have come next.
        before: String,
        /// Of which kind its effect turned out to be: this is shown from now on.
        kind: String,
        /// What is not as it was shown.
        reason: String,
    },
    /// A hold is wanted; making it is tried until it is made or refused.
    HoldWanted {
        /// Its id within the run: a step's path, or `sync/inhibit` and the like.
        id: String,
        /// The hold.
        hold: Hold,
        /// Left in force when the run ends.
        keep: bool,
    },
    /// A hold is in force.
    HoldMade {
        /// Its id within the run.
        id: String,
        /// The server's id of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server_id: Option<String>,
    },
    /// A hold is no longer in force, or no longer ours.
    HoldReleased {
        /// Its id within the run.
        id: String,
        /// Why it could not be released properly; it ends with its lease then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    /// A hold could not be made.
    HoldFailed {
        /// Its id within the run.
        id: String,
        /// Why.
        reason: String,
    },
    /// Something from outside the run reached it.
    SignalReceived(Signal),
    /// A process took the run over after another one ended without finishing it.
    TakenOver {
        /// The new owner.
        by: String,
        /// Attempts that had begun and whose end is unknown, as `path#attempt`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lost: Vec<String>,
    },
    /// The wall clock was set while a process worked on the run: what it waits for, and how long it may take, moves
    /// along. What people were told (the deadline of a task) does not.
    ClockSet {
        /// By how many milliseconds; negative when it was set back.
        by_ms: i64,
    },
    /// The run is over, except for `finally`, releases and write-back, which follow.
    RunEnding {
        /// Status that it will have.
        status: RunStatus,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Path of the failed step, when one failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// The run is over.
    RunFinished {
        /// Its status.
        status: RunStatus,
        /// Why, for people; empty when it succeeded.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// An event of a later version of the program: kept, and passed over.
    #[serde(other)]
    Unknown,
}

/// How a run was admitted: everything that it will ever know of the world at its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The playbook's name.
    pub playbook: String,
    /// Digest of the playbook's text; the text itself is kept in the store under it.
    pub digest: String,
    /// Why it runs: `firing` or `resolved`.
    pub trigger: TriggerStatus,
    /// The target: the group's labels, or the alert's fingerprint and name.
    pub target: String,
    /// Labels of the group; empty without `group_by`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub group: BTreeMap<String, String>,
    /// Whose alerts these are.
    pub scope: String,
    /// The alerts, oldest first, in the shape of Alertmanager's API v2.
    #[schemars(with = "Vec<Value>")]
    pub alerts: Vec<KeptAlert>,
    /// Variables of the environment that the configuration lists, as they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where the alerts came from: `poll`, `stdin`, a file, a URL.
    pub source: String,
    /// Who started the program that admitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The run that this one tries again (`runs retry`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The playbook whose runs did not keep its alert away, and whose `limits.hand_over` names this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over_by: Option<String>,
    /// Seed of the jitter of its retries.
    #[serde(default)]
    pub seed: u64,
}

/// What reaches a run from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// Unique: a signal seen twice counts once.
    pub id: String,
    /// What it says.
    pub kind: SignalKind,
}

/// The kinds of signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "signal", rename_all = "snake_case")]
pub enum SignalKind {
    /// End the run: `finally` still runs.
    Cancel {
        /// Who or what: `SIGINT`, `amflow runs cancel by root`, `timeout`.
        by: String,
    },
    /// A person decided a task.
    Decide {
        /// The step that waits.
        step: String,
        /// Whether it may go on.
        approve: bool,
        /// Who.
        by: String,
        /// Their words.
        comment: String,
        /// Answers to the task's questions.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        inputs: BTreeMap<String, Value>,
        /// The digest of the task that they saw.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        digest: String,
        /// Their groups at that time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<String>,
        /// When they decided, which may be before it reached the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>", extend("format" = "date-time"))]
        at: Option<Timestamp>,
        /// How: `command`, `terminal`, `link`, `api`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        via: String,
    },
    /// A delivery said that alerts of the run resolved.
    Resolved {
        /// Their fingerprints.
        fingerprints: Vec<String>,
    },
    /// The run's target fired again while it worked, and its playbook says `when_busy: restart`.
    Restart,
}

impl SignalKind {
    /// Makes the signal of a decision about the task of a step.
    pub fn decide(step: &str, decision: Decision) -> SignalKind {
        SignalKind::Decide {
            step: step.to_owned(),
            approve: decision.approve,
            by: decision.by,
            comment: decision.comment,
            inputs: decision.inputs,
            digest: decision.digest,
            groups: decision.groups,
            at: Some(decision.at),
            via: decision.via,
        }
    }

    /// Returns the step and the decision about it, when it is one. `heard` is when the run was told: it was
    /// made then, when nothing else is known.
    pub fn decision(&self, heard: Timestamp) -> Option<(&str, Decision)> {
        let SignalKind::Decide { step, approve, by, comment, inputs, digest, groups, at, via } = self else {
            return None;
        };
        let decision = Decision {
            approve: *approve,
            by: by.clone(),
            groups: groups.clone(),
            comment: comment.clone(),
            inputs: inputs.clone(),
            digest: digest.clone(),
            at: at.unwrap_or(heard),
            via: via.clone(),
        };
        Some((step, decision))
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Admitted, waits for a concurrency key.
    Queued,
    /// Steps are worked on.
    Running,
    /// Waits for a time, an alert's end or a person; needs no process meanwhile.
    Waiting,
    /// Every step succeeded, was skipped, or failed with `continue_on_error`.
    Succeeded,
    /// A step failed.
    Failed,
    /// It was ended from outside, or the alert was gone before its first effect.
    Cancelled,
    /// A person said no.
    Rejected,
}

impl RunStatus {
    /// Returns whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled | RunStatus::Rejected)
    }

    /// Returns the one word that every output uses.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Waiting => "waiting",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Rejected => "rejected",
        }
    }

    /// Parses the word of [`RunStatus::as_str`].
    pub fn parse(word: &str) -> Option<RunStatus> {
        [
            RunStatus::Queued,
            RunStatus::Running,
            RunStatus::Waiting,
            RunStatus::Succeeded,
            RunStatus::Failed,
            RunStatus::Cancelled,
            RunStatus::Rejected,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }
}
