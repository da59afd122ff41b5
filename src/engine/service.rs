//! [`Service`]: the engine, always on. Deliveries come in at any time and are answered once their claims
//! are durable; what is parked or put off is taken up again when it is due.
//!
//! Three things go on at once: deliveries (in the tasks of those who bring them), the runs themselves, and
//! the clerk, who looks for what is due. They share nothing but the store and a queue of runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::Engine;
use super::admission::{Delivery, Offer, OfferAnswer};
use super::driver::{RunEnd, RunEndKind};
use super::needs::Lack;
use super::pace::Pace;
use super::pool::Begun;
use super::ports::{Later, StoreError, Take};
use super::put_off::row;
use crate::playbook::Library;
use crate::run::{LaterReason, Skip};

/// How a [`Service`] works.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Runs that were started and are not over, at most: beyond it deliveries are refused.
    pub queue: usize,
    /// How often is looked for what is due.
    pub look: Duration,
    /// How often what was put off without a time is offered again, though no run has ended.
    pub offer: Duration,
}

impl Default for ServiceOptions {
    fn default() -> ServiceOptions {
        ServiceOptions { queue: 10_000, look: Duration::from_secs(1), offer: Duration::from_secs(5) }
    }
}

/// Rows of what was put off that are offered at once, and looked at in one turn of a playbook.
const OFFERED: usize = 16;
const LOOKED_AT: usize = 256;
/// Runs that are taken up at once.
const TAKEN: usize = 256;

/// The engine, always on: a handle, cheap to clone.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    in_force: RwLock<InForce>,
    options: ServiceOptions,
    queue: UnboundedSender<Begun>,
    /// Runs that were started and are not over.
    going: AtomicUsize,
    /// Whether turns come soon.
    pace: Arc<Pace>,
    /// A run ended, or something else may have made room.
    room: Notify,
    /// Somebody wants a poll before its time.
    poll: Notify,
    /// Runs that this process has lost hold of.
    lost: Mutex<BTreeSet<String>>,
    /// Playbooks that cannot have what they need, and why.
    held_back: Mutex<BTreeMap<String, String>>,
}

/// What a reload swaps.
#[derive(Clone)]
struct InForce {
    engine: Engine,
    library: Arc<Library>,
}

/// What became of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Runs that were started; their claims are durable.
    pub started: usize,
    /// Offers that come back.
    pub later: usize,
    /// Offers that do not.
    pub skipped: usize,
    /// How many by verdict (`start`, `later`, `skip`) and reason.
    pub reasons: BTreeMap<(&'static str, String), usize>,
}

/// Why a delivery was not taken: it must be brought again.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The process is about to end.
    #[error("amflow is shutting down")]
    Draining,
    /// More runs wait than are allowed to.
    #[error("{limit} runs are under way or waiting: no more are taken")]
    Full {
        /// How many are allowed to.
        limit: usize,
    },
    /// The store failed: nothing is promised.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a service is about.
#[derive(Clone, Debug)]
pub struct ServiceState {
    /// Whether it is about to end.
    pub draining: bool,
    /// Runs of this process that are not over.
    pub going: usize,
    /// Runs that may be not over: beyond it deliveries are refused.
    pub limit: usize,
    /// Playbooks in force.
    pub playbooks: usize,
    /// Those of them that cannot have what they need, and why.
    pub held_back: BTreeMap<String, String>,
}

/// The work of a [`Service`], to be driven until it ends.
pub struct ServiceWork {
    service: Service,
    queue: UnboundedReceiver<Begun>,
}

impl Service {
    /// Makes a service and its work. Nothing is done until the work is driven.
    pub fn new(engine: Engine, library: Arc<Library>, options: ServiceOptions) -> (Service, ServiceWork) {
        let (queue, waiting) = unbounded_channel();
        let shared = Shared {
            in_force: RwLock::new(InForce { engine, library }),
            options,
            queue,
            going: AtomicUsize::new(0),
            pace: Arc::default(),
            room: Notify::new(),
            poll: Notify::new(),
            lost: Mutex::default(),
            held_back: Mutex::default(),
        };
        let service = Service { shared: Arc::new(shared) };
        (service.clone(), ServiceWork { service, queue: waiting })
    }

