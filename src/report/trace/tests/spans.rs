//! Journals become spans: which, below which, with what they say; the same ones, whoever makes them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use super::super::otlp;
use super::super::run_trace::RunTrace;
use super::{RUN, header_of, histories, spans_of, text_of};
use crate::run::{RunEvent, RunStatus, Stamped};
use crate::step::Outcome;

/// Makes the spans of events; the trace of those that came before is known.
fn seen(known: &[Stamped], events: &[Stamped]) -> (Vec<otlp::Span>, Vec<otlp::Span>) {
    let all: Vec<_> = known.iter().chain(events).cloned().collect();
    let RunEvent::RunStarted(started) = &all[0].event else { panic!("{:?}", all[0]) };
    let mut trace = RunTrace::begin(&header_of(&all), started, all[0].at);
    let (mut before, mut now) = (Vec::new(), Vec::new());
    known.iter().for_each(|event| trace.see(event, &mut before));
    events.iter().for_each(|event| trace.see(event, &mut now));
    (before, now)
}

/// Returns the spans of a journal, as another library reads them.
fn spans(journal: &[Stamped]) -> Vec<Span> {
    let (spans, _) = seen(journal, &[]);
    let scope_spans = vec![otlp::ScopeSpans { scope: None, spans }];
    let resource_spans = vec![otlp::ResourceSpans { resource: None, scope_spans }];
    spans_of(&super::decoded(&otlp::ExportTraceServiceRequest { resource_spans }.encode_to_vec()))
}

/// Tells spans as a tree: a span a line, with its milliseconds from the start of the run, its events below it.
fn tree(spans: &[Span]) -> String {
    let root = spans.iter().find(|span| span.parent_span_id.is_empty()).expect("a root");
    let mut lines = Vec::new();
    branch(spans, root, root.start_time_unix_nano, 0, &mut lines);
    lines.join("\n") + "\n"
}

fn branch(spans: &[Span], span: &Span, zero: u64, depth: usize, lines: &mut Vec<String>) {
    let since = |at: u64| (at - zero) / 1_000_000;
    let indent = "  ".repeat(depth);
    let (begins, ends) = (since(span.start_time_unix_nano), since(span.end_time_unix_nano));
    let mut line = format!("{indent}{} {begins}..{ends}", span.name);
    if span.kind == 3 {
        line.push_str(" client");
    }
    if let Some(status) = &span.status {
        line.push_str(&format!(" status {} {:?}", status.code, status.message));
    }
    lines.push(line);
    for attribute in &span.attributes {
        // What is the same everywhere is in the first snapshot.
        if !["amflow.step.path", "amflow.attempt"].contains(&attribute.key.as_str()) {
            lines.push(format!("{indent}  - {} = {}", attribute.key, text_of(attribute)));
        }
    }
    for event in &span.events {
        let said: Vec<_> = event.attributes.iter().map(|a| format!("{}={:?}", a.key, text_of(a))).collect();
        lines.push(format!("{indent}  * {} {} {}", since(event.time_unix_nano), event.name, said.join(" ")));
    }
    let mut below: Vec<_> = spans.iter().filter(|one| one.parent_span_id == span.span_id).collect();
    below.sort_by_key(|span| span.start_time_unix_nano);
    below.iter().for_each(|child| branch(spans, child, zero, depth + 1, lines));
}

#[test]
fn every_journal_of_old_becomes_a_tree() {
    let told: String =
        histories().iter().map(|(name, journal)| format!("{name}\n{}\n", tree(&spans(journal)))).collect();
    insta::assert_snapshot!("trees", told);
}

#[test]
fn a_span_is_written_as_the_specification_says() {
    let journal = &histories()["retried"];
    insta::assert_json_snapshot!("retried", spans(journal));
}

#[test]
fn all_spans_are_over_each_has_its_own_id_and_a_parent_that_is_there() {
    for (name, journal) in histories() {
        let spans = spans(&journal);
        let ids: BTreeSet<_> = spans.iter().map(|span| span.span_id.clone()).collect();
        assert_eq!(ids.len(), spans.len(), "{name}");
        let roots = spans.iter().filter(|span| span.parent_span_id.is_empty()).count();
        assert_eq!(roots, 1, "{name}");
        let trace: Vec<u8> = RUN.replace('-', "").as_bytes().chunks(2).map(hex).collect();
        for span in &spans {
            assert_eq!(span.trace_id, trace, "{name}: {}", span.name);
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{name}: {}", span.name);
            let parent = &span.parent_span_id;
            assert!(parent.is_empty() || ids.contains(parent), "{name}: {} has no parent", span.name);
        }
        // Every attempt that was begun is there, and whatever was not skipped.
        let began = journal.iter().filter(|e| matches!(e.event, RunEvent::AttemptStarted { .. })).count();
        let attempts = spans.iter().filter(|span| span.name.starts_with("attempt ")).count();
        assert_eq!(attempts, began, "{name}");
        let ended = |event: &&Stamped| matches!(&event.event, RunEvent::StepFinished { outcome, .. } if !matches!(outcome, Outcome::Skipped { .. }));
        let steps = spans.len() - attempts - 1;
        assert_eq!(steps, journal.iter().filter(ended).count(), "{name}");
    }
}

