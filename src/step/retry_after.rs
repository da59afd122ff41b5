//! `Retry-After`: how long a server asks to be left alone (RFC 9110, section 10.2.3).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;

/// The longest that a server is believed: one hour, in milliseconds.
const LONGEST_MS: u64 = 3_600_000;

/// Returns how long to wait, in milliseconds: seconds, or a date in any of HTTP's three forms; a time that is past is 0.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<u64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(seconds.saturating_mul(1_000).min(LONGEST_MS));
    }
    let then = http_date(text)?;
    let millis = then.as_millisecond().saturating_sub(now.as_millisecond());
    Some(u64::try_from(millis).unwrap_or(0).min(LONGEST_MS))
}

fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(then) = DateTimeParser::new().parse_timestamp(text) {
        return Some(then);
    }
    // RFC 850 and C's asctime, which servers may still send.
    let forms = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    forms.iter().find_map(|form| {
        let then = DateTime::strptime(form, text).ok()?;
        TimeZone::UTC.to_timestamp(then).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_is_believed_beyond_an_hour() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120_000)),
            ("99999999999999999999999", Some(LONGEST_MS)),
            ("Mon, 23 Nov 2026 10:00:30 GMT", Some(30_000)),
            ("Monday, 23-Nov-26 10:00:30 GMT", Some(30_000)),
            ("Mon Nov 23 10:00:30 2026", Some(30_000)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("Wed, 23 Nov 2033 09:00:00 GMT", Some(LONGEST_MS)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }
}
