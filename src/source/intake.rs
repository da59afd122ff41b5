//! What a source brought. Main type: [`Intake`].

use std::io;

use jiff::Timestamp;

use super::error::SourceError;
use crate::model::payload::{PayloadReader, RawAlert, ReadStats, Shape};
use crate::model::{Alert, Fingerprint};

/// Says of an alert that is still JSON text whether it is wanted.
pub type Keep<'k> = dyn Fn(&RawAlert<'_>) -> bool + Sync + 'k;

/// What a source brought, read to its complete end.
#[derive(Debug, Clone)]
pub struct Intake {
    /// What the source is called: `stdin`, a file, an address without its password.
    pub source: String,
    /// The alerts that were wanted, in the order in which they came.
    pub alerts: Vec<Alert>,
    /// How many came.
    pub read: u64,
    /// Those that could not be read, each with its place; the others could.
    pub bad: Vec<String>,
    /// What should be known.
    pub warnings: Vec<String>,
    /// Whose alerts these are.
    pub origin: Origin,
    /// Fingerprints of all alerts that fire, wanted or not, in order; only a poll without a filter that every
    /// peer answered knows them.
    pub listed: Option<Vec<Fingerprint>>,
    /// Alerts that webhooks say they have left out (`truncatedAlerts`): only a poll brings them.
    pub truncated: u64,
    /// When its source answered, by the source's own clock; where that is known.
    pub answered: Option<Timestamp>,
}

/// Who gave alerts their labels. Fingerprints are only compared within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Alertmanager, or a webhook of it.
    Alertmanager,
    /// Prometheus' or vmalert's own API, which knows no external labels.
    Prometheus,
    /// Grafana, which leaves labels out of its webhooks that its fingerprints count.
    Grafana,
}

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

impl Intake {
    /// Reads a stream to its end, and tells whether nothing at all came, which is not the same as an empty list:
    /// what that means is its source's to say.
    pub(super) fn stream(
        name: &str,
        mut input: impl io::Read,
        now: Timestamp,
        keep: &Keep<'_>,
    ) -> Result<(Intake, bool), SourceError> {
        let mut reader = PayloadReader::new(name);
        let mut alerts = Vec::new();
        let mut visit = |raw: &RawAlert<'_>| {
            if keep(raw) {
                alerts.push(raw.to_alert(now)?);
            }
            Ok(())
        };
        loop {
            let count = match input.read(reader.space(CHUNK)) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SourceError::Unreadable { name: name.to_owned(), error }),
            };
            reader.filled(count, &mut visit)?;
        }
        let stats = reader.finish(&mut visit)?;
        let empty = stats.is_empty_input();
        Ok((Intake::of(name, alerts, stats)?, empty))
    }

    /// Brings the alerts in order, oldest first, and each episode once: a document may name an alert several
    /// times (groups do, and webhooks one after the other). Its end counts, whatever comes after it.
    pub fn settle(&mut self) {
        self.alerts.sort_by_key(|alert| (alert.starts_at, alert.fingerprint));
        self.alerts.dedup_by(|again, alert| {
            let same = (again.starts_at, again.fingerprint) == (alert.starts_at, alert.fingerprint);
            if same && (alert.is_firing() || !again.is_firing()) {
                std::mem::swap(again, alert);
            }
            same
        });
    }

    /// Makes the intake of what a reader kept.
    pub(super) fn of(name: &str, alerts: Vec<Alert>, stats: ReadStats) -> Result<Intake, SourceError> {
        let mut warnings = stats.warnings;
        if stats.truncated > 0 {
            warnings.push(format!("{name}: a webhook left out {} alerts (truncatedAlerts)", stats.truncated));
        }
        if stats.pending > 0 {
            warnings.push(format!("{name}: {} alerts are pending and do not fire yet", stats.pending));
        }
        Ok(Intake {
            source: name.to_owned(),
            alerts,
            read: stats.alerts,
            bad: bad_alerts(name, stats.bad.iter().map(ToString::to_string), stats.bad_count),
            warnings,
            origin: Origin::of(name, &stats.shapes)?,
            listed: None,
            truncated: stats.truncated,
            answered: None,
        })
    }
}

