//! Checks of whom an `approve` step asks: whether they are there, and enough of them.

use std::collections::BTreeSet;

use super::parse::Parser;
use crate::model::People;
use crate::step::Asks;
use crate::text::{Entry, Node, Span, suggestion};

impl Parser<'_, '_> {
    /// Says what is wrong with the people that a step asks.
    pub(super) fn people(&mut self, step: &Node, entry: &Entry, asks: &Asks) {
        if let Some(span) = step.key_span("continue_on_error").filter(|_| !asks.allow_unattended)
            && self.reader.flag(step, "continue_on_error")
        {
            let message = "the run would go on although nobody approved";
            let hint = "leave it out; `on_timeout: approve` with `allow_unattended: true` says so plainly";
            self.reader.error("approve-goes-on", span, message, Some(hint.to_owned()));
        }
        if self.whole.in_finally > 0 {
            let message = "nobody is asked in `finally`: it has little time, and runs whatever happened";
            let hint = "ask among the steps, or in `on_failure`";
            self.reader.error("approve-in-finally", entry.key.span, message, Some(hint.to_owned()));
        }
        let mut known = match &self.reader.facts.people {
            Some(people) => Some(people.clone()),
            // What the configuration lists is not known: users can be counted, groups can't.
            None => (asks.approvers.groups.is_empty() && asks.escalation.is_none()).then(People::default),
        };
        if let Some(people) = self.reader.facts.people.clone() {
            for who in ["approvers", "escalate"] {
                let node = entry.value.get(who);
                if node.is_some_and(|node| !self.are_known(node, &people)) {
                    known = None;
                }
            }
        }
        if let Some(people) = known {
            self.are_enough(entry, asks, &people);
        }
    }

    /// Says which users and groups of a list the configuration does not have.
    fn are_known(&mut self, node: &Node, people: &People) -> bool {
        let list = |key: &str| node.get(key).map_or(&[][..], Node::items);
        let users = if node.items().is_empty() { list("users") } else { node.items() };
        let mut all = true;
        for group in list("groups") {
            let Some(name) = group.as_str().filter(|name| !people.groups.contains_key(*name)) else {
                continue;
            };
            let hint = suggestion(name, people.groups.keys().map(String::as_str))
                .unwrap_or_else(|| "list it under `people.groups` in the configuration".to_owned());
            let message = format!("there is no group `{name}`");
            self.reader.error("approve-unknown-group", group.span, message, Some(hint));
            all = false;
        }
        let everybody = people.everybody();
        for user in users.iter().filter(|_| !everybody.is_empty()) {
            let Some(name) = user.as_str().filter(|name| !everybody.contains(name)) else { continue };
            let hint = suggestion(name, everybody.iter().copied())
                .unwrap_or_else(|| "list it under `people.users` in the configuration".to_owned());
            let message = format!("the configuration lists nobody called `{name}`");
            self.reader.error("approve-unknown-user", user.span, message, Some(hint));
            all = false;
        }
        all
    }

    /// Says when too few people may decide.
    fn are_enough(&mut self, entry: &Entry, asks: &Asks, people: &People) {
        if asks.approvers.is_empty() {
            return;
        }
        let mut may: BTreeSet<&str> = BTreeSet::new();
        for who in [Some(&asks.approvers), asks.escalation.as_ref().map(|e| &e.to)].into_iter().flatten() {
            may.extend(who.users.iter().map(String::as_str));
            let members = who.groups.iter().filter_map(|group| people.groups.get(group)).flatten();
            may.extend(members.map(String::as_str));
        }
        let at = |key: &str| -> Span { entry.value.get(key).unwrap_or(&entry.value).span };
        let required = asks.required as usize;
        if may.len() < required {
            let message = format!("{required} people must approve, and only {} may", may.len());
            let hint = "name more people, or require fewer".to_owned();
            self.reader.error("approve-required", at("required"), message, Some(hint));
        } else if asks.prevent_self && may.len() == required {
            let message = "nobody may approve when one of these people started the run (`prevent_self`)";
            let hint = "name one more".to_owned();
            self.reader.warning("approve-self", at("prevent_self"), message, Some(hint));
        }
    }
}
