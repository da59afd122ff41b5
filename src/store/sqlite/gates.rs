//! Gates: rows that the pure functions of [`crate::run`] decide over.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::run::{GateChange, GateState, settle};
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::rows::{from_json, json};

/// Reads a gate.
pub(super) fn read(conn: &Connection, key: &str) -> Result<Option<GateState>, Fault> {
    let mut select = conn.prepare_cached("SELECT state FROM gates WHERE key = ?1")?;
    let text: Option<String> = select.query_row([key], |row| row.get(0)).optional()?;
    text.map(|text| from_json("gates", &text)).transpose()
}

/// Writes a gate.
pub(super) fn write(conn: &Connection, key: &str, state: &GateState) -> Result<(), Fault> {
    let mut upsert = conn.prepare_cached(
        "INSERT INTO gates (key, state) VALUES (?1, ?2) \
         ON CONFLICT (key) DO UPDATE SET state = excluded.state",
    )?;
    upsert.execute((key, json(state)?))?;
    Ok(())
}

/// Settles changes, and returns the state of each gate after its change.
pub(super) fn change(
    conn: &Connection,
    changes: &[GateChange],
    now: Timestamp,
) -> Result<Vec<GateState>, Fault> {
    let mut after = Vec::with_capacity(changes.len());
    for GateChange { key, change } in changes {
        let stored = read(conn, key)?;
        let mut state = stored.clone().unwrap_or_default();
        settle(&mut state, change, now);
        if stored.unwrap_or_default() != state {
            write(conn, key, &state)?;
        }
        after.push(state);
    }
    Ok(after)
}

/// Reads the gates whose key begins so, in the order of their keys.
pub(super) fn list(conn: &Connection, prefix: &str) -> Result<Vec<(String, GateState)>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT key, state FROM gates WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key",
    )?;
    let mut rows = select.query([prefix])?;
    let mut gates = Vec::new();
    while let Some(row) = rows.next()? {
        let state: String = row.get(1)?;
        gates.push((row.get(0)?, from_json("gates", &state)?));
    }
    Ok(gates)
}
