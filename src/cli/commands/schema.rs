//! `amflow schema`: the JSON Schema of playbooks and of the configuration, for editors, and of what is printed for
//! programs.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::text::schema_for_editors;

const EXAMPLES: &str = "\
Examples:
  amflow schema playbook > playbook.schema.json
  amflow schema config > amflow.schema.json
  amflow schema output | jq '.$defs | keys'    one for each command

An editor completes and checks a playbook that begins with this line:
  # yaml-language-server: $schema=playbook.schema.json";

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
    /// Everything that `-o json` and `-o ndjson` print
    Output,
    /// The HTTP API of `amflow serve`, as OpenAPI
    Api,
}

/// Prints the schema.
pub(super) fn run(args: &SchemaArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        SchemaOf::Playbook => context.ui.json(&schema_for_editors(crate::playbook::schema().clone())),
        SchemaOf::Output => context.ui.json(&crate::report::output_schema()),
        SchemaOf::Api => context.ui.json(&crate::server::openapi()),
        SchemaOf::Config => context.ui.json(&schema_for_editors(crate::config::schema())),
    }
    Ok(Exit::Done)
}
