//! Headers: one line, and the value in it whole.

use std::path::Path;

use amflow::template::HeaderTemplate;
use reqwest::header::HeaderValue;

use super::template::{Case, with_hostile_values};

const WRITTEN: &[&str] = &[
    "{{ x }}",
    "Bearer {{ x }}",
    "{{ x }}{{ x }}",
    "\"{{ x }}\"; a={{ x }}",
    "{% if n %} {{ x }}{% endif %}",
    "ü\t{{ x }} ",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    with_hostile_values(WRITTEN)
}

/// The input is a value and a header.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let template = match HeaderTemplate::compile(&case.source) {
        Ok(template) => template,
        Err(problems) => return case.are_in(&problems),
    };
    let header = match template.render(&case.scope()) {
        Ok(header) => header,
        Err(error) => return case.is_told(&error),
    };
    let about = format!("{:?} with {:?}", case.source, case.value);
    assert!(!header.chars().any(|c| c.is_control() && c != '\t'), "{about} became {header:?}");
    assert!(HeaderValue::from_bytes(header.as_bytes()).is_ok(), "{about} became {header:?}");
    if case.is_plain() {
        assert_eq!(header, case.with(&case.value), "{about}");
        // Receivers drop white space at both ends: none of it may be the value's.
        let space = [' ', '\t'];
        let Some(((before, _), (_, after))) = case.source.split_once("{{").zip(case.source.rsplit_once("}}"))
        else {
            return;
        };
        let (lead, trail) = (
            header.len() - header.trim_start_matches(space).len(),
            header.len() - header.trim_end_matches(space).len(),
        );
        assert!(
            case.value.is_empty() || (lead <= before.len() && trail <= after.len()),
            "{about} loses white space"
        );
    }
}
