//! [`StepKind`]: what there is to know about one kind of step; [`STEP_KINDS`] lists them all.

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::action::Action;
use super::compiler::Compiler;
use super::{alert, approve, assert, exec, fail, http, log, prometheus, set, shell, silence, wait};
use crate::text::{Node, closest};

/// One kind of step: its words, its schema, and how to make an [`Action`] of what was written.
#[derive(Debug)]
pub struct StepKind {
    /// The key that names it in a step.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What more there is to say, in Markdown.
    pub docs: &'static str,
    /// A step of this kind, as YAML.
    pub example: &'static str,
    /// What `steps.<id>` gives beside [`super::COMMON_FIELDS`].
    pub outputs: &'static [Field],
    /// What is written under its key.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Makes an action of the node under its key. Nothing comes back when something is wrong with it; the
    /// compiler then holds the diagnostics.
    pub compile: fn(&Node, &mut Compiler<'_>) -> Option<Box<dyn Action>>,
    /// Whether `env:` means something for it.
    pub takes_env: bool,
}

/// Every kind whose work one action does. (`playbook`, `block` and `parallel` hold steps and are no kinds here.)
pub const STEP_KINDS: &[StepKind] = &[
    shell::KIND,
    exec::KIND,
    http::KIND,
    silence::KIND,
    alert::KIND,
    wait::KIND,
    approve::KIND,
    prometheus::KIND,
    set::KIND,
    assert::KIND,
    fail::KIND,
    log::KIND,
];

impl StepKind {
    /// Returns the kind of this name.
    pub fn named(name: &str) -> Option<&'static StepKind> {
        STEP_KINDS.iter().find(|kind| kind.name == name)
    }

    /// Returns the kind whose name is close to a word that names none.
    pub fn closest(word: &str) -> Option<&'static StepKind> {
        closest(word, STEP_KINDS.iter().map(|kind| kind.name)).and_then(StepKind::named)
    }

    /// Returns the JSON Schema of what is written under its key, with its definitions.
    pub fn schema_document(&self) -> Value {
        let mut generator = SchemaGenerator::default();
        let mut schema = (self.schema)(&mut generator).to_value();
        if let Some(map) = schema.as_object_mut() {
            map.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
        }
        schema
    }

    /// Returns a field of its output, or one that every kind has.
    pub fn output(&self, name: &str) -> Option<&'static Field> {
        self.outputs.iter().chain(super::output::COMMON_FIELDS).find(|field| field.name == name)
    }
}

/// A field of a step's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name: `steps.<id>.<name>`.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldType,
    /// Whether others than the playbook's author decide what is in it.
    pub tainted: bool,
    /// What it is.
    pub docs: &'static str,
}

/// What a field of an output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A list.
    List,
    /// A map; what is in it is not known before.
    Map,
    /// Whatever was answered.
    Any,
}

impl Field {
    /// Makes a field whose content amflow itself vouches for.
    pub(super) const fn trusted(name: &'static str, kind: FieldType, docs: &'static str) -> Field {
        Field { name, kind, tainted: false, docs }
    }

    /// Makes a field whose content comes from outside.
    pub(super) const fn tainted(name: &'static str, kind: FieldType, docs: &'static str) -> Field {
        Field { name, kind, tainted: true, docs }
    }
}

impl FieldType {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            FieldType::Text => "text",
            FieldType::Number => "number",
            FieldType::List => "list",
            FieldType::Map => "map",
            FieldType::Any => "any",
        }
    }
}
