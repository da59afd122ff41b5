//! [`Task`]: what a person is asked before a run goes on, as it is journaled, and what their [`Decision`]s come to.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::question::Question;
use crate::step::{Effect, Hold};

/// Something that a person must do before a run goes on: an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// What is asked.
    pub prompt: String,
    /// Who may decide.
    pub approvers: Approvers,
    /// How many different people must approve.
    pub required: u32,
    /// Who may not decide, because they started the run (`prevent_self`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_by: Option<String>,
    /// When it was asked.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub asked_at: Timestamp,
    /// Until when it may be decided; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub deadline: Option<Timestamp>,
    /// What happens when nobody has decided by then.
    pub on_timeout: OnTimeout,
    /// Who is asked then, with `on_timeout: escalate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// When it was escalated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub escalated_at: Option<Timestamp>,
    /// What is asked beside yes or no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// What the run does once it is approved, up to the next approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlanLine>,
    /// SHA-256, hex, of the run, the playbook, the alerts' labels and the plan: what a decision is bound to.
    pub digest: String,
}

/// Who may decide. With neither users nor groups: everybody who can reach the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Approvers {
    /// People by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Groups of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What happens when nobody has decided in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// As if somebody had said no.
    #[default]
    Reject,
    /// The step fails, and `on_failure` runs.
    Fail,
    /// Others are asked as well.
    Escalate,
    /// The run goes on, although nobody said yes.
    Approve,
}

/// Who is asked as well when nobody has decided in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// Those who may decide from then on, beside the others.
    pub to: Approvers,
    /// Milliseconds that they have; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What happens when they don't decide either; never `escalate`.
    pub on_timeout: OnTimeout,
}

/// A step that an approval lets happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanLine {
    /// Its path.
    pub path: String,
    /// How deep it stands in blocks, from 0.
    pub depth: usize,
    /// `effect`, `hold`, `wait`, `glue`, `approve`, `block`, `parallel`, `not_yet_known`, `fails`, `skipped`.
    pub does: String,
    /// In words.
    pub summary: String,
    /// Its condition, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The kind of its effect, as far as it is known: `run systemctl`, `POST https://wiki.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it depends on, or why it would fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The effect; secrets by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Box<Effect>>,
    /// The hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Box<Hold>>,
}

/// What a person said to a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Whether the run may go on.
    pub approve: bool,
    /// Who.
    pub by: String,
    /// Their groups at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Their answers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// The digest of the task that they saw.
    #[serde(default)]
    pub digest: String,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// How: `command`, `terminal`, `link`, `api`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
}

/// What the decisions so far come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Not enough yet; those who have approved.
    Open(Vec<Decision>),
    /// Enough people have approved.
    Approved(Vec<Decision>),
    /// Somebody said no.
    Rejected(Box<Decision>),
}

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It is decided already.
    #[error("it was {} by {by} at {} already", if *approved { "approved" } else { "rejected" }, clock(at))]
    Decided {
        /// How.
        approved: bool,
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// This person has approved it already, and others are still needed.
    #[error("{by} approved it at {} already; {missing} more must", clock(at))]
    Twice {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
        /// How many others are still needed.
        missing: u32,
    },
    /// The time to decide is over.
    #[error("it could be decided until {}", clock(deadline))]
    Expired {
        /// When it was over.
        deadline: Timestamp,
    },
    /// It is not theirs to decide.
    #[error("{by} may not decide it: {why}")]
    NotAllowed {
        /// Who.
        by: String,
        /// Why, for people.
        why: String,
    },
    /// What was decided on is not what is asked now.
    #[error("what it would do has changed since: look at it again")]
    Changed {
        /// The digest of what is asked now.
        digest: String,
    },
    /// An answer is missing, is none, or nobody asked for it.
    #[error("`{name}`: {problem}")]
    BadInput {
        /// The question.
        name: String,
        /// What is wrong, for people.
        problem: String,
    },
}

