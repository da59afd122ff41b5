//! [`Names`]: which names there are at a place of a playbook, and which of them strangers wrote.
//!
//! Taint is static: it follows names, not values. What cannot be resolved is tainted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::problem::Problem;
use super::reference::{Reference, written};
use crate::text::{closest, word_list};

/// The names that templates may read at one place of a playbook.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Shared by the places of all playbooks that see the same names.
    declared: Arc<BTreeMap<Vec<String>, NameFacts>>,
    ran: BTreeSet<String>,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFacts {
    /// Whether strangers may have written its value: an alert, a command's output, an HTTP reply.
    pub tainted: bool,
    /// Which names it has inside.
    pub known_children: KnownChildren,
    /// The step that must have run before.
    pub after_step: Option<String>,
    /// What it is, in a few words, for people.
    pub note: String,
}

/// Which names a name has inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownChildren {
    /// Any; they share its facts.
    Open,
    /// These and the ones declared, and no others; `Closed(vec![])` is one value.
    Closed(Vec<String>),
}

/// Whether strangers may have written a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taint {
    /// Only the playbook's author or the configuration wrote it.
    Trusted,
    /// A stranger may have.
    Tainted {
        /// The name through which.
        name: String,
    },
}

impl NameFacts {
    /// Facts of a value that the author or the configuration wrote.
    pub fn trusted(note: impl Into<String>) -> Self {
        Self { tainted: false, known_children: KnownChildren::Open, after_step: None, note: note.into() }
    }

    /// Facts of a value that strangers may have written.
    pub fn tainted(note: impl Into<String>) -> Self {
        Self { tainted: true, ..Self::trusted(note) }
    }

    /// Says that these are all the names inside.
    #[must_use]
    pub fn closed<S: Into<String>>(mut self, children: impl IntoIterator<Item = S>) -> Self {
        self.known_children = KnownChildren::Closed(children.into_iter().map(Into::into).collect());
        self
    }

    /// Says which step must have run before.
    #[must_use]
    pub fn after(mut self, step: impl Into<String>) -> Self {
        self.after_step = Some(step.into());
        self
    }
}

impl Taint {
    /// Tells whether a stranger may have written it.
    pub fn is_tainted(&self) -> bool {
        matches!(self, Self::Tainted { .. })
    }
}

/// What became of the search for a path.
enum Found<'n> {
    Known(&'n NameFacts),
    /// The path is unknown from the part with this number on.
    Unknown(usize),
}

impl Names {
    /// Makes a table without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a name by its parts; `*` stands for any part (`alerts.*.labels`). A later word about the same path counts.
    pub fn declare<S: Into<String>>(&mut self, path: impl IntoIterator<Item = S>, facts: NameFacts) {
        let path = path.into_iter().map(Into::into).collect();
        Arc::make_mut(&mut self.declared).insert(path, facts);
    }

    /// Notes that a step has run at this place, so that what it leaves behind may be read.
    pub fn step_ran(&mut self, step: impl Into<String>) {
        self.ran.insert(step.into());
    }

    /// Tells whether a step has run at this place.
    pub fn has_run(&self, step: &str) -> bool {
        self.ran.contains(step)
    }

    /// Returns the facts of a path, its own or those that it shares with what it is in.
    pub fn facts(&self, path: &[String]) -> Option<&NameFacts> {
        match self.find(path) {
            Found::Known(facts) => Some(facts),
            Found::Unknown(_) => None,
        }
    }

    /// Tells whether a value made of these references may come from strangers.
    pub fn taint_of(&self, references: &[Reference]) -> Taint {
        for reference in references {
            let tainted = match self.find(&reference.path) {
                Found::Unknown(_) => true,
                // A whole is tainted when any part of it is.
                Found::Known(facts) => {
                    facts.tainted || self.any_inside(&reference.path, |facts| facts.tainted)
                }
            };
            if tainted {
                return Taint::Tainted { name: reference.name() };
            }
        }
        Taint::Trusted
    }

    /// Finds names that do not exist and steps that have not run.
    pub fn check(&self, references: &[Reference], problems: &mut Vec<Problem>) {
        for reference in references {
            match self.find(&reference.path) {
                Found::Unknown(at) => problems.push(self.unknown(reference, at)),
                Found::Known(facts) => {
                    if let Some(step) = facts.after_step.as_ref().filter(|step| !self.ran.contains(*step)) {
                        let message = format!("the step `{step}` has not run when this is read");
                        let problem = Problem::new("name-step-not-run", reference.range.clone(), message);
                        problems.push(problem.with_hint("read it in a later step"));
                    }
                }
            }
        }
    }

