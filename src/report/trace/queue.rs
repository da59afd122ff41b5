//! [`Queue`]: spans that wait to be sent, as many as are borne.

use std::collections::VecDeque;

use jiff::Timestamp;
use prost::Message as _;

use super::otlp::Span;

/// Spans that are kept, at most: those that are being sent count.
const MOST_SPANS: usize = 2_048;
/// Bytes that they have, at most, as they are sent.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Spans of one request, at most.
const BATCH_SPANS: usize = 512;
/// Bytes after which a request takes no further span.
const BATCH_BYTES: usize = 1024 * 1024;

/// Spans in the order in which they ended.
#[derive(Debug, Default)]
pub(super) struct Queue {
    spans: VecDeque<(usize, Span)>,
    /// Those in the queue, and those that are being sent.
    count: usize,
    bytes: usize,
    /// Since when the first of them waits.
    since: Option<Timestamp>,
}

/// Spans that were taken to be sent, each with its size.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) spans: Vec<Span>,
    sizes: Vec<usize>,
}

impl Queue {
    /// Adds a span; returns `false` when there is no room for it.
    pub(super) fn push(&mut self, span: Span, now: Timestamp) -> bool {
        let size = span.encoded_len();
        if self.count >= MOST_SPANS || self.bytes.saturating_add(size) > MOST_BYTES {
            return false;
        }
        self.count += 1;
        self.bytes += size;
        self.since.get_or_insert(now);
        self.spans.push_back((size, span));
        true
    }

    /// Returns since when the first span waits.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Returns whether a request would be full.
    pub(super) fn is_batch(&self) -> bool {
        self.spans.len() >= BATCH_SPANS || self.bytes >= BATCH_BYTES
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns how many spans there are, with those that are being sent.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Takes what one request sends. It keeps its room until it is [`settled`](Self::settle) or put back.
    pub(super) fn take(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && batch.spans.len() < BATCH_SPANS
            && let Some((size, span)) = self.spans.pop_front()
        {
            bytes += size;
            batch.spans.push(span);
            batch.sizes.push(size);
        }
        if self.spans.is_empty() {
            self.since = None;
        }
        batch
    }

    /// Puts back, to the front, what could not be sent.
    pub(super) fn put_back(&mut self, batch: Batch, now: Timestamp) {
        if !batch.spans.is_empty() {
            self.since.get_or_insert(now);
        }
        for both in batch.sizes.into_iter().zip(batch.spans).rev() {
            self.spans.push_front(both);
        }
    }

    /// Gives up the room of spans that are sent, or never will be.
    pub(super) fn settle(&mut self, batch: &Batch) {
        self.count = self.count.saturating_sub(batch.sizes.len());
        self.bytes = self.bytes.saturating_sub(batch.sizes.iter().sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str) -> Span {
        Span { name: name.to_owned(), ..Span::default() }
    }

    fn names(batch: &Batch) -> Vec<&str> {
        batch.spans.iter().map(|span| span.name.as_str()).collect()
    }

    #[test]
    fn spans_leave_in_order_and_what_could_not_be_sent_leaves_first_again() {
        let (mut queue, now) = (Queue::default(), Timestamp::UNIX_EPOCH);
        for name in ["a", "b"] {
            assert!(queue.push(span(name), now));
        }
        let batch = queue.take();
        assert_eq!((names(&batch), queue.is_empty(), queue.since()), (vec!["a", "b"], true, None));
        assert!(queue.push(span("c"), now));
        queue.put_back(batch, now);
        let batch = queue.take();
        assert_eq!((names(&batch), queue.count()), (vec!["a", "b", "c"], 3));
        queue.settle(&batch);
        assert_eq!((queue.count(), queue.bytes), (0, 0));
    }

    #[test]
    fn there_is_room_for_so_many_and_for_so_large_ones() {
        let (mut queue, now) = (Queue::default(), Timestamp::UNIX_EPOCH);
        let mut sent = Queue::default();
        let kept = (0..3_000).filter(|_| queue.push(span("x"), now)).count();
        assert_eq!(kept, MOST_SPANS);
        // What is being sent has its room still.
        let batch = queue.take();
        assert_eq!(batch.spans.len(), BATCH_SPANS);
        assert!(!queue.push(span("x"), now));
        queue.settle(&batch);
        assert!(queue.push(span("x"), now));
        let large = "x".repeat(MOST_BYTES / 4);
        let kept = (0..10).filter(|_| sent.push(span(&large), now)).count();
        assert_eq!(kept, 3);
        assert_eq!(sent.take().spans.len(), 1);
    }
}
