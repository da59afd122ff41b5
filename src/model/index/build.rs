//! Builds a [`MatcherIndex`].

use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use super::memo::{Memo, Patterns};
use super::{ABSENT, Check, Label, MatcherIndex, State, Test};
use crate::model::matcher::Matcher;
use crate::model::regex::Pattern;

/// A list that shares its rarest equality with more than this many is filed under a regular expression if it has one.
const CROWDED: usize = 64;

/// Under what a list is filed.
enum Key {
    Values { values: Vec<u32>, crowd: usize },
    Pattern { label: u32, pattern: u32 },
    Presence { label: u32 },
}

pub(super) fn build<L: AsRef<[Matcher]>>(lists: &[L]) -> MatcherIndex {
    let mut builder = Builder::default();
    // The number 0 is the unknown value; nothing is filed under it.
    builder.crowds.push(0);
    let all: Vec<Vec<Check>> = lists.iter().map(|list| builder.list(list.as_ref())).collect();
    for check in all.iter().flatten() {
        for value in builder.values(check) {
            builder.crowds[value as usize] += 1;
        }
    }
    let mut index = MatcherIndex {
        names: FxHashMap::default(),
        labels: Vec::new(),
        by_value: vec![Vec::new(); builder.crowds.len()],
        always: Vec::new(),
        checks: Vec::new(),
        ranges: Vec::with_capacity(all.len()),
        sets: Vec::new(),
        state: Mutex::default(),
    };
    for (number, mut checks) in all.into_iter().enumerate() {
        let number = count(number);
        let key = builder.key(&checks);
        let used = key.as_ref().map(|(at, _)| *at);
        match key.map(|(_, key)| key) {
            Some(Key::Values { values, .. }) => {
                for value in values {
                    index.by_value[value as usize].push(number);
                }
            }
            Some(Key::Pattern { label, pattern }) => {
                let label = &mut builder.labels[label as usize];
                label.patterns.key(pattern);
                label.by_pattern[pattern as usize].push(number);
            }
            Some(Key::Presence { label }) => builder.labels[label as usize].by_presence.push(number),
            None => index.always.push(number),
        }
        if let Some(at) = used {
            // What a list is filed under holds by being found there.
            checks.remove(at);
        }
        checks.sort_by_key(|check| matches!(check.test, Test::Pattern(_)));
        let from = count(index.checks.len());
        index.checks.append(&mut checks);
        index.ranges.push((from, count(index.checks.len())));
    }
    let memos = builder.labels.iter().map(|_| Memo::default()).collect();
    index.state = Mutex::new(State { memos, ..State::default() });
    (index.names, index.labels, index.sets) = (builder.names, builder.labels, builder.sets);
    index
}

#[derive(Default)]
struct Builder {
    names: FxHashMap<Box<str>, usize>,
    labels: Vec<Label>,
    /// By label and text of a pattern, its number.
    patterns: FxHashMap<(usize, Box<str>), u32>,
    /// By number of a value, how many lists could be filed under it.
    crowds: Vec<usize>,
    sets: Vec<u32>,
}

impl Builder {
    fn list(&mut self, matchers: &[Matcher]) -> Vec<Check> {
        matchers.iter().map(|matcher| self.check(matcher)).collect()
    }

    fn check(&mut self, matcher: &Matcher) -> Check {
        let label = self.label(matcher.name());
        let test = match matcher.pattern() {
            None => Test::Value(self.value(label, matcher.value())),
            Some(pattern) => self.pattern(label, pattern),
        };
        Check { label: count(label), wants: matcher.op().is_positive(), test }
    }

    fn pattern(&mut self, label: usize, pattern: &Arc<Pattern>) -> Test {
        if let Some(texts) = pattern.plain_texts() {
            let mut values: Vec<u32> = texts.iter().map(|text| self.value(label, text)).collect();
            values.sort_unstable();
            values.dedup();
            let from = count(self.sets.len());
            self.sets.append(&mut values);
            return Test::OneOf(from, count(self.sets.len()));
        }
        let number = self.patterns.entry((label, pattern.source().into())).or_insert_with(|| {
            self.labels[label].by_pattern.push(Vec::new());
            self.labels[label].patterns.add(pattern)
        });
        Test::Pattern(*number)
    }

    fn label(&mut self, name: &str) -> usize {
        if let Some(&at) = self.names.get(name) {
            return at;
        }
        self.labels.push(Label {
            name: name.into(),
            values: FxHashMap::default(),
            patterns: Patterns::default(),
            by_pattern: Vec::new(),
            by_presence: Vec::new(),
        });
        self.names.insert(name.into(), self.labels.len() - 1);
        self.labels.len() - 1
    }

    fn value(&mut self, label: usize, text: &str) -> u32 {
        if text.is_empty() {
            return ABSENT;
        }
        let next = count(self.crowds.len());
        let number = *self.labels[label].values.entry(text.into()).or_insert(next);
        if number == next {
            self.crowds.push(0);
        }
        number
    }

    /// The values one of which an alert must have for this check; none where other alerts can pass too.
    fn values(&self, check: &Check) -> Vec<u32> {
        match check.test {
            _ if !check.wants => Vec::new(),
            Test::Value(ABSENT) | Test::Pattern(_) => Vec::new(),
            Test::Value(value) => vec![value],
            Test::OneOf(from, to) => {
                let values = &self.sets[from as usize..to as usize];
                if values.contains(&ABSENT) { Vec::new() } else { values.to_vec() }
            }
        }
    }

    /// Chooses what to file a list under, and which of its checks that makes needless.
    fn key(&self, checks: &[Check]) -> Option<(usize, Key)> {
        let by_value = checks.iter().enumerate().filter_map(|(at, check)| {
            let values = self.values(check);
            let crowd = values.iter().map(|&value| self.crowds[value as usize]).sum();
            (!values.is_empty()).then_some((at, crowd, values))
        });
        let rarest = by_value.min_by_key(|(_, crowd, _)| *crowd);
        let rarest = rarest.map(|(at, crowd, values)| (at, Key::Values { values, crowd }));
        if let Some((_, Key::Values { crowd, .. })) = &rarest
            && *crowd <= CROWDED
        {
            return rarest;
        }
        let pattern = checks.iter().enumerate().find_map(|(at, check)| match check.test {
            Test::Pattern(pattern) if check.wants && !self.matches_empty(check.label, pattern) => {
                Some((at, Key::Pattern { label: check.label, pattern }))
            }
            _ => None,
        });
        pattern.or(rarest).or_else(|| {
            checks.iter().enumerate().find_map(|(at, check)| {
                let present = match check.test {
                    Test::Value(ABSENT) => !check.wants,
                    _ => false,
                };
                present.then_some((at, Key::Presence { label: check.label }))
            })
        })
    }

    fn matches_empty(&self, label: u32, pattern: u32) -> bool {
        self.labels[label as usize].patterns.matches_empty(pattern)
    }
}

/// Numbers in the index have 32 bits; four thousand million matchers do not fit into memory anyway.
fn count(number: usize) -> u32 {
    u32::try_from(number).expect("an index holds fewer than four thousand million things")
}
