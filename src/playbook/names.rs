//! The static table of names: what templates may read at each place of a playbook, and what strangers wrote.
//!
//! Taint is static: what came from an alert, a command's output or an HTTP reply is tainted, and so is all
//! that is made of it. What cannot be resolved is tainted.

use std::sync::OnceLock;

use super::facts::Facts;
use crate::template::{NameFacts, Names};

/// A name that is there in every run.
struct Known {
    path: &'static [&'static str],
    /// Whether strangers may have written it.
    tainted: bool,
    /// The names inside; `None`: any.
    inside: Option<&'static [&'static str]>,
    note: &'static str,
}

const fn tainted(
    path: &'static [&'static str],
    inside: Option<&'static [&'static str]>,
    note: &'static str,
) -> Known {
    Known { path, tainted: true, inside, note }
}

const fn trusted(
    path: &'static [&'static str],
    inside: Option<&'static [&'static str]>,
    note: &'static str,
) -> Known {
    Known { path, tainted: false, inside, note }
}

/// An alert's fields, as API v2 spells them.
const ALERT: &[&str] = &[
    "labels",
    "annotations",
    "startsAt",
    "endsAt",
    "updatedAt",
    "generatorURL",
    "fingerprint",
    "status",
    "receivers",
    "values",
    "links",
];
const STATUS: &[&str] = &["state", "silencedBy", "inhibitedBy", "mutedBy"];

const ALERT_NAMES: &[Known] = &[
    tainted(&["alert"], Some(ALERT), "the alert; of a group the oldest"),
    tainted(&["alert", "labels"], None, "its labels"),
    tainted(&["alert", "annotations"], None, "its annotations"),
    tainted(&["alert", "status"], Some(STATUS), "its state, and what mutes it"),
    tainted(&["alert", "values"], None, "measured values, where its source tells them"),
    tainted(&["alert", "links"], None, "pages about it, where its source tells them"),
];

const RUN_NAMES: &[Known] = &[
    tainted(&["alerts"], Some(&[]), "all alerts of the run, oldest first"),
    tainted(&["alerts", "*"], Some(ALERT), "an alert"),
    tainted(&["alerts", "*", "labels"], None, "its labels"),
    tainted(&["alerts", "*", "annotations"], None, "its annotations"),
    tainted(&["alerts", "*", "status"], Some(STATUS), "its state, and what mutes it"),
    tainted(&["alerts", "*", "values"], None, "measured values"),
    tainted(&["alerts", "*", "links"], None, "pages about it"),
    tainted(&["group"], None, "the labels of `group_by` and their values"),
    trusted(
        &["run"],
        Some(&[
            "id",
            "playbook",
            "status",
            "trigger",
            "target",
            "scope",
            "source",
            "started_at",
            "handed_over_by",
            "reason",
        ]),
        "the run",
    ),
    tainted(&["run", "target"], Some(&[]), "what limits count: the fingerprint, or the group's labels"),
    tainted(&["run", "reason"], Some(&[]), "why it ends as it does"),
    trusted(&["vars"], Some(&[]), "variables of the playbook"),
];

/// The fields of `failed`.
const FAILED: &[&str] = &["step", "reason", "status", "stdout", "stderr", "exit_code"];

const FAILED_NAMES: &[Known] = &[
    tainted(&["failed"], Some(FAILED), "the step that failed"),
    trusted(&["failed", "step"], Some(&[]), "its path"),
    trusted(&["failed", "status"], Some(&[]), "how it ended"),
    trusted(&["failed", "exit_code"], Some(&[]), "its exit code"),
];

/// Returns the names that a trigger's `when` sees.
pub(super) fn of_trigger(facts: &Facts) -> Names {
    let mut names = Names::new();
    declare(&mut names, ALERT_NAMES);
    declare_env(&mut names, facts);
    names
}

/// Returns the names that every step sees, beside `steps`.
pub(super) fn of_run(facts: &Facts) -> Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    let fixed = NAMES.get_or_init(|| {
        let mut names = Names::new();
        declare(&mut names, ALERT_NAMES);
        declare(&mut names, RUN_NAMES);
        declare_env(&mut names, &Facts { env: Some(Vec::new()), ..Facts::default() });
        names
    });
    let mut names = fixed.clone();
    if facts.env.as_ref().is_none_or(|listed| !listed.is_empty()) {
        declare_env(&mut names, facts);
    }
    names
}

/// Adds what handlers see.
pub(super) fn add_failed(names: &mut Names) {
    declare(names, FAILED_NAMES);
}

/// Adds the item of a `foreach`.
pub(super) fn add_item(names: &mut Names, is_tainted: bool) {
    names.declare(["item"], facts_of(is_tainted, None, "the item of `foreach`"));
}

/// Adds a variable.
pub(super) fn add_var(names: &mut Names, name: &str, is_tainted: bool) {
    names.declare(["vars", name], facts_of(is_tainted, None, "a variable of the playbook"));
}

fn declare_env(names: &mut Names, facts: &Facts) {
    let listed: Option<Vec<&str>> = facts.env.as_ref().map(|env| env.iter().map(String::as_str).collect());
    names.declare(["env"], facts_of(false, listed.as_deref(), "variables that the configuration lists"));
}

fn declare(names: &mut Names, known: &[Known]) {
    for name in known {
        names.declare(name.path.iter().copied(), facts_of(name.tainted, name.inside, name.note));
    }
}

fn facts_of(is_tainted: bool, inside: Option<&[&str]>, note: &str) -> NameFacts {
    let facts = if is_tainted { NameFacts::tainted(note) } else { NameFacts::trusted(note) };
    match inside {
        Some(inside) => facts.closed(inside.iter().copied()),
        None => facts,
    }
}

/// Says why a name that exists elsewhere does not exist at a place.
pub(super) fn elsewhere(name: &str, in_trigger: bool) -> Option<&'static str> {
    match name {
        "failed" => Some("`failed` is there in `on_failure` and `finally`"),
        "item" => Some("`item` is there in a step with `foreach`, and in the steps inside it"),
        "steps" | "vars" | "run" | "alerts" | "group" if in_trigger => {
            Some("it is seen per alert, before a run is made: `alert` and `env` are there")
        }
        "steps" => Some("no step has run when this is filled"),
        _ => None,
    }
}
