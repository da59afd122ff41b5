//! A server that shows what a client really sends, with or without TLS. Main type: [`RawServer`].

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::tls::{Authority, Identity};

/// Answers every request on its own connection with the same bytes, and keeps the heads of the requests.
pub(crate) struct RawServer {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    /// Answers without TLS.
    pub(crate) fn plain(answer: &'static str) -> Self {
        Self::run(answer, None)
    }

    /// Answers whatever comes, as a server of another protocol does.
    pub(crate) fn deaf(answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                // The client may be gone already.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { port, heads: Arc::default() }
    }

    /// Answers with TLS; with an authority only clients that it vouches for.
    pub(crate) fn tls(answer: &'static str, identity: &Identity, clients: Option<&Authority>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        Self::run(answer, Some(Arc::new(builder.with_single_cert(chain, key).unwrap())))
    }

    fn run(answer: &'static str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heads);
        // It ends with the tests: it waits for a connection that never comes.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                match &tls {
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(&mut StreamOwned::new(connection, stream), answer, &kept);
                    }
                    None => serve(&mut { stream }, answer, &kept),
                }
            }
        });
        Self { port, heads }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads one head, keeps it and answers: whoever has the answer finds the head. A client that goes away before is
/// none.
fn serve(stream: &mut (impl Read + Write), answer: &str, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    // The client may be gone already.
    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
}

/// Returns a port that takes connections and says nothing, for as long as the listener lives.
pub(crate) fn silent_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
