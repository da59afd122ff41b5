//! The tables, and how a file of an older version becomes one of this.

use rusqlite::{Connection, TransactionBehavior};

use crate::engine::StoreError;
use crate::store::sqlite::fault::{Fault, Place};

/// Version of the tables that this program writes.
pub const SCHEMA_VERSION: u32 = 2;

/// Marks the file as amflow's, for `file` and for ourselves: "amfl".
const APPLICATION_ID: i32 = 0x616d_666c;

/// One step for each version, from the empty file on. A step that was released is never changed.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] =
    [include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Empty,
    /// Tables of a version that a migration makes ours.
    Older(u32),
    /// Our tables.
    Ours,
}

/// Looks at what is in the file.
///
/// # Errors
///
/// A later version's tables, another program's database, or what SQLite says.
pub(super) fn look(conn: &Connection, place: &Place) -> Result<Found, Fault> {
    let (version, application, tables): (u32, i32, u32) = conn.query_row(
        "SELECT v.user_version, a.application_id, (SELECT count(*) FROM sqlite_schema) \
         FROM pragma_user_version v, pragma_application_id a",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    match (version, application, tables) {
        (0, 0, 0) => Ok(Found::Empty),
        (found, APPLICATION_ID, _) if found > SCHEMA_VERSION => {
            Err(StoreError::Version { path: place.name(), found, known: SCHEMA_VERSION }.into())
        }
        (SCHEMA_VERSION, APPLICATION_ID, _) => Ok(Found::Ours),
        (found, APPLICATION_ID, _) => Ok(Found::Older(found)),
        _ => Err(StoreError::Open {
            path: place.name(),
            reason: "it is another program's SQLite database: name another place with `--store`".to_owned(),
        }
        .into()),
    }
}

/// Makes the tables, or brings an older version's up to this one, in one transaction. Processes that
/// come at the same time find it done.
pub(super) fn migrate(conn: &mut Connection, place: &Place) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = match look(&tx, place)? {
        Found::Ours => return Ok(()),
        Found::Empty => 0,
        Found::Older(version) => version as usize,
    };
    for step in MIGRATIONS.iter().skip(from) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    tx.commit()?;
    Ok(())
}
