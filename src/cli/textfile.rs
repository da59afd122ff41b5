//! The store's figures in a file for node_exporter's textfile collector.

use std::fs;
use std::path::Path;

use jiff::SignedDuration;

use super::context::Context;
use super::error::{CliError, Exit, OrExit as _};
use super::past::{self, Wanted};
use super::workbench;
use crate::config::Settings;
use crate::engine::{RunFilter, Store, StoreError, gate_keys};
use crate::report::{DAY_SECONDS, Period, StoreFigures, Tally, store_metrics};

/// Writes the store's figures to the file that the settings name, if they name one.
///
/// # Errors
/// The store cannot be read, or the file cannot be written.
pub(super) fn write(context: &Context, settings: &Settings, store: &dyn Store) -> Result<(), CliError> {
    let Some(file) = &settings.textfile else { return Ok(()) };
    let figures = context.block_on(figures(store, settings))?.or_end(Exit::Unable)?;
    let failed = || format!("cannot write the metrics to {}", file.display());
    replace(file, &store_metrics(&figures), Some(0o644)).or_exit(Exit::Unable, failed)
}

/// Reads what metrics tell of a store.
async fn figures(store: &dyn Store, settings: &Settings) -> Result<StoreFigures, StoreError> {
    let now = workbench::clock().now();
    let since = now.checked_sub(SignedDuration::from_secs(DAY_SECONDS)).unwrap_or(now);
    let mut figures = StoreFigures { at: now, ..StoreFigures::default() };
    for count in store.counts().await? {
        figures.count(&count.playbook, count.status, count.runs, count.last_started_at);
    }
    for count in store.count_later().await? {
        *figures.put_off.entry(count.playbook).or_default() += count.targets;
    }
    let name = |key: &str| key.split_once(':').map_or("", |(_, name)| name).to_owned();
    for (key, state) in store.gates(gate_keys::breaker("")).await? {
        figures.breakers.insert(name(&key), state.opened_at.is_some());
    }
    for (key, state) in store.gates(gate_keys::pause("")).await? {
        let playbook = if key == gate_keys::PAUSE_ALL { String::new() } else { name(&key) };
        figures.paused.insert(playbook, state.pause_in_force(now).is_some());
    }
    let mut tally = Tally::new(Period { since, until: now, now, playbook: None, matchers: Vec::new() });
    let filter = RunFilter { since: Some(since), ..RunFilter::default() };
    let wanted = Wanted { filter, matchers: Vec::new() };
    past::each_run(store, &settings.facts(), wanted, |run| tally.add(run)).await?;
    figures.day = tally.finish().total;
    Ok(figures)
}

/// Puts a file in place as a whole: nobody ever reads half of it.
///
/// # Errors
/// The system's.
pub(super) fn replace(file: &Path, text: &str, mode: Option<u32>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let name = file.file_name().ok_or(std::io::ErrorKind::IsADirectory)?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = file.with_file_name(beside);
    let written = fs::write(&beside, text).and_then(|()| match mode {
        Some(mode) => fs::set_permissions(&beside, fs::Permissions::from_mode(mode)),
        None => Ok(()),
    });
    let done = written.and_then(|()| fs::rename(&beside, file));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}
