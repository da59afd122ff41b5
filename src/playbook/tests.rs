//! Tests of the whole way from text to playbooks.

use std::fmt::Write as _;

use proptest::prelude::{Strategy as _, any, prop, prop_assert, proptest};
use proptest::sample::Index;

use super::{Body, Facts, Library, compile_text, parse_files};
use crate::text::{Diagnostic, render};

const WHOLE: &str = include_str!("../../tests/fixtures/check/ok/whole.yaml");

fn files(text: &str) -> [(String, Vec<u8>); 1] {
    [("f.yaml".to_owned(), text.as_bytes().to_vec())]
}

fn library(text: &str) -> Library {
    parse_files(files(text), &Facts::default())
        .into_result()
        .unwrap_or_else(|problems| panic!("\n{}", render::lines(&problems)))
}

#[test]
fn a_run_keeps_the_texts_of_inlined_playbooks_too() {
    let library = library(WHOLE);
    let whole = library.named("whole").unwrap();
    assert!(whole.text.contains("\n---\n") && whole.text.contains("name: inner"));
    let again = compile_text(&whole.text, &Facts::default()).unwrap();
    assert_eq!((&again.text, &again.digest), (&whole.text, &whole.digest));
    let inner = library.named("inner").unwrap();
    assert!(!inner.text.contains("name: whole"));
}

#[test]
fn an_inlined_playbook_is_a_block_with_what_is_given_and_its_own() {
    let library = library(WHOLE);
    let whole = library.named("whole").unwrap();
    let vars = whole.steps.iter().find_map(|step| match &step.body {
        Body::Block(block) => block.vars.as_ref(),
        _ => None,
    });
    let vars = vars.unwrap();
    let names = |list: &[(String, _)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&vars.given), names(&vars.own)), (vec!["path".to_owned()], vec!["full".to_owned()]));
}

#[test]
fn what_strangers_wrote_is_followed_into_an_inlined_playbook() {
    let text = "version: 1\nname: outer\nmatchers: [a = b]\nsteps:\n  - playbook: {name: inner, vars: {program: \"{{ alert.labels.x }}\"}}\n\
        ---\nversion: 1\nname: inner\nmatchers: [a = c]\nvars: {program: uptime}\nsteps:\n  - exec: [\"{{ vars.program }}\"]\n";
    let loaded = parse_files(files(text), &Facts::default());
    let codes: Vec<_> = loaded.diagnostics.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["exec-code"]);
    assert_eq!(loaded.library.playbooks().len(), 1, "the inner one is fine by itself");
}

#[test]
fn one_broken_playbook_leaves_the_others_readable() {
    let loaded = parse_files(files(&format!("{WHOLE}---\nversion: 1\nname: broken\n")), &Facts::default());
    assert!(loaded.diagnostics.has_errors());
    assert_eq!(loaded.library.playbooks().len(), 2);
}

#[test]
fn playbooks_inlined_over_and_over_end_at_a_limit() {
    let mut text = String::new();
    for level in 0..20 {
        let step = if level == 0 { "exec: [uptime]".to_owned() } else { format!("playbook: p{}", level - 1) };
        write!(text, "---\nversion: 1\nname: p{level}\nmatchers: [a = b]\nsteps: [{step}, {step}]\n")
            .unwrap();
    }
    let text = text.replace("steps: [exec: [uptime], exec: [uptime]]", "steps: [exec: [uptime]]");
    let loaded = parse_files(files(&text), &Facts::default());
    let too_many = |problem: &&Diagnostic| problem.code == "too-many-steps";
    // Each from the twelfth level on is refused once, before anything of it is read.
    assert_eq!(loaded.diagnostics.iter().filter(too_many).count(), 8);
    assert_eq!(loaded.diagnostics.len(), 8);
}

#[test]
fn playbooks_inlined_into_one_another_have_a_depth_limit() {
    let mut text = "version: 1\nname: p0\nmatchers: [a = b]\nsteps: [exec: [uptime]]\n".to_owned();
    for level in 1..2_000 {
        let step = format!("playbook: p{}", level - 1);
        write!(text, "---\nversion: 1\nname: p{level}\nmatchers: [a = b]\nsteps: [{step}]\n").unwrap();
    }
    let loaded = parse_files(files(&text), &Facts::default());
    assert_eq!(loaded.library.playbooks().len(), 33);
    assert!(loaded.diagnostics.iter().all(|problem| problem.code == "inlined-too-deep"));
}

#[test]
fn a_timeout_beside_a_wait_is_the_waits_own() {
    let codes = |step: &str| {
        let text = format!("version: 1\nname: p\nmatchers: [a = b]\nsteps: [{{{step}}}]\n");
        let loaded = parse_files(files(&text), &Facts::default());
        loaded.diagnostics.iter().map(|problem| problem.code).collect::<Vec<_>>().join(" ")
    };
    for (step, said) in [
        ("wait: {until: resolved, for: 2m}, timeout: 12m", ""),
        ("wait: {until: resolved, for: 2m}, timeout: 2m", "wait-timeout"),
        ("wait: {until: resolved, for: 40m}, timeout: 1h", ""),
        ("wait: {until: resolved, timeout: 12m}, timeout: 12m", "wait-keys"),
        ("wait: 5m, timeout: 1h", "wait-keys"),
        ("wait: {for: 5m}, timeout: 1h", "wait-keys"),
    ] {
        assert_eq!(codes(step), said, "{step}");
    }
}

#[test]
fn a_playbook_that_is_no_yaml_is_not_among_the_good_ones() {
    let text = WHOLE.replacen("when:", "<<:", 1);
    let loaded = parse_files(files(&text), &Facts::default());
    assert!(loaded.diagnostics.iter().any(|problem| problem.code == "yaml-merge"));
    assert!(loaded.library.named("whole").is_none() && loaded.library.named("inner").is_some());
}

#[test]
fn deep_nesting_and_bombs_are_refused() {
    let mut bomb = "a: &a [x]\n".to_owned();
    for n in 0..30 {
        writeln!(bomb, "b{n}: &b{n} [*a, *a]").unwrap();
    }
    for text in ["[".repeat(100_000), "- ".repeat(100_000), format!("a: {}", "{b: ".repeat(100_000)), bomb] {
        assert!(parse_files(files(&text), &Facts::default()).diagnostics.has_errors());
    }
}

proptest! {
    #[test]
    fn no_mutation_of_a_playbook_makes_it_panic(
        at in any::<Index>(),
        cut in 0..40_usize,
        put in prop::sample::select(vec!["", "{{", "}}", "\"", "'", ": ", "- ", "[", "]", "\n", "\n  ", "#", "| ", "&a", "*a", "<<: ", "---\n", "é", "\0", "steps.", "\t"])
            .prop_map(str::to_owned),
    ) {
        let letters: Vec<char> = WHOLE.chars().collect();
        let at = at.index(letters.len());
        let end = (at + cut).min(letters.len());
        let text: String = letters[..at].iter().copied().chain(put.chars()).chain(letters[end..].iter().copied()).collect();
        let loaded = parse_files(files(&text), &Facts::default());
        for playbook in loaded.library.playbooks() {
            let again = compile_text(&playbook.text, &Facts::default());
            prop_assert!(again.is_ok(), "{}\n{}", playbook.text, render::lines(&again.unwrap_err()));
        }
    }
}
