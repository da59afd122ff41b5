//! The client against small servers: what it sends, whom it trusts, what it says when something is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amflow::client::alertmanager::Expired;
use amflow::client::standin::{Fault, FaultRule, StandInClock};
use amflow::client::{
    AlertQuery, BaseUrl, BasicAuth, Cluster, ClusterError, Cut, Dialect, HeaderValues, HttpClient,
    HttpConfig, HttpError, HttpOptions, HttpRequest, OAuth2, PeerResult, Prometheus, PrometheusError,
    ProxyEnvironment, StandIn, StandInOptions, TlsConfig, TlsVersion,
};
use amflow::model::{LabelSet, Matcher, PostableAlert, PostableSilence, Secret};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::net::TcpListener;
use wiremock::matchers::{body_string_contains, header, header_exists, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::alertmanager::free_port;
use crate::support::http::{RawServer, silent_port};
use crate::support::tls::{Authority, Identity};

const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
const MAX: usize = 1024;

fn client(config: HttpConfig) -> HttpClient {
    HttpClient::new(config, HttpOptions::default())
}

fn get(url: &str) -> HttpRequest {
    HttpRequest::get(url.parse().unwrap())
}

async fn fetch(config: HttpConfig, url: &str) -> Result<Vec<u8>, HttpError> {
    client(config).fetch(get(url), MAX).await
}

fn tls(config: TlsConfig) -> HttpConfig {
    HttpConfig { tls_config: config, ..HttpConfig::default() }
}

// --- what is sent

#[tokio::test]
async fn requests_carry_our_name_the_credentials_and_the_headers_that_are_configured() {
    let server = RawServer::plain(OK);
    let files = tempfile::tempdir().unwrap();
    let (password, token) = (files.path().join("password"), files.path().join("token"));
    fs::write(&password, " hunter2\n").unwrap();
    fs::write(&token, "t1\n").unwrap();
    let basic = BasicAuth {
        username: Some("ops".into()),
        password_file: Some(password.clone()),
        ..BasicAuth::default()
    };
    let header =
        HeaderValues { values: vec!["a".into()], secrets: vec![Secret::new("b")], files: vec![token] };
    let config = HttpConfig {
        basic_auth: Some(basic),
        http_headers: BTreeMap::from([("X-Extra".to_owned(), header)]),
        ..HttpConfig::default()
    };
    let options =
        HttpOptions { headers: vec![("X-Scope-OrgID".into(), "team".into())], ..HttpOptions::default() };
    let client = HttpClient::new(config, options);
    let url = format!("http://127.0.0.1:{}/x?y=z", server.port());
    client.fetch(get(&url), MAX).await.unwrap();
    fs::write(&password, "changed").unwrap();
    client.fetch(get(&url), MAX).await.unwrap();
    let heads = server.heads();
    assert!(heads[0].starts_with("GET /x?y=z HTTP/1.1\r\n"), "{}", heads[0]);
    let expected = [
        concat!("user-agent: amflow/", env!("CARGO_PKG_VERSION")),
        "x-scope-orgid: team",
        "x-extra: a",
        "x-extra: b",
        "x-extra: t1",
    ];
    for line in expected {
        assert!(heads[0].contains(line), "{line} is not in {}", heads[0]);
    }
    assert!(heads[0].contains("authorization: Basic b3BzOmh1bnRlcjI="), "{}", heads[0]);
    assert!(heads[1].contains("authorization: Basic b3BzOmNoYW5nZWQ="), "files are read again: {}", heads[1]);
}

#[tokio::test]
async fn credentials_in_a_url_are_sent_and_never_shown() {
    let server =
        RawServer::plain("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let url = format!("http://ops:hunter2@127.0.0.1:{}/", server.port());
    let error = fetch(HttpConfig::default(), &url).await.unwrap_err();
    assert!(server.heads()[0].contains("authorization: Basic b3BzOmh1bnRlcjI="));
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let twice = HttpConfig { bearer_token: Some(Secret::new("x")), ..HttpConfig::default() };
    let base: BaseUrl = url.parse().unwrap();
    let refused = Cluster::new(vec![base], twice, HttpOptions::default(), Dialect::Alertmanager).unwrap_err();
    assert!(
        matches!(&refused, ClusterError::TwoCredentials { url } if !url.contains("hunter2")),
        "{refused}"
    );
}

#[tokio::test]
async fn redirects_keep_the_body_or_are_not_followed() {
    let server = MockServer::start().await;
    let to = |code, target: &str| ResponseTemplate::new(code).insert_header("location", target);
    Mock::given(path("/308")).respond_with(to(308, "/end")).mount(&server).await;
    Mock::given(path("/301")).respond_with(to(301, "/end")).mount(&server).await;
    Mock::given(path("/loop")).respond_with(to(302, "/loop")).mount(&server).await;
    Mock::given(path("/end"))
        .respond_with(ResponseTemplate::new(200).set_body_string("end"))
        .mount(&server)
        .await;
    let url = |path: &str| format!("{}{path}", server.uri());
    let post = |path: &str| HttpRequest::new("POST", url(path).parse().unwrap()).json(b"[1]".to_vec());
    let client = client(HttpConfig::default());
    assert_eq!(client.fetch(get(&url("/301")), MAX).await.unwrap(), b"end");
    assert_eq!(client.fetch(post("/308"), MAX).await.unwrap(), b"end");
    let received = server.received_requests().await.unwrap();
    assert_eq!(
        received.last().map(|request| (request.method.as_str(), &request.body[..])),
        Some(("POST", &b"[1]"[..]))
    );
    let refused = client.fetch(post("/301"), MAX).await.unwrap_err().to_string();
    assert!(refused.contains("HTTP 301") && refused.contains("/end`: use that URL"), "{refused}");
    assert_eq!(client.fetch(get(&url("/loop")), MAX).await.unwrap_err().kind(), "redirects");
    let never = HttpConfig { follow_redirects: false, ..HttpConfig::default() };
    assert_eq!(fetch(never, &url("/301")).await.unwrap_err().status(), Some(301));
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_host() {
    let other = RawServer::plain(OK);
    let server = MockServer::start().await;
    let target = format!("http://localhost:{}/", other.port());
    Mock::given(header_exists("authorization"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", target.as_str()))
        .mount(&server)
        .await;
    let config = HttpConfig {
        bearer_token: Some(Secret::new("t")),
        http_headers: BTreeMap::from([(
            "X-Key".to_owned(),
            HeaderValues { secrets: vec![Secret::new("k")], ..HeaderValues::default() },
        )]),
        ..HttpConfig::default()
    };
    fetch(config, &server.uri()).await.unwrap();
    let head = other.heads().remove(0);
    assert!(!head.contains("authorization") && !head.contains("x-key"), "{head}");
}

// --- proxies

#[tokio::test]
async fn a_proxy_is_asked_with_its_own_credentials_and_headers() {
    let proxy = RawServer::plain(OK);
    let url = format!("http://u:p@127.0.0.1:{}", proxy.port());
    let config = HttpConfig {
        proxy_url: Some(Secret::new(url.clone())),
        proxy_connect_header: BTreeMap::from([("X-Via".to_owned(), vec![Secret::new("amflow")])]),
        ..HttpConfig::default()
    };
    fetch(config.clone(), "http://am.invalid:9093/api").await.unwrap();
    let error = fetch(config, "https://am.invalid/api").await.unwrap_err();
    let heads = proxy.heads();
    assert!(heads[0].starts_with("GET http://am.invalid:9093/api HTTP/1.1"), "{}", heads[0]);
    assert!(heads[1].starts_with("CONNECT am.invalid:443 HTTP/1.1"), "{}", heads[1]);
    for head in &heads {
        assert!(head.to_lowercase().contains("proxy-authorization: basic dtpw"), "{head}");
    }
    assert!(heads[1].to_lowercase().contains("x-via: amflow"), "{}", heads[1]);
    assert!(!format!("{error:?}").contains("u:p"), "{error:?}");
}

#[tokio::test]
async fn the_environments_proxy_is_used_only_when_asked_and_never_for_this_machine() {
    let (proxy, server) = (RawServer::plain(OK), RawServer::plain(OK));
    let proxy_environment = ProxyEnvironment {
        http_proxy: Some(Secret::new(format!("127.0.0.1:{}", proxy.port()))),
        ..ProxyEnvironment::default()
    };
    let options = HttpOptions { proxy_environment, ..HttpOptions::default() };
    let asked = HttpClient::new(HttpConfig::unconfigured(), options.clone());
    asked.fetch(get("http://am.invalid/"), MAX).await.unwrap();
    asked.fetch(get(&format!("http://127.0.0.1:{}/", server.port())), MAX).await.unwrap();
    assert_eq!((proxy.heads().len(), server.heads().len()), (1, 1));
    let not_asked = HttpClient::new(HttpConfig::default(), options);
    assert_eq!(not_asked.fetch(get("http://am.invalid/"), MAX).await.unwrap_err().kind(), "dns");
}

// --- TLS

struct Certificates {
    authority: Authority,
    server: Identity,
}

fn certificates(names: &[&str]) -> Certificates {
    let authority = Authority::new();
    let server = authority.sign(names);
    Certificates { authority, server }
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named_and_only_then() {
    let own = certificates(&["127.0.0.1"]);
    let server = RawServer::tls(OK, &own.server, None);
    let url = format!("https://127.0.0.1:{}/", server.port());
    let named = tls(TlsConfig { ca: Some(own.authority.pem()), ..TlsConfig::default() });
    assert_eq!(fetch(named, &url).await.unwrap(), b"[]");
    let insecure = tls(TlsConfig { insecure_skip_verify: true, ..TlsConfig::default() });
    assert_eq!(fetch(insecure, &url).await.unwrap(), b"[]");

    let wrong = tls(TlsConfig { ca: Some(Authority::new().pem()), ..TlsConfig::default() });
    let error = fetch(wrong, &url).await.unwrap_err();
    assert!(error.kind() == "tls" && error.to_string().contains("`tls_config.ca_file`"), "{error}");
    let error = fetch(HttpConfig::default(), &url).await.unwrap_err();
    assert!(error.kind() == "tls" && error.to_string().contains("ca_file"), "{error}");
}

#[tokio::test]
async fn the_name_in_the_certificate_counts_or_the_one_that_is_configured() {
    let own = certificates(&["am.internal"]);
    let server = RawServer::tls(OK, &own.server, None);
    let url = format!("https://127.0.0.1:{}/", server.port());
    let named = TlsConfig { ca: Some(own.authority.pem()), ..TlsConfig::default() };
    let error = fetch(tls(named.clone()), &url).await.unwrap_err().to_string();
    assert!(error.contains("`tls_config.server_name`"), "{error}");
    let expected = TlsConfig { server_name: Some("am.internal".into()), ..named };
    assert_eq!(fetch(tls(expected), &url).await.unwrap(), b"[]");
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_read_again_when_it_is_replaced() {
    let own = certificates(&["127.0.0.1"]);
    let server = RawServer::tls(OK, &own.server, Some(&own.authority));
    let url = format!("https://127.0.0.1:{}/", server.port());
    let anonymous = TlsConfig { ca: Some(own.authority.pem()), ..TlsConfig::default() };
    let error = fetch(tls(anonymous.clone()), &url).await.unwrap_err().to_string();
    assert!(error.contains("client certificate"), "{error}");

    let files = tempfile::tempdir().unwrap();
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    let write = |identity: &Identity| {
        fs::write(&cert, &identity.certificate).unwrap();
        fs::write(&key, &identity.key).unwrap();
    };
    write(&Authority::new().sign(&["stranger"]));
    let shown = TlsConfig { cert_file: Some(cert.clone()), key_file: Some(key.clone()), ..anonymous };
    let client = client(tls(shown.clone()));
    assert_eq!(client.fetch(get(&url), MAX).await.unwrap_err().kind(), "tls");
    write(&own.authority.sign(&["amflow"]));
    assert_eq!(client.fetch(get(&url), MAX).await.unwrap(), b"[]");

    fs::write(&key, own.authority.sign(&["other"]).key).unwrap();
    let error = fetch(tls(shown), &url).await.unwrap_err();
    assert!(error.kind() == "setup" && error.to_string().contains("key.pem"), "{error}");
}

#[tokio::test]
async fn wrong_files_and_versions_are_named() {
    let own = certificates(&["127.0.0.1"]);
    let server = RawServer::tls(OK, &own.server, None);
    let url = format!("https://127.0.0.1:{}/", server.port());
    let files = tempfile::tempdir().unwrap();
    let empty = files.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    let cases = [
        (TlsConfig { ca_file: Some(empty), ..TlsConfig::default() }, "BEGIN CERTIFICATE"),
        (TlsConfig { ca_file: Some(files.path().join("none.pem")), ..TlsConfig::default() }, "none.pem"),
        (TlsConfig { max_version: Some(TlsVersion::Tls11), ..TlsConfig::default() }, "version"),
    ];
    for (config, expected) in cases {
        let error = fetch(tls(config), &url).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let plain = RawServer::deaf("HTTP/1.1 400 Bad Request\r\n\r\n");
    let error =
        fetch(HttpConfig::default(), &format!("https://127.0.0.1:{}/", plain.port())).await.unwrap_err();
    assert_eq!(error.kind(), "tls", "{error}");
}

#[test]
fn without_any_authority_http_works_and_https_names_the_package() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client::on_a_machine_without_authorities", "--ignored"])
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "run by the test before it, in a process with another environment"]
async fn on_a_machine_without_authorities() {
    let own = certificates(&["127.0.0.1"]);
    let (plain, server) = (RawServer::plain(OK), RawServer::tls(OK, &own.server, None));
    let client = client(HttpConfig::default());
    client.fetch(get(&format!("http://127.0.0.1:{}/", plain.port())), MAX).await.unwrap();
    let error = client.fetch(get(&format!("https://127.0.0.1:{}/", server.port())), MAX).await.unwrap_err();
    assert!(
        error.kind() == "tls" && error.to_string().contains("install the package `ca-certificates`"),
        "{error}"
    );
}

// --- OAuth 2.0

fn oauth(server: &MockServer) -> HttpConfig {
    let oauth2 = OAuth2 {
        client_id: "amflow".into(),
        client_secret: Some(Secret::new("hunter2")),
        token_url: format!("{}/token", server.uri()),
        scopes: vec!["read".into(), "write".into()],
        endpoint_params: BTreeMap::from([("audience".to_owned(), "am".to_owned())]),
        ..OAuth2::default()
    };
    HttpConfig { oauth2: Some(oauth2), ..HttpConfig::default() }
}

fn token(token: &str, seconds: u32) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"access_token": token, "token_type": "bearer", "expires_in": seconds}))
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_is_refused() {
    let server = MockServer::start().await;
    let tokens = || {
        Mock::given(method("POST"))
            .and(path("/token"))
            .and(header("authorization", "Basic YW1mbG93Omh1bnRlcjI="))
    };
    tokens()
        .and(body_string_contains("scope=read+write"))
        .and(body_string_contains("audience=am"))
        .respond_with(token("t1", 3600))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    tokens().respond_with(token("t2", 3600)).expect(1).mount(&server).await;
    let api = |bearer: &str| Mock::given(path("/api")).and(header("authorization", bearer));
    api("Bearer t1").respond_with(ResponseTemplate::new(200)).up_to_n_times(2).mount(&server).await;
    api("Bearer t1").respond_with(ResponseTemplate::new(401)).mount(&server).await;
    api("Bearer t2").respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
    let client = client(oauth(&server));
    for _ in 0..3 {
        client.fetch(get(&format!("{}/api", server.uri())), MAX).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_expires_is_not_used_in_its_last_moments() {
    let server = MockServer::start().await;
    Mock::given(path("/token")).respond_with(token("t", 5)).expect(2).mount(&server).await;
    Mock::given(path("/api")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = client(oauth(&server));
    for _ in 0..2 {
        client.fetch(get(&format!("{}/api", server.uri())), MAX).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let server = MockServer::start().await;
    Mock::given(path("/token"))
        .and(header_exists("authorization"))
        .respond_with(ResponseTemplate::new(401))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/token"))
        .and(body_string_contains("client_id=amflow"))
        .and(body_string_contains("client_secret=hunter2"))
        .respond_with(token("t", 5))
        .expect(2)
        .mount(&server)
        .await;
    Mock::given(path("/api")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = client(oauth(&server));
    for _ in 0..2 {
        client.fetch(get(&format!("{}/api", server.uri())), MAX).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_is_not_given_is_told_without_the_secret() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(400)
        .set_body_json(json!({"error": "invalid_client", "error_description": "unknown client"}));
    Mock::given(path("/token")).respond_with(answer).mount(&server).await;
    let error = fetch(oauth(&server), &format!("{}/api", server.uri())).await.unwrap_err();
    assert!(error.kind() == "token" && error.to_string().contains("unknown client"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

// --- what is said when something is wrong

#[tokio::test]
async fn what_failed_is_told_by_its_kind() {
    let (listener, silent) = silent_port();
    let short = HttpOptions { timeout: Duration::from_millis(50), ..HttpOptions::default() };
    let silent = HttpClient::new(HttpConfig::default(), short)
        .fetch(get(&format!("http://127.0.0.1:{silent}/")), MAX)
        .await
        .unwrap_err();
    drop(listener);
    assert_eq!((silent.kind(), silent.may_have_acted()), ("timeout", true), "{silent}");
    assert!(silent.to_string().contains("50ms"), "{silent}");
    let refused =
        fetch(HttpConfig::default(), &format!("http://127.0.0.1:{}/", free_port())).await.unwrap_err();
    assert_eq!((refused.kind(), refused.may_have_acted(), refused.is_transient()), ("refused", false, true));
    let dns = fetch(HttpConfig::default(), "http://no.such.host.invalid/x?secret=1").await.unwrap_err();
    assert!(dns.kind() == "dns" && dns.to_string().contains("`no.such.host.invalid`"), "{dns}");
    assert!(!dns.to_string().contains("secret"), "{dns}");
    let half = RawServer::plain("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    let broken =
        fetch(HttpConfig::default(), &format!("http://127.0.0.1:{}/", half.port())).await.unwrap_err();
    assert_eq!((broken.kind(), broken.may_have_acted()), ("broken", true), "{broken}");
}

#[tokio::test]
async fn bodies_are_limited_and_errors_quote_their_beginning() {
    let server = MockServer::start().await;
    Mock::given(path("/big"))
        .respond_with(ResponseTemplate::new(200).set_body_string("x".repeat(5000)))
        .mount(&server)
        .await;
    let sad =
        ResponseTemplate::new(500).set_body_string(format!("out of\n\u{1b}[31mcheese {}", "y".repeat(500)));
    Mock::given(path("/sad")).respond_with(sad).mount(&server).await;
    let url = |path: &str| format!("{}{path}", server.uri());
    assert_eq!(fetch(HttpConfig::default(), &url("/big")).await.unwrap_err().kind(), "too_large");
    let mut response = client(HttpConfig::default()).send(get(&url("/big"))).await.unwrap();
    let (start, cut) = response.body_up_to(10).await.unwrap();
    assert_eq!((start.len(), cut), (10, Cut::Longer));
    let error = fetch(HttpConfig::default(), &url("/sad")).await.unwrap_err().to_string();
    assert!(
        error.contains("HTTP 500 Internal Server Error: out of [31mcheese") && error.len() < 400,
        "{error}"
    );
}

// --- Prometheus

#[tokio::test]
async fn prometheus_is_asked_by_post_and_its_errors_are_told() {
    let server = MockServer::start().await;
    let found = json!({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, "+Inf"]}]}});
    Mock::given(method("POST"))
        .and(path("/prom/api/v1/query"))
        .and(body_string_contains("query=up%7Ba%3D%22b%22%7D&time=1.500"))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .mount(&server)
        .await;
    let bad = json!({"status": "error", "errorType": "bad_data", "error": "exceeded maximum resolution of 11,000 points per timeseries"});
    Mock::given(path("/prom/api/v1/query_range"))
        .and(body_string_contains("step=0.5"))
        .respond_with(ResponseTemplate::new(400).set_body_json(bad))
        .mount(&server)
        .await;
    let base: BaseUrl = format!("{}/prom/", server.uri()).parse().unwrap();
    let prometheus = Prometheus::new(base, HttpConfig::default(), HttpOptions::default()).unwrap();
    let at = Timestamp::from_millisecond(1500).unwrap();
    assert_eq!(prometheus.query("up{a=\"b\"}", Some(at)).await.unwrap().first_value(), Some("+Inf"));
    let error = prometheus.query_range("up", at, at, Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(&error, PrometheusError::Query { kind, .. } if kind == "bad_data"), "{error}");
    assert!(error.to_string().contains("longer step"), "{error}");
    let elsewhere =
        Prometheus::new(server.uri().parse().unwrap(), HttpConfig::default(), HttpOptions::default())
            .unwrap();
    let error = elsewhere.query("up", None).await.unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("path prefix"), "{error}");
}

#[tokio::test]
async fn prometheus_alerts_are_read_and_a_proxy_that_refuses_posts_is_asked_by_get() {
    let server = MockServer::start().await;
    let alerts = json!({"status": "success", "data": {"alerts": [
        {"labels": {"alertname": "A"}, "annotations": {}, "state": "firing", "activeAt": "2026-01-01T00:00:00.123456789Z", "value": "1e+00"},
        {"labels": {"alertname": "B"}, "annotations": {}, "state": "pending", "activeAt": "2026-01-01T00:00:00Z", "value": "1e+00"},
    ]}});
    Mock::given(path("/api/v1/alerts"))
        .respond_with(ResponseTemplate::new(200).set_body_json(alerts))
        .mount(&server)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(405)).mount(&server).await;
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "3"]}});
    Mock::given(method("GET"))
        .and(path("/api/v1/query"))
        .respond_with(ResponseTemplate::new(200).set_body_json(scalar))
        .mount(&server)
        .await;
    let prometheus =
        Prometheus::new(server.uri().parse().unwrap(), HttpConfig::default(), HttpOptions::default())
            .unwrap();
    let (alerts, stats) = prometheus.alerts(Timestamp::now()).await.unwrap();
    assert_eq!((alerts.len(), alerts[0].name(), stats.pending), (1, "A", 1));
    assert_eq!(prometheus.query("3", None).await.unwrap().first_value(), Some("3"));
}

// --- the stand-in, and a cluster when things go wrong

/// A clock that tests move.
#[derive(Clone)]
struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap())))
    }

    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn forward(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    fn clock(&self) -> StandInClock {
        let hand = self.clone();
        Arc::new(move || hand.now())
    }

    fn later(&self, seconds: i64) -> Timestamp {
        self.now() + SignedDuration::from_secs(seconds)
    }
}

