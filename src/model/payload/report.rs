//! What reading tells: [`ReadStats`], [`BadAlert`], [`PayloadError`], and the [`Place`]s they name.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// How many bad alerts and warnings are kept; the others are counted only.
const KEPT: usize = 100;
/// How much of a text that came with the input is shown.
const SHOWN: usize = 300;

/// What brought an alert, as seen from its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A list as of `GET /api/v2/alerts` and `amtool alert query -o json`.
    ApiV2,
    /// A list as of `GET /api/v2/alerts/groups`.
    Groups,
    /// Alertmanager's webhook, version 4.
    Webhook,
    /// Grafana's webhook.
    Grafana,
    /// `/api/v1/alerts` of Prometheus or vmalert: no external labels, so a scope of its own.
    Prometheus,
    /// An alert by itself.
    Single,
}

/// A place in an input: byte, line and column, and the way through the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the input is called: `stdin`, a file, an address.
    pub source: Arc<str>,
    /// Bytes before it.
    pub byte: u64,
    /// Its line, from 1.
    pub line: u64,
    /// Its column in bytes, from 1.
    pub column: u64,
    /// The way to it, such as `alerts[3].labels.x`; empty at the top.
    pub path: String,
}

/// An alert that cannot be taken; the others of its document can.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{place}: {reason}")]
pub struct BadAlert {
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub reason: String,
}

/// An input that cannot be taken at all: nothing of it may be acted upon.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum PayloadError {
    /// It is JSON up to a place.
    #[error("{place}: broken JSON at byte {}: {problem}", place.byte)]
    Broken {
        /// Where it breaks.
        place: Place,
        /// What is wrong there.
        problem: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// It ends in the middle.
    #[error("{place}: unexpected end after byte {}: the input was cut off", place.byte)]
    CutOff {
        /// Where it ends.
        place: Place,
    },
    /// One alert, or one other value, is larger than anything that can be meant.
    #[error("{place}: a value of more than {} MiB", super::MAX_ELEMENT >> 20)]
    TooLarge {
        /// Where it begins.
        place: Place,
    },
    /// It is not JSON.
    #[error("{place}: {problem}")]
    NotJson {
        /// Where that is seen.
        place: Place,
        /// What it is instead.
        problem: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// It is JSON that says that something went wrong.
    #[error("{place}: this is an error message, not alerts: {message}")]
    ErrorAnswer {
        /// Where it stands.
        place: Place,
        /// What it says.
        message: String,
    },
    /// It is JSON, but holds no alerts.
    #[error("{place}: {problem}")]
    NotAlerts {
        /// Where that is seen.
        place: Place,
        /// What is missing.
        problem: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// There are alerts in it, and not a good one among them.
    #[error("{first}{}", others(*.count))]
    AllBad {
        /// The first of them.
        first: Box<BadAlert>,
        /// How many there are.
        count: u64,
    },
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Alerts that were read, also those that are bad.
    pub alerts: u64,
    /// Alerts of Prometheus or vmalert that do not fire yet, and were left out.
    pub pending: u64,
    /// Bad alerts: how many.
    pub bad_count: u64,
    /// The first hundred bad alerts.
    pub bad: Vec<BadAlert>,
    /// What a reader should know, such as skipped lines; at most a hundred.
    pub warnings: Vec<String>,
    /// Alerts that webhooks say they have left out (`truncatedAlerts`).
    pub truncated: u64,
    /// The shapes that were seen, each once; none for an empty input.
    pub shapes: Vec<Shape>,
    /// JSON documents one after the other: one for a list, a line each for NDJSON.
    pub documents: u64,
    /// Bytes.
    pub bytes: u64,
}

impl PayloadError {
    /// Returns what to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Broken { hint, .. } | Self::NotJson { hint, .. } | Self::NotAlerts { hint, .. } => hint,
            Self::CutOff { .. } => {
                "what wrote it was ended in the middle: nothing was started, so that it can be run again"
            }
            Self::TooLarge { .. } => "no alert is that large: is a quote or a bracket missing before this?",
            Self::ErrorAnswer { .. } => "what was asked for alerts answered with this: nothing was started",
            Self::AllBad { .. } => {
                "one bad alert among good ones is passed over; here is no good one, and nothing was started"
            }
        }
    }
}

impl ReadStats {
    /// Tells whether there was no document at all, which is not the same as an empty list.
    pub fn is_empty_input(&self) -> bool {
        self.documents == 0
    }

    /// Records a bad alert.
    pub fn add_bad(&mut self, bad: BadAlert) {
        self.bad_count += 1;
        if self.bad.len() < KEPT {
            let path = clipped(&bad.place.path);
            self.bad.push(BadAlert { place: Place { path, ..bad.place }, reason: clipped(&bad.reason) });
        }
    }

    /// Makes the error of an input in which every alert is bad; nothing where one is good, or none came.
    pub(super) fn all_bad(&self) -> Option<PayloadError> {
        let first = self.bad.first().filter(|_| self.bad_count == self.alerts)?;
        Some(PayloadError::AllBad { first: Box::new(first.clone()), count: self.alerts })
    }

    pub(super) fn warn(&mut self, warning: impl FnOnce() -> String) {
        if self.warnings.len() < KEPT {
            self.warnings.push(warning());
        }
    }

    pub(super) fn saw(&mut self, shape: Shape) {
        if !self.shapes.contains(&shape) {
            self.shapes.push(shape);
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, ": `{}`", self.path)?;
        }
        Ok(())
    }
}

/// Returns the beginning of a text of any length.
pub(super) fn clipped(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn others(count: u64) -> String {
    match count {
        1 => String::new(),
        2 => "; the other alert is bad too".to_owned(),
        _ => format!("; the other {} alerts are bad too", count - 1),
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ApiV2 => "a list of alerts",
            Self::Groups => "alert groups",
            Self::Webhook => "an Alertmanager webhook",
            Self::Grafana => "a Grafana webhook",
            Self::Prometheus => "Prometheus' alerts",
            Self::Single => "single alerts",
        })
    }
}
