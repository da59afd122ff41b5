//! What stands before the JSON, or instead of it: byte order marks, amtool's warnings, HTML pages, compressed data.

use super::frame::Context;
use super::report::{PayloadError, Place, ReadStats};

/// The longest line that is skipped, and how many are.
const MAX_LINE: usize = 64 << 10;
const MAX_LINES: u64 = 1_000;
/// How much of a foreign line is shown.
const SHOWN: usize = 120;

/// What was found where JSON should begin.
pub(super) enum Found {
    /// A document begins here.
    Json,
    /// This many bytes are none of it and were dealt with.
    Skip(usize),
    /// More bytes are needed to tell.
    Unknown,
}

/// The lines that have been skipped so far.
#[derive(Debug, Default)]
pub(super) struct Preamble {
    skipped: u64,
    /// The first of them, and where it stood.
    first: Option<(Place, String)>,
}

impl Preamble {
    /// Looks at what begins at `at`, before any JSON was seen. `last` tells that no more bytes follow.
    pub(super) fn look(
        &mut self,
        context: Context<'_>,
        at: usize,
        last: bool,
        stats: &mut ReadStats,
    ) -> Result<Found, PayloadError> {
        let rest = &context.bytes[at..];
        let instead = |problem: &str| {
            Err(PayloadError::NotJson { place: context.place(at, ""), problem: problem.to_owned() })
        };
        match rest {
            [] => return Ok(Found::Unknown),
            [b'{' | b'[', ..] => return Ok(Found::Json),
            [0xef, 0xbb, 0xbf, ..] => return Ok(Found::Skip(3)),
            [0x1f, 0x8b, ..] => {
                return instead("this is gzip-compressed data, not JSON: pipe it through `gunzip`");
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                return instead("this is zstd-compressed data, not JSON: pipe it through `zstd -d`");
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                return instead("this is UTF-16 text, not UTF-8: convert it with `iconv`");
            }
            [0x1f | 0xef | 0x28 | 0xff | 0xfe, ..] if rest.len() < 4 && !last => return Ok(Found::Unknown),
            _ => {}
        }
        let line = match memchr::memchr(b'\n', rest) {
            Some(end) => &rest[..=end],
            None if rest.len() > MAX_LINE => rest,
            None if last => rest,
            None => return Ok(Found::Unknown),
        };
        if line.trim_ascii() == b"null" {
            return Ok(Found::Json);
        }
        if line.starts_with(b"<") {
            let xml = line.starts_with(b"<?xml");
            let what = if xml { "XML" } else { "an HTML page" };
            return instead(&format!("this is {what}, not JSON: is the URL right?"));
        }
        if line.len() > MAX_LINE || self.skipped >= MAX_LINES {
            return instead(&format!("this is not JSON; it begins with `{}`", shown(rest)));
        }
        if self.skipped == 0 {
            self.first = Some((context.place(at, ""), shown(line)));
        }
        self.skipped += 1;
        stats.warn(|| {
            format!("{}: skipped a line that is not JSON: `{}`", context.place(at, ""), shown(line))
        });
        Ok(Found::Skip(line.len()))
    }

    /// Makes the error of an input that was nothing but skipped lines; nothing where there were none.
    pub(super) fn nothing_else(&self) -> Option<PayloadError> {
        let (place, first) = self.first.clone()?;
        if let Some(message) = first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return Some(PayloadError::ErrorAnswer { place, message: message.to_owned() });
        }
        let hint = if first.starts_with("Alertname") || first.starts_with("Labels") {
            "; amtool prints JSON with `-o json`"
        } else {
            ""
        };
        let problem = format!("there is no JSON in this input; it begins with `{first}`{hint}");
        Some(PayloadError::NotJson { place, problem })
    }
}

/// Returns the beginning of a foreign line, fit to be printed.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN)]);
    let text = text.lines().next().unwrap_or_default().trim_end();
    let mut out: String = text.chars().take(SHOWN).flat_map(printable).collect();
    if text.chars().count() > SHOWN {
        out.push('…');
    }
    out
}

/// Escapes what could move a terminal's cursor; quotes stay.
fn printable(c: char) -> Box<dyn Iterator<Item = char>> {
    if c.is_control() { Box::new(c.escape_unicode()) } else { Box::new(std::iter::once(c)) }
}
