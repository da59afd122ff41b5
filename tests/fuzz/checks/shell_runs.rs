//! Scripts that are really run: the value arrives byte for byte, and is never run itself.
//!
//! No script comes from the bytes of an input: those only choose among harmless pieces, and may be the value. What runs
//! is kept in a [`Pen`].

use std::path::Path;

use amflow::template::{Dialect, ShellTemplate};

use super::hostile::{FRAGMENTS, PAYLOADS, hostile_values};
use super::input::{Choices, SEPARATOR, input};
use super::pen::Pen;
use super::template::scope;

/// Pieces of scripts that stay out: what begins something in the background, or calls itself.
const LEFT_OUT: &[&str] = &[
    "&",
    "coproc ",
    ">(sh)",
    "f() { ",
    "f ",
    "function g ",
    "f() { \"$@\"; }; ",
    "f() { eval \"$1\"; }; ",
    "a=f; ",
    "sudo ",
    "setsid ",
    "tar -cI ",
    "split --filter=",
    "flock f -c ",
    "; wait; ",
    "trap ",
    "trap \"$a\" EXIT",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let values = hostile_values();
    let values: Vec<&String> = values.iter().filter(|value| value.len() < 200).collect();
    let mut seeds = Vec::new();
    for (number, value) in (0..=250_u8).zip(values.iter().cycle()) {
        let choices =
            [number, number / 7, number / 3, number / 11, number / 2, 5, number / 13, 3, number / 4];
        seeds.push([&choices[..], &[SEPARATOR], value.as_bytes()].concat());
    }
    seeds.push(input(&["", "a"]));
    seeds
}

/// The input is choices, and a value.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == SEPARATOR);
    let mut choices = Choices::of(parts.next().unwrap_or_default());
    let value = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (shell, dialect) = [("dash", Dialect::Posix), ("bash", Dialect::Bash)][choices.below(2)];
    if choices.below(3) == 0 {
        never_runs(&mut choices, shell, dialect);
    } else {
        arrives(&mut choices, shell, dialect, &value);
    }
}

/// Pieces in any order, right and wrong shell alike: a script that is taken does not run the value.
fn never_runs(choices: &mut Choices<'_>, shell: &str, dialect: Dialect) {
    let payload = PAYLOADS[choices.below(PAYLOADS.len())];
    let pieces: Vec<&str> = FRAGMENTS.iter().copied().filter(|piece| !LEFT_OUT.contains(piece)).collect();
    let mut source = String::new();
    let hole = 1 + choices.below(6);
    for at in 0..14 {
        if at == hole {
            source.push_str(choices.one(&["{{ x }}", " {{ x }} ", " {{ x | shq }}", "{{ x | shq }}"]));
        } else if choices.is_over() {
            break;
        } else {
            source.push_str(pieces[choices.below(256) % pieces.len()]);
        }
    }
    let Ok(template) = ShellTemplate::compile(&source, dialect) else { return };
    let Ok(script) = template.render(&scope(payload)) else { return };
    let ran = Pen::with(|pen| pen.run(shell, &script.script, &script.variables));
    assert!(!ran.made("canary"), "{shell} ran {payload:?} of {source:?} as {}", script.script);
}

/// A script of which all is known prints what it should.
fn arrives(choices: &mut Choices<'_>, shell: &str, dialect: Dialect, value: &str) {
    let mut made = Made { source: String::new(), printed: String::new(), value, dialect };
    for _ in 0..=choices.below(3) {
        made.statement(choices, 2);
    }
    let Made { source, printed, .. } = made;
    let template = ShellTemplate::compile(&source, dialect)
        .unwrap_or_else(|problems| panic!("{source:?} is sound: {problems:?}"));
    let script = match template.render(&scope(value)) {
        Ok(script) => script,
        Err(error) => {
            let is_known = value.contains('\0') || (value.starts_with('-') && error.code == "value-dash");
            return assert!(is_known, "{source:?} takes every value: {error}");
        }
    };
    let ran = Pen::with(|pen| pen.run(shell, &script.script, &script.variables));
    let about = format!("{source:?} with {value:?} under {shell}, as {:?}", script.script);
    assert_eq!(String::from_utf8_lossy(&ran.printed), printed, "{about}");
    assert!(ran.succeeded && ran.files.is_empty(), "{about}: {:?}", ran.files);
}

/// A script while it is made, and what it prints.
struct Made<'v> {
    source: String,
    printed: String,
    value: &'v str,
    dialect: Dialect,
}

