//! `amflow plan`: what would run now, with its effects, and why the rest would not. Changes nothing.

use clap::Args;
use serde::Serialize;

use super::run::lacking;
use crate::cli::args::{Format, OutputArgs, PlaybookArgs, SourceArgs, StoreArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::mutes::{doubtful_mutes, muting};
use crate::cli::reading;
use crate::cli::show::Show;
use crate::cli::ui::Tone;
use crate::cli::workbench::{self, Workbench};
use crate::engine::{Engine, Offer, OfferAnswer, RunSummary, StartedRun};
use crate::playbook::{Playbook, Recheck};
use crate::report::{GoOnRecord, LaterRecord, SkipRecord, effect_details, plan_record, shown, step_records};
use crate::run::{Closed, Planned, PlannedMove, PlannedPart, Skip, Unmatched, unmatched};
use crate::store::Access;
use crate::text::{escape_for_terminal, plural};

const EXAMPLES: &str = "\
Examples:
  amflow plan --poll                         what would run now
  amtool alert query -o json | amflow plan   for exactly what is piped
  amflow plan --poll --explain               why, or the first reason why not
  amflow plan --poll --run-read-only         begin with what changes nothing
  amflow plan --from alerts.json -o ndjson | jq 'select(.type == \"start\")'

Nothing is changed anywhere. Secrets are named, never shown.";

/// The arguments of `amflow plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// Say for every alert and every playbook why, or the first reason why not
    #[arg(long)]
    pub explain: bool,
    /// Run the steps that say `read_only: true`, up to the first that changes something, to know what depends on them
    #[arg(long)]
    pub run_read_only: bool,
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
    let mut bench = Workbench::for_looks(context, &reading.settings, store)?;
    bench.warn_of_overlap(context, &reading.delivery)?;
    workbench::say_pauses(context, bench.engine.store().as_ref())?;
    let offers =
        context.block_on(bench.engine.preview(&reading.library, &reading.delivery))?.or_end(Exit::Unable)?;
    let unfinished =
        if reading.polled { context.block_on(bench.unfinished())?.or_end(Exit::Unable)? } else { Vec::new() };
    let mut print = Print { context, format: args.output.output, values: Vec::new() };
    unfinished.iter().for_each(|run| print.go_on(run));
    for offer in &offers {
        match &offer.answer {
            OfferAnswer::Started(started) => {
                let parts = if args.run_read_only {
                    look_ahead(context, &mut bench, offer, started)?
                } else {
                    Engine::plan(offer, started)
                };
                print.start(offer, started, &parts);
            }
            OfferAnswer::Later(closed) => print.later(offer, closed),
            OfferAnswer::Skip(skip) => print.skip(offer, skip),
        }
    }
    if args.explain {
        let handed = |pair: &Unmatched<'_>| {
            let mut to_it =
                offers.iter().filter(|o| o.handed_over.is_some() && o.playbook.name == pair.playbook.name);
            to_it.any(|offer| offer.alerts.iter().any(|alert| alert.fingerprint == pair.alert.fingerprint))
        };
        let pairs = unmatched(&reading.library, &reading.delivery.alerts);
        pairs.filter(|pair| !handed(pair)).for_each(|pair| print.unmatched(&pair));
    }
    print.end();
    if let Some(cluster) = reading.settings.cluster().or_end(Exit::Usage)? {
        let doubts = context.block_on(doubtful_mutes(&cluster, &muting(&offers)))?;
        doubts.iter().for_each(|doubt| context.ui.warn(doubt));
    }
    let unseen = |offer: &&Offer| {
        matches!(offer.answer, OfferAnswer::Started(_)) && offer.playbook.recheck != Recheck::Never
    };
    if reading.settings.alertmanager.is_none() && offers.iter().any(|offer| unseen(&offer)) {
        context.ui.say(
            "no Alertmanager is configured: alerts would not be looked at again before the first effect",
        );
    }
    let starts = offers.iter().filter(|o| matches!(o.answer, OfferAnswer::Started(_))).count();
    let later = offers.iter().filter(|o| matches!(o.answer, OfferAnswer::Later(_))).count();
    let read = usize::try_from(reading.read).unwrap_or(usize::MAX);
    let more = if unfinished.is_empty() {
        String::new()
    } else {
        format!(", {} would go on", plural(unfinished.len(), "run"))
    };
    context.ui.say(format_args!(
        "{} read from {}: {} would start, {later} later{more}",
        plural(read, "alert"),
        reading.delivery.source,
        plural(starts, "run"),
    ));
    if let Some(stopped) = bench.stopped() {
        return Ok(stopped);
    }
    let is_missing = |o: &Offer| matches!(&o.answer, OfferAnswer::Skip(Skip::Missing { .. }));
    let mut held =
        if offers.iter().any(is_missing) { bench.engine.held_back(&reading.library) } else { Vec::new() };
    held.retain(|(held, _)| offers.iter().any(|o| is_missing(o) && o.playbook.name == held.name));
    if !held.is_empty() {
        return Err(lacking(&held).hint("`amflow run` would start nothing"));
    }
    let failed = offers.iter().any(|o| matches!(&o.answer, OfferAnswer::Skip(Skip::WhenFailed { .. })));
    Ok(if failed { Exit::Failed } else { Exit::Done }.worst(reading.exit()))
}

