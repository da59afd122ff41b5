//! Where programs are in PATH, remembered for a moment. Main type: [`Programs`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::environment::Environment;

/// For so long a program is where it was found. A storm of runs asks for few programs thousands of times; what
/// was installed since is found a moment later.
const FRESH: Duration = Duration::from_secs(1);
/// More places are not remembered: they begin anew.
const MOST: usize = 256;

/// Finds programs, and remembers for a moment where they are.
#[derive(Debug, Default)]
pub(super) struct Programs {
    found: Mutex<HashMap<(OsString, String), (PathBuf, Instant)>>,
}

impl Programs {
    /// Finds a program as [`Environment::find_program`] does.
    ///
    /// # Errors
    /// What is wrong, for people.
    #[expect(clippy::disallowed_methods, reason = "how long something is remembered needs no wall clock")]
    pub(super) fn find(&self, environment: &Environment, name: &str) -> Result<PathBuf, String> {
        let path = environment.get("PATH").unwrap_or_default();
        let key = (path.to_owned(), name.to_owned());
        let now = Instant::now();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((program, _)) = found.get(&key).filter(|(_, at)| now.duration_since(*at) < FRESH) {
            return Ok(program.clone());
        }
        let program = environment.find_program(name)?;
        if found.len() >= MOST {
            found.clear();
        }
        found.insert(key, (program.clone(), now));
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_is_found_by_the_path_of_its_own_command_and_one_that_is_missing_is_looked_for_again() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let environment = |directory: &tempfile::TempDir| -> Environment {
            [(OsString::from("PATH"), directory.path().into())].into_iter().collect()
        };
        let install = |directory: &tempfile::TempDir| {
            let tool = directory.path().join("tool");
            std::fs::write(&tool, "").unwrap();
            std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
            tool
        };
        let programs = Programs::default();
        let first = install(&one);
        assert_eq!(programs.find(&environment(&one), "tool"), Ok(first));
        assert!(programs.find(&environment(&two), "tool").is_err());
        let second = install(&two);
        assert_eq!(programs.find(&environment(&two), "tool"), Ok(second));
    }
}
