//! Where journals, episodes, claims and gates live: implementations of the engine's
//! [`Store`](crate::engine::Store).
//!
//! [`open`] finds or makes the store of a path. [`SqliteStore`] is the durable one, shared by
//! processes; [`MemoryStore`] forgets, for tests, previews and stores that are not there yet. What is
//! decided (which episode, which gate, whose key) is decided by pure functions that both call;
//! [`conformance`] holds what every store must do.

mod episodes;
mod verdict;
mod progress;
mod memory;
mod sqlite;
mod open;
mod retention;
pub mod conformance;

pub use memory::MemoryStore;
pub use open::{Access, Opened, Opening, database, open};
pub use retention::{KEEP, Retention, tidy};
pub use sqlite::{SCHEMA_VERSION, SqliteStore};
