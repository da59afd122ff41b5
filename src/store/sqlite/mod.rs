//! [`SqliteStore`]: the durable store, shared by the processes of a host.
//!
//! One thread writes: what waits in its queue shares a commit, and a commit is on the disk when it
//! returns. Another reads, on snapshots. Processes take turns by SQLite's own lock.

mod fault;
mod files;
mod schema;
mod connect;
mod worker;
mod rows;
mod episodes;
mod gates;
mod journal;
mod leases;
mod admit;
mod shelf;
mod prune;
mod store;
#[cfg(test)]
mod tests;

pub use schema::SCHEMA_VERSION;
pub use store::SqliteStore;