impl Origin {
    fn of(name: &str, shapes: &[Shape]) -> Result<Origin, SourceError> {
        let mut origins = shapes.iter().map(|shape| match shape {
            Shape::Prometheus => Origin::Prometheus,
            Shape::Grafana => Origin::Grafana,
            Shape::ApiV2 | Shape::Groups | Shape::Webhook | Shape::Single => Origin::Alertmanager,
        });
        let one = origins.next().unwrap_or(Origin::Alertmanager);
        match origins.find(|other| *other != one) {
            None => Ok(one),
            Some(other) => {
                Err(SourceError::Mixed { name: name.to_owned(), one: one.alerts(), other: other.alerts() })
            }
        }
    }

    const fn alerts(self) -> &'static str {
        match self {
            Origin::Alertmanager => "Alertmanager's alerts",
            Origin::Prometheus => "Prometheus' own alerts",
            Origin::Grafana => "Grafana's alerts",
        }
    }
}

/// Returns what is said of bad alerts: those that were kept, and how many more there were.
pub(super) fn bad_alerts(name: &str, kept: impl Iterator<Item = String>, count: u64) -> Vec<String> {
    let mut bad: Vec<String> = kept.collect();
    let more = count.saturating_sub(bad.len() as u64);
    if more > 0 {
        bad.push(format!("{name}: {more} more bad alerts"));
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &str) -> Result<(Intake, bool), SourceError> {
        Intake::stream("x", text.as_bytes(), Timestamp::UNIX_EPOCH, &|_| true)
    }

    #[test]
    fn what_is_not_wanted_is_counted_and_not_kept() {
        let text = r#"[{"labels":{"a":"1"}},{"labels":{"a":"2"}}]"#;
        let keep = |raw: &RawAlert<'_>| crate::model::Labels::label(raw.labels(), "a") == Some("2");
        let (intake, empty) = Intake::stream("x", text.as_bytes(), Timestamp::UNIX_EPOCH, &keep).unwrap();
        assert_eq!((intake.read, intake.alerts.len(), empty), (2, 1, false));
    }

    #[test]
    fn an_episode_counts_once_and_its_end_counts() {
        let one = |n: u8, end: &str| {
            format!(
                r#"{{"labels":{{"a":"1"}},"startsAt":"2026-01-01T00:00:00Z","annotations":{{"n":"{n}"}}{end}}}"#
            )
        };
        let end = r#","endsAt":"1969-01-01T00:00:00Z""#;
        for (texts, kept) in [
            (vec![one(1, ""), one(2, "")], (true, "2")),
            (vec![one(1, ""), one(2, end)], (false, "2")),
            (vec![one(1, end), one(2, "")], (false, "1")),
            (vec![one(1, ""), one(2, end), one(3, "")], (false, "2")),
        ] {
            let mut intake = stream(&texts.join("\n")).unwrap().0;
            intake.settle();
            let alerts: Vec<_> =
                intake.alerts.iter().map(|a| (a.is_firing(), a.annotations["n"].as_str())).collect();
            assert_eq!(alerts, [kept], "{texts:?}");
        }
    }

    #[test]
    fn nothing_at_all_is_not_an_empty_list() {
        assert!(stream("").unwrap().1);
        assert!(stream(" \n").unwrap().1);
        assert!(!stream("[]").unwrap().1);
    }

    #[test]
    fn the_origin_is_seen_from_the_shape_and_is_one() {
        let prometheus = r#"{"status":"success","data":{"alerts":[{"labels":{"a":"1"},"state":"firing","activeAt":"2026-01-01T00:00:00Z"}]}}"#;
        let grafana = r#"{"version":"1","orgId":1,"alerts":[{"status":"firing","labels":{"a":"1"},"startsAt":"2026-01-01T00:00:00Z"}]}"#;
        let single = r#"{"labels":{"a":"1"}}"#;
        assert_eq!(stream(prometheus).unwrap().0.origin, Origin::Prometheus);
        assert_eq!(stream(grafana).unwrap().0.origin, Origin::Grafana);
        assert_eq!(stream(single).unwrap().0.origin, Origin::Alertmanager);
        let error = stream(&format!("{single}\n{prometheus}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x holds Alertmanager's alerts and Prometheus' own alerts together: their labels differ for the same alert"
        );
    }

    #[test]
    fn an_input_that_breaks_off_brings_nothing() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let error = Intake::stream("x", Broken, Timestamp::UNIX_EPOCH, &|_| true).unwrap_err();
        assert_eq!(error.to_string(), "cannot read x");
        assert!(matches!(stream(r#"[{"labels":{"a":"1"}},"#), Err(SourceError::Payload(_))));
    }
}
