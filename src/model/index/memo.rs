//! The regular expressions on one label, and what is remembered of their results. Main types: [`Patterns`], [`Memo`].

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use regex::{RegexSet, RegexSetBuilder};

use crate::model::regex::Pattern;

/// How much memory the memo of one label may take, in bytes, roughly.
const MEMO_LIMIT: usize = 4 << 20;
/// How many values one memo may hold.
const MAX_VALUES: usize = 65_536;
/// The most memory that one set of patterns may take when compiled, and for its automaton.
const SET_LIMIT: usize = 64 << 20;
const AUTOMATON_LIMIT: usize = 8 << 20;

/// The distinct regular expressions on one label.
#[derive(Default)]
pub(super) struct Patterns {
    all: Vec<Arc<Pattern>>,
    /// The numbers of those under which lists are filed: all of them are tested for every value.
    keyed: Vec<u32>,
    set: OnceLock<Option<RegexSet>>,
}

impl Patterns {
    /// Adds a pattern and returns its number.
    pub(super) fn add(&mut self, pattern: &Arc<Pattern>) -> u32 {
        self.all.push(Arc::clone(pattern));
        u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
    }

    /// Says that lists are filed under a pattern.
    pub(super) fn key(&mut self, pattern: u32) {
        if let Err(at) = self.keyed.binary_search(&pattern) {
            self.keyed.insert(at, pattern);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn keyed(&self) -> &[u32] {
        &self.keyed
    }

    pub(super) fn matches_empty(&self, pattern: u32) -> bool {
        self.all[pattern as usize].matches_empty()
    }

    fn is_match(&self, pattern: u32, text: &str) -> bool {
        self.all[pattern as usize].is_match(text)
    }

    /// Returns the keyed patterns that match.
    fn keyed_matches(&self, text: &str) -> Vec<u32> {
        match self.set.get_or_init(|| self.compile()) {
            Some(set) => set.matches(text).into_iter().map(|at| self.keyed[at]).collect(),
            None => self.keyed.iter().copied().filter(|&pattern| self.is_match(pattern, text)).collect(),
        }
    }

    /// Makes one automaton of several patterns; none where that is not worth it or would be too large.
    fn compile(&self) -> Option<RegexSet> {
        if self.keyed.len() < 3 {
            return None;
        }
        let sources = self.keyed.iter().map(|&at| self.all[at as usize].rust_source());
        let sources: Vec<&str> = sources.collect::<Option<_>>()?;
        RegexSetBuilder::new(sources)
            .size_limit(SET_LIMIT)
            .dfa_size_limit(AUTOMATON_LIMIT)
            .nest_limit(2_000)
            .build()
            .ok()
    }
}

/// What is remembered about the values of one label.
#[derive(Default)]
pub(super) struct Memo {
    /// Values come from alerts, hence the seeded hasher.
    numbers: HashMap<Box<str>, usize>,
    values: Vec<Known>,
    bytes: usize,
    /// The value of the alert at hand, once it was looked up.
    current: Option<usize>,
}

/// What is known about one value.
struct Known {
    keyed: Option<Box<[u32]>>,
    /// By pattern, a bit each: whether it was tested, and what came out.
    tested: Box<[u64]>,
    matched: Box<[u64]>,
}

impl Memo {
    /// Begins another alert.
    pub(super) fn begin(&mut self) {
        self.current = None;
        if self.bytes > MEMO_LIMIT || self.values.len() >= MAX_VALUES {
            self.numbers.clear();
            self.values.clear();
            self.bytes = 0;
        }
    }

    /// Returns how many values are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes out which keyed patterns match the value of the alert at hand; it is to be put back.
    pub(super) fn take_keyed(&mut self, patterns: &Patterns, text: &str) -> Box<[u32]> {
        let at = self.at(patterns, || text);
        self.values[at].keyed.take().unwrap_or_else(|| {
            let keyed = patterns.keyed_matches(text).into_boxed_slice();
            self.bytes += size_of_val(&*keyed);
            keyed
        })
    }

    /// Puts back what was taken out.
    pub(super) fn put_keyed(&mut self, keyed: Box<[u32]>) {
        if let Some(at) = self.current {
            self.values[at].keyed = Some(keyed);
        }
    }

    /// Tells whether a pattern matches the value of the alert at hand.
    pub(super) fn test<'t>(&mut self, patterns: &Patterns, pattern: u32, text: impl Fn() -> &'t str) -> bool {
        let at = self.at(patterns, &text);
        let known = &mut self.values[at];
        let (word, bit) = (pattern as usize / 64, 1_u64 << (pattern % 64));
        if known.tested[word] & bit == 0 {
            known.tested[word] |= bit;
            if patterns.is_match(pattern, text()) {
                known.matched[word] |= bit;
            }
        }
        known.matched[word] & bit != 0
    }

    /// Returns the number of the value of the alert at hand.
    fn at<'t>(&mut self, patterns: &Patterns, text: impl Fn() -> &'t str) -> usize {
        if let Some(at) = self.current {
            return at;
        }
        let text = text();
        let at = self.numbers.get(text).copied().unwrap_or_else(|| {
            let words = patterns.len().div_ceil(64);
            let empty = || vec![0_u64; words].into_boxed_slice();
            self.values.push(Known { keyed: None, tested: empty(), matched: empty() });
            self.bytes += text.len() + 16 * words + size_of::<Known>() + 64;
            self.numbers.insert(text.into(), self.values.len() - 1);
            self.values.len() - 1
        });
        self.current = Some(at);
        at
    }
}
