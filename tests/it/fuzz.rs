//! What fuzzers found, through the same functions; `tests/fuzz/README.md` says how it is found.

#[path = "../fuzz/checks/mod.rs"]
pub(crate) mod checks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use checks::TARGETS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

/// Tries an input; when something does not hold, it says what was tried.
fn failure(about: String, check: fn(&[u8]), input: &[u8]) -> Option<String> {
    let told = format!("{about}: {:?}", String::from_utf8_lossy(input));
    std::panic::catch_unwind(|| check(input)).err().map(|_| told)
}

#[test]
fn what_fuzzers_found_holds() {
    let mut failed = Vec::new();
    for target in TARGETS {
        for path in entries(&root().join("tests/fixtures/fuzz").join(target.name)) {
            let name = format!("{}/{}", target.name, stem(&path));
            failed.extend(failure(name, target.check, &fs::read(&path).expect("it can be read")));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_fuzzers_begin_with_holds() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let seeds = (target.seeds)(root());
        assert!(seeds.len() > 4, "{}", target.name);
        // Some of all: the fuzzers take every one.
        for (number, seed) in seeds.iter().enumerate().step_by(seeds.len().div_ceil(100)) {
            let name = format!("{}, seed {number}", target.name);
            failed.extend(failure(name, target.check, seed));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_has_its_program_and_every_fixture_its_target() {
    let known: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let programs = entries(&root().join("tests/fuzz/targets")).into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("it can be read");
        assert!(text.contains(&format!("target!(\"{}\")", stem(&path))), "{text}");
        stem(&path)
    });
    assert_eq!(programs.collect::<BTreeSet<_>>(), known);
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).expect("it can be read");
    let named = manifest.split("[[bin]]\nname = \"").skip(1);
    let named: BTreeSet<String> = named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect();
    assert_eq!(named, known);
    let fixtures = entries(&root().join("tests/fixtures/fuzz"));
    assert!(fixtures.iter().all(|path| known.contains(&stem(path))), "{fixtures:?}");
}
