//! Filters on texts.

use minijinja::value::{StringInput, ValueKind};
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