async fn port() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
}

async fn stand_in(hand: &Hand) -> StandIn {
    StandIn::start(port().await, hand.clock(), StandInOptions::default()).unwrap()
}

fn cluster(stand_ins: &[&StandIn]) -> Cluster {
    let peers = stand_ins.iter().map(|one| one.url().parse().unwrap()).collect();
    let options = HttpOptions { timeout: Duration::from_secs(5), ..HttpOptions::default() };
    Cluster::new(peers, HttpConfig::default(), options, Dialect::Alertmanager).unwrap()
}

fn alert(hand: &Hand, name: &str) -> PostableAlert {
    PostableAlert {
        labels: LabelSet::from([("alertname", name), ("instance", "x")]),
        annotations: BTreeMap::new(),
        starts_at: hand.now(),
        ends_at: hand.later(600),
        generator_url: String::new(),
    }
}

fn silence(hand: &Hand, name: &str, comment: &str) -> PostableSilence {
    PostableSilence {
        id: None,
        matchers: vec![Matcher::equal("alertname", name)],
        starts_at: hand.now(),
        ends_at: hand.later(300),
        created_by: "amflow".into(),
        comment: comment.into(),
        annotations: BTreeMap::new(),
    }
}

async fn fingerprints(cluster: &Cluster, hand: &Hand) -> Vec<(String, &'static str)> {
    let read = cluster.alerts(&AlertQuery::default(), hand.now()).await.unwrap();
    let mut all: Vec<_> = read.alerts.iter().map(|alert| (alert.name().to_owned(), alert.state())).collect();
    all.sort();
    all
}

