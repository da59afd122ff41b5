//! `amflow serve` with TLS: who is let in by which certificate, and certificates that are renewed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::serve::{Served, playbook, webhook};
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;
use crate::support::tls::{Authority, Identity};

fn lab(authority: &Authority, server: &str) -> Lab {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo fixed >> out"));
    renew(&lab, authority, &["127.0.0.1", "localhost"]);
    lab.write("ca.pem", &authority.pem());
    lab.write("token", "t0ken\n");
    lab.configure(&format!("server: {{{server}}}\n"));
    lab
}

fn renew(lab: &Lab, authority: &Authority, names: &[&str]) {
    let identity = authority.sign(names);
    lab.write("server.pem", &identity.certificate);
    lab.write("server.key", &identity.key);
}

const TLS: &str = "tls: {cert_file: server.pem, key_file: server.key";

/// A client that trusts an authority, with or without a certificate of its own.
fn client(trusts: &Authority, own: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Arc::new(config)
}

/// Posts a delivery as this client, and returns the status; 0 when there was no connection.
fn post(served: &Served, config: &Arc<ClientConfig>, name: &'static str, headers: &str) -> u16 {
    let connection = ClientConnection::new(Arc::clone(config), ServerName::try_from(name).unwrap()).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let body = webhook(&[("x", "firing")]).to_string();
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
        return 0;
    }
    let mut answer = Vec::new();
    // Some end without saying goodbye.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn who_has_which_certificate_is_let_in_or_not() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let alertmanager = ours.sign(&["alertmanager.example.com"]);
    let other = ours.sign(&["other.example.com"]);
    let stranger = theirs.sign(&["alertmanager.example.com"]);
    let required = format!("{TLS}, client_ca_file: ca.pem}}");
    let optional = format!("{TLS}, client_ca_file: ca.pem, client_auth: optional}}");
    let named = "auth: [{certificate: {names: [alertmanager.example.com]}}, {bearer: {file: token}}]";
    let (token, nothing) = ("authorization: Bearer t0ken\r\n", "");
    // Server, then what a client without, with the right, with another and with a stranger's certificate gets.
    for (server, headers, wanted) in [
        (format!("{TLS}}}"), nothing, [200, 200, 200, 200]),
        (format!("{TLS}}}, auth: [{{bearer: {{file: token}}}}]"), nothing, [401, 401, 401, 401]),
        (format!("{TLS}}}, auth: [{{bearer: {{file: token}}}}]"), token, [200, 200, 200, 200]),
        (required.clone(), nothing, [0, 200, 200, 0]),
        (format!("{required}, auth: [{{bearer: {{file: token}}}}]"), nothing, [0, 401, 401, 0]),
        (format!("{required}, {named}"), nothing, [0, 200, 401, 0]),
        (format!("{required}, auth: [{{certificate: {{}}}}]"), nothing, [0, 200, 200, 0]),
        (format!("{optional}, {named}"), nothing, [401, 200, 401, 0]),
        (format!("{optional}, {named}"), token, [200, 200, 200, 0]),
    ] {
        let lab = lab(&ours, &server);
        let served = Served::start(&lab, "");
        let clients = [None, Some(&alertmanager), Some(&other), Some(&stranger)];
        let got = clients.map(|own| post(&served, &client(&ours, own), "localhost", headers));
        assert_eq!(got, wanted, "{server} {headers}");
        // Whoever speaks no TLS, or trusts somebody else, gets nothing.
        assert_eq!(served.get("/-/healthy").0, 0, "{server}");
        assert_eq!(post(&served, &client(&theirs, None), "localhost", headers), 0, "{server}");
    }
}

#[test]
fn a_renewed_certificate_counts_without_a_restart_and_a_broken_one_does_not() {
    let ours = Authority::new();
    let lab = lab(&ours, &format!("{TLS}}}"));
    let served = Served::start(&lab, "");
    let client = client(&ours, None);
    assert_eq!(post(&served, &client, "localhost", ""), 200);
    lab.write("server.pem", "nonsense\n");
    wait_until("it says so", || {
        assert_eq!(post(&served, &client, "localhost", ""), 200);
        lab.read("serve.log").contains("the one before stays in force")
    });
    assert_eq!(post(&served, &client, "localhost", ""), 200);
    renew(&lab, &ours, &["renewed.example.com"]);
    wait_until("the renewed one is shown", || {
        post(&served, &client, "renewed.example.com", "") == 200
            && post(&served, &client, "localhost", "") == 0
    });
    wait_until("it says that, and that nobody has to look", || {
        lab.read("serve.log").contains("Z info certificate and key were read again")
    });
}

#[test]
fn what_cannot_let_anybody_in_or_lets_everybody_in_is_refused() {
    let ours = Authority::new();
    for (server, says) in [
        (format!("listen: ['0.0.0.0:0'], {TLS}}}"), "everybody would be let in"),
        (
            format!("listen: ['0.0.0.0:0'], {TLS}, client_ca_file: ca.pem, client_auth: optional}}"),
            "everybody would be let in",
        ),
        (format!("{TLS}, client_auth: required}}"), "nobody can have a certificate"),
        (format!("{TLS}}}, auth: [{{certificate: {{}}}}]"), "cannot be verified"),
        (format!("{TLS}}}, auth: [{{name: x}}]"), "give one of"),
        (format!("{TLS}}}, auth: [{{bearer: {{file: token}}, certificate: {{}}}}]"), "give one of"),
        ("tls: {cert_file: missing.pem, key_file: server.key}".to_owned(), "cannot speak TLS"),
        ("tls: {cert_file: ca.pem, key_file: server.key}".to_owned(), "cannot speak TLS"),
        ("max_body: 0".to_owned(), "at least 1"),
        ("header_timeout: 0s".to_owned(), "more than no time"),
        ("body_timeout: soon".to_owned(), "body_timeout"),
    ] {
        let lab = lab(&ours, &server);
        lab.run("serve").code(2).says(says);
    }
    let lab = lab(&ours, &format!("listen: ['0.0.0.0:0'], {TLS}, client_ca_file: ca.pem}}"));
    let mut child = lab.start("serve");
    wait_until("it needs certificates, and listens", || child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}
