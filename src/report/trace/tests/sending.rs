//! Spans reach a collector: in batches, again after trouble, never in anybody's way.

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use prost::Message as _;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::super::exporter::{Exporter, TraceFigures, TraceTarget};
use super::super::otlp::{ExportTracePartialSuccess, ExportTraceServiceResponse, RpcStatus, Span};
use super::super::reporter::TraceReporter;
use super::{decoded, header_of, histories, spans_of};
use crate::client::{HttpClient, HttpConfig, HttpOptions};
use crate::engine::{Clock as _, Reporter as _, RunEnd, RunEndKind};
use crate::model::Secret;
use crate::perform::SystemClock;
use crate::playtest::JumpClock;
use crate::run::Stamped;

const LIMIT: Duration = Duration::from_secs(20);

type Told = Arc<Mutex<Vec<String>>>;

fn target(url: &str) -> TraceTarget {
    TraceTarget {
        url: format!("{url}/v1/traces").parse().unwrap(),
        client: HttpClient::new(HttpConfig::default(), HttpOptions::default()),
        headers: vec![("X-Key".to_owned(), Secret::new("hush"))],
        gzip: false,
        resource: vec![("service.name".to_owned(), "amflow".to_owned())],
    }
}

/// Begins to export; what people are told is kept.
fn exporter(target: TraceTarget) -> (Exporter, Told) {
    let told = Told::default();
    let kept = told.clone();
    let tell = Arc::new(move |text: &str| kept.lock().unwrap().push(text.to_owned()));
    let (exporter, work) = Exporter::new(Some(target), Arc::new(SystemClock), tell);
    tokio::spawn(work.work());
    (exporter, told)
}

/// Answers one after the other as it is told to; the last for ever.
struct Answers(Mutex<Vec<ResponseTemplate>>);

impl Respond for Answers {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    }
}

async fn collector(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(Answers(Mutex::new(answers))).mount(&server).await;
    server
}

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200)
}

fn named(names: &[&str]) -> Vec<Span> {
    names.iter().map(|name| Span { name: (*name).to_owned(), ..Span::default() }).collect()
}

/// Returns the names of the spans of each request.
async fn received(server: &MockServer) -> Vec<Vec<String>> {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| spans_of(&decoded(&request.body)).into_iter().map(|span| span.name).collect())
        .collect()
}

#[tokio::test]
async fn a_request_says_who_sends_it_and_in_what_form() {
    let server = collector(vec![ok()]).await;
    let (exporter, told) = exporter(target(&server.uri()));
    exporter.give(named(&["a", "b"]));
    exporter.flush(LIMIT).await;
    let requests = server.received_requests().await.unwrap();
    let request = &requests[0];
    assert_eq!((requests.len(), request.url.path()), (1, "/v1/traces"));
    assert_eq!(request.headers["content-type"], "application/x-protobuf");
    assert_eq!(request.headers["x-key"], "hush");
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("amflow/"));
    let mut body = decoded(&request.body);
    let scope = body.resource_spans[0].scope_spans[0].scope.as_mut().unwrap();
    assert_eq!(std::mem::take(&mut scope.version), env!("CARGO_PKG_VERSION"));
    insta::assert_json_snapshot!("request", body);
    assert_eq!(exporter.figures(), TraceFigures { sent: 2, ..TraceFigures::default() });
    assert_eq!(*told.lock().unwrap(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_body_is_compressed_where_that_is_wanted() {
    let server = collector(vec![ok()]).await;
    let (exporter, _) = exporter(TraceTarget { gzip: true, ..target(&server.uri()) });
    exporter.give(named(&["a"]));
    exporter.flush(LIMIT).await;
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["content-encoding"], "gzip");
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).unwrap();
    assert_eq!(spans_of(&decoded(&body))[0].name, "a");
}

