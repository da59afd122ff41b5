//! OpenTelemetry: a run is a trace, its steps are spans, sent by OTLP/HTTP as protobuf.
//!
//! [`TraceReporter`] sees events and makes spans of them; [`Exporter`] sends those. Nothing of it is on the way of
//! a run: what cannot be sent is dropped.

mod exporter;
mod otlp;
mod queue;
mod reporter;
mod run_trace;
#[cfg(test)]
mod tests;

pub use exporter::{Exporter, ExporterWork, Tell, TraceFigures, TraceTarget};
pub use reporter::TraceReporter;
