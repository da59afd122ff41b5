//! The shape of everything that is written for programs, as one JSON Schema: [`output_schema`]. It is kept in
//! `docs/output.schema.json`.

use jiff::Timestamp;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::period::PeriodReport;
use super::record::{GoOnRecord, LaterRecord, OUTPUT_VERSION, PlanRecord, RunRecord, RunReport, SkipRecord};
use super::task::TaskRecord;
use crate::engine::RunSummary;
use crate::model::Alert;
use crate::run::{GateState, Stamped};
use crate::step::{Effect, Hold};
use crate::text::render::JsonReport;

/// What `runs show` prints with `-o json`: a run with its whole journal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunStory {
    /// Version of the shape.
    pub version: u32,
    /// What it is, and how it stands.
    pub run: RunSummary,
    /// The text of its playbook, as it was when the run started.
    pub playbook_text: String,
    /// Its events, oldest first.
    pub journal: Vec<Stamped>,
}

/// A breaker: how often a playbook failed in a row.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BreakerRecord {
    /// The playbook.
    pub playbook: String,
    /// Whether it starts runs.
    pub state: BreakerState,
    /// Failed runs in a row.
    pub failures: u32,
    /// Since when it is open.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub opened_at: Option<Timestamp>,
}

/// Whether a playbook starts runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// It starts runs.
    Closed,
    /// It starts runs one by one, the next when the one before succeeded.
    Trickles,
    /// It starts none until `amflow breakers reset`.
    Open,
}

impl BreakerState {
    /// Returns the one word that every output uses.
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Trickles => "trickles",
            BreakerState::Open => "open",
        }
    }
}

impl BreakerRecord {
    /// Makes the record of a breaker's row; `None` where it counts no failures.
    pub fn of(playbook: &str, gate: &GateState) -> Option<BreakerRecord> {
        let state = match (gate.opened_at, gate.trickle) {
            (Some(_), _) => BreakerState::Open,
            (None, true) => BreakerState::Trickles,
            (None, false) if gate.failures > 0 => BreakerState::Closed,
            (None, false) => return None,
        };
        let (failures, opened_at) = (gate.failures, gate.opened_at);
        Some(BreakerRecord { playbook: playbook.to_owned(), state, failures, opened_at })
    }
}

/// What a step of a plan would do.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum PlannedEffect {
    /// An effect.
    Effect(Effect),
    /// A hold.
    Hold(Hold),
}

/// A line of `run -o ndjson`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum RunLine {
    /// As soon as a run is over or left waiting.
    Run(RunRecord),
    /// At the end.
    Later(LaterRecord),
    /// At the end.
    Skip(SkipRecord),
}

/// A line of `runs retry -o ndjson`, an entry of `runs retry -o json`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum RetryLine {
    /// How the new run ended.
    Run(RunRecord),
    /// Why none was started.
    Later(LaterRecord),
}

/// A line of `plan -o ndjson`, an entry of `plan -o json`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum PlanLine {
    /// What would start.
    Start(PlanRecord),
    /// What comes back later.
    Later(LaterRecord),
    /// What does not run.
    Skip(SkipRecord),
    /// What was begun before, and is due.
    GoOn(GoOnRecord),
}

/// Returns the schema of all output: below `$defs` one entry for every command and format, such as `run.json` (a
/// document) and `run.ndjson` (a line), and the types that they are made of.
pub fn output_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut of = |whole: Shape, line: Option<Shape>| {
        (whole(&mut generator).to_value(), line.map(|line| line(&mut generator).to_value()))
    };
    let outputs = [
        ("run", of(one::<RunReport>, Some(one::<RunLine>))),
        ("plan", of(list::<PlanLine>, Some(one::<PlanLine>))),
        ("runs list", of(list::<RunSummary>, Some(one::<RunSummary>))),
        ("runs show", of(one::<RunStory>, Some(one::<Stamped>))),
        ("runs resume", of(list::<RunRecord>, Some(one::<RunRecord>))),
        ("runs cancel", of(list::<RunRecord>, Some(one::<RunRecord>))),
        ("runs retry", of(list::<RetryLine>, Some(one::<RetryLine>))),
        ("tasks list", of(list::<TaskRecord>, Some(one::<TaskRecord>))),
        ("tasks show", of(one::<TaskRecord>, Some(one::<TaskRecord>))),
        ("approve", of(one::<TaskRecord>, Some(one::<TaskRecord>))),
        ("reject", of(one::<TaskRecord>, Some(one::<TaskRecord>))),
        ("breakers list", of(list::<BreakerRecord>, Some(one::<BreakerRecord>))),
        ("report", of(one::<PeriodReport>, None)),
        ("alerts", of(list::<Alert>, Some(one::<Alert>))),
        ("validate", of(one::<JsonReport>, None)),
    ];
    let mut shapes = Map::new();
    for (command, (whole, line)) in outputs {
        let name = command.replace(' ', "-");
        shapes.insert(
            format!("{name}.json"),
            described(format!("What `amflow {command} -o json` prints."), whole),
        );
        if let Some(line) = line {
            let says = format!("A line of what `amflow {command} -o ndjson` prints.");
            shapes.insert(format!("{name}.ndjson"), described(says, line));
        }
    }
    let any: Vec<_> = shapes.keys().map(|name| json!({"$ref": format!("#/$defs/{name}")})).collect();
    shapes.extend(generator.take_definitions(true));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:amflow:output:{OUTPUT_VERSION}"),
        "title": format!("What amflow prints for programs, version {OUTPUT_VERSION}"),
        "description": "Within a version, fields and kinds of records are only added: pass over what you don't know.",
        "anyOf": any,
        "$defs": shapes,
    })
}

/// Makes the schema of something, or of a list of it.
type Shape = fn(&mut SchemaGenerator) -> Schema;

fn one<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Vec<T>>()
}

fn described(says: String, schema: Value) -> Value {
    let mut whole = Map::from_iter([("description".to_owned(), Value::String(says))]);
    if let Value::Object(schema) = schema {
        whole.extend(schema);
    }
    Value::Object(whole)
}
