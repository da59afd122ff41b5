//! What people have to do: [`open_tasks`], [`find_task`], and [`decide`], the one way in which a decision is made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use super::by_hand::new_id;
use super::ports::{RunFilter, RunSummary, Store, StoreError};
use crate::run::{RunEvent, RunStatus, Signal, SignalKind, Stamped, TaskState, tasks_of};
use crate::step::{Decision, Outcome, Refusal, Standing, Task};

/// A task with the run that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunTask {
    /// The run.
    pub run: RunSummary,
    /// Who started it.
    pub started_by: Option<String>,
    /// The task, as it stands now: what was said since the run last looked is in it, too.
    pub state: TaskState,
    /// How it stands.
    pub status: TaskStatus,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskStatus {
    /// Somebody must decide.
    Open {
        /// How many more people must approve.
        missing: u32,
    },
    /// Enough people approved, or nobody had to.
    Approved,
    /// Somebody said no.
    Rejected,
    /// The time to decide is over, and nobody did.
    Expired,
    /// Nobody is needed any more: the alert resolved, or the run was cancelled.
    Cancelled,
}

impl TaskStatus {
    /// Returns the one word that every output uses.
    pub fn as_str(&self) -> &'static str {
        match self {
            TaskStatus::Open { .. } => "open",
            TaskStatus::Approved => "approved",
            TaskStatus::Rejected => "rejected",
            TaskStatus::Expired => "expired",
            TaskStatus::Cancelled => "cancelled",
        }
    }
}

/// Which open tasks to list.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Only of this playbook.
    pub playbook: Option<String>,
    /// Only of this run: its whole id.
    pub run: Option<String>,
    /// Only those that this person, in these groups, may decide and has not approved yet.
    pub of: Option<(String, Vec<String>)>,
}

/// What a person says to a task.
#[derive(Clone, Debug, Default)]
pub struct Say {
    /// Whether the run may go on.
    pub approve: bool,
    /// Who: a name that was proved before.
    pub by: String,
    /// Their groups, by the configuration.
    pub groups: Vec<String>,
    /// Their words.
    pub comment: String,
    /// Their answers: values of the type that is asked for, or the texts that were typed.
    pub inputs: BTreeMap<String, Value>,
    /// The digest of the task that they saw; `None`: whatever is asked now.
    pub digest: Option<String>,
    /// How: `command`, `terminal`, `link`, `api`.
    pub via: String,
}

/// What a decision came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The task, with the decision.
    pub task: RunTask,
    /// Whether a process works on the run now, and goes on with it within seconds.
    pub attended: bool,
}

/// Why a decision was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run asks nothing at that step.
    #[error("run {run} asks nothing{}", step.as_ref().map_or(String::new(), |step| format!(" at `{step}`")))]
    NoTask {
        /// The run.
        run: String,
        /// The step that was named.
        step: Option<String>,
    },
    /// Several tasks of the run are open, and none was named.
    #[error("run {run} asks several things: {}", steps.join(", "))]
    Ambiguous {
        /// The run.
        run: String,
        /// Its steps that ask.
        steps: Vec<String>,
    },
    /// Nobody is needed any more.
    #[error("it is not asked any more: {reason}")]
    Over {
        /// Why.
        reason: String,
    },
    /// The decision is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Bytes of a comment, at most.
const MOST_COMMENT: usize = 4096;

/// Returns the tasks that somebody must decide, those that wait longest first.
///
/// # Errors
///
/// The store's.
pub async fn open_tasks(
    store: &dyn Store,
    filter: &TaskFilter,
    now: Timestamp,
) -> Result<Vec<RunTask>, StoreError> {
    let statuses = vec![RunStatus::Waiting, RunStatus::Running];
    let runs = RunFilter {
        statuses,
        playbook: filter.playbook.clone(),
        id_part: filter.run.clone(),
        ..RunFilter::default()
    };
    let mut open = Vec::new();
    for run in store.list(runs).await? {
        let tasks = match tasks_of_run(store, &run.header.run, now).await {
            Ok(tasks) => tasks,
            // It was pruned between the two.
            Err(StoreError::NoSuchRun { .. }) => continue,
            Err(error) => return Err(error),
        };
        let is_theirs =
            |task: &RunTask| filter.of.as_ref().is_none_or(|(who, groups)| is_for(task, who, groups));
        let is_open = |task: &RunTask| matches!(task.status, TaskStatus::Open { .. });
        open.extend(tasks.into_iter().filter(|task| is_open(task) && is_theirs(task)));
    }
    open.sort_by_key(|task| task.state.task.asked_at);
    Ok(open)
}

