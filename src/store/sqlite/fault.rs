//! [`Fault`]: what goes wrong within a transaction, and what people are told of it.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Error as SqlError, ErrorCode, ffi};
use rustix::fs::Access;

use crate::engine::StoreError;
use crate::store::sqlite::files;

/// What goes wrong within a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says no.
    Sql(SqlError),
    /// Already in its final words.
    Known(StoreError),
    /// A row that this program cannot read.
    Row(String),
}

impl From<SqlError> for Fault {
    fn from(error: SqlError) -> Fault {
        Fault::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Known(error)
    }
}

/// Where the store is and how long it waits for locks: what every message needs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The database file.
    pub(super) file: std::path::PathBuf,
    /// How long a lock is waited for.
    pub(super) busy: Duration,
}

impl Place {
    /// Returns the file's name for people.
    pub(super) fn name(&self) -> String {
        self.file.display().to_string()
    }

    /// Says what went wrong while doing `what`.
    pub(super) fn explain(&self, what: &'static str, fault: Fault) -> StoreError {
        match fault {
            Fault::Known(error) => error,
            Fault::Sql(error) => self.explain_sql(what, &error),
            Fault::Row(reason) => StoreError::Failed { path: self.name(), what, reason },
        }
    }

    /// Says what SQLite's error means. To be called at once: the system's reason for a failed write is
    /// read from the thread's `errno`.
    pub(super) fn explain_sql(&self, what: &'static str, error: &SqlError) -> StoreError {
        let system = io::Error::last_os_error();
        let path = self.name();
        let reason = error.to_string();
        let Some(known) = error.sqlite_error() else {
            return StoreError::Failed { path, what, reason };
        };
        match known.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                StoreError::Busy { path, waited: self.busy }
            }
            ErrorCode::DiskFull => StoreError::Full {
                path,
                reason: "the disk is full: make room, nothing was written".to_owned(),
            },
            ErrorCode::SystemIoFailure if is_write(known.extended_code) && cannot_grow(&system) => {
                StoreError::Full { path, reason: system_text(&system) }
            }
            ErrorCode::SystemIoFailure => StoreError::Failed {
                path,
                what,
                reason: format!(
                    "{reason} (code {}): look for errors of the disk in the kernel's log",
                    known.extended_code
                ),
            },
            ErrorCode::NotADatabase => StoreError::Failed {
                path,
                what,
                reason:
                    "the file is not an SQLite database: move it away, or name another place with `--store`"
                        .to_owned(),
            },
            ErrorCode::DatabaseCorrupt => StoreError::Failed {
                path,
                what,
                reason: format!(
                    "the database is damaged ({reason}): stop amflow, move it away, and put a copy in its place, or \
                     what can still be read of it (`docs/recovery.md` says how), or nothing, to start afresh"
                ),
            },
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied => self.explain_open(known.code, &system, &reason),
            _ => StoreError::Failed { path, what, reason },
        }
    }

    fn explain_open(&self, code: ErrorCode, system: &io::Error, reason: &str) -> StoreError {
        if self.file.is_dir() {
            let path = self.name();
            return StoreError::Open { path, reason: "it is a directory, not a database".to_owned() };
        }
        let denied = code != ErrorCode::CannotOpen || system.kind() == io::ErrorKind::PermissionDenied;
        if denied { self.denied() } else { files::denied(&self.file, reason) }
    }

    /// Says that the files are no longer those that were opened.
    pub(super) fn vanished(&self, what: &'static str) -> StoreError {
        StoreError::Failed {
            path: self.name(),
            what,
            reason: "it was deleted, moved or replaced while amflow was using it: move it back as it was, or stop \
                     amflow, put a copy in its place (or nothing, to start afresh), and start amflow again"
                .to_owned(),
        }
    }

    /// Says that the store may not be used so, and by whom it may.
    pub(super) fn denied(&self) -> StoreError {
        let readable = files::may(&self.file, Access::READ_OK);
        files::denied(
            &self.file,
            if readable { "it can be read, but not written" } else { "permission denied" },
        )
    }
}

fn is_write(extended_code: std::ffi::c_int) -> bool {
    [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_DIR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_SHMOPEN,
        ffi::SQLITE_IOERR_SHMMAP,
    ]
    .contains(&extended_code)
}

fn cannot_grow(system: &io::Error) -> bool {
    matches!(
        system.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Returns the system's words in lower case, without the number.
pub(super) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Returns a path's place with the given patience.
pub(super) fn place(file: &Path, busy: Duration) -> Place {
    Place { file: file.to_owned(), busy }
}
