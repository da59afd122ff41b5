//! The ports of the engine: [`Store`], [`Performer`], [`Clock`], [`Reporter`]. Adapters implement them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::model::{Alert, traceparent};
use crate::playbook::{Need, TriggerStatus, WhenBusy};
use crate::run::{Closed, GateAsk, GateChange, GateState, LaterReason, RunEvent, RunStatus, Signal, Stamped};
use crate::step::{Effect, Reply, Watch};

/// A boxed future, so that ports can be trait objects.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Says whether a signal may be left, by the run's journal and the signals that are not in it yet.
pub type Judge = Box<dyn FnOnce(&[Stamped], &[Signal]) -> bool + Send>;

/// The wall clock, which may be set, and a steady one, which may not; timers on both. The only way to learn the time.
pub trait Clock: Send + Sync {
    /// Returns the present.
    fn now(&self) -> Timestamp;
    /// Returns the time since some moment, always the same one, whatever is done to the wall clock meanwhile.
    fn steady(&self) -> Duration;
    /// Waits until then by the wall clock; returns at once when it is past.
    fn sleep_until(&self, until: Timestamp) -> Answer<'_, ()>;
    /// Waits that long by the steady clock: what is done now and again goes on when the wall clock is set back.
    fn sleep(&self, time: Duration) -> Answer<'_, ()>;
}

/// One effect to be performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The run.
    pub run: String,
    /// The step's path, or the hold's id.
    pub path: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// What to do.
    pub effect: Effect,
}

impl Call {
    /// Returns the mark that a command carries as `AMFLOW_ATTEMPT`, by which recovery finds it.
    pub fn mark(&self) -> String {
        format!("{}/{}#{}", self.run, self.path, self.attempt)
    }

    /// Returns what tells a server or a command for which span of the run's trace it works.
    pub fn traceparent(&self) -> String {
        traceparent(&self.run, &self.path, self.attempt)
    }
}

/// Does effects.
pub trait Performer: Send + Sync {
    /// Performs one effect. Never fails: what goes wrong is a reply.
    ///
    /// `limit` is monotonic time; `stop` ends it early (TERM, then KILL for a process group).
    fn perform<'a>(
        &'a self,
        call: &'a Call,
        limit: Duration,
        stop: &'a CancellationToken,
    ) -> Answer<'a, Reply>;

    /// Says why something that a playbook needs, and that is configured, cannot be had at present: a file that is
    /// not there, a variable that is not set. Nothing is asked over the network.
    fn lacks(&self, _need: &Need) -> Option<String> {
        None
    }

    /// Finds the processes that attempts of these runs left behind (a process of ours that was
    /// killed could not end them), ends them whole, and returns the marks of those found.
    fn end_survivors<'a>(&'a self, runs: &'a [String]) -> Answer<'a, Vec<String>>;
}

/// Sees every event of every run, once it is durable. Never slows the engine: it must not block.
pub trait Reporter: Send + Sync {
    /// A run's event was recorded.
    fn event(&self, run: &RunHeader, event: &Stamped);
    /// This process goes on with a run that it did not start just now: its journal until then. `orphaned`: the
    /// process that had it was killed, or lost hold of it.
    fn resumed(&self, _run: &RunHeader, _journal: &[Stamped], _orphaned: bool) {}
    /// This process is done with a run: it is over, parked or taken away.
    fn ended(&self, _end: &super::RunEnd) {}
    /// Something for people that is no event: a lost lease, a peer that does not answer.
    fn notice(&self, text: &str);
    /// The same, when it is as it should be and nobody has to look.
    fn remark(&self, text: &str) {
        self.notice(text);
    }
}

/// What listings and reporters show of a run without its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHeader {
    /// The run's id.
    pub run: String,
    /// The playbook's name.
    pub playbook: String,
    /// Digest of the playbook's text.
    pub digest: String,
    /// For which state of the alert it was started.
    pub trigger: TriggerStatus,
    /// The target: the group's labels, or the alert's name and labels, for people.
    pub target: String,
    /// Labels of the oldest alert.
    pub labels: BTreeMap<String, String>,
    /// The scope of its alerts.
    pub scope: String,
}

/// An episode: one firing of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EpisodeKey {
    /// Whose alert it is.
    pub scope: String,
    /// The alert's fingerprint, 16 hex digits.
    pub fingerprint: String,
    /// The episode's first startsAt, in milliseconds since the epoch.
    pub starts_at_ms: i64,
}

