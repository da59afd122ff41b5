//! Records for programs: the versioned shapes of `run -o json` and `plan -o json`. Their schema is made in
//! `shapes.rs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::engine::{Offer, OfferAnswer, RunEnd, RunEndKind, RunHeader, RunSummary};
use crate::run::{PlannedMove, PlannedPart, RunStatus, Unmatched};
use crate::step::{Approvers, Effect, OnTimeout, Task};
use crate::text::without_password;

/// The version of every record: fields are only ever added within one.
pub const OUTPUT_VERSION: u32 = 1;

/// What `run` prints with `-o json`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct RunReport {
    /// Version of the shape.
    pub version: u32,
    /// Runs that were worked on.
    pub runs: Vec<RunRecord>,
    /// What comes back later.
    pub later: Vec<LaterRecord>,
    /// What does not run, and why: matched alerts only.
    pub skipped: Vec<SkipRecord>,
    /// Alerts read, and those that could not be.
    pub alerts_read: u64,
    /// Alerts that were bad and passed over, each with its place.
    pub bad_alerts: Vec<String>,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunRecord {
    /// Always `run`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "run"))]
    pub kind: &'static str,
    /// The run's id.
    pub run: String,
    /// The playbook.
    pub playbook: String,
    /// `firing` or `resolved`.
    pub trigger: String,
    /// `succeeded`, `failed`, `cancelled`, `rejected`; `waiting` or `queued` when it was left parked.
    pub status: String,
    /// Why; empty when it succeeded.
    pub reason: String,
    /// The target, for people.
    pub target: String,
    /// Labels of the oldest alert.
    pub labels: BTreeMap<String, String>,
    /// When it was admitted, RFC 3339.
    pub started_at: String,
    /// When this process left it, RFC 3339.
    pub ended_at: String,
    /// Seconds between the two.
    pub seconds: f64,
}

/// What comes back later.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LaterRecord {
    /// Always `later`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "later"))]
    pub kind: &'static str,
    /// The playbook.
    pub playbook: String,
    /// The target.
    pub target: String,
    /// For programs: `cooldown`, `rate`, `muted` ...
    pub reason: String,
    /// For people.
    pub detail: String,
    /// When it may pass at the earliest, RFC 3339; absent: not by time alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What does not run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SkipRecord {
    /// Always `skip`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "skip"))]
    pub kind: &'static str,
    /// The playbook.
    pub playbook: String,
    /// The target.
    pub target: String,
    /// For programs: `claimed`, `when_false` ...
    pub reason: String,
    /// For people.
    pub detail: String,
}

/// What `plan` says of a run that would start.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlanRecord {
    /// Always `start`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "start"))]
    pub kind: &'static str,
    /// The playbook.
    pub playbook: String,
    /// `firing` or `resolved`.
    pub trigger: String,
    /// The target.
    pub target: String,
    /// Fingerprints of its alerts.
    pub fingerprints: Vec<String>,
    /// The playbook that hands the alerts over; absent: they match this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed_over_by: Option<String>,
    /// What it would do.
    pub steps: Vec<StepRecord>,
}

/// A run that the next `run --poll` would go on with.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GoOnRecord {
    /// Always `go_on`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "go_on"))]
    pub kind: &'static str,
    /// The run's id.
    pub run: String,
    /// The playbook.
    pub playbook: String,
    /// `firing` or `resolved`.
    pub trigger: String,
    /// The target.
    pub target: String,
    /// `queued`, `running` or `waiting`.
    pub status: String,
    /// What it waits for; empty when nobody said.
    pub reason: String,
    /// When it goes on by itself, RFC 3339; absent: not by time alone, or at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// One step of a plan.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StepRecord {
    /// `steps`, `on_failure`, `finally`.
    pub part: &'static str,
    /// Its path.
    pub path: String,
    /// `effect`, `hold`, `wait`, `approve`, `glue`, `block`, `parallel`, `not_yet_known`, `fails`, `skipped`; `did`: it was
    /// done for this plan (`--run-read-only`).
    pub does: &'static str,
    /// In words.
    pub summary: String,
    /// Its condition, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The effect; secrets by name.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schemars(with = "super::shapes::PlannedEffect")]
    pub effect: Value,
    /// What it gave, when it was done for this plan.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// Whom it would ask, and what; only for `approve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<AskRecord>,
}

/// What a step of a plan would ask people.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AskRecord {
    /// What is asked.
    pub prompt: String,
    /// Who may decide.
    pub approvers: Approvers,
    /// How many different people must approve.
    pub required: u32,
    /// Seconds that they have; absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What happens then.
    pub on_timeout: OnTimeout,
}

impl AskRecord {
    fn of(task: &Task) -> AskRecord {
        AskRecord {
            prompt: task.prompt.clone(),
            approvers: task.approvers.clone(),
            required: task.required,
            seconds: task.deadline.map(|deadline| seconds(task.asked_at, deadline)),
            on_timeout: task.on_timeout,
        }
    }
}

