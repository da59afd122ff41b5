//! Episodes and the claims on them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::engine::{Claim, Episode, EpisodeKey, Observation, OpenEpisode};
use crate::store::episodes::{EpisodeRow, find, place};
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::rows::{from_json, json, moment, nanos, trigger};

/// Episodes of one alert that an observation may belong to. A delivery that is later than so many
/// episodes of its alert is taken for one that nobody saw.
const LOOK_BACK: i64 = 8;

/// Finds the episode of each observation; with `record` also writes what the observations say.
pub(super) fn observe(
    conn: &Connection,
    seen: &[Observation],
    now: Timestamp,
    record: bool,
) -> Result<Vec<Episode>, Fault> {
    let mut alerts: HashMap<(&str, &str), Vec<EpisodeRow>> = HashMap::with_capacity(seen.len());
    let mut found = Vec::with_capacity(seen.len());
    for one in seen {
        let alert = (one.scope.as_str(), one.fingerprint.as_str());
        let rows = match alerts.entry(alert) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(rows(conn, alert)?),
        };
        let at = place(rows, one, now);
        if let Some(row) = rows.get(at) {
            let claims = row.id.map(|id| claims(conn, id)).transpose()?;
            found.push(row.to_episode(one, claims.unwrap_or_default()));
        }
    }
    if record {
        for ((scope, fingerprint), rows) in &alerts {
            for row in rows.iter().filter(|r| r.changed) {
                write(conn, scope, fingerprint, row)?;
            }
        }
    }
    Ok(found)
}

/// Finds the episode of each observation as it is known.
pub(super) fn known(conn: &Connection, seen: &[Observation]) -> Result<Vec<Option<Episode>>, Fault> {
    let mut found = Vec::with_capacity(seen.len());
    for one in seen {
        let rows = rows(conn, (&one.scope, &one.fingerprint))?;
        found.push(match find(&rows, one) {
            Some(row) => {
                let claims = row.id.map(|id| claims(conn, id)).transpose()?;
                Some(row.to_episode(one, claims.unwrap_or_default()))
            }
            None => None,
        });
    }
    Ok(found)
}

/// Returns the open episodes of a scope whose alert is known and whose lease ends after this.
pub(super) fn open(conn: &Connection, scope: &str, ends_after: Timestamp) -> Result<Vec<OpenEpisode>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT fingerprint, starts_at, ends_at, alert FROM episodes \
         WHERE scope = ?1 AND closed_at IS NULL AND alert IS NOT NULL AND ends_at > ?2 ORDER BY id",
    )?;
    let mut rows = select.query((scope, nanos(ends_after)))?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let alert: String = row.get(3)?;
        open.push(OpenEpisode {
            key: EpisodeKey { scope: scope.to_owned(), fingerprint: row.get(0)?, starts_at_ms: row.get(1)? },
            ends_at: row.get::<_, Option<i64>>(2)?.map(moment),
            alert: from_json("episodes", &alert)?,
        });
    }
    Ok(open)
}

/// Returns the scopes of all episodes, in order. Each is found by the index: DISTINCT would read every row.
pub(super) fn scopes(conn: &Connection) -> Result<Vec<String>, Fault> {
    let mut select = conn.prepare_cached(
        "WITH RECURSIVE known (scope) AS (SELECT min(scope) FROM episodes UNION ALL \
         SELECT (SELECT min(scope) FROM episodes e WHERE e.scope > k.scope) FROM known k \
         WHERE k.scope IS NOT NULL) SELECT scope FROM known WHERE scope IS NOT NULL",
    )?;
    let scopes = select.query_map([], |row| row.get(0))?;
    Ok(scopes.collect::<Result<_, _>>()?)
}

/// Returns the claims on an episode, and its number when it is stored.
pub(super) fn claims_of(conn: &Connection, key: &EpisodeKey) -> Result<(Option<i64>, Vec<Claim>), Fault> {
    let mut find = conn
        .prepare_cached("SELECT id FROM episodes WHERE scope = ?1 AND fingerprint = ?2 AND starts_at = ?3")?;
    let id: Option<i64> =
        find.query_row((&key.scope, &key.fingerprint, key.starts_at_ms), |row| row.get(0)).optional()?;
    let claims = id.map(|id| claims(conn, id)).transpose()?;
    Ok((id, claims.unwrap_or_default()))
}

/// Stores an episode that no delivery brought, and returns its number.
pub(super) fn make(conn: &Connection, key: &EpisodeKey) -> Result<i64, Fault> {
    write(conn, &key.scope, &key.fingerprint, &EpisodeRow::of_key(key))?;
    Ok(conn.last_insert_rowid())
}

/// Writes a claim; that there is none yet is decided by the caller, and by the table's key.
pub(super) fn claim(conn: &Connection, episode: i64, claim: &Claim) -> Result<(), Fault> {
    let mut insert = conn
        .prepare_cached("INSERT INTO claims (episode, playbook, started_for, run) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute((episode, &claim.playbook, claim.trigger.as_str(), &claim.run))?;
    Ok(())
}

fn rows(conn: &Connection, (scope, fingerprint): (&str, &str)) -> Result<Vec<EpisodeRow>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT id, starts_at, latest_start, last_firing, ends_at, closed_at, alert IS NOT NULL FROM episodes \
         WHERE scope = ?1 AND fingerprint = ?2 ORDER BY starts_at DESC LIMIT ?3",
    )?;
    let rows = select.query_map((scope, fingerprint, LOOK_BACK), |row| {
        Ok(EpisodeRow {
            id: row.get(0)?,
            starts_at_ms: row.get(1)?,
            latest_start_ms: row.get(2)?,
            last_firing: row.get::<_, Option<i64>>(3)?.map(moment),
            ends_at: row.get::<_, Option<i64>>(4)?.map(moment),
            closed_at: row.get::<_, Option<i64>>(5)?.map(moment),
            alert: None,
            knows_alert: row.get(6)?,
            changed: false,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn write(conn: &Connection, scope: &str, fingerprint: &str, row: &EpisodeRow) -> Result<(), Fault> {
    let times = (row.last_firing.map(nanos), row.ends_at.map(nanos), row.closed_at.map(nanos));
    let alert = row.alert.as_ref().map(json).transpose()?;
    if let Some(id) = row.id {
        let mut update = conn.prepare_cached(
            "UPDATE episodes SET latest_start = ?2, last_firing = ?3, ends_at = ?4, closed_at = ?5, \
             alert = coalesce(alert, ?6) WHERE id = ?1",
        )?;
        update.execute((id, row.latest_start_ms, times.0, times.1, times.2, alert))?;
        return Ok(());
    }
    // The key may be there: an alert with more episodes than were looked at.
    let mut insert = conn.prepare_cached(
        "INSERT INTO episodes \
         (scope, fingerprint, starts_at, latest_start, last_firing, ends_at, closed_at, alert) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (scope, fingerprint, starts_at) DO NOTHING",
    )?;
    let key = (scope, fingerprint, row.starts_at_ms);
    insert.execute((key.0, key.1, key.2, row.latest_start_ms, times.0, times.1, times.2, alert))?;
    Ok(())
}

fn claims(conn: &Connection, episode: i64) -> Result<Vec<Claim>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT playbook, started_for, run FROM claims WHERE episode = ?1")?;
    let mut rows = select.query([episode])?;
    let mut claims = Vec::new();
    while let Some(row) = rows.next()? {
        let started_for: String = row.get(1)?;
        claims.push(Claim { playbook: row.get(0)?, trigger: trigger(&started_for)?, run: row.get(2)? });
    }
    Ok(claims)
}