/// Tells whether a person may decide a task, and has not done so yet.
fn is_for(task: &RunTask, who: &str, groups: &[String]) -> bool {
    let asked = &task.state.task;
    let approved = match asked.standing(&task.state.decisions) {
        Standing::Open(approved) => approved,
        Standing::Approved(_) | Standing::Rejected(_) => return false,
    };
    asked.may_decide(who, groups).is_ok() && approved.iter().all(|other| other.by != who)
}

/// Returns one task of a run, open or not: that of a step; without one the open one, else the last.
///
/// # Errors
///
/// [`DecideError::NoTask`], [`DecideError::Ambiguous`], the store's.
pub async fn find_task(
    store: &dyn Store,
    run: &str,
    step: Option<&str>,
    now: Timestamp,
) -> Result<RunTask, DecideError> {
    choose(tasks_of_run(store, run, now).await?, run, step)
}

/// Makes a decision: it is durable, or it is an error. The run hears of it from the process that works on it, or
/// is due for the next one.
///
/// # Errors
///
/// Why it was not made.
pub async fn decide(
    store: &dyn Store,
    run: &str,
    step: Option<&str>,
    say: Say,
    now: Timestamp,
) -> Result<Decided, DecideError> {
    let found = find_task(store, run, step, now).await?;
    let (path, task) = (found.state.step.clone(), &found.state.task);
    if say.comment.len() > MOST_COMMENT {
        let problem = format!("longer than {MOST_COMMENT} bytes");
        return Err(Refusal::BadInput { name: "comment".to_owned(), problem }.into());
    }
    let decision = Decision {
        approve: say.approve,
        by: say.by,
        groups: say.groups,
        comment: say.comment,
        inputs: if say.approve { task.typed(say.inputs) } else { BTreeMap::new() },
        digest: say.digest.unwrap_or_else(|| task.digest.clone()),
        at: now,
        via: say.via,
    };
    let kind = SignalKind::decide(&path, decision.clone());
    let signal = Signal { id: new_id(now).to_string(), kind };
    let verdict: Arc<Mutex<Option<Result<TaskState, DecideError>>>> = Arc::default();
    let (tell, of_run) = (Arc::clone(&verdict), run.to_owned());
    // It is judged where it is written, so that of two at the same time the second is told of the first.
    let judge = Box::new(move |journal: &[Stamped], waiting: &[Signal]| {
        let judged = judge(journal, waiting, &of_run, &path, decision, now);
        let is_taken = judged.is_ok();
        *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        is_taken
    });
    let taken = store.signal_if(run.to_owned(), signal, judge, now).await?;
    let judged = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
    let over = || DecideError::Over { reason: "the run is over".to_owned() };
    let state = judged.ok_or_else(over)??;
    if !taken {
        return Err(over());
    }
    let attended = found.run.owner.is_some();
    let status = status_of(&state, now);
    Ok(Decided { task: RunTask { state, status, ..found }, attended })
}

/// Returns the task with a decision, when that is taken.
fn judge(
    journal: &[Stamped],
    waiting: &[Signal],
    run: &str,
    step: &str,
    decision: Decision,
    now: Timestamp,
) -> Result<TaskState, DecideError> {
    let none = || DecideError::NoTask { run: run.to_owned(), step: Some(step.to_owned()) };
    let found = tasks_of(journal, waiting).into_iter().find(|state| state.step == step);
    let mut state = found.ok_or_else(none)?;
    state.task = state.task.at(now);
    let refused = state.task.refuses(&state.decisions, &decision);
    let over = || DecideError::Over { reason: why_over(journal) };
    match (&state.ended, refused) {
        (None, None) => {
            state.decisions.push(decision);
            Ok(state)
        }
        (None, Some(refused)) => Err(refused.into()),
        (Some((outcome, at)), refused) => {
            let is_open = matches!(state.task.standing(&state.decisions), Standing::Open(_));
            let deadline = state.task.deadline.filter(|deadline| deadline <= at);
            Err(match (refused, deadline) {
                (Some(refused), _) if !is_open => refused.into(),
                (_, Some(deadline)) if *outcome != Outcome::Cancelled => Refusal::Expired { deadline }.into(),
                _ => over(),
            })
        }
    }
}

