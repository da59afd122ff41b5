//! Where YAML reads something else than what was meant, and how to write it instead.

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::source::SourceFile;
use super::span::Span;

/// Writes a text in YAML quotes, so that it means itself: single ones where that is readable.
pub fn quoted(text: &str) -> String {
    let control = text.chars().any(char::is_control);
    if !control && (!text.contains('\'') || text.contains(['"', '\\'])) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A mapping that has a list or mapping as a key: mostly a template without quotes (`shell: {{ x }}`).
pub(super) fn foreign_key(file: &Arc<SourceFile>, span: Span, key: Span, flow: bool) -> Diagnostic {
    let written = file.slice(span);
    if flow && written.starts_with("{{") {
        let message = "a template without quotes: YAML takes `{{` for its own braces";
        return Diagnostic::error("yaml-template-quotes", file, span, message)
            .hint(format!("write {}", quoted_template(written)));
    }
    Diagnostic::error("yaml-key", file, key, "a key must be text, not a list or mapping")
        .hint("put it in quotes")
}

/// Templates have single quotes of their own more often than double ones.
fn quoted_template(text: &str) -> String {
    if text.contains('"') { quoted(text) } else { format!("\"{}\"", text.replace('\\', "\\\\")) }
}
