//! What a service tells: one line an event on standard error, as text or as JSON.

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Map, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::CliError;
use super::ui::Ui;
use crate::engine::{Clock, Reporter, RunEnd, RunHeader};
use crate::report::{event_line, said_line};
use crate::run::Stamped;
use crate::server::Metrics;
use crate::text::escape_for_terminal;

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people and journald
    #[default]
    Text,
    /// One JSON document a line
    Json,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Something happened.
    Info,
    /// Somebody should look at it.
    Warn,
}

/// One line.
#[derive(Debug)]
pub(super) struct LogLine {
    at: Timestamp,
    level: Level,
    run: Option<OfRun>,
    text: String,
}

/// The run that a line is about.
#[derive(Debug)]
struct OfRun {
    playbook: String,
    run: String,
}

/// A reporter that writes what happens to the log, and counts it.
pub(super) struct LogReporter {
    tell: UnboundedSender<LogLine>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl LogReporter {
    /// Makes it, and the end at which its lines come out.
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> (LogReporter, UnboundedReceiver<LogLine>) {
        let (tell, lines) = unbounded_channel();
        (LogReporter { tell, clock, metrics }, lines)
    }

    fn line(&self, at: Timestamp, level: Level, run: Option<&RunHeader>, text: String) {
        let run = run.map(|run| OfRun { playbook: run.playbook.clone(), run: run.run.clone() });
        // Nobody listens any more once the service ends.
        let _ = self.tell.send(LogLine { at, level, run, text });
    }
}

impl Reporter for LogReporter {
    fn event(&self, run: &RunHeader, event: &Stamped) {
        self.metrics.happened(run, event);
        for text in [said_line(&event.event), event_line(run, event)].into_iter().flatten() {
            self.line(event.at, Level::Info, Some(run), text);
        }
    }

    fn ended(&self, end: &RunEnd) {
        self.metrics.ended(end);
    }

    fn notice(&self, text: &str) {
        self.line(self.clock.now(), Level::Warn, None, text.to_owned());
    }

    fn remark(&self, text: &str) {
        self.line(self.clock.now(), Level::Info, None, text.to_owned());
    }
}

/// The same trouble is told once in so many seconds.
const AGAIN_SECONDS: i64 = 60;
/// Troubles that are remembered for that.
const REMEMBERED: usize = 64;

/// Prints lines.
pub(super) struct Log<'u> {
    ui: &'u Ui,
    format: LogFormat,
    told: VecDeque<(Timestamp, String)>,
}

impl<'u> Log<'u> {
    /// Makes a log on this printer.
    pub(super) fn new(ui: &'u Ui, format: LogFormat) -> Log<'u> {
        Log { ui, format, told: VecDeque::new() }
    }

    /// Writes a line that came from elsewhere.
    pub(super) fn write(&mut self, line: &LogLine) {
        if line.level == Level::Warn && self.is_told(line) {
            return;
        }
        self.print(line.at, line.level, line.run.as_ref(), &line.text);
    }

    /// Writes a line of the service itself.
    pub(super) fn say(&self, at: Timestamp, level: Level, text: &str) {
        self.print(at, level, None, text);
    }

    /// Writes that something was not done, with all that is wrong.
    pub(super) fn refused(&self, at: Timestamp, text: &str, error: &CliError) {
        match self.format {
            LogFormat::Text => {
                self.ui.error(error);
                self.say(at, Level::Warn, text);
            }
            LogFormat::Json => self.ui.document(at, "warn", text, error.parts()),
        }
    }

    fn is_told(&mut self, line: &LogLine) -> bool {
        // A clock that is set back makes nothing young again.
        self.told.retain(|(at, _)| line.at.duration_since(*at).as_secs().abs() < AGAIN_SECONDS);
        if self.told.iter().any(|(_, text)| *text == line.text) {
            return true;
        }
        self.told.truncate(REMEMBERED - 1);
        self.told.push_front((line.at, line.text.clone()));
        false
    }

    fn print(&self, at: Timestamp, level: Level, run: Option<&OfRun>, text: &str) {
        if level == Level::Info && self.ui.is_quiet() {
            return;
        }
        let word = if level == Level::Warn { "warn" } else { "info" };
        match self.format {
            LogFormat::Text => {
                let of_run = run.map(|run| format!("playbook={} run={} ", run.playbook, run.run));
                let of_run = of_run.unwrap_or_default();
                let (at, text) = (at.strftime("%Y-%m-%dT%H:%M:%SZ"), escape_for_terminal(text));
                self.ui.say_even_if_quiet(&format!("{at} {word} {of_run}{text}\n"));
            }
            LogFormat::Json => {
                let mut more = Map::new();
                if let Some(run) = run {
                    more.insert("playbook".to_owned(), json!(run.playbook));
                    more.insert("run".to_owned(), json!(run.run));
                }
                self.ui.document(at, word, text, more);
            }
        }
    }
}
