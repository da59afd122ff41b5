//! Works on one run: asks the machine what comes next, commits it, then begins it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::heart::Heard;
use super::ports::{Call, Lease, Parking, RunHeader, StoreError};
use crate::run::{Machine, Next, PendingCall, RunEvent, RunStatus, Signal, SignalKind, Waits};
use crate::step::{Effect, HoldAction, HoldEffect, Reply};

/// How this process left a run.
#[derive(Debug)]
pub struct RunEnd {
    /// What it is.
    pub header: RunHeader,
    /// How it was left.
    pub kind: RunEndKind,
    /// Why, for people.
    pub reason: String,
    /// When the run was admitted.
    pub started_at: Timestamp,
    /// When this process left it.
    pub ended_at: Timestamp,
}

/// How a process left a run.
#[derive(Debug)]
pub enum RunEndKind {
    /// It is over.
    Finished(RunStatus),
    /// It waits, without a process; goes on then, or when a signal comes.
    Parked(Option<Timestamp>),
    /// Another process took it over.
    TakenAway,
    /// It was left in the middle, by a second signal: the next process finds it.
    Abandoned,
    /// The store failed: the next process finds it.
    StoreFailed(StoreError),
}

/// A call that keeps a hold, beside those that the machine knows of.
const RENEW: &str = "renew ";
/// How long a call may take that has no limit of its own.
const NO_LIMIT: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Shorter waits are waited for even with `no_wait`: parking would cost more.
const SHORT_WAIT: Duration = Duration::from_secs(1);

struct Work<'e> {
    engine: &'e Engine,
    machine: Machine,
    lease: Lease,
    header: RunHeader,
    calls: JoinSet<(String, Reply)>,
    tokens: HashMap<String, CancellationToken>,
    renew_at: BTreeMap<String, Timestamp>,
    paused: bool,
    at_once: CancellationToken,
}

impl Engine {
    /// Works on one run until it is over, parked or taken away.
    pub(super) async fn work(&self, machine: Machine, lease: Lease, header: RunHeader) -> RunEnd {
        let hear = self.heart.add(lease.clone());
        let mut work = Work {
            engine: self,
            machine,
            lease,
            header,
            calls: JoinSet::new(),
            tokens: HashMap::new(),
            renew_at: BTreeMap::new(),
            paused: false,
            at_once: CancellationToken::new(),
        };
        let result = work.go(hear).await;
        work.stop_all();
        self.heart.remove(&work.lease.run);
        let (kind, reason) = match result {
            Ok(end) => end,
            Err(StoreError::Fenced { .. }) => {
                (RunEndKind::TakenAway, "another process took it over".to_owned())
            }
            Err(error) => {
                let reason = error.to_string();
                (RunEndKind::StoreFailed(error), reason)
            }
        };
        let started_at = work.machine.run.started_at;
        RunEnd { header: work.header, kind, reason, started_at, ended_at: self.clock.now() }
    }
}

