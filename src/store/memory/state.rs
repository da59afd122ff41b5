//! [`State`]: the tables of the memory store, and what each method does to them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map};
use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{
    Admitted, Ask, CLOCKS_DIFFER, Claim, Episode, EpisodeKey, Judge, LEASE, Later, LaterCount, Lease, Life,
    Observation, OpenEpisode, Owner, Parking, Raised, Renewed, RunCount, RunFilter, RunSummary, StoreError,
    Take, Taken, gate_keys,
};
use crate::run::{GateChange, GateState, RunEvent, RunStatus, Signal, SignalKind, Stamped, settle};
use crate::store::episodes::{EpisodeRow, find, place};
use crate::store::progress::Progress;
use crate::store::retention::{forgotten_before, is_forgotten};
use crate::store::verdict::{Desk, Facts, Verdict, as_previewed};

/// Tells what is known of the life of a process.
type LifeOf = dyn Fn(&Owner) -> Life + Send + Sync;

/// Everything that the store holds.
#[derive(Debug, Default)]
pub(super) struct State {
    texts: HashMap<String, Arc<str>>,
    /// By number, which is the order of admission.
    runs: BTreeMap<u64, Run>,
    numbers: HashMap<String, u64>,
    unfinished: BTreeSet<u64>,
    /// Rows of an alert (scope, fingerprint), newest first.
    episodes: HashMap<(String, String), Vec<EpisodeRow>>,
    claims: HashMap<EpisodeKey, Vec<Claim>>,
    gates: BTreeMap<String, GateState>,
    /// What was put off, each with its turn.
    later: BTreeMap<(String, String, String), (u64, Later)>,
    rows_put_off: u64,
    raised: BTreeMap<String, Raised>,
}

#[derive(Debug)]
struct Run {
    summary: RunSummary,
    epoch: u64,
    lease_until: Option<Timestamp>,
    key: Option<String>,
    granted: bool,
    journal: Vec<Stamped>,
    /// With whether it is in the journal.
    signals: Vec<(Signal, bool)>,
}

impl Run {
    fn is_over(&self) -> bool {
        self.summary.status.is_final()
    }

    fn lease(&self) -> Lease {
        let seq = self.journal.last().map_or(0, |e| e.seq);
        Lease { run: self.summary.header.run.clone(), epoch: self.epoch, seq }
    }

    fn pending(&self) -> Vec<Signal> {
        self.signals.iter().filter(|(_, taken)| !taken).map(|(signal, _)| signal.clone()).collect()
    }

    fn make_due(&mut self, now: Timestamp) {
        if self.summary.owner.is_none() {
            self.summary.due = Some(self.summary.due.map_or(now, |due| due.min(now)));
        }
    }

    fn record(&mut self, events: Vec<RunEvent>, now: Timestamp) -> Vec<Stamped> {
        let seq = self.journal.last().map_or(0, |e| e.seq);
        let stamped: Vec<_> =
            (seq + 1..).zip(events).map(|(seq, event)| Stamped { seq, at: now, event }).collect();
        self.journal.extend(stamped.iter().cloned());
        stamped
    }

    fn is_free(&self, me: &Owner, life_of: &LifeOf, now: Timestamp) -> bool {
        match &self.summary.owner {
            None => true,
            Some(owner) if owner == me => false,
            Some(owner) => match life_of(owner) {
                Life::Lives => false,
                Life::Gone => true,
                Life::Unknown => self.lease_until.is_none_or(|until| until <= now),
            },
        }
    }

    /// Moves what was written before the clock was set back.
    fn put_right(&mut self, now: Timestamp) {
        let ahead = self.summary.updated_at.duration_since(now);
        if self.summary.owner.is_none() && self.summary.due.is_some() && ahead > CLOCKS_DIFFER {
            self.summary.due = self.summary.due.and_then(|due| due.checked_sub(ahead).ok());
            self.summary.updated_at = now;
            let by_ms = -i64::try_from(ahead.as_millis()).unwrap_or_default();
            self.record(vec![RunEvent::ClockSet { by_ms }], now);
        }
        let longest = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
        let too_long = |until: &Timestamp| until.duration_since(longest) > CLOCKS_DIFFER;
        if self.lease_until.as_ref().is_some_and(too_long) {
            self.lease_until = Some(longest);
        }
    }
}

