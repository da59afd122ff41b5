//! Regular expressions with the meaning that Alertmanager gives them. Main type: [`Pattern`].
//!
//! Alertmanager compiles `^(?:VALUE)$` with Go's regexp package (RE2). The regex crate differs from it in many small
//! ways, so a pattern is parsed by Go's rules and written anew for the regex crate (`translate.rs`).

mod class;
mod translate;

use std::fmt;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// The most memory that one compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// How deep translated patterns may nest: some levels for each group that a writer may open.
const NEST_LIMIT: u32 = 2_000;

/// Patterns longer than this are compiled when they are read, not when first used.
const SHORT: usize = 2_000;

/// A pattern that is not one, in the words of Go's regexp package.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum RegexError {
    /// It does not parse: what is wrong, and the part of `^(?:PATTERN)$` that shows it.
    #[error("error parsing regexp: {problem}: `{part}`")]
    Syntax {
        /// What is wrong.
        problem: &'static str,
        /// The part of the pattern.
        part: String,
    },
    /// It parses, but would take too much memory.
    #[error("the regular expression is too large: it would take more than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
    /// The regex crate does not know a class that Go knows.
    #[error("the regular expression uses `{0}`, which is not supported")]
    Unsupported(String),
}

/// A pattern that must match the whole text, in time linear in its length.
pub struct Pattern {
    source: String,
    matches_empty: bool,
    test: Test,
}

/// How a text is tested.
enum Test {
    /// The pattern is an alternation of plain texts such as `warning|critical`.
    AnyOf(Vec<String>),
    /// Anything else, for the regex crate; compiled when first used.
    Regex { rust: String, compiled: OnceLock<Option<Regex>> },
}

impl Pattern {
    /// Reads a pattern; `source` is what stands between the quotes of a matcher.
    ///
    /// # Errors
    ///
    /// When it is no regular expression of Go's RE2 syntax, or one that is too large.
    pub fn new(source: &str) -> Result<Self, RegexError> {
        if let Some(texts) = plain_alternatives(source) {
            let matches_empty = texts.iter().any(String::is_empty);
            return Ok(Self { source: source.to_owned(), matches_empty, test: Test::AnyOf(texts) });
        }
        let translated = translate::translate(source)?;
        let compiled = OnceLock::new();
        // Only counted repetitions and Unicode classes can make a short pattern large; the rest is known to fit.
        if translated.may_be_large || source.len() > SHORT {
            let regex = compile(&translated.rust)?;
            compiled.get_or_init(|| Some(regex));
        }
        let matches_empty = match empty_by_syntax(&translated.rust) {
            Ok(Some(known)) => known,
            Ok(None) => compile(&translated.rust)?.is_match(""),
            Err(()) => return Err(RegexError::Unsupported(source.to_owned())),
        };
        let test = Test::Regex { rust: translated.rust, compiled };
        Ok(Self { source: source.to_owned(), matches_empty, test })
    }

    /// Tells whether the empty text matches, and so an alert without the label.
    pub const fn matches_empty(&self) -> bool {
        self.matches_empty
    }

    /// Tells whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.test {
            Test::AnyOf(texts) => texts.iter().any(|plain| plain == text),
            Test::Regex { rust, compiled } => {
                compiled.get_or_init(|| compile(rust).ok()).as_ref().is_some_and(|regex| regex.is_match(text))
            }
        }
    }

    /// Returns the pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the texts that match, where the pattern is an alternation of plain texts.
    pub fn plain_texts(&self) -> Option<&[String]> {
        match &self.test {
            Test::AnyOf(texts) => Some(texts),
            Test::Regex { .. } => None,
        }
    }

    /// Returns the pattern for the regex crate, anchored; none where it is an alternation of plain texts.
    pub(crate) fn rust_source(&self) -> Option<&str> {
        match &self.test {
            Test::AnyOf(_) => None,
            Test::Regex { rust, .. } => Some(rust),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.source)
    }
}

fn compile(rust: &str) -> Result<Regex, RegexError> {
    let built = RegexBuilder::new(rust).size_limit(SIZE_LIMIT).nest_limit(NEST_LIMIT).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => RegexError::TooLarge,
        _ => RegexError::Unsupported(rust.to_owned()),
    })
}

/// Tells from the syntax alone whether the empty text matches: compiling thousands of patterns for that would take long.
///
/// Nothing where only running it can tell; an error where the syntax is not known.
fn empty_by_syntax(rust: &str) -> Result<Option<bool>, ()> {
    let hir =
        regex_syntax::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(rust).map_err(|_| ())?;
    let properties = hir.properties();
    // The ends of texts and lines are where the empty text has them; word boundaries are not.
    Ok(match properties.minimum_len() {
        Some(0) if properties.look_set().contains_word() => None,
        Some(0) => Some(true),
        _ => Some(false),
    })
}

/// Splits `a|b\.c|d`, with or without parentheses around it, into its plain texts.
fn plain_alternatives(source: &str) -> Option<Vec<String>> {
    let inner = source.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(source);
    let mut texts = vec![String::new()];
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let text = texts.last_mut()?;
        match c {
            '|' => texts.push(String::new()),
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation)?),
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            c => text.push(c),
        }
    }
    // `(a\)` ends with an escaped parenthesis, which is not the closing one.
    let closed = inner.len() == source.len() || !trailing_escape(inner);
    closed.then_some(texts)
}

