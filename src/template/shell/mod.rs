//! [`ShellTemplate`]: a shell script whose holes are parameters, never text of the script.
//!
//! The template writes no value. The [`lexer`] walks the author's text with opaque holes, says for
//! each where it stands and whether a value can stand there, and each hole becomes a variable
//! `AMFLOW_V<n>`, spelled for its place, whose value goes into the environment. So the shell's parser
//! never reads a value. A mistake of the lexer can quote for the wrong place; it cannot execute.

mod argv;
mod arrivals;
mod builtins;
mod commands;
mod expansions;
mod flows;
mod groups;
mod interpreters;
mod known;
mod lexer;
mod linker;
mod options;
mod programs;
mod redirections;
mod spawns;
mod streams;
mod units;
mod words;
mod wrappers;

use std::collections::BTreeMap;
use std::fmt;

use super::outline::{Outline, Part, check_length, no_nul, scalar_text};
use super::parsed::{Ending, Leaf};
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;
use arrivals::{Arrival, shown};
use flows::Flows;
use lexer::{Lexed, lex};
use units::{Refusal, Unit};

pub use argv::{ArgvReading, ReadAsCode};
pub use programs::{interpreter_in, is_interpreter, is_special_variable};

/// Which shell reads a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// `/bin/sh`, whichever that is.
    #[default]
    Posix,
    /// bash.
    Bash,
}

/// A shell script with holes.
#[derive(Clone)]
pub struct ShellTemplate {
    outline: Outline,
    dialect: Dialect,
    read_as_code: BTreeMap<String, String>,
}

/// A script that can be run, and the variables that it reads.
#[derive(Clone, PartialEq, Eq)]
pub struct ShellScript {
    /// The author's text, with a variable for each hole.
    pub script: String,
    /// The variables, `AMFLOW_V0` and so on, with their values.
    pub variables: Vec<(String, String)>,
}

impl fmt::Debug for ShellScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ShellScript").field("script", &self.script).field("variables", &names).finish()
    }
}