impl State {
    pub(super) fn observe(&mut self, seen: &[Observation], now: Timestamp) -> Vec<Episode> {
        let mut found = Vec::with_capacity(seen.len());
        for one in seen {
            let rows = self.episodes.entry((one.scope.clone(), one.fingerprint.clone())).or_default();
            let at = place(rows, one, now);
            if let Some(row) = rows.get(at) {
                let episode = row.to_episode(one, Vec::new());
                let claims = self.claims.get(&episode.key).cloned().unwrap_or_default();
                found.push(Episode { claims, ..episode });
            }
        }
        found
    }

    pub(super) fn open_episodes(&self, scope: &str, ends_after: Timestamp) -> Vec<OpenEpisode> {
        let of_scope = self.episodes.iter().filter(|((s, _), _)| s == scope);
        let open =
            of_scope.flat_map(|((_, fingerprint), rows)| rows.iter().map(move |row| (fingerprint, row)));
        let open = open
            .filter(|(_, row)| row.closed_at.is_none() && row.ends_at.is_some_and(|ends| ends > ends_after));
        let mut open: Vec<_> = open
            .filter_map(|(fingerprint, row)| {
                let key = EpisodeKey {
                    scope: scope.to_owned(),
                    fingerprint: fingerprint.clone(),
                    starts_at_ms: row.starts_at_ms,
                };
                Some(OpenEpisode { key, ends_at: row.ends_at, alert: (**row.alert.as_ref()?).clone() })
            })
            .collect();
        open.sort_by(|a, b| {
            (a.key.starts_at_ms, &a.key.fingerprint).cmp(&(b.key.starts_at_ms, &b.key.fingerprint))
        });
        open
    }

    pub(super) fn known_episodes(&self, seen: &[Observation]) -> Vec<Option<Episode>> {
        let known = |one: &Observation| {
            let rows = self.episodes.get(&(one.scope.clone(), one.fingerprint.clone()))?;
            let episode = find(rows, one)?.to_episode(one, Vec::new());
            let claims = self.claims.get(&episode.key).cloned().unwrap_or_default();
            Some(Episode { claims, ..episode })
        };
        seen.iter().map(known).collect()
    }

    pub(super) fn scopes(&self) -> Vec<String> {
        let known = self.episodes.iter().filter(|(_, rows)| !rows.is_empty());
        let scopes: BTreeSet<_> = known.map(|((scope, _), _)| scope.clone()).collect();
        scopes.into_iter().collect()
    }

    pub(super) fn preview_episodes(&self, seen: &[Observation], now: Timestamp) -> Vec<Episode> {
        let known = seen.iter().filter_map(|one| {
            let alert = (one.scope.clone(), one.fingerprint.clone());
            let rows = self.episodes.get(&alert)?.clone();
            Some((alert, rows))
        });
        let mut scratch =
            State { episodes: known.collect(), claims: self.claims.clone(), ..State::default() };
        scratch.observe(seen, now)
    }

    pub(super) fn admit(&mut self, asks: Vec<Ask>, owner: &Owner, now: Timestamp) -> Vec<Admitted> {
        let mut desk = self.desk(&asks);
        let mut admitted = Vec::with_capacity(asks.len());
        for ask in asks {
            admitted.push(match desk.verdict(&ask, now) {
                Verdict::Claimed(run) => Admitted::Claimed { run },
                Verdict::Later(closed) => Admitted::Later(closed),
                Verdict::Start { episodes, granted, restart } => {
                    if let Some(holder) = restart {
                        let id = format!("restart/{}", ask.header.run);
                        self.leave(&holder, Signal { id, kind: SignalKind::Restart }, now);
                    }
                    self.start(ask, episodes, granted, owner, now)
                }
            });
        }
        let changed: Vec<_> = desk.changed_gates().map(|(k, s)| (k.clone(), s.clone())).collect();
        self.gates.extend(changed);
        admitted
    }

    pub(super) fn take_in(
        &mut self,
        seen: &[Observation],
        at: Timestamp,
        asks: Vec<Ask>,
        owner: &Owner,
        now: Timestamp,
    ) -> (Vec<Episode>, Option<Vec<Admitted>>) {
        let episodes = self.observe(seen, at);
        let all_new = seen.iter().zip(&episodes).all(|(seen, episode)| episode.is_new(seen));
        let admitted = all_new.then(|| self.admit(asks, owner, now));
        (episodes, admitted)
    }

