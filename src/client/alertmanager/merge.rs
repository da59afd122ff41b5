//! What several peers know of one alert, as one. Main function: [`merge`].

use std::collections::BTreeMap;

use crate::model::{Alert, Fingerprint};

/// Merges the alerts of several peers, each list of one peer, by fingerprint; in the order of fingerprints.
///
/// An alert is muted only if every peer that knows it says so. It began with its earliest startsAt and
/// ends with its latest endsAt; annotations are those of the peer that heard of it last.
pub fn merge(lists: Vec<Vec<Alert>>) -> Vec<Alert> {
    let mut merged: BTreeMap<Fingerprint, Alert> = BTreeMap::new();
    for alert in lists.into_iter().flatten() {
        match merged.entry(alert.fingerprint) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(alert);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => join(entry.get_mut(), alert),
        }
    }
    merged.into_values().collect()
}

fn join(known: &mut Alert, other: Alert) {
    if other.is_firing() {
        known.status = other.status;
    }
    let both_muted = known.is_muted() && other.is_muted();
    if other.updated_at > known.updated_at {
        known.annotations = other.annotations;
        known.generator_url = other.generator_url;
        known.updated_at = other.updated_at;
    }
    known.starts_at = known.starts_at.min(other.starts_at);
    // A peer that knows no end knows of none that is later.
    known.ends_at = known.ends_at.max(other.ends_at);
    for (mine, theirs) in [
        (&mut known.silenced_by, other.silenced_by),
        (&mut known.inhibited_by, other.inhibited_by),
        (&mut known.muted_by, other.muted_by),
    ] {
        if both_muted { unite(mine, theirs) } else { mine.clear() }
    }
    unite(&mut known.receivers, other.receivers);
}

fn unite(mine: &mut Vec<String>, theirs: Vec<String>) {
    for item in theirs {
        if !mine.contains(&item) {
            mine.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::LabelSet;

    fn alert(name: &str, second: i64) -> Alert {
        Alert::firing(LabelSet::from([("alertname", name)]), jiff::Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn an_alert_is_muted_only_if_every_peer_that_knows_it_says_so() {
        let mut muted = alert("A", 10);
        muted.silenced_by.push("s".to_owned());
        let mut inhibited = alert("A", 10);
        inhibited.inhibited_by.push("i".to_owned());
        assert!(merge(vec![vec![muted.clone()], vec![]])[0].is_muted());
        assert!(!merge(vec![vec![muted.clone()], vec![alert("A", 10)]])[0].is_muted());
        assert!(!merge(vec![vec![muted.clone()], vec![alert("A", 10)], vec![muted.clone()]])[0].is_muted());
        let both = merge(vec![vec![muted], vec![inhibited]]).remove(0);
        assert_eq!((both.silenced_by, both.inhibited_by), (vec!["s".to_owned()], vec!["i".to_owned()]));
    }

    #[test]
    fn an_alert_spans_what_any_peer_saw_and_reads_as_the_last_heard() {
        let second = |second| jiff::Timestamp::from_second(second).unwrap();
        let (mut a, mut b) = (alert("A", 10), alert("A", 5));
        (a.ends_at, a.updated_at) = (Some(second(100)), Some(second(20)));
        (b.ends_at, b.updated_at) = (Some(second(90)), Some(second(30)));
        a.annotations.insert("summary".into(), "old".into());
        b.annotations.insert("summary".into(), "new".into());
        let merged = merge(vec![vec![a], vec![b]]).remove(0);
        assert_eq!((merged.starts_at, merged.ends_at), (second(5), Some(second(100))));
        assert_eq!(merged.annotations["summary"], "new");
    }

    proptest! {
        #[test]
        fn the_order_of_peers_decides_nothing(states in prop::collection::vec((0_i64..50, 0_u8..3, any::<bool>()), 1..5)) {
            let lists: Vec<Vec<Alert>> = states.iter().map(|(start, name, muted)| {
                let mut alert = alert(["A", "B", "C"][usize::from(*name)], *start);
                if *muted {
                    alert.silenced_by.push("s".to_owned());
                }
                vec![alert]
            }).collect();
            let mut reversed = lists.clone();
            reversed.reverse();
            prop_assert_eq!(merge(lists), merge(reversed));
        }
    }
}