#[tokio::test]
async fn the_stand_in_mutes_lets_leases_lapse_and_forgets_on_restart() {
    let hand = Hand::new();
    let one = stand_in(&hand).await;
    let cluster = cluster(&[&one]);
    let target = alert(&hand, "A");
    let mut source = target.clone();
    source.labels.insert("amflow_state", "running");
    source.ends_at = hand.later(60);
    for answer in cluster.post_alerts(&[target.clone(), source]).await.unwrap() {
        answer.result.unwrap();
    }
    let states = |state| vec![("A".to_owned(), "active"), ("A".to_owned(), state)];
    assert_eq!(fingerprints(&cluster, &hand).await, states("suppressed"));
    hand.forward(61);
    assert_eq!(fingerprints(&cluster, &hand).await, [("A".to_owned(), "active")], "the lease has lapsed");
    let id = cluster.create_silence(&silence(&hand, "A", "m"), "m").await.unwrap();
    assert_eq!(fingerprints(&cluster, &hand).await, [("A".to_owned(), "suppressed")]);
    hand.forward(200);
    assert_eq!(cluster.extend_silence(&id, hand.later(300)).await.unwrap(), id);
    one.restart();
    assert!(fingerprints(&cluster, &hand).await.is_empty());
    let read = cluster.alerts(&AlertQuery::default(), hand.now()).await.unwrap();
    // Its clock tells no fractions: what it says is taken for a second later.
    let answered = Some(hand.later(1));
    assert_eq!(read.peers[0].result, PeerResult::Complete { count: 0, started: Some(hand.now()), answered });
    assert_eq!(one.silences().len(), 1);
    one.put(&alert(&hand, "B")).unwrap();
    one.resolve(&alert(&hand, "B").labels);
    assert!(one.alerts().is_empty());
    assert!(
        one.requests().iter().any(|request| request.method == "POST" && request.path == "/api/v2/alerts")
    );
}

