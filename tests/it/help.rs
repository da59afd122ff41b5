//! What `--help` says: every command teaches by examples, which fit a terminal and are accepted as they stand.

use std::process::Command;

use clap::error::ErrorKind;

/// Columns of a terminal that nobody made wider.
const COLUMNS: usize = 80;

/// Calls with every command, those of groups too, and the words that name it.
fn each(mut visit: impl FnMut(&str, &clap::Command)) {
    fn walk(words: &str, command: &clap::Command, visit: &mut impl FnMut(&str, &clap::Command)) {
        visit(words, command);
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            walk(&format!("{words} {}", below.get_name()), below, visit);
        }
    }
    let mut root = amflow::cli::command();
    root.build();
    walk("amflow", &root, &mut visit);
}

fn text_after(command: &clap::Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

/// Expects that every command of a text is one that amflow takes, with its flags and arguments.
pub(crate) fn exists(text: &str) -> Result<(), String> {
    for line in text.lines() {
        let Some(at) = line.find("amflow ").filter(|at| *at == 0 || line[..*at].ends_with(' ')) else {
            continue;
        };
        // A command ends at a pipe, a redirection or a comment; in a help text two blanks begin what it does.
        let ends = ["  ", " | ", " > ", " # ", " && ", "; "];
        let command = &line[at..];
        let end = ends.iter().filter_map(|end| command.find(end)).min().unwrap_or(command.len());
        let split = format!("printf '%s\\n' {}", &command[..end]);
        let output = Command::new("bash").args(["-c", &split]).output().unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        match amflow::cli::command().try_get_matches_from(words.lines()) {
            Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                return Err(format!("{line}\n{error}"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn every_command_has_examples_that_it_takes() {
    let mut seen = 0;
    each(|words, command| {
        let text = text_after(command);
        let examples = text.split("Examples:\n").nth(1).unwrap_or_default();
        let examples = examples.split("\n\n").next().unwrap_or_default();
        let own = examples.lines().filter(|line| line.contains(words)).count();
        assert!(own > 0, "`{words} --help` has no example of itself:\n{text}");
        exists(&text).unwrap_or_else(|why| panic!("`{words} --help`: {why}"));
        seen += own;
    });
    assert!(seen > 50, "{seen} examples");
}

#[test]
fn examples_are_not_broken_by_a_terminal_of_the_usual_width() {
    each(|words, command| {
        for line in text_after(command).lines() {
            assert!(line.chars().count() <= COLUMNS, "`{words} --help`: {line}");
        }
    });
}

#[test]
fn what_the_examples_do_stands_in_one_column() {
    each(|words, command| {
        let text = text_after(command);
        let examples = text.split("Examples:\n").nth(1).unwrap_or_default();
        let columns: Vec<_> = examples
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .lines()
            .filter_map(|line| {
                let command = line.trim_start();
                let begins = if line.starts_with("   ") { 0 } else { command.find("  ")? };
                let what = command[begins..].trim_start();
                Some(line.len() - what.len())
            })
            .collect();
        assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "`{words} --help`: {columns:?}\n{text}");
    });
}

#[test]
fn options_stand_under_the_heading_that_they_belong_to() {
    let expected = [
        ("output", "Output"),
        ("store", "Store"),
        ("parallel", "Running"),
        ("no_wait", "Running"),
        ("metrics_file", "Running"),
        ("playbooks", "Playbooks"),
        ("from", "Alerts"),
        ("poll", "Alerts"),
        ("filter", "Alerts"),
        ("active", "States"),
        ("silenced", "States"),
        ("inhibited", "States"),
        ("unprocessed", "States"),
        ("listen", "Server"),
        ("route_prefix", "Server"),
        ("external_url", "Server"),
        ("poll_interval", "Server"),
        ("drain_timeout", "Server"),
        ("log_format", "Server"),
        ("config", "Everywhere"),
        ("quiet", "Everywhere"),
        ("verbose", "Everywhere"),
    ];
    each(|words, command| {
        for (id, heading) in expected {
            let Some(found) = command.get_arguments().find(|arg| arg.get_id() == id) else { continue };
            if found.get_long().is_some() {
                assert_eq!(found.get_help_heading(), Some(heading), "`{words} --{id}`");
            }
        }
        for found in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
            let known = expected.iter().any(|(id, _)| found.get_id() == id)
                || ["alertmanager_url", "http_config_file"].contains(&found.get_id().as_str());
            assert!(known || found.get_help_heading().is_none(), "`{words}`: {found:?}");
        }
    });
}
