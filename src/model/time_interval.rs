//! Alertmanager's time intervals: when something may start, or may not. Main types: [`TimeInterval`], its written form
//! [`TimeIntervalSpec`].

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Days that every month has; ranges that are empty by this count are refused, as in Alertmanager.
const SHORTEST_MONTH: i32 = 28;

/// A named set of times, as Alertmanager's configuration writes it: it contains a moment if any member does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeIntervalSpec {
    /// What playbooks call it by.
    pub name: String,
    /// Its members; any of them may contain a moment.
    #[serde(default)]
    pub time_intervals: Vec<MemberSpec>,
}

/// One member of a time interval: all fields that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberSpec {
    /// Times of day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Vec<TimeRangeSpec>>,
    /// Days of the week by name, or ranges of them: `monday:friday`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<Word>>,
    /// Days of the month or ranges of them: `1:5`; negative ones count from the end of the month: `-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_of_month: Option<Vec<Word>>,
    /// Months by name or number, or ranges of them: `may:august`, `1:3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<Vec<Word>>,
    /// Years or ranges of them: `2026:2028`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub years: Option<Vec<Word>>,
    /// The time zone, such as `Europe/Berlin`; UTC when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// A time of day: from the start until just before the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRangeSpec {
    /// `HH:MM`.
    #[serde(default)]
    pub start_time: Option<Word>,
    /// `HH:MM`; `24:00` is the end of the day.
    #[serde(default)]
    pub end_time: Option<Word>,
}

/// A word or number, which YAML may have taken for either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Word(pub String);

/// A value of a time interval that cannot be meant.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{path}: {message}")]
pub struct TimeIntervalError {
    /// The way to the value: `time_intervals[0].weekdays[1]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A named set of times, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeInterval {
    name: String,
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq)]
struct Member {
    /// Minutes of the day; the end is exclusive.
    times: Option<Vec<Range>>,
    /// 0 is Sunday.
    weekdays: Option<Vec<Range>>,
    days_of_month: Option<Vec<Range>>,
    months: Option<Vec<Range>>,
    years: Option<Vec<Range>>,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    begin: i32,
    end: i32,
}

