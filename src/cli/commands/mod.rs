//! The commands, one file each: its arguments and its `run`. Main type: [`Command`].

mod completions;
mod man;

use clap::Subcommand;

use super::context::Context;
use super::error::{CliError, Exit};

/// What amflow is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual, or write all its pages to a directory
    Man(man::ManArgs),
}

/// Runs a command.
///
/// # Errors
/// Why it could not do what was asked.
pub(super) fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
    }
}
