//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use super::{Family, Kind, Sample, Value, whole};

pub(super) fn page(families: &[(Family, Vec<Sample>)]) -> String {
    let mut text = String::new();
    for (family, samples) in families {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let name = family.name;
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        for Sample { labels, value } in samples {
            match value {
                Value::Number(value) => line(&mut text, name, labels, None, *value),
                Value::Histogram(histogram) => {
                    let bucket = format!("{name}_bucket");
                    for (bound, count) in histogram.cumulative() {
                        line(&mut text, &bucket, labels, Some(&bound.to_string()), whole(count));
                    }
                    line(&mut text, &bucket, labels, Some("+Inf"), whole(histogram.count()));
                    line(&mut text, &format!("{name}_sum"), labels, None, histogram.sum());
                    line(&mut text, &format!("{name}_count"), labels, None, whole(histogram.count()));
                }
            }
        }
    }
    text
}

fn line(text: &mut String, name: &str, labels: &[(&str, String)], le: Option<&str>, value: f64) {
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(le.map(|le| ("le", le)));
    let labels: Vec<_> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{name}{labels} {value}");
}

/// Makes a label's value as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
