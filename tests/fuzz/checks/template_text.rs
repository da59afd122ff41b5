//! Plain text and arguments: the value stands in it as it is, or is refused.

use std::path::Path;

use amflow::template::TextTemplate;

use super::template::{Case, with_hostile_values};

const WRITTEN: &[&str] = &[
    "{{ x }}",
    "--host={{ x }} {{ x }}",
    "on {{ alert.labels.instance }}: {{ hosts | join(', ') }}\n",
    "{% for h in hosts %}<{{ h }}>{% endfor %}",
    "{% if x == 'db1' %}yes{% elif n > 1 %}no{% else %}{{ nothing }}{% endif %}{# a comment #}",
    "{% set y = x | upper %}{{ y }}-{{ 'y' if x == '' }}",
    "{% with y = x %}{{ y }}{% endwith %}{% raw %}{{ x }}{% endraw %}",
    "a { b } \\{{ x }}{{- x -}} c",
    "{{ hosts }}",
    "{% include 'x' %}",
    "{{ x",
    "{{ x }}}}",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    with_hostile_values(WRITTEN)
}

/// The input is a value and a template.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let template = match TextTemplate::compile(&case.source) {
        Ok(template) => template,
        Err(problems) => return case.are_in(&problems),
    };
    let expected = case.is_plain().then(|| case.with(&case.value));
    match (template.render(&case.scope()), &expected) {
        (Ok(text), Some(expected)) => assert_eq!(text, *expected, "{:?}", case.source),
        (Ok(_), None) => {}
        (Err(error), expected) => {
            case.is_told(&error);
            assert!(expected.is_none(), "{:?} takes every text: {error}", case.source);
        }
    }
    match (template.render_argument(&case.scope()), &expected) {
        (Ok(text), expected) => {
            assert!(
                !text.contains('\0') && expected.as_ref().is_none_or(|expected| text == *expected),
                "{text:?}"
            );
        }
        (Err(error), expected) => {
            case.is_told(&error);
            assert!(expected.is_none() || case.value.contains('\0'), "{error} for {:?}", case.value);
        }
    }
    match template.render_arguments(&case.scope()) {
        Ok(texts) => assert!(!texts.iter().any(|text| text.contains('\0')), "{texts:?}"),
        Err(error) => case.is_told(&error),
    }
}