impl Made<'_> {
    fn statement(&mut self, choices: &mut Choices<'_>, depth: usize) {
        match choices.below(if depth == 0 { 5 } else { 9 }) {
            0 | 1 => {
                self.source.push_str("printf '<%s>'");
                for _ in 0..=choices.below(3) {
                    self.source.push(' ');
                    let text = self.word(choices, 2);
                    self.printed.push_str(&format!("<{text}>"));
                }
            }
            2 => {
                self.source.push_str("v=");
                let text = self.word(choices, 2);
                self.source.push_str("; printf '<%s>' \"$v\"");
                self.printed.push_str(&format!("<{text}>"));
            }
            3 => {
                self.source.push_str("cat <<E\n");
                for _ in 0..=choices.below(3) {
                    let text = choices.one(&[
                        "a",
                        " b ",
                        "{{ x }}",
                        "'{{ x }}'",
                        "\"{{ x }}\"",
                        "it's",
                        "\n",
                        "# c",
                    ]);
                    self.source.push_str(text);
                    self.printed.push_str(&text.replace("{{ x }}", self.value));
                }
                self.source.push_str("\nE\n:");
                self.printed.push('\n');
            }
            4 => {
                self.source.push_str("for i in ");
                let (one, two) = (self.word(choices, 1), {
                    self.source.push(' ');
                    self.word(choices, 1)
                });
                self.source.push_str("; do printf '<%s>' \"$i\"; done");
                self.printed.push_str(&format!("<{one}><{two}>"));
            }
            5 => self.around("{ ", "; }", choices, depth),
            6 => self.around("( ", ") | cat", choices, depth),
            7 => {
                // The same word twice is the same, as text and as pattern.
                let begin = self.source.len();
                self.source.push_str("case ");
                let at = self.source.len();
                self.word(choices, 1);
                let word = self.source.split_off(at);
                self.source.truncate(begin);
                self.around(&format!("case {word} in {word}) "), ";; *) printf wrong;; esac", choices, depth);
            }
            _ => {
                let at = self.source.len();
                self.word(choices, 1);
                let word = self.source.split_off(at);
                self.around(
                    &format!("if [ x{word} = x{word} ]; then "),
                    "; else printf wrong; fi",
                    choices,
                    depth,
                );
            }
        }
        self.source.push_str(choices.one(&["; ", "\n", " # it's \" a comment {{ x }}\n"]));
    }

    fn around(&mut self, before: &str, after: &str, choices: &mut Choices<'_>, depth: usize) {
        self.source.push_str(before);
        self.statement(choices, depth - 1);
        // A statement brings its own end; what comes after begins with one, too.
        self.source.push_str(&format!("\n:{after}"));
    }

    /// Writes one word, and returns what it is. It is quoted or begins with a letter, so that it is one also when it is empty.
    fn word(&mut self, choices: &mut Choices<'_>, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..=choices.below(3) {
            let kinds = if depth == 0 { 5 } else { 7 };
            match choices.below(kinds) {
                0 => {
                    self.source.push_str("{{ x }}");
                    text.push_str(self.value);
                }
                1 => text += &self.quoted('"', choices, &["a", " b", "{{ x }}", "\\\"", "\\\\", "'", "\n"]),
                2 => {
                    text += &self.quoted('\'', choices, &["a", " b", "{{ x }}", "\\", "\"", "$v", "`"]);
                }
                3 => {
                    let plain = choices.one(&["a", "b-c", "1.5", "x=y", "/d", "%s"]);
                    self.source.push_str(plain);
                    text.push_str(plain);
                }
                4 => {
                    let escaped = choices.one(&["\\'", "\\\"", "\\\\", "\\$", "\\ ", "\\;"]);
                    self.source.push_str(escaped);
                    text.push_str(&escaped[1..]);
                }
                5 => {
                    self.source.push_str("\"$(printf '%s' ");
                    let inner = self.word(choices, depth - 1);
                    self.source.push_str(")\"");
                    text.push_str(inner.trim_end_matches('\n'));
                }
                _ if self.dialect == Dialect::Bash => {
                    self.source.push_str("$'a\\'{{ x }}\\n'");
                    text.push_str(&format!("a'{}\n", self.value));
                }
                _ => {
                    self.source.push_str("\"\"");
                }
            }
        }
        text
    }

    fn quoted(&mut self, quote: char, choices: &mut Choices<'_>, pieces: &[&str]) -> String {
        let mut text = String::new();
        self.source.push(quote);
        for _ in 0..choices.below(4) {
            let piece = choices.one(pieces);
            self.source.push_str(piece);
            let plain = if quote == '"' { piece.strip_prefix('\\').unwrap_or(piece) } else { piece };
            text.push_str(&plain.replace("{{ x }}", self.value));
        }
        self.source.push(quote);
        text
    }
}
