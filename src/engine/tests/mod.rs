//! Tests of the engine: several processes, one store, scripted effects, a clock that jumps.

mod world;

mod admission;
mod by_hand;
mod clock;
mod comebacks;
mod crash;
mod holds;
mod people;
mod processes;
mod service;
mod storm;
mod waiting;
