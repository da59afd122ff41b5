//! Where a store is: made, shared, read only, refused, of another version.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::{ask, list, now, opening, owner, sqlite};
use crate::engine::{Admitted, Life, Observation, Store, StoreError, Take};
use crate::run::{RunEvent, RunStatus};
use crate::store::sqlite::schema::SCHEMA_VERSION;
use crate::store::{Access, Opening, database, open};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("a/b");
    let opened = open(&place, &Opening::new(Access::Write)).unwrap();
    opened.store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    assert_eq!((mode(&dir.path().join("a")), mode(&place)), (0o700, 0o700));
    assert_eq!(files(&place), ["amflow.db", "amflow.db-shm", "amflow.db-wal"]);
    for name in files(&place) {
        assert_eq!(mode(&place.join(&name)), 0o600, "{name}");
    }
    drop(opened);
    assert_eq!(files(&place), ["amflow.db"], "closed, it is one file");
}

#[tokio::test]
async fn a_group_can_share_it() {
    let dir = tempfile::tempdir().unwrap();
    let group = rustix::process::getegid().as_raw();
    let how = Opening { group: Some(group), ..Opening::new(Access::Write) };
    let opened = open(&dir.path().join("s"), &how).unwrap();
    opened.store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    assert_eq!(opened.notices, Vec::<String>::new());
    assert_eq!(mode(&dir.path().join("s")), 0o2770);
    for name in files(&dir.path().join("s")) {
        assert_eq!(mode(&dir.path().join("s").join(&name)), 0o660, "{name}");
    }
}

#[test]
fn a_file_that_others_can_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    drop(sqlite(dir.path()));
    fs::set_permissions(database(dir.path()), Permissions::from_mode(0o644)).unwrap();
    let notices = open(dir.path(), &Opening::new(Access::Write)).unwrap().notices;
    assert!(notices[0].contains("mode 644") && notices[0].contains("chmod 600"), "{notices:?}");
}

#[test]
fn a_path_is_a_directory_or_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("dir.db")).unwrap();
    File::create(at("plain")).unwrap();
    for (path, file) in [
        ("", "amflow.db"),
        ("new", "new/amflow.db"),
        ("new.db", "new.db"),
        ("dir.db", "dir.db/amflow.db"),
        ("plain", "plain"),
        ("x.SQLite", "x.SQLite"),
    ] {
        assert_eq!(database(&at(path)), at(file), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_is_read_as_empty_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("none");
    let opened = open(&place, &Opening::new(Access::Read)).unwrap();
    assert_eq!(opened.store.place(), place.join("amflow.db").display().to_string());
    assert!(list(&*opened.store).await.is_empty());
    let previewed = opened.store.preview(vec![ask("r1", 1)], now()).await.unwrap();
    assert!(matches!(previewed[0], Admitted::Started { .. }));
    assert!(!place.exists());
    File::create(dir.path().join("empty.db")).unwrap();
    let opened = open(&dir.path().join("empty.db"), &Opening::new(Access::Read)).unwrap();
    assert!(list(&*opened.store).await.is_empty());
}

#[tokio::test]
async fn reading_sees_what_another_process_writes_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = sqlite(dir.path());
    let reader = open(dir.path(), &Opening::new(Access::Read)).unwrap().store;
    assert!(list(&*reader).await.is_empty());
    writer.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    assert_eq!(list(&*reader).await, ["r1"]);
    let refused = reader.admit(vec![ask("r2", 2)], owner(1), now()).await;
    assert!(matches!(refused, Err(StoreError::Open { .. })), "{refused:?}");
    let seen = Observation {
        scope: "am".into(),
        fingerprint: format!("{:016x}", 1),
        start_is_guessed: false,
        starts_at: Timestamp::from_millisecond(1).unwrap(),
        ends_at: None,
        firing: true,
        alert: None,
    };
    let episodes = reader.preview_episodes(vec![seen], now()).await.unwrap();
    assert_eq!(episodes[0].claims.len(), 1);
    drop(writer);
    assert_eq!(list(&*reader).await, ["r1"]);
}

/// Runs one of these tests again as a user who is nobody: root may write everywhere. Returns whether
/// this process is to run it.
#[expect(clippy::disallowed_methods, reason = "the test starts itself as another user")]
fn as_nobody(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return true;
    }
    let ours = std::env::current_exe().unwrap();
    let module = module_path!().split_once("::").unwrap().1;
    let run = |program: &Path| {
        let mut command = Command::new(program);
        CommandExt::uid(&mut command, 65_534);
        command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).current_dir("/").output()
    };
    let ran = run(&ours).or_else(|_| {
        // It lies where nobody may look.
        let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()?;
        fs::copy(&ours, dir.path().join("tests"))?;
        run(&dir.path().join("tests"))
    });
    let ran = ran.unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    false
}

