//! [`Documents`]: the YAML documents of all files, each of which is one playbook.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::parallel::in_parallel;
use super::schema;
use crate::text::{Diagnostic, Diagnostics, Node, NodeKind, Severity, SourceFile, Span, check, parse, traps};

/// One YAML document.
#[derive(Debug)]
pub(super) struct Document {
    /// Its file.
    pub(super) file: Arc<SourceFile>,
    /// Its value.
    pub(super) root: Node,
    /// Its text, from which it can be read again.
    pub(super) text: Span,
    /// Whether its shape is that of a playbook.
    pub(super) is_sound: bool,
    /// How many steps it has with those of inlined playbooks, once that was asked.
    pub(super) steps: OnceLock<usize>,
}

/// The documents of all files.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// In the order of the files.
    pub(super) all: Vec<Document>,
    /// Whether these are all playbooks, and not the text that a run keeps of its own.
    pub(super) is_library: bool,
    by_name: HashMap<String, usize>,
}

impl Document {
    /// Returns the name that stands in it.
    pub(super) fn name(&self) -> Option<&str> {
        self.root.get("name").and_then(Node::as_str)
    }

    /// Returns its text.
    pub(super) fn source(&self) -> &str {
        self.file.slice(self.text)
    }
}

impl Documents {
    /// Makes room for all playbooks.
    pub(super) fn of_library() -> Documents {
        Documents { is_library: true, ..Documents::default() }
    }

    /// Reads files, each of which may hold any number of documents.
    pub(super) fn read(&mut self, files: Vec<(String, Vec<u8>)>, out: &mut Diagnostics) {
        let bytes = files.iter().map(|(_, bytes)| bytes.len()).sum();
        for (documents, found) in in_parallel(files, bytes, |(name, bytes)| read(&name, bytes)) {
            out.extend(found);
            for document in documents {
                self.add(document, out);
            }
        }
    }

    fn add(&mut self, mut document: Document, out: &mut Diagnostics) {
        let at = self.all.len();
        if let Some(name) = document.name() {
            match self.by_name.get(name) {
                None => {
                    self.by_name.insert(name.to_owned(), at);
                }
                Some(first) => {
                    out.push(twice(name, &document, &self.all[*first]));
                    document.is_sound = false;
                }
            }
        }
        self.all.push(document);
    }

    /// Returns the place of the document of this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Goes through the names of all playbooks.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// Reads one file.
fn read(name: &str, bytes: Vec<u8>) -> (Vec<Document>, Diagnostics) {
    let mut found = Diagnostics::new();
    let file = match SourceFile::new(name, bytes) {
        Ok(file) => file,
        Err(problem) => return (Vec::new(), problem.into()),
    };
    let mut documents = Vec::new();
    let parsed = parse(&file, &mut found);
    let torn: Vec<usize> =
        found.iter().filter(|problem| problem.severity == Severity::Error).map(|p| p.span.start).collect();
    if parsed.is_empty() && torn.is_empty() {
        // Perhaps all that a full disk has left of it.
        let hint = "delete it, or give it an ending that is not `.yaml`";
        let problem =
            Diagnostic::warning("empty-file", &file, Span::at(0), "no playbook stands in this file");
        found.push(problem.hint(hint));
    }
    for document in parsed {
        let root = document.root;
        let is_whole = !torn.iter().any(|at| (root.span.start..=root.span.end).contains(at));
        let is_sound = is_whole & check(&root, schema::walked(), &file, &mut found);
        find_traps(&file, &root, &mut found);
        let text = text_of(&file, root.span);
        documents.push(Document { file: Arc::clone(&file), root, text, is_sound, steps: OnceLock::new() });
    }
    (documents, found)
}

fn twice(name: &str, second: &Document, first: &Document) -> Diagnostic {
    let place = |document: &Document| document.root.get("name").map_or(document.root.span, |node| node.span);
    Diagnostic::error(
        "playbook-twice",
        &second.file,
        place(second),
        format!("there are two playbooks `{name}`"),
    )
    .related_in(&first.file, place(first), "the first is here")
    .hint("give one of them another name")
}

/// Finds what YAML reads as something else than its author meant, all over a document.
fn find_traps(file: &Arc<SourceFile>, node: &Node, out: &mut Diagnostics) {
    match &node.kind {
        NodeKind::Scalar(_) => out.extend(traps::cut_by_comment(file, node)),
        NodeKind::Sequence(sequence) => {
            out.extend(traps::split_at_comma(file, node));
            sequence.items.iter().for_each(|item| find_traps(file, item, out));
        }
        NodeKind::Mapping(mapping) => {
            for entry in &mapping.entries {
                out.extend(traps::truthy_key(file, entry));
                find_traps(file, &entry.value, out);
            }
        }
        NodeKind::Broken => {}
    }
}

/// The text of a document: between the lines with markers around it, so that it can be read again alone.
fn text_of(file: &SourceFile, root: Span) -> Span {
    let text = file.text();
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let before = text[..line_start(root.start)].split_inclusive('\n').rev();
    let mut start = line_start(root.start);
    if is_marker(&text[start..]) {
        start = root.start;
    } else {
        for line in before.take_while(|line| !is_marker(line)) {
            start -= line.len();
        }
    }
    let mut end = line_start(root.end);
    for line in text[end..].split_inclusive('\n') {
        if end >= root.end && is_marker(line) {
            break;
        }
        end += line.len();
    }
    Span::new(start, end.max(root.end))
}

/// Tells a line that begins or ends a document.
fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}
