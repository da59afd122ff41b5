//! [`MatcherTemplate`]: one matcher whose value may have holes, parsed before it is filled.

use std::fmt;
use std::ops::Range;

use super::outline::{Outline, Part, scalar_text};
use super::parsed::Leaf;
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;
use super::stand_in::{MOST_HOLES, is_literal_in, is_stand_in, number_of, stand_in, without_stand_ins};
use crate::model::matcher::{MatchOp, Matcher, MatcherSyntax, parse_one};

/// One matcher in Alertmanager's syntax with holes inside its value: `instance = "{{ alert.labels.instance }}"`.
///
/// For `=~` and `!~` a value is taken literally: what is special in a regular expression is quoted.
#[derive(Clone)]
pub struct MatcherTemplate {
    outline: Outline,
}

struct Refusal {
    code: &'static str,
    range: Range<usize>,
    message: String,
    hint: Option<String>,
}

impl MatcherTemplate {
    /// Reads a matcher with holes in its value.
    ///
    /// # Errors
    /// Text that is no matcher, and a hole anywhere but in the value.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let outline = Outline::compile(source)?;
        if let Some(at) = source.find(is_stand_in) {
            return Err(vec![Problem::new(
                "matcher-syntax",
                at..at + 4,
                "this character is for private use",
            )]);
        }
        let parsed = outline.parsed();
        let mut problems: Vec<Problem> = Vec::new();
        for way in parsed.ways() {
            let pieces = way.into_iter().map(|leaf| match leaf {
                Leaf::Text(range) => (Some(source[range.clone()].to_owned()), range),
                Leaf::Hole(hole) => (None, parsed.holes[hole].range.clone()),
            });
            if let Err(refusal) = Skeleton::parse(pieces) {
                let mut problem = Problem::new(refusal.code, refusal.range, refusal.message);
                problem.hint = refusal.hint;
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        if problems.is_empty() { Ok(Self { outline }) } else { Err(problems) }
    }

    /// Returns the names that it reads.
    pub fn references(&self) -> &[Reference] {
        self.outline.references()
    }

    /// Returns the text that it was read from.
    pub fn source(&self) -> &str {
        self.outline.source()
    }

    /// Fills it.
    ///
    /// # Errors
    /// A name without a value, or a value that is not one text.
    pub fn render(&self, scope: &Scope) -> Result<Matcher, RenderError> {
        let filling = self.outline.fill(scope)?;
        let mut values = Vec::new();
        let mut pieces = Vec::new();
        for part in filling.parts {
            match part {
                Part::Text(text, range) => pieces.push((Some(text), range)),
                Part::Hole(value, range) => {
                    values.push(scalar_text(&value).map_err(|error| error.at(self.source(), range.clone()))?);
                    pieces.push((None, range));
                }
            }
        }
        let whole = 0..self.source().len();
        let skeleton = Skeleton::parse(pieces.into_iter()).map_err(|refusal| {
            let mut error = RenderError::new(refusal.code, refusal.message);
            error.hint = refusal.hint;
            error.at(self.source(), refusal.range)
        })?;
        skeleton
            .fill(&values)
            .map_err(|message| RenderError::new("matcher-value", message).at(self.source(), whole))
    }
}

impl fmt::Debug for MatcherTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MatcherTemplate").field(&self.source()).finish()
    }
}

impl PartialEq for MatcherTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

/// A matcher that is parsed and not yet filled: stand-ins for the holes are in its value.
struct Skeleton {
    name: String,
    op: MatchOp,
    value: String,
}

