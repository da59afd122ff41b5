//! [`Outline`]: a template whose branches and loops have been followed and whose holes are still open.
//!
//! Every language with holes goes the same way: the engine writes the author's text with placeholders
//! ([`Filling`]), the language is parsed with the holes as opaque things, and only then each value is
//! put where its hole stands, spelled for that place.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value};

use super::environment::environment;
use super::parsed::Parsed;
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::{Root, Scope};

/// The most bytes that one template may become.
pub(super) const LONGEST_OUTPUT: usize = 8 << 20;

/// A compiled template of any language.
#[derive(Clone)]
pub(super) struct Outline {
    source: Arc<str>,
    parsed: Arc<Parsed>,
    /// Absent when the source has no holes at all.
    engine: Option<Arc<Engine>>,
}

/// The engine's own form of a template. It takes as long to make as all that is checked of the template and 8 KiB
/// to keep, so that it is made when the template is first filled: of many playbooks most are never run.
struct Engine {
    source: Arc<str>,
    made: OnceLock<Environment<'static>>,
}

/// A template whose holes have values that are not yet put in.
pub(super) struct Filling {
    /// Author's text and holes, in order.
    pub(super) parts: Vec<Part>,
}

/// A part of a filled template.
pub(super) enum Part {
    /// Author's text, and where in the source it stands.
    Text(String, Range<usize>),
    /// A hole: its value, and where in the source its expression stands.
    Hole(Value, Range<usize>),
}

const NAME: &str = "template";

impl Outline {
    pub(super) fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let parsed = Parsed::template(source)?;
        let is_plain = !source.contains('{');
        let source: Arc<str> = source.into();
        let engine =
            (!is_plain).then(|| Arc::new(Engine { source: Arc::clone(&source), made: OnceLock::new() }));
        Ok(Self { source, parsed: Arc::new(parsed), engine })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn references(&self) -> &[Reference] {
        &self.parsed.references
    }

    pub(super) fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// Follows the template for this scope.
    pub(super) fn fill(&self, scope: &Scope) -> Result<Filling, RenderError> {
        let Some(engine) = &self.engine else {
            return Ok(Filling { parts: vec![Part::Text(self.source.to_string(), 0..self.source.len())] });
        };
        let translate = |error| RenderError::from_engine(&error, &self.source);
        let (root, holes) = Root::new(scope);
        let template = engine.get().and_then(|engine| engine.get_template(NAME)).map_err(translate)?;
        let (text, spans) = template.render_with_spans(Value::from_object(root)).map_err(translate)?;
        let mut values = holes.take().into_iter();
        let mut parts = Vec::with_capacity(spans.len());
        for span in spans {
            match span.kind() {
                minijinja::OutputSpanKind::Raw => {
                    let text = text.get(span.output_range()).unwrap_or_default().to_owned();
                    parts.push(Part::Text(text, span.source_range()));
                }
                _ => parts.push(Part::Hole(values.next().unwrap_or_default(), span.source_range())),
            }
        }
        Ok(Filling { parts })
    }

    /// Fills and writes: author's text as it is, each value through `write`.
    pub(super) fn render(
        &self,
        scope: &Scope,
        mut write: impl FnMut(&Value) -> Result<String, RenderError>,
    ) -> Result<String, RenderError> {
        let mut out = String::new();
        for part in self.fill(scope)?.parts {
            match part {
                Part::Text(text, _) => out.push_str(&text),
                Part::Hole(value, range) => {
                    out.push_str(&write(&value).map_err(|error| error.at(&self.source, range))?);
                }
            }
            check_length(out.len())?;
        }
        Ok(out)
    }
}

impl Engine {
    /// Returns it, made now or before. What it could refuse has been refused when the source was parsed, by the
    /// same parser.
    fn get(&self) -> Result<&Environment<'static>, Error> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let mut engine = environment().clone();
        engine.add_template_owned(NAME, self.source.to_string())?;
        Ok(self.made.get_or_init(|| engine))
    }
}

/// Refuses what grew too long.
pub(super) fn check_length(length: usize) -> Result<(), RenderError> {
    if length <= LONGEST_OUTPUT {
        return Ok(());
    }
    Err(RenderError::new("template-too-long", format!("becomes longer than {} MiB", LONGEST_OUTPUT >> 20)))
}

/// Returns the text of a value that is one text: a string, a number, a truth value.
///
/// # Errors
/// Lists, maps, nothing (`none`), and bytes that are not UTF-8.
pub(super) fn scalar_text(value: &Value) -> Result<String, RenderError> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        // An `if` expression without an `else`.
        ValueKind::Undefined => Ok(String::new()),
        ValueKind::None => Err(RenderError::new("value-none", "has no value (`none`)").with_hint(
            "give one: `{{ x | default(\"...\", true) }}`, or leave the hole out with `{% if %}`",
        )),
        ValueKind::Seq | ValueKind::Iterable => {
            Err(RenderError::new("value-list", "is a list, and one text is needed")
                .with_hint("write which item, `{{ x | first }}`, or `{{ x | join(\",\") }}`"))
        }
        ValueKind::Map => Err(RenderError::new("value-map", "is a map, and one text is needed")
            .with_hint("write which entry, or `{{ x | to_json }}`")),
        ValueKind::Bytes => match value.to_str() {
            Some(text) => Ok(text.to_string()),
            None => Err(RenderError::new("value-bytes", "is not UTF-8 text")),
        },
        _ => Err(RenderError::new("value-kind", format!("is a {}, and one text is needed", value.kind()))),
    }
}

/// Returns the text of an item of a list, which is never left out silently.
pub(super) fn item_text(item: &Value) -> Result<String, RenderError> {
    if item.is_undefined() {
        let error = RenderError::new(RenderError::UNDEFINED, "an item of the list is undefined");
        return Err(error.with_hint("`{{ ... | select(\"defined\") }}` leaves such items out"));
    }
    scalar_text(item)
}

/// Refuses a NUL character, which no argument, variable, URL or header can hold.
pub(super) fn no_nul(text: String) -> Result<String, RenderError> {
    if text.contains('\0') {
        return Err(RenderError::new("value-nul", "holds a NUL character"));
    }
    Ok(text)
}
