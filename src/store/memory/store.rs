//! [`MemoryStore`]: a lock around the [`State`].

use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::engine::{
    Admitted, Answer, Ask, Episode, Judge, Later, LaterCount, Lease, LifeOf, Observation, OpenEpisode, Owner,
    Parking, Raised, Renewed, RunCount, RunFilter, RunSummary, Store, StoreError, Take, Taken,
};
use crate::run::{GateChange, GateState, RunEvent, Signal, Stamped};
use crate::store::memory::state::State;

/// A store that forgets.
#[derive(Default)]
pub struct MemoryStore {
    place: String,
    state: Mutex<State>,
}

impl MemoryStore {
    /// Returns an empty store that stands for this place.
    pub fn new(place: impl Into<String>) -> MemoryStore {
        MemoryStore { place: place.into(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing under the lock, when it is awaited.
    fn with<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut State) -> T + Send + 'a,
    ) -> Answer<'a, Result<T, StoreError>> {
        Box::pin(async move { Ok(work(&mut self.state())) })
    }

    fn try_with<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut State, &str) -> Result<T, StoreError> + Send + 'a,
    ) -> Answer<'a, Result<T, StoreError>> {
        Box::pin(async move { work(&mut self.state(), &self.place) })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn observe(
        &self,
        seen: Vec<Observation>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Episode>, StoreError>> {
        self.with(move |state| state.observe(&seen, now))
    }

    fn preview_episodes(
        &self,
        seen: Vec<Observation>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Episode>, StoreError>> {
        self.with(move |state| state.preview_episodes(&seen, now))
    }

    fn open_episodes(
        &self,
        scope: String,
        ends_after: Timestamp,
    ) -> Answer<'_, Result<Vec<OpenEpisode>, StoreError>> {
        self.with(move |state| state.open_episodes(&scope, ends_after))
    }

    fn known_episodes(&self, seen: Vec<Observation>) -> Answer<'_, Result<Vec<Option<Episode>>, StoreError>> {
        self.with(move |state| state.known_episodes(&seen))
    }

    fn scopes(&self) -> Answer<'_, Result<Vec<String>, StoreError>> {
        self.with(|state| state.scopes())
    }

    fn admit(
        &self,
        asks: Vec<Ask>,
        owner: Owner,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Admitted>, StoreError>> {
        self.with(move |state| state.admit(asks, &owner, now))
    }

    fn take_in(
        &self,
        seen: Vec<Observation>,
        at: Timestamp,
        asks: Vec<Ask>,
        owner: Owner,
        now: Timestamp,
    ) -> Answer<'_, Result<(Vec<Episode>, Option<Vec<Admitted>>), StoreError>> {
        self.with(move |state| state.take_in(&seen, at, asks, &owner, now))
    }

    fn preview(&self, asks: Vec<Ask>, now: Timestamp) -> Answer<'_, Result<Vec<Admitted>, StoreError>> {
        self.with(move |state| state.preview(asks, now))
    }

    fn append(
        &self,
        lease: Lease,
        events: Vec<RunEvent>,
        gates: Vec<GateChange>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Stamped>, StoreError>> {
        self.try_with(move |state, place| state.append(place, &lease, events, &gates, now))
    }

    fn take(
        &self,
        which: Take,
        max: usize,
        owner: Owner,
        life_of: LifeOf,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Taken>, StoreError>> {
        self.with(move |state| state.take(&which, max, &owner, &*life_of, now))
    }

    fn renew(
        &self,
        leases: Vec<Lease>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Result<Renewed, StoreError>>, StoreError>> {
        self.try_with(move |state, place| Ok(leases.iter().map(|l| state.renew(place, l, now)).collect()))
    }

    fn park(&self, lease: Lease, parking: Parking, now: Timestamp) -> Answer<'_, Result<(), StoreError>> {
        self.try_with(move |state, place| state.park(place, &lease, parking, now))
    }

    fn signal(&self, run: String, signal: Signal, now: Timestamp) -> Answer<'_, Result<(), StoreError>> {
        self.try_with(move |state, place| state.signal(place, &run, signal, now))
    }

    fn signal_if(
        &self,
        run: String,
        signal: Signal,
        judge: Judge,
        now: Timestamp,
    ) -> Answer<'_, Result<bool, StoreError>> {
        self.try_with(move |state, place| state.signal_if(place, &run, signal, judge, now))
    }

    fn pending(&self, run: String) -> Answer<'_, Result<Vec<Signal>, StoreError>> {
        self.try_with(move |state, place| state.pending(place, &run))
    }

    fn read(&self, run: String) -> Answer<'_, Result<(RunSummary, Arc<str>, Vec<Stamped>), StoreError>> {
        self.try_with(move |state, place| state.read(place, &run))
    }

    fn list(&self, filter: RunFilter) -> Answer<'_, Result<Vec<RunSummary>, StoreError>> {
        self.with(move |state| state.list(&filter))
    }

    fn counts(&self) -> Answer<'_, Result<Vec<RunCount>, StoreError>> {
        self.with(|state| state.counts())
    }

    fn put_later(&self, later: Vec<Later>) -> Answer<'_, Result<(), StoreError>> {
        self.with(move |state| state.put_later(later))
    }

    fn later(&self, due: Option<Timestamp>) -> Answer<'_, Result<Vec<Later>, StoreError>> {
        self.with(move |state| state.later(due))
    }

    fn count_later(&self) -> Answer<'_, Result<Vec<LaterCount>, StoreError>> {
        self.with(|state| state.count_later())
    }

    fn later_playbooks(&self, due: Timestamp) -> Answer<'_, Result<Vec<String>, StoreError>> {
        self.with(move |state| state.later_playbooks(due))
    }

    fn later_of(
        &self,
        playbook: String,
        due: Timestamp,
        skip: usize,
        max: usize,
    ) -> Answer<'_, Result<Vec<Later>, StoreError>> {
        self.with(move |state| state.later_of(&playbook, due, skip, max))
    }

    fn drop_later(&self, keys: Vec<(String, String, String)>) -> Answer<'_, Result<(), StoreError>> {
        self.with(move |state| state.drop_later(&keys))
    }

    fn gates(&self, prefix: String) -> Answer<'_, Result<Vec<(String, GateState)>, StoreError>> {
        self.with(move |state| state.gates(&prefix))
    }

    fn change_gates(
        &self,
        changes: Vec<GateChange>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<GateState>, StoreError>> {
        self.with(move |state| state.change_gates(&changes, now))
    }

    fn raised(&self) -> Answer<'_, Result<Vec<Raised>, StoreError>> {
        self.with(|state| state.raised())
    }

    fn put_raised(&self, add: Vec<Raised>, remove: Vec<String>) -> Answer<'_, Result<(), StoreError>> {
        self.with(move |state| state.put_raised(add, &remove))
    }

    fn prune(&self, before: Timestamp, dry_run: bool) -> Answer<'_, Result<u64, StoreError>> {
        if dry_run {
            return Box::pin(ready(Ok(self.state().count_old(before))));
        }
        self.with(move |state| state.prune(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn it_does_what_every_store_must() {
        conformance::run(|| Arc::new(MemoryStore::new("memory"))).await;
    }
}
