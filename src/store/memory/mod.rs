//! [`MemoryStore`]: a store that forgets, for tests, the playbooks' own tests, and stores that are not
//! there yet.

mod state;
mod store;

pub use store::MemoryStore;