#[tokio::test]
async fn a_silence_is_made_once_although_the_first_answer_is_lost() {
    let hand = Hand::new();
    let one = stand_in(&hand).await;
    let two = one.start_peer(port().await).unwrap();
    let cluster = cluster(&[&one, &two]);
    one.fail(FaultRule::once(Fault::HalfBody, "POST", "/silences"));
    let id = cluster.create_silence(&silence(&hand, "A", "by run-1/mute"), "run-1/mute").await.unwrap();
    assert_eq!(one.silences().into_iter().map(|silence| silence.id).collect::<Vec<_>>(), [id]);
    // It is looked up where the answer was lost; if that peer is gone, at the others.
    one.fail(FaultRule::once(Fault::HalfBody, "POST", "/silences"));
    one.fail(FaultRule {
        times: None,
        ..FaultRule::once(Fault::Status(502, "bad gateway".into()), "GET", "")
    });
    let id = cluster.create_silence(&silence(&hand, "A", "by run-2/mute"), "run-2/mute").await.unwrap();
    assert_eq!(two.silences().len(), 2);
    // And where nothing was done it is made at the other one.
    one.fail(FaultRule::once(Fault::Status(502, "bad gateway".into()), "POST", "/silences"));
    let other = cluster.create_silence(&silence(&hand, "A", "by run-3/mute"), "run-3/mute").await.unwrap();
    assert_eq!(two.silences().len(), 3);
    assert_ne!(id, other);
}

