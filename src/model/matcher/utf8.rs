//! The UTF-8 grammar of matchers, new in Alertmanager 0.27 (its matcher/parse).
//!
//! Positions in messages are `from:to` in characters, as Alertmanager gives them; ranges of errors are in bytes.

use std::ops::Range;

use super::print::{is_go_space, is_reserved};
use super::{MatchOp, Matcher, MatcherError, Seen};
use crate::model::go_string::unquoted;

const OPERATOR: &str = "expected an operator such as '=', '!=', '=~' or '!~'";
const COMMA: &str = "expected a comma or close brace";

/// Reads a list, with or without braces.
pub(super) fn parse_list(text: &str, seen: &mut Seen) -> Result<Vec<Matcher>, MatcherError> {
    Parser { lexer: Lexer { text, at: 0 }, peeked: None, seen }.list()
}

/// Reads one matcher; braces around it are refused, as the API does.
pub(super) fn parse_bare(text: &str, seen: &mut Seen) -> Result<Matcher, MatcherError> {
    if let Some(error) = braces(text) {
        return Err(error);
    }
    parse_single(text, seen)
}

/// Reads a list that must hold one matcher.
pub(super) fn parse_single(text: &str, seen: &mut Seen) -> Result<Matcher, MatcherError> {
    let mut matchers = parse_list(text, seen)?;
    let error = |message: String| Err(MatcherError { message, range: 0..text.len(), hint: None });
    match (matchers.pop(), matchers.len()) {
        (Some(matcher), 0) => Ok(matcher),
        (Some(_), more) => error(format!("expected 1 matcher, found {}", more + 1)),
        (None, _) => error("no matchers".to_owned()),
    }
}

