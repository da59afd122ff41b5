//! What the YAML parser could not read, said in the writer's terms.

use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use super::diagnostic::Diagnostic;
use super::source::SourceFile;
use super::span::Span;
use super::traps::quoted;

/// Makes a diagnostic of a syntax error that came after everything before `last` was read, inside an
/// `open_bracket` where there is one.
pub(super) fn diagnostic(
    file: &Arc<SourceFile>,
    error: &ScanError,
    last: usize,
    open_bracket: Option<Span>,
) -> Diagnostic {
    let text = file.text();
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let place = Place { file, at, last: last.min(at), open_bracket };
    match error.kind() {
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            place.unclosed_quote()
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => place.text_after_quote('\''),
        ErrorKind::InvalidTrailingDoubleQuotedScalar => place.text_after_quote('"'),
        ErrorKind::RecursionLimitExceeded => too_deep(file, place.character(), super::parse::DEPTH_LIMIT),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => place.escape(),
        kind => place
            .template()
            .or_else(|| place.tab(kind))
            .or_else(|| place.unclosed_bracket(kind))
            .unwrap_or_else(|| place.grammar(kind)),
    }
}

/// Says that something is nested deeper than `limit`.
pub(super) fn too_deep(file: &Arc<SourceFile>, span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("yaml-too-deep", file, span, format!("nested deeper than {limit} levels"))
}

/// Where a syntax error was noticed.
struct Place<'a> {
    file: &'a Arc<SourceFile>,
    at: usize,
    last: usize,
    open_bracket: Option<Span>,
}

