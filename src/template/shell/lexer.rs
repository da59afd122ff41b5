//! [`Lexer`]: walks a script of the author's text and says for each hole where it stands.
//!
//! Its methods are in the files of what they read: `groups`, `redirections`, `words`, `expansions`.
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
use super::units::{Context, Refusal, Unit};

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
    pub(super) expanded: Vec<String>,
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
    pub(super) expanded: Vec<String>,
    pub(super) nested: Vec<usize>,
    /// What is known of the expansions in the word that is read.
    pub(super) computes: bool,
    pub(super) splits: bool,
    /// How many texts were read again so far, and whether that were too many to follow.
    pub(super) reads: usize,
    pub(super) is_exhausted: bool,
    /// Whether the substitution that comes next is `>(...)`.
    pub(super) is_written: bool,
    /// The texts that variables may hold.
    pub(super) known: &'u Known,
    /// Whether knowing the texts of variables would help.
    pub(super) wants_known: bool,
    pub(super) depth: usize,
    /// Whether the script ended inside of quotes or brackets.
    pub(super) is_unclosed: bool,
    /// Whether the reading can no longer be sure where it is.
    pub(super) is_lost: bool,
}

/// The holes of one group of commands.
#[derive(Default)]
pub(super) struct Frame {
    /// Of the elements of this pipeline that came before.
    pub(super) earlier: Vec<usize>,
    /// Of the element that is being read.
    pub(super) current: Vec<usize>,
    /// Of the whole group.
    pub(super) all: Vec<usize>,
    /// Whether it reads what other commands write to `>(...)`.
    pub(super) is_written: bool,
    /// Whether it is run more than once.
    pub(super) is_loop: bool,
    /// The variables that the element expands.
    pub(super) names: BTreeSet<String>,
    pub(super) all_names: BTreeSet<String>,
    /// The variables that elements of this pipeline before it expand.
    pub(super) earlier_names: BTreeSet<String>,
}

/// A here-document that was announced.
pub(super) struct HereDocument {
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strip_tabs: bool,
    /// The program that reads it as code.
    pub(super) reader: Option<&'static Program>,
}

/// Where a list of commands ends.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stop {
    End,
    Parenthesis,
    /// The commands of one pattern of `case`.
    Case,
}

/// How deep groups may nest: deeper scripts are refused, not followed.
const DEEPEST: usize = 100;

/// How many shells may read a text, one after the other: deeper ones are refused, not followed.
const MOST_SHELLS: usize = 12;

/// How many texts of a script may be read again, all together.
const MOST_READS: usize = 500;

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
    pub(super) fn new(
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
            reads: 0,
            is_exhausted: false,
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
        self.reads += 1;
        if self.reads > MOST_READS || self.level >= MOST_SHELLS {
            self.is_exhausted = true;
            return Lexed::default();
        }
        let mut inner = Lexer::new(units, Dialect::Bash, self.level + 1, self.quoting, self.known);
        inner.reads = self.reads;
        inner.list(Stop::End);
        self.reads = inner.reads;
        self.is_exhausted |= inner.is_exhausted;
        self.wants_known |= inner.wants_known;
        inner.close_up();
        inner.lexed.expanded = inner.expanded;
        inner.lexed
    }

    /// Refuses what stands in a script that does not end.
    pub(super) fn close_up(&mut self) {
        if self.is_unclosed {
            let holes = self.holes_since(0);
            for hole in holes {
                let hint = "close every quote, bracket and `case` in the same branch of the template";
                self.refuse(hole, "shell-unclosed", "the script around this ends inside of something", hint);
            }
        }
    }

    pub(super) fn finish(mut self) -> Lexed {
        self.close_up();
        let holes = self.holes_since(0);
        self.lexed.flows.complete(&holes);
        known::complete(&mut self);
        self.lexed.flows.follow_mentions();
        if self.is_exhausted {
            let hint = "split it into steps";
            for hole in holes {
                self.refuse(hole, "shell-too-deep", "the script has too many ways to follow", hint);
            }
        }
        self.lexed
    }

    // Characters.

    pub(super) fn peek(&self) -> Option<Unit> {
        self.units.get(self.at).copied()
    }

    pub(super) fn peek_char(&self, ahead: usize) -> Option<char> {
        match self.units.get(self.at + ahead) {
            Some(Unit::Char(character)) => Some(*character),
            _ => None,
        }
    }

    pub(super) fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, character)| self.peek_char(ahead) == Some(character))
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
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

    pub(super) fn place(&mut self, hole: usize, context: Context) {
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
    pub(super) fn refuse_after(&mut self, hole: usize, what: char) {
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

    pub(super) fn list(&mut self, stop: Stop) {
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
    pub(super) fn continued(&mut self) {
        let before = self.at.checked_sub(1).and_then(|at| self.units.get(at));
        if let Some(Unit::Char('$' | '(' | '<' | '>' | '&' | '|' | ';' | ')')) = before {
            self.is_lost = true;
        }
        self.at += 2;
    }

    pub(super) fn refuse_rest(&mut self) {
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

    pub(super) fn end_element(&mut self, command: &mut commands::Command) {
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

    pub(super) fn end_pipeline(&mut self, command: &mut commands::Command) {
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

    pub(super) fn open_loop(&mut self) {
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

    /// The inside of `$(...)`, `<(...)`.
    pub(super) fn substitution(&mut self) {
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

    pub(super) fn holes_since(&self, before: usize) -> Vec<usize> {
        self.lexed.contexts[before..].iter().map(|(hole, _)| *hole).collect()
    }
}

impl Refusal {
    /// Turns it into a problem at the place of its hole.
    pub(super) fn into_problem(self, range: std::ops::Range<usize>) -> Problem {
        Problem::new(self.code, range, self.message).with_hint(self.hint)
    }
}