/// What a delivery says of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Whose alert it is.
    pub scope: String,
    /// The alert's fingerprint, 16 hex digits.
    pub fingerprint: String,
    /// Its startsAt, truncated to milliseconds.
    pub starts_at: Timestamp,
    /// Whether nobody said when it began: then it goes on with what is open.
    pub start_is_guessed: bool,
    /// Its endsAt (a lease while it fires).
    pub ends_at: Option<Timestamp>,
    /// Whether it fires.
    pub firing: bool,
    /// The alert itself, to be kept with an open episode: its labels tell of its end when no delivery does.
    pub alert: Option<Arc<Alert>>,
}

/// An episode that is not known to be over, with what is known of its alert.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEpisode {
    /// Its key.
    pub key: EpisodeKey,
    /// The last endsAt seen.
    pub ends_at: Option<Timestamp>,
    /// The alert as it was first seen.
    pub alert: Alert,
}

/// The episode that an observation belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Its key; differs from the observation's startsAt when that shifted within the episode.
    pub key: EpisodeKey,
    /// When it was last known to fire.
    pub last_firing: Option<Timestamp>,
    /// The last endsAt seen.
    pub ends_at: Option<Timestamp>,
    /// When it was said to be over.
    pub closed_at: Option<Timestamp>,
    /// Claims on it: playbook and status, to the run that made them.
    pub claims: Vec<Claim>,
}

impl Episode {
    /// Returns the episode that an observation begins, when nothing is known of its alert.
    pub fn of_new(seen: &Observation) -> Episode {
        Episode {
            key: EpisodeKey {
                scope: seen.scope.clone(),
                fingerprint: seen.fingerprint.clone(),
                starts_at_ms: seen.starts_at.as_millisecond(),
            },
            last_firing: None,
            ends_at: None,
            closed_at: None,
            claims: Vec::new(),
        }
    }

    /// Returns whether admission decides about it as about one of which nothing was known.
    pub fn is_new(&self, seen: &Observation) -> bool {
        self.key.starts_at_ms == seen.starts_at.as_millisecond() && self.claims.is_empty()
    }
}

/// The durable fact that a playbook has taken an episode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The playbook.
    pub playbook: String,
    /// For which state.
    pub trigger: TriggerStatus,
    /// The run that took it.
    pub run: String,
}

/// A process that holds leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// The host's boot id: a pid means nothing after a reboot.
    pub boot_id: String,
    /// Process id.
    pub pid: u32,
    /// The process's start time in clock ticks since boot, as /proc has it: a pid can be used again.
    pub start_time: u64,
}

/// What is known of the life of a process that holds leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It lives, on this host: its leases hold, whatever the clock says of them.
    Lives,
    /// It was on this host, and is gone.
    Gone,
    /// It is on another host, or in another container: its leases tell.
    Unknown,
}

/// Tells what is known of the life of a process.
pub type LifeOf = Arc<dyn Fn(&Owner) -> Life + Send + Sync>;

/// A hold on a run by a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// The run.
    pub run: String,
    /// Grows with each taking: a process which lost the lease cannot write.
    pub epoch: u64,
    /// The journal's length as of the taking.
    pub seq: u64,
}

/// What admission asks of the store for one run, to be granted or refused as a whole.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The run to be.
    pub header: RunHeader,
    /// Episodes to claim. Those that are claimed already are left out; with none left it is refused.
    pub episodes: Vec<EpisodeKey>,
    /// Limits to pass.
    pub gates: Vec<GateAsk>,
    /// The concurrency key, when the playbook has one.
    pub key: Option<KeyAsk>,
    /// The playbook's text as compiled: kept under its digest.
    pub text: Arc<str>,
    /// First events; `RunStarted` first.
    pub events: Vec<RunEvent>,
    /// The target under which it may have been put off: no longer, once it starts.
    pub put_off: Option<String>,
}

/// A concurrency key that a run needs.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyAsk {
    /// The rendered key.
    pub key: String,
    /// What to do when another run holds it.
    pub when_busy: WhenBusy,
}

/// What became of an [`Ask`].
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// It started; with a concurrency key that is taken it is queued (`granted` false).
    Started {
        /// The lease on it.
        lease: Lease,
        /// The header of the ask.
        header: RunHeader,
        /// Episodes that were claimed (those of the ask that nobody had).
        episodes: Vec<EpisodeKey>,
        /// Whether it holds its concurrency key (or needs none).
        granted: bool,
        /// The events as recorded.
        events: Vec<Stamped>,
    },
    /// Every episode is claimed already; one of the runs that has one.
    Claimed {
        /// The run that has it.
        run: String,
    },
    /// A gate is closed.
    Later(Closed),
}

