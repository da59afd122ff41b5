//! [`Compiler`]: what was written under a step's key becomes templates and checked values; every problem
//! becomes a diagnostic at its place, and every name that is read is noted as a [`Use`].
//!
//! The compiler knows languages and places. Which names exist, which steps have run by then and which values
//! strangers wrote is known one layer up: that layer goes over the uses.

use std::sync::Arc;

use serde_json::Value as Json;

use super::action::Action;
use super::kind::{Field, StepKind};
use super::uses::{Language, MustTrust, Named, Use};
use crate::template::{
    Dialect, Expression, HeaderTemplate, JsonTemplate, MatcherTemplate, Problem, PromqlTemplate, Reference,
    ShellTemplate, TextTemplate, UrlTemplate,
};
use crate::text::{Diagnostic, Diagnostics, Node, SourceFile, Span, Spanned, check, walk};

/// Makes templates and values of nodes, and notes what they read.
#[derive(Debug)]
pub struct Compiler<'a> {
    pub(super) file: &'a Arc<SourceFile>,
    out: &'a mut Diagnostics,
    pub(super) env: Option<&'a Node>,
    pub(super) timeout: Option<&'a Node>,
    uses: Vec<Use>,
    step_ids: Vec<Spanned<String>>,
}

/// What stands before a path below the URL of a connection while it is read.
pub(super) const BELOW: &str = "http://connection";

