//! Filters on times and durations.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// `"2026-01-02T03:04:05Z" | date("%H:%M", "Europe/Berlin")`.
pub(super) fn date(value: &Value, format: &str, zone: Option<&str>) -> Result<String, Error> {
    let refuse = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let time = match value.kind() {
        ValueKind::Number => value
            .to_string()
            .parse::<f64>()
            .ok()
            .and_then(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).ok())
            .and_then(|since| Timestamp::from_duration(since).ok()),
        _ => value.as_str().and_then(|text| text.trim().parse().ok()),
    };
    let shown: String = value.to_string().chars().take(40).collect();
    let time = time.ok_or_else(|| {
        refuse(format!("`{}` is no time: RFC 3339 or seconds since 1970 are", shown.escape_debug()))
    })?;
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => {
            TimeZone::get(name).map_err(|_| refuse(format!("the time zone `{name}` is not known")))?
        }
    };
    jiff::fmt::strtime::format(format, &time.to_zoned_datetime(zone))
        .map_err(|error| refuse(format!("`{format}` is no time format: {error}")))
}

/// What a unit of a duration is called, and its milliseconds, the longest first; as Prometheus writes them.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// `5400 | duration`, as Prometheus writes durations.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn duration(seconds: f64) -> Result<String, Error> {
    if !(0.0..=1.0e14).contains(&seconds) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("`{seconds}` is no duration in seconds"),
        ));
    }
    let mut left = (seconds * 1000.0).round() as i64;
    if left == 0 {
        return Ok("0s".to_owned());
    }
    let mut text = String::new();
    for (unit, length) in UNITS {
        // Weeks and years only where nothing is left over, as Prometheus prints them.
        if left >= length && (length <= 86_400_000 || left % length == 0) {
            text.push_str(&format!("{}{unit}", left / length));
            left %= length;
        }
    }
    Ok(text)
}

/// `"1h30m" | seconds`.
pub(super) fn seconds(text: &str) -> Result<f64, Error> {
    let text = text.trim();
    if text == "0" {
        return Ok(0.0);
    }
    parse(text).map(|milliseconds| milliseconds / 1000.0).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let message = format!("`{}` is no duration such as `1h30m`", shown.escape_debug());
        Error::new(ErrorKind::InvalidOperation, message)
    })
}

#[allow(clippy::cast_precision_loss, reason = "durations beyond 2^53 ms are of no use")]
fn parse(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        // Each unit at most once, the longest first.
        let (_, length) = units.find(|(unit, _)| *unit == &rest[..letters])?;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(*length)?)?;
    }
    (!text.is_empty()).then_some(total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_go_both_ways() {
        for (written, expected) in [
            ("1h30m", 5400.0),
            ("90s", 90.0),
            ("2d", 172_800.0),
            ("1w", 604_800.0),
            ("250ms", 0.25),
            ("0s", 0.0),
        ] {
            assert_eq!(seconds(written).expect(written), expected, "{written}");
        }
        for (length, written) in
            [(5400.0, "1h30m"), (90.0, "1m30s"), (0.25, "250ms"), (691_200.0, "8d"), (0.0, "0s")]
        {
            assert_eq!(duration(length).expect(written), written);
        }
        for wrong in ["", "1", "30m1h", "1.5h", "-5m", "1x", "m"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
