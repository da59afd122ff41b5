//! [`Playbook`]: what a file says, parsed into checked types once; nothing is parsed again while running.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Matcher, PlaybookName, TimeInterval};
use crate::step::Action;
use crate::template::{Expression, JsonTemplate, TextTemplate};
use crate::text::{SourceFile, Span};

/// A trigger and its steps.
#[derive(Debug)]
pub struct Playbook {
    /// Its name, unique in the library.
    pub name: PlaybookName,
    /// SHA-256 of `text`, hex, first 16 digits.
    pub digest: String,
    /// The document's text (with inlined playbooks' texts), from which a run in flight is compiled again.
    pub text: Arc<str>,
    /// Where it stands: `playbooks/disk.yaml:1`.
    pub place: String,
    /// What it is for.
    pub description: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// Where people read more.
    pub runbook_url: Option<String>,
    /// When it runs.
    pub trigger: Trigger,
    /// How often and how much.
    pub limits: Limits,
    /// What it shares with others one at a time.
    pub concurrency: Option<Concurrency>,
    /// When the alert is looked at again.
    pub recheck: Recheck,
    /// Of the whole run; people and queues don't count. `None`: no limit.
    pub timeout: Option<Duration>,
    /// Of `finally`, after everything else.
    pub finally_timeout: Duration,
    /// Whether the run is cancelled when all its alerts have resolved.
    pub cancel_on_resolved: bool,
    /// What is written back to Alertmanager.
    pub sync: Sync,
    /// Variables, in the order written: each may use those before it.
    pub vars: Vec<(String, JsonTemplate)>,
    /// The work.
    pub steps: Vec<Step>,
    /// After a failure.
    pub on_failure: Vec<Step>,
    /// At the end, however it ended.
    pub finally: Vec<Step>,
    /// What it needs of the configuration, each once, in the order in which it is first written.
    pub needs: Vec<Needed>,
}

/// One thing that a playbook needs, and where it is first written.
#[derive(Clone, Debug)]
pub struct Needed {
    /// What it is.
    pub need: Need,
    /// What for, in the playbook's words (`verify`, `sync.inhibit`); empty where the need says it.
    pub purpose: String,
    /// The file.
    pub file: Arc<SourceFile>,
    /// The place in it.
    pub span: Span,
}

/// Something of the configuration without which a playbook can't do its work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// The Alertmanager.
    Alertmanager,
    /// The Prometheus.
    Prometheus,
    /// The connection of this name.
    Connection(String),
    /// The secret of this name.
    Secret(String),
    /// The variable of the environment of this name.
    Variable(String),
    /// The group of people of this name.
    Group(String),
}

/// Which alerts a playbook works on.
#[derive(Debug)]
pub struct Trigger {
    /// All must hold; at least one rejects the empty string.
    pub matchers: Vec<Matcher>,
    /// Seen per alert.
    pub when: Option<Expression>,
    /// For which states it runs: firing, resolved, or both.
    pub statuses: Vec<TriggerStatus>,
    /// Has been firing at least this long.
    pub firing_for: Duration,
    /// `None`: one run per alert.
    pub group_by: Option<GroupBy>,
    /// Whether silenced alerts are worked on, too.
    pub include_silenced: bool,
    /// Whether inhibited alerts are worked on, too.
    pub include_inhibited: bool,
    /// Inside one of these only; empty: always.
    pub active_time_intervals: Vec<Arc<TimeInterval>>,
    /// Not inside any of these.
    pub mute_time_intervals: Vec<Arc<TimeInterval>>,
}

/// For which state of an alert a run is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerStatus {
    /// It began to fire.
    Firing,
    /// It ended.
    Resolved,
}

impl TriggerStatus {
    /// Returns `firing` or `resolved`.
    pub fn as_str(self) -> &'static str {
        match self {
            TriggerStatus::Firing => "firing",
            TriggerStatus::Resolved => "resolved",
        }
    }
}

/// What makes one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// `[...]`: all labels.
    All,
    /// These labels; never empty.
    Labels(Vec<String>),
}

