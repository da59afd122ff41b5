//! [`Known`]: what is known of commands whose names and options stand in variables.
//!
//! `tool=systemctl; $tool restart {{ x }}` is read as what it becomes. A command that nobody can name here must be
//! given no value: it may be a shell.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::command;
use super::flows::{Flows, Rest};
use super::interpreters::reads;
use super::lexer::Lexer;
use super::units::{Unit, Word};

/// Variables, and all texts that they may hold.
pub(super) type Known = BTreeMap<String, BTreeSet<String>>;

/// How to write a command that is known.
pub(super) const NAME_IT: &str =
    "name the command itself; in place of a variable, one that is given only texts which stand in the script";

/// The most commands that the variables of one may make of it.
const MOST_WAYS: usize = 16;

/// The words of a command, once for each of the texts that its variables may hold.
pub(super) fn ways(lexer: &mut Lexer<'_>, words: &[Word]) -> Vec<Vec<Word>> {
    let mut ways: Vec<Vec<Word>> = vec![Vec::with_capacity(words.len())];
    for word in words {
        let variable = word.variable();
        lexer.wants_known |= variable.is_some();
        let texts = variable.and_then(|name| lexer.known.get(name));
        match texts.filter(|texts| !texts.is_empty() && texts.len() * ways.len() <= MOST_WAYS) {
            Some(texts) => {
                ways =
                    ways.iter().flat_map(|way| texts.iter().map(|text| with_text(way, word, text))).collect();
            }
            None => ways.iter_mut().for_each(|way| way.push(word.clone())),
        }
    }
    ways
}

/// A command with one word more, which is what a variable with this text becomes.
fn with_text(way: &[Word], word: &Word, text: &str) -> Vec<Word> {
    let mut way = way.to_vec();
    if word.splits {
        way.extend(text.split_whitespace().map(Word::of));
    } else {
        way.push(Word::of(text));
    }
    way
}

/// The name of a command: the author's text, or the author's file in a directory that is a variable.
pub(super) fn known_name(lexer: &Lexer<'_>, name: &Word) -> Option<String> {
    let file = match name.units.iter().rposition(|unit| *unit == Unit::Char('/')) {
        Some(_) if name.splits && name.names.iter().any(|name| lexer.known.contains_key(name)) => {
            return None;
        }
        Some(slash) => &name.units[slash + 1..],
        None => name.units.as_slice(),
    };
    let file = Word { units: file.to_vec(), ..Word::default() }.literal().filter(|file| !file.is_empty())?;
    let is_other = name.is_pattern && file.len() > 1 && file.contains(['*', '?', '[', '{', '}', '~']);
    (!is_other || file == "[[").then(|| name.literal().unwrap_or(file))
}

/// Tells whether a word may become options that nobody can read here: `$options`, `"$@"`, `-$letters`.
///
/// `valued` are the letters behind which a value stands in the same word: `-u"$user"`.
pub(super) fn hides_options(word: &Word, valued: &str) -> bool {
    let mut start = word.literal_start();
    // A hole right there is judged where options are.
    let next = word.units.get(start.chars().count());
    if !matches!(next, Some(Unit::Opaque)) && !word.splits {
        return false;
    }
    if word.splits || start.is_empty() {
        // A path is no option.
        return word.splits || word.units.get(1) != Some(&Unit::Char('/'));
    }
    let Some(letters) = start.strip_prefix('-') else { return false };
    let is_value = letters.contains('=') || letters.contains(|letter| valued.contains(letter));
    start.truncate(2);
    !is_value && start != "--"
}

/// Judges a command whose name only the shell will know: it may read its arguments as code.
pub(super) fn unnamed(lexer: &mut Lexer<'_>, name: &Word, arguments: &[Word]) {
    // A value there is refused as such, and the author's `| raw` text is read when it is known.
    if name.has_hole() || name.has_raw() {
        return;
    }
    if runs_arguments(name) {
        let rest = Rest { arguments: arguments.to_vec(), ..lexer.feeding.clone() };
        let runs = &mut lexer.lexed.flows.arguments_run;
        if !runs.contains(&rest) {
            runs.push(rest);
        }
        return;
    }
    let Rest { holes, names, .. } = lexer.feeding.clone();
    give(lexer, &holes, &names);
    for word in arguments {
        give(lexer, &word.all_holes(), &word.names);
    }
}

/// Tells whether a word is `"$@"`.
fn runs_arguments(name: &Word) -> bool {
    name.variable() == Some(Flows::ALL_ARGUMENTS) && name.splits
}

/// Notes that values are given to a command that is not known.
pub(super) fn give(lexer: &mut Lexer<'_>, holes: &[usize], names: &[String]) {
    for hole in holes {
        let message = "it is not known here which command is given this value: it may read it as code";
        lexer.refuse(*hole, "shell-unknown-command", message, NAME_IT);
    }
    lexer.lexed.flows.unknown.extend(names.iter().cloned());
}

/// Judges, when the whole script was read, the commands that its arguments are: `f() { "$@"; }`.
pub(super) fn complete(lexer: &mut Lexer<'_>) {
    let lists = lexer.lexed.flows.argument_lists();
    let mut judged = 0;
    while let Some(rest) = lexer.lexed.flows.arguments_run.get(judged).cloned() {
        judged += 1;
        for words in &lists {
            // Where it is a value, it is judged by its flow; where it is `"$@"` again, by the other lists.
            if words.first().is_some_and(|name| name.has_hole() || runs_arguments(name)) {
                continue;
            }
            let words: Vec<Word> = words.iter().chain(&rest.arguments).cloned().collect();
            for words in ways(lexer, &words) {
                lexer.feeding = Rest { arguments: Vec::new(), ..rest.clone() };
                command(lexer, &words);
                reads(lexer, &words, &rest);
            }
        }
        if judged > MOST_WAYS {
            // `f sudo "$@" a` makes ever longer ones.
            lexer.is_exhausted = true;
            return;
        }
    }
}
