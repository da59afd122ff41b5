//! The only printer. Main type: [`Ui`]: standard output is data, standard error is talk.
#![expect(clippy::disallowed_methods, reason = "this is the place where things are printed")]

use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::GlobalArgs;
use super::error::{CliError, Exit};
use crate::config::Environment;
use crate::text::escape_lines_for_terminal;
use crate::text::render::{self, Drawing};

/// The width where nothing is known about it.
const DEFAULT_WIDTH: usize = 100;
/// Narrower than this, tables are no help.
const LEAST_WIDTH: usize = 40;

/// What a piece of text means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
    /// Needs attention.
    Doubtful,
    /// A name that the eye looks for.
    Strong,
    /// Beside the point.
    Faint,
}

/// Prints. A write that fails is remembered and ends the program with its own code; it stops no work.
#[derive(Debug)]
pub struct Ui {
    out: Look,
    err: Look,
    quiet: bool,
    verbosity: u8,
    state: Cell<Out>,
    /// When talk is JSON: what dates it.
    dates: Cell<Option<fn() -> Timestamp>>,
}

/// How a stream is drawn upon.
#[derive(Debug, Clone, Copy)]
struct Look {
    terminal: bool,
    colour: bool,
    width: usize,
}

/// What has become of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    Open,
    /// The reader went away, as `head` does: that is no failure.
    Closed,
    Failed(io::ErrorKind),
}

impl Ui {
    /// Makes a printer for this process's streams.
    pub fn new(environment: &Environment, global: &GlobalArgs) -> Self {
        Self {
            out: Look::new(io::stdout().is_terminal(), environment),
            err: Look::new(io::stderr().is_terminal(), environment),
            quiet: global.quiet,
            verbosity: global.verbose,
            state: Cell::new(Out::Open),
            dates: Cell::new(None),
        }
    }

    /// Writes data to standard output, as it is.
    pub fn data(&self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes data to standard output, as it is.
    pub fn bytes(&self, bytes: &[u8]) {
        if self.state.get() != Out::Open {
            return;
        }
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            self.state.set(match error.kind() {
                io::ErrorKind::BrokenPipe => Out::Closed,
                kind => Out::Failed(kind),
            });
        }
    }

    /// Writes a line of data to standard output.
    pub fn line(&self, line: impl Display) {
        self.data(&format!("{line}\n"));
    }

