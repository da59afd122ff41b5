//! A file that a person wrote, as text with positions: [`SourceFile`].

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::span::Span;

/// A place for people: both numbers count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// The text of a file, its name, and where its lines start.
///
/// The text is valid UTF-8 without a byte order mark and without control characters other than tab
/// and line breaks. Lines end as in YAML: `\n`, `\r\n` or a lone `\r`.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    name: String,
    text: String,
    lines: Vec<usize>,
}

impl SourceFile {
    /// Takes the bytes of the file called `name` (a path, or words such as `<stdin>`).
    ///
    /// # Errors
    /// Returns a diagnostic with the place for text that is not UTF-8 (`not-utf8`; UTF-16 and UTF-32
    /// are named) or has a control character (`control-character`).
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Result<Arc<Self>, Diagnostic> {
        let name = name.into();
        if let Some(encoding) = foreign_encoding(&bytes) {
            let file = Self::from_text(name, String::new());
            let message = format!("this file is {encoding}, not UTF-8");
            return Err(Diagnostic::error("not-utf8", &file, Span::at(0), message)
                .hint("save it as UTF-8 in your editor, or convert it with `iconv -t UTF-8`"));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Err(not_utf8(name, &error)),
        };
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let forbidden = text.char_indices().find(|(_, c)| is_forbidden(*c));
        let file = Self::from_text(name, text);
        match forbidden {
            None => Ok(file),
            Some((at, c)) => Err(control_character(&file, at, c)),
        }
    }

    /// Returns the name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text of a span, or the empty text where the span doesn't fit this file.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Returns line and column of a byte offset. An offset past the end counts as the end, one inside
    /// a character as that character's start.
    pub fn position(&self, offset: usize) -> Position {
        let offset = floor_char(&self.text, offset);
        let line = self.line_index(offset);
        let column = self.text[self.lines[line]..offset].chars().count() + 1;
        Position { line: line + 1, column }
    }

    /// Returns the text of a line (counted from 1) without its line break; empty past the end.
    pub fn line_text(&self, line: usize) -> &str {
        self.slice(self.line_span(line))
    }

    /// Returns the span of a line (counted from 1) without its line break; empty past the end.
    pub fn line_span(&self, line: usize) -> Span {
        let Some(&start) = line.checked_sub(1).and_then(|index| self.lines.get(index)) else {
            return Span::at(self.text.len());
        };
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        Span::new(start, start + self.text[start..end].trim_end_matches(['\n', '\r']).len())
    }

    /// Returns the number of lines; text after the last line break counts as a line.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Returns the start of the character that an offset is in; past the end, the end.
    pub(super) fn floor(&self, offset: usize) -> usize {
        floor_char(&self.text, offset)
    }

    fn line_index(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    fn from_text(name: String, text: String) -> Arc<Self> {
        let lines = line_starts(&text);
        Arc::new(Self { name, text, lines })
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
        if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
            starts.push(at + 1);
        }
    }
    starts
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Names the encoding of bytes that say, or plainly look, like something other than UTF-8.
fn foreign_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [0, 0, 0, b, ..] | [b, 0, 0, 0, ..] if *b != 0 => Some("UTF-32"),
        // The first character of YAML is ASCII: this is how its encoding is told (YAML 1.2, 5.2).
        [0, b, 0, _, ..] | [b, 0, _, 0, ..] if *b != 0 => Some("UTF-16"),
        _ => None,
    }
}

