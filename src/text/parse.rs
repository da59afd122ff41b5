//! From the text of a file to its documents: [`parse`].

use std::sync::Arc;

use granit_parser::{Event, Options, Parser};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::escape::is_bidi_control;
use super::node::Node;
use super::source::SourceFile;
use super::span::Span;
use super::tree::{Builder, Scope};

/// How deep lists and mappings may be nested.
pub(super) const DEPTH_LIMIT: usize = 64;

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
            let scope = builder.abandon(abandon);
            if scope == Scope::File || !parser.proceed_next_document().unwrap_or(false) {
                break;
            }
        }
    }
    documents
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{NodeKind, PathSegment};
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
