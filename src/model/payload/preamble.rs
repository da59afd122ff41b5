//! What stands before the JSON, or instead of it: byte order marks, amtool's warnings, HTML pages, compressed data.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::frame::Context;
use super::report::{PayloadError, Place, ReadStats, clipped};

/// The longest line that is skipped, and how many are.
pub(super) const MAX_LINE: usize = 64 << 10;
const MAX_LINES: u64 = 1_000;
/// How much of a foreign line is shown.
const SHOWN: usize = 120;

/// Where alerts come from.
pub(super) const RIGHT_PLACES: &str = "alerts come from `amtool alert query -o json`, from `/api/v2/alerts` of \
     Alertmanager or `/api/v1/alerts` of Prometheus, or with a webhook";
const RUN_IT_ALONE: &str = "run what wrote this alone and look at its output: JSON is expected, as of \
     `amtool alert query -o json`";
const WRONG_ADDRESS: &str = "a login page, a proxy or a server's error page came instead of alerts: is it the address \
     of the API that was asked?";

/// How data begins that has to be unpacked first: its name, and what unpacks it.
const PACKED: [(&[u8], &str, &str); 5] = [
    (b"\x1f\x8b", "gzip", "unpack it first: `gunzip -c FILE | amflow run`, or `curl --compressed`"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unpack it first: `zstd -dc FILE | amflow run`"),
    (b"\xfd7zXZ\x00", "xz", "unpack it first: `xz -dc FILE | amflow run`"),
    (b"BZh", "bzip2", "unpack it first: `bunzip2 -c FILE | amflow run`"),
    (b"PK\x03\x04", "zip", "unpack it first: `unzip -p FILE | amflow run`"),
];

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
    first: Option<(Place, Vec<u8>)>,
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
        let instead = |problem: String, hint| {
            Err(PayloadError::NotJson { place: context.place(at, ""), problem, hint })
        };
        match rest {
            [] => return Ok(Found::Unknown),
            [b'{' | b'[', ..] => return Ok(Found::Json),
            [0xef, 0xbb, 0xbf, ..] => return Ok(Found::Skip(3)),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                let hint = "convert it first: `iconv -f UTF-16 -t UTF-8 FILE | amflow run`";
                return instead("this is UTF-16 text, not UTF-8".to_owned(), hint);
            }
            [0xef | 0xff | 0xfe, ..] if rest.len() < 3 && !last => return Ok(Found::Unknown),
            _ => {}
        }
        for (magic, name, hint) in PACKED {
            if rest.starts_with(magic) {
                return instead(format!("this is {name}-compressed data, not JSON"), hint);
            }
            if magic.starts_with(rest) && !last {
                return Ok(Found::Unknown);
            }
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
            return instead(format!("this is {what}, not JSON"), WRONG_ADDRESS);
        }
        if line.len() > MAX_LINE || self.skipped >= MAX_LINES {
            return instead(format!("this is not JSON; it begins with `{}`", shown(rest)), RUN_IT_ALONE);
        }
        if self.skipped == 0 {
            self.first = Some((context.place(at, ""), line.trim_ascii().to_vec()));
        }
        self.skipped += 1;
        stats.warn(|| {
            format!("{}: skipped a line that is not JSON: `{}`", context.place(at, ""), shown(line))
        });
        Ok(Found::Skip(line.len()))
    }

    /// Makes the error of an input that was nothing but skipped lines; nothing where there were none.
    pub(super) fn nothing_else(&self) -> Option<PayloadError> {
        let (place, line) = self.first.clone()?;
        let alone = self.skipped == 1;
        match serde_json::from_slice::<Value>(&line) {
            Ok(Value::String(text)) if alone => {
                let inside =
                    text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(&text).is_ok();
                return Some(if inside {
                    let problem = "this is one text that holds JSON, and not the JSON itself".to_owned();
                    PayloadError::NotAlerts { place, problem, hint: "`jq -r .` takes it out of the text" }
                } else {
                    PayloadError::ErrorAnswer { place, message: clipped(&text) }
                });
            }
            Ok(value) if alone => {
                let problem = format!("`{}` is JSON, but no alerts", clipped(&value.to_string()));
                return Some(PayloadError::NotAlerts { place, problem, hint: RIGHT_PLACES });
            }
            _ => {}
        }
        if (line.starts_with(b"Alertname ") || line.starts_with(b"Labels ")) && line.ends_with(b"State") {
            let problem = "this is amtool's table for people, not JSON".to_owned();
            let hint = "let amtool write JSON: `amtool alert query -o json | amflow run`";
            return Some(PayloadError::NotJson { place, problem, hint });
        }
        let problem = format!("there is no JSON in this input; it begins with `{}`", shown(&line));
        Some(PayloadError::NotJson { place, problem, hint: RUN_IT_ALONE })
    }
}

/// Returns the beginning of a foreign line, fit to be printed.
pub(super) fn shown(line: &[u8]) -> String {
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