/// Does what changes nothing, so that more is known; a signal ends it.
fn look_ahead(
    context: &Context,
    bench: &mut Workbench,
    offer: &Offer,
    started: &StartedRun,
) -> Result<Vec<PlannedPart>, CliError> {
    let engine = bench.engine.clone();
    let mut show = Show::new(&context.ui, Format::Text);
    context.block_on(bench.attend(engine.look_ahead(offer, started), &mut show))
}

/// Prints in one of the forms.
struct Print<'c> {
    context: &'c Context,
    format: Format,
    /// What is printed at the end, as one document.
    values: Vec<serde_json::Value>,
}

impl Print<'_> {
    fn go_on(&mut self, run: &RunSummary) {
        let ui = &self.context.ui;
        if self.format != Format::Text {
            return self.record(&GoOnRecord::of(run));
        }
        let due = run.due.map_or_else(String::new, |due| format!(", due {}", due.strftime("%H:%M:%SZ")));
        let reason = if run.reason.is_empty() { String::new() } else { format!(": {}", run.reason) };
        ui.line(format_args!(
            "{} {}  {}\n    {}{}{due}",
            ui.paint(Tone::Doubtful, "would go on"),
            ui.paint(Tone::Strong, &run.header.playbook),
            escape_for_terminal(&run.header.target),
            run.status.as_str(),
            escape_for_terminal(&reason),
        ));
    }

    fn start(&mut self, offer: &Offer, started: &StartedRun, parts: &[PlannedPart]) {
        if self.format != Format::Text {
            return self.record(&plan_record(offer, &started.header, step_records(parts)));
        }
        let ui = &self.context.ui;
        self.verdict(ui.paint(Tone::Good, "start"), &offer.playbook, &target(offer));
        if let Some(handed) = &offer.handed_over {
            ui.line(format_args!("    handed over by {}: {}", handed.by, escape_for_terminal(&handed.why)));
        }
        sync_lines(self.context, &offer.playbook);
        for (part, planned) in parts {
            if *part != "steps" {
                ui.line(format_args!("    {}", ui.paint(Tone::Faint, part)));
            }
            planned.iter().for_each(|step| planned_line(self.context, step));
        }
    }

    fn later(&mut self, offer: &Offer, closed: &Closed) {
        match LaterRecord::of(offer) {
            Some(record) if self.format != Format::Text => self.record(&record),
            _ => {
                let ui = &self.context.ui;
                self.verdict(ui.paint(Tone::Doubtful, "later"), &offer.playbook, &target(offer));
                ui.line(format_args!("    {}", escape_for_terminal(&closed.detail)));
            }
        }
    }

    fn skip(&mut self, offer: &Offer, skip: &Skip) {
        match SkipRecord::of(offer) {
            Some(record) if self.format != Format::Text => self.record(&record),
            _ => self.skipped(&offer.playbook, &target(offer), skip),
        }
    }

    fn unmatched(&mut self, pair: &Unmatched<'_>) {
        if self.format != Format::Text {
            return self.record(&SkipRecord::of_unmatched(pair));
        }
        self.skipped(pair.playbook, &pair.alert.labels.to_string(), &pair.skip);
    }

    fn skipped(&self, playbook: &Playbook, target: &str, skip: &Skip) {
        let ui = &self.context.ui;
        self.verdict(ui.paint(Tone::Faint, "skip "), playbook, target);
        ui.line(format_args!("    {}", escape_for_terminal(&skip.to_string())));
    }

    fn verdict(&self, word: String, playbook: &Playbook, target: &str) {
        let ui = &self.context.ui;
        let name = ui.paint(Tone::Strong, playbook.name.as_str());
        ui.line(format_args!("{word} {name}  {}", escape_for_terminal(target)));
    }

    fn record(&mut self, record: &impl Serialize) {
        match self.format {
            Format::Json => self.values.push(serde_json::to_value(record).unwrap_or_default()),
            Format::Ndjson | Format::Text => self.context.ui.json_line(record),
        }
    }

    fn end(&self) {
        if self.format == Format::Json {
            self.context.ui.json(&self.values);
        }
    }
}

