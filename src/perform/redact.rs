//! Secrets taken out of text, also where it comes in pieces. Main types: [`Redactor`], [`RedactedStream`].

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::model::secret::REDACTED;

/// Values shorter than this, in bytes, are not looked for: every text is full of them.
pub const SHORTEST_REDACTED: usize = 4;
/// Lines of a secret of several lines are looked for from this length on, in bytes.
const SHORTEST_LINE: usize = 8;
/// Inner parts of a base64 form are looked for from this length on.
const SHORTEST_BASE64: usize = 5;

/// Replaces known secrets by `[redacted]`: as they are, as JSON writes them, percent-encoded, and in
/// base64 (both alphabets, also within a longer text such as `user:password`). Of a secret of several
/// lines each line counts as well.
///
/// A secret of fewer than [`SHORTEST_REDACTED`] bytes is not looked for.
#[derive(Debug, Default)]
pub struct Redactor {
    automaton: Option<AhoCorasick>,
    /// Length of the longest form in bytes.
    longest: usize,
}

/// Redacts a text that comes in pieces: a secret that lies across the border of two is found.
#[derive(Debug)]
pub struct RedactedStream {
    redactor: Arc<Redactor>,
    /// The end of what came, in which a secret may have begun.
    held: Vec<u8>,
    /// How much of the beginning of `held` belongs to a secret that is replaced already.
    covered: usize,
}

impl Redactor {
    /// Makes one for these values.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Redactor {
        let mut forms = BTreeSet::new();
        for value in values.into_iter().filter(|value| value.len() >= SHORTEST_REDACTED) {
            add_forms(value, &mut forms);
        }
        if forms.is_empty() {
            return Redactor::default();
        }
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms)
            .expect("the forms of some secrets are far from the 2^31 states that an automaton may have");
        Redactor { automaton: Some(automaton), longest }
    }

    /// Returns whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// Redacts a whole text.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.automaton {
            Some(automaton) if automaton.is_match(text) => {
                let mut redacted = Vec::with_capacity(text.len());
                self.scan(text.as_bytes(), 0, text.len(), &mut |part| redacted.extend_from_slice(part));
                Cow::Owned(String::from_utf8_lossy(&redacted).into_owned())
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// Redacts all texts of a JSON value, keys included.
    pub fn value(&self, value: Value) -> Value {
        if self.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, field)| (self.text(&key).into_owned(), self.value(field)))
                .collect(),
            other => other,
        }
    }

    /// Begins a text that comes in pieces.
    pub fn stream(self: &Arc<Self>) -> RedactedStream {
        RedactedStream { redactor: Arc::clone(self), held: Vec::new(), covered: 0 }
    }

    /// Hands on what is before `safe`, secrets that begin there replaced; the first `covered` bytes
    /// belong to one that is replaced already. Returns where the last secret that was found ends, at least `covered`.
    fn scan(&self, text: &[u8], covered: usize, safe: usize, sink: &mut impl FnMut(&[u8])) -> usize {
        let mut covered = covered;
        let mut from = 0;
        while let Some(found) = self.find(text, from..text.len()).filter(|found| found.start < safe) {
            // Secrets may overlap: what belongs to several becomes one mark.
            if found.start >= covered {
                sink(&text[covered..found.start]);
                sink(REDACTED.as_bytes());
            }
            covered = covered.max(found.end);
            from = found.start + 1;
        }
        if covered < safe {
            sink(&text[covered..safe]);
        }
        covered
    }

    fn find(&self, text: &[u8], within: Range<usize>) -> Option<Range<usize>> {
        let input = Input::new(text).range(within).anchored(Anchored::No);
        Some(self.automaton.as_ref()?.find(input)?.range())
    }
}

impl RedactedStream {
    /// Takes a piece and hands on what is certain by now.
    pub fn push(&mut self, piece: &[u8], mut sink: impl FnMut(&[u8])) {
        if self.redactor.is_empty() {
            return sink(piece);
        }
        self.held.extend_from_slice(piece);
        // A form that begins before this ends within what is held.
        let safe = self.held.len().saturating_sub(self.redactor.longest - 1);
        self.hand_on(safe, &mut sink);
    }

    /// Hands on the rest.
    pub fn finish(&mut self, mut sink: impl FnMut(&[u8])) {
        self.hand_on(self.held.len(), &mut sink);
    }

    fn hand_on(&mut self, safe: usize, sink: &mut impl FnMut(&[u8])) {
        if safe > 0 {
            let covered = self.redactor.scan(&self.held, self.covered, safe, sink);
            self.covered = covered.saturating_sub(safe);
            self.held.drain(..safe);
        }
    }
}

