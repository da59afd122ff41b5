//! Tests of the state machine: events in, moves out, without an engine.

mod sim;

mod control;
mod crash;
mod random;
