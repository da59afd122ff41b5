//! Admission: claims, gates, keys, runs and their first events in one transaction.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::engine::{Admitted, Ask, Claim, EpisodeKey, LEASE, Lease, Owner, RunHeader};
use crate::run::{GateState, Signal, SignalKind, Stamped};
use crate::store::progress::Progress;
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::rows::{json, moment, nanos, write_events};
use crate::store::sqlite::{episodes, gates, leases};
use crate::store::verdict::{Desk, Facts, Verdict, as_previewed};

/// Admits runs, each ask as a whole, in order.
pub(super) fn admit(
    conn: &Connection,
    asks: Vec<Ask>,
    owner: &Owner,
    now: Timestamp,
) -> Result<Vec<Admitted>, Fault> {
    let mut rows = Rows::new(conn);
    let mut desk = Desk::load(&asks, &mut rows)?;
    let mut writer =
        Writer { conn, episodes: rows.episodes, texts: HashSet::new(), owner: json(owner)?, now };
    let mut admitted = Vec::with_capacity(asks.len());
    for ask in asks {
        admitted.push(match desk.verdict(&ask, now) {
            Verdict::Claimed(run) => Admitted::Claimed { run },
            Verdict::Later(closed) => Admitted::Later(closed),
            Verdict::Start { episodes, granted, restart } => {
                if let Some(holder) = restart {
                    let id = format!("restart/{}", ask.header.run);
                    leases::signal(conn, &holder, &Signal { id, kind: SignalKind::Restart }, now)?;
                }
                let (lease, header, events) = writer.start(ask, &episodes, granted)?;
                Admitted::Started { lease, header, episodes, granted, events }
            }
        });
    }
    for (key, state) in desk.changed_gates() {
        gates::write(conn, key, state)?;
    }
    Ok(admitted)
}

/// Answers what [`admit`] would, with made-up leases.
pub(super) fn preview(conn: &Connection, asks: Vec<Ask>, now: Timestamp) -> Result<Vec<Admitted>, Fault> {
    let mut desk = Desk::load(&asks, &mut Rows::new(conn))?;
    Ok(asks
        .into_iter()
        .map(|ask| {
            let verdict = desk.verdict(&ask, now);
            as_previewed(ask, verdict, moment(nanos(now)))
        })
        .collect())
}

/// The facts of admission, read from the tables.
struct Rows<'c> {
    conn: &'c Connection,
    /// Numbers of the episodes that are stored.
    episodes: HashMap<EpisodeKey, i64>,
}

impl<'c> Rows<'c> {
    fn new(conn: &'c Connection) -> Rows<'c> {
        Rows { conn, episodes: HashMap::new() }
    }
}

impl Facts for Rows<'_> {
    type Error = Fault;

    fn claims(&mut self, episode: &EpisodeKey) -> Result<Vec<Claim>, Fault> {
        let (number, claims) = episodes::claims_of(self.conn, episode)?;
        if let Some(number) = number {
            self.episodes.insert(episode.clone(), number);
        }
        Ok(claims)
    }

    fn gate(&mut self, key: &str) -> Result<Option<GateState>, Fault> {
        gates::read(self.conn, key)
    }

    fn holder(&mut self, key: &str) -> Result<Option<String>, Fault> {
        let mut select = self.conn.prepare_cached(
            "SELECT run FROM runs WHERE key = ?1 AND finished_at IS NULL ORDER BY id LIMIT 1",
        )?;
        Ok(select.query_row([key], |row| row.get(0)).optional()?)
    }
}

/// Writes the runs that start.
struct Writer<'c> {
    conn: &'c Connection,
    episodes: HashMap<EpisodeKey, i64>,
    /// Digests whose text is known to be stored.
    texts: HashSet<String>,
    owner: String,
    now: Timestamp,
}

impl Writer<'_> {
    fn start(
        &mut self,
        ask: Ask,
        episodes: &[EpisodeKey],
        granted: bool,
    ) -> Result<(Lease, RunHeader, Vec<Stamped>), Fault> {
        let Ask { header, key, text, events, .. } = ask;
        if !self.texts.contains(&header.digest) {
            let mut insert = self
                .conn
                .prepare_cached("INSERT INTO texts (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
            insert.execute((&header.digest, &*text))?;
            self.texts.insert(header.digest.clone());
        }
        for episode in episodes {
            let number = if let Some(number) = self.episodes.get(episode) {
                *number
            } else {
                let number = episodes::make(self.conn, episode)?;
                self.episodes.insert(episode.clone(), number);
                number
            };
            let claim =
                Claim { playbook: header.playbook.clone(), trigger: header.trigger, run: header.run.clone() };
            episodes::claim(self.conn, number, &claim)?;
        }
        let key = key.map(|k| k.key);
        let (status, reason) = Progress::at_start(&events, key.as_deref().filter(|_| !granted));
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO runs (run, playbook, digest, started_for, scope, target, labels, status, reason, \
             started_at, updated_at, seq, epoch, owner, lease_until, key, granted) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, 1, ?12, ?13, ?14, ?15)",
        )?;
        let now = nanos(self.now);
        let length = i64::try_from(events.len()).unwrap_or(i64::MAX);
        insert.execute(rusqlite::params![
            header.run,
            header.playbook,
            header.digest,
            header.trigger.as_str(),
            header.scope,
            header.target,
            json(&header.labels)?,
            status.as_str(),
            reason,
            now,
            length,
            self.owner,
            nanos(leases::expiry(self.now, LEASE)),
            key,
            granted,
        ])?;
        let events = write_events(self.conn, self.conn.last_insert_rowid(), 0, self.now, events)?;
        let seq = events.last().map_or(0, |e| e.seq);
        Ok((Lease { run: header.run.clone(), epoch: 1, seq }, header, events))
    }
}
