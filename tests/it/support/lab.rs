//! The program in a directory of its own, beside a real Alertmanager. Main type: [`Lab`].

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::alertmanager::{Alertmanager, CONFIG, wait_until};
use super::proxy::Proxy;

/// A home directory with a configuration, playbooks and a store, and the Alertmanager that they name.
pub(crate) struct Lab {
    home: TempDir,
    /// The Alertmanager, when there is one.
    pub(crate) am: Option<Alertmanager>,
    proxy: Option<Proxy>,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Its data.
    pub(crate) stdout: String,
    /// Its talk.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Expects an exit code.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, wanted, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Expects a text on standard error.
    #[track_caller]
    pub(crate) fn says(self, wanted: &str) -> Self {
        assert!(
            self.stderr.contains(wanted),
            "`{wanted}` is not in\n{}\nstdout:\n{}",
            self.stderr,
            self.stdout
        );
        self
    }

    /// Expects that a text is not on standard error.
    #[track_caller]
    pub(crate) fn keeps_silent_about(self, unwanted: &str) -> Self {
        assert!(!self.stderr.contains(unwanted), "`{unwanted}` is in\n{}", self.stderr);
        self
    }

    /// Expects a text on standard output.
    #[track_caller]
    pub(crate) fn prints(self, wanted: &str) -> Self {
        assert!(
            self.stdout.contains(wanted),
            "`{wanted}` is not in\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Returns the data as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let read = serde_json::from_str(&self.stdout);
        read.unwrap_or_else(|error| panic!("{error}: {}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// Returns the data as JSON documents, one a line.
    #[track_caller]
    pub(crate) fn ndjson(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Lab {
    /// Makes one without an Alertmanager.
    pub(crate) fn alone() -> Self {
        let home = tempfile::tempdir().unwrap();
        let lab = Self { home, am: None, proxy: None };
        fs::create_dir(lab.path("playbooks")).unwrap();
        lab.configure("");
        lab
    }

    /// Makes one whose configuration names a fresh Alertmanager.
    pub(crate) fn new() -> Self {
        Self::with(CONFIG)
    }

    /// The same, with a configuration of the Alertmanager.
    pub(crate) fn with(alertmanager_config: &str) -> Self {
        let mut lab = Self::alone();
        let am = Alertmanager::start(alertmanager_config);
        lab.proxy = Some(Proxy::before(am.port()));
        lab.am = Some(am);
        lab.configure("");
        lab
    }

    /// Writes the configuration: the Alertmanager, playbooks and the store are the lab's, the rest is given.
    pub(crate) fn configure(&self, rest: &str) {
        let am = self.proxy.as_ref();
        let am = am.map(|proxy| format!("alertmanager: {{urls: ['{}']}}\n", proxy.url())).unwrap_or_default();
        let text = format!("playbooks: [playbooks]\nstore: {{path: store}}\n{am}{rest}");
        self.write("amflow.yaml", &text);
    }

    /// Returns a path in the lab.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Returns the text of a file; nothing when there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Returns the lines of a file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    /// Writes a playbook; `body` is everything after its name.
    pub(crate) fn playbook(&self, name: &str, body: &str) {
        self.write(&format!("playbooks/{name}.yaml"), &format!("version: 1\nname: {name}\n{body}"));
    }

    /// Returns a command of the lab with nothing of this machine's environment but PATH.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("USER", "tester")
            .env("NO_COLOR", "1")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Returns the program with arguments, split at blanks.
    pub(crate) fn amflow(&self, args: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_amflow"));
        command.args(args.split_whitespace());
        command
    }

    /// Returns the user that runs the tests, as the system knows it, whatever `$USER` says.
    pub(crate) fn user(&self) -> String {
        finish(self.command("id").arg("-un")).stdout.trim().to_owned()
    }

    /// Runs the program to its end, with arguments that are split at blanks.
    pub(crate) fn run(&self, args: &str) -> Outcome {
        finish(&mut self.amflow(args))
    }

    /// The same, with something piped in.
    pub(crate) fn pipe(&self, args: &str, input: impl AsRef<[u8]>) -> Outcome {
        let mut command = self.amflow(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.as_ref().to_vec();
        // It may end before it has read everything.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let outcome = outcome(child);
        writer.join().unwrap();
        outcome
    }

    /// Starts the program and comes back at once.
    pub(crate) fn start(&self, args: &str) -> Child {
        let mut command = self.amflow(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Returns the Alertmanager.
    pub(crate) fn am(&self) -> &Alertmanager {
        self.am.as_ref().unwrap()
    }

    /// Returns what stands before the Alertmanager.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    /// Fires alerts with these labels, for an hour, since a minute.
    pub(crate) fn fire(&self, labels: &[Value]) {
        self.post(labels, -60, 3_600);
    }

    /// Resolves alerts with these labels, as their sender does.
    pub(crate) fn resolve(&self, labels: &[Value]) {
        self.post(labels, -60, 0);
    }

    /// Posts alerts that fire from so many seconds from now until so many seconds from now.
    pub(crate) fn post(&self, labels: &[Value], starts: i64, ends: i64) {
        let alerts: Vec<_> = labels
            .iter()
            .map(|labels| json!({"labels": labels, "startsAt": time(starts), "endsAt": time(ends)}))
            .collect();
        self.am().post("/api/v2/alerts", &serde_json::to_string(&alerts).unwrap());
    }

    /// Returns the alerts of the Alertmanager that have a label with this value.
    pub(crate) fn alerts(&self, label: &str, value: &str) -> Vec<Value> {
        let all: Vec<Value> = self.am().get_json("/api/v2/alerts");
        all.into_iter().filter(|alert| alert["labels"][label] == value).collect()
    }

    /// Returns the silences that are not expired.
    pub(crate) fn silences(&self) -> Vec<Value> {
        let all: Vec<Value> = self.am().get_json("/api/v2/silences");
        all.into_iter().filter(|silence| silence["status"]["state"] != "expired").collect()
    }

    /// Returns the runs that the store knows, newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        self.run("runs list --limit 0 -o json").code(0).json().as_array().unwrap().clone()
    }

    /// Returns the only run that the store knows.
    #[track_caller]
    pub(crate) fn only_run(&self) -> Value {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:#?}");
        runs[0].clone()
    }

    /// Waits until a file in the lab exists.
    pub(crate) fn await_file(&self, name: &str) {
        wait_until(&format!("{name} exists"), || self.path(name).exists());
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    outcome(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits for the end of a program whose streams are piped.
pub(crate) fn outcome(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal, by its name, to a process.
pub(crate) fn send(signal: &str, pid: u32) {
    // It may be gone already.
    let _ =
        Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).stderr(Stdio::null()).status();
}

/// Returns the time in so many seconds, RFC 3339.
pub(crate) fn time(seconds: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string()
}
