//! Label sets as Alertmanager sees them. Main type: [`LabelSet`]; what can be matched is [`Labels`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fingerprint::Fingerprint;

/// Anything whose labels can be looked at: an alert's own set, or a borrowed one that is still JSON text.
///
/// A label that is absent and a label with an empty value are the same thing (Alertmanager drops the latter).
pub trait Labels {
    /// Returns the value of a label, or `None` where it is absent.
    fn label(&self, name: &str) -> Option<&str>;
    /// Goes over all labels, each name once.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)>;
}

impl<L: Labels + ?Sized> Labels for &L {
    fn label(&self, name: &str) -> Option<&str> {
        (**self).label(name)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        (**self).pairs()
    }
}

/// A set of labels, sorted by name, without empty values.
///
/// Prints as Prometheus prints it: `{alertname="X", instance="web-1"}`. As JSON it is an object.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelSet {
    pairs: Vec<(String, String)>,
}

impl LabelSet {
    /// Makes an empty set.
    pub const fn new() -> Self {
        Self { pairs: Vec::new() }
    }

    /// Returns the value of a label, or `None` where it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).ok().map(|at| self.pairs[at].1.as_str())
    }

    /// Tells whether the set has a label of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sets a label; an empty value removes it, as in Alertmanager.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        // Sources write labels in order, so the common case is to append.
        if self.pairs.last().is_none_or(|(last, _)| *last < name) {
            if !value.is_empty() {
                self.pairs.push((name, value));
            }
            return;
        }
        match self.find(&name) {
            Ok(at) if value.is_empty() => drop(self.pairs.remove(at)),
            Ok(at) => self.pairs[at].1 = value,
            Err(_) if value.is_empty() => {}
            Err(at) => self.pairs.insert(at, (name, value)),
        }
    }

    /// Returns the set with one label more; an empty value takes it away.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(name, value);
        self
    }

    /// Takes a label out and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.find(name).ok().map(|at| self.pairs.remove(at).1)
    }

    /// Goes over the labels in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns how many labels there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Tells whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns the labels of these names, absent ones left out; what alerts are grouped by.
    #[must_use]
    pub fn only<S: AsRef<str>>(&self, names: &[S]) -> Self {
        names.iter().filter_map(|name| Some((name.as_ref(), self.get(name.as_ref())?))).collect()
    }

    /// Returns Alertmanager's fingerprint of the set.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_sorted(self.iter())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(have, _)| have.as_str().cmp(name))
    }
}

impl Labels for LabelSet {
    fn label(&self, name: &str) -> Option<&str> {
        self.get(name)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut set = Self::new();
        pairs.into_iter().for_each(|(name, value)| set.insert(name, value));
        set
    }
}

impl<N: Into<String>, V: Into<String>, const COUNT: usize> From<[(N, V); COUNT]> for LabelSet {
    fn from(pairs: [(N, V); COUNT]) -> Self {
        pairs.into_iter().collect()
    }
}

impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={}", go_quoted(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = LabelSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSet, A::Error> {
                let mut set = LabelSet::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    set.insert(name, value);
                }
                Ok(set)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Tells whether a label name is valid everywhere: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_classic_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Tells whether a label name is valid in Alertmanager 0.27 and later: any text that is not empty.
pub fn is_utf8_label_name(name: &str) -> bool {
    !name.is_empty()
}

/// Writes text in double quotes as Go's `%q` does, which is how label sets and names are printed.
pub(crate) fn go_quoted(text: &str) -> Cow<'_, str> {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            ' ' => out.push(' '),
            c if !is_printable(c) => {
                let code = u32::from(c);
                let written = match code {
                    0..0x80 => write!(out, "\\x{code:02x}"),
                    0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
                debug_assert!(written.is_ok());
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Cow::Owned(out)
}

/// Tells what Go's `unicode.IsPrint` would, as far as the standard library knows.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !c.is_whitespace()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{ad}' | '\u{e000}'..='\u{f8ff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shared_data;

    #[test]
    fn a_set_is_sorted_and_keeps_no_empty_value() {
        let mut set = LabelSet::from([("b", "2"), ("a", "1"), ("c", "")]);
        assert_eq!(set.to_string(), r#"{a="1", b="2"}"#);
        set.insert("a", "");
        set.insert("b", "3");
        set.insert("0", "x");
        assert_eq!(set.iter().collect::<Vec<_>>(), [("0", "x"), ("b", "3")]);
        assert_eq!(set.remove("0").as_deref(), Some("x"));
        assert_eq!(set.only(&["b", "nosuch"]), LabelSet::from([("b", "3")]));
    }

    #[test]
    fn json_objects_become_sets_and_come_back() {
        let set: LabelSet = serde_json::from_str(r#"{"z":"1","a":"\"q\"","e":"","a":"last"}"#).unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"{"a":"last","z":"1"}"#);
        assert!(serde_json::from_str::<LabelSet>(r#"{"a":1}"#).is_err());
    }

    #[test]
    fn label_names_are_valid_as_in_alertmanager() {
        let Some(path) = shared_data("vectors/label_names.json") else { return };
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let name = vector["name"].as_str().unwrap();
            assert_eq!(is_classic_label_name(name), vector["classic"].as_bool().unwrap(), "{name}");
            assert_eq!(is_utf8_label_name(name), vector["utf8"].as_bool().unwrap(), "{name}");
        }
    }
}
