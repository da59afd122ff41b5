//! Character classes and escapes of Go's regexp/syntax, written out for the regex crate.

use std::fmt::Write as _;

use super::RegexError;
use super::translate::syntax;

/// A class that matches no character.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// A class for the regex crate.
pub(super) struct Class {
    /// Its text, in brackets.
    pub(super) text: String,
    /// Whether it holds a Unicode class, which takes much memory.
    pub(super) has_unicode: bool,
}

const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\x0C\r ";
const WORD: &str = "0-9A-Za-z_";

/// The classes in `[:name:]`, all of them ASCII.
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\t "),
    ("cntrl", r"\x00-\x1F\x7F"),
    ("digit", "0-9"),
    ("graph", r"\x21-\x7E"),
    ("lower", "a-z"),
    ("print", r"\x20-\x7E"),
    ("punct", r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E"),
    ("space", r"\t\n\x0B\x0C\r "),
    ("upper", "A-Z"),
    ("word", WORD),
    ("xdigit", "0-9A-Fa-f"),
];

/// Go's names of the general categories.
const CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl",
    "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
    "Any",
];

/// Scripts whose full names have four letters; other names of four letters are codes, which Go does not know.
const SHORT_SCRIPTS: [&str; 9] = ["Ahom", "Cham", "Kawi", "Lisu", "Miao", "Modi", "Newa", "Thai", "Toto"];

/// Reads `[...]`; returns the class and what follows it.
pub(super) fn bracketed(whole: &str) -> Result<(Class, &str), RegexError> {
    let mut rest = &whole[1..];
    let mut text = String::from("[");
    let mut has_unicode = false;
    if let Some(after) = rest.strip_prefix('^') {
        rest = after;
        text.push('^');
    }
    let (opened, mut first) = (text.len(), true);
    while first || !rest.starts_with(']') {
        if rest.is_empty() {
            return Err(syntax("missing closing ]", whole));
        }
        first = false;
        if let Some((class, after)) = posix(rest)? {
            text.push_str(&class);
            rest = after;
            continue;
        }
        if let Some((class, after)) = escaped(rest)? {
            text.push_str(&class.text);
            has_unicode |= class.has_unicode;
            rest = after;
            continue;
        }
        let start = rest;
        let (low, after) = class_char(rest, whole)?;
        rest = after;
        let mut high = low;
        // In `[a-]` the dash stands for itself.
        if rest.len() >= 2 && rest.starts_with('-') && !rest.starts_with("-]") {
            (high, rest) = class_char(&rest[1..], whole)?;
            if high < low {
                return Err(syntax("invalid character class range", &start[..start.len() - rest.len()]));
            }
        }
        push_range(&mut text, low, high);
    }
    if text.len() == opened {
        // Only surrogates were named, which no text holds.
        let text = if opened == 1 { NOTHING } else { r"[\x{0}-\x{10FFFF}]" };
        return Ok((Class { text: text.to_owned(), has_unicode }, &rest[1..]));
    }
    text.push(']');
    Ok((Class { text, has_unicode }, &rest[1..]))
}

/// Reads `\d`, `\pL`, `\p{Greek}` and the like; nothing where it is another escape.
pub(super) fn escaped(text: &str) -> Result<Option<(Class, &str)>, RegexError> {
    let Some(name) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
        return Ok(None);
    };
    let ranges = match name {
        'd' | 'D' => DIGIT,
        's' | 'S' => SPACE,
        'w' | 'W' => WORD,
        'p' | 'P' => return unicode(text).map(Some),
        _ => return Ok(None),
    };
    let not = if name.is_ascii_uppercase() { "^" } else { "" };
    Ok(Some((Class { text: format!("[{not}{ranges}]"), has_unicode: false }, &text[2..])))
}

/// Reads an escape that stands for one character; returns its code, which may be a surrogate.
pub(super) fn escaped_char(text: &str) -> Result<(u32, &str), RegexError> {
    let mut chars = text.chars();
    chars.next();
    let Some(c) = chars.next() else {
        return Err(syntax("trailing backslash at end of expression", ""));
    };
    let rest = chars.as_str();
    let simple = match c {
        'a' => Some(7),
        'f' => Some(12),
        'n' => Some(10),
        'r' => Some(13),
        't' => Some(9),
        'v' => Some(11),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
        _ => None,
    };
    if let Some(code) = simple {
        return Ok((code, rest));
    }
    match c {
        // A single digit other than 0 would be a back-reference.
        '0' => return Ok(octal(&text[1..])),
        '1'..='7' if rest.starts_with(|next: char| next.is_digit(8)) => return Ok(octal(&text[1..])),
        'x' => return hexadecimal(text, rest),
        _ => {}
    }
    Err(syntax("invalid escape sequence", &text[..text.len() - rest.len()]))
}

