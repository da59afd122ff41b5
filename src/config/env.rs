//! The environment that amflow was started in; the only file that reads it. Main type: [`Environment`].
#![expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::client::ProxyEnvironment;
use crate::model::Secret;
use crate::perform;

/// The environment variables as they were at the start.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Reads the variables of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// Returns a variable; one that is empty is not set, as the XDG specification and most programs have it.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Returns a variable that is valid UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// Returns a variable that names a file or directory.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Returns the home directory of the user.
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME").or_else(std::env::home_dir)
    }

    /// Returns `$XDG_CONFIG_HOME`, or `~/.config`. A relative path is ignored, as the specification has it.
    pub fn xdg_config(&self) -> Option<PathBuf> {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }

    /// Returns `$XDG_STATE_HOME`, or `~/.local/state`.
    pub fn xdg_state(&self) -> Option<PathBuf> {
        self.xdg("XDG_STATE_HOME", ".local/state")
    }

    /// Returns a variable as it is, also an empty one.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Returns what is said of proxies, by the rules of Go's `httpproxy.FromEnvironment`.
    pub fn proxies(&self) -> ProxyEnvironment {
        let either = |upper: &str, lower: &str| self.text(upper).or_else(|| self.text(lower));
        let is_cgi = self.get("REQUEST_METHOD").is_some();
        ProxyEnvironment {
            http_proxy: either("HTTP_PROXY", "http_proxy").filter(|_| !is_cgi).map(Secret::new),
            https_proxy: either("HTTPS_PROXY", "https_proxy").map(Secret::new),
            no_proxy: either("NO_PROXY", "no_proxy").map(str::to_owned),
        }
    }

    /// Returns it for those who start commands and read secrets.
    pub fn for_performer(&self) -> perform::Environment {
        self.variables.clone().into_iter().collect()
    }

    /// Goes through all variables.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    fn xdg(&self, name: &str, default: &str) -> Option<PathBuf> {
        let set = self.path(name).filter(|path| path.is_absolute());
        set.or_else(|| self.home().map(|home| home.join(default)))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl std::fmt::Debug for Environment {
    /// Values may be secrets: only the names are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variables_and_relative_directories_are_not_set() {
        let env = Environment::from_iter([("A", ""), ("HOME", "/home/ann"), ("XDG_CONFIG_HOME", "conf")]);
        assert_eq!(env.get("A"), None);
        assert_eq!(env.xdg_config(), Some(PathBuf::from("/home/ann/.config")));
        let env = Environment::from_iter([("XDG_STATE_HOME", "/state")]);
        assert_eq!(env.xdg_state(), Some(PathBuf::from("/state")));
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", Environment::from_iter([("TOKEN", "hunter2")]));
        assert_eq!(shown, r#"{"TOKEN"}"#);
    }
}
