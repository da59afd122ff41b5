//! Where something stands in a file: [`Span`], and [`Spanned`] for a value that remembers it.

use std::ops::Range;

/// A range of bytes in the text of a [`SourceFile`](super::SourceFile): `start` included, `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The offset of the first byte.
    pub start: usize,
    /// The offset after the last byte; never before `start`.
    pub end: usize,
}

impl Span {
    /// Makes the span from `start` to `end`; an `end` before `start` counts as `start`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Makes the empty span at `offset`: a place rather than a piece of text.
    pub fn at(offset: usize) -> Self {
        Self { start: offset, end: offset }
    }

    /// Returns the number of bytes it covers.
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Says whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Says whether `other` lies wholly inside it.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns the smallest span that covers both.
    #[must_use]
    pub fn join(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Returns it as a range, to slice a text with.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// A value and the place where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Changes the value and keeps the place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_never_ends_before_it_starts() {
        assert_eq!(Span::new(5, 3), Span::at(5));
        assert!(Span::new(5, 3).is_empty());
    }

    #[test]
    fn joining_covers_both_and_what_lies_between() {
        let joined = Span::new(2, 4).join(Span::new(8, 9));
        assert_eq!(joined, Span::new(2, 9));
        assert!(joined.contains(Span::new(4, 8)));
        assert!(!joined.contains(Span::new(4, 10)));
    }
}
