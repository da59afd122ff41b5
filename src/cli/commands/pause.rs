//! `amflow pause` and `amflow unpause`: hold everything, or one playbook, at once and everywhere.

use clap::Args;
use jiff::Timestamp;

use crate::cli::args::StoreArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::workbench;
use crate::engine::gate_keys;
use crate::model::{format_duration, parse_duration};
use crate::run::{Change, GateChange, GateState, Paused};

const PAUSE_EXAMPLES: &str = "\
Examples:
  amflow pause --for 2h --reason 'network maintenance'
                                           nothing starts for two hours
  amflow pause --playbook node-disk-full   one playbook, until it is unpaused

New runs come later, and running ones begin no new effect; what is begun is
finished, and finally steps still run. Everything that shares the store is held.";

const UNPAUSE_EXAMPLES: &str = "\
Examples:
  amflow unpause                             end the pause of everything
  amflow unpause --playbook node-disk-full   end the pause of one playbook

After a pause runs start one by one: the next when the one before succeeded.";

/// The arguments of `amflow pause`.
#[derive(Debug, Args)]
#[command(after_help = PAUSE_EXAMPLES)]
pub struct PauseArgs {
    /// Only this playbook
    #[arg(long, value_name = "NAME")]
    pub playbook: Option<String>,
    /// For so long, such as 30m or 2h [default: until `amflow unpause`]
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
    /// Why, for those who will wonder
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The arguments of `amflow unpause`.
#[derive(Debug, Args)]
#[command(after_help = UNPAUSE_EXAMPLES)]
pub struct UnpauseArgs {
    /// Only this playbook
    #[arg(long, value_name = "NAME")]
    pub playbook: Option<String>,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Pauses.
pub(super) fn pause(args: &PauseArgs, context: &Context) -> Result<Exit, CliError> {
    let now = workbench::clock().now();
    let until = match &args.duration {
        None => None,
        Some(text) => {
            let duration =
                parse_duration(text).or_exit(Exit::Usage, || format!("--for {text}: not a duration"))?;
            Some(now.checked_add(duration).or_exit(Exit::Usage, || format!("--for {text}: too long"))?)
        }
    };
    let by = workbench::os_user(context);
    let paused = Paused { since: now, until, reason: args.reason.clone().unwrap_or_default(), by };
    change(context, &args.store, args.playbook.as_deref(), Change::Pause(paused), now)?;
    let what = args.playbook.as_ref().map_or("everything".to_owned(), |p| format!("playbook {p}"));
    match args.duration.as_ref().and_then(|d| parse_duration(d).ok()) {
        Some(duration) => context.ui.say(format_args!("{what} is paused for {}", format_duration(duration))),
        None => context.ui.say(format_args!("{what} is paused until `amflow unpause`")),
    }
    Ok(Exit::Done)
}

/// Ends a pause.
pub(super) fn unpause(args: &UnpauseArgs, context: &Context) -> Result<Exit, CliError> {
    let now = workbench::clock().now();
    let by = workbench::os_user(context);
    let before = change(context, &args.store, args.playbook.as_deref(), Change::Unpause { by }, now)?;
    let what = args.playbook.as_ref().map_or("everything".to_owned(), |p| format!("playbook {p}"));
    match before.and_then(|gate| gate.paused) {
        Some(_) => context.ui.say(format_args!("{what} is no longer paused; runs start one by one at first")),
        None if args.playbook.is_some() => context.ui.say(format_args!("{what} was not paused by itself")),
        None => context.ui.say("not everything was paused; `--playbook NAME` ends the pause of one playbook"),
    }
    Ok(Exit::Done)
}

/// Changes the gate, and returns what it was before.
fn change(
    context: &Context,
    store: &StoreArgs,
    playbook: Option<&str>,
    change: Change,
    now: Timestamp,
) -> Result<Option<GateState>, CliError> {
    let store = workbench::open_store(context, store, crate::store::Access::Write)?;
    let key = playbook.map_or_else(|| gate_keys::PAUSE_ALL.to_owned(), gate_keys::pause);
    let before = context.block_on(store.gates(key.clone()))?.or_end(Exit::Unable)?;
    let before = before.into_iter().find_map(|(name, state)| (name == key).then_some(state));
    context.block_on(store.change_gates(vec![GateChange { key, change }], now))?.or_end(Exit::Unable)?;
    Ok(before)
}
