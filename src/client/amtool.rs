//! amtool's own configuration file: where Alertmanager is. Main type: [`AmtoolConfig`].
//!
//! A flat mapping of amtool's flags to text; of several files the first that has a key wins (amtool 0.25
//! to 0.34). amflow takes what says where Alertmanager is and who asks, and ignores how amtool prints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_yaml::Value;

use super::yaml::{YamlError, read_foreign};
use crate::model::parse_duration;

/// What amtool's files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AmtoolConfig {
    /// `alertmanager.url`; it may hold `user:password@` and a path.
    pub url: Option<Setting>,
    /// `author`: who makes silences.
    pub author: Option<Setting>,
    /// `http.config.file`: an `http_config`. A relative path starts where amtool is run, as amtool has it.
    pub http_config_file: Option<Setting>,
    /// `timeout`: how long a request may take.
    pub timeout: Option<Duration>,
}

/// A value and the file that it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: String,
    /// The file.
    pub file: PathBuf,
}

/// Why amtool's files can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum AmtoolError {
    /// A file can't be read or is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A value is not text.
    #[error("`{}`: `{key}` is not a simple value; amtool's configuration has only text", file.display())]
    Nested {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
    },
    /// The timeout can't be read.
    #[error("`{}`: timeout: {problem}", file.display())]
    Timeout {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Returns where amtool's files are looked for, the strongest first: the user's before the machine's,
/// upstream's paths before those of Debian's build.
pub fn default_paths(home: Option<&Path>) -> Vec<PathBuf> {
    let own = home.map(|home| home.join(".config")).into_iter();
    let own = own.flat_map(|dir| [dir.join("amtool/config.yml"), dir.join("prometheus/amtool.yml")]);
    own.chain([PathBuf::from("/etc/amtool/config.yml"), PathBuf::from("/etc/prometheus/amtool.yml")])
        .collect()
}

impl AmtoolConfig {
    /// Reads those of the files that exist; of two that have a key the first wins.
    ///
    /// # Errors
    /// When a file exists and can't be read, is not a flat mapping, or has a timeout that is none.
    pub fn read(paths: &[PathBuf]) -> Result<Self, AmtoolError> {
        let mut config = Self::default();
        for path in paths {
            let values: BTreeMap<String, Value> = match read_foreign(path) {
                Ok(values) => values,
                Err(error) if error.is_missing() => continue,
                Err(error) => return Err(error.into()),
            };
            config.take(path, values)?;
        }
        Ok(config)
    }

    fn take(&mut self, file: &Path, values: BTreeMap<String, Value>) -> Result<(), AmtoolError> {
        for (key, value) in values {
            let Some(value) = scalar(&value) else {
                return Err(AmtoolError::Nested { file: file.to_owned(), key });
            };
            let setting = || Some(Setting { value: value.clone(), file: file.to_owned() });
            let slot = match key.as_str() {
                "alertmanager.url" => &mut self.url,
                "author" => &mut self.author,
                "http.config.file" => &mut self.http_config_file,
                "timeout" => {
                    let parsed = parse_go_duration(&value)
                        .map_err(|problem| AmtoolError::Timeout { file: file.to_owned(), problem })?;
                    self.timeout = self.timeout.or(Some(parsed));
                    continue;
                }
                _ => continue,
            };
            if slot.is_none() && !value.is_empty() {
                *slot = setting();
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Setting {
    /// The value may be a URL with a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").field("file", &self.file).finish_non_exhaustive()
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

/// Go writes `1.5h` and `1m0s`, which Prometheus' durations don't know.
fn parse_go_duration(text: &str) -> Result<Duration, String> {
    if let Ok(duration) = parse_duration(text) {
        return Ok(duration);
    }
    let problem = || format!("`{text}` is not a duration; write it as `30s` or `1m30s`");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(problem)?;
        let number: f64 = rest[..digits].parse().map_err(|_| problem())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit = match &rest[digits..unit_end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(problem()),
        };
        let part = Duration::try_from_secs_f64(number * unit).map_err(|_| problem())?;
        total = total.checked_add(part).ok_or_else(problem)?;
        rest = &rest[unit_end..];
    }
    if text.is_empty() { Err(problem()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_has_a_key_wins_and_unknown_keys_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let (own, system, none) =
            (dir.path().join("own"), dir.path().join("system"), dir.path().join("none"));
        std::fs::write(&own, "alertmanager.url: http://own:9093\noutput: json\nfuture-key: 1\n").unwrap();
        std::fs::write(&system, "alertmanager.url: http://system\nauthor: ops\nhttp.config.file: h.yml\ntimeout: 1.5m\nverbose: true\n").unwrap();
        let config = AmtoolConfig::read(&[none, own.clone(), system.clone()]).unwrap();
        assert_eq!(config.url, Some(Setting { value: "http://own:9093".into(), file: own }));
        assert_eq!(config.author.unwrap().value, "ops");
        assert_eq!(config.http_config_file, Some(Setting { value: "h.yml".into(), file: system }));
        assert_eq!(config.timeout, Some(Duration::from_secs(90)));
    }

    #[test]
    fn all_four_places_are_looked_at_and_without_a_home_the_two_of_the_machine() {
        let paths = default_paths(Some(Path::new("/home/u")));
        let expected = [
            "/home/u/.config/amtool/config.yml",
            "/home/u/.config/prometheus/amtool.yml",
            "/etc/amtool/config.yml",
            "/etc/prometheus/amtool.yml",
        ];
        assert_eq!(paths, expected.map(PathBuf::from));
        assert_eq!(default_paths(None), expected[2..].iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(AmtoolConfig::read(&[]).unwrap(), AmtoolConfig::default());
    }

    #[test]
    fn what_amtool_would_refuse_is_refused_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.yml");
        for (text, expected) in [
            ("alertmanager.url: [a]", "`alertmanager.url` is not a simple value"),
            ("timeout: soon", "`soon` is not a duration"),
            ("- a\n", "c.yml"),
            ("a: [\n", "c.yml"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = AmtoolConfig::read(std::slice::from_ref(&file)).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("c.yml"), "{text}: {error}");
        }
        std::fs::write(&file, "").unwrap();
        assert!(AmtoolConfig::read(std::slice::from_ref(&file)).unwrap().url.is_none());
    }

    #[test]
    fn a_url_with_a_password_does_not_show() {
        let setting = Setting { value: "http://u:hunter2@am".into(), file: "f".into() };
        assert!(!format!("{setting:?}").contains("hunter2"));
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in
            [("30s", 30_000), ("1m0s", 60_000), ("1.5h", 5_400_000), ("250ms", 250), ("0.5s500ms", 1000)]
        {
            assert_eq!(parse_go_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "x", "5", "5 s", "1e9999h"] {
            assert!(parse_go_duration(text).is_err(), "{text}");
        }
    }
}
