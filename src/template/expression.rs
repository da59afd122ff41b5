//! [`Expression`]: one expression that gives a value, as in `when:`, `expect:` and `until:`.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::environment::environment;
use super::parsed::Parsed;
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::{Root, Scope};

/// One expression in the template language, without braces: `steps.usage.exit_code == 0`.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    parsed: Arc<Parsed>,
    engine: Arc<minijinja::Expression<'static, 'static>>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Everything that is wrong with it and can be seen without values.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let trimmed = source.trim();
        if trimmed.is_empty() {
            return Err(vec![Problem::new("template-syntax", 0..source.len(), "the expression is empty")]);
        }
        if trimmed.starts_with("{{") && trimmed.ends_with("}}") {
            let problem =
                Problem::new("template-braces", 0..source.len(), "an expression stands without braces");
            return Err(vec![problem.with_hint(format!("write `{}`", trimmed[2..trimmed.len() - 2].trim()))]);
        }
        let parsed = Parsed::expression(source)?;
        let engine = environment().compile_expression_owned(source.to_owned()).map_err(|error| {
            let message = error.detail().unwrap_or("cannot be compiled").to_owned();
            vec![Problem::new("template-syntax", error.range().unwrap_or(0..source.len()), message)]
        })?;
        Ok(Self { source: source.into(), parsed: Arc::new(parsed), engine: Arc::new(engine) })
    }

    /// Returns the names that it reads.
    pub fn references(&self) -> &[Reference] {
        &self.parsed.references
    }

    /// Returns the text that it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// A name without a value, or an operation that does not fit its values.
    pub fn eval(&self, scope: &Scope) -> Result<Value, RenderError> {
        let (root, _) = Root::new(scope);
        let value = self
            .engine
            .eval(Value::from_object(root))
            .map_err(|error| RenderError::from_engine(&error, &self.source))?;
        match value.kind() {
            ValueKind::Undefined => Err(self.is_undefined()),
            ValueKind::Iterable => {
                let items =
                    value.try_iter().map_err(|error| RenderError::from_engine(&error, &self.source))?;
                Ok(items.collect::<Vec<Value>>().into())
            }
            _ => Ok(value),
        }
    }

    /// Evaluates it as a condition: false, zero, `none` and what is empty do not hold.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn is_true(&self, scope: &Scope) -> Result<bool, RenderError> {
        self.eval(scope).map(|value| value.is_true())
    }

    fn is_undefined(&self) -> RenderError {
        let name = self.source.trim();
        RenderError::new(RenderError::UNDEFINED, format!("`{name}` is undefined"))
            .with_hint(format!("`{name} | default(\"none\")` gives a value for when it is absent"))
            .at(&self.source, 0..self.source.len())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let labels = Value::from_pairs([("instance", "db1:9100"), ("my.label", "x")]);
        let alert = Value::from_pairs([("labels", labels)]);
        Scope::new().with("alert", alert).with("n", Value::from(7))
    }

    fn truth(source: &str) -> Result<bool, RenderError> {
        Expression::compile(source).expect(source).is_true(&scope())
    }

    #[test]
    fn conditions_hold_or_not() {
        for (source, expected) in [
            ("n > 5", true),
            ("n", true),
            ("n == 7 and alert.labels.instance is startingwith \"db\"", true),
            ("alert.labels.zone | default(\"on\") != \"off\"", true),
            ("alert.labels[\"my.label\"] == \"y\"", false),
            ("alert.labels.zone is defined", false),
            ("\"b1\" in alert.labels.instance", true),
            ("[]", false),
        ] {
            assert_eq!(truth(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn an_undefined_name_is_an_error_that_names_it_and_the_way_out() {
        for source in ["alert.labels.zone == \"a\"", "alert.labels.zone", "not alert.labels.zone"] {
            let error = truth(source).expect_err(source);
            assert_eq!(error.code, RenderError::UNDEFINED, "{source}: {error}");
            assert!(
                error.message.contains("`alert.labels.zone` is undefined") || source.starts_with("not"),
                "{error}"
            );
        }
        let error = truth("alert.labels.zone == \"a\"").expect_err("strict");
        assert_eq!(
            error.hint.as_deref(),
            Some("`alert.labels.zone | default(\"none\")` gives a value for when it is absent")
        );
    }

    #[test]
    fn problems_have_places_and_hints() {
        for (source, code, at, hint) in [
            ("n >", "template-syntax", None, None),
            ("{{ n }}", "template-braces", Some("{{ n }}"), Some("write `n`")),
            ("n | uper", "template-unknown-filter", Some("uper"), Some("did you mean `upper`?")),
            ("n is nubmer", "template-unknown-test", Some("nubmer"), Some("did you mean `number`?")),
            (
                "\"a\".upper()",
                "template-unknown-method",
                Some(".upper()"),
                Some("write it as a filter: `| upper`"),
            ),
            (
                "now()",
                "template-unknown-function",
                Some("now()"),
                Some("`run.now` is the time at which the run looks"),
            ),
            ("  ", "template-syntax", None, None),
        ] {
            let problems = Expression::compile(source).expect_err(source);
            assert_eq!(problems[0].code, code, "{source}: {problems:?}");
            if let Some(at) = at {
                assert_eq!(&source[problems[0].range.clone()], at, "{source}: {problems:?}");
            }
            assert_eq!(problems[0].hint.as_deref(), hint, "{source}: {problems:?}");
        }
    }

    #[test]
    fn references_are_paths_with_their_places() {
        let source = "steps.usage.stdout | lines | last and alert.labels[\"my.label\"] | default(vars.x) and alerts[0].labels[n].z";
        let expression = Expression::compile(source).expect("compiles");
        let found: Vec<(String, &str, bool)> = expression
            .references()
            .iter()
            .map(|reference| (reference.name(), &source[reference.range.clone()], reference.has_default))
            .collect();
        assert_eq!(
            found,
            [
                ("steps.usage.stdout".to_owned(), "steps.usage.stdout", false),
                ("alert.labels[\"my.label\"]".to_owned(), "alert.labels[\"my.label\"]", true),
                ("vars.x".to_owned(), "vars.x", false),
                ("n".to_owned(), "n", false),
                ("alerts[0].labels".to_owned(), "alerts[0].labels", false),
            ]
        );
    }

    #[test]
    fn endless_work_ends_with_an_error() {
        for source in [
            "\"x\" * 1000000000",
            "range(100000000) | list | length",
            "\"a\\nb\" | indent(1000000000)",
            "\"a\" | indent(width=1000000000)",
            "\"a\" | indent(9000000, true)",
        ] {
            assert!(truth(source).is_err(), "{source}");
        }
    }
}
