//! A stand-in for Alertmanager, for `amflow demo` and for tests. Main type: [`StandIn`].
//!
//! **It is not Alertmanager.** It lives in memory, notifies nobody, knows one inhibition rule (amflow's)
//! and no routes. What it does answer, it answers as Alertmanager 0.25 to 0.28 was seen to do: the merging
//! of posted alerts, their lease, the life of silences, filters, and the texts of its errors.

mod alerts;
mod faults;
mod routes;
mod server;
mod silences;

pub use faults::{Fault, FaultRule};
pub use server::{RecordedRequest, StandIn, StandInClock, StandInOptions};
