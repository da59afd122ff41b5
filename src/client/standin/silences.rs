//! The silences of the stand-in. Main type: [`Silences`].

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::matcher::lists_silence;
use crate::model::time::truncate;
use crate::model::{LabelSet, Matcher, PostableSilence, Silence, SilenceId, SilenceState};

/// All silences, those that have ended too.
#[derive(Debug, Default)]
pub(super) struct Silences {
    kept: Vec<Silence>,
    made: u64,
}

/// The body of a POST, before it is judged.
#[derive(Deserialize)]
pub(super) struct Body {
    id: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Body {
    /// Reads the body of a POST; an error is a status and a message.
    pub(super) fn check(self) -> Result<PostableSilence, (u16, String)> {
        for key in ["comment", "createdBy", "endsAt", "matchers", "startsAt"] {
            if self.rest.get(key).is_none_or(serde_json::Value::is_null) {
                return Err((422, format!("{key} in body is required")));
            }
        }
        if self.rest["matchers"].as_array().is_some_and(Vec::is_empty) {
            return Err((422, "matchers in body should have at least 1 items".to_owned()));
        }
        let silence = serde_json::from_value::<PostableSilence>(serde_json::Value::Object(self.rest));
        let silence = silence.map_err(|error| (400, format!("silence invalid: {error}")))?;
        Ok(PostableSilence { id: self.id.filter(|id| !id.is_empty()).map(SilenceId::new), ..silence })
    }
}

impl Silences {
    /// Makes or changes a silence. It keeps its id where the matchers are the same in the same order, its
    /// beginning (to the second) does not move once it is active, and it has not ended; otherwise the old
    /// one is expired and another one made.
    pub(super) fn set(
        &mut self,
        posted: PostableSilence,
        now: Timestamp,
    ) -> Result<SilenceId, (u16, String)> {
        let refuse = |message: &str| Err((400, format!("Failed to create silence: {message}")));
        if posted.ends_at <= posted.starts_at {
            return refuse("start time must be before end time");
        }
        if posted.ends_at < now {
            return refuse("end time can't be in the past");
        }
        // Alertmanager looks at `=` and `=~` only: a lone `foo!="bar"` is taken.
        let matches_empty = |matcher: &Matcher| matcher.op().is_positive() && matcher.matches_empty();
        if posted.matchers.iter().all(matches_empty) {
            return Err((
                400,
                "silence invalid: at least one matcher must not match the empty string".to_owned(),
            ));
        }
        if let Some(id) = &posted.id {
            let Some(old) = self.kept.iter_mut().find(|silence| silence.id == *id) else {
                return Err((404, "silence not found".to_owned()));
            };
            if can_update(old, &posted, now) {
                old.starts_at = posted.starts_at;
                old.ends_at = posted.ends_at;
                old.created_by = posted.created_by;
                old.comment = posted.comment;
                old.annotations = posted.annotations;
                old.updated_at = Some(truncate(now));
                return Ok(id.clone());
            }
            end(old, now);
        }
        self.made += 1;
        let id = SilenceId::new(format!("a3f10c00-0000-4000-8000-{:012x}", self.made));
        self.kept.push(Silence {
            id: id.clone(),
            matchers: posted.matchers,
            starts_at: truncate(posted.starts_at.max(now)),
            ends_at: posted.ends_at,
            updated_at: Some(truncate(now)),
            created_by: posted.created_by,
            comment: posted.comment,
            annotations: posted.annotations,
            status: SilenceState::Active,
        });
        Ok(id)
    }

    /// Ends a silence; says whether it is known.
    pub(super) fn expire(&mut self, id: &str, now: Timestamp) -> bool {
        let found = self.kept.iter_mut().find(|silence| silence.id.as_str() == id);
        found.map(|silence| end(silence, now)).is_some()
    }

    pub(super) fn get(&self, id: &str, now: Timestamp) -> Option<Silence> {
        self.kept.iter().find(|silence| silence.id.as_str() == id).map(|silence| at(silence, now))
    }

    /// Lists as Alertmanager sorts: active (first to end first), pending (first to begin first), expired
    /// (last to end first).
    pub(super) fn list(&self, filters: &[Matcher], now: Timestamp) -> Vec<Silence> {
        let listed = self.kept.iter().filter(|silence| lists_silence(&silence.matchers, filters));
        let mut list: Vec<Silence> = listed.map(|silence| at(silence, now)).collect();
        list.sort_by_key(|silence| match silence.status {
            SilenceState::Active => (0, silence.ends_at.as_millisecond()),
            SilenceState::Pending => (1, silence.starts_at.as_millisecond()),
            SilenceState::Expired => (2, -silence.ends_at.as_millisecond()),
        });
        list
    }

