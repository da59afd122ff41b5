//! The report as Markdown, to be pasted into a ticket or a wiki.

use super::figures::{GroupRecord, PeriodReport};
use super::words::{HEADS, about, cells, summary};
use crate::text::{escape_for_terminal, plural};

/// Groups of a table, at most.
const MOST_GROUPS: usize = 50;

/// Writes the report as Markdown. Names come out as text, whatever they are made of.
pub fn period_markdown(report: &PeriodReport) -> String {
    let mut page = format!("# amflow report\n\n{}\n\n", literal(&about(report)));
    for (name, says) in summary(report) {
        page.push_str(&format!("- **{name}**: {says}\n"));
    }
    for (head, title, groups) in
        [("Playbook", "By playbook", &report.playbooks), ("Alert", "By alert", &report.alertnames)]
    {
        if !groups.is_empty() {
            page.push_str(&format!("\n## {title}\n\n"));
            page.push_str(&table(head, groups));
        }
    }
    page
}

fn table(head: &str, groups: &[GroupRecord]) -> String {
    let heads: Vec<_> =
        HEADS.iter().map(|h| if h.len() > 3 { h.to_lowercase() } else { (*h).to_owned() }).collect();
    let mut table = format!("| {head} | {} |\n|---|{}\n", heads.join(" | "), "--:|".repeat(HEADS.len()));
    for group in groups.iter().take(MOST_GROUPS) {
        let name = if group.name.is_empty() { "(no name)" } else { &group.name };
        table.push_str(&format!("| {} | {} |\n", literal(name), cells(&group.figures).join(" | ")));
    }
    if let Some(more) = groups.len().checked_sub(MOST_GROUPS).filter(|more| *more > 0) {
        table.push_str(&format!("\n{}\n", plural(more, "more line")));
    }
    table
}

/// Makes text stand for itself: no markup, no HTML, no link, no end of a cell or line.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    let text = escape_for_terminal(text);
    for (at, c) in text.char_indices() {
        match c {
            '&' => literal.push_str("&amp;"),
            '<' => literal.push_str("&lt;"),
            '>' => literal.push_str("&gt;"),
            // Addresses become links by themselves in many readers.
            ':' if text[at..].starts_with("://") => literal.push_str("&#58;"),
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => literal.push_str("&#46;"),
            '@' => literal.push_str("&#64;"),
            c if r"\`*_{}[]()#+!|~$".contains(c) => literal.extend(['\\', c]),
            c => literal.push(c),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_whatever_they_are_made_of() {
        for (name, written) in [
            ("DiskFull", "DiskFull"),
            ("a|b", r"a\|b"),
            ("[x](javascript:y)", r"\[x\]\(javascript:y\)"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("a\nb", r"a\\nb"),
            ("12:30 www.x", "12:30 www&#46;x"),
            ("@all https://x", "&#64;all https&#58;//x"),
        ] {
            assert_eq!(literal(name), written, "{name:?}");
        }
    }
}
