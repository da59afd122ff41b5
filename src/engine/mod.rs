//! Drives runs: performs effects, journals facts before believing them.

mod ports;

pub use ports::{
    Admitted, Answer, Ask, Call, Claim, Clock, Episode, EpisodeKey, KeyAsk, LEASE, Later, Lease, Observation,
    Owner, Parking, Performer, Raised, Renewed, Reporter, RunFilter, RunHeader, RunSummary, Store,
    StoreError, Take, Taken,
};

pub use crate::playbook::WhenBusy;
pub use crate::run::gate_keys;
