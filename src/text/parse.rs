//! From the text of a file to its documents: [`parse`].

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Options, Parser, ScanError, StructureStyle, Tag};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::escape::is_bidi_control;
use super::node::{Entry, Mapping, Node, NodeKind, Sequence};
use super::scalar::{CoreTag, Scalar, ScalarStyle};
use super::source::SourceFile;
use super::span::{Span, Spanned};
use super::syntax;
use super::traps;

/// How deep lists and mappings may be nested.
pub(super) const DEPTH_LIMIT: usize = 64;
/// How many nodes one file may have: about 20,000 playbooks.
const NODE_LIMIT: usize = 2_000_000;
/// How many nodes the anchors and aliases of one file may copy.
const COPY_LIMIT: usize = 100_000;

/// One YAML document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its value.
    pub root: Node,
}

/// Reads all documents of a file.
///
/// Syntax errors, anchors that don't exist, aliases that expand without end, foreign tags, keys that
/// appear twice go to `out`; a document with a syntax error is left out, the others are read all the
/// same. Documents without any content are left out.
pub fn parse(file: &Arc<SourceFile>, out: &mut Diagnostics) -> Vec<Document> {
    hidden_characters(file, out);
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = DEPTH_LIMIT;
    options.block_nesting_limit = DEPTH_LIMIT;
    let mut parser = Parser::new_from_str_with_options(file.text(), options);
    let mut builder = Builder::new(file, out);
    let mut documents = Vec::new();
    loop {
        let abandoned = match parser.next_event() {
            None => break,
            Some(Ok((Event::DocumentEnd, _))) => {
                documents.extend(builder.finish_document());
                Ok(())
            }
            Some(Ok((event, span))) => builder.event(event, span_of(&span), span.indent),
            Some(Err(error)) => Err(builder.syntax_error(&error)),
        };
        if let Err(abandon) = abandoned {
            builder.out.push(*abandon.0);
            builder.start_document();
            if abandon.1 == Scope::File || !parser.proceed_next_document().unwrap_or(false) {
                break;
            }
        }
    }
    documents
}

/// What a problem makes unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Document,
    File,
}

/// A problem after which a document cannot be read on.
struct Abandon(Box<Diagnostic>, Scope);

fn span_of(span: &granit_parser::Span) -> Span {
    span.byte_range().map_or(Span::default(), Span::from)
}

/// Warns of characters that make a file look different from what it says (CVE-2021-42574).
fn hidden_characters(file: &Arc<SourceFile>, out: &mut Diagnostics) {
    for (at, c) in file.text().char_indices().filter(|(_, c)| is_bidi_control(*c)) {
        let span = Span::new(at, at + c.len_utf8());
        let message = format!("hidden character U+{:04X}, which reorders the text around it", u32::from(c));
        out.push(
            Diagnostic::warning("hidden-character", file, span, message)
                .hint("remove it: the file does not say what it seems to say"),
        );
    }
}

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