fn add_forms(value: &str, forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(value.as_bytes().to_vec());
    let json = Value::from(value).to_string();
    forms.insert(json[1..json.len() - 1].into());
    // Encoders differ in what they leave alone and in the case of their digits.
    for unreserved in ["-._~", "-._~!'()*"] {
        for upper in [true, false] {
            forms.insert(percent_encoded(value, unreserved, upper).into());
        }
    }
    forms.insert(url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().into());
    for before in 0..3 {
        add_base64(value, before, forms);
    }
    if value.contains('\n') {
        let lines = value.lines().map(str::trim);
        let telling = lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"));
        forms.extend(telling.map(|line| line.as_bytes().to_vec()));
    }
}

fn percent_encoded(value: &str, unreserved: &str, upper: bool) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric() || unreserved.contains(character) {
            text.push(character);
        } else {
            // Writing to a string cannot fail.
            let _ = if upper { write!(text, "%{byte:02X}") } else { write!(text, "%{byte:02x}") };
        }
    }
    text
}

/// Adds the digits of a base64 text that the value alone decides when so many bytes come before it.
fn add_base64(value: &str, before: usize, forms: &mut BTreeSet<Vec<u8>>) {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value.as_bytes());
    let decided = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
        if decided.len() >= SHORTEST_BASE64 {
            forms.insert(text.as_bytes()[decided.clone()].to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(redactor: &Arc<Redactor>, text: &[u8], size: usize) -> String {
        let mut stream = redactor.stream();
        let mut out = Vec::new();
        for piece in text.chunks(size) {
            stream.push(piece, |part| out.extend_from_slice(part));
        }
        stream.finish(|part| out.extend_from_slice(part));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_secret_is_found_in_every_form_that_programs_print_it_in() {
        let secret = "p@ss/wörd \"x\"!";
        let redactor = Redactor::new([secret]);
        let encoded = |text: &str| STANDARD_NO_PAD.encode(text);
        let cases = [
            format!("a {secret} b"),
            serde_json::json!({ "password": secret }).to_string(),
            "https://u:p%40ss%2Fw%C3%B6rd%20%22x%22%21@h/".to_owned(),
            "p%40ss%2fw%c3%b6rd%20%22x%22!".to_owned(),
            "q=p%40ss%2Fw%C3%B6rd+%22x%22%21&r=1".to_owned(),
            encoded(secret),
            format!("Basic {}", encoded(&format!("admin:{secret}"))),
            format!("Basic {}", encoded(&format!("root:{secret}"))),
            format!("Basic {}", encoded(&format!("u:{secret}"))),
            URL_SAFE_NO_PAD.encode(format!("??>{secret}")),
        ];
        for case in cases {
            let shown = redactor.text(&case);
            assert!(shown.contains(REDACTED), "{case}");
            assert!(!shown.contains("wörd") && !shown.contains("w%"), "{shown}");
        }
        assert_eq!(redactor.text("nothing here"), "nothing here");
    }

    #[test]
    fn each_line_of_a_key_is_a_secret_but_not_its_armour() {
        let redactor = Redactor::new(["-----BEGIN KEY-----\nMIIEvQIBADAN\nZm9vYmFyYmF6\n-----END KEY-----"]);
        assert_eq!(redactor.text("  MIIEvQIBADAN\n  Zm9vYmFyYmF6\n"), "  [redacted]\n  [redacted]\n");
        assert_eq!(redactor.text("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
    }

    #[test]
    fn values_that_are_too_short_are_left_alone() {
        assert!(Redactor::new(["", "abc"]).is_empty());
        assert_eq!(Redactor::new(["abc", "abcd"]).text("abc abcd"), "abc [redacted]");
    }

    #[test]
    fn overlapping_secrets_leave_nothing_of_either() {
        let redactor = Arc::new(Redactor::new(["abcd", "cdef", "abcdefgh"]));
        for (text, expected) in [
            ("xabcdefy", "x[redacted]y"),
            ("abcdefgh", "[redacted]"),
            ("abcdefg", "[redacted]g"),
            ("abcdabcd", "[redacted][redacted]"),
            ("abc", "abc"),
        ] {
            assert_eq!(redactor.text(text), expected);
            for size in 1..6 {
                assert_eq!(in_pieces(&redactor, text.as_bytes(), size), expected, "{text} by {size}");
            }
        }
    }

    #[test]
    fn what_is_held_back_is_bounded_by_the_longest_form() {
        let redactor = Arc::new(Redactor::new(["aaaa"]));
        let mut stream = redactor.stream();
        for _ in 0..1_000 {
            stream.push(b"aaaaaaaaaaaaaaaa", |_| ());
            assert!(stream.held.len() < redactor.longest);
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_what_the_whole_gives(text in "[ab%x]{0,200}", size in 1_usize..40, secret in "[ab]{4,7}") {
            let redactor = Arc::new(Redactor::new([secret.as_str(), "abab"]));
            let whole = redactor.text(&text);
            prop_assert!(!whole.contains(&secret));
            prop_assert_eq!(in_pieces(&redactor, text.as_bytes(), size), whole);
        }
    }
}
