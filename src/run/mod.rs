//! The pure state machine of a run: admission, gates, events, backoff.

mod event;
mod gate;

pub use event::{RunEvent, RunStatus, Signal, SignalKind, Stamped, Started, TriggerStatus};
pub use gate::{
    Change, Closed, GateAsk, GateChange, GateRule, GateState, LaterReason, Paused, decide, settle,
};
