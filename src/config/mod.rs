//! Flags, file and environment become option structs.

pub mod env;

pub use env::Environment;
