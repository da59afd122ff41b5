//! [`ServerOptions`]: how the server listens, and what it bears.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How the server listens, and what it bears.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Addresses.
    pub listen: Vec<SocketAddr>,
    /// The path before all others: empty, or beginning with a slash and not ending in one.
    pub prefix: String,
    /// The address that people reach it by, with the prefix, without a slash at its end: for links.
    pub external_url: Option<String>,
    /// Certificates, when it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Bytes of a body, at most.
    pub max_body: u64,
    /// How long the head of a request, or a handshake, may take; idle connections are closed after it.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a client may not read what it is answered.
    pub write_timeout: Duration,
    /// Connections at the same time; more wait in the system's queue. At most half of the files that the
    /// process may have open.
    pub connections: usize,
    /// Requests a second that one client may make, in the mean; `None`: as many as it likes.
    pub rate: Option<u32>,
}

/// Files of a TLS server, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, and those between it and the root.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// Who signs clients' certificates.
    pub client_ca_file: Option<PathBuf>,
    /// Whether every client needs a certificate; else those without one need another credential.
    pub client_required: bool,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 9096))],
            prefix: String::new(),
            external_url: None,
            tls: None,
            max_body: 64 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            connections: 1_024,
            rate: None,
        }
    }
}

impl ServerOptions {
    /// Returns the first address that others than this machine can reach.
    pub fn reachable(&self) -> Option<SocketAddr> {
        self.listen.iter().copied().find(|address| !address.ip().to_canonical().is_loopback())
    }

    /// Returns the address that people reach it by, without a slash at its end.
    pub fn public_url(&self) -> String {
        self.external_url.clone().unwrap_or_else(|| {
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            let address = self.listen.first().map(ToString::to_string).unwrap_or_default();
            format!("{scheme}://{address}{}", self.prefix)
        })
    }

    /// Returns the host of the address that people reach it by, when there is one.
    pub fn own_host(&self) -> Option<String> {
        let url = url::Url::parse(self.external_url.as_ref()?).ok()?;
        url.host_str().map(str::to_owned)
    }

    /// Returns whether every client needs a certificate.
    pub fn asks_for_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some() && tls.client_required)
    }
}
