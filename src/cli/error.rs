//! What a command fails with: [`CliError`], and the [`Exit`] code that says which kind of failure it is.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::text::{Diagnostic, Diagnostics, Severity, plural, render};

/// How the program ends. The numbers are part of the interface: scripts and cron jobs read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done; also when nothing matched.
    Done,
    /// The work failed: a run failed, problems were found, tests failed, one bad alert was among good ones.
    Failed,
    /// Wrong usage, configuration or playbooks, seen before any work.
    Usage,
    /// It could not be done: a source or the store cannot be reached.
    Unable,
    /// Runs are waiting for a person or a time.
    Waiting,
    /// Somebody has decided it already.
    Decided,
    /// The time to decide is over, or nobody is needed any more.
    Expired,
    /// It is not theirs to decide.
    NotAllowed,
    /// What is asked has changed since they saw it.
    Changed,
    /// Stopped by SIGINT.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    /// Returns the number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unable => 3,
            Self::Waiting => 4,
            Self::Decided => 5,
            Self::Expired => 6,
            Self::NotAllowed => 7,
            Self::Changed => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns the one that counts where several hold: stopped, then could not, then failed, then waiting.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Waiting => 1,
            // Of a decision that was not made: nothing else happens beside it.
            Self::Failed | Self::Decided | Self::Expired | Self::NotAllowed | Self::Changed => 2,
            Self::Unable => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
            Self::Terminated => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended without doing what was asked: what, because of what, and what to do about it.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    diagnostics: Diagnostics,
}

impl CliError {
    /// Makes an error with the code that it ends the program with.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            causes: Vec::new(),
            hints: Vec::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    /// Makes an error of one that says enough by itself, with those under it that it does not say itself.
    pub fn of(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let whole = Self::new(exit, error);
        match error.source() {
            Some(source) if !whole.message.contains(&source.to_string()) => whole.because(source),
            _ => whole,
        }
    }

    /// Makes an error of wrong usage, configuration or playbooks: exit 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Makes an error of something that cannot be reached or written: exit 3.
    pub fn unable(message: impl fmt::Display) -> Self {
        Self::new(Exit::Unable, message)
    }

    /// Makes an error of problems in files, which are shown before it.
    pub fn problems(exit: Exit, message: impl fmt::Display, diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::new(exit, message) }
    }

    /// Adds why: an error and its sources.
    #[must_use]
    pub fn because(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // Errors that repeat their source would say it twice.
            if !self.causes.last().is_some_and(|last| last.ends_with(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds what to do about it; several are shown in order.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Changes the code that it ends the program with.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Returns the code that it ends the program with.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns what failed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns it in one line, for logs and answers: the first problem in files with its place and how many more
    /// there are; else what failed, and why.
    pub fn in_one_line(&self) -> String {
        let mut errors = self.diagnostics.iter().filter(|d: &&Diagnostic| d.severity == Severity::Error);
        let Some(first) = errors.next() else { return self.to_string() };
        let first = render::lines([first]);
        let more = errors.count();
        let more = if more == 0 { String::new() } else { format!("; and {}", plural(more, "more problem")) };
        format!("{}{more}", first.trim_end())
    }

    /// Returns what belongs to it, for a line of a log: `problems` in files, as `validate -o json` prints them, and
    /// `hints`; those that there are.
    pub fn parts(&self) -> Map<String, Value> {
        let mut parts = Map::new();
        if !self.diagnostics.is_empty() {
            parts.insert("problems".to_owned(), json!(render::json(&self.diagnostics).diagnostics));
        }
        if !self.hints.is_empty() {
            parts.insert("hints".to_owned(), json!(self.hints));
        }
        parts
    }

    /// Returns why, from the nearest cause to the deepest.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns what to do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Returns the problems in files that it is about.
    pub const fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl Error for CliError {}

/// Makes a [`CliError`] of any error.
pub trait OrExit<T> {
    /// Says what failed; the error itself becomes the cause.
    ///
    /// # Errors
    /// The error, with its exit code.
    fn or_exit<M: fmt::Display>(self, exit: Exit, message: impl FnOnce() -> M) -> Result<T, CliError>;

    /// Ends with an error that says enough by itself.
    ///
    /// # Errors
    /// The error, with its exit code.
    fn or_end(self, exit: Exit) -> Result<T, CliError>;
}

impl<T, E: Error + 'static> OrExit<T> for Result<T, E> {
    fn or_exit<M: fmt::Display>(self, exit: Exit, message: impl FnOnce() -> M) -> Result<T, CliError> {
        self.map_err(|error| CliError::new(exit, message()).because(&error))
    }

    fn or_end(self, exit: Exit) -> Result<T, CliError> {
        self.map_err(|error| CliError::of(exit, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_codes_the_one_that_counts_is_returned() {
        let cases = [
            (Exit::Done, Exit::Waiting, 4),
            (Exit::Waiting, Exit::Failed, 1),
            (Exit::Failed, Exit::Unable, 3),
            (Exit::Unable, Exit::Interrupted, 130),
            (Exit::Terminated, Exit::Failed, 143),
            (Exit::Done, Exit::Done, 0),
        ];
        for (one, other, code) in cases {
            assert_eq!(one.worst(other).code(), code);
            assert_eq!(other.worst(one).code(), code);
        }
    }

    #[test]
    fn an_error_keeps_its_chain_without_saying_a_thing_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read `x`: {source}")]
        struct Outer {
            source: std::io::Error,
        }
        let outer = Outer { source: std::io::Error::other("no such file") };
        let failed = Err::<(), _>(outer).or_exit(Exit::Usage, || "cannot load the configuration");
        let error = failed.unwrap_err();
        assert_eq!(error.to_string(), "cannot load the configuration: cannot read `x`: no such file");
        assert_eq!(error.exit().code(), 2);
    }
}
