//! What was put off and comes back: [`PutOff`]. A poll brings alerts that fire by itself; what nobody brings
//! again is what is resolved, so that is offered from its row. Rows whose alert is gone are dropped.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::Engine;
use super::admission::{Delivery, Offer, OfferAnswer};
use super::ports::{Later, StoreError};
use crate::model::{Alert, Fingerprint};
use crate::playbook::TriggerStatus;

/// Rows of what was put off, beside a delivery that says everything that fires.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    /// Alerts that no delivery brings again, oldest first; those of the delivery are not among them.
    pub(super) alerts: Vec<Alert>,
    /// The playbooks that put each of them off: no other one sees it.
    only: BTreeMap<Fingerprint, BTreeSet<String>>,
    /// Rows that have lost their reason.
    gone: Vec<(String, String, String)>,
    /// Rows that stand, unless they are answered, and whether they stand only if they are offered at all.
    standing: BTreeMap<(String, String, String), bool>,
}

impl Engine {
    /// Forgets what is no longer put off, once a delivery was worked on: what has started meanwhile or is
    /// claimed, and, when the delivery lists everything that fires, what is gone or wanted by no playbook.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn settle_put_off(&self, delivery: &Delivery, offers: &[Offer]) -> Result<(), StoreError> {
        let rows = self.store.later(None).await?;
        let over = PutOff::new(rows, delivery).settled(offers);
        if over.is_empty() { Ok(()) } else { self.store.drop_later(over).await }
    }
}

impl PutOff {
    /// Judges rows, oldest first, by what a delivery lists.
    ///
    /// A row for a firing alert stands while one of its alerts is listed; one for a resolved alert until it
    /// fires again.
    pub(super) fn new(rows: Vec<Later>, delivery: &Delivery) -> PutOff {
        let mut put_off = PutOff::default();
        let brought: BTreeSet<Fingerprint> = delivery
            .alerts
            .iter()
            .filter(|alert| !alert.is_firing())
            .map(|alert| alert.fingerprint)
            .collect();
        for row in rows.into_iter().filter(|row| row.scope == delivery.scope) {
            let key = (row.playbook.clone(), row.scope, row.target);
            let Some(listed) = &delivery.listed else {
                put_off.standing.insert(key, false);
                continue;
            };
            let alerts: Vec<Alert> = row.alerts.iter().filter_map(read).collect();
            let fires = alerts.iter().any(|alert| listed.binary_search(&alert.fingerprint).is_ok());
            if fires != (row.trigger == TriggerStatus::Firing) {
                put_off.gone.push(key);
                continue;
            }
            put_off.standing.insert(key, fires);
            if row.trigger == TriggerStatus::Resolved {
                for alert in alerts.into_iter().filter(|alert| !brought.contains(&alert.fingerprint)) {
                    let of_alert = put_off.only.entry(alert.fingerprint).or_default();
                    if of_alert.is_empty() {
                        put_off.alerts.push(alert);
                    }
                    of_alert.insert(row.playbook.clone());
                }
            }
        }
        put_off
    }

    /// Tells whether an alert may be offered to a playbook: from a row, only to the one that put it off.
    pub(super) fn is_for(&self, alert: &Alert, playbook: &str) -> bool {
        alert.is_firing()
            || self.only.get(&alert.fingerprint).is_none_or(|playbooks| playbooks.contains(playbook))
    }

    /// Returns the rows to drop, once everything was offered: those without a reason, and those that were
    /// answered otherwise than by `later`.
    pub(super) fn settled(self, offers: &[Offer]) -> Vec<(String, String, String)> {
        let key = |offer: &Offer| {
            (offer.playbook.name.to_string(), offer.scope.clone(), offer.group.target.clone())
        };
        let is_later = |offer: &&Offer| matches!(offer.answer, OfferAnswer::Later(_));
        let later: BTreeSet<_> = offers.iter().filter(is_later).map(key).collect();
        let offered: BTreeSet<_> = offers.iter().map(key).collect();
        let over = self.standing.into_iter().filter(|(key, if_offered)| *if_offered || offered.contains(key));
        let over = over.map(|(key, _)| key).chain(self.gone);
        over.filter(|key| !later.contains(key)).collect()
    }
}

/// Reads an alert of a row; what an older version wrote otherwise is none.
pub(super) fn read(alert: &Value) -> Option<Alert> {
    serde_json::from_value(alert.clone()).ok()
}

