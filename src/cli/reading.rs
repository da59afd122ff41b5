//! [`Reading`]: settings, playbooks and alerts, as `run` and `plan` need them.

use std::sync::Arc;

use jiff::Timestamp;

use super::args::{AlertmanagerArgs, PlaybookArgs, RunningArgs, SourceArgs, StoreArgs};
use super::context::Context;
use super::error::{CliError, Exit, OrExit as _};
use super::workbench;
use crate::client::HttpClient;
use crate::config::{ConfigError, Overrides, Settings};
use crate::engine::Delivery;
use crate::model::payload::RawAlert;
use crate::model::{Matcher, MatcherSyntax, parse_list, parse_one};
use crate::playbook::{Library, parse_files};
use crate::source::{
    Intake, Keep, Source, SourceError, choose, from_file, from_poll, from_stdin, from_url, look_at_stdin,
    passed_over, stdin_has_bytes,
};
use crate::text::plural;

/// Settings, playbooks and alerts.
pub(super) struct Reading {
    /// The settings.
    pub(super) settings: Settings,
    /// The playbooks.
    pub(super) library: Library,
    /// The alerts that count: those that a playbook matches, or all of them.
    pub(super) delivery: Delivery,
    /// Alerts read.
    pub(super) read: u64,
    /// Alerts that could not be read, each with its place.
    pub(super) bad: Vec<String>,
    /// Whether Alertmanager was asked.
    pub(super) polled: bool,
}

impl Reading {
    /// Returns the exit code that reading alone gives: 1 when one alert among good ones was bad.
    pub(super) fn exit(&self) -> Exit {
        if self.bad.is_empty() { Exit::Done } else { Exit::Failed }
    }
}

/// Loads the settings alone.
pub(super) fn settings(
    context: &Context,
    alertmanager: &AlertmanagerArgs,
    playbooks: Option<&PlaybookArgs>,
    store: Option<&StoreArgs>,
    running: Option<&RunningArgs>,
) -> Result<Settings, CliError> {
    let flags = Overrides {
        config: context.global.config.clone(),
        alertmanager_urls: alertmanager.urls.clone(),
        http_config_file: alertmanager.http_config_file.clone(),
        playbooks: playbooks.map(|p| p.playbooks.clone()).unwrap_or_default(),
        store: store.and_then(|s| s.store.clone()),
        metrics_file: running.and_then(|r| r.metrics_file.clone()),
        parallel: running.and_then(|r| r.parallel),
        no_wait: running.is_some_and(|r| r.no_wait),
    };
    let settings = Settings::resolve(flags, &context.environment).map_err(config_error)?;
    for notice in &settings.notices {
        context.ui.warn(notice);
    }
    Ok(settings)
}

/// Says what is wrong with the configuration, with every place.
fn config_error(error: ConfigError) -> CliError {
    let message = error.to_string();
    match error {
        ConfigError::Problems { problems, .. } => CliError::problems(Exit::Usage, message, problems),
        other => {
            let source = std::error::Error::source(&other);
            let told = CliError::usage(message);
            match source {
                Some(source) => told.because(source),
                None => told,
            }
        }
    }
}

/// Reads the alerts that a playbook matches.
pub(super) fn read(
    context: &Context,
    playbooks: &PlaybookArgs,
    source: &SourceArgs,
    store: &StoreArgs,
    running: Option<&RunningArgs>,
) -> Result<Reading, CliError> {
    reading(context, playbooks, source, store, running, false)
}

/// Reads all alerts.
pub(super) fn read_all(
    context: &Context,
    playbooks: &PlaybookArgs,
    source: &SourceArgs,
    store: &StoreArgs,
    running: Option<&RunningArgs>,
) -> Result<Reading, CliError> {
    reading(context, playbooks, source, store, running, true)
}

/// Returns whether these arguments ask Alertmanager.
pub(super) fn polls(args: &SourceArgs) -> bool {
    matches!(choose(args.from.as_deref(), args.poll, look_at_stdin(), true), Ok(Source::Poll))
}

/// Reads all alerts, without any playbook.
pub(super) fn read_alone(context: &Context, source: &SourceArgs) -> Result<Reading, CliError> {
    let settings = settings(context, &source.alertmanager, None, None, None)?;
    take(context, settings, Library::new(Vec::new()), source, true)
}

