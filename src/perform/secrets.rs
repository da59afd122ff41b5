//! Named secrets of the configuration. Main types: [`SecretSource`], [`Secrets`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::redact::Redactor;
use crate::model::secret::Secret;

/// The largest secret, in bytes: room for a key or a kubeconfig.
const LARGEST: u64 = 64 * 1024;
/// systemd.exec(5): the directory with the credentials of a unit.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret comes from: exactly one of the three.
///
/// It is read whenever it is needed, so a secret that was renewed counts at once. One line end at its
/// end is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretSource {
    /// A file that holds nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A variable of amflow's environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The name of a credential that systemd hands to the service (`LoadCredential=`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Why a secret cannot be had. Never holds its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The configuration has none of this name.
    #[error("no secret `{name}` in the configuration{}", among(.known))]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// It is not there, or is no text.
    #[error("secret `{name}`: {problem}")]
    Unreadable {
        /// The name.
        name: String,
        /// What is wrong with its place.
        problem: String,
    },
}

/// Resolves secrets, and knows what must not be seen.
#[derive(Debug)]
pub struct Secrets {
    sources: BTreeMap<String, SecretSource>,
    environment: Environment,
    known: Mutex<Known>,
}

/// All values seen so far. A value that was replaced stays known: old output may hold it.
#[derive(Debug)]
struct Known {
    values: Vec<Secret>,
    redactor: Arc<Redactor>,
    /// Whether every source was read once.
    complete: bool,
}

impl SecretSource {
    /// Returns what is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        let given = [
            self.file.as_ref().map(|file| file.as_os_str().is_empty()),
            self.env.as_ref().map(|name| name.is_empty() || name.contains(['=', '\0'])),
            self.credential.as_ref().map(|name| !is_credential_name(name)),
        ];
        match given.iter().flatten().copied().collect::<Vec<bool>>()[..] {
            [false] => None,
            [true] => Some("its place has no valid name".to_owned()),
            [] => Some("its place is missing: give one of `file`, `env` and `credential`".to_owned()),
            _ => Some("it has several places: give one of `file`, `env` and `credential`".to_owned()),
        }
    }

    /// Makes a relative file start at `base`: the directory of the file in which it was written.
    pub fn resolve_paths(&mut self, base: &Path) {
        if let Some(file) = &mut self.file {
            *file = base.join(&*file);
        }
    }

    fn read(&self, environment: &Environment) -> Result<Secret, String> {
        if let Some(problem) = self.problem() {
            return Err(problem);
        }
        let text = if let Some(file) = &self.file {
            read_file(file)?
        } else if let Some(name) = &self.env {
            let value = environment.get(name).ok_or_else(|| format!("the environment has no `{name}`"))?;
            value.to_str().ok_or_else(|| format!("`{name}` of the environment is not UTF-8"))?.to_owned()
        } else {
            let name = self.credential.as_deref().unwrap_or_default();
            let directory = environment.get(CREDENTIALS_DIRECTORY).ok_or_else(|| {
                format!("no credential `{name}`: `{CREDENTIALS_DIRECTORY}` is not set; add LoadCredential= to the unit")
            })?;
            read_file(&Path::new(directory).join(name))?
        };
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret::new(text)) }
    }
}

impl Secrets {
    /// Makes the secrets of a configuration. `others` (passwords of connections) are only redacted.
    pub fn new(
        sources: BTreeMap<String, SecretSource>,
        others: impl IntoIterator<Item = Secret>,
        environment: Environment,
    ) -> Secrets {
        let values: Vec<Secret> = others.into_iter().collect();
        let redactor = Arc::new(Redactor::new(values.iter().map(Secret::expose)));
        let complete = sources.is_empty();
        Secrets { sources, environment, known: Mutex::new(Known { values, redactor, complete }) }
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be read.
    pub fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        let source = self.sources.get(name).ok_or_else(|| SecretError::Unknown {
            name: name.to_owned(),
            known: self.sources.keys().cloned().collect(),
        })?;
        let read = source.read(&self.environment);
        let value = read.map_err(|problem| SecretError::Unreadable { name: name.to_owned(), problem })?;
        self.learn([value.clone()], false);
        Ok(value)
    }

