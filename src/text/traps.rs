//! Where YAML reads something else than what was meant, and how to write it instead.

use std::sync::Arc;

use super::core_schema::is_old_boolean;
use super::diagnostic::Diagnostic;
use super::node::{Entry, Node, NodeKind};
use super::scalar::{Scalar, ScalarStyle};
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
            c if c.is_control() => out.extend([format!("\\x{:02x}", u32::from(c))]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Finds a text that YAML took for a mapping, as far as it can be seen from its looks.
///
/// `- a = "x: y"` is a mapping, because of the colon; `- {a="b", c="d"}` is one because of the braces.
/// To be asked where text was expected and a mapping found.
pub fn text_became_mapping(file: &Arc<SourceFile>, node: &Node) -> Option<Diagnostic> {
    let NodeKind::Mapping(mapping) = &node.kind else { return None };
    let first = mapping.entries.first()?;
    let looks_like_matcher = |key: &str| ["=", "!~"].iter().any(|op| key.contains(op));
    let cut = first.key_style == ScalarStyle::Plain
        && (!is_balanced(&first.key.value) || looks_like_matcher(&first.key.value));
    if mapping.flow {
        let matchers = mapping.entries.iter().all(|entry| looks_like_matcher(&entry.key.value));
        if !matchers {
            return None;
        }
        let message = "braces without quotes: YAML takes them for a mapping";
        return Some(
            Diagnostic::error("yaml-braces", file, node.span, message)
                .hint(format!("write {}", quoted(file.slice(node.span)))),
        );
    }
    if !cut || mapping.entries.len() > 1 {
        return None;
    }
    let span = line_from(file, first.key.span.start);
    let message = "this text has a colon and a space: YAML takes it for a mapping";
    Some(
        Diagnostic::error("yaml-colon", file, span, message)
            .hint(format!("write {}", quoted(file.slice(span)))),
    )
}

/// Finds an item of a list in brackets that was split at a comma inside quotes.
///
/// `[x =~ "a,b"]` has two items, `x =~ "a` and `b"`: quotes inside a text without quotes mean nothing to
/// YAML. To be asked about lists of matchers, expressions and templates.
pub fn split_at_comma(file: &Arc<SourceFile>, list: &Node) -> Option<Diagnostic> {
    let NodeKind::Sequence(sequence) = &list.kind else { return None };
    if !sequence.flow {
        return None;
    }
    let open = sequence.items.iter().position(|item| plain(item).is_some_and(|text| !is_balanced(text)))?;
    let mut whole = String::new();
    for (index, item) in sequence.items.iter().enumerate().skip(open) {
        whole.push_str(item.as_str()?);
        if index > open && is_balanced(&whole) {
            let span = sequence.items[open].span.join(item.span);
            let message = "this text is split at its comma: in a list in brackets, YAML ends an item there";
            let hint = format!("write [{}], or one item per line after `- `", quoted(file.slice(span)));
            return Some(Diagnostic::error("yaml-split-at-comma", file, span, message).hint(hint));
        }
        whole.push(',');
    }
    None
}

/// Finds a text that YAML cut because a `#` after a space begins a comment.
///
/// `- a = "b #c"` ends before the `#`. Seen where what is left has an open quote, bracket or template. To
/// be asked about matchers, expressions, templates and scripts.
pub fn cut_by_comment(file: &Arc<SourceFile>, node: &Node) -> Option<Diagnostic> {
    let text = plain(node)?;
    if !file.text().get(node.span.end..).is_some_and(|after| after.starts_with([' ', '\t']))
        || is_balanced(text)
    {
        return None;
    }
    let line = line_from(file, node.span.end);
    let after = file.slice(line);
    if !after.trim_start().starts_with('#') {
        return None;
    }
    let span = Span::new(node.span.end + after.len() - after.trim_start().len(), line.end);
    let whole = file.slice(Span::new(node.span.start, line.end));
    let message = "this text ends before its ` #`, which begins a comment";
    Some(
        Diagnostic::error("yaml-cut-by-comment", file, span, message)
            .related(node.span, "this is all that YAML reads of it")
            .hint(format!("write {}", quoted(whole))),
    )
}

/// Warns of a key that other readers of YAML take for a boolean: `on`, `yes`, `n`.
pub fn truthy_key(file: &Arc<SourceFile>, entry: &Entry) -> Option<Diagnostic> {
    let key = &entry.key;
    if entry.key_style != ScalarStyle::Plain {
        return None;
    }
    let meaning = is_old_boolean(&key.value)?;
    let message =
        format!("key `{}` is read as text here, and as {meaning} by readers of YAML 1.1", key.value);
    Some(
        Diagnostic::warning("yaml-truthy-key", file, key.span, message)
            .hint(format!("write \"{}\" to be sure", key.value)),
    )
}

/// Says whether quotes, brackets and template braces of a text are all closed.
fn is_balanced(text: &str) -> bool {
    let mut open = 0usize;
    let mut quote = None;
    let mut letters = text.chars();
    let mut previous = ' ';
    while let Some(c) = letters.next() {
        if let Some(closing) = quote {
            if c == '\\' {
                letters.next();
            } else if c == closing {
                quote = None;
            }
        } else {
            match c {
                // An apostrophe inside a word is no quote.
                '\'' if previous.is_alphanumeric() => {}
                '"' | '\'' | '`' => quote = Some(c),
                '{' | '[' | '(' => open += 1,
                '}' | ']' | ')' if open == 0 => return false,
                '}' | ']' | ')' => open -= 1,
                _ => {}
            }
        }
        previous = c;
    }
    quote.is_none() && open == 0
}

fn plain(node: &Node) -> Option<&str> {
    node.as_scalar().filter(|scalar| Scalar::is_plain(scalar)).map(|scalar| scalar.value.as_str())
}

/// From a place to the end of its line, without white space at the end.
fn line_from(file: &SourceFile, start: usize) -> Span {
    let line = file.line_span(file.position(start).line);
    let text = file.slice(Span::new(start, line.end));
    Span::new(start, start + text.trim_end().len())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::render::{self, Drawing};
    use crate::text::{Diagnostics, parse, walk};
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use serde_json::json;
    use std::path::Path;

    /// Reads a file as a playbook's parser does, with a schema of just a few keys.
    fn problems(file: &Arc<SourceFile>) -> Diagnostics {
        let text = json!({"type": "string"});
        let texts = json!({"type": "array", "items": text});
        let long = json!({"type": "object", "properties": {"script": text}, "additionalProperties": false});
        let schema = json!({
            "type": "object",
            "properties": {
                "matchers": texts,
                "exec": texts,
                "when": text,
                "shell": {"anyOf": [text, long]},
                "keep": {"type": "boolean"},
                "status": {"type": "string"},
                "env": {"type": "object", "additionalProperties": text},
            },
            "additionalProperties": false,
        });
        let mut out = Diagnostics::new();
        for document in parse(file, &mut out) {
            walk(&document.root, &schema, file, &mut out);
            for list in ["matchers", "exec"].into_iter().filter_map(|key| document.root.get(key)) {
                out.extend(split_at_comma(file, list));
                out.extend(list.items().iter().filter_map(|item| cut_by_comment(file, item)));
            }
            out.extend(document.root.get("when").and_then(|node| cut_by_comment(file, node)));
        }
        out.sort();
        out
    }

    #[test]
    fn every_trap_is_named_and_says_how_to_write_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/yaml-traps");
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        assert!(files.len() > 20);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let _guard = settings.bind_to_scope();
        for path in files {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let file = SourceFile::new(format!("{name}.yaml"), std::fs::read(&path).unwrap()).unwrap();
            let problems = problems(&file);
            assert!(!problems.is_empty(), "{name} says nothing");
            insta::assert_snapshot!(name, render::text(&problems, Drawing::default()));
        }
    }

    #[test]
    fn what_is_written_well_is_no_trap() {
        let source = r#"
matchers: ['a =~ "b,c"', "d = e", 'f != "g: h"', x = y]
exec: [grep, "{{ x }}", 'a #b', it's, "x: y"]
when: alert.labels.a | default("on") != "off" # why
shell: |
  echo "a #b: {{ c }}"
env: {"on": 1, A: it's # fine
  }
"#;
        let file = SourceFile::new("f", source.as_bytes().to_vec()).unwrap();
        assert_eq!(render::lines(&problems(&file)), "");
    }

    #[test]
    fn quoted_text_is_readable() {
        for (text, expected) in [
            ("a: b", "'a: b'"),
            (r#"a = "x: y""#, r#"'a = "x: y"'"#),
            ("it's", r#""it's""#),
            (r#"it's "x""#, r#"'it''s "x"'"#),
            ("a\nb", r#""a\nb""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    proptest! {
        #[test]
        fn quoted_text_means_itself(text in any::<String>()) {
            let source = format!("k: {}", quoted(&text));
            if let Ok(file) = SourceFile::new("f", source.into_bytes()) {
                let mut out = Diagnostics::new();
                let documents = parse(&file, &mut out);
                let value = documents.first().and_then(|d| d.root.get("k")).and_then(Node::as_str);
                prop_assert_eq!(value, Some(text.as_str()));
            }
        }
    }
}
