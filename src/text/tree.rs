//! From the parser's events to a tree of nodes: [`Builder`].

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, ScanError, StructureStyle, Tag};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Entry, Mapping, Node, NodeKind, Sequence};
use super::parse::{DEPTH_LIMIT, Document};
use super::scalar::{CoreTag, Scalar, ScalarStyle};
use super::source::SourceFile;
use super::span::{Span, Spanned};
use super::{syntax, traps};

/// How many nodes one file may have: about 20,000 playbooks.
const NODE_LIMIT: usize = 2_000_000;
/// How many nodes the anchors and aliases of one file may copy.
const COPY_LIMIT: usize = 100_000;

/// What a problem makes unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Document,
    File,
}

/// A problem after which a document cannot be read on.
pub(super) struct Abandon(Box<Diagnostic>, Scope);

struct Anchor {
    name_span: Span,
    /// The value; none while it is still being read.
    node: Option<Node>,
}

enum Frame {
    Sequence { span: Span, sequence: Sequence, anchor: usize },
    Mapping { span: Span, mapping: OpenMapping, anchor: usize },
}

/// A mapping of which not all is read.
#[derive(Default)]
struct OpenMapping {
    entries: Vec<Entry>,
    /// Where each key stands in `entries`, once there are enough keys for a look-up to pay.
    index: HashMap<String, usize>,
    flow: bool,
    key: Option<PendingKey>,
    merges: Vec<(Span, Node)>,
    /// The place of the first key that is no text.
    foreign_key: Option<Span>,
}

enum PendingKey {
    Text(Spanned<String>, ScalarStyle),
    /// No text: its value is dropped.
    Foreign,
}

/// Linear search is faster than hashing up to about this many keys.
const INDEX_FROM: usize = 24;

