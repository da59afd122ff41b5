//! Documents run: every fenced example of README.md and docs/ is validated, loaded, parsed or executed.
//!
//! What is done with an example is said behind its opening fence:
//!
//! | fence | what is done |
//! |---|---|
//! | `yaml` | a playbook, or steps of one: valid without a word |
//! | `yaml bad` | a playbook about which `validate` says something |
//! | `yaml config` | a configuration that is loaded |
//! | `yaml workflow` | YAML; every `run:` is a command that amflow has |
//! | `json NAME` | a document as `docs/output.schema.json` describes NAME |
//! | `sh`, `console` | executed beside a real Alertmanager, from the first line to the last, without a failure |
//! | `sh no-run`, `crontab` | not executed; commands and flags must exist |
//! | `text` | what a program says: only in `docs/checks.md`, which is made of what was said |

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::help::exists;
use crate::support::lab::{Lab, finish};
use crate::support::program::{amflow, root};
use crate::support::schema::Schema;

/// A fenced example.
struct Example {
    /// File and line.
    place: String,
    /// What stands behind the opening fence.
    says: String,
    /// What it holds.
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let Some(says) = line.trim_start().strip_prefix("```") else { continue };
            let body: Vec<_> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            let name = page.strip_prefix(root()).unwrap().display();
            let place = format!("{name}:{}", at + 1);
            found.push(Example { place, says: says.to_owned(), text: body.join("\n") + "\n" });
        }
    }
    assert!(found.len() > 100, "examples are not found any more");
    found
}

#[test]
fn every_example_of_the_documents_holds() {
    let mut open = Vec::new();
    for example in examples() {
        let (language, more) = example.says.split_once(' ').unwrap_or((&example.says, ""));
        let result = match (language, more) {
            ("yaml", "") => valid(&example),
            ("yaml", "bad") => not_valid(&example),
            ("yaml", "config") => loads(&example),
            ("yaml", "workflow") => workflow(&example),
            ("json", name) if !name.is_empty() => described(&example, name),
            ("sh" | "console", "") => runs(&example),
            ("sh", "no-run") | ("crontab", "") => exists(&example.text),
            ("text", "") if example.place.starts_with("docs/checks.md") => Ok(()),
            _ => Err("no test knows what to do with this kind of example".to_owned()),
        };
        if let Err(why) = result {
            open.push(format!("{} ({}): {why}", example.place, example.says));
        }
    }
    assert!(open.is_empty(), "{}", open.join("\n\n"));
}

/// What the examples may name.
const CONFIG: &str = "\
alertmanager: {urls: ['http://localhost:9093']}
prometheus: {url: 'http://localhost:9090'}
secrets: {api_token: {file: token}}
connections: {wiki: {url: 'https://wiki.example.com'}}
people: {groups: {oncall: [ann, bob]}}
";

fn validate(text: &str, config: &str) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("amflow.yaml"), config).unwrap();
    fs::write(home.path().join("example.yaml"), text).unwrap();
    let output = amflow(home.path()).args(["validate", "example.yaml"]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap_or(-1), said.concat())
}

fn valid(example: &Example) -> Result<(), String> {
    let playbook = if example.text.starts_with("- ") {
        let before = "  - {id: usage, exec: [df], read_only: true}\n";
        let steps: String = example.text.lines().map(|line| format!("  {line}\n")).collect();
        format!("version: 1\nname: example\nmatchers: [alertname = Example]\nsteps:\n{before}{steps}")
    } else {
        example.text.clone()
    };
    match validate(&playbook, CONFIG) {
        (0, said) if said.contains("0 problems, 0 warnings") => Ok(()),
        (code, said) => Err(format!("exit {code}:\n{said}")),
    }
}

fn not_valid(example: &Example) -> Result<(), String> {
    if example.text.contains(char::REPLACEMENT_CHARACTER) {
        // It stands for bytes that are no text; `tests/it/checks.rs` has them.
        return Ok(());
    }
    for config in [CONFIG, ""] {
        if !validate(&example.text, config).1.contains("0 problems, 0 warnings") {
            return Ok(());
        }
    }
    Err("nothing is said about it".to_owned())
}

