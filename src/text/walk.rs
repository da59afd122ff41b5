//! A tree of nodes against a JSON Schema: all problems at once, and the typed value: [`walk`].

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value as Schema;
use serde_yaml::Value;

use super::branch::Choice;
use super::core_schema::{is_old_boolean, untyped};
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::node::{Entry, Node, NodeKind};
use super::schema::{self, SchemaMap, Types};
use super::source::SourceFile;
use super::span::Span;
use super::{suggest, traps};

/// Checks a node against a JSON Schema and makes a value of it.
///
/// Every problem goes to `out`; the value is none when one of them is an error, or something in the
/// node was already reported. Where the schema wants text, a scalar keeps its spelling (`no`, `1.10`,
/// `0x1F` stay what was typed); numbers and booleans are made where it wants them; where it accepts
/// anything, YAML 1.2's core schema decides.
///
/// Of JSON Schema it knows what `schemars` derives: `$ref`, `type`, `properties`, `required`,
/// `additionalProperties`, `items`, `enum`, `const`, `anyOf`, `oneOf`, `allOf`, limits, `pattern`.
pub fn walk(node: &Node, schema: &Schema, file: &Arc<SourceFile>, out: &mut Diagnostics) -> Option<Value> {
    pass(node, schema, file, out, true)
}

/// Checks a node as [`walk`] does, and makes no value of it; returns whether it could be made.
pub fn check(node: &Node, schema: &Schema, file: &Arc<SourceFile>, out: &mut Diagnostics) -> bool {
    pass(node, schema, file, out, false).is_some()
}

fn pass(
    node: &Node,
    schema: &Schema,
    file: &Arc<SourceFile>,
    out: &mut Diagnostics,
    makes_value: bool,
) -> Option<Value> {
    let mut walk = Walk {
        file,
        root: schema,
        found: Vec::new(),
        aliases: Vec::new(),
        chosen: HashMap::new(),
        patterns: HashMap::new(),
        makes_value,
    };
    let value = walk.value(node, &[schema]);
    let usable = walk.found.iter().all(|d| d.severity != Severity::Error) && !node.is_broken();
    out.extend(walk.found);
    usable.then_some(value)
}

/// One pass over a tree.
pub(super) struct Walk<'a> {
    pub(super) file: &'a Arc<SourceFile>,
    pub(super) root: &'a Schema,
    found: Vec<Diagnostic>,
    /// The aliases through which the current node is reached.
    aliases: Vec<Span>,
    /// Branches that were found by trying, by node and branches.
    pub(super) chosen: HashMap<(usize, usize, usize), usize>,
    patterns: HashMap<&'a str, Option<Regex>>,
    /// Whether the value is wanted, or only what is wrong with it.
    pub(super) makes_value: bool,
}

