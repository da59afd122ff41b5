//! The alerts of the stand-in and what mutes them. Main type: [`Alerts`].

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::silences::Silences;
use crate::model::labels::is_utf8_label_name;
use crate::model::time::{parse_time, truncate};
use crate::model::{Alert, AlertStatus, Fingerprint, LabelSet, STATE_LABEL};

/// The alerts that were posted, by fingerprint.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    kept: BTreeMap<Fingerprint, Kept>,
}

/// One posted alert.
#[derive(Debug, Clone)]
struct Kept {
    labels: LabelSet,
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    updated_at: Timestamp,
    generator_url: String,
    /// Whether its end is only a lease that Alertmanager gave it, for none was posted.
    leased: bool,
}

/// An alert of a POST, before it is judged.
pub(super) struct Posted {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) generator_url: String,
}

impl Posted {
    /// Reads one element of the body of a POST; an error is a status and a message.
    pub(super) fn read(index: usize, value: &Value) -> Result<Self, (u16, String)> {
        let bad = |what: String| (400, format!("parsing alerts body from \"\" failed, because {what}"));
        let object = value.as_object().ok_or_else(|| bad("json: cannot unmarshal".to_owned()))?;
        let texts = |key: &str| -> Result<Option<BTreeMap<String, String>>, (u16, String)> {
            let Some(map) = object.get(key).filter(|map| !map.is_null()) else { return Ok(None) };
            let map = map.as_object().ok_or_else(|| bad(format!("json: `{key}` is not a mapping")))?;
            let texts = map.iter().map(|(name, value)| match value.as_str() {
                Some(value) => Ok((name.clone(), value.to_owned())),
                None => Err(bad(format!(
                    "json: cannot unmarshal into Go struct field Alert.{key} of type string"
                ))),
            });
            texts.collect::<Result<_, _>>().map(Some)
        };
        let moment = |key: &str| -> Result<Option<Timestamp>, (u16, String)> {
            match object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
                Some(text) => parse_time(text).map_err(|problem| bad(format!("parsing time: {problem}"))),
                None => Ok(None),
            }
        };
        let labels = texts("labels")?.ok_or_else(|| (422, format!("{index}.labels in body is required")))?;
        Ok(Self {
            labels,
            annotations: texts("annotations")?.unwrap_or_default(),
            starts_at: moment("startsAt")?,
            ends_at: moment("endsAt")?,
            generator_url: object.get("generatorURL").and_then(Value::as_str).unwrap_or_default().to_owned(),
        })
    }
}

impl Alerts {
    /// Takes a posted alert, as Alertmanager does: empty labels are dropped, what has no end gets a lease,
    /// and one that overlaps the alert that is there is merged with it.
    pub(super) fn post(&mut self, posted: Posted, now: Timestamp, lease: Duration) -> Result<(), String> {
        if posted.labels.values().all(String::is_empty) {
            return Err("at least one label pair required".to_owned());
        }
        if let Some(name) = posted.labels.keys().find(|name| !is_utf8_label_name(name)) {
            return Err(format!("invalid label set: invalid name {name:?}"));
        }
        let labels: LabelSet = posted.labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        // With an end alone, the beginning is that end (Alertmanager 0.25 to 0.34), whatever its manual says.
        let starts_at = posted.starts_at.or(posted.ends_at).unwrap_or(now);
        let leased = posted.ends_at.is_none();
        let ends_at = posted.ends_at.unwrap_or_else(|| later(now, lease));
        if ends_at < starts_at {
            return Err("start time must be before end time".to_owned());
        }
        let new = Kept {
            labels,
            annotations: posted.annotations,
            starts_at: truncate(starts_at),
            ends_at: truncate(ends_at),
            updated_at: truncate(now),
            generator_url: posted.generator_url,
            leased,
        };
        let fingerprint = new.labels.fingerprint();
        let merged = match self.kept.get(&fingerprint) {
            Some(old) if old.overlaps(&new) => old.merged(new, now),
            _ => new,
        };
        self.kept.insert(fingerprint, merged);
        Ok(())
    }

    /// Forgets all of them, as a restart does.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// Returns those that have not ended, by fingerprint, with what mutes them now.
    pub(super) fn current(
        &self,
        silences: &Silences,
        equal: Option<&[String]>,
        receivers: &[String],
        now: Timestamp,
    ) -> Vec<Alert> {
        let firing = || self.kept.iter().filter(|(_, kept)| kept.ends_at > now);
        let working: Vec<_> =
            firing().filter(|(_, kept)| kept.labels.get(STATE_LABEL) == Some("running")).collect();
        firing()
            .map(|(fingerprint, kept)| {
                let mut alert = Alert::firing(kept.labels.clone(), kept.starts_at);
                alert.annotations.clone_from(&kept.annotations);
                alert.ends_at = Some(kept.ends_at);
                alert.updated_at = Some(kept.updated_at);
                alert.generator_url.clone_from(&kept.generator_url);
                alert.fingerprint = *fingerprint;
                alert.status = AlertStatus::Firing;
                alert.receivers = receivers.iter().take(1).cloned().collect();
                alert.silenced_by = silences.muting(&kept.labels, now);
                // As in Alertmanager, one source is named.
                let source = working.iter().find(|(_, source)| inhibits(&source.labels, &kept.labels, equal));
                alert.inhibited_by = source.map(|(source, _)| source.to_string()).into_iter().collect();
                alert
            })
            .collect()
    }
}