#[tokio::test]
async fn spans_are_sent_by_themselves_and_many_in_several_requests() {
    let server = collector(vec![ok()]).await;
    let (exporter, _) = exporter(target(&server.uri()));
    exporter.give(named(&vec!["x"; 1_200]));
    let begin = SystemClock.now();
    while exporter.figures().sent < 1_200 {
        assert!(SystemClock.now().duration_since(begin).as_secs() < 20, "{:?}", exporter.figures());
        tokio::task::yield_now().await;
    }
    let sizes: Vec<_> = received(&server).await.iter().map(Vec::len).collect();
    assert_eq!(sizes, [512, 512, 176]);
}

#[tokio::test]
async fn a_collector_that_does_not_answer_costs_a_warning_and_what_there_is_no_room_for() {
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (exporter, told) = exporter(target(&format!("http://127.0.0.1:{port}")));
    for _ in 0..3 {
        exporter.give(named(&vec!["x"; 1_000]));
        exporter.flush(LIMIT).await;
    }
    let figures = exporter.figures();
    assert_eq!((figures.sent, figures.waiting, figures.dropped), (0, 2_048, 952));
    assert!(figures.failures >= 3, "{figures:?}");
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    let (begin, end) = ("traces cannot be sent: POST http://127.0.0.1:", "; runs are not affected");
    assert!(told[0].starts_with(begin) && told[0].ends_with(end) && told[0].contains("refused"), "{told:?}");
    assert!(!told[0].contains("hush"));
}

#[tokio::test]
async fn what_a_collector_could_not_take_for_now_comes_again_in_order_and_each_outage_is_told_once() {
    let busy = || ResponseTemplate::new(503).set_body_string("busy");
    let server = collector(vec![busy(), ResponseTemplate::new(429), ok(), busy(), ok()]).await;
    let (exporter, told) = exporter(target(&server.uri()));
    exporter.give(named(&["a"]));
    exporter.flush(LIMIT).await;
    exporter.give(named(&["b"]));
    exporter.flush(LIMIT).await;
    exporter.flush(LIMIT).await;
    assert_eq!(told.lock().unwrap().len(), 1);
    assert_eq!(exporter.figures(), TraceFigures { sent: 2, failures: 2, ..TraceFigures::default() });
    exporter.give(named(&["c"]));
    exporter.flush(LIMIT).await;
    exporter.flush(LIMIT).await;
    assert_eq!(received(&server).await, [vec!["a"], vec!["a", "b"], vec!["a", "b"], vec!["c"], vec!["c"]]);
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("HTTP 503: busy"), "{told:?}");
}

#[tokio::test]
async fn a_collector_is_left_alone_for_as_long_as_it_asks() {
    let server = collector(vec![ResponseTemplate::new(503).insert_header("Retry-After", "90"), ok()]).await;
    let clock = JumpClock::by_hand(Timestamp::UNIX_EPOCH);
    let (exporter, work) =
        Exporter::new(Some(target(&server.uri())), Arc::new(clock.clone()), Arc::new(|_| ()));
    tokio::spawn(work.work());
    exporter.give(named(&["a"]));
    let next_sleep_ends = async |expected: i64| {
        let begin = SystemClock.now();
        while clock.next_wake().map(Timestamp::as_second) != Some(expected) {
            assert!(SystemClock.now().duration_since(begin).as_secs() < 20, "{:?}", clock.next_wake());
            tokio::task::yield_now().await;
        }
    };
    next_sleep_ends(1).await;
    clock.advance(Duration::from_secs(1));
    next_sleep_ends(91).await;
    assert_eq!(exporter.figures(), TraceFigures { failures: 1, waiting: 1, ..TraceFigures::default() });
    clock.advance(Duration::from_secs(90));
    let begin = SystemClock.now();
    while exporter.figures().sent == 0 {
        assert!(SystemClock.now().duration_since(begin).as_secs() < 20);
        tokio::task::yield_now().await;
    }
    assert_eq!(received(&server).await.len(), 2);
}

