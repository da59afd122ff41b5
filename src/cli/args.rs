//! The arguments that several commands share. Main types: [`Cli`], [`GlobalArgs`].

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, ValueEnum, ValueHint};

use super::commands::Command;
use crate::client::BaseUrl;

const EXAMPLES: &str = "\
Examples:
  amflow demo                                see the whole thing in ten seconds
  amflow init                                write a first playbook that runs
  amflow plan --poll --explain               what would run now, and why not
  amflow run --poll                          work on what Alertmanager has
  amtool alert query -o json | amflow run    work on exactly what is piped
  amflow validate playbooks/                 find every problem, without network
  amflow runs list                           what was done

Exit codes:
  0  done, also when nothing matched
  1  the work failed: a run failed, problems were found
  2  wrong usage, configuration or playbooks; nothing was started
  3  could not do it: a source or the store cannot be reached
  4  runs are waiting for a person or a time
  5  approve, reject: it is decided already
  6  approve, reject: its time is over, or nobody is needed any more
  7  approve, reject: it is not yours to decide
  8  approve, reject: what it would do is no longer what --digest names
  130, 143  interrupted by SIGINT, or by SIGTERM or a closed terminal";

/// Runs playbooks for the alerts of Prometheus Alertmanager, once per episode, and proves that they are gone
#[derive(Debug, Parser)]
#[command(
    name = "amflow",
    version,
    about,
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub struct Cli {
    /// What is for all commands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What is for all commands.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct GlobalArgs {
    /// The configuration file.
    #[arg(help = "Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]", long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; may be repeated
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
}

/// Where playbooks are.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Playbooks")]
pub struct PlaybookArgs {
    /// Playbooks: a file, or a directory with all below it; may be repeated [default: the configuration's, ./playbooks, /etc/amflow/playbooks]
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub playbooks: Vec<PathBuf>,
}

/// Where Alertmanager is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Alertmanager")]
pub struct AlertmanagerArgs {
    /// Where Alertmanager is; repeated for every peer of a cluster [default: the configuration's, then amtool's]
    #[arg(id = "alertmanager_url", long = "alertmanager.url", value_name = "URL", value_hint = ValueHint::Url)]
    pub urls: Vec<BaseUrl>,
    /// How to talk to it: a file with Prometheus' `http_config`, as amtool takes it
    #[arg(id = "http_config_file", long = "http.config.file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub http_config_file: Option<PathBuf>,
}

/// Where alerts come from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Alerts")]
pub struct SourceArgs {
    /// Read alerts from a file, standard input (-) or a URL [default: standard input when it is a pipe or a file, else a poll]
    #[arg(long, value_name = "FILE|-|URL", conflicts_with = "poll")]
    pub from: Option<String>,
    /// Ask Alertmanager for its alerts, whatever standard input is; a crontab needs this
    #[arg(long)]
    pub poll: bool,
    /// Only alerts that this matches, such as 'severity="critical"'; all of several must match
    #[arg(long, value_name = "MATCHER")]
    pub filter: Vec<String>,
    /// Where Alertmanager is.
    #[command(flatten)]
    pub alertmanager: AlertmanagerArgs,
}

/// Where the store is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Directory of the store [default: the configuration's, /var/lib/amflow where it exists, ~/.local/state/amflow]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
}

/// Reads a number from 1.
pub(super) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number from 1 is needed".to_owned())
}

/// How runs are worked on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Running")]
pub struct RunningArgs {
    /// Runs worked on at the same time [default: the configuration's, 4]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub parallel: Option<NonZeroUsize>,
    /// Leave runs that wait for a time or a person to the next start, and end with code 4
    #[arg(long)]
    pub no_wait: bool,
    /// Write the store's figures there when done, for the textfile collector of node_exporter [default: the configuration's, none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<PathBuf>,
}

/// How data is written.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Form of the data on standard output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
}

/// A form of data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON document a line, as things happen
    Ndjson,
}
