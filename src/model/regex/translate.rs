//! Reads a pattern by the rules of Go's regexp/syntax and writes it for the regex crate. Main function: [`translate`].
//!
//! Nothing is taken over as it stands: literals are escaped, classes are spelled out, `\d \w \s \b` are ASCII, and
//! flags are put around what they apply to. Groups do not capture; greediness is dropped, for only whether the whole
//! text matches is asked. What Go refuses is refused with Go's words.

use super::RegexError;
use super::class::{self, Class};

/// How deep groups may nest. Go's limit is 1,000; nobody needs either.
const MAX_DEPTH: usize = 200;
/// The largest count in braces, also multiplied over nested ones.
const MAX_REPEAT: u32 = 1_000;

/// A pattern for the regex crate.
pub(super) struct Translated {
    /// The pattern, anchored as Alertmanager anchors it.
    pub(super) rust: String,
    /// Whether it holds something that can take much memory when compiled.
    pub(super) may_be_large: bool,
}

/// Translates `^(?:SOURCE)$`.
pub(super) fn translate(source: &str) -> Result<Translated, RegexError> {
    let whole = format!("^(?:{source})$");
    let mut translator = Translator {
        whole: &whole,
        rest: &whole,
        flags: Flags::default(),
        frames: vec![Frame::default()],
        may_be_large: false,
    };
    translator.run()?;
    let may_be_large = translator.may_be_large;
    let Some(frame) = translator.frames.pop().filter(|_| translator.frames.is_empty()) else {
        return Err(syntax("missing closing )", &whole));
    };
    Ok(Translated { rust: frame.close().text, may_be_large })
}

/// An error in the words of Go.
pub(super) fn syntax(problem: &'static str, part: &str) -> RegexError {
    RegexError::Syntax { problem, part: part.to_owned() }
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_all: bool,
}

/// Something that a repetition can apply to, already written for the regex crate.
struct Item {
    text: String,
    /// The largest product of nested counts in it.
    repeats: u32,
}

/// An open group.
#[derive(Default)]
struct Frame {
    finished: Vec<String>,
    items: Vec<Item>,
    repeats: u32,
    outer_flags: Flags,
}

impl Frame {
    fn end_alternative(&mut self) {
        let text = self.items.drain(..).fold(String::new(), |mut text, item| {
            self.repeats = self.repeats.max(item.repeats);
            text.push_str(&item.text);
            text
        });
        self.finished.push(text);
    }

    fn close(mut self) -> Item {
        self.end_alternative();
        Item { text: self.finished.join("|"), repeats: self.repeats.max(1) }
    }
}

