//! The gates of a run, made of its playbook's limits: what it asks for at its start, what its end settles.

use std::time::Duration;

use jiff::Timestamp;

use super::event::RunStatus;
use super::gate::{Change, GateAsk, GateChange, GateRule};
use crate::playbook::Limits;

/// Limits over all playbooks, from the configuration; `None` is the explicit `none`.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalLimits {
    /// Runs at the same time. Default 10.
    pub running: Option<u32>,
    /// Starts per window. Default 60 in 1h.
    pub starts: Option<(u32, Duration)>,
}

impl Default for GlobalLimits {
    fn default() -> GlobalLimits {
        GlobalLimits { running: Some(10), starts: Some((60, Duration::from_secs(3_600))) }
    }
}

/// Keys of gates: the one place that spells them.
pub mod gate_keys {
    /// The pause over everything.
    pub const PAUSE_ALL: &str = "pause:*";
    /// Runs running, over all playbooks.
    pub const RUNNING: &str = "running:*";
    /// How the keys of comebacks begin.
    pub const COMEBACKS: &str = "comebacks:";
    /// Starts, over all playbooks.
    pub const STARTS: &str = "starts:*";

    /// Returns the pause of a playbook.
    pub fn pause(playbook: &str) -> String {
        format!("pause:{playbook}")
    }

    /// Returns the breaker of a playbook.
    pub fn breaker(playbook: &str) -> String {
        format!("breaker:{playbook}")
    }

    /// Returns the cooldown of a target.
    pub fn cooldown(playbook: &str, target: &str) -> String {
        format!("cooldown:{playbook}:{target}")
    }

    /// Returns the comebacks of a target.
    pub fn comebacks(playbook: &str, target: &str) -> String {
        format!("{COMEBACKS}{playbook}:{target}")
    }

    /// Returns the rate of a playbook.
    pub fn rate(playbook: &str) -> String {
        format!("rate:{playbook}")
    }

    /// Returns the targets of a playbook.
    pub fn targets(playbook: &str) -> String {
        format!("targets:{playbook}")
    }
}

/// Returns what a run must pass to start: people's pauses first, the cheapest explanation last. `starts_at`:
/// since when its alert fires; `None` when a person starts it, who may.
pub fn asked(
    playbook: &str,
    target: &str,
    run: &str,
    starts_at: Option<Timestamp>,
    limits: &Limits,
    global: &GlobalLimits,
) -> Vec<GateAsk> {
    let ask = |key: String, rule| GateAsk { key, rule };
    let mut asks = vec![
        ask(gate_keys::PAUSE_ALL.to_owned(), GateRule::Pause),
        ask(gate_keys::pause(playbook), GateRule::Pause),
    ];
    if let Some(failures) = limits.breaker {
        asks.push(ask(gate_keys::breaker(playbook), GateRule::Breaker { failures }));
    }
    if let (Some(max), Some(starts_at)) = (limits.max_comebacks, starts_at) {
        let rule = GateRule::Comebacks { max, window: limits.flap_window, starts_at };
        asks.push(ask(gate_keys::comebacks(playbook, target), rule));
    }
    if let Some(every) = limits.cooldown {
        asks.push(ask(gate_keys::cooldown(playbook, target), GateRule::Cooldown { every }));
    }
    if let Some((count, window)) = limits.rate {
        asks.push(ask(gate_keys::rate(playbook), GateRule::Rate { count, window }));
    }
    if let Some(max) = limits.targets {
        asks.push(ask(gate_keys::targets(playbook), GateRule::Slots { max, holder: target.to_owned() }));
    }
    if let Some(max) = global.running {
        asks.push(ask(gate_keys::RUNNING.to_owned(), GateRule::Slots { max, holder: run.to_owned() }));
    }
    if let Some((count, window)) = global.starts {
        asks.push(ask(gate_keys::STARTS.to_owned(), GateRule::Rate { count, window }));
    }
    asks
}

/// Returns what a run settles that waits for a person: nobody else waits for it after a pause, as its end may be far.
pub(super) fn waits_for_person(playbook: &str, run: &str) -> Vec<GateChange> {
    let keys = [gate_keys::PAUSE_ALL.to_owned(), gate_keys::pause(playbook)];
    keys.map(|key| GateChange { key, change: Change::Neutral { run: run.to_owned() } }).into()
}

/// Returns what the end of a run settles.
pub fn settled(
    playbook: &str,
    target: &str,
    run: &str,
    limits: &Limits,
    status: RunStatus,
) -> Vec<GateChange> {
    let change = |key: String, change| GateChange { key, change };
    let run = || run.to_owned();
    let said = match status {
        RunStatus::Succeeded => Change::Succeeded { run: run() },
        RunStatus::Failed => Change::Failed { run: run(), breaker: limits.breaker },
        _ => Change::Neutral { run: run() },
    };
    // A pause counts no failures: it only wants to know that the trickling run is over, and how.
    let heard = match status {
        RunStatus::Succeeded => Change::Succeeded { run: run() },
        _ => Change::Neutral { run: run() },
    };
    let mut changes = vec![
        change(gate_keys::PAUSE_ALL.to_owned(), heard.clone()),
        change(gate_keys::pause(playbook), heard),
        change(gate_keys::RUNNING.to_owned(), Change::Leave { holder: run() }),
    ];
    if limits.breaker.is_some() {
        changes.push(change(gate_keys::breaker(playbook), said));
    }
    if limits.max_comebacks.is_some() && status == RunStatus::Succeeded {
        changes.push(change(gate_keys::comebacks(playbook, target), Change::Cleared));
    }
    if limits.targets.is_some() {
        changes.push(change(gate_keys::targets(playbook), Change::Leave { holder: target.to_owned() }));
    }
    if limits.cooldown.is_some() {
        changes.push(change(gate_keys::cooldown(playbook, target), Change::Ended));
    }
    changes
}
