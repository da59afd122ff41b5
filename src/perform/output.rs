//! What is kept of output: its head and its tail, redacted. Main type: [`Capture`].

use std::sync::Arc;

use super::redact::{RedactedStream, Redactor};
use crate::step::Captured;

/// Takes output as it comes and keeps the first and the last of it.
///
/// It takes any amount in bounded memory, so that a command that prints much is never held up.
/// Secrets are replaced before anything is kept or cut: no half of one can be left at an edge.
#[derive(Debug)]
pub struct Capture {
    stream: RedactedStream,
    kept: Kept,
}

/// Head and tail of what came.
#[derive(Debug)]
struct Kept {
    head: Vec<u8>,
    head_limit: usize,
    /// The last bytes after the head; now and then as many again, which are cut together.
    tail: Vec<u8>,
    tail_limit: usize,
    cut: u64,
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize, redactor: &Arc<Redactor>) -> Capture {
        let head_limit = limit.div_ceil(2);
        let kept =
            Kept { head: Vec::new(), head_limit, tail: Vec::new(), tail_limit: limit - head_limit, cut: 0 };
        Capture { stream: redactor.stream(), kept }
    }

    /// Takes a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.stream.push(piece, |part| self.kept.push(part));
    }

    /// Returns what was kept. Where something was left out, a line of its own says how much; invalid
    /// UTF-8 becomes U+FFFD, and no character is cut in two.
    pub fn finish(mut self) -> Captured {
        self.stream.finish(|part| self.kept.push(part));
        self.kept.finish()
    }
}

impl Kept {
    fn push(&mut self, part: &[u8]) {
        let (first, rest) = part.split_at(part.len().min(self.head_limit - self.head.len()));
        self.head.extend_from_slice(first);
        let (passed, last) = rest.split_at(rest.len().saturating_sub(self.tail_limit));
        if !passed.is_empty() {
            self.cut += (self.tail.len() + passed.len()) as u64;
            self.tail.clear();
        } else if self.tail.len() + last.len() > 2 * self.tail_limit {
            self.trim_tail();
        }
        self.tail.extend_from_slice(last);
    }

    fn trim_tail(&mut self) {
        let surplus = self.tail.len().saturating_sub(self.tail_limit);
        self.cut += surplus as u64;
        self.tail.drain(..surplus);
    }

    fn finish(mut self) -> Captured {
        self.trim_tail();
        if self.cut == 0 {
            self.head.append(&mut self.tail);
            return Captured { text: lossy(self.head), cut: 0 };
        }
        let broken = unfinished(&self.head);
        self.head.truncate(self.head.len() - broken);
        let continued = self.tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count();
        self.tail.drain(..continued);
        let cut = self.cut + (broken + continued) as u64;
        let mark = format!("\n[... {cut} bytes left out ...]\n");
        Captured { text: lossy(self.head) + &mark + &lossy(self.tail), cut }
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Returns how many bytes at the end begin a character that is not all there.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        if is_continuation(byte) {
            continue;
        }
        let length = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            _ => 1,
        };
        return if length > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured(limit: usize, secrets: &[&str], pieces: &[&[u8]]) -> Captured {
        let mut capture = Capture::new(limit, &Arc::new(Redactor::new(secrets.iter().copied())));
        for piece in pieces {
            capture.push(piece);
        }
        capture.finish()
    }

    #[test]
    fn what_fits_is_kept_as_it_is_and_of_the_rest_head_and_tail() {
        let cases: &[(usize, &[&[u8]], &str, u64)] = &[
            (10, &[], "", 0),
            (10, &[b"01234", b"56789"], "0123456789", 0),
            (10, &[b"0123456789a"], "01234\n[... 1 bytes left out ...]\n6789a", 1),
            (
                10,
                &[b"0", b"123", b"4567", b"89abcdef", b"ghij"],
                "01234\n[... 10 bytes left out ...]\nfghij",
                10,
            ),
            (0, &[b"0123"], "\n[... 4 bytes left out ...]\n", 4),
            (1, &[b"01", b"23"], "0\n[... 3 bytes left out ...]\n", 3),
            (10, &[b"a\xffb"], "a\u{fffd}b", 0),
        ];
        for (limit, pieces, text, cut) in cases {
            assert_eq!(
                captured(*limit, &[], pieces),
                Captured { text: (*text).to_owned(), cut: *cut },
                "{pieces:?}"
            );
        }
    }

    #[test]
    fn no_character_is_cut_in_two() {
        // The head ends and the tail begins within an `ö`.
        let kept = captured(10, &[], &["aaaaö0123456789öbbbb".as_bytes()]);
        assert_eq!(kept.text, "aaaa\n[... 14 bytes left out ...]\nbbbb");
        assert_eq!(kept.cut, 14);
    }

    #[test]
    fn secrets_at_borders_and_edges_are_redacted_whole() {
        for start in 0..30 {
            let text = format!("{}hunter2-long{}", "x".repeat(start), "y".repeat(30));
            for size in [1, 3, 7, 100] {
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let kept = captured(24, &["hunter2-long"], &pieces);
                for half in ["hunter", "ter2", "2-long", "long"] {
                    assert!(!kept.text.contains(half), "{start} {size}: {}", kept.text);
                }
            }
        }
    }

    #[test]
    fn much_output_takes_little_memory() {
        let mut capture = Capture::new(1_000, &Arc::default());
        for _ in 0..10_000 {
            capture.push(&[b'z'; 1_000]);
            assert!(capture.kept.head.capacity() + capture.kept.tail.capacity() < 4_000);
        }
        let kept = capture.finish();
        assert_eq!(kept.cut, 10_000_000 - 1_000);
    }

    proptest! {
        #[test]
        fn all_bytes_are_kept_or_counted(pieces in proptest::collection::vec("[a-z]{0,40}", 0..20), limit in 0_usize..80) {
            let bytes: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let kept = captured(limit, &[], &bytes);
            let whole = pieces.concat();
            if whole.len() <= limit {
                prop_assert_eq!(kept.text, whole);
            } else {
                let mark = format!("\n[... {} bytes left out ...]\n", whole.len() - limit);
                let (head, tail) = kept.text.split_once(&mark).unwrap();
                prop_assert!(whole.starts_with(head) && whole.ends_with(tail) && head.len() + tail.len() == limit);
            }
        }
    }
}
