//! Accepts connections, within limits. Main type: [`Server`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::client::{Client, names_of};
use super::patient::Patient;
use super::routes::App;

/// How long is waited after an accept that failed: the process has too many files open.
const BREATHE: Duration = Duration::from_millis(100);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// A server with its addresses taken.
pub struct Server {
    listeners: Vec<TcpListener>,
    app: Arc<App>,
    connections: Arc<Semaphore>,
}

impl Server {
    /// Takes the addresses.
    ///
    /// # Errors
    ///
    /// One cannot be had.
    pub async fn bind(app: Arc<App>) -> Result<Server, BindError> {
        let mut listeners = Vec::new();
        for &address in &app.options.listen {
            let listener = TcpListener::bind(address).await;
            listeners.push(listener.map_err(|source| BindError { address, source })?);
        }
        let connections = Arc::new(Semaphore::new(places(app.options.connections)));
        Ok(Server { listeners, app, connections })
    }

    /// Returns where it listens: with the ports that the system has chosen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Answers until it is told to stop; requests that are being answered then are answered to their end.
    pub async fn run(self, stop: CancellationToken) {
        let Server { listeners, app, connections } = self;
        let mut all = JoinSet::new();
        for listener in listeners {
            let accepting = Accepting {
                listener,
                router: app.clone().router(),
                app: app.clone(),
                connections: connections.clone(),
                stop: stop.clone(),
            };
            all.spawn(accepting.run());
        }
        while all.join_next().await.is_some() {}
    }
}

/// Returns how many connections there may be: commands, the store and polls need files, too.
fn places(wanted: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    wanted.min(files.map_or(usize::MAX, |files| files / 2)).clamp(1, Semaphore::MAX_PERMITS)
}

struct Accepting {
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Accepting {
    async fn run(self) {
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let slot = tokio::select! {
                slot = self.connections.clone().acquire_owned() => slot,
                () = self.stop.cancelled() => break,
            };
            let Ok(slot) = slot else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        peer,
                        router: self.router.clone(),
                        tls: self.app.tls(),
                        header_timeout: self.app.options.header_timeout,
                        write_timeout: self.app.options.write_timeout,
                        stop: self.stop.clone(),
                    };
                    open.spawn(connection.serve(stream, slot));
                }
                Err(_) => self.app.clock.sleep(BREATHE).await,
            }
        }
        while open.join_next().await.is_some() {}
    }
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    header_timeout: Duration,
    write_timeout: Duration,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream, _slot: OwnedSemaphorePermit) {
        // Small answers are sent at once.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.speak(stream, None).await,
            Some(config) => {
                let shaken = timeout(self.header_timeout, TlsAcceptor::from(config).accept(stream)).await;
                if let Ok(Ok(stream)) = shaken {
                    // It was verified in the handshake.
                    let certificates = stream.get_ref().1.peer_certificates();
                    let names = certificates.and_then(|all| all.first()).map(names_of);
                    self.speak(stream, names).await;
                }
            }
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin, names: Option<Arc<[String]>>) {
        let stream = Patient::new(stream, self.write_timeout);
        let (router, client) = (self.router, Client { address: self.peer, names });
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client.clone());
            router.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            // What goes wrong with a connection is the client's to see.
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