fn reading(
    context: &Context,
    playbooks: &PlaybookArgs,
    source: &SourceArgs,
    store: &StoreArgs,
    running: Option<&RunningArgs>,
    all: bool,
) -> Result<Reading, CliError> {
    let settings = settings(context, &source.alertmanager, Some(playbooks), Some(store), running)?;
    let library = library(&settings)?;
    take(context, settings, library, source, all)
}

fn take(
    context: &Context,
    settings: Settings,
    library: Library,
    args: &SourceArgs,
    all: bool,
) -> Result<Reading, CliError> {
    let mut filters = filters(&args.filter)?;
    filters.extend(settings.filter.iter().cloned());
    let from = args.from.as_deref();
    let source = choose(from, args.poll, look_at_stdin(), settings.alertmanager.is_some()).map_err(told)?;
    let keep = |raw: &RawAlert<'_>| {
        (all || library_matches(&library, raw)) && filters.iter().all(|filter| filter.matches(raw.labels()))
    };
    let now = workbench::clock().now();
    let brought = bring(context, &settings, &source, &filters, now, &keep);
    if let Some(warning) = passed_over(&source, stdin_has_bytes()) {
        context.ui.warn(warning);
    }
    let mut intake = brought?;
    for warning in &intake.warnings {
        context.ui.warn(warning);
    }
    for bad in &intake.bad {
        context.ui.warn(format_args!("{bad}; it is passed over"));
    }
    intake.settle();
    let polled = source == Source::Poll;
    let delivery = Delivery {
        scope: settings.scope_of(intake.origin),
        source: intake.source,
        alerts: intake.alerts.into_iter().map(Arc::new).collect(),
        at: now,
        fresh: polled,
        listed: intake.listed.map(Arc::from),
    };
    Ok(Reading { settings, library, delivery, read: intake.read, bad: intake.bad, polled })
}

/// Reads the chosen source to its end.
fn bring(
    context: &Context,
    settings: &Settings,
    source: &Source,
    filters: &[Matcher],
    now: Timestamp,
    keep: &Keep<'_>,
) -> Result<Intake, CliError> {
    let brought = match source {
        Source::Stdin { named } => from_stdin(*named, now, keep),
        Source::File(path) => from_file(path, now, keep),
        Source::Url(url) => {
            let (config, mut options) = settings.http_for(url);
            options.proxy_environment = context.environment.proxies();
            let client = HttpClient::new(config, options);
            context.block_on(from_url(&client, url, now, keep))?
        }
        Source::Poll => match settings.cluster().or_end(Exit::Usage)? {
            Some(cluster) => context.block_on(from_poll(&cluster, filters, now, keep))?,
            None => Err(SourceError::NobodyToPoll),
        },
    };
    brought.map_err(told)
}

/// Says what is wrong with a source, with what to do about it.
fn told(error: SourceError) -> CliError {
    let exit = if error.is_usage() { Exit::Usage } else { Exit::Unable };
    error.hints().into_iter().fold(CliError::of(exit, &error), CliError::hint)
}

pub(super) fn library_matches(library: &Library, raw: &RawAlert<'_>) -> bool {
    !raw.is_own() && library.matches_any(raw.labels())
}

pub(super) fn filters(texts: &[String]) -> Result<Vec<Matcher>, CliError> {
    let mut filters = Vec::new();
    for text in texts {
        let syntax = MatcherSyntax::default();
        // As an argument of amtool: a comma belongs to a value that has no quotes.
        let alone = parse_one(text, syntax).map(|(matcher, _)| vec![matcher]);
        let read =
            alone.or_else(|error| parse_list(text, syntax).map(|list| list.matchers).map_err(|_| error));
        filters.extend(read.map_err(|error| {
            let wrong =
                CliError::usage(format_args!("the matcher `{text}` cannot be read: {}", error.message));
            match error.hint {
                Some(hint) => wrong.hint(hint),
                None => wrong,
            }
        })?);
    }
    Ok(filters)
}

/// Finds and compiles the playbooks.
pub(super) fn library(settings: &Settings) -> Result<Library, CliError> {
    let files = super::playbooks::find(settings)?;
    let count = files.len();
    let loaded = parse_files(files, &settings.facts());
    loaded.into_result().map_err(|mut problems| {
        problems.sort();
        CliError::problems(
            Exit::Usage,
            format_args!("the playbooks have problems: nothing was started ({} read)", plural(count, "file")),
            problems,
        )
        .hint("`amflow validate` says the same and starts nothing")
    })
}
