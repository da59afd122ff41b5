//! Effects in words: one line for a plan, details below it. Everything is escaped for a terminal.

use std::time::Duration;

use crate::model::format_duration;
use crate::step::{CommandEffect, Effect, Hold, HoldAction, RequestBody, TextOrSecret};
use crate::text::{escape_for_terminal, plural, without_password};

/// The longest line, in characters: a label's value may be as long as a book.
const LONGEST: usize = 400;

/// Returns one line that says what an effect does.
pub fn effect_line(effect: &Effect) -> String {
    let line = match effect {
        Effect::Command(command) => match script_of(command) {
            Some((shell, script)) => {
                let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
                let first = lines.next().unwrap_or_default();
                match lines.count() {
                    0 => format!("{shell}: {first}"),
                    more => format!("{shell}: {first} (and {})", plural(more, "more line")),
                }
            }
            None => command.argv.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" "),
        },
        Effect::Request(request) => {
            let of = request.connection.as_ref().map_or(String::new(), |c| format!(" (connection {c})"));
            format!("{} {}{of}", request.method, without_password(&request.url))
        }
        Effect::Query(query) => format!("query Prometheus: {}", query.query),
        Effect::Sighting(look) => match look.fingerprints.as_slice() {
            [one] => format!("look whether the alert {one} is still there"),
            many => format!("look whether {} alerts are still there", many.len()),
        },
        Effect::Hold(hold) => {
            let verb = match hold.action {
                HoldAction::Make => "make",
                HoldAction::Renew => "renew",
                HoldAction::Release => "release",
            };
            format!("{verb} {}", hold_line(&hold.hold))
        }
    };
    shown(&line)
}

/// Returns one line that says what a hold is.
pub fn hold_line(hold: &Hold) -> String {
    let line = match hold {
        Hold::Silence(silence) => {
            let matchers: Vec<_> =
                silence.matchers.iter().map(|(n, op, v)| format!("{n}{op}{v:?}")).collect();
            format!(
                "silence {{{}}}, made for {} at a time",
                matchers.join(", "),
                format_duration(Duration::from_secs(silence.lease_seconds))
            )
        }
        Hold::Alert(alert) => {
            let labels: Vec<_> = alert.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            format!("alert {{{}}}", labels.join(", "))
        }
    };
    shown(&line)
}

/// Returns further lines about an effect: the script, its values, headers, the body. Secrets are named,
/// never shown.
pub fn effect_details(effect: &Effect) -> Vec<String> {
    let mut lines = Vec::new();
    match effect {
        Effect::Command(command) => {
            if let Some((_, script)) = script_of(command).filter(|(_, script)| script.trim().contains('\n')) {
                lines.extend(script.trim_end().lines().map(str::to_owned));
            }
            lines.extend(command.env.iter().map(|(name, value)| format!("{name}={}", value_of(value))));
            lines.extend(command.directory.iter().map(|directory| format!("in {}", quoted(directory))));
            lines.extend(command.limits.user.iter().map(|user| format!("as {user}")));
            lines.extend(command.stdin.iter().map(|stdin| format!("< {}", quoted(stdin))));
        }
        Effect::Request(request) => {
            lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {}", value_of(value))));
            match &request.body {
                Some(RequestBody::Json(json)) => lines.push(json.to_string()),
                Some(RequestBody::Form(fields)) => {
                    lines.extend(fields.iter().map(|(name, value)| format!("{name}={value}")));
                }
                Some(RequestBody::Text(text)) => lines.extend(text.lines().map(str::to_owned)),
                None => {}
            }
        }
        Effect::Query(_) | Effect::Sighting(_) | Effect::Hold(_) => {}
    }
    lines.iter().map(|line| shown(line)).collect()
}

/// Makes a line fit to be printed: escaped for a terminal, with what is left out counted.
pub fn shown(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => {
            let (head, rest) = line.split_at(at);
            format!("{}... ({} more)", escape_for_terminal(head), plural(rest.len(), "byte"))
        }
        None => escape_for_terminal(line).into_owned(),
    }
}

fn value_of(value: &TextOrSecret) -> String {
    match value {
        TextOrSecret::Text(text) => quoted(text),
        TextOrSecret::Secret(name) => format!("[secret {name}]"),
    }
}

/// The script of a `shell` step, with the shell's name: its command ends in `-c SCRIPT amflow`. Another
/// command that names a shell (`exec: [sh, -c, ...]`) is shown as it is, with its arguments.
fn script_of(command: &CommandEffect) -> Option<(&str, &str)> {
    let shell = command.argv.first()?.rsplit('/').next()?;
    match command.argv.as_slice() {
        [_, .., c, script, name] if c == "-c" && name == "amflow" => Some((shell, script)),
        _ => None,
    }
}

/// Quotes an argument the way a shell would need it, when it does.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::RequestEffect;

    fn command(argv: &[&str]) -> Effect {
        Effect::Command(CommandEffect {
            argv: argv.iter().map(|&a| a.to_owned()).collect(),
            ..CommandEffect::default()
        })
    }

    #[test]
    fn a_script_is_shown_as_one_and_another_command_with_all_its_arguments() {
        for (argv, line) in [
            (&["/bin/sh", "-eu", "-c", "\n a b\n c\nd\n", "amflow"][..], "sh: a b (and 2 more lines)"),
            (&["/bin/bash", "-euo", "pipefail", "-c", "id", "amflow"], "bash: id"),
            (&["sh", "-c", "echo \"$1\"", "name", "x y"], "sh -c 'echo \"$1\"' name 'x y'"),
            (&["sh", "-c", "id"], "sh -c id"),
            (&["ssh", "--", "h", "rm", "-c", "it's"], r"ssh -- h rm -c 'it'\''s'"),
            (&["a", "\u{1b}[31m", ""], "a '\\x1b[31m' ''"),
        ] {
            assert_eq!(effect_line(&command(argv)), line);
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let long = "x".repeat(100_000);
        let line = effect_line(&command(&["echo", &long]));
        assert!(line.len() < 500 && line.ends_with("... (99605 bytes more)"), "{line}");
    }

    #[test]
    fn values_are_shown_and_secrets_are_named() {
        let Effect::Command(mut it) = command(&["/bin/sh", "-eu", "-c", "a\nb", "amflow"]) else { return };
        it.env.insert("A".to_owned(), TextOrSecret::Text("x y".to_owned()));
        it.env.insert("T".to_owned(), TextOrSecret::Secret("tok".to_owned()));
        it.stdin = Some("in".to_owned());
        assert_eq!(effect_details(&Effect::Command(it)), ["a", "b", "A='x y'", "T=[secret tok]", "< in"]);
        let request = Effect::Request(RequestEffect {
            method: "POST".to_owned(),
            url: "https://u:hush@h/x".to_owned(),
            connection: None,
            headers: vec![("X-Key".to_owned(), TextOrSecret::Secret("tok".to_owned()))],
            body: Some(RequestBody::Form(vec![("a".to_owned(), "b".to_owned())])),
            idempotency_key: None,
            output_limit: 1,
        });
        assert_eq!(effect_line(&request), "POST https://u:redacted@h/x");
        assert_eq!(effect_details(&request), ["X-Key: [secret tok]", "a=b"]);
    }
}
