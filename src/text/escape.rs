//! Text from outside, made harmless before it reaches a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes what could move the cursor, change colours, hide or reorder text; keeps the rest.
///
/// Line feeds are escaped too (`\n`): the result is one line. Alert labels, command output and file
/// names are written by others, and a terminal obeys what it is sent.
pub fn escape_for_terminal(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// Escapes like [`escape_for_terminal`], but keeps line feeds and tabs: for output of several lines.
pub fn escape_lines_for_terminal(text: &str) -> Cow<'_, str> {
    escape(text, true)
}

fn escape(text: &str, lines: bool) -> Cow<'_, str> {
    let harmless = |c: char| !is_dangerous(c) || (lines && matches!(c, '\n' | '\t'));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if harmless(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) <= 0xff => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("writing to a string does not fail");
            }
            c => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string does not fail"),
        }
    }
    Cow::Owned(out)
}

/// Tells control characters, bidirectional overrides, and characters without a width.
pub(crate) fn is_dangerous(c: char) -> bool {
    c.is_control()
        || is_bidi_control(c)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2028}'..='\u{2029}'
            | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Tells the characters that reorder the text around them (CVE-2021-42574).
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (raw, shown) in [
            ("plain é 日本 🙂", "plain é 日本 🙂"),
            ("\x1b[2Jgone", "\\x1b[2Jgone"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("\u{9b}31m", "\\x9b31m"),
        ] {
            assert_eq!(escape_for_terminal(raw), shown);
        }
    }

    #[test]
    fn lines_stay_lines_where_several_are_wanted() {
        assert_eq!(escape_lines_for_terminal("a\n\tb\x07\r\n"), "a\n\tb\\x07\\r\n");
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(escape_for_terminal("harmless"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in any::<String>()) {
            prop_assert!(!escape_for_terminal(&text).chars().any(is_dangerous));
        }
    }
}
