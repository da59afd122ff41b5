//! [`Unpack`]: a body as it was before it was compressed.

use std::io::Write as _;

use axum::http::{HeaderMap, header};
use flate2::write::MultiGzDecoder;

/// So many compressed bytes are unpacked at once. Deflate makes at most 1,032 of one, so this bounds what one step
/// can take.
const STEP: usize = 1_024;

/// A body as it was before it was compressed.
pub(super) enum Unpack {
    /// It is not compressed.
    Plain,
    /// It is gzip.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

/// Why a body cannot be unpacked, or what it was unpacked for did not take it.
pub(super) enum Unpacked<E> {
    /// It is not what its header says.
    NotGzip(String),
    /// What it was unpacked for.
    Other(E),
}

impl Unpack {
    /// Makes it as the head of a request says; `None` for an encoding that is not known here.
    pub(super) fn of(headers: &HeaderMap) -> Option<Unpack> {
        let mut kind = Unpack::Plain;
        for encoding in headers.get_all(header::CONTENT_ENCODING) {
            match (encoding.to_str().ok()?.trim().to_ascii_lowercase().as_str(), &kind) {
                ("identity" | "", _) => {}
                ("gzip" | "x-gzip", Unpack::Plain) => {
                    kind = Unpack::Gzip(Box::new(MultiGzDecoder::new(Vec::new())));
                }
                _ => return None,
            }
        }
        Some(kind)
    }

    /// Returns whether its size is not known from the head.
    pub(super) fn grows(&self) -> bool {
        matches!(self, Unpack::Gzip(_))
    }

    /// Takes the next piece, and hands what it was to `take`, a little at a time.
    pub(super) fn piece<E>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Unpacked<E>> {
        let Unpack::Gzip(decoder) = self else { return take(piece).map_err(Unpacked::Other) };
        for step in piece.chunks(STEP) {
            decoder.write_all(step).map_err(|error| Unpacked::NotGzip(error.to_string()))?;
            take(decoder.get_ref()).map_err(Unpacked::Other)?;
            decoder.get_mut().clear();
        }
        Ok(())
    }

    /// Ends the body, and hands the rest of it to `take`.
    pub(super) fn end<E>(self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), Unpacked<E>> {
        let Unpack::Gzip(decoder) = self else { return Ok(()) };
        let rest = decoder.finish().map_err(|error| Unpacked::NotGzip(error.to_string()))?;
        take(&rest).map_err(Unpacked::Other)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn gzipped() -> Unpack {
        Unpack::of(&HeaderMap::from_iter([(header::CONTENT_ENCODING, "GZIP".parse().unwrap())])).unwrap()
    }

    /// Unpacks it in pieces of this size; `None`: it is broken.
    fn unpacked(body: &[u8], size: usize) -> Option<Vec<u8>> {
        let (mut unpack, mut out) = (gzipped(), Vec::new());
        let mut take = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok::<(), ()>(())
        };
        for piece in body.chunks(size) {
            unpack.piece(piece, &mut take).ok()?;
        }
        unpack.end(take).ok()?;
        Some(out)
    }

    #[test]
    fn a_body_is_what_it_was_however_it_is_cut() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let body = gzip(&text);
        for size in [1, 7, 1_023, 100_000] {
            assert_eq!(unpacked(&body, size).as_deref(), Some(&text[..]));
        }
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(unpacked(&twice, 5).as_deref(), Some(&b"one two"[..]), "members are one body");
    }

    #[test]
    fn a_body_that_is_cut_off_or_is_none_is_refused() {
        let body = gzip(b"text that goes on and on and on");
        assert!(unpacked(&body[..body.len() - 9], 100).is_none());
        assert!(unpacked(b"{\"alerts\": []}", 100).is_none());
        assert!(unpacked(&[], 1).is_none_or(|text| text.is_empty()));
    }

    #[test]
    fn a_bomb_is_handed_out_a_little_at_a_time() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let (mut unpack, mut largest, mut sum) = (gzipped(), 0, 0);
        let stopped = unpack.piece(&bomb, |bytes| {
            largest = largest.max(bytes.len());
            sum += bytes.len();
            if sum > 4 << 20 { Err(()) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Unpacked::Other(()))));
        assert!(largest <= 3 << 20 && sum < 8 << 20, "{largest} {sum}");
    }
}
