//! Metrics as Prometheus reads them: [`Page`], as text or, with native histograms, as protocol buffers.

mod histogram;
mod protobuf;
mod text;

pub use histogram::{Bounds, Histogram};

use jiff::Timestamp;

/// What a metric is called, of which kind it is, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its help.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while a process lives.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How values are spread.
    Histogram,
}

impl Family {
    /// Describes a counter.
    pub const fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, kind: Kind::Counter, help }
    }

    /// Describes a gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, kind: Kind::Gauge, help }
    }

    /// Describes a histogram.
    pub const fn histogram(name: &'static str, help: &'static str) -> Family {
        Family { name, kind: Kind::Histogram, help }
    }
}

/// Metrics with their values, in the order in which they are added.
#[derive(Debug, Default)]
pub struct Page {
    families: Vec<(Family, Vec<Sample>)>,
}

/// One value of a metric.
#[derive(Debug)]
struct Sample {
    labels: Vec<(&'static str, String)>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Number(f64),
    Histogram(Histogram),
}

impl Page {
    /// Begins a metric; one without values is told all the same.
    pub fn family(&mut self, family: Family) {
        self.families.push((family, Vec::new()));
    }

    /// Adds a value to the metric that was begun last.
    pub fn sample(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.add(labels, Value::Number(value));
    }

    /// Adds a histogram to the metric that was begun last.
    pub fn histogram(&mut self, labels: &[(&'static str, &str)], histogram: &Histogram) {
        self.add(labels, Value::Histogram(histogram.clone()));
    }

    /// Adds a metric with one value without labels.
    pub fn single(&mut self, family: Family, value: f64) {
        self.family(family);
        self.sample(&[], value);
    }

    fn add(&mut self, labels: &[(&'static str, &str)], value: Value) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if let Some((_, samples)) = self.families.last_mut() {
            samples.push(Sample { labels, value });
        }
    }

    /// Returns it in the text format, version 0.0.4.
    pub fn text(&self) -> String {
        text::page(&self.families)
    }

    /// Returns it as delimited protocol buffers (`io.prometheus.client.MetricFamily`), which carry native
    /// histograms beside classic ones.
    pub fn protobuf(&self) -> Vec<u8> {
        protobuf::page(&self.families)
    }
}

/// Returns a count as a value.
#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is not met")]
pub fn whole(count: u64) -> f64 {
    count as f64
}

/// Returns a moment as a value: seconds since the epoch.
pub fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
