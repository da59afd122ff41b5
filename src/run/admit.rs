//! [`judge`]: for one alert and one playbook, whether a run may start, and the first reason why not.
//! What the store decides (claims, gates) comes after it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::value::Serde;
use serde_json::{Value, json};

use super::gate::{Closed, LaterReason};
use crate::model::{Alert, format_duration, matcher::first_failing};
use crate::playbook::{GroupBy, Playbook, TriggerStatus};
use crate::template::Scope;

/// What admission says of one alert and one playbook.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It may start, as far as this goes.
    Start,
    /// Not now.
    Later(Closed),
    /// Not at all.
    Skip(Skip),
}

/// Why an alert is not worked on by a playbook.
#[derive(Clone, Debug, PartialEq)]
pub enum Skip {
    /// A matcher does not hold.
    NotMatched {
        /// The first that does not, as Alertmanager prints it.
        matcher: String,
        /// The value that the alert has, when it has the label.
        value: Option<String>,
    },
    /// The alert carries the label `amflow_state`: it is amflow's own.
    OwnAlert,
    /// The playbook runs for the other state.
    Status {
        /// The alert's.
        is: &'static str,
    },
    /// `when` is false.
    When {
        /// The expression, as written.
        expression: String,
    },
    /// `when` could not be worked out: counts as a problem (exit 1).
    WhenFailed {
        /// Why.
        error: String,
    },
    /// The episode is claimed.
    Claimed {
        /// The run that has it.
        run: String,
    },
    /// What the playbook needs cannot be had.
    Missing {
        /// What.
        what: String,
    },
}

impl Skip {
    /// Returns the one word that machine-readable output uses.
    pub fn word(&self) -> &'static str {
        match self {
            Skip::NotMatched { .. } => "not_matched",
            Skip::OwnAlert => "own_alert",
            Skip::Status { .. } => "status",
            Skip::When { .. } => "when_false",
            Skip::WhenFailed { .. } => "when_failed",
            Skip::Claimed { .. } => "claimed",
            Skip::Missing { .. } => "missing",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::NotMatched { matcher, value: Some(value) } => {
                write!(f, "{matcher} does not hold: it is {value:?}")
            }
            Skip::NotMatched { matcher, value: None } => {
                write!(f, "{matcher} does not hold: the alert has no such label")
            }
            Skip::OwnAlert => f.write_str(
                "amflow posted this alert itself (label amflow_state), and never works on its own",
            ),
            Skip::Status { is } => {
                let wants = if *is == TriggerStatus::Firing.as_str() { "resolved" } else { "firing" };
                write!(f, "the alert is {is}, and the playbook runs when it is {wants} (`status: {wants}`)")
            }
            Skip::When { expression } => write!(f, "`when` is false: {expression}"),
            Skip::WhenFailed { error } => write!(f, "`when` could not be worked out: {error}"),
            Skip::Claimed { run } => {
                write!(f, "run {run} has taken this alert already: one run for each time that it fires")
            }
            Skip::Missing { what } => f.write_str(what),
        }
    }
}

/// What is known of an alert's episode beside the alert.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When the episode began.
    pub starts_at: Timestamp,
    /// The run that claimed it for this playbook and status.
    pub claimed_by: Option<&'a str>,
    /// Variables of the environment that the configuration lists.
    pub env: &'a BTreeMap<String, String>,
}

/// Judges one alert for one playbook.
pub fn judge(playbook: &Playbook, alert: &Alert, seen: Seen<'_>, now: Timestamp) -> Verdict {
    if let Some(skip) = refused(playbook, alert) {
        return Verdict::Skip(skip);
    }
    let trigger = &playbook.trigger;
    let status = if alert.is_firing() { TriggerStatus::Firing } else { TriggerStatus::Resolved };
    if !trigger.statuses.contains(&status) {
        return Verdict::Skip(Skip::Status { is: status.as_str() });
    }
    if let Some(when) = &trigger.when {
        let scope = Scope::new()
            .with("alert", minijinja::Value::from(Serde(alert_json(alert))))
            .with("env", minijinja::Value::from(Serde(json!(seen.env))));
        match when.is_true(&scope) {
            Ok(true) => {}
            Ok(false) => {
                let expression = when.source().trim().to_owned();
                return Verdict::Skip(Skip::When { expression });
            }
            Err(error) => return Verdict::Skip(Skip::WhenFailed { error: error.to_string() }),
        }
    }
    if let Some(run) = seen.claimed_by {
        return Verdict::Skip(Skip::Claimed { run: run.to_owned() });
    }
    if status == TriggerStatus::Firing
        && let Some(closed) = too_young(playbook, seen.starts_at, now).or_else(|| muted(playbook, alert))
    {
        return Verdict::Later(closed);
    }
    outside_intervals(playbook, now).map_or(Verdict::Start, Verdict::Later)
}

