//! [`Room`]: memory that bodies may take at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// As much of a body is taken without asking, in bytes: an ordinary webhook.
pub(super) const FREE: u64 = 256 * 1024;
/// What room is counted in, in bytes.
const UNIT: u64 = 64 * 1024;
/// So many bodies of the largest size may be taken at the same time.
const LARGEST: u64 = 2;

/// Memory that bodies may take at the same time. Senders that are known, and those that still have to show who they
/// are, have each their own: the one cannot keep the other waiting.
pub(super) struct Room {
    known: Arc<Semaphore>,
    unknown: Arc<Semaphore>,
    all: u32,
}

impl Room {
    /// Makes room for a few bodies of the largest size, in bytes.
    pub(super) fn new(max_body: u64) -> Room {
        let all = units(max_body.saturating_mul(LARGEST));
        let semaphore = || Arc::new(Semaphore::new(all as usize));
        Room { known: semaphore(), unknown: semaphore(), all }
    }

    /// Waits until there is room for so many bytes. It is taken at once, so that nobody waits with half of it.
    pub(super) async fn take(&self, is_known: bool, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let room = if is_known { &self.known } else { &self.unknown };
        Arc::clone(room).acquire_many_owned(units(bytes).min(self.all)).await.ok()
    }
}

/// Returns how many units hold so many bytes; what no machine has counts as the most that can be counted.
fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_waits_and_the_unknown_do_not_keep_the_known_waiting() {
        let room = Room::new(1 << 20);
        let first = room.take(false, 1 << 20).await;
        let second = room.take(false, 1 << 20).await;
        let mut third = Box::pin(room.take(false, 1));
        assert!(futures_are_pending(&mut third).await);
        assert!(room.take(true, 2 << 20).await.is_some());
        drop(first);
        assert!(third.await.is_some() && second.is_some());
        assert!(Room::new(u64::MAX).take(true, u64::MAX).await.is_some());
    }

    async fn futures_are_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
