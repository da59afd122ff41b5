//! What is shown of runs, as consumers of events: lines and progress for people, records for programs.

mod effect;
mod lines;
mod record;
mod shapes;
mod story;
mod task;

pub use effect::{effect_details, effect_line, hold_line, shown};
pub use lines::{event_line, said_line, short_id};
pub use record::{
    GoOnRecord, LaterRecord, OUTPUT_VERSION, PlanRecord, RunRecord, RunReport, SkipRecord, StepRecord,
    plan_record, run_record, step_records,
};
pub use shapes::{BreakerRecord, BreakerState, RunStory, output_schema};
pub use story::story;
pub use task::{DecisionRecord, TaskRecord, asks_line, planned_lines, task_lines};