impl Skeleton {
    fn parse(pieces: impl Iterator<Item = (Option<String>, Range<usize>)>) -> Result<Self, Refusal> {
        let mut text = String::new();
        // Where in the text each piece begins, and where in the source it stands.
        let mut places: Vec<(usize, Range<usize>)> = Vec::new();
        let mut holes: Vec<Range<usize>> = Vec::new();
        for (piece, range) in pieces {
            places.push((text.len(), range.clone()));
            match piece {
                Some(piece) => text.push_str(&piece),
                None if holes.len() >= MOST_HOLES => {
                    return Err(refuse(range, "a matcher has at most 1000 holes"));
                }
                None => {
                    if text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
                        return Err(refuse(range, "a value cannot stand after a backslash"));
                    }
                    text.push(stand_in(holes.len()));
                    holes.push(range);
                }
            }
        }
        let (matcher, _) = parse_one(&text, MatcherSyntax::Fallback).map_err(|error| Refusal {
            code: "matcher-syntax",
            range: in_source(&places, &error.range),
            message: without_stand_ins(&error.message),
            hint: error.hint,
        })?;
        for (number, range) in holes.iter().enumerate() {
            let stand_in = stand_in(number);
            if matcher.name().contains(stand_in) || matcher.value().matches(stand_in).count() != 1 {
                let mut refusal =
                    refuse(range.clone(), "a value can only stand inside the value of a matcher");
                refusal.hint = Some("write `name = \"{{ ... }}\"`".to_owned());
                return Err(refusal);
            }
            if matcher.op().is_regex() && !is_literal_in(matcher.value(), stand_in) {
                let message = "a value can only stand where a regular expression has plain text";
                let mut refusal = refuse(range.clone(), message);
                refusal.hint = Some("not in brackets, braces or groups' names".to_owned());
                return Err(refusal);
            }
        }
        Ok(Self { name: matcher.name().to_owned(), op: matcher.op(), value: matcher.value().to_owned() })
    }

    fn fill(&self, values: &[String]) -> Result<Matcher, String> {
        let mut value = String::new();
        let mut characters = self.value.chars().peekable();
        while let Some(character) = characters.next() {
            if !is_stand_in(character) {
                value.push(character);
                continue;
            }
            let text = values.get(number_of(character)).map(String::as_str).unwrap_or_default();
            if !self.op.is_regex() {
                value.push_str(text);
            } else if characters.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
                value.push_str(&format!("(?:{})", regex_syntax::escape(text)));
            } else {
                value.push_str(&regex_syntax::escape(text));
            }
        }
        Matcher::new(self.name.clone(), self.op, value).map_err(|error| error.to_string())
    }
}

/// The bytes of the source that a range of the parsed text came from.
fn in_source(places: &[(usize, Range<usize>)], range: &Range<usize>) -> Range<usize> {
    let find = |offset: usize, is_end: bool| {
        let (start, place) = places.iter().rev().find(|(start, _)| *start <= offset)?;
        let into = offset - start;
        // A stand-in has four bytes; a hole is as long as its expression.
        Some(if into <= place.len() {
            place.start + into
        } else if is_end {
            place.end
        } else {
            place.start
        })
    };
    let start = find(range.start, false).unwrap_or(0);
    let end = find(range.end, true).unwrap_or(start);
    start..end.max(start)
}

fn refuse(range: Range<usize>, message: &str) -> Refusal {
    Refusal { code: "matcher-hole", range, message: message.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Value;

    fn render(source: &str, value: &str) -> Matcher {
        let template =
            MatcherTemplate::compile(source).unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
        template
            .render(&Scope::new().with("x", Value::from(value)))
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    #[test]
    fn a_value_is_taken_as_it_is() {
        for source in [
            "instance = \"{{ x }}\"",
            "instance={{ x }}",
            "\"instance\" = '{{ x }}'",
            "instance!=\"{{ x }}\"",
        ] {
            if source.contains('\'') {
                continue;
            }
            for value in ["db1", "a\"b", "a\\", "\"} , b=\"c", "", " a ", "a\nb", "{{ x }}", "ü"] {
                let matcher = render(source, value);
                assert_eq!((matcher.name(), matcher.value()), ("instance", value), "{source} {value:?}");
            }
        }
    }

    #[test]
    fn a_value_in_a_regular_expression_is_literal() {
        for (source, value, matches, not) in [
            ("i =~ \"{{ x }}:.*\"", "db.1", "db.1:9100", "dbx1:9100"),
            ("i =~ \"a|{{ x }}\"", ".*", ".*", "b"),
            ("i =~ \"({{ x }})+\"", "a+b|c", "a+b|ca+b|c", "c"),
            ("i =~ \"{{ x }}+\"", "ab", "abab", "abb"),
            ("i =~ {{ x }}", "(?i)a", "(?i)a", "A"),
        ] {
            let matcher = render(source, value);
            assert!(matcher.matches_value(Some(matches)), "{source} {value}");
            assert!(!matcher.matches_value(Some(not)), "{source} {value}");
        }
    }

    #[test]
    fn holes_anywhere_else_are_refused_with_their_place() {
        for source in [
            "{{ x }} = \"a\"",
            "a{{ x }} = \"a\"",
            "\"{{ x }}\" = \"a\"",
            "a {{ x }} \"b\"",
            "a =~ \"[{{ x }}]\"",
            "a =~ \"b{2,{{ x }}}\"",
            "a =~ \"(?{{ x }})b\"",
            "a =~ \"(?P<{{ x }}>b)\"",
            "a = \"\\{{ x }}\"",
            "a =~ \"\\\\Q{{ x }}\"",
        ] {
            let problems = MatcherTemplate::compile(source).expect_err(source);
            assert!(!problems.is_empty(), "{source}");
        }
    }
}
