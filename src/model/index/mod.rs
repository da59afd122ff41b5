//! Finds the lists of matchers that an alert fulfils, without going through all of them. Main type: [`MatcherIndex`].
//!
//! Names and values that matchers mention are numbered once. Each list is filed under one of its matchers that must
//! hold: the equality that fewest lists share, or a regular expression, or that a label is there. An alert's labels are
//! looked up once; only the lists filed under what it has are checked, and those mostly by comparing numbers. Results
//! of regular expressions are remembered by the label's value, in bounded memory.

mod build;
mod memo;

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::labels::Labels;
use super::matcher::Matcher;
use memo::{Memo, Patterns};

/// An alert has this label, but no matcher mentions its value.
const UNKNOWN: u32 = 0;
/// An alert does not have this label; also what the empty value means.
const ABSENT: u32 = u32::MAX;

/// An index over lists of matchers; all matchers of a list must hold for it to match.
///
/// Shared between threads; what it remembers is behind a lock that is held for one alert at a time.
pub struct MatcherIndex {
    names: FxHashMap<Box<str>, usize>,
    labels: Vec<Label>,
    /// By number of a value: the lists filed under it.
    by_value: Vec<Vec<u32>>,
    /// Lists that no single matcher rules out.
    always: Vec<u32>,
    /// The checks of all lists, one after the other; by list, where they are.
    checks: Vec<Check>,
    ranges: Vec<(u32, u32)>,
    /// The numbers of values that stand in sets.
    sets: Vec<u32>,
    state: Mutex<State>,
}

/// A label name that matchers mention.
struct Label {
    name: Box<str>,
    values: FxHashMap<Box<str>, u32>,
    patterns: Patterns,
    /// By number of a pattern: the lists filed under it.
    by_pattern: Vec<Vec<u32>>,
    /// Lists filed under the label being there.
    by_presence: Vec<u32>,
}

/// One matcher, in numbers.
struct Check {
    label: u32,
    wants: bool,
    test: Test,
}

enum Test {
    /// The value is this one.
    Value(u32),
    /// The value is one of `sets[from..to]`, which are sorted.
    OneOf(u32, u32),
    /// The pattern of this number matches it.
    Pattern(u32),
}

/// What is kept between alerts.
#[derive(Default)]
struct State {
    memos: Vec<Memo>,
    /// By label: the number of the value that the alert at hand has.
    values: Vec<u32>,
}

impl MatcherIndex {
    /// Builds the index; lists are called by their position.
    pub fn new<L: AsRef<[Matcher]>>(lists: &[L]) -> Self {
        build::build(lists)
    }

    /// Returns how many lists there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Tells whether there is no list.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Writes the positions of all lists that match into `out`, in rising order; what was in it is gone.
    pub fn matching(&self, labels: &impl Labels, out: &mut Vec<u32>) {
        out.clear();
        self.each_match(labels, |list| {
            out.push(list);
            true
        });
        out.sort_unstable();
    }

    /// Tells whether any list matches: what a reader asks before it copies an alert.
    pub fn matches_any(&self, labels: &impl Labels) -> bool {
        let mut found = false;
        self.each_match(labels, |_| {
            found = true;
            false
        });
        found
    }

    /// Calls `found` with every list that matches, until that returns false.
    fn each_match(&self, labels: &impl Labels, mut found: impl FnMut(u32) -> bool) {
        // What the lock guards is a cache: whatever a panic left there is sound.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { memos, values } = &mut *state;
        values.clear();
        values.resize(self.labels.len(), ABSENT);
        memos.iter_mut().for_each(Memo::begin);
        for (name, value) in labels.pairs() {
            if let Some(&at) = self.names.get(name)
                && !value.is_empty()
            {
                values[at] = self.labels[at].values.get(value).copied().unwrap_or(UNKNOWN);
            }
        }
        let mut alert = Resolved { index: self, labels, values, memos };
        for (at, label) in self.labels.iter().enumerate() {
            let value = alert.values[at];
            if value == ABSENT {
                continue;
            }
            if value != UNKNOWN && !alert.all(&self.by_value[value as usize], &mut found) {
                return;
            }
            if !alert.all(&label.by_presence, &mut found) {
                return;
            }
            if label.patterns.keyed().is_empty() {
                continue;
            }
            let text = labels.label(&label.name).unwrap_or_default();
            // Taken out for the time of the checks, which use the memo too.
            let keyed = alert.memos[at].take_keyed(&label.patterns, text);
            let goes_on =
                keyed.iter().all(|&pattern| alert.all(&label.by_pattern[pattern as usize], &mut found));
            alert.memos[at].put_keyed(keyed);
            if !goes_on {
                return;
            }
        }
        alert.all(&self.always, &mut found);
    }
}

/// An alert whose labels have been looked up.
struct Resolved<'a, L> {
    index: &'a MatcherIndex,
    labels: &'a L,
    values: &'a [u32],
    memos: &'a mut [Memo],
}

impl<L: Labels> Resolved<'_, L> {
    /// Checks lists and reports those that match; false once nothing more is wanted.
    fn all(&mut self, lists: &[u32], found: &mut impl FnMut(u32) -> bool) -> bool {
        lists.iter().all(|&list| !self.holds(list) || found(list))
    }

    fn holds(&mut self, list: u32) -> bool {
        let (from, to) = self.index.ranges[list as usize];
        self.index.checks[from as usize..to as usize].iter().all(|check| self.check(check) == check.wants)
    }

    fn check(&mut self, check: &Check) -> bool {
        let at = check.label as usize;
        let value = self.values[at];
        match check.test {
            Test::Value(wanted) => value == wanted,
            Test::OneOf(from, to) => {
                value != UNKNOWN && self.index.sets[from as usize..to as usize].binary_search(&value).is_ok()
            }
            Test::Pattern(pattern) => {
                let label = &self.index.labels[at];
                if value == ABSENT {
                    return label.patterns.matches_empty(pattern);
                }
                let labels = self.labels;
                self.memos[at]
                    .test(&label.patterns, pattern, || labels.label(&label.name).unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests;
