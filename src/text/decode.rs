//! From a node to a value of a Rust type: [`decode`].

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value as Schema;
use serde_path_to_error::{Path, Segment, Track};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Node, PathSegment};
use super::parse::parse;
use super::source::SourceFile;
use super::walk::walk;

/// Checks a node against the schema of `T` and makes a `T` of it, or none when there was an error.
///
/// The schema is that of [`schema_of`](super::schema_of), or one put together by hand. What the schema
/// cannot say and `T` refuses is reported too, at the place of the value.
pub fn decode<T: DeserializeOwned>(
    node: &Node,
    schema: &Schema,
    file: &Arc<SourceFile>,
    out: &mut Diagnostics,
) -> Option<T> {
    let value = walk(node, schema, file, out)?;
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    // Enums are written `{variant: value}`, as the schema says, not with a YAML tag.
    match serde_yaml::with::singleton_map_recursive::deserialize(tracked) {
        Ok(value) => Some(value),
        Err(error) => {
            out.push(refused(node, file, &track.path(), &error.to_string()));
            None
        }
    }
}

/// A value and what it was read from, for whoever checks it further.
#[derive(Debug, Clone)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// What it was read from; places of its parts are found by their path.
    pub node: Node,
    /// The file it was read from.
    pub file: Arc<SourceFile>,
}

/// Reads all documents of a file as values of one type; those with errors are left out and reported.
///
/// `name` is what the file is called in messages.
pub fn read<T: DeserializeOwned>(
    name: &str,
    bytes: Vec<u8>,
    schema: &Schema,
    out: &mut Diagnostics,
) -> Vec<Decoded<T>> {
    let file = match SourceFile::new(name, bytes) {
        Ok(file) => file,
        Err(problem) => {
            out.push(problem);
            return Vec::new();
        }
    };
    let mut values = Vec::new();
    for document in parse(&file, out) {
        if let Some(value) = decode(&document.root, schema, &file, out) {
            values.push(Decoded { value, node: document.root, file: Arc::clone(&file) });
        }
    }
    values
}

