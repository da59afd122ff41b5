//! `amflow runs list`, `amflow runs show`: which runs there were, and what one of them did.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;

use super::find;
use crate::cli::args::{Format, OutputArgs, StoreArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::past::{self, Wanted};
use crate::cli::table;
use crate::cli::workbench;
use crate::engine::{RunSummary, Store};
use crate::report::{OUTPUT_VERSION, RunStory, Story, short_id, story, story_head};
use crate::run::RunStatus;
use crate::store::Access;
use crate::text::{closest, escape_for_terminal, plural};

/// How often the store is looked at by those who follow.
const LOOK: Duration = Duration::from_millis(500);
/// Runs that are looked at by those who follow a listing: the newest, and what has not ended.
const FOLLOWED: usize = 500;

/// The arguments of `amflow runs list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only runs whose oldest alert this matches, such as 'severity="critical"'; all of several must match
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// Only runs of this status: queued, running, waiting, succeeded, failed, cancelled, rejected
    #[arg(long, value_name = "STATUS")]
    pub status: Vec<String>,
    /// Only runs of this playbook
    #[arg(long, value_name = "NAME")]
    pub playbook: Option<String>,
    /// Only runs that started from then on: a time ago (24h), a day (2026-11-01, UTC) or a time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only runs that started before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many; 0 is all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Go on with a line for every run that starts, ends or comes to wait
    #[arg(short, long)]
    pub follow: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The arguments of `amflow runs show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The run: its id, or its beginning or end
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Go on with what happens until the run is over
    #[arg(short, long)]
    pub follow: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Lists runs.
pub(super) fn list(args: &ListArgs, context: &Context) -> Result<Exit, CliError> {
    refuse_endless_json(args.follow, args.output.output)?;
    let now = workbench::clock().now();
    let mut wanted =
        Wanted::new(args.playbook.as_ref(), args.since.as_ref(), args.until.as_ref(), &args.matchers, now)?;
    wanted.filter.statuses = args.status.iter().map(|word| status(word)).collect::<Result<_, _>>()?;
    let store = workbench::open_store(context, &args.store, Access::Read)?;
    let runs =
        context.block_on(past::list(store.as_ref(), wanted.clone(), args.limit))?.or_end(Exit::Unable)?;
    if args.follow {
        return follow_list(context, store.as_ref(), &wanted, runs, args.output.output);
    }
    match args.output.output {
        Format::Json => context.ui.json(&runs),
        Format::Ndjson => runs.iter().for_each(|run| context.ui.json_line(run)),
        Format::Text if runs.is_empty() => context.ui.say("no runs"),
        Format::Text => {
            let heads = ["RUN", "PLAYBOOK", "STATUS", "STARTED", "TOOK", "TARGET", "WHY"];
            context.ui.line(table::listing(context, &heads, 2, runs.iter().map(cells).collect()));
        }
    }
    workbench::say_pauses(context, store.as_ref())?;
    let later = context.block_on(store.later(None))?.or_end(Exit::Unable)?;
    if !later.is_empty() && args.output.output == Format::Text {
        context.ui.say(format_args!(
            "{} put off, and offered again by `amflow run --poll`",
            plural(later.len(), "target")
        ));
    }
    Ok(Exit::Done)
}

fn status(word: &str) -> Result<RunStatus, CliError> {
    RunStatus::parse(word).ok_or_else(|| {
        let known = ["queued", "running", "waiting", "succeeded", "failed", "cancelled", "rejected"];
        let error = CliError::usage(format_args!("no status `{word}`"));
        match closest(word, known) {
            Some(near) => error.hint(format_args!("did you mean `{near}`?")),
            None => error.hint(format_args!("one of {}", known.join(", "))),
        }
    })
}

/// One document cannot go on for ever.
fn refuse_endless_json(follow: bool, format: Format) -> Result<(), CliError> {
    if follow && format == Format::Json {
        return Err(CliError::usage("`--follow` has no end, and a JSON document has one")
            .hint("`-o ndjson` writes a document a line"));
    }
    Ok(())
}

fn cells(run: &RunSummary) -> Vec<String> {
    let took = run.updated_at.duration_since(run.started_at).as_secs_f64().max(0.0);
    let escape = |text: &str| escape_for_terminal(text).into_owned();
    vec![
        short_id(&run.header.run).to_owned(),
        run.header.playbook.clone(),
        run.status.as_str().to_owned(),
        table::second(run.started_at),
        format!("{took:.1}s"),
        escape(&run.header.target),
        escape(&why(run)),
    ]
}

/// Why it is over, or what it waits for.
fn why(run: &RunSummary) -> String {
    match run.due.filter(|_| run.status == RunStatus::Waiting) {
        Some(due) => format!("{}, looks again at {}", run.reason, table::second(due)),
        None => run.reason.clone(),
    }
}

/// Prints what is known, oldest first, then what changes, until the reader goes away.
fn follow_list(
    context: &Context,
    store: &dyn Store,
    wanted: &Wanted,
    mut runs: Vec<RunSummary>,
    format: Format,
) -> Result<Exit, CliError> {
    let clock = workbench::clock();
    // What a run was told to be: its status and why.
    let mut told: HashMap<String, (RunStatus, String)> = HashMap::new();
    let statuses = wanted.filter.statuses.clone();
    let mut all = wanted.clone();
    all.filter.statuses.clear();
    while context.ui.is_open() {
        runs.reverse();
        for run in &runs {
            let state = (run.status, run.reason.clone());
            if told.get(&run.header.run) == Some(&state) {
                continue;
            }
            told.insert(run.header.run.clone(), state);
            if !statuses.is_empty() && !statuses.contains(&run.status) {
                continue;
            }
            match format {
                Format::Text => context.ui.line(follow_line(run)),
                Format::Json | Format::Ndjson => context.ui.json_line(run),
            }
        }
        context.block_on(clock.sleep(LOOK))?;
        runs = context.block_on(past::list(store, all.clone(), FOLLOWED))?.or_end(Exit::Unable)?;
        told.retain(|id, _| runs.iter().any(|run| run.header.run == *id));
    }
    Ok(Exit::Done)
}

fn follow_line(run: &RunSummary) -> String {
    let why = if run.reason.is_empty() { String::new() } else { format!(": {}", run.reason) };
    let line = format!(
        "{}  {}  {}  {}  {}{why}",
        table::second(run.updated_at),
        short_id(&run.header.run),
        run.status.as_str(),
        run.header.playbook,
        run.header.target
    );
    escape_for_terminal(&line).into_owned()
}

/// Tells one run.
pub(super) fn show(args: &ShowArgs, context: &Context) -> Result<Exit, CliError> {
    refuse_endless_json(args.follow, args.output.output)?;
    let store = workbench::open_store(context, &args.store, Access::Read)?;
    let run = find(context, store.as_ref(), &args.run)?.header.run;
    let (summary, text, journal) = context.block_on(store.read(run.clone()))?.or_end(Exit::Unable)?;
    if args.follow {
        return follow_run(context, store.as_ref(), &run, args.output.output);
    }
    match args.output.output {
        Format::Json => context.ui.json(&RunStory {
            version: OUTPUT_VERSION,
            run: summary,
            playbook_text: text.as_ref().to_owned(),
            journal,
        }),
        Format::Ndjson => journal.iter().for_each(|event| context.ui.json_line(event)),
        Format::Text => story(&summary, &journal).into_iter().for_each(|line| context.ui.line(line)),
    }
    Ok(Exit::Done)
}

/// Tells what happens in a run until it is over, or the reader goes away.
fn follow_run(context: &Context, store: &dyn Store, run: &str, format: Format) -> Result<Exit, CliError> {
    let clock = workbench::clock();
    let mut telling: Option<Story> = None;
    let mut told = 0;
    loop {
        let (summary, _, journal) = context.block_on(store.read(run.to_owned()))?.or_end(Exit::Unable)?;
        if format == Format::Text {
            let telling = telling.get_or_insert_with(|| {
                story_head(&summary, &journal).into_iter().for_each(|line| context.ui.line(line));
                Story::new(&summary)
            });
            telling.more(&journal).into_iter().for_each(|line| context.ui.line(line));
        } else {
            journal.iter().filter(|e| e.seq > told).for_each(|event| context.ui.json_line(event));
        }
        told = journal.last().map_or(told, |event| event.seq);
        if summary.status.is_final() || !context.ui.is_open() {
            return Ok(Exit::Done);
        }
        context.block_on(clock.sleep(LOOK))?;
    }
}
