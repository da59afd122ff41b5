//! Whether `sync.inhibit` mutes what it means: [`doubtful_mutes`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::client::{Cluster, InhibitRules, Mute};
use crate::engine::{Offer, OfferAnswer};
use crate::model::{Alert, LabelSet};
use crate::playbook::Library;

/// Returns the alerts that runs which start mute by inhibition, each with the name of its playbook.
pub(super) fn muting(offers: &[Offer]) -> Vec<(String, LabelSet)> {
    let starts = offers.iter().filter(|offer| matches!(offer.answer, OfferAnswer::Started(_)));
    starts
        .filter(|offer| offer.playbook.sync.inhibit)
        .flat_map(|offer| offer.alerts.iter().map(|a| (offer.playbook.name.to_string(), a.labels.clone())))
        .collect()
}

/// Returns the alerts that runs may mute by inhibition: those that fire and that such a playbook matches.
pub(super) fn may_mute(library: &Library, alerts: &[Arc<Alert>]) -> Vec<(String, LabelSet)> {
    let playbooks = library.playbooks();
    let (mut found, mut matching) = (Vec::new(), Vec::new());
    if !playbooks.iter().any(|playbook| playbook.sync.inhibit) {
        return found;
    }
    for alert in alerts.iter().filter(|alert| alert.is_firing()) {
        library.matching(&alert.labels, &mut matching);
        let of_it = matching.iter().filter_map(|number| playbooks.get(*number as usize));
        let names = of_it.filter(|playbook| playbook.sync.inhibit).map(|playbook| playbook.name.to_string());
        found.extend(names.map(|name| (name, alert.labels.clone())));
    }
    found
}

/// Asks Alertmanager for its inhibition rules, and returns what they do not do as they should: nothing is muted, or
/// more than the alert that is worked on. One that gives out no configuration (Grafana's) is not judged.
pub(super) async fn doubtful_mutes(cluster: &Cluster, muting: &[(String, LabelSet)]) -> Vec<String> {
    if muting.is_empty() {
        return Vec::new();
    }
    let mut nothing: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut more: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for peer in cluster.status().await {
        let Ok(status) = peer.result else { continue };
        let Ok(rules) = InhibitRules::parse(&status.config) else { continue };
        for (playbook, labels) in muting.iter().filter(|_| !status.config.trim().is_empty()) {
            let source = labels.clone().with("amflow_state", "running").with("amflow_run", "run");
            let place = (playbook.as_str(), peer.url.clone());
            match rules.mute(&source, labels) {
                Mute::Exactly => {}
                Mute::Nothing => {
                    nothing.insert(place);
                }
                Mute::More(labels) => more.entry(place).or_default().extend(labels),
            }
        }
    }
    let paste = "`amflow alertmanager-config` prints what to paste";
    let nothing = nothing.into_iter().map(|(playbook, url)| {
        format!("`sync.inhibit` of {playbook} mutes nothing: {url} has no inhibition rule for it; {paste}")
    });
    let more = more.into_iter().map(|((playbook, url), labels)| {
        let labels: Vec<_> = labels.into_iter().collect();
        format!(
            "`sync.inhibit` of {playbook} mutes more than its alert: in the inhibition rule of {url} these labels are \
             missing under `equal`: {}; {paste}",
            labels.join(", ")
        )
    });
    nothing.chain(more).collect()
}
