//! [`Arrived`]: where values arrive by way of variables, files and pipes, and what becomes of them there.

use std::collections::{BTreeMap, BTreeSet};

use super::flows::Flows;
use super::programs::{Program, is_special_variable};

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
    /// It is given to a command that is not known.
    Unknown,
}

/// A hole's value that arrives by way of variables.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) hole: usize,
    /// The last variable on the way.
    pub(super) by: String,
    pub(super) arrival: Arrival,
    /// Whether another shell took the quotes of `| shq` away on the way.
    pub(super) is_unquoted: bool,
}

impl Flows {
    /// Returns where holes arrive by variables.
    pub(super) fn arrivals(&self) -> Vec<Arrived> {
        let ways = ways(&self.names);
        let mut known: BTreeMap<&str, Vec<(String, Arrival, bool)>> = BTreeMap::new();
        let mut arrivals = Vec::new();
        for (name, hole) in &self.holes {
            let found = known.entry(name).or_insert_with(|| self.arrivals_of(name, &ways)).clone();
            arrivals.extend(found.into_iter().map(|(by, arrival, is_unquoted)| Arrived {
                hole: *hole,
                by,
                arrival,
                is_unquoted,
            }));
        }
        arrivals
    }

    /// Returns the variables that a script reads as code, evaluates, or runs, and what becomes of them.
    pub(super) fn read_as_code(&self) -> BTreeMap<String, String> {
        let targets = self.names.iter().map(|(target, _)| target);
        let sources = self.names.iter().map(|(_, source)| source);
        let names: BTreeSet<&String> = targets
            .chain(sources)
            .chain(&self.evaluated)
            .chain(self.code.keys())
            .chain(&self.commands)
            .chain(&self.unknown)
            .collect();
        let ways = ways(&self.names);
        let arrival = |name: &&String| {
            let (by, arrival, _) = self.arrivals_of(name, &ways).into_iter().next()?;
            let becomes = match arrival {
                Arrival::Evaluated => {
                    format!("arithmetic or a name, as which the script evaluates {}", shown(&by))
                }
                Arrival::Code(program) => {
                    format!("code, as which `{}` reads {}", program.first_name(), shown(&by))
                }
                Arrival::Command => format!("the command that {} names", shown(&by)),
                Arrival::Unknown => format!("what {} gives to a command that is not known here", shown(&by)),
                Arrival::Special => format!("{}, which decides what other programs run", shown(&by)),
            };
            Some(((*name).clone(), becomes))
        };
        names.iter().filter(|name| is_variable(name) || **name == Self::INPUT).filter_map(arrival).collect()
    }

    /// Where a variable's value arrives, by which last variable, and whether its quotes are gone by then.
    fn arrivals_of(&self, name: &str, ways: &Ways<'_>) -> Vec<(String, Arrival, bool)> {
        let mut arrivals = Vec::new();
        let reached = reached(name, ways);
        let is_unquoted = reached.iter().any(|name| self.unquoted.contains(*name));
        if self.declares_integers && is_variable(name) {
            arrivals.push((name.to_owned(), Arrival::Evaluated, is_unquoted));
        }
        for name in reached {
            let mut arrives = |arrival| arrivals.push((name.to_owned(), arrival, is_unquoted));
            if self.evaluated.contains(name) {
                arrives(Arrival::Evaluated);
            }
            if let Some(program) = self.code.get(name) {
                arrives(Arrival::Code(program));
            }
            if self.commands.contains(name) {
                arrives(Arrival::Command);
            }
            if self.unknown.contains(name) {
                arrives(Arrival::Unknown);
            }
            if is_special_variable(name) {
                arrives(Arrival::Special);
            }
        }
        arrivals
    }

    /// The holes whose values the shell evaluates.
    pub(super) fn evaluated_holes(&self) -> impl Iterator<Item = usize> {
        self.arrivals()
            .into_iter()
            .filter(|arrived| arrived.arrival == Arrival::Evaluated)
            .map(|arrived| arrived.hole)
    }

    /// Returns the holes that a program may take for options by way of variables, and whether any word of them.
    pub(super) fn option_holes(&self) -> BTreeSet<(usize, bool)> {
        let (ways, leading) = (ways(&self.names), ways(&self.leading_names));
        let mut found = self.direct_options.clone();
        for (name, hole) in &self.holes {
            if reached(name, &ways).iter().any(|name| self.split_options.contains(*name)) {
                found.insert((*hole, true));
            }
        }
        for (name, hole) in &self.leading_holes {
            if reached(name, &leading).iter().any(|name| self.options.contains(*name)) {
                found.insert((*hole, false));
            }
        }
        found
    }
}

/// From each variable to those that may hold what it holds.
type Ways<'f> = BTreeMap<&'f str, Vec<&'f str>>;

fn ways(names: &BTreeSet<(String, String)>) -> Ways<'_> {
    let mut ways = Ways::new();
    for (target, source) in names {
        ways.entry(source).or_default().push(target);
    }
    ways
}

/// The variables that may hold what this one holds.
fn reached<'f>(name: &'f str, ways: &Ways<'f>) -> BTreeSet<&'f str> {
    let mut reached = BTreeSet::from([name]);
    let mut next = vec![name];
    while let Some(source) = next.pop() {
        for target in ways.get(source).into_iter().flatten() {
            if reached.insert(target) {
                next.push(target);
            }
        }
    }
    reached
}

/// Tells whether a name is that of a variable, and not of a file, a pipe or a function; nor none at all, as in `${~a}`.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'@')
}

/// How a variable, a file or a pipe is called in messages.
pub(super) fn shown(name: &str) -> String {
    match name {
        Flows::INPUT => "standard input".to_owned(),
        Flows::PIPED => "a pipe".to_owned(),
        Flows::WRITTEN => "what is written to `>(...)`".to_owned(),
        Flows::ANY_FILE => "a file that a pattern finds".to_owned(),
        _ if name.starts_with("<f") => "what `find` found".to_owned(),
        _ if name.starts_with('<') => "what `xargs` reads".to_owned(),
        _ if name.ends_with("()") => format!("what `{}` prints", name.trim_end_matches("()")),
        _ => match name.strip_prefix("file:") {
            Some(file) => format!("the file `{file}`"),
            None => format!("`${name}`"),
        },
    }
}
