//! Commands: started, watched and ended whole. Main type: [`Commands`].
//!
//! A command runs in a process group of its own. When its time is over or its run is stopped, the
//! group gets TERM, and after a grace KILL. When its leader ends by itself, what it left in the group
//! is ended in the same way: a step that is done has nothing running. What must live longer leaves the
//! group (setsid(1), systemd-run(1)).

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::group::{AFTER_KILL, ProcessGroup};
use super::launch::{Ground, Launch, NotStarted};
use super::output::Capture;
use super::outputs::parse_outputs;
use super::programs::Programs;
use super::redact::Redactor;
use super::scratch::{CommandFiles, Scratch};
use super::secrets::Secrets;
use super::users::User;
use crate::engine::Call;
use crate::step::{CommandEffect, Exited, Reply};

/// How long output is still read when the whole group has ended, in case that somebody outside of it
/// holds the pipes (`ssh` with `ControlPersist`, daemons). What was written before is there at once.
const LINGER: Duration = Duration::from_millis(250);
/// As much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Runs commands.
#[derive(Debug)]
pub(super) struct Commands {
    ground: Ground,
    /// Between TERM and KILL.
    grace: Duration,
    scratch: Scratch,
}

/// Why a command was no longer waited for.
enum Cause {
    Ended(io::Result<ExitStatus>),
    TimedOut,
    Stopped,
}

impl Commands {
    pub(super) fn new(
        environment: Environment,
        directory: Option<PathBuf>,
        grace: Duration,
        scratch: PathBuf,
        traces: bool,
    ) -> Commands {
        let ground = Ground { environment, directory, programs: Programs::default(), traces };
        Commands { ground, grace, scratch: Scratch::new(scratch) }
    }

    /// Runs a command to its end. Standard output and standard error are read at the same time, and
    /// also past what is kept of them.
    pub(super) async fn run(
        &self,
        call: &Call,
        effect: &CommandEffect,
        secrets: &Secrets,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Reply {
        if stop.is_cancelled() {
            return Reply::Stopped { output: None };
        }
        let impossible = |problem: NotStarted| Reply::Impossible {
            message: secrets.redactor().text(&problem.message).into_owned(),
            retryable: problem.retryable,
            untouched: true,
        };
        let user = match &effect.limits.user {
            None => None,
            Some(wanted) => match User::find(wanted).await {
                Ok(user) => user,
                Err(message) => return impossible(NotStarted::for_good(message)),
            },
        };
        let files = self.scratch.files(effect.context.as_deref(), effect.outputs, user.as_ref());
        let files = match files {
            Ok(files) => files,
            Err(error) => {
                return impossible(NotStarted::for_now(format!(
                    "no file for the command can be made: {error}"
                )));
            }
        };
        let begun = Instant::now();
        let child = match self.start(call, effect, user.as_ref(), &files, secrets) {
            Ok(child) => child,
            Err(problem) => return impossible(problem),
        };
        let redactor = secrets.redactor();
        let (cause, mut exited) = self.watch(child, effect, &redactor, limit, stop).await;
        exited.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let problem = read_outputs(&files, &redactor, &mut exited);
        match (cause, problem) {
            (Cause::Ended(Err(error)), _) => Reply::Impossible {
                message: format!("the end of the command cannot be learned: {error}"),
                retryable: false,
                untouched: false,
            },
            (Cause::Ended(Ok(status)), Some(problem)) if status.success() => Reply::Impossible {
                message: format!("the command ended well, but {problem}"),
                retryable: false,
                untouched: false,
            },
            (Cause::Ended(Ok(_)), _) => Reply::Exited(exited),
            (Cause::TimedOut, _) => Reply::TimedOut {
                limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                output: Some(Box::new(exited)),
            },
            (Cause::Stopped, _) => Reply::Stopped { output: Some(Box::new(exited)) },
        }
    }

    fn start(
        &self,
        call: &Call,
        effect: &CommandEffect,
        user: Option<&User>,
        files: &CommandFiles,
        secrets: &Secrets,
    ) -> Result<Child, NotStarted> {
        let launch = Launch::new(&self.ground, call, effect, user, files, secrets)?;
        Command::from(launch.command()).spawn().map_err(|error| launch.explain(&error))
    }

    /// Waits for the end of a command, or brings it about.
    #[expect(clippy::disallowed_methods, reason = "a limit of a process needs no wall clock")]
    async fn watch(
        &self,
        mut child: Child,
        effect: &CommandEffect,
        redactor: &Arc<Redactor>,
        limit: Duration,
        stop: &CancellationToken,
    ) -> (Cause, Exited) {
        // It was not waited for yet, so its pid is known.
        let group = ProcessGroup::new(child.id().unwrap_or_default());
        let mut stdout = Capture::new(effect.output_limit, redactor);
        let mut stderr = Capture::new(effect.output_limit, redactor);
        let (out, err, stdin) = (child.stdout.take(), child.stderr.take(), child.stdin.take());
        let mut status = None;
        let cause = {
            let talk = async {
                tokio::join!(
                    drain(out, &mut stdout),
                    drain(err, &mut stderr),
                    feed(stdin, effect.stdin.as_deref())
                );
            };
            let mut talk = Talk { future: std::pin::pin!(talk), over: false };
            let cause = tokio::select! {
                biased;
                ended = talk.during(child.wait()) => Cause::Ended(ended),
                () = stop.cancelled() => Cause::Stopped,
                () = sleep(limit) => Cause::TimedOut,
            };
            match &cause {
                Cause::Ended(Ok(ended)) => status = Some(*ended),
                Cause::Ended(Err(_)) => (),
                Cause::TimedOut | Cause::Stopped => status = self.end(&mut child, &group, &mut talk).await,
            }
            talk.during(group.end_rest(self.grace)).await;
            talk.linger().await;
            cause
        };
        let exited = Exited {
            exit_code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            stdout: stdout.finish(),
            stderr: stderr.finish(),
            ..Exited::default()
        };
        (cause, exited)
    }

    /// Asks a command to end, and after the grace makes it.
    async fn end(
        &self,
        child: &mut Child,
        group: &ProcessGroup,
        talk: &mut Talk<'_, impl Future<Output = ()>>,
    ) -> Option<ExitStatus> {
        group.terminate();
        if let Ok(status) = talk.during(timeout(self.grace, child.wait())).await {
            return status.ok();
        }
        group.kill();
        talk.during(timeout(AFTER_KILL, child.wait())).await.ok()?.ok()
    }
}

/// Reading from and writing to a command, which goes on while something else is waited for.
struct Talk<'a, F> {
    future: Pin<&'a mut F>,
    over: bool,
}