impl<'a> Walk<'a> {
    /// Checks a node against all of some schemas.
    fn value(&mut self, node: &Node, schemas: &[&'a Schema]) -> Value {
        self.aliases.extend(node.alias);
        let mut facets = Vec::new();
        let settled = schemas.iter().any(|schema| !self.facets(node, schema, &mut facets));
        let value = if settled && !self.makes_value {
            Value::Null
        } else if settled {
            plain_value(node)
        } else {
            self.checked(node, &facets)
        };
        if node.alias.is_some() {
            self.aliases.pop();
        }
        value
    }

    /// Collects the schema objects that hold for this node; false when there is nothing more to check.
    fn facets(&mut self, node: &Node, schema: &'a Schema, into: &mut Vec<&'a SchemaMap>) -> bool {
        let Some(map) = schema.as_object() else { return true };
        if into.iter().any(|known| std::ptr::eq(*known, map)) {
            return true;
        }
        into.push(map);
        let parts = schema::resolve(self.root, map).into_iter().chain(schema::all_of(map));
        for part in parts {
            if !self.facets(node, part, into) {
                return false;
            }
        }
        for list in schema::branches(map) {
            match self.choose(node, list) {
                Choice::Branch(branch) if !self.facets(node, branch, into) => return false,
                Choice::Settled if schema::word(map, "properties").is_none() => return false,
                Choice::Branch(_) | Choice::Unneeded | Choice::Settled => {}
            }
        }
        true
    }

    /// Counts the problems that a node has with one schema, and reports none of them.
    pub(super) fn trial(&mut self, node: &Node, schema: &'a Schema) -> usize {
        let before = self.found.len();
        self.value(node, &[schema]);
        let problems = self.found.len() - before;
        self.found.truncate(before);
        problems
    }

    fn checked(&mut self, node: &Node, facets: &[&'a SchemaMap]) -> Value {
        let types = facets.iter().map(|map| schema::own_types(map)).fold(Types::ALL, Types::and);
        match &node.kind {
            NodeKind::Broken => Value::Null,
            NodeKind::Scalar(_) => self.scalar(node, types, facets),
            NodeKind::Sequence(_) if !types.has(Types::LIST) => self.wrong_type(node, types),
            NodeKind::Mapping(_) if !types.has(Types::MAPPING) => self.wrong_type(node, types),
            NodeKind::Sequence(sequence) => {
                self.list_limits(node, facets);
                let mut values = Vec::new();
                for (index, item) in sequence.items.iter().enumerate() {
                    let value = self.value(item, &item_schemas(facets, index));
                    if self.makes_value {
                        values.push(value);
                    }
                }
                Value::Sequence(values)
            }
            NodeKind::Mapping(mapping) => self.mapping(node, &mapping.entries, facets),
        }
    }

    fn mapping(&mut self, node: &Node, entries: &[Entry], facets: &[&'a SchemaMap]) -> Value {
        let mut value = serde_yaml::Mapping::new();
        let closed = facets.iter().any(|map| schema::is_closed(map));
        let mut unknown = Vec::new();
        for entry in entries {
            let schemas = self.entry_schemas(&entry.key.value, facets);
            if schemas.is_empty() && closed {
                unknown.push(entry);
                continue;
            }
            let named = facets.iter().any(|map| schema::property(map, &entry.key.value).is_some());
            if !named {
                self.key(entry, facets);
            }
            let item = self.value(&entry.value, &schemas);
            if self.makes_value {
                value.insert(Value::String(entry.key.value.clone()), item);
            }
        }
        let meant = if unknown.is_empty() {
            Vec::new()
        } else {
            let names: Vec<&str> = facets.iter().flat_map(|map| schema::property_names(map)).collect();
            self.unknown_keys(node, &unknown, &names)
        };
        self.missing_keys(node, facets, &meant);
        self.mapping_limits(node, facets);
        Value::Mapping(value)
    }

    fn entry_schemas(&mut self, key: &str, facets: &[&'a SchemaMap]) -> Vec<&'a Schema> {
        let mut schemas = Vec::new();
        for map in facets {
            let before = schemas.len();
            schemas.extend(schema::property(map, key));
            if let Some(patterns) = schema::word(map, "patternProperties").and_then(Schema::as_object) {
                for (pattern, schema) in patterns {
                    if self.pattern(pattern).is_none_or(|regex| regex.is_match(key)) {
                        schemas.push(schema);
                    }
                }
            }
            let other = schema::word(map, "additionalProperties");
            if schemas.len() == before && other.is_some_and(|other| *other != Schema::Bool(false)) {
                schemas.extend(other);
            }
        }
        schemas
    }

    /// Checks a key that the writer chose, such as a variable's name.
    fn key(&mut self, entry: &Entry, facets: &[&'a SchemaMap]) {
        let key = &entry.key;
        for map in facets.iter().filter_map(|map| schema::word(map, "propertyNames")?.as_object()) {
            if let Some(pattern) = schema::word(map, "pattern").and_then(Schema::as_str)
                && self.pattern(pattern).is_some_and(|regex| !regex.is_match(&key.value))
            {
                let message = format!("key `{}` does not have the form `{pattern}`", key.value);
                self.report(Diagnostic::error("wrong-form", self.file, key.span, message));
            }
        }
        if let Some(warning) = traps::truthy_key(self.file, entry) {
            self.report(warning);
        }
    }

    /// Reports keys that are not among `names`; returns the names that were probably meant.
    pub(super) fn unknown_keys<'n>(
        &mut self,
        node: &Node,
        unknown: &[&Entry],
        names: &[&'n str],
    ) -> Vec<&'n str> {
        let mut meant = Vec::new();
        if !unknown.is_empty()
            && let Some(trap) = traps::text_became_mapping(self.file, node)
        {
            self.report(trap);
            return names.to_vec();
        }
        for entry in unknown {
            let key = &entry.key.value;
            let free: Vec<&str> = names.iter().copied().filter(|name| node.get(name).is_none()).collect();
            let hint = suggest::hint(key, free.iter().copied())
                .or_else(|| suggest::hint(key, names.iter().copied()));
            let message = format!("unknown key `{key}`");
            self.report(
                Diagnostic::error("unknown-key", self.file, entry.key.span, message).maybe_hint(hint),
            );
            meant.extend(suggest::closest(key, free.iter().copied()));
        }
        meant
    }

    /// Reports keys that are required and not there, but for those that were `meant` by an unknown one.
    fn missing_keys(&mut self, node: &Node, facets: &[&'a SchemaMap], meant: &[&str]) {
        let mut missing: Vec<&str> = Vec::new();
        for key in facets.iter().flat_map(|map| schema::required(map)) {
            if node.get(key).is_none() && !missing.contains(&key) && !meant.contains(&key) {
                missing.push(key);
            }
        }
        for key in missing {
            let message = format!("missing key `{key}`");
            let hint = facets.iter().find_map(|map| first_sentence(schema::property(map, key)?));
            let hint = hint.map(|meaning| format!("`{key}`: {meaning}"));
            let place = start(node);
            self.report(Diagnostic::error("missing-key", self.file, place, message).maybe_hint(hint));
        }
    }

    pub(super) fn wrong_type(&mut self, node: &Node, wanted: Types) -> Value {
        let trap = match &node.kind {
            NodeKind::Mapping(_) if wanted.has(Types::TEXT) => traps::text_became_mapping(self.file, node),
            _ => None,
        };
        let problem = trap.unwrap_or_else(|| {
            let message = format!("expected {}, got {}", wanted.describe(), shown(node));
            let place = if node.span.is_empty() { start(node) } else { first_line(self.file, node.span) };
            Diagnostic::error("wrong-type", self.file, place, message).maybe_hint(type_hint(node, wanted))
        });
        let old_boolean = node.as_scalar().filter(|s| s.is_plain()).and_then(|s| is_old_boolean(&s.value));
        self.report(match old_boolean {
            Some(meant) if wanted.has(Types::BOOLEAN) => {
                let word = node.as_str().unwrap_or_default();
                let message = format!("`{word}` is text, not a boolean (it was one in YAML 1.1)");
                Diagnostic::error("yaml-boolean", self.file, node.span, message)
                    .hint(format!("write `{meant}`"))
            }
            _ => problem,
        });
        Value::Null
    }

    pub(super) fn unknown_value(&mut self, node: &Node, allowed: &[&Schema]) {
        let words: Vec<String> = allowed.iter().map(|value| literal_word(value)).collect();
        let value = node.as_str().unwrap_or_default();
        let hint = match suggest::closest(value, words.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? possible are {}", suggest::list(&words)),
            None => format!("possible: {}", suggest::list(&words)),
        };
        let message =
            if value.is_empty() { "no value".to_owned() } else { format!("unknown value {}", shown(node)) };
        self.report(Diagnostic::error("unknown-value", self.file, node.span, message).hint(hint));
    }

    /// Adds a problem, with the aliases that lead to it.
    pub(super) fn report(&mut self, mut problem: Diagnostic) {
        for alias in &self.aliases {
            problem = problem.related(*alias, "used here");
        }
        self.found.push(problem);
    }

    /// Returns the compiled pattern, or none when it cannot be one.
    pub(super) fn pattern(&mut self, pattern: &'a str) -> Option<&Regex> {
        self.patterns.entry(pattern).or_insert_with(|| Regex::new(pattern).ok()).as_ref()
    }
}

/// The place of what is not there: the mapping's first key.
pub(super) fn start(node: &Node) -> Span {
    node.entries().first().map_or(node.span, |entry| entry.key.span)
}

fn item_schemas<'a>(facets: &[&'a SchemaMap], index: usize) -> Vec<&'a Schema> {
    let of = |map: &&'a SchemaMap| {
        let prefix =
            schema::word(map, "prefixItems").and_then(Schema::as_array).and_then(|list| list.get(index));
        prefix.or_else(|| schema::word(map, "items"))
    };
    facets.iter().filter_map(of).collect()
}

/// The value of a node about which the schema says nothing (more).
fn plain_value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Broken => Value::Null,
        NodeKind::Scalar(scalar) => untyped(scalar),
        NodeKind::Sequence(sequence) => Value::Sequence(sequence.items.iter().map(plain_value).collect()),
        NodeKind::Mapping(mapping) => {
            let entries = mapping.entries.iter();
            Value::Mapping(
                entries.map(|e| (Value::String(e.key.value.clone()), plain_value(&e.value))).collect(),
            )
        }
    }
}

