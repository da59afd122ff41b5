//! Validation against a JSON Schema. Main type: [`Schema`].

use std::collections::BTreeSet;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

/// A compiled schema, or a definition of one.
pub(crate) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// Compiles a schema; `at` is a JSON pointer into it, empty for the whole.
    pub(crate) fn new(mut text: Value, at: &str) -> Self {
        // A relative name would be looked for among files.
        let url = "http://schema.invalid/schema.json";
        text.as_object_mut().unwrap().remove("$id");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource(url, text).unwrap();
        let index = compiler.compile(&format!("{url}#{at}"), &mut schemas);
        let index = index.unwrap_or_else(|error| panic!("{at}: {error:#}"));
        Self { schemas, index }
    }

    /// Expects a value to be valid.
    #[track_caller]
    pub(crate) fn accepts(&self, value: &Value) {
        self.check(value).unwrap_or_else(|why| panic!("{why}\nin {value:#}"));
    }

    /// Says what is not valid of a value.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| format!("{error:#}"))
    }

    /// Expects a value not to be valid.
    #[track_caller]
    pub(crate) fn refuses(&self, value: &Value) {
        assert!(self.schemas.validate(value, self.index).is_err(), "valid: {value:#}");
    }
}

/// Makes the schemas below `$defs` refuse what they do not name, so that a field without documentation is found.
pub(crate) fn strict(schema: &mut Value) {
    let mut parts = BTreeSet::new();
    find_parts(schema, &mut parts);
    for (name, definition) in schema["$defs"].as_object_mut().unwrap() {
        // What a variant consists of does not know the variant's tag; the variant itself sees both.
        let is_part = parts.contains(&format!("#/$defs/{name}"));
        close(definition, !is_part);
    }
}

/// Finds the definitions that stand beside properties.
fn find_parts(schema: &Value, parts: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let (Some(Value::String(part)), true) = (object.get("$ref"), object.contains_key("properties"))
            {
                parts.insert(part.clone());
            }
            object.values().for_each(|value| find_parts(value, parts));
        }
        Value::Array(values) => values.iter().for_each(|value| find_parts(value, parts)),
        _ => {}
    }
}

fn close(schema: &mut Value, this: bool) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(|value| close(value, true));
            if this && object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| close(value, true)),
        _ => {}
    }
}
