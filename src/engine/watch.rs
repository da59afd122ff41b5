//! [`StoreWatch`]: who measures how long a store takes.

use std::fmt::Debug;
use std::time::Duration;

use super::ports::StoreError;

/// Sees how long a store takes, and what it fails at. It must not block: it is told on the store's own
/// threads.
pub trait StoreWatch: Debug + Send + Sync {
    /// What so many writes did is durable, by one commit that took this long from its first statement on.
    fn committed(&self, writes: usize, took: Duration);
    /// One write, or read, was answered this long after it was asked for.
    fn answered(&self, work: StoreWork, took: Duration, failed: Option<&StoreError>);
}

/// What a store was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreWork {
    /// To read.
    Read,
    /// To write.
    Write,
}
