//! [`open`]: the store of a path.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Store, StoreError, StoreWatch};
use crate::store::{MemoryStore, SqliteStore};

/// Name of the database within the store's directory.
const DATABASE: &str = "amflow.db";

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What will be done with it.
    pub access: Access,
    /// The group whose members share it (its number): the directory is 2770 and files are 0660 then,
    /// instead of 0700 and 0600.
    pub group: Option<u32>,
    /// How long another process may keep it locked.
    pub busy: Duration,
    /// Who measures how long it takes.
    pub watch: Option<Arc<dyn StoreWatch>>,
}

/// What will be done with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is made when it is not there, and written.
    Write,
    /// It is only read: nothing is made, and one that is not there is empty.
    Read,
}

/// An opened store.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What people should know of it: a network file system, files that others can read.
    pub notices: Vec<String>,
}

impl Opening {
    /// Returns the usual way: owner only, waiting 10 s for a lock.
    pub const fn new(access: Access) -> Opening {
        Opening { access, group: None, busy: Duration::from_secs(10), watch: None }
    }
}

/// Opens the store of a path, which names its directory or its database file.
///
/// For writing, what is missing is made, readable by nobody else. For reading nothing is ever made: a
/// store that is not there is an empty one.
///
/// # Errors
///
/// [`StoreError::Open`] when the directory or file cannot be used, [`StoreError::Version`] when a later
/// version wrote it, [`StoreError::Failed`] when the file is no store or damaged,
/// [`StoreError::Full`] and [`StoreError::Busy`] when it cannot be made.
pub fn open(place: &Path, opening: &Opening) -> Result<Opened, StoreError> {
    let file = database(place);
    match opening.access {
        Access::Write => {
            let (store, notices) = SqliteStore::open(&file, opening)?;
            Ok(Opened { store: Arc::new(store), notices })
        }
        Access::Read => match SqliteStore::open_to_read(&file, opening)? {
            Some(store) => Ok(Opened { store: Arc::new(store), notices: Vec::new() }),
            None => Ok(Opened {
                store: Arc::new(MemoryStore::new(file.display().to_string())),
                notices: Vec::new(),
            }),
        },
    }
}

/// Returns the database file that a path means: itself, when it is a file or is named like one,
/// else `amflow.db` within the directory.
pub fn database(place: &Path) -> PathBuf {
    let named_like_a_file = place
        .extension()
        .is_some_and(|e| ["db", "sqlite", "sqlite3"].iter().any(|known| e.eq_ignore_ascii_case(known)));
    if place.is_file() || (named_like_a_file && !place.is_dir()) {
        return place.to_owned();
    }
    place.join(DATABASE)
}