impl<'a> Compiler<'a> {
    /// Makes a compiler for a file.
    pub fn new(file: &'a Arc<SourceFile>, out: &'a mut Diagnostics) -> Compiler<'a> {
        Compiler { file, out, env: None, timeout: None, uses: Vec::new(), step_ids: Vec::new() }
    }

    /// Gives it what stands under the step's `env:`.
    #[must_use]
    pub fn with_env(mut self, env: Option<&'a Node>) -> Compiler<'a> {
        self.env = env;
        self
    }

    /// Gives it what stands under the step's `timeout:`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<&'a Node>) -> Compiler<'a> {
        self.timeout = timeout;
        self
    }

    /// Compiles what stands under a kind's key.
    pub fn kind(&mut self, kind: &StepKind, node: &Node) -> Option<Box<dyn Action>> {
        if let Some(env) = self.env.filter(|_| !kind.takes_env) {
            self.env = None;
            let message = format!("`env` means nothing to a step of kind `{}`", kind.name);
            self.error("step-env", env.span, message, Some("only commands have an environment"));
        }
        (kind.compile)(node, self)
    }

    /// Checks a node against the schema of a kind, where it stands inside another step.
    pub(super) fn fits(&mut self, kind: &StepKind, node: &Node) -> bool {
        check(node, &kind.schema_document(), self.file, self.out)
    }

    /// Ends it: every place that reads names, and the ids of other steps that are named (not read).
    pub fn finish(self) -> (Vec<Use>, Vec<Spanned<String>>) {
        (self.uses, self.step_ids)
    }

    /// Reads text for people.
    pub fn text(&mut self, field: &str, node: &Node) -> Option<TextTemplate> {
        self.template(Language::Text, field, node, TextTemplate::compile, TextTemplate::references)
    }

    /// Reads one argument of a program, or a variable of its environment.
    pub fn argument(&mut self, field: &str, node: &Node) -> Option<TextTemplate> {
        self.template(Language::Argument, field, node, TextTemplate::compile, TextTemplate::references)
    }

    /// Reads standard input.
    pub fn stdin(&mut self, field: &str, node: &Node) -> Option<TextTemplate> {
        self.template(Language::Stdin, field, node, TextTemplate::compile, TextTemplate::references)
    }

    /// Reads the value of a header.
    pub fn header(&mut self, field: &str, node: &Node) -> Option<HeaderTemplate> {
        self.template(Language::Header, field, node, HeaderTemplate::compile, HeaderTemplate::references)
    }

    /// Reads a matcher.
    pub fn matcher(&mut self, field: &str, node: &Node) -> Option<MatcherTemplate> {
        self.template(Language::Matcher, field, node, MatcherTemplate::compile, MatcherTemplate::references)
    }

    /// Reads a `PromQL` expression.
    pub fn query(&mut self, field: &str, node: &Node) -> Option<PromqlTemplate> {
        let template =
            self.template(Language::Query, field, node, PromqlTemplate::compile, PromqlTemplate::references)?;
        let hint = "put the value into quotes, where it stays a text: `{instance=\"{{ ... }}\"}`";
        self.must_trust(
            node,
            &template.bare_references(),
            "promql-bare",
            "a part of the query's syntax",
            hint,
        );
        Some(template)
    }

    /// Reads a URL.
    pub fn url(&mut self, field: &str, node: &Node) -> Option<UrlTemplate> {
        self.template(Language::Url, field, node, UrlTemplate::compile, UrlTemplate::references)
    }

    /// Reads a path below the URL of a connection. What the template becomes begins with a stand-in for that URL.
    pub(super) fn url_below(&mut self, field: &str, node: &Node) -> Option<UrlTemplate> {
        let back = |range: std::ops::Range<usize>| {
            range.start.saturating_sub(BELOW.len())..range.end.saturating_sub(BELOW.len())
        };
        let source = format!("{BELOW}{}", self.scalar(field, node)?);
        match UrlTemplate::compile(&source) {
            Ok(template) => {
                let own = |reference: &Reference| Reference {
                    range: back(reference.range.clone()),
                    ..reference.clone()
                };
                let references: Vec<Reference> = template.references().iter().map(own).collect();
                self.note(Language::Url, field, node, &references);
                Some(template)
            }
            Err(problems) => {
                for problem in problems {
                    self.problem(node, Problem { range: back(problem.range.clone()), ..problem });
                }
                None
            }
        }
    }

    /// Reads a shell script.
    pub fn shell(&mut self, field: &str, node: &Node, dialect: Dialect) -> Option<ShellTemplate> {
        let compile = |source: &str| ShellTemplate::compile(source, dialect);
        self.template(Language::Shell, field, node, compile, ShellTemplate::references)
    }

    /// Reads an expression; `locals` are names that exist in it beside those of the scope.
    pub fn expression(&mut self, field: &str, node: &Node, locals: &'static [Field]) -> Option<Expression> {
        let found =
            self.template(Language::Expression, field, node, Expression::compile, Expression::references)?;
        if let Some(noted) = self.uses.last_mut() {
            noted.locals = locals;
        }
        Some(found)
    }

    /// Reads a JSON value with holes in its texts.
    pub fn json(&mut self, field: &str, node: &Node) -> Option<JsonTemplate> {
        let value = self.plain_json(node)?;
        let template = match JsonTemplate::compile_value(&value) {
            Ok(template) => template,
            Err(problems) => {
                for problem in problems {
                    self.problem(at_pointer(node, &problem.pointer), problem.clone());
                }
                return None;
            }
        };
        let named =
            |(reference, pointer): (&Reference, &String)| self.named(at_pointer(node, pointer), reference);
        let names = template.references().iter().zip(template.pointers()).map(named).collect();
        self.push(Language::Json, field, node, names);
        Some(template)
    }

    /// Notes the id of another step, which must exist.
    pub(super) fn step_id(&mut self, field: &str, node: &Node) -> Option<String> {
        let id = self.scalar(field, node)?.to_owned();
        self.step_ids.push(Spanned::new(id.clone(), node.span));
        Some(id)
    }

    /// Says that names of the use at a node must not have been written by strangers.
    pub(super) fn must_trust(
        &mut self,
        node: &Node,
        references: &[Reference],
        code: &'static str,
        becomes: &str,
        hint: &str,
    ) {
        let trusted: Vec<MustTrust> = references
            .iter()
            .map(|reference| MustTrust {
                named: self.named(node, reference),
                code,
                becomes: becomes.to_owned(),
                hint: hint.to_owned(),
            })
            .collect();
        if let Some(noted) = self.uses.iter_mut().rfind(|noted| noted.span == node.span) {
            noted.trusted.extend(trusted);
        }
    }

    /// Says that no name of the last use may have been written by strangers.
    pub(super) fn must_trust_all(&mut self, code: &'static str, becomes: &str, hint: &str) {
        if let Some(last) = self.uses.last() {
            self.must_trust_use_at(last.span, code, becomes, hint);
        }
    }

    /// Says the same of the use that stands under this key.
    pub(super) fn must_trust_field(&mut self, field: &str, code: &'static str, becomes: &str, hint: &str) {
        let found = self.uses.iter().rfind(|noted| noted.field == field).map(|noted| noted.span);
        if let Some(span) = found {
            self.must_trust_use_at(span, code, becomes, hint);
        }
    }

    /// Says the same of the use at this place.
    pub(super) fn must_trust_use_at(&mut self, span: Span, code: &'static str, becomes: &str, hint: &str) {
        let Some(last) = self.uses.iter_mut().rfind(|noted| noted.span == span) else { return };
        let all = last.names.iter().map(|named| MustTrust {
            named: named.clone(),
            code,
            becomes: becomes.to_owned(),
            hint: hint.to_owned(),
        });
        let all: Vec<MustTrust> = all.collect();
        last.trusted.extend(all);
    }

    /// Reports an error.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        let diagnostic = Diagnostic::error(code, self.file, span, message);
        self.out.push(diagnostic.maybe_hint(hint.map(ToOwned::to_owned)));
    }

    /// Returns the text of a scalar; anything else is reported.
    pub(super) fn scalar<'n>(&mut self, field: &str, node: &'n Node) -> Option<&'n str> {
        if node.is_broken() {
            return None;
        }
        let text = node.as_str().filter(|_| !node.is_null());
        if text.is_none() {
            let message = format!("`{field}` is {}, and a text is needed", node.describe());
            self.error("wrong-type", node.span, message, None);
        }
        text
    }

    fn template<T>(
        &mut self,
        language: Language,
        field: &str,
        node: &Node,
        compile: impl FnOnce(&str) -> Result<T, Vec<Problem>>,
        references: impl FnOnce(&T) -> &[Reference],
    ) -> Option<T> {
        let source = self.scalar(field, node)?;
        match compile(source) {
            Ok(template) => {
                self.note(language, field, node, references(&template));
                Some(template)
            }
            Err(problems) => {
                for problem in problems {
                    self.problem(node, problem);
                }
                None
            }
        }
    }

    fn problem(&mut self, node: &Node, problem: Problem) {
        let span = node.source_span(self.file, problem.range);
        let diagnostic = Diagnostic::error(problem.code, self.file, span, problem.message);
        self.out.push(diagnostic.maybe_hint(problem.hint));
    }

    fn note(&mut self, language: Language, field: &str, node: &Node, references: &[Reference]) {
        let names = references.iter().map(|reference| self.named(node, reference)).collect();
        self.push(language, field, node, names);
    }

    fn push(&mut self, language: Language, field: &str, node: &Node, names: Vec<Named>) {
        let (code, becomes) = match language {
            Language::Shell => ("shell-raw", "text of the script"),
            _ => ("raw-from-outside", "text that is taken as it is, by `| raw`"),
        };
        // In a query only what stands outside of quotes can be more than a value: that is looked at there.
        let is_raw = |named: &&Named| named.reference.raw && language != Language::Query;
        let trusted = names.iter().filter(is_raw).map(|named| MustTrust {
            named: named.clone(),
            code,
            becomes: becomes.to_owned(),
            hint: "leave `| raw` out: a value is quoted for the place where it stands".to_owned(),
        });
        let (field, trusted) = (field.to_owned(), trusted.collect());
        self.uses.push(Use { language, field, span: node.span, names, trusted, locals: &[] });
    }

    fn named(&self, node: &Node, reference: &Reference) -> Named {
        let span = node.source_span(self.file, reference.range.clone());
        Named { reference: reference.clone(), span }
    }

    /// Returns a node as JSON, by YAML's core schema.
    fn plain_json(&mut self, node: &Node) -> Option<Json> {
        let value = walk(node, &Json::Bool(true), self.file, self.out)?;
        serde_json::to_value(value).ok()
    }
}

/// Returns the node inside another to which a JSON pointer leads; the nearest where it leads nowhere.
fn at_pointer<'n>(node: &'n Node, pointer: &str) -> &'n Node {
    pointer.split('/').skip(1).fold(node, |node, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        let item = part.parse::<usize>().ok().and_then(|at| node.items().get(at));
        item.or_else(|| node.get(&part)).unwrap_or(node)
    })
}