    /// Returns what takes all known secrets out of a text. At its first use all sources are read, so
    /// that also a secret is redacted which this process has not sent, but another one before it.
    pub fn redactor(&self) -> Arc<Redactor> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.complete {
                return Arc::clone(&known.redactor);
            }
        }
        // What cannot be read is reported where it is needed.
        let read = self.sources.values().filter_map(|source| source.read(&self.environment).ok());
        self.learn(read, true)
    }

    fn learn(&self, values: impl IntoIterator<Item = Secret>, complete: bool) -> Arc<Redactor> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.values.len();
        for value in values {
            if !known.values.contains(&value) {
                known.values.push(value);
            }
        }
        if known.values.len() > before {
            known.redactor = Arc::new(Redactor::new(known.values.iter().map(Secret::expose)));
        }
        known.complete |= complete;
        Arc::clone(&known.redactor)
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("`{}` is not a regular file", path.display()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("`{}` has more than {LARGEST} bytes, too many for a secret", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8", path.display()))
}

/// systemd's rule for names of credentials: they are names of files.
fn is_credential_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".."
}

fn among(names: &[String]) -> String {
    if names.is_empty() { "; it has none".to_owned() } else { format!("; it has: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(yaml: &str, environment: &[(&str, &str)]) -> Secrets {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Secrets::new(serde_yaml::from_str(yaml).unwrap(), [Secret::new("of-a-connection")], environment)
    }

    #[test]
    fn secrets_come_from_files_variables_and_credentials_without_their_line_end() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "from-a-file\r\n").unwrap();
        fs::write(directory.path().join("c"), " from-systemd \n\n").unwrap();
        let at = directory.path().to_str().unwrap();
        let yaml = format!("a: {{file: {at}/a}}\nb: {{env: TOKEN}}\nc: {{credential: c}}");
        let secrets = secrets(&yaml, &[("TOKEN", "from-the-environment"), ("CREDENTIALS_DIRECTORY", at)]);
        for (name, value) in [("a", "from-a-file"), ("b", "from-the-environment"), ("c", " from-systemd \n")]
        {
            assert_eq!(secrets.resolve(name).unwrap().expose(), value);
        }
        let shown = secrets.redactor().text("from-a-file, of-a-connection").into_owned();
        assert_eq!(shown, "[redacted], [redacted]");
    }

    #[test]
    fn errors_name_the_secret_and_its_place_never_its_value() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_str().unwrap();
        fs::write(directory.path().join("bytes"), b"hunter2\xff").unwrap();
        fs::write(directory.path().join("empty"), "\n").unwrap();
        let yaml = format!(
            "gone: {{file: /nonexistent}}\ndir: {{file: {at}}}\nbytes: {{file: {at}/bytes}}\nempty: {{file: {at}/empty}}\n\
             unset: {{env: NO_SUCH}}\ncred: {{credential: x}}\nup: {{credential: ../x}}\nnone: {{}}\ntwo: {{env: A, file: b}}"
        );
        let secrets = secrets(&yaml, &[]);
        for (name, part) in [
            ("gone", "secret `gone`: cannot read `/nonexistent`: No such file"),
            ("dir", "is not a regular file"),
            ("bytes", "/bytes` is not UTF-8"),
            ("empty", "secret `empty`: it is empty"),
            ("unset", "the environment has no `NO_SUCH`"),
            ("cred", "add LoadCredential= to the unit"),
            ("up", "its place has no valid name"),
            ("none", "its place is missing"),
            ("two", "it has several places"),
            ("other", "no secret `other` in the configuration; it has: bytes, cred, dir"),
        ] {
            let message = secrets.resolve(name).unwrap_err().to_string();
            assert!(message.contains(part) && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_secret_is_redacted_before_its_first_use_and_after_it_was_renewed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        fs::write(&file, "first-value").unwrap();
        let secrets = secrets(&format!("t: {{file: {}}}", file.display()), &[]);
        assert_eq!(secrets.redactor().text("first-value"), "[redacted]");
        fs::write(&file, "second-value").unwrap();
        assert_eq!(secrets.resolve("t").unwrap().expose(), "second-value");
        assert_eq!(secrets.redactor().text("first-value second-value"), "[redacted] [redacted]");
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_yaml::from_str::<SecretSource>("{path: x}").is_err());
    }
}
