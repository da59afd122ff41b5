//! A whole server on loopback, over a store in memory: [`World`].

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use amflow::engine::{
    Engine, EngineOptions, Life, Owner, Parts, Reporter, RunHeader, Service, ServiceOptions, Stop,
};
use amflow::model::People;
use amflow::perform::{SecretSource, Secrets};
use amflow::playbook::{Facts, Library, parse_files};
use amflow::playtest::{JumpClock, Scripted};
use amflow::run::Stamped;
use amflow::server::{App, Auth, Credential, InForce, Links, Metrics, Server, ServerOptions, Way};
use amflow::store::MemoryStore;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a client shows; no input holds it by chance.
pub(crate) const TOKEN: &str = "a-token-that-nobody-guesses-4711";
pub(crate) const USER: &str = "ann";

const LONG: Duration = Duration::from_secs(20);
const PLAYBOOK: &str =
    "version: 1\nname: any\nmatchers: [alertname =~ .+]\nwhen: 1 > 2\nsteps: [{exec: [nothing]}]\n";

/// The time in all worlds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("a time")
}

/// Nobody listens.
struct Silence;

impl Reporter for Silence {
    fn event(&self, _: &RunHeader, _: &Stamped) {}
    fn notice(&self, _: &str) {}
}

/// A server that lives as long as this does.
pub(crate) struct World {
    address: SocketAddr,
    stop: CancellationToken,
}

/// What one connection got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// All bytes of it.
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// Returns the status of the first response; none where there is no response.
    pub(crate) fn status(&self) -> Option<u16> {
        let line = self.bytes.split(|byte| *byte == b'\r').next()?;
        if line.is_empty() {
            return None;
        }
        let line = std::str::from_utf8(line).expect("the first line is text");
        let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        Some(status.unwrap_or_else(|| panic!("{line:?} is no status")))
    }

    /// Returns what follows the head of the first response.
    pub(crate) fn body(&self) -> &[u8] {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(self.bytes.len());
        self.bytes.get(end + 4..).unwrap_or_default()
    }
}

/// Runs something to its end, on a thread that has nothing else to do.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

impl World {
    /// Starts a server; a guarded one lets only those in who show a credential.
    pub(crate) async fn start(is_guarded: bool) -> Self {
        let (_stopper, stop) = Stop::new();
        let clock = Arc::new(JumpClock::by_hand(now()));
        let engine = Engine::new(Parts {
            store: Arc::new(MemoryStore::new("memory")),
            performer: Arc::new(Scripted::new()),
            clock: clock.clone(),
            reporter: Arc::new(Silence),
            owner: Owner { boot_id: "b".to_owned(), pid: 1, start_time: 1 },
            compile: Arc::new(|_| Err("nothing is compiled here".to_owned())),
            life_of: Arc::new(|_| Life::Lives),
            options: EngineOptions { always_on: true, ..EngineOptions::default() },
            stop,
        });
        let (service, work) = Service::new(engine, library(), ServiceOptions::default());
        let (ask, mut asks) = mpsc::channel(1);
        let options = ServerOptions {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            max_body: 256 << 10,
            ..ServerOptions::default()
        };
        let app = App::new(options, service, clock, Arc::new(Metrics::default()), in_force(is_guarded), ask);
        let server = Server::bind(app).await.expect("a port of loopback");
        let address = server.addresses()[0];
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        tokio::spawn(async move {
            // Nothing works here, but what is to be worked on has to go somewhere.
            let _work = work;
            while let Some(ask) = asks.recv().await {
                // Who asked may have gone.
                let _ = ask.send(Ok("nothing".to_owned()));
            }
        });
        Self { address, stop }
    }

    /// Sends bytes in pieces, and says that this is all.
    pub(crate) async fn send(&self, pieces: &[&[u8]]) -> Answer {
        tokio::time::timeout(LONG, self.exchange(pieces)).await.expect("an answer in time")
    }

    async fn exchange(&self, pieces: &[&[u8]]) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.set_nodelay(true).expect("a connection");
        let (mut read, mut write) = stream.into_split();
        let mut bytes = Vec::new();
        let sending = async {
            for piece in pieces {
                // A server that has heard enough answers, and hears no more.
                if write.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = write.shutdown().await;
        };
        // So do answers break off when there is more to hear.
        let (read, ()) = tokio::join!(read.read_to_end(&mut bytes), sending);
        drop(read);
        Answer { bytes }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn library() -> Arc<Library> {
    static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
    let read = || {
        let loaded = parse_files([("any.yaml".to_owned(), PLAYBOOK.into())], &Facts::default());
        Arc::new(loaded.into_result().expect("it is sound"))
    };
    Arc::clone(LIBRARY.get_or_init(read))
}

/// Makes and reads links by a key of its own.
pub(crate) fn links() -> Links {
    static KEY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let directory = KEY.get_or_init(|| tempfile::tempdir().expect("a directory"));
    Links::open(&Path::new(directory.path()).join("links.key")).expect("a key")
}

fn in_force(is_guarded: bool) -> InForce {
    let way = |name: &str, way: Way| Credential { name: name.to_owned(), way };
    let secret = || "token".to_owned();
    let signature = Way::Signature {
        secret: secret(),
        header: "x-signature".to_owned(),
        timestamp_header: Some("x-time".to_owned()),
    };
    let credentials = vec![
        way("bearer", Way::Bearer { secret: secret() }),
        way("basic", Way::Basic { username: USER.to_owned(), secret: secret() }),
        way("signature", signature),
        way("certificate", Way::Certificate { names: Vec::new() }),
    ];
    let source = SecretSource { env: Some("TOKEN".to_owned()), ..SecretSource::default() };
    let environment = [("TOKEN".into(), TOKEN.into())].into_iter().collect();
    let secrets = Secrets::new([("token".to_owned(), source)].into(), [], environment);
    InForce {
        auth: Auth::new(if is_guarded { credentials } else { Vec::new() }, secrets),
        scope_of: Box::new(|_| "s".to_owned()),
        people: People::default(),
        links: Some(links()),
        tls: None,
    }
}
