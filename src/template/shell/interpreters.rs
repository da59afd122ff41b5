//! The programs that read code: which of their words, and what of their input, is code.

use super::commands::{Command, refuse_option, runs, runs_file};
use super::expansions::identifiers;
use super::flows::{Flows, Rest};
use super::lexer::Lexer;
use super::programs::{Code, Language, Program, program_named};
use super::spawns::{opens_operands, spawns};
use super::units::{Unit, Word};
use super::wrappers::runs_others;
use super::{known, streams};

pub(super) const AS_ARGUMENT: &str = "pass it as an argument or by `env:`, and read it there as data";

/// Judges the arguments of a program that reads code.
pub(super) fn inspect(lexer: &mut Lexer<'_>, program: &'static Program, arguments: &[Word]) {
    let codes = std::mem::take(&mut lexer.codes);
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
    for text in std::mem::replace(&mut lexer.codes, codes) {
        if spawns(program, &text) {
            spawned(lexer, program, arguments, &text);
        }
        if program.first_name() == "perl"
            && arguments.iter().any(|word| opens_operands(&word.literal_start(), &text))
        {
            let message = "`perl` opens this itself, by `-n`, `-p` or `<>`: it runs what ends with `|`";
            given(lexer, program, arguments, message, "redirect it: `perl -ne ... < {{ ... }}`");
        }
    }
}

/// What a program text that runs commands is given: arguments, input, variables, files.
fn spawned(lexer: &mut Lexer<'_>, program: &'static Program, arguments: &[Word], text: &str) {
    let name = lexer.reading.clone();
    let message = format!("the program text of `{name}` runs commands, and this may become one");
    let hint = "run the command in the script itself, or give this step's value to `exec`";
    given(lexer, program, arguments, &message, hint);
    let Rest { holes, names, .. } = lexer.feeding.clone();
    for hole in holes {
        lexer.refuse(hole, "shell-read-again", message.clone(), hint);
    }
    let files: Vec<String> = arguments.iter().flat_map(streams::text_of).collect();
    for name in names.into_iter().chain(files).chain(identifiers(text)) {
        lexer.lexed.flows.code.insert(name, program);
    }
}

fn given(lexer: &mut Lexer<'_>, program: &'static Program, arguments: &[Word], message: &str, hint: &str) {
    for word in arguments {
        for hole in word.all_holes() {
            lexer.refuse(hole, "shell-read-again", message, hint);
        }
        for name in &word.names {
            lexer.lexed.flows.code.insert(name.clone(), program);
        }
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
        if next_is_code && !(is_shell && start.starts_with(['-', '+'])) {
            next_is_code = false;
            code(lexer, program, word);
            if program.code == Code::OptionOrFile {
                // What follows are arguments of the code: data.
                if is_shell {
                    if word.units.as_slice() == [Unit::Opaque] {
                        let rest = arguments.get(at + 1..).unwrap_or_default();
                        rest.iter().for_each(|word| known::give(lexer, &word.all_holes(), &word.names));
                    }
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
    if let (Language::Other, Some(text)) = (program.language, word.literal()) {
        lexer.codes.push(text);
    }
    read_again(lexer, &name, program.language, word);
    for name in &word.names {
        lexer.lexed.flows.code.insert(name.clone(), program);
    }
}

pub(super) fn read_again(lexer: &mut Lexer<'_>, name: &str, language: Language, word: &Word) {
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
            // What flows into the command is the standard input of its code.
            let Rest { holes, names, .. } = lexer.feeding.clone();
            lexer.lexed.flows.assign_holes(Flows::INPUT, holes);
            lexer.lexed.flows.assign_names(Flows::INPUT, &names);
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

/// The program that reads this command's standard input as code.
pub(super) fn input_reader(words: &[Word]) -> Option<(&'static Program, String)> {
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
    if !runs_others(&command) {
        return None;
    }
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
pub(super) fn feeds(lexer: &mut Lexer<'_>, reader: &'static Program, command: &Command) {
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
