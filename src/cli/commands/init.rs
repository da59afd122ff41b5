//! `amflow init`: a configuration and a first playbook that runs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};

const EXAMPLES: &str = "\
Examples:
  amflow init            amflow.yaml and playbooks/first.yaml, here
  amflow init ops        the same in ./ops
  sudo amflow init /etc/amflow

Nothing that exists is written over. The first playbook changes nothing.";

/// The arguments of `amflow init`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// The directory
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}

const CONFIG: &str = include_str!("init/amflow.yaml");
const PLAYBOOK: &str = include_str!("init/first.yaml");

/// Writes both files.
pub(super) fn run(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
    let files = [("amflow.yaml", CONFIG), ("playbooks/first.yaml", PLAYBOOK)];
    let paths = files.map(|(name, _)| args.directory.join(name));
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        return Err(CliError::usage(format_args!(
            "{} is there already: nothing was written",
            there.display()
        )));
    }
    for (path, (_, text)) in paths.iter().zip(files) {
        write(path, text)?;
        context.ui.say(format_args!("wrote {}", path.display()));
    }
    context.ui.say("next: `amflow validate`, then `amflow plan --poll`; `amflow run --poll` does it");
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let name = path.display();
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .or_exit(Exit::Unable, || format!("cannot make {}", directory.display()))?;
    }
    let mut file = fs::File::create_new(path).or_exit(Exit::Unable, || format!("cannot write {name}"))?;
    file.write_all(text.as_bytes()).or_exit(Exit::Unable, || format!("cannot write {name}"))
}
