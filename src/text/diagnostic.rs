//! What is wrong in a file, where, and how to mend it: [`Diagnostic`], collected in [`Diagnostics`].

use std::sync::Arc;

use super::source::{Position, SourceFile};
use super::span::Span;

/// Whether a problem stops the file from being used.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not say what was meant.
    Warning,
}

impl Severity {
    /// Returns the word for it: `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A second place that belongs to a diagnostic, such as the first of two equal keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The file of the place.
    pub file: Arc<SourceFile>,
    /// The place.
    pub span: Span,
    /// What is there, such as `first defined here`.
    pub message: String,
}

/// One problem in what a person wrote.
///
/// The message says what is wrong (lower case, no full stop, the writer's words in backticks), the
/// hint how to mend it. The code is stable: it is what people look up and what tools filter by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of problem, such as `unknown-key`.
    pub code: &'static str,
    /// Whether it stops the file from being used.
    pub severity: Severity,
    /// The file, or none for a problem that is in no file.
    pub file: Option<Arc<SourceFile>>,
    /// The place in the file.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// Makes an error at a place.
    pub fn error(code: &'static str, file: &Arc<SourceFile>, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Some(Arc::clone(file)), span, message.into())
    }

    /// Makes a warning at a place.
    pub fn warning(
        code: &'static str,
        file: &Arc<SourceFile>,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Warning, Some(Arc::clone(file)), span, message.into())
    }

    /// Makes an error that is in no file, such as a directory without playbooks.
    pub fn without_place(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, None, Span::default(), message.into())
    }

    /// Adds how to mend it; the last hint given counts.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds how to mend it, where there is something to say.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds another place in the same file; ignored for a problem that is in no file.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        if let Some(file) = self.file.clone() {
            self.related.push(Related { file, span, message: message.into() });
        }
        self
    }

    /// Adds another place in a file that may be a different one.
    #[must_use]
    pub fn related_in(mut self, file: &Arc<SourceFile>, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { file: Arc::clone(file), span, message: message.into() });
        self
    }

    /// Returns line and column of its place, or none for a problem that is in no file.
    pub fn position(&self) -> Option<Position> {
        self.file.as_ref().map(|file| file.position(self.span.start))
    }

    /// Returns the name of its file, or none for a problem that is in no file.
    pub fn file_name(&self) -> Option<&str> {
        self.file.as_deref().map(SourceFile::name)
    }

    fn new(
        code: &'static str,
        severity: Severity,
        file: Option<Arc<SourceFile>>,
        span: Span,
        message: String,
    ) -> Self {
        Self { code, severity, file, span, message, hint: None, related: Vec::new() }
    }

    /// Sorts by file, place, severity; then by text, so that the order never depends on chance.
    fn order(&self) -> (Option<&str>, Span, Severity, &str, &str) {
        (self.file_name(), self.span, self.severity, self.code, &self.message)
    }
}

/// All problems that were found, in one pass over all files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Makes an empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Drops the problems of a kind that lie within a place.
    pub(super) fn drop_within(&mut self, file: &Arc<SourceFile>, code: &str, span: Span) {
        self.list.retain(|d| {
            let same_file = d.file.as_ref().is_some_and(|known| Arc::ptr_eq(known, file));
            !(same_file && d.code == code && span.contains(d.span))
        });
    }

    /// Orders by file name and place, and drops problems that say the same about the same place.
    pub fn sort(&mut self) {
        self.list.sort_by(|a, b| a.order().cmp(&b.order()));
        self.list.dedup_by(|a, b| a.order() == b.order());
    }

    /// Says whether something stops a file from being used.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Returns the number of errors.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// Returns the number of warnings.
    pub fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }

    /// Returns the number of problems, errors and warnings.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Says whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Goes through the problems, in the order they were found or, after [`sort`](Self::sort), that of the files.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, more: I) {
        self.list.extend(more);
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(all: I) -> Self {
        Self { list: all.into_iter().collect() }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { list: vec![diagnostic] }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Arc<SourceFile> {
        SourceFile::new(name, b"a: 1\nb: 2\n".to_vec()).unwrap()
    }

    #[test]
    fn problems_come_in_the_order_of_files_and_places() {
        let (a, b) = (file("a.yaml"), file("b.yaml"));
        let mut all = Diagnostics::from_iter([
            Diagnostic::error("x", &b, Span::at(0), "third"),
            Diagnostic::warning("x", &a, Span::at(5), "second"),
            Diagnostic::error("x", &a, Span::at(1), "first"),
            Diagnostic::without_place("x", "in no file"),
        ]);
        all.sort();
        let messages: Vec<_> = all.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages, ["in no file", "first", "second", "third"]);
        assert_eq!((all.errors(), all.warnings(), all.len()), (3, 1, 4));
    }

    #[test]
    fn the_same_problem_at_the_same_place_is_said_once() {
        let a = file("a.yaml");
        let problem = Diagnostic::error("x", &a, Span::new(0, 1), "no");
        let other = Diagnostic::error("x", &a, Span::new(0, 1), "no, again");
        let mut all = Diagnostics::from_iter([problem.clone(), other, problem]);
        all.sort();
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn warnings_alone_are_no_errors() {
        let all = Diagnostics::from(Diagnostic::warning("x", &file("a"), Span::at(0), "hm"));
        assert!(!all.has_errors());
        assert!(!all.is_empty());
    }
}
