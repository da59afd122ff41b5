//! Values as columns: times, states, JSON, the columns of a run.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Owner, RunHeader, RunSummary};
use crate::run::{RunEvent, RunStatus, Stamped, TriggerStatus};
use crate::store::sqlite::fault::Fault;

/// Returns a moment as nanoseconds; those beyond the year 2262 are the last one.
pub(super) fn nanos(moment: Timestamp) -> i64 {
    let nanos = moment.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// Returns the moment of nanoseconds.
pub(super) fn moment(nanos: i64) -> Timestamp {
    // Every i64 of nanoseconds is within jiff's years.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// Returns a count that SQLite keeps as a signed number.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns a count that SQLite kept.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Writes a value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Row(format!("a value has no JSON: {e}")))
}

/// Reads a value from JSON.
pub(super) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text)
        .map_err(|e| Fault::Row(format!("a row of {what} is damaged: {e}: restore the store from a backup")))
}

/// Reads what a run was started for.
pub(super) fn trigger(word: &str) -> Result<TriggerStatus, Fault> {
    [TriggerStatus::Firing, TriggerStatus::Resolved].into_iter().find(|t| t.as_str() == word).ok_or_else(
        || Fault::Row(format!("`{word}` is no state of an alert: restore the store from a backup")),
    )
}

/// The columns that [`summary`] reads, in its order.
pub(super) const SUMMARY: &str = "run, playbook, digest, started_for, scope, target, labels, status, reason, \
     started_at, updated_at, due, owner";

/// Reads a run's line.
pub(super) fn summary(row: &Row<'_>) -> Result<RunSummary, Fault> {
    let status: String = row.get(7)?;
    let owner: Option<String> = row.get(12)?;
    Ok(RunSummary {
        header: header(row)?,
        status: self::status(&status)?,
        reason: row.get(8)?,
        started_at: moment(row.get(9)?),
        updated_at: moment(row.get(10)?),
        due: row.get::<_, Option<i64>>(11)?.map(moment),
        owner: owner.map(|o| from_json::<Owner>("runs", &o)).transpose()?,
    })
}

/// Reads a run's status.
pub(super) fn status(word: &str) -> Result<RunStatus, Fault> {
    RunStatus::parse(word)
        .ok_or_else(|| Fault::Row(format!("`{word}` is no status of a run: restore the store from a backup")))
}

fn header(row: &Row<'_>) -> Result<RunHeader, Fault> {
    let started_for: String = row.get(3)?;
    let labels: String = row.get(6)?;
    Ok(RunHeader {
        run: row.get(0)?,
        playbook: row.get(1)?,
        digest: row.get(2)?,
        trigger: trigger(&started_for)?,
        scope: row.get(4)?,
        target: row.get(5)?,
        labels: from_json("runs", &labels)?,
    })
}

/// Returns the store's number of a run.
pub(super) fn number(conn: &Connection, run: &str) -> Result<Option<i64>, Fault> {
    let mut find = conn.prepare_cached("SELECT id FROM runs WHERE run = ?1")?;
    Ok(find.query_row([run], |row| row.get(0)).optional()?)
}

/// Events, and the text in which each is written: made before they wait for their turn to be written.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) events: Vec<RunEvent>,
    texts: Vec<String>,
}

impl Lines {
    pub(super) fn of(events: Vec<RunEvent>) -> Result<Lines, Fault> {
        let texts = events.iter().map(json).collect::<Result<_, _>>()?;
        Ok(Lines { events, texts })
    }
}

/// Writes events into a journal after its `seq`.
pub(super) fn write_events(
    conn: &Connection,
    run: i64,
    seq: u64,
    now: Timestamp,
    lines: Lines,
) -> Result<Vec<Stamped>, Fault> {
    let mut insert =
        conn.prepare_cached("INSERT INTO events (run, seq, at, event) VALUES (?1, ?2, ?3, ?4)")?;
    let at = moment(nanos(now));
    let mut stamped = Vec::with_capacity(lines.events.len());
    for (seq, (event, text)) in (seq + 1..).zip(lines.events.into_iter().zip(lines.texts)) {
        insert.execute((run, signed(seq), nanos(at), text))?;
        stamped.push(Stamped { seq, at, event });
    }
    Ok(stamped)
}

/// Reads a run's journal.
pub(super) fn journal(conn: &Connection, run: i64) -> Result<Vec<Stamped>, Fault> {
    let mut select = conn.prepare_cached("SELECT seq, at, event FROM events WHERE run = ?1 ORDER BY seq")?;
    let mut rows = select.query([run])?;
    let mut journal = Vec::new();
    while let Some(row) = rows.next()? {
        let event = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        journal.push(Stamped {
            seq: unsigned(row.get(0)?),
            at: moment(row.get(1)?),
            event: from_json("events", event)?,
        });
    }
    Ok(journal)
}
