//! How a store is written: by one commit for many, by processes that race, on a disk that is full.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, ffi};
use rustix::fs::{Mode, OFlags};

use super::{ask, attempt, list, now, opening, owner, sqlite};
use crate::engine::{Admitted, RunFilter, Store, StoreError, StoreWatch, StoreWork};
use crate::run::{Signal, SignalKind};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::fault::{self, Fault};
use crate::store::{Access, Opening, conformance, database, open};

#[tokio::test]
async fn it_does_what_every_store_must() {
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    conformance::run(|| {
        n += 1;
        open(&dir.path().join(n.to_string()), &Opening::new(Access::Write)).unwrap().store
    })
    .await;
}

#[tokio::test]
async fn it_does_so_without_a_write_ahead_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    conformance::run(|| {
        n += 1;
        let place = database(&dir.path().join(n.to_string()));
        let opened = SqliteStore::open_with(&place, &Opening::new(Access::Write), |conn| {
            // As on a network file system.
            let mode = "PRAGMA journal_mode = TRUNCATE";
            assert_eq!(conn.query_row(mode, [], |row| row.get::<_, String>(0))?, "truncate");
            Ok(())
        });
        Arc::new(opened.unwrap().0) as Arc<dyn Store>
    })
    .await;
}

#[test]
fn the_bundled_sqlite_has_no_wal_reset_bug() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_race_start_each_episode_once() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Arc::new(sqlite(dir.path())), Arc::new(sqlite(dir.path())));
    let race = |store: Arc<SqliteStore>, pid: u32| {
        tokio::spawn(async move {
            let mut started = 0;
            for n in 0..100 {
                let asks = vec![ask(&format!("{pid}-{n}"), n), ask(&format!("{pid}-{n}b"), n + 1000)];
                let admitted = store.admit(asks, owner(pid), now()).await.unwrap();
                started += admitted.iter().filter(|a| matches!(a, Admitted::Started { .. })).count();
            }
            started
        })
    };
    let (first, second) = (race(Arc::clone(&one), 1), race(Arc::clone(&two), 2));
    assert_eq!(first.await.unwrap() + second.await.unwrap(), 200);
    assert_eq!(list(&*one).await.len(), 200);
    assert_eq!(list(&*two).await.len(), 200);
}

#[test]
fn processes_that_come_at_once_make_one_store() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("new/store");
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let place = place.clone();
                std::thread::spawn(move || open(&place, &Opening::new(Access::Write)).map(|o| o.notices))
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn what_waits_at_the_same_time_shares_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(dir.path());
    let admitted = store.admit((0..50).map(|n| ask(&n.to_string(), n)).collect(), owner(1), now()).await;
    assert_eq!(store.commits(), 1, "a whole admission");
    let leases: Vec<_> = admitted
        .unwrap()
        .into_iter()
        .map(|a| match a {
            Admitted::Started { lease, .. } => lease,
            other => panic!("{other:?}"),
        })
        .collect();
    // The lock is another's: everything that is asked for meanwhile waits, and then goes in together.
    let other = Connection::open(store.place()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writes: Vec<_> =
        leases.iter().map(|lease| store.append(lease.clone(), vec![attempt(1)], Vec::new(), now())).collect();
    let mut cx = Context::from_waker(Waker::noop());
    for write in &mut writes {
        assert!(write.as_mut().poll(&mut cx).is_pending());
    }
    other.execute_batch("ROLLBACK").unwrap();
    for write in writes {
        write.await.unwrap();
    }
    assert!(store.commits() <= 3, "{} commits for 50 appends", store.commits());
}

#[tokio::test]
async fn work_that_fails_leaves_the_others_of_its_commit_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(dir.path());
    store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    let twice = store.admit(vec![ask("r2", 2), ask("r1", 3)], owner(1), now());
    let good = store.admit(vec![ask("r4", 4)], owner(1), now());
    let (twice, good) = tokio::join!(twice, good);
    assert!(matches!(twice, Err(StoreError::Failed { .. })), "{twice:?}");
    good.unwrap();
    assert_eq!(list(&store).await, ["r4", "r1"], "not half an admission");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(dir.path());
    let mut admit = store.admit(vec![ask("r1", 1)], owner(1), now());
    let mut cx = Context::from_waker(Waker::noop());
    let _ = admit.as_mut().poll(&mut cx);
    drop(admit);
    drop(store);
    assert_eq!(list(&sqlite(dir.path())).await, ["r1"]);
}

