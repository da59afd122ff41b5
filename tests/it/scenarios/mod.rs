//! The main job through the real program against a real Alertmanager, one theme a file.

mod failures;
mod limits;
mod pipes;
mod races;
mod signals;
