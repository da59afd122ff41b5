//! Reads YAML files of other programs (amtool's, an `http_config`). Main function: [`read_foreign`].

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// No such file is larger than this, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Why a YAML file of another program could not be read.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The file can't be opened or read.
    #[error("can't read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its text is not what it should be.
    #[error("`{}`: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

impl YamlError {
    /// Tells whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// Reads a file of one YAML document. An empty file is an empty mapping.
///
/// # Errors
/// When it can't be read, is too large, or is not a `T`.
pub(super) fn read_foreign<T: DeserializeOwned>(path: &Path) -> Result<T, YamlError> {
    let malformed = |problem: String| YamlError::Malformed { path: path.to_owned(), problem };
    let bytes =
        std::fs::read(path).map_err(|source| YamlError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() > MAX_BYTES {
        return Err(malformed(format!("{} bytes are too many for a configuration", bytes.len())));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| malformed(format!("not UTF-8 from byte {}", error.utf8_error().valid_up_to())))?;
    parse_foreign(&text).map_err(malformed)
}

/// Parses the text of one YAML document. An empty text is an empty mapping.
pub(super) fn parse_foreign<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // libyaml takes quadratic time for deep nesting; the other parser has a limit and finds it first.
    for event in granit_parser::Parser::new_from_str(text) {
        event.map_err(|error| error.to_string())?;
    }
    let blank = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    serde_yaml::from_str(if blank { "{}" } else { text }).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn deep_nesting_ends_quickly_and_comments_alone_are_empty() {
        assert!(parse_foreign::<BTreeMap<String, String>>(&"[".repeat(100_000)).is_err());
        assert_eq!(parse_foreign::<BTreeMap<String, String>>("# nothing\n\n"), Ok(BTreeMap::new()));
    }
}
