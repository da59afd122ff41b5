//! Where Alertmanager is and how to talk to it, as the configuration file says: credentials, certificates, paths,
//! peers of which one is dead.

use std::fs;

use serde_json::json;

use crate::support::alertmanager::{Alertmanager, CONFIG, free_port};
use crate::support::http::RawServer;
use crate::support::lab::Lab;
use crate::support::tls::Authority;

const EMPTY: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
const TOKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 69\r\nConnection: close\r\n\r\n\
                     {\"access_token\":\"fetched-token\",\"token_type\":\"Bearer\",\"expires_in\":9}";
const LOOKS: &str = "matchers: [alertname = A]\nsteps:\n  - exec: [sh, -c, 'echo x >> ran']\n";

/// Returns a lab whose configuration names a server, with more under `alertmanager`.
fn lab(url: &str, more: &str) -> Lab {
    let lab = Lab::alone();
    lab.playbook("p", LOOKS);
    lab.configure(&format!("alertmanager:\n  urls: ['{url}']\n{more}"));
    lab
}

#[test]
fn credentials_and_headers_of_the_configuration_reach_the_server() {
    for (more, expected) in [
        ("  http_config: {basic_auth: {username: u, password: p}}\n", "authorization: basic dtpw"),
        (
            "  http_config: {basic_auth: {username: u, password_file: secret}}\n",
            "authorization: basic dtpmcm9tlwzpbgu=",
        ),
        ("  http_config: {authorization: {credentials_file: secret}}\n", "authorization: bearer from-file"),
        ("  http_config: {authorization: {type: Token, credentials: abc}}\n", "authorization: token abc"),
        ("  http_config: {bearer_token_file: secret}\n", "authorization: bearer from-file"),
        ("  http_config: {http_headers: {X-Extra: {values: [one]}}}\n", "x-extra: one"),
        ("  tenant: team-a\n", "x-scope-orgid: team-a"),
    ] {
        let server = RawServer::plain(EMPTY);
        let lab = lab(&format!("http://127.0.0.1:{}/base", server.port()), more);
        lab.write("secret", "from-file\n");
        let outcome = lab.run("run --poll -v").code(0).says("0 alerts read");
        assert!(
            !outcome.stderr.contains("from-file") && !outcome.stderr.contains("abc"),
            "{}",
            outcome.stderr
        );
        let heads = server.heads().join("\n").to_lowercase();
        assert!(heads.contains(expected), "`{expected}` is not in\n{heads}");
        assert!(heads.contains("get /base/api/v2/alerts"), "{heads}");
    }
}

#[test]
fn a_token_is_fetched_with_the_credentials_of_the_client() {
    let (tokens, server) = (RawServer::plain(TOKEN), RawServer::plain(EMPTY));
    let more = format!(
        "  http_config:\n    oauth2: {{client_id: me, client_secret_file: secret, scopes: [alerts], token_url: 'http://127.0.0.1:{}/token'}}\n",
        tokens.port()
    );
    let lab = lab(&format!("http://127.0.0.1:{}", server.port()), &more);
    lab.write("secret", "from-file\n");
    lab.run("run --poll").code(0).says("0 alerts read");
    assert!(tokens.heads().join("").starts_with("POST /token"), "{:?}", tokens.heads());
    let heads = server.heads().join("\n").to_lowercase();
    assert!(heads.contains("authorization: bearer fetched-token"), "{heads}");

    // A token endpoint that is away is named, and not the Alertmanager alone.
    let dead = free_port();
    lab.configure(&format!(
        "alertmanager:\n  urls: ['http://127.0.0.1:{}']\n  http_config:\n    oauth2: {{client_id: me, client_secret: s3cret, token_url: 'http://127.0.0.1:{dead}/token'}}\n",
        server.port()
    ));
    let outcome = lab.run("run --poll").code(3).says(&format!("http://127.0.0.1:{dead}/token"));
    assert!(!outcome.stderr.contains("s3cret"));
}

#[test]
fn every_process_fetches_a_token_of_its_own() {
    let (tokens, server) = (RawServer::plain(TOKEN), RawServer::plain(EMPTY));
    let oauth = format!(
        "  http_config:\n    oauth2: {{client_id: me, client_secret: s3cret, token_url: 'http://127.0.0.1:{}/token'}}\n",
        tokens.port()
    );
    let lab = lab(&format!("http://127.0.0.1:{}", server.port()), &oauth);
    for polls in 1..=2 {
        lab.run("run --poll").code(0);
        assert!(tokens.heads().len() >= polls, "{:?}", tokens.heads());
    }
    assert!(server.heads().iter().all(|head| head.to_lowercase().contains("bearer fetched-token")));
}

#[test]
fn the_name_of_the_configuration_counts_in_a_certificate() {
    let authority = Authority::new();
    let server = RawServer::tls(EMPTY, &authority.sign(&["am.internal"]), None);
    let url = format!("https://localhost:{}", server.port());
    let lab = lab(&url, "  http_config: {tls_config: {ca_file: ca.pem, server_name: am.internal}}\n");
    lab.write("ca.pem", &authority.pem());
    lab.run("run --poll").code(0).says("0 alerts read");
    for (more, code) in [
        ("{tls_config: {ca_file: ca.pem}}", 3),
        ("{tls_config: {ca_file: ca.pem, server_name: other.internal}}", 3),
        ("{tls_config: {insecure_skip_verify: true}}", 0),
    ] {
        lab.configure(&format!("alertmanager:\n  urls: ['{url}']\n  http_config: {more}\n"));
        lab.run("run --poll").code(code);
    }
}

#[test]
fn polls_go_through_the_proxy_of_the_configuration_but_for_what_it_leaves_out() {
    let (proxy, server) = (RawServer::plain(EMPTY), RawServer::plain(EMPTY));
    let url = format!("http://127.0.0.1:{}", server.port());
    let through = format!("proxy_url: 'http://u:p@127.0.0.1:{}'", proxy.port());
    let lab = lab(&url, &format!("  http_config: {{{through}}}\n"));
    lab.run("run --poll").code(0).says("0 alerts read");
    let head = proxy.heads().join("");
    assert!(head.starts_with(&format!("GET {url}/api/v2/alerts")), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic dtpw"), "{head}");
    assert!(server.heads().is_empty());

    let asked = proxy.heads().len();
    lab.configure(&format!(
        "alertmanager:\n  urls: ['{url}']\n  http_config: {{{through}, no_proxy: '127.0.0.0/8'}}\n"
    ));
    lab.run("run --poll").code(0).says("0 alerts read");
    assert_eq!(proxy.heads().len(), asked);
    assert!(!server.heads().is_empty());
}

#[test]
fn redirects_are_followed_unless_the_configuration_says_no() {
    let target = RawServer::plain(EMPTY);
    let moved = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{}/api/v2/alerts\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        target.port()
    );
    let server = RawServer::plain(Box::leak(moved.into_boxed_str()));
    let url = format!("http://127.0.0.1:{}", server.port());
    let lab = lab(&url, "  http_config: {follow_redirects: true}\n");
    lab.run("run --poll").code(0).says("0 alerts read");
    let asked = target.heads().len();
    assert!(asked > 0);
    lab.configure(&format!("alertmanager:\n  urls: ['{url}']\n  http_config: {{follow_redirects: false}}\n"));
    lab.run("run --poll").code(3).says("307");
    assert_eq!(target.heads().len(), asked);
}

#[test]
fn files_of_credentials_that_are_not_there_are_named_and_nothing_is_started() {
    let server = RawServer::plain(EMPTY);
    let url = format!("http://127.0.0.1:{}", server.port());
    for more in [
        "{basic_auth: {username: u, password_file: gone}}",
        "{basic_auth: {username_file: gone, password: p}}",
        "{authorization: {credentials_file: gone}}",
        "{bearer_token_file: gone}",
        "{oauth2: {client_id: a, client_secret_file: gone, token_url: 'http://127.0.0.1:9/token'}}",
        "{http_headers: {X-Extra: {files: [gone]}}}",
        "{tls_config: {ca_file: gone}}",
    ] {
        let lab = lab(&url, &format!("  http_config: {more}\n"));
        lab.run("run --poll").code(3).says("gone").says("No such file");
        assert!(
            server.heads().is_empty() && !lab.path("store").exists() && !lab.path("ran").exists(),
            "{more}"
        );
    }
}

#[test]
fn a_server_that_wants_a_certificate_gets_that_of_the_configuration() {
    let authority = Authority::new();
    let server = RawServer::tls(EMPTY, &authority.sign(&["localhost"]), Some(&authority));
    let client = authority.sign(&["amflow"]);
    let url = format!("https://localhost:{}", server.port());
    let lab = lab(
        &url,
        "  http_config: {tls_config: {ca_file: tls/ca.pem, cert_file: tls/cert.pem, key_file: tls/key.pem}}\n",
    );
    fs::create_dir(lab.path("tls")).unwrap();
    lab.write("tls/ca.pem", &authority.pem());
    lab.write("tls/cert.pem", &client.certificate);
    lab.write("tls/key.pem", &client.key);
    lab.run("run --poll").code(0).says("0 alerts read");

    for (more, says) in [
        ("  http_config: {tls_config: {ca_file: tls/ca.pem}}\n", "certificate"),
        ("", "certificate"),
        ("  http_config: {tls_config: {ca_file: tls/nothing.pem}}\n", "tls/nothing.pem"),
    ] {
        lab.configure(&format!("alertmanager:\n  urls: ['{url}']\n{more}"));
        let outcome = lab.run("run --poll");
        assert!(matches!(outcome.code, 2 | 3), "{}", outcome.stderr);
        outcome.says(says);
    }
}

#[test]
fn an_alertmanager_under_a_path_is_worked_with_there() {
    let am = Alertmanager::start_with(CONFIG, &["--web.route-prefix=/deep/am"]);
    let lab = lab(&format!("{}/deep/am/", am.url()), "");
    am.post("/deep/am/api/v2/alerts", &json!([{"labels": {"alertname": "A"}}]).to_string());
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    // Without its path it is none, and the message says what to look at.
    lab.run(&format!("run --poll --alertmanager.url {}", am.url())).code(3).says("path prefix");
}

#[test]
fn one_of_two_peers_may_be_dead() {
    let mut lab = Lab::alone();
    let am = Alertmanager::start(CONFIG);
    let dead = free_port();
    lab.configure(&format!("alertmanager:\n  urls: ['http://127.0.0.1:{dead}', '{}']\n", am.url()));
    lab.playbook("p", &format!("sync: {{inhibit: true}}\n{LOOKS}"));
    lab.am = Some(am);
    lab.fire(&[json!({"alertname": "A"})]);
    lab.run("run --poll")
        .code(0)
        .says("1 run, 1 succeeded")
        .says(&format!(
        "warning: one of 2 Alertmanagers did not answer: GET http://127.0.0.1:{dead}/api/v2/alerts: connection refused"
    ));
    assert!(lab.alerts("amflow_state", "running").is_empty());
    lab.am.as_mut().unwrap().kill();
    lab.run("run --poll").code(3).says("none of 2 Alertmanagers answered");
}

#[test]
fn with_nothing_configured_amtools_own_file_says_where_alertmanager_is() {
    let mut lab = Lab::alone();
    let am = Alertmanager::start(CONFIG);
    lab.playbook("p", LOOKS);
    for place in [".config/amtool", ".config/prometheus"] {
        fs::create_dir_all(lab.path(place)).unwrap();
    }
    lab.run("run --poll").code(2).says("no Alertmanager is configured").says("--alertmanager.url");
    lab.write(
        ".config/amtool/config.yml",
        &format!("alertmanager.url: {}\noutput: json\nauthor: me\n", am.url()),
    );
    lab.am = Some(am);
    lab.fire(&[json!({"alertname": "A"})]);
    lab.run("run --poll").code(0).says("1 run, 1 succeeded");
    fs::rename(lab.path(".config/amtool/config.yml"), lab.path(".config/prometheus/amtool.yml")).unwrap();
    lab.run("run --poll").code(0).says("1 already done");
}
