//! The report for a terminal.

use super::figures::{GroupRecord, PeriodReport};
use super::words::{HEADS, about, cells, summary};
use crate::text::{escape_for_terminal, plural};

/// Groups of a table, at most.
const MOST_GROUPS: usize = 30;
/// The longest name of a group, in characters.
const LONGEST_NAME: usize = 48;

/// Writes the report as lines for a terminal; what a terminal would obey is escaped.
pub fn period_text(report: &PeriodReport) -> Vec<String> {
    let mut lines = vec![escape_for_terminal(&about(report)).into_owned(), String::new()];
    lines.extend(summary(report).into_iter().map(|(name, says)| format!("{name:<18}{says}")));
    for (head, groups) in [("PLAYBOOK", &report.playbooks), ("ALERT", &report.alertnames)] {
        if !groups.is_empty() {
            lines.push(String::new());
            lines.extend(table(head, groups));
        }
    }
    lines
}

fn table(head: &str, groups: &[GroupRecord]) -> Vec<String> {
    let mut rows = vec![(head.to_owned(), HEADS.map(str::to_owned))];
    rows.extend(groups.iter().take(MOST_GROUPS).map(|group| (name(group), cells(&group.figures))));
    let widths: Vec<_> = (0..HEADS.len())
        .map(|n| rows.iter().map(|(_, cells)| cells[n].len()).max().unwrap_or_default())
        .collect();
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut lines: Vec<String> = rows
        .into_iter()
        .map(|(name, cells)| {
            let mut line = format!("{name:<first$}");
            for (cell, width) in cells.iter().zip(&widths) {
                line.push_str(&format!("  {cell:>width$}"));
            }
            line
        })
        .collect();
    if let Some(more) = groups.len().checked_sub(MOST_GROUPS).filter(|more| *more > 0) {
        lines.push(format!("({}; -o json has all)", plural(more, "more line")));
    }
    lines
}

fn name(group: &GroupRecord) -> String {
    let name = if group.name.is_empty() { "(no name)" } else { &group.name };
    escape_for_terminal(name).chars().take(LONGEST_NAME).collect()
}
