//! `log`: writes a line into the run's journal and to whoever watches.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::action::{Action, ActionContext, Needs, StepError};
use super::compiler::Compiler;
use super::effect::Reply;
use super::kind::{Field, FieldType, StepKind};
use super::outcome::{Memo, Move, Outcome};
use super::spec::{Template, short_or};
use crate::template::TextTemplate;
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "log",
    summary: "writes a line into the journal and to whoever watches",
    docs: "The line is part of the run's output as text and as JSON. It is no notification.",
    example: "log: \"{{ alert.labels.instance }} uses {{ steps.usage.stdout | trim }}\"",
    outputs: &[
        Field::tainted("line", FieldType::Text, "what was written"),
        Field::trusted("level", FieldType::Text, "`info`, `warning` or `error`"),
    ],
    schema,
    compile,
    takes_env: false,
};

/// A line and how important it is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct LogSpec {
    /// The line.
    message: Template,
    /// How important it is. Default: `info`.
    level: Option<Level>,
}

/// How important a line is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(rename_all = "lowercase")]
enum Level {
    /// For the record.
    Info,
    /// Somebody may want to look.
    Warning,
    /// Something is wrong.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    short_or::<Template, LogSpec>(generator)
}

#[derive(Debug)]
struct Log {
    message: TextTemplate,
    level: Level,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let message = compiler.text("message", node.get("message").unwrap_or(node));
    let level = match node.get("level").and_then(Node::as_spanned) {
        None => Level::Info,
        Some(word) => {
            let all = [Level::Info, Level::Warning, Level::Error];
            let known = all.into_iter().find(|level| level.word() == word.value);
            if known.is_none() {
                let message = format!("`{}` is no level", word.value);
                compiler.error(
                    "wrong-type",
                    word.span,
                    message,
                    Some("known here: `info`, `warning`, `error`"),
                );
            }
            known?
        }
    };
    Some(Box::new(Log { message: message?, level }))
}

impl Action for Log {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, _: Option<&Reply>) -> Result<Move, StepError> {
        let line = self.message.render(cx.scope).map_err(|error| StepError::template("message", &error))?;
        Ok(Move::ended(Outcome::Succeeded, json!({"line": line, "level": self.level.word()})))
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        format!("log: {}", self.message.source())
    }

    fn summary_of(&self, _: &Outcome, output: &Value) -> String {
        let line = output.get("line").and_then(Value::as_str);
        let mark = if self.level == Level::Info { String::new() } else { format!("{}: ", self.level.word()) };
        line.map_or_else(|| self.summary(), |line| format!("log: {mark}{line}"))
    }

    fn needs(&self, _: &mut Needs) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, compiled, done};

    #[test]
    fn it_succeeds_and_gives_its_line_and_level() {
        for (step, level) in [
            ("log: \"n is {{ alert.labels.n }}\"", "info"),
            ("log: {message: \"n is {{ alert.labels.n }}\", level: warning}", "warning"),
        ] {
            let (outcome, output) = done(advance(&*compiled(step), &Memo::Null, None));
            assert_eq!(outcome, Outcome::Succeeded);
            assert_eq!(output, json!({"line": "n is 7", "level": level}));
        }
    }
}