/// Names a node in a message: a short text by itself.
pub(super) fn shown(node: &Node) -> String {
    match node.as_str() {
        Some(text) if !node.is_null() && !text.is_empty() && text.len() <= 40 && !text.contains('\n') => {
            format!("`{text}`")
        }
        Some("") if !node.is_null() => "empty text".to_owned(),
        _ => node.describe().to_owned(),
    }
}

fn type_hint(node: &Node, wanted: Types) -> Option<String> {
    let text = node.as_str();
    if node.is_null() && wanted.has(Types::TEXT) {
        return Some("write `\"\"` for an empty text".into());
    }
    let scalar = node.as_scalar().filter(|scalar| !node.is_null() && !scalar.value.is_empty());
    if wanted.has(Types::LIST) && scalar.is_some() && !wanted.has(Types::TEXT) {
        return Some("a list has its items on lines of their own, each after `- `; or write `[item]`".into());
    }
    let unquoted = scalar.filter(|scalar| !scalar.is_plain()).map(|scalar| {
        let plain =
            super::scalar::Scalar { style: super::scalar::ScalarStyle::Plain, tag: None, ..scalar.clone() };
        untyped(&plain)
    });
    match unquoted {
        Some(Value::Number(_)) if wanted.has(Types::INTEGER) => Some("remove the quotes".into()),
        Some(Value::Bool(_)) if wanted.has(Types::BOOLEAN) => Some("remove the quotes".into()),
        _ if wanted == Types::MAPPING && text.is_some() => Some("a mapping has lines of `key: value`".into()),
        _ => None,
    }
}

