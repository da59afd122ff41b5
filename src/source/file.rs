//! A file as a source.

use std::fs::File;
use std::path::Path;

use jiff::Timestamp;

use super::error::SourceError;
use super::intake::{Intake, Keep};

/// Reads alerts from a file. One without anything in it is no alerts: it was named.
///
/// # Errors
/// It cannot be read, or is not alerts.
pub fn from_file(path: &Path, now: Timestamp, keep: &Keep<'_>) -> Result<Intake, SourceError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| SourceError::Unreadable { name: name.clone(), error })?;
    let (mut intake, empty) = Intake::stream(&name, file, now, keep)?;
    if empty {
        intake.warnings.push(format!("{name} is empty: taken as no alerts"));
    }
    Ok(intake)
}
