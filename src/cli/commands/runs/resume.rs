//! `amflow runs resume|cancel|retry`: going on with runs, ending them, doing them again.

use clap::Args;

use crate::cli::args::{AlertmanagerArgs, Format, OutputArgs, RunningArgs, StoreArgs};
use crate::cli::asking::Asker;
use crate::cli::commands::run::exit;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::reading;
use crate::cli::show::Show;
use crate::cli::textfile;
use crate::cli::workbench::{self, Workbench};
use crate::config::Settings;
use crate::engine::{OfferAnswer, RunEnd, StoreError, Take};
use crate::playbook::Library;
use crate::report::{LaterRecord, run_record, short_id};
use crate::run::Skip;
use crate::store::Access;
use crate::text::plural;

const RESUME_EXAMPLES: &str = "\
Examples:
  amflow runs resume                       all that is due or was left behind
  amflow runs resume 7f3a9c21              this one, due or not
  */5 * * * * amflow runs resume --no-wait -q
                                           in a crontab, where nothing polls

`amflow run --poll` does the same before it starts anything new.";

const CANCEL_EXAMPLES: &str = "\
Examples:
  amflow runs cancel 7f3a9c21             whoever works on it is told
  amflow runs cancel 7f3a9c21 41d0b6ee    several

What is running is ended (TERM, then KILL), its finally steps still run; its
on_failure steps don't, and it doesn't count for the breaker.";

const RETRY_EXAMPLES: &str = "\
Examples:
  amflow runs retry 7f3a9c21     once more, from its first step

Limits hold: what the cooldown or the breaker forbids is not started.";

