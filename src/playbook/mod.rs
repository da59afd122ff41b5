//! What people write: trigger and steps, parsed into checked types once.

mod library;
mod types;

pub use library::Library;
pub use types::{
    Block, Body, Concurrency, GroupBy, Limits, Playbook, Recheck, Retry, Step, Sync, Trigger, TriggerStatus,
    WhenBusy,
};
