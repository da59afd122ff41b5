//! `PromQL`: in quotes a value is text, outside of them one word; a reader of the language sees the same query.

use std::path::Path;

use amflow::template::PromqlTemplate;

use super::input::input;
use super::template::{Case, WORD, filled, is_literal, scope, with_hostile_values};

const WRITTEN: &[&str] = &[
    "up{instance=\"{{ x }}\"} == 0",
    "up{instance='{{ x }}', job !~ \"a|{{ x }}\"}",
    "rate(x{a =~ '{{ x }}.*'}[{{ x }}]) > {{ n }} # \"",
    "x{a=\"\\\"{{ x }}\\n\"}",
    "x{a=\"\\x4{{ x }}\"}",
    "sum by ({{ x }}) (x offset {{ x }})",
    "{% if n %}a{% else %}b{c=\"{{ x }}\"}{% endif %}",
    "x{a=`{{ x }}`}",
    "x # {{ x }}",
    "a =~\n\"{{ x }}\"",
    "x{a =~ # b\n\"{{ x }}.*\"}",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let words = WRITTEN.iter().flat_map(|source| ["5m", "-1.5", "job"].map(|word| input(&[word, source])));
    with_hostile_values(WRITTEN).into_iter().chain(words).collect()
}

/// The input is a value and a query.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let template = match PromqlTemplate::compile(&case.source) {
        Ok(template) => template,
        Err(problems) => return case.are_in(&problems),
    };
    let query = match template.render(&case.scope()) {
        Ok(query) => query,
        Err(error) => return case.is_told(&error),
    };
    if !case.is_plain() {
        return;
    }
    let worded = template.render(&scope(WORD)).unwrap_or_else(|error| panic!("{:?}: {error}", case.source));
    let about = format!("{:?} with {:?} became {query}", case.source, case.value);
    let (query, worded) = (read(&query), read(&worded));
    assert_eq!(query.len(), worded.len(), "{about}: {query:?} {worded:?}");
    for (part, worded) in query.iter().zip(&worded) {
        match (part, worded) {
            (Part::Pattern(pattern), Part::Pattern(worded)) if worded.contains(WORD) => {
                is_literal(pattern, worded, &case.value, &about);
            }
            (Part::Code(text), Part::Code(worded))
            | (Part::Text(text), Part::Text(worded))
            | (Part::Pattern(text), Part::Pattern(worded)) => {
                assert_eq!(*text, filled(worded, &case.value), "{about}");
            }
            (part, worded) => assert_eq!(part, worded, "{about}"),
        }
    }
}

/// A part of a query, read as Prometheus reads it.
#[derive(Debug, PartialEq)]
enum Part {
    /// Outside of quotes, without comments.
    Code(String),
    /// A string, with its escapes resolved.
    Text(String),
    /// A string after `=~` or `!~`.
    Pattern(String),
    /// A string that Prometheus refuses.
    Broken,
}

fn read(query: &str) -> Vec<Part> {
    let (mut parts, mut code) = (Vec::new(), String::new());
    let mut rest = query;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '#' => rest = after.find(['\n', '\r']).map_or("", |end| &after[end..]),
            '"' | '\'' | '`' => {
                let length = end_of(after, c);
                let written = &after[..length];
                rest = after.get(length + 1..).unwrap_or_default();
                // What is between the two characters makes no operator of them, and Prometheus refuses `~` alone.
                let before = code.trim_end();
                let is_pattern = before.ends_with("=~") || before.ends_with("!~");
                parts.push(Part::Code(std::mem::take(&mut code)));
                let text = if c == '`' { Some(written.to_owned()) } else { unquoted(written) };
                parts.push(match text {
                    None => Part::Broken,
                    Some(text) if is_pattern => Part::Pattern(text),
                    Some(text) => Part::Text(text),
                });
            }
            c => {
                code.push(c);
                rest = after;
            }
        }
    }
    parts.push(Part::Code(code));
    parts
}

/// Returns where a string ends.
fn end_of(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Resolves escapes as Go does; none where it refuses them.
fn unquoted(written: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = rest.chars().next()?;
        rest = &rest[kind.len_utf8()..];
        let (digits, radix) = match kind {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => (2, 8),
            _ => (0, 0),
        };
        if digits > 0 {
            let text = rest.get(..digits)?;
            rest = &rest[digits..];
            let text = if radix == 8 { format!("{kind}{text}") } else { text.to_owned() };
            if !text.chars().all(|c| c.is_digit(radix)) {
                return None;
            }
            let code = u32::from_str_radix(&text, radix).ok()?;
            match kind {
                'u' | 'U' => {
                    bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => bytes.push(u8::try_from(code).ok()?),
            }
            continue;
        }
        bytes.push(match kind {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' | '\'' => u8::try_from(kind).ok()?,
            _ => return None,
        });
    }
    // As Go, bytes that are no UTF-8 are kept; here only that they are the same counts.
    Some(String::from_utf8(bytes).unwrap_or_else(|error| format!("not UTF-8: {:?}", error.as_bytes())))
}