/// The arguments of `amflow runs resume`.
#[derive(Debug, Args)]
#[command(after_help = RESUME_EXAMPLES)]
pub struct ResumeArgs {
    /// Only these, due or not [default: all that are due or were left by a process that is gone]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
    /// Where Alertmanager is.
    #[command(flatten)]
    pub alertmanager: AlertmanagerArgs,
    /// How runs are worked on.
    #[command(flatten)]
    pub running: RunningArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The arguments of `amflow runs cancel`.
#[derive(Debug, Args)]
#[command(after_help = CANCEL_EXAMPLES)]
pub struct CancelArgs {
    /// The runs
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<String>,
    /// Where Alertmanager is.
    #[command(flatten)]
    pub alertmanager: AlertmanagerArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The arguments of `amflow runs retry`.
#[derive(Debug, Args)]
#[command(after_help = RETRY_EXAMPLES)]
pub struct RetryArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Where Alertmanager is.
    #[command(flatten)]
    pub alertmanager: AlertmanagerArgs,
    /// How runs are worked on.
    #[command(flatten)]
    pub running: RunningArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

fn bench(
    context: &Context,
    alertmanager: &AlertmanagerArgs,
    running: Option<&RunningArgs>,
    store: &StoreArgs,
) -> Result<(Workbench, Settings), CliError> {
    let settings = reading::settings(context, alertmanager, None, Some(store), running)?;
    let store = workbench::open_of(context, &settings, Access::Write)?;
    let mut bench = Workbench::new(context, &settings, store, !context.ui.is_quiet())?;
    if running.is_some() {
        bench.asker = Asker::at_terminal(context, &settings, bench.engine.clone());
    }
    Ok((bench, settings))
}

/// Goes on with runs.
pub(super) fn resume(args: &ResumeArgs, context: &Context) -> Result<Exit, CliError> {
    let (mut bench, settings) = bench(context, &args.alertmanager, Some(&args.running), &args.store)?;
    let store = bench.engine.store().clone();
    let mut ids = Vec::new();
    for named in &args.runs {
        ids.push(super::find(context, store.as_ref(), named)?.header.run);
    }
    let which = if ids.is_empty() { Take::Due } else { Take::These(ids) };
    let exit = go_on(context, &mut bench, which, args.output.output)?;
    textfile::write(context, &settings, store.as_ref())?;
    Ok(exit)
}

/// Takes runs over and works on them until each is over or waits; one that nobody left is no news.
pub(in crate::cli::commands) fn go_on(
    context: &Context,
    bench: &mut Workbench,
    which: Take,
    format: Format,
) -> Result<Exit, CliError> {
    let ends = take_over(context, bench, which, format)?;
    context.ui.say(format_args!("went on with {}", plural(ends.len(), "run")));
    Ok(exit(&[], &ends, bench.stopped()))
}

/// Takes runs over, works on them and prints how each was left.
fn take_over(
    context: &Context,
    bench: &mut Workbench,
    which: Take,
    format: Format,
) -> Result<Vec<RunEnd>, CliError> {
    let engine = bench.engine.clone();
    let mut show = Show::new(&context.ui, format);
    let doing = async {
        let resumed = engine.take(which, usize::MAX >> 1).await?;
        let mut offers = Vec::new();
        engine.complete(&Library::new(Vec::new()), None, &mut offers, resumed).await
    };
    let ends = context.block_on(bench.attend(doing, &mut show))?.or_end(Exit::Unable)?;
    print(context, format, &ends);
    Ok(ends)
}

/// Prints what became of runs; lines were printed as they ended.
fn print(context: &Context, format: Format, ends: &[RunEnd]) {
    if format == Format::Json {
        context.ui.json(&ends.iter().map(run_record).collect::<Vec<_>>());
    }
}

/// Cancels runs: those that a process works on are told, the others are ended here.
pub(super) fn cancel(args: &CancelArgs, context: &Context) -> Result<Exit, CliError> {
    let (mut bench, _) = bench(context, &args.alertmanager, None, &args.store)?;
    let store = bench.engine.store().clone();
    let by = format!("{} (`amflow runs cancel`)", workbench::os_user(context));
    let mut ids = Vec::new();
    // All are found before the first is cancelled: a slip of the hand cancels none.
    for named in &args.runs {
        let run = super::find(context, store.as_ref(), named)?;
        if run.status.is_final() {
            return Err(CliError::usage(format_args!(
                "run {} is over: {}",
                run.header.run,
                run.status.as_str()
            ))
            .hint("nothing was cancelled"));
        }
        ids.push(run.header.run);
    }
    for id in &ids {
        context.block_on(bench.engine.cancel(id, &by))?.or_end(Exit::Unable)?;
    }
    let asked = ids.len();
    let ended = take_over(context, &mut bench, Take::These(ids), args.output.output)?.len();
    if let Some(elsewhere) = asked.checked_sub(ended).filter(|n| *n > 0) {
        let runs = plural(elsewhere, "run");
        context.ui.say(format_args!("{runs}: another process works on it, and is told within seconds"));
    }
    Ok(Exit::Done)
}

/// Does a run again.
pub(super) fn retry(args: &RetryArgs, context: &Context) -> Result<Exit, CliError> {
    let (mut bench, settings) = bench(context, &args.alertmanager, Some(&args.running), &args.store)?;
    let store = bench.engine.store().clone();
    let old = super::find(context, store.as_ref(), &args.run)?;
    if !old.status.is_final() {
        return Err(CliError::usage(format_args!(
            "run {} is not over: {}",
            old.header.run,
            old.status.as_str()
        ))
        .hint("`amflow runs resume` goes on with it"));
    }
    let engine = bench.engine.clone();
    let mut show = Show::new(&context.ui, args.output.output);
    let doing = async {
        let mut offers = vec![engine.retry(&old.header.run).await?];
        let ends = engine.complete(&Library::new(Vec::new()), None, &mut offers, Vec::new()).await?;
        Ok::<_, StoreError>((offers, ends))
    };
    let (offers, ends) = context.block_on(bench.attend(doing, &mut show))?.or_end(Exit::Unable)?;
    if let Some(OfferAnswer::Skip(Skip::Missing { what })) = offers.first().map(|offer| &offer.answer) {
        let message = format!("run {} is not done again: {what}", short_id(&old.header.run));
        return Err(CliError::usage(message).hint("nothing was started"));
    }
    let later = offers.iter().find_map(LaterRecord::of);
    match (&later, args.output.output) {
        (Some(record), Format::Json) => context.ui.json(&[record]),
        (Some(record), Format::Ndjson) => context.ui.json_line(record),
        _ => print(context, args.output.output, &ends),
    }
    for end in &ends {
        let (old, new) = (short_id(&old.header.run), short_id(&end.header.run));
        context.ui.say(format_args!("did run {old} again as run {new}: {}", run_record(end).status));
    }
    textfile::write(context, &settings, store.as_ref())?;
    let exit = exit(&offers, &ends, bench.stopped());
    match later {
        // Nobody offers it again by itself, as a poll would.
        Some(record) => {
            let message =
                format!("run {} is not done again now: {}", short_id(&old.header.run), record.detail);
            Err(CliError::new(exit.worst(Exit::Failed), message)
                .hint("nothing was started, and nothing will be by itself: ask again then"))
        }
        None => Ok(exit),
    }
}
