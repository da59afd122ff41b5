//! `amflow validate` as people and other programs read it: whole outputs, order, exit codes.

use std::fs;
use std::path::Path;

use crate::support::program::amflow;

/// Two bad files, a good one and one about which there is only a warning, not in the order of their names.
fn playbooks(home: &Path) {
    fs::create_dir_all(home.join("playbooks/b")).unwrap();
    let head = |name: &str| format!("version: 1\nname: {name}\n");
    let write = |file: &str, text: String| fs::write(home.join("playbooks").join(file), text).unwrap();
    write("z.yaml", head("z") + "matchers: [severity != info]\nsteps:\n  - exec: ['true']\n");
    write("b/good.yaml", head("good") + "matchers: [alertname = A]\nsteps:\n  - exec: ['true']\n");
    write(
        "a.yaml",
        head("a") + "matchers: [alertname = A]\nsteps:\n  - shel: |\n      echo {{ alert.lables.x }}\n",
    );
}

fn said(home: &Path, format: &str, code: i32) -> String {
    let output = amflow(home).args(["validate", "-o", format]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn problems_for_people_stand_in_the_order_of_files() {
    let home = tempfile::tempdir().unwrap();
    playbooks(home.path());
    insta::assert_snapshot!(said(home.path(), "text", 1));
}

#[test]
fn problems_for_programs_stand_in_the_order_of_files() {
    let home = tempfile::tempdir().unwrap();
    playbooks(home.path());
    insta::assert_snapshot!(said(home.path(), "json", 1));
}

#[test]
fn problems_for_github_are_annotations_in_the_order_of_files() {
    let home = tempfile::tempdir().unwrap();
    playbooks(home.path());
    insta::assert_snapshot!(said(home.path(), "github", 1));
}

#[test]
fn exit_codes_tell_problems_from_wrong_use() {
    let home = tempfile::tempdir().unwrap();
    playbooks(home.path());
    for (arguments, code) in [
        ("validate playbooks/b", 0),
        ("validate playbooks/a.yaml", 1),
        ("validate playbooks/b playbooks/z.yaml", 1),
        ("validate no-such-place", 2),
        ("validate --config no-such-file playbooks/b", 2),
        ("validate -o xml", 2),
    ] {
        amflow(home.path()).args(arguments.split(' ')).assert().code(code);
    }
}

#[test]
fn habits_of_other_programs_are_answered_with_the_right_command() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, hint) in [
        ("run disk.yaml", "amflow run -p disk.yaml"),
        ("run alerts.json", "amflow run --from alerts.json"),
        ("run -f disk.yaml", "amflow run -p disk.yaml"),
        ("plan -f disk.yaml", "amflow plan -p disk.yaml"),
        ("run --dry-run", "amflow plan"),
        ("run -p disk.yaml --dry-run", "amflow plan -p disk.yaml"),
        ("check playbooks", "amflow validate"),
        ("lint playbooks", "amflow validate"),
        ("apply -f disk.yaml", "amflow run"),
        ("list", "amflow runs list"),
        ("logs 7f3a9c21", "amflow runs show RUN"),
    ] {
        let refused = amflow(home.path()).args(arguments.split(' ')).assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("hint: ") && said.contains(&format!("`{hint}`")), "{arguments}: {said}");
    }
}
