//! [`PromqlTemplate`]: a `PromQL` expression with holes, lexed before it is filled.

mod lexer;

use std::fmt;
use std::ops::Range;

use super::outline::{Outline, Part, check_length, scalar_text};
use super::parsed::Leaf;
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;
use lexer::{Piece, Place, places};

/// A `PromQL` expression with holes.
///
/// In a quoted string a value is a text, and under `=~` or `!~` a literal piece of the pattern. Outside of
/// quotes it is one number, duration or name; [`PromqlTemplate::bare_references`] tells what stands there.
#[derive(Clone)]
pub struct PromqlTemplate {
    outline: Outline,
    bare: Vec<Range<usize>>,
}

impl PromqlTemplate {
    /// Reads an expression with holes.
    ///
    /// # Errors
    /// What is wrong with its holes; a hole in backticks, in a comment, in an escape, or in a pattern where that has no
    /// plain text; a string that does not end.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let outline = Outline::compile(source)?;
        let parsed = outline.parsed();
        let (mut bare, mut problems) = (Vec::new(), Vec::<Problem>::new());
        for way in parsed.ways() {
            let mut holes = Vec::new();
            let pieces = way.into_iter().map(|leaf| match leaf {
                Leaf::Text(range) => Piece::Text(&source[range.clone()], range),
                Leaf::Hole(hole) => {
                    holes.push(parsed.holes[hole].range.clone());
                    Piece::Hole(parsed.holes[hole].range.clone())
                }
            });
            match places(pieces) {
                Ok(places) => {
                    let bares = holes.into_iter().zip(places).filter(|(_, place)| *place == Place::Bare);
                    bare.extend(bares.map(|(range, _)| range));
                }
                Err(refusals) => {
                    for refusal in refusals {
                        let problem = Problem::new(refusal.code, refusal.range, refusal.message);
                        let problem = problem.with_hint(refusal.hint);
                        if !problems.contains(&problem) {
                            problems.push(problem);
                        }
                    }
                }
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
        let parts = self.outline.fill(scope)?.parts;
        let pieces = parts.iter().map(|part| match part {
            Part::Text(text, range) => Piece::Text(text, range.clone()),
            Part::Hole(_, range) => Piece::Hole(range.clone()),
        });
        let places = places(pieces).map_err(|refusals| {
            let error = RenderError::new("promql-hole", "a value cannot stand where it does");
            refusals.into_iter().next().map_or(error, |refusal| {
                let error = RenderError::new(refusal.code, refusal.message).with_hint(refusal.hint);
                error.at(self.source(), refusal.range)
            })
        })?;
        let mut places = places.into_iter();
        let mut query = String::new();
        for part in parts {
            match part {
                Part::Text(text, _) => query.push_str(&text),
                Part::Hole(value, range) => {
                    let is_raw = self.outline.parsed().hole_at(&range).is_some_and(|hole| hole.ending.raw);
                    let place = places.next().unwrap_or(Place::Bare);
                    let text = scalar_text(&value).and_then(|text| spell(&text, place, is_raw));
                    query.push_str(&text.map_err(|error| error.at(self.source(), range))?);
                }
            }
            check_length(query.len())?;
        }
        Ok(query)
    }
}

/// Spells a value for its place.
fn spell(value: &str, place: Place, is_raw: bool) -> Result<String, RenderError> {
    if value.contains('\0') {
        return Err(RenderError::new("value-nul", "holds a NUL character"));
    }
    match place {
        Place::Text(quote) => Ok(quoted(value, quote)),
        Place::Pattern(quote, is_repeated) => {
            let literal = regex_syntax::escape(value);
            Ok(quoted(&if is_repeated { format!("(?:{literal})") } else { literal }, quote))
        }
        Place::Bare if is_raw || is_one_token(value) => Ok(value.to_owned()),
        Place::Bare => {
            let message = "is no number, duration or name, and stands outside of quotes";
            let hint = "put it into quotes, or write `| raw` for the playbook author's own text";
            Err(RenderError::new("promql-bare", message).with_hint(hint))
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
            ("x{a=~\"({{ host }})+{{ host }}{2}\"}", "x{a=~\"(db1:9100)+(?:db1:9100){2}\"}"),
            ("x{a =~ # b\n\"{{ 'a.*' }}\"}", "x{a =~ # b\n\"a\\\\.\\\\*\"}"),
            ("x{a !~#\"\r # =\n\n'{{ 'a.*' }}'}", "x{a !~#\"\r # =\n\n'a\\\\.\\\\*'}"),
            ("x{a=\"\\x41{{ n }}\\101{{ n }}\"}", "x{a=\"\\x410.8\\1010.8\"}"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
        }
        assert_eq!(render("{{ hostile }}").map_err(|error| error.code), Err("promql-bare"));
    }

    #[test]
    fn places_without_a_safe_spelling_are_refused() {
        for source in [
            "x{a=`{{ host }}`}",
            "x # {{ host }}",
            "x{a=\"\\{{ host }}\"}",
            "x{a=\"{{ host }}}",
            "x{a=\"\\x4{{ n }}\"}",
            "x{a=\"\\u00{{ n }}\"}",
            "x{a=\"\\0{{ n }}\"}",
            "x{a=~\"[{{ n }}]\"}",
            "x{a=~'b{2,{{ n }}}'}",
            "x{a=~\"\\\\{{ n }}\"}",
            "x{a!~\"\\\\x4{{ n }}\"}",
            "x{a=~\"(?{{ n }})\"}",
        ] {
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