    /// Writes a value as an indented JSON document.
    pub fn json(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(text),
            Err(_) => self.state.set(Out::Failed(io::ErrorKind::InvalidData)),
        }
    }

    /// Writes a value as one line of JSON.
    pub fn json_line(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(text),
            Err(_) => self.state.set(Out::Failed(io::ErrorKind::InvalidData)),
        }
    }

    /// Makes all talk lines of JSON from now on, for programs that read logs; `now` dates them.
    pub fn talk_in_json(&self, now: fn() -> Timestamp) {
        self.dates.set(Some(now));
    }

    /// Writes a line of JSON to standard error: when, how bad it is, what, and whatever belongs to it.
    pub fn document(&self, at: Timestamp, level: &str, message: &str, more: Map<String, Value>) {
        let mut line = Map::new();
        line.insert("time".to_owned(), json!(at.to_string()));
        line.insert("level".to_owned(), json!(level));
        line.insert("message".to_owned(), json!(message));
        line.extend(more);
        self.say_even_if_quiet(&format!("{}\n", Value::Object(line)));
    }

    /// Tells people something; not under `-q`.
    pub fn say(&self, text: impl Display) {
        if self.quiet {
            return;
        }
        if let Some(now) = self.dates.get() {
            self.document(now(), "info", &text.to_string(), Map::new());
        } else {
            self.say_even_if_quiet(&format!("{text}\n"));
        }
    }

    /// Tells people something that only those want who ask for it by `-v`.
    pub fn detail(&self, text: impl Display) {
        if self.verbosity == 0 || self.quiet {
            return;
        }
        if let Some(now) = self.dates.get() {
            self.document(now(), "debug", &text.to_string(), Map::new());
        } else {
            self.say_even_if_quiet(&format!("{}\n", self.err_paint(Tone::Faint, &text.to_string())));
        }
    }

    /// Warns people, also under `-q`. What a terminal would obey is escaped.
    pub fn warn(&self, text: impl Display) {
        if let Some(now) = self.dates.get() {
            self.document(now(), "warn", &text.to_string(), Map::new());
            return;
        }
        let text = escape_lines_for_terminal(&text.to_string()).into_owned();
        self.say_even_if_quiet(&format!("{} {text}\n", self.err_paint(Tone::Doubtful, "warning:")));
    }

    /// Shows what a command failed with, also under `-q`.
    pub fn error(&self, error: &CliError) {
        if let Some(now) = self.dates.get() {
            self.document(now(), "error", &error.to_string(), error.parts());
            return;
        }
        let mut text = render::text(error.diagnostics(), self.drawing());
        if !text.is_empty() {
            text.push('\n');
        }
        let mut part = |word: &str, tone, body: &str| {
            let body = escape_lines_for_terminal(body);
            text.push_str(&format!("{} {body}\n", self.err_paint(tone, word)));
        };
        part("error:", Tone::Bad, error.message());
        error.causes().iter().for_each(|cause| part("  cause:", Tone::Faint, cause));
        error.hints().iter().for_each(|hint| part("  hint:", Tone::Strong, hint));
        self.say_even_if_quiet(&text);
    }

    /// Writes to standard error as it is. Talk that nobody can hear is dropped.
    pub fn say_even_if_quiet(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Returns a sign of life for people who wait; hidden where standard error is no terminal, and under `-q`.
    pub fn progress(&self, what: impl Display) -> ProgressBar {
        if self.quiet || !self.err.terminal {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Colours a piece of data, where standard output shows colours.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        self.out.paint(tone, text)
    }

    /// Colours a piece of talk, where standard error shows colours.
    pub fn err_paint(&self, tone: Tone, text: &str) -> String {
        self.err.paint(tone, text)
    }

    /// Returns clap's text for standard output, coloured where that shows colours.
    pub fn styled_for_out(&self, text: &clap::builder::StyledStr) -> String {
        if self.out.colour { text.ansi().to_string() } else { text.to_string() }
    }

    /// Returns clap's text for standard error, coloured where that shows colours.
    pub fn styled_for_err(&self, text: &clap::builder::StyledStr) -> String {
        if self.err.colour { text.ansi().to_string() } else { text.to_string() }
    }

    /// Returns how diagnostics are drawn on standard error.
    pub const fn drawing(&self) -> Drawing {
        Drawing { colour: self.err.colour, width: self.err.width }
    }

    /// Returns how diagnostics are drawn on standard output.
    pub const fn out_drawing(&self) -> Drawing {
        Drawing { colour: self.out.colour, width: self.out.width }
    }

    /// Returns the width of standard output in characters.
    pub const fn width(&self) -> usize {
        self.out.width
    }

    /// Tells whether standard output is a terminal.
    pub const fn is_terminal(&self) -> bool {
        self.out.terminal
    }

    /// Tells whether standard error is a terminal, so that a person watches.
    pub const fn is_watched(&self) -> bool {
        self.err.terminal
    }

    /// Tells whether somebody still reads what is written to standard output.
    pub fn is_open(&self) -> bool {
        self.state.get() == Out::Open
    }

    /// Tells whether only warnings and errors are wanted.
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns how often `-v` was given.
    pub const fn verbosity(&self) -> u8 {
        self.verbosity
    }

    /// Returns how the program ends as far as printing goes, and says so when data could not be written.
    pub fn finish(&self) -> Exit {
        match self.state.get() {
            Out::Open | Out::Closed => Exit::Done,
            Out::Failed(kind) => {
                let error = CliError::unable("cannot write to standard output")
                    .because(&io::Error::from(kind))
                    .hint("what was printed is not complete; is the disk full?");
                self.error(&error);
                error.exit()
            }
        }
    }
}

impl Look {
    fn new(terminal: bool, environment: &Environment) -> Self {
        let dumb = environment.text("TERM") == Some("dumb");
        let colour = terminal && !dumb && environment.get("NO_COLOR").is_none();
        let columns = environment.text("COLUMNS").and_then(|columns| columns.parse().ok());
        let known = if terminal { columns.or_else(terminal_width) } else { columns };
        Self { terminal, colour, width: known.unwrap_or(DEFAULT_WIDTH).max(LEAST_WIDTH) }
    }

    fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Doubtful => AnsiColor::Yellow.on_default().bold(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// Asks the terminal, whichever stream is one.
fn terminal_width() -> Option<usize> {
    let sizes = [rustix::termios::tcgetwinsize(io::stdout()), rustix::termios::tcgetwinsize(io::stderr())];
    sizes.into_iter().flatten().map(|size| usize::from(size.ws_col)).find(|columns| *columns > 0)
}
