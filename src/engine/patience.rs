//! [`Patience`]: a store that cannot be written for a while costs no run its knowledge of what it has done.
//! What was not recorded counts for nothing, so nothing goes on until it is; but it is not forgotten either.

use std::time::Duration;

use super::Engine;
use super::ports::{LEASE, StoreError};
use super::stop::Stop;

/// How soon the store is tried again: it has waited for locks itself.
const AGAIN: Duration = Duration::from_secs(1);

/// How long one write may yet be tried.
pub(super) struct Patience<'e> {
    engine: &'e Engine,
    run: String,
    stop: Stop,
    /// When it failed first, by the steady clock.
    since: Option<Duration>,
}

impl<'e> Patience<'e> {
    /// Makes it for a write of a run.
    pub(super) fn new(engine: &'e Engine, run: &str) -> Patience<'e> {
        Patience { engine, run: run.to_owned(), stop: engine.stop.clone(), since: None }
    }

    /// Waits before the next try.
    ///
    /// A service has time: it tries until it is told to stop at once. A command in a crontab has as long as a
    /// lease lasts, and only for what passes by itself.
    ///
    /// # Errors
    ///
    /// The error itself, when trying again is no use or nobody has time for it.
    pub(super) async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        let engine = self.engine;
        let passes = match error {
            StoreError::Busy { .. } | StoreError::Full { .. } => true,
            StoreError::Fenced { .. } | StoreError::NoSuchRun { .. } => return Err(error),
            _ => engine.options.always_on,
        };
        let now = engine.clock.steady();
        let first = self.since.is_none();
        let since = *self.since.get_or_insert(now);
        let in_time = engine.options.always_on || now.saturating_sub(since) < LEASE;
        if !passes || !in_time || engine.stop.at_once() {
            return Err(error);
        }
        if first {
            let told = format!("run {} waits until what it did is recorded: {error}", self.run);
            engine.reporter.notice(&told);
        }
        tokio::select! {
            () = engine.clock.sleep(AGAIN) => {}
            () = self.stop.changed() => {}
        }
        Ok(())
    }
}
