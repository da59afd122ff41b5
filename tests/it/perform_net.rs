//! Requests, queries, sightings and holds against servers: what is sent, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amflow::client::alertmanager::Dialect;
use amflow::client::standin::{Fault, FaultRule};
use amflow::client::{Cluster, HttpConfig, HttpOptions, Prometheus, StandIn, StandInOptions};
use amflow::engine::{Call, Clock as _, Performer as _};
use amflow::model::{Alert, LabelSet, SilenceState};
use amflow::perform::{Connection, Live, LiveOptions, SecretSource, SystemClock};
use amflow::playtest::JumpClock;
use amflow::step::{
    AlertHold, Effect, Hold, HoldAction, HoldEffect, QueryEffect, QueryRange, Reply, RequestBody,
    RequestEffect, Responded, SightingEffect, SilenceHold, TextOrSecret,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::alertmanager::Alertmanager;

const LONG: Duration = Duration::from_secs(20);

async fn perform(live: &Live, effect: Effect) -> Reply {
    let call = Call { run: "run-1".to_owned(), path: "step".to_owned(), attempt: 1, effect };
    live.perform(&call, LONG, &CancellationToken::new()).await
}

fn get(url: &str) -> RequestEffect {
    RequestEffect {
        method: "GET".to_owned(),
        url: url.to_owned(),
        connection: None,
        headers: Vec::new(),
        body: None,
        idempotency_key: None,
        output_limit: 64 * 1024,
    }
}

async fn respond(live: &Live, effect: RequestEffect) -> Responded {
    match perform(live, Effect::Request(effect)).await {
        Reply::Responded(responded) => responded,
        other => panic!("{other:?}"),
    }
}

async fn refusal(live: &Live, effect: Effect) -> (String, bool, bool) {
    match perform(live, effect).await {
        Reply::Impossible { message, retryable, untouched } => (message, retryable, untouched),
        other => panic!("{other:?}"),
    }
}

fn connection(url: &str) -> BTreeMap<String, Connection> {
    let http_config = serde_yaml::from_str("authorization: {credentials: hunter2-token}").unwrap();
    let connection = Connection { url: url.parse().unwrap(), http_config, options: HttpOptions::default() };
    BTreeMap::from([("tickets".to_owned(), connection)])
}

#[tokio::test]
async fn a_request_carries_its_headers_body_key_and_the_credentials_of_its_connection() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(201)
        .insert_header("set-cookie", "session=abc")
        .insert_header("X-Made", "42")
        .set_body_string("made by hunter2-token, for api-key-value");
    Mock::given(method("POST")).and(path("/api/issues")).respond_with(answer).mount(&server).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "api-key-value\n").unwrap();
    let live = Live::new(LiveOptions {
        connections: connection(&format!("{}/api", server.uri())),
        secrets: [("key".to_owned(), SecretSource { file: Some(file), ..SecretSource::default() })].into(),
        redact: vec![amflow::model::Secret::new("hunter2-token")],
        ..LiveOptions::default()
    });
    let bodies = [
        (RequestBody::Json(json!({"title": "ö"})), "application/json", "{\"title\":\"ö\"}"),
        (
            RequestBody::Form(vec![("a b".into(), "c&d".into())]),
            "application/x-www-form-urlencoded",
            "a+b=c%26d",
        ),
        (RequestBody::Text("plain".into()), "text/plain; charset=utf-8", "plain"),
    ];
    for (body, kind, sent) in bodies {
        let effect = RequestEffect {
            method: "POST".to_owned(),
            connection: Some("tickets".to_owned()),
            headers: vec![
                ("X-Text".to_owned(), TextOrSecret::Text("plain".to_owned())),
                ("X-Key".to_owned(), TextOrSecret::Secret("key".to_owned())),
            ],
            body: Some(body),
            idempotency_key: Some("run-1/step".to_owned()),
            ..get("/issues")
        };
        let responded = respond(&live, effect).await;
        assert_eq!((responded.status, &*responded.headers["x-made"]), (201, "42"));
        assert_eq!(responded.headers["set-cookie"], "[redacted]");
        assert_eq!(responded.body.text, "made by [redacted], for [redacted]");
        let request = server.received_requests().await.unwrap().pop().unwrap();
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("authorization"), "Bearer hunter2-token");
        assert_eq!((header("x-text"), header("x-key")), ("plain".to_owned(), "api-key-value".to_owned()));
        assert_eq!((header("idempotency-key"), header("content-type")), ("run-1/step".into(), kind.into()));
        assert_eq!(request.body, sent.as_bytes());
    }
}

