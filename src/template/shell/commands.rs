//! What a command does with its words: which of them it reads as code, as names, as options.

use super::flows::{Flows, Rest};
use super::known::{self, known_name, unnamed};
use super::lexer::{Lexer, identifiers};
use super::programs::{Code, Language, program_named, wrapper_named};
use super::units::{Unit, Word};
use super::{options, streams};

pub(super) use super::programs::Program;

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

const AS_ARGUMENT: &str = "pass it as an argument or by `env:`, and read it there as data";

/// Adds a word to a command.
pub(super) fn add(lexer: &mut Lexer<'_>, command: &mut Command, word: Word) {
    if let Some(frame) = lexer.frames.last_mut() {
        frame.names.extend(word.names.iter().cloned());
    }
    if command.words.is_empty()
        && let Some(name) = assigned_name(&word)
    {
        check_subscript(lexer, &word);
        lexer.lexed.flows.assign_by(&name, &word);
        command.has_assignments = true;
        return;
    }
    command.words.push(word);
}

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
    let Some((name, arguments)) = command.words.split_first() else { return };
    runs(lexer, name, "a value cannot be the command that is run");
    options(lexer, name, arguments);
    inspect(lexer, &command.words);
    flows(lexer, command);
    if let Some((reader, name)) = input_reader(&command.words) {
        lexer.reading = name;
        feeds(lexer, reader, command);
    }
    known::fed(lexer, command);
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
fn runs_file(lexer: &mut Lexer<'_>, word: &Word) {
    if !word.literal().is_some_and(|path| streams::is_input(&path)) {
        lexer.lexed.flows.name_command(&streams::text_of(word));
    }
}