fn trailing_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shared_data;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_accepted_refused_and_matched_as_by_go() {
        let Some(path) = shared_data("vectors/regex_re2.json") else { return };
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut wrong = Vec::new();
        for vector in file["vectors"].as_array().unwrap() {
            let pattern = vector["pattern"].as_str().unwrap();
            let error = vector["error"].as_str();
            match Pattern::new(pattern) {
                Err(found) if Some(found.to_string().as_str()) == error => {}
                Err(found) => wrong.push(format!("{pattern:?}: {found} instead of {error:?}")),
                Ok(_) if error.is_some() => wrong.push(format!("{pattern:?}: accepted instead of {error:?}")),
                Ok(compiled) => {
                    for (list, expected) in [("matches", true), ("non_matches", false)] {
                        for text in vector[list].as_array().unwrap() {
                            let text = text.as_str().unwrap();
                            if compiled.is_match(text) != expected {
                                wrong.push(format!(
                                    "{pattern:?} on {text:?}: not {expected} ({:?})",
                                    compiled.rust_source()
                                ));
                            }
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn alternations_of_plain_texts_need_no_engine() {
        for (pattern, texts) in [
            ("warning|critical", Some(vec!["warning", "critical"])),
            ("(a|b|)", Some(vec!["a", "b", ""])),
            (r"web\.example\.com", Some(vec!["web.example.com"])),
            ("", Some(vec![""])),
            (r"(a\)", None),
            ("a.b", None),
            (r"\d", None),
            ("(a)|(b)", None),
            ("a)|(b", None),
        ] {
            let found = plain_alternatives(pattern);
            assert_eq!(found, texts.map(|texts| texts.into_iter().map(str::to_owned).collect()), "{pattern}");
        }
    }

    #[test]
    fn huge_and_deep_patterns_are_refused() {
        assert_eq!(Pattern::new(r"(\pL{100}\pN{100}){10}").unwrap_err(), RegexError::TooLarge);
        let deep = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(Pattern::new(&deep).unwrap_err().to_string().contains("nests too deeply"));
    }

    #[test]
    fn what_go_knows_beyond_the_vectors_is_translated() {
        for (pattern, yes, no) in [
            (r"(?i)a(?-i)b", vec!["Ab", "ab"], vec!["aB"]),
            (r"a(?i)*", vec!["", "aaa"], vec!["A"]),
            (r"a)|(b", vec!["ax", "a", "xb"], vec!["xa", "bx"]),
            (r"\x{D800}|a", vec!["a"], vec![""]),
            (r"[\x{D7FF}-\x{E000}]", vec!["\u{e000}"], vec!["a"]),
            (r"\p{^L}", vec!["1"], vec!["a", "é"]),
            (r"\pC", vec!["\u{7}"], vec!["\u{378}", "a"]),
            (r"a{,3}", vec!["a{,3}"], vec!["a"]),
            (r"a{01}", vec!["a{01}"], vec!["a"]),
            (r"[[:^digit:]x]", vec!["a", "x"], vec!["1"]),
            (r"[[:word:]&&a]", vec!["&", "_"], vec!["-"]),
            (r"\101\x42", vec!["AB"], vec!["ab"]),
            (r"\Qa*\E*", vec!["a", "a**"], vec!["aa"]),
            (r"(?s-s).", vec!["a"], vec!["\n"]),
            (r"(?U)a+", vec!["aa"], vec![""]),
            (r"\bé", vec![], vec!["é"]),
            (r"[a\]b]+", vec!["a]b"], vec!["\\"]),
        ] {
            let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            for (texts, expected) in [(yes, true), (no, false)] {
                for text in texts {
                    assert_eq!(
                        compiled.is_match(text),
                        expected,
                        "{pattern} on {text:?}: {:?}",
                        compiled.rust_source()
                    );
                }
            }
        }
        for (pattern, problem) in [
            (r"[z-a]", "invalid character class range"),
            (r"[[:foo:]]", "invalid character class range"),
            (r"\p{Letter}", "invalid character class range"),
            (r"\p{Latn}", "invalid character class range"),
            (r"\pX", "invalid character class range"),
            (r"a|*", "missing argument to repetition operator"),
            (r"(?-)a", "invalid or unsupported Perl syntax"),
            (r"\x{110000}", "invalid escape sequence"),
            (r"a{99999999999}", "invalid repeat count"),
        ] {
            let error = Pattern::new(pattern).unwrap_err().to_string();
            assert!(error.contains(problem), "{pattern}: {error}");
        }
    }

    #[test]
    fn whether_nothing_matches_is_known_without_compiling() {
        for pattern in
            ["a*", "a", "(|a)b?", r"\b", r"\B", "^$", "(?m:^)?", "[^a]?", r"\x{D800}", "", "a|", "(?:a)|(b)?"]
        {
            let compiled = Pattern::new(pattern).unwrap();
            assert_eq!(compiled.matches_empty(), compiled.is_match(""), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_also_compiles(pattern in r"[ab(|)\[\]^$.*+?{},0-9\\QEdDwWsSbBpPL:i<>&~#é-]{0,16}") {
            if let Ok(compiled) = Pattern::new(&pattern)
                && let Test::Regex { rust, .. } = &compiled.test
            {
                prop_assert!(!matches!(compile(rust), Err(RegexError::Unsupported(_))), "{} became {}", pattern, rust);
                prop_assert_eq!(compiled.matches_empty(), compiled.is_match(""), "{} became {}", pattern, rust);
            }
        }

        #[test]
        fn escaped_text_matches_itself_only(text in "\\PC{0,12}", other in "\\PC{0,12}") {
            let escaped: String = text.chars().flat_map(|c| c.is_ascii_punctuation().then_some('\\').into_iter().chain([c])).collect();
            let compiled = Pattern::new(&format!("x?{escaped}")).unwrap();
            prop_assert!(compiled.is_match(&text));
            prop_assert_eq!(compiled.is_match(&other), other == text || other == format!("x{text}"));
        }
    }
}
