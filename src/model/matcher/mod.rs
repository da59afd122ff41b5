//! Alertmanager's matchers, in both its grammars. Main types: [`Matcher`], [`MatcherSyntax`].
//!
//! A missing label is the empty string: `x != "v"` matches an alert without `x`, and `x = ""` means that it is absent.

mod classic;
mod fallback;
mod print;
mod utf8;

#[cfg(test)]
mod vectors;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::labels::Labels;
use super::regex::{Pattern, RegexError};

pub use print::{print_list, print_value};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// One matcher: `name = "value"`, with its regular expression checked.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Arc<Pattern>>,
}

/// Which grammar text is read by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatcherSyntax {
    /// Both: the UTF-8 grammar, but where the classic one reads something else, that. Alertmanager's default from 0.27.
    #[default]
    Fallback,
    /// The only one until 0.26; later `--enable-feature=classic-mode`.
    Classic,
    /// Later only: `--enable-feature=utf8-strict-mode`.
    Utf8Strict,
}

/// Matchers that were read, and what a reader should be told about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// All of them must hold.
    pub matchers: Vec<Matcher>,
    /// What Alertmanager would log.
    pub warnings: Vec<MatcherWarning>,
}

/// Text that two versions of Alertmanager read in different ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherWarning {
    /// What is doubtful.
    pub message: String,
    /// How to write it so that every version reads it alike.
    pub suggestion: String,
}

/// Text that is no matcher, in Alertmanager's words.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct MatcherError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text that was read.
    pub range: Range<usize>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl MatchOp {
    /// Returns the operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Tells whether the value is a regular expression.
    pub const fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }

    /// Tells whether it asks for a match, not for its absence.
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::Equal | Self::Regex)
    }

    /// Returns the operator that API v2 writes as `isRegex` and `isEqual`.
    pub const fn from_flags(is_regex: bool, is_equal: bool) -> Self {
        match (is_regex, is_equal) {
            (false, true) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Regex,
            (true, false) => Self::NotRegex,
        }
    }
}

impl std::fmt::Display for MatchOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Matcher {
    /// Makes a matcher from its parts; the value is taken as it is, never as syntax.
    ///
    /// # Errors
    /// The name is empty, or a regular expression is none.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, MatcherPartError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(MatcherPartError::NoName);
        }
        Ok(Seen::default().matcher(name, op, value)?)
    }

    /// Makes `name = "value"`, which cannot fail; what exact identities are written with.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// Returns the name of the label that is looked at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how it compares.
    pub const fn op(&self) -> MatchOp {
        self.op
    }

    /// Returns the value or regular expression, unescaped.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns the regular expression, where it is one.
    pub fn pattern(&self) -> Option<&Arc<Pattern>> {
        self.pattern.as_ref()
    }

    /// Tells whether labels match.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        self.matches_value(labels.label(&self.name))
    }

    /// Tells whether a label's value matches; `None` where the label is absent.
    pub fn matches_value(&self, value: Option<&str>) -> bool {
        let value = value.unwrap_or_default();
        match &self.pattern {
            None => (value == self.value) == self.op.is_positive(),
            Some(pattern) => pattern.is_match(value) == self.op.is_positive(),
        }
    }

    /// Tells whether it matches where the label is absent.
    pub fn matches_empty(&self) -> bool {
        match &self.pattern {
            None => self.matches_value(None),
            Some(pattern) => pattern.matches_empty() == self.op.is_positive(),
        }
    }
}

/// The patterns of the text at hand: two grammars read it, but a pattern is worked out once.
#[derive(Default)]
struct Seen(Vec<(String, Result<Arc<Pattern>, RegexError>)>);

impl Seen {
    /// Makes a matcher, whose name may be empty, as both of Alertmanager's grammars allow.
    fn matcher(&mut self, name: String, op: MatchOp, value: String) -> Result<Matcher, RegexError> {
        let pattern = if op.is_regex() { Some(self.pattern(&value)?) } else { None };
        Ok(Matcher { name, op, value, pattern })
    }

    fn pattern(&mut self, value: &str) -> Result<Arc<Pattern>, RegexError> {
        if let Some((_, known)) = self.0.iter().find(|(source, _)| source == value) {
            return known.clone();
        }
        let pattern = Pattern::new(value).map(Arc::new);
        self.0.push((value.to_owned(), pattern.clone()));
        pattern
    }
}

impl PartialEq for Matcher {
    /// Compares what is written, as Alertmanager compares the matchers of silences.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

/// Parts that make no matcher.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum MatcherPartError {
    /// The name is empty.
    #[error("a matcher needs the name of a label")]
    NoName,
    /// The regular expression is none.
    #[error(transparent)]
    Regex(#[from] RegexError),
}

/// Reads a list of matchers: `a="b", c=~"d|e"`, with or without braces around it; empty text is an empty list.
///
/// # Errors
/// The words of Alertmanager for this grammar (in `Fallback`, those of the classic one, as in Alertmanager).
pub fn parse_list(text: &str, syntax: MatcherSyntax) -> Result<Parsed, MatcherError> {
    let mut seen = Seen::default();
    let only = |matchers| Parsed { matchers, warnings: Vec::new() };
    match syntax {
        MatcherSyntax::Classic => classic::parse_list(text, &mut seen).map(only),
        MatcherSyntax::Utf8Strict => utf8::parse_list(text, &mut seen).map(only),
        MatcherSyntax::Fallback => fallback::parse_list(text, &mut seen),
    }
}

/// Reads exactly one matcher without braces, as `filter=` of the API and amtool's arguments take it.
///
/// # Errors
/// The words of Alertmanager for this grammar.
pub fn parse_one(text: &str, syntax: MatcherSyntax) -> Result<(Matcher, Vec<MatcherWarning>), MatcherError> {
    let mut seen = Seen::default();
    let only = |matcher| (matcher, Vec::new());
    match syntax {
        MatcherSyntax::Classic => classic::parse_one(text, 0, &mut seen).map(only),
        MatcherSyntax::Utf8Strict => utf8::parse_bare(text, &mut seen).map(only),
        MatcherSyntax::Fallback => fallback::parse_one(text, &mut seen),
    }
}

/// Returns the first matcher that labels fail, or nothing where all hold: what an explanation names.
pub fn first_failing<'m>(matchers: &'m [Matcher], labels: &impl Labels) -> Option<&'m Matcher> {
    matchers.iter().find(|matcher| !matcher.matches(labels))
}

/// Tells whether a silence with these matchers is listed by a filter: every filter must be among them, literally.
///
/// As `GET /api/v2/silences?filter=` does it; the filters are not evaluated.
pub fn lists_silence(silence: &[Matcher], filters: &[Matcher]) -> bool {
    filters.iter().all(|filter| silence.contains(filter))
}

/// The JSON of a matcher in API v2.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(default = "yes")]
    is_equal: bool,
    is_regex: bool,
    name: std::borrow::Cow<'a, str>,
    value: std::borrow::Cow<'a, str>,
}

const fn yes() -> bool {
    true
}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = Document {
            is_equal: self.op.is_positive(),
            is_regex: self.op.is_regex(),
            name: self.name.as_str().into(),
            value: self.value.as_str().into(),
        };
        document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Document::deserialize(deserializer)?;
        let op = MatchOp::from_flags(document.is_regex, document.is_equal);
        Self::new(document.name, op, document.value).map_err(serde::de::Error::custom)
    }
}
