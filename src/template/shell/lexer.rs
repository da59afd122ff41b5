//! [`Lexer`]: walks a script of the author's text and says for each hole where it stands.
//!
//! It reads as a POSIX shell and bash do, as far as quoting goes: quotes, expansions, comments,
//! here-documents, and which words make a command. It never sees a value. Where it is wrong, a
//! value is quoted for the wrong place, but is still only what a variable expands to.

use std::collections::BTreeSet;

use super::super::problem::Problem;
use super::Dialect;
use super::commands;
use super::flows::{Flows, Rest};
use super::known::{self, Known};
use super::programs::Program;
use super::units::{Context, Refusal, Unit, Word};
use super::{builtins, interpreters, streams};

/// What the walk found out.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    /// Where each hole stands.
    pub(super) contexts: Vec<(usize, Context)>,
    /// Holes that cannot stand where they stand.
    pub(super) refusals: Vec<Refusal>,
    /// For each argument that begins with holes: these. Its value must not begin with `-`.
    pub(super) heads: Vec<Vec<usize>>,
    /// Holes that are a whole argument by themselves: a list may become several.
    pub(super) alone: Vec<usize>,
    /// Holes that must be whole numbers.
    pub(super) integers: Vec<usize>,
    /// Which values flow where by variables.
    pub(super) flows: Flows,
    /// The variables that it expands, and the names of what it may print.
    expanded: Vec<String>,
}

/// Reads a script once.
pub(super) struct Lexer<'u> {
    pub(super) units: &'u [Unit],
    pub(super) at: usize,
    pub(super) dialect: Dialect,
    /// How many shells have read the text before: 0 is the step's own.
    pub(super) level: usize,
    /// How many times each hole is quoted for further shells.
    pub(super) quoting: &'u dyn Fn(usize) -> usize,
    pub(super) lexed: Lexed,
    /// What flows through pipes, the innermost group last.
    pub(super) frames: Vec<Frame>,
    /// Here-documents whose bodies begin after this line.
    pub(super) pending: Vec<HereDocument>,
    /// What flows into the command that is judged.
    pub(super) feeding: Rest,
    /// The program texts of the program that is judged.
    pub(super) codes: Vec<String>,
    /// The name of the command that is judged, for messages.
    pub(super) reading: String,
    /// The variables that were expanded so far, and the holes inside substitutions.
    expanded: Vec<String>,
    nested: Vec<usize>,
    /// What is known of the expansions in the word that is read.
    computes: bool,
    splits: bool,
    /// Whether the substitution that comes next is `>(...)`.
    is_written: bool,
    /// The texts that variables may hold.
    pub(super) known: &'u Known,
    /// Whether knowing the texts of variables would help.
    pub(super) wants_known: bool,
    depth: usize,
    /// Whether the script ended inside of quotes or brackets.
    is_unclosed: bool,
    /// Whether the reading can no longer be sure where it is.
    is_lost: bool,
}

/// The holes of one group of commands.
#[derive(Default)]
pub(super) struct Frame {
    /// Of the elements of this pipeline that came before.
    pub(super) earlier: Vec<usize>,
    /// Of the element that is being read.
    pub(super) current: Vec<usize>,
    /// Of the whole group.
    all: Vec<usize>,
    /// Whether it reads what other commands write to `>(...)`.
    pub(super) is_written: bool,
    /// Whether it is run more than once.
    pub(super) is_loop: bool,
    /// The variables that the element expands.
    pub(super) names: BTreeSet<String>,
    all_names: BTreeSet<String>,
    /// The variables that elements of this pipeline before it expand.
    pub(super) earlier_names: BTreeSet<String>,
}

/// A here-document that was announced.
pub(super) struct HereDocument {
    delimiter: String,
    quoted: bool,
    strip_tabs: bool,
    /// The program that reads it as code.
    pub(super) reader: Option<&'static Program>,
}

/// Where a list of commands ends.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    End,
    Parenthesis,
    /// The commands of one pattern of `case`.
    Case,
}

/// How deep groups may nest: deeper scripts are refused, not followed.
const DEEPEST: usize = 100;

/// How many shells may read a text, one after the other: deeper ones are refused, not followed.
const MOST_SHELLS: usize = 12;

/// Walks a script, and once more where the texts that it gives to variables say what is run.
pub(super) fn lex(units: &[Unit], dialect: Dialect, quoting: &dyn Fn(usize) -> usize) -> Lexed {
    let nothing = Known::new();
    let mut first = Lexer::new(units, dialect, 0, quoting, &nothing);
    first.list(Stop::End);
    let wants_known = first.wants_known;
    let first = first.finish();
    let known = first.flows.known();
    if !wants_known || known.is_empty() {
        return first;
    }
    let mut second = Lexer::new(units, dialect, 0, quoting, &known);
    second.list(Stop::End);
    second.finish()
}

impl<'u> Lexer<'u> {
    fn new(
        units: &'u [Unit],
        dialect: Dialect,
        level: usize,
        quoting: &'u dyn Fn(usize) -> usize,
        known: &'u Known,
    ) -> Self {
        Self {
            units,
            at: 0,
            dialect,
            level,
            quoting,
            lexed: Lexed::default(),
            frames: vec![Frame::default()],
            pending: Vec::new(),
            feeding: Rest::default(),
            codes: Vec::new(),
            reading: String::new(),
            expanded: Vec::new(),
            nested: Vec::new(),
            computes: false,
            splits: false,
            is_written: false,
            known,
            wants_known: false,
            depth: 0,
            is_unclosed: false,
            is_lost: false,
        }
    }
}

