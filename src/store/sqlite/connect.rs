//! Connections: opened, their pragmas set, the tables made.

use std::fs::File;
use std::io;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, FlockOperation, flock};

use crate::engine::StoreError;
use crate::store::sqlite::fault::{Fault, Place};
use crate::store::sqlite::files;
use crate::store::sqlite::schema::{Found, SCHEMA_VERSION, look, migrate};

/// Statements that one connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;

/// How often a directory's lock is asked for.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Opens the file for writing, after making what is missing. Also returns what people should know.
pub(super) fn to_write(place: &Place, group: Option<u32>) -> Result<(Connection, Vec<String>), StoreError> {
    files::make(&place.file, group)?;
    if !files::may(&place.file, Access::WRITE_OK) {
        // SQLite would make files beside it that nobody may write, and that would stand in the way later.
        return Err(place.denied());
    }
    let mut notices: Vec<String> = files::mode_notice(&place.file, group).into_iter().collect();
    let conn = write_connection(place, &mut notices).map_err(|fault| place.explain("open", fault))?;
    Ok((conn, notices))
}

fn write_connection(place: &Place, notices: &mut Vec<String>) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&place.file, flags)?;
    settle_in(&conn, place)?;
    let network = files::network_file_system(&place.file);
    let wanted = if network.is_some() { "truncate" } else { "wal" };
    // Looking comes first: nothing is changed of a file that is not ours.
    if look(&conn, place)? != Found::Ours || journal_mode(&conn)? != wanted {
        // Changing the mode takes a lock without waiting for it: one process at a time.
        let _alone = lock_directory(place);
        if set_journal_mode(&conn, wanted)? != wanted {
            set_journal_mode(&conn, "truncate")?;
        }
        migrate(&mut conn, place)?;
    }
    if let Some(name) = network {
        notices.push(format!(
            "the store {} is on {name}: it works without a write-ahead log there, slower, and only as \
             safely as {name} locks files; a local disk is better",
            place.name()
        ));
    }
    // Anything that is written later also needs the right to write: say so now.
    if conn.is_readonly("main")? {
        return Err(place.denied().into());
    }
    Ok(conn)
}

/// Opens the file for reading. `None`: there is none, or nothing is in it.
pub(super) fn to_read(place: &Place) -> Result<Option<Connection>, StoreError> {
    match std::fs::metadata(&place.file) {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(files::refused(&place.file, &e)),
    }
    // A file that may not be written is read as it is: SQLite would make files beside it that nobody may write.
    let tried =
        match read_connection(place, !files::may(&place.file, Access::WRITE_OK) && nothing_beside(place)) {
            Err(Fault::Sql(e)) if needs_files(&e) && nothing_beside(place) => read_connection(place, true),
            other => other,
        };
    tried.map_err(|fault| place.explain("open", fault))
}

/// Returns whether everything is in the database itself.
fn nothing_beside(place: &Place) -> bool {
    std::fs::metadata(files::beside(&place.file, "-wal")).map_or(true, |log| log.len() == 0)
}

/// Opens for reading; with `at_rest` as a file that nobody writes: a write-ahead log needs files beside
/// it, which can't be made in a directory that can only be read.
fn read_connection(place: &Place, at_rest: bool) -> Result<Option<Connection>, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = if at_rest {
        Connection::open_with_flags(at_rest_uri(place), flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(&place.file, flags)?
    };
    settle_in(&conn, place)?;
    match look(&conn, place)? {
        Found::Ours => Ok(Some(conn)),
        Found::Empty => Ok(None),
        Found::Older(version) => Err(StoreError::Open {
            path: place.name(),
            reason: format!(
                "it has version {version}, this amflow reads version {SCHEMA_VERSION}: \
                 `amflow run` or `amflow serve` as its owner brings it up to date"
            ),
        }
        .into()),
    }
}

fn settle_in(conn: &Connection, place: &Place) -> Result<(), Fault> {
    conn.busy_timeout(place.busy)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise SQLite prepares some statements anew each time that their values change.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // FULL: a commit is on the disk when it returns. The rest bounds the log and distrusts the file.
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; \
         PRAGMA journal_size_limit = 33554432; PRAGMA wal_autocheckpoint = 4096;",
    )?;
    Ok(())
}

fn journal_mode(conn: &Connection) -> Result<String, Fault> {
    Ok(conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?)
}

fn set_journal_mode(conn: &Connection, mode: &str) -> Result<String, Fault> {
    Ok(conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))?)
}

/// Locks the store's directory until the file is dropped. Without it (a file system that has no such
/// locks) SQLite's own have to do.
#[expect(clippy::disallowed_methods, reason = "a pause between two tries needs no wall clock")]
fn lock_directory(place: &Place) -> Option<File> {
    let dir = File::open(files::directory(&place.file)).ok()?;
    let tries = place.busy.as_millis() / LOCK_PAUSE.as_millis();
    for _ in 0..=tries {
        match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(dir),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => thread::sleep(LOCK_PAUSE),
            Err(_) => return None,
        }
    }
    None
}

fn needs_files(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn at_rest_uri(place: &Place) -> String {
    let path = place.name().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}
