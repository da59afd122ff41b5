//! Types that stand in the specs of step kinds for what people write: they name it in the schema and in the
//! reference. What is written is read by the [`Compiler`](super::Compiler), which knows its place.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! written {
    ($($(#[doc = $doc:literal])* $name:ident = $format:literal, $types:tt;)*) => {$(
        $(#[doc = $doc])*
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": $types, "format": $format})
            }
        }
    )*};
}

written! {
    /// Text with holes.
    Template = "template", "string";
    /// A shell script with holes.
    Script = "shell script", "string";
    /// A URL with holes.
    UrlText = "url", "string";
    /// An expression of the template language, without braces.
    ExpressionText = "expression", "string";
    /// A matcher in Alertmanager's syntax, with holes in its value.
    MatcherText = "matcher", "string";
    /// A `PromQL` expression with holes.
    Promql = "PromQL", "string";
    /// A duration as Prometheus writes it.
    DurationText = "duration", "string";
    /// An amount of bytes.
    SizeText = "size", "string";
    /// The name of something that the configuration defines, or the id of a step.
    Name = "name", "string";
}

/// Any value of JSON, with holes in its texts.
pub(super) struct JsonValue;

impl JsonSchema for JsonValue {
    fn schema_name() -> Cow<'static, str> {
        "JsonValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"format": "any value"})
    }
}

/// A text, or `{secret: NAME}` for a secret of the configuration.
pub(super) struct TemplateOrSecret;

impl JsonSchema for TemplateOrSecret {
    fn schema_name() -> Cow<'static, str> {
        "TemplateOrSecret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string", "format": "template"},
            {
                "type": "object",
                "properties": {"secret": {"type": "string", "format": "name", "description": "The secret's name."}},
                "required": ["secret"],
                "additionalProperties": false
            }
        ]})
    }
}

/// One thing, or a list of it.
pub(super) struct OneOrMany<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

/// A mapping of names to one thing.
pub(super) struct MapOf<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for MapOf<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({"type": "object", "additionalProperties": value})
    }
}

/// Returns the schema of what has a short form beside its mapping.
pub(super) fn short_or<Short: JsonSchema, Long: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let (short, long) = (Short::json_schema(generator), generator.subschema_for::<Long>());
    json_schema!({"anyOf": [short, long]})
}
