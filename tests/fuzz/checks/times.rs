//! Durations, ranges of them, rates and time intervals.

use std::path::Path;
use std::time::Duration;

use amflow::model::time_interval::MemberSpec;
use amflow::model::{
    DurationError, TimeInterval, TimeIntervalSpec, format_duration, parse_duration, parse_duration_range,
    parse_rate,
};
use jiff::Timestamp;
use serde_json::json;

use super::input::{input, texts};

const WRITTEN: &[&str] = &[
    "90s",
    "1h30m",
    "2d",
    "500ms",
    "0",
    "0s",
    "1y2w3d4h5m6s7ms",
    "292y",
    "293y",
    "5s..1m",
    "1m..5s",
    "..",
    "3 in 24h",
    "0 in 1h",
    "3in24h",
    "3 in ",
    "none",
    "1.5h",
    "-5m",
    "1M",
    "٣m",
    "1 h",
    "30m1h",
    "99999999999999999999s",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = WRITTEN.iter().map(|text| input(&[text])).collect();
    let members = [
        json!([{"weekdays": ["monday:friday", "sunday"], "times": [{"start_time": "09:00", "end_time": "24:00"}]}]),
        json!([{"days_of_month": ["1:5", "-3:-1", -1, "15"], "months": ["may:august", 3, "1:3"], "years": [2026, "2026:2028"]}]),
        json!([{"location": "Europe/Berlin"}, {"location": "America/New_York", "days_of_month": ["31"]}]),
        json!([{"times": [{"start_time": "9:00"}], "weekdays": ["friday:monday"], "location": "Local"}]),
        json!([{}]),
    ];
    for member in members {
        let spec = json!({"name": "n", "time_intervals": member});
        seeds.push(input(&["", &spec.to_string(), "2026-03-29T01:30:00Z"]));
    }
    seeds
}

/// The input is a duration, range or rate; a time interval as JSON; a moment.
pub(crate) fn check(data: &[u8]) {
    let texts = texts(data);
    durations(&texts[0]);
    if let Some(text) = texts.get(1) {
        interval(text, texts.get(2).map(String::as_str).unwrap_or_default());
    }
}

fn durations(text: &str) {
    match parse_duration(text) {
        Ok(duration) => {
            is_written_and_read_again(duration);
            let both = parse_duration_range(text).expect("a duration is a range of that length");
            assert_eq!((both.min, both.max), (duration, duration), "{text}");
        }
        Err(error) => is_in(&error, text),
    }
    match parse_duration_range(text) {
        Ok(range) => {
            assert!(range.min <= range.max, "{text}");
            let again = parse_duration_range(&range.to_string());
            assert_eq!(again, Ok(range), "{text} is written {range}");
        }
        Err(error) => is_in(&error, text),
    }
    match parse_rate(text) {
        Ok(rate) => {
            assert!(rate.count > 0 && !rate.window.is_zero(), "{text}");
            assert_eq!(parse_rate(&rate.to_string()), Ok(rate), "{text} is written {rate}");
        }
        Err(error) => is_in(&error, text),
    }
}

fn is_written_and_read_again(duration: Duration) {
    let written = format_duration(duration);
    assert_eq!(parse_duration(&written), Ok(duration), "{duration:?} is written {written}");
}

fn is_in(error: &DurationError, text: &str) {
    assert!(!error.message.is_empty());
    assert!(text.get(error.range.clone()).is_some(), "{text:?}: {error} at {:?}", error.range);
}

fn interval(text: &str, moment: &str) {
    let Ok(spec) = serde_json::from_str::<TimeIntervalSpec>(text) else { return };
    let written = serde_json::to_string(&spec).expect("a specification is JSON");
    assert_eq!(serde_json::from_str::<TimeIntervalSpec>(&written).expect(&written), spec);
    match TimeInterval::compile(&spec) {
        Err(errors) => {
            assert!(!errors.is_empty());
            let known = |path: &str| path == "name" || path.starts_with("time_intervals[");
            assert!(errors.iter().all(|error| known(&error.path) && !error.message.is_empty()), "{errors:?}");
        }
        Ok(interval) => {
            let given = moment.parse().unwrap_or(Timestamp::UNIX_EPOCH);
            let inside = interval.contains(given);
            let is_open = spec.time_intervals.iter().any(|member| *member == MemberSpec::default());
            assert!(inside || !is_open, "a member without fields contains everything");
            for moment in [Timestamp::MIN, Timestamp::MAX] {
                interval.contains(moment);
            }
        }
    }
}
