//! Effects in words: one line for a plan, details below it. Everything is escaped for a terminal.

use crate::step::{CommandEffect, Effect, Hold, HoldAction, RequestBody, TextOrSecret};
use crate::text::{escape_for_terminal, plural};

/// Returns one line that says what an effect does.
pub fn effect_line(effect: &Effect) -> String {
    let line = match effect {
        Effect::Command(command) => match script_of(command) {
            Some((shell, script)) => {
                let first = script.lines().find(|l| !l.trim().is_empty()).unwrap_or("").trim();
                let more = script.lines().filter(|l| !l.trim().is_empty()).count().saturating_sub(1);
                if more == 0 {
                    format!("{shell}: {first}")
                } else {
                    format!("{shell}: {first} (and {})", plural(more, "more line"))
                }
            }
            None => command.argv.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" "),
        },
        Effect::Request(request) => {
            let of = request.connection.as_ref().map_or(String::new(), |c| format!(" (connection {c})"));
            format!("{} {}{of}", request.method, request.url)
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
    escape_for_terminal(&line).to_string()
}

/// Returns one line that says what a hold is.
pub fn hold_line(hold: &Hold) -> String {
    let line = match hold {
        Hold::Silence(silence) => {
            let matchers: Vec<_> =
                silence.matchers.iter().map(|(n, op, v)| format!("{n}{op}{v:?}")).collect();
            format!(
                "silence {{{}}} for {}s, kept while the run lives",
                matchers.join(", "),
                silence.lease_seconds
            )
        }
        Hold::Alert(alert) => {
            let labels: Vec<_> = alert.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            format!("alert {{{}}}", labels.join(", "))
        }
    };
    escape_for_terminal(&line).to_string()
}

/// Returns further lines about an effect: the script, variables, headers, the body. Secrets are named,
/// never shown.
pub fn effect_details(effect: &Effect) -> Vec<String> {
    let mut lines = Vec::new();
    match effect {
        Effect::Command(command) => {
            if let Some((_, script)) = script_of(command) {
                lines.extend(script.trim_end().lines().map(str::to_owned));
            }
            lines.extend(command.env.iter().map(|(name, value)| format!("{name}={}", shown(value))));
            if let Some(stdin) = &command.stdin {
                lines.push(format!("stdin: {} bytes", stdin.len()));
            }
        }
        Effect::Request(request) => {
            lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {}", shown(value))));
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
    lines.iter().map(|line| escape_for_terminal(line).to_string()).collect()
}

fn shown(value: &TextOrSecret) -> String {
    match value {
        TextOrSecret::Text(text) => quoted(text),
        TextOrSecret::Secret(name) => format!("[secret {name}]"),
    }
}

/// The script of `sh -eu -c SCRIPT`, with the shell's name.
fn script_of(command: &CommandEffect) -> Option<(&str, &str)> {
    let shell = command.argv.first()?.rsplit('/').next()?;
    let c = command.argv.iter().position(|a| a == "-c").filter(|c| *c <= 4)?;
    matches!(shell, "sh" | "bash" | "dash").then_some(())?;
    Some((shell, command.argv.get(c + 1)?))
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
