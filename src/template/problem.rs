//! What can be wrong with a template: a [`Problem`] when it is read, a [`RenderError`] when it is filled.

use std::fmt;
use std::ops::Range;

/// Something wrong with a template, found before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable name of the kind of problem, such as `template-syntax`.
    pub code: &'static str,
    /// Where: bytes of the template's source.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// Where in a tree of templates ([`super::JsonTemplate`]), as a JSON pointer; empty elsewhere.
    pub pointer: String,
}

impl Problem {
    /// Makes a problem without a hint.
    pub fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, range, message: message.into(), hint: None, pointer: String::new() }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Moves the range by the bytes that stand before the template in a larger text.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.range = self.range.start + by..self.range.end + by;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A template that could not be filled. Prints what is wrong and in which expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// A stable name of the kind of error, such as `undefined-name`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// In which bytes of the template's source.
    pub range: Option<Range<usize>>,
    /// The expression at that place, as its author wrote it.
    pub expression: Option<String>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl RenderError {
    /// The code of an error about a name without a value.
    pub const UNDEFINED: &'static str = "undefined-name";

    /// Makes an error that is not yet tied to a place.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), range: None, expression: None, hint: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ties the error to a range of the template's source, unless it is tied already.
    #[must_use]
    pub(crate) fn at(mut self, source: &str, range: Range<usize>) -> Self {
        if self.range.is_none() {
            self.expression = source.get(range.clone()).map(|text| text.trim().to_owned());
            self.range = Some(range);
        }
        self
    }

    /// Translates an error of the template engine, for a template with this source.
    pub(crate) fn from_engine(error: &minijinja::Error, source: &str) -> Self {
        use minijinja::ErrorKind as Kind;
        let detail = error.detail().unwrap_or_default();
        let mut made = match error.kind() {
            Kind::UndefinedError => undefined(detail),
            Kind::OutOfFuel => Self::new("template-too-much-work", "takes too much work to fill")
                .with_hint("a loop runs too often, or a text grows too long"),
            Kind::InvalidOperation if detail.contains("is undefined)") => undefined(detail),
            kind if detail.is_empty() => Self::new("template-failed", kind.to_string()),
            _ => Self::new("template-failed", detail),
        };
        if let Some(range) = error.range().filter(|range| source.get(range.clone()).is_some()) {
            made = made.at(source, range);
        }
        made
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.expression {
            Some(expression) if !self.message.contains(expression.as_str()) => {
                let short: String = expression.chars().take(80).collect();
                let more = if short.len() < expression.len() { "..." } else { "" };
                write!(f, " in `{short}{more}`")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for RenderError {}

/// `detail` names the expression in backticks before `is undefined`; a label is the usual case.
fn undefined(detail: &str) -> RenderError {
    let name = detail.split('`').rev().nth(1).filter(|_| detail.matches('`').count() >= 2);
    let Some(name) = name else {
        return RenderError::new(RenderError::UNDEFINED, "a name is undefined")
            .with_hint("give it a value for when it is absent: `... | default(\"none\")`");
    };
    RenderError::new(RenderError::UNDEFINED, format!("`{name}` is undefined"))
        .with_hint(format!("`{name} | default(\"none\")` gives a value for when it is absent"))
}