#[tokio::test]
async fn credentials_stay_with_their_server() {
    let (own, other) = (MockServer::start().await, MockServer::start().await);
    let redirect = ResponseTemplate::new(307).insert_header("location", format!("{}/stolen", other.uri()));
    Mock::given(path("/go")).respond_with(redirect).mount(&own).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&other).await;
    let live = Live::new(LiveOptions { connections: connection(&own.uri()), ..LiveOptions::default() });
    let on_connection = |url: &str| RequestEffect { connection: Some("tickets".to_owned()), ..get(url) };
    let mut effect = on_connection("/go");
    effect.headers.push(("X-Key".to_owned(), TextOrSecret::Text("also private".to_owned())));
    assert_eq!(respond(&live, effect).await.status, 200);
    let request = other.received_requests().await.unwrap().pop().unwrap();
    assert!(request.headers.get("authorization").is_none() && request.headers.get("x-key").is_none());
    let (message, _, untouched) =
        refusal(&live, Effect::Request(on_connection(&format!("{}/x", other.uri())))).await;
    assert!(message.starts_with("the URL leads away from its connection") && untouched, "{message}");
    assert_eq!(other.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn large_bodies_are_cut_and_errors_are_told_apart() {
    let server = MockServer::start().await;
    let large = ResponseTemplate::new(500).set_body_string("x".repeat(1_000_000));
    Mock::given(path("/large")).respond_with(large).mount(&server).await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    Mock::given(path("/slow")).respond_with(slow).mount(&server).await;
    let live = Live::new(LiveOptions::default());
    let large =
        respond(&live, RequestEffect { output_limit: 1_000, ..get(&format!("{}/large", server.uri())) })
            .await;
    assert_eq!((large.status, large.body.cut), (500, 999_000));
    let call = |url: &str| Call {
        run: "r".to_owned(),
        path: "s".to_owned(),
        attempt: 1,
        effect: Effect::Request(get(url)),
    };
    let slow = call(&format!("{}/slow", server.uri()));
    let limit = Duration::from_millis(100);
    let reply = live.perform(&slow, limit, &CancellationToken::new()).await;
    assert_eq!(reply, Reply::TimedOut { limit_ms: 100, output: None });
    let stop = CancellationToken::new();
    let (reply, ()) = tokio::join!(live.perform(&slow, LONG, &stop), async { stop.cancel() });
    assert_eq!(reply, Reply::Stopped { output: None });
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let cases = [
        (get(&format!("http://127.0.0.1:{port}/")), "connection refused", true),
        (get("/only/a/path"), "the URL is none", false),
        (RequestEffect { connection: Some("nope".into()), ..get("/x") }, "no connection `nope`", false),
        (
            RequestEffect {
                headers: vec![("X".into(), TextOrSecret::Text("a\r\nb: c".into()))],
                ..get(&server.uri())
            },
            "line break",
            false,
        ),
        (
            RequestEffect {
                headers: vec![("X".into(), TextOrSecret::Secret("s".into()))],
                ..get(&server.uri())
            },
            "no secret `s`",
            false,
        ),
    ];
    for (effect, part, expected) in cases {
        let (message, retryable, untouched) = refusal(&live, Effect::Request(effect)).await;
        assert!(message.contains(part) && retryable == expected && untouched, "{message}");
    }
}

#[tokio::test]
async fn queries_ask_the_configured_prometheus_or_the_named_one() {
    let server = MockServer::start().await;
    let vector = json!({"status": "success", "warnings": ["partial"],
        "data": {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1, "2"]}]}});
    Mock::given(path("/prom/api/v1/query"))
        .respond_with(ResponseTemplate::new(200).set_body_json(vector))
        .mount(&server)
        .await;
    let matrix = json!({"status": "success", "data": {"resultType": "matrix", "result": []}});
    Mock::given(path("/prom/api/v1/query_range"))
        .respond_with(ResponseTemplate::new(200).set_body_json(matrix))
        .mount(&server)
        .await;
    let url = format!("{}/prom", server.uri());
    let prometheus =
        Prometheus::new(url.parse().unwrap(), HttpConfig::default(), HttpOptions::default()).unwrap();
    let query = |connection: Option<&str>, range| {
        Effect::Query(QueryEffect {
            connection: connection.map(str::to_owned),
            query: "up".to_owned(),
            range,
        })
    };
    let live = Live::new(LiveOptions {
        prometheus: Some(prometheus),
        connections: connection(&url),
        clock: Arc::new(JumpClock::by_hand("2026-11-23T06:00:00Z".parse().unwrap())),
        ..LiveOptions::default()
    });
    let Reply::Queried(queried) = perform(&live, query(None, None)).await else { panic!() };
    assert_eq!((&*queried.result_type, &*queried.warnings[0]), ("vector", "partial"));
    assert_eq!(queried.result[0]["value"][1], "2");
    let range = Some(QueryRange { seconds: 600.0, step: 60.0 });
    let Reply::Queried(queried) = perform(&live, query(Some("tickets"), range)).await else { panic!() };
    assert_eq!(queried.result_type, "matrix");
    let requests = server.received_requests().await.unwrap();
    assert!(requests[0].headers.get("authorization").is_none());
    assert_eq!(requests[1].headers["authorization"], "Bearer hunter2-token");
    let form = String::from_utf8(requests[1].body.clone()).unwrap();
    assert!(form.contains("start=1795413000.000") && form.contains("step=60"), "{form}");
    let (message, ..) = refusal(&Live::new(LiveOptions::default()), query(None, None)).await;
    assert!(message.starts_with("no Prometheus is configured"), "{message}");
}

