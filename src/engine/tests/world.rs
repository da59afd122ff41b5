//! Several processes over one store, with a clock that jumps: [`World`], [`Process`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::Clock as _;
use crate::engine::{
    Delivery, Engine, EngineOptions, Life, Offer, OfferAnswer, Offered, Owner, Parts, RunEnd, RunEndKind,
    Stop, Stopper, Store, Take,
};
use crate::model::{Alert, LabelSet};
use crate::playbook::{Facts, Library, compile_text, parse_files};
use crate::playtest::{EffectKind, JumpClock, RecordingReporter, Script, Scripted};
use crate::run::{GateChange, RunEvent, Stamped};
use crate::step::{Effect, HoldAction, PeerSight, Reply, SeenAlert, Sighted};
use crate::store::MemoryStore;
use crate::text::render;

/// What the processes share.
pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: JumpClock,
    lives: Arc<Mutex<BTreeMap<u32, Life>>>,
    /// From when on, by the steady clock, no alert fires any more.
    resolved_at: Arc<Mutex<Option<Duration>>>,
}

/// One process.
pub(super) struct Process {
    pub(super) engine: Engine,
    pub(super) performer: Arc<Scripted>,
    pub(super) reporter: Arc<RecordingReporter>,
    pub(super) stopper: Stopper,
}

pub(super) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// Reads playbooks: a name and the lines after `matchers` each.
pub(super) fn library(playbooks: &[(&str, &str)]) -> Library {
    let texts = playbooks
        .iter()
        .map(|(name, rest)| format!("version: 1\nname: {name}\nmatchers: [alertname = Disk]\n{rest}"));
    let text = texts.collect::<Vec<_>>().join("---\n");
    let read = parse_files([("p.yaml".to_owned(), text.clone().into_bytes())], &Facts::default());
    read.into_result().unwrap_or_else(|problems| panic!("{text}\n{}", render::lines(&problems)))
}

/// Makes alerts of these hosts, each a second older than the next.
pub(super) fn alerts(hosts: &[&str]) -> Vec<Alert> {
    let alert = |(n, host): (usize, &&str)| {
        let began = start() - jiff::SignedDuration::from_secs(600 - i64::try_from(n).unwrap());
        let labels = LabelSet::from_iter([("alertname", "Disk"), ("instance", *host)]);
        let ends_at = Some(start() + jiff::SignedDuration::from_secs(240));
        Alert { ends_at, ..Alert::firing(labels, began) }
    };
    hosts.iter().enumerate().map(alert).collect()
}

impl World {
    pub(super) fn new() -> World {
        World {
            store: Arc::new(MemoryStore::new("memory")),
            clock: JumpClock::new(start()),
            lives: Arc::default(),
            resolved_at: Arc::default(),
        }
    }

    /// Starts a process whose commands succeed, and whose alerts fire, when its script says nothing else.
    pub(super) fn process(
        &self,
        pid: u32,
        script: Scripted,
        change: impl FnOnce(&mut EngineOptions),
    ) -> Process {
        let clock = self.clock.clone();
        let resolved_at = Arc::clone(&self.resolved_at);
        let sighting = Script::answer(move |call| fires(&clock, *resolved_at.lock().unwrap(), &call.effect));
        let performer = Arc::new(
            script
                .with_clock(Arc::new(self.clock.clone()))
                .on_kind(EffectKind::Sighting, sighting)
                .on_kind(EffectKind::Hold, Script::held("h"))
                .otherwise(Script::exit(0, "")),
        );
        let reporter = Arc::new(RecordingReporter::default());
        let (stopper, stop) = Stop::new();
        let offered = Offered { alertmanager: true, groups: vec!["oncall".to_owned()], ..Offered::default() };
        let mut options = EngineOptions { offered, ..EngineOptions::default() };
        change(&mut options);
        let lives = Arc::clone(&self.lives);
        let engine = Engine::new(Parts {
            store: self.store.clone(),
            performer: performer.clone(),
            clock: Arc::new(self.clock.clone()),
            reporter: reporter.clone(),
            owner: Owner { boot_id: "b".to_owned(), pid, start_time: 1 },
            compile: Arc::new(|text| {
                compile_text(text, &Facts::default()).map(Arc::new).map_err(|p| render::lines(&p))
            }),
            life_of: Arc::new(move |owner| {
                lives.lock().unwrap().get(&owner.pid).copied().unwrap_or(Life::Lives)
            }),
            options,
            stop,
        });
        Process { engine, performer, reporter, stopper }
    }

    /// Lets all alerts resolve so many seconds from now.
    pub(super) fn resolve_after(&self, seconds: u64) {
        let at = self.clock.steady() + Duration::from_secs(seconds);
        *self.resolved_at.lock().unwrap() = Some(at);
    }

