//! `playbook:` steps: another playbook's steps, inlined at load as a block with variables of their own.

use std::time::Duration;

use super::parse::Parser;
use super::types::{Block, BlockVars};
use crate::template::JsonTemplate;
use crate::text::{Diagnostic, Node, Span, closest, suggestion, word_list};

impl Parser<'_, '_> {
    /// Reads the playbook that a step names, and its timeout where one is written. Its trigger, limits and
    /// `sync` don't apply.
    pub(super) fn inlined(&mut self, node: &Node) -> Option<(Block, Option<Duration>)> {
        let named = node.get("name").unwrap_or(node);
        let name = named.as_str()?;
        let documents = self.whole.documents;
        let Some(at) = documents.named(name) else {
            let names = documents.names();
            let hint = suggestion(name, names.iter().copied());
            self.reader.error("unknown-playbook", named.span, format!("there is no playbook `{name}`"), hint);
            return None;
        };
        let document = documents.all.get(at)?;
        if self.is_cycle(name, named.span) {
            return None;
        }
        if !self.may_inline(documents.steps_of(at), name, named.span) {
            return None;
        }
        self.whole.is_sound &= document.is_sound;
        if !self.whole.used.contains(&at) {
            self.whole.used.push(at);
        }
        let given = self.given(node, &document.root, name);
        self.whole.inlining.push(name.to_owned());
        let before = self.reader.out.len();
        let mut child = Parser::new(document, self.reader.facts, self.reader.out, self.whole);
        for (name, _, is_tainted) in &given {
            child.flow.add_var(name, *is_tainted);
        }
        let names: Vec<String> = given.iter().map(|(name, ..)| name.clone()).collect();
        let own = child.vars(&document.root, &names);
        let block = child.body(&document.root);
        let timeout = child.reader.timeout_or_none(&document.root, "timeout", None);
        self.whole.inlining.pop();
        self.point_here(before, named.span);
        let given = given.into_iter().filter_map(|(name, value, _)| Some((name, value?))).collect();
        Some((Block { vars: Some(BlockVars { given, own }), ..block }, timeout))
    }

    /// Tells whether a playbook is being inlined already, and says so.
    fn is_cycle(&mut self, name: &str, span: Span) -> bool {
        let Some(first) = self.whole.inlining.iter().position(|known| known == name) else { return false };
        let mut path: Vec<&str> = self.whole.inlining[first..].iter().map(String::as_str).collect();
        path.push(name);
        let message = format!("this playbook would hold itself: {}", path.join(" -> "));
        let hint = Some("take one of these steps out".to_owned());
        self.reader.error("playbook-cycle", span, message, hint);
        true
    }

    /// Reads the values that the step gives to variables of the other playbook, in the parent's names.
    fn given(&mut self, node: &Node, child: &Node, name: &str) -> Vec<(String, Option<JsonTemplate>, bool)> {
        let known: Vec<&str> = child
            .get("vars")
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.key.value.as_str())
            .collect();
        let mut given = Vec::new();
        for entry in node.get("vars").map(Node::entries).unwrap_or_default() {
            let variable = entry.key.value.as_str();
            if !known.contains(&variable) {
                let hint = match closest(variable, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it has no `vars`".to_owned(),
                    None => format!("its `vars` are {}", word_list(&known)),
                };
                let message = format!("the playbook `{name}` has no variable `{variable}`");
                self.reader.error("unknown-variable", entry.key.span, message, Some(hint));
            }
            let (value, is_tainted) = self.variable(variable, &entry.value);
            given.push((variable.to_owned(), value, is_tainted));
        }
        given
    }

    /// Adds to the problems that were found in the other playbook from which step it was reached: it may be
    /// without fault by itself, and not with the values that this one gives.
    fn point_here(&mut self, before: usize, span: Span) {
        if self.reader.out.len() == before {
            return;
        }
        let all = std::mem::take(self.reader.out);
        let file = self.reader.file;
        let pointed = all.into_iter().enumerate().map(|(at, problem): (usize, Diagnostic)| {
            if at < before { problem } else { problem.related_in(file, span, "inlined here") }
        });
        *self.reader.out = pointed.collect();
    }
}
