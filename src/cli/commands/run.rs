//! `amflow run`: reads alerts, starts what they start, and works until it is over or waits.

use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use crate::cli::args::{Format, OutputArgs, PlaybookArgs, RunningArgs, SourceArgs, StoreArgs};
use crate::cli::asking::Asker;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::mutes::{doubtful_mutes, muting};
use crate::cli::reading::{self, Reading};
use crate::cli::show::Show;
use crate::cli::textfile;
use crate::cli::ui::Tone;
use crate::cli::workbench::{self, Workbench};
use crate::client::Cluster;
use crate::engine::{HeldBack, Offer, OfferAnswer, Readiness, Resumed, RunEnd, RunEndKind, Take, heirs};
use crate::perform::Live;
use crate::report::{LaterRecord, OUTPUT_VERSION, RunReport, SkipRecord, run_record, short_id};
use crate::run::{RunStatus, Skip};
use crate::store::Access;
use crate::text::{Diagnostics, plural};

const EXAMPLES: &str = "\
Examples:
  amtool alert query -o json | amflow run    work on exactly what is piped
  amflow run --poll                          and go on with what is due
  amflow run --poll --filter severity=critical
  amflow run --from alerts.json              a file, or a URL
  amflow run --poll -p node-disk-full.yaml   one playbook only
  amflow run --from alerts.json -o json | jq '.runs[].status'
  */2 * * * * amflow run --poll --no-wait -q
                                             in a crontab; may overlap

`amflow plan` shows beforehand what would be done; with --explain also why not.";

/// Runs that one start goes on with, at most.
const MOST_RESUMED: usize = 1_000;

/// Targets that come later of which one start tells, at most.
const MOST_LATER: usize = 20;

/// How long Alertmanager is waited for to say what it mutes.
const LONGEST_DOUBT: Duration = Duration::from_secs(5);

/// The arguments of `amflow run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// Where playbooks are.
    #[command(flatten)]
    pub playbooks: PlaybookArgs,
    /// Where alerts come from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How runs are worked on.
    #[command(flatten)]
    pub running: RunningArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Reads, admits, works, reports.
pub(super) fn run(args: &RunArgs, context: &Context) -> Result<Exit, CliError> {
    let read = reading::read(context, &args.playbooks, &args.source, &args.store, Some(&args.running));
    let reading = match read {
        Ok(reading) => reading,
        Err(error) => {
            if error.exit() == Exit::Unable && reading::polls(&args.source) {
                go_on_blind(args, context)?;
            }
            return Err(error);
        }
    };
    refuse_missing(context, &reading)?;
    let nothing_to_do = reading.delivery.alerts.is_empty() && !reading.polled;
    if nothing_to_do {
        // The commonest case of a pipe: no store is made for it, no runtime is started.
        report(context, args.output.output, &reading, &[], &[]);
        if reading.settings.textfile.is_some() {
            let store = workbench::open_of(context, &reading.settings, Access::Read)?;
            textfile::write(context, &reading.settings, store.as_ref())?;
        }
        return Ok(reading.exit());
    }
    let store = workbench::open_of(context, &reading.settings, Access::Write)?;
    let lines = !context.ui.is_quiet();
    let mut bench = Workbench::new(context, &reading.settings, store, lines)?;
    bench.warn_of_overlap(context, &reading.delivery)?;
    if args.source.from.as_deref() != Some("-") {
        bench.asker = Asker::at_terminal(context, &reading.settings, bench.engine.clone());
    }
    let mut show = Show::new(&context.ui, args.output.output);
    let cluster = reading.settings.cluster().or_end(Exit::Usage)?;
    let worked = context.block_on(work(&mut bench, &reading, cluster, &mut show))?;
    let (offers, ends) = worked.or_end(Exit::Unable)?;
    report(context, args.output.output, &reading, &offers, &ends);
    textfile::write(context, &reading.settings, bench.engine.store().as_ref())?;
    let exit = exit(&offers, &ends, bench.stopped()).worst(reading.exit());
    // The process ends: its memory goes with it at once, not alert by alert.
    std::mem::forget((offers, ends, reading));
    Ok(exit)
}