#[tokio::test]
async fn a_lock_that_is_held_for_too_long_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = SqliteStore::open(&database(dir.path()), &opening(Access::Write)).unwrap();
    let other = Connection::open(database(dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Busy { waited, .. } if *waited == Duration::from_millis(200)),
        "{error:?}"
    );
    assert!(list(&store).await.is_empty(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_grow_writes_nothing_and_goes_on_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    drop(sqlite(dir.path()));
    let (store, _) = SqliteStore::open_with(&database(dir.path()), &opening(Access::Write), |conn| {
        // The same answer as that of a full disk.
        conn.pragma_update(None, "max_page_count", 40)
    })
    .unwrap();
    let mut error = None;
    let mut started = 0;
    for n in 0..500 {
        let asks: Vec<_> = (0..10).map(|m| ask(&format!("r{n}-{m}"), n * 10 + m)).collect();
        match store.admit(asks, owner(1), now()).await {
            Ok(admitted) => started += admitted.len(),
            Err(e) => {
                error = Some(e);
                break;
            }
        }
    }
    assert!(matches!(error, Some(StoreError::Full { .. })), "{error:?}");
    assert_eq!(list(&store).await.len(), started, "what was answered is there, and nothing else");
    drop(store);
    sqlite(dir.path()).admit(vec![ask("more", 999)], owner(1), now()).await.unwrap();
}

#[tokio::test]
async fn when_sqlite_gives_a_commit_up_everybody_in_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    drop(sqlite(dir.path()));
    let (store, _) = SqliteStore::open_with(&database(dir.path()), &opening(Access::Write), |conn| {
        conn.pragma_update(None, "max_page_count", 60)
    })
    .unwrap();
    let other = Connection::open(store.place()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writes: Vec<_> = (0..100)
        .map(|n| {
            let asks = (0..10).map(|m| ask(&format!("r{n}-{m}"), n * 10 + m)).collect();
            store.admit(asks, owner(1), now())
        })
        .collect();
    let mut cx = Context::from_waker(Waker::noop());
    for write in &mut writes {
        assert!(write.as_mut().poll(&mut cx).is_pending());
    }
    other.execute_batch("ROLLBACK").unwrap();
    let mut answered = 0;
    for write in writes {
        match write.await {
            Ok(admitted) => answered += admitted.len(),
            Err(error) => assert!(matches!(error, StoreError::Full { .. }), "{error:?}"),
        }
    }
    assert_eq!(list(&store).await.len(), answered);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long SQLite waits is seen on no other clock")]
async fn a_lock_is_waited_for_once_by_all_who_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = SqliteStore::open(&database(dir.path()), &opening(Access::Write)).unwrap();
    let other = Connection::open(store.place()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writes: Vec<_> =
        (0..200).map(|n| store.admit(vec![ask(&format!("r{n}"), n)], owner(1), now())).collect();
    let mut cx = Context::from_waker(Waker::noop());
    for write in &mut writes {
        assert!(write.as_mut().poll(&mut cx).is_pending());
    }
    let begun = std::time::Instant::now();
    for write in writes {
        assert!(matches!(write.await, Err(StoreError::Busy { .. })));
    }
    // One that had begun to wait before the others came, and then all of them.
    assert!(begun.elapsed() < opening(Access::Write).busy * 10, "{:?}", begun.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn a_store_that_was_moved_away_takes_nothing_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, file) = (sqlite(dir.path()), database(dir.path()));
    store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    let aside = dir.path().join("aside");
    for suffix in ["", "-wal"] {
        let mut name = file.clone().into_os_string();
        name.push(suffix);
        std::fs::rename(&name, &aside).unwrap();
        let refused = store.admit(vec![ask("r2", 2)], owner(1), now()).await.unwrap_err().to_string();
        assert!(refused.contains("deleted, moved or replaced") && refused.contains("amflow.db"), "{refused}");
        File::create(&name).unwrap();
        assert!(store.admit(vec![ask("r3", 3)], owner(1), now()).await.is_err(), "another file");
        std::fs::rename(&aside, &name).unwrap();
    }
    store.admit(vec![ask("r4", 4)], owner(1), now()).await.unwrap();
    assert_eq!(list(&store).await, ["r4", "r1"], "nothing that was refused");
    std::fs::remove_file(&file).unwrap();
    assert!(store.list(RunFilter::default()).await.is_err(), "nor does it tell what nobody has");
}

#[tokio::test]
async fn a_store_that_became_read_only_says_so_and_is_read() {
    let dir = tempfile::tempdir().unwrap();
    drop(sqlite(dir.path()));
    let (store, _) = SqliteStore::open_with(&database(dir.path()), &opening(Access::Write), |conn| {
        // The same answer as that of a file system that was mounted anew, for reading only.
        conn.pragma_update(None, "query_only", true)
    })
    .unwrap();
    let refused = store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap_err().to_string();
    assert!(refused.contains("it can be read, but not written"), "{refused}");
    assert!(list(&store).await.is_empty());
}

#[test]
fn what_sqlite_says_is_said_in_the_words_of_the_store() {
    let place = fault::place(Path::new("/nonexistent/amflow.db"), Duration::from_secs(10));
    let explained = |code: i32| {
        let error = Error::SqliteFailure(ffi::Error::new(code), None);
        place.explain("write a journal", Fault::Sql(error))
    };
    assert!(matches!(explained(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy { .. }));
    assert!(matches!(explained(ffi::SQLITE_FULL), StoreError::Full { .. }));
    assert!(matches!(explained(ffi::SQLITE_READONLY_DBMOVED), StoreError::Open { .. }));
    let corrupt = explained(ffi::SQLITE_CORRUPT).to_string();
    assert!(corrupt.contains("failed to write a journal") && corrupt.contains("recovery.md"), "{corrupt}");
    assert_eq!(ffi::Error::new(ffi::SQLITE_CORRUPT_INDEX).code, ErrorCode::DatabaseCorrupt);
}

#[test]
fn a_limit_on_file_size_is_a_store_that_cannot_grow() {
    let dir = tempfile::tempdir().unwrap();
    let place = fault::place(&dir.path().join("amflow.db"), Duration::from_secs(10));
    // The system's reason is what the last failed call of this thread left behind.
    let full = rustix::fs::open("/dev/full", OFlags::WRONLY, Mode::empty()).unwrap();
    assert_eq!(rustix::io::write(&full, b"x"), Err(rustix::io::Errno::NOSPC));
    let mut device = File::from(full);
    assert_eq!(io::Write::write(&mut device, b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    let error = Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), None);
    match place.explain("write a journal", Fault::Sql(error)) {
        StoreError::Full { reason, .. } => assert_eq!(reason, "no space left on device"),
        other => panic!("{other}"),
    }
}

/// Takes note of what a store tells.
#[derive(Debug, Default)]
struct Noting {
    commits: Mutex<Vec<(usize, Duration)>>,
    answers: Mutex<Vec<(StoreWork, Option<String>)>>,
}

impl StoreWatch for Noting {
    fn committed(&self, writes: usize, took: Duration) {
        self.commits.lock().unwrap().push((writes, took));
    }

    fn answered(&self, work: StoreWork, _took: Duration, failed: Option<&StoreError>) {
        let reason = failed.map(|error| error.reason().unwrap_or("no").to_owned());
        self.answers.lock().unwrap().push((work, reason));
    }
}

#[tokio::test]
async fn who_measures_sees_commits_that_change_something_and_every_answer() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Arc::new(Noting::default());
    let opening = Opening { watch: Some(watch.clone()), ..opening(Access::Write) };
    let store = SqliteStore::open(&database(dir.path()), &opening).unwrap().0;
    store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    // The lock is another's for longer than it waits.
    let other = Connection::open(store.place()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = store.admit(vec![ask("r2", 2)], owner(1), now()).await;
    assert!(matches!(busy, Err(StoreError::Busy { .. })), "{busy:?}");
    other.execute_batch("ROLLBACK").unwrap();
    let signal = Signal { id: "s".into(), kind: SignalKind::Restart };
    let nobody = store.signal("nobody".into(), signal, now()).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchRun { .. })), "{nobody:?}");
    store.drop_later(vec![("p".into(), "s".into(), "t".into())]).await.unwrap();
    store.list(RunFilter::default()).await.unwrap();
    drop(store);
    let commits = watch.commits.lock().unwrap();
    assert_eq!(
        commits.iter().map(|(writes, _)| *writes).collect::<Vec<_>>(),
        [1],
        "nothing else was written"
    );
    assert!(commits[0].1 > Duration::ZERO);
    let (write, read) = (StoreWork::Write, StoreWork::Read);
    let no = |text: &str| Some(text.to_owned());
    assert_eq!(
        *watch.answers.lock().unwrap(),
        [(write, None), (write, no("busy")), (write, no("no")), (write, None), (read, None)]
    );
}
