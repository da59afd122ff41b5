//! amflow's own environment, and what commands get of it. Main type: [`Environment`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What commands get of amflow's own environment, where it is set; nothing else.
pub const BASE_VARIABLES: [&str; 9] =
    ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR"];

/// PATH for commands where amflow has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables as they were when amflow started.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Environment {
        Environment(variables.into_iter().collect())
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Returns the value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Returns what every command gets. PATH is always in it.
    #[must_use]
    pub fn base(&self) -> Environment {
        let mut base: BTreeMap<OsString, OsString> = BASE_VARIABLES
            .iter()
            .filter_map(|name| Some((OsString::from(name), self.get(name)?.to_owned())))
            .collect();
        base.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
        Environment(base)
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Returns all variables.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Finds a program as a shell does: a name with a slash is a path, any other is looked for in
    /// PATH. Relative directories of PATH are passed over: what runs must not depend on where amflow
    /// was started.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn find_program(&self, name: &str) -> Result<PathBuf, String> {
        if name.contains('/') {
            return Ok(PathBuf::from(name));
        }
        let path = self.get("PATH").unwrap_or_default();
        let mut not_executable = None;
        for directory in std::env::split_paths(path).filter(|directory| directory.is_absolute()) {
            let candidate = directory.join(name);
            match is_executable(&candidate) {
                Some(true) => return Ok(candidate),
                Some(false) => not_executable = not_executable.or(Some(candidate)),
                None => (),
            }
        }
        Err(match not_executable {
            Some(found) => format!("`{}` is not executable: chmod +x it", found.display()),
            None => format!("no program `{name}` in PATH ({})", path.display()),
        })
    }
}

/// Returns whether a file can be executed; `None` when there is none.
pub(super) fn is_executable(path: &Path) -> Option<bool> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    #[test]
    fn commands_get_the_base_variables_and_nothing_else() {
        let base =
            environment(&[("HOME", "/h"), ("AWS_SECRET", "x"), ("LC_ALL", "C"), ("LD_PRELOAD", "y")]).base();
        let names: Vec<&OsStr> = base.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
        assert_eq!(base.get("PATH"), Some(OsStr::new(DEFAULT_PATH)));
    }

    #[test]
    fn values_are_not_shown() {
        assert_eq!(format!("{:?}", environment(&[("TOKEN", "hunter2")])), r#"{"TOKEN"}"#);
    }

    #[test]
    fn programs_are_found_in_absolute_directories_of_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let tool = directory.path().join("tool");
        std::fs::write(&tool, "").unwrap();
        let path = format!(".::bin:/nonexistent:{}:/bin", directory.path().display());
        let environment = environment(&[("PATH", &path)]);
        assert_eq!(environment.find_program("sh"), Ok("/bin/sh".into()));
        assert_eq!(environment.find_program("./x"), Ok("./x".into()));
        let message = environment.find_program("tool").unwrap_err();
        assert_eq!(message, format!("`{}` is not executable: chmod +x it", tool.display()));
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(environment.find_program("tool"), Ok(tool));
        assert!(
            environment
                .find_program("no-such-tool")
                .unwrap_err()
                .starts_with("no program `no-such-tool` in PATH")
        );
        assert!(environment.find_program("").is_err());
    }
}
