//! [`Pace`]: who brings alerts faster than they are worked on waits a moment for the answer.
//!
//! An answer promises only that claims are durable. It is kept back until the run has its turn, as long as turns come
//! soon: so the next alert is brought when there is somebody to work on it, and not to wait in line behind hundreds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::ports::Clock;

/// How long an answer is kept back, at most.
const LONGEST: Duration = Duration::from_millis(250);

/// Whether it is worth while to wait for a turn.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The last turn that was waited for came too late, or not at all.
    lags: AtomicBool,
}

/// What a run gives back when it has its turn.
pub(super) struct Ticket {
    pace: Arc<Pace>,
    since: Duration,
    turn: oneshot::Sender<()>,
}

impl Pace {
    /// Makes a ticket for a run that gets in line, and what tells of its turn.
    pub(super) fn ticket(self: &Arc<Self>, clock: &dyn Clock) -> (Ticket, oneshot::Receiver<()>) {
        let (turn, taken) = oneshot::channel();
        (Ticket { pace: Arc::clone(self), since: clock.steady(), turn }, taken)
    }

    /// Waits for a turn, unless those before it came late.
    pub(super) async fn wait(&self, clock: &dyn Clock, turn: oneshot::Receiver<()>) {
        if self.lags.load(Ordering::Relaxed) {
            return;
        }
        tokio::select! {
            // A run that is dropped waits no longer either.
            _ = turn => {}
            () = clock.sleep(LONGEST) => self.lags.store(true, Ordering::Relaxed),
        }
    }
}

impl Ticket {
    /// The run has its turn, or gives up waiting for it.
    pub(super) fn give_back(self, clock: &dyn Clock) {
        let waited = clock.steady().saturating_sub(self.since);
        self.pace.lags.store(waited > LONGEST, Ordering::Relaxed);
        // Nobody may wait any more.
        let _ = self.turn.send(());
    }
}
