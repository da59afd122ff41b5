//! [`Watch`]: whether alerts are really gone, judged from what the peers of a cluster say.
//!
//! *Resolved* is: a delivery says so; or gone before its last seen endsAt from every peer, each having
//! answered completely and none restarted within 5 m. An alert's endsAt is a lease: Prometheus sends it again
//! every minute with endsAt four minutes ahead (`now + 4 x max(rule interval, resend-delay)`, Prometheus 2 and
//! 3), and when it dies the alert vanishes at that time without anything being mended. So *gone at or after
//! its endsAt* is lost sight, not resolved. Alerts live in the memory of each Alertmanager: one that restarted
//! has forgotten them, and tells nothing until they would have been sent again. One that showed the alert
//! since its start has forgotten nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::action::RunAlert;
use super::effect::{PeerSight, Sighted};

/// How long the absence of an alert proves nothing after a peer's start.
pub(super) const RESTART_GRACE: Duration = Duration::from_secs(300);

/// What is known about the alerts of a run; journaled as part of a wait's memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// By fingerprint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    alerts: BTreeMap<String, Watched>,
    /// Why the last look did not count, when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    unclear: Option<String>,
}

/// What is known about one alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Watched {
    /// The last endsAt seen, by peer; under the empty name the one that the run was started with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ends: BTreeMap<String, Timestamp>,
    /// When each peer that showed it had started, as of the last time that it did.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    on: BTreeMap<String, Timestamp>,
    /// Since when it is known to be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    clear: Option<Timestamp>,
    /// Gone, and nobody can say whether it is resolved.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
    /// A peer showed it at the last look.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    seen: bool,
    /// Was seen firing after a delivery had said that it is resolved: that delivery no longer counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    came_back: bool,
}

/// What is known about all alerts of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// All are resolved, since the latest of their ends.
    Clear {
        /// Since when.
        since: Timestamp,
        /// Whether the last look proved it: every peer answered completely.
        sure: bool,
    },
    /// Some still fire.
    Firing {
        /// How many.
        count: usize,
    },
    /// None is seen, and some are gone without a proof.
    Lost {
        /// How many are gone without a proof.
        count: usize,
    },
    /// Nobody knows yet.
    Unclear,
}

impl Watch {
    /// Begins to watch the alerts of a run.
    pub fn begin(alerts: &[RunAlert]) -> Watch {
        let alerts = alerts.iter().map(|alert| {
            let ends = alert.ends_at.map(|ends| (String::new(), ends)).into_iter().collect();
            (alert.fingerprint.clone(), Watched { ends, ..Watched::default() })
        });
        Watch { alerts: alerts.collect(), unclear: None }
    }

    /// Returns it with the moments since when alerts are known to be resolved moved: the clock here was set by that
    /// much. What Alertmanagers say of ends and starts is by their clocks.
    #[must_use]
    pub(super) fn moved(mut self, by: SignedDuration) -> Watch {
        for clear in self.alerts.values_mut().filter_map(|alert| alert.clear.as_mut()) {
            *clear = clear.saturating_add(by).unwrap_or(*clear);
        }
        self
    }

    /// Returns the fingerprints that are watched.
    pub fn fingerprints(&self) -> Vec<String> {
        self.alerts.keys().cloned().collect()
    }

    /// Takes note of deliveries that said which alerts are resolved.
    pub fn delivered(&mut self, resolved: &[String], now: Timestamp) {
        let resolved: BTreeSet<&str> = resolved.iter().map(String::as_str).collect();
        for (fingerprint, alert) in &mut self.alerts {
            if alert.clear.is_none() && !alert.came_back && resolved.contains(fingerprint.as_str()) {
                alert.clear = Some(now);
                alert.lost = false;
                alert.seen = false;
            }
        }
    }

    /// Takes note of what the peers said.
    pub fn looked(&mut self, sighted: &Sighted, delivered: &[String]) {
        self.unclear = no_answer(sighted);
        let mut forgotten = None;
        for (fingerprint, alert) in &mut self.alerts {
            let seen: Vec<_> =
                sighted.peers.iter().filter_map(|peer| Some((peer, peer.seen.get(fingerprint)?))).collect();
            alert.seen = !seen.is_empty();
            if seen.is_empty() {
                let restarted = alert.may_be_forgotten(sighted);
                alert.not_seen(sighted, self.unclear.is_none() && restarted.is_none());
                forgotten = forgotten.or(restarted);
                continue;
            }
            for (peer, seen) in seen {
                if let Some(ends) = seen.ends_at {
                    alert.ends.insert(peer.url.clone(), ends);
                }
                if let Some(started) = peer.started_at {
                    alert.on.insert(peer.url.clone(), started);
                }
            }
            // What the run was started with is older than what a peer says now.
            alert.ends.remove("");
            alert.came_back |= delivered.contains(fingerprint);
            alert.clear = None;
            alert.lost = false;
        }
        self.unclear = self.unclear.take().or(forgotten);
    }

