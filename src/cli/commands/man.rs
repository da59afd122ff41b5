//! `amflow man`: prints the manual, or writes a page for every command.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use clap_mangen::Man;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};

const EXAMPLES: &str = "\
Examples:
  amflow man | man -l -                        the first page
  amflow man --dir /usr/local/share/man/man1   all of them, for `man amflow-run`";

/// The arguments of `amflow man`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// Write a page for every command to this directory, instead of printing the first
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Prints or writes the pages.
pub(super) fn run(args: &ManArgs, context: &Context) -> Result<Exit, CliError> {
    let mut root = crate::cli::command();
    root.build();
    match &args.dir {
        None => context.ui.bytes(&page(&root)?),
        Some(dir) => {
            fs::create_dir_all(dir)
                .or_exit(Exit::Unable, || format!("cannot make the directory `{}`", dir.display()))?;
            write_pages(&root, dir)?;
        }
    }
    Ok(Exit::Done)
}

fn write_pages(command: &clap::Command, dir: &Path) -> Result<(), CliError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command)?)
        .or_exit(Exit::Unable, || format!("cannot write `{}`", path.display()))?;
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    shown.into_iter().try_for_each(|sub| write_pages(sub, dir))
}

fn page(command: &clap::Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("amflow");
    man.render(&mut page).or_exit(Exit::Unable, || "cannot write the manual")?;
    Ok(page)
}
