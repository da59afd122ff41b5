//! Walks over the author's text of a `PromQL` expression, and says for each hole where it stands.

use std::ops::Range;

use crate::model::Pattern;
use crate::model::go_string::unquoted;
use crate::template::stand_in::{MOST_HOLES, is_literal_in, is_stand_in, stand_in, without_stand_ins};

/// A piece of an expression: author's text, or a hole; and the bytes of the source that it comes from.
pub(super) enum Piece<'t> {
    Text(&'t str, Range<usize>),
    Hole(Range<usize>),
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside of quotes.
    Bare,
    /// In a string that ends with this quote.
    Text(char),
    /// The same, and the string is the pattern of a matcher; whether what follows may apply to the last character alone.
    Pattern(char, bool),
}

/// Why a value cannot stand where it does, or the text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// Returns the place of each hole, in order.
pub(super) fn places<'t>(pieces: impl Iterator<Item = Piece<'t>>) -> Result<Vec<Place>, Vec<Refusal>> {
    let mut lexer = Lexer::default();
    let mut whole = 0..0;
    for piece in pieces {
        match piece {
            Piece::Text(text, range) => {
                whole.end = whole.end.max(range.end);
                for (at, character) in text.char_indices() {
                    let end = range.start + at + character.len_utf8();
                    lexer.character(character, range.start + at..end);
                }
            }
            Piece::Hole(range) => {
                whole.end = whole.end.max(range.end);
                lexer.hole(range);
            }
        }
    }
    if matches!(lexer.state, State::String(_) | State::Raw) && lexer.refusals.is_empty() {
        lexer.refuse(
            "promql-syntax",
            whole,
            "a string of the query does not end",
            "add the quote that closes it",
        );
    }
    if lexer.refusals.is_empty() { Ok(lexer.places) } else { Err(lexer.refusals) }
}

/// What the reading is in.
#[derive(Default)]
enum State {
    /// Outside of everything.
    #[default]
    Code,
    /// In a string in which backslashes escape.
    String(Text),
    /// In a string in backticks, in which nothing can be escaped.
    Raw,
    /// From `#` to the end of the line.
    Comment,
}

/// A string that is being read.
struct Text {
    quote: char,
    /// What has been read of it, quotes and escapes included; characters stand for its holes.
    written: String,
    /// Where in the source its holes stand.
    holes: Vec<Range<usize>>,
    is_pattern: bool,
    escape: Escape,
}

/// How far an escape has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// There is none.
    No,
    /// Its backslash.
    Begun,
    /// Its letter; so many digits are still to come.
    Digits(u8),
}

impl Escape {
    /// Goes over the next character, as Go does.
    fn next(self, character: char) -> Self {
        match (self, character) {
            (Self::Begun, 'x' | '0'..='7') => Self::Digits(2),
            (Self::Begun, 'u') => Self::Digits(4),
            (Self::Begun, 'U') => Self::Digits(8),
            (Self::Begun, _) => Self::No,
            (Self::Digits(count), digit) if count > 1 && digit.is_ascii_hexdigit() => Self::Digits(count - 1),
            (_, '\\') => Self::Begun,
            _ => Self::No,
        }
    }
}

#[derive(Default)]
struct Lexer {
    state: State,
    /// The last character outside of strings.
    last: char,
    /// Whether `=~` or `!~` stands before what comes next; white space and comments may be between.
    is_matching: bool,
    places: Vec<Place>,
    refusals: Vec<Refusal>,
}

impl Lexer {
    fn character(&mut self, character: char, range: Range<usize>) {
        if is_stand_in(character) {
            self.refuse("promql-syntax", range, "this character is for private use", "leave it out");
        }
        match &mut self.state {
            State::Code => {
                self.state = match character {
                    '"' | '\'' => State::String(Text {
                        quote: character,
                        written: character.to_string(),
                        holes: Vec::new(),
                        is_pattern: self.is_matching,
                        escape: Escape::No,
                    }),
                    '`' => State::Raw,
                    '#' => State::Comment,
                    _ => State::Code,
                };
                if !character.is_whitespace() && character != '#' {
                    self.is_matching = character == '~' && matches!(self.last, '=' | '!');
                }
                self.last = character;
            }
            State::String(text) => {
                // What follows a value may repeat it: as a whole, not its last character.
                if text.written.ends_with(is_stand_in)
                    && matches!(character, '*' | '+' | '?' | '{' | '\\')
                    && let Some(Place::Pattern(_, is_repeated)) = self.places.last_mut()
                {
                    *is_repeated = true;
                }
                text.written.push(character);
                if text.escape != Escape::Begun && character == text.quote {
                    self.close();
                } else {
                    text.escape = text.escape.next(character);
                }
            }
            State::Raw if character == '`' => self.state = State::Code,
            // As Prometheus reads them, either ends it.
            State::Comment if matches!(character, '\n' | '\r') => self.state = State::Code,
            State::Raw | State::Comment => {}
        }
    }

    fn hole(&mut self, range: Range<usize>) {
        let (place, refusal) = match &mut self.state {
            State::Code => {
                (self.last, self.is_matching) = ('x', false);
                (Place::Bare, None)
            }
            State::Raw => (
                Place::Bare,
                Some(("a value cannot stand in backticks", "write the string in double quotes")),
            ),
            State::Comment => (Place::Bare, Some(("a value cannot stand in a comment", "leave it out"))),
            State::String(text) => {
                let refusal = match text.escape {
                    Escape::Begun => Some((
                        "a value cannot stand after a backslash",
                        "leave the backslash out: the value is escaped",
                    )),
                    Escape::Digits(_) => Some((
                        "a value cannot stand inside an escape",
                        "write all digits of the escape before it",
                    )),
                    Escape::No if text.holes.len() >= MOST_HOLES => {
                        Some(("a string has at most 1000 holes", "make the text of them before: `vars:`"))
                    }
                    Escape::No => None,
                };
                text.written.push(stand_in(text.holes.len()));
                text.holes.push(range.clone());
                text.escape = Escape::No;
                (
                    if text.is_pattern { Place::Pattern(text.quote, false) } else { Place::Text(text.quote) },
                    refusal,
                )
            }
        };
        self.places.push(place);
        if let Some((message, hint)) = refusal {
            self.refuse("promql-hole", range, message, hint);
        }
    }

    /// Ends a string. In a pattern, each value has to be a text of its own: Prometheus reads it after the quotes are gone.
    fn close(&mut self) {
        let State::String(text) = std::mem::take(&mut self.state) else { return };
        if !text.is_pattern || text.holes.is_empty() {
            return;
        }
        let pattern =
            unquoted(&text.written).map_err(|_| "the string around this has a wrong escape".to_owned());
        let pattern = pattern.and_then(|pattern| match Pattern::new(&pattern) {
            Ok(_) => Ok(pattern),
            Err(error) => Err(without_stand_ins(&error.to_string())),
        });
        for (at, range) in text.holes.into_iter().enumerate() {
            let message = match &pattern {
                Err(message) => message.clone(),
                Ok(pattern) if is_literal_in(pattern, stand_in(at)) => continue,
                Ok(_) => "a value can only stand where a regular expression has plain text".to_owned(),
            };
            let hint = "not in brackets, braces or groups' names, nor after a backslash";
            self.refuse("promql-hole", range, &message, hint);
        }
    }

    fn refuse(&mut self, code: &'static str, range: Range<usize>, message: &str, hint: &'static str) {
        self.refusals.push(Refusal { code, range, message: message.to_owned(), hint });
    }
}
