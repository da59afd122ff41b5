//! Leases: taken, renewed, given up; the signals that reach a run; the next in a queue.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::engine::{
    Judge, LEASE, Lease, Owner, Parking, Renewed, RunSummary, StoreError, Take, Taken, gate_keys,
};
use crate::run::Signal;
use crate::store::sqlite::fault::{Fault, Place};
use crate::store::sqlite::gates;
use crate::store::sqlite::journal::text;
use crate::store::sqlite::rows::{
    SUMMARY, from_json, journal, json, nanos, number, signed, summary, unsigned,
};

/// Tells whether a process lives.
type IsAlive = dyn Fn(&Owner) -> bool + Send + Sync;

/// Returns the end of a lease that begins now.
pub(super) fn expiry(now: Timestamp, lease: Duration) -> Timestamp {
    now.checked_add(lease).unwrap_or(Timestamp::MAX)
}

/// Takes unfinished runs: those that are parked (and due, unless they are named), and those whose
/// owner let its lease expire or is gone.
pub(super) fn take(
    conn: &Connection,
    which: &Take,
    max: usize,
    owner: &Owner,
    is_alive: &IsAlive,
    now: Timestamp,
) -> Result<Vec<Taken>, Fault> {
    let mut chosen = Vec::new();
    match which {
        Take::Due => {
            let mut select = conn.prepare_cached(
                "SELECT id, owner, lease_until FROM runs \
                 WHERE finished_at IS NULL AND (owner IS NOT NULL OR due <= ?1) ORDER BY due, id",
            )?;
            let mut rows = select.query([nanos(now)])?;
            while let Some(row) = rows.next()? {
                chosen.push(Candidate { id: row.get(0)?, owner: row.get(1)?, lease_until: row.get(2)? });
            }
        }
        Take::These(runs) | Take::Again(runs) => {
            let mut select = conn.prepare_cached(
                "SELECT id, owner, lease_until FROM runs WHERE run = ?1 AND finished_at IS NULL",
            )?;
            for run in runs {
                let found = select.query_row([run], |row| {
                    Ok(Candidate { id: row.get(0)?, owner: row.get(1)?, lease_until: row.get(2)? })
                });
                chosen.extend(found.optional()?);
            }
        }
    }
    let mut alive = HashMap::new();
    let mut taken = Vec::new();
    for candidate in chosen {
        if taken.len() >= max {
            break;
        }
        let again = matches!(which, Take::Again(_)) && candidate.is_of(owner)?;
        if again || candidate.is_free(owner, is_alive, &mut alive, now)? {
            taken.push(take_one(conn, &candidate, owner, now)?);
        }
    }
    Ok(taken)
}

struct Candidate {
    id: i64,
    owner: Option<String>,
    lease_until: Option<i64>,
}

impl Candidate {
    fn is_of(&self, me: &Owner) -> Result<bool, Fault> {
        let Some(text) = &self.owner else { return Ok(false) };
        Ok(from_json::<Owner>("runs", text)? == *me)
    }

    fn is_free(
        &self,
        me: &Owner,
        is_alive: &IsAlive,
        alive: &mut HashMap<Owner, bool>,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(text) = &self.owner else { return Ok(true) };
        let owner: Owner = from_json("runs", text)?;
        // What this process works on is not taken from itself.
        if owner == *me {
            return Ok(false);
        }
        let expired = self.lease_until.is_none_or(|until| until <= nanos(now));
        Ok(expired || !*alive.entry(owner).or_insert_with_key(|o| is_alive(o)))
    }
}

fn take_one(conn: &Connection, candidate: &Candidate, me: &Owner, now: Timestamp) -> Result<Taken, Fault> {
    let mut update = conn.prepare_cached(&format!(
        "UPDATE runs SET epoch = epoch + 1, owner = ?2, lease_until = ?3, due = NULL, \
         status = iif(granted, 'running', 'queued'), reason = iif(granted, '', reason) \
         WHERE id = ?1 RETURNING {SUMMARY}, epoch, seq, granted"
    ))?;
    let mut rows = update.query((candidate.id, json(me)?, nanos(expiry(now, LEASE))))?;
    let Some(row) = rows.next()? else {
        return Err(Fault::Row("a run vanished while it was taken".to_owned()));
    };
    let RunSummary { header, .. } = summary(row)?;
    let lease = Lease { run: header.run.clone(), epoch: unsigned(row.get(13)?), seq: unsigned(row.get(14)?) };
    let granted = row.get(15)?;
    Ok(Taken {
        lease,
        text: text(conn, &header.digest)?,
        header,
        journal: journal(conn, candidate.id)?,
        orphaned: candidate.owner.is_some(),
        signals: pending(conn, candidate.id)?,
        granted,
    })
}