impl Task {
    /// Reads the task of a step's memory; `None` when it is no approval.
    pub fn of_memo(memo: &Value) -> Option<Task> {
        memo.get("task").and_then(|task| Task::deserialize(task).ok())
    }

    /// Returns the task as it stands at a time: escalated, when nobody has decided by then.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Task {
        let Some(deadline) = self.deadline.filter(|deadline| *deadline <= now) else { return self };
        if let (OnTimeout::Escalate, Some(escalation)) = (self.on_timeout, self.escalation.take()) {
            self.approvers.users.extend(escalation.to.users);
            self.approvers.groups.extend(escalation.to.groups);
            self.on_timeout = escalation.on_timeout;
            self.escalated_at = Some(deadline);
            let more = escalation.timeout_ms.and_then(|ms| i64::try_from(ms).ok());
            self.deadline = more.and_then(|ms| deadline.checked_add(SignedDuration::from_millis(ms)).ok());
        }
        self
    }

    /// Says for whom the step at `path` waits, for listings.
    pub fn waits_for(&self, path: &str) -> String {
        format!("waits for {} at {path}", self.whom())
    }

    /// Says who must decide: `2 of ann, group oncall`.
    pub fn whom(&self) -> String {
        let many = if self.required > 1 { format!("{} of ", self.required) } else { String::new() };
        format!("{many}{}", self.approvers)
    }

    /// Returns whether the time to decide is over.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Returns what the decisions come to, in the order in which they were made. Those for another task, late
    /// ones and those of people who may not decide don't count.
    pub fn standing(&self, decisions: &[Decision]) -> Standing {
        let mut approved: Vec<Decision> = Vec::new();
        for decision in decisions {
            let counts = decision.digest == self.digest
                && !self.is_late(decision.at)
                && self.may_decide(&decision.by, &decision.groups).is_ok();
            if !counts {
                continue;
            }
            if !decision.approve {
                return Standing::Rejected(Box::new(decision.clone()));
            }
            if approved.iter().all(|other| other.by != decision.by) {
                approved.push(decision.clone());
            }
            if approved.len() >= self.required as usize {
                return Standing::Approved(approved);
            }
        }
        Standing::Open(approved)
    }

    /// Tells whether a person may decide.
    ///
    /// # Errors
    ///
    /// Why not, for people.
    pub fn may_decide(&self, who: &str, groups: &[String]) -> Result<(), String> {
        if self.not_by.as_deref() == Some(who) {
            return Err("who starts a run does not approve it (`prevent_self`)".to_owned());
        }
        let Approvers { users, groups: theirs } = &self.approvers;
        let anybody = users.is_empty() && theirs.is_empty();
        if anybody || users.iter().any(|user| user == who) || groups.iter().any(|g| theirs.contains(g)) {
            return Ok(());
        }
        Err(format!("it is for {}", self.approvers))
    }

    /// Tells why a decision is not taken, when `decisions` were made before it.
    pub fn refuses(&self, decisions: &[Decision], new: &Decision) -> Option<Refusal> {
        let decided = |approved: bool, by: String, at| Some(Refusal::Decided { approved, by, at });
        let earlier = match self.standing(decisions) {
            Standing::Rejected(by) => return decided(false, by.by, by.at),
            Standing::Approved(all) => {
                let at = all.last().map_or(self.asked_at, |last| last.at);
                return decided(true, names(&all), at);
            }
            Standing::Open(earlier) => earlier,
        };
        if let Some(deadline) = self.deadline.filter(|deadline| *deadline <= new.at) {
            return Some(Refusal::Expired { deadline });
        }
        if let Err(why) = self.may_decide(&new.by, &new.groups) {
            return Some(Refusal::NotAllowed { by: new.by.clone(), why });
        }
        if new.digest != self.digest {
            return Some(Refusal::Changed { digest: self.digest.clone() });
        }
        if !new.approve {
            return None;
        }
        if let Some(own) = earlier.iter().find(|other| other.by == new.by) {
            let missing = self.required.saturating_sub(u32::try_from(earlier.len()).unwrap_or(u32::MAX));
            return Some(Refusal::Twice { by: own.by.clone(), at: own.at, missing });
        }
        let bad = |name: &str, problem: String| Some(Refusal::BadInput { name: name.to_owned(), problem });
        for name in new.inputs.keys() {
            if self.questions.iter().all(|question| question.name != *name) {
                return bad(name, "nobody asks for this".to_owned());
            }
        }
        for question in &self.questions {
            let before = answered(&earlier, &question.name);
            match (new.inputs.get(&question.name), before) {
                (Some(given), before) => {
                    let answer = match question.accept(given) {
                        Ok(answer) => answer,
                        Err(problem) => return bad(&question.name, problem),
                    };
                    if let Some((by, said)) = before.filter(|(_, said)| **said != answer) {
                        let problem = format!("{by} has answered {said}: say the same, or nothing");
                        return bad(&question.name, problem);
                    }
                }
                (None, None) if question.required && question.default.is_none() => {
                    let problem = format!("an answer is needed: {}", question.wanted());
                    return bad(&question.name, problem);
                }
                (None, _) => {}
            }
        }
        None
    }

    /// Returns who has answered a question already, and what, while others are still needed: they say the same,
    /// or nothing.
    pub fn answered<'d>(&self, decisions: &'d [Decision], question: &str) -> Option<(&'d str, &'d Value)> {
        let Standing::Open(approved) = self.standing(decisions) else { return None };
        let counts = |decision: &&Decision| {
            approved.iter().any(|other| (&other.by, other.at) == (&decision.by, decision.at))
        };
        decisions.iter().filter(counts).find_map(|said| Some((said.by.as_str(), said.inputs.get(question)?)))
    }

    /// Returns a person's answers with the types that were asked for; those that are none stay as they are.
    #[must_use]
    pub fn typed(&self, mut inputs: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        for question in &self.questions {
            if let Some(given) = inputs.get_mut(&question.name)
                && let Ok(answer) = question.accept(given)
            {
                *given = answer;
            }
        }
        inputs
    }

    /// Returns the answer to every question: the first that was given, else its default, else none.
    pub fn answers(&self, approvals: &[Decision]) -> Map<String, Value> {
        let answer = |question: &Question| {
            let given = answered(approvals, &question.name);
            given.and_then(|(_, given)| question.accept(given).ok()).or_else(|| question.default.clone())
        };
        let answers = self.questions.iter().map(|q| (q.name.clone(), answer(q).unwrap_or(Value::Null)));
        answers.collect()
    }
}

/// Says when, to the second.
fn clock(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Returns the first answer to a question, with who gave it.
fn answered<'d>(approvals: &'d [Decision], question: &str) -> Option<(&'d str, &'d Value)> {
    approvals.iter().find_map(|said| Some((said.by.as_str(), said.inputs.get(question)?)))
}

/// Returns the names of those who decided.
pub(super) fn names(decisions: &[Decision]) -> String {
    decisions.iter().map(|decision| decision.by.as_str()).collect::<Vec<_>>().join(", ")
}

impl Approvers {
    /// Returns whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

impl std::fmt::Display for Approvers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("anybody");
        }
        let groups = self.groups.iter().map(|group| format!("group {group}"));
        let all: Vec<String> = self.users.iter().cloned().chain(groups).collect();
        f.write_str(&all.join(", "))
    }
}

impl std::fmt::Display for OnTimeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            OnTimeout::Reject => "reject",
            OnTimeout::Fail => "fail",
            OnTimeout::Escalate => "escalate",
            OnTimeout::Approve => "approve",
        })
    }
}

#[cfg(test)]
mod tests;