struct Builder<'a> {
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
    fn new(file: &'a Arc<SourceFile>, out: &'a mut Diagnostics) -> Self {
        let (stack, anchors) = (Vec::new(), HashMap::new());
        Self { file, out, stack, root: None, anchors, nodes: 0, copied: 0, last: 0 }
    }

    fn start_document(&mut self) {
        self.stack.clear();
        self.anchors.clear();
        self.root = None;
    }

    fn finish_document(&mut self) -> Option<Document> {
        let root = self.root.take();
        self.start_document();
        let root = root?;
        let nothing = root.is_null() && root.span.is_empty();
        (!nothing).then_some(Document { root })
    }

    fn syntax_error(&self, error: &ScanError) -> Abandon {
        Abandon(Box::new(syntax::diagnostic(self.file, error, self.last)), Scope::Document)
    }

    fn event(&mut self, event: Event<'_>, span: Span, indent: Option<usize>) -> Result<(), Abandon> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::PathSegment;
    use proptest::prelude::{any, prop_assert, proptest};

    fn read(source: &str) -> (Vec<Document>, Vec<String>) {
        let file = SourceFile::new("f.yaml", source.as_bytes().to_vec()).unwrap();
        let mut out = Diagnostics::new();
        let documents = parse(&file, &mut out);
        out.sort();
        let said = out.iter().map(|d| {
            let at = d.position().unwrap();
            format!("{}:{} {}: {}", at.line, at.column, d.code, d.message)
        });
        (documents, said.collect())
    }

    fn shown(node: &Node) -> String {
        match &node.kind {
            NodeKind::Scalar(scalar) => scalar.value.clone(),
            NodeKind::Sequence(sequence) => {
                format!("[{}]", sequence.items.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            NodeKind::Mapping(mapping) => {
                let entries = mapping.entries.iter().map(|e| format!("{}: {}", e.key.value, shown(&e.value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            NodeKind::Broken => "?".to_owned(),
        }
    }

    #[test]
    fn documents_keep_the_spelling_of_their_values() {
        let (documents, said) = read("a: 1.10\nb: [no, ~, \"x\"]\n---\n- |\n  text\n---\n# nothing\n");
        assert_eq!(said, Vec::<String>::new());
        let shown: Vec<_> = documents.iter().map(|d| shown(&d.root)).collect();
        assert_eq!(shown, ["{a: 1.10, b: [no, ~, x]}", "[text\n]"]);
    }

    #[test]
    fn spans_cover_what_was_written() {
        let source = "a:\n  - b: {c: 1}\n    d: x # note\n\n# end\n";
        let file = SourceFile::new("f.yaml", source.as_bytes().to_vec()).unwrap();
        let root = parse(&file, &mut Diagnostics::new()).remove(0).root;
        let path = [PathSegment::Key("a".into()), PathSegment::Index(0)];
        let item = root.at(&path).unwrap();
        assert_eq!(file.slice(item.span), "b: {c: 1}\n    d: x");
        assert_eq!(file.slice(item.get("b").unwrap().span), "{c: 1}");
        assert_eq!(file.slice(item.key_span("d").unwrap()), "d");
        assert_eq!(item.nearest(&[PathSegment::Key("b".into()), PathSegment::Key("zz".into())]).1, 1);
    }

    #[test]
    fn after_a_syntax_error_the_other_documents_are_read() {
        let (documents, said) = read("a: [1, 2\n---\nb: 1\n---\nc: \"x\n---\nd: 2\n");
        assert_eq!(documents.iter().map(|d| shown(&d.root)).collect::<Vec<_>>(), ["{b: 1}", "{d: 2}"]);
        assert_eq!(
            said,
            [
                "1:4 yaml-unclosed-bracket: this `[` is never closed",
                "5:4 yaml-unclosed-quote: this quote is never closed",
            ]
        );
    }

    #[test]
    fn aliases_and_merge_keys_are_resolved() {
        let (documents, said) =
            read("x: &x {a: 1, b: 2}\ny: *x\nz: {<<: *x, b: 3}\nw: {<<: [{c: 1}, *x], d: 4}\n");
        assert_eq!(said, Vec::<String>::new());
        let root = &documents[0].root;
        assert_eq!(shown(root.get("y").unwrap()), "{a: 1, b: 2}");
        assert_eq!(shown(root.get("z").unwrap()), "{b: 3, a: 1}");
        assert_eq!(shown(root.get("w").unwrap()), "{d: 4, c: 1, a: 1, b: 2}");
        assert!(root.get("y").unwrap().alias.is_some());
    }

    #[test]
    fn what_cannot_be_a_tree_of_text_is_said_where_it_stands() {
        for (source, expected) in [
            ("a: 1\nb: 2\na: 3\n", "3:1 duplicate-key: duplicate key `a`"),
            ("a: *x\n", "1:4 yaml-alias: no anchor `&x` before this alias"),
            ("a: &x [1, *x]\n", "1:11 yaml-alias: this alias stands inside its own anchor"),
            ("a: !thing 1\n", "1:4 yaml-tag: YAML tag `!thing` is not known here"),
            (
                "a: !!python/object:os.system [x]\n",
                "1:4 yaml-tag: YAML tag `!!python/object:os.system` is not known here",
            ),
            ("a: {<<: 5}\n", "1:5 yaml-merge: `<<` needs a mapping or a list of mappings"),
            ("[a, b]: c\n", "1:1 yaml-key: a key must be text, not a list or mapping"),
            (
                "a: x\u{202e}y\n",
                "1:5 hidden-character: hidden character U+202E, which reorders the text around it",
            ),
        ] {
            assert_eq!(read(source).1, [expected], "{source:?}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused_at_the_alias_that_is_too_much() {
        let mut source = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
        for (this, before) in ('b'..='h').zip('a'..) {
            let aliases = vec![format!("*{before}"); 10].join(", ");
            source.extend([format!("{this}: &{this} [{aliases}]\n")]);
        }
        let (documents, said) = read(&source);
        assert!(documents.is_empty());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("yaml-alias-bomb"), "{said:?}");
    }

    #[test]
    fn deep_nesting_is_refused_without_effort() {
        for open in ["[", "{a: ", "- ", "[{a: "] {
            let (documents, said) = read(&open.repeat(50_000));
            assert!(documents.is_empty());
            assert!(said[0].contains("yaml-too-deep"), "{said:?}");
        }
    }

    #[test]
    fn many_keys_are_looked_up_quickly_and_duplicates_among_them_found() {
        let keys: Vec<String> = (0..50_000).map(|n| format!("k{n}: {n}\n")).collect();
        let source = keys.concat() + "k40000: again\n";
        let (documents, said) = read(&source);
        assert_eq!(documents[0].root.entries().len(), 50_000);
        assert_eq!(said, ["50001:1 duplicate-key: duplicate key `k40000`"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Diagnostics::new();
            if let Ok(file) = SourceFile::new("f", bytes) {
                parse(&file, &mut out);
            }
            out.sort();
        }

        #[test]
        fn whatever_looks_like_yaml_is_read_or_refused_with_places_inside_the_file(
            source in r#"([a-z]: |- |\[|\]|\{|\}|, |"|'|\||>|\n|\n  |\n\t|#| #|&a |\*a|!x |!!str |<<: |---\n|\? |: |\\|%|@|é|x|1|\{\{ x \}\}){0,40}"#
        ) {
            let file = SourceFile::new("f", source.into_bytes()).unwrap();
            let mut out = Diagnostics::new();
            parse(&file, &mut out);
            for diagnostic in &out {
                prop_assert!(diagnostic.span.end <= file.text().len());
                prop_assert!(file.text().get(diagnostic.span.range()).is_some());
                prop_assert!(!diagnostic.message.is_empty());
            }
        }
    }
}
