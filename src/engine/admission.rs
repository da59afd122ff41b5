//! [`Delivery`] to [`Offer`]s: which runs a delivery starts, which come later, and why not.
//!
//! The pure judgement is `run`'s, the decision about claims and gates is the store's, in its
//! transaction. `plan` takes the same way on a snapshot.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::Engine;
use super::hand_over::HandedOver;
use super::needs::in_short;
use super::ports::{
    Admitted, Ask, Episode, EpisodeKey, KeyAsk, Later, Lease, Observation, RunHeader, StoreError,
};
use super::put_off::{PutOff, row};
use crate::model::{Alert, Fingerprint};
use crate::playbook::{Library, Playbook, TriggerStatus};
use crate::run::{
    Closed, Group, KeptAlert, LaterReason, RunEvent, Seen, Signal, SignalKind, Skip, Stamped, Started,
    Verdict, concurrency_key, gates_asked, group, judge,
};

/// What one poll, one piped document or one file brought.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Whose alerts these are.
    pub scope: String,
    /// `poll`, `stdin`, a file's name, a URL.
    pub source: String,
    /// Alerts that at least one playbook matches.
    pub alerts: Vec<Arc<Alert>>,
    /// When they were read.
    pub at: Timestamp,
    /// Whether they come from Alertmanager just now, so that a re-check at once would tell nothing new.
    pub fresh: bool,
    /// Fingerprints of all alerts of the scope that fire, in order, whether a playbook matches them or not;
    /// `None` when that is not known: only a poll without a filter that every peer answered knows it.
    pub listed: Option<Arc<[Fingerprint]>>,
}

/// What admission says of one playbook and one group of alerts.
#[derive(Debug)]
pub struct Offer {
    /// The playbook.
    pub playbook: Arc<Playbook>,
    /// For which state.
    pub trigger: TriggerStatus,
    /// The target.
    pub group: Group,
    /// The alerts, oldest first.
    pub alerts: Vec<Arc<Alert>>,
    /// Whose they are.
    pub scope: String,
    /// By whom it is handed over to this playbook, whose own trigger then does not count.
    pub handed_over: Option<HandedOver>,
    /// The verdict.
    pub answer: OfferAnswer,
}

/// The verdict on an [`Offer`].
#[derive(Debug)]
pub enum OfferAnswer {
    /// A run was started (in a plan: would be).
    Started(Box<StartedRun>),
    /// It comes back.
    Later(Closed),
    /// It does not run.
    Skip(Skip),
}

/// A run that was admitted.
#[derive(Debug)]
pub struct StartedRun {
    /// What it is.
    pub header: RunHeader,
    /// The lease on it.
    pub lease: Lease,
    /// The concurrency key that another run holds; nothing is begun until it is granted.
    pub waits_for: Option<String>,
    /// Its first events.
    pub journal: Vec<Stamped>,
    /// Alerts were read from Alertmanager so lately that they need no look until then.
    pub fresh_until: Option<Timestamp>,
}

/// Leaves each episode once: a document may have an alert twice, with another start. What began last is what holds.
fn once_each(members: &mut Vec<(usize, EpisodeKey)>) {
    let mut known = HashSet::with_capacity(members.len());
    let last: Vec<bool> = members.iter().rev().map(|(_, key)| known.insert(key)).collect();
    let mut last = last.into_iter().rev();
    members.retain(|_| last.next().unwrap_or(true));
}

/// How long an answer of Alertmanager counts as fresh.
const FRESH_SECONDS: i64 = 5;

