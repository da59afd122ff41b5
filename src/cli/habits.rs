//! What people type from habit with other programs. Main function: [`explain`].

use std::ffi::OsString;
use std::path::Path;

use super::error::CliError;

/// Commands of other programs, and what is meant here.
const COMMANDS: &[(&str, &str)] = &[
    ("check", "amflow validate"),
    ("lint", "amflow validate"),
    ("check-config", "amflow validate"),
    ("apply", "amflow run"),
    ("start", "amflow run"),
    ("exec", "amflow run"),
    ("dry-run", "amflow plan"),
    ("diff", "amflow plan"),
    ("alert", "amflow alerts"),
    ("list", "amflow runs list"),
    ("ls", "amflow runs list"),
    ("ps", "amflow runs list"),
    ("history", "amflow runs list"),
    ("status", "amflow runs list"),
    ("logs", "amflow runs show RUN"),
    ("show", "amflow runs show RUN"),
    ("get", "amflow runs list"),
    ("describe", "amflow runs show RUN"),
    ("resume", "amflow runs resume"),
    ("cancel", "amflow runs cancel RUN"),
    ("kill", "amflow runs cancel RUN"),
    ("retry", "amflow runs retry RUN"),
    ("task", "amflow tasks list"),
    ("approvals", "amflow tasks list"),
    ("deny", "amflow reject RUN"),
    ("stop", "amflow pause"),
    ("daemon", "amflow serve"),
    ("server", "amflow serve"),
    ("completion", "amflow completions SHELL"),
    ("version", "amflow --version"),
];

/// Commands that take playbooks by `-p`.
const WITH_PLAYBOOKS: &[&str] = &["run", "plan", "serve", "backtest", "coverage"];
/// Commands that take playbooks as arguments.
const WITH_PATHS: &[&str] = &["validate", "test"];

/// Returns what to type instead, where arguments that were refused are a known habit.
pub(super) fn explain(arguments: &[OsString]) -> Option<CliError> {
    let words: Vec<&str> = arguments.iter().skip(1).map(|word| word.to_str().unwrap_or("")).collect();
    let at = words.iter().position(|word| !word.starts_with('-'))?;
    let (command, rest) = (words[at], &words[at + 1..]);
    if let Some((_, instead)) = COMMANDS.iter().find(|(habit, _)| *habit == command) {
        let error = CliError::usage(format!("there is no command `{command}`"));
        return Some(error.hint(format!("use `{instead}`")));
    }
    if rest.iter().any(|word| matches!(*word, "--dry-run" | "--dryrun" | "-n" | "--check" | "--simulate")) {
        let error = CliError::usage(format!("`amflow {command}` has no dry run of its own"));
        let rest: Vec<&str> = rest.iter().copied().filter(|word| !is_dry(word)).collect();
        let instead = ["amflow plan"].into_iter().chain(rest).collect::<Vec<_>>().join(" ");
        return Some(error.hint(format!("`{instead}` shows what would be done, and does nothing")));
    }
    let takes_flag = WITH_PLAYBOOKS.contains(&command);
    if !takes_flag && !WITH_PATHS.contains(&command) {
        return None;
    }
    let file_flag = rest.iter().position(|word| matches!(*word, "-f" | "--file" | "--filename"));
    if let Some(at) = file_flag {
        let path = rest.get(at + 1).copied().filter(|path| !path.starts_with('-')).unwrap_or("PATH");
        let flag = rest[at];
        let instead = if takes_flag { format!("{command} -p {path}") } else { format!("{command} {path}") };
        let error = CliError::usage(format!("`amflow {command}` has no `{flag}`"));
        return Some(error.hint(format!("for playbooks: `amflow {instead}`")).hint(if takes_flag {
            format!("for alerts: `amflow {command} --from {path}`")
        } else {
            "several paths may be given".to_owned()
        }));
    }
    let is_argument = |at: usize| at.checked_sub(1).is_none_or(|before| !takes_value(rest[before]));
    let path = (0..rest.len())
        .find(|&at| !rest[at].starts_with('-') && looks_like_a_file(rest[at]) && is_argument(at));
    let path = rest[path?];
    if !takes_flag {
        return None;
    }
    let error = CliError::usage(format!("`amflow {command}` takes no file as an argument: `{path}`"));
    Some(if path.contains("://") || matches!(ending_of(path), "json" | "ndjson" | "jsonl") {
        error.hint(format!("for alerts: `amflow {command} --from {path}`"))
    } else {
        error.hint(format!("for a playbook: `amflow {command} -p {path}`"))
    })
}

/// Tells whether what comes after a word belongs to it.
fn takes_value(word: &str) -> bool {
    let is_switch = ["--poll", "--no-wait", "--quiet", "--verbose", "--explain", "--"].contains(&word);
    let is_short_switch = word.len() > 1 && word[1..].chars().all(|c| matches!(c, 'q' | 'v'));
    word.starts_with('-') && !word.contains('=') && !is_switch && !is_short_switch
}

fn is_dry(word: &str) -> bool {
    matches!(word, "--dry-run" | "--dryrun" | "-n" | "--check" | "--simulate")
}

fn looks_like_a_file(word: &str) -> bool {
    word.contains('/') || matches!(ending_of(word), "yaml" | "yml" | "json" | "ndjson" | "jsonl")
}

fn ending_of(path: &str) -> &str {
    Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_are_answered_with_the_right_command() {
        let cases = [
            ("check playbooks", Some("use `amflow validate`")),
            ("run disk.yaml", Some("for a playbook: `amflow run -p disk.yaml`")),
            ("run alerts.json", Some("for alerts: `amflow run --from alerts.json`")),
            ("plan alerts.ndjson", Some("for alerts: `amflow plan --from alerts.ndjson`")),
            ("run http://am:9093/x", Some("for alerts: `amflow run --from http://am:9093/x`")),
            ("run -f disk.yaml", Some("for playbooks: `amflow run -p disk.yaml`")),
            ("-q run -f", Some("for playbooks: `amflow run -p PATH`")),
            ("validate -f disk.yaml", Some("for playbooks: `amflow validate disk.yaml`")),
            ("run -p x --dry-run", Some("`amflow plan -p x` shows what would be done, and does nothing")),
            ("run -q alerts.json", Some("for alerts: `amflow run --from alerts.json`")),
            ("run --poll alerts.json", Some("for alerts: `amflow run --from alerts.json`")),
            ("run -p disk.yaml more.yaml", Some("for a playbook: `amflow run -p more.yaml`")),
            ("run --poll --from alerts.json", None),
            ("run --no-such-flag", None),
            ("validate --no-such-flag x.yaml", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let arguments: Vec<OsString> =
                ["amflow"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
            let hint = explain(&arguments).map(|error| error.hints()[0].clone());
            assert_eq!(hint.as_deref(), expected, "{line}");
        }
    }
}
