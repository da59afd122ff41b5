//! Filters on texts.

use minijinja::value::{Kwargs, StringInput, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// `"a.b" | replace(".", "-")`.
pub(super) fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let count = text.matches(from).count();
    let grown = text.len().saturating_add(count.saturating_mul(to.len()));
    if grown > super::super::outline::LONGEST_OUTPUT {
        return Err(Error::new(ErrorKind::InvalidOperation, "the text would grow too long"));
    }
    Ok(text.replace(from, to))
}

/// `"a\nb" | indent(2)`, and so the first line and empty ones: `indent(2, true, true)`, `indent(width=2, first=true)`.
pub(super) fn indent(
    text: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    names: Kwargs,
) -> Result<Value, Error> {
    let width = match width {
        Some(width) => width,
        None => names.get::<Option<usize>>("width")?.unwrap_or(4),
    };
    let lines = text.as_str().split('\n').count();
    let grown = text.as_str().len().saturating_add(lines.saturating_mul(width));
    // The engine makes the spaces first, and counts them as work only when they are there.
    if grown > super::super::outline::LONGEST_OUTPUT {
        return Err(Error::new(ErrorKind::InvalidOperation, "the text would grow too long"));
    }
    minijinja::filters::indent(text, Some(width), first, blank, names)
}

/// `"a,b" | split(",")`, `"a b" | split`.
pub(super) fn split(text: &str, at: Option<&str>) -> Result<Vec<String>, Error> {
    match at {
        None => Ok(text.split_whitespace().map(ToOwned::to_owned).collect()),
        Some("") => Err(Error::new(ErrorKind::InvalidOperation, "cannot split at an empty text")),
        Some(at) => Ok(text.split(at).map(ToOwned::to_owned).collect()),
    }
}

/// `"a long text" | truncate(6)`.
pub(super) fn truncate(text: StringInput<'_>, length: usize) -> String {
    let text = text.as_str();
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(length.saturating_sub(3)).collect();
    cut.extend(std::iter::repeat_n('.', length.min(3)));
    cut
}

/// `"disk full" is containing("full")`.
pub(super) fn is_containing(whole: &Value, part: &Value) -> Result<bool, Error> {
    if let (Some(whole), Some(part)) = (whole.as_str(), part.as_str()) {
        return Ok(whole.contains(part));
    }
    match whole.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            Ok(whole.try_iter()?.any(|item| item == *part))
        }
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a {kind} contains nothing"))),
    }
}

/// `5 | string`.
pub(super) fn string(value: &Value) -> Result<String, Error> {
    super::super::outline::scalar_text(value)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.message))
}
