//! `amflow tasks`: what people have to decide.

use clap::{Args, Subcommand};

use crate::cli::args::{AlertmanagerArgs, Format, OutputArgs, StoreArgs};
use crate::cli::asking::{self, Named};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::{reading, table, workbench};
use crate::engine::{RunTask, TaskFilter, TaskStatus, open_tasks};
use crate::report::{TaskRecord, short_id, task_lines};
use crate::store::Access;
use crate::text::{escape_for_terminal, plural};

const EXAMPLES: &str = "\
Examples:
  amflow tasks list            what is open
  amflow tasks list --mine     what you may decide
  amflow tasks show 7f3a9c21   what is asked, and what happens then
  amflow approve 7f3a9c21 --comment 'go ahead'";

const LIST_EXAMPLES: &str = "\
Examples:
  amflow tasks list            what is open
  amflow tasks list --mine     what you may decide
  amflow tasks list -o json | jq -r '.[].prompt'";

const SHOW_EXAMPLES: &str = "\
Examples:
  amflow tasks show 7f3a9c21           when the run asks one thing
  amflow tasks show 7f3a9c21/restart   when it asks several
  amflow tasks show 7f3a9c21 -v        with every line of every effect";

/// Lines about one effect that are shown without `-v`.
const DETAILS: usize = 20;

/// The arguments of `amflow tasks`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TasksArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TasksCommand,
}

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// List open tasks, those that wait longest first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show one: what is asked of whom, and what happens then
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
}

/// The arguments of `amflow tasks list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this playbook
    #[arg(long, value_name = "NAME")]
    pub playbook: Option<String>,
    /// Only of this run: its id, or its beginning or end
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Only those that you may decide, and have not approved yet
    #[arg(long)]
    pub mine: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The arguments of `amflow tasks show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The task: its run, with `/STEP` behind it when the run asks several things
    #[arg(value_name = "RUN[/STEP]")]
    pub task: String,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Does what was asked.
pub(super) fn run(args: &TasksArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        TasksCommand::List(args) => list(args, context),
        TasksCommand::Show(args) => show(args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<Exit, CliError> {
    let settings = reading::settings(context, &AlertmanagerArgs::default(), None, Some(&args.store), None)?;
    let store = workbench::open_of(context, &settings, Access::Read)?;
    let run = match &args.run {
        Some(named) => Some(super::runs::find(context, store.as_ref(), named)?.header.run),
        None => None,
    };
    let of = args.mine.then(|| {
        let who = workbench::os_user(context);
        let groups = settings.people.groups_of(&who);
        (who, groups)
    });
    let filter = TaskFilter { playbook: args.playbook.clone(), run, of };
    let now = workbench::clock().now();
    let tasks = context.block_on(open_tasks(store.as_ref(), &filter, now))?.or_end(Exit::Unable)?;
    let records = || tasks.iter().map(TaskRecord::of);
    match args.output.output {
        Format::Json => context.ui.json(&records().collect::<Vec<_>>()),
        Format::Ndjson => records().for_each(|record| context.ui.json_line(&record)),
        Format::Text if tasks.is_empty() => context.ui.say("no open tasks"),
        Format::Text => {
            let heads = ["TASK", "PLAYBOOK", "OF", "APPROVED", "UNTIL", "ASKS", "TARGET"];
            context.ui.line(table::listing(context, &heads, 2, tasks.iter().map(cells).collect()));
            context.ui.say(format_args!(
                "{}: `amflow tasks show TASK` says what each would do",
                plural(tasks.len(), "open task")
            ));
        }
    }
    Ok(Exit::Done)
}

fn cells(found: &RunTask) -> Vec<String> {
    let task = &found.state.task;
    let escape = |text: &str| escape_for_terminal(text).into_owned();
    let missing = match found.status {
        TaskStatus::Open { missing } => missing,
        _ => 0,
    };
    vec![
        format!("{}/{}", short_id(&found.run.header.run), escape(&found.state.step)),
        found.run.header.playbook.clone(),
        escape(&task.approvers.to_string()),
        format!("{} of {}", task.required.saturating_sub(missing), task.required),
        task.deadline.map_or_else(|| "-".to_owned(), table::second),
        escape(&task.prompt),
        escape(&found.run.header.target),
    ]
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, CliError> {
    let settings = reading::settings(context, &AlertmanagerArgs::default(), None, Some(&args.store), None)?;
    let store = workbench::open_of(context, &settings, Access::Read)?;
    let named = Named::parse(&args.task);
    let found = asking::find(context, store.as_ref(), &named)?;
    match args.output.output {
        Format::Json => context.ui.json(&TaskRecord::of(&found)),
        Format::Ndjson => context.ui.json_line(&TaskRecord::of(&found)),
        Format::Text => {
            let most = if context.ui.verbosity() > 0 { usize::MAX } else { DETAILS };
            task_lines(&found, most).into_iter().for_each(|line| context.ui.line(line));
        }
    }
    Ok(Exit::Done)
}
