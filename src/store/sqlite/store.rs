//! [`SqliteStore`]: the two threads behind the trait.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::engine::{
    Admitted, Answer, Ask, Episode, Judge, Later, LaterCount, Lease, LifeOf, Observation, OpenEpisode, Owner,
    Parking, Raised, Renewed, RunCount, RunFilter, RunSummary, Store, StoreError, StoreWatch, Take, Taken,
};
use crate::run::{GateChange, GateState, RunEvent, Signal, Stamped};
use crate::store::Opening;
use crate::store::sqlite::admit::Ready;
use crate::store::sqlite::fault::{Fault, Place, place};
use crate::store::sqlite::files::Files;
use crate::store::sqlite::rows::Lines;
use crate::store::sqlite::worker::{Link, Role, Source, Worker};
use crate::store::sqlite::{admit, connect, episodes, gates, journal, leases, prune, shelf};

/// Runs that one commit prunes: others must get their turn.
const PRUNED_AT_ONCE: u64 = 500;

/// The durable store: one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    place: Arc<Place>,
    // Closed before the writer, which then, being last, leaves one whole file behind.
    reader: Side,
    writer: Option<Side>,
    /// The files that were opened.
    files: Files,
    group: Option<u32>,
    commits: Arc<AtomicU64>,
    watch: Option<Arc<dyn StoreWatch>>,
}

/// A worker that starts when it is first needed, with the connection that was opened first.
#[derive(Debug, Default)]
struct Side {
    first: Mutex<Option<Link>>,
    worker: OnceLock<Result<Worker, String>>,
}

impl Side {
    fn with(link: Link) -> Side {
        Side { first: Mutex::new(Some(link)), worker: OnceLock::new() }
    }

    fn worker(
        &self,
        place: &Arc<Place>,
        role: Role,
        mut source: Source,
        watch: Option<Arc<dyn StoreWatch>>,
    ) -> Result<&Worker, StoreError> {
        let started = self.worker.get_or_init(|| {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let source = Box::new(move || first.take().map_or_else(&mut source, Ok));
            Worker::start(Arc::clone(place), role, source, watch).map_err(|e| e.to_string())
        });
        started.as_ref().map_err(|reason| StoreError::Failed {
            path: place.name(),
            what: "start its thread",
            reason: reason.clone(),
        })
    }
}

impl SqliteStore {
    /// Opens a database file for writing, after making what is missing; also returns what people should
    /// know of it.
    ///
    /// # Errors
    ///
    /// See [`open`](crate::store::open).
    pub fn open(file: &Path, opening: &Opening) -> Result<(SqliteStore, Vec<String>), StoreError> {
        let place = Arc::new(place(file, opening.busy));
        let (conn, notices) = connect::to_write(&place, opening.group)?;
        Ok((SqliteStore::around(place, conn, opening), notices))
    }

    /// Opens a file for writing with a connection that was made special, as tests need it.
    #[cfg(test)]
    pub(super) fn open_with(
        file: &Path,
        opening: &Opening,
        special: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(SqliteStore, Vec<String>), StoreError> {
        let place = Arc::new(place(file, opening.busy));
        let (conn, notices) = connect::to_write(&place, opening.group)?;
        special(&conn).map_err(|e| place.explain_sql("open", &e))?;
        Ok((SqliteStore::around(place, conn, opening), notices))
    }

    fn around(place: Arc<Place>, conn: Connection, opening: &Opening) -> SqliteStore {
        let files = Files::of(&place.file);
        SqliteStore {
            place,
            reader: Side::default(),
            writer: Some(Side::with(Link::new(conn, files.clone()))),
            files,
            group: opening.group,
            commits: Arc::default(),
            watch: opening.watch.clone(),
        }
    }

    /// Opens a database file for reading; `None` when there is none or nothing is in it.
    ///
    /// # Errors
    ///
    /// See [`open`](crate::store::open).
    pub fn open_to_read(file: &Path, opening: &Opening) -> Result<Option<SqliteStore>, StoreError> {
        let place = Arc::new(place(file, opening.busy));
        let conn = connect::to_read(&place)?;
        let files = Files::of(&place.file);
        Ok(conn.map(|conn| SqliteStore {
            reader: Side::with(Link::new(conn, files.clone())),
            place,
            writer: None,
            files,
            group: opening.group,
            commits: Arc::default(),
            watch: opening.watch.clone(),
        }))
    }

    /// Returns how many commits this process has made to it; what changed nothing is none.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn write<T, F>(&self, what: &'static str, work: F) -> Answer<'_, Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        Box::pin(async move { self.writer()?.run(what, work).await })
    }