/// Two peers that share their silences, and a performer that knows them both.
struct Pair {
    clock: JumpClock,
    first: StandIn,
    second: StandIn,
    live: Live,
}

async fn pair() -> Pair {
    let clock = JumpClock::by_hand("2026-11-23T06:00:00Z".parse().unwrap());
    let listen = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let shown = clock.clone();
    let first =
        StandIn::start(listen().await, Arc::new(move || shown.now()), StandInOptions::default()).unwrap();
    let second = first.start_peer(listen().await).unwrap();
    let urls = [first.url(), second.url()].map(|url| url.parse().unwrap()).to_vec();
    let cluster =
        Cluster::new(urls, HttpConfig::default(), HttpOptions::default(), Dialect::Alertmanager).unwrap();
    let live = Live::new(LiveOptions {
        alertmanager: Some(cluster),
        clock: Arc::new(clock.clone()),
        ..LiveOptions::default()
    });
    Pair { clock, first, second, live }
}

impl Pair {
    fn after(&self, seconds: u64) -> jiff::Timestamp {
        self.clock.now() + jiff::SignedDuration::from_secs(seconds.cast_signed())
    }

    async fn hold(&self, action: HoldAction, hold: &Hold, id: Option<&str>) -> Option<String> {
        let reply = self.reply(action, hold, id).await;
        match reply {
            Reply::Held { id } => id,
            other => panic!("{other:?}"),
        }
    }

    async fn reply(&self, action: HoldAction, hold: &Hold, id: Option<&str>) -> Reply {
        let owner = "run-1/mute".to_owned();
        let effect = HoldEffect { action, hold: hold.clone(), owner, id: id.map(str::to_owned) };
        perform(&self.live, Effect::Hold(effect)).await
    }
}

