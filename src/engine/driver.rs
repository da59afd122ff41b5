//! Works on one run: asks the machine what comes next, commits it, then begins it.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::heart::Heard;
use super::keep::{Keeper, carry_over, renewal_of};
use super::pace::Ticket;
use super::patience::Patience;
use super::pool::Standing;
use super::ports::{Call, Lease, Parking, RunHeader, StoreError};
use super::set_clock::SetClock;
use super::stop::Stop;
use crate::run::{
    GateChange, Machine, Next, PendingCall, RunEvent, RunStatus, Signal, SignalKind, Stamped, Waits,
    is_raised,
};
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
/// How often a run that was left paused is looked after: the end of a pause wakes nobody.
const PAUSE_CHECK: Duration = Duration::from_secs(30);
/// So many renewals in a row nobody of this process must be working who could free the concurrency key.
const PATIENCE: u32 = 2;

struct Work<'e> {
    engine: &'e Engine,
    machine: Box<Machine>,
    lease: Lease,
    header: RunHeader,
    /// How long its journal is known to be.
    written: u64,
    calls: JoinSet<(String, Reply)>,
    tokens: HashMap<String, CancellationToken>,
    keeper: Keeper,
    clock: SetClock,
    paused: bool,
    /// Renewals during which it waited for its concurrency key alone.
    alone: u32,
    at_once: CancellationToken,
}

impl Engine {
    /// Works on one run until it is over, parked or taken away.
    pub(super) async fn work(
        &self,
        standing: Standing,
        lease: Lease,
        header: RunHeader,
        ticket: Option<Ticket>,
    ) -> RunEnd {
        let mut hear = self.heart.add(lease.clone());
        let (mut stop, clock) = (self.stop.clone(), SetClock::new(self.clock.as_ref()));
        let turn = self.turn(&mut stop, &mut hear).await;
        if let Some(ticket) = ticket {
            ticket.give_back(self.clock.as_ref());
        }
        // Thousands may wait for their turn: they take little memory until they have it.
        Box::pin(self.work_in_turn(standing, lease, header, clock, (hear, stop), turn)).await
    }

    async fn work_in_turn(
        &self,
        standing: Standing,
        lease: Lease,
        header: RunHeader,
        clock: SetClock,
        (hear, stop): (UnboundedReceiver<Heard>, Stop),
        turn: Turn,
    ) -> RunEnd {
        let resumed = matches!(standing, Standing::Resumed(_));
        let Some(machine) = standing.machine(self, &lease.run) else {
            self.heart.remove(&lease.run);
            let (kind, now) = (RunEndKind::Abandoned, self.clock.now());
            let reason = "its journal has no beginning".to_owned();
            return RunEnd { header, kind, reason, started_at: now, ended_at: now };
        };
        let mut work = Work {
            engine: self,
            machine,
            written: lease.seq,
            lease,
            header,
            calls: JoinSet::new(),
            tokens: HashMap::new(),
            keeper: Keeper::default(),
            clock,
            paused: false,
            alone: 0,
            at_once: CancellationToken::new(),
        };
        let result = work.go(hear, stop, turn, resumed).await;
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

    /// Waits for a turn among the runs of this process; none is needed to leave a run. Of what is heard meanwhile
    /// the last says everything.
    async fn turn(&self, stop: &mut Stop, hear: &mut UnboundedReceiver<Heard>) -> Turn {
        let acquire = self.slots.clone().acquire_owned();
        tokio::pin!(acquire);
        let mut heard = None;
        loop {
            if stop.draining() || stop.at_once() {
                return Turn { slot: None, heard };
            }
            tokio::select! {
                slot = &mut acquire => return Turn { slot: slot.ok(), heard },
                Some(news) = hear.recv() => heard = Some(news),
                () = stop.changed() => {}
            }
        }
    }
}

/// A turn among the runs of this process.
struct Turn {
    slot: Option<OwnedSemaphorePermit>,
    /// What was heard last while it was waited for.
    heard: Option<Heard>,
}

impl Work<'_> {
    async fn go(
        &mut self,
        mut hear: UnboundedReceiver<Heard>,
        mut stop: Stop,
        Turn { mut slot, heard }: Turn,
        resumed: bool,
    ) -> Result<(RunEndKind, String), StoreError> {
        let engine = self.engine;
        if resumed {
            self.catch_up().await?;
        }
        heard.map_or(Ok(()), |heard| self.hear(heard))?;
        self.hear_stop(stop.asked());
        loop {
            if slot.is_none() {
                let turn = engine.turn(&mut stop, &mut hear).await;
                slot = turn.slot;
                turn.heard.map_or(Ok(()), |heard| self.hear(heard))?;
                self.hear_stop(stop.asked());
            }
            while let Ok(heard) = hear.try_recv() {
                self.hear(heard)?;
            }
            self.look_at_the_clock();
            let next = self.machine.next(engine.clock.now(), self.paused || stop.draining());
            if next.finished {
                // What is left is a line in the journal: the next run's first one shares its commit.
                slot = None;
            }
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
            engine.heart.waits_for_key(&self.lease.run, matches!(next.waits, Some(Waits::Key(_))));
            if let Some(waits) = &next.waits {
                if self.parks(waits, next.wake) {
                    return self.park(waits.clone(), next.wake).await;
                }
                slot = None;
            }
            let renew = self.renew_holds();
            tokio::select! {
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => {
                    if let Ok((key, reply)) = done {
                        self.heard(&key, reply).await?;
                    }
                }
                Some(heard) = hear.recv() => self.hear(heard)?,
                () = until(engine, next.wake) => {}
                () = after(engine, renew) => {}
                () = stop.changed() => self.hear_stop(stop.asked()),
            }
        }
    }