struct Translator<'a> {
    whole: &'a str,
    rest: &'a str,
    flags: Flags,
    frames: Vec<Frame>,
    may_be_large: bool,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), RegexError> {
        // Where the repetition that has just been read begins; two in a row are an error.
        let mut last_repeat: Option<&'a str> = None;
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeated = None;
            match c {
                '(' if self.rest.starts_with("(?") => self.perl_group()?,
                '(' => {
                    self.rest = &self.rest[1..];
                    self.open(self.flags)?;
                }
                '|' => {
                    self.rest = &self.rest[1..];
                    self.frame().end_alternative();
                }
                ')' => self.close()?,
                '^' => self.push_ascii(if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
                '$' => self.push_ascii(if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
                '.' => self.push_ascii(if self.flags.dot_all { "(?s:.)" } else { "." }),
                '[' => {
                    let (class, rest) = class::bracketed(self.rest)?;
                    self.rest = rest;
                    self.push_class(&class);
                }
                '*' | '+' | '?' => {
                    self.rest = &self.rest[1..];
                    self.repeat(before, last_repeat, &c.to_string(), None)?;
                    repeated = Some(before);
                }
                '{' => match counted(self.rest) {
                    None => {
                        self.rest = &self.rest[1..];
                        self.push_literal('{');
                    }
                    Some((counts, rest)) => {
                        self.rest = rest;
                        let sound = counts.min.is_some_and(|min| min <= MAX_REPEAT)
                            && counts.max.is_none_or(|max| {
                                max <= MAX_REPEAT && counts.min.is_some_and(|min| min <= max)
                            });
                        if !sound {
                            return Err(syntax("invalid repeat count", self.since(before)));
                        }
                        self.repeat(before, last_repeat, self.since(before), Some(counts))?;
                        repeated = Some(before);
                    }
                },
                '\\' => self.escape()?,
                c => {
                    self.rest = &self.rest[c.len_utf8()..];
                    self.push_literal(c);
                }
            }
            last_repeat = repeated;
        }
        Ok(())
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the outermost frame is only taken after the loop")
    }

    /// Returns what has been read since a place.
    fn since(&self, before: &'a str) -> &'a str {
        &before[..before.len() - self.rest.len()]
    }

    fn open(&mut self, flags: Flags) -> Result<(), RegexError> {
        if self.frames.len() > MAX_DEPTH {
            return Err(syntax("expression nests too deeply", self.whole));
        }
        self.frames.push(Frame { outer_flags: self.flags, ..Frame::default() });
        self.flags = flags;
        Ok(())
    }

    fn close(&mut self) -> Result<(), RegexError> {
        if self.frames.len() < 2 {
            return Err(syntax("unexpected )", self.whole));
        }
        let frame = self.frames.pop().expect("there are at least two");
        self.flags = frame.outer_flags;
        let inner = frame.close();
        self.rest = &self.rest[1..];
        self.frame().items.push(Item { text: format!("(?:{})", inner.text), ..inner });
        Ok(())
    }

    /// Reads what begins with `(?`: a named group, flags, or a group with flags.
    fn perl_group(&mut self) -> Result<(), RegexError> {
        let start = self.rest;
        let named = if start.len() > 4 && start.starts_with("(?P<") {
            Some(4)
        } else {
            start.starts_with("(?<").then_some(3)
        };
        if let Some(prefix) = named {
            let Some(end) = start.find('>') else {
                return Err(syntax("invalid named capture", start));
            };
            let name = &start[prefix..end];
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(syntax("invalid named capture", &start[..=end]));
            }
            self.rest = &start[end + 1..];
            return self.open(self.flags);
        }
        let mut flags = self.flags;
        // After a `-`, flags are taken away; one at least has to follow it.
        let (mut adding, mut saw_flag) = (true, false);
        self.rest = &start[2..];
        while let Some(c) = self.rest.chars().next() {
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                'i' => flags.fold_case = adding,
                'm' => flags.multi_line = adding,
                's' => flags.dot_all = adding,
                'U' => {}
                '-' if adding => {
                    (adding, saw_flag) = (false, false);
                    continue;
                }
                ':' | ')' if adding || saw_flag => {
                    if c == ':' {
                        return self.open(flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            saw_flag = true;
        }
        Err(syntax("invalid or unsupported Perl syntax", self.since(start)))
    }

    fn repeat(
        &mut self,
        before: &'a str,
        last_repeat: Option<&'a str>,
        written: &str,
        counts: Option<Counts>,
    ) -> Result<(), RegexError> {
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
        }
        if let Some(last) = last_repeat {
            return Err(syntax("invalid nested repetition operator", self.since(last)));
        }
        let part = self.since(before);
        let Some(item) = self.frame().items.pop() else {
            return Err(syntax("missing argument to repetition operator", part));
        };
        let mut repeats = item.repeats;
        if let Some(Counts { min, max }) = counts {
            self.may_be_large = true;
            // A count of 0 makes what is inside irrelevant; an open end counts as its beginning.
            let most = max.or(min).unwrap_or(0);
            repeats = if max == Some(0) { 1 } else { repeats.saturating_mul(most.max(1)) };
            if repeats > MAX_REPEAT {
                return Err(syntax("invalid repeat count", part));
            }
        }
        self.frame().items.push(Item { text: format!("(?:{}){written}", item.text), repeats });
        Ok(())
    }

    /// Reads what begins with a backslash, outside of brackets.
    fn escape(&mut self) -> Result<(), RegexError> {
        let start = self.rest;
        let mut after = start[1..].chars();
        let next = after.next();
        let assertion = match next {
            Some('A') => Some(r"\A"),
            Some('z') => Some(r"\z"),
            Some('b') => Some(r"(?-u:\b)"),
            Some('B') => Some(r"(?-u:\B)"),
            Some('C') => return Err(syntax("invalid escape sequence", r"\C")),
            _ => None,
        };
        if let Some(assertion) = assertion {
            self.rest = after.as_str();
            self.push(assertion.to_owned());
            return Ok(());
        }
        if next == Some('Q') {
            let quoted = after.as_str();
            let (text, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            text.chars().for_each(|c| self.push_literal(c));
            self.rest = rest;
            return Ok(());
        }
        if let Some((class, rest)) = class::escaped(start)? {
            self.rest = rest;
            self.may_be_large |= matches!(next, Some('p' | 'P'));
            self.push_class(&class);
            return Ok(());
        }
        let (code, rest) = class::escaped_char(start)?;
        self.rest = rest;
        match char::from_u32(code) {
            Some(c) => self.push_literal(c),
            None => self.push(class::NOTHING.to_owned()),
        }
        Ok(())
    }

    fn push(&mut self, text: String) {
        self.frame().items.push(Item { text, repeats: 1 });
    }

    /// Takes one character of the pattern and puts this text for it.
    fn push_ascii(&mut self, text: &str) {
        self.rest = &self.rest[1..];
        self.push(text.to_owned());
    }

    fn push_literal(&mut self, c: char) {
        let text = regex_syntax::escape(c.encode_utf8(&mut [0; 4]));
        let folds = self.flags.fold_case && (c.is_ascii_alphabetic() || !c.is_ascii());
        self.push(if folds { format!("(?i:{text})") } else { text });
    }

    fn push_class(&mut self, class: &Class) {
        self.may_be_large |= class.has_unicode;
        self.push(if self.flags.fold_case { format!("(?i:{})", class.text) } else { class.text.clone() });
    }
}

/// The counts of `{min,max}`; `None` for max means no end, for min that the number is beyond all limits.
#[derive(Clone, Copy)]
struct Counts {
    min: Option<u32>,
    max: Option<u32>,
}

/// Reads `{n}`, `{n,}` or `{n,m}`; anything else after a brace is plain text.
fn counted(text: &str) -> Option<(Counts, &str)> {
    let inner = text.strip_prefix('{')?;
    let (min, rest) = number(inner)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((Counts { min, max: min }, rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((Counts { min, max: None }, rest));
    }
    let (max, rest) = number(rest)?;
    let rest = rest.strip_prefix('}')?;
    let min = max.and(min);
    Some((Counts { min, max }, rest))
}

/// Reads a number without leading zeros; `None` inside means that it is too large to count.
fn number(text: &str) -> Option<(Option<u32>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let zeros_lead = digits > 1 && number.starts_with('0');
    (digits > 0 && !zeros_lead).then(|| (number.parse().ok(), rest))
}
