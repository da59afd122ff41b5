//! Where a reader is in a document, and how that is told to people.

use std::sync::Arc;

use super::report::Place;

/// An open array or object.
#[derive(Debug)]
pub(super) enum Frame {
    /// A list: of alerts, of groups, of anything that can stand by itself.
    List(List),
    /// An object around alerts.
    Envelope(Envelope),
}

#[derive(Debug)]
pub(super) struct List {
    /// Only alerts may stand in it, for it is the `alerts` of an envelope.
    pub(super) inner: bool,
    /// The number of the element that comes next.
    pub(super) index: u64,
    pub(super) expects: Expect,
}

/// What has to come next in an array or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// An element or key, or the end.
    FirstOrEnd,
    /// An element or key, after a comma.
    Next,
    /// The colon after a key.
    Colon,
    /// The value after the colon.
    Value,
    /// A comma or the end.
    CommaOrEnd,
}

/// An object around alerts: a webhook's body, a group, an answer of Prometheus, or its `data`.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) expects: Expect,
    /// The key whose value is being read.
    pub(super) key: String,
    pub(super) is_data: bool,
    pub(super) seen: Seen,
}

/// What the members of an envelope said.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) alerts: bool,
    pub(super) data: bool,
    pub(super) org_id: bool,
    pub(super) webhook: bool,
    pub(super) version: Option<String>,
    pub(super) status: Option<String>,
    pub(super) error: Option<String>,
    pub(super) rules: bool,
    pub(super) truncated: u64,
}

impl Frame {
    pub(super) const fn list(inner: bool) -> Self {
        Self::List(List { inner, index: 0, expects: Expect::FirstOrEnd })
    }

    pub(super) fn envelope(is_data: bool) -> Self {
        let seen = Seen::default();
        Self::Envelope(Envelope { expects: Expect::FirstOrEnd, key: String::new(), is_data, seen })
    }
}

/// Where the bytes in the buffer stand in the whole input.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) source: Arc<str>,
    /// Bytes before the buffer.
    pub(super) byte: u64,
    /// Line breaks before the buffer.
    pub(super) lines: u64,
    /// Bytes before the line that the buffer begins in.
    pub(super) line_start: u64,
}

impl Origin {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.into(), byte: 0, lines: 0, line_start: 0 }
    }

    /// Moves over bytes that leave the buffer.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        if let Some(last) = memchr::memrchr(b'\n', bytes) {
            self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
            self.line_start = self.byte + last as u64 + 1;
        }
        self.byte += bytes.len() as u64;
    }
}

/// The bytes at hand and all that is needed to name a place in them.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) origin: &'a Origin,
    pub(super) frames: &'a [Frame],
}

impl Context<'_> {
    /// Names the place at an index of the bytes; `inside` is a path within the element that begins there.
    pub(super) fn place(&self, at: usize, inside: &str) -> Place {
        let before = &self.bytes[..at.min(self.bytes.len())];
        let byte = self.origin.byte + before.len() as u64;
        let (lines, line_start) = match memchr::memrchr(b'\n', before) {
            Some(last) => {
                (memchr::memchr_iter(b'\n', before).count() as u64, self.origin.byte + last as u64 + 1)
            }
            None => (0, self.origin.line_start),
        };
        Place {
            source: Arc::clone(&self.origin.source),
            byte,
            line: self.origin.lines + lines + 1,
            column: byte - line_start + 1,
            path: self.path(inside),
        }
    }

    fn path(&self, inside: &str) -> String {
        let mut path = String::new();
        let mut push = |name: &str| {
            if !path.is_empty() && !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        };
        for frame in self.frames {
            match frame {
                Frame::List(list) => push(&format!("[{}]", list.index)),
                Frame::Envelope(envelope) if envelope.key.is_empty() => {}
                Frame::Envelope(envelope) => push(&envelope.key),
            }
        }
        if !inside.is_empty() && inside != "." {
            push(inside);
        }
        path
    }
}
