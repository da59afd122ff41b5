//! [`Reading`]: settings, playbooks and alerts, as `run` and `plan` need them.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::args::{AlertmanagerArgs, PlaybookArgs, RunningArgs, SourceArgs, StoreArgs};
use super::context::Context;
use super::error::{CliError, Exit, OrExit as _};
use super::workbench;
use crate::client::alertmanager::AlertQuery;
use crate::client::{HttpClient, HttpConfig, HttpOptions, HttpRequest};
use crate::config::{ConfigError, Overrides, Settings};
use crate::engine::Delivery;
use crate::model::payload::{PayloadReader, RawAlert, ReadStats};
use crate::model::{Alert, Matcher, MatcherSyntax, parse_list};
use crate::playbook::{Library, Playbook, parse_files};
use crate::run::{Seen, Skip, Verdict, judge};

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

    /// Returns every pair of alert and playbook whose matchers do not hold, with the first that does not.
    pub(super) fn unmatched(&self) -> impl Iterator<Item = (&Alert, &Arc<Playbook>, Skip)> {
        let env = std::collections::BTreeMap::new();
        let pairs =
            self.delivery.alerts.iter().flat_map(|a| self.library.playbooks().iter().map(move |p| (a, p)));
        pairs
            .filter_map(|(alert, playbook)| {
                let seen = Seen { starts_at: alert.starts_at, claimed_by: None, env: &env };
                match judge(playbook, alert, seen, self.delivery.at) {
                    Verdict::Skip(skip @ (Skip::NotMatched { .. } | Skip::OwnAlert)) => {
                        Some((alert, playbook, skip))
                    }
                    _ => None,
                }
            })
            .collect::<Vec<_>>()
            .into_iter()
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
    source: &SourceArgs,
    all: bool,
) -> Result<Reading, CliError> {
    let mut filters = filters(&source.filter)?;
    filters.extend(settings.filter.iter().cloned());
    let from = choose(context, source)?;
    let keep = |raw: &RawAlert<'_>| {
        (all || library_matches(&library, raw)) && filters.iter().all(|filter| filter.matches(raw.labels()))
    };
    let now = workbench::clock().now();
    let mut taken = match &from {
        From::Poll => poll(context, &settings, &filters, now, &keep)?,
        From::Stdin => streamed("stdin", io::stdin().lock(), now, &keep)?,
        From::File(path) => {
            let name = path.display().to_string();
            let file = File::open(path).or_exit(Exit::Unable, || format!("cannot read {name}"))?;
            streamed(&name, file, now, &keep)?
        }
        From::Url(url) => fetched(context, url, now, &keep)?,
    };
    if taken.empty {
        return Err(CliError::unable(format_args!("{} is empty: not even an empty list came", taken.source))
            .hint("the command before the pipe failed, or this runs from cron: `--poll` asks Alertmanager"));
    }
    for warning in &taken.warnings {
        context.ui.warn(warning);
    }
    for bad in &taken.bad {
        context.ui.warn(format_args!("{bad}; it is passed over"));
    }
    taken.alerts.sort_by_key(|alert| (alert.starts_at, alert.fingerprint));
    let delivery = Delivery {
        scope: settings.scope.as_str().to_owned(),
        source: taken.source,
        alerts: taken.alerts,
        at: now,
        fresh: matches!(from, From::Poll),
    };
    Ok(Reading {
        settings,
        library,
        delivery,
        read: taken.read,
        bad: taken.bad,
        polled: matches!(from, From::Poll),
    })
}

fn library_matches(library: &Library, raw: &RawAlert<'_>) -> bool {
    !raw.is_own() && library.matches_any(raw.labels())
}

fn filters(texts: &[String]) -> Result<Vec<Matcher>, CliError> {
    let mut filters = Vec::new();
    for text in texts {
        let parsed = parse_list(text, MatcherSyntax::default()).map_err(|error| {
            let wrong = CliError::usage(format_args!("--filter {text}: {}", error.message));
            match error.hint {
                Some(hint) => wrong.hint(hint),
                None => wrong,
            }
        })?;
        filters.extend(parsed.matchers);
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
            format_args!("the playbooks have problems: nothing was started ({count} files read)"),
            problems,
        )
        .hint("`amflow validate` says the same and starts nothing")
    })
}

enum From {
    Poll,
    Stdin,
    File(PathBuf),
    Url(url::Url),
}

/// Which source: the one named, else standard input when it is a pipe or a file, else a poll.
fn choose(context: &Context, args: &SourceArgs) -> Result<From, CliError> {
    let piped = stdin_carries_data();
    if let Some(from) = &args.from {
        if from == "-" {
            return Ok(From::Stdin);
        }
        if from.starts_with("http://") || from.starts_with("https://") {
            let url = url::Url::parse(from).or_exit(Exit::Usage, || format!("--from {from}: not a URL"))?;
            return Ok(From::Url(url));
        }
        return Ok(From::File(PathBuf::from(from)));
    }
    if args.poll {
        if piped && stdin_has_bytes() {
            context.ui.warn("standard input is a pipe, and is ignored because of --poll");
        }
        return Ok(From::Poll);
    }
    Ok(if piped { From::Stdin } else { From::Poll })
}

