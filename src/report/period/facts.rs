//! [`RunFacts`]: what reports count of one run, folded from its journal and from what is known of its alerts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::engine::{Episode, EpisodeKey, Observation, RunSummary};
use crate::playbook::{Body, Playbook, Step};
use crate::run::{
    KeptAlert, RunEvent, RunStatus, SignalKind, Stamped, Started, TriggerStatus, is_mute, is_raised,
};
use crate::step::Effect;

/// How long an alert that nobody saw end counts as firing after it was last seen: two polls from cron, and some.
const SEEN_LATELY_SECONDS: i64 = 600;

/// One run, as reports count it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFacts {
    /// The run's id.
    pub run: String,
    /// The playbook.
    pub playbook: String,
    /// The name of its oldest alert.
    pub alertname: String,
    /// The target, for people.
    pub target: String,
    /// How it stands, or ended.
    pub status: RunStatus,
    /// Why, for people.
    pub reason: String,
    /// When it was admitted.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Whether it did anything that may change something: what is not read only, and is no mute of its own.
    pub changed: bool,
    /// What it worked on.
    pub alerts: Vec<AlertFacts>,
}

/// One alert of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertFacts {
    /// Its episode: two runs may work on one.
    pub episode: EpisodeKey,
    /// Whether it cleared.
    pub ending: Ending,
}

/// What is known of the end of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It cleared then: a wait proved it, a delivery said so, or a poll did.
    Cleared(Timestamp),
    /// It was seen firing lately.
    Firing,
    /// Nobody has told how it went on.
    Unknown,
}

/// Tells which steps of a playbook may change something.
#[derive(Clone, Debug, Default)]
pub struct Changing {
    /// Ids of steps that change nothing; a name that is given to another kind of step too is not in it.
    read_only: BTreeSet<String>,
}

impl Changing {
    /// Reads the steps of a playbook.
    pub fn of(playbook: &Playbook) -> Changing {
        let (mut read_only, mut others) = (BTreeSet::new(), BTreeSet::new());
        for list in [&playbook.steps, &playbook.on_failure, &playbook.finally] {
            sort_steps(list, &mut read_only, &mut others);
        }
        read_only.retain(|id| !others.contains(id));
        Changing { read_only }
    }

    fn may_change(&self, path: &str, effect: &Effect) -> bool {
        match effect {
            Effect::Query(_) | Effect::Sighting(_) => false,
            Effect::Hold(_) => true,
            Effect::Request(request) if matches!(request.method.as_str(), "GET" | "HEAD") => false,
            Effect::Command(_) | Effect::Request(_) => {
                let last = path.rsplit('/').next().unwrap_or(path);
                let id = last.split('[').next().unwrap_or(last);
                !self.read_only.contains(id)
            }
        }
    }
}

fn sort_steps(steps: &[Step], read_only: &mut BTreeSet<String>, others: &mut BTreeSet<String>) {
    for step in steps {
        match &step.body {
            Body::Action(action) => {
                let reads = step.read_only || action.changes_nothing();
                let ids = if reads { &mut *read_only } else { &mut *others };
                ids.insert(step.id.clone());
            }
            Body::Block(block) => {
                for list in [&block.steps, &block.on_failure, &block.finally] {
                    sort_steps(list, read_only, others);
                }
            }
            Body::Parallel(steps) => sort_steps(steps, read_only, others),
        }
    }
}

/// Returns what to ask the store about the alerts of a run, in the order in which [`run_facts`] takes the answers.
pub fn alerts_of(journal: &[Stamped]) -> Vec<Observation> {
    let Some(started) = started(journal) else { return Vec::new() };
    let firing = started.trigger == TriggerStatus::Firing;
    let observe = |alert: &KeptAlert| {
        let alert = alert.json();
        let text = |name: &str| alert.get(name).and_then(Value::as_str);
        let labels = alert.get("labels").and_then(Value::as_object);
        let fingerprint = text("fingerprint").map_or_else(|| fingerprint_of(labels), str::to_owned);
        Observation {
            scope: started.scope.clone(),
            fingerprint,
            starts_at: moment(text("startsAt")).unwrap_or_default(),
            start_is_guessed: false,
            ends_at: moment(text("endsAt")),
            firing,
            alert: None,
        }
    };
    started.alerts.iter().map(observe).collect()
}

