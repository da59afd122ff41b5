//! How a command is started: its checks, environment and limits. Main type: [`Launch`].

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::environment::{Environment, is_executable};
use super::programs::Programs;
use super::scratch::CommandFiles;
use super::secrets::Secrets;
use super::users::User;
use crate::engine::Call;
use crate::step::{CommandEffect, CommandLimits, TextOrSecret};

/// Linux takes no longer string in argv or the environment (`MAX_ARG_STRLEN`, execve(2)), in bytes.
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;
/// Where the shell is that sets limits: POSIX leaves it open, every Linux has it here.
const SHELL: &str = "/bin/sh";

/// What all commands are started with.
#[derive(Debug)]
pub(super) struct Ground {
    /// What every command gets.
    pub(super) environment: Environment,
    /// Working directory of commands that name none; amflow's own when `None`.
    pub(super) directory: Option<PathBuf>,
    /// Where programs are.
    pub(super) programs: Programs,
    /// Whether commands are told for which span of the run's trace they work.
    pub(super) traces: bool,
}

/// A command that is ready to be started.
pub(super) struct Launch<'a> {
    argv: &'a [String],
    program: PathBuf,
    environment: Environment,
    directory: Option<PathBuf>,
    limits: &'a CommandLimits,
    user: Option<&'a User>,
    has_stdin: bool,
}

/// Why a command was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotStarted {
    pub(super) message: String,
    /// Whether trying again may help.
    pub(super) retryable: bool,
}

impl NotStarted {
    pub(super) fn for_good(message: impl Into<String>) -> NotStarted {
        NotStarted { message: message.into(), retryable: false }
    }

    pub(super) fn for_now(message: impl Into<String>) -> NotStarted {
        NotStarted { message: message.into(), retryable: true }
    }
}

impl<'a> Launch<'a> {
    /// Checks an effect and puts together what its command gets.
    ///
    /// The program is looked up here, in the command's own PATH: std would do it too, but with a changed
    /// PATH only in a forked copy of amflow, and a fork takes the longer the more memory there is.
    pub(super) fn new(
        ground: &Ground,
        call: &Call,
        effect: &'a CommandEffect,
        user: Option<&'a User>,
        files: &CommandFiles,
        secrets: &Secrets,
    ) -> Result<Launch<'a>, NotStarted> {
        let mut environment = ground.environment.clone();
        let name = effect.argv.first().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| NotStarted::for_good("the command is empty"))?;
        for (index, argument) in effect.argv.iter().enumerate() {
            if argument.contains('\0') {
                return Err(NotStarted::for_good(format!(
                    "argument {index} holds a NUL byte, which no command can take"
                )));
            }
        }
        if let Some(user) = user {
            environment.set("HOME", &user.home);
            environment.set("SHELL", &user.shell);
            environment.set("USER", &user.name);
            environment.set("LOGNAME", &user.name);
        }
        if ground.traces {
            environment.set("TRACEPARENT", call.traceparent());
        }
        for (name, value) in &effect.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(NotStarted::for_good(format!("`{name}` is no name of an environment variable")));
            }
            let value = match value {
                TextOrSecret::Text(text) => text.clone(),
                TextOrSecret::Secret(name) => {
                    let secret = secrets.resolve(name);
                    secret.map_err(|error| NotStarted::for_good(error.to_string()))?.expose().to_owned()
                }
            };
            if value.contains('\0') {
                return Err(NotStarted::for_good(format!(
                    "the variable `{name}` holds a NUL byte, which no command can take"
                )));
            }
            environment.set(name, value);
        }
        environment.set("AMFLOW_RUN", &call.run);
        environment.set("AMFLOW_ATTEMPT", call.mark());
        for (name, file) in [("AMFLOW_CONTEXT", &files.context), ("AMFLOW_OUTPUT", &files.output)] {
            if let Some(file) = file {
                environment.set(name, file);
            }
        }
        let program = ground.programs.find(&environment, name).map_err(NotStarted::for_good)?;
        let directory =
            effect.directory.as_deref().map(Path::new).or(ground.directory.as_deref()).map(Path::to_owned);
        let has_stdin = effect.stdin.is_some();
        Ok(Launch {
            argv: &effect.argv,
            program,
            environment,
            directory,
            limits: &effect.limits,
            user,
            has_stdin,
        })
    }

    /// Returns what starts it: in a process group of its own, which keeps to `posix_spawn(3)`.
    #[expect(clippy::disallowed_methods, reason = "this is the place where commands are made")]
    pub(super) fn command(&self) -> Command {
        let prelude = prelude(self.limits);
        let mut command = if prelude.is_empty() {
            let mut command = Command::new(&self.program);
            command.arg0(&self.argv[0]);
            command
        } else {
            // The words of the command reach the shell as its parameters, never as its text.
            let mut command = Command::new(SHELL);
            command.args(["-c", &prelude, "amflow"]).arg(&self.program);
            command
        };
        command
            .args(&self.argv[1..])
            .env_clear()
            .envs(self.environment.iter())
            .process_group(0)
            .stdin(if self.has_stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some(user) = self.user {
            // As root, std drops all further groups as well.
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Says in words that help why it could not be started.
    pub(super) fn explain(&self, error: &io::Error) -> NotStarted {
        let name = &self.argv[0];
        if let Some(directory) = &self.directory {
            let shown = directory.display();
            match fs::metadata(directory) {
                Ok(found) if !found.is_dir() => {
                    return NotStarted::for_good(format!("the working directory `{shown}` is no directory"));
                }
                Ok(_)
                    if error.kind() == io::ErrorKind::PermissionDenied
                        && is_executable(&self.path()) == Some(true) =>
                {
                    return NotStarted::for_good(format!("`{name}` in `{shown}`: {error}"));
                }
                Ok(_) => (),
                Err(error) => {
                    return NotStarted::for_good(format!(
                        "cannot enter the working directory `{shown}`: {error}"
                    ));
                }
            }
        }
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::TOOBIG) => NotStarted::for_good(self.explain_size()),
            Some(Errno::NOENT | Errno::NOTDIR) => match is_executable(&self.path()) {
                None => NotStarted::for_good(format!("no program `{name}`")),
                Some(_) => NotStarted::for_good(format!(
                    "`{name}` is there, but not the interpreter that its first line names (or its loader)"
                )),
            },
            Some(Errno::ACCESS) => NotStarted::for_good(format!("`{name}` is not executable: chmod +x it")),
            Some(Errno::NOEXEC) => NotStarted::for_good(format!(
                "`{name}` is no program for this machine; a script must begin with a line such as `#!/bin/sh`"
            )),
            Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::TXTBSY) => {
                NotStarted::for_now(format!("`{name}` could not be started: {error}"))
            }
            _ => NotStarted::for_good(format!("`{name}` could not be started: {error}")),
        }
    }

    /// Returns where the program is, seen from here.
    fn path(&self) -> PathBuf {
        match &self.directory {
            Some(directory) => directory.join(&self.program),
            None => self.program.clone(),
        }
    }

    fn explain_size(&self) -> String {
        let hint = "pass it by `stdin:`, or read it from $AMFLOW_CONTEXT";
        let long = |length: usize| length > LONGEST_ARGUMENT;
        if let Some((index, argument)) =
            self.argv.iter().enumerate().find(|(_, argument)| long(argument.len()))
        {
            let length = argument.len();
            return format!("argument {index} has {length} bytes, Linux takes {LONGEST_ARGUMENT}: {hint}");
        }
        if let Some((name, _)) =
            self.environment.iter().find(|(name, value)| long(name.len() + 1 + value.len()))
        {
            let name = name.to_string_lossy();
            return format!("the variable `{name}` is too long for Linux ({LONGEST_ARGUMENT} bytes): {hint}");
        }
        format!("the arguments and variables are too long in all: {hint}")
    }
}

