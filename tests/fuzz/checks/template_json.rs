//! JSON: a value is one string, wherever it stands; nothing beside it changes.

use std::path::Path;

use amflow::template::JsonTemplate;
use serde_json::{Value as Json, json};

use super::hostile::hostile_values;
use super::input::input;
use super::template::{Case, WORD, filled, is_in, is_plain, scope};

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let written = [
        json!({"a": "{{ x }}", "b": ["<{{ x }}>", 1, null, true], "c": {"d": 1.5e300}}),
        json!(["{{ n }}", "{{ hosts }}", "{{ alert }}", "{{ nothing }}"]),
        json!({"a": "{% for h in hosts %}{{ h }}{% endfor %}", "{{ x }}": 1}),
        json!("{{ x | to_json }}"),
    ];
    let values = hostile_values();
    let short = values.iter().filter(|value| value.len() < 200);
    short.flat_map(|value| written.iter().map(move |source| input(&[value, &source.to_string()]))).collect()
}

/// The input is a value and a JSON document.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let Ok(document) = serde_json::from_str::<Json>(&case.source) else {
        let problems = JsonTemplate::compile(&case.source).expect_err("it is no JSON");
        return case.are_in(&problems);
    };
    let template = match JsonTemplate::compile(&case.source) {
        Ok(template) => template,
        Err(problems) => {
            assert!(!problems.is_empty());
            return problems.iter().for_each(|problem| {
                let place = document.pointer(&problem.pointer);
                let name = problem.pointer.rsplit('/').next().unwrap_or_default();
                let name = name.replace("~1", "/").replace("~0", "~");
                let is_name = problem.code == "json-hole-in-name";
                let text = if is_name { Some(name.as_str()) } else { place.and_then(Json::as_str) };
                is_in(problem, text.unwrap_or_else(|| panic!("{problem:?} stands nowhere in {document}")));
            });
        }
    };
    let rendered = match template.render(&case.scope()) {
        Ok(rendered) => rendered,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return assert!(!all_plain(&document), "{document} takes every text: {error}");
        }
    };
    let text = serde_json::to_string(&rendered).expect("JSON");
    assert_eq!(serde_json::from_str::<Json>(&text).expect(&text), rendered, "{document}");
    if all_plain(&document) {
        let worded = template.render(&scope(WORD)).expect("a word fits");
        assert_eq!(rendered, with(&worded, &case.value), "{document}");
        assert_eq!(rendered, replaced(&document, &case.value), "{document}");
    }
}

fn all_plain(document: &Json) -> bool {
    match document {
        Json::String(text) => is_plain(text),
        Json::Array(items) => items.iter().all(all_plain),
        Json::Object(entries) => entries.iter().all(|(name, entry)| !name.contains(WORD) && all_plain(entry)),
        _ => true,
    }
}

/// Puts the value where the word stands.
fn with(document: &Json, value: &str) -> Json {
    each_text(document, &|text| filled(text, value))
}

/// Puts the value where the hole stands.
fn replaced(document: &Json, value: &str) -> Json {
    each_text(document, &|text| text.replace("{{ x }}", value))
}

fn each_text(document: &Json, change: &dyn Fn(&str) -> String) -> Json {
    match document {
        Json::String(text) => Json::String(change(text)),
        Json::Array(items) => items.iter().map(|item| each_text(item, change)).collect(),
        Json::Object(entries) => {
            entries.iter().map(|(name, entry)| (name.clone(), each_text(entry, change))).collect()
        }
        other => other.clone(),
    }
}