fn silence() -> Hold {
    Hold::Silence(SilenceHold {
        matchers: vec![("alertname".into(), "=".into(), "A".into()), ("b".into(), "!~".into(), "x|y".into())],
        created_by: "amflow".to_owned(),
        comment: "amflow works on it".to_owned(),
        lease_seconds: 300,
    })
}

#[tokio::test]
async fn a_silence_is_made_once_found_again_extended_in_place_and_released() {
    let pair = pair().await;
    let id = pair.hold(HoldAction::Make, &silence(), None).await.unwrap();
    let made = pair.first.silences();
    assert_eq!((made.len(), &*made[0].comment), (1, "amflow works on it [amflow run-1/mute]"));
    assert_eq!(made[0].ends_at, pair.after(300));
    pair.clock.advance(Duration::from_secs(100));
    // After a crash the id may be unknown: it is found again, not made twice, through either peer.
    pair.first.fail(FaultRule::always(Fault::Status(503, "down".to_owned())));
    assert_eq!(pair.hold(HoldAction::Make, &silence(), None).await.as_deref(), Some(&*id));
    pair.first.heal();
    pair.clock.advance(Duration::from_secs(100));
    assert_eq!(pair.hold(HoldAction::Renew, &silence(), Some(&id)).await.as_deref(), Some(&*id));
    let kept = pair.second.silences();
    assert_eq!((kept.len(), kept[0].ends_at), (1, pair.after(300)));
    pair.hold(HoldAction::Release, &silence(), None).await;
    assert_eq!(pair.first.silences()[0].status, SilenceState::Expired);
    // Again, by its id, and one that nobody knows.
    pair.hold(HoldAction::Release, &silence(), Some(&id)).await;
    pair.hold(HoldAction::Release, &silence(), Some("11111111-2222-3333-4444-555555555555")).await;
}

#[tokio::test]
async fn a_silence_that_lapsed_is_made_anew_and_one_that_a_person_expired_is_not() {
    let pair = pair().await;
    let first = pair.hold(HoldAction::Make, &silence(), None).await.unwrap();
    pair.clock.advance(Duration::from_secs(1_000));
    let second = pair.hold(HoldAction::Renew, &silence(), Some(&first)).await.unwrap();
    assert_ne!(first, second);
    pair.clock.advance(Duration::from_secs(1));
    pair.hold(HoldAction::Release, &silence(), Some(&second)).await;
    pair.clock.advance(Duration::from_secs(1));
    assert_eq!(pair.hold(HoldAction::Renew, &silence(), Some(&second)).await, Some(second));
    assert!(pair.first.silences().iter().all(|silence| silence.status == SilenceState::Expired));
}

#[tokio::test]
async fn silences_that_would_mute_everything_are_refused_before_they_are_made() {
    let pair = pair().await;
    for matcher in [("a", "!=", "b"), ("a", "=~", ".*"), ("a", "~", "b"), ("a", "=~", "(")] {
        let (name, op, value) = matcher;
        let matchers = vec![(name.to_owned(), op.to_owned(), value.to_owned())];
        let hold = Hold::Silence(SilenceHold {
            matchers,
            created_by: String::new(),
            comment: String::new(),
            lease_seconds: 60,
        });
        let reply = pair.reply(HoldAction::Make, &hold, None).await;
        assert!(matches!(reply, Reply::Impossible { retryable: false, untouched: true, .. }), "{reply:?}");
    }
    assert!(pair.first.silences().is_empty());
}

