//! [`PlaybookSpec`]: what people may write in a playbook, as types; their docstrings are the reference.
//!
//! The JSON Schema of these types is what a file is walked against ([`super::schema`]).

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// A playbook: which alerts it works on, within which limits, and the steps that it takes.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "playbook")]
pub struct PlaybookSpec {
    /// The version of the language: 1.
    pub version: Version,
    /// Its name, unique over all files: lower-case letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// What it is for, in one line.
    pub description: Option<String>,
    /// Whose it is: a team, an address.
    pub owner: Option<String>,
    /// Where people read more.
    pub runbook_url: Option<String>,
    /// Alertmanager's matchers, all of which must hold: `alertname = DiskFull`. At least one must reject an
    /// alert without its label. One entry may be a list in braces: `'{a="b", c=~"d|e"}'`.
    pub matchers: Vec<String>,
    /// An expression that is seen per alert; the alert is left alone when it does not hold.
    pub when: Option<String>,
    /// For which state of the alert it runs: `firing` (the default), `resolved`, or `both`.
    pub status: Option<StatusSpec>,
    /// The alert has been firing at least this long: `2m`.
    #[serde(rename = "for")]
    pub firing_for: Option<String>,
    /// One run for all unclaimed alerts that have these labels in common; `[...]`: all labels. Left out: one
    /// run per alert.
    pub group_by: Option<Vec<String>>,
    /// Also work on alerts that are muted: `[silenced, inhibited]`.
    #[serde(default)]
    pub include: Vec<IncludeSpec>,
    /// Names of time intervals of the configuration: it runs inside one of these only.
    #[serde(default)]
    pub active_time_intervals: Vec<String>,
    /// Names of time intervals of the configuration: it does not run inside any of these.
    #[serde(default)]
    pub mute_time_intervals: Vec<String>,
    /// How often and how much it may work.
    pub limits: Option<LimitsSpec>,
    /// What it shares with others one at a time.
    pub concurrency: Option<ConcurrencySpec>,
    /// When the alert is looked at again: `start` (before the first effect, and after every wait; the
    /// default), `always` (before every step that is not `read_only`), or `never`.
    pub recheck: Option<RecheckSpec>,
    /// End the run, as `amflow runs cancel` does, when all its alerts have resolved meanwhile; `finally` still
    /// runs. A `wait: {until: resolved}` that is under way is not ended: it has what it waits for. Default
    /// `false`.
    pub cancel_on_resolved: Option<bool>,
    /// Of the whole run; waiting for people and queues does not count. Default `1h`; `none`: no limit.
    pub timeout: Option<String>,
    /// Of the steps under `finally`, beside `timeout`. Default `1m`.
    pub finally_timeout: Option<String>,
    /// What is written back to Alertmanager.
    pub sync: Option<SyncSpec>,
    /// Variables, read as `vars.NAME`. Text is a template; each may use those before it.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// The work, in order.
    pub steps: Vec<StepValue>,
    /// Steps after a failure; `failed` tells which step and why.
    #[serde(default)]
    pub on_failure: Vec<StepValue>,
    /// Steps at the end, however it ended.
    #[serde(default)]
    pub finally: Vec<StepValue>,
}

/// How often and how much a playbook may work. `none` takes a limit away.
#[derive(Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "limits")]
pub struct LimitsSpec {
    /// Between runs for the same target, from the end of the last. Default `15m`.
    pub cooldown: Option<String>,
    /// Runs per window: `3 in 24h`. Default `10 in 1h`.
    pub rate: Option<String>,
    /// Targets worked on at the same time: the blast radius. Default 1.
    pub targets: Option<String>,
    /// Failed runs in a row after which no more are started until `amflow breakers reset`. Default 3.
    pub breaker: Option<String>,
    /// An alert that fires again within `flap_window` after a run that succeeded has come back: nothing was
    /// mended. After so many comebacks of a target it is left to people, until `amflow breakers reset`.
    /// Default 3.
    pub max_comebacks: Option<String>,
    /// How soon after a run that succeeded a firing counts as a comeback. Default `30m`.
    pub flap_window: Option<String>,
    /// The playbook that gets an alert which came back too often, once for each time that it fires. The trigger of
    /// that playbook does not apply, its limits do. Without one `sync: {on_failure: alert}` raises `AmflowComesBack`.
    pub hand_over: Option<String>,
}