impl Place<'_> {
    fn error(&self, code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, span, message)
    }

    /// The character at which it was noticed.
    fn character(&self) -> Span {
        let length = self.file.text()[self.at..].chars().next().map_or(0, |c| match c {
            '\n' | '\r' => 0,
            c => c.len_utf8(),
        });
        Span::new(self.at, self.at + length)
    }

    fn line(&self) -> Span {
        self.file.line_span(self.file.position(self.at).line)
    }

    /// From where it was noticed to the end of the line, without white space.
    fn rest_of_line(&self) -> Span {
        let end = self.line().end.max(self.at);
        let rest = self.file.slice(Span::new(self.at, end)).trim_end();
        Span::new(self.at, self.at + rest.len())
    }

    fn begins_line(&self) -> bool {
        self.file.slice(Span::new(self.line().start, self.at)).trim().is_empty()
    }

    fn unclosed_quote(&self) -> Diagnostic {
        let quote = self.file.slice(self.character()).to_owned();
        let hint = format!("add the closing `{quote}`; {}", escape_rule(&quote));
        self.error("yaml-unclosed-quote", self.character(), "this quote is never closed").hint(hint)
    }

    fn text_after_quote(&self, quote: char) -> Diagnostic {
        let code = "yaml-text-after-quote";
        let before = self.file.slice(Span::new(self.last, self.at));
        let opening = self.last + opening_quote(before, quote).unwrap_or(0);
        let line = self.line();
        if opening < line.start {
            return self
                .error(code, self.rest_of_line(), format!("text after the closing `{quote}`"))
                .related(Span::new(opening, opening + 1), "the quote was opened here")
                .hint(format!("is its closing `{quote}` missing there?"));
        }
        let whole = Span::new(opening, self.rest_of_line().end);
        let written = self.file.slice(whole);
        let trailing = self.file.slice(self.rest_of_line());
        let message =
            format!("text after the closing `{quote}`: the whole value must be in quotes, or nothing of it");
        let hint = if quote == '\'' && trailing.contains('\'') {
            format!("{}, or put it in double quotes", escape_rule("'"))
        } else {
            format!("write {}", quoted(written))
        };
        self.error(code, whole, message).hint(hint)
    }

    /// The first escape after the opening quote that YAML doesn't have.
    fn escape(&self) -> Diagnostic {
        let text = &self.file.text()[self.at..];
        let mut escaped = text.match_indices('\\').map(|(at, _)| at);
        let mut skip = 0;
        let found = escaped.find_map(|at| {
            if at < skip {
                return None;
            }
            let letter = text[at + 1..].chars().next()?;
            let length = 1 + letter.len_utf8();
            skip = at + length;
            let digits = match letter {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            let hex = text.get(at + length..at + length + digits);
            let known = "0abt\tnvfre \"/\\N_LPxuU\n\r".contains(letter)
                && hex.is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
            (!known).then_some((at, length))
        });
        let (at, length) = found.unwrap_or((0, 1));
        let span = Span::new(self.at + at, self.at + at + length);
        let message = format!("unknown escape `{}` in double quotes", self.file.slice(span));
        self.error("yaml-escape", span, message)
            .hint("a backslash is written `\\\\` in double quotes; in single quotes it is just a backslash")
    }

    /// `shell: {{ x }} y`: a template without quotes, which YAML takes for its own braces.
    fn template(&self) -> Option<Diagnostic> {
        let line = self.line();
        let before = self.file.slice(Span::new(line.start, self.file.floor((self.at + 2).min(line.end))));
        let opens = ["{{", "{%", "{#"].iter().filter_map(|open| before.find(open)).min()?;
        if !quotes_are_even(&before[..opens]) {
            return None;
        }
        let start = value_start(before, opens);
        let span = Span::new(line.start + start, line.end);
        let in_list = before[..start].trim_end().ends_with(['[', ',']);
        let written = self.file.slice(span).trim_end();
        let closed = ["}}", "%}", "#}"].iter().filter_map(|close| written.find(close)).min();
        let written = closed.filter(|_| in_list).map_or(written, |at| &written[..at + 2]);
        let hint =
            if in_list { "put the item in quotes".to_owned() } else { format!("write {}", quoted(written)) };
        let span = Span::new(span.start, span.start + written.len());
        Some(
            self.error("yaml-template-quotes", span, "a template without quotes: YAML takes `{` for its own")
                .hint(hint),
        )
    }

    /// A bracket that was opened on an earlier line and not closed before the next key.
    fn unclosed_bracket(&self, kind: &ErrorKind) -> Option<Diagnostic> {
        let open = self.open_bracket.filter(|open| open.start < self.line().start)?;
        let noticed = matches!(
            kind,
            ErrorKind::MappingValueNotAllowed
                | ErrorKind::InvalidColonPlacement
                | ErrorKind::ExpectedFlowSequenceSeparator
                | ErrorKind::ExpectedFlowMappingSeparator
                | ErrorKind::BlockEntryInFlowCollection
        );
        let bracket = self.file.slice(open).chars().next().filter(|_| noticed)?;
        Some(
            self.error("yaml-unclosed-bracket", open, format!("this `{bracket}` is not closed"))
                .related(self.character(), "YAML noticed it here")
                .hint(format!("add the closing `{}`", closing(bracket))),
        )
    }

    fn tab(&self, kind: &ErrorKind) -> Option<Diagnostic> {
        let indentation = matches!(
            kind,
            ErrorKind::TabNotAllowed
                | ErrorKind::TabInBlockIndentation
                | ErrorKind::TabInIndentation
                | ErrorKind::TabAtBlockScalarStart
                | ErrorKind::TabInPlainScalar
                | ErrorKind::InvalidBlockEntryWhitespace
                | ErrorKind::InvalidMappingValueWhitespace
        );
        let line = self.file.slice(self.line());
        let leading = &line[..line.len() - line.trim_start().len()];
        let tab = leading.find('\t').map(|at| self.line().start + at);
        if tab.is_none() && !indentation {
            return None;
        }
        let at = tab.or_else(|| self.file.slice(self.line()).find('\t').map(|at| self.line().start + at))?;
        Some(
            self.error("yaml-tab", Span::new(at, at + 1), "a tab cannot indent YAML")
                .hint("use spaces; most editors do when told to (`expandtab`, \"insert spaces\")"),
        )
    }

    fn grammar(&self, kind: &ErrorKind) -> Diagnostic {
        let here = self.character();
        let code = "yaml-syntax";
        match kind {
            ErrorKind::UnclosedFlowCollection { open } => self
                .error("yaml-unclosed-bracket", here, format!("this `{open}` is never closed"))
                .hint(format!("add the closing `{}`", closing(*open))),
            ErrorKind::MismatchedFlowCollectionEnd { open, close } => self
                .error("yaml-unclosed-bracket", here, format!("this `{open}` is closed by `{close}`"))
                .hint(format!("close it with `{}`", closing(*open))),
            ErrorKind::MisplacedFlowCollectionEnd => self.error(code, here, "this bracket closes nothing"),
            ErrorKind::ExpectedFlowSequenceSeparator => self
                .error(code, here, "expected `,` or `]` here")
                .hint("an item that has brackets, braces or commas of its own needs quotes"),
            ErrorKind::ExpectedFlowMappingSeparator => self
                .error(code, here, "expected `,` or `}` here")
                .hint("a value that has brackets, braces or commas of its own needs quotes"),
            ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
                self.error("yaml-colon", here, "`: ` is not possible here").hint(self.colon_hint())
            }
            ErrorKind::SimpleKeyExpected => self
                .error(code, self.rest_of_line(), "expected `key: value` here")
                .hint("a key is followed by a colon and a space"),
            ErrorKind::ExpectedBlockMappingKey if self.begins_line() => self
                .error(
                    "yaml-indentation",
                    self.rest_of_line(),
                    "this line is indented like none of the keys above it",
                )
                .hint("keys of one mapping begin in one column"),
            ErrorKind::ExpectedBlockSequenceEntry if self.begins_line() => self
                .error(
                    "yaml-indentation",
                    self.rest_of_line(),
                    "expected a list item (`- `) or less indentation here",
                )
                .hint("items of one list begin in one column"),
            ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => self
                .error(code, self.rest_of_line(), "unexpected text after the value")
                .hint("put the whole value in quotes"),
            ErrorKind::BlockSequenceEntryNotAllowed => self
                .error(code, here, "a list cannot begin here")
                .hint("begin it on the next line, indented; or put the text in quotes"),
            ErrorKind::UnexpectedCharacter { character } => self
                .error(code, here, format!("a value cannot begin with `{character}`"))
                .hint(format!("put it in quotes: {}", quoted(self.file.slice(self.rest_of_line())))),
            other => self.error(code, here, plain_words(&other.to_string())),
        }
    }

    fn colon_hint(&self) -> String {
        let line = self.line();
        let before = self.file.slice(Span::new(line.start, self.at));
        let start = value_start(before, before.len());
        let written = self.file.slice(Span::new(line.start + start, line.end)).trim();
        if start > 0 && before[..start].contains(": ") {
            format!("text with a colon and a space needs quotes: {}", quoted(written))
        } else {
            "YAML reads this line as more of the text above it: is it indented wrongly, or does the line above lack a colon and a space?".into()
        }
    }
}

