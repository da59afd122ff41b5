//! The streaming reader. Main type: [`PayloadReader`].

use jiff::Timestamp;

use super::machine::Machine;
use super::raw::RawAlert;
use super::report::{BadAlert, PayloadError, ReadStats};
use crate::model::alert::Alert;

/// The most bytes that one alert, or one other value, may have. Alertmanager's own alerts have about one thousand.
pub const MAX_ELEMENT: usize = 8 << 20;

/// Reads alerts from bytes that are pushed into it.
pub struct PayloadReader {
    buffer: Vec<u8>,
    /// The bytes of the buffer that are filled and not yet read.
    start: usize,
    end: usize,
    /// How many bytes there have to be before it is worth trying again.
    wanted: usize,
    machine: Machine,
}

/// Reads a document that is in memory as a whole, such as a webhook's body.
///
/// # Errors
/// It is no document with alerts. Bad alerts are in the stats.
pub fn read_alerts(
    source: &str,
    bytes: &[u8],
    now: Timestamp,
) -> Result<(Vec<Alert>, ReadStats), PayloadError> {
    let mut alerts = Vec::new();
    let mut keep = |raw: &RawAlert<'_>| raw.to_alert(now).map(|alert| alerts.push(alert));
    let mut machine = Machine::new(source);
    let consumed = machine.run(bytes, true, &mut keep)?;
    machine.end(&bytes[consumed..])?;
    machine.stats.bytes = bytes.len() as u64;
    Ok((alerts, machine.stats))
}

impl PayloadReader {
    /// Makes a reader; the name is what errors call the input.
    pub fn new(source: &str) -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0, wanted: 1, machine: Machine::new(source) }
    }

    /// Returns room for at least `want` bytes; say with [`filled`](Self::filled) how many were written.
    pub fn space(&mut self, want: usize) -> &mut [u8] {
        let want = want.max(1);
        if self.buffer.len() - self.end < want {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() - self.end < want {
                self.buffer.resize(self.end + want, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// Takes `count` bytes that were written into the space, and calls `visit` with every alert that is complete.
    ///
    /// What `visit` refuses is recorded as bad, and the others go on.
    ///
    /// # Errors
    /// The input as a whole is refused; the reader is of no further use.
    pub fn filled<V>(&mut self, count: usize, visit: &mut V) -> Result<(), PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        self.end = (self.end + count).min(self.buffer.len());
        self.machine.stats.bytes += count as u64;
        if self.end - self.start < self.wanted {
            return Ok(());
        }
        self.run(false, visit)?;
        let left = self.end - self.start;
        if left > MAX_ELEMENT {
            return Err(PayloadError::TooLarge {
                place: self.machine.context(&self.buffer[..0]).place(0, ""),
            });
        }
        // Trying again only when there is twice as much keeps the work linear, however small the pieces are.
        self.wanted = (2 * left).clamp(1, MAX_ELEMENT + 1);
        Ok(())
    }

    /// Ends the input.
    ///
    /// # Errors
    /// It was cut off, or is no document with alerts: nothing of it may be acted upon.
    pub fn finish<V>(mut self, visit: &mut V) -> Result<ReadStats, PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        self.run(true, visit)?;
        self.machine.end(&self.buffer[self.start..self.end])?;
        Ok(self.machine.stats)
    }

    /// Returns what has been read so far.
    pub const fn stats(&self) -> &ReadStats {
        &self.machine.stats
    }

    fn run<V>(&mut self, last: bool, visit: &mut V) -> Result<(), PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        let bytes = &self.buffer[self.start..self.end];
        let consumed = self.machine.run(bytes, last, visit)?;
        self.start += consumed;
        Ok(())
    }
}