/// What a playbook shares with others one at a time.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "concurrency")]
pub struct ConcurrencySpec {
    /// A template; of all runs whose key becomes the same text, one works at a time.
    pub key: String,
    /// What to do when another run holds the key: `queue` (wait its turn; the default), `skip` (come back
    /// later), or `restart` (cancel the other).
    pub when_busy: Option<WhenBusySpec>,
}

/// What a run writes back to Alertmanager.
#[derive(Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "sync")]
pub struct SyncSpec {
    /// Mute exactly these alerts while working, by a posted alert and one inhibit rule.
    pub inhibit: Option<bool>,
    /// Mute these alerts while working, each by a silence on all its labels.
    pub silence: Option<bool>,
    /// `alert`: raise `AmflowRunFailed` when a run fails, `AmflowBreakerOpen` when the breaker opens, and
    /// `AmflowComesBack` for an alert that came back too often; `none` (the default): don't.
    pub on_failure: Option<OnFailureSpec>,
    /// At most so long muted per run. Default `30m`.
    pub max: Option<String>,
}

/// The keys that every step may have beside the one that says what it does.
#[derive(Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "step")]
pub struct StepSpec {
    /// Its name for other steps: `steps.ID.stdout`. Letters, digits, `_`.
    pub id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// An expression; the step is skipped when it does not hold.
    pub when: Option<String>,
    /// Of one attempt (of a block: of the whole). Default `5m`; `none`: no limit.
    pub timeout: Option<String>,
    /// Further attempts after a failure.
    pub retry: Option<RetrySpec>,
    /// Go on with the next step when this one failed.
    pub continue_on_error: Option<bool>,
    /// An expression that gives a list; the step is taken for each item, in order, as `item`.
    pub foreach: Option<String>,
    /// It changes nothing: it may also run in `plan --run-read-only`, and again when its end is unknown.
    pub read_only: Option<bool>,
    /// Doing it twice is the same as doing it once: it may be done again when its end is unknown.
    pub idempotent: Option<bool>,
    /// Variables of the environment of its command; values are templates.
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
}

/// Further attempts of a failed step.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "retry")]
pub struct RetrySpec {
    /// Attempts in all, the first among them.
    #[schemars(range(min = 1, max = 1000))]
    pub attempts: u32,
    /// Delay before the second attempt and the longest delay, `5s..1m`, doubling in between; or one
    /// duration. Default `1s..1m`.
    pub backoff: Option<String>,
}

/// `block`: steps of its own, in order.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "block")]
pub struct BlockSpec {
    /// In order.
    pub steps: Vec<StepValue>,
    /// Steps after a failure among `steps`; the block stays failed.
    #[serde(default)]
    pub on_failure: Vec<StepValue>,
    /// Steps at its end, however it ended.
    #[serde(default)]
    pub finally: Vec<StepValue>,
}

/// `playbook`: another playbook's steps, with variables of their own.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "playbook step")]
pub struct InlineSpec {
    /// The other playbook.
    pub name: String,
    /// Values for some of its `vars`.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
}

/// The version of the language.
#[derive(Debug)]
pub struct Version(pub u32);

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "const": 1})
    }
}

/// A text with holes, or `{secret: NAME}` for a secret of the configuration.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum EnvValue {
    /// A text with holes.
    Text(String),
    /// A secret of the configuration.
    Secret(SecretSpec),
}

/// The name of a secret of the configuration.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct SecretSpec {
    /// The secret's name.
    pub secret: String,
}

/// A step, which is split by its kind and not by its type.
#[derive(Debug)]
pub struct StepValue(pub Value);

impl JsonSchema for StepValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Step".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"$ref": "#/$defs/Step"})
    }
}

/// For which state of the alert a playbook runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StatusSpec {
    /// While it fires.
    #[default]
    Firing,
    /// When it has resolved.
    Resolved,
    /// Once for each.
    Both,
}

/// A state in which alerts are left alone unless it is named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum IncludeSpec {
    /// Muted by a silence.
    Silenced,
    /// Muted by another alert.
    Inhibited,
}

/// When the alert is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum RecheckSpec {
    /// Before the first effect, and after every wait.
    Start,
    /// Before every step that is not `read_only`.
    Always,
    /// Never.
    Never,
}

/// What a run does when another one holds its concurrency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum WhenBusySpec {
    /// Waits its turn.
    Queue,
    /// Comes back later.
    Skip,
    /// Cancels the other.
    Restart,
}

/// What a failed run does in Alertmanager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnFailureSpec {
    /// Raises `AmflowRunFailed`, `AmflowBreakerOpen`, `AmflowComesBack`.
    Alert,
    /// Nothing.
    None,
}