#[tokio::test]
async fn while_one_peer_answers_the_others_failures_are_warnings_that_say_what_to_do() {
    let hand = Hand::new();
    let one = stand_in(&hand).await;
    let two = one.start_peer(port().await).unwrap();
    let cluster = cluster(&[&one, &two]);
    for stand_in in [&one, &two] {
        for name in ["A", "B", "C"] {
            stand_in.put(&alert(&hand, name)).unwrap();
        }
    }
    let cases = [
        (Fault::Html, "web page, not JSON"),
        (Fault::HalfBody, "broke off"),
        (Fault::Status(401, "Unauthorized".into()), "http_config"),
        (Fault::Status(404, "404 page not found".into()), "path prefix"),
        (Fault::Status(503, "Limit of concurrent GET requests reached (8)".into()), "get-concurrency"),
        (Fault::Refuse, "GET http://127.0.0.1"),
    ];
    for (fault, expected) in cases {
        one.fail(FaultRule::always(fault.clone()));
        let read = cluster.alerts(&AlertQuery::default(), hand.now()).await.unwrap();
        assert_eq!(read.alerts.len(), 3, "{fault:?}");
        assert!(
            matches!(&read.peers[..], [first, second] if matches!(first.result, PeerResult::Failed(_)) && matches!(second.result, PeerResult::Complete { count: 3, .. })),
            "{read:?}"
        );
        assert!(
            read.warnings.iter().any(|warning| warning.contains(expected)),
            "{fault:?}: {:?}",
            read.warnings
        );
        assert_eq!(cluster.silences(&[]).await.unwrap().silences.len(), 0, "{fault:?}");
        one.heal();
    }
    one.fail(FaultRule::always(Fault::Html));
    two.fail(FaultRule::always(Fault::HalfBody));
    let error = cluster.alerts(&AlertQuery::default(), hand.now()).await.unwrap_err();
    assert!(error.to_string().starts_with("none of 2 Alertmanagers answered"), "{error}");
}