#[tokio::test]
async fn what_a_collector_will_never_take_is_dropped_and_told() {
    let status = RpcStatus { message: "no such tenant".to_owned() }.encode_to_vec();
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    let answers = vec![
        ResponseTemplate::new(400).set_body_bytes(status),
        ResponseTemplate::new(500),
        ok(),
        ok().set_body_bytes(partial.encode_to_vec()),
        ok(),
    ];
    let server = collector(answers).await;
    let (exporter, told) = exporter(target(&server.uri()));
    for name in ["a", "b", "c"] {
        exporter.give(named(&[name]));
        exporter.flush(LIMIT).await;
    }
    exporter.give(named(&["d", "e", "f"]));
    exporter.flush(LIMIT).await;
    assert_eq!(exporter.figures(), TraceFigures { sent: 3, dropped: 3, failures: 2, waiting: 0 });
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("HTTP 400: no such tenant"), "{told:?}");
    assert!(told[1].contains("took all but 1 of 3 spans: too old"), "{told:?}");
}

#[tokio::test]
async fn a_collector_that_says_nothing_keeps_nobody_waiting_longer_than_asked() {
    let server = collector(vec![ok().set_delay(Duration::from_secs(60))]).await;
    let clock = JumpClock::new(Timestamp::UNIX_EPOCH);
    let (exporter, work) =
        Exporter::new(Some(target(&server.uri())), Arc::new(clock.clone()), Arc::new(|_| ()));
    tokio::spawn(work.work());
    exporter.give(named(&["a"]));
    exporter.flush(Duration::from_secs(3)).await;
    assert_eq!(clock.now().as_second(), 3);
    assert_eq!(exporter.figures().waiting, 1);
}

#[tokio::test]
async fn a_collector_can_be_exchanged_and_taken_away() {
    let (one, other) = (collector(vec![ok()]).await, collector(vec![ok()]).await);
    let (exporter, _) = exporter(target(&one.uri()));
    exporter.give(named(&["a"]));
    exporter.flush(LIMIT).await;
    exporter.aim(Some(target(&other.uri())));
    exporter.give(named(&["b"]));
    exporter.flush(LIMIT).await;
    exporter.aim(None);
    exporter.give(named(&["c"]));
    exporter.flush(LIMIT).await;
    assert!(!exporter.is_on());
    assert_eq!(
        (received(&one).await, received(&other).await),
        (vec![vec!["a".to_owned()]], vec![vec!["b".to_owned()]])
    );
}

fn ended(journal: &[Stamped], kind: RunEndKind) -> RunEnd {
    let at = journal[0].at;
    RunEnd { header: header_of(journal), kind, reason: String::new(), started_at: at, ended_at: at }
}

/// A run that is taken up again at once may be so before it is told that it was left.
#[tokio::test]
async fn a_run_that_is_left_and_taken_up_loses_no_span_and_sends_none_twice() {
    let journal = &histories()["nested"];
    let header = header_of(journal);
    for told_late in [false, true] {
        for orphaned in [false, true] {
            let server = collector(vec![ok()]).await;
            let (exporter, _) = exporter(target(&server.uri()));
            let reporter = TraceReporter::new(exporter.clone());
            let (left, rest) = journal.split_at(20);
            left.iter().for_each(|event| reporter.event(&header, event));
            let parked = ended(journal, RunEndKind::Parked(None));
            if !told_late {
                reporter.ended(&parked);
            }
            reporter.resumed(&header, left, orphaned);
            if told_late {
                reporter.ended(&parked);
            }
            rest.iter().for_each(|event| reporter.event(&header, event));
            reporter.ended(&parked);
            // Nobody knows the run any more.
            rest.iter().for_each(|event| reporter.event(&header, event));
            exporter.flush(LIMIT).await;
            let spans: Vec<_> = received(&server).await.concat();
            // Of a trace of 23 spans, 11 were over when the run was left.
            let expected = 23 + if orphaned { 11 } else { 0 };
            assert_eq!(spans.len(), expected, "{told_late} {orphaned}: {spans:?}");
            assert_eq!(spans.last().map(String::as_str), Some("run disk"));
        }
    }
}
