//! The commands of the shell itself: which of their words are names, numbers, assignments.

use super::commands::{Command, runs, runs_file};
use super::expansions::identifiers;
use super::flows::Rest;
use super::known;
use super::lexer::Lexer;
use super::units::{Unit, Word};

/// Judges a command that the shell itself is.
pub(super) fn judge(lexer: &mut Lexer<'_>, command: &str, arguments: &[Word]) {
    match command {
        "." | "source" => {
            if let Some(file) = arguments.first() {
                runs(lexer, file, &format!("`{command}` runs what is in the file that it is given"));
                runs_file(lexer, file);
            }
        }
        "alias" => lexer.loses(),
        "printf" => printf(lexer, arguments),
        "read" | "unset" | "let" | "mapfile" | "readarray" | "getopts" | "wait" | "enable" | "hash" => {
            for word in arguments {
                names(lexer, word, command);
            }
            if command == "let" {
                for text in arguments.iter().filter_map(Word::literal) {
                    lexer.lexed.flows.evaluated.extend(identifiers(&text));
                }
            }
        }
        "test" | "[" if takes_names(arguments) => {
            for word in arguments {
                names(lexer, word, "test -v");
            }
        }
        "declare" | "typeset" | "local" | "export" | "readonly" => declare(lexer, command, arguments),
        _ => {}
    }
}

/// Tells whether `test` may be given `-v` or `-R`, before what it evaluates as a name.
fn takes_names(arguments: &[Word]) -> bool {
    let is_unknown = |word: &Word| word.literal().is_none() && !word.has_hole();
    arguments.iter().any(|word| word.is_plain("-v") || word.is_plain("-R"))
        || arguments.windows(2).any(|pair| is_unknown(&pair[0]) && pair[1].literal().is_none())
}

/// A word that a command takes for the name of a variable, or evaluates.
pub(super) fn names(lexer: &mut Lexer<'_>, word: &Word, command: &str) {
    for hole in word.all_holes() {
        let message = format!("`{command}` takes this for the name of a variable, and bash evaluates names");
        lexer.refuse(
            hole,
            "shell-name",
            message,
            "write a fixed name, and give the variable the value: `x={{ ... }}`",
        );
    }
    lexer.lexed.flows.evaluated.extend(word.names.iter().cloned());
}

pub(super) fn printf(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    let mut arguments = arguments.iter().peekable();
    if arguments.next_if(|word| word.is_plain("-v")).is_some()
        && let Some(word) = arguments.next()
    {
        names(lexer, word, "printf -v");
        if let Some(name) = word.literal() {
            for value in arguments.clone() {
                lexer.lexed.flows.assign(&name, value);
            }
            lexer.lexed.flows.forget(&name);
        }
    }
    arguments.next_if(|word| word.is_plain("--"));
    for hole in arguments.next().into_iter().flat_map(|format| format.holes().collect::<Vec<_>>()) {
        let message = "`printf` reads `%` and backslashes in its format";
        lexer.refuse(hole, "shell-printf-format", message, "write `printf '%s\\n' {{ ... }}`");
    }
}

/// `export name=value`; `-i` and `-n` make every later assignment an evaluation.
pub(super) fn declare(lexer: &mut Lexer<'_>, command: &str, arguments: &[Word]) {
    for word in arguments {
        let text = word.literal().unwrap_or_default();
        if text.starts_with('-') && command != "export" && text.contains(['i', 'n']) {
            lexer.lexed.flows.declares_integers = true;
        }
        match assigned_name(word) {
            Some(name) => {
                check_subscript(lexer, word);
                lexer.lexed.flows.assign_by(&name, word);
            }
            None => names(lexer, word, command),
        }
    }
}

/// `[[ ... ]]`: `-eq` and its like evaluate arithmetic, `-v` and `-R` evaluate names.
pub(super) fn double_brackets(lexer: &mut Lexer<'_>, words: &[Word]) {
    let is = |word: &Word, texts: &[&str]| texts.iter().any(|text| word.is_plain(text));
    let has_numbers = words.iter().any(|word| is(word, &["-eq", "-ne", "-lt", "-le", "-gt", "-ge"]));
    let has_names = words.iter().any(|word| is(word, &["-v", "-R"]));
    for word in words {
        if has_names {
            names(lexer, word, "[[ -v ]]");
        }
        if has_numbers {
            lexer.lexed.integers.extend(word.all_holes());
            lexer.lexed.flows.evaluated.extend(word.names.iter().cloned());
            if let Some(text) = word.literal() {
                lexer.lexed.flows.evaluated.extend(identifiers(&text));
            }
        }
    }
}

