//! Tests of the state machine: events in, moves out, without an engine.

mod sim;

mod approvals;
mod control;
mod gate;
mod holds;
mod time;
mod crash;
mod random;
