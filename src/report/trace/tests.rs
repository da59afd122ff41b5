//! What journals become, as another library reads what is sent.

mod sending;
mod spans;

use std::collections::BTreeMap;
use std::path::Path;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Request;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::engine::RunHeader;
use crate::run::{RunEvent, Stamped};

/// The id of all runs here.
const RUN: &str = "0194f5a8-1c2d-7e3f-8a4b-5c6d7e8f9a0b";

/// Returns the journals that are kept for ever, by their names.
fn histories() -> BTreeMap<String, Vec<Stamped>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/v1");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let journal = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), journal)
        })
        .collect()
}

/// Returns the header that the store has of a run with this journal.
fn header_of(journal: &[Stamped]) -> RunHeader {
    let RunEvent::RunStarted(started) = &journal[0].event else { panic!("{:?}", journal[0]) };
    let alert = started.alerts[0].json();
    let labels = alert["labels"].as_object().unwrap();
    RunHeader {
        run: RUN.to_owned(),
        playbook: started.playbook.clone(),
        digest: started.digest.clone(),
        trigger: started.trigger,
        target: started.target.clone(),
        labels: labels.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect(),
        scope: started.scope.clone(),
    }
}

/// Reads the body of a request.
fn decoded(body: &[u8]) -> Request {
    Request::decode(body).unwrap()
}

/// Returns all spans of a request.
fn spans_of(request: &Request) -> Vec<Span> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.iter().cloned()).collect()
}

/// Returns an attribute as text.
fn text_of(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{}: {other:?}", attribute.key),
    }
}
