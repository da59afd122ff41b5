//! Works on many runs at once, and offers again what waited for one of them to end.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Engine;
use super::admission::{Delivery, Offer, OfferAnswer, waits_for_a_run};
use super::driver::RunEnd;
use super::ports::{Lease, RunHeader, StoreError};
use super::recovery::Resumed;
use crate::playbook::Library;
use crate::run::{Machine, Run};

/// Offers tried again when a run ends, at most: enough to fill what one end can free.
const AGAIN: usize = 16;

/// A run that this process has, and that is to be worked on.
pub(super) struct Begun {
    engine: Engine,
    machine: Box<Machine>,
    lease: Lease,
    header: RunHeader,
    resumed: bool,
}

impl Begun {
    /// Works on it until it is over, parked or taken away.
    pub(super) async fn work(self) -> RunEnd {
        let Begun { engine, machine, lease, header, resumed } = self;
        engine.work(machine, lease, header, resumed).await
    }
}

impl Engine {
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
        let mut runs: JoinSet<RunEnd> = JoinSet::new();
        for run in resumed {
            self.spawn(&mut runs, run);
        }
        for offer in offers.iter_mut() {
            self.spawn_offer(&mut runs, offer);
        }
        let mut again: VecDeque<Offer> = VecDeque::new();
        if delivery.is_some() {
            let (waiting, rest) = std::mem::take(offers).into_iter().partition::<Vec<_>, _>(waits);
            *offers = rest;
            again.extend(waiting);
        }
        let mut ends = Vec::new();
        let engine = self.clone();
        let beat = engine.beat();
        tokio::pin!(beat);
        loop {
            let done = tokio::select! {
                done = runs.join_next() => done,
                () = &mut beat => continue,
            };
            let Some(done) = done else { break };
            match done {
                Ok(end) => {
                    self.reporter.ended(&end);
                    ends.push(end);
                }
                Err(error) => self.reporter.notice(&format!("a run's task ended badly: {error}")),
            }
            if let Some(delivery) = delivery.filter(|_| !again.is_empty() && self.stop.asked().is_none()) {
                self.offer_again(library, delivery, &mut again, offers, &mut runs).await?;
            }
        }
        offers.extend(again);
        Ok(ends)
    }

    async fn offer_again(
        &self,
        library: &Library,
        delivery: &Delivery,
        again: &mut VecDeque<Offer>,
        offers: &mut Vec<Offer>,
        runs: &mut JoinSet<RunEnd>,
    ) -> Result<(), StoreError> {
        let batch: Vec<Offer> = (0..AGAIN).map_while(|_| again.pop_front()).collect();
        let wanted: Vec<_> =
            batch.iter().map(|o| (o.playbook.name.clone(), o.trigger, o.group.clone())).collect();
        let small = Delivery {
            alerts: batch.iter().flat_map(|o| o.alerts.iter().cloned()).collect(),
            at: self.clock.now(),
            fresh: false,
            listed: None,
            ..delivery.clone()
        };
        let answers = self.admit(library, &small).await?;
        let mut waiting = Vec::new();
        for mut offer in answers {
            // Other playbooks of the same alerts have had their answer.
            if !wanted.contains(&(offer.playbook.name.clone(), offer.trigger, offer.group.clone())) {
                continue;
            }
            self.spawn_offer(runs, &mut offer);
            if waits(&offer) { waiting.push(offer) } else { offers.push(offer) }
        }
        for offer in waiting.into_iter().rev() {
            again.push_front(offer);
        }
        Ok(())
    }

    fn spawn_offer(&self, runs: &mut JoinSet<RunEnd>, offer: &mut Offer) {
        if let Some(begun) = self.begun(offer) {
            runs.spawn(begun.work());
        }
    }

    /// Makes what is to be worked on of an offer that started a run.
    pub(super) fn begun(&self, offer: &mut Offer) -> Option<Begun> {
        let OfferAnswer::Started(started) = &mut offer.answer else { return None };
        let journal = std::mem::take(&mut started.journal);
        for event in &journal {
            self.reporter.event(&started.header, event);
        }
        let run = Run::replay(&started.header.run, &journal)?;
        let mut machine =
            Machine::new(run, Arc::clone(&offer.playbook), self.run_options(started.fresh_until));
        if started.waits_for.is_some() {
            machine.want_key();
        }
        let (lease, header) = (started.lease.clone(), started.header.clone());
        Some(Begun { engine: self.clone(), machine: Box::new(machine), lease, header, resumed: false })
    }

    /// Makes what is to be worked on of a run that was taken over.
    pub(super) fn begun_again(&self, resumed: Resumed) -> Begun {
        let Resumed { header, lease, machine, .. } = resumed;
        Begun { engine: self.clone(), machine: Box::new(machine), lease, header, resumed: true }
    }

    fn spawn(&self, runs: &mut JoinSet<RunEnd>, resumed: Resumed) {
        runs.spawn(self.begun_again(resumed).work());
    }
}

fn waits(offer: &Offer) -> bool {
    matches!(&offer.answer, OfferAnswer::Later(closed) if waits_for_a_run(closed.reason))
}
