//! The pure state machine of a run: admission, gates, events, backoff.
//!
//! [`judge`] says for an alert and a playbook whether a run starts, and why not; [`Run`] is the fold
//! of a journal; [`Machine`] says what comes next.

mod admit;
mod approval;
mod approval_plan;
mod attempt;
mod backoff;
mod ending;
mod event;
mod explain;
mod gate;
mod kept;
mod limits;
mod machine;
mod mutes;
mod pauses;
mod planned;
mod preview;
mod recheck;
mod scope;
mod state;
mod tasks;
mod walk;
#[cfg(test)]
mod tests;

pub use crate::playbook::TriggerStatus;
pub use admit::{Group, Seen, Skip, Verdict, group, judge};
pub use event::{RunEvent, RunStatus, Signal, SignalKind, Stamped, Started};
pub use explain::{Unmatched, unmatched};
pub use gate::{
    Change, Closed, GateAsk, GateChange, GateRule, GateState, LaterReason, Paused, Unpaused, decide, settle,
};
pub use kept::KeptAlert;
pub use limits::{GlobalLimits, asked as gates_asked, gate_keys, settled as gates_settled};
pub use machine::{Machine, Next, Options, PendingCall, Waits};
pub use mutes::{RAISED_LEASE, comes_back_alert, is_mute, is_raised};
pub use pauses::{PauseNews, pauses_in_words};
pub use planned::{Planned, PlannedMove, PlannedPart, next_to_read};
pub use scope::{base_scope, fill_vars, key as concurrency_key};
pub use state::{Approval, AskedAgain, Attempt, Ending, HoldState, Node, Parked, Run};
pub use tasks::{TaskState, tasks_of};
