//! The commands, one file each: its arguments and its `run`. Main type: [`Command`].

mod breakers;
mod completions;
mod man;
mod pause;
mod plan;
mod run;
mod runs;

use clap::Subcommand;

use super::context::Context;
use super::error::{CliError, Exit};

/// What amflow is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read alerts and run the playbooks that they start
    Run(run::RunArgs),
    /// Show what would run, with its effects, and why the rest would not; changes nothing
    Plan(plan::PlanArgs),
    /// List, show, resume, cancel, retry and prune runs
    Runs(runs::RunsArgs),
    /// Hold everything, or one playbook, at once and everywhere
    Pause(pause::PauseArgs),
    /// End a pause
    Unpause(pause::UnpauseArgs),
    /// List and reset the breakers of playbooks that failed too often in a row
    Breakers(breakers::BreakersArgs),
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
        Command::Run(args) => run::run(&args, context),
        Command::Plan(args) => plan::run(&args, context),
        Command::Runs(args) => runs::run(&args, context),
        Command::Pause(args) => pause::pause(&args, context),
        Command::Unpause(args) => pause::unpause(&args, context),
        Command::Breakers(args) => breakers::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
    }
}
