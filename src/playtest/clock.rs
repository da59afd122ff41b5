//! A clock that nobody waits for. Main type: [`JumpClock`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Answer, Clock};

/// So often in a row the earliest sleeper must find that nothing happened before the clock jumps: each
/// time every other task of a single-threaded runtime has had its turn.
const QUIET_TURNS: u32 = 64;

/// A clock that jumps: by hand, or to the next sleeper as soon as everything is idle.
///
/// Cheap to clone; clones show the same time. Idle is what nobody can see from outside, so it is
/// waited for: the earliest sleeper lets all other tasks have their turns, and jumps when none of them
/// began or ended a sleep. This needs a single-threaded runtime, and work elsewhere (a thread that
/// writes to disk) to say so by [`JumpClock::busy`].
#[derive(Clone, Debug)]
pub struct JumpClock {
    state: Arc<Mutex<State>>,
}

/// While it lives, the clock does not jump by itself.
#[derive(Debug)]
pub struct Busy {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    steady: Duration,
    jumps: Jumps,
    /// By number, in the order in which they began to sleep.
    sleepers: BTreeMap<u64, Sleeper>,
    /// Grows with everything that happens.
    happened: u64,
    busy: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jumps {
    ByHand,
    WhenIdle,
}

/// When a sleeper wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// When the wall clock shows this.
    At(Timestamp),
    /// When the steady clock shows this.
    After(Duration),
}

#[derive(Debug)]
struct Sleeper {
    wake: Wake,
    waker: Option<Waker>,
}

/// One sleeper.
struct Sleep {
    state: Arc<Mutex<State>>,
    wake: Wake,
    number: Option<u64>,
    /// What had happened when it last looked, and how often in a row that was all.
    seen: u64,
    quiet: u32,
}

impl JumpClock {
    /// Makes a clock that shows `now` and jumps to the next sleeper when everything is idle.
    pub fn new(now: Timestamp) -> JumpClock {
        JumpClock::with(now, Jumps::WhenIdle)
    }

    /// Makes a clock that shows `now` until it is told otherwise.
    pub fn by_hand(now: Timestamp) -> JumpClock {
        JumpClock::with(now, Jumps::ByHand)
    }

    fn with(now: Timestamp, jumps: Jumps) -> JumpClock {
        let steady = Duration::from_secs(1_000);
        let state = State { now, steady, jumps, sleepers: BTreeMap::new(), happened: 0, busy: 0 };
        JumpClock { state: Arc::new(Mutex::new(state)) }
    }

    /// Lets time pass and wakes whom that concerns.
    pub fn advance(&self, by: Duration) {
        lock(&self.state).pass(by);
    }

    /// Sets the wall clock, also back, as an operator may, and wakes whom that concerns. No time passes by it.
    pub fn set(&self, now: Timestamp) {
        lock(&self.state).set(now);
    }

    /// Returns when the next sleeper wakes.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let state = lock(&self.state);
        let earliest = state.earliest()?;
        state.sleepers.get(&earliest).map(|sleeper| later(state.now, state.left(sleeper.wake)))
    }

    fn sleeper(&self, wake: Wake) -> Sleep {
        Sleep { state: Arc::clone(&self.state), wake, number: None, seen: 0, quiet: 0 }
    }

    /// Keeps the clock from jumping by itself until the guard is dropped.
    #[must_use]
    pub fn busy(&self) -> Busy {
        lock(&self.state).busy += 1;
        Busy { state: Arc::clone(&self.state) }
    }
}

impl Clock for JumpClock {
    fn now(&self) -> Timestamp {
        lock(&self.state).now
    }

    fn steady(&self) -> Duration {
        lock(&self.state).steady
    }

    fn sleep_until(&self, until: Timestamp) -> Answer<'_, ()> {
        Box::pin(self.sleeper(Wake::At(until)))
    }

    fn sleep(&self, time: Duration) -> Answer<'_, ()> {
        Box::pin(self.sleeper(Wake::After(self.steady().saturating_add(time))))
    }
}

impl State {
    /// Returns how long it is until somebody wakes.
    fn left(&self, wake: Wake) -> Duration {
        match wake {
            Wake::At(until) => Duration::try_from(until.duration_since(self.now)).unwrap_or_default(),
            Wake::After(steady) => steady.saturating_sub(self.steady),
        }
    }

    /// Returns the number of who wakes first.
    fn earliest(&self) -> Option<u64> {
        let sleepers = self.sleepers.iter();
        sleepers
            .min_by_key(|(number, sleeper)| (self.left(sleeper.wake), **number))
            .map(|(number, _)| *number)
    }

    fn pass(&mut self, by: Duration) {
        self.steady = self.steady.saturating_add(by);
        self.set(later(self.now, by));
    }