fn hex(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

#[test]
fn a_run_that_is_left_anywhere_goes_on_in_the_same_trace() {
    for (name, journal) in histories() {
        let (whole, _) = seen(&journal, &[]);
        for cut in 1..journal.len() {
            let (left, rest) = journal.split_at(cut);
            let (sent, _) = seen(left, &[]);
            // The next process knows the journal, says what was open, and could say again what was not.
            let (again, then) = seen(left, rest);
            assert_eq!(again, sent, "{name} left after {cut}");
            let both: Vec<_> = sent.into_iter().chain(then).collect();
            assert_eq!(both, whole, "{name} left after {cut}");
        }
    }
}

/// A journal that begins as one of old does, and goes on so.
fn journal(events: Vec<RunEvent>) -> Vec<Stamped> {
    let mut journal = vec![histories()["nested"][0].clone()];
    let began = journal[0].at;
    for (n, event) in events.into_iter().enumerate() {
        let n = n as u64 + 1;
        let at = began + std::time::Duration::from_millis(n);
        journal.push(Stamped { seq: n + 1, at, event });
    }
    journal
}

fn event(value: serde_json::Value) -> RunEvent {
    serde_json::from_value(value).unwrap()
}

fn finished(status: RunStatus, reason: &str) -> RunEvent {
    RunEvent::RunFinished { status, reason: reason.to_owned() }
}

#[test]
fn a_run_that_is_long_and_wordy_makes_spans_that_are_not() {
    let item = |n: u64| {
        event(
            json!({"event": "step_finished", "path": format!("e[{n}]"), "outcome": {"outcome": "skipped", "reason": "é".repeat(3_000)}}),
        )
    };
    let mut events = vec![event(json!({"event": "foreach_expanded", "path": "e", "items": vec![0; 1_000]}))];
    events.extend((0..1_000).map(item));
    events.push(event(json!({"event": "step_finished", "path": "e", "outcome": {"outcome": "succeeded"}})));
    events.push(finished(RunStatus::Failed, &"x".repeat(100_000)));
    let mut journal = journal(events);
    let RunEvent::RunStarted(started) = &mut journal[0].event else { panic!() };
    let labels: BTreeMap<_, _> = (0..100).map(|n| (format!("l{n:02}"), "v".repeat(5_000))).collect();
    let mut alert = started.alerts[0].json().into_owned();
    alert["labels"] = json!(labels);
    started.alerts[0] = alert.into();
    let spans = spans(&journal);
    let (each, root) = (&spans[0], &spans[1]);
    assert_eq!((spans.len(), each.events.len(), each.dropped_events_count), (2, 128, 872));
    let reason = text_of(&each.events[0].attributes[1]);
    assert_eq!((reason.len(), reason.chars().count()), (1_024, 512));
    let labels = root.attributes.iter().filter(|a| a.key.starts_with("alert.label.")).count();
    assert_eq!((labels, root.dropped_attributes_count), (64, 36));
    assert_eq!(root.status.as_ref().unwrap().message.len(), 1_024);
    assert!(root.attributes.iter().all(|attribute| text_of(attribute).len() <= 1_024));
}

#[test]
fn a_clock_that_is_set_back_makes_no_span_that_ends_before_it_begins() {
    let mut journal = journal(vec![
        event(json!({"event": "attempt_started", "path": "a", "attempt": 1, "if_lost": "fail"})),
        event(
            json!({"event": "attempt_finished", "path": "a", "attempt": 1, "outcome": {"outcome": "succeeded"}}),
        ),
        event(json!({"event": "step_finished", "path": "a", "outcome": {"outcome": "succeeded"}})),
        finished(RunStatus::Succeeded, ""),
    ]);
    for stamped in journal.iter_mut().skip(2) {
        stamped.at -= std::time::Duration::from_secs(3_600);
    }
    journal.last_mut().unwrap().at = Timestamp::MIN;
    for span in spans(&journal) {
        assert_eq!(span.start_time_unix_nano, span.end_time_unix_nano, "{}", span.name);
    }
}

#[test]
fn a_run_that_is_done_again_points_to_the_one_before() {
    let mut journal = journal(vec![finished(RunStatus::Succeeded, "")]);
    let RunEvent::RunStarted(started) = &mut journal[0].event else { panic!() };
    started.retry_of = Some("0194f5a8-1c2d-7e3f-8a4b-000000000001".to_owned());
    let root = &spans(&journal)[0];
    let trace: String = root.links[0].trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(trace, "0194f5a81c2d7e3f8a4b000000000001");
    assert_eq!((root.links.len(), root.links[0].span_id.len()), (1, 8));
}

#[test]
fn a_journal_that_makes_no_sense_breaks_nothing() {
    let odd = [
        json!({"event": "attempt_finished", "path": "a[x]/", "attempt": 7, "outcome": {"outcome": "lost"}}),
        json!({"event": "attempt_continued", "path": "b", "attempt": 1, "if_lost": "fail"}),
        json!({"event": "asked_again", "path": "[", "before": "", "kind": "", "reason": ""}),
        json!({"event": "taken_over", "by": "x", "lost": ["", "b#1", "#"]}),
        json!({"event": "step_finished", "path": "", "outcome": {"outcome": "lost"}}),
        json!({"event": "something_new", "path": "x"}),
        json!({"event": "run_finished", "status": "failed"}),
        json!({"event": "run_finished", "status": "succeeded"}),
        json!({"event": "step_entered", "path": "after"}),
    ];
    let spans = spans(&journal(odd.into_iter().map(event).collect()));
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names.last(), Some(&"run disk"));
    assert_eq!(names.iter().filter(|name| name.starts_with("run ")).count(), 1);
}
