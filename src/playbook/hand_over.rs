//! `limits.hand_over`: the playbook that gets what came back too often.

use super::parse::Parser;
use super::types::{Limits, TriggerStatus};
use crate::text::{Node, Span, suggestion};

impl Parser<'_, '_> {
    /// Checks that what came back too often is handed to a playbook that there is, never in a circle, and that it can
    /// come back at all.
    pub(super) fn check_hand_over(&mut self, root: &Node, limits: &Limits, statuses: &[TriggerStatus]) {
        let Some(node) = root.get("limits").and_then(|node| node.get("hand_over")) else { return };
        let Some(name) = limits.hand_over.as_deref() else { return };
        let unused = if !statuses.contains(&TriggerStatus::Firing) {
            Some("only what fires comes back, and this runs when its alerts have resolved")
        } else if limits.max_comebacks.is_none() {
            Some("with `max_comebacks: none` nothing comes back too often")
        } else {
            None
        };
        if let Some(why) = unused {
            let hint = "leave `hand_over` out".to_owned();
            self.reader.warning("hand-over-unused", node.span, why, Some(hint));
        }
        let documents = self.whole.documents;
        // A text that a run keeps has no others beside it; the names were checked when it was started.
        if !documents.is_library {
            return;
        }
        if documents.named(name).is_none() {
            let hint = suggestion(name, documents.names().iter().copied());
            self.reader.error("unknown-playbook", node.span, format!("there is no playbook `{name}`"), hint);
            return;
        }
        self.refuse_circle(root, name, node.span);
    }

    /// Says when an alert would come back to this playbook, on whatever way.
    fn refuse_circle(&mut self, root: &Node, first: &str, span: Span) {
        let Some(own) = root.get("name").and_then(Node::as_str) else { return };
        let documents = self.whole.documents;
        let mut way = vec![own, first];
        while way.last() != Some(&own) {
            let next = way.last().and_then(|name| documents.all.get(documents.named(name)?));
            let next = next.and_then(|document| document.root.get("limits")?.get("hand_over")?.as_str());
            match next {
                // A circle without this playbook is said of those that are in it.
                Some(next) if next != own && way.contains(&next) => return,
                Some(next) => way.push(next),
                None => return,
            }
        }
        let message = format!("what comes back would go round in a circle: {}", way.join(" -> "));
        let hint = "let the last of them hand over to a playbook for people, or to none".to_owned();
        self.reader.error("hand-over-circle", span, message, Some(hint));
    }
}
