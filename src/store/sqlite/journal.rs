//! The journal: appended under a lease, read, listed.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::engine::{LEASE, Lease, RunCount, RunFilter, RunSummary, StoreError};
use crate::run::{GateChange, Stamped};
use crate::store::progress::Progress;
use crate::store::sqlite::fault::{Fault, Place};
use crate::store::sqlite::rows::{
    Lines, SUMMARY, journal, moment, nanos, number, signed, status, summary, unsigned, write_events,
};
use crate::store::sqlite::{gates, leases};

/// Appends events to a run's journal and settles gates. A final event ends the lease and frees the
/// run's concurrency key.
pub(super) fn append(
    conn: &Connection,
    place: &Place,
    lease: Lease,
    lines: Lines,
    changes: &[GateChange],
    now: Timestamp,
) -> Result<Vec<Stamped>, Fault> {
    let progress = Progress::of(&lines.events);
    let over = progress.is_over();
    // Two statements: `RETURNING` would make a table of its own for its one row each time.
    let mut select = conn.prepare_cached(
        "SELECT id, seq, key FROM runs WHERE run = ?1 AND epoch = ?2 AND owner IS NOT NULL",
    )?;
    let held: Option<(i64, i64, Option<String>)> = select
        .query_row(rusqlite::params![lease.run, signed(lease.epoch)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((id, seq, key)) = held else {
        return Err(leases::lost(conn, place, lease.run)?.into());
    };
    // Who writes lives: the lease is renewed with it.
    let mut update = conn.prepare_cached(
        "UPDATE runs SET seq = seq + ?2, updated_at = iif(?2 > 0, ?3, updated_at), \
         status = coalesce(?4, status), reason = coalesce(?5, reason), \
         finished_at = iif(?6, ?3, NULL), owner = iif(?6, NULL, owner), lease_until = iif(?6, NULL, ?7) \
         WHERE id = ?1",
    )?;
    let (status, reason) = match &progress.status {
        Some((status, reason)) => (Some(status.as_str()), Some(reason)),
        None => (None, None),
    };
    let length = u64::try_from(lines.events.len()).unwrap_or(u64::MAX);
    update.execute(rusqlite::params![
        id,
        signed(length),
        nanos(now),
        status,
        reason,
        over,
        nanos(leases::expiry(now, LEASE)),
    ])?;
    for signal in &progress.signals {
        leases::take_signal(conn, id, signal)?;
    }
    let stamped = write_events(conn, id, unsigned(seq), now, lines)?;
    gates::change(conn, changes, now)?;
    if let Some(key) = key.filter(|_| over) {
        leases::grant_next(conn, &key, now)?;
    }
    Ok(stamped)
}

/// Reads a run with its text and its journal.
pub(super) fn read(
    conn: &Connection,
    place: &Place,
    run: &str,
) -> Result<(RunSummary, Arc<str>, Vec<Stamped>), Fault> {
    let Some(id) = number(conn, run)? else {
        return Err(StoreError::NoSuchRun { run: run.to_owned(), store: place.name() }.into());
    };
    let mut select = conn.prepare_cached(&format!("SELECT {SUMMARY} FROM runs WHERE id = ?1"))?;
    let summary = select.query_row([id], |row| Ok(summary(row)))??;
    let text = text(conn, &summary.header.digest)?;
    Ok((summary, text, journal(conn, id)?))
}

/// Returns the text of a playbook.
pub(super) fn text(conn: &Connection, digest: &str) -> Result<Arc<str>, Fault> {
    let mut select = conn.prepare_cached("SELECT text FROM texts WHERE digest = ?1")?;
    let text: Option<String> = select.query_row([digest], |row| row.get(0)).optional()?;
    text.map(Arc::from).ok_or_else(|| {
        Fault::Row(format!(
            "the playbook's text of digest `{digest}` is missing: restore the store from a backup"
        ))
    })
}

/// Counts runs by playbook and status.
pub(super) fn counts(conn: &Connection) -> Result<Vec<RunCount>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT playbook, status, count(*), max(started_at) FROM runs GROUP BY playbook, status ORDER BY 1, 2",
    )?;
    let mut rows = select.query([])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(1)?;
        counts.push(RunCount {
            playbook: row.get(0)?,
            status: status(&word)?,
            runs: unsigned(row.get(2)?),
            last_started_at: moment(row.get(3)?),
        });
    }
    Ok(counts)
}

/// Lists runs, newest first.
pub(super) fn list(conn: &Connection, filter: &RunFilter) -> Result<Vec<RunSummary>, Fault> {
    let mut wanted = Vec::new();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if !filter.statuses.is_empty() {
        let holes = vec!["?"; filter.statuses.len()].join(", ");
        wanted.push(format!("status IN ({holes})"));
        values.extend(filter.statuses.iter().map(|s| Box::new(s.as_str()) as Box<dyn ToSql>));
    }
    if let Some(playbook) = &filter.playbook {
        wanted.push("playbook = ?".to_owned());
        values.push(Box::new(playbook.clone()));
    }
    if let Some(since) = filter.since {
        wanted.push("started_at >= ?".to_owned());
        values.push(Box::new(nanos(since)));
    }
    if let Some(until) = filter.until {
        wanted.push("started_at < ?".to_owned());
        values.push(Box::new(nanos(until)));
    }
    if let Some(before) = &filter.before {
        wanted.push("id < (SELECT id FROM runs WHERE run = ?)".to_owned());
        values.push(Box::new(before.clone()));
    }
    if let Some(part) = &filter.id_part {
        wanted.push("? IN (substr(run, 1, ?), substr(run, -?))".to_owned());
        let length = i64::try_from(part.chars().count()).unwrap_or(i64::MAX);
        values.push(Box::new(part.clone()));
        values.push(Box::new(length));
        values.push(Box::new(length));
    }
    let condition = if wanted.is_empty() { "TRUE".to_owned() } else { wanted.join(" AND ") };
    let limit = if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(-1) };
    let sql = format!("SELECT {SUMMARY} FROM runs WHERE {condition} ORDER BY id DESC LIMIT {limit}");
    let mut select = conn.prepare(&sql)?;
    let mut rows = select.query(rusqlite::params_from_iter(values))?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(summary(row)?);
    }
    Ok(runs)
}
