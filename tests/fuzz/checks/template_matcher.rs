//! Matchers: a value is (a literal piece of) the value of the matcher that its author wrote.

use std::path::Path;

use amflow::model::{Matcher, MatcherSyntax, parse_one};
use amflow::template::MatcherTemplate;

use super::template::{Case, WORD, filled, is_literal, scope, with_hostile_values};

const WRITTEN: &[&str] = &[
    "instance = \"{{ x }}\"",
    "instance={{ x }}",
    "a != \"b{{ x }}\\n{{ x }}\"",
    "\"my.label\" = '{{ x }}'",
    "i =~ \"{{ x }}:.*\"",
    "i !~ \"(a|{{ x }})+{{ x }}{2}\"",
    "i =~ \"(?i)[a-c]{{ x }}\\\\d\"",
    "i =~ \"{{ hosts | join('|') }}\"",
    "a =~ \"[{{ x }}]\"",
    "a =~ \"\\\\x4{{ x }}\"",
    "{{ x }} = \"a\"",
    "{% if n %}a=\"{{ x }}\"{% else %}b=c{% endif %}",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    with_hostile_values(WRITTEN)
}

/// The input is a value and a matcher.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let template = match MatcherTemplate::compile(&case.source) {
        Ok(template) => template,
        Err(problems) => return case.are_in(&problems),
    };
    let matcher = match template.render(&case.scope()) {
        Ok(matcher) => matcher,
        Err(error) => return case.is_told(&error),
    };
    if !matcher.name().is_empty() {
        let (again, _) = parse_one(&matcher.to_string(), MatcherSyntax::Fallback)
            .unwrap_or_else(|error| panic!("{matcher}: {error}"));
        assert_eq!(again, matcher, "{:?} with {:?}", case.source, case.value);
    }
    if case.is_plain() {
        let worded =
            template.render(&scope(WORD)).unwrap_or_else(|error| panic!("{:?}: {error}", case.source));
        holds(&case, &matcher, &worded);
    }
}

/// Sees that a matcher is the one with the word, but for the value.
fn holds(case: &Case, matcher: &Matcher, worded: &Matcher) {
    let about = format!("{:?} with {:?} became {matcher}", case.source, case.value);
    assert_eq!((matcher.name(), matcher.op()), (worded.name(), worded.op()), "{about}");
    let Some(pattern) = matcher.pattern() else {
        assert_eq!(matcher.value(), filled(worded.value(), &case.value), "{about}");
        return;
    };
    is_literal(pattern.source(), worded.value(), &case.value, &about);
}