    /// Learns what reached the run while it had no process, before anything of it is begun: a pause above
    /// all, and a failure that was raised by a process that was killed before it could keep a note.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let now = self.engine.clock.now();
        for renewed in self.engine.store.renew(vec![self.lease.clone()], now).await? {
            self.hear(Heard::Renewed(renewed?))?;
        }
        let made = |id: &String| RunEvent::HoldMade { id: id.clone(), server_id: None };
        let raised = self.machine.run.holds.iter().filter(|(id, hold)| is_raised(id) && hold.in_force());
        for event in raised.map(|(id, _)| made(id)).collect::<Vec<_>>() {
            self.engine.keep_failure(&self.header, &self.machine.run, &event, true).await?;
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard) -> Result<(), StoreError> {
        let Heard::Renewed(renewed) = heard else {
            return Err(StoreError::Fenced { run: self.lease.run.clone() });
        };
        for signal in renewed.signals {
            self.machine.signal(signal);
        }
        if renewed.granted {
            self.machine.grant_key();
        }
        self.paused = renewed.paused;
        self.alone = if self.engine.heart.others_work(&self.lease.run) { 0 } else { self.alone + 1 };
        Ok(())
    }

    fn hear_stop(&mut self, asked: Option<String>) {
        // A process that drains leaves its runs to the next one, also when it has no more time for them.
        if let Some(by) = asked.filter(|_| !self.engine.stop.draining()) {
            let id = format!("stop:{}:{by}", self.engine.owner.pid);
            self.machine.signal(Signal { id, kind: SignalKind::Cancel { by } });
        }
    }

    /// Takes note of a wall clock that was set: what the run waits for, and how long it may take, moves along.
    fn look_at_the_clock(&mut self) {
        let clock = self.engine.clock.as_ref();
        if let Some(by) = self.clock.was_set(clock) {
            self.machine.clock_was_set(by, clock.now());
            self.keeper.renew_all(clock.steady());
        }
    }

    async fn commit(&mut self, events: Vec<RunEvent>, gates: Vec<GateChange>) -> Result<(), StoreError> {
        if events.is_empty() && gates.is_empty() {
            return Ok(());
        }
        let engine = self.engine;
        for event in &self.append(events, gates).await? {
            engine.reporter.event(&self.header, event);
            self.keeper.note(&self.machine.run, &event.event, engine.clock.steady());
            let tells = self.machine.playbook().sync.alert_on_failure;
            let mut patience = Patience::new(engine, &self.lease.run);
            while let Err(error) =
                engine.keep_failure(&self.header, &self.machine.run, &event.event, tells).await
            {
                patience.wait(error).await?;
            }
        }
        Ok(())
    }

