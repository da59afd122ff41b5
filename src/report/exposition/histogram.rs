//! [`Histogram`]: how values are spread, in buckets with fixed bounds and in native ones.

use std::collections::BTreeMap;

/// Upper bounds of the classic buckets, ascending.
pub type Bounds = &'static [f64];

/// The finest resolution of native buckets: each is 2^(1/8), 9 % wide.
const FINEST: i32 = 3;
/// Native buckets of one histogram, at most; with more, each two become one.
const MOST: usize = 160;

/// How values are spread. It counts both in classic buckets, which every reader understands, and in native ones,
/// whose bounds are powers of 2^(2^-schema).
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: Bounds,
    /// One for each bound: values that are not above it and above the one before.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
    schema: i32,
    /// By index: bucket `i` holds what is not above 2^(i * 2^-schema) and above the bound before.
    native: BTreeMap<i32, u64>,
    zeros: u64,
}

impl Histogram {
    /// Makes an empty one.
    pub fn new(bounds: Bounds) -> Histogram {
        Histogram {
            bounds,
            counts: vec![0; bounds.len()],
            count: 0,
            sum: 0.0,
            schema: FINEST,
            native: BTreeMap::new(),
            zeros: 0,
        }
    }

    /// Counts a value; what is below 0 counts as 0.
    pub fn observe(&mut self, value: f64) {
        let value = value.max(0.0);
        if let Some(at) = self.bounds.iter().position(|bound| value <= *bound) {
            self.counts[at] += 1;
        }
        self.count += 1;
        self.sum += value;
        if value < f64::MIN_POSITIVE || !value.is_finite() {
            self.zeros += 1;
            return;
        }
        *self.native.entry(index(value, self.schema)).or_default() += 1;
        while self.native.len() > MOST {
            self.schema -= 1;
            let finer = std::mem::take(&mut self.native);
            for (index, count) in finer {
                *self.native.entry(index.div_euclid(2) + index.rem_euclid(2)).or_default() += count;
            }
        }
    }

    /// Returns how many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Goes through the classic buckets: their upper bounds, and how many values are not above each.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    /// Returns the resolution of the native buckets.
    pub(super) fn schema(&self) -> i32 {
        self.schema
    }

    /// Returns how many values were 0.
    pub(super) fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Goes through the native buckets that hold something, ascending.
    pub(super) fn native(&self) -> impl Iterator<Item = (i32, u64)> {
        self.native.iter().map(|(index, count)| (*index, *count))
    }
}

/// Returns the native bucket of a value above 0.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm of a number is below 1100")]
fn index(value: f64, schema: i32) -> i32 {
    (value.log2() * 2f64.powi(schema)).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = &[0.5, 1.0, 2.5];

    #[test]
    fn values_are_counted_in_classic_and_native_buckets() {
        let mut histogram = Histogram::new(BOUNDS);
        for value in [0.0, -3.0, 0.5, 0.75, 1.0, 2.0, 2.6] {
            histogram.observe(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(0.5, 3), (1.0, 5), (2.5, 6)]);
        assert_eq!((histogram.count(), histogram.zeros()), (7, 2));
        assert!((histogram.sum() - 6.85).abs() < 1e-9);
        // 2^(-8/8), 2^(-3/8) = 0.771, 2^0, 2^(8/8), 2^(12/8) = 2.83.
        let native: Vec<_> = histogram.native().collect();
        assert_eq!(native, [(-8, 1), (-3, 1), (0, 1), (8, 1), (12, 1)]);
    }

    #[test]
    fn a_wide_spread_is_kept_in_few_buckets_and_no_value_is_lost() {
        let mut histogram = Histogram::new(BOUNDS);
        let values: Vec<f64> = (-400..400).map(|n| 2f64.powf(f64::from(n) / 8.0 + 0.01)).collect();
        values.iter().for_each(|value| histogram.observe(*value));
        assert!(histogram.schema() < FINEST && histogram.native().count() <= MOST);
        assert_eq!(histogram.native().map(|(_, count)| count).sum::<u64>(), 800);
        let upper = |index: i32| 2f64.powf(f64::from(index) * 2f64.powi(-histogram.schema()));
        for (bucket, count) in histogram.native() {
            let inside = |value: &&f64| **value > upper(bucket - 1) && **value <= upper(bucket);
            assert_eq!(values.iter().filter(inside).count() as u64, count, "bucket {bucket}");
        }
    }
}