    /// Returns the ids of the silences that mute an alert with these labels now.
    pub(super) fn muting(&self, labels: &LabelSet, now: Timestamp) -> Vec<String> {
        let active = self.kept.iter().filter(|silence| state(silence, now) == SilenceState::Active);
        active.filter(|silence| silence.covers(labels)).map(|silence| silence.id.to_string()).collect()
    }
}

fn can_update(old: &Silence, new: &PostableSilence, now: Timestamp) -> bool {
    old.matchers == new.matchers
        && match state(old, now) {
            SilenceState::Active => old.starts_at.as_second() == new.starts_at.as_second(),
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
}

fn end(silence: &mut Silence, now: Timestamp) {
    let now = truncate(now);
    match state(silence, now) {
        SilenceState::Expired => return,
        SilenceState::Active => {}
        SilenceState::Pending => silence.starts_at = now,
    }
    silence.ends_at = now;
    silence.updated_at = Some(now);
}

fn state(silence: &Silence, now: Timestamp) -> SilenceState {
    if silence.ends_at <= now {
        SilenceState::Expired
    } else if silence.starts_at > now {
        SilenceState::Pending
    } else {
        SilenceState::Active
    }
}

fn at(silence: &Silence, now: Timestamp) -> Silence {
    Silence { status: state(silence, now), ..silence.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn posted(start: i64, end: i64) -> PostableSilence {
        PostableSilence {
            id: None,
            matchers: vec![Matcher::equal("a", "1"), Matcher::equal("b", "2")],
            starts_at: second(start),
            ends_at: second(end),
            created_by: "me".to_owned(),
            comment: String::new(),
            annotations: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn an_id_is_kept_and_lost_as_alertmanager_keeps_and_loses_it() {
        let mut silences = Silences::default();
        let id = silences.set(posted(50, 200), second(100)).unwrap();
        let read = silences.get(id.as_str(), second(101)).unwrap();
        assert_eq!(
            (read.starts_at, read.status),
            (second(100), SilenceState::Active),
            "the past is clamped to now"
        );
        assert_eq!(silences.set(read.until(second(300)), second(110)).unwrap(), id, "extended in place");
        assert_eq!(silences.set(read.until(second(150)), second(110)).unwrap(), id, "shortened in place");
        let mut reordered = read.until(second(300));
        reordered.matchers.reverse();
        let other = silences.set(reordered, second(120)).unwrap();
        assert_ne!(other, id, "reordered matchers make another one");
        assert_eq!(silences.get(id.as_str(), second(120)).unwrap().status, SilenceState::Expired);
        assert_ne!(
            silences.set(read.until(second(300)), second(130)).unwrap(),
            id,
            "an expired one is not revived"
        );
        let moved = PostableSilence {
            starts_at: second(90),
            ..silences.get(other.as_str(), second(130)).unwrap().until(second(400))
        };
        assert_ne!(silences.set(moved, second(130)).unwrap(), other, "a moved beginning makes another one");
    }

    #[test]
    fn what_alertmanager_refuses_is_refused_in_its_words() {
        let mut silences = Silences::default();
        let mut set = |posted| silences.set(posted, second(100)).unwrap_err();
        assert_eq!(
            set(posted(10, 90)),
            (400, "Failed to create silence: end time can't be in the past".to_owned())
        );
        assert_eq!(set(posted(200, 150)).0, 400);
        assert_eq!(
            set(PostableSilence { id: Some(SilenceId::new("x")), ..posted(100, 200) }),
            (404, "silence not found".to_owned())
        );
        assert_eq!(
            set(PostableSilence { matchers: vec![Matcher::equal("a", "")], ..posted(100, 200) }).0,
            400
        );
        let check = |json: &str| serde_json::from_str::<Body>(json).unwrap().check().unwrap_err();
        assert_eq!(check(r#"{"matchers":[]}"#), (422, "comment in body is required".to_owned()));
    }

    #[test]
    fn expiring_is_seen_at_once_and_unknown_ones_are_unknown() {
        let mut silences = Silences::default();
        let id = silences.set(posted(100, 200), second(100)).unwrap();
        let labels = LabelSet::from([("a", "1"), ("b", "2")]);
        assert_eq!(silences.muting(&labels, second(100)), [id.to_string()]);
        assert!(silences.expire(id.as_str(), second(110)) && silences.expire(id.as_str(), second(120)));
        assert!(silences.muting(&labels, second(110)).is_empty());
        assert!(!silences.expire("x", second(110)));
        assert_eq!(silences.get(id.as_str(), second(130)).unwrap().ends_at, second(110));
    }
}
