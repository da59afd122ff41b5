//! [`Flows`]: which values reach, by way of variables, a place where a shell evaluates what they hold.
//!
//! `n={{ x }}` is harmless, and so is `$((n + 1))`; both together are not: bash evaluates what `n`
//! holds, and `a[$(reboot)]` is arithmetic to it. `eval "$n"` is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::expansions::identifiers;
use super::known::Known;
use super::programs::Program;
use super::streams::text_of;
use super::units::{Unit, Word};

/// What flows between variables.
#[derive(Debug, Default)]
pub(super) struct Flows {
    /// A variable, and a hole whose value it may hold.
    pub(super) holes: BTreeSet<(String, usize)>,
    /// A variable, and another whose value it may hold.
    pub(super) names: BTreeSet<(String, String)>,
    /// Of these, the values that begin what the variable holds.
    pub(super) leading_holes: BTreeSet<(String, usize)>,
    pub(super) leading_names: BTreeSet<(String, String)>,
    /// Variables that stand where an option could stand; and those that may become several words there.
    pub(super) options: BTreeSet<String>,
    pub(super) split_options: BTreeSet<String>,
    /// Holes in substitutions that stand there.
    pub(super) direct_options: BTreeSet<(usize, bool)>,
    /// The names that the author's text in a variable mentions: arithmetic evaluates them, too.
    pub(super) mentions: BTreeSet<(String, String)>,
    /// Variables that are evaluated as arithmetic or as names of variables.
    pub(super) evaluated: BTreeSet<String>,
    /// Variables that some program reads as code.
    pub(super) code: BTreeMap<String, &'static Program>,
    /// Variables that name a command or a file that is run.
    pub(super) commands: BTreeSet<String>,
    /// Variables that are given to a command that is not known.
    pub(super) unknown: BTreeSet<String>,
    /// The texts that the author gives to a variable; none when it may hold others too.
    pub(super) texts: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Commands that begin with `"$@"`.
    pub(super) arguments_run: Vec<Rest>,
    /// Words that became arguments of functions and of other shells' code.
    pub(super) passed: Vec<Vec<Word>>,
    /// The script's own functions.
    pub(super) functions: BTreeSet<String>,
    /// Commands that may be the script's own functions, with their arguments.
    pub(super) calls: Vec<(String, Vec<Word>)>,
    /// Variables that `read` and its like fill from standard input.
    pub(super) read: BTreeSet<String>,
    /// Variables that are assigned in text that another shell reads: what was quoted for it no longer is.
    pub(super) unquoted: BTreeSet<String>,
    /// Every variable that is assigned.
    pub(super) assigned: BTreeSet<String>,
    /// Whether the script declares integer variables or references: then each assignment evaluates.
    pub(super) declares_integers: bool,
    /// By how many places the script moves its arguments: so many may become the first.
    pub(super) shifts: usize,
}

/// What follows `"$@"` where that is the command, and what flows into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) arguments: Vec<Word>,
    pub(super) holes: Vec<usize>,
    pub(super) names: Vec<String>,
}

impl Flows {
    /// The name under which `$1` is kept.
    pub(super) const FIRST_ARGUMENT: &'static str = "1";
    /// The name under which `$2` and so on are kept.
    pub(super) const ARGUMENTS: &'static str = "2";
    /// The name under which `$@` and `$*` are kept.
    pub(super) const ALL_ARGUMENTS: &'static str = "@";

    /// The name under which is kept what comes on the script's standard input.
    pub(super) const INPUT: &'static str = "<input>";
    /// The name under which is kept what flows through any pipe, here-document or here-string.
    pub(super) const PIPED: &'static str = "<piped>";
    /// The name under which is kept what commands write to `>(...)`.
    pub(super) const WRITTEN: &'static str = "<written>";
    /// The name under which the text of a file is kept that a pattern finds.
    pub(super) const ANY_FILE: &'static str = "file:*";
    /// The name under which `$0` is kept.
    pub(super) const NAME: &'static str = "0";

    /// The name under which is kept what a function prints.
    pub(super) fn output_of(function: &str) -> String {
        format!("{function}()")
    }

    /// The name under which is kept what flows into a function.
    pub(super) fn input_of(function: &str) -> String {
        format!("<{function}()")
    }

    /// Notes the arguments of a function or of another shell's code: `$1`, `$2`, `$@`.
    pub(super) fn pass(&mut self, arguments: &[Word]) {
        if !self.passed.iter().any(|known| known == arguments) {
            self.passed.push(arguments.to_vec());
        }
        let firsts = self.firsts(arguments);
        for (at, word) in arguments.iter().enumerate() {
            if at < firsts {
                self.assign(Self::FIRST_ARGUMENT, word);
            }
            self.assign(Self::ARGUMENTS, word);
            self.assign(Self::ALL_ARGUMENTS, word);
        }
    }

