//! What the store knows of the past: pages of runs, moments that people name, and the facts that reports count.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::error::{CliError, Exit, OrExit as _};
use super::reading;
use super::workbench;
use crate::engine::{RunFilter, RunSummary, Store, StoreError};
use crate::model::{Matcher, matcher::first_failing, parse_duration};
use crate::playbook::{Facts, compile_text};
use crate::report::{Changing, RunFacts, alerts_of, run_facts};

/// Runs that are listed at once.
const PAGE: usize = 200;

/// Reads a moment: a time ago (`7d`), a day (`2026-11-01`, UTC) or a time (`2026-11-01T12:00:00Z`).
///
/// # Errors
/// It is none of these.
pub(super) fn moment(option: &str, text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    if let Some(day) =
        text.parse::<Date>().ok().and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok())
    {
        return Ok(day);
    }
    let ago = parse_duration(text).or_exit(Exit::Usage, || format!("{option} {text}: not a time"))?;
    now.checked_sub(ago).or_exit(Exit::Usage, || format!("{option} {text}: before all time"))
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// What the store judges.
    pub(super) filter: RunFilter,
    /// Matchers over the labels of the oldest alert.
    pub(super) matchers: Vec<Matcher>,
}

impl Wanted {
    /// Reads `--playbook`, `--since`, `--until` and matchers.
    ///
    /// # Errors
    /// A time or a matcher is none.
    pub(super) fn new(
        playbook: Option<&String>,
        since: Option<&String>,
        until: Option<&String>,
        matchers: &[String],
        now: Timestamp,
    ) -> Result<Wanted, CliError> {
        let since = since.map(|text| moment("--since", text, now)).transpose()?;
        let until = until.map(|text| moment("--until", text, now)).transpose()?;
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(CliError::usage(format_args!("--since is {since}, not before --until {until}"))
                .hint("both may be a time ago (7d), a day (2026-11-01) or a time (2026-11-01T12:00:00Z)"));
        }
        let filter = RunFilter { playbook: playbook.cloned(), since, until, ..RunFilter::default() };
        Ok(Wanted { filter, matchers: reading::filters(matchers)? })
    }

    /// Returns whether a run is wanted, as far as its labels tell.
    pub(super) fn matches(&self, run: &RunSummary) -> bool {
        self.matchers.is_empty() || first_failing(&self.matchers, &Of(&run.header.labels)).is_none()
    }
}

/// Labels of a run's header.
struct Of<'r>(&'r std::collections::BTreeMap<String, String>);

impl crate::model::Labels for Of<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Goes over the runs that are wanted, newest first, page by page.
pub(super) struct Pages<'s> {
    store: &'s dyn Store,
    wanted: Wanted,
    over: bool,
}

impl<'s> Pages<'s> {
    /// Begins with the newest.
    pub(super) fn new(store: &'s dyn Store, wanted: Wanted) -> Pages<'s> {
        Pages { store, wanted, over: false }
    }

    /// Returns the runs of the next page that match; `None` after the last.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RunSummary>>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let filter = RunFilter { limit: PAGE, ..self.wanted.filter.clone() };
        let mut page = self.store.list(filter).await?;
        self.over = page.len() < PAGE;
        self.wanted.filter.before = page.last().map(|run| run.header.run.clone());
        page.retain(|run| self.wanted.matches(run));
        Ok(Some(page))
    }
}

/// Lists the runs that are wanted, newest first; at most so many, 0 is all.
///
/// # Errors
/// The store's.
pub(super) async fn list(
    store: &dyn Store,
    wanted: Wanted,
    limit: usize,
) -> Result<Vec<RunSummary>, StoreError> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (mut pages, mut runs) = (Pages::new(store, wanted), Vec::new());
    while let Some(page) = pages.next().await? {
        runs.extend(page);
        if runs.len() >= limit {
            runs.truncate(limit);
            break;
        }
    }
    Ok(runs)
}

/// Folds the journal of every run that is wanted, one at a time, newest first.
///
/// # Errors
/// The store's.
pub(super) async fn each_run(
    store: &dyn Store,
    facts: &Facts,
    wanted: Wanted,
    mut each: impl FnMut(RunFacts),
) -> Result<(), StoreError> {
    let mut changing: HashMap<String, Changing> = HashMap::new();
    let mut pages = Pages::new(store, wanted);
    while let Some(page) = pages.next().await? {
        for run in page {
            let (summary, text, journal) = match store.read(run.header.run.clone()).await {
                // It was pruned meanwhile.
                Err(StoreError::NoSuchRun { .. }) => continue,
                read => read?,
            };
            let changing = changing.entry(summary.header.digest.clone()).or_insert_with(|| {
                // Of a playbook that no longer compiles, every command may change something.
                compile_text(&text, facts).map(|playbook| Changing::of(&playbook)).unwrap_or_default()
            });
            let episodes = store.known_episodes(alerts_of(&journal)).await?;
            let now = workbench::clock().now();
            each(run_facts(&summary, &journal, changing, &episodes, now));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_ago_a_day_or_a_time() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("7d", Some("2026-11-17T12:00:00Z")),
            ("90m", Some("2026-11-24T10:30:00Z")),
            ("2026-11-01", Some("2026-11-01T00:00:00Z")),
            ("2026-11-01T02:00:00+02:00", Some("2026-11-01T00:00:00Z")),
            ("yesterday", None),
            ("", None),
            ("99999999y", None),
        ] {
            let read = moment("--since", text, now).ok().map(|at| at.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
