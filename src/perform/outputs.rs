//! What a command wrote to `$AMFLOW_OUTPUT`, read: [`parse_outputs`].

use std::collections::BTreeMap;

/// The most outputs that one command may give.
const MOST: usize = 1_000;

/// Reads lines `key=value`, and values of several lines:
///
/// ```text
/// key<<END
/// first line
/// second line
/// END
/// ```
///
/// A key begins with a letter or `_`, then letters, digits, `_` and `-`; everything after the first
/// `=` is the value, blanks and further `=` included. Blank lines are passed over; a key that comes
/// again replaces the value before.
///
/// # Errors
/// Which line is wrong, for people: a value that is silently lost would be found missing much later.
pub(super) fn parse_outputs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str| Err(format!("line {} of $AMFLOW_OUTPUT {what}", index + 1));
        let operator = line.find(['=', '<']).unwrap_or(line.len());
        let (key, rest) = line.split_at(operator);
        let value = if let Some(value) = rest.strip_prefix('=') {
            value.to_owned()
        } else if let Some(end) = rest.strip_prefix("<<").map(str::trim).filter(|end| !end.is_empty()) {
            let mut value = Vec::new();
            loop {
                match lines.next() {
                    Some((_, line)) if line == end => break,
                    Some((_, line)) => value.push(line),
                    None => return wrong(&format!("begins a value that no line `{end}` ends")),
                }
            }
            value.join("\n")
        } else {
            return wrong("is neither `key=value` nor `key<<END`");
        };
        if !is_key(key) {
            return wrong("has no valid key: letters, digits, `_` and `-`, not beginning with a digit");
        }
        outputs.insert(key.to_owned(), value);
        if outputs.len() > MOST {
            return wrong(&format!("is one too many: a command may give {MOST} outputs"));
        }
    }
    Ok(outputs)
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_values_of_several_lines_become_outputs() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("a=1\n\nb= x = y \n", &[("a", "1"), ("b", " x = y ")]),
            ("a=1\na=2", &[("a", "2")]),
            ("a=\r\n", &[("a", "")]),
            ("text<<EOF\none\n  two=2\n\nEOF\nb=3", &[("b", "3"), ("text", "one\n  two=2\n")]),
            ("empty<<EOF\nEOF\n", &[("empty", "")]),
            ("a=x<<EOF", &[("a", "x<<EOF")]),
        ];
        for (text, expected) in cases {
            let expected =
                expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(parse_outputs(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_none_of_them_is_named() {
        for (text, part) in [
            ("a=1\nnonsense", "line 2 of $AMFLOW_OUTPUT is neither"),
            ("a <<EOF\nEOF", "line 1 of $AMFLOW_OUTPUT has no valid key"),
            ("=1", "has no valid key"),
            ("1a=1", "has no valid key"),
            ("a<<", "is neither"),
            ("a<1", "is neither"),
            ("a<<EOF\nx\n", "begins a value that no line `EOF` ends"),
        ] {
            let message = parse_outputs(text).unwrap_err();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}
