//! `amflow schema`: the JSON Schema of playbooks and of the configuration, for editors.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};

const EXAMPLES: &str = "\
Examples:
  amflow schema playbook > playbook.schema.json
  # yaml-language-server: $schema=playbook.schema.json      (first line of a playbook)";

/// The arguments of `amflow schema`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_name = "WHAT", default_value = "playbook")]
    pub what: SchemaOf,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A playbook
    Playbook,
    /// The configuration
    Config,
}

/// Prints the schema.
pub(super) fn run(args: &SchemaArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        SchemaOf::Playbook => context.ui.json(&crate::playbook::schema()),
        SchemaOf::Config => context.ui.json(&crate::config::schema()),
    }
    Ok(Exit::Done)
}