/// Puts nodes together from events; one for a whole file.
pub(super) struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    out: &'a mut Diagnostics,
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    copied: usize,
    /// The end of the last thing that was read; what a syntax error stands behind.
    last: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: &'a Arc<SourceFile>, out: &'a mut Diagnostics) -> Self {
        let (stack, anchors) = (Vec::new(), HashMap::new());
        Self { file, out, stack, root: None, anchors, nodes: 0, copied: 0, last: 0 }
    }

    /// Drops what was read of a document and reports why.
    pub(super) fn abandon(&mut self, Abandon(problem, scope): Abandon) -> Scope {
        // What was said about a part of the place is said again about the whole.
        self.out.drop_within(self.file, problem.code, problem.span);
        self.out.push(*problem);
        self.start_document();
        scope
    }

    fn start_document(&mut self) {
        self.stack.clear();
        self.anchors.clear();
        self.root = None;
    }

    pub(super) fn finish_document(&mut self) -> Option<Document> {
        let root = self.root.take();
        self.start_document();
        let root = root?;
        let nothing = root.is_null() && root.span.is_empty();
        (!nothing).then_some(Document { root })
    }

    pub(super) fn syntax_error(&self, error: &ScanError) -> Abandon {
        Abandon(
            Box::new(syntax::diagnostic(self.file, error, self.last, self.open_bracket())),
            Scope::Document,
        )
    }

    /// The bracket or brace that was opened last and is not closed.
    fn open_bracket(&self) -> Option<Span> {
        self.stack.iter().rev().find_map(|frame| match frame {
            Frame::Sequence { span, sequence, .. } if sequence.flow => Some(*span),
            Frame::Mapping { span, mapping, .. } if mapping.flow && !span.is_empty() => Some(*span),
            _ => None,
        })
    }

    pub(super) fn event(
        &mut self,
        event: Event<'_>,
        span: Span,
        indent: Option<usize>,
    ) -> Result<(), Abandon> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                self.count(span)?;
                let node = self.scalar(&value, style, tag.as_deref(), span, indent);
                self.last = span.end;
                self.complete(node, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.open(span, anchor, tag.as_deref(), "seq")?;
                let sequence = Sequence { items: Vec::new(), flow: style == StructureStyle::Flow };
                self.stack.push(Frame::Sequence { span, sequence, anchor });
                Ok(())
            }
            Event::MappingStart(style, anchor, tag) => {
                self.open(span, anchor, tag.as_deref(), "map")?;
                let mapping = OpenMapping { flow: style == StructureStyle::Flow, ..OpenMapping::default() };
                self.stack.push(Frame::Mapping { span, mapping, anchor });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Anchor(id, _) => {
                if let Some(anchor) = self.anchors.get_mut(&id) {
                    anchor.name_span = span;
                }
                Ok(())
            }
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.last = span.end;
                let message = format!("no anchor `&{name}` before this alias");
                self.out.push(
                    Diagnostic::error("yaml-alias", self.file, span, message)
                        .hint("`*` begins a YAML alias; text that begins with `*` needs quotes"),
                );
                self.complete(broken(span), 0)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, span: Span) -> Result<(), Abandon> {
        self.nodes += 1;
        if self.nodes <= NODE_LIMIT {
            return Ok(());
        }
        let message = format!("more than {NODE_LIMIT} values in one file");
        let diagnostic =
            Diagnostic::error("yaml-too-large", self.file, span, message).hint("split it into several files");
        Err(Abandon(Box::new(diagnostic), Scope::File))
    }

    fn open(&mut self, span: Span, anchor: usize, tag: Option<&Tag>, kind: &str) -> Result<(), Abandon> {
        self.count(span)?;
        self.last = span.end;
        self.check_depth(span, 1)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { name_span: span, node: None });
        }
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(kind)) {
            self.foreign_tag(tag, span);
        }
        Ok(())
    }

    fn check_depth(&self, span: Span, more: usize) -> Result<(), Abandon> {
        if self.stack.len() + more <= DEPTH_LIMIT {
            return Ok(());
        }
        Err(Abandon(Box::new(syntax::too_deep(self.file, span, DEPTH_LIMIT)), Scope::Document))
    }

    fn scalar(
        &mut self,
        value: &str,
        style: granit_parser::ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
        indent: Option<usize>,
    ) -> Node {
        let style = match style {
            granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
            granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::Single,
            granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::Double,
            granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
            granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
        };
        // The parser writes `~` for a value that isn't there.
        let value = if style == ScalarStyle::Plain && span.is_empty() { "" } else { value };
        let core_tag = tag.and_then(core_tag);
        if let Some(tag) = tag.filter(|_| core_tag.is_none()) {
            self.foreign_tag(tag, span);
            return broken(span);
        }
        let scalar = Scalar { value: value.to_owned(), style, tag: core_tag, indent };
        Node { span, kind: NodeKind::Scalar(scalar), alias: None }
    }

    fn foreign_tag(&mut self, tag: &Tag, span: Span) {
        let written = tag.original();
        let start = self.file.text()[..span.start].rfind(&written).unwrap_or(span.start);
        let place = Span::new(start, if start < span.start { start + written.len() } else { span.end });
        self.out.push(
            Diagnostic::error(
                "yaml-tag",
                self.file,
                place,
                format!("YAML tag `{written}` is not known here"),
            )
            .hint("`!` begins a YAML tag; text that begins with `!` needs quotes"),
        );
    }

    fn close(&mut self, end: Span) -> Result<(), Abandon> {
        self.last = self.last.max(end.end);
        let (node, anchor) = match self.stack.pop() {
            Some(Frame::Sequence { span, sequence, anchor }) => {
                let last = sequence.items.last().map(|node| node.alias.unwrap_or(node.span).end);
                let span = closed_span(span, end, last);
                (Node { span, kind: NodeKind::Sequence(sequence), alias: None }, anchor)
            }
            Some(Frame::Mapping { span, mapping, anchor }) => {
                let last = mapping
                    .entries
                    .last()
                    .map(|entry| entry.value.alias.unwrap_or(entry.value.span).end.max(entry.key.span.end));
                let span = closed_span(span, end, last);
                let kind = self.close_mapping(span, mapping);
                (Node { span, kind, alias: None }, anchor)
            }
            None => return Ok(()),
        };
        self.complete(node, anchor)
    }

    fn close_mapping(&mut self, span: Span, mapping: OpenMapping) -> NodeKind {
        if let Some(key) = mapping.foreign_key {
            self.out.push(traps::foreign_key(self.file, span, key, mapping.flow));
            return NodeKind::Broken;
        }
        let OpenMapping { mut entries, flow, merges, .. } = mapping;
        for (place, node) in merges {
            self.merge(&mut entries, place, node);
        }
        NodeKind::Mapping(Mapping { entries, flow })
    }

    /// Adds what a merge key (`<<`) brings; keys that are already there win.
    fn merge(&mut self, entries: &mut Vec<Entry>, place: Span, node: Node) {
        let alias = node.alias.unwrap_or(place);
        match node.kind {
            NodeKind::Mapping(mapping) => {
                for mut entry in mapping.entries {
                    if entries.iter().all(|known| known.key.value != entry.key.value) {
                        entry.value.alias.get_or_insert(alias);
                        entries.push(entry);
                    }
                }
            }
            NodeKind::Sequence(sequence)
                if sequence.items.iter().all(|item| matches!(item.kind, NodeKind::Mapping(_))) =>
            {
                for item in sequence.items {
                    self.merge(entries, place, item);
                }
            }
            NodeKind::Broken => {}
            _ => self.out.push(
                Diagnostic::error(
                    "yaml-merge",
                    self.file,
                    place,
                    "`<<` needs a mapping or a list of mappings",
                )
                .hint("it merges the keys of an anchored mapping: `<<: *common`"),
            ),
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Abandon> {
        self.last = span.end;
        let Some(anchor) = self.anchors.get(&id) else { return self.complete(broken(span), 0) };
        let Some(node) = &anchor.node else {
            self.out.push(
                Diagnostic::error("yaml-alias", self.file, span, "this alias stands inside its own anchor")
                    .related(anchor.name_span, "the anchor"),
            );
            return self.complete(broken(span), 0);
        };
        let (size, depth) = measure(node);
        if self.copied + size > COPY_LIMIT {
            let message = format!("anchors and aliases expand to more than {COPY_LIMIT} values");
            let diagnostic = Diagnostic::error("yaml-alias-bomb", self.file, span, message)
                .related(anchor.name_span, "the anchor");
            return Err(Abandon(Box::new(diagnostic), Scope::Document));
        }
        let mut copy = node.clone();
        self.check_depth(span, depth)?;
        self.copied += size;
        copy.alias = Some(span);
        self.complete(copy, 0)
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Abandon> {
        if anchor != 0 {
            let (size, _) = measure(&node);
            self.copied += size;
            if self.copied > COPY_LIMIT {
                let message = format!("anchors hold more than {COPY_LIMIT} values");
                let diagnostic = Diagnostic::error("yaml-alias-bomb", self.file, node.span, message);
                return Err(Abandon(Box::new(diagnostic), Scope::Document));
            }
            let name_span = self.anchors.get(&anchor).map_or(node.span, |known| known.name_span);
            self.anchors.insert(anchor, Anchor { name_span, node: Some(node.clone()) });
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::Sequence { sequence, .. }) => sequence.items.push(node),
            Some(Frame::Mapping { mapping, .. }) => {
                if let Some(duplicate) = mapping.take(node) {
                    self.out.push(duplicate.diagnostic(self.file));
                }
            }
        }
        Ok(())
    }
}

/// A key that was there already.
struct Duplicate {
    key: Spanned<String>,
    first: Span,
}

impl Duplicate {
    fn diagnostic(self, file: &Arc<SourceFile>) -> Diagnostic {
        let message = format!("duplicate key `{}`", self.key.value);
        Diagnostic::error("duplicate-key", file, self.key.span, message)
            .related(self.first, "first defined here")
            .hint("remove one of the two")
    }
}

impl OpenMapping {
    /// Takes a node as a key or as the value of the key before it.
    fn take(&mut self, node: Node) -> Option<Duplicate> {
        match self.key.take() {
            None => {
                self.key = Some(match node.kind {
                    NodeKind::Scalar(scalar) => PendingKey::Text(
                        Spanned::new(scalar.value, node.alias.unwrap_or(node.span)),
                        scalar.style,
                    ),
                    NodeKind::Broken => PendingKey::Foreign,
                    NodeKind::Sequence(_) | NodeKind::Mapping(_) => {
                        self.foreign_key.get_or_insert(node.span);
                        PendingKey::Foreign
                    }
                });
                None
            }
            Some(PendingKey::Foreign) => None,
            Some(PendingKey::Text(key, ScalarStyle::Plain)) if key.value == "<<" => {
                self.merges.push((key.span, node));
                None
            }
            Some(PendingKey::Text(key, key_style)) => self.insert(key, key_style, node),
        }
    }

    fn insert(&mut self, key: Spanned<String>, key_style: ScalarStyle, value: Node) -> Option<Duplicate> {
        if let Some(first) = self.position(&key.value) {
            let first = self.entries[first].key.span;
            return Some(Duplicate { key, first });
        }
        if self.entries.len() >= INDEX_FROM {
            self.index.insert(key.value.clone(), self.entries.len());
        }
        self.entries.push(Entry { key, key_style, value });
        None
    }

    fn position(&self, key: &str) -> Option<usize> {
        let early = self.entries.iter().take(INDEX_FROM);
        early
            .enumerate()
            .find(|(_, entry)| entry.key.value == key)
            .map(|(at, _)| at)
            .or_else(|| self.index.get(key).copied())
    }
}

fn broken(span: Span) -> Node {
    Node { span, kind: NodeKind::Broken, alias: None }
}

/// Returns the number of nodes in a node, and its depth; a scalar has 1 and 0.
fn measure(node: &Node) -> (usize, usize) {
    let inner = |total: (usize, usize), node: &Node| {
        let (size, depth) = measure(node);
        (total.0 + size, total.1.max(depth + 1))
    };
    match &node.kind {
        NodeKind::Sequence(sequence) => sequence.items.iter().fold((1, 1), inner),
        NodeKind::Mapping(mapping) => mapping.entries.iter().map(|entry| &entry.value).fold((1, 1), inner),
        NodeKind::Scalar(_) | NodeKind::Broken => (1, 0),
    }
}

/// Joins the start of a collection with its end: what closes it where it was written in brackets, else
/// its last value (the parser's own end lies behind blank lines and comments).
fn closed_span(start: Span, end: Span, last: Option<usize>) -> Span {
    if end.is_empty() { Span::new(start.start, last.unwrap_or(start.end)) } else { start.join(end) }
}

fn core_tag(tag: &Tag) -> Option<CoreTag> {
    if tag.original() == "!" {
        return Some(CoreTag::Str);
    }
    match tag.core_suffix()? {
        "str" => Some(CoreTag::Str),
        "int" => Some(CoreTag::Int),
        "float" => Some(CoreTag::Float),
        "bool" => Some(CoreTag::Bool),
        "null" => Some(CoreTag::Null),
        _ => None,
    }
}
