//! [`story`]: one run's whole story from its journal, for people.

use super::lines::event_line;
use crate::engine::RunSummary;
use crate::run::{RunEvent, Stamped};
use crate::step::Outcome;
use crate::text::{escape_for_terminal, plural};

/// Lines of output shown of one attempt, at most.
const MOST_LINES: usize = 20;

/// Returns the story of a run: what it is, then a line an event, outputs indented below their attempt.
pub fn story(summary: &RunSummary, journal: &[Stamped]) -> Vec<String> {
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
    lines.push(String::new());
    let began = journal.first().map_or(summary.started_at, |s| s.at);
    for stamped in journal {
        if let Some(line) = event_line(header, stamped) {
            let since = stamped.at.duration_since(began).as_secs_f64().max(0.0);
            lines.push(format!("{}  {since:>9.3}s  {line}", stamped.at.strftime("%Y-%m-%d %H:%M:%SZ")));
        }
        if let RunEvent::AttemptFinished { outcome, output, .. } = &stamped.event {
            lines.extend(output_lines(outcome, output));
        }
    }
    lines
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
