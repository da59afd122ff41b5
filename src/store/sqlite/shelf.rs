//! What is kept to be taken up again: what was put off, and alerts of our own that stand.

use jiff::Timestamp;
use rusqlite::{Connection, Rows};

use crate::engine::{CLOCKS_DIFFER, Later, LaterCount, Raised};
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::rows::{from_json, json, moment, nanos, trigger};

/// Stores what was put off; one row a playbook, scope and target keeps its first `since`.
pub(super) fn put_later(conn: &Connection, later: &[Later]) -> Result<(), Fault> {
    let mut upsert = conn.prepare_cached(
        "INSERT INTO later (playbook, scope, target, started_for, alerts, closed, until, since) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (playbook, scope, target) DO UPDATE SET started_for = excluded.started_for, \
         alerts = excluded.alerts, closed = excluded.closed, until = excluded.until",
    )?;
    for one in later {
        upsert.execute((
            &one.playbook,
            &one.scope,
            &one.target,
            one.trigger.as_str(),
            json(&one.alerts)?,
            json(&one.closed)?,
            one.closed.asked_again_at().map(nanos),
            nanos(one.since),
        ))?;
    }
    Ok(())
}

/// What may pass by `?1`; so may what was put off after `?2`, which lies in the future: the clock was set back since.
const MAY_PASS: &str = "(until IS NULL OR until <= ?1 OR since > ?2)";

/// Returns after when nothing can have been put off.
fn future(now: Timestamp) -> i64 {
    nanos(now.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX))
}

/// Returns what was put off, oldest first; with `due` only what may pass by then.
pub(super) fn later(conn: &Connection, due: Option<Timestamp>) -> Result<Vec<Later>, Fault> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {ROW} FROM later WHERE ?1 IS NULL OR {MAY_PASS} ORDER BY since, rowid"
    ))?;
    read(select.query((due.map(nanos), due.map(future)))?)
}

/// Counts what was put off, by playbook and reason.
pub(super) fn count_later(conn: &Connection) -> Result<Vec<LaterCount>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT playbook, closed ->> 'reason' AS reason, count(*) FROM later GROUP BY playbook, reason \
         ORDER BY playbook, reason",
    )?;
    let mut rows = select.query([])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let (reason, targets): (String, i64) = (row.get(1)?, row.get(2)?);
        let reason = from_json("later", &format!("\"{reason}\""))?;
        counts.push(LaterCount { playbook: row.get(0)?, reason, targets: targets.unsigned_abs() });
    }
    Ok(counts)
}

/// Returns the playbooks that have put off what may pass by then, in order.
pub(super) fn later_playbooks(conn: &Connection, due: Timestamp) -> Result<Vec<String>, Fault> {
    let mut select = conn
        .prepare_cached(&format!("SELECT DISTINCT playbook FROM later WHERE {MAY_PASS} ORDER BY playbook"))?;
    let playbooks = select.query_map([nanos(due), future(due)], |row| row.get(0))?;
    Ok(playbooks.collect::<Result<_, _>>()?)
}

/// Returns what a playbook has put off and may pass by then, oldest first: `max` rows after `skip`.
pub(super) fn later_of(
    conn: &Connection,
    playbook: &str,
    due: Timestamp,
    skip: usize,
    max: usize,
) -> Result<Vec<Later>, Fault> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {ROW} FROM later WHERE playbook = ?3 AND {MAY_PASS} ORDER BY since, rowid LIMIT ?4 OFFSET ?5"
    ))?;
    let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    read(select.query((nanos(due), future(due), playbook, whole(max), whole(skip)))?)
}

/// The columns that [`read`] reads.
const ROW: &str = "playbook, scope, target, started_for, alerts, closed, since";

fn read(mut rows: Rows<'_>) -> Result<Vec<Later>, Fault> {
    let mut later = Vec::new();
    while let Some(row) = rows.next()? {
        let (started_for, alerts, closed): (String, String, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
        later.push(Later {
            playbook: row.get(0)?,
            scope: row.get(1)?,
            target: row.get(2)?,
            trigger: trigger(&started_for)?,
            alerts: from_json("later", &alerts)?,
            closed: from_json("later", &closed)?,
            since: moment(row.get(6)?),
        });
    }
    Ok(later)
}

/// Drops what was put off for these (playbook, scope, target).
pub(super) fn drop_later(conn: &Connection, keys: &[(String, String, String)]) -> Result<(), Fault> {
    let mut delete =
        conn.prepare_cached("DELETE FROM later WHERE playbook = ?1 AND scope = ?2 AND target = ?3")?;
    for (playbook, scope, target) in keys {
        delete.execute((playbook, scope, target))?;
    }
    Ok(())
}

/// Returns the alerts of our own that stand, in the order of their ids.
pub(super) fn raised(conn: &Connection) -> Result<Vec<Raised>, Fault> {
    let mut select = conn.prepare_cached("SELECT alert FROM raised ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut raised = Vec::new();
    while let Some(row) = rows.next()? {
        let alert: String = row.get(0)?;
        raised.push(from_json("raised", &alert)?);
    }
    Ok(raised)
}

/// Removes, then adds or replaces alerts of our own.
pub(super) fn put_raised(conn: &Connection, add: &[Raised], remove: &[String]) -> Result<(), Fault> {
    let mut delete = conn.prepare_cached("DELETE FROM raised WHERE id = ?1")?;
    for id in remove {
        delete.execute([id])?;
    }
    let mut upsert = conn.prepare_cached(
        "INSERT INTO raised (id, alert) VALUES (?1, ?2) \
         ON CONFLICT (id) DO UPDATE SET alert = excluded.alert",
    )?;
    for one in add {
        upsert.execute((&one.id, json(one)?))?;
    }
    Ok(())
}
