//! Pauses in words: for those who look ([`pauses_in_words`]), and for those who listen ([`PauseNews`]).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::gate::{GateState, Paused, Unpaused, in_words};
use super::limits::gate_keys;

/// What is known of pauses, to tell of what changes.
#[derive(Debug, Default)]
pub struct PauseNews {
    known: BTreeMap<String, Known>,
    began: bool,
}

/// What is known of one pause.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// The pause in force.
    paused: Option<Paused>,
    /// Its last end by a person.
    unpaused: Option<Unpaused>,
}

impl PauseNews {
    /// Returns what has changed since the last look, in words, one line each; the first look tells of the pauses in
    /// force. `gates` are those whose key is a pause's.
    pub fn look(&mut self, gates: &[(String, GateState)], now: Timestamp) -> Vec<String> {
        let mut news = Vec::new();
        for (key, gate) in gates {
            let present =
                Known { paused: gate.pause_in_force(now).cloned(), unpaused: gate.unpaused.clone() };
            let before = match self.known.insert(key.clone(), present.clone()) {
                Some(before) => before,
                // Ends of which nobody was told while nobody listened are old.
                None if !self.began => Known { unpaused: present.unpaused.clone(), ..Known::default() },
                None => Known::default(),
            };
            if let Some(ended) = present.unpaused.filter(|ended| before.unpaused.as_ref() != Some(ended)) {
                news.push(ended_by(key, &ended.by));
            } else if let (Some(over), None) = (&before.paused, &present.paused) {
                news.push(ended_itself(key, over));
            }
            if let Some(paused) = present.paused.filter(|paused| before.paused.as_ref() != Some(paused)) {
                news.push(begins(key, &paused));
            }
        }
        self.began = true;
        news
    }
}

/// Returns the pauses that are in force, in words; `gates` are those whose key is a pause's.
pub fn pauses_in_words(gates: &[(String, GateState)], now: Timestamp) -> Vec<String> {
    gates.iter().filter_map(|(key, gate)| Some(in_force(key, gate.pause_in_force(now)?, now))).collect()
}

/// Says what is paused, by whom, why, and for how long still.
pub(super) fn in_force(key: &str, paused: &Paused, now: Timestamp) -> String {
    let end = paused.until.map(|until| format!("{} to go", in_words(now, until)));
    format!("{} ({})", said(key, paused), end.unwrap_or_else(|| format!("until {}", unpause(key))))
}

fn begins(key: &str, paused: &Paused) -> String {
    let end = paused.until.map_or_else(|| unpause(key), |until| second(until).to_string());
    format!("{}; until {end}", said(key, paused))
}

fn ended_by(key: &str, by: &str) -> String {
    let by = if by.is_empty() { "somebody" } else { by };
    format!("{} is no longer paused: {by} ended the pause; runs start one by one at first", what(key))
}

fn ended_itself(key: &str, over: &Paused) -> String {
    let at = over.until.map_or_else(String::new, |until| format!(" at {}", second(until)));
    format!(
        "{} is no longer paused: the pause ended by itself{at}; runs start one by one at first",
        what(key)
    )
}

/// Says what is paused, by whom and why.
fn said(key: &str, paused: &Paused) -> String {
    let mut said = format!("{} is paused", what(key));
    if !paused.by.is_empty() {
        said.push_str(&format!(" by {}", paused.by));
    }
    if !paused.reason.is_empty() {
        said.push_str(&format!(": {}", paused.reason));
    }
    said
}

fn what(key: &str) -> String {
    playbook(key).map_or_else(|| "everything".to_owned(), |name| format!("playbook {name}"))
}

/// Says how a pause without an end is ended.
fn unpause(key: &str) -> String {
    match playbook(key) {
        Some(playbook) => format!("`amflow unpause --playbook {playbook}`"),
        None => "`amflow unpause`".to_owned(),
    }
}

/// Returns the playbook that a pause holds; `None`: all.
fn playbook(key: &str) -> Option<&str> {
    key.strip_prefix(gate_keys::pause("").as_str()).filter(|_| key != gate_keys::PAUSE_ALL)
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Change, settle};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_change_is_told_once_with_who_and_why_and_until_when() {
        let (mut news, mut all, mut one) = (PauseNews::default(), GateState::default(), GateState::default());
        let mut look = |all: &GateState, one: &GateState, now: i64| {
            let gates =
                [(gate_keys::PAUSE_ALL.to_owned(), all.clone()), (gate_keys::pause("disk"), one.clone())];
            news.look(&gates, at(now)).join("\n")
        };
        let pause = |since: i64, until: Option<i64>, by: &str, reason: &str| {
            Change::Pause(Paused {
                since: at(since),
                until: until.map(at),
                reason: reason.to_owned(),
                by: by.to_owned(),
            })
        };
        settle(&mut all, &pause(0, None, "ann", "maintenance"), at(0));
        // The first look tells of what was there before.
        let ann = "everything is paused by ann: maintenance; until `amflow unpause`";
        assert_eq!(look(&all, &one, 1), ann);
        assert_eq!(look(&all, &one, 2), "");
        settle(&mut one, &pause(3, Some(60), "bob", ""), at(3));
        settle(&mut all, &pause(3, None, "eve", ""), at(3));
        assert_eq!(
            look(&all, &one, 4),
            "everything is paused by eve; until `amflow unpause`\nplaybook disk is paused by bob; until 1970-01-01T00:01:00Z"
        );
        settle(&mut all, &Change::Unpause { by: "cid".to_owned() }, at(5));
        let cid = "everything is no longer paused: cid ended the pause; runs start one by one at first";
        assert_eq!(look(&all, &one, 6), cid);
        assert_eq!(look(&all, &one, 59), "");
        assert_eq!(
            look(&all, &one, 60),
            "playbook disk is no longer paused: the pause ended by itself at 1970-01-01T00:01:00Z; runs start one by one \
             at first"
        );
        // Both between two looks: neither is missed.
        settle(&mut all, &pause(61, None, "ann", "maintenance"), at(61));
        settle(&mut all, &Change::Unpause { by: "cid".to_owned() }, at(62));
        settle(&mut all, &pause(63, None, "ann", "maintenance"), at(63));
        assert_eq!(look(&all, &one, 64), format!("{cid}\n{ann}"));
        // Nobody tells of ends that are older than the one who tells.
        settle(&mut all, &Change::Unpause { by: "cid".to_owned() }, at(65));
        let gates = [(gate_keys::PAUSE_ALL.to_owned(), all)];
        assert!(PauseNews::default().look(&gates, at(66)).is_empty());
    }
}
