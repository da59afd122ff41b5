//! What somebody sends as a body. Main type: [`Body`].

use jiff::Timestamp;

use super::error::SourceError;
use super::intake::{Intake, Keep};
use crate::model::Alert;
use crate::model::payload::{PayloadReader, RawAlert};

/// A document that comes in pieces; what is not kept of it needs no memory.
pub struct Body<'k> {
    name: String,
    reader: PayloadReader,
    alerts: Vec<Alert>,
    now: Timestamp,
    keep: &'k (dyn Fn(&RawAlert<'_>) -> bool + Sync + 'k),
}

impl<'k> Body<'k> {
    /// Begins a document, which errors call by its name.
    pub fn new(name: &str, now: Timestamp, keep: &'k Keep<'k>) -> Self {
        Self { name: name.to_owned(), reader: PayloadReader::new(name), alerts: Vec::new(), now, keep }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// What came so far is not alerts.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), SourceError> {
        let (alerts, now, keep) = (&mut self.alerts, self.now, self.keep);
        self.reader.space(piece.len())[..piece.len()].copy_from_slice(piece);
        let mut visit = |raw: &RawAlert<'_>| {
            if keep(raw) {
                alerts.push(raw.to_alert(now)?);
            }
            Ok(())
        };
        self.reader.filled(piece.len(), &mut visit).map_err(SourceError::Answer)
    }

    /// Ends the document.
    ///
    /// # Errors
    /// It is empty, was cut off, or is not alerts: nothing of it may be acted upon.
    pub fn end(self) -> Result<Intake, SourceError> {
        let Self { name, reader, mut alerts, now, keep } = self;
        let mut visit = |raw: &RawAlert<'_>| {
            if keep(raw) {
                alerts.push(raw.to_alert(now)?);
            }
            Ok(())
        };
        let stats = reader.finish(&mut visit).map_err(SourceError::Answer)?;
        if stats.is_empty_input() {
            return Err(SourceError::Empty { name });
        }
        Intake::of(&name, alerts, stats)
    }
}
