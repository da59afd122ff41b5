//! [`Planned`]: one step as a plan shows it, and what it would do ([`PlannedMove`]).

use std::time::Duration;

use serde_json::Value;

use crate::step::{Effect, Hold, Outcome, Task};

/// One step as a plan shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its path.
    pub path: String,
    /// Its name, for people.
    pub name: String,
    /// How deep it stands in blocks, from 0.
    pub depth: usize,
    /// What its kind says of it: from the author's text, or filled in where all of it is known.
    pub summary: String,
    /// Its `when`, which may still skip it, as written.
    pub when: Option<String>,
    /// What it would do.
    pub does: PlannedMove,
    /// It changes nothing and is sure to come, so that a plan may do it.
    pub read_only: bool,
    /// How long one attempt of it may take; `None`: as long as it needs.
    pub timeout: Option<Duration>,
    /// A failure of it does not end its list.
    pub continue_on_error: bool,
    /// The kind of its effect, as far as the author's text alone says it.
    pub kind: Option<String>,
}

/// The steps of one part of a playbook, in its order: `steps`, `on_failure`, `finally`.
pub type PlannedPart = (&'static str, Vec<Planned>);

/// Returns the next effect that may be performed to know more: one that changes nothing, before anything
/// that does. After that the world would be another one.
pub fn next_to_read(parts: &[PlannedPart]) -> Option<(&Planned, &Effect)> {
    let (_, steps) = parts.iter().find(|(part, _)| *part == "steps")?;
    for planned in steps {
        match &planned.does {
            PlannedMove::Glue | PlannedMove::Group(_) | PlannedMove::Skipped => {}
            PlannedMove::Did { outcome, .. } if outcome.is_good() || planned.continue_on_error => {}
            PlannedMove::Effect(effect) => {
                let reads = match **effect {
                    Effect::Command(_) | Effect::Request(_) | Effect::Query(_) => planned.read_only,
                    Effect::Sighting(_) | Effect::Hold(_) => false,
                };
                return reads.then_some((planned, effect));
            }
            PlannedMove::Did { .. }
            | PlannedMove::Hold(_)
            | PlannedMove::Wait
            | PlannedMove::Asks(_)
            | PlannedMove::NotYetKnown(_)
            | PlannedMove::Fails(_) => return None,
        }
    }
    None
}

/// What a planned step would do, as far as that is known.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedMove {
    /// Perform this effect first.
    Effect(Box<Effect>),
    /// Make this hold.
    Hold(Box<Hold>),
    /// Wait.
    Wait,
    /// Ask people, and wait for them.
    Asks(Box<Task>),
    /// Nothing outside amflow.
    Glue,
    /// It was done for the plan, because it changes nothing.
    Did {
        /// How it ended.
        outcome: Outcome,
        /// What `steps.<id>` gives of it.
        output: Value,
    },
    /// Contain the steps that follow, one deeper.
    Group(&'static str),
    /// Its effect depends on what is known only then.
    NotYetKnown(String),
    /// It would fail.
    Fails(String),
    /// Skipped: its `when` is false already.
    Skipped,
}

impl PlannedMove {
    /// Returns the one word for it that every output uses.
    pub fn word(&self) -> &'static str {
        match self {
            PlannedMove::Effect(_) => "effect",
            PlannedMove::Hold(_) => "hold",
            PlannedMove::Wait => "wait",
            PlannedMove::Asks(_) => "approve",
            PlannedMove::Glue => "glue",
            PlannedMove::Did { .. } => "did",
            PlannedMove::Group(kind) => kind,
            PlannedMove::NotYetKnown(_) => "not_yet_known",
            PlannedMove::Fails(_) => "fails",
            PlannedMove::Skipped => "skipped",
        }
    }
}
