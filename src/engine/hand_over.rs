//! What comes back too often is a person's: it is handed over to the playbook that `limits.hand_over` names, or
//! raised in Alertmanager as `AmflowComesBack` where the playbook may raise alerts.
//!
//! Claims make it once per episode, like any other start. What cannot start yet needs no row of its own: the alert
//! stays put off for the playbook that hands it over, and is handed over again whenever it is offered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Engine;
use super::admission::{Asks, Delivery, Judged, Offer, OfferAnswer, answered, missing};
use super::needs::in_short;
use super::ports::{Ask, Episode, EpisodeKey, Raised, StoreError};
use crate::model::Fingerprint;
use crate::playbook::{Library, Playbook};
use crate::run::{Closed, LaterReason, Skip, comes_back_alert, gate_keys};
use crate::step::{HoldAction, RunAlert, Watch};

/// By whom and why alerts are handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// The playbook whose runs did not keep the alert away.
    pub by: String,
    /// Why, for people.
    pub why: String,
}

impl Engine {
    /// Hands over what came back too often, and adds what becomes of it to the offers.
    pub(super) async fn hand_over(
        &self,
        library: &Library,
        delivery: &Delivery,
        episodes: &[Episode],
        offers: &mut Vec<Offer>,
    ) -> Result<(), StoreError> {
        let mut from = 0;
        // One playbook may hand over to another that does so itself: never in a circle, says `validate`.
        for _ in library.playbooks() {
            let (asks, refused) = self.handing_over(library, delivery, episodes, &mut offers[from..]);
            leave_out(offers, &asks, &refused);
            from = offers.len();
            offers.extend(refused);
            if asks.asks.is_empty() {
                break;
            }
            let admitted = self.store.admit(asks.asks, self.owner.clone(), self.clock.now()).await?;
            offers.extend(answered(asks.of, admitted, delivery));
        }
        Ok(())
    }

    /// Says what [`Engine::hand_over`] would do, after what was `decided` so far.
    pub(super) async fn preview_hand_over(
        &self,
        library: &Library,
        delivery: &Delivery,
        episodes: &[Episode],
        mut decided: Vec<Ask>,
        offers: &mut Vec<Offer>,
    ) -> Result<(), StoreError> {
        let mut from = 0;
        for _ in library.playbooks() {
            let (asks, refused) = self.handing_over(library, delivery, episodes, &mut offers[from..]);
            leave_out(offers, &asks, &refused);
            from = offers.len();
            offers.extend(refused);
            if asks.asks.is_empty() {
                break;
            }
            let before = decided.len();
            decided.extend(asks.asks);
            let mut admitted = self.store.preview(decided.clone(), self.clock.now()).await?;
            offers.extend(answered(asks.of, admitted.split_off(before), delivery));
        }
        Ok(())
    }

    /// Returns what is to be asked for the playbooks that get what came back too often, and the offers of those that
    /// cannot be asked for; says in the offers to whom they go.
    fn handing_over(
        &self,
        library: &Library,
        delivery: &Delivery,
        episodes: &[Episode],
        offers: &mut [Offer],
    ) -> (Asks, Vec<Offer>) {
        let (mut asks, mut refused) = (Asks::default(), Vec::new());
        let mut known = None;
        for offer in offers {
            let Some(closed) = came_back(&mut offer.answer) else { continue };
            let named = offer.playbook.limits.hand_over.as_deref();
            let Some(playbook) = named.and_then(|name| library.named(name)) else {
                if self.raises(&offer.playbook) {
                    closed.detail.push_str("; AmflowComesBack in Alertmanager tells of it");
                }
                continue;
            };
            let why = closed.detail.clone();
            closed.detail.push_str(&format!("; playbook {} gets it", playbook.name));
            let handed_over = Some(HandedOver { by: offer.playbook.name.to_string(), why });
            let (group, alerts) = (offer.group.clone(), offer.alerts.clone());
            let known = known.get_or_insert_with(|| episodes_of(delivery, episodes));
            let keys = alerts.iter().filter_map(|alert| known.get(&alert.fingerprint).cloned()).collect();
            let judged =
                Judged { playbook: playbook.clone(), trigger: offer.trigger, group, alerts, handed_over };
            match in_short(&self.readiness().lacks(playbook)) {
                Some(what) if self.options.always_on => {
                    refused.push(judged.answered(OfferAnswer::Later(missing(what)), delivery));
                }
                Some(what) => {
                    refused.push(judged.answered(OfferAnswer::Skip(Skip::Missing { what }), delivery));
                }
                None => refused.extend(self.ask_for(judged, keys, delivery, &mut asks)),
            }
        }
        (asks, refused)
    }