#[tokio::test]
async fn a_busy_peer_is_asked_again_and_a_slow_one_is_given_up() {
    let hand = Hand::new();
    let one = stand_in(&hand).await;
    let cluster = cluster(&[&one]);
    let busy = Fault::Status(503, "Limit of concurrent GET requests reached (8)".into());
    one.fail(FaultRule::once(busy, "GET", "/alerts"));
    assert!(cluster.alerts(&AlertQuery::default(), hand.now()).await.unwrap().warnings.is_empty());
    one.fail(FaultRule::always(Fault::Delay(Duration::from_secs(60))));
    let options = HttpOptions { timeout: Duration::from_millis(100), ..HttpOptions::default() };
    let hasty =
        Cluster::new(vec![one.url().parse().unwrap()], HttpConfig::default(), options, Dialect::Alertmanager)
            .unwrap();
    let error = hasty.alerts(&AlertQuery::default(), hand.now()).await.unwrap_err();
    assert!(error.to_string().contains("within 100ms"), "{error}");
}

#[tokio::test]
async fn filters_and_states_mean_the_same_for_one_peer_and_for_two() {
    let hand = Hand::new();
    let one = stand_in(&hand).await;
    let two = one.start_peer(port().await).unwrap();
    for stand_in in [&one, &two] {
        stand_in.put(&alert(&hand, "A")).unwrap();
        stand_in.put(&alert(&hand, "B")).unwrap();
    }
    let (alone, both) = (cluster(&[&one]), cluster(&[&one, &two]));
    both.create_silence(&silence(&hand, "A", "m"), "m").await.unwrap();
    let all = AlertQuery::default();
    let queries = [
        (all.clone(), 2),
        (AlertQuery { silenced: false, ..all.clone() }, 1),
        (AlertQuery { active: false, ..all.clone() }, 1),
        (AlertQuery { filters: vec![Matcher::equal("alertname", "B")], ..all.clone() }, 1),
        (AlertQuery { receiver: Some("def.*".into()), ..all.clone() }, 2),
        (AlertQuery { receiver: Some("def".into()), ..all.clone() }, 0),
    ];
    for (query, expected) in queries {
        for cluster in [&alone, &both] {
            assert_eq!(cluster.alerts(&query, hand.now()).await.unwrap().alerts.len(), expected, "{query:?}");
        }
    }
    let bad = AlertQuery { receiver: Some("(".into()), ..all };
    assert!(alone.alerts(&bad, hand.now()).await.unwrap_err().to_string().contains("receiver"));
}

#[tokio::test]
async fn grafana_is_refused_what_it_does_not_take_and_its_201_and_202_are_successes() {
    let server = MockServer::start().await;
    let base = "/api/alertmanager/grafana/api/v2";
    let made = json!({"silenceID": "11111111-2222-3333-4444-555555555555"});
    Mock::given(method("POST"))
        .and(path(format!("{base}/silences")))
        .respond_with(ResponseTemplate::new(202).set_body_json(made))
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"message": "silence deleted"})))
        .mount(&server)
        .await;
    let url: BaseUrl = format!("{}/api/alertmanager/grafana", server.uri()).parse().unwrap();
    let grafana =
        Cluster::new(vec![url], HttpConfig::default(), HttpOptions::default(), Dialect::Grafana).unwrap();
    let hand = Hand::new();
    let id = grafana.create_silence(&silence(&hand, "A", "m"), "m").await.unwrap();
    assert_eq!(grafana.expire_silence(&id).await.unwrap(), Expired::Done);
    let refused = grafana.post_alerts(&[alert(&hand, "A")]).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Unsupported(text) if text.contains("Grafana")), "{refused}");
}
