//! [`in_parallel`]: one piece of work on each of many items, on all processors.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Less than this many bytes of playbooks are not worth a thread: they are read in less than 5 ms.
const LITTLE: usize = 24 << 10;
/// Deeply nested input is followed as far as on the main thread.
const STACK: usize = 8 << 20;

/// An item, then what the work made of it.
struct Slot<T, R>(Option<T>, Option<R>);

/// Returns what the work makes of each item, in order; `bytes`: how much text of playbooks they are in all.
///
/// This thread takes part: where no other can be started it does all of it.
pub(super) fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    bytes: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = processors.min(items.len()).min(bytes / LITTLE);
    if workers < 2 {
        return items.into_iter().map(work).collect();
    }
    let slots: Vec<_> = items.into_iter().map(|item| Mutex::new(Slot(Some(item), None))).collect();
    let next = AtomicUsize::new(0);
    let go = || {
        while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.1 = slot.0.take().map(&work);
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            // One that cannot be started leaves its part to the others.
            let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, go);
        }
        go();
    });
    let done = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner).1);
    done.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_the_order_stays() {
        for (count, bytes) in [(0, 0), (1, 1 << 30), (2, 1 << 30), (63, 0), (1_000, LITTLE), (1_000, 1 << 20)]
        {
            let items: Vec<usize> = (0..count).collect();
            let doubled = in_parallel(items, bytes, |n| n * 2);
            assert_eq!(doubled, (0..count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
