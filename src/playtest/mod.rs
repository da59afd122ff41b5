//! Runs without the world: scripted replies, a jumping clock, a reporter that remembers.
//!
//! Main types: [`Scripted`] stands for the real performer, [`JumpClock`] for the real clock. Playbooks
//! are tested with them offline, and so is the engine.

mod clock;
mod reporter;
mod scripted;

pub use clock::JumpClock;
pub use reporter::RecordingReporter;
pub use scripted::{EffectKind, Script, Scripted};
