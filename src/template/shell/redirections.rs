//! Redirections, here-documents and process substitutions.

use super::flows::Flows;
use super::lexer::{HereDocument, Lexer};
use super::units::{Context, Unit, Word};
use super::words::unescaped;
use super::{commands, interpreters, streams};

impl Lexer<'_> {
    pub(super) fn redirection(&mut self, command: &mut commands::Command) {
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
    pub(super) fn process(&mut self, is_input: bool) -> Word {
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

    pub(super) fn blanks(&mut self) {
        while matches!(self.peek_char(0), Some(' ' | '\t')) || self.sees("\\\n") {
            self.at += if self.sees("\\\n") { 2 } else { 1 };
        }
    }

    /// The bodies of the here-documents that were announced on the line before.
    pub(super) fn bodies(&mut self) {
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

    pub(super) fn body(&mut self, document: &HereDocument, range: std::ops::Range<usize>) {
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
}

/// Tells whether a word right before `<` or `>` is the number of a descriptor, or bash's `{name}`.
fn is_descriptor(word: &Word) -> bool {
    let Some(text) = word.literal().filter(|_| !word.quoted) else { return false };
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'),
        None => text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
