//! The first look at an alert: its labels, borrowed, and little else; the rest is skipped at the speed of the lexer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::raw::RawLabels;
use crate::model::fingerprint::Fingerprint;

/// The message of the error that stops the first look when the object turns out to hold alerts itself.
pub(super) const ENVELOPE: &str = "\u{0}envelope";

/// What the first look sees. With `OUTER`, the object may also be an envelope around alerts.
#[derive(Default)]
pub(super) struct Head<'a, const OUTER: bool> {
    pub(super) labels: Option<RawLabels<'a>>,
    pub(super) fingerprint: Option<Fingerprint>,
    /// Not firing yet, as only Prometheus and vmalert say.
    pub(super) pending: bool,
    /// It has `activeAt` where Alertmanager has `startsAt`.
    pub(super) of_prometheus: bool,
}

enum Key {
    Labels,
    Fingerprint,
    State,
    ActiveAt,
    Envelope,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl Visitor<'_> for Keys {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "labels" => Key::Labels,
                    "fingerprint" => Key::Fingerprint,
                    "state" => Key::State,
                    "activeAt" => Key::ActiveAt,
                    "alerts" | "data" => Key::Envelope,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_str(Keys)
    }
}

impl<'de: 'a, 'a, const OUTER: bool> Deserialize<'de> for Head<'a, OUTER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<'a, const OUTER: bool>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a, const OUTER: bool> Visitor<'de> for Fields<'a, OUTER> {
            type Value = Head<'a, OUTER>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an alert")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut head = Head { labels: None, fingerprint: None, pending: false, of_prometheus: false };
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        Key::Labels => head.labels = Some(map.next_value()?),
                        Key::Fingerprint => {
                            let text = map.next_value::<Option<Text<'a>>>()?;
                            head.fingerprint = text.and_then(|text| Fingerprint::from_hex(text.0.as_bytes()));
                        }
                        Key::State => {
                            let text = map.next_value::<Option<Text<'a>>>()?;
                            head.pending =
                                text.is_some_and(|text| matches!(&*text.0, "pending" | "inactive"));
                        }
                        Key::Envelope if OUTER => return Err(A::Error::custom(ENVELOPE)),
                        Key::ActiveAt => {
                            head.of_prometheus = true;
                            map.next_value::<IgnoredAny>()?;
                        }
                        Key::Envelope | Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(head)
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawLabels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Pairs<'a> {
            type Value = RawLabels<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawLabels<'a>, A::Error> {
                let mut labels = RawLabels::with_capacity(12);
                while let Some(name) = map.next_key::<Text<'a>>()? {
                    let value = map.next_value::<Text<'a>>()?;
                    labels.push(name.0, value.0);
                }
                Ok(labels)
            }
        }
        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}

/// Text that is borrowed from the input unless it holds escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Texts<'a> {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts(std::marker::PhantomData))
    }
}
