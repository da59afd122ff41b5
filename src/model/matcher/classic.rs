//! The classic grammar of matchers, the only one before Alertmanager 0.27 (its pkg/labels).

use std::ops::Range;

use super::print::is_go_space;
use super::{MatchOp, Matcher, MatcherError, Seen};

/// Reads a list: one leading `{` and one trailing `}` are cut, each if it is there; commas outside quotes split it.
pub(super) fn parse_list(text: &str, seen: &mut Seen) -> Result<Vec<Matcher>, MatcherError> {
    let opened = usize::from(text.starts_with('{'));
    let inner = text[opened..].strip_suffix('}').unwrap_or(&text[opened..]);
    let mut matchers = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in inner.char_indices() {
        match c {
            ',' if !quoted => {
                matchers.push(parse_one(&inner[start..at], opened + start, seen)?);
                start = at + 1;
                // A backslash before the comma is over with it.
                escaped = false;
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            '\\' => {
                escaped = !escaped;
                continue;
            }
            _ => {}
        }
        escaped = false;
    }
    let last = inner[start..].trim_matches(is_go_space);
    if !last.is_empty() {
        let indent = inner[start..].len() - inner[start..].trim_start_matches(is_go_space).len();
        matchers.push(parse_one(last, opened + start + indent, seen)?);
    }
    Ok(matchers)
}

/// Reads one matcher; `offset` is where it stands in the text that errors point into.
pub(super) fn parse_one(text: &str, offset: usize, seen: &mut Seen) -> Result<Matcher, MatcherError> {
    let here = |range: Range<usize>| range.start + offset..range.end + offset;
    let Some((name, op, value)) = split(text) else {
        let range = here(0..text.len());
        return Err(MatcherError {
            message: format!("bad matcher format: {text}"),
            range,
            hint: shape_hint(text),
        });
    };
    let unescaped = unescape(value.0).map_err(|at| MatcherError {
        message: format!("matcher value contains unescaped double quote: {}", value.0),
        range: here(value.1 + at..(value.1 + at + 1).min(text.len()).max(value.1 + at)),
        hint: Some(quote_hint(value.0, at)),
    })?;
    seen.matcher(name.to_owned(), op, unescaped).map_err(|error| MatcherError {
        message: error.to_string(),
        range: here(value.1..value.1 + value.0.len()),
        hint: None,
    })
}

/// Splits into name, operator and raw value with its place.
fn split(text: &str) -> Option<(&str, MatchOp, (&str, usize))> {
    let space = |c: char| matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ');
    let rest = text.trim_start_matches(space);
    let name_end =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let name = &rest[..name_end];
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest[name_end..].trim_start_matches(space);
    let (op, rest) = [MatchOp::Regex, MatchOp::Equal, MatchOp::NotEqual, MatchOp::NotRegex]
        .into_iter()
        .find_map(|op| Some((op, rest.strip_prefix(op.as_str())?)))?;
    let start = rest.trim_start_matches(space);
    Some((name, op, (start.trim_end_matches(space), text.len() - start.len())))
}

/// Takes the quotes away and resolves `\"`, `\n` and `\\`; any other backslash stands for itself.
///
/// The error is the place of a quote that should be escaped, or of the end where one is missing.
fn unescape(raw: &str) -> Result<String, usize> {
    let opened = usize::from(raw.starts_with('"'));
    let body = &raw[opened..];
    let mut closing = opened == 1;
    let mut out = String::with_capacity(body.len());
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        let last = at + c.len_utf8() == body.len();
        match c {
            'n' if escaped => out.push('\n'),
            '"' | '\\' if escaped => out.push(c),
            c if escaped => out.extend(['\\', c]),
            '\\' if !last => {
                escaped = true;
                continue;
            }
            '"' if closing && last => closing = false,
            '"' => return Err(at + opened),
            c => out.push(c),
        }
        escaped = false;
    }
    if closing { Err(raw.len()) } else { Ok(out) }
}

fn shape_hint(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return Some("a comma stands here without a matcher before it".to_owned());
    }
    if let Some((name, value)) = text.split_once("==") {
        return Some(format!("write one equals sign: `{}={}`", name.trim(), value.trim()));
    }
    if !text.contains(['=', '~']) {
        return Some(format!(
            "write `name=\"value\"`, such as `alertname=\"{}\"`",
            text.trim_matches(['"', '{', '}'])
        ));
    }
    let name_end = text.find(['=', '!', '~']).unwrap_or(text.len());
    let name = text[..name_end].trim();
    let classic = crate::model::labels::is_classic_label_name(name);
    (!classic && !name.is_empty() && !name.starts_with(['"', '{'])).then(|| {
        format!("a label name with other characters than letters, digits and `_` is quoted: `\"{name}\"`")
    })
}

fn quote_hint(raw: &str, at: usize) -> String {
    match (raw.starts_with('"'), at == raw.len()) {
        (true, true) => "the closing quote is missing".to_owned(),
        (true, false) if !raw.ends_with('"') => "nothing but a comma may follow the closing quote".to_owned(),
        _ => "write a quote inside a value as `\\\"`".to_owned(),
    }
}