/// Returns the error of a single matcher that begins or ends with a brace.
pub(super) fn braces(text: &str) -> Option<MatcherError> {
    (text.starts_with('{') || text.ends_with('}')).then(|| MatcherError {
        message: format!("unexpected open or close brace: {text}"),
        range: 0..text.len(),
        hint: Some("write one matcher, without braces; a value that ends with a brace is quoted".to_owned()),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    OpenBrace,
    CloseBrace,
    Comma,
    Operator(MatchOp),
    Quoted,
    Unquoted,
}

#[derive(Clone)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

/// Why there is no token: the text is over, or what stands there is none.
#[derive(Clone)]
enum NoToken {
    End,
    Bad(MatcherError),
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token, NoToken> {
        let rest = self.text[self.at..].trim_start_matches(is_go_space);
        self.at = self.text.len() - rest.len();
        let start = self.at;
        let Some(first) = rest.chars().next() else { return Err(NoToken::End) };
        let (kind, length) = match first {
            '{' => (Kind::OpenBrace, 1),
            '}' => (Kind::CloseBrace, 1),
            ',' => (Kind::Comma, 1),
            '=' if rest.starts_with("=~") => (Kind::Operator(MatchOp::Regex), 2),
            '=' => (Kind::Operator(MatchOp::Equal), 1),
            '!' if rest.starts_with("!=") => (Kind::Operator(MatchOp::NotEqual), 2),
            '!' if rest.starts_with("!~") => (Kind::Operator(MatchOp::NotRegex), 2),
            '!' if rest.len() == 1 => {
                return Err(self.bad(start..start + 1, "unexpected end of input, expected one of '=~'"));
            }
            '!' => return Err(self.bad(start..start + 1, "!: expected one of '=~'")),
            '"' => match quoted_length(rest) {
                Some(length) => (Kind::Quoted, length),
                None => return Err(self.bad(start..self.text.len(), &format!("{rest}: missing end \""))),
            },
            c if is_reserved(c) => {
                return Err(self.bad(start..start + c.len_utf8(), &format!("{c}: invalid input")));
            }
            _ => (Kind::Unquoted, rest.find(is_reserved).unwrap_or(rest.len())),
        };
        self.at += length;
        Ok(Token { kind, range: start..self.at })
    }

    fn bad(&self, range: Range<usize>, what: &str) -> NoToken {
        let hint = bad_hint(self.text, &range);
        NoToken::Bad(MatcherError { message: format!("{}: {what}", columns(self.text, &range)), range, hint })
    }
}

/// Returns the length of a quoted text, quotes included.
fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn columns(text: &str, range: &Range<usize>) -> String {
    let start = text[..range.start].chars().count();
    format!("{start}:{}", start + text[range.clone()].chars().count())
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Result<Token, NoToken>>,
    seen: &'a mut Seen,
}

impl Parser<'_> {
    fn list(&mut self) -> Result<Vec<Matcher>, MatcherError> {
        let mut matchers = Vec::new();
        let opened = match self.peek() {
            Err(NoToken::End) => return Ok(matchers),
            Err(NoToken::Bad(error)) => return Err(error),
            Ok(token) => token.kind == Kind::OpenBrace,
        };
        if opened {
            self.peeked = None;
        }
        match self.peek() {
            Err(NoToken::Bad(error)) => return Err(error),
            Err(NoToken::End) => return self.close(opened).map(|()| matchers),
            Ok(token) if token.kind == Kind::CloseBrace => return self.close(opened).map(|()| matchers),
            Ok(_) => {}
        }
        loop {
            matchers.push(self.matcher()?);
            match self.peek() {
                Err(NoToken::End) => break,
                Ok(token) if token.kind == Kind::CloseBrace => break,
                Ok(token) if token.kind == Kind::Comma => self.peeked = None,
                other => return Err(self.wrong(other, COMMA)),
            }
            match self.peek() {
                Err(NoToken::End) => break,
                Ok(token) if token.kind == Kind::CloseBrace => break,
                Ok(token) if matches!(token.kind, Kind::Quoted | Kind::Unquoted) => {}
                other => return Err(self.wrong(other, "expected a matcher or close brace after comma")),
            }
        }
        self.close(opened).map(|()| matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name_token =
            self.expect(|kind| matches!(kind, Kind::Quoted | Kind::Unquoted), "expected label name")?;
        let name = self.unquote(&name_token)?;
        let operator = self.expect(|kind| matches!(kind, Kind::Operator(_)), OPERATOR)?;
        let value_token =
            self.expect(|kind| matches!(kind, Kind::Quoted | Kind::Unquoted), "expected label value")?;
        let value = self.unquote(&value_token)?;
        let Kind::Operator(op) = operator.kind else { unreachable!("only an operator was let through") };
        self.seen.matcher(name, op, value).map_err(|error| MatcherError {
            message: format!("failed to create matcher: {error}"),
            range: value_token.range,
            hint: None,
        })
    }

    /// Checks that braces pair and that nothing follows.
    fn close(&mut self, opened: bool) -> Result<(), MatcherError> {
        let closing = self.take();
        let text = self.lexer.text;
        let upto = text[..self.lexer.at].chars().count();
        let whole = |message, hint: &str| {
            Err(MatcherError { message, range: 0..text.len(), hint: Some(hint.to_owned()) })
        };
        match (opened, &closing) {
            (true, Err(NoToken::End)) => {
                return whole(format!("0:{upto}: end of input: expected close brace"), "add `}` at the end");
            }
            (false, Ok(token)) if token.kind == Kind::CloseBrace => {
                return whole(
                    format!("0:{upto}: }}: expected opening brace"),
                    "quote the value, or add `{` at the beginning",
                );
            }
            (true, Ok(token)) if token.kind == Kind::CloseBrace => {}
            (true, _) => return Err(self.wrong(closing, COMMA)),
            (false, _) => return Ok(()),
        }
        match self.take() {
            Err(NoToken::End) => Ok(()),
            Err(NoToken::Bad(error)) => {
                Err(MatcherError { message: format!("{}: expected end of input", error.message), ..error })
            }
            Ok(token) => {
                let message = format!(
                    "{}: {}: expected end of input",
                    columns(text, &token.range),
                    &text[token.range.clone()]
                );
                Err(MatcherError { message, range: token.range, hint: None })
            }
        }
    }

    fn peek(&mut self) -> Result<Token, NoToken> {
        let peeked = match self.peeked.take() {
            Some(peeked) => peeked,
            None => self.lexer.next(),
        };
        self.peeked = Some(peeked.clone());
        peeked
    }

    fn take(&mut self) -> Result<Token, NoToken> {
        self.peeked.take().unwrap_or_else(|| self.lexer.next())
    }

    fn expect(&mut self, fits: fn(Kind) -> bool, expected: &str) -> Result<Token, MatcherError> {
        match self.take() {
            Ok(token) if fits(token.kind) => Ok(token),
            other => Err(self.wrong(other, expected)),
        }
    }

    fn wrong(&self, found: Result<Token, NoToken>, expected: &str) -> MatcherError {
        let text = self.lexer.text;
        match found {
            Err(NoToken::End) => MatcherError {
                message: format!("end of input: {expected}"),
                range: text.len()..text.len(),
                hint: (expected == "expected label value")
                    .then(|| "an empty value is written `\"\"`".to_owned()),
            },
            Err(NoToken::Bad(error)) => {
                MatcherError { message: format!("{}: {expected}", error.message), ..error }
            }
            Ok(token) => MatcherError {
                message: format!(
                    "{}: unexpected {}: {expected}",
                    columns(text, &token.range),
                    &text[token.range.clone()]
                ),
                hint: bad_hint(text, &token.range),
                range: token.range,
            },
        }
    }

    fn unquote(&self, token: &Token) -> Result<String, MatcherError> {
        let raw = &self.lexer.text[token.range.clone()];
        if token.kind == Kind::Unquoted {
            return Ok(raw.to_owned());
        }
        unquoted(raw).map_err(|at| {
            let start = token.range.start + at;
            let escape = &self.lexer.text[start..token.range.end];
            let hint = escape.starts_with('\\').then(|| "write a backslash as `\\\\`".to_owned());
            let message = format!("{}: {raw}: invalid input", columns(self.lexer.text, &token.range));
            MatcherError { message, range: token.range.clone(), hint }
        })
    }
}

fn bad_hint(text: &str, range: &Range<usize>) -> Option<String> {
    let found = &text[range.clone()];
    match found.chars().next() {
        Some('\'' | '`') => Some("use double quotes".to_owned()),
        Some('"') if quoted_length(found).is_none() => Some("the closing quote is missing".to_owned()),
        Some('=') if text[..range.start].ends_with('=') => Some("write one equals sign".to_owned()),
        Some('!' | '~' | '=' | '\\' | '{' | '}') => {
            Some("quote a value that holds such characters".to_owned())
        }
        Some(c) if !is_reserved(c) => Some("quote a value that holds spaces".to_owned()),
        _ => None,
    }
}
