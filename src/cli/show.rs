//! [`Show`]: what people see while runs are worked on: spinners on a terminal, plain lines elsewhere.
//!
//! Events come from the engine's tasks through a channel, because only the [`Ui`] prints.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::args::Format;
use super::ui::{Tone, Ui};
use crate::engine::{Reporter, RunEnd, RunEndKind, RunHeader};
use crate::report::{RunRecord, event_line, run_record, said_line, short_id};
use crate::run::{RunEvent, RunStatus, Stamped};
use crate::text::escape_for_terminal;

/// What the engine tells.
#[derive(Debug)]
pub(super) enum News {
    /// A line about a run.
    Line(RunHeader, jiff::Timestamp, String),
    /// A line that a run says itself, to be seen after the run, too.
    Said(RunHeader, jiff::Timestamp, String),
    /// A step of a run asks people.
    Asks(RunHeader, String),
    /// A step that may have asked people does so no more.
    Settled(RunHeader, String),
    /// A run was left: well, badly, or neither.
    Ended(Box<RunRecord>, Tone),
    /// Something else.
    Notice(String),
}

/// A reporter that passes on what people want to see.
#[derive(Debug)]
pub(super) struct ChannelReporter {
    tell: UnboundedSender<News>,
    lines: bool,
}

impl ChannelReporter {
    /// Makes the reporter and the end at which its news come out; without `lines` only ends and notices.
    pub(super) fn new(lines: bool) -> (ChannelReporter, UnboundedReceiver<News>) {
        let (tell, hear) = unbounded_channel();
        (ChannelReporter { tell, lines }, hear)
    }

    fn tell(&self, news: News) {
        // Nobody listens any more once the command ends.
        let _ = self.tell.send(news);
    }
}

impl Reporter for ChannelReporter {
    fn event(&self, run: &RunHeader, event: &Stamped) {
        match &event.event {
            RunEvent::AttemptContinued { path, parked: true, for_person: true, .. } => {
                self.tell(News::Asks(run.clone(), path.clone()));
            }
            RunEvent::StepFinished { path, .. } => self.tell(News::Settled(run.clone(), path.clone())),
            _ => {}
        }
        if !self.lines {
            return;
        }
        if let Some(line) = said_line(&event.event) {
            self.tell(News::Said(run.clone(), event.at, line));
        }
        if let Some(line) = event_line(run, event) {
            self.tell(News::Line(run.clone(), event.at, line));
        }
    }

    fn ended(&self, end: &RunEnd) {
        let tone = match end.kind {
            RunEndKind::Finished(RunStatus::Succeeded) | RunEndKind::Parked(_) => Tone::Good,
            RunEndKind::Finished(RunStatus::Failed) | RunEndKind::StoreFailed(_) => Tone::Bad,
            RunEndKind::Finished(_) | RunEndKind::TakenAway | RunEndKind::Abandoned => Tone::Doubtful,
        };
        self.tell(News::Ended(Box::new(run_record(end)), tone));
    }

    fn notice(&self, text: &str) {
        self.tell(News::Notice(text.to_owned()));
    }
}

/// Shows news as they come.
#[derive(Debug)]
pub(super) struct Show<'u> {
    ui: &'u Ui,
    format: Format,
    bars: Option<MultiProgress>,
    of_run: HashMap<String, ProgressBar>,
    notices: Vec<String>,
}

/// Spinners shown at the same time, at most: more than a screen helps nobody.
const MOST_BARS: usize = 20;

impl<'u> Show<'u> {
    /// Makes a show on this printer.
    pub(super) fn new(ui: &'u Ui, format: Format) -> Show<'u> {
        let bars = (ui.is_watched() && !ui.is_quiet()).then(MultiProgress::new);
        Show { ui, format, bars, of_run: HashMap::new(), notices: Vec::new() }
    }

    /// Shows one piece of news.
    pub(super) fn see(&mut self, news: News) {
        match news {
            News::Line(run, at, line) => self.line(&run, at, &line),
            News::Said(run, at, line) => self.say(&run, at, &line),
            News::Asks(..) | News::Settled(..) => {}
            News::Ended(record, tone) => self.ended(&record, tone),
            News::Notice(text) => {
                // The same trouble every few seconds is one trouble.
                if !self.notices.contains(&text) {
                    self.print(|ui| ui.warn(&text));
                    self.notices.push(text);
                }
            }
        }
    }

    /// Returns the printer.
    pub(super) fn ui(&self) -> &'u Ui {
        self.ui
    }

    /// Hides the spinners while somebody types, and shows them again.
    pub(super) fn hide_bars(&self, hide: bool) {
        let Some(bars) = &self.bars else { return };
        if bars.is_hidden() != hide {
            bars.set_draw_target(if hide {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr()
            });
        }
    }

    fn line(&mut self, run: &RunHeader, at: jiff::Timestamp, line: &str) {
        let Some(bars) = &self.bars else {
            self.say(run, at, line);
            return;
        };
        if !self.of_run.contains_key(&run.run) && self.of_run.len() < MOST_BARS {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_msg} {elapsed:.dim}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(format!("{} {}", run.playbook, short_id(&run.run)));
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            self.of_run.insert(run.run.clone(), bar);
        }
        if let Some(bar) = self.of_run.get(&run.run) {
            bar.set_message(line.to_owned());
        }
        if self.ui.verbosity() > 0 {
            self.say(run, at, line);
        }
    }

    fn say(&self, run: &RunHeader, at: jiff::Timestamp, line: &str) {
        let (at, id) = (at.strftime("%H:%M:%SZ"), short_id(&run.run));
        self.print(|ui| ui.say(format_args!("{at} {} {id} {line}", run.playbook)));
    }

    fn ended(&mut self, record: &RunRecord, tone: Tone) {
        if let Some(bar) = self.of_run.remove(&record.run) {
            bar.finish_and_clear();
        }
        if self.format == Format::Ndjson {
            self.print(|ui| ui.json_line(record));
        }
        let reason = if record.reason.is_empty() { String::new() } else { format!(": {}", record.reason) };
        let (target, reason) = (escape_for_terminal(&record.target), escape_for_terminal(&reason));
        if self.ui.is_quiet() {
            // What went wrong is said all the same: it is what cron sends by mail.
            if tone == Tone::Bad {
                let (playbook, id, status) = (&record.playbook, short_id(&record.run), &record.status);
                let line = format!("{playbook} {id} {status} for {target}{reason}\n");
                self.print(|ui| ui.say_even_if_quiet(&line));
            }
        } else if self.bars.is_some() {
            let mark = if tone == Tone::Good { "✓" } else { "✗" };
            let line = format!(
                "{} {} {} ({:.1}s)  {target}{reason}",
                self.ui.err_paint(tone, mark),
                self.ui.err_paint(Tone::Strong, &record.playbook),
                record.status,
                record.seconds,
            );
            self.print(|ui| ui.say(&line));
        }
    }

    /// Prints without tearing the spinners.
    fn print(&self, print: impl FnOnce(&Ui)) {
        match &self.bars {
            Some(bars) => bars.suspend(|| print(self.ui)),
            None => print(self.ui),
        }
    }
}
