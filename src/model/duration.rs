//! Durations as Prometheus writes them, and what is made of them: ranges and rates.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The units in the order in which they must come, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration that Prometheus takes: what fits into its nanoseconds, about 292 years.
const LONGEST: u64 = i64::MAX as u64 / 1_000_000;

/// Text that is not a duration, range or rate.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct DurationError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub range: Range<usize>,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A number of things in a window of time: `3 in 24h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub window: Duration,
}

/// A range of durations, both ends included: `5s..1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DurationRange {
    /// The shortest.
    pub min: Duration,
    /// The longest; not less than `min`.
    pub max: Duration,
}

/// Reads a duration such as `90s`, `1h30m`, `2d`, `500ms` or `0`.
///
/// As in Prometheus: whole numbers, units `y w d h m s ms` from large to small, each at most once; a year has 365 days.
///
/// # Errors
///
/// When the text is no duration as Prometheus writes it.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let bad = |range: Range<usize>, message: String, hint: Option<&str>| {
        Err(DurationError { message, range, hint: hint.map(str::to_owned) })
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return bad(
            0..0,
            "a duration is missing here".to_owned(),
            Some("write it as `90s`, `1h30m` or `2d`"),
        );
    }
    let (mut millis, mut at, mut next_unit) = (0_u64, 0, 0);
    while at < text.len() {
        let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
        let rest = &text[at + digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let piece = at..at + digits + letters;
        let unit = &rest[..letters];
        if digits == 0 {
            return bad(
                piece,
                format!("`{text}` is not a duration"),
                Some("write it as `90s`, `1h30m` or `2d`"),
            );
        }
        let Some(place) = UNITS.iter().position(|(name, _)| *name == unit) else {
            let hint = match unit.trim() {
                "" => format!(
                    "add a unit: `{}s` is seconds, `{}m` minutes",
                    &text[at..at + digits],
                    &text[at..at + digits]
                ),
                "M" | "mo" | "month" | "months" => "months are not a unit: write days, as `30d`".to_owned(),
                unit if unit.starts_with('.') => {
                    "write whole numbers: `1h30m` for one hour and a half".to_owned()
                }
                _ => "the units are y, w, d, h, m, s and ms, without spaces: `1h30m`".to_owned(),
            };
            return bad(piece, format!("`{text}` is not a duration"), Some(&hint));
        };
        if place < next_unit {
            let hint = "write each unit once, the largest first: `1h30m`";
            return bad(piece, format!("`{text}` is not a duration: `{unit}` comes too late"), Some(hint));
        }
        let amount = text[at..at + digits].parse::<u64>().ok().and_then(|n| n.checked_mul(UNITS[place].1));
        match amount.and_then(|amount| millis.checked_add(amount)).filter(|sum| *sum <= LONGEST) {
            Some(sum) => millis = sum,
            None => return bad(piece, format!("`{text}` is too long: at most 292 years"), None),
        }
        at += digits + letters;
        next_unit = place + 1;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration as Prometheus does: `1h30m`, `2d`, `500ms`, `0s`; parts below a millisecond are cut.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, size) in UNITS {
        // Years and weeks only where nothing is left over, so that 10d does not become 1w3d.
        let exact_only = matches!(unit, "y" | "w");
        if rest < size || (exact_only && !rest.is_multiple_of(size)) {
            continue;
        }
        out.push_str(&(rest / size).to_string());
        out.push_str(unit);
        rest %= size;
    }
    out
}

/// Reads a range such as `5s..1m`; a single duration is a range of that length only.
///
/// # Errors
///
/// When the text is no duration, and no range of two of them, the smaller one first.
pub fn parse_duration_range(text: &str) -> Result<DurationRange, DurationError> {
    let Some(dots) = text.find("..") else {
        let both = parse_trimmed(text, 0..text.len())?;
        return Ok(DurationRange { min: both, max: both });
    };
    let min = parse_trimmed(text, 0..dots)?;
    let max = parse_trimmed(text, dots + 2..text.len())?;
    if min > max {
        let (min, max) = (format_duration(min), format_duration(max));
        let message = format!("the range `{text}` begins after its end");
        return Err(DurationError {
            message,
            range: 0..text.len(),
            hint: Some(format!("write `{max}..{min}`")),
        });
    }
    Ok(DurationRange { min, max })
}