/// Finds the place of what serde refused by its path.
fn refused(node: &Node, file: &Arc<SourceFile>, path: &Path, message: &str) -> Diagnostic {
    let mut place = node;
    let mut span = None;
    for segment in path {
        let (next, key) = match segment {
            Segment::Seq { index } => (place.at(&[PathSegment::Index(*index)]), None),
            Segment::Map { key } | Segment::Enum { variant: key } => (place.get(key), place.key_span(key)),
            Segment::Unknown => (None, None),
        };
        // An enum's variant is in the path although a unit variant is no key.
        let Some(next) = next else { continue };
        place = next;
        span = key;
    }
    let span = if place.span.is_empty() { span.unwrap_or(place.span) } else { place.span };
    Diagnostic::error("invalid-value", file, span, message.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::schema_of;
    use std::collections::BTreeMap;

    /// A playbook of the tests.
    #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        /// Its name. What people call it.
        name: String,
        #[serde(default)]
        description: Option<String>,
        #[serde(default)]
        retries: Option<u8>,
        #[serde(default)]
        keep: bool,
        #[serde(default)]
        env: BTreeMap<String, String>,
        #[serde(default)]
        on: Status,
        #[serde(default)]
        run: Option<Script>,
        #[serde(default)]
        wait: Vec<Wait>,
        #[serde(default)]
        any: serde_json::Value,
        #[serde(default)]
        port: Port,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Status {
        /// While it fires.
        #[default]
        Firing,
        /// After it.
        Resolved,
    }

    #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    #[serde(untagged)]
    enum Script {
        Short(String),
        Argv(Vec<String>),
        Long(Long),
    }

    #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Long {
        script: String,
        #[serde(default)]
        interpreter: Option<String>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Wait {
        Duration(String),
        Until { state: Status, times: u32 },
        Forever,
    }

    /// A port that refuses 13 in its own way.
    #[derive(Debug, Default, PartialEq, schemars::JsonSchema)]
    struct Port(u16);

    impl<'de> serde::Deserialize<'de> for Port {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match u16::deserialize(deserializer)? {
                13 => Err(serde::de::Error::custom("13 brings bad luck.")),
                port => Ok(Self(port)),
            }
        }
    }

    fn read(source: &str) -> (Option<Spec>, Vec<String>) {
        let mut out = Diagnostics::new();
        let documents = super::read("f.yaml", source.into(), &schema_of::<Spec>(), &mut out);
        let spec = documents.into_iter().next().map(|decoded| decoded.value);
        out.sort();
        let said = out.iter().map(|d| {
            let at = d.position().unwrap();
            let hint = d.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}:{} {}: {}{hint}", at.line, at.column, d.code, d.message)
        });
        (spec, said.collect())
    }

    fn spec(source: &str) -> Spec {
        let (spec, said) = read(source);
        assert_eq!(said, Vec::<String>::new(), "{source}");
        spec.unwrap()
    }

    #[test]
    fn text_keeps_its_spelling_and_numbers_are_numbers() {
        let read =
            spec("name: 1.10\nretries: 0x1F\nkeep: true\nenv: {a: no, b: 022, c: true, d: ~, e: ''}\n");
        assert_eq!((read.name.as_str(), read.retries, read.keep), ("1.10", Some(31), true));
        let env: Vec<_> = read.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(env, ["a=no", "b=022", "c=true", "d=~", "e="]);
        assert_eq!(spec("name: x\ndescription: ~\n").description, None);
        assert_eq!(spec("name: x\ndescription: 'null'\n").description.as_deref(), Some("null"));
        assert_eq!(
            spec("name: x\nany: [1, yes, true, 1.5, '2']\n").any,
            serde_json::json!([1, "yes", true, 1.5, "2"])
        );
    }

    #[test]
    fn enums_are_read_in_every_way_that_their_schema_allows() {
        let read = spec(
            "name: x\non: resolved\nrun: echo hi\nwait: [forever, duration: 5s, until: {state: firing, times: 2}]\n",
        );
        assert_eq!(read.on, Status::Resolved);
        assert_eq!(read.run, Some(Script::Short("echo hi".into())));
        let until = Wait::Until { state: Status::Firing, times: 2 };
        assert_eq!(read.wait, [Wait::Forever, Wait::Duration("5s".into()), until]);
        assert_eq!(spec("name: x\nrun: [a, 1]\n").run, Some(Script::Argv(vec!["a".into(), "1".into()])));
        let long = Long { script: "1".into(), interpreter: None };
        assert_eq!(spec("name: x\nrun: {script: 1}\n").run, Some(Script::Long(long)));
    }

    #[test]
    fn every_problem_is_said_in_one_pass() {
        let source = "nmae: x\nretries: 300\nkeep: yes\nenv: [a]\non: resovled\nwait:\n  - untl: 5\n  - until: {state: firing}\n";
        assert_eq!(
            read(source).1,
            [
                "1:1 unknown-key: unknown key `nmae` (did you mean `name`?)",
                "2:10 out-of-range: `300` must be at most 255",
                "3:7 yaml-boolean: `yes` is text, not a boolean (it was one in YAML 1.1) (write `true`)",
                "4:6 wrong-type: expected a mapping, got a list",
                "5:5 unknown-value: unknown value `resovled` (did you mean `resolved`? possible are `firing`, `resolved`)",
                "7:5 unknown-key: unknown key `untl` (did you mean `until`?)",
                "8:13 missing-key: missing key `times`",
            ]
        );
    }

    #[test]
    fn a_problem_in_one_of_several_forms_is_about_the_form_that_was_meant() {
        for (run, expected) in [
            ("{scrpt: x}", "2:7 unknown-key: unknown key `scrpt` (did you mean `script`?)"),
            ("{script: x, shell: y}", "2:18 unknown-key: unknown key `shell` (known here: `interpreter`)"),
            ("{script: [x]}", "2:15 wrong-type: expected text, got a list"),
            ("[x, {y: z}]", "2:10 wrong-type: expected text, got a mapping"),
            ("{script: }", "2:13 wrong-type: expected text, got nothing (write `\"\"` for an empty text)"),
        ] {
            assert_eq!(read(&format!("name: x\nrun: {run}\n")).1[0], expected, "{run}");
        }
    }

    #[test]
    fn what_is_missing_is_said_at_the_first_key_with_its_meaning() {
        assert_eq!(read("keep: true\n").1, ["1:1 missing-key: missing key `name` (`name`: Its name)"]);
    }

    #[test]
    fn what_only_serde_refuses_is_placed_by_its_path() {
        assert_eq!(read("name: x\nport: 13\n").1, ["2:7 invalid-value: 13 brings bad luck"]);
    }

    #[test]
    fn values_through_an_alias_are_placed_where_they_are_written_and_used() {
        let file = SourceFile::new("f", b"name: x\nany: &a [x]\nenv: *a\n".to_vec()).unwrap();
        let mut out = Diagnostics::new();
        let documents = parse(&file, &mut out);
        decode::<Spec>(&documents[0].root, &schema_of::<Spec>(), &file, &mut out);
        let problem = out.iter().next().unwrap();
        assert_eq!((problem.code, problem.position().unwrap().line), ("wrong-type", 2));
        assert_eq!(file.slice(problem.related[0].span), "*a");
    }

    #[test]
    fn quoted_numbers_and_booleans_are_told_to_lose_their_quotes() {
        assert_eq!(
            read("name: x\nretries: '3'\nkeep: 'true'\n").1,
            [
                "2:10 wrong-type: expected a whole number, got `3` (remove the quotes)",
                "3:7 wrong-type: expected `true` or `false`, got `true` (remove the quotes)",
            ]
        );
    }

    #[test]
    fn a_value_that_was_already_reported_is_not_reported_again() {
        let (spec, said) = read("name: {{ x }}\nretries: *none\n");
        assert_eq!(spec, None);
        assert_eq!(said.len(), 2, "{said:?}");
    }
}
