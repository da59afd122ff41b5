//! Standard input as a source.

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::FileTypeExt as _;

use jiff::Timestamp;

use super::choice::Stdin;
use super::error::SourceError;
use super::intake::{Intake, Keep};

/// What it is called.
const NAME: &str = "stdin";

/// Reads alerts from standard input. With `named`, an input without anything is no alerts and not an error.
///
/// # Errors
/// It cannot be read, is not alerts, or is empty.
pub fn from_stdin(named: bool, now: Timestamp, keep: &Keep<'_>) -> Result<Intake, SourceError> {
    let (mut intake, empty) = Intake::stream(NAME, io::stdin().lock(), now, keep)?;
    if empty && !named {
        return Err(SourceError::Empty { name: NAME.to_owned() });
    }
    if empty {
        intake.warnings.push(format!("{NAME} is empty: taken as no alerts"));
    }
    Ok(intake)
}

/// Looks what standard input is, without reading any of it.
pub fn look_at_stdin() -> Stdin {
    if io::stdin().is_terminal() {
        return Stdin::Terminal;
    }
    match std::fs::metadata("/dev/stdin").map(|meta| meta.file_type()) {
        Ok(kind) if !kind.is_char_device() => Stdin::Data,
        _ => Stdin::Nothing,
    }
}

/// Tells whether bytes wait on standard input. A crontab's is an empty pipe, and nothing worth a word.
pub fn stdin_has_bytes() -> bool {
    let wait = || rustix::io::ioctl_fionread(io::stdin()).is_ok_and(|count| count > 0);
    look_at_stdin() == Stdin::Data && wait()
}