    pub(super) fn preview(&mut self, asks: Vec<Ask>, now: Timestamp) -> Vec<Admitted> {
        let mut desk = self.desk(&asks);
        asks.into_iter()
            .map(|ask| {
                let verdict = desk.verdict(&ask, now);
                as_previewed(ask, verdict, now)
            })
            .collect()
    }

    fn desk(&mut self, asks: &[Ask]) -> Desk {
        match Desk::load(asks, self) {
            Ok(desk) => desk,
            Err(never) => match never {},
        }
    }

    fn start(
        &mut self,
        ask: Ask,
        episodes: Vec<EpisodeKey>,
        granted: bool,
        owner: &Owner,
        now: Timestamp,
    ) -> Admitted {
        let Ask { header, key, text, events, put_off, .. } = ask;
        if let Some(target) = put_off {
            self.later.remove(&(header.playbook.clone(), header.scope.clone(), target));
        }
        self.texts.entry(header.digest.clone()).or_insert(text);
        for episode in &episodes {
            let alert = (episode.scope.clone(), episode.fingerprint.clone());
            let rows = self.episodes.entry(alert).or_default();
            if rows.iter().all(|r| r.starts_at_ms != episode.starts_at_ms) {
                let at = rows.iter().take_while(|r| r.starts_at_ms > episode.starts_at_ms).count();
                rows.insert(at, EpisodeRow::of_key(episode));
            }
            self.claims.entry(episode.clone()).or_default().push(Claim {
                playbook: header.playbook.clone(),
                trigger: header.trigger,
                run: header.run.clone(),
            });
        }
        let key = key.map(|k| k.key);
        let (status, reason) = Progress::at_start(&events, key.as_deref().filter(|_| !granted));
        let mut run = Run {
            summary: RunSummary {
                header: header.clone(),
                status,
                reason,
                started_at: now,
                updated_at: now,
                due: None,
                owner: Some(owner.clone()),
            },
            epoch: 1,
            lease_until: Some(now.checked_add(LEASE).unwrap_or(Timestamp::MAX)),
            key,
            granted,
            journal: Vec::new(),
            signals: Vec::new(),
        };
        let events = run.record(events, now);
        let lease = run.lease();
        let number = self.runs.last_key_value().map_or(1, |(last, _)| last + 1);
        self.numbers.insert(lease.run.clone(), number);
        self.unfinished.insert(number);
        self.runs.insert(number, run);
        Admitted::Started { lease, header, episodes, granted, events }
    }

    pub(super) fn append(
        &mut self,
        place: &str,
        lease: &Lease,
        events: Vec<RunEvent>,
        changes: &[GateChange],
        now: Timestamp,
    ) -> Result<Vec<Stamped>, StoreError> {
        let (number, run) = self.held(place, lease)?;
        let progress = Progress::of(&events);
        for signal in &progress.signals {
            match run.signals.iter_mut().find(|(known, _)| known.id == signal.id) {
                Some((_, taken)) => *taken = true,
                None => run.signals.push(((*signal).clone(), true)),
            }
        }
        let over = progress.is_over();
        if let Some((status, reason)) = progress.status {
            run.summary.status = status;
            run.summary.reason = reason;
        }
        if !events.is_empty() {
            run.summary.updated_at = now;
        }
        run.lease_until = Some(now.checked_add(LEASE).unwrap_or(Timestamp::MAX)).filter(|_| !over);
        if over {
            run.summary.owner = None;
        }
        let stamped = run.record(events, now);
        let key = run.key.clone().filter(|_| over);
        if over {
            self.unfinished.remove(&number);
        }
        self.change_gates(changes, now);
        if let Some(key) = key {
            self.grant_next(&key, now);
        }
        Ok(stamped)
    }

    fn grant_next(&mut self, key: &str, now: Timestamp) {
        let next = self.first_of(key).and_then(|number| self.runs.get_mut(&number));
        if let Some(run) = next.filter(|r| !r.granted) {
            run.granted = true;
            run.make_due(now);
        }
    }

