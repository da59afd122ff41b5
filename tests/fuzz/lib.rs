//! The fuzz targets of amflow; see `README.md` beside this file.

#![allow(clippy::disallowed_methods, reason = "this is no part of the program")]
#![allow(dead_code, reason = "the integration tests use more of it")]

mod checks;

use std::path::Path;

/// Tries an input of a target.
///
/// # Panics
/// Something does not hold.
pub fn check(target: &str, data: &[u8]) {
    (named(target).check)(data);
}

/// Writes the seeds of a target into the directory that `$AMFLOW_FUZZ_SEEDS` names, if it names one.
///
/// # Panics
/// They cannot be written.
pub fn write_seeds(target: &str) {
    let Some(directory) = std::env::var_os("AMFLOW_FUZZ_SEEDS") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (number, seed) in (named(target).seeds)(&root).iter().enumerate() {
        std::fs::write(Path::new(&directory).join(format!("seed-{number}")), seed).expect("a seed can be written");
    }
}

fn named(target: &str) -> &'static checks::Target {
    let found = checks::TARGETS.iter().find(|known| known.name == target);
    found.unwrap_or_else(|| panic!("there is no target {target}"))
}

/// Makes the entry point of a target.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(init: $crate::write_seeds($name), |data: &[u8]| $crate::check($name, data));
    };
}
