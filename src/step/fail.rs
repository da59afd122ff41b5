//! `fail`: ends the list of steps as failed, with a message.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::action::{Action, ActionContext, Needs, StepError};
use super::compiler::Compiler;
use super::effect::Reply;
use super::kind::StepKind;
use super::outcome::{FailureReason, Memo, Move, Outcome};
use super::spec::{Template, short_or};
use crate::template::TextTemplate;
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "fail",
    summary: "fails, with a message",
    docs: "With `when` it is the way to say that a person has to look.",
    example: "fail: \"{{ alert.labels.instance }} is not a host that this playbook knows\"",
    outputs: &[],
    schema,
    compile,
    takes_env: false,
};

/// What the failure says.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct FailSpec {
    /// What the failure says.
    message: Template,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    short_or::<Template, FailSpec>(generator)
}

#[derive(Debug)]
struct Fail {
    message: TextTemplate,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let message = compiler.text("message", node.get("message").unwrap_or(node))?;
    Some(Box::new(Fail { message }))
}

impl Action for Fail {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, _: Option<&Reply>) -> Result<Move, StepError> {
        let message =
            self.message.render(cx.scope).map_err(|error| StepError::template("message", &error))?;
        Ok(Move::ended(Outcome::failed_for_good(FailureReason::Fail, message), json!({})))
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        format!("fail: {}", self.message.source())
    }

    fn summary_of(&self, ended: &Outcome, _: &Value) -> String {
        match ended {
            Outcome::Failed { message, .. } => format!("fail: {message}"),
            _ => self.summary(),
        }
    }

    fn needs(&self, _: &mut Needs) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, compiled, done};

    #[test]
    fn it_fails_for_good_with_its_message() {
        for step in ["fail: \"no {{ alert.labels.n }}\"", "fail: {message: \"no {{ alert.labels.n }}\"}"] {
            let (outcome, _) = done(advance(&*compiled(step), &Memo::Null, None));
            assert_eq!(outcome, Outcome::failed_for_good(FailureReason::Fail, "no 7"), "{step}");
        }
    }
}
