//! [`Worker`]: one thread with one connection and a queue. A writing worker puts everything that
//! waits into one commit; each piece of work fails alone.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use rusqlite::ffi::{Error as SqlCode, ErrorCode};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::engine::{StoreError, StoreWatch, StoreWork};
use crate::store::sqlite::fault::{Fault, Place};
use crate::store::sqlite::files::Files;

/// Work that shares a commit, at most: so that nobody waits for long, nor keeps others waiting.
const BATCH: usize = 512;

/// The code of work that was undone for another reason than SQLite's.
const GIVEN_UP: SqlCode = SqlCode { code: ErrorCode::OperationAborted, extended_code: 4 };

/// Where a worker's connection comes from.
pub(super) type Source = Box<dyn FnMut() -> Result<Link, StoreError> + Send>;

/// A connection, and the files that it is to.
#[derive(Debug)]
pub(super) struct Link {
    conn: Connection,
    files: Files,
}

impl Link {
    /// Joins a new connection with the files that it should be to.
    pub(super) fn new(conn: Connection, files: Files) -> Link {
        Link { conn, files }
    }

    fn holds(&mut self, role: &Role, place: &Place) -> bool {
        match role {
            Role::Writes(_) => self.files.are_there_to_write(&place.file),
            Role::Reads => self.files.are_there(&place.file),
        }
    }
}

/// One thread with one connection and a queue.
#[derive(Debug)]
pub(super) struct Worker {
    queue: Option<Sender<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
    place: Arc<Place>,
    watched: Option<Watched>,
}

/// Who measures how long a worker takes, and for what.
type Watched = (Arc<dyn StoreWatch>, StoreWork);

/// What a worker does with its queue.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Everything that waits in one commit; counts the commits.
    Writes(Arc<AtomicU64>),
    /// One after the other, each on a snapshot.
    Reads,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(
        place: Arc<Place>,
        role: Role,
        source: Source,
        watch: Option<Arc<dyn StoreWatch>>,
    ) -> io::Result<Worker> {
        let (queue, waiting) = channel();
        let here = Arc::clone(&place);
        let work = if let Role::Writes(_) = role { StoreWork::Write } else { StoreWork::Read };
        let watched = watch.clone().map(|watch| (watch, work));
        let thread = Builder::new()
            .name("amflow-store".to_owned())
            .spawn(move || Thread { place: here, role, source, link: None, watch }.serve(&waiting))?;
        Ok(Worker { queue: Some(queue), thread: Some(thread), place, watched })
    }

    /// Does a piece of work within a transaction; once begun it is done even when nobody waits for the
    /// answer any more.
    pub(super) async fn run<T, F>(&self, what: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let answer = Answering { answer, asked: Instant::now(), watched: self.watched.clone() };
        let sent = self.queue.as_ref().is_some_and(|q| q.send(Box::new(Task { what, work, answer })).is_ok());
        match answered.await {
            Ok(result) if sent => result,
            _ => Err(StoreError::Failed {
                path: self.place.name(),
                what,
                reason: "its thread has ended".to_owned(),
            }),
        }
    }
}

impl Drop for Worker {
    /// Waits until what was asked for is done and the connection is closed.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It only fails when it panicked, which has been told on stderr.
            let _ = thread.join();
        }
    }
}

