//! Scalars against a schema, and the limits of texts, numbers, lists and mappings.

use serde_json::Value as Schema;
use serde_yaml::{Number, Value};

use super::branch::is_literal;
use super::core_schema::{CoreValue, core_value};
use super::count::plural;
use super::diagnostic::Diagnostic;
use super::node::Node;
use super::schema::{self, SchemaMap, Types};
use super::walk::{Walk, shown, start};

impl<'a> Walk<'a> {
    /// Makes the value that the schema wants of a scalar.
    pub(super) fn scalar(&mut self, node: &Node, types: Types, facets: &[&'a SchemaMap]) -> Value {
        let Some(scalar) = node.as_scalar() else { return Value::Null };
        let core = core_value(scalar);
        if types != Types::ALL
            && let Some(literals) = facets.iter().find_map(|map| schema::own_literals(map))
        {
            return match literals.iter().find(|literal| is_literal(scalar, literal)) {
                Some(literal) => literal_value(literal),
                None if types.has(Types::TEXT) || core != CoreValue::Text => {
                    self.unknown_value(node, &literals);
                    Value::Null
                }
                None => self.wrong_type(node, types),
            };
        }
        match core {
            CoreValue::Null if types.has(Types::NULL) => Value::Null,
            CoreValue::Bool(b) if types.has(Types::BOOLEAN) => Value::Bool(b),
            CoreValue::Int(n) if types.has(Types::INTEGER) => self.number(node, n, types, facets),
            CoreValue::Float(n) if types.has(Types::FLOAT) => self.number(node, n, types, facets),
            CoreValue::Null if scalar.value.is_empty() && scalar.is_plain() => self.wrong_type(node, types),
            _ if types.has(Types::TEXT) => {
                self.text_limits(node, &scalar.value, facets);
                if self.makes_value { Value::String(scalar.value.clone()) } else { Value::Null }
            }
            _ => self.wrong_type(node, types),
        }
    }

    fn number(&mut self, node: &Node, number: Number, types: Types, facets: &[&'a SchemaMap]) -> Value {
        let value = number.as_f64().unwrap_or(f64::NAN);
        if !value.is_finite() {
            let message = format!("expected {}, got {}", types.describe(), shown(node));
            self.report(Diagnostic::error("wrong-type", self.file, node.span, message));
            return Value::Null;
        }
        for map in facets {
            let limit = |word: &str| schema::word(map, word).and_then(Schema::as_f64);
            let (lowest, highest) = format_limits(map);
            let problem = match (
                limit("minimum").into_iter().chain(lowest).reduce(f64::max),
                limit("maximum").into_iter().chain(highest).reduce(f64::min),
            ) {
                (Some(least), _) if value < least => Some(format!("must be at least {least}")),
                (_, Some(most)) if value > most => Some(format!("must be at most {most}")),
                _ => match (limit("exclusiveMinimum"), limit("exclusiveMaximum")) {
                    (Some(least), _) if value <= least => Some(format!("must be more than {least}")),
                    (_, Some(most)) if value >= most => Some(format!("must be less than {most}")),
                    _ => None,
                },
            };
            if let Some(problem) = problem {
                self.report(Diagnostic::error(
                    "out-of-range",
                    self.file,
                    node.span,
                    format!("{} {problem}", shown(node)),
                ));
                return Value::Null;
            }
        }
        Value::Number(number)
    }

    fn text_limits(&mut self, node: &Node, text: &str, facets: &[&'a SchemaMap]) {
        for map in facets {
            let length = text.chars().count();
            let limit = |word: &str| limit_of(map, word);
            let problem = match (limit("minLength"), limit("maxLength")) {
                (Some(least), _) if length < least && length == 0 => {
                    Some(("too-short", "must not be empty".to_owned()))
                }
                (Some(least), _) if length < least => {
                    Some(("too-short", format!("must have at least {}", plural(least, "character"))))
                }
                (_, Some(most)) if length > most => {
                    Some(("too-long", format!("must have at most {}", plural(most, "character"))))
                }
                _ => None,
            };
            if let Some((code, message)) = problem {
                self.report(Diagnostic::error(code, self.file, node.span, message));
                return;
            }
            let Some(pattern) = schema::word(map, "pattern").and_then(Schema::as_str) else { continue };
            if self.pattern(pattern).is_some_and(|regex| !regex.is_match(text)) {
                let message = format!("{} does not have the form `{pattern}`", shown(node));
                self.report(Diagnostic::error("wrong-form", self.file, node.span, message));
                return;
            }
        }
    }

    pub(super) fn list_limits(&mut self, node: &Node, facets: &[&'a SchemaMap]) {
        let count = node.items().len();
        let least = facets.iter().filter_map(|map| limit_of(map, "minItems")).max();
        let most = facets.iter().filter_map(|map| limit_of(map, "maxItems")).min();
        self.count_limits(node, count, least, most, "item");
        let unique = facets.iter().any(|map| schema::word(map, "uniqueItems") == Some(&Schema::Bool(true)));
        if unique {
            for (index, item) in node.items().iter().enumerate() {
                let Some(text) = item.as_str() else { continue };
                let earlier = node.items()[..index].iter().find(|other| other.as_str() == Some(text));
                if let Some(first) = earlier {
                    let message = format!("`{text}` is in this list twice");
                    let problem = Diagnostic::error("duplicate-item", self.file, item.span, message);
                    self.report(problem.related(first.span, "first here"));
                }
            }
        }
    }

    pub(super) fn mapping_limits(&mut self, node: &Node, facets: &[&'a SchemaMap]) {
        let least = facets.iter().filter_map(|map| limit_of(map, "minProperties")).max();
        let most = facets.iter().filter_map(|map| limit_of(map, "maxProperties")).min();
        self.count_limits(node, node.entries().len(), least, most, "key");
    }

    fn count_limits(
        &mut self,
        node: &Node,
        count: usize,
        least: Option<usize>,
        most: Option<usize>,
        noun: &str,
    ) {
        let problem = match (least, most) {
            (Some(least), _) if count < least => {
                ("too-few", format!("needs at least {}", plural(least, noun)))
            }
            (_, Some(most)) if count > most => {
                ("too-many", format!("has {}, of {most} at most", plural(count, noun)))
            }
            _ => return,
        };
        let place = start(node);
        self.report(Diagnostic::error(problem.0, self.file, place, problem.1));
    }
}

fn limit_of(map: &SchemaMap, word: &str) -> Option<usize> {
    schema::word(map, word)?.as_u64().and_then(|limit| usize::try_from(limit).ok())
}

/// The range of Rust's integers, which `schemars` names as a format.
fn format_limits(map: &SchemaMap) -> (Option<f64>, Option<f64>) {
    let unsigned = |most: f64| (Some(0.0), Some(most));
    match schema::word(map, "format").and_then(Schema::as_str) {
        Some("uint8") => unsigned(f64::from(u8::MAX)),
        Some("uint16") => unsigned(f64::from(u16::MAX)),
        Some("uint32") => unsigned(f64::from(u32::MAX)),
        Some("uint" | "uint64") => (Some(0.0), None),
        Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
        Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    }
}

fn literal_value(literal: &Schema) -> Value {
    match literal {
        Schema::Null | Schema::Array(_) | Schema::Object(_) => Value::Null,
        Schema::Bool(b) => Value::Bool(*b),
        Schema::String(text) => Value::String(text.clone()),
        Schema::Number(number) => number
            .as_u64()
            .map(Number::from)
            .or_else(|| number.as_i64().map(Number::from))
            .or_else(|| number.as_f64().map(Number::from))
            .map_or(Value::Null, Value::Number),
    }
}
