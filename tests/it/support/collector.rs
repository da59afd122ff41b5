//! A collector of OpenTelemetry that keeps what it is sent, as another library reads it. Main type: [`Collector`].

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

use super::alertmanager::wait_until;

/// Takes OTLP/HTTP on loopback, until the tests end.
pub(crate) struct Collector {
    port: u16,
    seen: Arc<Mutex<Vec<Received>>>,
}

/// A request.
#[derive(Clone)]
pub(crate) struct Received {
    /// Its first line and its headers.
    pub(crate) head: String,
    /// Its body, as it came, without gzip.
    pub(crate) body: Vec<u8>,
}

/// A span, as people look at one.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// 32 hex digits.
    pub(crate) trace: String,
    /// 16 hex digits.
    pub(crate) id: String,
    /// The same of the span around it; empty for the root.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) begins: u64,
    pub(crate) ends: u64,
    /// Why it is an error, if it is one.
    pub(crate) error: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// What the program says of itself.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) events: Vec<(String, BTreeMap<String, String>)>,
}

impl Collector {
    /// Begins to take what comes.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Received>>>::default();
        let kept = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { port, seen }
    }

    /// Returns the URL to configure.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the requests so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the spans so far, in the order in which they came.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for request in self.requests() {
            for of_resource in
                ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap().resource_spans
            {
                let resource = words(&of_resource.resource.unwrap().attributes);
                for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push(Span {
                        trace: hex(&span.trace_id),
                        id: hex(&span.span_id),
                        parent: hex(&span.parent_span_id),
                        name: span.name,
                        begins: span.start_time_unix_nano,
                        ends: span.end_time_unix_nano,
                        error: span.status.filter(|status| status.code == 2).map(|status| status.message),
                        attributes: words(&span.attributes),
                        resource: resource.clone(),
                        events: span.events.iter().map(|e| (e.name.clone(), words(&e.attributes))).collect(),
                    });
                }
            }
        }
        spans
    }

    /// Waits until the root of so many runs has come.
    pub(crate) fn await_runs(&self, count: usize) -> Vec<Span> {
        wait_until("the runs have been sent", || {
            self.spans().iter().filter(|span| span.parent.is_empty()).count() >= count
        });
        self.spans()
    }
}

/// Tells the spans of a trace as a tree, a line each.
pub(crate) fn tree(spans: &[Span]) -> Vec<String> {
    fn branch(spans: &[Span], parent: &str, depth: usize, lines: &mut Vec<String>) {
        let mut below: Vec<_> = spans.iter().filter(|span| span.parent == parent).collect();
        below.sort_by(|a, b| (a.begins, &a.name).cmp(&(b.begins, &b.name)));
        for span in below {
            let error = span.error.as_ref().map(|why| format!(" ERROR {why}")).unwrap_or_default();
            lines.push(format!("{}{}{error}", "  ".repeat(depth), span.name));
            branch(spans, &span.id, depth + 1, lines);
        }
    }
    let mut lines = Vec::new();
    branch(spans, "", 0, &mut lines);
    lines
}

/// Returns the only span with a name.
#[track_caller]
pub(crate) fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Received>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let mut body = vec![0; length.trim().parse().unwrap()];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    if head.contains("content-encoding: gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
        body = plain;
    }
    kept.lock().unwrap().push(Received { head, body });
    // Who sent it may be gone already.
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{}: {other:?}", attribute.key),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