    /// Writes to the journal, and tries again when the store cannot take it: what a command did is not done again,
    /// nor taken for lost, because a disk was full for a while.
    async fn append(
        &mut self,
        events: Vec<RunEvent>,
        gates: Vec<GateChange>,
    ) -> Result<Vec<Stamped>, StoreError> {
        let (engine, now) = (self.engine, self.machine.run.updated_at);
        let mut patience = Patience::new(engine, &self.lease.run);
        loop {
            let appended = engine.store.append(self.lease.clone(), events.clone(), gates.clone(), now).await;
            let stamped = match appended {
                Ok(stamped) => stamped,
                Err(error) => {
                    patience.wait(error).await?;
                    // An error does not prove that nothing was written.
                    let Some(stamped) = self.found_written(&events).await else { continue };
                    stamped
                }
            };
            self.written = stamped.last().map_or(self.written, |last| last.seq);
            return Ok(stamped);
        }
    }

    /// Returns these events as the journal has them after what it was known to have.
    async fn found_written(&self, events: &[RunEvent]) -> Option<Vec<Stamped>> {
        let (_, _, journal) = self.engine.store.read(self.lease.run.clone()).await.ok()?;
        let new: Vec<Stamped> = journal.into_iter().filter(|stamped| stamped.seq > self.written).collect();
        let same = !events.is_empty() && new.iter().map(|stamped| &stamped.event).eq(events);
        same.then_some(new)
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
        let Effect::Hold(hold) = &call.effect else {
            self.calls.spawn(async move { (pending.key, performer.perform(&call, limit, &token).await) });
            return;
        };
        let (turn, action) = (self.keeper.turn(&call.path), hold.action);
        self.calls.spawn(async move {
            let mut released = turn.lock().await;
            if *released && action == HoldAction::Renew {
                return (pending.key, Reply::Stopped { output: None });
            }
            *released = action == HoldAction::Release;
            (pending.key, performer.perform(&call, limit, &token).await)
        });
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
                self.keeper.failed(&self.machine.run, id, self.engine.clock.steady());
                self.engine
                    .reporter
                    .notice(&format!("run {}: the hold {id} could not be renewed", self.lease.run));
            }
        }
        Ok(())
    }

    /// Begins the renewals that are due and returns when the next one is, by the steady clock.
    fn renew_holds(&mut self) -> Option<Duration> {
        let now = self.engine.clock.steady();
        for id in self.keeper.due(&self.machine.run, now, |id| self.machine.is_releasing(id)) {
            if let Some(effect) = renewal_of(&self.machine.run, &id) {
                self.renew(id, effect);
            }
        }
        self.keeper.next()
    }

    fn renew(&mut self, id: String, effect: HoldEffect) {
        self.begin(PendingCall {
            key: format!("{RENEW}{id}"),
            path: id,
            attempt: 1,
            effect: Effect::Hold(effect),
            limit: Some(Duration::from_secs(30)),
        });
    }

    fn parks(&self, waits: &Waits, wake: Option<Timestamp>) -> bool {
        if self.engine.stop.draining() {
            return true;
        }
        if self.engine.stop.asked().is_some() {
            return false;
        }
        if *waits == Waits::Person && self.engine.heart.is_left(&self.lease.run) {
            return true;
        }
        if !self.engine.options.no_wait {
            // Nobody knows for how long, and mutes must not stand meanwhile.
            return self.engine.options.always_on && *waits == Waits::Person;
        }
        let short = |at: Timestamp| at.duration_since(self.engine.clock.now()).unsigned_abs() < SHORT_WAIT;
        match waits {
            Waits::Time => !wake.is_some_and(short),
            Waits::Person | Waits::Pause => true,
            // While another run of this very process works, it is likely the one that has the key.
            Waits::Key(_) => self.alone >= PATIENCE,
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
        let now = self.engine.clock.now();
        let until = match &waits {
            Waits::Pause if self.engine.stop.draining() && !self.paused => Some(now),
            Waits::Pause => {
                let check = now.checked_add(PAUSE_CHECK).unwrap_or(now);
                Some(until.map_or(check, |until| until.min(check)))
            }
            _ => until,
        };
        if let Some(until) = until.filter(|_| waits == Waits::Time) {
            for (id, effect) in carry_over(&self.machine.run, now, until) {
                self.renew(id, effect);
            }
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
            Waits::Time => self.machine.run.waits_where(),
            Waits::Person => self.machine.run.waits_for_whom(),
            Waits::Pause if !self.paused => "left by a process that was stopped".to_owned(),
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

async fn until(engine: &Engine, at: Option<Timestamp>) {
    match at {
        Some(at) => engine.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn after(engine: &Engine, steady: Option<Duration>) {
    match steady {
        Some(steady) => engine.clock.sleep(steady.saturating_sub(engine.clock.steady())).await,
        None => std::future::pending().await,
    }
}
