//! Episodes and the claims on them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::engine::{Claim, Episode, EpisodeKey, Observation, OpenEpisode};
use crate::run::TriggerStatus;
use crate::store::episodes::{EpisodeRow, find, place};
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::rows::{from_json, json, moment, nanos, trigger};

/// Episodes of one alert that an observation may belong to. A delivery that is later than so many
/// episodes of its alert is taken for one that nobody saw.
const LOOK_BACK: i64 = 8;

/// The episode of an observation, and its number when it is stored.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) episode: Episode,
    pub(super) number: Option<i64>,
}

/// Finds the episode of each observation; with `record` also writes what the observations say.
pub(super) fn observe(
    conn: &Connection,
    seen: &[Observation],
    now: Timestamp,
    record: bool,
) -> Result<Vec<Found>, Fault> {
    let alert = |n: usize| seen.get(n).map(|one| (one.scope.as_str(), one.fingerprint.as_str()));
    // In the order of the index, so that neighbours are read and written together.
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by_key(|n| alert(*n));
    let mut found: Vec<(usize, Found)> = Vec::with_capacity(seen.len());
    for of_alert in order.chunk_by(|a, b| alert(*a) == alert(*b)) {
        let Some((scope, fingerprint)) = of_alert.first().and_then(|n| alert(*n)) else { continue };
        let mut rows = rows(conn, (scope, fingerprint))?;
        let first = found.len();
        for (n, one) in of_alert.iter().filter_map(|n| Some((*n, seen.get(*n)?))) {
            let at = place(&mut rows, one, now);
            let Some(row) = rows.get(at) else { continue };
            let claims = row.id.map(|id| claims(conn, id)).transpose()?;
            let episode = row.to_episode(one, claims.unwrap_or_default());
            found.push((n, Found { episode, number: row.id }));
        }
        for row in rows.iter().filter(|row| record && row.changed) {
            let number = write(conn, scope, fingerprint, row)?;
            let of_row = |found: &&mut (usize, Found)| found.1.episode.key.starts_at_ms == row.starts_at_ms;
            found.iter_mut().skip(first).filter(of_row).for_each(|(_, found)| found.number = number);
        }
    }
    found.sort_unstable_by_key(|(n, _)| *n);
    Ok(found.into_iter().map(|(_, found)| found).collect())
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
    let id = number(conn, (&key.scope, &key.fingerprint, key.starts_at_ms))?;
    let claims = id.map(|id| claims(conn, id)).transpose()?;
    Ok((id, claims.unwrap_or_default()))
}

/// Stores an episode that no delivery brought, and returns its number.
pub(super) fn make(conn: &Connection, key: &EpisodeKey) -> Result<i64, Fault> {
    let number = write(conn, &key.scope, &key.fingerprint, &EpisodeRow::of_key(key))?;
    number.ok_or_else(|| Fault::Row("an episode was written, and is not there".to_owned()))
}

/// Writes the claims of a run; that there is none yet is decided by the caller, and by the table's key.
pub(super) fn claim(
    conn: &Connection,
    episodes: &[i64],
    playbook: &str,
    trigger: TriggerStatus,
    run: &str,
) -> Result<(), Fault> {
    let mut insert = conn
        .prepare_cached("INSERT INTO claims (episode, playbook, started_for, run) VALUES (?1, ?2, ?3, ?4)")?;
    for episode in episodes {
        insert.execute((episode, playbook, trigger.as_str(), run))?;
    }
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

/// Writes an episode, and returns its number.
fn write(conn: &Connection, scope: &str, fingerprint: &str, row: &EpisodeRow) -> Result<Option<i64>, Fault> {
    let times = (row.last_firing.map(nanos), row.ends_at.map(nanos), row.closed_at.map(nanos));
    let alert = row.alert.as_ref().map(json).transpose()?;
    if let Some(id) = row.id {
        let mut update = conn.prepare_cached(
            "UPDATE episodes SET latest_start = ?2, last_firing = ?3, ends_at = ?4, closed_at = ?5, \
             alert = coalesce(alert, ?6) WHERE id = ?1",
        )?;
        update.execute((id, row.latest_start_ms, times.0, times.1, times.2, alert))?;
        return Ok(Some(id));
    }
    // The key may be there: an alert with more episodes than were looked at.
    let mut insert = conn.prepare_cached(
        "INSERT INTO episodes \
         (scope, fingerprint, starts_at, latest_start, last_firing, ends_at, closed_at, alert) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (scope, fingerprint, starts_at) DO NOTHING",
    )?;
    let key = (scope, fingerprint, row.starts_at_ms);
    let made =
        insert.execute((key.0, key.1, key.2, row.latest_start_ms, times.0, times.1, times.2, alert))?;
    if made > 0 { Ok(Some(conn.last_insert_rowid())) } else { number(conn, key) }
}

fn number(conn: &Connection, key: (&str, &str, i64)) -> Result<Option<i64>, Fault> {
    let mut find = conn
        .prepare_cached("SELECT id FROM episodes WHERE scope = ?1 AND fingerprint = ?2 AND starts_at = ?3")?;
    Ok(find.query_row(key, |row| row.get(0)).optional()?)
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