/// A piece of work that waits in the queue.
trait Work: Send {
    /// Does it.
    fn run(self: Box<Self>, conn: &Connection, place: &Place) -> Done;
    /// Answers that it was not done.
    fn refuse(self: Box<Self>, why: &dyn Fn(&'static str) -> StoreError);
}

/// A piece of work that was done, but not yet committed.
struct Done {
    /// Why it failed: SQLite's code, or [`GIVEN_UP`] for what is no fault of SQLite.
    failed: Option<SqlCode>,
    what: &'static str,
    /// Answers: with its own result, or with the error of the commit.
    answer: Box<dyn FnOnce(Option<StoreError>) + Send>,
}

struct Task<T, F> {
    what: &'static str,
    work: F,
    answer: Answering<T>,
}

/// Where an answer goes, and who sees how long it took.
struct Answering<T> {
    answer: oneshot::Sender<Result<T, StoreError>>,
    asked: Instant,
    watched: Option<Watched>,
}

impl<T> Answering<T> {
    fn send(self, result: Result<T, StoreError>) {
        if let Some((watch, work)) = &self.watched {
            watch.answered(*work, self.asked.elapsed(), result.as_ref().err());
        }
        // Nobody may wait for it any more.
        let _ = self.answer.send(result);
    }
}

impl<T, F> Work for Task<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    fn run(self: Box<Self>, conn: &Connection, place: &Place) -> Done {
        let Task { what, work, answer } = *self;
        let result = work(conn);
        let failed = match &result {
            Ok(_) => None,
            Err(Fault::Sql(error)) => Some(error.sqlite_error().copied().unwrap_or(GIVEN_UP)),
            Err(_) => Some(GIVEN_UP),
        };
        let result = result.map_err(|fault| place.explain(what, fault));
        Done {
            failed,
            what,
            answer: Box::new(move |commit_failed| {
                let result = match commit_failed {
                    Some(error) if result.is_ok() => Err(error),
                    _ => result,
                };
                answer.send(result);
            }),
        }
    }

    fn refuse(self: Box<Self>, why: &dyn Fn(&'static str) -> StoreError) {
        self.answer.send(Err(why(self.what)));
    }
}

/// The thread's own: its connection and how it works.
struct Thread {
    place: Arc<Place>,
    role: Role,
    source: Source,
    link: Option<Link>,
    watch: Option<Arc<dyn StoreWatch>>,
}

impl Thread {
    fn serve(mut self, waiting: &Receiver<Box<dyn Work>>) {
        while let Ok(first) = waiting.recv() {
            let mut batch = vec![first];
            batch.extend(waiting.try_iter().take(BATCH - 1));
            if self.link.is_none() {
                match (self.source)() {
                    Ok(link) => self.link = Some(link),
                    Err(error) => {
                        self.refuse_unopened(batch, error);
                        continue;
                    }
                }
            }
            let Some(link) = &mut self.link else { continue };
            if !link.holds(&self.role, &self.place) {
                batch.into_iter().for_each(|work| work.refuse(&|what| self.place.vanished(what)));
                continue;
            }
            match &self.role {
                Role::Writes(commits) => write(link, &self.place, batch, commits, self.watch.as_deref()),
                Role::Reads => batch.into_iter().for_each(|work| read(&link.conn, &self.place, work)),
            }
        }
    }

    /// The first is told why; the others, each of which would be told the same, are told by trying again.
    fn refuse_unopened(&mut self, batch: Vec<Box<dyn Work>>, error: StoreError) {
        let mut error = Some(error);
        let place = Arc::clone(&self.place);
        for work in batch {
            let why = error.take().or_else(|| (self.source)().err());
            let why = Cell::new(why);
            work.refuse(&|what| {
                why.take().unwrap_or_else(|| StoreError::Failed {
                    path: place.name(),
                    what,
                    reason: "it could not be opened a moment ago: try again".to_owned(),
                })
            });
        }
    }
}

/// Does one piece of work on a snapshot.
fn read(conn: &Connection, place: &Place, work: Box<dyn Work>) {
    if let Err(error) = statement(conn, "BEGIN") {
        work.refuse(&|what| place.explain_sql(what, &error));
        return;
    }
    let done = work.run(conn, place);
    roll_back(conn);
    (done.answer)(None);
}

/// Does a batch of work in one commit.
fn write(
    link: &mut Link,
    place: &Place,
    batch: Vec<Box<dyn Work>>,
    commits: &AtomicU64,
    watch: Option<&dyn StoreWatch>,
) {
    let Link { conn, files } = link;
    let (began, before) = (Instant::now(), conn.total_changes());
    let alone = batch.len() == 1;
    let mut done = Vec::with_capacity(batch.len());
    let mut waiting = batch.into_iter();
    while let Some(work) = waiting.next() {
        if conn.is_autocommit()
            && let Err(error) = statement(conn, "BEGIN IMMEDIATE")
        {
            // A lock that is held is waited for once: for the others it is no shorter.
            for work in std::iter::once(work).chain(waiting.by_ref()) {
                work.refuse(&|what| place.explain_sql(what, &error));
            }
            break;
        }
        let finished = if alone { write_alone(conn, place, work) } else { write_one(conn, place, work) };
        if conn.is_autocommit() {
            // SQLite has given up the whole transaction (a full disk does that): with it went what the
            // others wrote. The rest of the batch begins anew.
            let error = rusqlite::Error::SqliteFailure(finished.failed.unwrap_or(GIVEN_UP), None);
            refuse_done(&mut done, &|what| place.explain_sql(what, &error));
        }
        done.push(finished);
    }
    if !conn.is_autocommit() {
        match statement(conn, "COMMIT") {
            // What changed nothing costs the disk nothing: it is no commit.
            Ok(()) if conn.total_changes() == before => {}
            Ok(()) => {
                commits.fetch_add(1, Ordering::Relaxed);
                if !files.are_there_to_write(&place.file) {
                    refuse_done(&mut done, &|what| place.vanished(what));
                } else if let Some(watch) = watch {
                    watch.committed(done.iter().filter(|d| d.failed.is_none()).count(), began.elapsed());
                }
            }
            Err(error) => {
                refuse_done(&mut done, &|what| place.explain_sql(what, &error));
                roll_back(conn);
            }
        }
    }
    for committed in done {
        (committed.answer)(None);
    }
}

/// Does work that shares its transaction with no other, and gives the transaction up when it fails.
fn write_alone(conn: &Connection, place: &Place, work: Box<dyn Work>) -> Done {
    let done = work.run(conn, place);
    if done.failed.is_some() {
        roll_back(conn);
    }
    done
}

/// Does one piece of work of a batch, and undoes it when it fails.
fn write_one(conn: &Connection, place: &Place, work: Box<dyn Work>) -> Done {
    if let Err(error) = statement(conn, "SAVEPOINT work") {
        let failed = error.sqlite_error().copied();
        work.refuse(&|what| place.explain_sql(what, &error));
        return Done { failed, what: "write", answer: Box::new(|_| {}) };
    }
    let done = work.run(conn, place);
    if done.failed.is_some() && !conn.is_autocommit() {
        // It fails only when SQLite has rolled back by itself, which the caller sees.
        let _ = statement(conn, "ROLLBACK TO work");
    }
    if !conn.is_autocommit() {
        // Nothing is written by this: it can't fail within a transaction.
        let _ = statement(conn, "RELEASE work");
    }
    done
}

/// Answers work whose transaction is gone.
fn refuse_done(done: &mut Vec<Done>, why: &dyn Fn(&'static str) -> StoreError) {
    let errors: Vec<_> = done.iter().map(|d| why(d.what)).collect();
    done.drain(..).zip(errors).for_each(|(d, why)| (d.answer)(Some(why)));
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        // It fails only when SQLite has rolled back by itself.
        let _ = statement(conn, "ROLLBACK");
    }
}

fn statement(conn: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(sql)?.execute([]).map(|_| ())
}