/// Reads a rate such as `3 in 24h`.
///
/// # Errors
///
/// When the text is not a count, `in`, and a duration.
pub fn parse_rate(text: &str) -> Result<Rate, DurationError> {
    let hint = || Some("write it as `3 in 24h`".to_owned());
    let bad = |range, message| Err(DurationError { message, range, hint: hint() });
    let Some(word) = text.find(" in ") else {
        return bad(0..text.len(), format!("`{text}` is not a rate"));
    };
    let Ok(count) = text[..word].trim().parse::<u32>() else {
        return bad(0..word, format!("`{}` is not a whole number", text[..word].trim()));
    };
    let window = parse_trimmed(text, word + 4..text.len())?;
    if count == 0 {
        let hint = Some("to start nothing, pause the playbook; to have no limit, write `none`".to_owned());
        return Err(DurationError {
            message: "a rate of 0 would never start anything".to_owned(),
            range: 0..word,
            hint,
        });
    }
    if window.is_zero() {
        return bad(word + 4..text.len(), "the window of a rate must be longer than 0s".to_owned());
    }
    Ok(Rate { count, window })
}

/// Reads the duration in a part of a text, so that errors point into the whole.
fn parse_trimmed(text: &str, part: Range<usize>) -> Result<Duration, DurationError> {
    let piece = &text[part.clone()];
    let start = part.start + piece.len() - piece.trim_start().len();
    parse_duration(piece.trim())
        .map_err(|error| DurationError { range: error.range.start + start..error.range.end + start, ..error })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.count, format_duration(self.window))
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            return f.write_str(&format_duration(self.min));
        }
        write!(f, "{}..{}", format_duration(self.min), format_duration(self.max))
    }
}

impl FromStr for Rate {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_rate(text)
    }
}

impl FromStr for DurationRange {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_duration_range(text)
    }
}

macro_rules! serde_by_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_by_text!(Rate, DurationRange);

/// For serde's `with`: a [`Duration`] in Prometheus' spelling.
pub mod as_text {
    use super::{Deserialize, Deserializer, Duration, Serializer, format_duration, parse_duration};

    /// Writes a duration as text.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*duration))
    }

    /// Reads a duration from text.
    ///
    /// # Errors
    ///
    /// When the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1y", 31_536_000_000),
            ("1w2d3h4m5s6ms", 788_645_006),
            ("500ms", 500),
            ("1m5ms", 60_005),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_place() {
        for (text, range) in [
            ("", 0..0),
            ("90", 0..2),
            ("-5m", 0..1),
            ("1.5h", 0..2),
            ("30m1h", 3..5),
            ("1h1h", 2..4),
            ("1h 30m", 0..3),
            ("1mo", 0..3),
            ("5 minutes", 0..9),
            ("1H", 0..2),
            ("999999999y", 0..10),
            ("99999999999999999999s", 0..21),
            ("5é", 0..3),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().range, range, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_prometheus_writes_them() {
        for (text, written) in [
            ("0", "0s"),
            ("90s", "1m30s"),
            ("10d", "10d"),
            ("14d", "2w"),
            ("365d", "1y"),
            ("24h", "1d"),
            ("1001ms", "1s1ms"),
        ] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), written);
        }
    }

    #[test]
    fn ranges_and_rates_are_read_with_places_in_the_whole_text() {
        let range = parse_duration_range("5s..1m").unwrap();
        assert_eq!(
            (range.min.as_secs(), range.max.as_secs(), range.to_string()),
            (5, 60, "5s..1m".to_owned())
        );
        assert_eq!(parse_duration_range("7s").unwrap().to_string(), "7s");
        assert_eq!(parse_duration_range("5s..1x").unwrap_err().range, 4..6);
        assert_eq!(parse_duration_range("1m..5s").unwrap_err().hint.as_deref(), Some("write `5s..1m`"));

        assert_eq!(parse_rate("3 in 24h").unwrap(), Rate { count: 3, window: Duration::from_secs(86_400) });
        assert_eq!(parse_rate("3 in 24h").unwrap().to_string(), "3 in 1d");
        for (text, range) in
            [("3/24h", 0..5), ("x in 1h", 0..1), ("3 in 1", 5..6), ("0 in 1h", 0..1), ("3 in 0s", 5..7)]
        {
            assert_eq!(parse_rate(text).unwrap_err().range, range, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis in 0..=LONGEST) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = (parse_duration(&text), parse_duration_range(&text), parse_rate(&text));
        }
    }
}