impl Kept {
    fn overlaps(&self, new: &Self) -> bool {
        let within = |moment: Timestamp| moment > self.starts_at && moment < self.ends_at;
        within(new.ends_at) || within(new.starts_at)
    }

    /// The earlier beginning stays; an end that was posted is not moved forward by a lease or an earlier
    /// end, only by an end that has come; the rest is what was posted last.
    fn merged(&self, new: Self, now: Timestamp) -> Self {
        let ended = |kept: &Self| kept.ends_at <= now;
        let older_end_rules =
            self.ends_at > new.ends_at && if ended(&new) { ended(self) } else { !self.leased };
        Self {
            starts_at: self.starts_at.min(new.starts_at),
            ends_at: if older_end_rules { self.ends_at } else { new.ends_at },
            leased: if older_end_rules { self.leased } else { new.leased },
            ..new
        }
    }
}

/// amflow's inhibition rule: `amflow_state="running"` mutes what has no `amflow_state` and equal labels.
fn inhibits(source: &LabelSet, target: &LabelSet, equal: Option<&[String]>) -> bool {
    if target.contains(STATE_LABEL) {
        return false;
    }
    match equal {
        Some(names) => names.iter().all(|name| source.get(name) == target.get(name)),
        None => source.iter().filter(|(name, _)| !name.starts_with("amflow_")).eq(target.iter()),
    }
}

/// Returns the moment a duration later, or the end of time.
pub(super) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(300);

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn posted(start: Option<i64>, end: Option<i64>, note: &str) -> Posted {
        Posted {
            labels: BTreeMap::from([
                ("alertname".to_owned(), "A".to_owned()),
                ("empty".to_owned(), String::new()),
            ]),
            annotations: BTreeMap::from([("note".to_owned(), note.to_owned())]),
            starts_at: start.map(second),
            ends_at: end.map(second),
            generator_url: String::new(),
        }
    }

    /// Posts one after the other, each at its moment, and returns beginning, end and note at the last.
    fn after(posts: &[(i64, Option<i64>, Option<i64>)]) -> (i64, i64, String) {
        let mut alerts = Alerts::default();
        for (index, (now, start, end)) in posts.iter().enumerate() {
            alerts.post(posted(*start, *end, &index.to_string()), second(*now), LEASE).unwrap();
        }
        let kept = alerts.kept.values().next().unwrap();
        (kept.starts_at.as_second(), kept.ends_at.as_second(), kept.annotations["note"].clone())
    }

    #[test]
    fn posts_of_one_alert_merge_as_alertmanager_merges_them() {
        let cases: [(&str, &[_], (i64, i64)); 9] = [
            ("nothing given", &[(1000, None, None)], (1000, 1300)),
            ("an end alone is the beginning too", &[(1000, None, Some(1600))], (1600, 1600)),
            (
                "the earlier beginning stays",
                &[(1000, Some(900), Some(2000)), (1010, Some(1010), Some(2100))],
                (900, 2100),
            ),
            (
                "a later end stays",
                &[(1000, Some(900), Some(2000)), (1010, Some(900), Some(1500))],
                (900, 2000),
            ),
            (
                "a lease may be shortened",
                &[(1000, Some(900), None), (1010, Some(900), Some(1100))],
                (900, 1100),
            ),
            (
                "a lease moves no later end",
                &[(1000, Some(900), Some(2000)), (1010, Some(900), None)],
                (900, 2000),
            ),
            (
                "an end that has come ends it",
                &[(1000, Some(900), Some(2000)), (1010, Some(900), Some(1010))],
                (900, 1010),
            ),
            (
                "a heartbeat extends it",
                &[(1000, Some(900), Some(1200)), (1100, Some(900), Some(1400))],
                (900, 1400),
            ),
            (
                "after its end it is another one",
                &[(1000, Some(900), Some(1010)), (1100, Some(1100), Some(1400))],
                (1100, 1400),
            ),
        ];
        for (name, posts, expected) in cases {
            let (start, end, note) = after(posts);
            assert_eq!((start, end), expected, "{name}");
            assert_eq!(note, (posts.len() - 1).to_string(), "{name}: annotations are replaced");
        }
    }

    #[test]
    fn what_alertmanager_refuses_is_refused_in_its_words() {
        let mut alerts = Alerts::default();
        let error = alerts.post(posted(Some(20), Some(10), ""), second(0), LEASE).unwrap_err();
        assert_eq!(error, "start time must be before end time");
        let nothing = Posted { labels: BTreeMap::new(), ..posted(None, None, "") };
        assert_eq!(alerts.post(nothing, second(0), LEASE).unwrap_err(), "at least one label pair required");
        let missing = Posted::read(3, &serde_json::json!({"annotations": {}})).err();
        assert_eq!(missing, Some((422, "3.labels in body is required".to_owned())));
    }

    #[test]
    fn the_rule_mutes_the_alert_with_equal_labels_and_nothing_beside_it() {
        let target = LabelSet::from([("alertname", "A"), ("instance", "x")]);
        let source = target.clone().with("amflow_state", "running").with("amflow_run", "1");
        assert!(inhibits(&source, &target, None));
        assert!(!inhibits(&source, &target.clone().with("more", "y"), None));
        assert!(!inhibits(&source, &source, None));
        let equal = ["instance".to_owned(), "cluster".to_owned()];
        assert!(inhibits(&source, &LabelSet::from([("alertname", "B"), ("instance", "x")]), Some(&equal)));
        assert!(!inhibits(&source, &LabelSet::from([("instance", "y")]), Some(&equal)));
    }
}
