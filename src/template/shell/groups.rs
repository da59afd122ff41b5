//! Compound commands: `if`, `for`, `case`, `[[ ]]`, functions, parentheses.

use super::flows::Flows;
use super::lexer::{Lexer, Stop};
use super::units::{Unit, Word};
use super::{builtins, commands};

impl Lexer<'_> {
    pub(super) fn parenthesis(&mut self, command: &mut commands::Command) {
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

    /// Reads a word of a command, or a word that begins or ends a compound command. Tells whether the list ends.
    pub(super) fn word_of(&mut self, command: &mut commands::Command, stop: Stop) -> bool {
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
    pub(super) fn for_header(&mut self) {
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
    pub(super) fn case(&mut self) {
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
    pub(super) fn patterns(&mut self) -> bool {
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

    pub(super) fn ended_by_esac(&self, from: usize) -> bool {
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

    pub(super) fn space(&mut self) {
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
    pub(super) fn double_brackets(&mut self) {
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
}