    /// Returns the engine in force.
    pub fn engine(&self) -> Engine {
        self.in_force().engine
    }

    /// Returns the playbooks in force.
    pub fn library(&self) -> Arc<Library> {
        self.in_force().library
    }

    /// Puts other playbooks, and an engine with other settings over the same store, in force. Runs that
    /// are under way go on as they were started.
    pub fn swap(&self, engine: Engine, library: Arc<Library>) {
        *self.shared.in_force.write().unwrap_or_else(PoisonError::into_inner) = InForce { engine, library };
        self.shared.room.notify_one();
    }

    /// Returns what it is about.
    pub fn state(&self) -> ServiceState {
        let in_force = self.in_force();
        ServiceState {
            draining: in_force.engine.stop.draining(),
            going: self.shared.going.load(Ordering::Relaxed),
            limit: self.shared.options.queue,
            playbooks: in_force.library.playbooks().len(),
            held_back: self.held().clone(),
        }
    }

    /// Looks whether playbooks can have what they need, and returns what has changed since the last look: why
    /// a playbook is held back, or nothing when it no longer is. What was put off for it is offered again then.
    pub fn look_at_needs(&self) -> Vec<(String, Option<String>)> {
        let InForce { engine, library } = self.in_force();
        let now: BTreeMap<String, String> = engine
            .held_back(&library)
            .into_iter()
            .map(|(playbook, lacks)| {
                let lines: Vec<_> = lacks.iter().map(Lack::line).collect();
                (playbook.name.to_string(), lines.join("; "))
            })
            .collect();
        let before = std::mem::replace(&mut *self.held(), now.clone());
        let over: Vec<_> = before.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        if !over.is_empty() {
            self.shared.room.notify_one();
        }
        let news = now.into_iter().filter(|(name, why)| before.get(name) != Some(why));
        let mut changes: Vec<_> = news.map(|(name, why)| (name, Some(why))).collect();
        // A playbook that is gone has nothing any more.
        let there = |name: &String| library.playbooks().iter().any(|playbook| playbook.name.as_str() == name);
        changes.extend(over.into_iter().filter(there).map(|name| (name, None)));
        changes
    }

    /// Asks for a poll before its time.
    pub fn poll_soon(&self) {
        self.shared.poll.notify_one();
    }

    /// Waits until somebody asks for a poll.
    pub async fn poll_asked(&self) {
        self.shared.poll.notified().await;
    }

