//! [`UrlTemplate`]: a URL whose holes cannot leave the place where they stand.

use std::fmt;
use std::ops::Range;

use minijinja::Value;

use super::filters::percent_encode;
use super::outline::{Outline, Part, check_length, scalar_text};
use super::parsed::Leaf;
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;

/// An `http` or `https` URL with holes in its path, query or fragment.
///
/// Scheme, user, host and port are the author's own text. A value is percent-encoded, so that it is
/// one segment of a path, one name or value of a query; it cannot climb (`..`).
#[derive(Clone)]
pub struct UrlTemplate {
    outline: Outline,
}

/// A piece of a URL while it is read.
enum Piece<'t> {
    Text(&'t str, Range<usize>),
    Hole(Option<&'t Value>, Range<usize>),
}

/// Why a URL cannot be as it is, and where.
struct Refusal {
    code: &'static str,
    range: Range<usize>,
    message: String,
    hint: Option<&'static str>,
}

const HOST_HINT: &str = "write scheme, host and port into the playbook; values go into the path or the query";

impl UrlTemplate {
    /// Reads a URL with holes.
    ///
    /// # Errors
    /// A hole in scheme, user, host or port; text that is no URL.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let outline = Outline::compile(source)?;
        let parsed = outline.parsed();
        let mut problems: Vec<Problem> = Vec::new();
        for way in parsed.ways() {
            let pieces = way.into_iter().map(|leaf| match leaf {
                Leaf::Text(range) => Piece::Text(&source[range.clone()], range),
                Leaf::Hole(hole) => Piece::Hole(None, parsed.holes[hole].range.clone()),
            });
            if let Err(refusal) = assemble(pieces) {
                let mut problem = Problem::new(refusal.code, refusal.range, refusal.message);
                problem.hint = refusal.hint.map(ToOwned::to_owned);
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
    /// A name without a value, a value that is not one text, a segment of a path that would be empty, `.` or `..`.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        let filling = self.outline.fill(scope)?;
        let mut texts = Vec::with_capacity(filling.parts.len());
        for part in &filling.parts {
            if let Part::Hole(value, range) = part {
                scalar_text(value).map_err(|error| error.at(self.source(), range.clone()))?;
            }
            texts.push(match part {
                Part::Text(text, range) => Piece::Text(text, range.clone()),
                Part::Hole(value, range) => Piece::Hole(Some(value), range.clone()),
            });
        }
        let text = assemble(texts.into_iter()).map_err(|refusal| {
            let mut error = RenderError::new(refusal.code, refusal.message);
            error.hint = refusal.hint.map(ToOwned::to_owned);
            error.at(self.source(), refusal.range)
        })?;
        check_length(text.len())?;
        Ok(text)
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UrlTemplate").field(&self.source()).finish()
    }
}

impl PartialEq for UrlTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

/// Where in a URL the reading is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Scheme,
    Authority,
    Path,
    /// Query or fragment: what follows `?` or `#`.
    Query,
}

/// One segment of the path while it is read.
#[derive(Default)]
struct Segment {
    text: String,
    hole: Option<Range<usize>>,
    /// Whether a hole without a known value is in it.
    is_open: bool,
}

/// Puts the pieces together. A hole without a value (when the template is compiled) stands for some text.
fn assemble<'t>(pieces: impl Iterator<Item = Piece<'t>>) -> Result<String, Refusal> {
    let mut url = String::new();
    let mut place = Place::Scheme;
    let mut segment = Segment::default();
    let mut whole: Option<Range<usize>> = None;
    for piece in pieces {
        let (Piece::Text(_, range) | Piece::Hole(_, range)) = &piece;
        let start = whole.as_ref().map_or(range.start, |whole| whole.start);
        whole = Some(start..range.end);
        match piece {
            Piece::Text(text, range) => {
                for (at, character) in text.char_indices() {
                    let here = range.start + at..range.start + at + character.len_utf8();
                    check_character(character, &here)?;
                    url.push(character);
                    place = advance(place, character, &here, &url, &mut segment)?;
                }
            }
            Piece::Hole(value, range) => match place {
                Place::Scheme | Place::Authority => return Err(refuse_host(range)),
                Place::Path | Place::Query if ends_in_escape(&url) => return Err(refuse_escape(range)),
                Place::Path | Place::Query => {
                    let text = value.map(|value| percent_encode(&value_text(value)));
                    if place == Place::Path {
                        segment.hole = Some(range);
                        segment.is_open |= text.is_none();
                        segment.text.push_str(text.as_deref().unwrap_or_default());
                    }
                    url.push_str(text.as_deref().unwrap_or("x"));
                }
            },
        }
    }
    segment.end()?;
    let whole = whole.unwrap_or(0..0);
    match url::Url::parse(&url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(url),
        Ok(_) => Err(not_a_url(whole, "an http or https URL with a host is needed")),
        Err(error) => Err(not_a_url(whole, &error.to_string())),
    }
}

/// Only ever called for values that were seen to be one text.
fn value_text(value: &Value) -> String {
    scalar_text(value).unwrap_or_default()
}