impl Engine {
    /// Offers a delivery to all playbooks: claims and gates are decided and durable when it returns.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn admit(&self, library: &Library, delivery: &Delivery) -> Result<Vec<Offer>, StoreError> {
        let (delivery, put_off) = self.with_put_off(delivery).await?;
        let wanted = |alert: &Alert, playbook: &str| put_off.is_for(alert, playbook);
        let offers = self.offer(library, &delivery, &wanted).await?;
        let later = offers.iter().filter_map(|offer| row(offer, delivery.at)).collect::<Vec<_>>();
        if !later.is_empty() {
            self.store.put_later(later).await?;
        }
        Ok(offers)
    }

    /// What is known of an alert is the store's to say. What seems new is judged so beforehand, and recorded and
    /// decided in one commit; what turns out to be known is judged again.
    async fn offer(
        &self,
        library: &Library,
        delivery: &Delivery,
        wanted: &(dyn Fn(&Alert, &str) -> bool + Sync),
    ) -> Result<Vec<Offer>, StoreError> {
        if delivery.alerts.is_empty() {
            return Ok(Vec::new());
        }
        let seen = observations(delivery);
        let episodes = if self.recent.see(&seen) {
            self.store.observe(seen, delivery.at).await?
        } else {
            let new: Vec<Episode> = seen.iter().map(Episode::of_new).collect();
            let (mut offers, asks) = self.judge_all(library, delivery, wanted, &new);
            let (owner, now) = (self.owner.clone(), self.clock.now());
            let (episodes, admitted) = self.store.take_in(seen, delivery.at, asks.asks, owner, now).await?;
            if let Some(admitted) = admitted {
                offers.extend(answered(asks.of, admitted, delivery));
                self.hand_over(library, delivery, &new, &mut offers).await?;
                return Ok(offers);
            }
            episodes
        };
        self.tell_of_ends(delivery, &episodes).await?;
        let (mut offers, asks) = self.judge_all(library, delivery, wanted, &episodes);
        offers.extend(self.decide(asks, delivery).await?);
        self.hand_over(library, delivery, &episodes, &mut offers).await?;
        Ok(offers)
    }

    /// Has the store decide about asks.
    async fn decide(&self, asks: Asks, delivery: &Delivery) -> Result<Vec<Offer>, StoreError> {
        if asks.asks.is_empty() {
            return Ok(Vec::new());
        }
        let admitted = self.store.admit(asks.asks, self.owner.clone(), self.clock.now()).await?;
        Ok(answered(asks.of, admitted, delivery))
    }

    /// Says what [`Engine::admit`] would, without changing anything.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn preview(&self, library: &Library, delivery: &Delivery) -> Result<Vec<Offer>, StoreError> {
        let (delivery, put_off) = self.with_put_off(delivery).await?;
        let episodes = self.store.preview_episodes(observations(&delivery), delivery.at).await?;
        let wanted = |alert: &Alert, playbook: &str| put_off.is_for(alert, playbook);
        let (mut offers, asks) = self.judge_all(library, &delivery, &wanted, &episodes);
        let hands_over = library.playbooks().iter().any(|playbook| playbook.limits.hand_over.is_some());
        let decided = if hands_over { asks.asks.clone() } else { Vec::new() };
        let admitted = self.store.preview(asks.asks, self.clock.now()).await?;
        offers.extend(answered(asks.of, admitted, &delivery));
        self.preview_hand_over(library, &delivery, &episodes, decided, &mut offers).await?;
        Ok(offers)
    }

    /// Adds to a delivery what was put off before and nobody brings again.
    async fn with_put_off<'d>(
        &self,
        delivery: &'d Delivery,
    ) -> Result<(Cow<'d, Delivery>, PutOff), StoreError> {
        let rows = if delivery.listed.is_some() { self.store.later(None).await? } else { Vec::new() };
        let mut put_off = PutOff::new(rows, delivery);
        let alerts = std::mem::take(&mut put_off.alerts);
        if alerts.is_empty() {
            return Ok((Cow::Borrowed(delivery), put_off));
        }
        let mut whole = delivery.clone();
        whole.alerts.extend(alerts.into_iter().map(Arc::new));
        Ok((Cow::Owned(whole), put_off))
    }

    /// Tells the runs that work on alerts of a delivery which of these have resolved.
    async fn tell_of_ends(&self, delivery: &Delivery, episodes: &[Episode]) -> Result<(), StoreError> {
        let mut telling = JoinSet::new();
        for (alert, episode) in delivery.alerts.iter().zip(episodes).filter(|(alert, _)| !alert.is_firing()) {
            for claim in episode.claims.iter().filter(|claim| claim.trigger == TriggerStatus::Firing) {
                let (store, run, now) = (Arc::clone(&self.store), claim.run.clone(), self.clock.now());
                let fingerprints = vec![episode.key.fingerprint.clone()];
                // The same end counts once, however often it is delivered; a later one counts anew.
                let id = match alert.ends_at {
                    Some(ends) => format!("resolved:{}@{ends}", alert.fingerprint),
                    None => format!("resolved:{}", alert.fingerprint),
                };
                let signal = Signal { id, kind: SignalKind::Resolved { fingerprints } };
                telling.spawn(async move { store.signal(run, signal, now).await });
            }
        }
        while let Some(told) = telling.join_next().await {
            match told {
                // A run that was pruned is over; its claim is kept for as long as the episode is open.
                Ok(Ok(()) | Err(StoreError::NoSuchRun { .. })) => {}
                Ok(Err(error)) => return Err(error),
                Err(error) => self.notice(&format!("telling a run of an end broke off: {error}")),
            }
        }
        Ok(())
    }

    /// Offers what was put off again, without an observation: whether its alerts still are what they were
    /// put off for is what the store knows. Returns the verdicts, and the rows that have lost their reason.
    pub(super) async fn admit_rows(
        &self,
        library: &Library,
        scope: &str,
        rows: &[Later],
    ) -> Result<(Vec<Offer>, Vec<(String, String, String)>), StoreError> {
        let mut delivery = Delivery {
            scope: scope.to_owned(),
            source: "put off".to_owned(),
            alerts: Vec::new(),
            at: self.clock.now(),
            fresh: false,
            listed: None,
        };
        let mut of_row = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            for alert in row.alerts.iter().filter_map(super::put_off::read) {
                delivery.alerts.push(Arc::new(alert));
                of_row.push(n);
            }
        }
        let known = self.store.known_episodes(observations(&delivery)).await?;
        let (mut standing, mut episodes, mut alerts) = (vec![false; rows.len()], Vec::new(), Vec::new());
        for ((episode, alert), n) in known.into_iter().zip(std::mem::take(&mut delivery.alerts)).zip(of_row) {
            let (Some(episode), Some(row)) = (episode, rows.get(n)) else { continue };
            if episode.closed_at.is_none() == (row.trigger == TriggerStatus::Firing) {
                standing[n] = true;
                episodes.push(episode);
                alerts.push(alert);
            }
        }
        delivery.alerts = alerts;
        let wanted = |alert: &Alert, playbook: &str| {
            rows.iter().any(|row| {
                row.playbook == playbook && (row.trigger == TriggerStatus::Firing) == alert.is_firing()
            })
        };
        let (mut offers, asks) = self.judge_all(library, &delivery, &wanted, &episodes);
        offers.extend(self.decide(asks, &delivery).await?);
        self.hand_over(library, &delivery, &episodes, &mut offers).await?;
        let key = |row: &Later| (row.playbook.clone(), row.scope.clone(), row.target.clone());
        // A row whose alert no playbook wants any more is offered to nobody.
        let offered = |row: &Later| {
            offers.iter().any(|o| o.group.target == row.target && o.playbook.name.as_str() == row.playbook)
        };
        let gone = rows.iter().zip(standing).filter(|(row, stands)| !stands || !offered(row));
        let gone = gone.map(|(row, _)| key(row)).collect();
        Ok((offers, gone))
    }

    fn judge_all(
        &self,
        library: &Library,
        delivery: &Delivery,
        wanted: &dyn Fn(&Alert, &str) -> bool,
        episodes: &[Episode],
    ) -> (Vec<Offer>, Asks) {
        let mut offers = Vec::new();
        let mut groups: BTreeMap<(usize, TriggerStatus, Group), Vec<(usize, EpisodeKey)>> = BTreeMap::new();
        let mut matching = Vec::new();
        let mut readiness = self.readiness();
        let mut lacks: HashMap<u32, Option<String>> = HashMap::new();
        for (n, alert) in delivery.alerts.iter().enumerate() {
            matching.clear();
            library.matching(&alert.labels, &mut matching);
            let Some(episode) = episodes.get(n) else { continue };
            for &p in &matching {
                let Some(playbook) = library.playbooks().get(p as usize) else { continue };
                if !wanted(alert, playbook.name.as_str()) {
                    continue;
                }
                let trigger = if alert.is_firing() { TriggerStatus::Firing } else { TriggerStatus::Resolved };
                let claim = episode
                    .claims
                    .iter()
                    .find(|c| c.playbook == playbook.name.as_str() && c.trigger == trigger)
                    .map(|c| c.run.as_str());
                let starts_at =
                    Timestamp::from_millisecond(episode.key.starts_at_ms).unwrap_or(alert.starts_at);
                let seen = Seen { starts_at, claimed_by: claim, env: &self.options.env };
                let group = group(playbook, alert);
                let mut lack =
                    || lacks.entry(p).or_insert_with(|| in_short(&readiness.lacks(playbook))).clone();
                let verdict = if self.options.always_on {
                    // It may be there tomorrow: what would start waits for it.
                    match judge(playbook, alert, seen, delivery.at) {
                        verdict @ (Verdict::Start | Verdict::Skip(Skip::WhenFailed { .. })) => {
                            lack().map_or(verdict, |what| Verdict::Later(missing(what)))
                        }
                        verdict => verdict,
                    }
                } else {
                    match lack() {
                        Some(what) => Verdict::Skip(Skip::Missing { what }),
                        None => judge(playbook, alert, seen, delivery.at),
                    }
                };
                let answer = match verdict {
                    Verdict::Start => {
                        groups
                            .entry((p as usize, trigger, group))
                            .or_default()
                            .push((n, episode.key.clone()));
                        continue;
                    }
                    Verdict::Later(closed) => OfferAnswer::Later(closed),
                    Verdict::Skip(skip) => OfferAnswer::Skip(skip),
                };
                let judged = Judged::new(playbook, trigger, group, vec![alert.clone()]);
                offers.push(judged.answered(answer, delivery));
            }
        }
        let mut asks = Asks::default();
        let mut groups: Vec<_> = groups.into_iter().collect();
        for (_, members) in &mut groups {
            members.sort_by_key(|(n, _)| delivery.alerts.get(*n).map(|a| a.starts_at));
            once_each(members);
        }
        // Oldest first: when a limit lets only some through, they are those that wait the longest.
        groups.sort_by_key(|(_, members)| {
            members.first().and_then(|(n, _)| delivery.alerts.get(*n)).map(|a| a.starts_at)
        });
        for ((p, trigger, group), members) in groups {
            let Some(playbook) = library.playbooks().get(p) else { continue };
            let alerts: Vec<Arc<Alert>> =
                members.iter().filter_map(|(n, _)| delivery.alerts.get(*n).cloned()).collect();
            let episodes = members.into_iter().map(|(_, key)| key).collect();
            let judged = Judged::new(playbook, trigger, group, alerts);
            offers.extend(self.ask_for(judged, episodes, delivery, &mut asks));
        }
        (offers, asks)
    }

    /// Adds what the store is to be asked, or returns the offer when it cannot be asked.
    pub(super) fn ask_for(
        &self,
        judged: Judged,
        episodes: Vec<EpisodeKey>,
        delivery: &Delivery,
        asks: &mut Asks,
    ) -> Option<Offer> {
        match self.ask(&judged, episodes, delivery) {
            Ok(ask) => {
                asks.of.push((judged, ask.key.as_ref().map(|k| k.key.clone())));
                asks.asks.push(ask);
                None
            }
            Err(error) => Some(judged.answered(OfferAnswer::Skip(Skip::WhenFailed { error }), delivery)),
        }
    }

    fn ask(&self, judged: &Judged, episodes: Vec<EpisodeKey>, delivery: &Delivery) -> Result<Ask, String> {
        let Judged { playbook, trigger, group, alerts, handed_over } = judged;
        let trigger = *trigger;
        let id = super::by_hand::new_id(delivery.at);
        let run = id.to_string();
        let started = Started {
            playbook: playbook.name.to_string(),
            digest: playbook.digest.clone(),
            trigger,
            target: group.target.clone(),
            group: group.labels.clone(),
            scope: delivery.scope.clone(),
            alerts: alerts.iter().cloned().map(KeptAlert::from).collect(),
            env: self.options.env.clone(),
            source: delivery.source.clone(),
            by: self.options.started_by.clone(),
            retry_of: None,
            handed_over_by: handed_over.as_ref().map(|handed| handed.by.clone()),
            seed: u64::from_le_bytes(id.as_bytes().last_chunk::<8>().copied().unwrap_or_default()),
        };
        let key = self.key(playbook, &run, &started, delivery.at)?;
        let first = alerts.first();
        let labels = first.map(|a| a.labels.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
        let header = RunHeader {
            run: run.clone(),
            playbook: started.playbook.clone(),
            digest: started.digest.clone(),
            trigger,
            target: group.in_words(alerts),
            labels: labels.unwrap_or_default(),
            scope: delivery.scope.clone(),
        };
        let gates = gates_asked(
            playbook.name.as_str(),
            &group.target,
            &run,
            first.filter(|_| trigger == TriggerStatus::Firing).map(|alert| alert.starts_at),
            &playbook.limits,
            &self.options.limits,
        );
        Ok(Ask {
            header,
            episodes,
            gates,
            key,
            text: playbook.text.clone(),
            events: vec![RunEvent::RunStarted(Box::new(started))],
            put_off: Some(group.target.clone()),
        })
    }

    pub(super) fn key(
        &self,
        playbook: &Playbook,
        run: &str,
        started: &Started,
        at: Timestamp,
    ) -> Result<Option<KeyAsk>, String> {
        let Some(concurrency) = &playbook.concurrency else { return Ok(None) };
        let journal = [Stamped { seq: 1, at, event: RunEvent::RunStarted(Box::new(started.clone())) }];
        let Some(run) = crate::run::Run::replay(run, &journal) else { return Ok(None) };
        let key = concurrency_key(&run, playbook)?;
        Ok(key.map(|key| KeyAsk { key, when_busy: concurrency.when_busy }))
    }
}

