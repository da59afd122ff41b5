//! `assert`: the step fails when a condition does not hold.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::action::{Action, ActionContext, Needs, StepError};
use super::compiler::Compiler;
use super::effect::Reply;
use super::kind::StepKind;
use super::outcome::{FailureReason, Memo, Move, Outcome};
use super::spec::{ExpressionText, OneOrMany, Template, short_or};
use super::values::render_optional;
use crate::template::{Expression, TextTemplate};
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "assert",
    summary: "fails when a condition does not hold",
    docs: "One expression or a list of them; all must hold. An expression that cannot be evaluated fails, too.",
    example: "assert: {that: steps.usage.exit_code == 0, message: \"no usage of {{ alert.labels.mountpoint }}\"}",
    outputs: &[],
    schema,
    compile,
    takes_env: false,
};

/// Conditions and what to say when one does not hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct AssertSpec {
    /// One expression, or a list of which all must hold.
    that: OneOrMany<ExpressionText>,
    /// What the failure says. Default: the expression that does not hold.
    message: Option<Template>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    short_or::<OneOrMany<ExpressionText>, AssertSpec>(generator)
}

#[derive(Debug)]
struct Assert {
    that: Vec<Expression>,
    message: Option<TextTemplate>,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let that = compiler.expressions("that", node.get("that").unwrap_or(node), &[]);
    let message = compiler.optional(node, "message", Compiler::text);
    Some(Box::new(Assert { that: that?, message: message? }))
}

impl Action for Assert {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, _: Option<&Reply>) -> Result<Move, StepError> {
        for expression in &self.that {
            let holds =
                expression.is_true(cx.scope).map_err(|error| StepError::template("assert", &error))?;
            if !holds {
                let message = render_optional("message", self.message.as_ref(), cx)?;
                let message =
                    message.unwrap_or_else(|| format!("`{}` does not hold", expression.source().trim()));
                let outcome = Outcome::failed_for_good(FailureReason::Assertion, message);
                return Ok(Move::ended(outcome, json!({})));
            }
        }
        Ok(Move::ended(Outcome::Succeeded, json!({})))
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        let that: Vec<&str> = self.that.iter().map(|expression| expression.source().trim()).collect();
        format!("assert {}", that.join(" and "))
    }

    fn needs(&self, _: &mut Needs) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, advance_result, compiled, done};

    #[test]
    fn all_conditions_must_hold_and_the_first_that_does_not_is_named() {
        let failed = |message: &str| Outcome::failed_for_good(FailureReason::Assertion, message);
        for (step, expected) in [
            ("assert: alert.labels.n == \"7\"", Outcome::Succeeded),
            ("assert: [true, 1 > 2]", failed("`1 > 2` does not hold")),
            (
                "assert: {that: false, message: \"not on {{ alert.labels.instance }}\"}",
                failed("not on db1:9100"),
            ),
        ] {
            assert_eq!(done(advance(&*compiled(step), &Memo::Null, None)).0, expected, "{step}");
        }
        let error =
            advance_result(&*compiled("assert: alert.labels.zone == \"a\""), &Memo::Null, None).unwrap_err();
        assert_eq!(error.reason, FailureReason::Template);
    }
}
