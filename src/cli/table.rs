//! Rows for people, which fit the terminal.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use super::context::Context;

/// Before what stands beneath a row.
const INDENT: usize = 4;

/// Makes a table that fits the terminal.
pub(super) fn table(context: &Context, heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads.to_vec());
    if context.ui.is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(context.ui.width()).unwrap_or(u16::MAX));
    }
    table
}

/// Writes rows as a table where that fits; on a narrower terminal the last `long` cells of each row stand beneath it.
pub(super) fn listing(context: &Context, heads: &[&str], long: usize, rows: Vec<Vec<String>>) -> String {
    fitting(heads, long, rows, context.ui.is_terminal().then(|| context.ui.width()))
}

/// Writes a moment to the second.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn fitting(heads: &[&str], long: usize, rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads.to_vec());
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    match width.filter(|width| lines.iter().any(|line| line.chars().count() > *width)) {
        Some(width) => beneath(heads, heads.len().saturating_sub(long), &rows, width),
        None => lines,
    }
    .join("\n")
}

/// The first `short` cells of each row in columns, the others on lines of their own.
fn beneath(heads: &[&str], short: usize, rows: &[Vec<String>], width: usize) -> Vec<String> {
    let widths: Vec<usize> = (0..short)
        .map(|at| rows.iter().filter_map(move |row| row.get(at)).map(|cell| cell.chars().count()))
        .zip(heads)
        .map(|(cells, head)| cells.max().unwrap_or_default().max(head.len()))
        .collect();
    let row = |cells: &mut dyn Iterator<Item = &str>| {
        let line: String = cells.zip(&widths).map(|(cell, width)| format!(" {cell:<width$} ")).collect();
        line.trim_end().to_owned()
    };
    let mut lines = wrapped(&row(&mut heads.iter().take(short).copied()), 0, width);
    for cells in rows {
        lines.extend(wrapped(&row(&mut cells.iter().take(short).map(String::as_str)), 0, width));
        let others = cells.iter().skip(short).filter(|cell| !cell.is_empty());
        lines.extend(others.flat_map(|cell| wrapped(cell, INDENT, width)));
    }
    lines
}

/// Breaks a text into lines of a width, between words where there are some; all but a first line without an indent
/// are indented.
fn wrapped(text: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    loop {
        let indent = if lines.is_empty() { indent } else { INDENT };
        let room = width.saturating_sub(indent).max(1);
        let line = |letters: &[char]| {
            let line = format!("{:indent$}{}", "", letters.iter().collect::<String>());
            line.trim_end().to_owned()
        };
        if rest.len() <= room {
            lines.push(line(&rest));
            return lines;
        }
        let blank = rest[..=room].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let at = blank.unwrap_or(room);
        lines.push(line(&rest[..at]));
        let blanks = rest[at..].iter().take_while(|c| **c == ' ').count();
        rest.drain(..at + blanks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [&str; 4] = ["RUN", "STATUS", "TARGET", "WHY"];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["9c", "failed", "{alertname=\"Disk\", instance=\"one\"}", "work: exit code 1"]),
            row(["1b22", "succeeded", "{alertname=\"Disk\"}", ""]),
        ]
    }

    #[test]
    fn rows_are_a_table_where_there_is_room_or_no_terminal() {
        let table = " RUN   STATUS     TARGET                              WHY\n \
                      9c    failed     {alertname=\"Disk\", instance=\"one\"}  work: exit code 1\n \
                      1b22  succeeded  {alertname=\"Disk\"}";
        assert_eq!(fitting(&HEADS, 2, rows(), None), table);
        assert_eq!(fitting(&HEADS, 2, rows(), Some(74)), table);
    }

    #[test]
    fn what_is_long_stands_beneath_its_row_on_a_narrow_terminal() {
        assert_eq!(
            fitting(&HEADS, 2, rows(), Some(40)),
            " RUN   STATUS\n 9c    failed\n    {alertname=\"Disk\", instance=\"one\"}\n    work: exit code 1\n \
             1b22  succeeded\n    {alertname=\"Disk\"}"
        );
        let narrow = fitting(&HEADS, 2, rows(), Some(14));
        assert!(narrow.lines().all(|line| line.chars().count() <= 14), "{narrow}");
        assert!(narrow.contains(" 1b22\n    succeeded\n"), "{narrow}");
    }
}
