//! [`Outcome`]: what a reply means for the step; [`Move`]: what an action wants next.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::effect::Effect;
use super::hold::Hold;

/// What became of a step (or of one attempt of it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed {
        /// Why.
        reason: FailureReason,
        /// For people: one line, redacted.
        message: String,
        /// Whether `retry` may try again.
        retryable: bool,
        /// Not before this long, as the server asked (`Retry-After`), in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// Its `when` was false, or nothing was left to do.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It did not end within its time.
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The run was cancelled while it worked.
    Cancelled,
    /// A person said no.
    Rejected {
        /// Who, and their comment.
        by: String,
    },
    /// It was begun, and the process that knew its end is gone.
    Lost,
}

impl Outcome {
    /// Makes a failure that may be tried again.
    pub fn failed(reason: FailureReason, message: impl Into<String>) -> Outcome {
        Outcome::Failed { reason, message: message.into(), retryable: true, retry_after_ms: None }
    }

    /// Makes a failure that trying again cannot mend.
    pub fn failed_for_good(reason: FailureReason, message: impl Into<String>) -> Outcome {
        Outcome::Failed { reason, message: message.into(), retryable: false, retry_after_ms: None }
    }

    /// Returns whether the run may simply go on.
    pub fn is_good(&self) -> bool {
        matches!(self, Outcome::Succeeded | Outcome::Skipped { .. })
    }

    /// Returns the one word that `steps.<id>.status` and every output use.
    pub fn status(&self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed { .. } => "failed",
            Outcome::Skipped { .. } => "skipped",
            Outcome::TimedOut { .. } => "timed_out",
            Outcome::Cancelled => "cancelled",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Lost => "lost",
        }
    }

    /// Returns why, for people; empty when it succeeded.
    pub fn reason(&self) -> String {
        match self {
            Outcome::Succeeded => String::new(),
            Outcome::Failed { message, .. } => message.clone(),
            Outcome::Skipped { reason } => reason.clone(),
            Outcome::TimedOut { limit_ms } => format!("no end within {}", Milliseconds(*limit_ms)),
            Outcome::Cancelled => "the run was cancelled".to_owned(),
            Outcome::Rejected { by } => format!("rejected by {by}"),
            Outcome::Lost => {
                "lost: begun, and its end is unknown because amflow ended before it did".to_owned()
            }
        }
    }
}

/// Milliseconds as people read them: `250ms`, `2.5s`, `3m`.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms @ 0..1_000 => write!(f, "{ms}ms"),
            ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1_000 == 0 => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{}.{}s", ms / 1_000, ms % 1_000 / 100),
        }
    }
}

/// Why a step failed: for machines (`steps.x.reason`), stable for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The command's exit code was not 0.
    ExitCode,
    /// A signal ended the command.
    Signal,
    /// The program could not be started.
    NotStarted,
    /// The server's status or answer was not the expected one.
    Unexpected,
    /// The server could not be reached.
    Unreachable,
    /// A template or an expression could not be filled.
    Template,
    /// An `assert` did not hold, or an `expect` of a query.
    Assertion,
    /// A `fail` step.
    Fail,
    /// The alert did not clear, or came back.
    NotResolved,
    /// Alertmanager lost sight of the alert: nobody can say whether it is gone.
    LostSight,
    /// A hold could not be made.
    Hold,
    /// Output was cut, and a value of it was needed whole.
    OutputCut,
    /// A configured thing that it needs is missing.
    Missing,
    /// Another step of its block failed.
    Block,
}

/// The journaled memory of an attempt between exchanges; its shape is the action's own.
pub type Memo = Value;

/// What an action wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// An effect to be performed; `advance` is called again with its reply.
    Do {
        /// The effect.
        effect: Effect,
        /// What to do when the process dies before the reply is known.
        if_lost: IfLost,
        /// Memory for the next `advance`.
        memo: Memo,
    },
    /// A wait: nothing runs until then. `advance` is called again, without a reply.
    Park {
        /// When to go on at the latest; `None`: only a signal wakes it.
        until: Option<Timestamp>,
        /// Whether a person is waited for (such waits don't count against the run's timeout).
        for_person: bool,
        /// Memory for the next `advance`.
        memo: Memo,
    },
    /// A hold that the run wants from now on; `advance` is called again with [`super::Reply::Held`].
    Hold {
        /// The hold.
        hold: Hold,
        /// Left in force when the run ends.
        keep: bool,
        /// Memory for the next `advance`.
        memo: Memo,
    },
    /// A hold made by an earlier step is no longer wanted; `advance` is called again with `Held`.
    Release {
        /// Path of the step that made it.
        step: String,
        /// Memory for the next `advance`.
        memo: Memo,
    },
    /// The attempt ended.
    Done {
        /// How.
        outcome: Outcome,
        /// What `steps.<id>` gives beside status and attempts; an object.
        output: Value,
    },
}

impl Move {
    /// Makes the end of an attempt that succeeded with `output`.
    pub fn succeeded(output: Value) -> Move {
        Move::Done { outcome: Outcome::Succeeded, output }
    }

    /// Makes the end of an attempt that did not succeed, with what is known.
    pub fn ended(outcome: Outcome, output: Value) -> Move {
        Move::Done { outcome, output }
    }
}

/// What to do when a process died between `AttemptStarted` and the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfLost {
    /// Do it again: it changes nothing, or doing it twice is the same as once.
    Repeat,
    /// The step fails with reason lost.
    Fail,
}