/// Returns the row of an offer that comes back. What is handed over and comes later is in the row of the playbook that
/// hands it over, and is offered again with it.
pub(super) fn row(offer: &Offer, since: Timestamp) -> Option<Later> {
    if offer.handed_over.is_some() {
        return None;
    }
    let OfferAnswer::Later(closed) = &offer.answer else { return None };
    Some(Later {
        playbook: offer.playbook.name.to_string(),
        target: offer.group.target.clone(),
        trigger: offer.trigger,
        scope: offer.scope.clone(),
        alerts: offer.alerts.iter().map(|a| serde_json::to_value(a).unwrap_or(Value::Null)).collect(),
        closed: closed.clone(),
        since,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::LabelSet;
    use crate::run::{Closed, LaterReason};

    fn alert(name: &str, resolved: bool) -> Alert {
        let mut alert = Alert::firing(LabelSet::from([("alertname", name)]), Timestamp::UNIX_EPOCH);
        if resolved {
            alert.status = crate::model::AlertStatus::Resolved;
        }
        alert
    }

    fn row_of(playbook: &str, alert: &Alert) -> Later {
        Later {
            playbook: playbook.to_owned(),
            target: alert.fingerprint.to_string(),
            trigger: if alert.is_firing() { TriggerStatus::Firing } else { TriggerStatus::Resolved },
            scope: "s".to_owned(),
            alerts: vec![serde_json::to_value(alert).unwrap()],
            closed: Closed { reason: LaterReason::Rate, until: None, detail: String::new() },
            since: Timestamp::UNIX_EPOCH,
        }
    }

    fn delivery(alerts: Vec<Alert>, listed: Option<&[&Alert]>) -> Delivery {
        let mut listed = listed.map(|l| l.iter().map(|a| a.fingerprint).collect::<Vec<_>>());
        if let Some(listed) = &mut listed {
            listed.sort_unstable();
        }
        Delivery {
            scope: "s".to_owned(),
            source: "poll".to_owned(),
            alerts: alerts.into_iter().map(Arc::new).collect(),
            at: Timestamp::UNIX_EPOCH,
            fresh: true,
            listed: listed.map(Arc::from),
        }
    }

    /// Says what stands, what is gone and what is offered from its row, by playbook.
    fn said(rows: Vec<Later>, delivery: &Delivery) -> String {
        let put_off = PutOff::new(rows, delivery);
        let names = |keys: Vec<&(String, String, String)>| {
            keys.iter().map(|(playbook, ..)| playbook.as_str()).collect::<Vec<_>>().join(" ")
        };
        let offered: Vec<_> = put_off.alerts.iter().map(Alert::name).collect();
        format!(
            "stand {}, gone {}, offered {}",
            names(put_off.standing.keys().collect()),
            names(put_off.gone.iter().collect()),
            offered.join(" ")
        )
    }

    #[test]
    fn a_row_stands_as_long_as_its_alert_is_what_it_was_put_off_for() {
        let (fires, over) = (alert("A", false), alert("A", true));
        let rows = || vec![row_of("f", &fires), row_of("r", &over)];
        for (listed, brought, wanted) in [
            (Some(&[&fires][..]), vec![], "stand f, gone r, offered "),
            (Some(&[]), vec![], "stand r, gone f, offered A"),
            (Some(&[]), vec![over.clone()], "stand r, gone f, offered "),
            (None, vec![], "stand f r, gone , offered "),
        ] {
            assert_eq!(said(rows(), &delivery(brought, listed)), wanted, "{listed:?}");
        }
        let elsewhere = Delivery { scope: "other".to_owned(), ..delivery(vec![], Some(&[])) };
        assert_eq!(said(rows(), &elsewhere), "stand , gone , offered ");
    }

    #[test]
    fn a_row_brings_its_alert_back_to_its_own_playbook_only() {
        let over = alert("A", true);
        let put_off =
            PutOff::new(vec![row_of("one", &over), row_of("two", &over)], &delivery(vec![], Some(&[])));
        assert_eq!(put_off.alerts.len(), 1);
        assert!(
            put_off.is_for(&over, "one") && put_off.is_for(&over, "two") && !put_off.is_for(&over, "three")
        );
        assert!(put_off.is_for(&alert("B", true), "three"), "what a delivery brings is for all");
    }
}