    fn read<T, F>(&self, what: &'static str, work: F) -> Answer<'_, Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        Box::pin(async move { self.reader()?.run(what, work).await })
    }

    /// Makes ready what is written of asks, before they wait for their turn.
    fn ready(&self, what: &'static str, asks: Vec<Ask>) -> Result<Vec<Ready>, StoreError> {
        asks.into_iter()
            .map(Ready::of)
            .collect::<Result<_, _>>()
            .map_err(|fault| self.place.explain(what, fault))
    }

    fn writer(&self) -> Result<&Worker, StoreError> {
        let Some(side) = &self.writer else {
            return Err(StoreError::Open {
                path: self.place.name(),
                reason: "it was opened for reading only".to_owned(),
            });
        };
        let (place, group, files) = (Arc::clone(&self.place), self.group, self.files.clone());
        let source = Box::new(move || {
            connect::to_write(&place, group).map(|(conn, _)| Link::new(conn, files.clone()))
        });
        side.worker(&self.place, Role::Writes(Arc::clone(&self.commits)), source, self.watch.clone())
    }

    fn reader(&self) -> Result<&Worker, StoreError> {
        let (place, files) = (Arc::clone(&self.place), self.files.clone());
        let source = Box::new(move || {
            let conn = connect::to_read(&place)?.ok_or_else(|| place.vanished("open"))?;
            Ok(Link::new(conn, files.clone()))
        });
        self.reader.worker(&self.place, Role::Reads, source, self.watch.clone())
    }
}

impl Store for SqliteStore {
    fn place(&self) -> String {
        self.place.name()
    }

    fn observe(
        &self,
        seen: Vec<Observation>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Episode>, StoreError>> {
        self.write("record alerts", move |conn| {
            let found = episodes::observe(conn, &seen, now, true)?;
            Ok(found.into_iter().map(|found| found.episode).collect())
        })
    }

    fn preview_episodes(
        &self,
        seen: Vec<Observation>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Episode>, StoreError>> {
        self.read("look up alerts", move |conn| {
            let found = episodes::observe(conn, &seen, now, false)?;
            Ok(found.into_iter().map(|found| found.episode).collect())
        })
    }

    fn open_episodes(
        &self,
        scope: String,
        ends_after: Timestamp,
    ) -> Answer<'_, Result<Vec<OpenEpisode>, StoreError>> {
        self.read("list open episodes", move |conn| episodes::open(conn, &scope, ends_after))
    }

    fn known_episodes(&self, seen: Vec<Observation>) -> Answer<'_, Result<Vec<Option<Episode>>, StoreError>> {
        self.read("look up alerts", move |conn| episodes::known(conn, &seen))
    }

