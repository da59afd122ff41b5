//! The main job through the real program against a real Alertmanager, one theme a file.

mod access;
mod am_faults;
mod amtool;
mod approvals;
mod bad_input;
mod burst;
mod clock;
mod failures;
mod kills;
mod large;
mod later;
mod limits;
mod many;
mod mutes;
mod pipes;
mod races;
mod serve;
mod serve_api;
mod serve_limits;
mod serve_tls;
mod shapes;
mod signals;
mod store_faults;
mod triggers;
mod unheard;
mod waits;
