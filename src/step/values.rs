//! How a [`Compiler`] reads what has no holes: durations, sizes, numbers, switches, names; and environments.

use std::time::Duration;

use super::compiler::Compiler;
use super::effect::TextOrSecret;
use super::kind::Field;
use super::size::{format_size, parse_size};
use super::uses::Language;
use super::{ActionContext, Needs, StepError};
use crate::model::parse_duration;
use crate::template::{Expression, HeaderTemplate, Scope, TextTemplate, is_special_variable};
use crate::text::{Entry, Node};

/// A text with holes, or the name of a secret.
#[derive(Clone, Debug)]
pub(super) enum TextOr {
    /// An argument or a variable.
    Text(TextTemplate),
    /// A header's value.
    Header(HeaderTemplate),
    /// A secret's name.
    Secret(String),
}

impl TextOr {
    /// Fills it; a secret stays a reference.
    pub(super) fn render(&self, field: &str, scope: &Scope) -> Result<TextOrSecret, StepError> {
        let text = match self {
            TextOr::Text(text) => text.render_argument(scope),
            TextOr::Header(text) => text.render(scope),
            TextOr::Secret(name) => return Ok(TextOrSecret::Secret(name.clone())),
        };
        text.map(TextOrSecret::Text).map_err(|error| StepError::template(field, &error))
    }

    /// Tells which secret it needs.
    pub(super) fn needs(&self, needs: &mut Needs) {
        if let TextOr::Secret(name) = self
            && !needs.secrets.contains(name)
        {
            needs.secrets.push(name.clone());
        }
    }
}

/// Variables that decide which code some programs run, beside [`is_special_variable`].
const CODE_VARIABLES: &[&str] = &["HOME", "KUBECONFIG", "XDG_CONFIG_HOME", "PSQLRC", "MYSQL_HOME"];