/// Values at the start of an argument must not be taken for options.
fn options(lexer: &mut Lexer<'_>, name: &Word, arguments: &[Word]) {
    let name = name.literal().unwrap_or_default();
    let mut can_be_option = true;
    for (at, word) in arguments.iter().enumerate() {
        if can_be_option && !word.leading_holes().is_empty() {
            lexer.lexed.heads.push(word.leading_holes());
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
fn assigned_name(word: &Word) -> Option<String> {
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

/// Judges the words of a command, or of the command that a wrapper runs.
pub(super) fn inspect(lexer: &mut Lexer<'_>, words: &[Word]) {
    let Some((name, arguments)) = words.split_first() else { return };
    let Some(command) = known_name(lexer, name) else { return unnamed(lexer, name, arguments) };
    command.rsplit('/').next().unwrap_or_default().clone_into(&mut lexer.reading);
    if let Some(program) = program_named(&command) {
        inspect_program(lexer, program, arguments);
    }
    if let Some(wrapper) = wrapper_named(&command) {
        wrapped(lexer, wrapper.valued, wrapper.operands, arguments);
    }
    let shown = command.rsplit('/').next().unwrap_or_default();
    options::judge(lexer, shown, arguments);
    match shown {
        "." | "source" => {
            if let Some(file) = arguments.first() {
                runs(lexer, file, &format!("`{shown}` runs what is in the file that it is given"));
                runs_file(lexer, file);
            }
        }
        "printf" => printf(lexer, arguments),
        "su" | "runuser" => options::as_user(lexer, arguments),
        "kubectl" | "oc" | "docker" | "podman" | "nerdctl" | "crictl" => {
            options::in_container(lexer, arguments);
        }
        "read" | "unset" | "let" | "mapfile" | "readarray" | "getopts" | "wait" | "enable" | "hash" => {
            for word in arguments {
                names(lexer, word, shown);
            }
            if shown == "let" {
                for text in arguments.iter().filter_map(Word::literal) {
                    lexer.lexed.flows.evaluated.extend(identifiers(&text));
                }
            }
        }
        "test" | "[" if arguments.iter().any(|word| word.is_plain("-v") || word.is_plain("-R")) => {
            for word in arguments {
                names(lexer, word, "test -v");
            }
        }
        "declare" | "typeset" | "local" | "export" | "readonly" => declare(lexer, shown, arguments),
        "find" | "fd" => find(lexer, arguments),
        _ => {}
    }
}

/// A word that a command takes for the name of a variable, or evaluates.
fn names(lexer: &mut Lexer<'_>, word: &Word, command: &str) {
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

fn printf(lexer: &mut Lexer<'_>, arguments: &[Word]) {
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
fn declare(lexer: &mut Lexer<'_>, command: &str, arguments: &[Word]) {
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

fn find(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    for (at, word) in arguments.iter().enumerate() {
        let is_command_next = ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec"]
            .iter()
            .any(|option| word.is_plain(option));
        if let (true, Some(command)) = (is_command_next, arguments.get(at + 1)) {
            runs(lexer, command, "a value cannot be the command that is run");
        }
    }
}

/// The command that a wrapper runs: found where the wrapper's own options end, and by its name anywhere.
fn wrapped(lexer: &mut Lexer<'_>, valued: &str, operands: usize, arguments: &[Word]) {
    if operands != usize::MAX {
        let mut operands = operands;
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let start = word.literal_start();
            if start.starts_with("-v") || start.starts_with("-V") {
                break;
            }
            if start.starts_with('-') && start.len() > 1 {
                if start.starts_with("-S") || start.starts_with("--split-string") {
                    read_again(lexer, "env -S", Language::Other, word);
                }
                let takes_value =
                    !start.starts_with("--") && start.len() == 2 && start.ends_with(|c| valued.contains(c));
                if takes_value
                    && let Some(value) = words.next()
                    && start == "-S"
                {
                    read_again(lexer, "env -S", Language::Other, value);
                }
                continue;
            }
            if let Some(name) = assigned_name(word) {
                lexer.lexed.flows.assign_by(&name, word);
                continue;
            }
            if operands > 0 {
                operands -= 1;
                continue;
            }
            runs(lexer, word, "a value cannot be the command that is run");
            if known_name(lexer, word).is_none() {
                unnamed(lexer, word, words.as_slice());
            }
            break;
        }
    }
    for at in 0..arguments.len() {
        if let Some(name) = arguments[at].literal() {
            let is_command = program_named(&name).is_some()
                || matches!(
                    name.as_str(),
                    "printf" | "." | "source" | "read" | "unset" | "export" | "declare"
                );
            if is_command {
                inspect(lexer, &arguments[at..]);
            }
            // What follows the code of `sh -c` are its arguments, and no commands.
            let mut options = arguments[at + 1..].iter().map(Word::literal_start);
            let is_shell = program_named(&name).is_some_and(|program| {
                program.language == Language::Shell && program.code == Code::OptionOrFile
            });
            let gives_code = |option: String| !option.starts_with("--") && option.contains('c');
            if is_shell && options.by_ref().take_while(|word| word.starts_with('-')).any(gives_code) {
                break;
            }
        }
    }
}

fn inspect_program(lexer: &mut Lexer<'_>, program: &'static Program, arguments: &[Word]) {
    match program.code {
        Code::Everything => {
            let code = joined(arguments);
            self::code(lexer, program, &code);
        }
        Code::AfterOperand => {
            let operand = host(lexer, program, arguments);
            if let Some(rest) = arguments.get(operand + 1..) {
                let code = joined(rest);
                self::code(lexer, program, &code);
            }
        }
        Code::OptionOrFile | Code::Option | Code::FirstOperand => with_options(lexer, program, arguments),
        Code::Input => {}
    }
}

/// The number of the first operand of ssh and its like; its options may name programs to run.
fn host(lexer: &mut Lexer<'_>, program: &'static Program, arguments: &[Word]) -> usize {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let start = word.literal_start();
        if start == "--" && word.units.len() == 2 {
            return at + 1;
        }
        if !start.starts_with('-') || start.len() < 2 {
            return at;
        }
        let letter = start.chars().nth(1).unwrap_or('-');
        let harmless = "plibBcJ".contains(letter);
        if !harmless {
            refuse_option(lexer, word);
        }
        let takes_value =
            program.valued.contains(start.chars().last().unwrap_or('-')) && word.literal().is_some();
        if takes_value {
            at += 1;
            if let (false, Some(value)) = (harmless, arguments.get(at)) {
                refuse_option(lexer, value);
            }
        }
        at += 1;
    }
    at
}

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
}

/// Programs whose code follows an option.
fn with_options(lexer: &mut Lexer<'_>, program: &'static Program, arguments: &[Word]) {
    let mut has_code = false;
    // Whether the next word without a dash may be an option's value.
    let mut unsure = false;
    let mut next_is_code = false;
    let mut options_end = false;
    let mut skip = 0;
    // Whether an option may be hidden in a variable: then every word may be code.
    let mut is_hidden = false;
    let is_shell = program.language == Language::Shell && program.code == Code::OptionOrFile;
    for (at, word) in arguments.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let start = word.literal_start();
        is_hidden |= !options_end && !next_is_code && known::hides_options(word, program.attached());
        if is_hidden {
            hidden(lexer, program, word);
            continue;
        }
        if next_is_code && !(is_shell && start.starts_with('-')) {
            next_is_code = false;
            code(lexer, program, word);
            if program.code == Code::OptionOrFile {
                // What follows are arguments of the code: data.
                if is_shell {
                    // After the code stand `$0`, then `$1` and so on.
                    if let Some(name) = arguments.get(at + 1) {
                        lexer.lexed.flows.assign(Flows::NAME, name);
                    }
                    lexer.lexed.flows.pass(arguments.get(at + 2..).unwrap_or_default());
                }
                if is_shell || program.letters == "c" {
                    return;
                }
            }
            continue;
        }
        if !options_end && (start.starts_with('-') || (is_shell && start.starts_with('+'))) && start.len() > 1
        {
            let literal = word.literal();
            if literal.as_deref() == Some("--") {
                options_end = true;
                continue;
            }
            if let Some(long) = start.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                if program.long.contains(&name) {
                    has_code = true;
                    match value {
                        Some(_) => code(lexer, program, word),
                        None => next_is_code = true,
                    }
                } else if matches!(name, "arg" | "argjson" | "slurpfile" | "rawfile") {
                    // jq's own: a name and a value.
                    skip = 2;
                } else {
                    unsure = value.is_none();
                }
                continue;
            }
            let letters: Vec<char> = start.chars().skip(1).collect();
            // `psql -Atc code`, `perl -ne code`: the letter may come after others.
            let code_letter = letters.iter().position(|letter| program.letters.contains(*letter));
            let valued_letter = letters.iter().position(|letter| program.valued.contains(*letter));
            if program.code == Code::OptionOrFile && !is_shell && !has_code && code_letter.is_none() {
                // `python -m`, `perl -M`, `node -r`: options name code too.
                refuse_option(lexer, word);
            }
            match (code_letter, valued_letter) {
                (Some(at), valued) if valued.is_none_or(|valued| at < valued) => {
                    has_code = true;
                    if is_shell || (at + 1 == letters.len() && literal.is_some()) {
                        next_is_code = true;
                    }
                    if word.has_hole() || !word.nested.is_empty() || !word.names.is_empty() {
                        code(lexer, program, word);
                    }
                }
                (_, Some(letter)) if letter + 1 == letters.len() && literal.is_some() => {
                    skip = 1;
                    if let Some(value) = arguments.get(at + 1) {
                        option_value(lexer, program, letters[letter], value);
                    }
                }
                (_, Some(letter)) => option_value(lexer, program, letters[letter], word),
                _ => {
                    // Another letter may follow.
                    refuse_option(lexer, word);
                    unsure = false;
                }
            }
            continue;
        }
        if start == "-" && word.has_hole() && !options_end {
            refuse_option(lexer, word);
            continue;
        }
        // An operand.
        match program.code {
            Code::OptionOrFile if !has_code => {
                let message = format!("`{}` runs what is in the file that it is given", lexer.reading);
                runs(lexer, word, &message);
                runs_file(lexer, word);
                if !std::mem::take(&mut unsure) {
                    return;
                }
            }
            Code::FirstOperand if !has_code => {
                code(lexer, program, word);
                if !std::mem::take(&mut unsure) {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// A word behind options that cannot be read here.
fn hidden(lexer: &mut Lexer<'_>, program: &'static Program, word: &Word) {
    for hole in word.all_holes() {
        let message =
            format!("the options of `{}` before this are not known here: it may be code", lexer.reading);
        let hint = "write the options into the script, or `--` before what is none";
        lexer.refuse(hole, "shell-hidden-options", message, hint);
    }
    for name in &word.names {
        lexer.lexed.flows.code.insert(name.clone(), program);
    }
    if program.code == Code::OptionOrFile {
        runs_file(lexer, word);
    }
}

/// The value of an option that is not code itself.
fn option_value(lexer: &mut Lexer<'_>, program: &'static Program, letter: char, word: &Word) {
    if program.code == Code::OptionOrFile && program.language != Language::Shell {
        refuse_option(lexer, word);
    }
    if letter == 'v' && program.first_name() == "awk" {
        for hole in word.all_holes() {
            let hint = "give it by the environment: `V={{ ... }} awk '{ print ENVIRON[\"V\"] }'`";
            lexer.refuse(hole, "shell-other-language", "`awk -v` reads backslashes in this", hint);
        }
    }
}

/// Words as a program joins them before it reads them again.
fn joined(words: &[Word]) -> Word {
    let mut whole = Word::default();
    for word in words {
        if !whole.units.is_empty() {
            whole.units.push(Unit::Char(' '));
        }
        whole.units.extend(&word.units);
        whole.names.extend(word.names.iter().cloned());
        whole.nested.extend(&word.nested);
    }
    whole
}

/// A word that a program reads as code.
pub(super) fn code(lexer: &mut Lexer<'_>, program: &'static Program, word: &Word) {
    let name = lexer.reading.clone();
    read_again(lexer, &name, program.language, word);
    for name in &word.names {
        lexer.lexed.flows.code.insert(name.clone(), program);
    }
}

fn read_again(lexer: &mut Lexer<'_>, name: &str, language: Language, word: &Word) {
    for hole in &word.nested {
        let message = format!("what this becomes is read again by `{name}`, as code");
        lexer.refuse(*hole, "shell-read-again", message, AS_ARGUMENT);
    }
    match language {
        Language::Other => {
            for hole in word.holes().collect::<Vec<_>>() {
                let message = format!("`{name}` reads this as code in a language of its own");
                lexer.refuse(hole, "shell-other-language", message, AS_ARGUMENT);
            }
        }
        Language::Shell => {
            if !word.has_hole() && word.names.is_empty() && word.literal().is_none_or(|text| text.is_empty())
            {
                return;
            }
            let inner = lexer.again(&word.units);
            for refusal in inner.refusals {
                if !lexer.lexed.refusals.iter().any(|known| known.hole == refusal.hole) {
                    lexer.lexed.refusals.push(refusal);
                }
            }
            lexer.lexed.heads.extend(inner.heads);
            lexer.lexed.integers.extend(inner.integers);
            lexer.lexed.flows.merge(inner.flows, &word.names);
        }
    }
}

/// Values that reach variables by a command: `read`, `set --`, the script's own functions.
fn flows(lexer: &mut Lexer<'_>, command: &Command) {
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
            for target in targets.chain(["REPLY".to_owned(), "MAPFILE".to_owned()]) {
                found.assign_names(&target, &command.inputs);
                for word in &command.here_strings {
                    found.assign(&target, word);
                }
                found.forget(&target);
                found.read.insert(target);
            }
        }
        _ => found.call(name, arguments),
    }
}

/// The program that reads this command's standard input as code.
fn input_reader(words: &[Word]) -> Option<(&'static Program, String)> {
    let (name, arguments) = words.split_first()?;
    let command = name.literal()?;
    let reads_standard_input =
        |words: &[Word]| words.iter().any(|word| word.literal().is_some_and(|path| streams::is_input(&path)));
    if matches!(command.as_str(), "." | "source") && reads_standard_input(arguments) {
        return program_named("sh").map(|program| (program, command));
    }
    if let Some(program) = program_named(&command).filter(|program| program.code == Code::FirstOperand)
        && arguments.windows(2).any(|pair| {
            let option = pair[0].literal_start();
            (option == "--file" || (option.starts_with('-') && option.ends_with('f')))
                && reads_standard_input(&pair[1..])
        })
    {
        return Some((program, command));
    }
    if let Some(program) = program_named(&command).filter(|program| program.input) {
        return reads_input(program, &command, arguments);
    }
    wrapper_named(&command)?;
    (0..arguments.len()).find_map(|at| {
        let command = arguments[at].literal()?;
        let program = program_named(&command).filter(|program| program.input)?;
        reads_input(program, &command, &arguments[at + 1..])
    })
}

/// A program that was given code does not take its input for code.
fn reads_input(
    program: &'static Program,
    command: &str,
    arguments: &[Word],
) -> Option<(&'static Program, String)> {
    let texts: Vec<String> = arguments.iter().map(Word::literal_start).collect();
    let has_code_option = texts.iter().any(|text| match text.strip_prefix("--") {
        Some(long) => program.long.contains(&long.split('=').next().unwrap_or_default()),
        None => text.starts_with('-') && text[1..].contains(|letter| program.letters.contains(letter)),
    });
    let has_code_option = has_code_option && !texts.iter().any(|text| streams::is_input(text));
    let mut operands = Vec::new();
    let mut rest = texts.iter().enumerate();
    while let Some((at, text)) = rest.next() {
        if text.starts_with('-') && text.len() > 1 {
            let ends_valued = text.chars().last().is_some_and(|letter| program.valued.contains(letter));
            if ends_valued && !text.starts_with("--") {
                rest.next();
            }
        } else {
            operands.push(at);
        }
    }
    let reads = match program.code {
        Code::OptionOrFile => {
            let from_input = texts.iter().any(|text| text == "-s")
                || operands.first().is_some_and(|at| streams::is_input(&texts[*at]));
            !has_code_option && (operands.is_empty() || from_input)
        }
        Code::Option => !has_code_option,
        Code::AfterOperand => match operands.get(1..) {
            None | Some([]) => true,
            // The command on the other host may be a shell.
            Some([first, ..]) => return input_reader(&arguments[*first..]),
        },
        // With a separator, `xargs` takes what it reads for arguments and nothing else.
        Code::Input if command.ends_with("xargs") => !texts
            .iter()
            .any(|text| ["-0", "--null", "-d", "--delimiter"].iter().any(|option| text.starts_with(option))),
        Code::Everything | Code::FirstOperand | Code::Input => true,
    };
    reads.then(|| (program, command.rsplit('/').next().unwrap_or_default().to_owned()))
}

/// Judges what flows into a command that arguments became.
pub(super) fn reads(lexer: &mut Lexer<'_>, words: &[Word], rest: &Rest) {
    if let Some((reader, name)) = input_reader(words) {
        lexer.reading = name;
        feed(lexer, reader, &rest.holes, &rest.names);
    }
}

/// What flows into a program that reads its input as code.
fn feeds(lexer: &mut Lexer<'_>, reader: &'static Program, command: &Command) {
    let (holes, names) = streams::arriving(lexer, command);
    feed(lexer, reader, &holes, &names);
    for document in &mut lexer.pending {
        document.reader.get_or_insert(reader);
    }
}

fn feed(lexer: &mut Lexer<'_>, reader: &'static Program, holes: &[usize], names: &[String]) {
    for hole in holes {
        let message = format!("this flows into `{}`, which reads its input as code", lexer.reading);
        lexer.refuse(*hole, "shell-read-again", message, AS_ARGUMENT);
    }
    for name in names {
        lexer.lexed.flows.code.insert(name.clone(), reader);
    }
}
