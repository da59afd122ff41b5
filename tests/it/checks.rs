//! What is said about playbooks: every code has a fixture, whose whole output is kept, and a heading in
//! `docs/checks.md`, which is made of the fixtures.
//!
//! `AMFLOW_BLESS=1 cargo test --test it checks` writes both anew; look at what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use amflow::model::{MatcherSyntax, People};
use amflow::playbook::{Facts, Loaded, parse_files};
use amflow::text::render;
use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/fixtures/check").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn code_of(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// What the configuration of the fixtures offers.
fn facts(code: &str) -> Facts {
    let has_servers = !code.starts_with("needs-");
    Facts {
        env: Some(vec!["REGION".to_owned()]),
        secrets: Some(vec!["api_token".to_owned()]),
        connections: Some(vec!["wiki".to_owned()]),
        time_intervals: Some(BTreeMap::new()),
        alertmanager: Some(has_servers),
        prometheus: Some(has_servers),
        people: Some(People {
            users: Vec::new(),
            groups: BTreeMap::from([("oncall".to_owned(), vec!["ann".to_owned(), "bob".to_owned()])]),
            may_act_as_others: Vec::new(),
        }),
        matcher_syntax: MatcherSyntax::default(),
    }
}

fn load(path: &Path) -> Loaded {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    parse_files([(name, fs::read(path).unwrap())], &facts(&code_of(path)))
}

fn output(path: &Path) -> String {
    render::text(&load(path).diagnostics, render::Drawing::default())
}

fn is_blessing() -> bool {
    std::env::var_os("AMFLOW_BLESS").is_some()
}

/// Compares with a file, or writes it.
fn keep(path: &Path, text: &str) {
    if is_blessing() {
        fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "{} is not current:\n{text}", path.display());
}

#[test]
fn each_fixture_says_what_it_said() {
    let mut unsaid = Vec::new();
    for path in fixtures("err") {
        let out = output(&path);
        let code = code_of(&path);
        if !out.contains(&format!("[{code}]")) {
            unsaid.push(format!("{code}:\n{out}"));
        }
        keep(&path.with_extension("out"), &out);
    }
    assert!(unsaid.is_empty(), "these are not said:\n{}", unsaid.join("\n"));
}

#[test]
fn good_playbooks_are_good() {
    for path in fixtures("ok") {
        let loaded = load(&path);
        let said = render::text(&loaded.diagnostics, render::Drawing::default());
        assert!(loaded.diagnostics.is_empty() && !loaded.library.playbooks().is_empty(), "\n{said}");
    }
}

/// Codes that no playbook can bring about, and why.
const NOT_IN_PLAYBOOKS: &[(&str, &str)] = &[
    ("no-playbook", "a run whose text was lost"),
    ("no-playbooks", "an example in a docstring"),
    ("duplicate-playbook", "an example in a docstring"),
    ("invalid-value", "only where serde refuses a value, in the configuration"),
    ("conflicting-keys", "only where a schema has alternatives, in the configuration"),
    ("duplicate-item", "only where a schema wants unique items"),
    ("too-long", "only where a schema limits a text"),
    ("too-short", "only where a schema limits a text"),
    ("too-many", "only where a schema limits a list"),
    ("yaml-too-large", "a file of more than two million nodes"),
    ("shell-too-long", "a script of more than 120 KiB"),
    ("too-many-steps", "a playbook of more than ten thousand steps"),
    ("inlined-too-deep", "more than 32 playbooks inlined into one another"),
    ("json-syntax", "JSON comes as YAML here"),
    ("template-nul", "YAML has no NUL"),
    ("name-unknown", "said here as `unknown-name`, `unknown-variable` or `unknown-env`"),
    ("name-step-not-run", "said here as `step-not-run`"),
];

/// The codes that the layers of a playbook can say, as their source spells them.
fn codes_in_source() -> BTreeSet<String> {
    let said = Regex::new(
        r#"(?:Diagnostic::error|Diagnostic::warning|without_place|Problem::new|self\.error|reader\.error|reader\.warning|compiler\.error|lexer\.refuse|self\.refuse|must_trust|must_trust_all|must_trust_use_at)\((?:[^"();]|\([^"()]*\))*?"([a-z0-9]+(?:-[a-z0-9]+)*)""#,
    )
    .unwrap();
    let mut codes = BTreeSet::new();
    let mut folders: Vec<PathBuf> =
        ["text", "template", "step", "playbook"].map(|layer| root().join("src").join(layer)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let source = fs::read_to_string(&path).unwrap();
                let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
                codes.extend(said.captures_iter(source).map(|found| found[1].to_owned()));
            }
        }
    }
    codes
}

#[test]
fn every_code_has_a_fixture() {
    let known: BTreeSet<String> = fixtures("err").iter().map(|path| code_of(path)).collect();
    let missing: Vec<String> = codes_in_source()
        .into_iter()
        .filter(|code| code.contains('-') && !known.contains(code))
        .filter(|code| !NOT_IN_PLAYBOOKS.iter().any(|(other, _)| other == code))
        .collect();
    assert!(missing.is_empty(), "add tests/fixtures/check/err/CODE.yaml for {missing:?}");
}

const TITLE: &str = "\
# What `amflow validate` says

Every problem has a code, in brackets behind `error` or `warning`. Here is what each means, with an example
and what is said about it. A playbook with an error is not used; one with a warning is, but probably does not
say what was meant. This page is made of `tests/fixtures/check/err`.
";

#[test]
fn the_reference_of_checks_is_current() {
    let mut text = TITLE.to_owned();
    for path in fixtures("err") {
        let source = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let comment = source.lines().take_while(|line| line.starts_with("# "));
        let words: Vec<&str> = comment.map(|line| &line[2..]).collect();
        text.push_str(&format!("\n## {}\n\n{}\n", code_of(&path), words.join("\n")));
        let example: Vec<&str> = source.lines().skip(words.len()).collect();
        // An example that is hard to read teaches nothing.
        if example.iter().all(|line| line.len() < 200 && !line.chars().any(char::is_control)) {
            text.push_str(&format!(
                "\n```yaml bad\n{}\n```\n\n```text\n{}```\n",
                example.join("\n"),
                output(&path)
            ));
        }
    }
    keep(&root().join("docs/checks.md"), &text);
}
