//! A real Alertmanager on loopback, for as long as a test needs it. Main type: [`Alertmanager`].

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where Debian's package puts it.
const BINARY: &str = "/usr/bin/prometheus-alertmanager";
/// How long it may take to get ready, or to reach a condition.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(10);

/// The smallest configuration: everything goes to nobody.
pub(crate) const CONFIG: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

/// A running Alertmanager with its own directory. It is killed when it is dropped.
pub(crate) struct Alertmanager {
    child: Child,
    directory: TempDir,
    port: u16,
    gossip_port: Option<u16>,
    peer: Option<u16>,
    flags: Vec<String>,
}

impl Alertmanager {
    /// Starts one alone, with the text of a configuration, and waits until it is ready.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same, with more flags.
    pub(crate) fn start_with(config: &str, flags: &[&str]) -> Self {
        Self::launch(config, None, None, flags)
    }

    /// Starts the first of a cluster.
    pub(crate) fn start_clustered(config: &str) -> Self {
        Self::start_clustered_with(config, &[])
    }

    /// The same, with more flags, which its peers have as well.
    pub(crate) fn start_clustered_with(config: &str, flags: &[&str]) -> Self {
        Self::launch(config, Some(free_port()), None, flags)
    }

    /// Starts another one of this one's cluster, and waits until both know each other.
    pub(crate) fn start_peer(&self, config: &str) -> Self {
        let gossip_port = self.gossip_port.expect("start the first by start_clustered");
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let peer = Self::launch(config, Some(free_port()), Some(gossip_port), &flags);
        for one in [self, &peer] {
            wait_until("the peers know each other", || {
                one.get("/api/v2/status").is_some_and(|body| body.matches("\"address\"").count() == 2)
            });
        }
        peer
    }

    /// Returns the URL to configure.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it in peace, so that it writes its silences, and starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap();
        self.child = spawn(&self.directory, self.port, self.gossip_port, self.peer, &self.flags);
        self.await_ready();
    }

    /// Returns the body of a successful GET of a path.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.lines().next()?.contains(" 200").then(|| body.to_owned())
    }

    /// Returns the body of a successful GET of a path, read as JSON.
    pub(crate) fn get_json<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        serde_json::from_str(&self.get(path).unwrap_or_else(|| panic!("GET {path}"))).unwrap()
    }

    /// Posts a JSON document and returns the body of the answer, which must be a success.
    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().next().unwrap().contains(" 200"), "{answer}");
        body.to_owned()
    }

    fn launch(config: &str, gossip_port: Option<u16>, peer: Option<u16>, flags: &[&str]) -> Self {
        assert!(
            PathBuf::from(BINARY).exists(),
            "{BINARY} is missing; install it: apt-get install prometheus-alertmanager"
        );
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.yml"), config).unwrap();
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let port = free_port();
        let child = spawn(&directory, port, gossip_port, peer, &flags);
        let mut started = Self { child, directory, port, gossip_port, peer, flags };
        started.await_ready();
        started
    }

    fn await_ready(&mut self) {
        let begin = Instant::now();
        let prefix = self.flags.iter().find_map(|flag| flag.strip_prefix("--web.route-prefix="));
        let ready = format!("{}/-/ready", prefix.unwrap_or_default());
        while self.get(&ready).is_none() {
            if self.child.try_wait().unwrap().is_some() || begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("Alertmanager did not get ready:\n{log}");
            }
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(
    directory: &TempDir,
    port: u16,
    gossip_port: Option<u16>,
    peer: Option<u16>,
    flags: &[String],
) -> Child {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let mut command = Command::new(BINARY);
    command
        .arg(format!("--config.file={}", path("config.yml")))
        .arg(format!("--storage.path={}", path("data")))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.settle-timeout=0s")
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(directory.path().join("log")).unwrap());
    match gossip_port {
        Some(port) => command.arg(format!("--cluster.listen-address=127.0.0.1:{port}")),
        None => command.arg("--cluster.listen-address="),
    };
    if let Some(peer) = peer {
        command.arg(format!("--cluster.peer=127.0.0.1:{peer}"));
    }
    command.spawn().unwrap()
}

/// Returns a port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Looks at a condition until it holds, and fails when it does not in good time.
pub(crate) fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_for(PATIENCE, what, holds);
}

/// The same, with the patience that the condition needs.
pub(crate) fn wait_for(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < patience, "still not so after {patience:?}: {what}");
        std::thread::sleep(GLANCE);
    }
}
