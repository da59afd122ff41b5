//! The template engine as amflow uses it: nothing but the listed filters, tests and functions; strict; with limits.

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::filters::{FILTERS, FUNCTIONS, TESTS};
use super::scope::{HOLES, Holes};

/// How much work one template may take: steps of the engine and bytes that it writes.
const FUEL: u64 = 20_000_000;
/// How deep values and calls may nest.
const RECURSION: usize = 100;

/// Returns the environment that every template is compiled in.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::empty();
        environment.set_syntax(syntax());
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        // Errors then say which name was undefined.
        environment.set_debug(true);
        environment.set_formatter(write_placeholder);
        for filter in FILTERS {
            (filter.add)(&mut environment, filter.name);
        }
        for test in TESTS {
            (test.add)(&mut environment, test.name);
        }
        for function in FUNCTIONS {
            (function.add)(&mut environment, function.name);
        }
        environment
    })
}

/// The engine's own delimiters; a newline at the end of a text is kept.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default()
}

/// Never writes a value: keeps it, and writes its number between two NUL characters.
fn write_placeholder(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let place = state.lookup(HOLES);
    let Some(holes) = place.as_ref().and_then(Value::downcast_object_ref::<Holes>) else {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value cannot be written here"));
    };
    let value = if value.kind() == ValueKind::Iterable { as_list(value)? } else { value.clone() };
    let number = holes.push(value);
    write!(out, "\0{number}\0")?;
    Ok(())
}

/// Iterables are walked while the engine still counts the work.
fn as_list(value: &Value) -> Result<Value, Error> {
    Ok(value.try_iter()?.collect::<Vec<Value>>().into())
}

pub(super) fn is_filter(name: &str) -> bool {
    FILTERS.iter().any(|filter| filter.name == name)
}

pub(super) fn is_test(name: &str) -> bool {
    TESTS.iter().any(|test| test.name == name)
}

pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name)
}

pub(super) fn known_filters() -> Vec<&'static str> {
    FILTERS.iter().map(|filter| filter.name).collect()
}

pub(super) fn known_tests() -> Vec<&'static str> {
    TESTS.iter().map(|test| test.name).collect()
}

pub(super) fn known_functions() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|function| function.name).collect()
}
