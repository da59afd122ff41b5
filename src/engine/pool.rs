//! Works on many runs at once, and offers again what waited for one of them to end.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};

use super::Engine;
use super::admission::{Delivery, Offer, OfferAnswer, waits_for_a_run};
use super::driver::RunEnd;
use super::pace::Ticket;
use super::ports::{Lease, RunHeader, StoreError};
use super::recovery::Resumed;
use crate::model::Alert;
use crate::playbook::{Library, Playbook};
use crate::run::{Machine, Run, Stamped};

/// Offers tried again when a run ends, at most: enough to fill what one end can free.
const AGAIN: usize = 16;
/// Alerts of a large delivery that are admitted together: few milliseconds of the store's time, in which the runs
/// of the part before have their first turn.
const PART: usize = 128;

/// A run that this process has, and that is to be worked on.
pub(super) struct Begun {
    engine: Engine,
    standing: Standing,
    lease: Lease,
    header: RunHeader,
    /// Somebody waits for its turn.
    pub(super) ticket: Option<Ticket>,
}

impl Begun {
    /// Works on it until it is over, parked or taken away.
    pub(super) async fn work(self) -> RunEnd {
        let Begun { engine, standing, lease, header, ticket } = self;
        engine.work(standing, lease, header, ticket).await
    }
}

/// Where a run stands before this process works on it.
pub(super) enum Standing {
    /// It was admitted by this process; its machine is made when it has its turn.
    Admitted {
        journal: Vec<Stamped>,
        playbook: Arc<Playbook>,
        fresh_until: Option<Timestamp>,
        wants_key: bool,
    },
    /// Another process has worked on it before, and what reached it since is not known.
    Resumed(Box<Machine>),
}

impl Standing {
    /// Makes the machine of a run; `None` when its journal has no beginning.
    pub(super) fn machine(self, engine: &Engine, run: &str) -> Option<Box<Machine>> {
        match self {
            Standing::Resumed(machine) => Some(machine),
            Standing::Admitted { journal, playbook, fresh_until, wants_key } => {
                let run = Run::replay(run, &journal)?;
                let mut machine = Box::new(Machine::new(run, playbook, engine.run_options(fresh_until)));
                if wants_key {
                    machine.want_key();
                }
                Some(machine)
            }
        }
    }
}

impl Engine {
    /// Offers a delivery to all playbooks and works on what starts, and on runs that were resumed, until each
    /// is over or parked; admits what waited for one of them as they end. Returns all offers with their
    /// answers, and how each run was left.
    ///
    /// A large delivery is admitted in parts, oldest alerts first: the first runs work while the others are
    /// decided.
    ///
    /// # Errors
    ///
    /// The store's, when admission fails, after what had started is over; a run's own trouble with the store
    /// is in its [`RunEnd`].
    pub async fn work_off(
        &self,
        library: &Library,
        delivery: &Delivery,
        resumed: Vec<Resumed>,
    ) -> Result<(Vec<Offer>, Vec<RunEnd>), StoreError> {
        let mut crew = Crew::new(self, library, Some(delivery), resumed);
        crew.work(parts(library, delivery)).await?;
        crew.offers.extend(crew.again);
        Ok((crew.offers, crew.ends))
    }

    /// Works on runs that were admitted or resumed until each is over or parked, and admits what waited
    /// for one of them as they end. Returns how each was left; `offers` is brought up to date.
    ///
    /// # Errors
    ///
    /// The store's, when admission fails; a run's own trouble with the store is in its [`RunEnd`].
    pub async fn complete(
        &self,
        library: &Library,
        delivery: Option<&Delivery>,
        offers: &mut Vec<Offer>,
        resumed: Vec<Resumed>,
    ) -> Result<Vec<RunEnd>, StoreError> {
        let mut crew = Crew::new(self, library, delivery, resumed);
        crew.begin(std::mem::take(offers));
        crew.work(VecDeque::new()).await?;
        offers.append(&mut crew.offers);
        offers.extend(crew.again);
        Ok(crew.ends)
    }

    /// Makes what is to be worked on of an offer that started a run.
    pub(super) fn begun(&self, offer: &mut Offer) -> Option<Begun> {
        let OfferAnswer::Started(started) = &mut offer.answer else { return None };
        let journal = std::mem::take(&mut started.journal);
        for event in &journal {
            self.reporter.event(&started.header, event);
        }
        let standing = Standing::Admitted {
            journal,
            playbook: Arc::clone(&offer.playbook),
            fresh_until: started.fresh_until,
            wants_key: started.waits_for.is_some(),
        };
        let (lease, header) = (started.lease.clone(), started.header.clone());
        Some(Begun { engine: self.clone(), standing, lease, header, ticket: None })
    }

    /// Makes what is to be worked on of a run that was taken over.
    pub(super) fn begun_again(&self, resumed: Resumed) -> Begun {
        let Resumed { header, lease, machine, .. } = resumed;
        Begun {
            engine: self.clone(),
            standing: Standing::Resumed(Box::new(machine)),
            lease,
            header,
            ticket: None,
        }
    }
}

/// The runs of this process that are worked on, and the offers that they come from.
struct Crew<'a> {
    engine: &'a Engine,
    library: &'a Library,
    delivery: Option<&'a Delivery>,
    runs: JoinSet<RunEnd>,
    /// Offers that wait for a run of this process to end.
    again: VecDeque<Offer>,
    /// All other offers.
    offers: Vec<Offer>,
    ends: Vec<RunEnd>,
    /// Alerts of amflow's own that are being raised.
    telling: JoinSet<()>,
}