    /// Lets everybody believe that a process is gone.
    pub(super) fn bury(&self, pid: u32) {
        self.lives(pid, Life::Gone);
    }

    /// Lets everybody know this of the life of a process.
    pub(super) fn lives(&self, pid: u32, life: Life) {
        self.lives.lock().unwrap().insert(pid, life);
    }

    pub(super) fn delivery(&self, hosts: &[&str]) -> Delivery {
        Delivery {
            scope: "s".to_owned(),
            source: "poll".to_owned(),
            alerts: alerts(hosts).into_iter().map(Arc::new).collect(),
            at: self.clock.now(),
            fresh: false,
            listed: None,
        }
    }

    pub(super) async fn change(&self, key: &str, change: crate::run::Change) {
        let change = GateChange { key: key.to_owned(), change };
        self.store.change_gates(vec![change], self.clock.now()).await.unwrap();
    }

    pub(super) async fn journal(&self, run: &str) -> Vec<Stamped> {
        self.store.read(run.to_owned()).await.unwrap().2
    }
}

fn fires(clock: &JumpClock, resolved_at: Option<Duration>, effect: &Effect) -> Reply {
    let Effect::Sighting(wanted) = effect else { panic!("{effect:?}") };
    let ends_at = Some(clock.now() + jiff::SignedDuration::from_secs(240));
    let seen = |f: &String| {
        (
            f.clone(),
            SeenAlert { starts_at: start(), ends_at, silenced_by: Vec::new(), inhibited_by: Vec::new() },
        )
    };
    let fires = resolved_at.is_none_or(|at| at > clock.steady());
    let seen = wanted.fingerprints.iter().filter(|_| fires).map(seen).collect();
    let peer = PeerSight { url: "p".to_owned(), failed: None, started_at: None, answered_at: None, seen };
    Reply::Sighted(Sighted { at: clock.now(), peers: vec![peer] })
}

impl Process {
    /// Admits a delivery and works until nothing is left to do.
    pub(super) async fn go(&self, library: &Library, delivery: &Delivery) -> (Vec<Offer>, Vec<RunEnd>) {
        self.engine.work_off(library, delivery, Vec::new()).await.unwrap()
    }

    /// Goes on with what other processes left.
    pub(super) async fn resume(&self) -> Vec<RunEnd> {
        let resumed = self.engine.take(Take::Due, 100).await.unwrap();
        self.engine.complete(&Library::new(Vec::new()), None, &mut Vec::new(), resumed).await.unwrap()
    }

    /// Returns the paths of what was done, but for looks at the alert; holds with what was done to them.
    pub(super) fn done(&self) -> Vec<String> {
        let calls = self.performer.calls();
        let word = |action| match action {
            HoldAction::Make => "make",
            HoldAction::Renew => "renew",
            HoldAction::Release => "release",
        };
        let shown = calls.iter().filter_map(|call| match &call.effect {
            Effect::Sighting(_) => None,
            Effect::Hold(hold) => Some(format!("{} {}", word(hold.action), call.path)),
            _ => Some(call.path.clone()),
        });
        shown.collect()
    }
}

/// Returns how runs were left, in words.
pub(super) fn words(ends: &[RunEnd]) -> Vec<String> {
    let word = |end: &RunEnd| match &end.kind {
        RunEndKind::Finished(status) => status.as_str().to_owned(),
        RunEndKind::Parked(_) => format!("parked: {}", end.reason),
        RunEndKind::TakenAway => "taken away".to_owned(),
        RunEndKind::Abandoned => "abandoned".to_owned(),
        RunEndKind::StoreFailed(error) => error.to_string(),
    };
    ends.iter().map(word).collect()
}

/// Returns the verdicts on offers, in words.
pub(super) fn verdicts(offers: &[Offer]) -> Vec<String> {
    let word = |offer: &Offer| match &offer.answer {
        OfferAnswer::Started(_) => "started".to_owned(),
        OfferAnswer::Later(closed) => format!("later: {}", closed.reason.as_str()),
        OfferAnswer::Skip(skip) => format!("skip: {}", skip.word()),
    };
    let mut words: Vec<_> = offers.iter().map(word).collect();
    words.sort();
    words
}

/// Returns in which order runs were started for which host.
pub(super) fn hosts(process: &Process) -> Vec<String> {
    let events = process.reporter.events();
    let started = events.iter().filter(|(_, event)| matches!(event.event, RunEvent::RunStarted(_)));
    started.map(|(header, _)| header.labels.get("instance").cloned().unwrap_or_default()).collect()
}