    fn scopes(&self) -> Answer<'_, Result<Vec<String>, StoreError>> {
        self.read("list scopes", episodes::scopes)
    }

    fn admit(
        &self,
        asks: Vec<Ask>,
        owner: Owner,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Admitted>, StoreError>> {
        Box::pin(async move {
            let what = "admit runs";
            let asks = self.ready(what, asks)?;
            self.writer()?.run(what, move |conn| admit::admit(conn, asks, &owner, now)).await
        })
    }

    fn take_in(
        &self,
        seen: Vec<Observation>,
        at: Timestamp,
        asks: Vec<Ask>,
        owner: Owner,
        now: Timestamp,
    ) -> Answer<'_, Result<(Vec<Episode>, Option<Vec<Admitted>>), StoreError>> {
        Box::pin(async move {
            let what = "take a delivery in";
            let asks = self.ready(what, asks)?;
            self.writer()?.run(what, move |conn| admit::take_in(conn, (&seen, at), asks, &owner, now)).await
        })
    }

    fn preview(&self, asks: Vec<Ask>, now: Timestamp) -> Answer<'_, Result<Vec<Admitted>, StoreError>> {
        self.read("preview runs", move |conn| admit::preview(conn, asks, now))
    }

    fn append(
        &self,
        lease: Lease,
        events: Vec<RunEvent>,
        gates: Vec<GateChange>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Stamped>, StoreError>> {
        let place = Arc::clone(&self.place);
        Box::pin(async move {
            let what = "write a journal";
            let lines = Lines::of(events).map_err(|fault| place.explain(what, fault))?;
            let here = Arc::clone(&place);
            let work = move |conn: &Connection| journal::append(conn, &here, lease, lines, &gates, now);
            self.writer()?.run(what, work).await
        })
    }

    fn take(
        &self,
        which: Take,
        max: usize,
        owner: Owner,
        life_of: LifeOf,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Taken>, StoreError>> {
        self.write("take runs", move |conn| leases::take(conn, &which, max, &owner, &*life_of, now))
    }

    fn renew(
        &self,
        leases: Vec<Lease>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Result<Renewed, StoreError>>, StoreError>> {
        let place = Arc::clone(&self.place);
        self.write("renew leases", move |conn| leases::renew(conn, &place, leases, now))
    }

    fn park(&self, lease: Lease, parking: Parking, now: Timestamp) -> Answer<'_, Result<(), StoreError>> {
        let place = Arc::clone(&self.place);
        self.write("park a run", move |conn| leases::park(conn, &place, lease, &parking, now))
    }

    fn signal(&self, run: String, signal: Signal, now: Timestamp) -> Answer<'_, Result<(), StoreError>> {
        let store = self.place.name();
        self.write("signal a run", move |conn| {
            if leases::signal(conn, &run, &signal, now)? {
                return Ok(());
            }
            Err(StoreError::NoSuchRun { run, store }.into())
        })
    }

    fn signal_if(
        &self,
        run: String,
        signal: Signal,
        judge: Judge,
        now: Timestamp,
    ) -> Answer<'_, Result<bool, StoreError>> {
        let place = Arc::clone(&self.place);
        self.write("signal a run", move |conn| leases::signal_if(conn, &place, &run, &signal, judge, now))
    }

    fn pending(&self, run: String) -> Answer<'_, Result<Vec<Signal>, StoreError>> {
        let place = Arc::clone(&self.place);
        self.read("read signals", move |conn| leases::waiting(conn, &place, &run))
    }

    fn read(&self, run: String) -> Answer<'_, Result<(RunSummary, Arc<str>, Vec<Stamped>), StoreError>> {
        let place = Arc::clone(&self.place);
        self.read("read a run", move |conn| journal::read(conn, &place, &run))
    }

    fn list(&self, filter: RunFilter) -> Answer<'_, Result<Vec<RunSummary>, StoreError>> {
        self.read("list runs", move |conn| journal::list(conn, &filter))
    }

    fn counts(&self) -> Answer<'_, Result<Vec<RunCount>, StoreError>> {
        self.read("count runs", journal::counts)
    }

    fn put_later(&self, later: Vec<Later>) -> Answer<'_, Result<(), StoreError>> {
        self.write("store what was put off", move |conn| shelf::put_later(conn, &later))
    }

    fn later(&self, due: Option<Timestamp>) -> Answer<'_, Result<Vec<Later>, StoreError>> {
        self.read("read what was put off", move |conn| shelf::later(conn, due))
    }

    fn count_later(&self) -> Answer<'_, Result<Vec<LaterCount>, StoreError>> {
        self.read("count what was put off", shelf::count_later)
    }

    fn later_playbooks(&self, due: Timestamp) -> Answer<'_, Result<Vec<String>, StoreError>> {
        self.read("list what was put off", move |conn| shelf::later_playbooks(conn, due))
    }

    fn later_of(
        &self,
        playbook: String,
        due: Timestamp,
        skip: usize,
        max: usize,
    ) -> Answer<'_, Result<Vec<Later>, StoreError>> {
        self.read("list what was put off", move |conn| shelf::later_of(conn, &playbook, due, skip, max))
    }

    fn drop_later(&self, keys: Vec<(String, String, String)>) -> Answer<'_, Result<(), StoreError>> {
        self.write("drop what was put off", move |conn| shelf::drop_later(conn, &keys))
    }

    fn gates(&self, prefix: String) -> Answer<'_, Result<Vec<(String, GateState)>, StoreError>> {
        self.read("read gates", move |conn| gates::list(conn, &prefix))
    }

    fn change_gates(
        &self,
        changes: Vec<GateChange>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<GateState>, StoreError>> {
        self.write("change gates", move |conn| gates::change(conn, &changes, now))
    }

    fn raised(&self) -> Answer<'_, Result<Vec<Raised>, StoreError>> {
        self.read("read raised alerts", shelf::raised)
    }

    fn put_raised(&self, add: Vec<Raised>, remove: Vec<String>) -> Answer<'_, Result<(), StoreError>> {
        self.write("store raised alerts", move |conn| shelf::put_raised(conn, &add, &remove))
    }

    fn prune(&self, before: Timestamp, dry_run: bool) -> Answer<'_, Result<u64, StoreError>> {
        if dry_run {
            return self.read("count old runs", move |conn| prune::count(conn, before));
        }
        Box::pin(async move {
            let mut gone = 0;
            loop {
                let some = self
                    .write("prune old runs", move |conn| prune::runs(conn, before, PRUNED_AT_ONCE))
                    .await?;
                gone += some;
                if some < PRUNED_AT_ONCE {
                    break;
                }
            }
            self.write("prune what old runs left", move |conn| prune::remains(conn, before)).await?;
            Ok(gone)
        })
    }
}
