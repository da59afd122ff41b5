//! Delimited protocol buffers, `io.prometheus.client.MetricFamily`: the only format that carries native
//! histograms. The numbers are those of `metrics.proto` of `prometheus/client_model`.

use super::{Family, Histogram, Kind, Sample, Value};

/// What counts as 0 in native histograms: the least that is told apart.
const ZERO_THRESHOLD: f64 = f64::MIN_POSITIVE;

pub(super) fn page(families: &[(Family, Vec<Sample>)]) -> Vec<u8> {
    let mut page = Vec::new();
    // A family without a value is an error to readers.
    for (family, samples) in families.iter().filter(|(_, samples)| !samples.is_empty()) {
        let mut message = Message::default();
        message.bytes(1, family.name.as_bytes());
        message.bytes(2, family.help.as_bytes());
        message.number(
            3,
            if let Kind::Histogram = family.kind { 4 } else { u64::from(family.kind == Kind::Gauge) },
        );
        samples.iter().for_each(|sample| message.message(4, metric(family.kind, sample)));
        varint(&mut page, message.0.len() as u64);
        page.extend(message.0);
    }
    page
}

fn metric(kind: Kind, sample: &Sample) -> Message {
    let mut metric = Message::default();
    for (name, value) in &sample.labels {
        let mut label = Message::default();
        label.bytes(1, name.as_bytes());
        label.bytes(2, value.as_bytes());
        metric.message(1, label);
    }
    match &sample.value {
        Value::Number(value) => {
            let mut number = Message::default();
            number.double(1, *value);
            metric.message(if kind == Kind::Counter { 3 } else { 2 }, number);
        }
        Value::Histogram(histogram) => metric.message(7, self::histogram(histogram)),
    }
    metric
}

fn histogram(histogram: &Histogram) -> Message {
    let mut message = Message::default();
    message.number(1, histogram.count());
    message.double(2, histogram.sum());
    for (bound, count) in histogram.cumulative() {
        let mut bucket = Message::default();
        bucket.number(1, count);
        bucket.double(2, bound);
        message.message(3, bucket);
    }
    message.signed(5, i64::from(histogram.schema()));
    message.double(6, ZERO_THRESHOLD);
    message.number(7, histogram.zeros());
    // Runs of neighbouring buckets, each with the gap before it; counts are told as differences.
    let (mut spans, mut last, mut before) = (Vec::<(i32, u64)>::new(), None::<i32>, 0_i64);
    let mut deltas = Vec::new();
    for (index, count) in histogram.native() {
        match (last, spans.last_mut()) {
            (Some(last), Some((_, length))) if index == last + 1 => *length += 1,
            (Some(last), _) => spans.push((index - last - 1, 1)),
            (None, _) => spans.push((index, 1)),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        (last, before) = (Some(index), count);
    }
    if spans.is_empty() {
        // By this a reader knows that it is a native one although it is empty.
        spans.push((0, 0));
    }
    for (offset, length) in spans {
        let mut span = Message::default();
        span.signed(1, i64::from(offset));
        span.number(2, length);
        message.message(12, span);
    }
    deltas.into_iter().for_each(|delta| message.signed(13, delta));
    message
}

/// A message of fields, as it goes over the wire.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire: u64) {
        varint(&mut self.0, field << 3 | wire);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        varint(&mut self.0, value);
    }

    /// Small numbers of either sign are short: zigzag.
    fn signed(&mut self, field: u64, value: i64) {
        self.number(field, ((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        varint(&mut self.0, value.len() as u64);
        self.0.extend(value);
    }

    fn message(&mut self, field: u64, message: Message) {
        self.bytes(field, &message.0);
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Family, Histogram, Page};

    #[test]
    fn numbers_are_written_as_protocol_buffers_have_them() {
        let mut page = Page::default();
        page.family(Family::counter("a", "b"));
        page.sample(&[("l", "v")], 1.0);
        let counter = [
            29, 0x0a, 1, b'a', 0x12, 1, b'b', 0x18, 0, 0x22, 19, 0x0a, 6, 0x0a, 1, b'l', 0x12, 1, b'v', 0x1a,
            9, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
        ];
        assert_eq!(page.protobuf(), counter);
        page.family(Family::gauge("nothing", "without a value"));
        assert_eq!(page.protobuf(), counter);
    }

    #[test]
    fn native_buckets_are_runs_with_gaps_and_differences() {
        let mut histogram = Histogram::new(&[]);
        // Buckets 0, 8, 8, 9 of 2^(1/8).
        [1.0, 2.0, 2.0, 2.1].iter().for_each(|value| histogram.observe(*value));
        let bytes = super::histogram(&histogram).0;
        // schema 3, then zero threshold, zero count, spans (0, 1) and (7, 2), and 1, +1, -1 in zigzag.
        let spans = [0x62, 4, 0x08, 0, 0x10, 1, 0x62, 4, 0x08, 14, 0x10, 2, 0x68, 2, 0x68, 2, 0x68, 1];
        assert!(bytes.ends_with(&spans), "{bytes:?}");
        assert!(bytes.windows(2).any(|pair| pair == [0x28, 6]), "{bytes:?}");
        let empty = super::histogram(&Histogram::new(&[])).0;
        assert!(empty.ends_with(&[0x62, 4, 0x08, 0, 0x10, 0]), "{empty:?}");
    }
}
