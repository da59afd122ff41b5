//! `amflow breakers`: which playbooks failed too often in a row, and letting them start again.

use clap::{Args, Subcommand};

use crate::cli::args::{Format, OutputArgs, StoreArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::table;
use crate::cli::workbench;
use crate::engine::gate_keys;
use crate::report::BreakerRecord;
use crate::run::{Change, GateChange};

const EXAMPLES: &str = "\
Examples:
  amflow breakers list                   which playbooks fail, and since when
  amflow breakers reset node-disk-full   let it start again, one run at first

A breaker opens when so many runs of a playbook failed in a row as its
`limits: {breaker: N}` says (3 by default). It starts nothing until it is reset.";

const LIST_EXAMPLES: &str = "\
Examples:
  amflow breakers list
  amflow breakers list -o json | jq -r '.[] | select(.state == \"open\").playbook'";

const RESET_EXAMPLES: &str = "\
Examples:
  amflow breakers reset node-disk-full

The next run is a trial: when it succeeds, others follow; when it fails, the
breaker is open again.";

/// The arguments of `amflow breakers`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BreakersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BreakersCommand,
}

/// What to do with breakers.
#[derive(Debug, Subcommand)]
pub enum BreakersCommand {
    /// List the breakers that count failures
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
        /// Where the store is.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Close a breaker again; runs start one by one at first
    #[command(after_help = RESET_EXAMPLES)]
    Reset {
        /// The playbook; several may be given
        #[arg(value_name = "PLAYBOOK", required = true)]
        playbooks: Vec<String>,
        /// Where the store is.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Lists or resets.
pub(super) fn run(args: &BreakersArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        BreakersCommand::List { output, store } => list(context, output.output, store),
        BreakersCommand::Reset { playbooks, store } => reset(context, playbooks, store),
    }
}

fn list(context: &Context, format: Format, store: &StoreArgs) -> Result<Exit, CliError> {
    let store = workbench::open_store(context, store, crate::store::Access::Read)?;
    let gates = context.block_on(store.gates("breaker:".to_owned()))?.or_end(Exit::Unable)?;
    let records: Vec<_> = gates
        .iter()
        .filter_map(|(key, state)| BreakerRecord::of(key.strip_prefix("breaker:").unwrap_or(key), state))
        .collect();
    match format {
        Format::Json => context.ui.json(&records),
        Format::Ndjson => records.iter().for_each(|record| context.ui.json_line(record)),
        Format::Text if records.is_empty() => context.ui.say("no breaker counts failures"),
        Format::Text => {
            let mut table = table::table(context, &["PLAYBOOK", "BREAKER", "FAILURES", "OPENED"]);
            for record in &records {
                table.add_row(cells(record));
            }
            context.ui.line(table);
        }
    }
    Ok(Exit::Done)
}

fn cells(record: &BreakerRecord) -> Vec<String> {
    let opened = record.opened_at.map_or_else(|| "-".to_owned(), table::second);
    vec![record.playbook.clone(), record.state.as_str().to_owned(), record.failures.to_string(), opened]
}

fn reset(context: &Context, playbooks: &[String], store: &StoreArgs) -> Result<Exit, CliError> {
    let store = workbench::open_store(context, store, crate::store::Access::Write)?;
    let now = workbench::clock().now();
    let known = context.block_on(store.gates(gate_keys::breaker("")))?.or_end(Exit::Unable)?;
    let mut changes = Vec::new();
    for playbook in playbooks {
        let key = gate_keys::breaker(playbook);
        let comebacks = context.block_on(store.gates(gate_keys::comebacks(playbook, "")))?;
        let comebacks = comebacks.or_end(Exit::Unable)?.into_iter().filter(|(_, state)| state.failures > 0);
        let before = changes.len();
        changes.extend(comebacks.map(|(key, _)| GateChange { key, change: Change::Reset }));
        let counts = known
            .iter()
            .any(|(name, state)| *name == key && (state.opened_at.is_some() || state.failures > 0));
        if !counts && changes.len() == before {
            context
                .ui
                .warn(format_args!("the breaker of `{playbook}` counts no failures: is this its name?"));
        }
    }
    changes.extend(
        playbooks
            .iter()
            .map(|playbook| GateChange { key: gate_keys::breaker(playbook), change: Change::Reset }),
    );
    context.block_on(store.change_gates(changes, now))?.or_end(Exit::Unable)?;
    context.ui.say(format_args!("reset: {}", playbooks.join(", ")));
    Ok(Exit::Done)
}
