//! What flows through standard input, files, `xargs` and functions: by names that no variable can have.

use super::commands::{Command, command};
use super::flows::Flows;
use super::lexer::Lexer;
use super::units::{Unit, Word};

/// What `xargs` reads and passes on.
const FROM_XARGS: &str = "<xargs>";
/// What `find` finds.
const FOUND: &str = "<found>";

/// The name under which the text of a file is kept, whatever directory it is in.
pub(super) fn file_name(path: &str) -> String {
    format!("file:{}", path.rsplit('/').next().unwrap_or_default())
}

/// Tells whether a path is the standard input, or another open file.
pub(super) fn is_input(path: &str) -> bool {
    path == "-" || path == "/dev/stdin" || path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/")
}

/// The names under which the text of the file that a word names is kept.
pub(super) fn text_of(word: &Word) -> Vec<String> {
    match word.literal() {
        Some(path) if is_input(&path) => vec![Flows::PIPED.to_owned(), Flows::INPUT.to_owned()],
        Some(path) if path == "/dev/null" => Vec::new(),
        Some(_) if word.is_pattern => vec![Flows::ANY_FILE.to_owned()],
        Some(path) => vec![file_name(&path)],
        None => word.names.iter().map(|name| format!("file:${name}")).collect(),
    }
}

/// Notes what a command reads, writes and is: files, functions, its last argument.
pub(super) fn note(lexer: &mut Lexer<'_>, command: &Command) {
    let (holes, names) = arriving(lexer, command);
    written(lexer, command, &holes, &names);
    let Some((name, arguments)) = command.words.split_first() else { return };
    if let Some(last) = arguments.last() {
        lexer.lexed.flows.assign("_", last);
    }
    if let Some(name) = name.literal() {
        let input = Flows::input_of(&name);
        lexer.lexed.flows.assign_holes(&input, holes.iter().copied());
        lexer.lexed.flows.assign_names(&input, &names);
        lexer.prints(Flows::output_of(&name));
    }
    for word in arguments.iter().filter(|word| !word.literal_start().starts_with('-')) {
        for text in text_of(word) {
            lexer.prints(text);
        }
    }
    for name in &command.inputs {
        lexer.prints(name.clone());
    }
    let plain = name.literal().unwrap_or_default();
    if matches!(plain.as_str(), "cd" | "pushd" | "popd") {
        arguments.iter().for_each(|word| lexer.lexed.flows.assign("PWD", word));
    }
    if let Some(at) = command
        .words
        .iter()
        .position(|word| word.literal().is_some_and(|name| COPYING.contains(&file(&name))))
    {
        copied(lexer, &command.words[at + 1..], &holes, &names);
    }
    let is_xargs = |word: &Word| word.literal().is_some_and(|name| matches!(file(&name), "xargs" | "gxargs"));
    if let Some(at) = command.words.iter().position(is_xargs) {
        lexer.lexed.flows.assign_holes(FROM_XARGS, holes);
        lexer.lexed.flows.assign_names(FROM_XARGS, &names);
        xargs(lexer, &command.words[at + 1..]);
    }
    if name.literal().is_some_and(|name| matches!(file(&name), "find" | "fd")) {
        find(lexer, arguments);
    }
}

/// What a redirection feeds to a group of commands, or by `exec` to all that follow, is their standard input.
pub(super) fn into_group(lexer: &mut Lexer<'_>, command: &Command) {
    if command.words.first().is_some_and(|name| !name.is_plain("exec")) {
        return;
    }
    let flows = &mut lexer.lexed.flows;
    for word in &command.here_strings {
        flows.assign(Flows::INPUT, word);
    }
    flows.assign_names(Flows::INPUT, &command.inputs);
    if command.has_document {
        flows.assign_names(Flows::INPUT, &[Flows::PIPED.to_owned()]);
    }
}

/// Programs that write files of what they are given, or of other files.
const COPYING: &[&str] = &[
    "cp", "mv", "ln", "install", "rsync", "scp", "sftp", "dd", "curl", "wget", "tar", "unzip", "sponge",
    "patch", "gpg", "openssl", "aws", "gsutil", "base64", "sort", "jq", "envsubst",
];

/// `cp a b`, `dd of=f`, `curl -o f`: every file that such a program is given may hold what the others hold.
fn copied(lexer: &mut Lexer<'_>, arguments: &[Word], holes: &[usize], names: &[String]) {
    let files: Vec<Vec<String>> = arguments.iter().map(|word| text_of(&file_in(word))).collect();
    let own: Vec<usize> = arguments.iter().flat_map(Word::all_holes).collect();
    let variables: Vec<String> = arguments.iter().flat_map(|word| word.names.iter().cloned()).collect();
    for target in files.iter().flatten().filter(|name| name.starts_with("file:")) {
        let flows = &mut lexer.lexed.flows;
        flows.assign_holes(target, holes.iter().chain(&own).copied());
        flows.assign_names(target, names.iter().chain(&variables).chain(files.iter().flatten()));
    }
}

/// The file that a word names: `of=f` and `--output=f` name `f`.
fn file_in(word: &Word) -> Word {
    match word.literal().as_deref().and_then(|text| text.split_once('=')) {
        Some((_, file)) => Word::of(file),
        None => word.clone(),
    }
}

