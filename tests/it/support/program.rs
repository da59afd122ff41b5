//! The program as people start it, and the files that it writes of itself.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// Returns the program in a fresh directory, with nothing of this machine's environment but PATH.
pub(crate) fn amflow(home: &Path) -> Command {
    let mut command = Command::cargo_bin("amflow").expect("the binary is built");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .current_dir(home);
    command
}

/// Returns the directory of the package.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a committed file with what the program prints; `AMFLOW_UPDATE_DOCS=1` writes it instead.
pub(crate) fn fresh(file: &Path, now: &[u8]) {
    if std::env::var_os("AMFLOW_UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().expect("it lies in a directory")).unwrap();
        fs::write(file, now).unwrap();
    }
    let kept = fs::read(file).unwrap_or_default();
    assert!(kept == now, "{} is stale: AMFLOW_UPDATE_DOCS=1 tests/run --test it writes it", file.display());
}