impl<'a> Crew<'a> {
    fn new(
        engine: &'a Engine,
        library: &'a Library,
        delivery: Option<&'a Delivery>,
        resumed: Vec<Resumed>,
    ) -> Crew<'a> {
        let mut runs = JoinSet::new();
        for run in resumed {
            runs.spawn(engine.begun_again(run).work());
        }
        let (again, offers, ends) = (VecDeque::new(), Vec::new(), Vec::new());
        let telling = JoinSet::new();
        Crew { engine, library, delivery, runs, again, offers, ends, telling }
    }

    /// Begins the runs that were started, and remembers who waits for one of them.
    fn begin(&mut self, offers: Vec<Offer>) {
        self.engine.tell_beside(&offers, &mut self.telling);
        for mut offer in offers {
            if let Some(begun) = self.engine.begun(&mut offer) {
                self.runs.spawn(begun.work());
            }
            if self.delivery.is_some() && waits(&offer) {
                self.again.push_back(offer);
            } else {
                self.offers.push(offer);
            }
        }
    }

    /// Admits parts of a delivery one after the other, and works meanwhile, until all is done.
    async fn work(&mut self, mut parts: VecDeque<Cow<'a, Delivery>>) -> Result<(), StoreError> {
        let engine = self.engine;
        let mut admitting = None;
        let mut failed = None;
        let mut beat = std::pin::pin!(engine.beat());
        loop {
            if engine.stop.asked().is_some() {
                parts.clear();
            }
            if admitting.is_none()
                && let Some(part) = parts.pop_front()
            {
                let library = self.library;
                admitting = Some(Box::pin(async move { engine.admit(library, &part).await }));
            }
            tokio::select! {
                Some(done) = self.runs.join_next(), if !self.runs.is_empty() => {
                    self.ended(done);
                    self.offer_again().await?;
                }
                admitted = of(&mut admitting), if admitting.is_some() => {
                    admitting = None;
                    match admitted {
                        Ok(offers) => self.begin(offers),
                        Err(error) => {
                            parts.clear();
                            failed = Some(error);
                        }
                    }
                }
                () = &mut beat, if !self.runs.is_empty() || admitting.is_some() => {}
                else => break,
            }
        }
        while self.telling.join_next().await.is_some() {}
        failed.map_or(Ok(()), Err)
    }

    fn ended(&mut self, done: Result<RunEnd, JoinError>) {
        match done {
            Ok(end) => {
                self.engine.reporter.ended(&end);
                self.ends.push(end);
            }
            Err(error) => self.engine.reporter.notice(&format!("a run's task ended badly: {error}")),
        }
    }

    /// Offers again what waited for a run to end.
    async fn offer_again(&mut self) -> Result<(), StoreError> {
        let Some(delivery) = self.delivery else { return Ok(()) };
        if self.again.is_empty() || self.engine.stop.asked().is_some() {
            return Ok(());
        }
        let batch: Vec<Offer> = (0..AGAIN).map_while(|_| self.again.pop_front()).collect();
        let wanted: Vec<_> =
            batch.iter().map(|o| (o.playbook.name.clone(), o.trigger, o.group.clone())).collect();
        let small = Delivery {
            scope: delivery.scope.clone(),
            source: delivery.source.clone(),
            alerts: batch.iter().flat_map(|o| o.alerts.iter().cloned()).collect(),
            at: self.engine.clock.now(),
            fresh: false,
            listed: None,
        };
        let answers = self.engine.admit(self.library, &small).await?;
        let mut waiting = Vec::new();
        for mut offer in answers {
            // Other playbooks of the same alerts have had their answer.
            if !wanted.contains(&(offer.playbook.name.clone(), offer.trigger, offer.group.clone())) {
                continue;
            }
            if let Some(begun) = self.engine.begun(&mut offer) {
                self.runs.spawn(begun.work());
            }
            if waits(&offer) { waiting.push(offer) } else { self.offers.push(offer) }
        }
        for offer in waiting.into_iter().rev() {
            self.again.push_front(offer);
        }
        Ok(())
    }
}

/// Waits for what is under way.
async fn of<T>(under_way: &mut Option<Pin<Box<impl Future<Output = T>>>>) -> T {
    match under_way {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Cuts a large delivery into parts, oldest alerts first.
///
/// One that lists ends is left whole, and so is one for playbooks that make one run of several alerts.
fn parts<'d>(library: &Library, delivery: &'d Delivery) -> VecDeque<Cow<'d, Delivery>> {
    let divisible = delivery.alerts.len() > PART
        && delivery.alerts.iter().all(|alert| alert.is_firing())
        && library.playbooks().iter().all(|playbook| playbook.trigger.group_by.is_none());
    if !divisible {
        return VecDeque::from([Cow::Borrowed(delivery)]);
    }
    let mut alerts = delivery.alerts.clone();
    alerts.sort_by_key(|alert| alert.starts_at);
    let part = |(number, alerts): (usize, &[Arc<Alert>])| Delivery {
        scope: delivery.scope.clone(),
        source: delivery.source.clone(),
        alerts: alerts.to_vec(),
        at: delivery.at,
        fresh: delivery.fresh,
        // What was put off and is brought by nobody is offered once.
        listed: delivery.listed.clone().filter(|_| number == 0),
    };
    alerts.chunks(PART).enumerate().map(part).map(Cow::Owned).collect()
}

fn waits(offer: &Offer) -> bool {
    matches!(&offer.answer, OfferAnswer::Later(closed) if waits_for_a_run(closed.reason))
}