fn target(offer: &Offer) -> String {
    let words = offer.group.in_words(&offer.alerts);
    if offer.group.labels.is_empty() {
        return words;
    }
    format!("{} of {words}", plural(offer.alerts.len(), "alert"))
}

/// Lines of an effect that are shown without `-v`.
const DETAILS: usize = 20;

/// Says what a run writes back to Alertmanager by itself.
fn sync_lines(context: &Context, playbook: &Playbook) {
    let sync = &playbook.sync;
    let mutes = match (sync.inhibit, sync.silence) {
        (true, true) => Some("an alert that inhibits it, and a silence"),
        (true, false) => Some("an alert that inhibits it"),
        (false, true) => Some("a silence"),
        (false, false) => None,
    };
    if let Some(by) = mutes {
        let most = crate::model::format_duration(sync.max);
        context.ui.line(format_args!("    sync: mutes its alert by {by} while it works, at most {most}"));
    }
    if sync.alert_on_failure {
        context.ui.line("    sync: raises AmflowRunFailed when it fails");
    }
}

fn planned_line(context: &Context, step: &Planned) {
    let ui = &context.ui;
    let indent = "  ".repeat(step.depth + 2);
    let summary = shown(&step.summary);
    let says = match &step.does {
        PlannedMove::Effect(effect) => crate::report::effect_line(effect),
        PlannedMove::Hold(hold) => crate::report::hold_line(hold),
        PlannedMove::Wait | PlannedMove::Glue => summary,
        PlannedMove::Asks(task) => ui.paint(Tone::Doubtful, &crate::report::asks_line(task)),
        PlannedMove::Did { outcome, .. } => {
            let tone = if outcome.is_good() { Tone::Good } else { Tone::Bad };
            let reason = escape_for_terminal(&outcome.reason()).into_owned();
            let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
            format!("{summary} {}", ui.paint(tone, &format!("(done: {}{reason})", outcome.status())))
        }
        PlannedMove::Group(kind) => (*kind).to_owned(),
        PlannedMove::NotYetKnown(why) => {
            let why = escape_for_terminal(why);
            format!("{summary} {}", ui.paint(Tone::Faint, &format!("(not yet known: {why})")))
        }
        PlannedMove::Fails(why) => ui.paint(Tone::Bad, &format!("would fail: {}", escape_for_terminal(why))),
        PlannedMove::Skipped => ui.paint(Tone::Faint, "skipped: its `when` is false"),
    };
    ui.line(format_args!("{indent}{}: {says}", step.path));
    if let (Some(when), false) = (&step.when, matches!(step.does, PlannedMove::Skipped)) {
        ui.line(format_args!("{indent}  {}", ui.paint(Tone::Faint, &format!("when {when}"))));
    }
    let details = match &step.does {
        PlannedMove::Effect(effect) => effect_details(effect),
        PlannedMove::Did { output, .. } => {
            let stdout = output.get("stdout").and_then(serde_json::Value::as_str).unwrap_or_default();
            stdout.lines().map(|line| escape_for_terminal(line).into_owned()).collect()
        }
        _ => Vec::new(),
    };
    let most = if ui.verbosity() > 0 { usize::MAX } else { DETAILS };
    for line in details.iter().take(most) {
        ui.line(format_args!("{indent}  │ {line}"));
    }
    let left = details.len().saturating_sub(most);
    if left > 0 {
        ui.line(format_args!("{indent}  │ ({} with -v)", plural(left, "more line")));
    }
}