    /// Takes note of a look that brought nothing.
    pub fn blind(&mut self, why: &str) {
        self.unclear = Some(why.to_owned());
        self.alerts.values_mut().for_each(|alert| alert.seen = false);
    }

    /// Returns what is known.
    pub fn sight(&self) -> Sight {
        let unknown: Vec<&Watched> = self.alerts.values().filter(|alert| alert.clear.is_none()).collect();
        if unknown.is_empty() {
            return match self.alerts.values().filter_map(|alert| alert.clear).max() {
                Some(since) => Sight::Clear { since, sure: self.unclear.is_none() },
                None => Sight::Unclear,
            };
        }
        let seen = unknown.iter().filter(|alert| alert.seen).count();
        let lost = unknown.iter().filter(|alert| alert.lost).count();
        match (seen, lost) {
            (1.., _) => Sight::Firing { count: seen },
            (0, 1..) => Sight::Lost { count: lost },
            (0, 0) => Sight::Unclear,
        }
    }

    /// Returns why the last look did not count.
    pub fn unclear(&self) -> Option<&str> {
        self.unclear.as_deref()
    }

    /// Returns the earliest end of a lease of an alert that is not yet resolved: a look after it proves nothing.
    pub fn next_end(&self) -> Option<Timestamp> {
        let open = self.alerts.values().filter(|alert| alert.clear.is_none() && !alert.lost);
        open.filter_map(|alert| alert.ends.values().min().copied()).min()
    }
}

impl Watched {
    /// Returns why its absence proves nothing: a peer that started lately, and has not shown it since.
    fn may_be_forgotten(&self, sighted: &Sighted) -> Option<String> {
        let knew = |peer: &PeerSight| {
            peer.started_at.is_some() && self.on.get(&peer.url).copied() == peer.started_at
        };
        let peer = sighted.peers.iter().find(|peer| started_lately(sighted, peer) && !knew(peer))?;
        Some(format!("{} started less than 5m ago and may have forgotten the alert", peer.url))
    }

    fn not_seen(&mut self, sighted: &Sighted, complete: bool) {
        if !complete || self.clear.is_some() || self.lost {
            return;
        }
        // Each peer that knew it must have lost it before its lease was over; one that never knew it says nothing.
        let by_clock_of = |url: &String| {
            let peer = sighted.peers.iter().find(|peer| peer.url == *url);
            let all = sighted.peers.iter().map(|peer| clock_of(sighted, peer));
            peer.map_or_else(|| all.max().unwrap_or(sighted.at), |peer| clock_of(sighted, peer))
        };
        let in_time = !self.ends.is_empty() && self.ends.iter().all(|(url, ends)| by_clock_of(url) < *ends);
        if in_time {
            self.clear = Some(sighted.at);
        } else {
            self.lost = true;
        }
    }
}

/// Returns why nothing that is absent from this answer is proved to be gone, if so.
fn no_answer(sighted: &Sighted) -> Option<String> {
    if sighted.peers.is_empty() {
        return Some("no Alertmanager was asked".to_owned());
    }
    sighted.peers.iter().find_map(|peer| peer.failed.as_ref().map(|why| format!("{}: {why}", peer.url)))
}

/// Returns what a peer's clock showed when it answered: ours may be wrong, or set.
fn clock_of(sighted: &Sighted, peer: &PeerSight) -> Timestamp {
    peer.answered_at.unwrap_or(sighted.at)
}

