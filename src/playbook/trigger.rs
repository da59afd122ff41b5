//! What makes a playbook run: matchers, state, age, groups, time intervals.

use std::sync::Arc;

use super::read::Reader;
use super::types::{GroupBy, Trigger, TriggerStatus};
use crate::model::{MatchOp, Matcher, STATE_LABEL, TimeInterval, parse_list};
use crate::template::Expression;
use crate::text::{Node, Span, suggestion, traps};

/// Reads the trigger of a playbook; `when` was read before, because its names are checked with the others.
pub(super) fn trigger(reader: &mut Reader<'_>, playbook: &Node, when: Option<Expression>) -> Trigger {
    let include: Vec<&str> = playbook
        .get("include")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::as_str)
        .collect();
    Trigger {
        matchers: matchers(reader, playbook),
        when,
        statuses: statuses(reader, playbook),
        firing_for: reader.duration(playbook, "for").unwrap_or_default(),
        group_by: group_by(reader, playbook),
        include_silenced: include.contains(&"silenced"),
        include_inhibited: include.contains(&"inhibited"),
        active_time_intervals: time_intervals(reader, playbook, "active_time_intervals"),
        mute_time_intervals: time_intervals(reader, playbook, "mute_time_intervals"),
    }
}

fn statuses(reader: &mut Reader<'_>, playbook: &Node) -> Vec<TriggerStatus> {
    let read = match reader.text(playbook, "status") {
        Some("resolved") => vec![TriggerStatus::Resolved],
        Some("both") => vec![TriggerStatus::Firing, TriggerStatus::Resolved],
        _ => vec![TriggerStatus::Firing],
    };
    if let Some(span) = playbook.key_span("for").filter(|_| read == [TriggerStatus::Resolved]) {
        let hint = "leave `for` out, or write `status: firing`".to_owned();
        reader.warning(
            "for-without-firing",
            span,
            "`for` counts while an alert fires, and this runs when it has resolved",
            Some(hint),
        );
    }
    read
}

/// A matcher and where it was written.
type Placed = (Matcher, Span);

fn matchers(reader: &mut Reader<'_>, playbook: &Node) -> Vec<Matcher> {
    let Some(node) = playbook.get("matchers") else { return Vec::new() };
    let mut placed: Vec<Placed> = Vec::new();
    let mut complete = true;
    let split = traps::split_at_comma(reader.file, node).map(|trap| trap.span);
    for item in node.items() {
        // What YAML made of a text that it split or cut has been said; what is left of it says nothing more.
        let trapped = split.is_some_and(|split| split.contains(item.span))
            || traps::cut_by_comment(reader.file, item).is_some();
        match (!trapped).then(|| read_entry(reader, item)).flatten() {
            Some(read) => placed.extend(read),
            None => complete = false,
        }
    }
    if complete && !node.is_broken() && matches!(node.kind, crate::text::NodeKind::Sequence(_)) {
        check_matchers(reader, playbook, &placed);
    }
    placed.into_iter().map(|(matcher, _)| matcher).collect()
}

/// Reads one entry, which may be a list.
fn read_entry(reader: &mut Reader<'_>, item: &Node) -> Option<Vec<Placed>> {
    let text = item.as_str()?;
    let parsed = match parse_list(text, reader.facts.matcher_syntax) {
        Ok(parsed) => parsed,
        Err(error) => {
            let span = reader.span_in(item, error.range.clone());
            let hint = error
                .hint
                .or_else(|| Some("a matcher is `name = \"value\"`, with `=`, `!=`, `=~` or `!~`".to_owned()));
            reader.error("bad-matcher", span, error.message, hint);
            return None;
        }
    };
    for warning in parsed.warnings {
        let hint = format!("write `{}`", warning.suggestion);
        reader.warning("doubtful-matcher", item.span, warning.message, Some(hint));
    }
    if parsed.matchers.is_empty() {
        reader.error(
            "bad-matcher",
            item.span,
            "this entry holds no matcher",
            Some("leave it out".to_owned()),
        );
        return None;
    }
    Some(parsed.matchers.into_iter().map(|matcher| (matcher, item.span)).collect())
}

