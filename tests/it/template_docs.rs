//! The reference of filters in `docs/templates.md` is what the program has.

use std::fmt::Write as _;
use std::path::Path;

use amflow::template::{Entry, FILTERS, FUNCTIONS, TESTS};

const BEGIN: &str = "<!-- generated: filters -->\n";
const END: &str = "<!-- end: filters -->";

fn table(title: &str, entries: &[Entry]) -> String {
    let mut text = format!("| {title} | what it does | example | gives |\n|---|---|---|---|\n");
    for entry in entries {
        let [summary, example, result] =
            [entry.summary, entry.example, entry.result].map(|cell| cell.replace('|', "\\|"));
        writeln!(text, "| `{}` | {summary} | `{example}` | `{result}` |", entry.name).expect("a text grows");
    }
    text
}

#[test]
fn the_reference_of_filters_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/templates.md");
    let page = std::fs::read_to_string(&path).expect("docs/templates.md");
    let (before, rest) = page.split_once(BEGIN).expect("the section begins");
    let (_, after) = rest.split_once(END).expect("the section ends");
    let tables = [table("filter", FILTERS), table("test", TESTS), table("function", FUNCTIONS)].join("\n");
    let current = format!("{before}{BEGIN}{tables}{END}{after}");
    if std::env::var_os("AMFLOW_UPDATE_DOCS").is_some() {
        std::fs::write(&path, current).expect("docs/templates.md can be written");
        return;
    }
    assert!(page == current, "docs/templates.md is stale: run the tests with AMFLOW_UPDATE_DOCS=1");
}
