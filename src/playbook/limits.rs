//! `limits`, `concurrency`, `sync`, `retry`: how much a playbook may do, and what it writes back.

use super::read::Reader;
use super::types::{Limits, Recheck, Retry, Sync, TriggerStatus, WhenBusy};
use crate::text::Node;

/// Reads `limits`; what is not written has its default.
pub(super) fn limits(reader: &mut Reader<'_>, playbook: &Node) -> Limits {
    let default = Limits::default();
    let Some(node) = playbook.get("limits") else { return default };
    Limits {
        cooldown: reader.duration_or_none(node, "cooldown", default.cooldown),
        rate: reader.rate_or_none(node, "rate", default.rate),
        targets: reader.count_or_none(node, "targets", default.targets),
        breaker: reader.count_or_none(node, "breaker", default.breaker),
        max_comebacks: reader.count_or_none(node, "max_comebacks", default.max_comebacks),
        flap_window: reader.duration(node, "flap_window").unwrap_or(default.flap_window),
        hand_over: reader.text(node, "hand_over").map(str::to_owned),
    }
}

/// Reads `sync`.
pub(super) fn sync(reader: &mut Reader<'_>, playbook: &Node) -> Sync {
    let default = Sync::default();
    let Some(node) = playbook.get("sync") else { return default };
    let read = Sync {
        inhibit: reader.flag(node, "inhibit"),
        silence: reader.flag(node, "silence"),
        alert_on_failure: reader.text(node, "on_failure") == Some("alert"),
        max: reader.duration(node, "max").unwrap_or(default.max),
    };
    if let Some(span) = node.key_span("max").filter(|_| !read.inhibit && !read.silence) {
        let hint = "add `inhibit: true` or `silence: true`, or leave `max` out".to_owned();
        reader.warning("sync-max-unused", span, "`max` limits muting, and nothing is muted here", Some(hint));
    }
    read
}

/// Reads `recheck`.
pub(super) fn recheck(reader: &Reader<'_>, playbook: &Node) -> Recheck {
    match reader.text(playbook, "recheck") {
        Some("start") => Recheck::Start,
        Some("always") => Recheck::Always,
        Some("never") => Recheck::Never,
        _ => Recheck::Default,
    }
}

/// Reads `cancel_on_resolved`.
pub(super) fn cancel_on_resolved(
    reader: &mut Reader<'_>,
    playbook: &Node,
    statuses: &[TriggerStatus],
) -> bool {
    let key = "cancel_on_resolved";
    if let Some(span) = playbook.key_span(key).filter(|_| !statuses.contains(&TriggerStatus::Firing)) {
        let hint = "leave it out, or write `status: firing`".to_owned();
        let message = "it runs when its alerts have resolved: there is nothing to cancel";
        reader.warning("cancel-on-resolved-unused", span, message, Some(hint));
    }
    reader.flag(playbook, key)
}

/// Reads `when_busy`.
pub(super) fn when_busy(reader: &Reader<'_>, concurrency: &Node) -> WhenBusy {
    match reader.text(concurrency, "when_busy") {
        Some("skip") => WhenBusy::Skip,
        Some("restart") => WhenBusy::Restart,
        _ => WhenBusy::Queue,
    }
}

/// Reads `retry` of a step.
pub(super) fn retry(reader: &mut Reader<'_>, step: &Node) -> Retry {
    let default = Retry::default();
    let Some(node) = step.get("retry") else { return default };
    let attempts =
        reader.text(node, "attempts").and_then(|text| text.parse().ok()).unwrap_or(default.attempts);
    let (min, max) = reader.backoff(node, "backoff").unwrap_or((default.min, default.max));
    Retry { attempts, min, max }
}
