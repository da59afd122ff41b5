//! Pruning: old runs go, and what only they needed.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::store::retention::{forgotten_before, is_forgotten};
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::gates;
use crate::store::sqlite::rows::{nanos, signed, unsigned};

/// Counts the runs that would go.
pub(super) fn count(conn: &Connection, before: Timestamp) -> Result<u64, Fault> {
    let mut select =
        conn.prepare_cached("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL AND updated_at < ?1")?;
    Ok(unsigned(select.query_row([nanos(before)], |row| row.get(0))?))
}

/// Deletes so many of the oldest runs that may go, with their journals; returns how many went.
pub(super) fn runs(conn: &Connection, before: Timestamp, at_most: u64) -> Result<u64, Fault> {
    let old = numbers(
        conn,
        "SELECT id FROM runs WHERE finished_at IS NOT NULL AND updated_at < ?1 ORDER BY id LIMIT ?2",
        (nanos(before), signed(at_most)),
    )?;
    for sql in [
        "DELETE FROM events WHERE run = ?1",
        "DELETE FROM signals WHERE run = ?1",
        "DELETE FROM runs WHERE id = ?1",
    ] {
        let mut delete = conn.prepare_cached(sql)?;
        for id in &old {
            delete.execute([id])?;
        }
    }
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}

/// Deletes what no run needs any more: closed episodes with their claims, texts, cooldowns long over.
pub(super) fn remains(conn: &Connection, before: Timestamp) -> Result<(), Fault> {
    let forgotten = nanos(forgotten_before(before));
    let old = numbers(
        conn,
        "SELECT id FROM episodes WHERE (closed_at < ?1 \
           OR (closed_at IS NULL AND coalesce(last_firing, starts_at * 1000000) < ?2)) \
         AND NOT EXISTS (SELECT 1 FROM claims JOIN runs USING (run) WHERE claims.episode = episodes.id)",
        (nanos(before), forgotten),
    )?;
    for sql in ["DELETE FROM claims WHERE episode = ?1", "DELETE FROM episodes WHERE id = ?1"] {
        let mut delete = conn.prepare_cached(sql)?;
        for id in &old {
            delete.execute([id])?;
        }
    }
    conn.execute("DELETE FROM texts WHERE digest NOT IN (SELECT digest FROM runs)", [])?;
    let mut delete = conn.prepare_cached("DELETE FROM gates WHERE key = ?1")?;
    for (key, state) in gates::list(conn, "cooldown:")? {
        if is_forgotten(&state, before) {
            delete.execute([key])?;
        }
    }
    Ok(())
}

fn numbers(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<i64>, Fault> {
    let mut select = conn.prepare_cached(sql)?;
    let numbers = select.query_map(values, |row| row.get(0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}
