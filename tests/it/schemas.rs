//! The schemas of playbooks and of the configuration, and what `init` writes.

use std::fs;
use std::path::Path;

use predicates::str::contains;
use serde_json::Value;

use crate::support::program::{amflow, root};
use crate::support::schema::Schema;

fn schema(of: &str) -> Schema {
    let home = tempfile::tempdir().unwrap();
    let output = amflow(home.path()).args(["schema", of]).output().unwrap();
    Schema::new(serde_json::from_slice(&output.stdout).unwrap(), "")
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn shipped_playbooks_and_what_init_writes_are_as_the_schemas_say() {
    let home = tempfile::tempdir().unwrap();
    amflow(home.path()).arg("init").assert().success();
    let playbook = schema("playbook");
    playbook.accepts(&yaml(&home.path().join("playbooks/first.yaml")));
    for entry in fs::read_dir(root().join("playbooks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            playbook.accepts(&yaml(&path));
        }
    }
    schema("config").accepts(&yaml(&home.path().join("amflow.yaml")));
}

#[test]
fn the_schemas_refuse_what_the_program_refuses() {
    let read = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
    let playbook = schema("playbook");
    let head = "version: 1\nname: x\nmatchers: [a = b]\n";
    for bad in ["", "steps: [{shel: x}]", "steps: [{exec: ['true'], shell: x}]", "steps: []\nstpes: []"] {
        playbook.refuses(&read(&format!("{head}{bad}\n")));
    }
    let config = schema("config");
    config.refuses(&read("alertmanger: {}"));
    config.refuses(&read("alertmanager: {urls: http://one.example}"));
}

#[test]
fn init_writes_nothing_when_one_of_its_files_exists() {
    for there in ["amflow.yaml", "playbooks/first.yaml"] {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("playbooks")).unwrap();
        fs::write(home.path().join(there), "mine\n").unwrap();
        let refused = amflow(home.path()).arg("init").assert().code(2);
        refused.stderr(contains(format!("{there} is there already: nothing was written")));
        assert_eq!(fs::read_to_string(home.path().join(there)).unwrap(), "mine\n");
        let files = ["amflow.yaml", "playbooks/first.yaml"].map(|file| home.path().join(file).exists());
        assert_eq!(files.iter().filter(|there| **there).count(), 1);
    }
}

#[test]
fn init_makes_the_directory_that_it_is_given() {
    let home = tempfile::tempdir().unwrap();
    amflow(home.path()).args(["init", "a/b"]).assert().success().stderr(contains("wrote a/b/amflow.yaml"));
    amflow(&home.path().join("a/b")).arg("validate").assert().success();
    fs::write(home.path().join("file"), "").unwrap();
    amflow(home.path()).args(["init", "file"]).assert().code(3).stderr(contains("file"));
}