#[tokio::test]
async fn a_posted_alert_goes_to_every_peer_with_its_first_beginning_until_it_is_released() {
    let pair = pair().await;
    let starts_at = pair.clock.now();
    let labels = [("alertname", "A"), ("amflow_state", "running"), ("amflow_run", "run-1")];
    let hold = |labels: &[(&str, &str)]| {
        Hold::Alert(AlertHold {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            annotations: BTreeMap::from([("summary".to_owned(), "works".to_owned())]),
            starts_at,
            lease_seconds: 300,
            generator_url: "no url".to_owned(),
        })
    };
    assert_eq!(pair.hold(HoldAction::Make, &hold(&labels), None).await, None);
    pair.clock.advance(Duration::from_secs(200));
    // One peer that is away does not keep the other from being renewed.
    pair.first.fail(FaultRule::once(Fault::Status(503, "down".to_owned()), "POST", "/alerts"));
    pair.hold(HoldAction::Renew, &hold(&labels), None).await;
    let of =
        |peer: &StandIn| peer.alerts().iter().map(|a| (a.starts_at, a.ends_at.unwrap())).collect::<Vec<_>>();
    assert_eq!(of(&pair.first), [(starts_at, pair.after(100))]);
    assert_eq!(of(&pair.second), [(starts_at, pair.after(300))]);
    pair.hold(HoldAction::Release, &hold(&labels), None).await;
    assert!(pair.first.alerts().is_empty() && pair.second.alerts().is_empty());
    for peer in [&pair.first, &pair.second] {
        peer.fail(FaultRule::always(Fault::Status(503, "down".to_owned())));
    }
    let reply = pair.reply(HoldAction::Renew, &hold(&labels), None).await;
    assert!(matches!(reply, Reply::Impossible { retryable: true, .. }), "{reply:?}");
    let reply = pair.reply(HoldAction::Make, &hold(&labels[..1]), None).await;
    let Reply::Impossible { message, retryable: false, untouched: true } = reply else { panic!("{reply:?}") };
    assert!(message.contains("amflow_state"), "{message}");
}

#[tokio::test]
async fn a_sighting_tells_what_each_peer_knows_and_which_one_does_not_answer() {
    let pair = pair().await;
    let alert = |name: &str| {
        let alert = Alert::firing(LabelSet::from([("alertname", name)]), pair.clock.now());
        let posted = amflow::model::PostableAlert {
            labels: alert.labels.clone(),
            annotations: BTreeMap::new(),
            starts_at: alert.starts_at,
            ends_at: pair.after(600),
            generator_url: String::new(),
        };
        (alert, posted)
    };
    let ((wanted, posted), (_, other)) = (alert("A"), alert("B"));
    pair.first.put(&posted).unwrap();
    pair.first.put(&other).unwrap();
    pair.hold(
        HoldAction::Make,
        &Hold::Silence(SilenceHold {
            matchers: vec![("alertname".into(), "=".into(), "A".into())],
            created_by: "x".into(),
            comment: String::new(),
            lease_seconds: 60,
        }),
        None,
    )
    .await;
    let fingerprint = wanted.fingerprint.to_string();
    let look = || async {
        let effect = Effect::Sighting(SightingEffect { fingerprints: vec![fingerprint.clone()] });
        match perform(&pair.live, effect).await {
            Reply::Sighted(sighted) => sighted,
            other => panic!("{other:?}"),
        }
    };
    let sighted = look().await;
    assert_eq!(sighted.at, pair.clock.now());
    let [first, second] = &sighted.peers[..] else { panic!("{sighted:?}") };
    assert_eq!((&first.url, &second.url), (&pair.first.url(), &pair.second.url()));
    assert_eq!(first.seen.keys().collect::<Vec<_>>(), [&fingerprint]);
    let seen = &first.seen[&fingerprint];
    assert_eq!((seen.ends_at, seen.silenced_by.len()), (Some(pair.after(600)), 1));
    assert!(second.seen.is_empty() && second.failed.is_none() && second.started_at == Some(sighted.at));
    for fault in [Fault::Html, Fault::HalfBody, Fault::Status(500, "no".to_owned()), Fault::Refuse] {
        pair.second.fail(FaultRule::always(fault.clone()));
        let sighted = look().await;
        assert!(sighted.peers[0].failed.is_none() && sighted.peers[0].seen.len() == 1);
        assert!(sighted.peers[1].failed.is_some(), "{fault:?}");
        pair.second.heal();
    }
    pair.clock.advance(Duration::from_secs(10));
    pair.second.restart();
    assert_eq!(look().await.peers[1].started_at, Some(pair.clock.now()));
}

