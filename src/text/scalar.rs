//! A YAML scalar that knows how it was written: [`Scalar`], and the way from its value back to the source.

use std::ops::Range;

use super::span::Span;

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A block after `|`: lines stay lines.
    Literal,
    /// A block after `>`: lines are folded.
    Folded,
}

/// A tag of YAML's core schema that a person put on a scalar (`!!str 5`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoreTag {
    /// `!!str`, or a lone `!`.
    Str,
    /// `!!int`.
    Int,
    /// `!!float`.
    Float,
    /// `!!bool`.
    Bool,
    /// `!!null`.
    Null,
}

/// A text in YAML: what it says and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// What it says, escapes and folding resolved. Without quotes that is its spelling: `1.10`, `no`, `~`.
    pub value: String,
    /// How it was written.
    pub style: ScalarStyle,
    /// The tag that was put on it.
    pub tag: Option<CoreTag>,
    /// The spaces that a block scalar's lines begin with, where the parser said so.
    pub(super) indent: Option<usize>,
}

impl Scalar {
    /// Says whether it was written without quotes or a tag, so that its spelling decides its type.
    pub fn is_plain(&self) -> bool {
        self.style == ScalarStyle::Plain && self.tag.is_none()
    }

    /// Says whether it is null by YAML's core schema: nothing at all, `~` or `null` without quotes.
    pub fn is_null(&self) -> bool {
        self.tag == Some(CoreTag::Null)
            || (self.is_plain() && matches!(self.value.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns where a range of the value stands in `text`, the source, given the scalar's span in it.
    ///
    /// A range that covers several lines is the span from its first to its last character. Where one
    /// character was written by an escape, the span is that escape. Offsets past the end count as the end.
    pub(super) fn source_span(&self, text: &str, span: Span, range: Range<usize>) -> Span {
        let runs = self.runs(text, span);
        let start = map_start(&runs, range.start, text, span);
        if range.end <= range.start {
            return Span::at(start);
        }
        Span::new(start, map_end(&runs, range.end).unwrap_or(span.end))
    }

    /// Splits the value into the runs of which each is written in one piece.
    fn runs(&self, text: &str, span: Span) -> Vec<Run> {
        let start = match self.style {
            ScalarStyle::Literal | ScalarStyle::Folded => block_start(text, span.start),
            _ => span.start,
        };
        let source = text.get(start..span.end).unwrap_or_default();
        let mut runs = match self.style {
            ScalarStyle::Plain => flow_runs(source, 0, source.len(), Escapes::None),
            ScalarStyle::Single => flow_runs(source, 1, source.len().saturating_sub(1), Escapes::Doubled),
            ScalarStyle::Double => flow_runs(source, 1, source.len().saturating_sub(1), Escapes::Backslash),
            ScalarStyle::Literal | ScalarStyle::Folded => block_runs(source, self.indent, &self.value),
        };
        for run in &mut runs {
            run.source += start;
        }
        runs
    }
}

/// A piece of a value and the piece of source that it was written with.
///
/// Where both have the same length they are the same text; otherwise the piece is one character of the
/// value, or the text of line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    value: usize,
    value_len: usize,
    source: usize,
    source_len: usize,
}

fn map_start(runs: &[Run], offset: usize, text: &str, span: Span) -> usize {
    let index = runs.partition_point(|run| run.value <= offset);
    let Some(run) = index.checked_sub(1).map(|index| runs[index]) else {
        return runs.first().map_or(span.start, |run| run.source);
    };
    let into = offset - run.value;
    if into >= run.value_len {
        return run.source + run.source_len;
    }
    let mapped = if run.value_len == run.source_len { run.source + into } else { run.source };
    if text.is_char_boundary(mapped) { mapped } else { run.source }
}

fn map_end(runs: &[Run], offset: usize) -> Option<usize> {
    let index = runs.partition_point(|run| run.value < offset);
    let run = runs[index.checked_sub(1)?];
    let into = offset - run.value;
    Some(if into < run.value_len && run.value_len == run.source_len {
        run.source + into
    } else {
        run.source + run.source_len
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    Doubled,
    Backslash,
}

/// Collects runs; pieces written as they read become one.
struct Runs {
    list: Vec<Run>,
    value: usize,
}

impl Runs {
    fn verbatim(&mut self, source: usize, len: usize) {
        match self.list.last_mut() {
            Some(last)
                if last.value_len == last.source_len
                    && last.source + last.source_len == source
                    && len > 0 =>
            {
                last.value_len += len;
                last.source_len += len;
            }
            _ if len > 0 => {
                self.list.push(Run { value: self.value, value_len: len, source, source_len: len });
            }
            _ => {}
        }
        self.value += len;
    }

    /// A piece that is written otherwise. It is kept apart even when lengths happen to be equal.
    fn other(&mut self, value_len: usize, source: usize, source_len: usize) {
        if value_len > 0 {
            self.list.push(Run { value: self.value, value_len, source, source_len });
            self.value += value_len;
        }
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Replays YAML's line folding and escapes (1.2, chapters 7.3 and 6.5) over `source[start..end]`.
fn flow_runs(source: &str, start: usize, end: usize, escapes: Escapes) -> Vec<Run> {
    let bytes = source.as_bytes();
    let end = end.min(bytes.len()).max(start.min(bytes.len()));
    let mut runs = Runs { list: Vec::new(), value: 0 };
    let mut at = start.min(end);
    while at < end {
        let byte = bytes[at];
        if matches!(byte, b' ' | b'\t') || is_break(byte) {
            let white = at;
            while at < end && matches!(bytes[at], b' ' | b'\t') {
                at += 1;
            }
            if at < end && is_break(bytes[at]) {
                let (after, breaks) = skip_breaks(bytes, at, end);
                let value_len = if breaks == 1 { 1 } else { breaks - 1 };
                runs.other(value_len, white, after - white);
                at = after;
            } else {
                runs.verbatim(white, at - white);
            }
        } else if byte == b'\'' && escapes == Escapes::Doubled {
            runs.other(1, at, 2);
            at += 2;
        } else if byte == b'\\' && escapes == Escapes::Backslash {
            at = escape_run(source, at, end, &mut runs);
        } else {
            let plain = at;
            while at < end && !matches!(bytes[at], b' ' | b'\t' | b'\'' | b'\\') && !is_break(bytes[at]) {
                at += 1;
            }
            // A quote or backslash that means itself here.
            if at == plain {
                at += 1;
            }
            runs.verbatim(plain, at - plain);
        }
    }
    runs.list
}

/// Skips line breaks and the white space of the lines between; returns where text goes on, and how many breaks.
fn skip_breaks(bytes: &[u8], mut at: usize, end: usize) -> (usize, usize) {
    let mut breaks = 0;
    while at < end {
        match bytes[at] {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => {
                breaks += 1;
                at += 2;
            }
            b'\n' | b'\r' => {
                breaks += 1;
                at += 1;
            }
            b' ' | b'\t' => at += 1,
            _ => break,
        }
    }
    (at.min(end), breaks)
}

fn escape_run(source: &str, at: usize, end: usize, runs: &mut Runs) -> usize {
    let bytes = source.as_bytes();
    let digits = match bytes.get(at + 1) {
        Some(b) if is_break(*b) => {
            let (after, breaks) = skip_breaks(bytes, at + 1, end);
            runs.other(breaks - 1, at, after - at);
            return after;
        }
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => 0,
    };
    let letter = source[at + 1..].chars().next();
    let letter_len = letter.map_or(0, char::len_utf8);
    let mut len = 1 + letter_len + digits;
    let value_len = if digits == 0 {
        letter.map_or(0, named_escape_len)
    } else {
        let code = hex(source, at + 2, digits);
        if code.is_some_and(|code| (0xd800..0xdc00).contains(&code)) {
            // A surrogate pair, as in JSON: two escapes, one character outside the basic plane.
            len += 6;
            4
        } else {
            code.and_then(char::from_u32).map_or(0, char::len_utf8)
        }
    };
    let len = len.min(end - at);
    runs.other(value_len, at, len);
    at + len.max(1)
}

fn hex(source: &str, at: usize, digits: usize) -> Option<u32> {
    u32::from_str_radix(source.get(at..at + digits)?, 16).ok()
}

/// The length of what `\N`, `\_`, `\L` and `\P` stand for; all other named escapes are ASCII.
fn named_escape_len(letter: char) -> usize {
    match letter {
        'N' | '_' => 2,
        'L' | 'P' => 3,
        _ => 1,
    }
}

/// The start of a block scalar's first line. The parser's span begins behind indentation and blank
/// lines; what comes before those is the line with the `|` or `>`.
fn block_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let blank = before.trim_end_matches([' ', '\t', '\n', '\r']).len();
    before[blank..].find(['\n', '\r']).map_or(at, |header_end| {
        let end = blank + header_end;
        end + if before[end..].starts_with("\r\n") { 2 } else { 1 }
    })
}

/// Aligns the lines of a block scalar with its value: both hold the same non-empty lines in the same
/// order, verbatim; what is between them is line breaks, or the one space of a fold.
fn block_runs(source: &str, indent: Option<usize>, value: &str) -> Vec<Run> {
    let indent = indent.unwrap_or_else(|| {
        let line = source.split(['\n', '\r']).find(|line| line.contains(|c| c != ' ')).unwrap_or_default();
        line.len() - line.trim_start_matches(' ').len()
    });
    let bytes = source.as_bytes();
    let mut runs = Runs { list: Vec::new(), value: 0 };
    let (mut at, mut gap, mut first) = (0, 0, true);
    while at < bytes.len() && runs.value < value.len() {
        let mut spaces = 0;
        while spaces < indent && bytes.get(at) == Some(&b' ') {
            at += 1;
            spaces += 1;
        }
        let mut line_end = at;
        while line_end < bytes.len() && !is_break(bytes[line_end]) {
            line_end += 1;
        }
        if line_end > at {
            let rest = &value[runs.value..];
            let fold = usize::from(!first && rest.starts_with(' '));
            let breaks = rest.len() - rest.trim_start_matches('\n').len();
            let between = if breaks > 0 { breaks } else { fold };
            let line = &source[at..line_end];
            if !rest[between..].starts_with(line) {
                break;
            }
            runs.other(between, gap, at - gap);
            runs.verbatim(at, line.len());
            (first, gap) = (false, line_end);
        }
        at = line_end;
        if bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) == Some(&b'\n') {
            at += 1;
        }
        at += 1;
    }
    let left = value.len() - runs.value;
    runs.other(left, gap, bytes.len() - gap);
    runs.list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Diagnostics, Node, SourceFile, parse};
    use proptest::prelude::{Strategy, prop_assert, prop_oneof, proptest};
    use std::sync::Arc;

    fn read(source: &str) -> Option<(Arc<SourceFile>, Node)> {
        let file = SourceFile::new("f.yaml", source.as_bytes().to_vec()).ok()?;
        let mut out = Diagnostics::new();
        let document = parse(&file, &mut out).into_iter().next()?;
        (!out.has_errors()).then_some((file, document.root))
    }

    /// Returns what stands in the source for the first `wanted` in the value of `k`.
    fn found(source: &str, wanted: &str) -> String {
        let (file, root) = read(source).expect("the source is valid");
        let node = root.get("k").expect("the source has a key `k`");
        let at = node.as_str().and_then(|value| value.find(wanted)).expect("the value has the text");
        file.slice(node.source_span(&file, at..at + wanted.len())).to_owned()
    }

    #[test]
    fn a_range_of_the_value_is_found_in_the_source_whatever_the_style() {
        for (source, wanted, expected) in [
            ("k: plain text\n", "text", "text"),
            ("k: folded\n   plain\n\n   text\n", "text", "text"),
            ("k: folded\n   plain\n", "d p", "d\n   p"),
            ("k: 'it''s {{ x'\n", "{{", "{{"),
            ("k: 'it''s'\n", "'", "''"),
            ("k: \"a\\tb\\\"c {{ x\"\n", "{{", "{{"),
            ("k: \"a\\x41é\\u00e9\\U0001F642z\"\n", "z", "z"),
            ("k: \"\\ud83d\\ude42z\"\n", "🙂", "\\ud83d\\ude42"),
            ("k: \"a \\\n   b\"\n", "b", "b"),
            ("k: |\n  one\n  two {{\n", "{{", "{{"),
            ("k: |2-\n    one\n   two {{\n", "two", "two"),
            ("k: |\n\n\n  one\n", "one", "one"),
            ("k: >\n  one\n  two\n\n    more\n  three {{\n", "{{", "{{"),
            ("k: |\r\n  one\r\n  two\r\n", "two", "two"),
            ("k: >-\n\n  one\n  two", "one two", "one\n  two"),
        ] {
            assert_eq!(found(source, wanted), expected, "{source:?}");
        }
    }

    #[test]
    fn an_empty_range_and_one_past_the_end_are_places() {
        let (file, root) = read("k: 'abc'\n").unwrap();
        let node = root.get("k").unwrap();
        assert_eq!(node.source_span(&file, 1..1), Span::at(5));
        assert_eq!(node.source_span(&file, 3..3), Span::at(7));
        assert_eq!(node.source_span(&file, 99..100), Span::at(7));
    }

    #[test]
    fn null_is_told_from_text() {
        let (_, root) = read("a:\nb: ~\nc: null\nd: 'null'\ne: !!str null\nf: ''\n").unwrap();
        let nulls: Vec<_> = root.entries().iter().map(|entry| entry.value.is_null()).collect();
        assert_eq!(nulls, [true, true, true, false, false, false]);
    }

    /// Every character of the value leads to itself in the source, or to the escape or break that made it.
    fn check(source: &str) -> Result<(), String> {
        let Some((file, root)) = read(source) else { return Ok(()) };
        let Some(node) = root.get("k").filter(|node| node.as_str().is_some()) else { return Ok(()) };
        let value = node.as_str().unwrap_or_default();
        for (at, c) in value.char_indices() {
            let span = node.source_span(&file, at..at + c.len_utf8());
            let written = file.slice(span);
            let same = written == c.to_string()
                || (c == '\'' && written == "''")
                || (matches!(c, ' ' | '\n') && written.contains(['\n', '\r']))
                // A value of white space alone is where its block is.
                || value.trim().is_empty()
                // A block's leading breaks lie before its text, its last may be the end of the file.
                || (c == '\n' && (span.is_empty() || span.end == file.text().len()))
                || (written.starts_with('\\')
                    && read(&format!("k: \"{written}\"")).is_some_and(|(_, root)| {
                        root.get("k").and_then(Node::as_str) == Some(c.to_string().as_str())
                    }));
            if !same {
                return Err(format!("{c:?} at {at} of {value:?} leads to {written:?} in {source:?}"));
            }
        }
        Ok(())
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z {}%é🙂\\-,.]{0,6}",
            prop_oneof![
                "''",
                "\\\\n",
                "\\\\x41",
                "\\\\u00e9",
                "\\\\\"",
                "\\\\\\\\",
                "\\\\\n",
                "\\\\ ",
                "\\\\N",
                "\\\\P"
            ],
            prop_oneof!["\n  ", "\n\n  ", "\n   ", "\r\n  ", "\n", "\n \n  ", " \n  ", "\n  \t", "\t"],
        ]
    }

    proptest! {
        #[test]
        fn every_character_leads_back_to_its_source(
            open in prop_oneof!["", "'", "\"", "\\|\n  ", ">\n  ", "\\|[12][+-]?\n  ", ">[12][+-]?\n  ", "\\|[+-]\n\n  ", ">[+-]\n\n  "],
            pieces in proptest::collection::vec(piece(), 0..8),
        ) {
            let close = if open == "'" || open == "\"" { open.as_str() } else { "" };
            let body = pieces.concat();
            for source in [
                format!("k: {open}{body}{close}\n"),
                format!("k: {open}{body}{close}"),
                format!("k: {open}x{body}{close}\nz: 1\n"),
            ] {
                let checked = check(&source);
                prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
            }
        }
    }
}