/// Renews leases.
pub(super) fn renew(
    conn: &Connection,
    place: &Place,
    leases: Vec<Lease>,
    now: Timestamp,
) -> Result<Vec<Result<Renewed, StoreError>>, Fault> {
    let mut update = conn.prepare_cached(
        "UPDATE runs SET lease_until = ?3 WHERE run = ?1 AND epoch = ?2 AND owner IS NOT NULL \
         RETURNING id, granted, playbook",
    )?;
    let until = nanos(expiry(now, LEASE));
    let all = is_paused(conn, gate_keys::PAUSE_ALL, now)?;
    let mut playbooks: HashMap<String, bool> = HashMap::new();
    let mut renewed = Vec::with_capacity(leases.len());
    for lease in leases {
        let found: Option<(i64, bool, String)> = update
            .query_row((&lease.run, signed(lease.epoch), until), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((id, granted, playbook)) = found else {
            renewed.push(Err(lost(conn, place, lease.run)?));
            continue;
        };
        let paused = if let Some(paused) = playbooks.get(&playbook) {
            *paused
        } else {
            let paused = all || is_paused(conn, &gate_keys::pause(&playbook), now)?;
            playbooks.insert(playbook, paused);
            paused
        };
        renewed.push(Ok(Renewed { signals: pending(conn, id)?, granted, paused }));
    }
    Ok(renewed)
}

fn is_paused(conn: &Connection, key: &str, now: Timestamp) -> Result<bool, Fault> {
    Ok(gates::read(conn, key)?.is_some_and(|state| state.pause_in_force(now).is_some()))
}

/// Gives a run up until it is due. What reached it meanwhile makes it due at once.
pub(super) fn park(
    conn: &Connection,
    place: &Place,
    lease: Lease,
    parking: &Parking,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut update = conn.prepare_cached(
        "UPDATE runs SET owner = NULL, lease_until = NULL, status = ?3, reason = ?4, \
         due = iif((granted AND ?3 = 'queued') \
             OR EXISTS (SELECT 1 FROM signals WHERE signals.run = runs.id AND NOT taken), ?6, ?5) \
         WHERE run = ?1 AND epoch = ?2 AND owner IS NOT NULL",
    )?;
    let due = parking.until.map(nanos);
    let (status, reason) = (parking.status.as_str(), &parking.reason);
    match update.execute((&lease.run, signed(lease.epoch), status, reason, due, nanos(now)))? {
        0 => Err(lost(conn, place, lease.run)?.into()),
        _ => Ok(()),
    }
}

/// Leaves a signal for a run, once for each id, and makes the run due when it is parked. A run that is
/// over takes none.
///
/// Returns whether there is such a run.
pub(super) fn signal(conn: &Connection, run: &str, signal: &Signal, now: Timestamp) -> Result<bool, Fault> {
    let Some(id) = number(conn, run)? else { return Ok(false) };
    let mut insert = conn.prepare_cached(
        "INSERT INTO signals (run, signal, kind) SELECT id, ?2, ?3 FROM runs WHERE id = ?1 AND finished_at IS NULL \
         ON CONFLICT (run, signal) DO NOTHING",
    )?;
    if insert.execute((id, &signal.id, json(&signal.kind)?))? > 0 {
        make_due(conn, id, now)?;
    }
    Ok(true)
}

/// Leaves a signal for a run, unless something is against it; returns whether it was left.
pub(super) fn signal_if(
    conn: &Connection,
    place: &Place,
    run: &str,
    signal: &Signal,
    judge: Judge,
    now: Timestamp,
) -> Result<bool, Fault> {
    let id = the_number(conn, place, run)?;
    if !judge(&journal(conn, id)?, &pending(conn, id)?) {
        return Ok(false);
    }
    let mut open = conn.prepare_cached("SELECT finished_at IS NULL FROM runs WHERE id = ?1")?;
    let is_open: bool = open.query_row([id], |row| row.get(0))?;
    Ok(is_open && self::signal(conn, run, signal, now)?)
}

/// Returns the signals of a run that are not in its journal yet, oldest first.
pub(super) fn waiting(conn: &Connection, place: &Place, run: &str) -> Result<Vec<Signal>, Fault> {
    pending(conn, the_number(conn, place, run)?)
}

fn the_number(conn: &Connection, place: &Place, run: &str) -> Result<i64, Fault> {
    let none = || StoreError::NoSuchRun { run: run.to_owned(), store: place.name() };
    number(conn, run)?.ok_or_else(|| none().into())
}

/// Marks a signal as taken: it is in the journal.
pub(super) fn take_signal(conn: &Connection, run: i64, signal: &Signal) -> Result<(), Fault> {
    // One that never was left here (an interrupt of the process itself) is kept, so that it counts once.
    let mut upsert = conn.prepare_cached(
        "INSERT INTO signals (run, signal, kind, taken) VALUES (?1, ?2, ?3, 1) \
         ON CONFLICT (run, signal) DO UPDATE SET taken = 1",
    )?;
    upsert.execute((run, &signal.id, json(&signal.kind)?))?;
    Ok(())
}

/// Gives a concurrency key to the first run in its queue, unless it has it.
pub(super) fn grant_next(conn: &Connection, key: &str, now: Timestamp) -> Result<(), Fault> {
    let mut next = conn.prepare_cached(
        "SELECT id, granted FROM runs WHERE key = ?1 AND finished_at IS NULL ORDER BY id LIMIT 1",
    )?;
    let next: Option<(i64, bool)> = next.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((id, false)) = next {
        conn.prepare_cached("UPDATE runs SET granted = 1 WHERE id = ?1")?.execute([id])?;
        make_due(conn, id, now)?;
    }
    Ok(())
}

/// Returns the error of a lease that no longer holds.
pub(super) fn lost(conn: &Connection, place: &Place, run: String) -> Result<StoreError, Fault> {
    Ok(match number(conn, &run)? {
        Some(_) => StoreError::Fenced { run },
        None => StoreError::NoSuchRun { run, store: place.name() },
    })
}

fn make_due(conn: &Connection, id: i64, now: Timestamp) -> Result<(), Fault> {
    let mut update = conn
        .prepare_cached("UPDATE runs SET due = min(coalesce(due, ?2), ?2) WHERE id = ?1 AND owner IS NULL")?;
    update.execute((id, nanos(now)))?;
    Ok(())
}

fn pending(conn: &Connection, run: i64) -> Result<Vec<Signal>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT signal, kind FROM signals WHERE run = ?1 AND NOT taken ORDER BY id")?;
    let mut rows = select.query([run])?;
    let mut signals = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        signals.push(Signal { id: row.get(0)?, kind: from_json("signals", &kind)? });
    }
    Ok(signals)
}
