//! `amflow alerts`: the alerts as they were read, filtered.

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::cli::args::SourceArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::cli::{reading, table};
use crate::model::{Alert, Labels as _};
use crate::text::{escape_for_terminal, plural};

const EXAMPLES: &str = "\
Examples:
  amflow alerts --poll                   what Alertmanager has, muted ones too
  amflow alerts --poll NodeDown severity=critical 'job=~\"node.*\"'
                                         those that all matchers match
  amflow alerts --poll --active          without muted ones
  amflow alerts --from webhook.json      any shape that `amflow run` takes
  amtool alert query -o json | amflow alerts -o json
                                         as Alertmanager's API has them";

/// The arguments of `amflow alerts`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlertsArgs {
    /// Only alerts that this matches; the first may be an alert's name alone, as in amtool
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// Only alerts of these states, as in amtool: those that are not muted
    #[arg(short, long, help_heading = "States")]
    pub active: bool,
    /// Those that are silenced
    #[arg(short, long, help_heading = "States")]
    pub silenced: bool,
    /// Those that are inhibited
    #[arg(short, long, help_heading = "States")]
    pub inhibited: bool,
    /// Where alerts come from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Form of the alerts
    #[arg(short, long, value_name = "FORMAT", default_value = "simple", help_heading = "Output")]
    pub output: AlertFormat,
}

/// A form of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlertFormat {
    /// One line an alert
    Simple,
    /// With labels, annotations, times and the page of the rule
    Extended,
    /// The alerts in the shape of Alertmanager's API
    Json,
    /// The same, one a line
    Ndjson,
}

/// Reads and prints.
pub(super) fn run(args: &AlertsArgs, context: &Context) -> Result<Exit, CliError> {
    let mut source = args.source.clone();
    for (n, text) in args.matchers.iter().enumerate() {
        let is_matcher = text.contains('=') || text.contains("!~");
        source.filter.push(if n == 0 && !is_matcher { format!("alertname={text:?}") } else { text.clone() });
    }
    let mut reading = reading::read_alone(context, &source)?;
    reading.delivery.alerts.retain(|alert| is_of_state(args, alert));
    let alerts = &reading.delivery.alerts;
    match args.output {
        AlertFormat::Json => context.ui.json(alerts),
        AlertFormat::Ndjson => alerts.iter().for_each(|alert| context.ui.json_line(alert)),
        AlertFormat::Simple | AlertFormat::Extended if alerts.is_empty() => {}
        AlertFormat::Simple => {
            let mut table = table::table(context, &["ALERTNAME", "STARTS AT", "SUMMARY", "STATE"]);
            for alert in alerts {
                let summary = alert.annotations.get("summary").map_or("", String::as_str);
                table.add_row(vec![
                    escape_for_terminal(alert.name()).into_owned(),
                    moment(alert.starts_at),
                    escape_for_terminal(summary).into_owned(),
                    alert.state().to_owned(),
                ]);
            }
            context.ui.line(table);
        }
        AlertFormat::Extended => {
            let columns = ["LABELS", "ANNOTATIONS", "STARTS AT", "ENDS AT", "GENERATOR URL", "STATE"];
            let mut table = table::table(context, &columns);
            for alert in alerts {
                let notes = alert.annotations.iter().map(|(name, text)| (name.as_str(), text.as_str()));
                table.add_row(vec![
                    escape_for_terminal(&pairs(alert.labels.pairs())).into_owned(),
                    escape_for_terminal(&pairs(notes)).into_owned(),
                    moment(alert.starts_at),
                    alert.ends_at.map(moment).unwrap_or_default(),
                    escape_for_terminal(&alert.generator_url).into_owned(),
                    alert.state().to_owned(),
                ]);
            }
            context.ui.line(table);
        }
    }
    context.ui.say(format_args!(
        "{} of {} read from {}",
        alerts.len(),
        plural(usize::try_from(reading.read).unwrap_or(usize::MAX), "alert"),
        reading.delivery.source
    ));
    Ok(reading.exit())
}

/// Tells whether an alert has a state that is asked for; without one all have.
fn is_of_state(args: &AlertsArgs, alert: &Alert) -> bool {
    if !(args.active || args.silenced || args.inhibited) {
        return true;
    }
    // As Alertmanager's `active`, `silenced` and `inhibited`, of which amtool sets those that are not asked for
    // to false.
    (args.active || alert.is_muted())
        && (args.silenced || alert.silenced_by.is_empty())
        && (args.inhibited || alert.inhibited_by.is_empty())
}

/// Writes labels or annotations as amtool does, one after the other.
fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" ")
}

/// Writes a time as amtool does.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