impl Work<'_> {
    async fn go(&mut self, mut hear: UnboundedReceiver<Heard>) -> Result<(RunEndKind, String), StoreError> {
        let engine = self.engine;
        let mut stop = engine.stop.clone();
        let mut slot = None;
        self.hear_stop(&stop.asked());
        loop {
            if slot.is_none() {
                slot = engine.slots.clone().acquire_owned().await.ok();
                self.hear_stop(&stop.asked());
            }
            let next = self.machine.next(engine.clock.now(), self.paused);
            self.commit(next.record, next.gates).await?;
            for key in &next.stop {
                if let Some(token) = self.tokens.get(key) {
                    token.cancel();
                }
            }
            for call in next.start {
                self.begin(call);
            }
            if next.finished {
                let end = self.machine.run.finished.clone();
                let (status, reason) =
                    end.map_or((RunStatus::Failed, String::new()), |e| (e.status, e.reason));
                return Ok((RunEndKind::Finished(status), reason));
            }
            if stop.at_once() {
                return Ok((RunEndKind::Abandoned, "stopped at once by a second signal".to_owned()));
            }
            if let Some(waits) = &next.waits {
                if self.parks(waits, next.wake) {
                    return self.park(waits.clone(), next.wake).await;
                }
                slot = None;
            }
            let renew = self.renew_holds();
            let wake = [next.wake, renew].into_iter().flatten().min();
            tokio::select! {
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => {
                    if let Ok((key, reply)) = done {
                        self.heard(&key, reply).await?;
                    }
                }
                Some(heard) = hear.recv() => match heard {
                    Heard::Renewed(renewed) => {
                        for signal in renewed.signals {
                            self.machine.signal(signal);
                        }
                        if renewed.granted {
                            self.machine.grant_key();
                        }
                        self.paused = renewed.paused;
                    }
                    Heard::Lost => return Err(StoreError::Fenced { run: self.lease.run.clone() }),
                },
                () = until(engine, wake) => {}
                () = stop.changed() => self.hear_stop(&stop.asked()),
            }
        }
    }

    fn hear_stop(&mut self, asked: &Option<String>) {
        if let Some(by) = asked {
            let kind = SignalKind::Cancel { by: by.clone() };
            self.machine.signal(Signal { id: format!("stop:{}:{}", self.engine.owner.pid, by), kind });
        }
    }

    async fn commit(
        &mut self,
        events: Vec<RunEvent>,
        gates: Vec<crate::run::GateChange>,
    ) -> Result<(), StoreError> {
        if events.is_empty() && gates.is_empty() {
            return Ok(());
        }
        let engine = self.engine;
        let now = self.machine.run.updated_at;
        let stamped = engine.store.append(self.lease.clone(), events, gates, now).await?;
        for event in &stamped {
            engine.reporter.event(&self.header, event);
            self.note_holds(&event.event, event.at);
            let tells = self.machine.playbook().sync.alert_on_failure;
            engine.keep_failure(&self.header, &self.machine.run, &event.event, tells).await?;
        }
        Ok(())
    }

    fn begin(&mut self, pending: PendingCall) {
        let performer = self.engine.performer.clone();
        let token = self.at_once.child_token();
        self.tokens.insert(pending.key.clone(), token.clone());
        let call = Call {
            run: self.lease.run.clone(),
            path: pending.path,
            attempt: pending.attempt,
            effect: pending.effect,
        };
        let limit = pending.limit.unwrap_or(NO_LIMIT);
        self.calls.spawn(async move { (pending.key, performer.perform(&call, limit, &token).await) });
    }

    async fn heard(&mut self, key: &str, reply: Reply) -> Result<(), StoreError> {
        self.tokens.remove(key);
        let Some(id) = key.strip_prefix(RENEW) else {
            self.machine.reply(key, reply);
            return Ok(());
        };
        match reply {
            Reply::Held { id: server_id } => {
                let known = self.machine.run.holds.get(id).and_then(|h| h.server_id.clone());
                if server_id.is_some() && server_id != known {
                    let event = RunEvent::HoldMade { id: id.to_owned(), server_id };
                    self.machine.run.apply_at(&event, self.engine.clock.now());
                    self.commit(vec![event], Vec::new()).await?;
                }
            }
            Reply::Stopped { .. } => {}
            _ => {
                // Well inside the lease: there is time to try again.
                let soon = self.engine.clock.now().checked_add(Duration::from_secs(10));
                if let (Ok(soon), true) = (soon, self.in_force(id)) {
                    self.renew_at.insert(id.to_owned(), soon);
                }
                self.engine
                    .reporter
                    .notice(&format!("run {}: the hold {id} could not be renewed", self.lease.run));
            }
        }
        Ok(())
    }

    fn in_force(&self, id: &str) -> bool {
        self.machine.run.holds.get(id).is_some_and(crate::run::HoldState::in_force)
    }

    /// Keeps the renewal times of holds.
    fn note_holds(&mut self, event: &RunEvent, at: Timestamp) {
        match event {
            RunEvent::HoldMade { id, .. } => {
                if let Some(hold) = self.machine.run.holds.get(id) {
                    self.renew_at.insert(id.clone(), renewal(at, hold.hold.lease_seconds()));
                }
            }
            RunEvent::HoldReleased { id, .. } => {
                self.renew_at.remove(id);
            }
            _ => {}
        }
    }

    /// Begins the renewals that are due and returns when the next one is.
    fn renew_holds(&mut self) -> Option<Timestamp> {
        let now = self.engine.clock.now();
        let missing: Vec<_> = self
            .machine
            .run
            .holds
            .iter()
            .filter(|(id, h)| h.in_force() && !self.renew_at.contains_key(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in missing {
            // Taken over: its lease may be almost over.
            self.renew_at.insert(id, now);
        }
        let due: Vec<_> =
            self.renew_at.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in due {
            let Some(state) = self.machine.run.holds.get(&id).filter(|h| h.in_force()).cloned() else {
                self.renew_at.remove(&id);
                continue;
            };
            self.renew_at.insert(id.clone(), renewal(now, state.hold.lease_seconds()));
            let owner = format!("{}/{id}", self.lease.run);
            let effect = Effect::Hold(HoldEffect {
                action: HoldAction::Renew,
                hold: state.hold,
                owner,
                id: state.server_id,
            });
            self.begin(PendingCall {
                key: format!("{RENEW}{id}"),
                path: id,
                attempt: 1,
                effect,
                limit: Some(Duration::from_secs(30)),
            });
        }
        self.renew_at.values().min().copied()
    }

    fn parks(&self, waits: &Waits, wake: Option<Timestamp>) -> bool {
        if !self.engine.options.no_wait || self.engine.stop.asked().is_some() {
            return false;
        }
        let short = |at: Timestamp| at.duration_since(self.engine.clock.now()).unsigned_abs() < SHORT_WAIT;
        match waits {
            Waits::Time => !wake.is_some_and(short),
            Waits::Person | Waits::Pause => true,
            // The holder is likely another run of this very process: wait for it.
            Waits::Key(_) => false,
        }
    }

    /// Releases what mutes and gives the run up.
    async fn park(
        &mut self,
        waits: Waits,
        until: Option<Timestamp>,
    ) -> Result<(RunEndKind, String), StoreError> {
        let next: Next = self.machine.release_mutes(self.engine.clock.now());
        self.commit(next.record, next.gates).await?;
        for call in next.start {
            self.begin(call);
        }
        while let Some(done) = self.calls.join_next().await {
            if let Ok((key, reply)) = done {
                self.heard(&key, reply).await?;
            }
        }
        let next = self.machine.settle_releases(self.engine.clock.now());
        self.commit(next.record, next.gates).await?;
        let reason = match &waits {
            Waits::Key(key) => format!("waits for the concurrency key `{key}`"),
            Waits::Time => "waits".to_owned(),
            Waits::Person => "waits for a person".to_owned(),
            Waits::Pause => "paused".to_owned(),
        };
        let parking = Parking { until, status: self.machine.run.status(), reason: reason.clone() };
        self.engine.store.park(self.lease.clone(), parking, self.engine.clock.now()).await?;
        Ok((RunEndKind::Parked(until), reason))
    }

    fn stop_all(&mut self) {
        self.at_once.cancel();
        self.calls.abort_all();
    }
}

/// A third of the lease leaves time for two more tries.
fn renewal(from: Timestamp, lease_seconds: u64) -> Timestamp {
    from.checked_add(Duration::from_secs((lease_seconds / 3).max(1))).unwrap_or(from)
}

async fn until(engine: &Engine, at: Option<Timestamp>) {
    match at {
        Some(at) => engine.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
