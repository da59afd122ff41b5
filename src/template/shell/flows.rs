//! [`Flows`]: which values reach, by way of variables, a place where a shell evaluates what they hold.
//!
//! `n={{ x }}` is harmless, and so is `$((n + 1))`; both together are not: bash evaluates what `n`
//! holds, and `a[$(reboot)]` is arithmetic to it. `eval "$n"` is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::Program;
use super::programs::is_special_variable;
use super::units::Word;

/// What flows between variables.
#[derive(Debug, Default)]
pub(super) struct Flows {
    /// A variable, and a hole whose value it may hold.
    holes: BTreeSet<(String, usize)>,
    /// A variable, and another whose value it may hold.
    names: BTreeSet<(String, String)>,
    /// Variables that are evaluated as arithmetic or as names of variables.
    pub(super) evaluated: BTreeSet<String>,
    /// Variables that some program reads as code.
    pub(super) code: BTreeMap<String, &'static Program>,
    /// Variables that name a command or a file that is run.
    pub(super) commands: BTreeSet<String>,
    /// The script's own functions.
    pub(super) functions: BTreeSet<String>,
    /// Commands that may be the script's own functions, with their arguments.
    calls: Vec<(String, Vec<Word>)>,
    /// Variables that `read` and its like fill from standard input.
    pub(super) read: BTreeSet<String>,
    /// What flows through pipes, here-documents and here-strings.
    piped_holes: BTreeSet<usize>,
    piped_names: BTreeSet<String>,
    /// Whether the script declares integer variables or references: then each assignment evaluates.
    pub(super) declares_integers: bool,
    /// Whether the script moves its arguments: the first may have been any.
    pub(super) shifts: bool,
}

/// Where a hole's value arrives by way of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The shell evaluates it.
    Evaluated,
    /// A program reads it as code.
    Code(&'static Program),
    /// It names what is run.
    Command,
    /// It is in a variable that makes programs run something.
    Special,
}

impl Flows {
    /// The name under which `$1` is kept.
    pub(super) const FIRST_ARGUMENT: &'static str = "1";
    /// The name under which `$2` and so on are kept.
    pub(super) const ARGUMENTS: &'static str = "2";
    /// The name under which `$@` and `$*` are kept.
    pub(super) const ALL_ARGUMENTS: &'static str = "@";

    /// Notes the arguments of a function or of another shell's code: `$1`, `$2`, `$@`.
    pub(super) fn pass(&mut self, arguments: &[Word]) {
        for (at, word) in arguments.iter().enumerate() {
            if at == 0 || self.shifts {
                self.assign(Self::FIRST_ARGUMENT, word);
            }
            self.assign(Self::ARGUMENTS, word);
            self.assign(Self::ALL_ARGUMENTS, word);
        }
    }

    /// Notes a command that may be a function of the script, also of one that is defined further down.
    pub(super) fn call(&mut self, name: String, arguments: &[Word]) {
        if arguments.iter().any(|word| !word.all_holes().is_empty() || !word.names.is_empty()) {
            self.calls.push((name, arguments.to_vec()));
        }
    }

    /// Notes what flows into some command's standard input.
    pub(super) fn pipe(&mut self, holes: &[usize], names: &[String]) {
        self.piped_holes.extend(holes);
        self.piped_names.extend(names.iter().cloned());
    }

    /// Notes that variables stand where a command is named.
    pub(super) fn name_command(&mut self, names: &[String]) {
        // `"$@"` runs the first argument.
        let first = |name: &String| match name.as_str() {
            Self::ALL_ARGUMENTS => Self::FIRST_ARGUMENT.to_owned(),
            _ => name.clone(),
        };
        self.commands.extend(names.iter().map(first));
    }

    /// Notes that a variable may hold what a word becomes.
    pub(super) fn assign(&mut self, name: &str, word: &Word) {
        self.assign_holes(name, word.all_holes());
        self.assign_names(name, &word.names);
    }

    /// Notes that a variable may hold these holes' values.
    pub(super) fn assign_holes(&mut self, name: &str, holes: impl IntoIterator<Item = usize>) {
        self.holes.extend(holes.into_iter().map(|hole| (name.to_owned(), hole)));
    }

    /// Notes that a variable may hold what others hold.
    pub(super) fn assign_names(&mut self, name: &str, others: &[String]) {
        self.names.extend(
            others.iter().filter(|other| *other != name).map(|other| (name.to_owned(), other.clone())),
        );
    }

    /// Takes over what was found in text that another shell reads.
    pub(super) fn merge(&mut self, other: Self) {
        self.holes.extend(other.holes);
        self.names.extend(other.names);
        self.evaluated.extend(other.evaluated);
        self.code.extend(other.code);
        self.commands.extend(other.commands);
        self.functions.extend(other.functions);
        self.calls.extend(other.calls);
        self.read.extend(other.read);
        self.piped_holes.extend(other.piped_holes);
        self.piped_names.extend(other.piped_names);
        self.declares_integers |= other.declares_integers;
        self.shifts |= other.shifts;
    }

    /// Adds what only shows when the whole script was read.
    pub(super) fn complete(&mut self) {
        for (name, arguments) in std::mem::take(&mut self.calls) {
            if self.functions.contains(&name) {
                self.pass(&arguments);
            }
        }
        for target in std::mem::take(&mut self.read) {
            let (holes, names) =
                (self.piped_holes.clone(), self.piped_names.iter().cloned().collect::<Vec<_>>());
            self.assign_holes(&target, holes);
            self.assign_names(&target, &names);
        }
        if self.shifts {
            self.assign_names(Self::FIRST_ARGUMENT, &[Self::ARGUMENTS.to_owned()]);
        }
    }

    /// Returns where holes arrive by variables, with the last variable on the way.
    pub(super) fn arrivals(&self) -> Vec<(usize, String, Arrival)> {
        let mut arrivals = Vec::new();
        for (name, hole) in &self.holes {
            let reached = self.reached(name);
            if self.declares_integers {
                arrivals.push((*hole, name.clone(), Arrival::Evaluated));
            }
            for name in reached {
                let mut arrives = |arrival| arrivals.push((*hole, name.to_owned(), arrival));
                if self.evaluated.contains(name) {
                    arrives(Arrival::Evaluated);
                }
                if let Some(program) = self.code.get(name) {
                    arrives(Arrival::Code(program));
                }
                if self.commands.contains(name) {
                    arrives(Arrival::Command);
                }
                if is_special_variable(name) {
                    arrives(Arrival::Special);
                }
            }
        }
        arrivals
    }

    /// The holes whose values the shell evaluates.
    pub(super) fn evaluated_holes(&self) -> impl Iterator<Item = usize> {
        self.arrivals()
            .into_iter()
            .filter(|(_, _, arrival)| *arrival == Arrival::Evaluated)
            .map(|(hole, _, _)| hole)
    }

    /// The variables that may hold what this one holds.
    fn reached<'f>(&'f self, name: &'f str) -> BTreeSet<&'f str> {
        let mut reached = BTreeSet::from([name]);
        let mut next = vec![name];
        while let Some(source) = next.pop() {
            for (target, from) in &self.names {
                if from == source && reached.insert(target) {
                    next.push(target);
                }
            }
        }
        reached
    }
}