/// A run taken by this process, with all that is known of it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The lease on it.
    pub lease: Lease,
    /// Its header.
    pub header: RunHeader,
    /// The text of its playbook.
    pub text: Arc<str>,
    /// Its journal.
    pub journal: Vec<Stamped>,
    /// Whether it was taken from an owner that is gone (as opposed to parked by its owner).
    pub orphaned: bool,
    /// Signals not yet in its journal.
    pub signals: Vec<Signal>,
    /// Whether it holds its concurrency key (or needs none).
    pub granted: bool,
}

/// What was put off, and is offered again.
#[derive(Clone, Debug, PartialEq)]
pub struct Later {
    /// The playbook.
    pub playbook: String,
    /// The target, for one row a target.
    pub target: String,
    /// For which state.
    pub trigger: TriggerStatus,
    /// Whose alerts these are.
    pub scope: String,
    /// The alerts, in the shape of API v2.
    pub alerts: Vec<Value>,
    /// Why.
    pub closed: Closed,
    /// When it was first put off.
    pub since: Timestamp,
}

/// How many targets of a playbook are put off for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterCount {
    /// The playbook.
    pub playbook: String,
    /// The reason.
    pub reason: LaterReason,
    /// How many targets.
    pub targets: u64,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSummary {
    /// What it is.
    #[serde(flatten)]
    pub header: RunHeader,
    /// Its status.
    pub status: RunStatus,
    /// Why, when it is over or waits.
    pub reason: String,
    /// When it was admitted.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// When its last event was recorded.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: Timestamp,
    /// When it goes on by itself.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub due: Option<Timestamp>,
    /// The process that works on it.
    pub owner: Option<Owner>,
}

/// How many runs of a playbook have a status.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCount {
    /// The playbook.
    pub playbook: String,
    /// The status.
    pub status: RunStatus,
    /// How many.
    pub runs: u64,
    /// When the last of them was admitted.
    pub last_started_at: Timestamp,
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only these statuses; empty: all.
    pub statuses: Vec<RunStatus>,
    /// Only this playbook.
    pub playbook: Option<String>,
    /// Only runs started at or after this.
    pub since: Option<Timestamp>,
    /// Only runs started before this.
    pub until: Option<Timestamp>,
    /// Only runs that were admitted before this one: the next page of a listing.
    pub before: Option<String>,
    /// Only ids that begin or end so: as people name a run.
    pub id_part: Option<String>,
    /// At most so many, newest first; 0: all.
    pub limit: usize,
}

/// Which unfinished runs a process takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// Those that are due, and those whose owner is gone.
    Due,
    /// These, due or not.
    These(Vec<String>),
    /// These, though this very process has their leases: it has lost hold of them, because the store
    /// failed in the middle. They are taken as from an owner that is gone.
    Again(Vec<String>),
}

/// How a run is left by the process that worked on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parking {
    /// Goes on then; `None`: when a signal comes.
    pub until: Option<Timestamp>,
    /// `Waiting` or `Queued`.
    pub status: RunStatus,
    /// For listings.
    pub reason: String,
}

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process took the run over: nothing was written.
    #[error("run {run} was taken over by another process")]
    Fenced {
        /// The run.
        run: String,
    },
    /// No such run.
    #[error("no run `{run}` in {store}")]
    NoSuchRun {
        /// What was asked for.
        run: String,
        /// The store's place.
        store: String,
    },
    /// The store cannot be opened.
    #[error("cannot open the store {path}: {reason}")]
    Open {
        /// Its place.
        path: String,
        /// Why, and how to mend it.
        reason: String,
    },
    /// The store was written by a later version.
    #[error("the store {path} has version {found}, this amflow knows up to {known}: use the newer amflow")]
    Version {
        /// Its place.
        path: String,
        /// Its version.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// Another process kept it locked for too long.
    #[error("the store {path} is busy: another process has held its lock for {waited:?}")]
    Busy {
        /// Its place.
        path: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The disk is full, or a limit on file size was met.
    #[error("the store {path} cannot grow: {reason}")]
    Full {
        /// Its place.
        path: String,
        /// As the system says it.
        reason: String,
    },
    /// Anything else.
    #[error("the store {path} failed to {what}: {reason}")]
    Failed {
        /// Its place.
        path: String,
        /// What was tried.
        what: &'static str,
        /// As SQLite says it.
        reason: String,
    },
}

impl StoreError {
    /// The words of [`reason`](StoreError::reason).
    pub const REASONS: [&'static str; 5] = ["busy", "failed", "full", "open", "version"];

    /// Returns in one word what the store fails at; `None` when it is well and the answer is no.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            StoreError::Fenced { .. } | StoreError::NoSuchRun { .. } => None,
            StoreError::Open { .. } => Some("open"),
            StoreError::Version { .. } => Some("version"),
            StoreError::Busy { .. } => Some("busy"),
            StoreError::Full { .. } => Some("full"),
            StoreError::Failed { .. } => Some("failed"),
        }
    }
}