#[tokio::test]
async fn a_directory_that_can_only_be_read_is_listed_and_not_written() {
    if !as_nobody("a_directory_that_can_only_be_read_is_listed_and_not_written") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(dir.path());
    store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    drop(store);
    fs::set_permissions(database(dir.path()), Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o500)).unwrap();
    let opened = open(dir.path(), &opening(Access::Read)).unwrap();
    assert_eq!(list(&*opened.store).await, ["r1"]);
    let refused = open(dir.path(), &opening(Access::Write)).err().unwrap().to_string();
    assert!(refused.contains("can be read, but not written"), "{refused}");
    assert!(refused.contains(" belongs to ") && refused.contains("(mode 500)"), "{refused}");
    assert!(refused.contains("`--store`"), "{refused}");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o000)).unwrap();
    for access in [Access::Read, Access::Write] {
        let refused = open(dir.path(), &opening(access)).err().unwrap().to_string();
        assert!(refused.contains("permission denied"), "{refused}");
        assert!(refused.contains("(mode 000)"), "{refused}");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_store_in_use_is_read_where_it_cannot_be_written() {
    if !as_nobody("a_store_in_use_is_read_where_it_cannot_be_written") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(dir.path());
    store.admit(vec![ask("r1", 1)], owner(1), now()).await.unwrap();
    for name in files(dir.path()) {
        fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o400)).unwrap();
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o500)).unwrap();
    let opened = open(dir.path(), &opening(Access::Read)).unwrap();
    assert_eq!(list(&*opened.store).await, ["r1"], "with its write-ahead log beside it");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_is_no_store_is_refused_with_a_hint_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage.db");
    fs::write(&garbage, "not a database at all, but long enough to look like one".repeat(50)).unwrap();
    let foreign = dir.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for (path, hint) in [
        (garbage, "the file is not an SQLite database: move it away"),
        (foreign, "it is another program's SQLite database"),
        (file.join("below"), "is not a directory"),
    ] {
        for access in [Access::Read, Access::Write] {
            let before = fs::read(&path).ok();
            let error = open(&path, &opening(access)).err().unwrap();
            assert!(matches!(error, StoreError::Open { .. } | StoreError::Failed { .. }), "{error:?}");
            assert!(error.to_string().contains(hint), "{error}");
            assert!(fs::read(&path).ok() == before, "{} is as it was", path.display());
        }
    }
}

#[test]
fn a_later_version_is_left_to_the_later_program() {
    let dir = tempfile::tempdir().unwrap();
    drop(sqlite(dir.path()));
    Connection::open(database(dir.path())).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for access in [Access::Read, Access::Write] {
        match open(dir.path(), &opening(access)).err().unwrap() {
            StoreError::Version { found, known, .. } => assert_eq!((found, known), (99, SCHEMA_VERSION)),
            other => panic!("{other}"),
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store").join(name)
}

/// The dump of a store that version 1 wrote must be readable for ever: a new version adds its own, and
/// leaves this alone.
#[tokio::test]
async fn a_store_of_version_1_is_read_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let dump = fs::read_to_string(fixture("version_1.sql")).unwrap();
    Connection::open(database(dir.path())).unwrap().execute_batch(&dump).unwrap();
    let store = sqlite(dir.path());
    assert_eq!(list(&store).await, ["run-parked", "run-failed"]);
    let (failed, text, journal) = store.read("run-failed".into()).await.unwrap();
    assert_eq!((failed.status, &*text), (RunStatus::Failed, "name: disk\nsteps: []\n"));
    assert!(journal.iter().map(|e| e.seq).eq(1..=4));
    assert!(matches!(journal[0].event, RunEvent::RunStarted(_)));
    assert!(matches!(journal[3].event, RunEvent::RunFinished { status: RunStatus::Failed, .. }));
    let taken = store.take(Take::Due, 10, owner(1), Arc::new(|_| Life::Unknown), now()).await.unwrap();
    let parked = taken.first().unwrap();
    assert_eq!((parked.lease.run.as_str(), parked.lease.epoch, parked.lease.seq), ("run-parked", 2, 2));
    assert_eq!(parked.signals.len(), 1);
    let seen = Observation {
        scope: "http://alertmanager:9093".into(),
        fingerprint: "00000000000000a1".into(),
        starts_at: Timestamp::from_millisecond(1_799_990_000_500).unwrap(),
        start_is_guessed: false,
        ends_at: None,
        firing: true,
        alert: None,
    };
    let episode = store.observe(vec![seen], now()).await.unwrap().remove(0);
    assert_eq!(episode.key.starts_at_ms, 1_799_990_000_000);
    assert_eq!(episode.claims[0].run, "run-failed");
    assert_eq!(store.gates("breaker:".into()).await.unwrap()[0].1.failures, 1);
    assert_eq!(store.later(None).await.unwrap().len(), 1);
    assert_eq!(store.raised().await.unwrap().len(), 1);
}