    fn find(&self, path: &[String]) -> Found<'_> {
        let Some(mut facts) = path.first().and_then(|_| self.exact(&path[..1])) else {
            return Found::Unknown(0);
        };
        let mut inherited = false;
        for at in 1..path.len() {
            if !inherited && let Some(own) = self.exact(&path[..=at]) {
                facts = own;
                continue;
            }
            match &facts.known_children {
                KnownChildren::Open => inherited = true,
                KnownChildren::Closed(children) if !inherited && children.contains(&path[at]) => {
                    inherited = true;
                }
                KnownChildren::Closed(_) if inherited => {}
                KnownChildren::Closed(_) => return Found::Unknown(at),
            }
        }
        Found::Known(facts)
    }

    fn exact(&self, path: &[String]) -> Option<&NameFacts> {
        if let Some(facts) = self.declared.get(path) {
            return Some(facts);
        }
        let fits = |declared: &[String]| {
            declared.len() == path.len()
                && declared.iter().zip(path).all(|(known, part)| known == "*" || known == part)
        };
        self.declared.iter().find(|(declared, _)| fits(declared)).map(|(_, facts)| facts)
    }

    fn any_inside(&self, path: &[String], holds: impl Fn(&NameFacts) -> bool) -> bool {
        self.declared.iter().any(|(declared, facts)| {
            declared.len() > path.len()
                && declared.iter().zip(path).all(|(known, part)| known == "*" || known == part)
                && holds(facts)
        })
    }

    fn unknown(&self, reference: &Reference, at: usize) -> Problem {
        let (before, name) = (&reference.path[..at], &reference.path[at]);
        let known = self.children(before);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let message = match before {
            [] => format!("`{name}` is not known here"),
            [steps] if steps == "steps" => format!("there is no step `{name}`"),
            _ => format!("`{}` has no `{name}`", written(before)),
        };
        let problem = Problem::new("name-unknown", reference.range.clone(), message);
        match closest(name, known.iter().copied()) {
            Some(near) => {
                let mut path = before.to_vec();
                path.push(near.to_owned());
                problem.with_hint(format!("did you mean `{}`?", written(&path)))
            }
            None if known.is_empty() => problem,
            None => problem.with_hint(format!("known here: {}", word_list(&known))),
        }
    }

    /// The names that are known inside a path.
    fn children(&self, path: &[String]) -> BTreeSet<String> {
        let mut children: BTreeSet<String> = self
            .declared
            .keys()
            .filter(|declared| declared.len() == path.len() + 1)
            .filter(|declared| declared.iter().zip(path).all(|(known, part)| known == "*" || known == part))
            .filter_map(|declared| declared.last().cloned())
            .filter(|name| name != "*")
            .collect();
        if let Some(NameFacts { known_children: KnownChildren::Closed(closed), .. }) = self.facts(path) {
            children.extend(closed.iter().cloned());
        }
        children
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Expression;

    fn names() -> Names {
        let mut names = Names::new();
        names.declare(["alert"], NameFacts::tainted("the alert").closed(["labels", "annotations", "status"]));
        names.declare(["alerts", "*"], NameFacts::tainted("an alert").closed(["labels"]));
        names.declare(["alerts"], NameFacts::tainted("the alerts").closed(Vec::<String>::new()));
        names.declare(["vars"], NameFacts::trusted("variables").closed(Vec::<String>::new()));
        names.declare(["vars", "keep"], NameFacts::trusted("written by the author"));
        names.declare(["vars", "host"], NameFacts::tainted("made of a label"));
        names.declare(["steps"], NameFacts::trusted("steps").closed(Vec::<String>::new()));
        for (step, ran) in [("usage", true), ("clean", false)] {
            names.declare(["steps", step], NameFacts::tainted("a step").closed(["stdout"]).after(step));
            names.declare(["steps", step, "exit_code"], NameFacts::trusted("a number").after(step));
            if ran {
                names.step_ran(step);
            }
        }
        names
    }

    fn references(source: &str) -> Vec<Reference> {
        Expression::compile(source).expect(source).references().to_vec()
    }

    #[test]
    fn unknown_names_come_with_the_closest_known_one() {
        for (source, message, hint) in [
            ("alert.lables.x", "`alert` has no `lables`", Some("did you mean `alert.labels`?")),
            ("alrt.labels.x", "`alrt` is not known here", Some("did you mean `alert`?")),
            ("steps.usgae.stdout", "there is no step `usgae`", Some("did you mean `steps.usage`?")),
            ("steps.usage.stdot", "`steps.usage` has no `stdot`", Some("did you mean `steps.usage.stdout`?")),
            (
                "steps.clean.stdout",
                "the step `clean` has not run when this is read",
                Some("read it in a later step"),
            ),
            ("vars.zzz", "`vars` has no `zzz`", Some("known here: `host`, `keep`")),
        ] {
            let mut problems = Vec::new();
            names().check(&references(source), &mut problems);
            assert_eq!(problems.len(), 1, "{source}: {problems:?}");
            assert_eq!(problems[0].message, message, "{source}");
            assert_eq!(problems[0].hint.as_deref(), hint, "{source}");
        }
    }

    #[test]
    fn known_names_are_no_problem() {
        for source in [
            "alert.labels.x",
            "alert.labels[\"a b\"]",
            "steps.usage.stdout",
            "alerts[0].labels.x",
            "steps.usage.exit_code",
        ] {
            let mut problems = Vec::new();
            names().check(&references(source), &mut problems);
            assert!(problems.is_empty(), "{source}: {problems:?}");
        }
    }

    #[test]
    fn taint_follows_names_and_what_is_unknown_is_tainted() {
        for (source, tainted) in [
            ("vars.keep", None),
            ("\"a\" ~ 1", None),
            ("steps.usage.exit_code", None),
            ("vars.keep ~ vars.host", Some("vars.host")),
            ("vars", Some("vars")),
            ("vars[vars.keep]", Some("vars")),
            ("alert.labels.x", Some("alert.labels.x")),
            ("nosuch", Some("nosuch")),
        ] {
            let expected = match tainted {
                None => Taint::Trusted,
                Some(name) => Taint::Tainted { name: name.to_owned() },
            };
            assert_eq!(names().taint_of(&references(source)), expected, "{source}");
        }
    }
}
