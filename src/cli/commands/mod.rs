//! The commands, one file each: its arguments and its `run`. Main type: [`Command`].

mod alertmanager_config;
mod alerts;
mod breakers;
mod completions;
mod decide;
mod demo;
mod init;
mod man;
mod pause;
mod plan;
mod report;
mod run;
mod runs;
mod schema;
mod tasks;
mod serve;
mod validate;

use clap::Subcommand;

use super::context::Context;
use super::error::{CliError, Exit};

/// What amflow is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole thing in ten seconds, with nothing installed
    Demo(demo::DemoArgs),
    /// Read alerts and run the playbooks that they start
    Run(run::RunArgs),
    /// Show what would run, with its effects, and why the rest would not; changes nothing
    Plan(plan::PlanArgs),
    /// Listen for webhooks, poll, and work, always on
    Serve(serve::ServeArgs),
    /// Find every problem of every playbook, without network
    Validate(validate::ValidateArgs),
    /// Show the alerts that are read, filtered
    Alerts(alerts::AlertsArgs),
    /// List, show, resume, cancel, retry and prune runs
    Runs(runs::RunsArgs),
    /// List and show what people have to decide
    Tasks(tasks::TasksArgs),
    /// Tell what happened: runs, handling and recovery times, noise; as text, JSON, Markdown or a page
    Report(report::ReportArgs),
    /// Approve what a run waits to do
    Approve(decide::ApproveArgs),
    /// Reject what a run waits to do, which ends it
    Reject(decide::RejectArgs),
    /// Hold everything, or one playbook, at once and everywhere
    Pause(pause::PauseArgs),
    /// End a pause
    Unpause(pause::UnpauseArgs),
    /// List and reset the breakers of playbooks that failed too often in a row
    Breakers(breakers::BreakersArgs),
    /// Write a configuration and a first playbook
    Init(init::InitArgs),
    /// Print what to paste into Alertmanager's configuration
    AlertmanagerConfig(alertmanager_config::AlertmanagerConfigArgs),
    /// Print the JSON Schema of playbooks, the configuration or the output, or the API of `serve`
    Schema(schema::SchemaArgs),
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
        Command::Demo(args) => demo::run(&args, context),
        Command::Run(args) => run::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
        Command::Plan(args) => plan::run(&args, context),
        Command::Runs(args) => runs::run(&args, context),
        Command::Report(args) => report::run(&args, context),
        Command::Tasks(args) => tasks::run(&args, context),
        Command::Approve(args) => decide::approve(&args, context),
        Command::Reject(args) => decide::reject(&args, context),
        Command::Pause(args) => pause::pause(&args, context),
        Command::Unpause(args) => pause::unpause(&args, context),
        Command::Validate(args) => validate::run(&args, context),
        Command::Alerts(args) => alerts::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::AlertmanagerConfig(args) => alertmanager_config::run(&args, context),
        Command::Schema(args) => schema::run(&args, context),
        Command::Breakers(args) => breakers::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
    }
}

/// Finds the run that a person means: its id, or the beginning or end of it.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn find_run(
    context: &Context,
    store: &dyn crate::engine::Store,
    named: &str,
) -> Result<crate::engine::RunSummary, CliError> {
    runs::find(context, store, named)
}