    pub(super) fn take(
        &mut self,
        which: &Take,
        max: usize,
        owner: &Owner,
        life_of: &LifeOf,
        now: Timestamp,
    ) -> Vec<Taken> {
        for number in &self.unfinished {
            if let Some(run) = self.runs.get_mut(number) {
                run.put_right(now);
            }
        }
        let chosen: Vec<u64> = match which {
            Take::Due => {
                let open =
                    self.unfinished.iter().filter_map(|number| Some((*number, self.runs.get(number)?)));
                let mut due: Vec<_> = open
                    .filter(|(_, r)| r.summary.owner.is_some() || r.summary.due.is_some_and(|due| due <= now))
                    .map(|(number, r)| (r.summary.due, number))
                    .collect();
                due.sort_unstable();
                due.into_iter().map(|(_, number)| number).collect()
            }
            Take::These(runs) | Take::Again(runs) => {
                runs.iter().filter_map(|run| self.numbers.get(run).copied()).collect()
            }
        };
        let mut taken = Vec::new();
        for number in chosen {
            let Some(run) = self.runs.get_mut(&number) else { continue };
            let again = matches!(which, Take::Again(_)) && run.summary.owner.as_ref() == Some(owner);
            if taken.len() >= max || run.is_over() || !(again || run.is_free(owner, life_of, now)) {
                continue;
            }
            let orphaned = run.summary.owner.replace(owner.clone()).is_some();
            run.epoch += 1;
            run.lease_until = Some(now.checked_add(LEASE).unwrap_or(Timestamp::MAX));
            run.summary.due = None;
            run.summary.status = if run.granted { RunStatus::Running } else { RunStatus::Queued };
            if run.granted {
                run.summary.reason.clear();
            }
            let text = self.texts.get(&run.summary.header.digest).cloned();
            taken.push(Taken {
                lease: run.lease(),
                header: run.summary.header.clone(),
                text: text.unwrap_or_else(|| Arc::from("")),
                journal: run.journal.clone(),
                orphaned,
                signals: run.pending(),
                granted: run.granted,
            });
        }
        taken
    }

