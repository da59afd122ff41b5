//! The command line: one file per command; the only printer; wires everything.
//!
//! [`main`] parses the arguments, makes the [`Context`] and runs a [`Command`]. What goes wrong is a
//! [`CliError`], which carries the [`Exit`] code.

mod args;
mod asking;
mod commands;
mod context;
mod error;
mod habits;
mod log;
mod mutes;
mod past;
mod playbooks;
mod reading;
mod show;
mod table;
mod telemetry;
mod textfile;
mod ui;
mod workbench;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

pub use args::{
    AlertmanagerArgs, Cli, Format, GlobalArgs, OutputArgs, PlaybookArgs, RunningArgs, SourceArgs, StoreArgs,
};
pub use commands::Command;
pub use context::Context;
pub use error::{CliError, Exit, OrExit};
pub use ui::{Tone, Ui};

use crate::config::Environment;

/// Runs the program with the arguments and the environment of this process.
#[expect(clippy::disallowed_methods, reason = "this is the place where the command line is read")]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment::of_process();
    let exit = match Cli::try_parse_from(&arguments) {
        Ok(cli) => start(cli, environment),
        Err(error) => refuse(&error, &arguments, &environment),
    };
    exit.into()
}

/// Returns the whole command line, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

fn start(cli: Cli, environment: Environment) -> Exit {
    let ui = Ui::new(&environment, &cli.global);
    let context = Context::new(ui, environment, cli.global);
    let exit = match commands::run(cli.command, &context) {
        Ok(exit) => exit,
        Err(error) => {
            context.ui.error(&error);
            error.exit()
        }
    };
    exit.worst(context.ui.finish())
}

/// Answers `--help` and `--version`, and says what is wrong with the arguments.
fn refuse(error: &clap::Error, arguments: &[OsString], environment: &Environment) -> Exit {
    let ui = Ui::new(environment, &GlobalArgs::default());
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        ui.data(&ui.styled_for_out(&error.render()));
        return Exit::Done.worst(ui.finish());
    }
    match habits::explain(arguments) {
        Some(better) => ui.error(&better),
        None => ui.say_even_if_quiet(&ui.styled_for_err(&error.render())),
    }
    Exit::Usage
}
