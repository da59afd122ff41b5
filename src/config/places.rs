//! Where things are: [`PlaybookPlaces`], [`StorePlace`].

use std::fs;
use std::path::{Path, PathBuf};

use super::env::Environment;
use super::file::ConfigError;
use super::spec::StoreSpec;

/// The machine's own store.
const MACHINE_STORE: &str = "/var/lib/amflow";
/// The machine's own playbooks.
const MACHINE_PLAYBOOKS: &str = "/etc/amflow/playbooks";
/// The playbooks of a directory that somebody works in.
const LOCAL_PLAYBOOKS: &str = "playbooks";

/// Where playbooks are, and why there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaybookPlaces {
    /// These were named, by flags or by the configuration: each must exist.
    Named(Vec<PathBuf>),
    /// None was named, and this directory exists.
    Found(PathBuf),
    /// None was named, and none of the usual directories exists.
    Nowhere,
}

/// Where the store is, and who shares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePlace {
    /// Its directory or file.
    pub path: PathBuf,
    /// The number of the group whose members share it.
    pub group: Option<u32>,
}

impl PlaybookPlaces {
    /// Chooses: flags, else the configuration, else `./playbooks`, else `/etc/amflow/playbooks`.
    pub(super) fn choose(flags: Vec<PathBuf>, configured: Vec<PathBuf>) -> Self {
        if !flags.is_empty() {
            return Self::Named(flags);
        }
        if !configured.is_empty() {
            return Self::Named(configured);
        }
        let usual = [LOCAL_PLAYBOOKS, MACHINE_PLAYBOOKS].into_iter().map(PathBuf::from);
        usual.into_iter().find(|path| path.exists()).map_or(Self::Nowhere, Self::Found)
    }
}

impl StorePlace {
    /// Chooses: the flag, else the configuration, else the machine's where it exists, else the user's.
    ///
    /// That the machine's can't be read is no reason to take another one: two stores would each run a
    /// playbook once.
    pub(super) fn choose(
        flag: Option<PathBuf>,
        configured: Option<&StoreSpec>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let group = match configured.and_then(|store| store.group.as_deref()) {
            Some(name) => Some(group_number(name).ok_or_else(|| ConfigError::Group(name.to_owned()))?),
            None => None,
        };
        let named = flag.or_else(|| configured.and_then(|store| store.path.clone()));
        let machine = || Some(PathBuf::from(MACHINE_STORE)).filter(|path| fs::symlink_metadata(path).is_ok());
        let user = || environment.xdg_state().map(|dir| dir.join("amflow"));
        let path = named.or_else(machine).or_else(user).unwrap_or_else(|| PathBuf::from(MACHINE_STORE));
        Ok(Self { path, group })
    }
}

/// Returns the number of a group: one is a number already, else it is looked up in `/etc/group`.
fn group_number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    group_in(&fs::read_to_string(Path::new("/etc/group")).ok()?, name)
}

/// group(5): `name:password:number:members`.
fn group_in(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_wins_over_what_is_usual() {
        let env = Environment::from_iter([("HOME", "/home/ann")]);
        let spec = StoreSpec { path: Some("/srv/store".into()), group: Some("7".into()) };
        let named = StorePlace::choose(Some("/x".into()), Some(&spec), &env).unwrap();
        assert_eq!(named, StorePlace { path: "/x".into(), group: Some(7) });
        assert_eq!(StorePlace::choose(None, Some(&spec), &env).unwrap().path, Path::new("/srv/store"));
        let places = PlaybookPlaces::choose(Vec::new(), vec!["a".into()]);
        assert_eq!(places, PlaybookPlaces::Named(vec!["a".into()]));
    }

    #[test]
    fn a_group_is_found_by_its_name() {
        let groups = "root:x:0:\nops:x:1234:ann,bob\n";
        assert_eq!(group_in(groups, "ops"), Some(1234));
        assert_eq!(group_in(groups, "op"), None);
    }
}