impl TimeInterval {
    /// Checks all values; every mistake is reported. Time zones are those of the system.
    ///
    /// # Errors
    ///
    /// Every problem of the specification.
    pub fn compile(spec: &TimeIntervalSpec) -> Result<Self, Vec<TimeIntervalError>> {
        let mut checker = Checker { errors: Vec::new() };
        if spec.name.is_empty() {
            checker.error("name", "a time interval has a name", None);
        }
        let members = spec.time_intervals.iter().enumerate().map(|(at, member)| {
            let path = format!("time_intervals[{at}]");
            checker.member(&path, member)
        });
        let members = members.collect();
        if checker.errors.is_empty() {
            Ok(Self { name: spec.name.clone(), members })
        } else {
            Err(checker.errors)
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether a moment lies in it.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.members.iter().any(|member| member.contains(moment))
    }
}

impl Member {
    fn contains(&self, moment: Timestamp) -> bool {
        let local = self.zone.to_datetime(moment);
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let within = |ranges: &Option<Vec<Range>>, value: i32| {
            ranges
                .as_ref()
                .is_none_or(|ranges| ranges.iter().any(|range| (range.begin..=range.end).contains(&value)))
        };
        self.times
            .as_ref()
            .is_none_or(|times| times.iter().any(|time| (time.begin..time.end).contains(&minute)))
            && within(&self.weekdays, i32::from(local.weekday().to_sunday_zero_offset()))
            && self.days_of_month.as_ref().is_none_or(|days| days.iter().any(|range| in_month(*range, local)))
            && within(&self.months, i32::from(local.month()))
            && within(&self.years, i32::from(local.year()))
    }
}

/// Judges a range of days in the month of a date: the end is cut to the month, a beginning after it matches nothing.
fn in_month(range: Range, local: DateTime) -> bool {
    let length = i32::from(local.date().days_in_month());
    let day = |number: i32| if number < 0 { length + number + 1 } else { number };
    (day(range.begin)..=day(range.end)).contains(&i32::from(local.day()))
}

/// Collects what is wrong while values are read.
struct Checker {
    errors: Vec<TimeIntervalError>,
}

impl Checker {
    fn error(&mut self, path: &str, message: impl Into<String>, hint: Option<&str>) {
        self.errors.push(TimeIntervalError {
            path: path.to_owned(),
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    fn member(&mut self, path: &str, spec: &MemberSpec) -> Member {
        let times = spec.times.as_ref().map(|times| {
            let ranges = times.iter().enumerate();
            ranges.filter_map(|(at, range)| self.time_range(&format!("{path}.times[{at}]"), range)).collect()
        });
        let mut ranges =
            |field: &str, words: &Option<Vec<Word>>, read: fn(&str) -> Result<Range, Problem>| {
                words.as_ref().map(|words| {
                    let words = words.iter().enumerate();
                    words
                        .filter_map(|(at, word)| self.range(&format!("{path}.{field}[{at}]"), &word.0, read))
                        .collect()
                })
            };
        let weekdays = ranges("weekdays", &spec.weekdays, weekdays);
        let days_of_month = ranges("days_of_month", &spec.days_of_month, days_of_month);
        let months = ranges("months", &spec.months, months);
        let years = ranges("years", &spec.years, years);
        let zone = self.zone(&format!("{path}.location"), spec.location.as_deref().unwrap_or_default());
        Member { times, weekdays, days_of_month, months, years, zone }
    }

    fn range(&mut self, path: &str, word: &str, read: fn(&str) -> Result<Range, Problem>) -> Option<Range> {
        match read(word) {
            Ok(range) => Some(range),
            Err((message, hint)) => {
                self.error(path, message, hint);
                None
            }
        }
    }

    fn time_range(&mut self, path: &str, spec: &TimeRangeSpec) -> Option<Range> {
        let given =
            |word: &Option<Word>| word.as_ref().map(|word| word.0.clone()).filter(|text| !text.is_empty());
        let (Some(start), Some(end)) = (given(&spec.start_time), given(&spec.end_time)) else {
            self.error(path, "both `start_time` and `end_time` are needed", None);
            return None;
        };
        let mut minute = |field: &str, text: &str| {
            let minute = minute_of_day(text);
            if minute.is_none() {
                let hint = Some("write it as `09:00`, in quotes; the end of the day is `24:00`");
                self.error(&format!("{path}.{field}"), format!("`{text}` is not a time of day"), hint);
            }
            minute
        };
        let (begin, end) = (minute("start_time", &start), minute("end_time", &end));
        let range = Range { begin: begin?, end: end? };
        if range.begin >= range.end {
            let hint = Some("for a range over midnight write two: until `24:00`, and from `00:00`");
            self.error(path, "the start has to be before the end", hint);
            return None;
        }
        Some(range)
    }

    fn zone(&mut self, path: &str, name: &str) -> TimeZone {
        if name.is_empty() || name == "UTC" {
            return TimeZone::UTC;
        }
        if name == "Local" {
            self.error(
                path,
                "`Local` would differ from host to host",
                Some("name the zone, such as `Europe/Berlin`"),
            );
            return TimeZone::UTC;
        }
        TimeZone::get(name).unwrap_or_else(|_| {
            let hint =
                "use a name such as `Europe/Berlin`; the zones are those of the system (package tzdata)";
            self.error(path, format!("`{name}` is not a known time zone"), Some(hint));
            TimeZone::UTC
        })
    }
}

/// What is wrong with a value, and how to mend it.
type Problem = (String, Option<&'static str>);

fn weekdays(text: &str) -> Result<Range, Problem> {
    let range = split(text, |name| {
        let hint = Some("write the English name, such as `monday`");
        position(&WEEKDAYS, name).ok_or_else(|| (format!("`{name}` is not a valid weekday"), hint))
    })?;
    let hint =
        Some("weeks begin on Sunday here: write two ranges, such as `friday:saturday` and `sunday:monday`");
    check(range, || (format!("the range `{text}` begins after its end"), hint))
}

fn months(text: &str) -> Result<Range, Problem> {
    let range = split(text, |name| {
        let known = position(&MONTHS, name).map(|at| at + 1).or_else(|| name.parse().ok());
        let hint = Some("write the English name, such as `january`, or a number");
        known.ok_or_else(|| (format!("`{name}` is not a valid month"), hint))
    })?;
    let hint = Some("for a range over the turn of the year write two");
    check(range, || (format!("the range `{text}` begins after its end"), hint))
}

fn years(text: &str) -> Result<Range, Problem> {
    let range =
        split(text, |year| year.parse().map_err(|_| (format!("`{year}` is not a valid year"), None)))?;
    check(range, || (format!("the range `{text}` begins after its end"), None))
}

fn days_of_month(text: &str) -> Result<Range, Problem> {
    let range = split(text, |day| {
        let number = day.parse().ok().filter(|day| *day != 0 && (-31..=31).contains(day));
        let hint = Some("days are 1 to 31, or -1 to -31 from the end of the month");
        number.ok_or_else(|| (format!("`{day}` is not a valid day of the month"), hint))
    })?;
    if range.begin < 0 && range.end > 0 {
        let message =
            format!("in `{text}` the end has to count from the end of the month too, as the start does");
        return Err((message, None));
    }
    let counted = |day: i32| if day < 0 { SHORTEST_MONTH + day } else { day };
    let message = format!("in `{text}` the end is always before the start");
    if counted(range.begin) > counted(range.end) { Err((message, None)) } else { Ok(range) }
}

/// Reads `a` or `a:b`, in any case.
fn split(text: &str, read: impl Fn(&str) -> Result<i32, Problem>) -> Result<Range, Problem> {
    let lower = text.to_lowercase();
    let Some((begin, end)) = lower.split_once(':') else {
        let both = read(&lower)?;
        return Ok(Range { begin: both, end: both });
    };
    if end.contains(':') {
        return Err((format!("`{text}` is not a range"), Some("a range has two ends, such as `1:5`")));
    }
    Ok(Range { begin: read(begin)?, end: read(end)? })
}

fn check(range: Range, problem: impl FnOnce() -> Problem) -> Result<Range, Problem> {
    if range.begin > range.end { Err(problem()) } else { Ok(range) }
}

fn position(names: &[&str], name: &str) -> Option<i32> {
    names.iter().position(|known| *known == name).and_then(|at| i32::try_from(at).ok())
}

/// Reads `HH:MM`, up to `24:00`.
fn minute_of_day(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let fine = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        fine.then(|| digits.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let sound = (hours < 24 && minutes < 60) || (hours, minutes) == (24, 0);
    sound.then_some(hours * 60 + minutes)
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl serde::de::Visitor<'_> for Words {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a whole number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl JsonSchema for Word {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Word".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shared_data;

    /// Reads the members as the vectors hold them.
    fn compile(yaml: &str) -> Result<TimeInterval, String> {
        let members: Option<Vec<MemberSpec>> =
            serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
        let spec = TimeIntervalSpec { name: "n".to_owned(), time_intervals: members.unwrap_or_default() };
        TimeInterval::compile(&spec)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn intervals_are_accepted_refused_and_contain_as_in_alertmanager() {
        let Some(path) = shared_data("vectors/time_intervals.json") else { return };
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut wrong = Vec::new();
        for vector in file["vectors"].as_array().unwrap() {
            let yaml = vector["yaml"].as_str().unwrap();
            match compile(yaml) {
                Err(error) if vector["error"].is_null() => wrong.push(format!("{yaml}: {error}")),
                Ok(_) if !vector["error"].is_null() => {
                    wrong.push(format!("{yaml}: accepted, {}", vector["error"]));
                }
                Ok(interval) => {
                    for case in vector["contains"].as_array().into_iter().flatten() {
                        let moment: Timestamp = case["time"].as_str().unwrap().parse().unwrap();
                        if interval.contains(moment) != case["contains"].as_bool().unwrap() {
                            wrong.push(format!("{yaml}: {case}"));
                        }
                    }
                }
                Err(_) => {}
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_mistake_is_reported_with_its_field() {
        let yaml = "- weekdays: [monday, mon, 'friday:monday']\n  times: [{start_time: '9:00', end_time: '17:00'}, {start_time: '10:00'}]\n\
                    - days_of_month: [0, '1:2:3']\n  months: [feb]\n  years: [x]\n  location: Mars/Olympus";
        let errors = compile(yaml).unwrap_err();
        let paths: Vec<&str> = errors.lines().map(|line| line.split(": ").next().unwrap()).collect();
        let expected = [
            "time_intervals[0].times[0].start_time",
            "time_intervals[0].times[1]",
            "time_intervals[0].weekdays[1]",
            "time_intervals[0].weekdays[2]",
            "time_intervals[1].days_of_month[0]",
            "time_intervals[1].days_of_month[1]",
            "time_intervals[1].months[0]",
            "time_intervals[1].years[0]",
            "time_intervals[1].location",
        ];
        assert_eq!(paths, expected, "{errors}");
    }

    #[test]
    fn negative_days_hold_across_a_change_of_clocks() {
        let interval = compile("- days_of_month: ['-1']\n  location: America/New_York").unwrap();
        for (moment, inside) in
            [("2024-03-31T03:59:59Z", false), ("2024-03-31T04:00:00Z", true), ("2024-04-01T03:59:59Z", true)]
        {
            assert_eq!(interval.contains(moment.parse().unwrap()), inside, "{moment}");
        }
    }
}
