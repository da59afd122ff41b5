//! Expressions, with all filters, tests and functions: they are refused, fail, or give a value.

use std::path::Path;

use amflow::template::{Expression, FILTERS, FUNCTIONS, TESTS, TextTemplate, json_from_value};

use super::input::input;
use super::template::Case;

const WRITTEN: &[&str] = &[
    "n > 5 and x is startingwith \"db\"",
    "alert.labels.zone | default(\"on\") != \"off\"",
    "(hosts | first ~ x)[0:2]",
    "x if n else nothing",
    "[x, {\"a\": n}] | to_json | from_json",
    "range(n) | list | batch(2) | list",
    "x | regex_replace(\"(a)+\", \"${1}$0\")",
    "-n ** 2 // 3 % 2",
    "{\"a\": x}[\"a\"] in hosts",
    "\"x\" * 1000000000",
    "x | int + x | float | round(2)",
    "x | date(\"%Y-%m-%d\", \"Europe/Berlin\")",
    "x | seconds | duration",
    "x | indent(4, true, true)",
    "hosts | map(\"upper\") | select(\"in\", hosts) | join(\", \")",
    "not",
    "((((((((((n))))))))))",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let examples = FILTERS.iter().chain(TESTS).chain(FUNCTIONS).map(|entry| entry.example);
    let all = examples.chain(WRITTEN.iter().copied());
    all.flat_map(|source| ["web-1:9100", "2026-01-02T03:04:05Z", "81"].map(|value| input(&[value, source])))
        .collect()
}

/// The input is a value and an expression.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let expression = match Expression::compile(&case.source) {
        Ok(expression) => expression,
        Err(problems) => return case.are_in(&problems),
    };
    for reference in expression.references() {
        assert!(
            case.source.get(reference.range.clone()).is_some() && !reference.path.is_empty(),
            "{reference:?}"
        );
    }
    let value = match expression.eval(&case.scope()) {
        Ok(value) => value,
        Err(error) => return case.is_told(&error),
    };
    assert_eq!(expression.is_true(&case.scope()), Ok(value.is_true()));
    let json = json_from_value(&value);
    // The same in a hole, where it is one text or is refused.
    if let Ok(template) = TextTemplate::compile(&format!("{{{{ {} }}}}", case.source))
        && let Ok(text) = template.render(&case.scope())
        && let Ok(serde_json::Value::String(json)) = json
    {
        assert_eq!(text, json);
    }
}