/// Returns why a run asks nothing any more.
fn why_over(journal: &[Stamped]) -> String {
    let reason = journal.iter().rev().find_map(|stamped| match &stamped.event {
        RunEvent::RecheckFailed { reason, .. }
        | RunEvent::RunFinished { reason, .. }
        | RunEvent::RunEnding { reason, .. }
            if !reason.is_empty() =>
        {
            Some(reason.clone())
        }
        _ => None,
    });
    reason.unwrap_or_else(|| "the run is over".to_owned())
}

async fn tasks_of_run(store: &dyn Store, run: &str, now: Timestamp) -> Result<Vec<RunTask>, StoreError> {
    let waiting = store.pending(run.to_owned()).await?;
    // Read after it: a signal that is taken between the two is in both, and counts once.
    let (summary, _, journal) = store.read(run.to_owned()).await?;
    let taken = |signal: &Signal| {
        journal.iter().any(|s| matches!(&s.event, RunEvent::SignalReceived(known) if known.id == signal.id))
    };
    let waiting: Vec<Signal> = waiting.into_iter().filter(|signal| !taken(signal)).collect();
    let started_by = match journal.first().map(|stamped| &stamped.event) {
        Some(RunEvent::RunStarted(started)) => started.by.clone(),
        _ => None,
    };
    let tasks = tasks_of(&journal, &waiting).into_iter().map(|mut state| {
        if state.ended.is_none() {
            state.task = state.task.at(now);
        }
        let status = status_of(&state, now);
        RunTask { run: summary.clone(), started_by: started_by.clone(), state, status }
    });
    Ok(tasks.collect())
}

fn status_of(state: &TaskState, now: Timestamp) -> TaskStatus {
    let standing = state.task.standing(&state.decisions);
    match (&state.ended, standing) {
        (_, Standing::Approved(_)) | (Some((Outcome::Succeeded, _)), _) => TaskStatus::Approved,
        (_, Standing::Rejected(_)) => TaskStatus::Rejected,
        (Some((Outcome::Cancelled, _)), _) => TaskStatus::Cancelled,
        (Some(_), Standing::Open(_)) => TaskStatus::Expired,
        (None, Standing::Open(_)) if state.task.is_late(now) => TaskStatus::Expired,
        (None, Standing::Open(approved)) => {
            let approved = u32::try_from(approved.len()).unwrap_or(u32::MAX);
            TaskStatus::Open { missing: state.task.required.saturating_sub(approved) }
        }
    }
}

fn choose(tasks: Vec<RunTask>, run: &str, step: Option<&str>) -> Result<RunTask, DecideError> {
    let nothing = || DecideError::NoTask { run: run.to_owned(), step: step.map(str::to_owned) };
    if let Some(step) = step {
        return tasks.into_iter().find(|task| task.state.step == step).ok_or_else(nothing);
    }
    let open: Vec<&RunTask> =
        tasks.iter().filter(|task| matches!(task.status, TaskStatus::Open { .. })).collect();
    match open.as_slice() {
        [one] => Ok((*one).clone()),
        [] => tasks.into_iter().next_back().ok_or_else(nothing),
        several => Err(DecideError::Ambiguous {
            run: run.to_owned(),
            steps: several.iter().map(|task| task.state.step.clone()).collect(),
        }),
    }
}

impl From<&Task> for Say {
    /// Begins what a person says to the task that they saw.
    fn from(task: &Task) -> Say {
        Say { digest: Some(task.digest.clone()), ..Say::default() }
    }
}