/// Folds a run's journal. `episodes` answers [`alerts_of`], one by one.
pub fn run_facts(
    summary: &RunSummary,
    journal: &[Stamped],
    changing: &Changing,
    episodes: &[Option<Episode>],
    now: Timestamp,
) -> RunFacts {
    let mut verified: Option<Timestamp> = None;
    let mut clear_by_path: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut delivered: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let (mut changed, mut ended_at) = (false, None);
    for stamped in journal {
        match &stamped.event {
            RunEvent::AttemptStarted { path, effect, memo, .. }
            | RunEvent::AttemptContinued { path, effect, memo, .. } => {
                changed |= effect.as_ref().is_some_and(|effect| changing.may_change(path, effect));
                match cleared_in(memo) {
                    Some(at) => clear_by_path.insert(path, at),
                    None => clear_by_path.remove(path.as_str()),
                };
            }
            RunEvent::AttemptFinished { path, output, .. } => {
                let proves = output.get("resolved") == Some(&Value::Bool(true));
                let clear = clear_by_path.get(path.as_str()).copied().or(Some(stamped.at));
                verified = clear.filter(|_| proves).or(verified);
            }
            RunEvent::HoldMade { id, .. } => changed |= !is_mute(id) && !is_raised(id),
            RunEvent::SignalReceived(signal) => {
                if let SignalKind::Resolved { fingerprints } = &signal.kind {
                    delivered.extend(fingerprints.iter().map(|f| (f.as_str(), stamped.at)));
                }
            }
            RunEvent::RunFinished { .. } => ended_at = Some(stamped.at),
            _ => {}
        }
    }
    let alerts = alerts_of(journal).into_iter().enumerate().map(|(n, seen)| {
        let episode = episodes.get(n).and_then(Option::as_ref);
        let told = [verified, delivered.get(seen.fingerprint.as_str()).copied()];
        let ending = ending(&seen, told, episode, now);
        let starts_at_ms = seen.starts_at.as_millisecond();
        let key =
            || EpisodeKey { scope: seen.scope.clone(), fingerprint: seen.fingerprint.clone(), starts_at_ms };
        AlertFacts { episode: episode.map_or_else(key, |e| e.key.clone()), ending }
    });
    let header = &summary.header;
    RunFacts {
        run: header.run.clone(),
        playbook: header.playbook.clone(),
        alertname: header.labels.get("alertname").cloned().unwrap_or_default(),
        target: header.target.clone(),
        status: summary.status,
        reason: summary.reason.clone(),
        started_at: summary.started_at,
        ended_at: ended_at.or_else(|| summary.status.is_final().then_some(summary.updated_at)),
        changed,
        alerts: alerts.collect(),
    }
}

/// Judges how an alert went on, from what this run was told and from what the store knows.
fn ending(
    seen: &Observation,
    told: [Option<Timestamp>; 2],
    episode: Option<&Episode>,
    now: Timestamp,
) -> Ending {
    let told = told.into_iter().flatten().min();
    if let Some(closed) = episode.and_then(|e| e.closed_at) {
        let said = episode.and_then(|e| e.ends_at).filter(|ends| *ends >= seen.starts_at && *ends <= closed);
        let end = said.unwrap_or(closed);
        return Ending::Cleared(told.map_or(end, |told| told.min(end)));
    }
    let fires_on = |since: Timestamp| episode.and_then(|e| e.last_firing).is_some_and(|last| last > since);
    if let Some(told) = told.filter(|told| !fires_on(*told)) {
        return Ending::Cleared(told);
    }
    if let (false, Some(ends)) = (seen.firing, seen.ends_at) {
        return Ending::Cleared(ends);
    }
    let Some(episode) = episode else { return Ending::Unknown };
    let lately = episode
        .last_firing
        .is_some_and(|last| now.as_second().saturating_sub(last.as_second()) < SEEN_LATELY_SECONDS);
    if lately || episode.ends_at.is_some_and(|ends| ends > now) { Ending::Firing } else { Ending::Unknown }
}

/// Returns since when all alerts are clear, as the memory of a wait for their end has it.
fn cleared_in(memo: &Value) -> Option<Timestamp> {
    let alerts = memo.get("watch")?.get("alerts")?.as_object()?;
    let clear = alerts.values().map(|alert| moment(alert.get("clear")?.as_str()));
    clear.collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn started(journal: &[Stamped]) -> Option<&Started> {
    match &journal.first()?.event {
        RunEvent::RunStarted(started) => Some(started),
        _ => None,
    }
}

fn fingerprint_of(labels: Option<&serde_json::Map<String, Value>>) -> String {
    let pairs = labels.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
    let labels: crate::model::LabelSet = pairs.collect();
    labels.fingerprint().to_string()
}

fn moment(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}
