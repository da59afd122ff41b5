//! An alert that is still JSON text. Main type: [`RawAlert`].

use std::borrow::Cow;

use jiff::Timestamp;

use super::body;
use super::frame::Context;
use super::report::{BadAlert, Place, Shape};
use crate::model::alert::{Alert, STATE_LABEL};
use crate::model::fingerprint::Fingerprint;
use crate::model::labels::{LabelSet, Labels};

/// An alert in the reader's buffer: its labels can be matched before anything is copied.
///
/// Only its labels have been looked at. What is wrong with the rest is found by [`RawAlert::to_alert`].
pub struct RawAlert<'a> {
    pub(super) labels: RawLabels<'a>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) shape: Shape,
    /// The bytes of the object.
    pub(super) json: &'a [u8],
    /// Where it begins in the context's bytes.
    pub(super) at: usize,
    pub(super) context: Context<'a>,
}

/// What is wrong with an alert that could be any.
pub(super) const NO_LABELS: &str = "the alert has no labels";

/// Labels that are borrowed from JSON text, each name once, without empty values.
#[derive(Debug, Clone, Default)]
pub struct RawLabels<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether the names do not rise, as those of every known source do.
    unsorted: bool,
    /// The name of a label that no alert can have, and why.
    bad: Option<(String, &'static str)>,
}

impl<'a> RawAlert<'a> {
    /// Returns its labels.
    pub const fn labels(&self) -> &RawLabels<'a> {
        &self.labels
    }

    /// Returns its fingerprint: what its source says, else computed.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.unwrap_or_else(|| self.labels.fingerprint())
    }

    /// Returns the kind of document that it stands in.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Tells whether amflow raised it itself.
    pub fn is_own(&self) -> bool {
        self.labels.label(STATE_LABEL).is_some()
    }

    /// Returns its JSON text.
    pub const fn json(&self) -> &'a [u8] {
        self.json
    }

    /// Returns where it stands.
    pub fn place(&self) -> Place {
        self.context.place(self.at, "")
    }

    /// Makes the alert. It is resolved if its source says so, or says nothing and its end is not after `now`.
    ///
    /// Without a startsAt it begins now, as in Alertmanager.
    ///
    /// # Errors
    /// A field has the wrong type, or a time is none.
    pub fn to_alert(&self, now: Timestamp) -> Result<Alert, BadAlert> {
        body::read(self.json, self.labels.to_set(), self.fingerprint, now)
            .map_err(|(path, reason)| self.bad(&path, reason))
    }

    /// Makes the error for something that is wrong with this alert, at a path inside it.
    pub fn bad(&self, path: &str, reason: String) -> BadAlert {
        BadAlert { place: self.context.place(self.at, path), reason }
    }
}

impl<'a> RawLabels<'a> {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { pairs: Vec::with_capacity(count), ..Self::default() }
    }

    /// Adds a label; of two with one name the last counts, and an empty value is none.
    pub(super) fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        // Only an escape can make a NUL in JSON, and only escapes are owned.
        for text in [&name, &value] {
            if matches!(text, Cow::Owned(_)) && text.contains('\0') {
                self.bad = Some((name.replace('\0', "\\0"), "the label holds a NUL character"));
            }
        }
        if name.is_empty() {
            self.bad = Some((String::new(), "the label name is empty"));
        }
        if self.unsorted || self.pairs.last().is_some_and(|(last, _)| *last >= name) {
            self.unsorted = true;
            self.pairs.retain(|(have, _)| *have != name);
        }
        if !value.is_empty() {
            self.pairs.push((name, value));
        }
    }

    /// Copies the labels.
    pub fn to_set(&self) -> LabelSet {
        self.pairs().collect()
    }

    /// Tells whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Computes Alertmanager's fingerprint, without copying where the labels are sorted.
    pub fn fingerprint(&self) -> Fingerprint {
        if !self.unsorted {
            return Fingerprint::of_sorted(self.pairs());
        }
        let mut pairs: Vec<_> = self.pairs().collect();
        pairs.sort_unstable();
        Fingerprint::of_sorted(pairs.into_iter())
    }

    /// Returns what makes these the labels of no alert: a path, and the reason.
    pub(super) fn problem(&self) -> Option<(String, &'static str)> {
        match &self.bad {
            Some((name, reason)) if name.is_empty() => Some(("labels".to_owned(), reason)),
            Some((name, reason)) => Some((format!("labels.{name}"), reason)),
            None if self.pairs.is_empty() => Some(("labels".to_owned(), NO_LABELS)),
            None => None,
        }
    }
}

impl Labels for RawLabels<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(have, _)| have == name).map(|(_, value)| &**value)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }
}
