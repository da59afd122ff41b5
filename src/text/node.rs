//! YAML that remembers where it was written: [`Node`].

use std::fmt;
use std::ops::Range;

use super::scalar::{Scalar, ScalarStyle};
use super::source::SourceFile;
use super::span::{Span, Spanned};

/// A value in YAML and its place.
///
/// Aliases are resolved (to copies) and merge keys applied. Keys are text and no two of a mapping are
/// the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it was written; for what came in by an alias, where the anchor's value was written.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
    /// Where the alias stands that brought it here.
    pub alias: Option<Span>,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A text, a number, a boolean or nothing: which, its reader decides.
    Scalar(Scalar),
    /// A list.
    Sequence(Sequence),
    /// A mapping of keys to values.
    Mapping(Mapping),
    /// Something about which a diagnostic was already given; readers say nothing more about it.
    Broken,
}

/// A list in YAML.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequence {
    /// Its items.
    pub items: Vec<Node>,
    /// Whether it was written `[in, brackets]`.
    pub flow: bool,
}

/// A mapping in YAML.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Its entries, in the order they were written; those that a merge key brought come last.
    pub entries: Vec<Entry>,
    /// Whether it was written `{in: braces}`.
    pub flow: bool,
}

/// A key of a mapping and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key and its place.
    pub key: Spanned<String>,
    /// How the key was written.
    pub key_style: ScalarStyle,
    /// The value.
    pub value: Node,
}

/// One step on the way from a node to one inside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathSegment {
    /// The value of a key.
    Key(String),
    /// The item at an index, counted from 0.
    Index(usize),
}

impl Node {
    /// Returns the value of a key, or none when it isn't there or this is no mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns the place of a key, or none when it isn't there or this is no mapping.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entry(key).map(|entry| entry.key.span)
    }

    /// Returns the entry of a key, or none when it isn't there or this is no mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.value == key)
    }

    /// Returns the entries of a mapping; nothing for what is no mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Mapping(mapping) => &mapping.entries,
            _ => &[],
        }
    }

    /// Returns the items of a list; nothing for what is no list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::Sequence(sequence) => &sequence.items,
            _ => &[],
        }
    }

    /// Returns the text of a scalar, as it was spelled or quoted; none for lists and mappings.
    pub fn as_str(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.value.as_str())
    }

    /// Returns the text of a scalar and its place; none for lists and mappings.
    pub fn as_spanned(&self) -> Option<Spanned<&str>> {
        self.as_str().map(|value| Spanned::new(value, self.span))
    }

    /// Returns the scalar, or none for lists and mappings.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Says whether it is null by YAML's core schema: nothing at all, `~` or `null` without quotes.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// Says whether it or something inside it is broken: a diagnostic was given, and no value can be made.
    pub fn is_broken(&self) -> bool {
        match &self.kind {
            NodeKind::Broken => true,
            NodeKind::Scalar(_) => false,
            NodeKind::Sequence(sequence) => sequence.items.iter().any(Node::is_broken),
            NodeKind::Mapping(mapping) => mapping.entries.iter().any(|entry| entry.value.is_broken()),
        }
    }

    /// Returns the node at the end of a path, or none when the path leads nowhere.
    pub fn at(&self, path: &[PathSegment]) -> Option<&Node> {
        path.iter().try_fold(self, |node, segment| node.step(segment))
    }

    /// Returns the last node on a path that exists, and how many segments of the path lead to it.
    pub fn nearest(&self, path: &[PathSegment]) -> (&Node, usize) {
        let mut node = self;
        for (done, segment) in path.iter().enumerate() {
            match node.step(segment) {
                Some(next) => node = next,
                None => return (node, done),
            }
        }
        (node, path.len())
    }

    /// Returns where a range of a scalar's value stands in the source: exactly, for every style, through
    /// escapes, folding and indentation. For lists and mappings it is their whole span.
    pub fn source_span(&self, file: &SourceFile, range: Range<usize>) -> Span {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.source_span(file.text(), self.span, range),
            _ => self.span,
        }
    }

    /// Returns the words for what it is: `text`, `a list`, `a mapping`, `nothing`.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(_) if self.is_null() => "nothing",
            NodeKind::Scalar(_) => "text",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
            NodeKind::Broken => "something unreadable",
        }
    }

    fn step(&self, segment: &PathSegment) -> Option<&Node> {
        match segment {
            PathSegment::Key(key) => self.get(key),
            PathSegment::Index(index) => self.items().get(*index),
        }
    }
}

impl fmt::Display for PathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