#[tokio::test]
async fn a_silent_peer_does_not_make_the_answer_of_the_other_void() {
    let pair = pair().await;
    pair.second.fail(FaultRule::always(Fault::Delay(Duration::from_secs(30))));
    let effect = Effect::Sighting(SightingEffect { fingerprints: Vec::new() });
    let call = Call { run: "r".to_owned(), path: "s".to_owned(), attempt: 1, effect };
    let reply = pair.live.perform(&call, Duration::from_secs(1), &CancellationToken::new()).await;
    let Reply::Sighted(sighted) = reply else { panic!("{reply:?}") };
    assert!(sighted.peers[0].failed.is_none());
    assert_eq!(sighted.peers[1].failed.as_deref(), Some("no complete answer within 900ms"));
}

#[tokio::test]
async fn a_real_alertmanager_is_muted_by_both_holds_and_speaks_again_when_they_are_released() {
    const CONFIG: &str = "
route: {receiver: nobody}
receivers: [{name: nobody}]
inhibit_rules:
  - {source_matchers: ['amflow_state=\"running\"'], target_matchers: ['amflow_state=\"\"'], equal: [alertname, b]}
";
    let server = Alertmanager::start(CONFIG);
    let url = server.url().parse().unwrap();
    let cluster =
        Cluster::new(vec![url], HttpConfig::default(), HttpOptions::default(), Dialect::Alertmanager)
            .unwrap();
    let live = Live::new(LiveOptions { alertmanager: Some(cluster.clone()), ..LiveOptions::default() });
    let now = SystemClock.now();
    let labels = LabelSet::from([("alertname", "A"), ("b", "z")]);
    let target = amflow::model::PostableAlert {
        labels: labels.clone(),
        annotations: BTreeMap::new(),
        starts_at: now,
        ends_at: now + jiff::SignedDuration::from_mins(10),
        generator_url: String::new(),
    };
    for answer in cluster.post_alerts(&[target]).await.unwrap() {
        answer.result.unwrap();
    }
    let muting = Hold::Alert(AlertHold {
        labels: labels
            .with("amflow_state", "running")
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        annotations: BTreeMap::new(),
        starts_at: now,
        lease_seconds: 300,
        generator_url: String::new(),
    });
    let hold = async |action, hold: &Hold| {
        let effect = HoldEffect { action, hold: hold.clone(), owner: "run-1/m[0]".to_owned(), id: None };
        match perform(&live, Effect::Hold(effect)).await {
            Reply::Held { id } => id,
            other => panic!("{other:?}"),
        }
    };
    let fingerprint = LabelSet::from([("alertname", "A"), ("b", "z")]).fingerprint().to_string();
    let muted_by = async || {
        // Alertmanager takes a few milliseconds to see a change.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let effect = Effect::Sighting(SightingEffect { fingerprints: vec![fingerprint.clone()] });
        let Reply::Sighted(sighted) = perform(&live, effect).await else { panic!() };
        let seen = &sighted.peers[0].seen[&fingerprint];
        (seen.silenced_by.clone(), seen.inhibited_by.len())
    };
    let made = hold(HoldAction::Make, &silence()).await.unwrap();
    hold(HoldAction::Make, &muting).await;
    assert_eq!(muted_by().await, (vec![made.clone()], 1));
    // Without an id, as after a crash: the same silence, extended in place.
    assert_eq!(hold(HoldAction::Make, &silence()).await, Some(made.clone()));
    assert_eq!(hold(HoldAction::Renew, &silence()).await, Some(made.clone()));
    hold(HoldAction::Renew, &muting).await;
    assert_eq!(muted_by().await, (vec![made], 1));
    hold(HoldAction::Release, &silence()).await;
    hold(HoldAction::Release, &muting).await;
    assert_eq!(muted_by().await, (Vec::new(), 0));
}
