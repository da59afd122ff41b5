//! Ids by which a run is a trace and its parts are spans of it: [`TraceId`], [`SpanId`].
//!
//! Both follow from the run alone, so that whatever process works on it, and whoever reads its journal, knows
//! them: a run that is taken over goes on in the same trace, and a command is told its span before that exists.

use std::fmt;

use ring::digest::{Context, SHA256};
use uuid::Uuid;

/// Identifies the trace of a run: the 16 bytes of the run's id, so that one is found by the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// Identifies a span within its trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// Returns the trace of a run.
    pub fn of_run(run: &str) -> TraceId {
        match Uuid::try_parse(run) {
            Ok(id) if !id.is_nil() => TraceId(id.into_bytes()),
            // A name is no id, and a trace of zeros is none.
            _ => TraceId(hashed(&["trace", run])),
        }
    }

    /// Returns its bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// Returns the span of a run.
    pub fn of_run(run: &str) -> SpanId {
        SpanId(hashed(&["run", run]))
    }

    /// Returns the span of a step, by its path. `round` is how often the step was over before: an approval that
    /// asks again makes it, and what is around it, begin once more.
    pub fn of_step(run: &str, path: &str, round: u32) -> SpanId {
        SpanId(hashed(&["step", run, path, &round.to_string()]))
    }

    /// Returns the span of an attempt, from 1, of a step.
    pub fn of_attempt(run: &str, path: &str, attempt: u32) -> SpanId {
        SpanId(hashed(&["attempt", run, path, &attempt.to_string()]))
    }

    /// Returns its bytes.
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

/// Returns what tells another program that it works for an attempt, as W3C's Trace Context writes it: the value
/// of the header `traceparent`, and of the variable `TRACEPARENT`.
pub fn traceparent(run: &str, path: &str, attempt: u32) -> String {
    format!("00-{}-{}-01", TraceId::of_run(run), SpanId::of_attempt(run, path, attempt))
}

/// Hashes words that have no NUL. Nobody has met a hash that begins with zeros only, which would be no id.
fn hashed<const N: usize>(words: &[&str]) -> [u8; N] {
    let mut context = Context::new(&SHA256);
    for word in words {
        context.update(word.as_bytes());
        context.update(&[0]);
    }
    let mut bytes = [0; N];
    bytes.copy_from_slice(&context.finish().as_ref()[..N]);
    bytes
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0194f5a8-1c2d-7e3f-8a4b-5c6d7e8f9a0b";

    #[test]
    fn a_trace_is_found_by_the_id_of_its_run() {
        assert_eq!(TraceId::of_run(RUN).to_string(), RUN.replace('-', ""));
        for run in ["", "r1", "00000000-0000-0000-0000-000000000000"] {
            assert_ne!(TraceId::of_run(run).bytes(), [0; 16], "{run}");
        }
        assert_ne!(TraceId::of_run("r1"), TraceId::of_run("r2"));
    }

    #[test]
    fn a_span_is_the_same_wherever_it_is_asked_for_and_no_two_are_alike() {
        // What was sent once must stay so: another version may go on with the run.
        assert_eq!(SpanId::of_run(RUN).to_string(), "3ce156691a43a8de");
        assert_eq!(traceparent(RUN, "a[0]/b", 2), "00-0194f5a81c2d7e3f8a4b5c6d7e8f9a0b-cdd3b446b23c76f0-01");
        let spans = [
            SpanId::of_run(RUN),
            SpanId::of_step(RUN, "a", 0),
            SpanId::of_step(RUN, "a", 1),
            SpanId::of_step(RUN, "a1", 0),
            SpanId::of_attempt(RUN, "a", 0),
            SpanId::of_attempt(RUN, "a", 1),
            SpanId::of_attempt("r1", "a", 1),
        ];
        let distinct: std::collections::BTreeSet<_> = spans.iter().collect();
        assert_eq!(distinct.len(), spans.len());
    }
}
