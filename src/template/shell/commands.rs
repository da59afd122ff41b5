//! What a command does with its words: which of them it runs, and which of them may be options.

use super::flows::Rest;
use super::known::{self, known_name, unnamed};
use super::lexer::Lexer;
use super::programs::program_named;
use super::units::{Unit, Word};
use super::{builtins, interpreters, options, streams, wrappers};

/// A simple command while it is read.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// Its name and arguments.
    pub(super) words: Vec<Word>,
    /// Whether assignments stand before it.
    has_assignments: bool,
    /// What `<<<` feeds to it.
    pub(super) here_strings: Vec<Word>,
    /// Whether it is the end of a compound command: words after it are none.
    pub(super) is_compound: bool,
    /// The files that it writes.
    pub(super) outputs: Vec<Word>,
    /// The names of what it reads from files and descriptors.
    pub(super) inputs: Vec<String>,
    /// Whether a here-document is fed to it.
    pub(super) has_document: bool,
}

impl Command {
    /// Tells whether its name is still to come.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && !self.has_assignments && !self.is_compound
    }
}

/// Adds a word to a command.
pub(super) fn add(lexer: &mut Lexer<'_>, command: &mut Command, word: Word) {
    if let Some(frame) = lexer.frames.last_mut() {
        frame.names.extend(word.names.iter().cloned());
    }
    if command.words.is_empty()
        && let Some(name) = builtins::assigned_name(&word)
    {
        builtins::check_subscript(lexer, &word);
        lexer.lexed.flows.assign_by(&name, &word);
        command.has_assignments = true;
        return;
    }
    // After bash's `time` stands a whole pipeline; elsewhere it is a program.
    let is_timed = command.words.first().is_some_and(|name| name.is_plain("time"))
        && command.words[1..].iter().all(|word| word.literal_start().starts_with('-'));
    if is_timed && RESERVED.iter().any(|reserved| word.is_plain(reserved)) {
        lexer.loses();
    }
    command.words.push(word);
}

/// Words that begin something else than a simple command.
const RESERVED: &[&str] =
    &["{", "!", "if", "while", "until", "for", "case", "select", "function", "[[", "time", "coproc"];

/// Judges a command that is complete, and clears it.
pub(super) fn finish(lexer: &mut Lexer<'_>, command: &mut Command) {
    let mut command = std::mem::take(command);
    for words in known::ways(lexer, &command.words) {
        command.words = words;
        judge(lexer, &command);
    }
}

/// Judges a command by its words.
fn judge(lexer: &mut Lexer<'_>, command: &Command) {
    streams::note(lexer, command);
    let (holes, names) = streams::arriving(lexer, command);
    lexer.feeding = Rest { arguments: Vec::new(), holes, names };
    streams::into_group(lexer, command);
    self::command(lexer, &command.words);
    builtins::flows(lexer, command);
    if let Some((reader, name)) = interpreters::input_reader(&command.words) {
        lexer.reading = name;
        interpreters::feeds(lexer, reader, command);
    }
}

/// Judges the words of a command, also of one that another runs.
pub(super) fn command(lexer: &mut Lexer<'_>, words: &[Word]) {
    let Some((name, arguments)) = words.split_first() else { return };
    runs(lexer, name, "a value cannot be the command that is run");
    options(lexer, name, arguments);
    if let Some(name) = name.literal() {
        lexer.lexed.flows.call(name, arguments);
    }
    inspect(lexer, words);
}

/// A word that names what is run.
pub(super) fn runs(lexer: &mut Lexer<'_>, word: &Word, message: &str) {
    for hole in word.all_holes() {
        let hint = "write it into the script; `| raw` takes the author's own text as script";
        lexer.refuse(hole, "shell-command-position", message, hint);
    }
    lexer.lexed.flows.name_command(&word.names);
    // A plain name is looked up in PATH.
    if word.literal().is_none_or(|path| path.contains('/')) {
        runs_file(lexer, word);
    }
}

/// A word that names a file of script.
pub(super) fn runs_file(lexer: &mut Lexer<'_>, word: &Word) {
    if word.literal().is_some_and(|path| !path.starts_with(['/', '~'])) {
        // The directory says which file that is.
        lexer.lexed.flows.name_command(&["PWD".to_owned()]);
    }
    if !word.literal().is_some_and(|path| streams::is_input(&path)) {
        lexer.lexed.flows.name_command(&streams::text_of(word));
    }
}

/// Values at the start of an argument must not be taken for options.
fn options(lexer: &mut Lexer<'_>, name: &Word, arguments: &[Word]) {
    let name = name.literal().unwrap_or_default();
    // What these make of an option does no harm.
    let is_harmless = matches!(
        name.as_str(),
        "[" | "test" | "echo" | "printf" | "return" | "exit" | "shift" | ":" | "true"
    );
    let mut can_be_option = true;
    for (at, word) in arguments.iter().enumerate() {
        if can_be_option && !word.leading_holes().is_empty() {
            lexer.lexed.heads.push(word.leading_holes());
        }
        if can_be_option && !is_harmless {
            lexer.lexed.flows.may_be_option(word);
        }
        if let ([Unit::Hole(hole)], false) = (word.units.as_slice(), word.quoted) {
            lexer.lexed.alone.push(*hole);
        }
        // `printf` takes options before its format only, `echo` before its first word.
        can_be_option &= !(word.is_plain("--") || matches!(name.as_str(), "printf" | "echo") && at == 0);
    }
}

/// An item of `for name in ...`.
pub(super) fn list_item(lexer: &mut Lexer<'_>, word: &Word) {
    if !word.leading_holes().is_empty() {
        lexer.lexed.heads.push(word.leading_holes());
    }
    if let ([Unit::Hole(hole)], false) = (word.units.as_slice(), word.quoted) {
        lexer.lexed.alone.push(*hole);
    }
}

/// Judges what a command does with its arguments.
pub(super) fn inspect(lexer: &mut Lexer<'_>, words: &[Word]) {
    let Some((name, arguments)) = words.split_first() else { return };
    let Some(command) = known_name(lexer, name) else { return unnamed(lexer, name, arguments) };
    let shown = command.rsplit('/').next().unwrap_or_default();
    shown.clone_into(&mut lexer.reading);
    if let Some(program) = program_named(&command) {
        interpreters::inspect(lexer, program, arguments);
    }
    options::judge(lexer, shown, arguments);
    builtins::judge(lexer, shown, arguments);
    wrappers::judge(lexer, shown, arguments);
}

/// Refuses a value in an option that could run a program.
pub(super) fn refuse_option(lexer: &mut Lexer<'_>, word: &Word) {
    for hole in word.all_holes() {
        let message = format!("an option of `{}` could run a program", lexer.reading);
        lexer.refuse(
            hole,
            "shell-option",
            message,
            "write this option into the script, or into the program's configuration",
        );
    }
    lexer.lexed.flows.name_command(&word.names);
}
