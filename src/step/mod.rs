//! Kinds of step: a spec becomes effects and holds, replies become an outcome.

mod action;
mod effect;
mod hold;
mod outcome;

pub use action::{Action, ActionContext, DEFAULT_STEP_TIMEOUT, Needs, RunAlert, StepError};
pub use effect::{
    Captured, CommandEffect, CommandLimits, DEFAULT_OUTPUT_LIMIT, Effect, Exited, PeerSight, Queried,
    QueryEffect, QueryRange, Reply, RequestBody, RequestEffect, Responded, SeenAlert, Sighted,
    SightingEffect, TextOrSecret,
};
pub use hold::{AlertHold, Hold, HoldAction, HoldEffect, SilenceHold};
pub use outcome::{FailureReason, IfLost, Memo, Move, Outcome};
