//! What people write: trigger and steps, parsed into checked types once.
//!
//! [`parse_files`] makes a [`Library`] of files, or says everything that is wrong with them. On the way each
//! YAML document is walked against the [`schema`], and compiled in the order in which it will run, so that
//! what may be read at each place is known: names, steps that have run, what strangers wrote.

mod types;
mod facts;
mod spec;
mod schema;
mod read;
mod trigger;
mod limits;
mod hand_over;
mod names;
mod flow;
mod count;
mod document;
mod parallel;
mod parse;
mod parse_step;
mod people;
mod inline;
mod library;
mod unreadable;

pub use facts::Facts;
pub use library::Library;
pub use parse::{Loaded, compile_text, parse_files};
pub use schema::schema;
pub use spec::{
    BlockSpec, ConcurrencySpec, EnvValue, IncludeSpec, InlineSpec, LimitsSpec, OnFailureSpec, PlaybookSpec,
    RecheckSpec, RetrySpec, SecretSpec, StatusSpec, StepSpec, StepValue, SyncSpec, Version, WhenBusySpec,
};
pub use types::{
    Block, BlockVars, Body, Concurrency, GroupBy, Limits, Need, Needed, Playbook, Recheck, Retry, Step, Sync,
    Trigger, TriggerStatus, WhenBusy,
};
pub use unreadable::unreadable;

#[cfg(test)]
mod tests;
