//! The messages of OTLP 1.x that traces are sent in, by the numbers of `opentelemetry/proto`, which never change.
//!
//! Only what amflow writes is here; what is left out is empty for whoever reads it.

use jiff::Timestamp;
use prost::Message;

use crate::model::{SpanId, TraceId};

/// The longest text of an attribute, in bytes.
const LONGEST_TEXT: usize = 1_024;
/// Events of one span, at most, as OpenTelemetry's own libraries have it.
const MOST_EVENTS: usize = 128;

/// The body of a request.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

/// The body of the answer.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTraceServiceResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<ExportTracePartialSuccess>,
}

/// What a collector did not take.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTracePartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// The body of an answer that is an error: `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// Spans of one program.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_spans: Vec<ScopeSpans>,
}

/// Which program it is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

/// Spans that one library made.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) spans: Vec<Span>,
}

/// Which library it is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct InstrumentationScope {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

/// A piece of work with its time.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(enumeration = "SpanKind", tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")]
    pub(super) dropped_attributes_count: u32,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
    #[prost(uint32, tag = "12")]
    pub(super) dropped_events_count: u32,
    #[prost(message, repeated, tag = "13")]
    pub(super) links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(super) flags: u32,
}

/// What a span is to what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum SpanKind {
    Unspecified = 0,
    /// Work of this program.
    Internal = 1,
    /// A request to another one.
    Client = 3,
}

/// Something that happened within a span.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(fixed64, tag = "1")]
    pub(super) time_unix_nano: u64,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) attributes: Vec<KeyValue>,
}

/// Another span that this one has to do with.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Link {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(fixed32, tag = "6")]
    pub(super) flags: u32,
}

/// How a span ended.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(enumeration = "StatusCode", tag = "3")]
    pub(super) code: i32,
}

/// Whether that was bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum StatusCode {
    Unset = 0,
    Error = 2,
}

/// A name and a value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

/// A value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3")]
    pub(super) value: Option<Value>,
}

/// The types of values that are used here.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Truth(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// Trace flags: sampled.
const SAMPLED: u32 = 1;
/// It is known whether the parent lives in another program, and it does not.
const PARENT_IS_KNOWN: u32 = 0x100;

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(cut(text).to_owned())
    }
}

impl From<String> for Value {
    fn from(mut text: String) -> Value {
        text.truncate(cut(&text).len());
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Truth(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Value {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Returns the start of a text that an attribute holds.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Makes an attribute.
pub(super) fn attribute(key: impl Into<String>, value: impl Into<Value>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value.into()) }) }
}

/// Returns a time as nanoseconds since 1970; what lies outside of that has no number here.
pub(super) fn nanoseconds(at: Timestamp) -> u64 {
    let nanoseconds = at.as_nanosecond();
    u64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { 0 } else { u64::MAX })
}

impl Span {
    /// Begins a span.
    pub(super) fn begin(
        trace: TraceId,
        id: SpanId,
        parent: Option<SpanId>,
        name: String,
        at: Timestamp,
    ) -> Span {
        Span {
            trace_id: trace.bytes().to_vec(),
            span_id: id.bytes().to_vec(),
            parent_span_id: parent.map(|id| id.bytes().to_vec()).unwrap_or_default(),
            name,
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanoseconds(at),
            flags: SAMPLED | PARENT_IS_KNOWN,
            ..Span::default()
        }
    }

    /// Adds an attribute.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.attributes.push(attribute(key, value));
    }

    /// Adds an event; those that are too many are counted.
    pub(super) fn note(&mut self, at: Timestamp, name: &str, attributes: Vec<KeyValue>) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(Event { time_unix_nano: nanoseconds(at), name: name.to_owned(), attributes });
        } else {
            self.dropped_events_count = self.dropped_events_count.saturating_add(1);
        }
    }

    /// Ends it. A clock that was set back makes it short, never negative.
    pub(super) fn end(mut self, at: Timestamp) -> Span {
        self.end_time_unix_nano = nanoseconds(at).max(self.start_time_unix_nano);
        self
    }

    /// Says that it went wrong, and why.
    pub(super) fn fail(&mut self, reason: &str) {
        self.status = Some(Status { message: cut(reason).to_owned(), code: StatusCode::Error.into() });
    }
}

impl Link {
    /// Makes a link to a span of another trace.
    pub(super) fn to(trace: TraceId, span: SpanId, attributes: Vec<KeyValue>) -> Link {
        Link {
            trace_id: trace.bytes().to_vec(),
            span_id: span.bytes().to_vec(),
            attributes,
            flags: SAMPLED | PARENT_IS_KNOWN,
        }
    }
}