fn literal_word(value: &Schema) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn first_sentence(schema: &Schema) -> Option<&str> {
    let text = schema.get("description")?.as_str()?;
    let line = text.lines().next()?.trim();
    Some(line.split_once(". ").map_or(line, |(sentence, _)| sentence).trim_end_matches('.'))
}

/// The part of a span on its first line: lists and mappings would otherwise be shown whole.
fn first_line(file: &SourceFile, span: Span) -> Span {
    let line = file.line_span(file.position(span.start).line);
    Span::new(span.start, span.end.min(line.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse;
    use proptest::prelude::{prop_assert_eq, proptest};
    use serde_json::json;

    fn problems(source: &str, schema: &Schema) -> Vec<String> {
        let file = SourceFile::new("f", source.as_bytes().to_vec()).unwrap();
        let mut out = Diagnostics::new();
        for document in parse(&file, &mut out) {
            walk(&document.root, schema, &file, &mut out);
        }
        out.sort();
        out.iter().map(|d| format!("{}: {}", d.code, d.message)).collect()
    }

    fn step() -> Schema {
        json!({
            "type": "object",
            "properties": {
                "id": {"type": "string", "pattern": "^[a-z]+$"},
                "shell": {"type": "string", "minLength": 1},
                "exec": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
                "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
                "size": {"type": "number", "exclusiveMinimum": 0},
                "block": {"type": "array", "items": {"$ref": "#"}},
                "vars": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "additionalProperties": true},
            },
            "oneOf": [{"required": ["shell"]}, {"required": ["exec"]}, {"required": ["block"]}],
            "additionalProperties": false,
        })
    }

    #[test]
    fn a_mapping_with_one_of_several_keys_says_which_are_possible() {
        for (source, expected) in [
            ("shell: x", vec![]),
            ("id: x", vec!["missing-key: missing the key that says what this is"]),
            (
                "{shell: x, exec: [y]}",
                vec!["conflicting-keys: `exec` beside `shell`: only one of them is possible"],
            ),
            ("block: [shell: x, {exec: []}]", vec!["too-few: needs at least 1 item"]),
            (
                "block: [{id: 5x, shell: y, zz: 1}]",
                vec!["wrong-form: `5x` does not have the form `^[a-z]+$`", "unknown-key: unknown key `zz`"],
            ),
        ] {
            assert_eq!(problems(source, &step()), expected, "{source}");
        }
    }

    #[test]
    fn limits_are_said_in_words() {
        for (source, expected) in [
            ("{shell: ''}", "too-short: must not be empty"),
            ("{exec: [a, b, c]}", "too-many: has 3 items, of 2 at most"),
            ("{shell: x, tags: [a, b, a]}", "duplicate-item: `a` is in this list twice"),
            ("{shell: x, size: 0}", "out-of-range: `0` must be more than 0"),
            ("{shell: x, size: .inf}", "wrong-type: expected a number, got `.inf`"),
            ("{shell: x, vars: {A: 1}}", "wrong-form: key `A` does not have the form `^[a-z]+$`"),
            (
                "{shell: x, vars: {on: 1}}",
                "yaml-truthy-key: key `on` is read as text here, and as true by readers of YAML 1.1",
            ),
        ] {
            assert_eq!(problems(source, &step()), [expected], "{source}");
        }
    }

    #[test]
    fn a_tagged_choice_is_told_by_its_tag() {
        let schema = json!({"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
            {"type": "object", "properties": {"kind": {"const": "b"}, "y": {"type": "integer"}}, "required": ["kind", "y"]},
        ]});
        assert_eq!(problems("{kind: b, x: 1}", &schema), ["missing-key: missing key `y`"]);
        assert_eq!(problems("{kind: a, x: z}", &schema), ["wrong-type: expected a whole number, got `z`"]);
    }

    #[test]
    fn lists_of_several_forms_are_told_by_their_items() {
        let list = |kind: &str| json!({"type": "array", "items": {"type": kind}});
        let schema = json!({"anyOf": [list("integer"), list("boolean"), {"type": "null"}]});
        assert_eq!(
            problems("[true, false, 3]", &schema),
            ["wrong-type: expected `true` or `false`, got `3`"]
        );
        assert_eq!(problems("x", &schema), ["wrong-type: expected a list, got `x`"]);
    }

    #[test]
    fn forms_within_forms_are_tried_without_multiplying() {
        let schema = json!({"anyOf": [
            {"type": "array", "items": {"$ref": "#"}, "maxItems": 1},
            {"type": "array", "items": {"$ref": "#"}},
            {"type": "integer"},
        ]});
        let source = format!("{}x{}", "[".repeat(60), "]".repeat(60));
        assert_eq!(problems(&source, &schema), ["wrong-type: expected a whole number or a list, got `x`"]);
    }

    proptest! {
        #[test]
        fn a_value_without_a_schema_is_what_yaml_says(numbers in proptest::collection::vec(-1000i64..1000, 0..5)) {
            let source = format!("{numbers:?}");
            let file = SourceFile::new("f", source.into_bytes()).unwrap();
            let mut out = Diagnostics::new();
            let root = parse(&file, &mut out).remove(0).root;
            let value = walk(&root, &json!(true), &file, &mut out);
            let expected: Vec<Value> = numbers.into_iter().map(Value::from).collect();
            prop_assert_eq!(value, Some(Value::Sequence(expected)));
        }

        #[test]
        fn whatever_is_read_can_be_checked(
            source in r#"([a-z]: |- |shell: |exec: |block: |\[|\]|\{|\}|, |"|'|\||\n|\n  |&a |\*a|<<: |x|1|true|~){0,30}"#
        ) {
            problems(&source, &step());
        }
    }
}