/// Moves on by one character of the author's text.
fn advance(
    place: Place,
    character: char,
    here: &Range<usize>,
    url: &str,
    segment: &mut Segment,
) -> Result<Place, Refusal> {
    match (place, character) {
        (Place::Scheme, '/') if url.ends_with("://") => Ok(Place::Authority),
        // Such slashes are passed over, and what comes after them is the host.
        (Place::Authority, '/') if url.ends_with(":///") => {
            Err(not_a_url(here.clone(), "the host is missing"))
        }
        (Place::Authority, '/') => Ok(Place::Path),
        (Place::Authority, '?' | '#') => Ok(Place::Query),
        (Place::Path, '/') => std::mem::take(segment).end().map(|()| Place::Path),
        (Place::Path, '?' | '#') => std::mem::take(segment).end().map(|()| Place::Query),
        (Place::Path, _) => {
            segment.text.push(character);
            Ok(Place::Path)
        }
        _ => Ok(place),
    }
}

impl Segment {
    /// Servers and clients drop `.` and `..`, also when they are encoded, and many drop empty segments.
    fn end(self) -> Result<(), Refusal> {
        let (Some(range), false) = (self.hole, self.is_open) else { return Ok(()) };
        let plain = self.text.replace("%2e", ".").replace("%2E", ".");
        let what = match plain.as_str() {
            "" => "an empty",
            "." => "a `.`",
            ".." => "a `..`",
            _ => return Ok(()),
        };
        Err(Refusal {
            code: "url-path-segment",
            range,
            message: format!("would be {what} segment of the path"),
            hint: Some("such a segment leads to another resource than the one meant"),
        })
    }
}

/// URL parsers drop tabs and newlines, and take `\` for `/`.
fn check_character(character: char, range: &Range<usize>) -> Result<(), Refusal> {
    let message = match character {
        '\\' => "a URL has no backslash",
        c if c.is_control() || c.is_whitespace() => "a URL has no white space or control characters",
        _ => return Ok(()),
    };
    Err(Refusal { code: "url-syntax", range: range.clone(), message: message.to_owned(), hint: None })
}

fn refuse_host(range: Range<usize>) -> Refusal {
    Refusal {
        code: "url-hole-in-host",
        range,
        message: "a value cannot stand in the scheme, user, host or port of a URL".to_owned(),
        hint: Some(HOST_HINT),
    }
}

/// Tells whether a text ends inside of `%41`: what follows would be taken for the rest of it.
fn ends_in_escape(text: &str) -> bool {
    let mut last = text.bytes().rev();
    match last.next() {
        Some(b'%') => true,
        Some(digit) => digit.is_ascii_hexdigit() && last.next() == Some(b'%'),
        None => false,
    }
}

fn refuse_escape(range: Range<usize>) -> Refusal {
    Refusal {
        code: "url-syntax",
        range,
        message: "a value cannot stand after half of a percent escape".to_owned(),
        hint: Some("write both digits of the escape; a percent sign alone is `%25`"),
    }
}

fn not_a_url(range: Range<usize>, reason: &str) -> Refusal {
    Refusal {
        code: "url-syntax",
        range,
        message: format!("is not a URL: {reason}"),
        hint: Some("write it with its scheme: `https://host/path`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, value: &str) -> Result<String, RenderError> {
        UrlTemplate::compile(source).expect(source).render(&Scope::new().with("x", Value::from(value)))
    }

    #[test]
    fn values_are_encoded_for_where_they_stand() {
        for (source, value, expected) in [
            ("https://h/a/{{ x }}/b", "c/../d", "https://h/a/c%2F..%2Fd/b"),
            ("https://h:8443/a?q={{ x }}&r=1", "1&r=2#f", "https://h:8443/a?q=1%26r%3D2%23f&r=1"),
            ("https://h/{{ x }}-{{ x }}", "ü ?", "https://h/%C3%BC%20%3F-%C3%BC%20%3F"),
            ("https://h/{% if x %}a{% else %}b{% endif %}", "", "https://h/b"),
            ("https://h/?q={{ x }}", "", "https://h/?q="),
        ] {
            assert_eq!(render(source, value).as_deref(), Ok(expected), "{source} {value}");
        }
    }

    #[test]
    fn a_value_cannot_climb() {
        for (source, value) in [
            ("https://h/a/{{ x }}/b", ".."),
            ("https://h/a/{{ x }}", "."),
            ("https://h/.{{ x }}", "."),
            ("https://h/{{ x }}/b", ""),
        ] {
            assert_eq!(render(source, value).expect_err(source).code, "url-path-segment", "{source} {value}");
        }
    }

    #[test]
    fn holes_before_the_path_are_refused_with_their_place() {
        for source in [
            "{{ x }}",
            "{{ x }}://h/",
            "https://{{ x }}/",
            "https://h{{ x }}/",
            "https://h:{{ x }}/",
            "https://{{ x }}@h/",
            "https:/{{ x }}",
            "https://h{% if x %}.{{ x }}{% endif %}/a",
            "https://h{% if x %}/{% else %}{{ x }}{% endif %}/a",
        ] {
            let problems = UrlTemplate::compile(source).expect_err(source);
            let problem = problems.iter().find(|problem| problem.code == "url-hole-in-host").expect(source);
            assert_eq!(source[problem.range.clone()].trim(), "x", "{source}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for source in [
            "",
            "h/a",
            "ftp://h/",
            "https://h/a b",
            "https://h\\@evil/{{ x }}",
            "ht\ntps://h/",
            "mailto:a@b",
            "https:///{{ x }}/a",
            "https:////h/{{ x }}",
            "https://h/%{{ x }}",
            "https://h/?a=%4{{ x }}",
        ] {
            assert!(UrlTemplate::compile(source).is_err(), "{source}");
        }
    }
}