/// Whether standard input is a pipe, a socket or a file: not a terminal, not /dev/null.
fn stdin_carries_data() -> bool {
    if io::stdin().is_terminal() {
        return false;
    }
    let kind = std::fs::metadata("/dev/stdin").map(|m| m.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_file() || kind.is_socket())
}

/// A crontab's standard input is an empty file or pipe: nothing worth a warning.
fn stdin_has_bytes() -> bool {
    std::fs::metadata("/dev/stdin").is_ok_and(|m| m.is_file() && m.len() > 0)
}

struct Taken {
    alerts: Vec<Alert>,
    source: String,
    read: u64,
    bad: Vec<String>,
    warnings: Vec<String>,
    empty: bool,
}

impl Taken {
    fn of(source: &str, alerts: Vec<Alert>, stats: ReadStats) -> Taken {
        let mut bad: Vec<_> = stats.bad.iter().map(ToString::to_string).collect();
        let more = stats.bad_count.saturating_sub(bad.len() as u64);
        if more > 0 {
            bad.push(format!("{source}: {more} more bad alerts"));
        }
        let empty = stats.is_empty_input();
        let mut warnings = stats.warnings;
        if stats.truncated > 0 {
            warnings
                .push(format!("{source}: a webhook left out {} alerts (truncatedAlerts)", stats.truncated));
        }
        if stats.pending > 0 {
            warnings.push(format!("{source}: {} alerts are pending and do not fire yet", stats.pending));
        }
        Taken { alerts, source: source.to_owned(), read: stats.alerts, bad, warnings, empty }
    }
}

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

fn streamed(
    name: &str,
    mut input: impl io::Read,
    now: Timestamp,
    keep: &dyn Fn(&RawAlert<'_>) -> bool,
) -> Result<Taken, CliError> {
    let mut reader = PayloadReader::new(name);
    let mut alerts = Vec::new();
    let mut visit = |raw: &RawAlert<'_>| {
        if keep(raw) {
            alerts.push(raw.to_alert(now)?);
        }
        Ok(())
    };
    loop {
        let count = match input.read(reader.space(CHUNK)) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CliError::unable(format_args!("cannot read {name}")).because(&error)),
        };
        if count == 0 {
            break;
        }
        reader.filled(count, &mut visit).or_end(Exit::Usage)?;
    }
    let stats = reader.finish(&mut visit).or_end(Exit::Usage)?;
    Ok(Taken::of(name, alerts, stats))
}

/// A document at a URL may be as large as a whole Alertmanager's memory, but not endless.
const MOST_FETCHED: usize = 1 << 30;

fn fetched(
    context: &Context,
    url: &url::Url,
    now: Timestamp,
    keep: &dyn Fn(&RawAlert<'_>) -> bool,
) -> Result<Taken, CliError> {
    let client = HttpClient::new(HttpConfig::unconfigured(), HttpOptions::default());
    let body =
        context.block_on(client.fetch(HttpRequest::get(url.clone()), MOST_FETCHED))?.or_end(Exit::Unable)?;
    streamed(url.as_str(), body.as_slice(), now, keep).map_err(|error| error.with_exit(Exit::Unable))
}

fn poll(
    context: &Context,
    settings: &Settings,
    filters: &[Matcher],
    now: Timestamp,
    keep: &(dyn Fn(&RawAlert<'_>) -> bool + Sync),
) -> Result<Taken, CliError> {
    let Some(cluster) = settings.cluster().or_end(Exit::Usage)? else {
        return Err(CliError::usage("no Alertmanager is configured, and nothing was piped")
            .hint("give --alertmanager.url http://HOST:9093, or set it in amflow.yaml or amtool's configuration")
            .hint("or pipe alerts: amtool alert query -o json | amflow run"));
    };
    let seen = std::sync::Mutex::new(Vec::new());
    let wanted = |raw: &RawAlert<'_>| {
        if let Ok(mut seen) = seen.lock() {
            seen.push(raw.fingerprint());
        }
        keep(raw)
    };
    let query = AlertQuery { filters: filters.to_vec(), ..AlertQuery::default() };
    let answer = context.block_on(cluster.alerts_where(&query, now, wanted))?.or_end(Exit::Unable)?;
    // What several peers know is one alert.
    let mut seen = seen.into_inner().unwrap_or_default();
    seen.sort_unstable();
    seen.dedup();
    let source = cluster.urls().collect::<Vec<_>>().join(", ");
    Ok(Taken {
        read: seen.len() as u64,
        bad: answer.bad.iter().map(ToString::to_string).collect(),
        warnings: answer.warnings,
        alerts: answer.alerts,
        empty: false,
        source,
    })
}