/// Returns the shell text that sets limits and becomes the command; empty when there are none.
///
/// A limit above the one that is in force for amflow would be refused, and changes nothing.
fn prelude(limits: &CommandLimits) -> String {
    let capped = |wanted: u64, resource| wanted.min(getrlimit(resource).maximum.unwrap_or(u64::MAX));
    let mut text = String::new();
    let mut set = |option: &str, value: u64| {
        for word in ["ulimit ", option, " ", &value.to_string(), " && "] {
            text.push_str(word);
        }
    };
    if let Some(seconds) = limits.cpu_seconds {
        // With both at once the kernel would send KILL, not XCPU, which says why.
        set("-S -t", capped(seconds, Resource::Cpu));
        set("-H -t", capped(seconds.saturating_add(5), Resource::Cpu));
    }
    if let Some(bytes) = limits.memory_bytes {
        set("-v", capped(bytes, Resource::As).div_ceil(1024));
    }
    if let Some(bytes) = limits.file_bytes {
        set("-f", capped(bytes, Resource::Fsize).div_ceil(512));
    }
    if let Some(files) = limits.open_files {
        set("-n", capped(files, Resource::Nofile));
    }
    if !text.is_empty() {
        text.push_str("exec \"$@\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_a_prelude_and_none_becomes_nothing() {
        assert_eq!(prelude(&CommandLimits::default()), "");
        let limits = CommandLimits {
            cpu_seconds: Some(10),
            memory_bytes: Some(1_000_000),
            file_bytes: Some(1_000),
            open_files: Some(20),
            user: None,
        };
        assert_eq!(
            prelude(&limits),
            "ulimit -S -t 10 && ulimit -H -t 15 && ulimit -v 977 && ulimit -f 2 && ulimit -n 20 && exec \"$@\""
        );
    }
}
