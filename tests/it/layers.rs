//! A module uses only modules above it: the table of `docs/ARCHITECTURE.md`, enforced.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up; those of one line don't know each other.
const LAYERS: [&[&str]; 13] = [
    &["text"],
    &["model"],
    &["template"],
    &["step"],
    &["playbook"],
    &["run"],
    &["engine"],
    &["client"],
    &["perform", "store", "source", "report"],
    &["playtest"],
    &["server"],
    &["config"],
    &["cli"],
];

fn level(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Tests may look where they like.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.starts_with("test") || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all.iter().filter(|path| !is_test(path)) {
        let relative = path.strip_prefix(&src).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let Some(own) = level(&module) else { continue };
        let text = fs::read_to_string(path).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for used in line.split("crate::").skip(1) {
                let used =
                    used.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                let beside = used != module && level(used) == Some(own);
                if beside || level(used).is_some_and(|other| other > own) {
                    wrong.push(format!("{}:{}: {module} uses {used}", relative.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_the_architecture_is_the_one_that_is_enforced() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md")).unwrap();
    let told: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| !line.starts_with("| module"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let names = line.split('|').nth(1).unwrap_or_default();
            names.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect()
        })
        .collect();
    let enforced: Vec<Vec<String>> =
        LAYERS.iter().map(|layer| layer.iter().map(|name| (*name).to_owned()).collect()).collect();
    assert_eq!(told, enforced);
}

#[test]
fn the_files_that_the_architecture_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    for named in
        page.split('`').filter(|word| ["src/", "tests/", "docs/"].iter().any(|p| word.starts_with(p)))
    {
        assert!(root.join(named).exists(), "docs/ARCHITECTURE.md names `{named}`, which does not exist");
    }
}