impl Lexer<'_> {
    /// Reads text that another shell reads after this one.
    pub(super) fn again(&mut self, units: &[Unit]) -> Lexed {
        let mut inner = Lexer::new(units, Dialect::Bash, self.level + 1, self.quoting, self.known);
        if inner.level > MOST_SHELLS {
            inner.refuse_rest();
        }
        inner.list(Stop::End);
        self.wants_known |= inner.wants_known;
        inner.close_up();
        inner.lexed.expanded = inner.expanded;
        inner.lexed
    }

    /// Refuses what stands in a script that does not end.
    fn close_up(&mut self) {
        if self.is_unclosed {
            let holes = self.holes_since(0);
            for hole in holes {
                let hint = "close every quote, bracket and `case` in the same branch of the template";
                self.refuse(hole, "shell-unclosed", "the script around this ends inside of something", hint);
            }
        }
    }

    fn finish(mut self) -> Lexed {
        self.close_up();
        let holes = self.holes_since(0);
        self.lexed.flows.complete(&holes);
        known::complete(&mut self);
        self.lexed.flows.follow_mentions();
        self.lexed
    }

    // Characters.

    fn peek(&self) -> Option<Unit> {
        self.units.get(self.at).copied()
    }

    fn peek_char(&self, ahead: usize) -> Option<char> {
        match self.units.get(self.at + ahead) {
            Some(Unit::Char(character)) => Some(*character),
            _ => None,
        }
    }

    fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, character)| self.peek_char(ahead) == Some(character))
    }

    fn eat(&mut self, text: &str) -> bool {
        let sees = self.sees(text);
        if sees {
            self.at += text.chars().count();
        }
        sees
    }

    // Holes.

    pub(super) fn refuse(&mut self, hole: usize, code: &'static str, message: impl Into<String>, hint: &str) {
        let refusal = Refusal { hole, code, message: message.into(), hint: hint.to_owned() };
        if !self.lexed.refusals.iter().any(|known| known.hole == hole) {
            self.lexed.refusals.push(refusal);
        }
    }

    fn place(&mut self, hole: usize, context: Context) {
        self.lexed.contexts.push((hole, context));
        if let Some(frame) = self.frames.last_mut() {
            frame.current.push(hole);
            frame.all.push(hole);
        }
        if self.is_lost {
            let hint = "write the lines before this in the usual way, or put this into a step of its own";
            self.refuse(hole, "shell-lost", "shells differ in how they read the script before this", hint);
        }
        if self.level == 0 {
            return;
        }
        let needed = self.level;
        if (self.quoting)(hole) < needed {
            let filters = " | shq".repeat(needed);
            let message = "another shell reads this value again, as script";
            self.refuse(
                hole,
                "shell-read-again",
                message,
                &format!("quote it for that shell: `{{{{ ...{filters} }}}}`"),
            );
        } else if context != Context::Bare {
            let message = "a value with `| shq` stands in quotes of the shell that it is quoted for";
            self.refuse(
                hole,
                "shell-quoted-twice",
                message,
                "take away the quotes around it: `shq` makes its own",
            );
        }
    }

    /// A hole that directly follows a backslash or a `$`.
    fn refuse_after(&mut self, hole: usize, what: char) {
        let (message, hint) = match what {
            '$' => (
                "a value cannot stand right after `$`",
                "leave the `$` away: `{{ ... }}` is the value itself",
            ),
            _ => ("a value cannot stand right after a backslash", "leave the backslash away, or write two"),
        };
        self.place(hole, Context::Bare);
        self.refuse(hole, "shell-after-escape", message, hint);
    }

    /// Notes that from here on it is not sure how a shell reads the script.
    pub(super) fn loses(&mut self) {
        self.is_lost = true;
    }

    // Commands.

    fn list(&mut self, stop: Stop) {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.refuse_rest();
        }
        let mut command = commands::Command::default();
        let mut ended = false;
        while let Some(unit) = self.peek() {
            let Unit::Char(character) = unit else {
                self.word_of(&mut command, stop);
                continue;
            };
            match character {
                ' ' | '\t' => self.at += 1,
                '\\' if self.peek_char(1) == Some('\n') => self.continued(),
                '\n' => {
                    self.at += 1;
                    self.end_pipeline(&mut command);
                    self.bodies();
                }
                '#' => self.comment(),
                ';' if stop == Stop::Case && matches!(self.peek_char(1), Some(';' | '&')) => {
                    self.at += 2;
                    self.eat("&");
                    ended = true;
                    break;
                }
                ';' | '&' => {
                    self.at += 1;
                    // `&>` is a redirection in bash; elsewhere a background command and then one.
                    if character == '&' && self.peek_char(0) == Some('>') {
                        self.redirection(&mut command);
                    } else {
                        while matches!(self.peek_char(0), Some(';' | '&')) {
                            self.at += 1;
                        }
                        self.end_pipeline(&mut command);
                    }
                }
                '|' => {
                    self.at += 1;
                    if self.eat("|") {
                        self.end_pipeline(&mut command);
                    } else {
                        self.eat("&");
                        self.end_element(&mut command);
                    }
                }
                '<' | '>' => self.redirection(&mut command),
                '(' => self.parenthesis(&mut command),
                ')' => {
                    self.at += 1;
                    self.end_pipeline(&mut command);
                    if stop == Stop::Parenthesis {
                        ended = true;
                        break;
                    }
                }
                _ => {
                    if self.word_of(&mut command, stop) {
                        ended = true;
                        break;
                    }
                }
            }
        }
        if !ended && stop != Stop::End {
            self.is_unclosed = true;
        }
        self.end_pipeline(&mut command);
        self.depth -= 1;
    }

    /// A backslash and a newline: nothing at all to a shell, also between `$` and `(`, where it is not followed here.
    fn continued(&mut self) {
        let before = self.at.checked_sub(1).and_then(|at| self.units.get(at));
        if let Some(Unit::Char('$' | '(' | '<' | '>' | '&' | '|' | ';' | ')')) = before {
            self.is_lost = true;
        }
        self.at += 2;
    }

    fn refuse_rest(&mut self) {
        while let Some(unit) = self.peek() {
            self.at += 1;
            if let Unit::Hole(hole) = unit {
                self.place(hole, Context::Bare);
                self.refuse(
                    hole,
                    "shell-too-deep",
                    "the script is nested too deep to follow",
                    "split it into steps",
                );
            }
        }
    }

    fn end_element(&mut self, command: &mut commands::Command) {
        commands::finish(self, command);
        if let Some(frame) = self.frames.last_mut() {
            let current = std::mem::take(&mut frame.current);
            let names = std::mem::take(&mut frame.names);
            self.lexed.flows.pipe(&current, &names);
            frame.earlier.extend(current);
            frame.earlier_names.extend(names.iter().cloned());
            frame.all_names.extend(names);
        }
    }

    fn end_pipeline(&mut self, command: &mut commands::Command) {
        commands::finish(self, command);
        if let Some(frame) = self.frames.last_mut() {
            frame.earlier.clear();
            frame.earlier_names.clear();
            frame.current.clear();
            let names = std::mem::take(&mut frame.names);
            frame.all_names.extend(names);
        }
    }

    /// Notes that the command which is read may print what this name holds.
    pub(super) fn prints(&mut self, name: String) {
        if let Some(frame) = self.frames.last_mut() {
            frame.names.insert(name.clone());
        }
        self.expanded.push(name);
    }

    /// Opens a group: `(`, `{`, `if`, `while` ...
    pub(super) fn open(&mut self) {
        self.frames.push(Frame::default());
    }

    fn open_loop(&mut self) {
        self.frames.push(Frame { is_loop: true, ..Frame::default() });
    }

    /// Closes a group: what it held flows where its output flows.
    pub(super) fn close(&mut self) {
        if self.frames.len() < 2 {
            return;
        }
        if let (Some(inner), Some(outer)) = (self.frames.pop(), self.frames.last_mut()) {
            outer.current.extend(&inner.all);
            outer.all.extend(inner.all);
            outer.names.extend(inner.all_names);
            outer.names.extend(inner.names);
        }
    }

    fn parenthesis(&mut self, command: &mut commands::Command) {
        if command.is_empty() && self.eat("((") {
            self.arithmetic("))");
            return;
        }
        self.at += 1;
        if self.eat(")") {
            // The definition of a function: what follows is a new command.
            match command.words.first().and_then(Word::literal) {
                Some(name) => {
                    self.lexed.flows.functions.insert(name);
                    *command = commands::Command::default();
                }
                None => commands::finish(self, command),
            }
            return;
        }
        self.open();
        self.list(Stop::Parenthesis);
        self.close();
    }

    /// The inside of `$(...)`, `<(...)`.
    fn substitution(&mut self) {
        self.computes = true;
        let before = self.lexed.contexts.len();
        self.open();
        if let (true, Some(frame)) = (std::mem::take(&mut self.is_written), self.frames.last_mut()) {
            frame.is_written = true;
        }
        self.list(Stop::Parenthesis);
        self.close();
        let inside = self.holes_since(before);
        self.nested.extend(inside);
        self.expanded.push(Flows::INPUT.to_owned());
    }

    fn holes_since(&self, before: usize) -> Vec<usize> {
        self.lexed.contexts[before..].iter().map(|(hole, _)| *hole).collect()
    }

    /// Reads a word of a command, or a word that begins or ends a compound command. Tells whether the list ends.
    fn word_of(&mut self, command: &mut commands::Command, stop: Stop) -> bool {
        let start = self.at;
        let word = self.word();
        if self.at == start {
            // A character that begins no word: step over it.
            self.at += 1;
            return false;
        }
        let reserved = if command.is_empty() && !word.quoted { word.literal() } else { None };
        match reserved.as_deref() {
            Some("while" | "until") => self.open_loop(),
            Some("if" | "{") => self.open(),
            Some("then" | "do" | "else" | "elif" | "!") => {}
            Some("fi" | "done" | "}") => {
                self.close();
                command.is_compound = true;
            }
            Some("for" | "select") => {
                self.for_header();
                self.open_loop();
            }
            Some("case") => {
                self.case();
                command.is_compound = true;
            }
            Some("esac") if stop == Stop::Case => return true,
            Some("function") => {
                self.blanks();
                let name = self.word();
                for hole in name.all_holes() {
                    let hint = "write a fixed name";
                    self.refuse(hole, "shell-name", "a value cannot be the name of a function", hint);
                }
                self.lexed.flows.functions.extend(name.literal());
            }
            // What follows may be a name or a command, and shells differ.
            Some("coproc") => self.is_lost = true,
            Some("[[") => {
                self.double_brackets();
                command.is_compound = true;
            }
            _ => commands::add(self, command, word),
        }
        false
    }

    /// `for name in words`, `for ((...))`; what follows (`do`) is read by the list.
    fn for_header(&mut self) {
        self.blanks();
        if self.eat("((") {
            self.arithmetic("))");
            return;
        }
        let variable = self.word();
        for hole in variable.all_holes() {
            self.refuse(hole, "shell-name", "a value cannot be the name of a variable", "write a fixed name");
        }
        let name = variable.literal().unwrap_or_default();
        self.blanks();
        let back = self.at;
        // `select` reads an answer.
        self.lexed.flows.read.insert("REPLY".to_owned());
        if !self.word().is_plain("in") {
            self.lexed.flows.assign_names(&name, &[Flows::ALL_ARGUMENTS.to_owned()]);
            self.lexed.flows.forget(&name);
            self.at = back;
            return;
        }
        loop {
            self.blanks();
            match self.peek() {
                None | Some(Unit::Char('\n' | ';' | '&' | '|' | ')')) => return,
                _ => {}
            }
            let start = self.at;
            let item = self.word();
            if self.at == start {
                self.at += 1;
                continue;
            }
            commands::list_item(self, &item);
            self.lexed.flows.assign(&name, &item);
        }
    }

    /// `case word in pattern) ...;; esac`.
    fn case(&mut self) {
        self.blanks();
        self.word();
        self.space();
        self.word();
        self.open();
        loop {
            self.space();
            if self.peek().is_none() {
                self.is_unclosed = true;
                break;
            }
            self.eat("(");
            self.blanks();
            let back = self.at;
            if self.word().is_plain("esac") {
                break;
            }
            self.at = back;
            if !self.patterns() {
                break;
            }
            let before = self.at;
            self.list(Stop::Case);
            if self.ended_by_esac(before) {
                break;
            }
        }
        self.close();
    }

    /// The patterns up to their `)`; tells whether it was found.
    fn patterns(&mut self) -> bool {
        loop {
            match self.peek() {
                None => return false,
                Some(Unit::Char(')')) => {
                    self.at += 1;
                    return true;
                }
                Some(_) => {
                    let start = self.at;
                    self.word();
                    if self.at == start {
                        self.at += 1;
                    }
                }
            }
        }
    }

    fn ended_by_esac(&self, from: usize) -> bool {
        let read = &self.units[from..self.at];
        let end: String = read
            .iter()
            .rev()
            .take(4)
            .map(|unit| match unit {
                Unit::Char(character) => *character,
                Unit::Hole(_) | Unit::Opaque | Unit::Raw => ' ',
            })
            .collect();
        end == "case"
    }

    fn space(&mut self) {
        loop {
            self.blanks();
            match self.peek_char(0) {
                Some('\n') => {
                    self.at += 1;
                    self.bodies();
                }
                Some('#') => self.comment(),
                _ => return,
            }
        }
    }

    /// `[[ ... ]]`: some of its operators evaluate their operands as arithmetic.
    fn double_brackets(&mut self) {
        let mut words: Vec<Word> = Vec::new();
        loop {
            match self.peek() {
                None => {
                    self.is_unclosed = true;
                    break;
                }
                Some(Unit::Char(' ' | '\t' | '\n' | '(' | ')' | '<' | '>' | '&' | '|' | ';')) => self.at += 1,
                Some(_) => {
                    let word = self.word();
                    if word.is_plain("]]") {
                        break;
                    }
                    words.push(word);
                }
            }
        }
        builtins::double_brackets(self, &words);
    }

    // Redirections and here-documents.

    fn redirection(&mut self, command: &mut commands::Command) {
        let is_input = self.peek_char(0) == Some('<');
        // `2>`, `{fd}>`: a descriptor is no argument.
        let before = self.at.checked_sub(1).and_then(|at| self.units.get(at));
        if let Some(Unit::Char('0'..='9' | '}')) = before {
            command.words.pop_if(|word| is_descriptor(word));
        }
        self.at += 1;
        if self.eat("(") {
            let word = self.process(is_input);
            commands::add(self, command, word);
            return;
        }
        if is_input && self.eat("<<") {
            self.blanks();
            let word = self.word();
            self.lexed.flows.pipe(&word.all_holes(), &word.names);
            command.here_strings.push(word);
            return;
        }
        if is_input && self.eat("<") {
            let strip_tabs = self.eat("-");
            self.blanks();
            let word = self.word();
            for hole in word.holes().collect::<Vec<_>>() {
                let hint = "write a fixed word after `<<`";
                self.refuse(
                    hole,
                    "shell-here-delimiter",
                    "a value cannot be the end mark of a here-document",
                    hint,
                );
            }
            let delimiter = word.literal().unwrap_or_else(|| {
                self.is_lost = true;
                String::new()
            });
            self.is_lost |= word.all_holes().is_empty() && !word.names.is_empty();
            command.has_document = true;
            self.pending.push(HereDocument { delimiter, quoted: word.quoted, strip_tabs, reader: None });
            return;
        }
        if is_input && (self.sees(" <(") || self.sees("\t<(")) {
            self.blanks();
            self.at += 2;
            let word = self.process(true);
            self.lexed.flows.pipe(&word.nested, &word.names);
            command.here_strings.push(word);
            return;
        }
        // `>&word` and `<&word`: bash expands a word that is no number a second time, substitutions too.
        let is_descriptor = self.peek_char(0) == Some('&');
        while matches!(self.peek_char(0), Some('>' | '&' | '|')) {
            self.at += 1;
        }
        self.blanks();
        let file = self.word();
        if is_descriptor {
            self.lexed.integers.extend(file.all_holes());
            self.lexed.flows.evaluated.extend(file.names);
            if is_input {
                command.inputs.push(Flows::PIPED.to_owned());
            }
        } else if is_input {
            command.inputs.extend(streams::text_of(&file));
        } else {
            command.outputs.push(file);
        }
    }

    /// `<(...)` as a word, after its parenthesis.
    fn process(&mut self, is_input: bool) -> Word {
        let (before, expanded) = (self.lexed.contexts.len(), self.expanded.len());
        self.is_written = !is_input;
        self.substitution();
        Word {
            // The path of a file.
            units: vec![Unit::Char('/'), Unit::Opaque],
            quoted: true,
            names: self.expanded[expanded..].to_vec(),
            nested: self.holes_since(before),
            computes: true,
            ..Word::default()
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek_char(0), Some(' ' | '\t')) || self.sees("\\\n") {
            self.at += if self.sees("\\\n") { 2 } else { 1 };
        }
    }

    /// The bodies of the here-documents that were announced on the line before.
    fn bodies(&mut self) {
        for document in std::mem::take(&mut self.pending) {
            let start = self.at;
            let mut end = self.units.len();
            let mut line_start = self.at;
            let mut after = self.units.len();
            while line_start < self.units.len() {
                let rest = &self.units[line_start..];
                let length = rest.iter().position(|unit| *unit == Unit::Char('\n')).unwrap_or(rest.len());
                let mut line = &rest[..length];
                if document.strip_tabs {
                    while let [Unit::Char('\t'), tail @ ..] = line {
                        line = tail;
                    }
                }
                let next = (line_start + length + 1).min(self.units.len());
                if line.iter().copied().eq(super::units::units(&document.delimiter)) {
                    end = line_start;
                    after = next;
                    break;
                }
                line_start = next;
            }
            self.body(&document, start..end);
            self.at = after;
        }
    }

    fn body(&mut self, document: &HereDocument, range: std::ops::Range<usize>) {
        let units = self.units;
        let body = &units[range.clone()];
        if document.quoted {
            for unit in body {
                if let Unit::Hole(hole) = unit {
                    self.place(*hole, Context::HereDocument);
                    let hint = "take the quotes away from the word after `<<`, or use `stdin:`";
                    let message = "nothing is expanded in a here-document with a quoted end mark";
                    self.refuse(*hole, "shell-quoted-here-document", message, hint);
                }
            }
            return;
        }
        if let Some(reader) = document.reader {
            reader.first_name().clone_into(&mut self.reading);
            let code = Word { units: unescaped(body), ..Word::default() };
            interpreters::code(self, reader, &code);
        }
        // The body is read by itself: quotes and parentheses in it do not reach beyond its end.
        let (whole, at) = (self.units, self.at);
        let (holes, names) = (self.lexed.contexts.len(), self.expanded.len());
        self.units = body;
        self.at = 0;
        while let Some(unit) = self.peek() {
            self.at += 1;
            match unit {
                Unit::Hole(hole) => self.place(hole, Context::HereDocument),
                Unit::Char('\\') => self.escaped(),
                Unit::Char('`') => self.backticks(),
                Unit::Char('$') => {
                    self.dollar();
                }
                _ => {}
            }
        }
        self.units = whole;
        self.at = at;
        let holes = self.holes_since(holes);
        let names: Vec<String> = self.expanded[names..].to_vec();
        self.lexed.flows.pipe(&holes, &names);
    }

    // Words.

    fn comment(&mut self) {
        while let Some(unit) = self.peek() {
            if unit == Unit::Char('\n') {
                break;
            }
            self.at += 1;
            if let Unit::Hole(hole) = unit {
                self.place(hole, Context::Comment);
            }
        }
    }

    /// Reads one word and returns it without its quotes.
    pub(super) fn word(&mut self) -> Word {
        let (names, nested) = (std::mem::take(&mut self.expanded), std::mem::take(&mut self.nested));
        let (computes, splits) = (std::mem::take(&mut self.computes), std::mem::take(&mut self.splits));
        let mut word = self.bare_word();
        word.computes = std::mem::replace(&mut self.computes, computes);
        word.splits = std::mem::replace(&mut self.splits, splits);
        word.names = std::mem::replace(&mut self.expanded, names);
        word.names.sort_unstable();
        word.names.dedup();
        word.nested = std::mem::replace(&mut self.nested, nested);
        // A word inside a substitution is part of the word around it.
        self.expanded.extend(word.names.iter().cloned());
        self.nested.extend(&word.nested);
        word
    }

    fn bare_word(&mut self) -> Word {
        let mut word = Word::default();
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Hole(hole) => {
                    self.at += 1;
                    self.place(hole, Context::Bare);
                    word.units.push(unit);
                }
                Unit::Opaque | Unit::Raw => {
                    self.at += 1;
                    word.units.push(unit);
                }
                Unit::Char(' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | ')') => break,
                Unit::Char('(') => {
                    if !self.parenthesis_in_word(&mut word) {
                        break;
                    }
                }
                Unit::Char('\'') => {
                    self.at += 1;
                    word.quoted = true;
                    self.single(&mut word, Context::Single);
                }
                Unit::Char('"') => {
                    self.at += 1;
                    word.quoted = true;
                    self.double(&mut word);
                }
                Unit::Char('\\') => {
                    if self.peek_char(1) == Some('\n') {
                        self.continued();
                        continue;
                    }
                    self.at += 1;
                    word.quoted = true;
                    if let Some(Unit::Char(character)) = self.peek() {
                        word.units.push(Unit::Char(character));
                    }
                    self.escaped();
                }
                Unit::Char('`') => {
                    self.at += 1;
                    self.backticks();
                    self.splits = true;
                    word.units.push(Unit::Opaque);
                }
                Unit::Char('$') => {
                    self.at += 1;
                    self.dollar_in_word(&mut word);
                }
                Unit::Char(character) => {
                    self.at += 1;
                    word.is_pattern |= matches!(character, '*' | '?' | '[' | '{' | '~');
                    word.units.push(Unit::Char(character));
                }
            }
        }
        word
    }

    /// `name=(...)` and patterns such as `@(a|b)`; tells whether the word goes on.
    fn parenthesis_in_word(&mut self, word: &mut Word) -> bool {
        let before = match word.units.last() {
            Some(Unit::Char(character)) => *character,
            _ => return false,
        };
        if before == '=' {
            self.at += 1;
            let name = word.literal_start();
            self.array(name.trim_end_matches(['=', '+']));
            word.units.push(Unit::Opaque);
            return true;
        }
        if !matches!(before, '?' | '*' | '+' | '@' | '!') {
            return false;
        }
        self.at += 1;
        word.is_pattern = true;
        loop {
            let inner = self.word();
            word.units.extend(inner.units);
            match self.peek() {
                Some(Unit::Char(')')) => {
                    self.at += 1;
                    return true;
                }
                Some(Unit::Char('\n')) | None => return true,
                Some(_) => self.at += 1,
            }
        }
    }

    /// The items of `name=(...)`.
    fn array(&mut self, name: &str) {
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Char(')') => {
                    self.at += 1;
                    return;
                }
                Unit::Char('#') => self.comment(),
                _ => {
                    let start = self.at;
                    let item = self.word();
                    if self.at == start {
                        self.at += 1;
                        continue;
                    }
                    builtins::check_subscript(self, &item);
                    let name = name.to_owned();
                    self.lexed.flows.assign(&name, &item);
                    if let ([Unit::Hole(hole)], false) = (item.units.as_slice(), item.quoted) {
                        self.lexed.alone.push(*hole);
                    }
                }
            }
        }
    }

    fn single(&mut self, word: &mut Word, context: Context) {
        while let Some(unit) = self.peek() {
            self.at += 1;
            match unit {
                Unit::Char('\'') => return,
                Unit::Hole(hole) => self.place(hole, context),
                _ => {}
            }
            word.units.push(unit);
        }
        self.is_unclosed = true;
    }

    fn double(&mut self, word: &mut Word) {
        while let Some(unit) = self.peek() {
            self.at += 1;
            match unit {
                Unit::Char('"') => return,
                Unit::Hole(hole) => {
                    self.place(hole, Context::Double);
                    word.units.push(unit);
                }
                Unit::Char('\\') => {
                    match self.peek() {
                        Some(Unit::Char('\n')) => {}
                        Some(Unit::Char(character @ ('$' | '`' | '"' | '\\'))) => {
                            word.units.push(Unit::Char(character));
                        }
                        Some(Unit::Char(character)) => {
                            word.units.extend([Unit::Char('\\'), Unit::Char(character)]);
                        }
                        _ => {}
                    }
                    self.escaped();
                }
                Unit::Char('`') => {
                    self.backticks();
                    word.units.push(Unit::Opaque);
                }
                Unit::Char('$') => word.units.push(self.dollar()),
                _ => word.units.push(unit),
            }
        }
        self.is_unclosed = true;
    }

    /// What follows a backslash.
    fn escaped(&mut self) {
        if let Some(Unit::Hole(hole)) = self.peek() {
            self.refuse_after(hole, '\\');
        }
        self.at = (self.at + 1).min(self.units.len());
    }

    fn backticks(&mut self) {
        self.computes = true;
        let start = self.at;
        let mut ended = false;
        while let Some(unit) = self.peek() {
            self.at += 1;
            match unit {
                Unit::Char('`') => {
                    ended = true;
                    break;
                }
                Unit::Char('\\') => self.escaped(),
                Unit::Hole(hole) => {
                    self.place(hole, Context::Bare);
                    let hint = "write `$(...)` in place of the backticks";
                    self.refuse(hole, "shell-backticks", "a value cannot stand between backticks", hint);
                }
                _ => {}
            }
        }
        self.is_unclosed |= !ended;
        // What is between them is a script; its holes were refused above.
        let text: Vec<Unit> = self.units[start..self.at - usize::from(ended)]
            .iter()
            .map(|unit| if let Unit::Hole(_) = unit { Unit::Raw } else { *unit })
            .collect();
        let inner = self.again(&unescaped(&text));
        self.lexed.flows.merge(inner.flows, &[]);
        self.expanded.extend(inner.expanded);
        self.expanded.push(Flows::INPUT.to_owned());
    }

    /// A `$` outside of quotes: there `$'...'` and `$"..."` begin quotes.
    fn dollar_in_word(&mut self, word: &mut Word) {
        match self.peek_char(0) {
            Some('\'') => {
                self.at += 1;
                word.quoted = true;
                self.dollar_single(word);
            }
            Some('"') => {
                self.at += 1;
                word.quoted = true;
                let before = self.lexed.contexts.len();
                self.double(word);
                for hole in self.holes_since(before) {
                    let message = "a value cannot stand in `$\"...\"`, which is translated";
                    self.refuse(hole, "shell-translated", message, "write `\"...\"`");
                }
            }
            _ => {
                let unit = self.dollar();
                self.splits |= unit == Unit::Opaque;
                word.units.push(unit);
            }
        }
    }

    fn dollar_single(&mut self, word: &mut Word) {
        if self.dialect == Dialect::Posix {
            // dash reads `$` and then `'...'`; bash as `sh` reads escapes.
            let before = self.lexed.contexts.len();
            self.single(word, Context::Single);
            // `$'\''` ends in another place for bash as `sh` than for dash.
            if let Some(Unit::Char('\\')) = self.at.checked_sub(2).and_then(|at| self.units.get(at)) {
                self.is_lost = true;
            }
            for hole in self.holes_since(before) {
                let hint = "write `'...'`, or use bash: `shell: {interpreter: bash, script: ...}`";
                self.refuse(hole, "shell-dollar-quote", "shells differ in how they read `$'...'`", hint);
            }
            return;
        }
        while let Some(unit) = self.peek() {
            self.at += 1;
            match unit {
                Unit::Char('\'') => return,
                Unit::Char('\\') => self.escaped(),
                Unit::Hole(hole) => {
                    self.place(hole, Context::DollarSingle);
                    word.units.push(unit);
                }
                _ => word.units.push(unit),
            }
        }
        self.is_unclosed = true;
    }

    /// What follows a `$` that begins an expansion.
    fn dollar(&mut self) -> Unit {
        match self.peek() {
            Some(Unit::Hole(hole)) => {
                self.at += 1;
                self.refuse_after(hole, '$');
            }
            Some(Unit::Char('(')) => {
                self.at += 1;
                if self.eat("(") {
                    self.arithmetic("))");
                } else {
                    self.substitution();
                }
            }
            Some(Unit::Char('[')) => {
                self.at += 1;
                self.arithmetic("]");
            }
            Some(Unit::Char('{')) => {
                self.at += 1;
                self.parameter();
            }
            Some(Unit::Char(character)) if character.is_ascii_alphabetic() || character == '_' => {
                let mut name = String::new();
                while let Some(character) =
                    self.peek_char(0).filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(character);
                    self.at += 1;
                }
                self.expanded.push(name);
            }
            Some(Unit::Char(character @ ('@' | '*' | '#' | '?' | '-' | '$' | '!' | '0'..='9'))) => {
                self.at += 1;
                let name = match character {
                    '0' => Flows::NAME,
                    '1' => Flows::FIRST_ARGUMENT,
                    '2'..='9' => Flows::ARGUMENTS,
                    '@' | '*' => Flows::ALL_ARGUMENTS,
                    _ => {
                        self.computes = true;
                        return Unit::Opaque;
                    }
                };
                self.splits |= character == '@';
                self.expanded.push(name.to_owned());
            }
            Some(Unit::Char('\\')) if self.peek_char(1) == Some('\n') => {
                self.is_lost = true;
                return Unit::Char('$');
            }
            _ => return Unit::Char('$'),
        }
        Unit::Opaque
    }

    /// The inside of `${...}`.
    fn parameter(&mut self) {
        let before = self.lexed.contexts.len();
        let start = self.at;
        let expanded = self.expanded.len();
        let mut nested = 0_usize;
        let mut unused = Word::default();
        let mut ended = false;
        while let Some(unit) = self.peek() {
            self.at += 1;
            match unit {
                Unit::Char('}') if nested == 0 => {
                    ended = true;
                    break;
                }
                Unit::Char('}') => nested -= 1,
                Unit::Char('{') => nested += 1,
                Unit::Char('\\') => self.escaped(),
                Unit::Char('\'') => self.single(&mut unused, Context::Single),
                Unit::Char('"') => self.double(&mut unused),
                Unit::Char('`') => self.backticks(),
                Unit::Char('$') => {
                    self.dollar();
                }
                Unit::Hole(hole) => self.place(hole, Context::Bare),
                _ => {}
            }
        }
        let text: String = self.units[start..self.at]
            .iter()
            .map(|unit| match unit {
                Unit::Char(character) => *character,
                Unit::Hole(_) | Unit::Opaque | Unit::Raw => ' ',
            })
            .collect();
        self.is_unclosed |= !ended;
        self.parameter_names(text.strip_suffix('}').unwrap_or(&text), expanded);
        for hole in self.holes_since(before) {
            let hint = "use a filter (`default`, `replace`, `trim`), or put the value into a variable first: `x={{ ... }}`";
            self.refuse(hole, "shell-parameter-expansion", "a value cannot stand inside `${...}`", hint);
        }
    }

    /// Notes which variables `${...}` expands, and which of them it evaluates: `${!name}`, offsets, subscripts.
    fn parameter_names(&mut self, text: &str, expanded: usize) {
        let plain = text.trim_start_matches(['!', '#']);
        let length = plain.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (name, rest) = plain.split_at(length);
        let name = match name.bytes().next() {
            Some(b'0') if name == "0" => Flows::NAME,
            Some(b'1') if name == "1" => Flows::FIRST_ARGUMENT,
            Some(b'0'..=b'9') => Flows::ARGUMENTS,
            _ if name == "BASH_ARGV" || (name.is_empty() && plain.starts_with(['@', '*'])) => {
                Flows::ALL_ARGUMENTS
            }
            _ => name,
        };
        let is_evaluated = match rest.as_bytes() {
            // `${name@P}` expands what the variable holds as a prompt, substitutions too.
            [b'[', ..] | [b'@', b'P', ..] => true,
            [b':', next, ..] => !matches!(next, b'-' | b'=' | b'?' | b'+'),
            _ => false,
        };
        self.computes |= !rest.is_empty() && !matches!(plain, "@" | "*") || plain.len() < text.len();
        self.splits |= text.contains('@');
        if rest.starts_with('=') || rest.starts_with(":=") {
            let inside: Vec<String> = self.expanded[expanded..].to_vec();
            self.lexed.flows.assign_names(name, &inside);
            self.lexed.flows.forget(name);
        }
        if rest.starts_with("@P") {
            self.lexed.flows.evaluated.insert(name.to_owned());
        }
        if is_evaluated {
            let inside: Vec<String> = self.expanded[expanded..].to_vec();
            self.lexed.flows.evaluated.extend(inside);
            self.lexed.flows.evaluated.extend(identifiers(rest));
        }
        if text.starts_with('!') {
            self.lexed.flows.evaluated.insert(name.to_owned());
        }
        self.expanded.push(name.to_owned());
    }

    /// The inside of `$((...))`, `((...))`, `$[...]`.
    fn arithmetic(&mut self, close: &str) {
        self.computes = true;
        let before = self.lexed.contexts.len();
        let expanded = self.expanded.len();
        let start = self.at;
        self.arithmetic_until(close);
        // What a substitution in it gives is evaluated too.
        let inside = self.holes_since(before);
        self.lexed.integers.extend(inside);
        let names: Vec<String> = self.expanded[expanded..].to_vec();
        self.lexed.flows.evaluated.extend(names);
        let text: String = self.units[start..self.at]
            .iter()
            .map(|unit| match unit {
                Unit::Char(character) => *character,
                Unit::Hole(_) | Unit::Opaque | Unit::Raw => ' ',
            })
            .collect();
        let names: Vec<String> = identifiers(&text).collect();
        for name in &names {
            self.lexed.flows.assign_names(name, &names);
        }
        self.lexed.flows.evaluated.extend(names);
    }

    fn arithmetic_until(&mut self, close: &str) {
        let mut nested = 0_usize;
        while let Some(unit) = self.peek() {
            if nested == 0 && self.eat(close) {
                return;
            }
            self.at += 1;
            match unit {
                Unit::Char('(' | '[') => nested += 1,
                Unit::Char(')' | ']') => nested = nested.saturating_sub(1),
                Unit::Char('\\') => self.escaped(),
                Unit::Char('`') => self.backticks(),
                Unit::Char('$') => {
                    self.dollar();
                }
                Unit::Hole(hole) => self.place(hole, Context::Arithmetic),
                _ => {}
            }
        }
        self.is_unclosed = true;
    }
}

/// Tells whether a word right before `<` or `>` is the number of a descriptor, or bash's `{name}`.
fn is_descriptor(word: &Word) -> bool {
    let Some(text) = word.literal().filter(|_| !word.quoted) else { return false };
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'),
        None => text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// The words of a text that may name variables.
pub(super) fn identifiers(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .map(ToOwned::to_owned)
}

/// Takes away the backslashes that a here-document's expansion takes away.
fn unescaped(body: &[Unit]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(body.len());
    let mut rest = body.iter().copied().peekable();
    while let Some(unit) = rest.next() {
        if unit == Unit::Char('\\') && matches!(rest.peek(), Some(Unit::Char('$' | '`' | '\\'))) {
            units.extend(rest.next());
        } else {
            units.push(unit);
        }
    }
    units
}

impl Refusal {
    /// Turns it into a problem at the place of its hole.
    pub(super) fn into_problem(self, range: std::ops::Range<usize>) -> Problem {
        Problem::new(self.code, range, self.message).with_hint(self.hint)
    }
}
