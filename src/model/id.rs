//! Names and identifiers that are checked once: [`RunId`], [`PlaybookName`], [`StepId`], [`Scope`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

/// The longest name of a playbook, and the longest id of a step.
pub const MAX_NAME: usize = 100;

/// Identifies a run: a UUID of version 7, so that runs sort by the time of their start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(Uuid);

/// The name of a playbook: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybookName(String);

/// The id of a step: what templates call it, `steps.<id>`; letters, digits and `_`, no digit first.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(String);

/// Whose alerts these are: an Alertmanager cluster (and tenant), a Prometheus.
///
/// Fingerprints and silences are only compared within one scope.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(String);

/// A name or identifier that is not one, and how to mend it.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{text}` is not {what}: {problem}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct BadId {
    /// What was written.
    pub text: String,
    /// What it should have been.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// How to mend it, such as "write `my_step`".
    pub hint: Option<String>,
}

impl RunId {
    /// Takes a UUID as a run's id; the caller made it, with its clock.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// Returns the last eight digits, enough to tell a screenful of runs apart.
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text[24..].to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

impl FromStr for RunId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        Uuid::try_parse(text).map(Self).map_err(|_| BadId {
            text: text.to_owned(),
            what: "a run's id",
            problem: "it is a UUID such as `0198c0de-1234-7abc-8def-0123456789ab`".to_owned(),
            hint: Some("`amflow runs list` shows the ids".to_owned()),
        })
    }
}

impl PlaybookName {
    /// Checks a playbook's name.
    ///
    /// # Errors
    ///
    /// When a character is not allowed, or the name is too long.
    pub fn new(name: impl Into<String>) -> Result<Self, BadId> {
        let name = name.into();
        let bad = |problem: String, hint| {
            Err(BadId { text: name.clone(), what: "a playbook's name", problem, hint })
        };
        if name.is_empty() {
            return bad("it is empty".to_owned(), None);
        }
        if name.len() > MAX_NAME {
            return bad(format!("it has {} bytes, at most {MAX_NAME} are allowed", name.len()), None);
        }
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if let Some(c) = name.chars().find(|c| !fine(*c)) {
            let mended = mended(&name, fine, '-').trim_matches(['-', '.', '_']).to_owned();
            return bad(format!("`{}` may not stand in it", c.escape_debug()), hint(&mended));
        }
        if name.starts_with(['-', '_', '.']) {
            let mended = name.trim_start_matches(['-', '_', '.']).to_owned();
            return bad("it begins with a letter or a digit".to_owned(), hint(&mended));
        }
        Ok(Self(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StepId {
    /// Checks a step's id.
    ///
    /// # Errors
    ///
    /// When a character is not allowed, or the id is too long.
    pub fn new(id: impl Into<String>) -> Result<Self, BadId> {
        let id = id.into();
        let bad = |problem: String, hint| Err(BadId { text: id.clone(), what: "a step's id", problem, hint });
        if id.is_empty() {
            return bad("it is empty".to_owned(), None);
        }
        if id.len() > MAX_NAME {
            return bad(format!("it has {} bytes, at most {MAX_NAME} are allowed", id.len()), None);
        }
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mend = |id: &str| {
            let mended = mended(id, fine, '_').trim_matches('_').to_owned();
            let digit_first = mended.starts_with(|c: char| c.is_ascii_digit());
            hint(&if digit_first { format!("step_{mended}") } else { mended })
        };
        if let Some(c) = id.chars().find(|c| !fine(*c)) {
            let problem = format!("`{}` may not stand in a name that templates use", c.escape_debug());
            return bad(problem, mend(&id));
        }
        if id.starts_with(|c: char| c.is_ascii_digit()) {
            return bad("it begins with a digit".to_owned(), mend(&id));
        }
        if PARTS.contains(&id.as_str()) {
            return bad("a part of every playbook is called so".to_owned(), hint(&format!("{id}_step")));
        }
        if RESERVED.contains(&id.as_str()) {
            return bad("templates use this word themselves".to_owned(), hint(&format!("{id}_step")));
        }
        Ok(Self(id))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Segments of paths: `on_failure/notify` is the step `notify` of `on_failure`.
const PARTS: [&str; 2] = ["on_failure", "finally"];
/// Words that mean something else in an expression.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "is", "true", "false", "none", "if"];

impl Scope {
    /// Names a scope.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlaybookName {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::new(text)
    }
}

impl FromStr for StepId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::new(text)
    }
}

impl FromStr for Scope {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

/// What every identifier that is text has: printing, and serde that checks.
macro_rules! textual {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}
textual!(PlaybookName, StepId, Scope);

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
serde_by_text!(RunId, PlaybookName, StepId, Scope);

/// Replaces what is not allowed, several in a row by one; upper case becomes lower where only that is allowed.
fn mended(text: &str, fine: impl Fn(char) -> bool, instead: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let lower = c.to_ascii_lowercase();
        match () {
            () if fine(c) => out.push(c),
            () if fine(lower) => out.push(lower),
            () if !out.ends_with(instead) => out.push(instead),
            () => {}
        }
    }
    out
}

fn hint(mended: &str) -> Option<String> {
    (!mended.is_empty()).then(|| format!("write `{mended}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_id_that_templates_cannot_name_is_refused_with_one_that_they_can() {
        for (id, hint) in [
            ("my-step", Some("write `my_step`")),
            ("1st", Some("write `step_1st`")),
            ("a b  c", Some("write `a_b_c`")),
            ("in", Some("write `in_step`")),
            ("été", Some("write `t`")),
            ("", None),
            ("--", None),
        ] {
            let error = StepId::new(id).unwrap_err();
            assert_eq!(error.hint.as_deref(), hint, "{id}");
        }
        for id in ["usage", "_x", "A1_b"] {
            assert_eq!(StepId::new(id).unwrap().as_str(), id);
        }
        let long = "a".repeat(MAX_NAME + 1);
        assert!(StepId::new(long).is_err());
    }

    #[test]
    fn a_playbook_name_is_lower_case_and_says_how_to_become_so() {
        for (name, hint) in [
            ("Node Disk", Some("write `node-disk`")),
            (".hidden", Some("write `hidden`")),
            ("a/b", Some("write `a-b`")),
            ("../../etc", Some("write `etc`")),
            ("", None),
        ] {
            assert_eq!(PlaybookName::new(name).unwrap_err().hint.as_deref(), hint, "{name}");
        }
        for name in ["node-disk-full", "a", "9.lives_2"] {
            assert!(PlaybookName::new(name).is_ok(), "{name}");
        }
        let error = PlaybookName::new("A").unwrap_err().to_string();
        assert_eq!(error, "`A` is not a playbook's name: `A` may not stand in it; write `a`");
    }

    #[test]
    fn a_run_id_is_a_uuid_in_text_and_json() {
        let id: RunId = "0198c0de-1234-7abc-8def-0123456789ab".parse().unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"0198c0de-1234-7abc-8def-0123456789ab\"");
        assert_eq!(id.short(), "456789ab");
        assert!("42".parse::<RunId>().is_err());
    }
}
