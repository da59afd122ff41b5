//! One JSON value at a time, out of bytes that may end in its middle. Main type: [`Read`].

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::without_position;
use super::head::ENVELOPE;
use super::report::clipped;

const CONTROL: &str = "a control character inside a text, which JSON writes as `\\u0000` or `\\n`";

/// What an attempt to read one value gave.
pub(super) enum Read<T> {
    Value(T, usize),
    More,
    /// It is well-formed, but not of the wanted type.
    Wrong(serde_json::Error, usize),
}

/// Reads one value at a place; `last` tells that no more bytes follow. The error is where JSON breaks, and how.
pub(super) fn read<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    at: usize,
    last: bool,
) -> Result<Read<T>, (usize, String)> {
    // A number or word at the very end may go on in the bytes to come.
    let unsure = |length: usize| !last && at + length == bytes.len() && open_ended(bytes);
    match take::<T>(&bytes[at..]) {
        Ok((_, length)) if unsure(length) => Ok(Read::More),
        Ok((value, length)) => Ok(Read::Value(value, at + length)),
        Err((error, _)) if error.is_eof() => Ok(Read::More),
        Err((error, _)) if error.to_string().starts_with(ENVELOPE) => Ok(Read::Wrong(error, at)),
        // Whether it is well-formed beside its types and text, the lexer tells.
        Err((error, _)) => match take::<IgnoredAny>(&bytes[at..]) {
            Ok((_, length)) if unsure(length) => Ok(Read::More),
            Ok((_, length)) => Ok(Read::Wrong(error, at + length)),
            Err((lexical, _)) if lexical.is_eof() => Ok(Read::More),
            // A number may be cut where it is none yet: after its sign or its `e`.
            Err((_, offset)) if !last && at + offset + 1 >= bytes.len() => Ok(Read::More),
            Err((lexical, offset)) => {
                let problem = without_position(&lexical);
                if !problem.starts_with("control character") {
                    return Err((at + offset, problem));
                }
                let rest = &bytes[at + offset..];
                let control = rest.iter().position(|byte| *byte < b' ').unwrap_or(0);
                Err((at + offset + control, CONTROL.to_owned()))
            }
        },
    }
}

/// Reads one value at the beginning of bytes; with an error comes the place where it was noticed.
fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, usize), (serde_json::Error, usize)> {
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    match stream.next() {
        Some(Ok(value)) => Ok((value, stream.byte_offset())),
        Some(Err(error)) => {
            let offset = offset_of(bytes, error.line(), error.column());
            Err((error, offset))
        }
        None => Err((serde::de::Error::custom("no value"), 0)),
    }
}

/// Finds the byte of a line and column as `serde_json` counts them, both from 1.
fn offset_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let line_start = match line {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', bytes).nth(line - 2).map_or(0, |at| at + 1),
    };
    (line_start + column.saturating_sub(1)).min(bytes.len())
}

/// Tells whether a number or word at the end of the bytes may go on in the next ones.
fn open_ended(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|byte| !matches!(byte, b'}' | b']' | b'"'))
}

/// Finds out where in an alert something has the wrong type.
pub(super) fn why_wrong(json: &[u8], error: &serde_json::Error) -> (String, String) {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, Strict>(&mut deserializer) {
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." || path == "?" { String::new() } else { path };
            (path, explained(error.inner()))
        }
        Ok(_) => (String::new(), explained(error)),
    }
}

/// The first look, in a form that knows its paths.
#[derive(Deserialize)]
#[serde(expecting = "an alert")]
struct Strict {
    #[serde(default)]
    #[expect(dead_code, reason = "only read to find what is wrong with it")]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    #[expect(dead_code, reason = "only read to find what is wrong with it")]
    fingerprint: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "only read to find what is wrong with it")]
    state: Option<String>,
}

/// Says in plain words what a value should have been.
pub(super) fn explained(error: &serde_json::Error) -> String {
    let text = without_position(error);
    match text.as_str() {
        "invalid unicode code point" => "text that is not UTF-8".to_owned(),
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "half a surrogate pair".to_owned()
        }
        _ => wrong_type(&text).unwrap_or(text),
    }
}

/// Says what has the wrong type in the words that people have for JSON's types.
fn wrong_type(text: &str) -> Option<String> {
    let (found, wanted) = text.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let found = match found.split_once(' ') {
        Some(("integer", number)) => format!("the number {number}"),
        Some(("floating", number)) => format!("the number {}", number.trim_start_matches("point ")),
        Some(("boolean", value)) => value.to_owned(),
        Some(("string", value)) => format!("the text {}", clipped(value)),
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "an object".to_owned(),
        _ => found.to_owned(),
    };
    let wanted = match wanted {
        "a string" => "text",
        "a map" | "struct Status" | "struct Receiver" => "an object",
        "a sequence" => "a list",
        other => other,
    };
    Some(format!("{found} where {wanted} belongs"))
}
