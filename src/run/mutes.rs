//! What a run writes back to Alertmanager by itself: mutes while it works, an alert when it failed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::event::RunEvent;
use super::machine::{Machine, hold_key};
use super::state::Ending;
use crate::step::{AlertHold, Hold, HoldAction, RunAlert, SilenceHold};

/// Prefix of holds that mute the run's alerts.
const MUTE: &str = "sync/mute/";
/// Prefix of holds that say that the run failed.
const RAISED: &str = "sync/failed/";
/// Seconds that a mute lasts without a renewal: 5 minutes.
const MUTE_LEASE: u64 = 300;
/// Seconds that `AmflowRunFailed`, `AmflowBreakerOpen` and `AmflowComesBack` are posted for: 24 hours.
pub const RAISED_LEASE: u64 = 24 * 3_600;

/// Returns whether a hold mutes the run's alerts.
pub fn is_mute(id: &str) -> bool {
    id.starts_with(MUTE)
}

/// Returns whether a hold says that the run failed.
pub fn is_raised(id: &str) -> bool {
    id.starts_with(RAISED)
}

/// Makes sure that the run's alerts are muted as `sync` says; returns whether that still goes on.
pub(super) fn mute(machine: &mut Machine) -> bool {
    let sync = machine.playbook().sync.clone();
    if !(sync.inhibit || sync.silence) || !machine.options.has_alertmanager {
        return false;
    }
    if over_at(machine).is_some_and(|over| over <= machine.now) || machine.run.waits_for_person() {
        return false;
    }
    let mutes = |machine: &Machine| {
        machine
            .run
            .holds
            .iter()
            .filter(|(id, _)| is_mute(id))
            .map(|(id, h)| (id.clone(), h.clone()))
            .collect::<Vec<_>>()
    };
    let known = mutes(machine);
    let failed = known.iter().any(|(_, h)| h.failed.is_some());
    if known.iter().all(|(_, h)| h.over) && !failed {
        want(machine, known.len(), sync.inhibit, sync.silence);
    }
    let mut making = false;
    for (id, hold) in mutes(machine) {
        if hold.made_at.is_none() && !hold.over {
            making = true;
            if !machine.in_flight.contains(&hold_key(&id)) {
                machine.start_hold(&id, HoldAction::Make);
            }
        }
    }
    making
}

/// Returns when the run has muted its alerts for as long as it may.
fn over_at(machine: &Machine) -> Option<Timestamp> {
    let first = machine.run.holds.iter().filter(|(id, _)| is_mute(id)).filter_map(|(_, h)| h.made_at).min();
    first?.checked_add(machine.playbook().sync.max).ok()
}

/// Releases mutes that have been in force for `sync.max`, whatever the run is at, and all of them while
/// a person is waited for: the page must reach them.
pub(super) fn keep_to_max(machine: &mut Machine) {
    let ids = in_force(machine);
    let Some(over) = over_at(machine).filter(|_| !ids.is_empty()) else { return };
    if over > machine.now && !machine.run.waits_for_person() {
        machine.wake_by(over);
        return;
    }
    for id in ids {
        machine.start_hold(&id, HoldAction::Release);
    }
}

/// Returns the ids of the mutes that are in force.
pub(super) fn in_force(machine: &Machine) -> Vec<String> {
    machine.run.holds.iter().filter(|(id, h)| is_mute(id) && h.in_force()).map(|(id, _)| id.clone()).collect()
}

fn want(machine: &mut Machine, from: usize, inhibit: bool, silence: bool) {
    let run = machine.run.id.clone();
    let playbook = machine.run.started.playbook.clone();
    let mut holds = Vec::new();
    for alert in machine.run.alerts.clone() {
        if inhibit {
            holds.push(Hold::Alert(AlertHold {
                labels: own_labels(&alert, "running", &run),
                annotations: BTreeMap::from([
                    ("summary".to_owned(), format!("amflow works on this alert: playbook {playbook}")),
                    ("amflow_playbook".to_owned(), playbook.clone()),
                ]),
                starts_at: machine.run.started_at,
                lease_seconds: MUTE_LEASE,
                generator_url: alert.generator_url.clone(),
            }));
        }
        if silence {
            holds.push(Hold::Silence(SilenceHold {
                matchers: alert.labels.iter().map(|(k, v)| (k.clone(), "=".to_owned(), v.clone())).collect(),
                created_by: machine.options.author.clone(),
                comment: format!("amflow works on this alert: playbook {playbook}"),
                lease_seconds: MUTE_LEASE,
            }));
        }
    }
    for (n, hold) in holds.into_iter().enumerate() {
        let id = format!("{MUTE}{}", from + n);
        machine.record(RunEvent::HoldWanted { id, hold, keep: false });
    }
}

/// The target's labels with amflow's own beside them.
fn own_labels(alert: &RunAlert, state: &str, run: &str) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<_, _> = alert.labels.iter().cloned().collect();
    labels.insert("amflow_state".to_owned(), state.to_owned());
    labels.insert("amflow_run".to_owned(), run.to_owned());
    labels
}

/// Gives labels another name, and keeps the name that they had.
fn renamed(labels: &mut BTreeMap<String, String>, name: &str) -> String {
    let original = labels.insert("alertname".to_owned(), name.to_owned()).unwrap_or_default();
    labels.insert("amflow_alertname".to_owned(), original.clone());
    original
}

/// Makes the alert that another one came back too often, whatever a playbook did. `why` is for people.
pub fn comes_back_alert(alert: &RunAlert, playbook: &str, why: &str) -> AlertHold {
    let mut labels: BTreeMap<_, _> = alert.labels.iter().cloned().collect();
    let name = renamed(&mut labels, "AmflowComesBack");
    labels.insert("amflow_state".to_owned(), "failed".to_owned());
    labels.insert("amflow_playbook".to_owned(), playbook.to_owned());
    AlertHold {
        labels,
        annotations: BTreeMap::from([
            ("summary".to_owned(), format!("{name} comes back whatever playbook {playbook} does")),
            ("description".to_owned(), why.to_owned()),
            ("command".to_owned(), format!("amflow breakers reset {playbook}")),
        ]),
        starts_at: alert.starts_at,
        lease_seconds: RAISED_LEASE,
        generator_url: alert.generator_url.clone(),
    }
}

/// Wants `AmflowRunFailed` for each alert of the run, once.
pub(super) fn raise(machine: &mut Machine, ending: &Ending) {
    if machine.run.holds.keys().any(|id| is_raised(id)) {
        return;
    }
    let playbook = machine.run.started.playbook.clone();
    for (n, alert) in machine.run.alerts.clone().into_iter().enumerate() {
        let mut labels = own_labels(&alert, "failed", &machine.run.id);
        let name = renamed(&mut labels, "AmflowRunFailed");
        labels.insert("amflow_playbook".to_owned(), playbook.clone());
        let hold = Hold::Alert(AlertHold {
            labels,
            annotations: BTreeMap::from([
                ("summary".to_owned(), format!("amflow could not mend {name}: playbook {playbook} failed")),
                ("description".to_owned(), ending.reason.clone()),
                ("command".to_owned(), format!("amflow runs show {}", machine.run.id)),
            ]),
            starts_at: ending.at,
            lease_seconds: RAISED_LEASE,
            generator_url: alert.generator_url.clone(),
        });
        machine.record(RunEvent::HoldWanted { id: format!("{RAISED}{n}"), hold, keep: true });
    }
}
