//! Canonical printing of matchers: what every grammar of Alertmanager that can express them reads back.

use std::borrow::Cow;
use std::fmt;

use super::Matcher;
use crate::model::labels::go_quoted;

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.name.is_empty() || self.name.chars().any(is_reserved);
        let name = if quoted { go_quoted(&self.name) } else { Cow::Borrowed(self.name.as_str()) };
        write!(f, "{name}{}{}", self.op, print_value(&self.value))
    }
}

/// Writes a value in double quotes, with `\`, `"` and line breaks escaped; this reads alike in both grammars.
pub fn print_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str(r"\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes matchers in braces: `{a="b",c=~"d|e"}`.
pub fn print_list(matchers: &[Matcher]) -> String {
    let list: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", list.join(","))
}

/// Tells whether a character ends an unquoted name or value in the UTF-8 grammar.
pub(super) fn is_reserved(c: char) -> bool {
    is_go_space(c) || matches!(c, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

/// Tells what Go's `unicode.IsSpace` does.
pub(super) fn is_go_space(c: char) -> bool {
    c.is_whitespace()
}