/// Tells what YAML 1.2 (5.1) calls not printable, but for what a `String` cannot hold.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}')
        || matches!(c, '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

fn not_utf8(name: String, error: &std::string::FromUtf8Error) -> Diagnostic {
    let bytes = error.as_bytes();
    let mut at = error.utf8_error().valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let lossy = String::from_utf8_lossy(bytes);
    // The byte before the bad one is the same in the readable copy, but for a byte order mark.
    let text = lossy.strip_prefix('\u{feff}').unwrap_or(&lossy);
    at -= lossy.len() - text.len();
    let readable: String = text.chars().map(|c| if is_forbidden(c) { '\u{fffd}' } else { c }).collect();
    // Replacing changes lengths: count the replaced part again.
    let at = text[..at].chars().map(|c| if is_forbidden(c) { '\u{fffd}' } else { c }.len_utf8()).sum();
    let file = SourceFile::from_text(name, readable);
    let end = at + '\u{fffd}'.len_utf8();
    Diagnostic::error("not-utf8", &file, Span::new(at, end), format!("not UTF-8: byte {byte:#04x}"))
        .hint("save the file as UTF-8; a byte alone is written \"\\xNN\" in double quotes")
}

fn control_character(file: &Arc<SourceFile>, at: usize, c: char) -> Diagnostic {
    let code = u32::from(c);
    let span = Span::new(at, at + c.len_utf8());
    let written = if code <= 0xff { format!("\\x{code:02x}") } else { format!("\\u{code:04x}") };
    Diagnostic::error("control-character", file, span, format!("control character U+{code:04X}"))
        .hint(format!("YAML forbids it; in double quotes it can be written as \"{written}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn refused(bytes: &[u8]) -> (String, &'static str, Position) {
        let diagnostic = SourceFile::new("f.yaml", bytes.to_vec()).unwrap_err();
        let position = diagnostic.position().expect("a refused file has a place");
        (diagnostic.message.clone(), diagnostic.code, position)
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let file = SourceFile::new("f", "aé: b\r\nc\rd\n".into()).unwrap();
        let at = |offset| (file.position(offset).line, file.position(offset).column);
        assert_eq!(
            [at(0), at(1), at(3), at(8), at(10), at(11), at(99)],
            [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (4, 1)]
        );
        assert_eq!(at(2), (1, 2), "an offset inside a character is that character");
        assert_eq!(file.line_text(1), "aé: b");
        assert_eq!(file.line_text(2), "c");
        assert_eq!(file.line_text(3), "d");
        assert_eq!(file.line_text(9), "");
        assert_eq!(file.line_text(0), "");
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(SourceFile::new("f", b"\xef\xbb\xbfa: 1".to_vec()).unwrap().text(), "a: 1");
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_at_the_byte() {
        let (message, code, position) = refused(b"a: 1\nname: caf\xe9 x\n");
        assert_eq!((message.as_str(), code), ("not UTF-8: byte 0xe9", "not-utf8"));
        assert_eq!((position.line, position.column), (2, 10));
        assert_eq!(refused(b"\xef\xbb\xbf\x01\xff").2, Position { line: 1, column: 2 });
    }

    #[test]
    fn other_encodings_are_named() {
        for bytes in [b"\xff\xfea\0".as_slice(), b"\xfe\xff\0a", b"a\0:\0", b"\0a\0:"] {
            assert_eq!(refused(bytes).0, "this file is UTF-16, not UTF-8");
        }
        assert_eq!(refused(b"\xff\xfe\0\0a\0\0\0").0, "this file is UTF-32, not UTF-8");
    }

    #[test]
    fn control_characters_are_refused_where_they_stand() {
        let (message, code, position) = refused(b"a: \x1b[31m");
        assert_eq!((message.as_str(), code), ("control character U+001B", "control-character"));
        assert_eq!(position, Position { line: 1, column: 4 });
        assert_eq!(refused(b"abcde\0").0, "control character U+0000");
        assert!(SourceFile::new("f", "\ttab\u{85}\r\n".into()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused_with_a_place(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            match SourceFile::new("f", bytes) {
                Ok(file) => prop_assert!(!file.text().chars().any(is_forbidden)),
                Err(diagnostic) => prop_assert!(diagnostic.position().is_some()),
            }
        }

        #[test]
        fn a_position_leads_back_to_its_line(text in "[a-zé\n\r]{0,40}", at in 0usize..50) {
            let file = SourceFile::new("f", text.into_bytes()).unwrap();
            let position = file.position(at);
            prop_assert!(position.line <= file.line_count());
            let at = at.min(file.text().len());
            let line = file.line_span(position.line);
            prop_assert!(line.start <= at);
            prop_assert_eq!(file.line_text(position.line).contains('\n'), false);
        }
    }
}