    /// Notes a command that may be a function of the script, also of one that is defined further down.
    pub(super) fn call(&mut self, name: String, arguments: &[Word]) {
        self.calls.push((name, arguments.to_vec()));
    }

    /// Notes what flows into some command's standard input.
    pub(super) fn pipe<'n>(&mut self, holes: &[usize], names: impl IntoIterator<Item = &'n String>) {
        self.assign_holes(Self::PIPED, holes.iter().copied());
        self.assign_names(Self::PIPED, names);
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

    /// Notes an assignment `name=value`, the whole of it one word.
    pub(super) fn assign_by(&mut self, name: &str, word: &Word) {
        let is_whole = word.literal_start().strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        let value =
            Word { units: word.units.get(name.len() + 1..).unwrap_or_default().to_vec(), ..word.clone() };
        self.assign(name, if is_whole { &value } else { word });
        if !is_whole {
            self.forget(name);
        }
    }

    /// Notes that a variable may hold a text that is not known.
    pub(super) fn forget(&mut self, name: &str) {
        self.texts.insert(name.to_owned(), None);
    }

    /// Returns the variables whose texts are all written in the script, with them.
    pub(super) fn known(&self) -> Known {
        let splits_oddly = self.texts.get("IFS").is_some_and(|texts| {
            texts.as_ref().is_none_or(|texts| texts.iter().any(|text| !text.trim().is_empty()))
        });
        if splits_oddly || self.declares_integers {
            return Known::new();
        }
        let is_one = |name: &String| !self.read.contains(name) && name != Self::ALL_ARGUMENTS;
        let texts = self.texts.iter().filter(|(name, _)| is_one(name));
        texts.filter_map(|(name, texts)| Some((name.clone(), texts.clone()?))).collect()
    }

    /// Returns the words that may be arguments, from each that may be the first.
    pub(super) fn argument_lists(&self) -> Vec<Vec<Word>> {
        let lists = self.passed.iter();
        lists.flat_map(|words| (0..self.firsts(words)).map(|at| words[at..].to_vec())).collect()
    }

    /// How many of these words may be the first argument: words before them may become none.
    fn firsts(&self, words: &[Word]) -> usize {
        let may_be_none = |word: &Word| word.splits || matches!(word.units.as_slice(), [Unit::Hole(_)]);
        match words.iter().position(may_be_none) {
            Some(at) if at <= self.shifts => words.len(),
            _ => words.len().min(self.shifts.saturating_add(1)),
        }
    }

    /// Notes that a variable may hold what a word becomes.
    pub(super) fn assign(&mut self, name: &str, word: &Word) {
        for mentioned in identifiers(&word.literal().unwrap_or_default()) {
            self.mentions.insert((name.to_owned(), mentioned));
        }
        let known = self.texts.entry(name.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
        match (known.as_mut(), word.literal()) {
            (Some(texts), Some(text)) if !word.is_pattern && !text.contains(['*', '?', '[']) => {
                texts.insert(text);
            }
            _ => *known = None,
        }
        self.assigned.insert(name.to_owned());
        // Two names of one file.
        let file = format!("file:${name}");
        for other in text_of(word) {
            self.assign_names(&other, std::slice::from_ref(&file));
            self.assign_names(&file, &[other]);
        }
        if let Some(Unit::Char(_)) = word.units.first() {
            self.holes.extend(word.all_holes().into_iter().map(|hole| (name.to_owned(), hole)));
            let others = word.names.iter().filter(|other| *other != name);
            self.names.extend(others.map(|other| (name.to_owned(), other.clone())));
        } else {
            self.assign_holes(name, word.all_holes());
            self.assign_names(name, &word.names);
        }
    }

    /// Notes that a variable may hold these holes' values.
    pub(super) fn assign_holes(&mut self, name: &str, holes: impl IntoIterator<Item = usize>) {
        for hole in holes {
            self.holes.insert((name.to_owned(), hole));
            self.leading_holes.insert((name.to_owned(), hole));
        }
    }

    /// Notes that a variable may hold what others hold.
    pub(super) fn assign_names<'n>(&mut self, name: &str, others: impl IntoIterator<Item = &'n String>) {
        for other in others.into_iter().filter(|other| *other != name) {
            self.names.insert((name.to_owned(), other.clone()));
            self.leading_names.insert((name.to_owned(), other.clone()));
        }
    }

    /// Notes a word that stands where an option could stand.
    pub(super) fn may_be_option(&mut self, word: &Word) {
        if word.splits || word.units.first() == Some(&Unit::Opaque) {
            self.direct_options.extend(word.nested.iter().map(|hole| (*hole, word.splits)));
        }
        if word.splits {
            self.split_options.extend(word.names.iter().cloned());
        } else if word.units.first() == Some(&Unit::Opaque) {
            self.options.extend(word.names.iter().cloned());
        }
    }

    /// Takes over what was found in text that another shell reads, and that expands these variables.
    pub(super) fn merge(&mut self, other: Self, names: &[String]) {
        for name in &other.assigned {
            self.assign_names(name, names);
        }
        self.unquoted.extend(other.assigned.iter().cloned());
        self.unquoted.extend(other.unquoted);
        self.assigned.extend(other.assigned);
        self.holes.extend(other.holes);
        self.names.extend(other.names);
        self.mentions.extend(other.mentions);
        self.leading_holes.extend(other.leading_holes);
        self.leading_names.extend(other.leading_names);
        self.options.extend(other.options);
        self.split_options.extend(other.split_options);
        self.direct_options.extend(other.direct_options);
        self.evaluated.extend(other.evaluated);
        self.code.extend(other.code);
        self.commands.extend(other.commands);
        self.unknown.extend(other.unknown);
        for (name, texts) in other.texts {
            match (self.texts.get_mut(&name), texts) {
                (Some(Some(known)), Some(texts)) => known.extend(texts),
                (Some(known), _) => *known = None,
                (None, texts) => _ = self.texts.insert(name, texts),
            }
        }
        self.arguments_run.extend(other.arguments_run);
        self.passed.extend(other.passed);
        self.functions.extend(other.functions);
        self.calls.extend(other.calls);
        self.read.extend(other.read);
        self.declares_integers |= other.declares_integers;
        self.shifts = self.shifts.saturating_add(other.shifts);
    }

    /// Adds what only shows when the whole script, with these holes, was read.
    pub(super) fn complete(&mut self, holes: &[usize]) {
        let calls = std::mem::take(&mut self.calls);
        let passes_on = |word: &Word| {
            word.names.iter().any(|name| [Self::ARGUMENTS, Self::ALL_ARGUMENTS].contains(&name.as_str()))
        };
        if self.shifts > 0 && calls.iter().any(|(_, words)| words.iter().any(passes_on)) {
            self.shifts = usize::MAX;
        }
        let takes_all = self.functions.contains("command_not_found_handle");
        for (name, arguments) in calls {
            if takes_all || self.functions.contains(&name) {
                self.pass(&arguments);
            }
        }
        let variables: Vec<String> = self.assigned.iter().cloned().collect();
        for function in self.functions.clone() {
            // Which command belongs to which function is not followed: each may print everything.
            let output = Self::output_of(&function);
            self.assign_holes(&output, holes.iter().copied());
            self.assign_names(&output, &variables);
            self.assign_names(Self::INPUT, &[Self::input_of(&function)]);
        }
        for target in std::mem::take(&mut self.read) {
            self.assign_names(&target, &[Self::PIPED.to_owned(), Self::INPUT.to_owned()]);
        }
        for words in self.argument_lists() {
            if let Some(first) = words.first() {
                self.assign(Self::FIRST_ARGUMENT, first);
            }
        }
        // Which command writes into which `>(...)` is not followed, and which files a pattern finds.
        self.assign_holes(Self::WRITTEN, holes.iter().copied());
        self.assign_names(Self::WRITTEN, &variables);
        self.assign_names(Self::WRITTEN, &[Self::INPUT.to_owned(), Self::PIPED.to_owned()]);
        let files = self.holes.iter().map(|(name, _)| name).chain(self.names.iter().map(|(name, _)| name));
        let files: BTreeSet<String> = files.filter(|name| name.starts_with("file:")).cloned().collect();
        self.assign_names(Self::ANY_FILE, &files);
        // The author's own text may name what a hole becomes.
        let mut ours: BTreeSet<String> = self.code.keys().cloned().collect();
        ours.extend(self.names.iter().map(|(_, source)| source.clone()));
        ours.extend(self.evaluated.iter().chain(&self.commands).chain(&self.unknown).cloned());
        for name in ours.iter().filter(|name| name.starts_with("AMFLOW_V")) {
            self.assign_holes(name, holes.iter().copied());
        }
    }

    /// Follows what evaluated variables mention: `a=b; echo $((a))` evaluates `b`.
    pub(super) fn follow_mentions(&mut self) {
        loop {
            let mut evaluated = self.evaluated.clone();
            let mut next: Vec<String> = evaluated.iter().cloned().collect();
            while let Some(name) = next.pop() {
                for (target, source) in &self.names {
                    if *target == name && evaluated.insert(source.clone()) {
                        next.push(source.clone());
                    }
                }
            }
            let mentioned: Vec<(String, String)> = self
                .mentions
                .iter()
                .filter(|(name, _)| self.declares_integers || evaluated.contains(name))
                .filter(|mention| !self.names.contains(*mention))
                .cloned()
                .collect();
            if mentioned.is_empty() {
                return;
            }
            self.names.extend(mentioned);
        }
    }
}
