//! The whole JSON Schema of a playbook: the specs of this layer and the kinds of step, put together.

use std::sync::OnceLock;

use schemars::JsonSchema as _;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::spec::{BlockSpec, InlineSpec, PlaybookSpec, StepSpec};
use crate::step::STEP_KINDS;

/// The keys of a step that hold steps of their own.
pub(super) const CONTROL_KEYS: [&str; 3] = ["block", "parallel", "playbook"];

/// Returns the JSON Schema of a playbook, as editors take it.
pub fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| build(true))
}

/// Returns the schema that files are walked against: the same, but which kind a step has is left to
/// [`super::parse_step`], which says more about it.
pub(super) fn walked() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| build(false))
}

/// The keys that every step may have.
pub(super) const COMMON_KEYS: [&str; 10] = [
    "id",
    "name",
    "when",
    "timeout",
    "retry",
    "continue_on_error",
    "foreach",
    "read_only",
    "idempotent",
    "env",
];

/// Returns the keys that say what a step does.
pub(super) fn kind_keys() -> impl Iterator<Item = &'static str> + Clone {
    STEP_KINDS.iter().map(|kind| kind.name).chain(CONTROL_KEYS)
}

fn build(one_kind: bool) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut playbook = PlaybookSpec::json_schema(&mut generator).to_value();
    let mut step = StepSpec::json_schema(&mut generator).to_value();
    let mut keys = Map::new();
    for kind in STEP_KINDS {
        let schema = (kind.schema)(&mut generator).to_value();
        let mut described = json!({"description": format!("{}.", capitalised(kind.summary))});
        merge(&mut described, schema);
        keys.insert(kind.name.to_owned(), described);
    }
    keys.insert("block".to_owned(), block(&mut generator));
    keys.insert(
        "parallel".to_owned(),
        steps("Steps side by side; fails when one of them fails, after all have ended."),
    );
    let inline = InlineSpec::json_schema(&mut generator).to_value();
    keys.insert(
        "playbook".to_owned(),
        json!({
            "description": "Another playbook's steps, with variables of their own: its name, or name and `vars`.",
            "anyOf": [{"type": "string"}, inline]
        }),
    );
    if one_kind {
        step["oneOf"] = keys.keys().map(|key| json!({"required": [key]})).collect();
    } else {
        step["additionalProperties"] = json!(true);
    }
    if let Some(properties) = step["properties"].as_object_mut() {
        properties.extend(keys);
    }
    let mut definitions = generator.take_definitions(true);
    definitions.insert("Step".to_owned(), step);
    playbook["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    playbook["$defs"] = Value::Object(definitions);
    without_null(&mut playbook);
    playbook
}

/// A list of steps, or a mapping with handlers.
fn block(generator: &mut schemars::SchemaGenerator) -> Value {
    let mut long = BlockSpec::json_schema(generator).to_value();
    if let Some(map) = long.as_object_mut() {
        map.remove("description");
    }
    json!({
        "description": "Steps in order: a list, or `steps` with `on_failure` and `finally`.",
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1}, long]
    })
}

fn steps(description: &str) -> Value {
    json!({"description": description, "type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1})
}

/// Adds the words of one schema to another; those that are there stay.
fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        for (word, value) in from {
            into.entry(word).or_insert(value);
        }
    }
}

/// A key that stands there without a value is a mistake everywhere, so that no schema allows null.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(without_null),
        Value::Object(map) => {
            if map.get("default") == Some(&Value::Null) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
                branches.retain(|branch| branch.get("type") != Some(&json!("null")));
                if branches.len() == 1
                    && let Some(Value::Object(only)) = branches.pop()
                {
                    map.remove("anyOf");
                    for (word, value) in only {
                        map.entry(word).or_insert(value);
                    }
                }
            }
            map.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