impl ShellTemplate {
    /// Reads a script with holes.
    ///
    /// # Errors
    /// What is wrong with its holes, and every hole that stands where no value can be put safely.
    pub fn compile(source: &str, dialect: Dialect) -> Result<Self, Vec<Problem>> {
        let outline = Outline::compile(source)?;
        let parsed = outline.parsed();
        let quoting = |hole: usize| parsed.holes[hole].ending.shq;
        let mut problems: Vec<Problem> = Vec::new();
        let mut read_as_code = BTreeMap::new();
        for way in parsed.ways() {
            let mut script = Vec::new();
            for leaf in way {
                match leaf {
                    Leaf::Text(range) => script.extend(units::units(&source[range])),
                    Leaf::Hole(hole) if parsed.holes[hole].ending.raw => script.push(Unit::Raw),
                    Leaf::Hole(hole) => script.push(Unit::Hole(hole)),
                }
            }
            let lexed = lex(&script, dialect, &quoting);
            for refusal in refusals(&lexed, &quoting) {
                let range = parsed.holes[refusal.hole].range.clone();
                if !problems.iter().any(|known| known.range == range) {
                    problems.push(refusal.into_problem(range));
                }
            }
            read_as_code.extend(lexed.flows.read_as_code());
        }
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.range.start);
            return Err(problems);
        }
        Ok(Self { outline, dialect, read_as_code })
    }

    /// Returns the names that it reads.
    pub fn references(&self) -> &[Reference] {
        self.outline.references()
    }

    /// Returns the text that it was read from.
    pub fn source(&self) -> &str {
        self.outline.source()
    }

    /// Returns the shell variables whose text the script evaluates, runs or has read as code, and what it becomes.
    ///
    /// A variable of the step's `env:` with one of these names must not carry a stranger's text: `eval "$A"`
    /// runs it, and bash runs commands in arithmetic too (`a[$(reboot)]`).
    pub fn variables_read_as_code(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.read_as_code.iter().map(|(name, becomes)| (name.as_str(), becomes.as_str()));
        variables.filter(|(name, _)| *name != Flows::INPUT)
    }

    /// Returns what becomes of standard input when the script has it read as code, evaluates or runs it.
    pub fn input_read_as_code(&self) -> Option<&str> {
        self.read_as_code.get(Flows::INPUT).map(String::as_str)
    }

    /// Fills it.
    ///
    /// # Errors
    /// A name without a value, a value that no variable can hold (NUL, more than 120 KiB, a map), one
    /// that its place does not take, and places that only show when the script is filled.
    pub fn render(&self, scope: &Scope) -> Result<ShellScript, RenderError> {
        let filling = self.outline.fill(scope)?;
        let mut script = Vec::new();
        let mut holes = Vec::new();
        let mut length = 0;
        for part in filling.parts {
            match part {
                Part::Text(text, _) => {
                    length += text.len();
                    script.extend(units::units(&text));
                }
                Part::Hole(value, range) => {
                    let ending = self
                        .outline
                        .parsed()
                        .hole_at(&range)
                        .map_or_else(Ending::default, |hole| hole.ending);
                    if ending.raw {
                        let text = scalar_text(&value).and_then(no_nul);
                        let text = text.map_err(|error| error.at(self.source(), range))?;
                        length += text.len();
                        script.extend(units::units(&text));
                    } else {
                        script.push(Unit::Hole(holes.len()));
                        holes.push(linker::Hole { value, range, ending });
                    }
                }
            }
            check_length(length)?;
        }
        let quoting = |hole: usize| holes[hole].ending.shq;
        let lexed = lex(&script, self.dialect, &quoting);
        if let Some(refusal) = refusals(&lexed, &quoting).into_iter().next() {
            let mut error = RenderError::new(refusal.code, refusal.message);
            error.hint = Some(refusal.hint);
            return Err(error.at(self.source(), holes[refusal.hole].range.clone()));
        }
        linker::link(&script, &holes, &lexed, self.source())
    }
}

/// Every refusal, also those of values that reach a bad place by a variable.
fn refusals(lexed: &Lexed, quoting: &dyn Fn(usize) -> usize) -> Vec<Refusal> {
    let mut refusals = lexed.refusals.clone();
    let mut arrivals = lexed.flows.arrivals();
    // What is known says more than what is not.
    arrivals.sort_by_key(|arrived| arrived.arrival == Arrival::Unknown);
    for arrived in arrivals {
        let (hole, by) = (arrived.hole, shown(&arrived.by));
        let (code, message, hint) = match arrived.arrival {
            Arrival::Evaluated => continue,
            Arrival::Code(program)
                if program.language == programs::Language::Shell
                    && quoting(hole) > 0
                    && !arrived.is_unquoted =>
            {
                continue;
            }
            Arrival::Code(program) => (
                "shell-read-again",
                format!("this flows through {by} into `{}`, as code", program.first_name()),
                "pass it as an argument or by `env:`, and read it there as data",
            ),
            Arrival::Command => (
                "shell-command-position",
                format!("this flows through {by} to where a command is named"),
                "write the command into the script; `| raw` takes the author's own text as script",
            ),
            Arrival::Unknown => (
                "shell-unknown-command",
                format!("this flows through {by} to a command that is not known here"),
                known::NAME_IT,
            ),
            Arrival::Special => (
                "shell-special-variable",
                format!("`{}` makes shells or programs run something", arrived.by),
                "take another variable",
            ),
        };
        if !refusals.iter().any(|known| known.hole == hole) {
            refusals.push(Refusal { hole, code, message, hint: hint.to_owned() });
        }
    }
    refusals
}

impl fmt::Debug for ShellTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShellTemplate").field(&self.dialect).field(&self.source()).finish()
    }
}

impl PartialEq for ShellTemplate {
    fn eq(&self, other: &Self) -> bool {
        (self.source(), self.dialect) == (other.source(), other.dialect)
    }
}

#[cfg(test)]
mod tests;
