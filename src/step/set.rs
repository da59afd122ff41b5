//! `set`: gives variables a value for the steps that follow.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::action::{Action, ActionContext, Needs, StepError};
use super::compiler::Compiler;
use super::effect::Reply;
use super::kind::{Field, FieldType, StepKind};
use super::outcome::{Memo, Move, Outcome};
use crate::template::JsonTemplate;
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "set",
    summary: "gives variables a value for the steps that follow",
    docs: "Under each name stands a value, or a text with holes; a text that is exactly one hole becomes the value \
        itself, a number or a list for instance. The steps that follow read it as `vars.<name>`. All values are \
        filled before the first of them is set.",
    example: "set: {used: \"{{ steps.usage.stdout | trim('% ') | int }}\", hosts: [a, b]}",
    outputs: &[Field::tainted("vars", FieldType::Map, "the variables that were set")],
    schema,
    compile,
    takes_env: false,
};

fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "Names of variables and their values.",
        "minProperties": 1,
        "additionalProperties": {"format": "any value"}
    })
}

#[derive(Debug)]
struct Set {
    vars: Vec<(String, JsonTemplate)>,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let mut vars = Some(Vec::new());
    for entry in node.entries() {
        let name = &entry.key.value;
        match (compiler.json(name, &entry.value), vars.as_mut()) {
            (Some(value), Some(vars)) => vars.push((name.clone(), value)),
            _ => vars = None,
        }
    }
    Some(Box::new(Set { vars: vars? }))
}

impl Action for Set {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, _: Option<&Reply>) -> Result<Move, StepError> {
        let mut vars = serde_json::Map::new();
        for (name, value) in &self.vars {
            let value = value.render(cx.scope).map_err(|error| StepError::template(name, &error))?;
            vars.insert(name.clone(), value);
        }
        Ok(Move::ended(Outcome::Succeeded, json!({"vars": vars})))
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn has_effects(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        let names: Vec<&str> = self.vars.iter().map(|(name, _)| name.as_str()).collect();
        format!("set {}", names.join(", "))
    }

    fn needs(&self, _: &mut Needs) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, compiled, done};

    #[test]
    fn variables_are_filled_with_their_types() {
        let set = compiled(
            "set: {num: \"{{ alert.labels.n | int + 1 }}\", host: \"h-{{ alert.labels.instance }}\", list: [1, true, no]}",
        );
        let (outcome, output) = done(advance(&*set, &Memo::Null, None));
        assert_eq!(outcome, Outcome::Succeeded);
        assert_eq!(output["vars"], json!({"num": 8, "host": "h-db1:9100", "list": [1, true, "no"]}));
    }
}
