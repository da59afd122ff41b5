//! [`JsonTemplate`]: a JSON value whose strings may have holes.

use std::fmt;

use minijinja::Value;
use serde_json::Value as Json;

use super::outline::{Part, check_length};
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;
use super::text::TextTemplate;

/// A JSON value whose strings may have holes. A string that is exactly one hole becomes the typed value.
#[derive(Clone, PartialEq)]
pub struct JsonTemplate {
    node: Node,
    source: String,
    references: Vec<Reference>,
    pointers: Vec<String>,
}

#[derive(Clone, PartialEq)]
enum Node {
    Constant(Json),
    Text(TextTemplate),
    Typed(TextTemplate),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl JsonTemplate {
    /// Reads a JSON value with holes in its strings.
    ///
    /// # Errors
    /// Problems of every string, each with its JSON pointer; holes in names of entries.
    pub fn compile_value(value: &Json) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { problems: Vec::new(), references: Vec::new(), pointers: Vec::new() };
        let node = reader.node(value, "");
        if reader.problems.is_empty() {
            let Reader { references, pointers, .. } = reader;
            Ok(Self { node, source: value.to_string(), references, pointers })
        } else {
            Err(reader.problems)
        }
    }

    /// Reads a JSON document with holes in its strings.
    ///
    /// # Errors
    /// As [`JsonTemplate::compile_value`]; text that is not JSON.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let value: Json = serde_json::from_str(source).map_err(|error| {
            vec![Problem::new("json-syntax", 0..source.len(), format!("is not JSON: {error}"))]
        })?;
        Self::compile_value(&value)
    }

    /// Returns the names that its strings read; ranges are bytes of the string at [`JsonTemplate::pointers`].
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Returns for each reference the JSON pointer of the string in which it stands.
    pub fn pointers(&self) -> &[String] {
        &self.pointers
    }

    /// Returns the JSON text that it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills it.
    ///
    /// # Errors
    /// A name without a value, or a value that JSON cannot hold.
    pub fn render(&self, scope: &Scope) -> Result<Json, RenderError> {
        let mut length = 0;
        self.node.render(scope, &mut length)
    }
}

impl fmt::Debug for JsonTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonTemplate").field(&self.source).finish()
    }
}

struct Reader {
    problems: Vec<Problem>,
    references: Vec<Reference>,
    pointers: Vec<String>,
}

impl Reader {
    fn node(&mut self, value: &Json, pointer: &str) -> Node {
        match value {
            Json::String(text) => self.text(text, pointer),
            Json::Array(items) => Node::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.node(item, &format!("{pointer}/{at}")))
                    .collect(),
            ),
            Json::Object(entries) => {
                let mut nodes = Vec::with_capacity(entries.len());
                for (name, entry) in entries {
                    let inner = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    if ["{{", "{%", "{#"].iter().any(|open| name.contains(open)) {
                        let message = "the name of an entry cannot have holes";
                        let mut problem = Problem::new("json-hole-in-name", 0..name.len(), message)
                            .with_hint("names are the author's text; only values are filled");
                        problem.pointer.clone_from(&inner);
                        self.problems.push(problem);
                    }
                    nodes.push((name.clone(), self.node(entry, &inner)));
                }
                Node::Object(nodes)
            }
            constant => Node::Constant(constant.clone()),
        }
    }

    fn text(&mut self, text: &str, pointer: &str) -> Node {
        match TextTemplate::compile(text) {
            Ok(template) if template.is_constant() => match template.render(&Scope::new()) {
                Ok(plain) => Node::Constant(Json::String(plain)),
                Err(_) => Node::Text(template),
            },
            Ok(template) => {
                self.references.extend_from_slice(template.references());
                self.pointers.resize(self.references.len(), pointer.to_owned());
                if template.only_hole().is_some() { Node::Typed(template) } else { Node::Text(template) }
            }
            Err(problems) => {
                self.problems.extend(problems.into_iter().map(|mut problem| {
                    pointer.clone_into(&mut problem.pointer);
                    problem
                }));
                Node::Constant(Json::Null)
            }
        }
    }
}