/// What the store is asked, and what each question is about, with its concurrency key.
#[derive(Default)]
pub(super) struct Asks {
    pub(super) asks: Vec<Ask>,
    pub(super) of: Vec<(Judged, Option<String>)>,
}

/// An [`Offer`] that has no answer yet.
pub(super) struct Judged {
    pub(super) playbook: Arc<Playbook>,
    pub(super) trigger: TriggerStatus,
    pub(super) group: Group,
    pub(super) alerts: Vec<Arc<Alert>>,
    pub(super) handed_over: Option<HandedOver>,
}

impl Judged {
    fn new(
        playbook: &Arc<Playbook>,
        trigger: TriggerStatus,
        group: Group,
        alerts: Vec<Arc<Alert>>,
    ) -> Judged {
        Judged { playbook: playbook.clone(), trigger, group, alerts, handed_over: None }
    }

    pub(super) fn answered(self, answer: OfferAnswer, delivery: &Delivery) -> Offer {
        let Judged { playbook, trigger, group, alerts, handed_over } = self;
        Offer { playbook, trigger, group, alerts, scope: delivery.scope.clone(), handed_over, answer }
    }
}

fn observations(delivery: &Delivery) -> Vec<Observation> {
    let observe = |alert: &Arc<Alert>| Observation {
        scope: delivery.scope.clone(),
        fingerprint: alert.fingerprint.to_string(),
        starts_at: alert.starts_at,
        start_is_guessed: alert.start_is_guessed,
        ends_at: alert.ends_at,
        firing: alert.is_firing(),
        alert: alert.is_firing().then(|| Arc::clone(alert)),
    };
    delivery.alerts.iter().map(observe).collect()
}