impl<F: Future<Output = ()>> Talk<'_, F> {
    /// Waits for something and talks meanwhile.
    async fn during<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        if !self.over {
            tokio::select! {
                biased;
                done = &mut other => return done,
                () = &mut self.future => self.over = true,
            }
        }
        other.await
    }

    /// Talks on for a moment.
    async fn linger(&mut self) {
        if !self.over {
            self.over = timeout(LINGER, &mut self.future).await.is_ok();
        }
    }
}

/// Reads to the end. A pipe that breaks is one that ended.
async fn drain(from: Option<impl AsyncRead + Unpin>, capture: &mut Capture) {
    let Some(mut from) = from else { return };
    let mut piece = Vec::with_capacity(PIECE);
    while matches!(from.read_buf(&mut piece).await, Ok(1..)) {
        capture.push(&piece);
        piece.clear();
    }
}

/// Writes all and closes. A command need not read what it is given.
async fn feed(to: Option<ChildStdin>, text: Option<&str>) {
    if let (Some(mut to), Some(text)) = (to, text) {
        // The only error that a pipe has is that nobody reads any more.
        let _ = to.write_all(text.as_bytes()).await;
    }
}

/// Reads `$AMFLOW_OUTPUT` into what is replied. Returns what is wrong with it.
///
/// A command that failed keeps its own failure, and the problem is a line of its standard error.
fn read_outputs(files: &CommandFiles, redactor: &Redactor, exited: &mut Exited) -> Option<String> {
    match files.read_output().and_then(|text| parse_outputs(&redactor.text(&text))) {
        Ok(outputs) => {
            exited.outputs = outputs;
            None
        }
        Err(problem) => {
            let text = &mut exited.stderr.text;
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            *text += "amflow: ";
            *text += &problem;
            text.push('\n');
            Some(problem)
        }
    }
}