impl Node {
    fn render(&self, scope: &Scope, length: &mut usize) -> Result<Json, RenderError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Text(template) => {
                let text = template.render(scope)?;
                *length += text.len();
                check_length(*length)?;
                Ok(Json::String(text))
            }
            Self::Typed(template) => {
                let value = typed(template, scope)?;
                if let Json::String(text) = &value {
                    *length += text.len();
                    check_length(*length)?;
                }
                Ok(value)
            }
            Self::Array(items) => items.iter().map(|item| item.render(scope, length)).collect(),
            Self::Object(entries) => {
                entries.iter().map(|(name, entry)| Ok((name.clone(), entry.render(scope, length)?))).collect()
            }
        }
    }
}

/// The value of a template that is one hole.
fn typed(template: &TextTemplate, scope: &Scope) -> Result<Json, RenderError> {
    for part in template.outline().fill(scope)?.parts {
        if let Part::Hole(value, range) = part {
            return json_from_value(&value).map_err(|error| error.at(template.source(), range));
        }
    }
    Ok(Json::Null)
}

/// Returns a template's value as JSON; what an `if` without `else` leaves out is `null`.
///
/// # Errors
/// A value that JSON cannot hold.
pub fn json_from_value(value: &Value) -> Result<Json, RenderError> {
    if value.is_undefined() {
        return Ok(Json::Null);
    }
    serde_json::to_value(value)
        .map_err(|error| RenderError::new("value-kind", format!("cannot be written as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::value_from_json;
    use serde_json::json;

    fn scope() -> Scope {
        Scope::new()
            .with("n", Value::from(7))
            .with("list", value_from_json(&json!([1, "a\"b", null, {"k": true}])))
            .with("hostile", Value::from("\",\"admin\":true,\"x\":\"{{ n }}"))
    }

    #[test]
    fn a_string_that_is_one_hole_is_typed_and_others_are_text() {
        let source = json!({"a": "{{ n }}", "b": "n={{ n }}", "c": ["{{ list }}", 1, null], "d": " {{ n }}", "e": {"f": "plain"}});
        let rendered =
            JsonTemplate::compile_value(&source).expect("compiles").render(&scope()).expect("renders");
        assert_eq!(
            rendered,
            json!({"a": 7, "b": "n=7", "c": [[1, "a\"b", null, {"k": true}], 1, null], "d": " 7", "e": {"f": "plain"}})
        );
    }

    #[test]
    fn a_value_stays_inside_its_string() {
        let template = JsonTemplate::compile_value(&json!({"a": "x{{ hostile }}", "b": "{{ hostile }}"}))
            .expect("compiles");
        let rendered = template.render(&scope()).expect("renders");
        assert_eq!(
            rendered,
            json!({"a": "x\",\"admin\":true,\"x\":\"{{ n }}", "b": "\",\"admin\":true,\"x\":\"{{ n }}"})
        );
    }

    #[test]
    fn numbers_are_written_as_they_were_read() {
        for number in ["555555555556555.5", "555555555556555.56", "0.1", "1.7976931348623157e308", "5e-324"] {
            let rendered =
                JsonTemplate::compile(number).expect("compiles").render(&scope()).expect("renders");
            assert_eq!(rendered.to_string(), number.replace("e308", "e+308"));
        }
    }

    #[test]
    fn problems_carry_their_pointer() {
        let problems = JsonTemplate::compile_value(&json!({"a/b": [1, "{{ n | }}"], "{{ n }}": 1}))
            .expect_err("two problems");
        let found: Vec<(&str, &str)> =
            problems.iter().map(|problem| (problem.pointer.as_str(), problem.code)).collect();
        assert_eq!(found, [("/a~1b/1", "template-syntax"), ("/{{ n }}", "json-hole-in-name")]);
    }
}