impl Compiler<'_> {
    /// Reads the step's `env:`: names of variables and their values.
    pub(super) fn environment(&mut self) -> Option<Vec<(String, TextOr)>> {
        let Some(node) = self.env.take() else { return Some(Vec::new()) };
        let mut all = Some(Vec::new());
        for entry in node.entries() {
            let name = entry.key.value.as_str();
            let wrong = match name {
                _ if !is_variable(name) => Some(format!("`{name}` is not the name of a variable")),
                _ if name.starts_with("AMFLOW_") => {
                    Some(format!("`{name}` is one of amflow's own variables"))
                }
                _ => None,
            };
            let is_wrong = wrong.is_some();
            if let Some(message) = wrong {
                self.error(
                    "env-name",
                    entry.key.span,
                    message,
                    Some("letters, digits and `_`, as in `PGHOST`"),
                );
            }
            let value = self.text_or_secret(&format!("env.{name}"), entry, Language::Argument);
            let is_code = CODE_VARIABLES.contains(&name) || is_special_variable(name);
            if is_code && matches!(value, Some(TextOr::Text(_))) {
                let becomes = format!("the variable `{name}`, which decides what other programs run");
                self.must_trust_all("env-code", &becomes, "pass the value in a variable of another name");
            }
            match (value.filter(|_| !is_wrong), all.as_mut()) {
                (Some(value), Some(all)) => all.push((name.to_owned(), value)),
                _ => all = None,
            }
        }
        all
    }

    /// Reads a text or `{secret: NAME}`.
    pub(super) fn text_or_secret(
        &mut self,
        field: &str,
        entry: &Entry,
        language: Language,
    ) -> Option<TextOr> {
        if let Some(secret) = entry.value.get("secret") {
            return self.name(field, secret).map(TextOr::Secret);
        }
        match language {
            Language::Header => self.header(field, &entry.value).map(TextOr::Header),
            _ => self.argument(field, &entry.value).map(TextOr::Text),
        }
    }

    /// Reads a mapping of names to texts.
    pub(super) fn texts(&mut self, field: &str, node: &Node) -> Option<Vec<(String, TextTemplate)>> {
        let read = |entry: &Entry| {
            let name = entry.key.value.clone();
            let text = self.text(&format!("{field}.{name}"), &entry.value)?;
            Some((name, text))
        };
        // Every entry is read, so that every problem is found.
        let all: Vec<Option<_>> = node.entries().iter().map(read).collect();
        all.into_iter().collect()
    }

    /// Reads what stands under a key, when it is there; `Some(None)` when it is not.
    #[expect(clippy::option_option, reason = "what is wrong and what is not there are two things")]
    pub(super) fn optional<T>(
        &mut self,
        node: &Node,
        key: &str,
        read: impl FnOnce(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match node.get(key) {
            Some(value) => read(self, key, value).map(Some),
            None => Some(None),
        }
    }

    /// Reads one expression, or a list of them.
    pub(super) fn expressions(
        &mut self,
        field: &str,
        node: &Node,
        locals: &'static [Field],
    ) -> Option<Vec<Expression>> {
        if node.items().is_empty() {
            return self.expression(field, node, locals).map(|one| vec![one]);
        }
        let read = |(at, item): (usize, &Node)| self.expression(&format!("{field}[{at}]"), item, locals);
        let all: Vec<Option<_>> = node.items().iter().enumerate().map(read).collect();
        all.into_iter().collect()
    }

    /// Reads a duration that is longer than nothing.
    pub(super) fn duration(&mut self, field: &str, node: &Node) -> Option<Duration> {
        let text = self.scalar(field, node)?;
        match parse_duration(text) {
            Ok(Duration::ZERO) => {
                self.error("duration", node.span, format!("`{field}` must be longer than 0s"), None);
                None
            }
            Ok(duration) => Some(duration),
            Err(_) if text.contains("{{") => {
                let message = format!("`{field}` is read when the playbook is loaded, and has no holes");
                self.error("duration", node.span, message, Some("write a duration such as `90s` or `1h30m`"));
                None
            }
            Err(error) => {
                let span = node.source_span(self.file, error.range);
                self.error("duration", span, error.message, error.hint.as_deref());
                None
            }
        }
    }

    /// Reads an amount of bytes between 1 and `most`.
    pub(super) fn size(&mut self, field: &str, node: &Node, most: u64) -> Option<u64> {
        let text = self.scalar(field, node)?;
        let (message, hint) = match parse_size(text.trim()) {
            Ok(bytes) if (1..=most).contains(&bytes) => return Some(bytes),
            Ok(_) => (format!("`{field}` is between 1 byte and {}", format_size(most)), None),
            Err((message, hint)) => (message, Some(hint)),
        };
        self.error("size", node.span, message, hint);
        None
    }

    /// Reads a whole number of a range.
    pub(super) fn integer(
        &mut self,
        field: &str,
        node: &Node,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let text = self.scalar(field, node)?;
        if let Some(number) = text.trim().parse::<i64>().ok().filter(|number| range.contains(number)) {
            return Some(number);
        }
        let message = format!("`{text}` is not a whole number from {} to {}", range.start(), range.end());
        self.error("number", node.span, message, None);
        None
    }

    /// Reads a switch: `true` or `false`.
    pub(super) fn switch(&mut self, field: &str, node: &Node) -> Option<bool> {
        match self.scalar(field, node)? {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let message = format!("`{field}` is `true` or `false`, not `{other}`");
                self.error("wrong-type", node.span, message, None);
                None
            }
        }
    }

    /// Reads a name without holes.
    pub(super) fn name(&mut self, field: &str, node: &Node) -> Option<String> {
        let text = self.scalar(field, node)?;
        if text.is_empty() || text.contains(['{', '}']) || text.contains(char::is_whitespace) {
            let message = format!("`{field}` is a name, without white space and without holes");
            self.error("name", node.span, message, None);
            return None;
        }
        Some(text.to_owned())
    }
}

/// Fills a text that may not be there.
pub(super) fn render_optional(
    field: &str,
    template: Option<&TextTemplate>,
    cx: &ActionContext<'_>,
) -> Result<Option<String>, StepError> {
    let render = |template: &TextTemplate| template.render(cx.scope);
    template.map(render).transpose().map_err(|error| StepError::template(field, &error))
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
