//! What happened in a period: facts of runs ([`run_facts`]), added up ([`Tally`]) to a [`PeriodReport`], which is
//! written as text, Markdown or a page.

mod facts;
mod figures;
mod html;
mod markdown;
mod tally;
mod text;
mod timeline;
#[cfg(test)]
mod tests;
mod words;

pub use facts::{AlertFacts, Changing, Ending, RunFacts, alerts_of, run_facts};
pub use figures::{Figures, GroupRecord, Outcomes, Percentiles, PeriodReport, SlotRecord, TimelineRun};
pub use html::period_html;
pub use markdown::period_markdown;
pub use tally::{Period, Tally};
pub use text::period_text;
