//! Alertmanager's fingerprint of a label set. Main type: [`Fingerprint`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
const SEPARATOR: u8 = 0xff;

/// FNV-1a 64 over the labels sorted by name, the same number that Alertmanager gives to the same labels.
///
/// Written as 16 hexadecimal digits. Only comparable within one scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

/// Text that is not a fingerprint.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{0}` is not a fingerprint: 16 hexadecimal digits")]
pub struct BadFingerprint(String);

impl Fingerprint {
    /// Computes the fingerprint of labels that come sorted by name, each once, without empty values.
    pub fn of_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let hash = pairs.fold(OFFSET, |hash, (name, value)| {
            let hash = step(add(hash, name.as_bytes()), SEPARATOR);
            step(add(hash, value.as_bytes()), SEPARATOR)
        });
        Self(hash)
    }

    /// Reads 16 hexadecimal digits.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        if digits.len() != 16 {
            return None;
        }
        digits
            .iter()
            .try_fold(0_u64, |sum, &byte| Some(sum << 4 | u64::from(char::from(byte).to_digit(16)?)))
            .map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| BadFingerprint(text.to_owned()))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn add(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| step(hash, byte))
}

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(PRIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::labels::LabelSet;
    use crate::testing::shared_data;

    #[test]
    fn fingerprints_and_printed_sets_equal_alertmanagers() {
        let Some(path) = shared_data("vectors/fingerprints.json") else { return };
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let labels: LabelSet = serde_json::from_value(vector["labels"].clone()).unwrap();
            assert_eq!(labels.fingerprint().to_string(), vector["fingerprint"].as_str().unwrap(), "{labels}");
            assert_eq!(labels.to_string(), vector["printed"].as_str().unwrap());
        }
    }

    #[test]
    fn the_empty_set_has_the_offset_basis() {
        assert_eq!(LabelSet::new().fingerprint(), Fingerprint(OFFSET));
    }

    #[test]
    fn only_sixteen_hexadecimal_digits_are_a_fingerprint() {
        assert_eq!("00000000000000fF".parse(), Ok(Fingerprint(255)));
        for bad in ["", "ff", "00000000000000fg", "+0000000000000ff", "00000000000000ff0"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
