//! Admission: claims, gates, keys, runs and their first events in one transaction.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::engine::{Admitted, Ask, Claim, Episode, EpisodeKey, LEASE, Lease, Observation, Owner, RunHeader};
use crate::run::{GateState, Signal, SignalKind, Stamped};
use crate::store::progress::Progress;
use crate::store::sqlite::fault::Fault;
use crate::store::sqlite::rows::{Lines, json, moment, nanos, write_events};
use crate::store::sqlite::{episodes, gates, leases, shelf};
use crate::store::verdict::{Desk, Facts, Verdict, as_previewed};

/// An ask, with the text of what is written when it starts: made before it waits for its turn.
#[derive(Debug)]
pub(super) struct Ready {
    ask: Ask,
    labels: String,
    lines: Lines,
}

impl Ready {
    pub(super) fn of(mut ask: Ask) -> Result<Ready, Fault> {
        let lines = Lines::of(std::mem::take(&mut ask.events))?;
        Ok(Ready { labels: json(&ask.header.labels)?, ask, lines })
    }
}

/// Admits runs, each ask as a whole, in order.
pub(super) fn admit(
    conn: &Connection,
    asks: Vec<Ready>,
    owner: &Owner,
    now: Timestamp,
) -> Result<Vec<Admitted>, Fault> {
    decide(conn, asks, owner, now, Rows::new(conn))
}

/// Records what a delivery says. When nothing was known of its alerts, also admits the runs that were asked for
/// on that understanding.
pub(super) fn take_in(
    conn: &Connection,
    (seen, at): (&[Observation], Timestamp),
    asks: Vec<Ready>,
    owner: &Owner,
    now: Timestamp,
) -> Result<(Vec<Episode>, Option<Vec<Admitted>>), Fault> {
    let found = episodes::observe(conn, seen, at, true)?;
    let is_new = seen.iter().zip(&found).all(|(seen, found)| found.episode.is_new(seen));
    if !is_new {
        return Ok((found.into_iter().map(|found| found.episode).collect(), None));
    }
    let mut rows = Rows::new(conn);
    for found in &found {
        let number = found.number.ok_or_else(|| Fault::Row("an episode has no number".to_owned()))?;
        rows.unclaimed.insert(found.episode.key.clone(), number);
    }
    let admitted = decide(conn, asks, owner, now, rows)?;
    Ok((found.into_iter().map(|found| found.episode).collect(), Some(admitted)))
}

fn decide(
    conn: &Connection,
    asks: Vec<Ready>,
    owner: &Owner,
    now: Timestamp,
    mut rows: Rows<'_>,
) -> Result<Vec<Admitted>, Fault> {
    let mut desk = Desk::load(asks.iter().map(|ready| &ready.ask), &mut rows)?;
    let Rows { mut episodes, unclaimed, .. } = rows;
    episodes.extend(unclaimed);
    let mut writer = Writer { conn, episodes, texts: HashSet::new(), owner: json(owner)?, now };
    let mut admitted = Vec::with_capacity(asks.len());
    for Ready { ask, labels, lines } in asks {
        admitted.push(match desk.verdict(&ask, now) {
            Verdict::Claimed(run) => Admitted::Claimed { run },
            Verdict::Later(closed) => Admitted::Later(closed),
            Verdict::Start { episodes, granted, restart } => {
                if let Some(holder) = restart {
                    let id = format!("restart/{}", ask.header.run);
                    leases::signal(conn, &holder, &Signal { id, kind: SignalKind::Restart }, now)?;
                }
                let (lease, header, events) = writer.start(ask, &labels, lines, &episodes, granted)?;
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
    /// Numbers of those that have just been seen, and that nobody has claimed.
    unclaimed: HashMap<EpisodeKey, i64>,
}

impl<'c> Rows<'c> {
    fn new(conn: &'c Connection) -> Rows<'c> {
        Rows { conn, episodes: HashMap::new(), unclaimed: HashMap::new() }
    }
}

impl Facts for Rows<'_> {
    type Error = Fault;

    fn claims(&mut self, episode: &EpisodeKey) -> Result<Vec<Claim>, Fault> {
        if self.unclaimed.contains_key(episode) {
            return Ok(Vec::new());
        }
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
        labels: &str,
        lines: Lines,
        episodes: &[EpisodeKey],
        granted: bool,
    ) -> Result<(Lease, RunHeader, Vec<Stamped>), Fault> {
        let Ask { header, key, text, put_off, .. } = ask;
        self.keep(&header.digest, &text)?;
        self.claim(&header, episodes)?;
        if let Some(target) = put_off {
            shelf::drop_later(self.conn, &[(header.playbook.clone(), header.scope.clone(), target)])?;
        }
        let key = key.map(|k| k.key);
        let (status, reason) = Progress::at_start(&lines.events, key.as_deref().filter(|_| !granted));
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO runs (run, playbook, digest, started_for, scope, target, labels, status, reason, \
             started_at, updated_at, seq, epoch, owner, lease_until, key, granted) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, 1, ?12, ?13, ?14, ?15)",
        )?;
        let now = nanos(self.now);
        let length = i64::try_from(lines.events.len()).unwrap_or(i64::MAX);
        insert.execute(rusqlite::params![
            header.run,
            header.playbook,
            header.digest,
            header.trigger.as_str(),
            header.scope,
            header.target,
            labels,
            status.as_str(),
            reason,
            now,
            length,
            self.owner,
            nanos(leases::expiry(self.now, LEASE)),
            key,
            granted,
        ])?;
        let events = write_events(self.conn, self.conn.last_insert_rowid(), 0, self.now, lines)?;
        let seq = events.last().map_or(0, |e| e.seq);
        Ok((Lease { run: header.run.clone(), epoch: 1, seq }, header, events))
    }

    /// Keeps the text of a playbook.
    fn keep(&mut self, digest: &str, text: &str) -> Result<(), Fault> {
        if self.texts.contains(digest) {
            return Ok(());
        }
        let mut find = self.conn.prepare_cached("SELECT 1 FROM texts WHERE digest = ?1")?;
        if !find.exists([digest])? {
            let mut insert = self.conn.prepare_cached("INSERT INTO texts (digest, text) VALUES (?1, ?2)")?;
            insert.execute((digest, text))?;
        }
        self.texts.insert(digest.to_owned());
        Ok(())
    }

    /// Claims episodes for a run.
    fn claim(&mut self, header: &RunHeader, episodes: &[EpisodeKey]) -> Result<(), Fault> {
        let mut numbers = Vec::with_capacity(episodes.len());
        for episode in episodes {
            let number = if let Some(number) = self.episodes.get(episode) {
                *number
            } else {
                let number = episodes::make(self.conn, episode)?;
                self.episodes.insert(episode.clone(), number);
                number
            };
            numbers.push(number);
        }
        // In the order of the table.
        numbers.sort_unstable();
        episodes::claim(self.conn, &numbers, &header.playbook, header.trigger, &header.run)
    }
}