/// Goes on with what a killed process left although no Alertmanager answers: its commands must not run on.
fn go_on_blind(args: &RunArgs, context: &Context) -> Result<(), CliError> {
    let settings =
        reading::settings(context, &args.source.alertmanager, None, Some(&args.store), Some(&args.running))?;
    if !settings.store.path.exists() {
        return Ok(());
    }
    let store = workbench::open_of(context, &settings, Access::Write)?;
    let mut bench = Workbench::new(context, &settings, store, !context.ui.is_quiet())?;
    super::runs::go_on(context, &mut bench, Take::Due, args.output.output)?;
    Ok(())
}

/// Refuses to begin when a playbook that would run needs what cannot be had.
fn refuse_missing(context: &Context, reading: &Reading) -> Result<(), CliError> {
    let mut matching = std::collections::BTreeSet::new();
    let mut of_alert = Vec::new();
    for alert in &reading.delivery.alerts {
        reading.library.matching(&alert.labels, &mut of_alert);
        matching.extend(of_alert.iter().copied());
    }
    if matching.is_empty() {
        return Ok(());
    }
    let options = reading.settings.engine_options();
    let performer = Live::new(workbench::live_options(context, &reading.settings)?);
    let mut readiness = Readiness::new(&options.offered, &options.env, &performer);
    let playbooks = matching.into_iter().filter_map(|at| reading.library.playbooks().get(at as usize));
    let mut playbooks: Vec<_> = playbooks.collect();
    playbooks.extend(heirs(&reading.library, &playbooks));
    let held: Vec<HeldBack> =
        playbooks.into_iter().map(|playbook| (playbook.clone(), readiness.lacks(playbook))).collect();
    if held.iter().all(|(_, lacks)| lacks.is_empty()) {
        return Ok(());
    }
    Err(lacking(&held).hint("nothing was started"))
}

/// Says which playbooks cannot have what they need, with every place.
pub(super) fn lacking(held: &[HeldBack]) -> CliError {
    let held: Vec<_> = held.iter().filter(|(_, lacks)| !lacks.is_empty()).collect();
    let mut problems = Diagnostics::new();
    held.iter().flat_map(|(_, lacks)| lacks).for_each(|lack| problems.push(lack.diagnostic()));
    problems.sort();
    let names: Vec<_> = held.iter().map(|(playbook, _)| format!("`{}`", playbook.name)).collect();
    let what = if names.len() == 1 { "playbook" } else { "playbooks" };
    CliError::problems(
        Exit::Usage,
        format_args!("{what} {} cannot have what is needed", names.join(", ")),
        problems,
    )
}

async fn work(
    bench: &mut Workbench,
    reading: &Reading,
    cluster: Option<Cluster>,
    show: &mut Show<'_>,
) -> Result<(Vec<Offer>, Vec<RunEnd>), crate::engine::StoreError> {
    let engine = bench.engine.clone();
    let doing = async {
        let mut resumed: Vec<Resumed> = Vec::new();
        if reading.polled {
            resumed = engine.take(Take::Due, MOST_RESUMED).await?;
            engine.keep_raised(&reading.delivery.scope).await?;
        }
        let (offers, ends) = engine.work_off(&reading.library, &reading.delivery, resumed).await?;
        engine.settle_put_off(&reading.delivery, &offers).await?;
        // Once the work is done, which waits for nobody's opinion of its mutes.
        if let Some(cluster) = cluster.filter(|_| engine.stopped_by().is_none())
            && let Ok(doubts) = timeout(LONGEST_DOUBT, doubtful_mutes(&cluster, &muting(&offers))).await
        {
            doubts.iter().for_each(|doubt| engine.notice(doubt));
        }
        Ok((offers, ends))
    };
    bench.attend(doing, show).await
}