/// Makes offers of what the store was asked and answered.
pub(super) fn answered(
    of: Vec<(Judged, Option<String>)>,
    admitted: Vec<Admitted>,
    delivery: &Delivery,
) -> Vec<Offer> {
    let answers = of.into_iter().zip(admitted).map(|((judged, key), admitted)| {
        let answer = match admitted {
            Admitted::Claimed { run } => OfferAnswer::Skip(Skip::Claimed { run }),
            Admitted::Later(closed) => OfferAnswer::Later(closed),
            Admitted::Started { lease, granted, events, header, .. } => {
                let fresh_until =
                    delivery.at.checked_add(jiff::SignedDuration::from_secs(FRESH_SECONDS)).ok();
                OfferAnswer::Started(Box::new(StartedRun {
                    header,
                    lease,
                    waits_for: key.filter(|_| !granted),
                    journal: events,
                    fresh_until: fresh_until.filter(|_| delivery.fresh),
                }))
            }
        };
        judged.answered(answer, delivery)
    });
    answers.collect()
}

/// Puts off until what a playbook needs is there.
pub(super) fn missing(what: String) -> Closed {
    Closed { reason: LaterReason::Missing, until: None, detail: what }
}

/// Returns whether a verdict may change as soon as another run of this process ends.
pub fn waits_for_a_run(reason: LaterReason) -> bool {
    matches!(reason, LaterReason::Targets | LaterReason::Running | LaterReason::Trickle | LaterReason::Busy)
}
