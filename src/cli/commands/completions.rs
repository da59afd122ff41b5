//! `amflow completions`: prints what a shell needs to complete amflow's arguments.

use clap::Args;
use clap_complete::Shell;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};

const EXAMPLES: &str = "\
Examples:
  amflow completions bash > /etc/bash_completion.d/amflow
  amflow completions zsh > \"${fpath[1]}/_amflow\"
  amflow completions fish > ~/.config/fish/completions/amflow.fish";

/// The arguments of `amflow completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints the completions.
pub(super) fn run(args: &CompletionsArgs, context: &Context) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "amflow", &mut script);
    context.ui.bytes(&script);
    Ok(Exit::Done)
}
