//! What every store must do, as a suite of cases over `Arc<dyn Store>`.
//!
//! A public module rather than tests, so that a store that lives elsewhere passes the same suite:
//! `conformance::run(|| ...)` in a test of its own. A case panics where a store fails it; nothing but
//! tests calls this, so that it is not in the program.

mod given;
mod episodes;
mod admission;
mod journal;
mod leases;
mod keys;
mod shelf;

use std::sync::Arc;

use crate::engine::{Answer, Store};

/// What a store must do: a sentence, and a story that panics where it does not.
pub struct Case {
    /// The sentence.
    pub name: &'static str,
    /// The story, told to an empty store.
    pub story: fn(Arc<dyn Store>) -> Answer<'static, ()>,
}

/// Returns every case.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [episodes::CASES, admission::CASES, journal::CASES, leases::CASES, keys::CASES, shelf::CASES]
        .into_iter()
        .flatten()
}

/// Tells every case's story to a new store each.
///
/// # Panics
///
/// Where a store does not do what it must.
pub async fn run(mut make: impl FnMut() -> Arc<dyn Store>) {
    for case in cases() {
        let told = tokio::spawn((case.story)(make())).await;
        if let Err(error) = told {
            panic!("{}: {error}", case.name);
        }
    }
}