/// Where journals, episodes, claims and gates live. Every method is one transaction; concurrent
/// calls of one process share commits. `now` is the caller's clock.
pub trait Store: Send + Sync {
    /// Returns where it is, for people.
    fn place(&self) -> String;

    /// Records what a delivery says and returns the episode of each observation, in order.
    ///
    /// A startsAt before the last moment at which the open episode was known to fire belongs to it.
    fn observe(&self, seen: Vec<Observation>, now: Timestamp)
    -> Answer<'_, Result<Vec<Episode>, StoreError>>;

    /// The same without recording anything, for `plan`.
    fn preview_episodes(
        &self,
        seen: Vec<Observation>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Episode>, StoreError>>;

    /// Returns the open episodes of a scope whose alert is known and whose last endsAt is later than this, in
    /// the order in which they began to be known.
    fn open_episodes(
        &self,
        scope: String,
        ends_after: Timestamp,
    ) -> Answer<'_, Result<Vec<OpenEpisode>, StoreError>>;

    /// Returns the episode of each observation as it is known, without what the observation says of it.
    fn known_episodes(&self, seen: Vec<Observation>) -> Answer<'_, Result<Vec<Option<Episode>>, StoreError>>;

    /// Returns the scopes of the episodes that are known, each once, in order.
    fn scopes(&self) -> Answer<'_, Result<Vec<String>, StoreError>>;

    /// Admits runs: claims, gates, key and first events in one commit, each ask as a whole, in order.
    fn admit(
        &self,
        asks: Vec<Ask>,
        owner: Owner,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Admitted>, StoreError>>;

    /// Records what a delivery said `at` some time, and admits the runs that were asked for as if nothing were known of its alerts:
    /// one transaction for a delivery of what is new. Returns the episode of each observation, in order, and the
    /// answers; no answers when one of them is not as [`Episode::of_new`] has it: then the asks are made anew.
    fn take_in(
        &self,
        seen: Vec<Observation>,
        at: Timestamp,
        asks: Vec<Ask>,
        owner: Owner,
        now: Timestamp,
    ) -> Answer<'_, Result<(Vec<Episode>, Option<Vec<Admitted>>), StoreError>>;

    /// What `admit` would answer, without changing anything (leases are made up).
    fn preview(&self, asks: Vec<Ask>, now: Timestamp) -> Answer<'_, Result<Vec<Admitted>, StoreError>>;

    /// Appends events to a run's journal and changes gates, fenced by the lease; a final event frees
    /// the run's concurrency key for the next in the queue.
    fn append(
        &self,
        lease: Lease,
        events: Vec<RunEvent>,
        gates: Vec<GateChange>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Stamped>, StoreError>>;

    /// Takes unfinished runs. A run is taken only when it is parked, when its owner was on this host and is gone
    /// (which `life_of` tells), or when nothing is known of its owner and its lease expired.
    ///
    /// Where a run was written to later than `now`, the clock was set back since: it is due as much later as it was
    /// then. Where a lease ends later than a new one would, it ends with that.
    fn take(
        &self,
        which: Take,
        max: usize,
        owner: Owner,
        life_of: LifeOf,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Taken>, StoreError>>;

    /// Renews leases; returns for each the signals not yet taken and whether its key was granted;
    /// a lease that was lost is an error in its place.
    fn renew(
        &self,
        leases: Vec<Lease>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<Result<Renewed, StoreError>>, StoreError>>;

    /// Gives a run up until it is due; ends the lease.
    fn park(&self, lease: Lease, parking: Parking, now: Timestamp) -> Answer<'_, Result<(), StoreError>>;

    /// Leaves a signal for a run, and makes it due.
    fn signal(&self, run: String, signal: Signal, now: Timestamp) -> Answer<'_, Result<(), StoreError>>;

    /// Leaves a signal for a run, and makes it due, unless `judge` is against it, which sees the run's journal
    /// and the signals that are not in it yet. Nothing comes between its look and the signal. Returns whether it
    /// was left; a run that is over takes none.
    fn signal_if(
        &self,
        run: String,
        signal: Signal,
        judge: Judge,
        now: Timestamp,
    ) -> Answer<'_, Result<bool, StoreError>>;

    /// Returns the signals of a run that are not in its journal yet, oldest first.
    fn pending(&self, run: String) -> Answer<'_, Result<Vec<Signal>, StoreError>>;

    /// Returns a run's header, text and journal, for reading only.
    fn read(&self, run: String) -> Answer<'_, Result<(RunSummary, Arc<str>, Vec<Stamped>), StoreError>>;

    /// Lists runs, newest first.
    fn list(&self, filter: RunFilter) -> Answer<'_, Result<Vec<RunSummary>, StoreError>>;

    /// Counts runs by playbook and status.
    fn counts(&self) -> Answer<'_, Result<Vec<RunCount>, StoreError>>;

    /// Stores what was put off, one row a playbook, scope and target; keeps the first `since`.
    fn put_later(&self, later: Vec<Later>) -> Answer<'_, Result<(), StoreError>>;

    /// Returns what was put off, oldest first; `due` only what may pass by now: no `until`, or it is past; or it was
    /// put off in the future, before the clock was set back.
    fn later(&self, due: Option<Timestamp>) -> Answer<'_, Result<Vec<Later>, StoreError>>;

    /// Counts what was put off, by playbook and reason.
    fn count_later(&self) -> Answer<'_, Result<Vec<LaterCount>, StoreError>>;

    /// Returns the playbooks that have put off something which may pass by now, in order of names.
    fn later_playbooks(&self, due: Timestamp) -> Answer<'_, Result<Vec<String>, StoreError>>;

    /// Returns what a playbook has put off and may pass by now, oldest first: `max` rows after `skip`.
    fn later_of(
        &self,
        playbook: String,
        due: Timestamp,
        skip: usize,
        max: usize,
    ) -> Answer<'_, Result<Vec<Later>, StoreError>>;

    /// Drops what was put off for these (playbook, scope, target).
    fn drop_later(&self, keys: Vec<(String, String, String)>) -> Answer<'_, Result<(), StoreError>>;

    /// Returns gates whose key begins so.
    fn gates(&self, prefix: String) -> Answer<'_, Result<Vec<(String, GateState)>, StoreError>>;

    /// Changes gates by hand (pause, unpause, reset).
    fn change_gates(
        &self,
        changes: Vec<GateChange>,
        now: Timestamp,
    ) -> Answer<'_, Result<Vec<GateState>, StoreError>>;

    /// Returns open failures that were raised as alerts (`sync.on_failure`), to be posted again or resolved.
    fn raised(&self) -> Answer<'_, Result<Vec<Raised>, StoreError>>;

    /// Adds, replaces (same id) or removes raised alerts.
    fn put_raised(&self, add: Vec<Raised>, remove: Vec<String>) -> Answer<'_, Result<(), StoreError>>;

    /// Deletes finished runs whose last event is before then (claims stay while their episode is
    /// open), and returns how many runs went; with `dry_run` only counts.
    fn prune(&self, before: Timestamp, dry_run: bool) -> Answer<'_, Result<u64, StoreError>>;
}

/// An alert of amflow's own that stands in Alertmanager until the original is resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raised {
    /// The run with the hold's id; the breaker's key; the key of a gate of comebacks with the alert's fingerprint.
    pub id: String,
    /// What is posted.
    pub alert: crate::step::AlertHold,
    /// The scope of the alerts whose end ends it.
    pub scope: String,
    /// What is known of those alerts; of none for a breaker.
    #[serde(default)]
    pub watch: Watch,
    /// Since when nobody can say whether those alerts still fire: it is posted no more, and lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<Timestamp>,
    /// The playbook whose later success for the same target ends it.
    pub playbook: String,
    /// The target.
    pub target: String,
}

/// What a renewal brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renewed {
    /// Signals not yet in the journal.
    pub signals: Vec<Signal>,
    /// Whether the run holds its concurrency key (or needs none).
    pub granted: bool,
    /// The pause in force for its playbook, if any: no new effect meanwhile, except in `finally`.
    pub paused: bool,
}

/// How far the clocks of hosts that share a store may lie apart. What was written further in the future was written
/// before the clock was set back.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(5);
/// How long a lease lasts without a renewal.
pub const LEASE: Duration = Duration::from_secs(30);
