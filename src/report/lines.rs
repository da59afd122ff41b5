//! One line an event, for people: what plain output and logs print.

use std::time::Duration;

use jiff::Timestamp;

use super::effect::effect_line;
use super::task::with_answers;
use crate::engine::RunHeader;
use crate::model::format_duration;
use crate::run::{RunEvent, RunStatus, SignalKind, Stamped, is_mute, is_raised};
use crate::step::{Hold, Outcome, Task};
use crate::text::escape_for_terminal;

/// Returns the part of a run's id that people use: its end, which differs between runs of one moment.
pub fn short_id(run: &str) -> &str {
    run.get(run.len().saturating_sub(8)..).unwrap_or(run)
}

/// Returns what an event says in one line, or `None` when it says nothing to people.
pub fn event_line(header: &RunHeader, stamped: &Stamped) -> Option<String> {
    let said = match &stamped.event {
        RunEvent::RunStarted(started) => {
            let alerts = match started.alerts.len() {
                1 => header.target.clone(),
                n => format!("{n} alerts of {}", header.target),
            };
            match &started.handed_over_by {
                Some(playbook) => format!("started for {alerts}, handed over by {playbook}"),
                None => format!("started for {alerts}"),
            }
        }
        RunEvent::GateWanted { key } => format!("waits for the concurrency key `{key}`"),
        RunEvent::AttemptStarted { path, attempt, effect: Some(effect), .. } => {
            let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
            format!("{path}{again}: {}", effect_line(effect))
        }
        RunEvent::AttemptContinued { path, memo, parked: true, for_person: true, .. } => {
            let task = Task::of_memo(memo)?;
            let until = task
                .deadline
                .map_or_else(String::new, |until| format!("; until {}", clock(until, stamped.at)));
            match task.escalated_at {
                Some(_) => format!("{path}: nobody decided; asks {} now{until}", task.whom()),
                None => format!("{path}: asks {}: {}{until}", task.whom(), task.prompt),
            }
        }
        RunEvent::AskedAgain { path, before, reason, .. } => {
            format!("{path}: asks again, because what {before} does is not what was approved: {reason}")
        }
        RunEvent::AttemptContinued { path, parked: true, parked_until: Some(until), .. } => {
            format!("{path}: waits, looks again at {}", clock(*until, stamped.at))
        }
        RunEvent::RetryScheduled { path, attempt, due } => {
            let failed = attempt.saturating_sub(1);
            format!("{path}: attempt {failed} failed, tries again at {}", clock(*due, stamped.at))
        }
        RunEvent::StepFinished { path, outcome } => match outcome {
            Outcome::Succeeded => format!("{path}: succeeded"),
            Outcome::Lost => format!("{path}: {}", outcome.reason()),
            Outcome::Cancelled => format!("{path}: cancelled"),
            Outcome::TimedOut { .. } => format!("{path}: timed out: {}", outcome.reason()),
            other => format!("{path}: {}: {}", other.status(), other.reason()),
        },
        RunEvent::RecheckFailed { reason, .. } => reason.clone(),
        RunEvent::HoldWanted { id, hold, .. } if is_mute(id) => {
            format!("mutes its alert by {}", mute_line(hold))
        }
        RunEvent::HoldMade { id, .. } if is_raised(id) => "raised AmflowRunFailed in Alertmanager".to_owned(),
        RunEvent::HoldMade { id, server_id: Some(server) } if is_mute(id) => {
            format!("muted by the silence {server}")
        }
        RunEvent::HoldMade { id, server_id: Some(server) } => format!("{id}: made {server}"),
        RunEvent::HoldFailed { id, reason } if is_mute(id) => format!("could not mute its alert: {reason}"),
        RunEvent::HoldFailed { id, reason } if is_raised(id) => {
            format!("could not raise AmflowRunFailed: {reason}")
        }
        RunEvent::HoldFailed { id, reason } => format!("{id}: could not be made: {reason}"),
        RunEvent::HoldReleased { id, failed: Some(why) } if is_mute(id) => {
            format!("its alert's mute could not be ended ({why}); it ends with its lease")
        }
        RunEvent::HoldReleased { id, failed: None } if is_mute(id) => "mutes its alert no longer".to_owned(),
        RunEvent::HoldReleased { id, failed: Some(why) } => {
            format!("{id}: could not be released ({why}); it ends with its lease")
        }
        RunEvent::HoldReleased { id, failed: None } => format!("{id}: released"),
        RunEvent::SignalReceived(signal) => match &signal.kind {
            SignalKind::Cancel { by } => format!("cancelled by {by}"),
            SignalKind::Restart => "cancelled by a newer run with the same key".to_owned(),
            SignalKind::Decide { step, approve, by, comment, inputs, via, .. } => {
                let comment = if comment.is_empty() { String::new() } else { format!(": {comment}") };
                let via = if via.is_empty() { String::new() } else { format!(" ({via})") };
                let word = if *approve { "approved" } else { "rejected" };
                format!("{step}: {word} by {by}{via}{}{comment}", with_answers(inputs))
            }
            SignalKind::Resolved { .. } => "a delivery says that the alert resolved".to_owned(),
        },
        RunEvent::TakenOver { by, lost } if lost.is_empty() => format!("taken over by {by}"),
        RunEvent::TakenOver { by, lost } => {
            format!("taken over by {by}; begun, and their end is unknown: {}", lost.join(", "))
        }
        RunEvent::ClockSet { by_ms } => {
            let by = format_duration(Duration::from_millis(by_ms.unsigned_abs()));
            let how = if *by_ms < 0 { "back" } else { "forward" };
            format!("the clock was set {how} by {by}: what is waited for moves along")
        }
        RunEvent::RunFinished { status, reason } => match status {
            RunStatus::Succeeded => "succeeded".to_owned(),
            other if reason.is_empty() => other.as_str().to_owned(),
            // "cancelled by SIGINT" says it all.
            other if reason.starts_with(other.as_str()) => reason.clone(),
            other => format!("{}: {reason}", other.as_str()),
        },
        _ => return None,
    };
    Some(escape_for_terminal(&said).to_string())
}

/// Returns the line that a `log` step says, with its level when it is more than `info`.
pub fn said_line(event: &RunEvent) -> Option<String> {
    let RunEvent::AttemptFinished { path, output, .. } = event else { return None };
    let text = |name: &str| output.get(name).and_then(serde_json::Value::as_str);
    let (level, line) = (text("level")?, text("line")?);
    let mark = if level == "info" { String::new() } else { format!("{level}: ") };
    Some(escape_for_terminal(&format!("{path}: {mark}{line}")).to_string())
}

/// Says by what an alert is muted; which alert it is, was said when the run started.
fn mute_line(hold: &Hold) -> &'static str {
    match hold {
        Hold::Silence(_) => "a silence",
        Hold::Alert(_) => "an alert that inhibits it (amflow_state=\"running\")",
    }
}

/// Says when, to the second; with the day when it is not that of `said_at`.
fn clock(at: Timestamp, said_at: Timestamp) -> String {
    let day = |of: Timestamp| of.strftime("%Y-%m-%d").to_string();
    let form = if day(at) == day(said_at) { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_day_is_said_with_its_date() {
        let said_at = "2026-12-01T14:10:03Z".parse().unwrap();
        let says = |at: &str| clock(at.parse().unwrap(), said_at);
        assert_eq!(says("2026-12-01T23:59:59Z"), "23:59:59Z");
        assert_eq!(says("2026-12-02T14:10:03Z"), "2026-12-02 14:10:03Z");
        assert_eq!(says("2027-12-01T14:10:03Z"), "2027-12-01 14:10:03Z");
    }
}