    /// Takes a delivery: its claims are durable when this returns `Ok`. Goes on to its end even when
    /// nobody waits for the answer any more.
    ///
    /// # Errors
    ///
    /// Why it was not taken; then it must be brought again.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Receipt, Refusal> {
        let service = self.clone();
        let taking = tokio::spawn(async move { service.take_in(&delivery).await });
        taking.await.unwrap_or_else(|error| {
            let reason = format!("taking a delivery in broke off: {error}");
            let path = self.engine().store.place();
            Err(Refusal::Store(StoreError::Failed { path, what: "take a delivery in", reason }))
        })
    }

    async fn take_in(&self, delivery: &Delivery) -> Result<Receipt, Refusal> {
        let InForce { engine, library } = self.in_force();
        if engine.stop.draining() {
            return Err(Refusal::Draining);
        }
        let limit = self.shared.options.queue;
        if self.shared.going.load(Ordering::Relaxed) >= limit {
            return Err(Refusal::Full { limit });
        }
        let mut offers = engine.admit(&library, delivery).await?;
        self.tell(&engine, &offers);
        let (receipt, turn) = self.begin(&engine, &mut offers);
        if delivery.listed.is_some() {
            engine.settle_put_off(delivery, &offers).await?;
        } else {
            // What was put off and is now answered is no longer put off; what has started is not since then.
            let started = |offer: &&Offer| {
                matches!(offer.answer, OfferAnswer::Started(_) | OfferAnswer::Skip(Skip::Claimed { .. }))
            };
            let answered: Vec<_> =
                offers.iter().filter(|offer| !is_later(offer) && !started(offer)).map(key_of).collect();
            if !answered.is_empty() {
                engine.store.drop_later(answered).await?;
            }
        }
        if let Some(turn) = turn {
            self.shared.pace.wait(engine.clock.as_ref(), turn).await;
        }
        Ok(receipt)
    }

    /// Raises what came back too often, while its caller goes on.
    fn tell(&self, engine: &Engine, offers: &[Offer]) {
        let mut telling = JoinSet::new();
        engine.tell_beside(offers, &mut telling);
        telling.detach_all();
    }

    /// Hands the runs that offers have started to those who work on them. Also returns what tells of the turn of the
    /// last of them.
    fn begin(&self, engine: &Engine, offers: &mut [Offer]) -> (Receipt, Option<oneshot::Receiver<()>>) {
        let (mut receipt, mut last) = (Receipt::default(), None);
        for offer in offers {
            let (count, verdict, reason) = match &offer.answer {
                OfferAnswer::Started(_) => (&mut receipt.started, "start", ""),
                OfferAnswer::Later(closed) => (&mut receipt.later, "later", closed.reason.as_str()),
                OfferAnswer::Skip(skip) => (&mut receipt.skipped, "skip", skip.word()),
            };
            *count += 1;
            *receipt.reasons.entry((verdict, reason.to_owned())).or_default() += 1;
            if let Some(begun) = engine.begun(offer)
                && let Some(before) = last.replace(begun)
            {
                self.enqueue(before);
            }
        }
        let turn = last.map(|mut last| {
            let (ticket, turn) = self.shared.pace.ticket(engine.clock.as_ref());
            last.ticket = Some(ticket);
            self.enqueue(last);
            turn
        });
        (receipt, turn)
    }

    fn enqueue(&self, begun: Begun) {
        self.shared.going.fetch_add(1, Ordering::Relaxed);
        // The queue is closed when the process is about to end: then the next one finds the run.
        if self.shared.queue.send(begun).is_err() {
            self.shared.going.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn in_force(&self) -> InForce {
        self.shared.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.shared.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceWork {
    /// Works until the engine is told to drain and every run is over or left. Returns how many runs were under way
    /// then, and are left for the next process.
    pub async fn drive(mut self) -> usize {
        let service = self.service.clone();
        let mut clerk = Some(Box::pin(service.clerk()));
        let engine = service.engine();
        let beat = engine.beat();
        tokio::pin!(beat);
        let mut stop = engine.stop.clone();
        let mut runs: JoinSet<RunEnd> = JoinSet::new();
        let mut left = 0;
        loop {
            if engine.stop.draining() {
                // Nothing more is taken up.
                clerk = None;
                if runs.is_empty() && self.queue.is_empty() {
                    return left + service.lost().len();
                }
            }
            tokio::select! {
                Some(begun) = self.queue.recv() => {
                    runs.spawn(begun.work());
                }
                Some(done) = runs.join_next() => {
                    // What was parked before waits as it did, or is over by now: it is not left by this end.
                    left += usize::from(service.ended(done) && engine.stop.draining());
                }
                () = async { if let Some(clerk) = &mut clerk { clerk.await } }, if clerk.is_some() => {}
                () = &mut beat => {}
                () = stop.changed() => {}
            }
        }
    }
}

impl Service {
    /// Takes note of how a run was left; returns whether the next process will go on with it.
    fn ended(&self, done: Result<RunEnd, tokio::task::JoinError>) -> bool {
        self.shared.going.fetch_sub(1, Ordering::Relaxed);
        self.shared.room.notify_one();
        let engine = self.engine();
        match done {
            Ok(end) => {
                engine.reporter.ended(&end);
                // It is counted as lost until it is taken up again.
                if let RunEndKind::StoreFailed(_) = end.kind {
                    self.lost().insert(end.header.run.clone());
                }
                matches!(end.kind, RunEndKind::Parked(_) | RunEndKind::Abandoned)
            }
            Err(error) => {
                engine.notice(&format!("a run's task ended badly: {error}"));
                true
            }
        }
    }

    /// Looks for what is due, as long as it is polled.
    async fn clerk(&self) {
        let (mut next_offer, mut troubled) = (Duration::ZERO, false);
        loop {
            let InForce { engine, library } = self.in_force();
            let now = engine.clock.steady();
            let room = next_offer <= now;
            if room {
                next_offer = now.saturating_add(self.shared.options.offer);
            }
            let looked = self.look(&engine, &library, room).await;
            if let Err(error) = &looked
                && !troubled
            {
                engine.notice(&format!("looking for what is due: {error}"));
            }
            troubled = looked.is_err();
            tokio::select! {
                () = engine.clock.sleep(self.shared.options.look) => {}
                () = self.shared.room.notified() => next_offer = Duration::ZERO,
            }
        }
    }

    async fn look(&self, engine: &Engine, library: &Library, room: bool) -> Result<(), StoreError> {
        let lost: Vec<_> = self.lost().iter().cloned().collect();
        if !lost.is_empty() {
            let again = engine.take(Take::Again(lost.clone()), TAKEN).await?;
            // What was not given is over, or another's by now.
            self.lost().retain(|run| !lost.contains(run));
            again.into_iter().for_each(|run| self.enqueue(engine.begun_again(run)));
        }
        for run in engine.take(Take::Due, TAKEN).await? {
            self.enqueue(engine.begun_again(run));
        }
        if room {
            self.offer_put_off(engine, library).await?;
        }
        Ok(())
    }

    /// Offers what was put off and may pass by now, oldest first, a few of each playbook.
    async fn offer_put_off(&self, engine: &Engine, library: &Library) -> Result<(), StoreError> {
        let now = engine.clock.now();
        for playbook in engine.store.later_playbooks(now).await? {
            let mut skip = 0;
            while skip < LOOKED_AT {
                let rows = engine.store.later_of(playbook.clone(), now, skip, OFFERED).await?;
                let whole = rows.len() == OFFERED;
                let (stay, closed) = self.offer_rows(engine, library, rows).await?;
                skip += stay;
                if !whole || closed {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Offers rows of one playbook again. Returns how many stay put off, and whether that is for a reason
    /// which holds for the whole playbook.
    async fn offer_rows(
        &self,
        engine: &Engine,
        library: &Library,
        rows: Vec<Later>,
    ) -> Result<(usize, bool), StoreError> {
        let scopes: BTreeSet<_> = rows.iter().map(|row| row.scope.clone()).collect();
        let (mut stay, mut closed) = (0, false);
        for scope in scopes {
            let of_scope: Vec<_> = rows.iter().filter(|row| row.scope == scope).cloned().collect();
            let (mut offers, mut over) = engine.admit_rows(library, &scope, &of_scope).await?;
            self.tell(engine, &offers);
            self.begin(engine, &mut offers);
            let mut changed = Vec::new();
            for offer in offers.iter().filter(|offer| offer.handed_over.is_none()) {
                let OfferAnswer::Later(now) = &offer.answer else {
                    over.push(key_of(offer));
                    continue;
                };
                closed |= holds_for_all(now.reason);
                let before = of_scope.iter().find(|row| row.target == offer.group.target);
                let same = before
                    .is_some_and(|row| (row.closed.reason, row.closed.until) == (now.reason, now.until));
                if !same && let Some(row) = row(offer, engine.clock.now()) {
                    changed.push(row);
                }
                // What waits for a time is not read again in this turn.
                let present = engine.clock.now();
                let again = now.asked_again_at().is_none_or(|until| until <= present)
                    || before.is_some_and(|row| row.since > present);
                stay += usize::from(again);
            }
            if !changed.is_empty() {
                engine.store.put_later(changed).await?;
            }
            if !over.is_empty() {
                engine.store.drop_later(over).await?;
            }
        }
        Ok((stay, closed))
    }
}

fn is_later(offer: &Offer) -> bool {
    matches!(offer.answer, OfferAnswer::Later(_))
}

fn key_of(offer: &Offer) -> (String, String, String) {
    (offer.playbook.name.to_string(), offer.scope.clone(), offer.group.target.clone())
}

/// Returns whether nothing else of the playbook can pass either.
fn holds_for_all(reason: LaterReason) -> bool {
    match reason {
        LaterReason::OutsideInterval
        | LaterReason::Rate
        | LaterReason::Targets
        | LaterReason::Running
        | LaterReason::Breaker
        | LaterReason::Paused
        | LaterReason::Missing
        | LaterReason::Trickle => true,
        LaterReason::TooYoung
        | LaterReason::Muted
        | LaterReason::Cooldown
        | LaterReason::Busy
        | LaterReason::Comebacks => false,
    }
}
