//! [`PromqlTemplate`]: a `PromQL` expression with holes, lexed before it is filled.

use std::fmt;
use std::ops::Range;

use super::outline::{Outline, Part, scalar_text};
use super::parsed::Leaf;
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;

/// A `PromQL` expression with holes.
///
/// In a quoted string a value is a text, and under `=~` or `!~` a literal piece of the pattern. Outside of
/// quotes it is one number, duration or name; [`PromqlTemplate::bare_references`] tells what stands there.
#[derive(Clone)]
pub struct PromqlTemplate {
    outline: Outline,
    bare: Vec<Range<usize>>,
}

/// Where in an expression the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of everything.
    Code,
    /// In a string that ends with this quote; whether it is the pattern of a matcher.
    String { quote: char, is_pattern: bool },
    /// In a string in backticks, in which nothing can be escaped.
    Raw,
    /// From `#` to the end of the line.
    Comment,
}

/// Walks over the author's text.
struct Lexer {
    place: Place,
    escaped: bool,
    /// The last two characters outside of strings that are no white space.
    before: [char; 2],
}

impl PromqlTemplate {
    /// Reads an expression with holes.
    ///
    /// # Errors
    /// What is wrong with its holes; a hole in backticks, in a comment or after a backslash; a string that does not end.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let outline = Outline::compile(source)?;
        let parsed = outline.parsed();
        let (mut bare, mut problems) = (Vec::new(), Vec::<Problem>::new());
        for way in parsed.ways() {
            let mut lexer = Lexer::new();
            for leaf in way {
                match leaf {
                    Leaf::Text(range) => lexer.text(&source[range]),
                    Leaf::Hole(hole) => {
                        let range = parsed.holes[hole].range.clone();
                        match lexer.refusal() {
                            Some((message, hint)) => {
                                let problem = Problem::new("promql-hole", range, message).with_hint(hint);
                                if !problems.contains(&problem) {
                                    problems.push(problem);
                                }
                            }
                            None if lexer.place == Place::Code => bare.push(range),
                            None => {}
                        }
                        lexer.value();
                    }
                }
            }
            if matches!(lexer.place, Place::String { .. } | Place::Raw) && problems.is_empty() {
                let problem =
                    Problem::new("promql-syntax", 0..source.len(), "a string of the query does not end");
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(Self { outline, bare }) } else { Err(problems) }
    }

    /// Returns the names that it reads.
    pub fn references(&self) -> &[Reference] {
        self.outline.references()
    }

    /// Returns the names whose values stand outside of quotes, where they decide what is asked.
    pub fn bare_references(&self) -> Vec<Reference> {
        let holes = self.bare.iter().filter_map(|range| self.outline.parsed().hole_at(range));
        holes.flat_map(|hole| hole.references.clone()).collect()
    }

    /// Returns the text that it was read from.
    pub fn source(&self) -> &str {
        self.outline.source()
    }

    /// Fills it.
    ///
    /// # Errors
    /// A name without a value, a value that is not one text, or one outside of quotes that is no number, duration or name.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        let mut lexer = Lexer::new();
        let mut query = String::new();
        for part in self.outline.fill(scope)?.parts {
            match part {
                Part::Text(text, _) => {
                    lexer.text(&text);
                    query.push_str(&text);
                }
                Part::Hole(value, range) => {
                    let is_raw = self.outline.parsed().hole_at(&range).is_some_and(|hole| hole.ending.raw);
                    let text = scalar_text(&value).and_then(|text| lexer.spell(&text, is_raw));
                    query.push_str(&text.map_err(|error| error.at(self.source(), range))?);
                    lexer.value();
                }
            }
        }
        Ok(query)
    }
}

impl Lexer {
    fn new() -> Self {
        Self { place: Place::Code, escaped: false, before: [' '; 2] }
    }

    fn text(&mut self, text: &str) {
        text.chars().for_each(|character| self.character(character));
    }

    fn character(&mut self, character: char) {
        match self.place {
            Place::Code => {
                self.place = match character {
                    '"' | '\'' => Place::String {
                        quote: character,
                        is_pattern: matches!(self.before, ['=' | '!', '~']),
                    },
                    '`' => Place::Raw,
                    '#' => Place::Comment,
                    _ => Place::Code,
                };
                if !character.is_whitespace() {
                    self.before = [self.before[1], character];
                }
            }
            Place::String { .. } if self.escaped => self.escaped = false,
            Place::String { .. } if character == '\\' => self.escaped = true,
            Place::String { quote, .. } if character == quote => self.place = Place::Code,
            Place::Raw if character == '`' => self.place = Place::Code,
            Place::Comment if character == '\n' => self.place = Place::Code,
            Place::String { .. } | Place::Raw | Place::Comment => {}
        }
    }

