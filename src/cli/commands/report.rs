//! `amflow report`: what happened in a period, in figures, as text, JSON, Markdown or a page.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use jiff::Timestamp;

use crate::cli::args::{AlertmanagerArgs, StoreArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::past::{self, Wanted};
use crate::cli::{reading, textfile, workbench};
use crate::report::{Period, PeriodReport, Tally, period_html, period_markdown, period_text};
use crate::store::Access;

const EXAMPLES: &str = "\
Examples:
  amflow report                                    the last seven days
  amflow report --since 30d 'team=\"storage\"'       alerts of one team
  amflow report --since 2026-11-01 --until 2026-12-01 -o markdown
  amflow report -o html --output-file week.html    a page with a timeline";

/// The arguments of `amflow report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Only runs whose oldest alert this matches, such as 'severity="critical"'; all of several must match
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// Runs that started from then on: a time ago (7d), a day (2026-11-01, UTC) or a time (RFC 3339)
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub since: String,
    /// Runs that started before then [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only runs of this playbook
    #[arg(long, value_name = "NAME")]
    pub playbook: Option<String>,
    /// Form of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub output: ReportFormat,
    /// Write the report there instead of to standard output, whole or not at all
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output_file: Option<PathBuf>,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    Text,
    /// One JSON document
    Json,
    /// For a ticket or a wiki
    #[value(alias = "md")]
    Markdown,
    /// One page with a timeline, which needs nothing else
    Html,
}

/// Adds up and prints.
pub(super) fn run(args: &ReportArgs, context: &Context) -> Result<Exit, CliError> {
    let now = workbench::clock().now();
    let mut wanted =
        Wanted::new(args.playbook.as_ref(), Some(&args.since), args.until.as_ref(), &args.matchers, now)?;
    let until = *wanted.filter.until.get_or_insert(now);
    let since = wanted.filter.since.unwrap_or(Timestamp::UNIX_EPOCH);
    if since >= until {
        return Err(CliError::usage(format_args!("--since {}: that is not before now", args.since)));
    }
    let settings = reading::settings(context, &AlertmanagerArgs::default(), None, Some(&args.store), None)?;
    let store = workbench::open_of(context, &settings, Access::Read)?;
    let mut tally = Tally::new(Period {
        since,
        until,
        now,
        playbook: args.playbook.clone(),
        matchers: wanted.matchers.iter().map(ToString::to_string).collect(),
    });
    let bar = context.ui.progress("reading journals");
    let facts = settings.facts();
    let reading = past::each_run(store.as_ref(), &facts, wanted, |run| tally.add(run));
    context.block_on(reading)?.or_end(Exit::Unable)?;
    bar.finish_and_clear();
    let written = write(&tally.finish(), args.output)?;
    match &args.output_file {
        None => context.ui.data(&written),
        Some(file) => {
            textfile::replace(file, &written, None)
                .or_exit(Exit::Unable, || format!("cannot write the report to {}", file.display()))?;
            context.ui.say(format_args!("written to {}", file.display()));
        }
    }
    Ok(Exit::Done)
}

fn write(report: &PeriodReport, format: ReportFormat) -> Result<String, CliError> {
    Ok(match format {
        ReportFormat::Text => {
            let mut text = period_text(report).join("\n");
            text.push('\n');
            text
        }
        ReportFormat::Json => {
            let json = serde_json::to_string_pretty(report);
            json.or_exit(Exit::Unable, || "the report has no JSON".to_owned())? + "\n"
        }
        ReportFormat::Markdown => period_markdown(report),
        ReportFormat::Html => period_html(report),
    })
}