fn check_matchers(reader: &mut Reader<'_>, playbook: &Node, placed: &[Placed]) {
    let key = playbook.key_span("matchers").unwrap_or(playbook.span);
    if placed.iter().all(|(matcher, _)| matcher.matches_empty()) {
        let message = if placed.is_empty() {
            "no matchers: this would match every alert".to_owned()
        } else {
            "all of these hold for an alert without the label: this would match nearly every alert".to_owned()
        };
        let hint =
            "add one that needs its label, such as `alertname = NodeFilesystemSpaceFillingUp`".to_owned();
        reader.error("matches-everything", key, message, Some(hint));
    }
    for (at, (matcher, span)) in placed.iter().enumerate() {
        if let Some((_, first)) = placed[..at].iter().find(|(other, _)| other == matcher) {
            let first = *first;
            let message = format!("`{matcher}` is written twice");
            let diagnostic = crate::text::Diagnostic::warning("matcher-twice", reader.file, *span, message);
            reader.out.push(diagnostic.related(first, "first written here").hint("leave one out"));
            continue;
        }
        if matcher.name() == STATE_LABEL && !matcher.matches_empty() {
            let message =
                format!("`{matcher}` is only true of amflow's own alerts, which no playbook works on");
            reader.error("own-alerts", *span, message, Some("leave it out".to_owned()));
        }
        let fails = |other: &Matcher| {
            other.name() == matcher.name() && other != matcher && !other.matches_value(Some(matcher.value()))
        };
        if matcher.op() == MatchOp::Equal
            && let Some((other, place)) = placed.iter().find(|(other, _)| fails(other))
            && (other.op() != MatchOp::Equal || place.start < span.start)
        {
            let message = format!("`{matcher}` and `{other}` are never both true: this matches no alert");
            let diagnostic = crate::text::Diagnostic::error("matches-nothing", reader.file, *span, message);
            reader.out.push(
                diagnostic
                    .related(*place, "the other is here")
                    .hint("all matchers must hold; for one of several values write `=~ \"a|b\"`"),
            );
        }
    }
}

fn group_by(reader: &mut Reader<'_>, playbook: &Node) -> Option<GroupBy> {
    let node = playbook.get("group_by")?;
    if !matches!(node.kind, crate::text::NodeKind::Sequence(_)) || node.is_broken() {
        return None;
    }
    let items: Vec<&Node> = node.items().iter().collect();
    if items.is_empty() {
        let hint = "leave `group_by` out for one run per alert, or write `[...]` for all labels".to_owned();
        reader.error(
            "bad-group-by",
            node.span,
            "`group_by: []` is not taken: it would make one run of everything",
            Some(hint),
        );
        return None;
    }
    let mut labels: Vec<String> = Vec::new();
    for item in &items {
        let name = item.as_str()?;
        if name.is_empty() {
            reader.error("bad-group-by", item.span, "the name of a label is missing", None);
        } else if labels.iter().any(|known| known == name) {
            reader.error(
                "bad-group-by",
                item.span,
                format!("`{name}` is written twice"),
                Some("leave one out".to_owned()),
            );
        } else {
            labels.push(name.to_owned());
        }
    }
    if labels == ["..."] {
        return Some(GroupBy::All);
    }
    if let Some(all) = items.iter().find(|item| item.as_str() == Some("...")) {
        let message = "`...` means all labels and cannot stand beside others";
        reader.error("bad-group-by", all.span, message, Some("write `[...]`, or only the labels".to_owned()));
    }
    Some(GroupBy::Labels(labels))
}

fn time_intervals(reader: &mut Reader<'_>, playbook: &Node, key: &str) -> Vec<Arc<TimeInterval>> {
    let mut found = Vec::new();
    for item in playbook.get(key).map(Node::items).unwrap_or_default() {
        let Some(name) = item.as_str() else { continue };
        let Some(known) = &reader.facts.time_intervals else { continue };
        if let Some(interval) = known.get(name) {
            found.push(Arc::clone(interval));
        } else {
            let hint = suggestion(name, known.keys().map(String::as_str))
                .unwrap_or_else(|| "define it under `time_intervals` in the configuration".to_owned());
            reader.error(
                "unknown-time-interval",
                item.span,
                format!("there is no time interval `{name}`"),
                Some(hint),
            );
        }
    }
    found
}
