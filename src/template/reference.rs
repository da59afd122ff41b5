//! [`Reference`]: a name that a template reads, seen without filling it.

use std::ops::Range;

/// A name that a template reads, such as `alert.labels.instance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its parts: `["alert", "labels", "instance"]`. Ends where a part is computed (`alert.labels[x]`).
    pub path: Vec<String>,
    /// Where it stands, in bytes of the template's source.
    pub range: Range<usize>,
    /// Whether the template says what holds when it is absent: `| default(...)`, `is defined`.
    pub has_default: bool,
    /// Whether its value is taken as it is, by `| raw`: it must be trusted ([`super::Names::taint_of`]).
    pub raw: bool,
}

impl Reference {
    /// Returns the name as an author writes it: `alert.labels["my.label"]`.
    pub fn name(&self) -> String {
        written(&self.path)
    }
}

/// Returns a path as an author writes it.
pub(super) fn written(path: &[String]) -> String {
    let mut text = String::new();
    for (at, part) in path.iter().enumerate() {
        if at == 0 {
            text.push_str(part);
        } else if is_identifier(part) {
            text.push('.');
            text.push_str(part);
        } else if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
            text.push_str(&format!("[{part}]"));
        } else {
            text.push_str(&format!("[{part:?}]"));
        }
    }
    text
}

/// Tells whether a part can be written after a dot.
pub(super) fn is_identifier(part: &str) -> bool {
    let mut bytes = part.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
