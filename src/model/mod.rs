//! Alertmanager's world as values: alerts, labels, matchers, silences, and how they are read.
//!
//! Main types: [`Alert`], [`LabelSet`], [`Matcher`], [`MatcherIndex`], [`PayloadReader`].
//!
//! ```
//! use amflow::model::{LabelSet, MatcherSyntax, parse_list};
//!
//! let matchers = parse_list(r#"alertname = DiskFull, mountpoint =~ "/|/var.*""#, MatcherSyntax::default())?.matchers;
//! let labels = LabelSet::from([("alertname", "DiskFull"), ("mountpoint", "/var/log")]);
//! assert!(matchers.iter().all(|matcher| matcher.matches(&labels)));
//! # Ok::<(), amflow::model::MatcherError>(())
//! ```

pub mod alert;
pub mod duration;
pub mod fingerprint;
pub(crate) mod go_string;
pub mod id;
pub mod index;
pub mod labels;
pub mod matcher;
pub mod payload;
pub mod people;
pub mod regex;
pub mod secret;
pub mod silence;
pub mod time;
pub mod time_interval;
pub mod trace;

pub use alert::{Alert, AlertStatus, EpisodeKey, STATE_LABEL};
pub use duration::{
    DurationError, DurationRange, Rate, format_duration, parse_duration, parse_duration_range, parse_rate,
};
pub use fingerprint::Fingerprint;
pub use id::{BadId, PlaybookName, RunId, Scope, StepId};
pub use index::MatcherIndex;
pub use labels::{LabelSet, Labels};
pub use matcher::{
    MatchOp, Matcher, MatcherError, MatcherSyntax, MatcherWarning, Parsed, first_failing, parse_list,
    parse_one,
};
pub use payload::{BadAlert, PayloadError, PayloadReader, RawAlert, ReadStats, Shape, read_alerts};
pub use people::People;
pub use regex::{Pattern, RegexError};
pub use secret::Secret;
pub use silence::{PostableAlert, PostableSilence, Silence, SilenceId, SilenceState};
pub use time_interval::{TimeInterval, TimeIntervalError, TimeIntervalSpec};
pub use trace::{SpanId, TraceId, traceparent};