/// What may come on a command's standard input.
pub(super) fn arriving(lexer: &Lexer<'_>, command: &Command) -> (Vec<usize>, Vec<String>) {
    let mut holes: Vec<usize> = lexer.frames.iter().flat_map(|frame| frame.earlier.iter().copied()).collect();
    holes.extend(command.here_strings.iter().flat_map(Word::all_holes));
    let earlier = lexer.frames.iter().flat_map(|frame| frame.earlier_names.iter());
    let strings = command.here_strings.iter().flat_map(|word| &word.names);
    let mut names: Vec<String> = earlier.chain(strings).chain(&command.inputs).cloned().collect();
    names.push(Flows::INPUT.to_owned());
    if command.has_document {
        names.push(Flows::PIPED.to_owned());
    }
    if lexer.frames.iter().any(|frame| frame.is_written) {
        names.push(Flows::WRITTEN.to_owned());
    }
    (holes, names)
}

/// What a command prints or is given ends up in the files that it writes.
fn written(lexer: &mut Lexer<'_>, command: &Command, holes: &[usize], names: &[String]) {
    let tee = command.words.iter().position(|word| word.literal().is_some_and(|name| file(&name) == "tee"));
    let files = tee.map_or(&[][..], |at| &command.words[at + 1..]);
    for target in command.outputs.iter().chain(files).flat_map(text_of) {
        let flows = &mut lexer.lexed.flows;
        flows.assign_holes(&target, holes.iter().copied());
        flows.assign_names(&target, names);
        if command.has_document {
            flows.assign_names(&target, &[Flows::PIPED.to_owned()]);
        }
        if let Some(frame) = lexer.frames.last() {
            flows.assign_holes(&target, frame.current.iter().copied());
            flows.assign_names(&target, &frame.names);
        }
    }
}

/// `xargs` puts what it reads behind the command that it runs, or in the places that `-I` names.
fn xargs(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    let mut place: Option<String> = None;
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let start = word.literal_start();
        let Some(option) = start.strip_prefix('-').filter(|option| !option.is_empty()) else { break };
        at += 1;
        let letter = option.chars().next().unwrap_or_default();
        let attached = &option[letter.len_utf8()..];
        match letter {
            '-' => {
                if let Some(given) = option.strip_prefix("-replace") {
                    place = Some(given.strip_prefix('=').unwrap_or("{}").to_owned());
                }
            }
            'i' => place = Some(if attached.is_empty() { "{}" } else { attached }.to_owned()),
            'I' | 'J' if attached.is_empty() => {
                place = arguments.get(at).and_then(Word::literal);
                at += 1;
            }
            'I' | 'J' => place = Some(attached.to_owned()),
            'a' | 'E' | 'd' | 'L' | 'n' | 'P' | 's' if attached.is_empty() => at += 1,
            _ => {}
        }
    }
    let mut words: Vec<Word> = arguments.get(at..).unwrap_or_default().to_vec();
    match place.filter(|place| !place.is_empty()) {
        Some(place) => words = words.iter().map(|word| replaced(word, &place, FROM_XARGS)).collect(),
        None if words.is_empty() => return,
        None => words.push(unknown(FROM_XARGS)),
    }
    again(lexer, &words);
}

/// `find` puts the names that it found in the place of `{}`; what it looks for is a part of them.
fn find(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    let is_exec = |word: &Word| {
        let options = ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];
        options.iter().any(|option| word.is_plain(option))
    };
    let Some(first) = arguments.iter().position(is_exec) else { return };
    for word in &arguments[..first] {
        lexer.lexed.flows.assign(FOUND, word);
    }
    for at in (first..arguments.len()).filter(|at| is_exec(&arguments[*at])) {
        let command = &arguments[at + 1..];
        let end =
            command.iter().position(|word| word.literal().is_some_and(|text| text == ";" || text == "+"));
        let words: Vec<Word> =
            command[..end.unwrap_or(command.len())].iter().map(|word| replaced(word, "{}", FOUND)).collect();
        again(lexer, &words);
    }
}

/// Judges a command with the words that another one gives it.
fn again(lexer: &mut Lexer<'_>, words: &[Word]) {
    let reading = lexer.reading.clone();
    command(lexer, words);
    lexer.reading = reading;
}

/// A word whose text only the run will know, and which holds what this name holds.
fn unknown(name: &str) -> Word {
    Word {
        units: vec![Unit::Opaque],
        quoted: true,
        names: vec![name.to_owned()],
        computes: true,
        ..Word::default()
    }
}

/// A word in which a text stands for what this name holds.
fn replaced(word: &Word, place: &str, name: &str) -> Word {
    let place: Vec<Unit> = super::units::units(place).collect();
    let mut whole = Word { units: Vec::with_capacity(word.units.len()), ..word.clone() };
    let mut at = 0;
    while at < word.units.len() {
        if word.units[at..].starts_with(&place) {
            whole.units.push(Unit::Opaque);
            whole.names.push(name.to_owned());
            whole.computes = true;
            at += place.len();
        } else {
            whole.units.push(word.units[at]);
            at += 1;
        }
    }
    whole
}

fn file(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