/// Prints what was done: records on standard output, a summary on standard error.
fn report(context: &Context, format: Format, reading: &Reading, offers: &[Offer], ends: &[RunEnd]) {
    let later: Vec<_> = offers.iter().filter_map(LaterRecord::of).collect();
    let skipped: Vec<_> = offers.iter().filter_map(SkipRecord::of).collect();
    match format {
        Format::Json => context.ui.json(&RunReport {
            version: OUTPUT_VERSION,
            runs: ends.iter().map(run_record).collect(),
            later,
            skipped,
            alerts_read: reading.read,
            bad_alerts: reading.bad.clone(),
        }),
        Format::Ndjson => {
            // Runs were printed as they ended.
            later.iter().for_each(|record| context.ui.json_line(record));
            skipped.iter().for_each(|record| context.ui.json_line(record));
        }
        Format::Text => {
            let most = if context.ui.verbosity() > 0 { usize::MAX } else { MOST_LATER };
            for record in later.iter().take(most) {
                context.ui.say(format_args!(
                    "{} {} {}: {}",
                    context.ui.err_paint(Tone::Doubtful, "later"),
                    record.playbook,
                    crate::text::escape_for_terminal(&record.target),
                    crate::text::escape_for_terminal(&record.detail)
                ));
            }
            if let Some(more) = later.len().checked_sub(most).filter(|more| *more > 0) {
                context.ui.say(format_args!("and {more} more; `-v` and `amflow plan` tell of each"));
            }
        }
    }
    context.ui.say(summary(reading, offers, ends));
    let failed = |end: &&RunEnd| matches!(end.kind, RunEndKind::Finished(RunStatus::Failed));
    if let Some(end) = ends.iter().find(failed) {
        let id = short_id(&end.header.run);
        context.ui.say(format_args!("  hint: `amflow runs show {id}` tells what it did and what came back"));
    }
    if ends.iter().any(|end| matches!(end.kind, RunEndKind::Abandoned | RunEndKind::StoreFailed(_))) {
        context
            .ui
            .say("  hint: `amflow runs resume` goes on with what was left in the middle, and ends it well");
    }
}

/// One line: alerts, runs by status, later, why nothing.
pub(super) fn summary(reading: &Reading, offers: &[Offer], ends: &[RunEnd]) -> String {
    let read = usize::try_from(reading.read).unwrap_or(usize::MAX);
    let mut parts = vec![format!("{} read from {}", plural(read, "alert"), reading.delivery.source)];
    if !reading.bad.is_empty() {
        parts.push(format!("{} passed over", plural(reading.bad.len(), "bad alert")));
    }
    let count = |wanted: RunStatus| {
        ends.iter().filter(|e| matches!(e.kind, RunEndKind::Finished(status) if status == wanted)).count()
    };
    if ends.is_empty() {
        parts.push("nothing to run".to_owned());
    } else {
        parts.push(plural(ends.len(), "run"));
    }
    for status in [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled, RunStatus::Rejected] {
        let n = count(status);
        if n > 0 {
            parts.push(format!("{n} {}", status.as_str()));
        }
    }
    let left = |which: fn(&RunEndKind) -> bool| ends.iter().filter(|end| which(&end.kind)).count();
    for (n, how) in [
        (left(|kind| matches!(kind, RunEndKind::Parked(_))), "left waiting"),
        (
            left(|kind| matches!(kind, RunEndKind::Abandoned | RunEndKind::StoreFailed(_))),
            "left in the middle",
        ),
        (left(|kind| matches!(kind, RunEndKind::TakenAway)), "taken over by another process"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {how}"));
        }
    }
    let later = offers.iter().filter(|o| matches!(o.answer, OfferAnswer::Later(_))).count();
    if later > 0 {
        parts.push(format!("{later} later"));
    }
    let claimed =
        offers.iter().filter(|o| matches!(&o.answer, OfferAnswer::Skip(Skip::Claimed { .. }))).count();
    if claimed > 0 {
        parts.push(format!("{claimed} already done or under way"));
    }
    parts.join(", ")
}

/// Returns the exit code of what happened.
pub(super) fn exit(offers: &[Offer], ends: &[RunEnd], stopped: Option<Exit>) -> Exit {
    let mut exit = Exit::Done;
    for end in ends {
        exit = exit.worst(match &end.kind {
            RunEndKind::Finished(RunStatus::Failed | RunStatus::Rejected) => Exit::Failed,
            RunEndKind::Finished(_) | RunEndKind::TakenAway => Exit::Done,
            RunEndKind::Parked(_) => Exit::Waiting,
            RunEndKind::Abandoned => Exit::Interrupted,
            RunEndKind::StoreFailed(_) => Exit::Unable,
        });
    }
    for offer in offers {
        exit = exit.worst(match &offer.answer {
            OfferAnswer::Skip(Skip::WhenFailed { .. }) => Exit::Failed,
            OfferAnswer::Skip(Skip::Missing { .. }) => Exit::Usage,
            _ => Exit::Done,
        });
    }
    stopped.map_or(exit, |stopped| exit.worst(stopped))
}
