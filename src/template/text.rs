//! [`TextTemplate`]: plain text with holes, for people, and for one argument of a program.

use std::fmt;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::filters::to_json_text;
use super::outline::{Outline, item_text, no_nul, scalar_text};
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;

/// The most bytes of one argument or variable: Linux takes 128 KiB (`MAX_ARG_STRLEN`), with its name and the NUL.
pub(super) const LONGEST_ARGUMENT: usize = 120 << 10;

/// Plain text with holes. What is put in never becomes syntax, because plain text has none.
#[derive(Clone)]
pub struct TextTemplate {
    outline: Outline,
}

impl TextTemplate {
    /// Reads text with holes.
    ///
    /// # Errors
    /// Everything that is wrong with it and can be seen without values.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        Ok(Self { outline: Outline::compile(source)? })
    }

    /// Returns the names that it reads.
    pub fn references(&self) -> &[Reference] {
        self.outline.references()
    }

    /// Returns the text that it was read from.
    pub fn source(&self) -> &str {
        self.outline.source()
    }

    /// Tells whether it has no holes.
    pub fn is_constant(&self) -> bool {
        self.outline.parsed().pieces.iter().all(|piece| matches!(piece, super::parsed::Piece::Text(_)))
    }

    /// Fills it for people to read: lists and maps as JSON.
    ///
    /// # Errors
    /// A name without a value, or an operation that does not fit its values.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        self.outline.render(scope, readable_text)
    }

    /// Fills it as one argument or variable of a program: no NUL, no lists, no maps, at most 120 KiB.
    ///
    /// # Errors
    /// As [`TextTemplate::render`], and what cannot be one argument.
    pub fn render_argument(&self, scope: &Scope) -> Result<String, RenderError> {
        let text = self.outline.render(scope, |value| no_nul(scalar_text(value)?))?;
        if text.len() > LONGEST_ARGUMENT {
            return Err(too_long(text.len()).at(self.source(), 0..self.source().len()));
        }
        Ok(text)
    }

    /// Fills it as arguments of a program: one, or when it is one hole with a list, one for each item.
    ///
    /// # Errors
    /// As [`TextTemplate::render_argument`].
    pub fn render_arguments(&self, scope: &Scope) -> Result<Vec<String>, RenderError> {
        let Some(range) = self.only_hole() else { return Ok(vec![self.render_argument(scope)?]) };
        let filling = self.outline.fill(scope)?;
        let value = filling.parts.iter().find_map(|part| match part {
            super::outline::Part::Hole(value, _) => Some(value),
            super::outline::Part::Text(..) => None,
        });
        match value {
            Some(value) if value.kind() == ValueKind::Seq => {
                let items =
                    value.try_iter().map_err(|error| RenderError::from_engine(&error, self.source()))?;
                items
                    .map(|item| {
                        argument(item_text(&item)).map_err(|error| error.at(self.source(), range.clone()))
                    })
                    .collect()
            }
            Some(value) => argument(scalar_text(value))
                .map(|text| vec![text])
                .map_err(|error| error.at(self.source(), range)),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The expression of the only hole of a template that has nothing else.
    pub(super) fn only_hole(&self) -> Option<std::ops::Range<usize>> {
        match self.outline.parsed().pieces.as_slice() {
            [super::parsed::Piece::Hole(hole)] => Some(self.outline.parsed().holes[*hole].range.clone()),
            _ => None,
        }
    }
}

impl fmt::Debug for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextTemplate").field(&self.source()).finish()
    }
}

impl PartialEq for TextTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

fn argument(text: Result<String, RenderError>) -> Result<String, RenderError> {
    let text = no_nul(text?)?;
    if text.len() > LONGEST_ARGUMENT { Err(too_long(text.len())) } else { Ok(text) }
}

/// The refusal of what is too long for an argument or a variable.
pub(super) fn too_long(length: usize) -> RenderError {
    let message = format!("is {} KiB long, and an argument may have 120 KiB", length.div_ceil(1024));
    RenderError::new("value-too-long", message).with_hint("pass it by `stdin:`")
}

/// The text of any value, for people.
fn readable_text(value: &Value) -> Result<String, RenderError> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => to_json_text(value),
        ValueKind::None => Ok("none".to_owned()),
        _ => scalar_text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::new()
            .with("host", Value::from("db1"))
            .with("hosts", Value::from(vec!["a b", "c"]))
            .with("hostile", Value::from("{{ 7*7 }} {% if %} $(id)"))
            .with("nothing", Value::from(()))
            .with("map", Value::from_pairs([("k", 1)]))
    }

    #[test]
    fn text_is_filled_and_values_are_never_filled_again() {
        for (source, expected) in [
            ("plain\n", "plain\n"),
            (
                "on {{ host }}, {{ hosts }}, {{ map }}, {{ nothing }}\n",
                "on db1, [\"a b\",\"c\"], {\"k\":1}, none\n",
            ),
            ("{{ hostile }}", "{{ 7*7 }} {% if %} $(id)"),
            ("{% for h in hosts %}<{{ h }}>{% endfor %}", "<a b><c>"),
            ("{% if host == 'db1' %}yes{% else %}no{% endif %}{# a comment #}", "yes"),
            ("{% set x = host | upper %}{{ x }}-{{ 'y' if host == '' }}", "DB1-"),
            ("a { b } \\{{ host }}", "a { b } \\db1"),
        ] {
            let template = TextTemplate::compile(source).expect(source);
            assert_eq!(template.render(&scope()).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn an_argument_is_one_text() {
        let argument = |source: &str| TextTemplate::compile(source).expect(source).render_argument(&scope());
        assert_eq!(argument("--host={{ host }}").as_deref(), Ok("--host=db1"));
        for (source, code) in [
            ("{{ hosts }}", "value-list"),
            ("{{ map }}", "value-map"),
            ("{{ nothing }}", "value-none"),
            ("{{ host ~ \"\\0\" }}", "value-nul"),
            ("{{ 'x' * 200000 }}", "value-too-long"),
        ] {
            let error = argument(source).expect_err(source);
            assert_eq!(error.code, code, "{source}: {error}");
        }
    }

    #[test]
    fn a_list_that_stands_alone_becomes_an_argument_for_each_item() {
        let template = TextTemplate::compile("{{ hosts }}").expect("compiles");
        assert_eq!(template.render_arguments(&scope()), Ok(vec!["a b".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn errors_name_the_expression() {
        let template = TextTemplate::compile("a {{ host ~ alert.labels.zone }}").expect("compiles");
        let error = template.render(&scope()).expect_err("undefined");
        assert_eq!(error.to_string(), "`alert` is undefined in `alert.labels`");
    }

    #[test]
    fn statements_that_would_make_values_of_filled_text_are_refused() {
        for source in [
            "{% set x %}a{{ host }}{% endset %}{{ x }}",
            "{% filter upper %}{{ host }}{% endfilter %}",
            "{% include 'x' %}",
            "{% macro m() %}{% endmacro %}",
            "{% autoescape true %}{% endautoescape %}",
            "a\0b",
        ] {
            assert!(TextTemplate::compile(source).is_err(), "{source}");
        }
    }
}
