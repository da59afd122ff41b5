//! [`Flows`]: which values reach, by way of variables, a place where a shell evaluates what they hold.
//!
//! `n={{ x }}` is harmless, and so is `$((n + 1))`; both together are not: bash evaluates what `n`
//! holds, and `a[$(reboot)]` is arithmetic to it. `eval "$n"` is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::Program;
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
    /// The script's own functions.
    pub(super) functions: BTreeSet<String>,
    /// Whether the script declares integer variables or references: then each assignment evaluates.
    pub(super) declares_integers: bool,
}

impl Flows {
    /// The name under which `$1`, `$@` and so on are kept.
    pub(super) const ARGUMENTS: &'static str = "@";

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
        self.functions.extend(other.functions);
        self.declares_integers |= other.declares_integers;
    }

    /// Returns the holes whose values are evaluated, and those that become code.
    pub(super) fn resolve(&self) -> (Vec<usize>, Vec<(usize, String, &'static Program)>) {
        let mut integers = Vec::new();
        let mut code = Vec::new();
        for (name, hole) in &self.holes {
            let reached = self.reached(name);
            if self.declares_integers || reached.iter().any(|name| self.evaluated.contains(*name)) {
                integers.push(*hole);
            }
            if let Some((name, program)) =
                reached.iter().find_map(|name| self.code.get(*name).map(|program| (*name, *program)))
            {
                code.push((*hole, name.to_owned(), program));
            }
        }
        (integers, code)
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