/// The limits of a playbook; `None` is the explicit `none`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Between runs for the same target, from the end of the last. Default 15m.
    pub cooldown: Option<Duration>,
    /// Runs per window. Default 10 in 1h.
    pub rate: Option<(u32, Duration)>,
    /// Targets worked on at the same time. Default 1.
    pub targets: Option<u32>,
    /// Failed runs in a row that open the breaker. Default 3.
    pub breaker: Option<u32>,
    /// Comebacks of a target that are worked on. Default 3.
    pub max_comebacks: Option<u32>,
    /// How soon after a run that succeeded a firing is a comeback. Default 30m.
    pub flap_window: Duration,
    /// The playbook that gets an alert which came back too often.
    pub hand_over: Option<String>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cooldown: Some(Duration::from_secs(15 * 60)),
            rate: Some((10, Duration::from_secs(3_600))),
            targets: Some(1),
            breaker: Some(3),
            max_comebacks: Some(3),
            flap_window: Duration::from_secs(30 * 60),
            hand_over: None,
        }
    }
}

/// A key that is held by one run at a time, across playbooks.
#[derive(Debug)]
pub struct Concurrency {
    /// The key, seen with `alert`, `alerts`, `group`, `vars`.
    pub key: TextTemplate,
    /// What to do when another run holds it.
    pub when_busy: WhenBusy,
}

/// What a run does when another one holds its concurrency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// Waits its turn: first come, first served.
    #[default]
    Queue,
    /// Does not start; comes back later.
    Skip,
    /// Cancels the holder and takes its place.
    Restart,
}

/// When the alert is looked at again before effects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recheck {
    /// Before the first effect, and after every wait for time, lock or person; left out when there is
    /// no Alertmanager and nobody asked for it.
    #[default]
    Default,
    /// The same, asked for by name.
    Start,
    /// Before every step that is not `read_only`.
    Always,
    /// Never.
    Never,
}

/// What is written back to Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Mute exactly these alerts by a posted alert while working.
    pub inhibit: bool,
    /// Mute exactly these alerts by a silence while working.
    pub silence: bool,
    /// Raise `AmflowRunFailed` on failure, `AmflowBreakerOpen` when the breaker opens, and `AmflowComesBack` for an
    /// alert that came back too often and is handed over to no playbook.
    pub alert_on_failure: bool,
    /// At most so long muted per run. Default 30m.
    pub max: Duration,
}

impl Default for Sync {
    fn default() -> Sync {
        Sync { inhibit: false, silence: false, alert_on_failure: false, max: Duration::from_secs(30 * 60) }
    }
}

/// One item of work.
#[derive(Debug)]
pub struct Step {
    /// Its segment of the path: the id as written, or `step3` for the third of its list (unique there).
    pub id: String,
    /// Whether the id was written, so that `steps.<id>` may be read.
    pub named: bool,
    /// For people; the id when none was written.
    pub name: String,
    /// Skipped when false.
    pub when: Option<Expression>,
    /// Of one attempt; `None`: no limit. For a block: of the whole.
    pub timeout: Option<Duration>,
    /// Further attempts.
    pub retry: Retry,
    /// A failure does not end its list.
    pub continue_on_error: bool,
    /// A list: the step is done for each item, in order, as `item`.
    pub foreach: Option<Expression>,
    /// Changes nothing, says the author or the kind.
    pub read_only: bool,
    /// Twice is the same as once, says the author.
    pub idempotent: bool,
    /// What it does.
    pub body: Body,
    /// Where it stands: `playbooks/disk.yaml:31`.
    pub place: String,
}

/// What a step does.
#[derive(Debug)]
pub enum Body {
    /// Work of a kind.
    Action(Box<dyn Action>),
    /// Steps in order.
    Block(Block),
    /// Steps side by side; fails when one fails, after all have ended.
    Parallel(Vec<Step>),
}

/// Steps in order, with their own handlers. An inlined playbook is one, with its own `vars`.
#[derive(Debug, Default)]
pub struct Block {
    /// In order.
    pub steps: Vec<Step>,
    /// After a failure in `steps`; the block stays failed.
    pub on_failure: Vec<Step>,
    /// At its end, however it ended.
    pub finally: Vec<Step>,
    /// `Some` for an inlined playbook: its `vars`, which hide the parent's.
    pub vars: Option<BlockVars>,
}

/// The variables of an inlined playbook.
#[derive(Debug, Default)]
pub struct BlockVars {
    /// Values that the step gives, filled as the names of the parent say.
    pub given: Vec<(String, JsonTemplate)>,
    /// The playbook's own, in the order written: each sees what is given and those before it.
    pub own: Vec<(String, JsonTemplate)>,
}

/// Further attempts of a failed step.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// In all, from 1.
    pub attempts: u32,
    /// Delay before the second attempt; doubles up to `max`, with jitter.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts: 1, min: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}
