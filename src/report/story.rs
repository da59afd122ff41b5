//! [`Story`]: one run's whole story from its journal, for people.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::lines::event_line;
use crate::engine::{RunHeader, RunSummary};
use crate::model::format_duration;
use crate::run::{KeptAlert, RunEvent, Stamped, Started};
use crate::step::Outcome;
use crate::text::{escape_for_terminal, plural};

/// Lines of output shown of one attempt, at most.
const MOST_LINES: usize = 20;
/// Alerts shown of a run, at most.
const MOST_ALERTS: usize = 10;

/// Tells a run's journal bit by bit, as it grows.
#[derive(Debug)]
pub struct Story {
    header: RunHeader,
    began: Option<Timestamp>,
    told: u64,
    attempts: BTreeMap<String, Timestamp>,
}

/// Returns the story of a run: what it is, its alerts, then a line an event, outputs indented below their attempt.
pub fn story(summary: &RunSummary, journal: &[Stamped]) -> Vec<String> {
    let mut story = Story::new(summary);
    let mut lines = story_head(summary, journal);
    lines.extend(story.more(journal));
    lines
}

/// Returns what stands above the events: what the run is, how it stands, for which alerts it was started.
pub fn story_head(summary: &RunSummary, journal: &[Stamped]) -> Vec<String> {
    let header = &summary.header;
    let mut lines = vec![
        format!("run       {}", header.run),
        format!("playbook  {} ({})", header.playbook, header.digest),
        format!("target    {}", escape_for_terminal(&header.target)),
        format!("trigger   {}", header.trigger.as_str()),
        format!("status    {}", summary.status.as_str()),
    ];
    if !summary.reason.is_empty() {
        lines.push(format!("reason    {}", escape_for_terminal(&summary.reason)));
    }
    if let Some(due) = summary.due {
        lines.push(format!("due       {due}"));
    }
    if let Some(RunEvent::RunStarted(started)) = journal.first().map(|s| &s.event) {
        lines.extend(admission(summary, started));
    }
    let took = summary.updated_at.duration_since(summary.started_at).as_secs_f64().max(0.0);
    if summary.status.is_final() {
        lines.push(format!("took      {took:.3}s"));
    }
    lines.push(String::new());
    lines
}

impl Story {
    /// Begins to tell.
    pub fn new(summary: &RunSummary) -> Story {
        Story { header: summary.header.clone(), began: None, told: 0, attempts: BTreeMap::new() }
    }

    /// Returns the lines of the events that were not yet told.
    pub fn more(&mut self, journal: &[Stamped]) -> Vec<String> {
        let mut lines = Vec::new();
        for stamped in journal.iter().filter(|s| s.seq > self.told).collect::<Vec<_>>() {
            self.told = stamped.seq;
            let began = *self.began.get_or_insert(stamped.at);
            if let RunEvent::AttemptStarted { path, .. } = &stamped.event {
                self.attempts.entry(path.clone()).or_insert(stamped.at);
            }
            if let Some(mut line) = event_line(&self.header, stamped) {
                if let RunEvent::StepFinished { path, .. } = &stamped.event
                    && let Some(since) = self.attempts.remove(path)
                {
                    line.push_str(&format!(" ({:.3}s)", seconds(since, stamped.at)));
                }
                let since = seconds(began, stamped.at);
                lines.push(format!("{}  {since:>9.3}s  {line}", stamped.at.strftime("%Y-%m-%d %H:%M:%SZ")));
            }
            if let RunEvent::AttemptFinished { outcome, output, .. } = &stamped.event {
                lines.extend(output_lines(outcome, output));
            }
        }
        lines
    }
}

/// Says what brought the run about, and the alerts that it was started for.
fn admission(summary: &RunSummary, started: &Started) -> Vec<String> {
    let mut source = format!("source    {}", escape_for_terminal(&started.source));
    if let Some(by) = &started.by {
        source.push_str(&format!(", by {}", escape_for_terminal(by)));
    }
    if let Some(run) = &started.retry_of {
        source.push_str(&format!(", again for run {run}"));
    }
    if let Some(playbook) = &started.handed_over_by {
        source.push_str(&format!(", handed over by playbook {playbook}: it came back too often"));
    }
    let mut lines = vec![source];
    for alert in started.alerts.iter().take(MOST_ALERTS).map(KeptAlert::json) {
        lines.push(format!("alert     {}", escape_for_terminal(&labels(&alert))));
        if let Some(summary) = alert.pointer("/annotations/summary").and_then(Value::as_str) {
            lines.push(format!("          {}", escape_for_terminal(summary)));
        }
        let starts =
            alert.get("startsAt").and_then(Value::as_str).and_then(|at| at.parse::<Timestamp>().ok());
        if let Some(starts) = starts {
            let age = Duration::from_secs(
                summary.started_at.duration_since(starts).as_secs().max(0).unsigned_abs(),
            );
            let age = format_duration(age);
            lines.push(format!("          since {starts}, {age} before the run was admitted"));
        }
    }
    if let Some(more) = started.alerts.len().checked_sub(MOST_ALERTS).filter(|more| *more > 0) {
        lines.push(format!("          and {}; -o json has all", plural(more, "more alert")));
    }
    lines
}

fn labels(alert: &Value) -> String {
    let labels = alert.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<_> = labels.filter_map(|(name, v)| Some(format!("{name}={:?}", v.as_str()?))).collect();
    format!("{{{}}}", labels.join(", "))
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn output_lines(outcome: &Outcome, output: &serde_json::Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, mark) in [("line", "│"), ("stdout", "│"), ("stderr", "┆"), ("body", "│")] {
        let Some(text) = output.get(name).and_then(serde_json::Value::as_str) else { continue };
        let all: Vec<_> = text.trim_end().lines().collect();
        let cut = all.len().saturating_sub(MOST_LINES);
        if cut > 0 {
            lines.push(format!(
                "{:36}{mark} ({}; -o json has all that was kept)",
                "",
                plural(cut, "more line")
            ));
        }
        lines.extend(
            all.iter().skip(cut).map(|line| format!("{:36}{mark} {}", "", escape_for_terminal(line))),
        );
    }
    if let (Some(code), false) =
        (output.get("exit_code").and_then(serde_json::Value::as_i64), outcome.is_good())
    {
        lines.push(format!("{:36}exit code {code}", ""));
    }
    lines
}
