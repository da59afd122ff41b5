//! Moments as Alertmanager writes them: RFC 3339, milliseconds, and year 1 for "none".

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Deserializer, Serializer};

/// What Go writes for a time that is not set.
pub const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Writes a moment with milliseconds, as API v2 does: `2026-11-23T06:42:37.955Z`.
pub fn format_time(moment: Timestamp) -> String {
    truncate(moment).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Reads an RFC 3339 moment and cuts it to milliseconds; `0001-01-01T00:00:00Z` means none.
///
/// # Errors
/// A sentence that says what was found instead.
pub fn parse_time(text: &str) -> Result<Option<Timestamp>, String> {
    if text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    match text.parse::<Timestamp>() {
        Ok(moment) => Ok(Some(truncate(moment))),
        Err(_) => Err(format!("`{text}` is not a time such as `2026-01-02T03:04:05Z`")),
    }
}

/// Cuts a moment to whole milliseconds, towards the past.
#[must_use]
pub fn truncate(moment: Timestamp) -> Timestamp {
    let round = jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Floor);
    moment.round(round).unwrap_or(moment)
}

pub(crate) mod required {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, format_time, parse_time};

    pub(crate) fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_time(*moment))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = parse_time(&text).map_err(serde::de::Error::custom)?;
        moment.ok_or_else(|| serde::de::Error::custom("the time is not set"))
    }
}

pub(crate) mod optional {
    use super::{Deserialize, Deserializer, NO_TIME, Serializer, Timestamp, format_time, parse_time};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` calls")]
    pub(crate) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => serializer.serialize_str(&format_time(*moment)),
            None => serializer.serialize_str(NO_TIME),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) => parse_time(&text).map_err(serde::de::Error::custom),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_zone_and_written_with_milliseconds() {
        for (text, written) in [
            ("2026-11-23T06:42:37.955Z", "2026-11-23T06:42:37.955Z"),
            ("2026-11-23T06:57:45.959615264Z", "2026-11-23T06:57:45.959Z"),
            ("2026-11-23T07:57:45+01:00", "2026-11-23T06:57:45.000Z"),
        ] {
            assert_eq!(format_time(parse_time(text).unwrap().unwrap()), written);
        }
        assert_eq!(parse_time(NO_TIME), Ok(None));
        for bad in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "1700000000"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
