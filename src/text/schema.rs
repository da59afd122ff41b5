//! Questions to a JSON Schema that can be answered without a value: [`Types`], literals, references.

use serde_json::{Map, Value, json};

/// A JSON Schema that is an object.
pub(super) type SchemaMap = Map<String, Value>;

/// Returns the JSON Schema of a type, as `schemars` derives it.
pub fn schema_of<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Returns a schema as editors need it: texts take the spelling of any scalar (`targets: 5`, `version: 1.10`), which
/// a validator that reads YAML into numbers and booleans has to be told.
#[must_use]
pub fn schema_for_editors(mut schema: Value) -> Value {
    open_texts(&mut schema);
    schema
}

fn open_texts(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let is_free = !map.contains_key("enum") && !map.contains_key("const");
            if is_free && map.get("type").is_some_and(|kind| kind == "string") {
                map.insert("type".to_owned(), json!(["string", "number", "boolean"]));
            } else if let (true, Some(Value::Array(kinds))) = (is_free, map.get_mut("type"))
                && kinds.iter().any(|kind| kind == "string")
            {
                let missing =
                    ["number", "boolean"].into_iter().map(Value::from).filter(|kind| !kinds.contains(kind));
                let missing: Vec<_> = missing.collect();
                kinds.extend(missing);
            }
            if map.get("format").is_some_and(|format| format == "duration") {
                map.insert("format".to_owned(), json!("prometheus-duration"));
            }
            map.values_mut().for_each(open_texts);
        }
        Value::Array(list) => list.iter_mut().for_each(open_texts),
        _ => {}
    }
}

/// A set of JSON's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NONE: Types = Types(0);
    pub(super) const NULL: Types = Types(1);
    pub(super) const BOOLEAN: Types = Types(2);
    pub(super) const INTEGER: Types = Types(4);
    pub(super) const FLOAT: Types = Types(8);
    pub(super) const TEXT: Types = Types(16);
    pub(super) const LIST: Types = Types(32);
    pub(super) const MAPPING: Types = Types(64);
    pub(super) const ALL: Types = Types(127);

    pub(super) fn has(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn and(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }

    pub(super) fn or(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Names the types for people: `text or a list`.
    pub(super) fn describe(self) -> String {
        let mut words = Vec::new();
        for (kind, word) in [
            (Types::TEXT, "text"),
            (Types::INTEGER, if self.has(Types::FLOAT) { "a number" } else { "a whole number" }),
            (Types::BOOLEAN, "`true` or `false`"),
            (Types::LIST, "a list"),
            (Types::MAPPING, "a mapping"),
            (Types::NULL, "nothing"),
        ] {
            if self.has(kind) && (kind != Types::NULL || words.is_empty()) {
                words.push(word);
            }
        }
        match words.split_last() {
            None => "something else".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
        }
    }

    fn named(name: &str) -> Types {
        match name {
            "null" => Types::NULL,
            "boolean" => Types::BOOLEAN,
            "integer" => Types::INTEGER,
            "number" => Types::INTEGER.or(Types::FLOAT),
            "string" => Types::TEXT,
            "array" => Types::LIST,
            "object" => Types::MAPPING,
            _ => Types::NONE,
        }
    }

    fn of_literal(value: &Value) -> Types {
        match value {
            Value::Null => Types::NULL,
            Value::Bool(_) => Types::BOOLEAN,
            Value::Number(number) if number.is_f64() => Types::FLOAT,
            Value::Number(_) => Types::INTEGER,
            Value::String(_) => Types::TEXT,
            Value::Array(_) => Types::LIST,
            Value::Object(_) => Types::MAPPING,
        }
    }
}

/// References that lead in a circle, and branches in branches, end here.
const DEPTH: usize = 16;

/// Returns what a schema object says under a word.
///
/// It has a handful of them: going through those is faster than hashing the word.
pub(super) fn word<'a>(map: &'a SchemaMap, word: &str) -> Option<&'a Value> {
    map.iter().find(|(known, _)| *known == word).map(|(_, value)| value)
}

