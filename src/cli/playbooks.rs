//! Finds playbook files: those named, else the configuration's, `./playbooks`, `/etc/amflow/playbooks`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::{CliError, Exit, OrExit as _};
use crate::config::{PlaybookPlaces, Settings};

/// Returns the files' names and contents, directories recursively in the order of names.
pub(super) fn find(settings: &Settings) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let places = match &settings.playbooks {
        PlaybookPlaces::Named(places) => places.clone(),
        PlaybookPlaces::Found(place) => vec![place.clone()],
        PlaybookPlaces::Nowhere => {
            return Err(CliError::usage(
                "no playbooks: there is no ./playbooks and no /etc/amflow/playbooks",
            )
            .hint("name them with -p FILE or -p DIRECTORY; `amflow init` writes a first one"));
        }
    };
    let mut files = Vec::new();
    for place in &places {
        let before = files.len();
        walk(place, true, &mut files)?;
        if files.len() == before {
            return Err(CliError::usage(format_args!("no playbooks in {}", place.display()))
                .hint("playbooks are files whose names end in .yaml or .yml"));
        }
    }
    Ok(files)
}

fn walk(place: &Path, named: bool, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), CliError> {
    let name = place.display().to_string();
    let meta = fs::metadata(place).or_exit(Exit::Usage, || format!("cannot read {name}"))?;
    if meta.is_dir() {
        let entries = fs::read_dir(place).or_exit(Exit::Usage, || format!("cannot read {name}"))?;
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        let hidden = |path: &Path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        for path in paths.iter().filter(|path| !hidden(path)) {
            walk(path, false, files)?;
        }
        return Ok(());
    }
    if named || is_playbook(place) {
        let bytes = fs::read(place).or_exit(Exit::Usage, || format!("cannot read {name}"))?;
        files.push((name, bytes));
    }
    Ok(())
}

/// Returns what shows whether files of playbooks or the configuration have changed: names, times, sizes.
pub(super) fn stamp(settings: &Settings) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let mut waiting: Vec<PathBuf> = match &settings.playbooks {
        PlaybookPlaces::Named(places) => places.clone(),
        PlaybookPlaces::Found(place) => vec![place.clone()],
        PlaybookPlaces::Nowhere => Vec::new(),
    };
    waiting.extend(settings.file.clone());
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten();
            waiting.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
        } else {
            seen.push((path, meta.modified().ok(), meta.len()));
        }
    }
    seen.sort();
    seen
}

fn is_playbook(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let yaml = Path::new(&name).extension().is_some_and(|e| e == "yaml" || e == "yml");
    yaml && !name.ends_with(".test.yaml") && !name.ends_with(".test.yml")
}