/// Makes the record of a run's end.
pub fn run_record(end: &RunEnd) -> RunRecord {
    let status = match &end.kind {
        RunEndKind::Finished(status) => status.as_str(),
        RunEndKind::Parked(_) => RunStatus::Waiting.as_str(),
        RunEndKind::TakenAway => "taken_away",
        RunEndKind::Abandoned => "abandoned",
        RunEndKind::StoreFailed(_) => "store_failed",
    };
    RunRecord {
        kind: "run",
        run: end.header.run.clone(),
        playbook: end.header.playbook.clone(),
        trigger: end.header.trigger.as_str().to_owned(),
        status: status.to_owned(),
        reason: end.reason.clone(),
        target: end.header.target.clone(),
        labels: end.header.labels.clone(),
        started_at: end.started_at.to_string(),
        ended_at: end.ended_at.to_string(),
        seconds: seconds(end.started_at, end.ended_at),
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

impl LaterRecord {
    /// Makes the record of an offer that comes later.
    pub fn of(offer: &Offer) -> Option<LaterRecord> {
        let OfferAnswer::Later(closed) = &offer.answer else { return None };
        Some(LaterRecord {
            kind: "later",
            playbook: offer.playbook.name.to_string(),
            target: offer.group.in_words(&offer.alerts),
            reason: closed.reason.as_str().to_owned(),
            detail: closed.detail.clone(),
            until: closed.until.map(|t| t.to_string()),
        })
    }
}

impl SkipRecord {
    /// Makes the record of an offer that does not run.
    pub fn of(offer: &Offer) -> Option<SkipRecord> {
        let OfferAnswer::Skip(skip) = &offer.answer else { return None };
        Some(SkipRecord {
            kind: "skip",
            playbook: offer.playbook.name.to_string(),
            target: offer.group.in_words(&offer.alerts),
            reason: skip.word().to_owned(),
            detail: skip.to_string(),
        })
    }

    /// Makes the record of an alert that a playbook does not match.
    pub fn of_unmatched(pair: &Unmatched<'_>) -> SkipRecord {
        SkipRecord {
            kind: "skip",
            playbook: pair.playbook.name.to_string(),
            target: pair.alert.labels.to_string(),
            reason: pair.skip.word().to_owned(),
            detail: pair.skip.to_string(),
        }
    }
}

impl GoOnRecord {
    /// Makes the record of an unfinished run.
    pub fn of(run: &RunSummary) -> GoOnRecord {
        GoOnRecord {
            kind: "go_on",
            run: run.header.run.clone(),
            playbook: run.header.playbook.clone(),
            trigger: run.header.trigger.as_str().to_owned(),
            target: run.header.target.clone(),
            status: run.status.as_str().to_owned(),
            reason: run.reason.clone(),
            due: run.due.map(|due| due.to_string()),
        }
    }
}

/// Makes the record of a run that would start.
pub fn plan_record(offer: &Offer, header: &RunHeader, steps: Vec<StepRecord>) -> PlanRecord {
    PlanRecord {
        kind: "start",
        playbook: header.playbook.clone(),
        trigger: offer.trigger.as_str().to_owned(),
        target: header.target.clone(),
        fingerprints: offer.alerts.iter().map(|a| a.fingerprint.to_string()).collect(),
        handed_over_by: offer.handed_over.as_ref().map(|handed| handed.by.clone()),
        steps,
    }
}

/// Makes the records of planned steps.
pub fn step_records(parts: &[PlannedPart]) -> Vec<StepRecord> {
    let mut records = Vec::new();
    for (part, steps) in parts {
        for planned in steps {
            let mut record = StepRecord {
                part,
                path: planned.path.clone(),
                does: "glue",
                summary: super::shown(&planned.summary),
                when: planned.when.clone(),
                effect: Value::Null,
                output: Value::Null,
                asks: None,
            };
            match &planned.does {
                PlannedMove::Effect(effect) => {
                    record.does = "effect";
                    record.summary = super::effect_line(effect);
                    record.effect = effect_value(effect);
                }
                PlannedMove::Hold(hold) => {
                    record.does = "hold";
                    record.summary = super::hold_line(hold);
                    record.effect = serde_json::to_value(hold).unwrap_or_default();
                }
                PlannedMove::Wait => record.does = "wait",
                PlannedMove::Asks(task) => {
                    record.does = "approve";
                    record.asks = Some(AskRecord::of(task));
                    record.summary = super::asks_line(task);
                }
                PlannedMove::Glue => {}
                PlannedMove::Did { outcome, output } => {
                    record.does = "did";
                    record.summary = format!("{}: {}", record.summary, outcome.status());
                    record.output = output.clone();
                }
                PlannedMove::Group(kind) => record.does = kind,
                PlannedMove::NotYetKnown(why) => {
                    record.does = "not_yet_known";
                    record.summary.clone_from(why);
                }
                PlannedMove::Fails(why) => {
                    record.does = "fails";
                    record.summary.clone_from(why);
                }
                PlannedMove::Skipped => record.does = "skipped",
            }
            records.push(record);
        }
    }
    records
}

/// Returns an effect as it is journaled, without the password of an address.
fn effect_value(effect: &Effect) -> Value {
    let mut value = serde_json::to_value(effect).unwrap_or_default();
    if let (Effect::Request(request), Some(url)) = (effect, value.get_mut("url")) {
        *url = Value::String(without_password(&request.url).into_owned());
    }
    value
}
