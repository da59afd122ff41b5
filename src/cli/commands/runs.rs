//! `amflow runs`: what was run, what goes on, and doing something about it.

use clap::{Args, Subcommand};

use crate::cli::args::StoreArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::workbench;
use crate::engine::{RunFilter, RunSummary, Store};
use crate::model::parse_duration;
use crate::store::{Access, Retention, tidy};
use crate::text::plural;

mod list;
mod resume;

pub(super) use list::ShowArgs;
pub(super) use resume::go_on;

const EXAMPLES: &str = "\
Examples:
  amflow runs list --status failed --since 24h
                                what failed since yesterday, and why
  amflow runs show 7f3a9c21     one run's story; an id, or its beginning or end
  amflow runs resume            go on with what is due or was left behind
  amflow runs cancel 7f3a9c21   its finally steps still run
  amflow runs retry 7f3a9c21    do it again
  amflow runs prune --keep 90d --dry-run";

const LIST_EXAMPLES: &str = "\
Examples:
  amflow runs list                               the last 50
  amflow runs list --status failed --since 24h   what failed, and why
  amflow runs list --status waiting --status running
  amflow runs list --playbook node-disk-full --limit 0 -o json
  amflow runs list --since 7d team=storage       by the labels of the alert
  amflow runs list --follow                      what starts and ends now";

const SHOW_EXAMPLES: &str = "\
Examples:
  amflow runs show 7f3a9c21       the id as `amflow runs list` prints it
  amflow runs show 7f3a9c21 -o json | jq -r .playbook_text
                                  the playbook as it was when the run began
  amflow runs show 7f3a9c21 --follow
                                  go on until it is over";

const PRUNE_EXAMPLES: &str = "\
Examples:
  amflow runs prune --dry-run    how many would go
  amflow runs prune --keep 90d   delete what ended longer ago than that";

/// The arguments of `amflow runs`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RunsCommand,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List runs, newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(list::ListArgs),
    /// Tell one run's whole story
    #[command(after_help = SHOW_EXAMPLES)]
    Show(list::ShowArgs),
    /// Go on with runs that are due or were left by a process that is gone
    Resume(resume::ResumeArgs),
    /// Cancel runs; what they are doing is ended, their finally steps run
    Cancel(resume::CancelArgs),
    /// Do a finished run again, with the same playbook text and alerts
    Retry(resume::RetryArgs),
    /// Delete finished runs that are old; claims on what still fires stay
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune(PruneArgs),
}

/// The arguments of `amflow runs prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Keep finished runs for so long
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub keep: String,
    /// Only say how many would go
    #[arg(long)]
    pub dry_run: bool,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Does what was asked.
pub(super) fn run(args: &RunsArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        RunsCommand::List(args) => list::list(args, context),
        RunsCommand::Show(args) => list::show(args, context),
        RunsCommand::Resume(args) => resume::resume(args, context),
        RunsCommand::Cancel(args) => resume::cancel(args, context),
        RunsCommand::Retry(args) => resume::retry(args, context),
        RunsCommand::Prune(args) => prune(args, context),
    }
}

/// Finds the run that a person means: its id, or the beginning or end of it.
pub(super) fn find(context: &Context, store: &dyn Store, named: &str) -> Result<RunSummary, CliError> {
    let filter = RunFilter { id_part: Some(named.to_owned()), limit: 2, ..RunFilter::default() };
    let mut found = context.block_on(store.list(filter))?.or_end(Exit::Unable)?;
    match (found.pop(), found.is_empty()) {
        (Some(run), true) => Ok(run),
        (Some(_), false) => Err(CliError::usage(format_args!("`{named}` means more than one run"))
            .hint("give more of its id: `amflow runs list -o json` has all of it")),
        (None, _) => Err(CliError::usage(format_args!("no run `{named}` in {}", store.place()))
            .hint("`amflow runs list --limit 0` has them all; --store names another store")),
    }
}

fn prune(args: &PruneArgs, context: &Context) -> Result<Exit, CliError> {
    let keep = parse_duration(&args.keep)
        .or_exit(Exit::Usage, || format!("--keep {}: not a duration", args.keep))?;
    let access = if args.dry_run { Access::Read } else { Access::Write };
    let store = workbench::open_store(context, &args.store, access)?;
    let now = workbench::clock().now();
    let gone = context
        .block_on(tidy(store.as_ref(), Retention { keep }, now, args.dry_run))?
        .or_end(Exit::Unable)?;
    let count = plural(usize::try_from(gone).unwrap_or(usize::MAX), "run");
    if args.dry_run {
        context.ui.say(format_args!("{count} would be deleted"));
    } else {
        context.ui.say(format_args!("{count} deleted"));
    }
    Ok(Exit::Done)
}
