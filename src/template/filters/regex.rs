//! Filters with regular expressions, in RE2's syntax: linear time, no look-around.

use std::cell::RefCell;

use minijinja::value::StringInput;
use minijinja::{Error, ErrorKind, Value};
use regex::{Regex, RegexBuilder};

/// Compiled patterns that are kept per thread.
const KEPT: usize = 64;

/// `"web-17" | regex_match("^web-")`.
pub(super) fn matches(text: StringInput<'_>, pattern: &str) -> Result<bool, Error> {
    with(pattern, |regex| Ok(regex.is_match(text.as_str())))
}

/// `"web-17" is matching("^web-")`.
pub(super) fn is_matching(text: StringInput<'_>, pattern: &str) -> Result<bool, Error> {
    matches(text, pattern)
}

/// `"sda1" | regex_find("sd([a-z])", 1)`.
pub(super) fn find(
    text: StringInput<'_>,
    pattern: &str,
    group: Option<&Value>,
) -> Result<Option<String>, Error> {
    with(pattern, |regex| {
        let number = match group {
            None => Some(0),
            Some(group) => group.as_usize().or_else(|| {
                let name = group.as_str()?;
                regex.capture_names().position(|known| known == Some(name))
            }),
        };
        let number = number.filter(|number| *number < regex.captures_len()).ok_or_else(|| {
            let shown = group.map(ToString::to_string).unwrap_or_default();
            Error::new(ErrorKind::InvalidOperation, format!("the pattern has no group `{shown}`"))
        })?;
        let found = regex.captures(text.as_str()).and_then(|captures| captures.get(number));
        Ok(found.map(|found| found.as_str().to_owned()))
    })
}

/// `"a-b" | regex_replace("(a)-(b)", "$2-$1")`.
pub(super) fn replace(text: StringInput<'_>, pattern: &str, by: &str) -> Result<String, Error> {
    with(pattern, |regex| {
        let text = text.as_str();
        let bound = text.len().saturating_add(1).saturating_mul(by.len().saturating_add(1));
        if bound > 64 << 20 {
            return Err(Error::new(ErrorKind::InvalidOperation, "the text would grow too long"));
        }
        Ok(regex.replace_all(text, by).into_owned())
    })
}

fn with<T>(pattern: &str, use_it: impl FnOnce(&Regex) -> Result<T, Error>) -> Result<T, Error> {
    thread_local! {
        static PATTERNS: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
    }
    let known = PATTERNS.with_borrow(|patterns| {
        patterns.iter().find(|(source, _)| source == pattern).map(|(_, regex)| regex.clone())
    });
    let regex = if let Some(regex) = known {
        regex
    } else {
        let regex = RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Error::new(ErrorKind::InvalidOperation, format!("is not a regular expression: {last}"))
        })?;
        PATTERNS.with_borrow_mut(|patterns| {
            if patterns.len() >= KEPT {
                patterns.remove(0);
            }
            patterns.push((pattern.to_owned(), regex.clone()));
        });
        regex
    };
    use_it(&regex)
}