/// Follows `$ref` within the document `root`.
pub(super) fn resolve<'a>(root: &'a Value, map: &SchemaMap) -> Option<&'a Value> {
    let pointer = word(map, "$ref")?.as_str()?.strip_prefix('#')?;
    root.pointer(pointer)
}

/// Returns the branches of `anyOf` and `oneOf`, as far as there are any.
pub(super) fn branches(map: &SchemaMap) -> impl Iterator<Item = &Vec<Value>> {
    ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|word| self::word(map, word)?.as_array())
        .filter(|list| !list.is_empty())
}

/// Returns the types that this schema object itself names, without what it refers to.
pub(super) fn own_types(map: &SchemaMap) -> Types {
    let named = match word(map, "type") {
        Some(Value::String(name)) => Types::named(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(Types::named).fold(Types::NONE, Types::or)
        }
        _ => Types::ALL,
    };
    let literal = own_literals(map).map_or(Types::ALL, |literals| {
        literals.iter().map(|value| Types::of_literal(value)).fold(Types::NONE, Types::or)
    });
    named.and(literal)
}

/// Returns the values that `const` or `enum` of this schema object allow.
pub(super) fn own_literals(map: &SchemaMap) -> Option<Vec<&Value>> {
    match (word(map, "const"), word(map, "enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// Returns the types of the values that a schema can accept.
pub(super) fn types_of(root: &Value, schema: &Value) -> Types {
    types_within(root, schema, DEPTH)
}

fn types_within(root: &Value, schema: &Value, depth: usize) -> Types {
    let map = match schema {
        Value::Bool(false) => return Types::NONE,
        Value::Object(map) if depth > 0 => map,
        _ => return Types::ALL,
    };
    let mut types = own_types(map);
    for part in resolve(root, map).into_iter().chain(all_of(map)) {
        types = types.and(types_within(root, part, depth - 1));
    }
    for list in branches(map) {
        let any =
            list.iter().map(|branch| types_within(root, branch, depth - 1)).fold(Types::NONE, Types::or);
        types = types.and(any);
    }
    types
}

/// Returns the values that a schema allows, where it allows only certain ones.
pub(super) fn literals_of<'a>(root: &'a Value, schema: &'a Value) -> Option<Vec<&'a Value>> {
    literals_within(root, schema, DEPTH)
}

fn literals_within<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<Vec<&'a Value>> {
    let map = schema.as_object().filter(|_| depth > 0)?;
    own_literals(map)
        .or_else(|| {
            let mut parts = resolve(root, map).into_iter().chain(all_of(map));
            parts.find_map(|part| literals_within(root, part, depth - 1))
        })
        .or_else(|| {
            branches(map).find_map(|list| {
                let all: Option<Vec<_>> = list.iter().map(|b| literals_within(root, b, depth - 1)).collect();
                all.map(|lists| lists.concat())
            })
        })
}

/// Returns the schema objects that hold for every value of a schema: itself, what it refers to, `allOf`.
pub(super) fn flat<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a SchemaMap> {
    let mut found: Vec<&SchemaMap> = Vec::new();
    let mut left: Vec<&Value> = vec![schema];
    while let Some(next) = left.pop() {
        let Some(map) = next.as_object() else { continue };
        if !found.iter().any(|known| std::ptr::eq(*known, map)) {
            found.push(map);
            left.extend(resolve(root, map));
            left.extend(all_of(map));
        }
    }
    found
}

pub(super) fn all_of(map: &SchemaMap) -> &[Value] {
    word(map, "allOf").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the schema of a key among `properties`.
pub(super) fn property<'a>(map: &'a SchemaMap, key: &str) -> Option<&'a Value> {
    word(map, "properties")?.as_object()?.get(key)
}

/// Returns the keys among `properties`.
pub(super) fn property_names(map: &SchemaMap) -> impl Iterator<Item = &str> + use<'_> {
    word(map, "properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|all| all.keys().map(String::as_str))
}

/// Returns the keys that `required` names.
pub(super) fn required(map: &SchemaMap) -> impl Iterator<Item = &str> + use<'_> {
    word(map, "required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Says whether a schema object allows no other keys than those it names.
pub(super) fn is_closed(map: &SchemaMap) -> bool {
    ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|word| self::word(map, word) == Some(&Value::Bool(false)))
}