    fn set(&mut self, now: Timestamp) {
        self.now = now;
        self.happened += 1;
        let over: Vec<u64> = self
            .sleepers
            .iter()
            .filter(|(_, sleeper)| self.left(sleeper.wake).is_zero())
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            self.wake(number);
        }
        self.wake_earliest();
    }

    fn wake(&mut self, number: u64) {
        if let Some(waker) = self.sleepers.get_mut(&number).and_then(|sleeper| sleeper.waker.take()) {
            waker.wake();
        }
    }

    /// The earliest sleeper is the one that watches for idleness.
    fn wake_earliest(&mut self) {
        if let Some(number) = self.earliest() {
            self.wake(number);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.state);
        let mut state = lock(&shared);
        let left = state.left(self.wake);
        if left.is_zero() {
            self.leave(&mut state);
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.happened += 1;
            state.happened
        });
        state.sleepers.insert(number, Sleeper { wake: self.wake, waker: Some(cx.waker().clone()) });
        let watches = state.jumps == Jumps::WhenIdle && state.earliest() == Some(number);
        if !watches {
            return Poll::Pending;
        }
        if state.happened != self.seen || state.busy > 0 {
            (self.seen, self.quiet) = (state.happened, 0);
        } else {
            self.quiet += 1;
        }
        if self.quiet >= QUIET_TURNS {
            self.leave(&mut state);
            state.pass(left);
            return Poll::Ready(());
        }
        // While somebody is busy, the end of that wakes this.
        if state.busy == 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Sleep {
    fn leave(&mut self, state: &mut State) {
        if let Some(number) = self.number.take() {
            state.sleepers.remove(&number);
            state.happened += 1;
            state.wake_earliest();
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.state);
        let mut state = lock(&shared);
        self.leave(&mut state);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.busy -= 1;
        state.happened += 1;
        state.wake_earliest();
    }
}

/// Returns the moment that much later, or the last one that there is.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn start() -> Timestamp {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        later(start(), Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn sleepers_wake_in_order_at_their_moments_without_waiting() {
        let clock = JumpClock::new(start());
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks = [90, 3_600, 5, 90].map(|seconds| {
            let (clock, order) = (clock.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                clock.sleep_until(at(seconds)).await;
                order.lock().unwrap().push((seconds, clock.now()));
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [(5, at(5)), (90, at(90)), (90, at(90)), (3_600, at(3_600))]);
        clock.sleep_until(at(10)).await;
        assert_eq!(clock.now(), at(3_600));
    }

    #[tokio::test]
    async fn the_clock_does_not_jump_while_others_have_work_to_do() {
        let clock = JumpClock::new(start());
        let (turns, other) = (Arc::new(AtomicU32::new(0)), clock.clone());
        let counted = Arc::clone(&turns);
        let worker = tokio::spawn(async move {
            for _ in 0..10 {
                for _ in 0..QUIET_TURNS / 4 {
                    tokio::task::yield_now().await;
                }
                other.sleep_until(other.now()).await;
                let _busy = other.busy();
                for _ in 0..QUIET_TURNS * 2 {
                    tokio::task::yield_now().await;
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        clock.sleep_until(at(1)).await;
        assert_eq!(turns.load(Ordering::Relaxed), 10);
        worker.await.unwrap();
    }

    #[tokio::test]
    async fn a_sleeper_that_gives_up_leaves_the_watch_to_the_next() {
        let clock = JumpClock::new(start());
        let long = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at(60)).await }
        });
        tokio::select! {
            biased;
            () = clock.sleep_until(at(1)) => panic!("the clock jumped at once"),
            () = tokio::task::yield_now() => (),
        }
        long.await.unwrap();
        assert_eq!((clock.now(), clock.next_wake()), (at(60), None));
    }

    #[tokio::test]
    async fn a_clock_that_is_set_moves_those_who_wait_for_a_moment_and_nobody_else() {
        let clock = JumpClock::by_hand(start());
        let sleep = |wake: Wake| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleeper(wake).await })
        };
        let moment = sleep(Wake::At(at(60)));
        let steady = sleep(Wake::After(clock.steady() + Duration::from_secs(90)));
        tokio::task::yield_now().await;
        clock.set(later(start(), Duration::from_secs(10)) - jiff::SignedDuration::from_hours(1));
        clock.advance(Duration::from_secs(90));
        steady.await.unwrap();
        assert!(!moment.is_finished() && clock.next_wake() == Some(at(60)));
        clock.set(at(60));
        moment.await.unwrap();
    }

    #[tokio::test]
    async fn by_hand_it_stands_still_until_it_is_moved() {
        let clock = JumpClock::by_hand(start());
        let task = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at(30)).await }
        });
        for _ in 0..QUIET_TURNS * 3 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(29));
        tokio::task::yield_now().await;
        assert!(!task.is_finished() && clock.next_wake() == Some(at(30)));
        clock.advance(Duration::from_secs(1));
        task.await.unwrap();
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
