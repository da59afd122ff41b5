//! Records for programs: the versioned shapes of `run -o json`, `plan -o json`, `runs show -o json`.
//! Their schema is in `docs/output.schema.json`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::engine::{Offer, OfferAnswer, RunEnd, RunEndKind, RunHeader};
use crate::run::{Planned, PlannedMove, RunStatus};

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
    pub kind: &'static str,
    /// The playbook.
    pub playbook: String,
    /// `firing` or `resolved`.
    pub trigger: String,
    /// The target.
    pub target: String,
    /// Fingerprints of its alerts.
    pub fingerprints: Vec<String>,
    /// What it would do.
    pub steps: Vec<StepRecord>,
}

/// One step of a plan.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StepRecord {
    /// `steps`, `on_failure`, `finally`.
    pub part: &'static str,
    /// Its path.
    pub path: String,
    /// `effect`, `hold`, `wait`, `glue`, `block`, `parallel`, `not_yet_known`, `fails`, `skipped`.
    pub does: &'static str,
    /// In words.
    pub summary: String,
    /// Its condition, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The effect; secrets by name.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub effect: Value,
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

/// Returns the words for an offer's target.
fn target(offer: &Offer) -> String {
    match offer.alerts.first() {
        Some(alert) if offer.group.labels.is_empty() => alert.labels.to_string(),
        _ => format!("{{{}}}", offer.group.target),
    }
}

impl LaterRecord {
    /// Makes the record of an offer that comes later.
    pub fn of(offer: &Offer) -> Option<LaterRecord> {
        let OfferAnswer::Later(closed) = &offer.answer else { return None };
        Some(LaterRecord {
            kind: "later",
            playbook: offer.playbook.name.to_string(),
            target: target(offer),
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
            target: target(offer),
            reason: skip.word().to_owned(),
            detail: skip.to_string(),
        })
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
        steps,
    }
}

/// Makes the records of planned steps.
pub fn step_records(parts: &[(&'static str, Vec<Planned>)]) -> Vec<StepRecord> {
    let record = |part: &'static str, planned: &Planned| {
        let (does, effect, summary) = match &planned.does {
            PlannedMove::Effect(effect) => {
                ("effect", serde_json::to_value(effect).unwrap_or(Value::Null), super::effect_line(effect))
            }
            PlannedMove::Hold(hold) => {
                ("hold", serde_json::to_value(hold).unwrap_or(Value::Null), super::hold_line(hold))
            }
            PlannedMove::Wait => ("wait", Value::Null, planned.summary.clone()),
            PlannedMove::Glue => ("glue", Value::Null, planned.summary.clone()),
            PlannedMove::Group(kind) => (*kind, Value::Null, planned.summary.clone()),
            PlannedMove::NotYetKnown(why) => ("not_yet_known", Value::Null, why.clone()),
            PlannedMove::Fails(why) => ("fails", Value::Null, why.clone()),
            PlannedMove::Skipped => ("skipped", Value::Null, planned.summary.clone()),
        };
        StepRecord { part, path: planned.path.clone(), does, summary, when: planned.when.clone(), effect }
    };
    parts.iter().flat_map(|(part, steps)| steps.iter().map(move |step| record(part, step))).collect()
}
