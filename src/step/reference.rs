//! The reference of all step kinds, as Markdown: [`step_reference`] makes `docs/steps.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::kind::{Field, STEP_KINDS, StepKind};
use super::output::COMMON_FIELDS;

/// Returns the reference of all step kinds as Markdown: `docs/steps.md` is exactly this.
pub fn step_reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for kind in STEP_KINDS {
        let _ = writeln!(text, "- [`{0}`](#{0}) {1}", kind.name, kind.summary);
    }
    text.push_str("\n## What every step gives\n\n");
    outputs(&mut text, COMMON_FIELDS);
    for kind in STEP_KINDS {
        section(&mut text, kind);
    }
    text
}

const INTRODUCTION: &str = "<!-- Made from the source by `AMFLOW_UPDATE_DOCS=1 cargo test steps_md`. Do not edit. -->\n\n# Step kinds\n\n\
A step is a mapping with one key that names its kind, beside the keys that all steps have (`id`, `when`, `timeout`, \
`retry` ...). What a step gives is read by later steps as `steps.<id>.<name>`. Fields marked *from outside* hold what \
an alert, a command or a server said: they are refused where they would become code.\n\n";

fn section(text: &mut String, kind: &StepKind) {
    let _ = write!(text, "\n## {}\n\nA step that {}.\n\n{}\n\n", kind.name, kind.summary, kind.docs);
    let _ = write!(text, "```yaml\n- {}\n```\n", kind.example.replace('\n', "\n  "));
    let schema = kind.schema_document();
    let mut tables = Vec::new();
    keys(&schema, &schema, "", &mut tables);
    if !tables.is_empty() {
        text.push_str("\n| key | holds | what it is |\n|---|---|---|\n");
        text.push_str(&tables.concat());
    }
    if !kind.outputs.is_empty() {
        text.push_str("\nIt gives:\n\n");
        outputs(text, kind.outputs);
    }
}

fn outputs(text: &mut String, fields: &[Field]) {
    text.push_str("| name | holds | what it is |\n|---|---|---|\n");
    for field in fields {
        let origin = if field.tainted { " *(from outside)*" } else { "" };
        let _ = writeln!(text, "| `{}` | {} | {}{origin} |", field.name, field.kind.word(), field.docs);
    }
}

/// Goes over the keys of a mapping, those inside mappings with the path to them.
fn keys(root: &Value, schema: &Value, path: &str, rows: &mut Vec<String>) {
    let schema = resolved(root, schema);
    for branch in branches(schema) {
        keys(root, branch, path, rows);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, property) in properties {
        let needed = if required.contains(&name.as_str()) { " **Required.**" } else { "" };
        let what = described(root, property).replace('\n', " ");
        let holds = holds(root, property).join(" or ");
        rows.push(format!("| `{path}{name}` | {holds} | {what}{needed} |\n"));
        if is_own_mapping(root, property) {
            keys(root, property, &format!("{path}{name}."), rows);
        }
    }
}

/// Tells whether a property is a mapping whose keys are worth a row each.
fn is_own_mapping(root: &Value, schema: &Value) -> bool {
    let schema = resolved(root, schema);
    let is_secret =
        |properties: &Map<String, Value>| properties.len() == 1 && properties.contains_key("secret");
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => !is_secret(properties),
        None => branches(schema).iter().any(|branch| is_own_mapping(root, branch)),
    }
}

fn described(root: &Value, schema: &Value) -> String {
    let own = schema.get("description").and_then(Value::as_str);
    let inner =
        || branches(schema).iter().map(|branch| described(root, branch)).find(|text| !text.is_empty());
    own.map(ToOwned::to_owned)
        .or_else(inner)
        .or_else(|| resolved(root, schema).get("description").and_then(Value::as_str).map(ToOwned::to_owned))
        .unwrap_or_default()
}

/// Returns the words for what may stand under a key.
fn holds(root: &Value, schema: &Value) -> Vec<String> {
    let schema = resolved(root, schema);
    let branches = branches(schema);
    if !branches.is_empty() {
        let mut words: Vec<String> = branches.iter().flat_map(|branch| holds(root, branch)).collect();
        words.dedup();
        return words;
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str).filter(|format| !is_number(format)) {
        return vec![format.to_owned()];
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        Some(kind) => kind.as_str(),
        None => schema.get("const").map(|_| "constant"),
    };
    match kind {
        Some("null") | None => Vec::new(),
        Some("array") => {
            let item = schema.get("items").map(|item| holds(root, item).join(" or ")).unwrap_or_default();
            vec![format!("list of {item}")]
        }
        Some("object") if schema.get("properties").is_some_and(|all| all.get("secret").is_some()) => {
            vec!["`{secret: NAME}`".to_owned()]
        }
        Some("object") => vec!["mapping".to_owned()],
        Some("boolean") => vec!["`true` or `false`".to_owned()],
        Some("integer" | "number") => vec!["number".to_owned()],
        Some(other) => vec![other.to_owned()],
    }
}

/// Formats that `schemars` derives for numbers.
fn is_number(format: &str) -> bool {
    format.starts_with("uint") || format.starts_with("int") || matches!(format, "float" | "double")
}

fn branches(schema: &Value) -> &[Value] {
    let list = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn resolved<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    let pointer =
        schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test may be asked to write the reference")]
mod tests {
    use super::*;
    use crate::step::testing::compile;

    #[test]
    fn every_file_that_defines_a_kind_is_registered() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/step");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            if text.contains("\npub(super) const KIND: StepKind") {
                found.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
        found.sort_unstable();
        let mut registered: Vec<&str> = STEP_KINDS.iter().map(|kind| kind.name).collect();
        registered.sort_unstable();
        assert_eq!(found, registered);
    }

    #[test]
    fn every_example_is_a_valid_step() {
        for kind in STEP_KINDS {
            let (action, _, problems) = compile(kind.example);
            assert_eq!(problems, Vec::<String>::new(), "{}", kind.example);
            let action = action.expect(kind.example);
            assert!(!action.summary().is_empty() && !action.summary().contains('\n'), "{}", action.summary());
        }
    }

    #[test]
    fn names_of_outputs_are_unique_and_hide_nothing() {
        const SCOPE: [&str; 9] =
            ["alert", "alerts", "group", "run", "steps", "vars", "env", "failed", "item"];
        for kind in STEP_KINDS {
            let all: Vec<&str> = kind.outputs.iter().chain(COMMON_FIELDS).map(|field| field.name).collect();
            let unique: std::collections::BTreeSet<&str> = all.iter().copied().collect();
            assert_eq!(all.len(), unique.len(), "{}", kind.name);
            // An expression that judges an answer sees these beside the names of the scope.
            let hidden = kind.outputs.iter().find(|field| kind.name != "set" && SCOPE.contains(&field.name));
            assert_eq!(hidden, None, "{}", kind.name);
        }
    }

    #[test]
    fn steps_md_is_what_the_source_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/steps.md");
        let made = step_reference();
        if std::env::var_os("AMFLOW_UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "docs/steps.md is old: run `AMFLOW_UPDATE_DOCS=1 cargo test steps_md`");
    }
}
