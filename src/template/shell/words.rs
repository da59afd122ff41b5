//! Words and their quotes.

use super::flows::Flows;
use super::lexer::Lexer;
use super::units::{Context, Unit, Word};
use super::{Dialect, builtins};

impl Lexer<'_> {
    pub(super) fn comment(&mut self) {
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

    pub(super) fn bare_word(&mut self) -> Word {
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
    pub(super) fn parenthesis_in_word(&mut self, word: &mut Word) -> bool {
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
    pub(super) fn array(&mut self, name: &str) {
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

    pub(super) fn single(&mut self, word: &mut Word, context: Context) {
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

    pub(super) fn double(&mut self, word: &mut Word) {
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
    pub(super) fn escaped(&mut self) {
        if let Some(Unit::Hole(hole)) = self.peek() {
            self.refuse_after(hole, '\\');
        }
        self.at = (self.at + 1).min(self.units.len());
    }

    pub(super) fn backticks(&mut self) {
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
    pub(super) fn dollar_in_word(&mut self, word: &mut Word) {
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

    pub(super) fn dollar_single(&mut self, word: &mut Word) {
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
}

/// Takes away the backslashes that a here-document's expansion takes away.
pub(super) fn unescaped(body: &[Unit]) -> Vec<Unit> {
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
