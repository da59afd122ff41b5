//! What follows a `$`: variables, `${...}`, substitutions, arithmetic.

use super::flows::Flows;
use super::lexer::Lexer;
use super::units::{Context, Unit, Word};

impl Lexer<'_> {
    /// What follows a `$` that begins an expansion.
    pub(super) fn dollar(&mut self) -> Unit {
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
    pub(super) fn parameter(&mut self) {
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
    pub(super) fn parameter_names(&mut self, text: &str, expanded: usize) {
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
    pub(super) fn arithmetic(&mut self, close: &str) {
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

    pub(super) fn arithmetic_until(&mut self, close: &str) {
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

/// The words of a text that may name variables.
pub(super) fn identifiers(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .map(ToOwned::to_owned)
}
