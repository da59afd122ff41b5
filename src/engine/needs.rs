//! [`Lack`]: what a playbook needs and cannot have. It is found before the first step, not missing in the
//! middle of a run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Engine;
use super::ports::Performer;
use crate::playbook::{Library, Need, Needed, Playbook};
use crate::text::Diagnostic;

/// What the configuration offers to playbooks.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// Whether there is an Alertmanager.
    pub alertmanager: bool,
    /// Whether there is a Prometheus.
    pub prometheus: bool,
    /// Connections by name.
    pub connections: Vec<String>,
    /// Secrets by name.
    pub secrets: Vec<String>,
    /// Groups of people by name.
    pub groups: Vec<String>,
}

/// Something that a playbook needs and cannot have at present.
#[derive(Clone, Debug)]
pub struct Lack {
    /// What is needed, and where that is written.
    pub needed: Needed,
    /// Why it cannot be had, for people.
    pub why: String,
    /// How to mend it.
    pub hint: String,
}

impl Lack {
    /// Returns it as one line, with its place and how to mend it.
    pub fn line(&self) -> String {
        let Needed { file, span, .. } = &self.needed;
        let at = file.position(span.start);
        format!("{}:{}:{}: {}; {}", file.name(), at.line, at.column, self.why, self.hint)
    }

    /// Returns it as a problem of the playbook's file.
    pub fn diagnostic(&self) -> Diagnostic {
        let code = match &self.needed.need {
            Need::Alertmanager => "missing-alertmanager",
            Need::Prometheus => "missing-prometheus",
            Need::Connection(_) => "missing-connection",
            Need::Secret(_) => "missing-secret",
            Need::Variable(_) => "missing-variable",
            Need::Group(_) => "missing-group",
        };
        Diagnostic::error(code, &self.needed.file, self.needed.span, &self.why).hint(&self.hint)
    }
}

/// A playbook, and what it lacks.
pub type HeldBack = (Arc<Playbook>, Vec<Lack>);

/// Looks whether playbooks can have what they need; at each thing once.
pub struct Readiness<'e> {
    offered: &'e Offered,
    variables: &'e BTreeMap<String, String>,
    performer: &'e dyn Performer,
    known: HashMap<Need, Option<(String, String)>>,
}

impl<'e> Readiness<'e> {
    /// Begins to look; `variables` are those of the environment that playbooks may read, as far as they are set.
    pub fn new(
        offered: &'e Offered,
        variables: &'e BTreeMap<String, String>,
        performer: &'e dyn Performer,
    ) -> Readiness<'e> {
        Readiness { offered, variables, performer, known: HashMap::new() }
    }

    /// Returns what a playbook needs and cannot have.
    pub fn lacks(&mut self, playbook: &Playbook) -> Vec<Lack> {
        let mut lacks = Vec::new();
        for needed in &playbook.needs {
            if !self.known.contains_key(&needed.need) {
                let found = self.look(&needed.need);
                self.known.insert(needed.need.clone(), found);
            }
            let Some(Some((why, hint))) = self.known.get(&needed.need) else { continue };
            let why = match needed.purpose.as_str() {
                "" => why.clone(),
                purpose => format!("`{purpose}` {why}"),
            };
            lacks.push(Lack { needed: needed.clone(), why, hint: hint.clone() });
        }
        lacks
    }

    /// Says why something cannot be had, and how to mend that.
    fn look(&self, need: &Need) -> Option<(String, String)> {
        let says = |why: String, hint: String| Some((why, hint));
        match need {
            Need::Alertmanager if !self.offered.alertmanager => says(
                "needs an Alertmanager, and none is configured".to_owned(),
                "give --alertmanager.url, or set `alertmanager.urls` in the configuration".to_owned(),
            ),
            Need::Prometheus if !self.offered.prometheus => says(
                "this needs a Prometheus, and none is configured".to_owned(),
                "set `prometheus.url` in the configuration".to_owned(),
            ),
            Need::Connection(name) if !self.offered.connections.contains(name) => says(
                format!("there is no connection `{name}`"),
                "define it under `connections` in the configuration".to_owned(),
            ),
            Need::Secret(name) if !self.offered.secrets.contains(name) => says(
                format!("there is no secret `{name}`"),
                "define it under `secrets` in the configuration".to_owned(),
            ),
            Need::Group(name) => (!self.offered.groups.contains(name)).then(|| {
                let hint = "define it under `people.groups` in the configuration";
                (format!("there is no group `{name}`"), hint.to_owned())
            }),
            Need::Variable(name) => (!self.variables.contains_key(name)).then(|| {
                let hint = format!(
                    "set it where amflow is started, or say what holds without it: `env.{name} | default(\"\")`"
                );
                (format!("the variable `{name}` is not set"), hint)
            }),
            Need::Alertmanager => self.performer.lacks(need).map(|why| {
                let hint = "mend that, or `alertmanager.http_config` in the configuration";
                (format!("needs the Alertmanager: {why}"), hint.to_owned())
            }),
            Need::Prometheus => self.performer.lacks(need).map(|why| {
                let hint = "mend that, or `prometheus.http_config` in the configuration";
                (format!("this needs the Prometheus: {why}"), hint.to_owned())
            }),
            Need::Connection(name) => self.performer.lacks(need).map(|why| {
                let hint = format!("mend that, or `connections.{name}` in the configuration");
                (format!("connection `{name}`: {why}"), hint)
            }),
            Need::Secret(name) => self.performer.lacks(need).map(|why| {
                (why, format!("put it there for amflow to read, or mend `secrets.{name}` in the configuration"))
            }),
        }
    }
}

impl Engine {
    /// Looks whether playbooks can have what they need.
    pub(super) fn readiness(&self) -> Readiness<'_> {
        Readiness::new(&self.options.offered, &self.options.env, self.performer.as_ref())
    }

    /// Returns the playbooks that cannot have what they need, in the order of their names.
    pub fn held_back(&self, library: &Library) -> Vec<HeldBack> {
        let mut readiness = self.readiness();
        let all = library.playbooks().iter();
        let mut held: Vec<_> = all.map(|playbook| (playbook.clone(), readiness.lacks(playbook))).collect();
        held.retain(|(_, lacks)| !lacks.is_empty());
        held.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        held
    }
}

/// Says in one line what a playbook lacks.
pub(super) fn in_short(lacks: &[Lack]) -> Option<String> {
    let first = lacks.first()?.line();
    Some(match lacks.len() {
        1 => first,
        n => format!("{first} (and {} more)", n - 1),
    })
}