    /// Raises what came back too often and is handed over to no playbook, once: it stands until its alert is resolved,
    /// the breaker is reset, or a later run succeeds. Beside what its caller does, who waits for no Alertmanager.
    pub(super) fn tell_beside(&self, offers: &[Offer], tasks: &mut JoinSet<()>) {
        let wanted: Vec<Raised> = offers.iter().flat_map(|offer| self.telling(offer)).collect();
        if wanted.is_empty() {
            return;
        }
        let engine = self.clone();
        tasks.spawn(async move {
            if let Err(error) = engine.tell(wanted).await {
                engine.notice(&format!("an alert that came back too often could not be raised: {error}"));
            }
        });
    }

    async fn tell(&self, mut wanted: Vec<Raised>) -> Result<(), StoreError> {
        let standing = self.store.raised().await?;
        wanted.retain(|new| standing.iter().all(|old| old.id != new.id));
        if wanted.is_empty() {
            return Ok(());
        }
        // First the note, then the post: what is noted is posted again until it is over.
        self.store.put_raised(wanted.clone(), Vec::new()).await?;
        for raised in wanted {
            self.reporter.notice(&format!(
                "an alert of playbook {} came back too often and is left to people, target {}",
                raised.playbook, raised.target
            ));
            self.hold(&raised.id, raised.alert, HoldAction::Make).await;
        }
        Ok(())
    }

    /// Returns what is to be raised for an offer.
    fn telling(&self, offer: &Offer) -> Vec<Raised> {
        let OfferAnswer::Later(closed) = &offer.answer else { return Vec::new() };
        let handed = offer.playbook.limits.hand_over.is_some();
        if closed.reason != LaterReason::Comebacks || handed || !self.raises(&offer.playbook) {
            return Vec::new();
        }
        let gate = gate_keys::comebacks(offer.playbook.name.as_str(), &offer.group.target);
        let raised = offer.alerts.iter().map(|alert| {
            let of_run = RunAlert {
                fingerprint: alert.fingerprint.to_string(),
                starts_at: alert.starts_at,
                ends_at: alert.ends_at,
                labels: alert.labels.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
                generator_url: alert.generator_url.clone(),
            };
            Raised {
                id: format!("{gate}/{}", alert.fingerprint),
                alert: comes_back_alert(&of_run, offer.playbook.name.as_str(), &closed.detail),
                scope: offer.scope.clone(),
                watch: Watch::begin(&[of_run]),
                lost_since: None,
                playbook: offer.playbook.name.to_string(),
                target: offer.group.target.clone(),
            }
        });
        raised.collect()
    }

    fn raises(&self, playbook: &Playbook) -> bool {
        playbook.sync.alert_on_failure && self.options.offered.alertmanager
    }
}

/// Leaves out what the own trigger of a playbook says of alerts that it is handed: one verdict for each alert and
/// playbook.
fn leave_out(offers: &mut Vec<Offer>, asks: &Asks, refused: &[Offer]) {
    let asked = asks.of.iter().map(|(judged, _)| (&judged.playbook, &judged.alerts));
    let handed = asked.chain(refused.iter().map(|offer| (&offer.playbook, &offer.alerts)));
    let handed: HashSet<(&str, Fingerprint)> = handed
        .flat_map(|(playbook, alerts)| alerts.iter().map(|alert| (playbook.name.as_str(), alert.fingerprint)))
        .collect();
    if handed.is_empty() {
        return;
    }
    offers.retain(|offer| {
        let starts = matches!(offer.answer, OfferAnswer::Started(_));
        let name = offer.playbook.name.as_str();
        starts || !offer.alerts.iter().all(|alert| handed.contains(&(name, alert.fingerprint)))
    });
}

/// Returns why an alert is a person's, when it is.
fn came_back(answer: &mut OfferAnswer) -> Option<&mut Closed> {
    match answer {
        OfferAnswer::Later(closed) if closed.reason == LaterReason::Comebacks => Some(closed),
        _ => None,
    }
}

/// Returns the episodes of the alerts of a delivery that fire.
fn episodes_of(delivery: &Delivery, episodes: &[Episode]) -> HashMap<Fingerprint, EpisodeKey> {
    let known = delivery.alerts.iter().zip(episodes).filter(|(alert, _)| alert.is_firing());
    known.map(|(alert, episode)| (alert.fingerprint, episode.key.clone())).collect()
}

/// Returns the playbooks that may get what those of a list leave to them, which are not in the list.
pub fn heirs<'l>(library: &'l Library, of: &[&'l Arc<Playbook>]) -> Vec<&'l Arc<Playbook>> {
    let mut all = of.to_vec();
    let mut at = 0;
    while let Some(playbook) = all.get(at).copied() {
        let next = playbook.limits.hand_over.as_deref().and_then(|name| library.named(name));
        all.extend(next.filter(|next| all.iter().all(|known| known.name != next.name)));
        at += 1;
    }
    all.split_off(of.len())
}
