//! What is shown of runs, as consumers of events: lines and progress for people, records for programs.

mod effect;
mod exposition;
mod lines;
mod metrics;
mod period;
mod record;
mod shapes;
mod story;
mod task;
mod together;
mod trace;

pub use effect::{effect_details, effect_line, hold_line, shown};
pub use exposition::{Bounds, Family, Histogram, Kind, Page, seconds, whole};
pub use lines::{event_line, said_line, short_id};
pub use metrics::{DAY_SECONDS, FAMILIES, StoreFigures, store_metrics};
pub use period::{
    AlertFacts, Changing, Ending, Figures, GroupRecord, Outcomes, Percentiles, Period, PeriodReport,
    RunFacts, SlotRecord, Tally, TimelineRun, alerts_of, period_html, period_markdown, period_text,
    run_facts,
};
pub use record::{
    GoOnRecord, LaterRecord, OUTPUT_VERSION, PlanRecord, RunRecord, RunReport, SkipRecord, StepRecord,
    plan_record, run_record, step_records,
};
pub use shapes::{BreakerRecord, BreakerState, RunStory, output_schema};
pub use story::{Story, story, story_head};
pub use task::{DecisionRecord, TaskRecord, asks_line, planned_lines, task_lines, with_answers};
pub use together::Together;
pub use trace::{Exporter, ExporterWork, Tell, TraceFigures, TraceReporter, TraceTarget};
