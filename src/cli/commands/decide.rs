//! `amflow approve` and `amflow reject`: a person decides what a run waits to do.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use crate::cli::args::{AlertmanagerArgs, Format, OutputArgs, StoreArgs};
use crate::cli::asking::{self, Named};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::cli::{reading, workbench};
use crate::config::Settings;
use crate::engine::{Decided, Say, TaskStatus, decide};
use crate::report::{TaskRecord, short_id};
use crate::store::Access;

const EXAMPLES: &str = "\
Examples:
  amflow approve 7f3a9c21                when the run asks one thing
  amflow approve 7f3a9c21/restart --set drain=yes --comment 'after the deploy'
  amflow approve 7f3a9c21 --digest 5e884898da28...
                                         only what `amflow tasks show` showed

Exit codes:
  5  it is decided already
  6  its time is over, or nobody is needed any more
  7  it is not yours to decide
  8  what it would do is no longer what --digest names";

const REJECT_EXAMPLES: &str = "\
Examples:
  amflow reject 7f3a9c21 --comment 'it is being looked at'
  amflow reject 7f3a9c21/restart         when the run asks several things

The run ends as rejected: its finally steps run, its on_failure steps don't, and
it doesn't count for the breaker. The exit codes are those of `amflow approve`.";

/// The arguments of `amflow approve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApproveArgs {
    /// An answer to a question of the task; repeated for several
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// What is decided.
    #[command(flatten)]
    pub decision: DecisionArgs,
}

/// The arguments of `amflow reject`.
#[derive(Debug, Args)]
#[command(after_help = REJECT_EXAMPLES)]
pub struct RejectArgs {
    /// What is decided.
    #[command(flatten)]
    pub decision: DecisionArgs,
}

/// What is decided, and by whom.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// The task: its run, with `/STEP` behind it when the run asks several things
    #[arg(value_name = "RUN[/STEP]")]
    pub task: String,
    /// Why, for those who will wonder
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub comment: String,
    /// Only if this is still what is asked: the digest that `amflow tasks show` prints
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// Decide in the name of another; the configuration says who may (`people.may_act_as_others`)
    #[arg(long = "as", value_name = "USER")]
    pub act_as: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Approves.
pub(super) fn approve(args: &ApproveArgs, context: &Context) -> Result<Exit, CliError> {
    let mut inputs = BTreeMap::new();
    for given in &args.inputs {
        let Some((name, value)) = given.split_once('=') else {
            return Err(CliError::usage(format_args!("--set {given}: no `=` in it"))
                .hint("write `--set NAME=VALUE`, such as `--set drain=yes`"));
        };
        if inputs.insert(name.to_owned(), Value::from(value)).is_some() {
            return Err(CliError::usage(format_args!("--set {name} is given twice")));
        }
    }
    make(&args.decision, true, inputs, context)
}

/// Rejects.
pub(super) fn reject(args: &RejectArgs, context: &Context) -> Result<Exit, CliError> {
    make(&args.decision, false, BTreeMap::new(), context)
}

fn make(
    args: &DecisionArgs,
    approve: bool,
    inputs: BTreeMap<String, Value>,
    context: &Context,
) -> Result<Exit, CliError> {
    let settings = reading::settings(context, &AlertmanagerArgs::default(), None, Some(&args.store), None)?;
    let (by, via) = who(args, &settings, context)?;
    let store = workbench::open_of(context, &settings, Access::Write)?;
    let found = asking::find(context, store.as_ref(), &Named::parse(&args.task))?;
    let (run, step) = (found.run.header.run.clone(), found.state.step.clone());
    let say = Say {
        approve,
        groups: settings.people.groups_of(&by),
        by,
        comment: args.comment.clone(),
        inputs,
        digest: args.digest.clone(),
        via,
    };
    let now = workbench::clock().now();
    let decided = context.block_on(decide(store.as_ref(), &run, Some(&step), say, now))?;
    let decided = decided.map_err(|error| asking::refused(&run, &step, error))?;
    match args.output.output {
        Format::Json => context.ui.json(&TaskRecord::of(&decided.task)),
        Format::Ndjson => context.ui.json_line(&TaskRecord::of(&decided.task)),
        Format::Text => {}
    }
    context.ui.say(told(&decided));
    Ok(Exit::Done)
}

/// Returns who decides: the user of the system, or another in whose name they may.
fn who(args: &DecisionArgs, settings: &Settings, context: &Context) -> Result<(String, String), CliError> {
    let own = workbench::os_user(context);
    match &args.act_as {
        None => Ok((own, "command".to_owned())),
        Some(other) if *other == own => Ok((own, "command".to_owned())),
        Some(other) if settings.people.may_act_as_others.contains(&own) => {
            Ok((other.clone(), format!("command of {own}")))
        }
        Some(other) => {
            Err(CliError::new(Exit::NotAllowed, format_args!("{own} may not decide in the name of {other}"))
                .hint("the configuration says who may: `people.may_act_as_others`"))
        }
    }
}

/// Says what a decision came to.
fn told(decided: &Decided) -> String {
    let task = &decided.task;
    let name = format!("{}/{}", short_id(&task.run.header.run), task.state.step);
    let next = if decided.attended {
        "the process that works on the run goes on within seconds".to_owned()
    } else {
        let id = short_id(&task.run.header.run);
        format!(
            "`amflow serve`, the next `amflow run --poll` or `amflow runs resume {id}` goes on with the run"
        )
    };
    match task.status {
        TaskStatus::Open { missing } => format!("{name}: approved by you; {missing} more must approve"),
        TaskStatus::Rejected => format!("{name}: rejected; {next}, and ends it"),
        TaskStatus::Approved | TaskStatus::Expired | TaskStatus::Cancelled => {
            format!("{name}: approved; {next}")
        }
    }
}
