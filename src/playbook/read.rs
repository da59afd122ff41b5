//! [`Reader`]: values of a file's nodes as checked types; what they are not becomes a diagnostic.
//!
//! The walk against the schema comes first and says what has the wrong shape; a reader is silent about that.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::facts::Facts;
use crate::model::{Rate, parse_duration, parse_duration_range, parse_rate};
use crate::text::{Diagnostic, Diagnostics, Node, SourceFile, Span};

/// Reads values of one file.
pub(super) struct Reader<'a> {
    /// The file.
    pub(super) file: &'a Arc<SourceFile>,
    /// What the configuration offers.
    pub(super) facts: &'a Facts,
    /// What was found.
    pub(super) out: &'a mut Diagnostics,
}

/// The word that takes a limit away.
const NONE: &str = "none";

impl Reader<'_> {
    /// Says what is wrong at a place.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.out.push(Diagnostic::error(code, self.file, span, message).maybe_hint(hint));
    }

    /// Says what is doubtful at a place.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.out.push(Diagnostic::warning(code, self.file, span, message).maybe_hint(hint));
    }

    /// Returns where a range of a value stands.
    pub(super) fn span_in(&self, node: &Node, range: Range<usize>) -> Span {
        node.source_span(self.file, range)
    }

    /// Returns `file:line` of a place.
    pub(super) fn place(&self, span: Span) -> String {
        format!("{}:{}", self.file.name(), self.file.position(span.start).line)
    }

    /// Reads a text.
    pub(super) fn text<'n>(&self, parent: &'n Node, key: &str) -> Option<&'n str> {
        parent.get(key).filter(|node| !node.is_null()).and_then(Node::as_str)
    }

    /// Reads a truth value; false where there is none.
    pub(super) fn flag(&self, parent: &Node, key: &str) -> bool {
        matches!(self.text(parent, key), Some("true" | "True" | "TRUE"))
    }

    /// Reads a duration; `None` where there is none, or none that can be read.
    pub(super) fn duration(&mut self, parent: &Node, key: &str) -> Option<Duration> {
        let node = parent.get(key)?;
        let text = node.as_str()?;
        if text == NONE {
            let hint = format!("leave `{key}` out for its default");
            self.error(
                "bad-duration",
                node.span,
                format!("`{key}` needs a duration; it cannot be `none`"),
                Some(hint),
            );
            return None;
        }
        match parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                let span = self.span_in(node, error.range.clone());
                self.error("bad-duration", span, error.message, error.hint);
                None
            }
        }
    }

    /// Reads a duration or `none`; `default` where nothing stands.
    pub(super) fn duration_or_none(
        &mut self,
        parent: &Node,
        key: &str,
        default: Option<Duration>,
    ) -> Option<Duration> {
        match parent.get(key).map(Node::as_str) {
            None => default,
            Some(Some(NONE)) => None,
            Some(_) => self.duration(parent, key).or(default),
        }
    }

    /// Reads a limit of time or `none`; as [`Reader::duration_or_none`], but no time at all is refused.
    pub(super) fn timeout_or_none(
        &mut self,
        parent: &Node,
        key: &str,
        default: Option<Duration>,
    ) -> Option<Duration> {
        let read = self.duration_or_none(parent, key, default);
        let Some(node) = parent.get(key).filter(|_| read == Some(Duration::ZERO)) else { return read };
        let hint = "`none` takes the limit away".to_owned();
        self.error(
            "bad-duration",
            node.span,
            format!("`{key}` of no time at all would stop everything"),
            Some(hint),
        );
        default
    }

    /// Reads a rate or `none`; `default` where nothing stands.
    pub(super) fn rate_or_none(
        &mut self,
        parent: &Node,
        key: &str,
        default: Option<(u32, Duration)>,
    ) -> Option<(u32, Duration)> {
        let Some(node) = parent.get(key) else { return default };
        let Some(text) = node.as_str() else { return default };
        if text == NONE {
            return None;
        }
        match parse_rate(text) {
            Ok(Rate { count, window }) => Some((count, window)),
            Err(error) => {
                let span = self.span_in(node, error.range.clone());
                self.error("bad-rate", span, error.message, error.hint);
                default
            }
        }
    }

    /// Reads a number from 1 or `none`; `default` where nothing stands.
    pub(super) fn count_or_none(&mut self, parent: &Node, key: &str, default: Option<u32>) -> Option<u32> {
        let Some(node) = parent.get(key) else { return default };
        let Some(text) = node.as_str() else { return default };
        if text == NONE {
            return None;
        }
        match text.parse::<u32>() {
            Ok(0) => {
                let message = format!("`{key}: 0` would never let anything run");
                let hint = "write a number from 1, or `none` for no limit".to_owned();
                self.error("bad-number", node.span, message, Some(hint));
                default
            }
            Ok(count) => Some(count),
            Err(_) => {
                let message = format!("`{text}` is not a whole number");
                let hint = "write a number from 1, or `none` for no limit".to_owned();
                self.error("bad-number", node.span, message, Some(hint));
                default
            }
        }
    }

    /// Reads the delays of `retry`: a range, or one duration for all.
    pub(super) fn backoff(&mut self, parent: &Node, key: &str) -> Option<(Duration, Duration)> {
        let node = parent.get(key)?;
        let text = node.as_str()?;
        let read = if text.contains("..") {
            parse_duration_range(text).map(|range| (range.min, range.max))
        } else {
            parse_duration(text).map(|both| (both, both))
        };
        match read {
            Ok(delays) => Some(delays),
            Err(error) => {
                let span = self.span_in(node, error.range.clone());
                self.error("bad-duration", span, error.message, error.hint);
                None
            }
        }
    }
}