/// Where the value begins that stands before `at` in a line: behind `- `, `key: `, `[`, or a comma.
fn value_start(line: &str, at: usize) -> usize {
    let before = &line[..at.min(line.len())];
    let behind = |mark: &str| before.rfind(mark).map(|found| found + mark.len());
    let indent = line.len() - line.trim_start().len();
    let start = [": ", "- ", "[", ", "].iter().filter_map(|mark| behind(mark)).max().unwrap_or(indent);
    start + (line[start..].len() - line[start..].trim_start().len())
}

/// Where in `before`, which ends with a closing quote, that quote was opened.
fn opening_quote(before: &str, quote: char) -> Option<usize> {
    let preceded =
        |at: usize| before[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "[{,-:".contains(c));
    before.match_indices(quote).map(|(at, _)| at).find(|&at| preceded(at))
}

fn quotes_are_even(text: &str) -> bool {
    ['"', '\''].iter().all(|quote| text.matches(*quote).count().is_multiple_of(2))
}

fn closing(open: char) -> char {
    if open == '[' { ']' } else { '}' }
}

fn escape_rule(quote: &str) -> &'static str {
    if quote == "'" {
        "inside single quotes a single quote is written twice: `''`"
    } else {
        "inside double quotes a double quote is written `\\\"`"
    }
}

/// The parser's own words, without its way of beginning and in our style.
fn plain_words(message: &str) -> String {
    let words =
        message.split_once(", ").filter(|(start, _)| start.starts_with("while ")).map_or(message, |m| m.1);
    let mut letters = words.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