/// Reads up to three octal digits.
fn octal(digits: &str) -> (u32, &str) {
    let count = digits.bytes().take(3).take_while(|byte| (b'0'..b'8').contains(byte)).count();
    (u32::from_str_radix(&digits[..count], 8).unwrap_or(0), &digits[count..])
}

/// Reads what follows `\x`: two digits, or any number of them in braces.
fn hexadecimal<'a>(whole: &'a str, rest: &'a str) -> Result<(u32, &'a str), RegexError> {
    let bad = |read: &str| Err(syntax("invalid escape sequence", &whole[..whole.len() - read.len()]));
    let Some(inner) = rest.strip_prefix('{') else {
        let mut chars = rest.chars();
        let mut code = 0;
        for _ in 0..2 {
            let Some(c) = chars.next() else { return bad(chars.as_str()) };
            let Some(digit) = c.to_digit(16) else { return bad(chars.as_str()) };
            code = code * 16 + digit;
        }
        return Ok((code, chars.as_str()));
    };
    let (mut chars, mut code, mut count) = (inner.chars(), 0_u32, 0);
    loop {
        match chars.next() {
            Some('}') if count > 0 => return Ok((code, chars.as_str())),
            Some(c) if c.is_ascii_hexdigit() => {
                code = code * 16 + c.to_digit(16).unwrap_or(0);
                count += 1;
                if code > 0x10_ffff {
                    return bad(chars.as_str());
                }
            }
            _ => return bad(chars.as_str()),
        }
    }
}

/// Reads one character of a class, escaped or not.
fn class_char<'a>(text: &'a str, whole: &str) -> Result<(u32, &'a str), RegexError> {
    let mut chars = text.chars();
    match chars.next() {
        None => Err(syntax("missing closing ]", whole)),
        Some('\\') => escaped_char(text),
        Some(c) => Ok((u32::from(c), chars.as_str())),
    }
}

/// Reads `[:name:]` or `[:^name:]`.
fn posix(text: &str) -> Result<Option<(String, &str)>, RegexError> {
    let Some(inner) = text.strip_prefix("[:") else { return Ok(None) };
    let Some(end) = inner.find(":]") else { return Ok(None) };
    let (name, not) = match inner[..end].strip_prefix('^') {
        Some(name) => (name, "^"),
        None => (&inner[..end], ""),
    };
    let Some((_, ranges)) = POSIX.iter().find(|(known, _)| *known == name) else {
        return Err(syntax("invalid character class range", &text[..end + 4]));
    };
    Ok(Some((format!("[{not}{ranges}]"), &inner[end + 2..])))
}

/// Reads `\pL`, `\PL`, `\p{Greek}` or `\p{^Greek}`.
fn unicode(text: &str) -> Result<(Class, &str), RegexError> {
    let bad = |part: &str| Err(syntax("invalid character class range", part));
    let mut negated = text.starts_with(r"\P");
    let body = &text[2..];
    let (name, rest) = match body.strip_prefix('{') {
        Some(inner) => match inner.split_once('}') {
            Some(parts) => parts,
            None => return bad(text),
        },
        None => body.split_at(body.chars().next().map_or(0, char::len_utf8)),
    };
    let part = &text[..text.len() - rest.len()];
    let plain = name.strip_prefix('^').filter(|_| body.starts_with('{'));
    negated ^= plain.is_some();
    let name = plain.unwrap_or(name);
    let positive = match name {
        "Any" => r"\x{0}-\x{10FFFF}".to_owned(),
        // Go's C leaves unassigned characters out, and no text holds a surrogate.
        "C" => r"\p{Cc}\p{Cf}\p{Co}".to_owned(),
        "Cs" => NOTHING.to_owned(),
        name if CATEGORIES.contains(&name) => format!(r"\p{{{name}}}"),
        name if is_script(name) => format!(r"\p{{Script={name}}}"),
        _ => return bad(part),
    };
    let not = if negated { "^" } else { "" };
    Ok((Class { text: format!("[{not}{positive}]"), has_unicode: true }, rest))
}

/// Tells whether Go knows a script by this name: the full one, spelled as in the Unicode standard.
fn is_script(name: &str) -> bool {
    let spelled = name.split('_').all(|word| {
        let mut letters = word.bytes();
        letters.next().is_some_and(|first| first.is_ascii_uppercase())
            && letters.all(|byte| byte.is_ascii_alphabetic())
    });
    let full = name.len() != 4 || SHORT_SCRIPTS.contains(&name);
    spelled && full && regex_syntax::parse(&format!(r"\p{{Script={name}}}")).is_ok()
}

/// Writes a range, without the surrogates.
fn push_range(text: &mut String, low: u32, high: u32) {
    let surrogates = 0xd800..=0xdfff;
    let low = if surrogates.contains(&low) { 0xe000 } else { low };
    let high = if surrogates.contains(&high) { 0xd7ff } else { high };
    if low <= high {
        let written = write!(text, r"\x{{{low:X}}}-\x{{{high:X}}}");
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
}