/// Returns whether a peer started so lately that it may have known alerts that it was not sent again yet.
pub(crate) fn started_lately(sighted: &Sighted, peer: &PeerSight) -> bool {
    let grace = i64::try_from(RESTART_GRACE.as_millis()).unwrap_or(i64::MAX);
    let at = clock_of(sighted, peer).as_millisecond();
    peer.started_at.is_some_and(|started| at.saturating_sub(started.as_millisecond()) < grace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::SeenAlert;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn alert(fingerprint: &str, ends: Option<i64>) -> RunAlert {
        RunAlert {
            fingerprint: fingerprint.to_owned(),
            starts_at: at(-600),
            ends_at: ends.map(at),
            labels: Vec::new(),
            generator_url: String::new(),
        }
    }

    fn peer(url: &str, seen: &[(&str, i64)]) -> PeerSight {
        let seen = seen.iter().map(|(fingerprint, ends)| {
            let seen = SeenAlert {
                starts_at: at(-600),
                ends_at: Some(at(*ends)),
                silenced_by: Vec::new(),
                inhibited_by: Vec::new(),
            };
            ((*fingerprint).to_owned(), seen)
        });
        PeerSight {
            url: url.to_owned(),
            failed: None,
            started_at: Some(at(-9_999)),
            answered_at: None,
            seen: seen.collect(),
        }
    }

    /// By its own clock it answered then.
    fn answering(when: i64, peer: PeerSight) -> PeerSight {
        PeerSight { answered_at: Some(at(when)), ..peer }
    }

    fn failed(url: &str) -> PeerSight {
        PeerSight { failed: Some("unreachable".to_owned()), ..peer(url, &[]) }
    }

    fn restarted(url: &str, when: i64) -> PeerSight {
        PeerSight { started_at: Some(at(when)), ..peer(url, &[]) }
    }

    /// Begins with a lease until 240, looks at each time, and returns what is known after each look.
    fn story(known: Option<i64>, looks: Vec<(i64, Vec<PeerSight>)>) -> Vec<Sight> {
        let mut watch = Watch::begin(&[alert("a", known)]);
        let look = |(when, peers)| {
            watch.looked(&Sighted { at: at(when), peers }, &[]);
            watch.sight()
        };
        looks.into_iter().map(look).collect()
    }

    const fn clear(since: i64) -> (i64, bool) {
        (since, true)
    }

    fn is_clear((since, sure): (i64, bool)) -> Sight {
        Sight::Clear { since: at(since), sure }
    }

    #[test]
    fn gone_before_its_lease_is_resolved_and_gone_after_it_is_lost() {
        let firing = Sight::Firing { count: 1 };
        let lost = Sight::Lost { count: 1 };
        for (what, known, looks, expected) in [
            ("gone in time", Some(240), vec![(100, vec![peer("p", &[])])], vec![is_clear(clear(100))]),
            ("gone at its end", Some(240), vec![(240, vec![peer("p", &[])])], vec![lost.clone()]),
            ("gone after its end", Some(240), vec![(300, vec![peer("p", &[])])], vec![lost.clone()]),
            ("no lease is known", None, vec![(10, vec![peer("p", &[])])], vec![lost.clone()]),
            (
                "the lease was renewed meanwhile",
                Some(240),
                vec![(200, vec![peer("p", &[("a", 440)])]), (300, vec![peer("p", &[])])],
                vec![firing.clone(), is_clear(clear(300))],
            ),
            (
                "came back: counts anew",
                Some(240),
                vec![
                    (100, vec![peer("p", &[])]),
                    (130, vec![peer("p", &[("a", 370)])]),
                    (160, vec![peer("p", &[])]),
                    (400, vec![peer("p", &[])]),
                ],
                vec![is_clear(clear(100)), firing.clone(), is_clear(clear(160)), is_clear(clear(160))],
            ),
            (
                "lost, seen again, gone in time",
                Some(240),
                vec![
                    (300, vec![peer("p", &[])]),
                    (310, vec![peer("p", &[("a", 550)])]),
                    (320, vec![peer("p", &[])]),
                ],
                vec![lost.clone(), firing.clone(), is_clear(clear(320))],
            ),
            (
                "one of two peers is silent",
                Some(240),
                vec![(100, vec![peer("p", &[]), failed("q")]), (110, vec![peer("p", &[]), peer("q", &[])])],
                vec![Sight::Unclear, is_clear(clear(110))],
            ),
            (
                "one of two still has it",
                Some(240),
                vec![(100, vec![peer("p", &[]), peer("q", &[("a", 240)])])],
                vec![firing.clone()],
            ),
            (
                "its lease lapsed on one peer that was cut off",
                Some(240),
                vec![
                    (10, vec![peer("p", &[("a", 250)]), peer("q", &[("a", 100)])]),
                    (200, vec![peer("p", &[]), peer("q", &[])]),
                ],
                vec![firing.clone(), lost.clone()],
            ),
            (
                "a peer restarted",
                Some(240),
                vec![
                    (100, vec![restarted("p", 90)]),
                    (150, vec![PeerSight { seen: peer("p", &[("a", 390)]).seen, ..restarted("p", 90) }]),
                    (200, vec![restarted("p", 190)]),
                    (390, vec![restarted("p", 190)]),
                    (490, vec![restarted("p", 190)]),
                ],
                vec![Sight::Unclear, firing.clone(), Sight::Unclear, Sight::Unclear, lost.clone()],
            ),
            (
                "a peer that started lately showed it since",
                Some(240),
                vec![
                    (150, vec![PeerSight { seen: peer("p", &[("a", 390)]).seen, ..restarted("p", 90) }]),
                    (200, vec![restarted("p", 90)]),
                    (210, vec![restarted("p", 205)]),
                ],
                vec![firing.clone(), is_clear(clear(200)), is_clear((200, false))],
            ),
            (
                "a peer falls silent while it is clear",
                Some(240),
                vec![(100, vec![peer("p", &[])]), (110, vec![failed("p")]), (120, vec![peer("p", &[])])],
                vec![is_clear(clear(100)), is_clear((100, false)), is_clear(clear(100))],
            ),
            (
                "our clock is an hour behind that of a peer whose Prometheus died",
                None,
                vec![
                    (-3_600, vec![answering(0, peer("p", &[("a", 240)]))]),
                    (-3_350, vec![answering(250, peer("p", &[]))]),
                ],
                vec![firing.clone(), lost.clone()],
            ),
            (
                "our clock is set forward by an hour",
                None,
                vec![
                    (0, vec![answering(0, peer("p", &[("a", 240)]))]),
                    (3_630, vec![answering(30, peer("p", &[]))]),
                ],
                vec![firing.clone(), is_clear(clear(3_630))],
            ),
            (
                "a peer restarted, and our clock is set forward",
                Some(240),
                vec![(3_700, vec![answering(100, restarted("p", 90))])],
                vec![Sight::Unclear],
            ),
            ("nobody was asked", Some(240), vec![(100, vec![])], vec![Sight::Unclear]),
        ] {
            assert_eq!(story(known, looks), expected, "{what}");
        }
    }

    #[test]
    fn a_delivery_resolves_once_and_no_longer_counts_when_the_alert_fires_again() {
        let mut watch = Watch::begin(&[alert("a", None)]);
        let resolved = ["a".to_owned()];
        watch.delivered(&resolved, at(10));
        assert_eq!(watch.sight(), is_clear(clear(10)));
        watch.looked(&Sighted { at: at(20), peers: vec![peer("p", &[])] }, &resolved);
        assert_eq!(watch.sight(), is_clear(clear(10)));
        watch.looked(&Sighted { at: at(30), peers: vec![peer("p", &[("a", 270)])] }, &resolved);
        watch.delivered(&resolved, at(31));
        assert_eq!(watch.sight(), Sight::Firing { count: 1 });
        watch.looked(&Sighted { at: at(40), peers: vec![peer("p", &[])] }, &resolved);
        assert_eq!(watch.sight(), is_clear(clear(40)));
    }

    #[test]
    fn of_several_alerts_all_must_be_gone() {
        let mut watch = Watch::begin(&[alert("a", Some(240)), alert("b", Some(240))]);
        watch.looked(&Sighted { at: at(50), peers: vec![peer("p", &[("b", 240)])] }, &[]);
        assert_eq!(watch.sight(), Sight::Firing { count: 1 });
        assert_eq!(watch.next_end(), Some(at(240)));
        watch.looked(&Sighted { at: at(90), peers: vec![peer("p", &[])] }, &[]);
        assert_eq!(watch.sight(), is_clear(clear(90)));
        assert_eq!(watch.next_end(), None);
    }

    #[test]
    fn what_is_known_survives_the_journal() {
        let mut watch = Watch::begin(&[alert("a", Some(240)), alert("b", None)]);
        watch.looked(&Sighted { at: at(50), peers: vec![peer("p", &[]), peer("q", &[])] }, &[]);
        watch.blind("no route to host");
        let again: Watch = serde_json::from_value(serde_json::to_value(&watch).unwrap()).unwrap();
        assert_eq!(again, watch);
    }
}
