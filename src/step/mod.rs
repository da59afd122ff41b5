//! Kinds of step: a spec becomes effects and holds, replies become an outcome.
//!
//! [`StepKind`] describes a kind, [`STEP_KINDS`] lists them; each has one file. A [`Compiler`] makes an
//! [`Action`] of what was written; an action says its next [`Move`] and never does anything itself.

mod effect;
mod effect_kind;
mod hold;
mod outcome;
mod action;
mod kind;
mod uses;
mod compiler;
mod values;
mod spec;
mod size;
mod output;
mod reference;
mod command;
mod retry_after;
mod sighting;
mod shell;
mod exec;
mod http;
mod silence;
mod alert;
mod wait;
mod approve;
mod prometheus;
mod set;
mod assert;
mod fail;
mod log;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod properties;

pub use action::{Action, ActionContext, DEFAULT_STEP_TIMEOUT, Needs, RunAlert, StepError, TaskContext};
pub use approve::{
    Approvers, Asks, Decision, Escalation, OnTimeout, PlanLine, Question, QuestionType, Refusal, Standing,
    Task,
};
pub use compiler::Compiler;
pub use effect::{
    Captured, CommandEffect, CommandLimits, DEFAULT_OUTPUT_LIMIT, Effect, Exited, PeerSight, Queried,
    QueryEffect, QueryRange, Reply, RequestBody, RequestEffect, Responded, SeenAlert, Sighted,
    SightingEffect, TextOrSecret,
};
pub use hold::{AlertHold, Hold, HoldAction, HoldEffect, SilenceHold};
pub use kind::{Field, FieldType, STEP_KINDS, StepKind};
pub use outcome::{FailureReason, IfLost, Memo, Move, Outcome};
pub use output::COMMON_FIELDS;
pub use reference::step_reference;
pub(crate) use retry_after::retry_after;
pub(crate) use sighting::started_lately;
pub use sighting::{Sight, Watch};
pub use uses::{Language, MustTrust, Named, Use};
