//! `amflow plan`: what would run now, with its effects, and why the rest would not. Changes nothing.

use clap::Args;

use crate::cli::args::{Format, OutputArgs, PlaybookArgs, SourceArgs, StoreArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::reading::{self, Reading};
use crate::cli::ui::Tone;
use crate::cli::workbench::{self, Workbench};
use crate::engine::{Offer, OfferAnswer, StartedRun};
use crate::report::{LaterRecord, SkipRecord, effect_details, plan_record, step_records};
use crate::run::{Machine, Options, Planned, PlannedMove, Run, Skip};
use crate::store::Access;
use crate::text::{escape_for_terminal, plural};

const EXAMPLES: &str = "\
Examples:
  amflow plan                                   what would run for the alerts of the configured Alertmanager
  amtool alert query -o json | amflow plan      for exactly what is piped
  amflow plan --explain                         for every alert and playbook: why, or the first reason why not
  amflow plan -o ndjson | jq 'select(.type == \"start\")'

Nothing is changed, nowhere. Secrets are named, never shown.";

/// The arguments of `amflow plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// Say for every alert and every playbook why, or the first reason why not
    #[arg(long)]
    pub explain: bool,
    /// Where playbooks are.
    #[command(flatten)]
    pub playbooks: PlaybookArgs,
    /// Where alerts come from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Reads, judges on a snapshot, prints.
pub(super) fn run(args: &PlanArgs, context: &Context) -> Result<Exit, CliError> {
    let reading = if args.explain {
        reading::read_all(context, &args.playbooks, &args.source, &args.store, None)?
    } else {
        reading::read(context, &args.playbooks, &args.source, &args.store, None)?
    };
    let store = workbench::open_of(context, &reading.settings, Access::Read)?;
    let bench = Workbench::new(context, &reading.settings, store, false)?;
    let offers =
        context.block_on(bench.engine.preview(&reading.library, &reading.delivery))?.or_end(Exit::Unable)?;
    let unfinished =
        if reading.polled { context.block_on(bench.unfinished())?.or_end(Exit::Unable)? } else { Vec::new() };
    match args.output.output {
        Format::Text => {
            for run in &unfinished {
                context.ui.line(format_args!(
                    "{} {} {}: {}",
                    context.ui.paint(Tone::Doubtful, "would go on"),
                    run.header.playbook,
                    escape_for_terminal(&run.header.target),
                    run.status.as_str()
                ));
            }
            offers.iter().for_each(|offer| text(context, offer));
            if args.explain {
                explain(context, &reading);
            }
        }
        format => {
            let values = records(&offers, &reading, args.explain);
            match format {
                Format::Json => context.ui.json(&values),
                _ => values.iter().for_each(|value| context.ui.json_line(value)),
            }
        }
    }
    let starts = offers.iter().filter(|o| matches!(o.answer, OfferAnswer::Started(_))).count();
    let later = offers.iter().filter(|o| matches!(o.answer, OfferAnswer::Later(_))).count();
    let read = usize::try_from(reading.read).unwrap_or(usize::MAX);
    context.ui.say(format_args!(
        "{} read from {}: {} would start, {later} later",
        plural(read, "alert"),
        reading.delivery.source,
        plural(starts, "run"),
    ));
    let failed = offers
        .iter()
        .any(|o| matches!(&o.answer, OfferAnswer::Skip(Skip::WhenFailed { .. } | Skip::Missing { .. })));
    Ok(if failed { Exit::Failed } else { Exit::Done }.worst(reading.exit()))
}

/// Returns what a started run would do.
fn steps(offer: &Offer, started: &StartedRun) -> Vec<(&'static str, Vec<Planned>)> {
    let Some(run) = Run::replay(&started.header.run, &started.journal) else { return Vec::new() };
    Machine::new(run, offer.playbook.clone(), Options::default()).preview()
}

fn records(offers: &[Offer], reading: &Reading, explained: bool) -> Vec<serde_json::Value> {
    let value =
        |record: Result<serde_json::Value, serde_json::Error>| record.unwrap_or(serde_json::Value::Null);
    let mut values = Vec::new();
    for offer in offers {
        values.push(match &offer.answer {
            OfferAnswer::Started(started) => {
                let steps = step_records(&steps(offer, started));
                value(serde_json::to_value(plan_record(offer, &started.header, steps)))
            }
            OfferAnswer::Later(_) => value(serde_json::to_value(LaterRecord::of(offer))),
            OfferAnswer::Skip(_) => value(serde_json::to_value(SkipRecord::of(offer))),
        });
    }
    if explained {
        for (alert, playbook, skip) in reading.unmatched() {
            values.push(serde_json::json!({
                "type": "skip",
                "playbook": playbook.name.to_string(),
                "target": alert.labels.to_string(),
                "reason": skip.word(),
                "detail": skip.to_string(),
            }));
        }
    }
    values
}

fn text(context: &Context, offer: &Offer) {
    let ui = &context.ui;
    let target = match offer.alerts.first() {
        Some(alert) if offer.group.labels.is_empty() => alert.labels.to_string(),
        _ => format!("{} of {{{}}}", plural(offer.alerts.len(), "alert"), offer.group.target),
    };
    let target = escape_for_terminal(&target).into_owned();
    let name = ui.paint(Tone::Strong, offer.playbook.name.as_str());
    match &offer.answer {
        OfferAnswer::Started(started) => {
            ui.line(format_args!("{} {name}  {target}", ui.paint(Tone::Good, "start")));
            for (part, planned) in steps(offer, started) {
                if part != "steps" {
                    ui.line(format_args!("    {}", ui.paint(Tone::Faint, part)));
                }
                planned.iter().for_each(|step| planned_line(context, step));
            }
        }
        OfferAnswer::Later(closed) => {
            ui.line(format_args!(
                "{} {name}  {target}\n    {}",
                ui.paint(Tone::Doubtful, "later"),
                closed.detail
            ));
        }
        OfferAnswer::Skip(skip) => {
            ui.line(format_args!("{}  {name}  {target}\n    {skip}", ui.paint(Tone::Faint, "skip")));
        }
    }
}

fn planned_line(context: &Context, step: &Planned) {
    let ui = &context.ui;
    let indent = "  ".repeat(step.depth + 2);
    let says = match &step.does {
        PlannedMove::Effect(effect) => crate::report::effect_line(effect),
        PlannedMove::Hold(hold) => crate::report::hold_line(hold),
        PlannedMove::Wait | PlannedMove::Glue => escape_for_terminal(&step.summary).into_owned(),
        PlannedMove::Group(kind) => (*kind).to_owned(),
        PlannedMove::NotYetKnown(why) => {
            format!(
                "{} {}",
                escape_for_terminal(&step.summary),
                ui.paint(Tone::Faint, &format!("(not yet known: {why})"))
            )
        }
        PlannedMove::Fails(why) => ui.paint(Tone::Bad, &format!("would fail: {why}")),
        PlannedMove::Skipped => ui.paint(Tone::Faint, "skipped: its `when` is false"),
    };
    ui.line(format_args!("{indent}{}: {says}", step.path));
    if let (Some(when), false) = (&step.when, matches!(step.does, PlannedMove::Skipped)) {
        ui.line(format_args!("{indent}  {}", ui.paint(Tone::Faint, &format!("when {when}"))));
    }
    if ui.verbosity() > 0
        && let PlannedMove::Effect(effect) = &step.does
    {
        effect_details(effect).iter().for_each(|line| ui.line(format_args!("{indent}  │ {line}")));
    }
}

fn explain(context: &Context, reading: &Reading) {
    for (alert, playbook, skip) in reading.unmatched() {
        context.ui.line(format_args!(
            "{}  {}  {}\n    {skip}",
            context.ui.paint(Tone::Faint, "skip"),
            playbook.name,
            escape_for_terminal(&alert.labels.to_string()),
        ));
    }
}
