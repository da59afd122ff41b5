//! Reads alerts from whatever brings them, as a stream. Main types: [`PayloadReader`], [`RawAlert`].
//!
//! What a document is, is seen from its shape ([`Shape`]), never from a flag. The reader does no I/O: its caller fills
//! a buffer and is called back with each alert while that is still JSON text, so that an alert which matches nothing is
//! never copied. Memory is bounded whatever the length of the input.
//!
//! One bad alert is reported and left out; broken or cut-off JSON makes the whole input an error, and then nothing of
//! it may be acted upon: a caller keeps what it wants and acts after [`PayloadReader::finish`].
//!
//! ```
//! use amflow::model::payload::PayloadReader;
//! use jiff::Timestamp;
//!
//! let mut input: &[u8] = br#"[{"labels": {"alertname": "DiskFull"}, "startsAt": "2026-01-02T03:04:05Z"}]"#;
//! let (mut reader, mut alerts) = (PayloadReader::new("stdin"), Vec::new());
//! let mut keep = |raw: &amflow::model::payload::RawAlert<'_>| {
//!     alerts.push(raw.to_alert(Timestamp::UNIX_EPOCH)?);
//!     Ok(())
//! };
//! loop {
//!     let count = std::io::Read::read(&mut input, reader.space(65_536))?;
//!     if count == 0 {
//!         break;
//!     }
//!     reader.filled(count, &mut keep)?;
//! }
//! let stats = reader.finish(&mut keep)?;
//! assert_eq!((stats.alerts, alerts[0].name()), (1, "DiskFull"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod frame;
mod head;
mod machine;
mod preamble;
mod raw;
mod reader;
mod report;
mod value;

#[cfg(test)]
mod tests;

pub use raw::{RawAlert, RawLabels};
pub use reader::{MAX_ELEMENT, PayloadReader, read_alerts};
pub use report::{BadAlert, PayloadError, Place, ReadStats, Shape};