    /// Goes over a value: whatever it is, it changes no place.
    fn value(&mut self) {
        self.escaped = false;
        if self.place == Place::Code {
            self.before = [self.before[1], 'x'];
        }
    }

    /// Tells why no value can stand here.
    fn refusal(&self) -> Option<(&'static str, &'static str)> {
        match self.place {
            Place::Raw => Some(("a value cannot stand in backticks", "write the string in double quotes")),
            Place::Comment => Some(("a value cannot stand in a comment", "leave it out")),
            Place::String { .. } if self.escaped => Some((
                "a value cannot stand after a backslash",
                "leave the backslash out: the value is escaped",
            )),
            Place::String { .. } | Place::Code => None,
        }
    }

    /// Spells a value for this place.
    fn spell(&self, value: &str, is_raw: bool) -> Result<String, RenderError> {
        if let Some((message, hint)) = self.refusal() {
            return Err(RenderError::new("promql-hole", message).with_hint(hint));
        }
        if value.contains('\0') {
            return Err(RenderError::new("value-nul", "holds a NUL character"));
        }
        match self.place {
            Place::String { quote, is_pattern } => {
                let text = if is_pattern { regex_syntax::escape(value) } else { value.to_owned() };
                Ok(quoted(&text, quote))
            }
            _ if is_raw || is_one_token(value) => Ok(value.to_owned()),
            _ => Err(RenderError::new(
                "promql-bare",
                "is no number, duration or name, and stands outside of quotes",
            )
            .with_hint("put it into quotes, or write `| raw` for the playbook author's own text")),
        }
    }
}

impl fmt::Debug for PromqlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PromqlTemplate").field(&self.source()).finish()
    }
}

/// Escapes as Go's strings do, which are `PromQL`'s: only the quote that ends the string may be escaped.
fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn is_one_token(value: &str) -> bool {
    let value = value.strip_prefix(['+', '-']).unwrap_or(value);
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Value;

    fn scope() -> Scope {
        Scope::new()
            .with("host", Value::from("db1:9100"))
            .with("hostile", Value::from("x\"} or vector(0) # \\ ' \n`"))
            .with("window", Value::from("5m"))
            .with("n", Value::from(0.8))
    }

    fn render(source: &str) -> Result<String, RenderError> {
        PromqlTemplate::compile(source).expect(source).render(&scope())
    }

    #[test]
    fn a_value_is_spelled_for_its_place() {
        for (source, expected) in [
            ("up{instance=\"{{ host }}\"}", r#"up{instance="db1:9100"}"#),
            ("up{instance='{{ hostile }}'}", r#"up{instance='x"} or vector(0) # \\ \' \n`'}"#),
            ("up{instance=\"{{ hostile }}\"}", r#"up{instance="x\"} or vector(0) # \\ ' \n`"}"#),
            ("up{instance =~ \"{{ host }}|a.b\"}", r#"up{instance =~ "db1:9100|a.b"}"#),
            ("up{i!~\"{{ 'a.*' }}\"}", r#"up{i!~"a\\.\\*"}"#),
            ("rate(x[{{ window }}]) > {{ n }} # \"", "rate(x[5m]) > 0.8 # \""),
            ("{{ 'a{b=\"c\"}' | raw }} + 1", "a{b=\"c\"} + 1"),
            ("{% if n > 1 %}a{% else %}b{c=\"{{ host }}\"}{% endif %}", "b{c=\"db1:9100\"}"),
            ("x{a=\"\\\"{{ host }}\"}", "x{a=\"\\\"db1:9100\"}"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
        }
        assert_eq!(render("{{ hostile }}").map_err(|error| error.code), Err("promql-bare"));
    }

    #[test]
    fn places_without_a_safe_spelling_are_refused() {
        for source in ["x{a=`{{ host }}`}", "x # {{ host }}", "x{a=\"\\{{ host }}\"}", "x{a=\"{{ host }}}"] {
            assert!(PromqlTemplate::compile(source).is_err(), "{source}");
        }
    }

    #[test]
    fn names_outside_of_quotes_are_told() {
        let template = PromqlTemplate::compile("rate({{ vars.metric }}{a=\"{{ alert.labels.a }}\"}[5m])")
            .expect("compiles");
        let bare: Vec<String> = template.bare_references().iter().map(Reference::name).collect();
        assert_eq!(bare, ["vars.metric"]);
        assert_eq!(template.references().len(), 2);
    }
}