/// `name[hole]=...` evaluates the subscript; `[hole]=...` in a list of items too.
pub(super) fn check_subscript(lexer: &mut Lexer<'_>, word: &Word) {
    let Some(open) = word.units.iter().position(|unit| *unit == Unit::Char('[')) else { return };
    let is_name = word.units[..open]
        .iter()
        .all(|unit| matches!(unit, Unit::Char(c) if c.is_ascii_alphanumeric() || *c == '_'));
    let Some(close) = word.units.iter().position(|unit| *unit == Unit::Char(']')) else { return };
    let is_assigned = matches!(word.units.get(close + 1), Some(Unit::Char('=' | '+')));
    if is_name && is_assigned && open < close {
        let inside = Word { units: word.units[open + 1..close].to_vec(), ..Word::default() };
        lexer.lexed.integers.extend(inside.holes());
        lexer.lexed.integers.extend(&word.nested);
        lexer.lexed.flows.evaluated.extend(word.names.iter().cloned());
        if let Some(text) = inside.literal() {
            lexer.lexed.flows.evaluated.extend(identifiers(&text));
        }
    }
}

/// The variable that a word assigns to, if it is an assignment.
pub(super) fn assigned_name(word: &Word) -> Option<String> {
    let text: String = word
        .units
        .iter()
        .map(|unit| match unit {
            Unit::Char(character) => *character,
            Unit::Hole(_) | Unit::Opaque | Unit::Raw => '0',
        })
        .collect();
    let (target, _) = text.split_once('=')?;
    let target = target.strip_suffix('+').unwrap_or(target);
    let name = match target.split_once('[') {
        Some((name, rest)) if rest.ends_with(']') => name,
        Some(_) => return None,
        None => target,
    };
    let mut bytes = name.bytes();
    let first = bytes.next()?;
    let is_name = (first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        // A hole in the name makes the word a command.
        && word.literal_start().len() >= name.len();
    is_name.then(|| name.to_owned())
}

/// Values that reach variables by a command: `read`, `set --`, the script's own functions.
pub(super) fn flows(lexer: &mut Lexer<'_>, command: &Command) {
    let Some((name, arguments)) = command.words.split_first() else { return };
    let Some(name) = name.literal() else { return };
    let found = &mut lexer.lexed.flows;
    match name.as_str() {
        "shift" => {
            let is_again = lexer.level > 0 || lexer.frames.iter().any(|frame| frame.is_loop);
            let by = arguments.first().map_or(Some(1), |word| word.literal()?.parse().ok());
            let by = by.filter(|_| !is_again).unwrap_or(usize::MAX);
            found.shifts = found.shifts.saturating_add(by);
        }
        "set" => {
            let options =
                arguments.iter().take_while(|word| word.literal_start().starts_with(['-', '+'])).count();
            found.pass(&arguments[options..]);
        }
        "read" | "mapfile" | "readarray" => {
            let targets = arguments.iter().filter_map(Word::literal).filter(|text| !text.starts_with('-'));
            if name != "read" && arguments.iter().any(|word| calls_back(&word.literal_start())) {
                let Rest { holes, names, .. } = lexer.feeding.clone();
                known::give(lexer, &holes, &names);
            }
            let found = &mut lexer.lexed.flows;
            for target in targets.chain(["REPLY".to_owned(), "MAPFILE".to_owned()]) {
                found.assign_names(&target, &command.inputs);
                for word in &command.here_strings {
                    found.assign(&target, word);
                }
                found.forget(&target);
                found.read.insert(target);
            }
        }
        _ => {}
    }
}

/// `mapfile -C command`: the lines become its arguments.
fn calls_back(option: &str) -> bool {
    option.starts_with('-') && option.contains('C')
}
