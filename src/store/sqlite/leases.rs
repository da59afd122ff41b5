//! Leases: taken, renewed, given up; the signals that reach a run; the next in a queue.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::engine::{
    CLOCKS_DIFFER, Judge, LEASE, Lease, Life, Owner, Parking, Renewed, RunSummary, StoreError, Take, Taken,
    gate_keys,
};
use crate::run::{RunEvent, Signal};
use crate::store::sqlite::fault::{Fault, Place};
use crate::store::sqlite::gates;
use crate::store::sqlite::journal::text;
use crate::store::sqlite::rows::{
    Lines, SUMMARY, from_json, journal, json, nanos, number, signed, summary, unsigned, write_events,
};

/// Tells what is known of the life of a process.
type LifeOf = dyn Fn(&Owner) -> Life + Send + Sync;

fn nanos_of(time: SignedDuration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Returns the end of a lease that begins now.
pub(super) fn expiry(now: Timestamp, lease: Duration) -> Timestamp {
    now.checked_add(lease).unwrap_or(Timestamp::MAX)
}

/// Takes unfinished runs: those that are parked (and due, unless they are named), and those whose
/// owner is gone, or unknown and let its lease expire.
pub(super) fn take(
    conn: &Connection,
    which: &Take,
    max: usize,
    owner: &Owner,
    life_of: &LifeOf,
    now: Timestamp,
) -> Result<Vec<Taken>, Fault> {
    let mut chosen = Vec::new();
    match which {
        Take::Due => {
            let mut select = conn.prepare_cached(&format!(
                "SELECT {CANDIDATE} FROM runs WHERE finished_at IS NULL \
                 AND (owner IS NOT NULL OR due <= ?1 OR (due IS NOT NULL AND updated_at > ?2)) ORDER BY due, id"
            ))?;
            let future = now.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
            let mut rows = select.query([nanos(now), nanos(future)])?;
            while let Some(row) = rows.next()? {
                let mut candidate = Candidate::read(row)?;
                candidate.put_right(conn, now)?;
                if candidate.owner.is_some() || candidate.due.is_some_and(|due| due <= nanos(now)) {
                    chosen.push(candidate);
                }
            }
        }
        Take::These(runs) | Take::Again(runs) => {
            let mut select = conn.prepare_cached(&format!(
                "SELECT {CANDIDATE} FROM runs WHERE run = ?1 AND finished_at IS NULL"
            ))?;
            for run in runs {
                chosen.extend(select.query_row([run], Candidate::read).optional()?);
            }
        }
    }
    let mut lives = HashMap::new();
    let mut taken = Vec::new();
    for candidate in chosen {
        if taken.len() >= max {
            break;
        }
        let again = matches!(which, Take::Again(_)) && candidate.is_of(owner)?;
        if again || candidate.is_free(owner, life_of, &mut lives, now)? {
            taken.push(take_one(conn, &candidate, owner, now)?);
        }
    }
    Ok(taken)
}

struct Candidate {
    id: i64,
    owner: Option<String>,
    lease_until: Option<i64>,
    due: Option<i64>,
    updated_at: i64,
}

/// The columns that [`Candidate::read`] reads.
const CANDIDATE: &str = "id, owner, lease_until, due, updated_at";

impl Candidate {
    fn read(row: &Row<'_>) -> Result<Candidate, rusqlite::Error> {
        Ok(Candidate {
            id: row.get(0)?,
            owner: row.get(1)?,
            lease_until: row.get(2)?,
            due: row.get(3)?,
            updated_at: row.get(4)?,
        })
    }

    /// Moves what was written before the clock was set back: what a parked run waits for, which its journal tells,
    /// and the end of a lease.
    fn put_right(&mut self, conn: &Connection, now: Timestamp) -> Result<(), Fault> {
        let tolerance = nanos_of(CLOCKS_DIFFER);
        let ahead = self.updated_at.saturating_sub(nanos(now));
        let longest = nanos(expiry(now, LEASE));
        match (&self.owner, self.lease_until, self.due) {
            (None, _, Some(due)) if ahead > tolerance => {
                let due = due.saturating_sub(ahead);
                let mut update = conn.prepare_cached(
                    "UPDATE runs SET due = ?2, updated_at = ?3, seq = seq + 1 WHERE id = ?1 RETURNING seq",
                )?;
                let seq: i64 = update.query_row((self.id, due, nanos(now)), |row| row.get(0))?;
                let lines = Lines::of(vec![RunEvent::ClockSet { by_ms: -(ahead / 1_000_000) }])?;
                write_events(conn, self.id, unsigned(seq).saturating_sub(1), now, lines)?;
                self.due = Some(due);
            }
            (Some(_), Some(until), _) if until.saturating_sub(longest) > tolerance => {
                let mut update = conn.prepare_cached("UPDATE runs SET lease_until = ?2 WHERE id = ?1")?;
                update.execute((self.id, longest))?;
                self.lease_until = Some(longest);
            }
            _ => {}
        }
        Ok(())
    }

    fn is_of(&self, me: &Owner) -> Result<bool, Fault> {
        let Some(text) = &self.owner else { return Ok(false) };
        Ok(from_json::<Owner>("runs", text)? == *me)
    }

    fn is_free(
        &self,
        me: &Owner,
        life_of: &LifeOf,
        lives: &mut HashMap<Owner, Life>,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(text) = &self.owner else { return Ok(true) };
        let owner: Owner = from_json("runs", text)?;
        // What this process works on is not taken from itself.
        if owner == *me {
            return Ok(false);
        }
        Ok(match *lives.entry(owner).or_insert_with_key(|o| life_of(o)) {
            Life::Lives => false,
            Life::Gone => true,
            Life::Unknown => self.lease_until.is_none_or(|until| until <= nanos(now)),
        })
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