/// Returns why the labels of an alert keep it from a playbook, whatever else is so.
pub(super) fn refused(playbook: &Playbook, alert: &Alert) -> Option<Skip> {
    if alert.is_own() {
        return Some(Skip::OwnAlert);
    }
    let matcher = first_failing(&playbook.trigger.matchers, &alert.labels)?;
    let value = alert.labels.get(matcher.name()).map(str::to_owned);
    Some(Skip::NotMatched { matcher: matcher.to_string(), value })
}

fn too_young(playbook: &Playbook, starts_at: Timestamp, now: Timestamp) -> Option<Closed> {
    let wanted = playbook.trigger.firing_for;
    // It fires: one that seems to begin only later has its start from another clock, or from an end that was posted
    // without a start.
    if wanted.is_zero() {
        return None;
    }
    let until = starts_at.checked_add(wanted).ok().filter(|until| *until > now)?;
    let age = std::time::Duration::try_from(now.duration_since(starts_at)).unwrap_or_default();
    let age = std::time::Duration::from_secs(age.as_secs());
    let detail = format!(
        "firing for {}, and the playbook waits for {} (`for`)",
        format_duration(age),
        format_duration(wanted)
    );
    Some(Closed { reason: LaterReason::TooYoung, until: Some(until), detail })
}

fn muted(playbook: &Playbook, alert: &Alert) -> Option<Closed> {
    let closed = |detail: String| Some(Closed { reason: LaterReason::Muted, until: None, detail });
    if !playbook.trigger.include_silenced && !alert.silenced_by.is_empty() {
        return closed(format!(
            "silenced by {}; the playbook leaves silenced alerts alone (`include: [silenced]` would not)",
            alert.silenced_by.join(", ")
        ));
    }
    if !playbook.trigger.include_inhibited && !alert.inhibited_by.is_empty() {
        return closed(format!(
            "inhibited by {}; the playbook leaves inhibited alerts alone (`include: [inhibited]` would not)",
            alert.inhibited_by.join(", ")
        ));
    }
    None
}

fn outside_intervals(playbook: &Playbook, now: Timestamp) -> Option<Closed> {
    let trigger = &playbook.trigger;
    let closed = |detail: String| Some(Closed { reason: LaterReason::OutsideInterval, until: None, detail });
    if let Some(interval) = trigger.mute_time_intervals.iter().find(|i| i.contains(now)) {
        return closed(format!(
            "it is now in `{}`, when the playbook rests (`mute_time_intervals`)",
            interval.name()
        ));
    }
    if trigger.active_time_intervals.is_empty()
        || trigger.active_time_intervals.iter().any(|i| i.contains(now))
    {
        return None;
    }
    let names: Vec<_> = trigger.active_time_intervals.iter().map(|i| i.name()).collect();
    closed(format!(
        "the playbook works only in `{}`, which it is not now (`active_time_intervals`)",
        names.join("`, `")
    ))
}

/// What a run of a playbook works on: a group of alerts, or one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// The key by which limits count it, the same for the same labels: fingerprint or group labels.
    pub target: String,
    /// The group's labels; empty without `group_by`.
    pub labels: BTreeMap<String, String>,
}

impl Group {
    /// Says which it is, for people: the labels of the group, or of its only alert.
    pub fn in_words(&self, alerts: &[Arc<Alert>]) -> String {
        match alerts.first() {
            Some(alert) if self.labels.is_empty() => alert.labels.to_string(),
            _ => {
                let labels: Vec<_> =
                    self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                format!("{{{}}}", labels.join(", "))
            }
        }
    }
}

/// Returns the group that an alert belongs to.
pub fn group(playbook: &Playbook, alert: &Alert) -> Group {
    let labels: BTreeMap<String, String> = match &playbook.trigger.group_by {
        None => {
            return Group { target: alert.fingerprint.to_string(), labels: BTreeMap::new() };
        }
        Some(GroupBy::All) => alert.labels.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        Some(GroupBy::Labels(names)) => names
            .iter()
            .map(|name| (name.clone(), alert.labels.get(name).unwrap_or_default().to_owned()))
            .collect(),
    };
    let target = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join(",");
    Group { target, labels }
}

/// Returns an alert as templates and journals have it: the shape of API v2.
fn alert_json(alert: &Alert) -> Value {
    serde_json::to_value(alert).unwrap_or(Value::Null)
}
