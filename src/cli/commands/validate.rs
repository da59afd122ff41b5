//! `amflow validate`: every problem of every playbook, without network.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::args::{AlertmanagerArgs, PlaybookArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::cli::{playbooks, reading};
use crate::playbook::parse_files;
use crate::text::{plural, render};

const EXAMPLES: &str = "\
Examples:
  amflow validate                         the configuration's, or ./playbooks
  amflow validate playbooks/ extra.yaml   these files and directories
  amflow validate -o github playbooks/    in CI: problems become annotations

Exit code 1 when there are problems; warnings alone are no failure.
docs/checks.md explains every problem, with an example.";

/// The arguments of `amflow validate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ValidateArgs {
    /// Files, or directories with all below them
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Where playbooks are.
    #[command(flatten)]
    pub playbooks: PlaybookArgs,
    /// Form of the problems
    #[arg(short, long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub output: ProblemFormat,
}

/// A form of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProblemFormat {
    /// For people: source line, caret, hint
    Text,
    /// One JSON document
    Json,
    /// Workflow commands, which GitHub shows at the line
    Github,
}

/// Reads all files, prints all problems.
pub(super) fn run(args: &ValidateArgs, context: &Context) -> Result<Exit, CliError> {
    let mut places = args.playbooks.clone();
    places.playbooks.extend(args.paths.iter().cloned());
    let settings = reading::settings(context, &AlertmanagerArgs::default(), Some(&places), None, None)?;
    let files = playbooks::find(&settings)?;
    let count = files.len();
    let loaded = parse_files(files, &settings.facts());
    let problems = loaded.diagnostics;
    match args.output {
        ProblemFormat::Text => context.ui.data(&render::text(&problems, context.ui.out_drawing())),
        ProblemFormat::Json => context.ui.json(&render::json(&problems)),
        ProblemFormat::Github => context.ui.data(&render::github(&problems)),
    }
    let errors = problems.errors();
    let warnings = problems.warnings();
    context.ui.say(format_args!(
        "{} read: {}, {}",
        plural(count, "file"),
        plural(errors, "problem"),
        plural(warnings, "warning")
    ));
    Ok(if errors > 0 { Exit::Failed } else { Exit::Done })
}