fn loads(example: &Example) -> Result<(), String> {
    let playbook = "version: 1\nname: x\nmatchers: [alertname = X]\nsteps: [{exec: ['true']}]\n";
    match validate(playbook, &example.text) {
        (0, said) if !said.contains("warning:") => Ok(()),
        (code, said) => Err(format!("exit {code}:\n{said}")),
    }
}

fn workflow(example: &Example) -> Result<(), String> {
    let workflow: Value = serde_yaml::from_str(&example.text).map_err(|error| error.to_string())?;
    let mut script = String::new();
    commands(&workflow, &mut script);
    exists(&script)
}

/// Collects the commands of a workflow.
fn commands(value: &Value, found: &mut String) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if let ("run", Value::String(script)) = (key.as_str(), value) {
                    found.push_str(script);
                    found.push('\n');
                }
                commands(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| commands(value, found)),
        _ => {}
    }
}

fn described(example: &Example, name: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(&example.text).map_err(|error| error.to_string())?;
    let schema = fs::read(root().join("docs/output.schema.json")).unwrap();
    let schema = Schema::new(serde_json::from_slice(&schema).unwrap(), &format!("/$defs/{name}"));
    schema.check(&value)
}

/// Returns a bash that finds `amflow`.
fn amflow_beside(home: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_amflow"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.env_clear().env("PATH", path).env("HOME", home).env("NO_COLOR", "1").current_dir(home);
    bash
}

const ALERTS: &str =
    r#"[{"labels": {"alertname": "Example", "severity": "critical"}, "startsAt": "2026-01-01T00:00:00Z"}]"#;
const PLAYBOOK: &str = "matchers: [alertname = Example]\nsteps:\n  - exec: ['true']\n";

/// `amflow` as an example means it; what `init` writes names the Alertmanager of the test.
const PRELUDE: &str = r#"
set -euo pipefail
amflow() {
  command amflow "$@"
  if [ "$1" = init ]; then sed -i "s|http://localhost:9093|$ALERTMANAGER|" amflow.yaml; fi
}
"#;

fn runs(example: &Example) -> Result<(), String> {
    let lab = Lab::new();
    lab.fire(&[serde_json::json!({"alertname": "Example", "severity": "critical"})]);
    let url = format!("http://127.0.0.1:{}", lab.am().port());
    if example.text.contains("amflow init") {
        fs::remove_file(lab.path("amflow.yaml")).unwrap();
    } else {
        lab.playbook("example", PLAYBOOK);
    }
    lab.write("alerts.json", ALERTS);
    for file in ["amtool/config.yml", "prometheus/amtool.yml"] {
        let file = lab.path(".config").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(
            file,
            format!(
                "alertmanager.url: {url}
"
            ),
        )
        .unwrap();
    }
    let script: String = match example.says.as_str() {
        "console" => example
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("$ "))
            .map(|line| format!("{line}\n"))
            .collect(),
        _ => example.text.clone(),
    };
    let mut bash = amflow_beside(&lab.path(""));
    bash.args(["-c", &format!("{PRELUDE}{script}")]).env("ALERTMANAGER", url).stdin(Stdio::null());
    let outcome = finish(&mut bash);
    if outcome.code == 0 {
        Ok(())
    } else {
        Err(format!("exit {}:\n{}{}", outcome.code, outcome.stdout, outcome.stderr))
    }
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let named = regex::Regex::new(r"`((?:src|tests|docs|benches)/[\w/.]*\w/?)`").unwrap();
    let linked = regex::Regex::new(r"\]\(([\w/.-]+)\)").unwrap();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let named = named.captures_iter(&text).map(|found| root().join(&found[1]));
        let linked = linked.captures_iter(&text).map(|found| page.parent().unwrap().join(&found[1]));
        for path in named.chain(linked) {
            assert!(path.exists(), "{} names {}, which is not there", page.display(), path.display());
        }
    }
}