    pub(super) fn renew(
        &mut self,
        place: &str,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Renewed, StoreError> {
        let (_, run) = self.held(place, lease)?;
        run.lease_until = Some(now.checked_add(LEASE).unwrap_or(Timestamp::MAX));
        let (signals, granted) = (run.pending(), run.granted);
        let keys = [gate_keys::PAUSE_ALL.to_owned(), gate_keys::pause(&run.summary.header.playbook)];
        let paused = keys.iter().filter_map(|k| self.gates.get(k)).any(|s| s.pause_in_force(now).is_some());
        Ok(Renewed { signals, granted, paused })
    }

    pub(super) fn park(
        &mut self,
        place: &str,
        lease: &Lease,
        parking: Parking,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (_, run) = self.held(place, lease)?;
        let reached = run.signals.iter().any(|(_, taken)| !taken)
            || (run.granted && parking.status == RunStatus::Queued);
        run.summary.owner = None;
        run.lease_until = None;
        run.summary.status = parking.status;
        run.summary.reason = parking.reason;
        run.summary.due = if reached { Some(now) } else { parking.until };
        Ok(())
    }

    pub(super) fn signal(
        &mut self,
        place: &str,
        run: &str,
        signal: Signal,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.leave(run, signal, now) {
            return Ok(());
        }
        Err(no_such_run(run, place))
    }

    pub(super) fn signal_if(
        &mut self,
        place: &str,
        run: &str,
        signal: Signal,
        judge: Judge,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = self.numbers.get(run).and_then(|n| self.runs.get(n));
        let found = found.ok_or_else(|| no_such_run(run, place))?;
        let may = judge(&found.journal, &found.pending()) && !found.is_over();
        Ok(may && self.leave(run, signal, now))
    }

    pub(super) fn pending(&self, place: &str, run: &str) -> Result<Vec<Signal>, StoreError> {
        let found = self.numbers.get(run).and_then(|n| self.runs.get(n));
        found.map(Run::pending).ok_or_else(|| no_such_run(run, place))
    }

    fn leave(&mut self, run: &str, signal: Signal, now: Timestamp) -> bool {
        let Some(run) = self.numbers.get(run).and_then(|n| self.runs.get_mut(n)) else { return false };
        if !run.is_over() && run.signals.iter().all(|(known, _)| known.id != signal.id) {
            run.signals.push((signal, false));
            run.make_due(now);
        }
        true
    }

    pub(super) fn read(
        &self,
        place: &str,
        run: &str,
    ) -> Result<(RunSummary, Arc<str>, Vec<Stamped>), StoreError> {
        let Some(found) = self.numbers.get(run).and_then(|n| self.runs.get(n)) else {
            return Err(no_such_run(run, place));
        };
        let text = self.texts.get(&found.summary.header.digest).cloned();
        Ok((found.summary.clone(), text.unwrap_or_else(|| Arc::from("")), found.journal.clone()))
    }

    pub(super) fn list(&self, filter: &RunFilter) -> Vec<RunSummary> {
        let before = filter.before.as_ref().map(|run| self.numbers.get(run).copied().unwrap_or_default());
        let older = self.runs.range(..before.unwrap_or(u64::MAX)).rev();
        let wanted = |s: &&RunSummary| {
            (filter.statuses.is_empty() || filter.statuses.contains(&s.status))
                && filter.playbook.as_ref().is_none_or(|p| *p == s.header.playbook)
                && filter.since.is_none_or(|since| s.started_at >= since)
                && filter.until.is_none_or(|until| s.started_at < until)
                && filter
                    .id_part
                    .as_ref()
                    .is_none_or(|part| s.header.run.starts_with(part) || s.header.run.ends_with(part))
        };
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        older.map(|(_, r)| &r.summary).filter(wanted).take(limit).cloned().collect()
    }

    pub(super) fn counts(&self) -> Vec<RunCount> {
        let mut counts: BTreeMap<(&str, &str), RunCount> = BTreeMap::new();
        for run in self.runs.values().map(|run| &run.summary) {
            let count =
                counts.entry((&run.header.playbook, run.status.as_str())).or_insert_with(|| RunCount {
                    playbook: run.header.playbook.clone(),
                    status: run.status,
                    runs: 0,
                    last_started_at: run.started_at,
                });
            count.runs += 1;
            count.last_started_at = count.last_started_at.max(run.started_at);
        }
        counts.into_values().collect()
    }

    pub(super) fn put_later(&mut self, later: Vec<Later>) {
        for one in later {
            self.rows_put_off += 1;
            let number = self.rows_put_off;
            let key = (one.playbook.clone(), one.scope.clone(), one.target.clone());
            match self.later.entry(key) {
                btree_map::Entry::Occupied(mut known) => {
                    let (_, row) = known.get_mut();
                    *row = Later { since: row.since, ..one };
                }
                btree_map::Entry::Vacant(new) => drop(new.insert((number, one))),
            }
        }
    }

    /// Returns what was put off and may pass by then, oldest first.
    fn rows_of(&self, playbook: Option<&str>, due: Option<Timestamp>) -> Vec<&Later> {
        let future = due.map(|due| due.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX));
        let may_pass = |l: &Later| {
            due.is_none_or(|due| l.closed.asked_again_at().is_none_or(|until| until <= due))
                || future.is_some_and(|future| l.since > future)
        };
        let from = playbook.map(|name| (name.to_owned(), String::new(), String::new())).unwrap_or_default();
        let of_playbook =
            |(key, _): &(&(String, String, String), _)| playbook.is_none_or(|name| key.0 == name);
        let rows = self.later.range(from..).take_while(of_playbook).map(|(_, row)| row);
        let mut rows: Vec<_> = rows.filter(|(_, row)| may_pass(row)).collect();
        rows.sort_by_key(|(number, row)| (row.since, *number));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    pub(super) fn later(&self, due: Option<Timestamp>) -> Vec<Later> {
        self.rows_of(None, due).into_iter().cloned().collect()
    }

    pub(super) fn count_later(&self) -> Vec<LaterCount> {
        let mut counts: BTreeMap<(&str, &'static str), LaterCount> = BTreeMap::new();
        for (_, row) in self.later.values() {
            let reason = row.closed.reason;
            let empty = LaterCount { playbook: row.playbook.clone(), reason, targets: 0 };
            counts.entry((&row.playbook, reason.as_str())).or_insert(empty).targets += 1;
        }
        counts.into_values().collect()
    }

    pub(super) fn later_playbooks(&self, due: Timestamp) -> Vec<String> {
        let playbooks: BTreeSet<_> = self.rows_of(None, Some(due)).into_iter().map(|l| &l.playbook).collect();
        playbooks.into_iter().cloned().collect()
    }

    pub(super) fn later_of(&self, playbook: &str, due: Timestamp, skip: usize, max: usize) -> Vec<Later> {
        self.rows_of(Some(playbook), Some(due)).into_iter().skip(skip).take(max).cloned().collect()
    }

    pub(super) fn drop_later(&mut self, keys: &[(String, String, String)]) {
        for key in keys {
            self.later.remove(key);
        }
    }

    pub(super) fn gates(&self, prefix: &str) -> Vec<(String, GateState)> {
        let known = self.gates.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        known.map(|(key, state)| (key.clone(), state.clone())).collect()
    }

    pub(super) fn change_gates(&mut self, changes: &[GateChange], now: Timestamp) -> Vec<GateState> {
        let mut after = Vec::with_capacity(changes.len());
        for GateChange { key, change } in changes {
            let mut state = self.gates.get(key).cloned().unwrap_or_default();
            settle(&mut state, change, now);
            if self.gates.contains_key(key) || state != GateState::default() {
                self.gates.insert(key.clone(), state.clone());
            }
            after.push(state);
        }
        after
    }

    pub(super) fn raised(&self) -> Vec<Raised> {
        self.raised.values().cloned().collect()
    }

    pub(super) fn put_raised(&mut self, add: Vec<Raised>, remove: &[String]) {
        for id in remove {
            self.raised.remove(id);
        }
        self.raised.extend(add.into_iter().map(|one| (one.id.clone(), one)));
    }

    pub(super) fn count_old(&self, before: Timestamp) -> u64 {
        let old = self.runs.values().filter(|r| r.is_over() && r.summary.updated_at < before);
        u64::try_from(old.count()).unwrap_or(u64::MAX)
    }

    pub(super) fn prune(&mut self, before: Timestamp) -> u64 {
        let gone = self.count_old(before);
        self.runs.retain(|_, r| !r.is_over() || r.summary.updated_at >= before);
        self.numbers.retain(|_, number| self.runs.contains_key(number));
        let digests: HashSet<&str> = self.runs.values().map(|r| r.summary.header.digest.as_str()).collect();
        self.texts.retain(|digest, _| digests.contains(digest.as_str()));
        let forgotten = forgotten_before(before);
        for ((scope, fingerprint), rows) in &mut self.episodes {
            rows.retain(|row| {
                let key = EpisodeKey {
                    scope: scope.clone(),
                    fingerprint: fingerprint.clone(),
                    starts_at_ms: row.starts_at_ms,
                };
                let is_old = row.is_old(before, forgotten);
                let needed = self
                    .claims
                    .get(&key)
                    .is_some_and(|c| c.iter().any(|c| self.numbers.contains_key(&c.run)));
                if is_old && !needed {
                    self.claims.remove(&key);
                }
                !is_old || needed
            });
        }
        self.episodes.retain(|_, rows| !rows.is_empty());
        self.gates.retain(|key, state| !key.starts_with("cooldown:") || !is_forgotten(state, before));
        gone
    }

    /// Returns the first run in the queue of a concurrency key, which holds it.
    fn first_of(&self, key: &str) -> Option<u64> {
        let has_key = |n: &u64| self.runs.get(n).is_some_and(|r| r.key.as_deref() == Some(key));
        self.unfinished.iter().copied().find(has_key)
    }

    /// Returns the run of a lease that holds.
    fn held(&mut self, place: &str, lease: &Lease) -> Result<(u64, &mut Run), StoreError> {
        let number = self.numbers.get(&lease.run).copied();
        match number.and_then(|n| Some((n, self.runs.get_mut(&n)?))) {
            None => Err(StoreError::NoSuchRun { run: lease.run.clone(), store: place.to_owned() }),
            Some(held) if held.1.epoch == lease.epoch && held.1.summary.owner.is_some() => Ok(held),
            Some(_) => Err(StoreError::Fenced { run: lease.run.clone() }),
        }
    }
}

impl Facts for State {
    type Error = Infallible;

    fn claims(&mut self, episode: &EpisodeKey) -> Result<Vec<Claim>, Infallible> {
        Ok(self.claims.get(episode).cloned().unwrap_or_default())
    }

    fn gate(&mut self, key: &str) -> Result<Option<GateState>, Infallible> {
        Ok(self.gates.get(key).cloned())
    }

    fn holder(&mut self, key: &str) -> Result<Option<String>, Infallible> {
        let first = self.first_of(key).and_then(|number| self.runs.get(&number));
        Ok(first.map(|r| r.summary.header.run.clone()))
    }
}

fn no_such_run(run: &str, place: &str) -> StoreError {
    StoreError::NoSuchRun { run: run.to_owned(), store: place.to_owned() }
}
