//! The program as people start it.

use std::fs;
use std::process::Command as Process;

use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;

use crate::support::program::{amflow, fresh, root};

#[test]
fn completions_and_manual_are_those_of_the_program() {
    let home = tempfile::tempdir().unwrap();
    for (shell, name) in [("bash", "amflow.bash"), ("zsh", "_amflow"), ("fish", "amflow.fish")] {
        let output = amflow(home.path()).args(["completions", shell]).output().unwrap();
        fresh(&root().join("completions").join(name), &output.stdout);
    }
    amflow(home.path()).args(["man", "--dir", "pages"]).assert().success();
    for page in fs::read_dir(home.path().join("pages")).unwrap() {
        let page = page.unwrap().path();
        fresh(&root().join("man").join(page.file_name().unwrap()), &fs::read(&page).unwrap());
    }
}

#[test]
fn the_demo_tells_its_story_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let output = amflow(home.path()).env("TMPDIR", home.path()).arg("demo").assert().success();
    output
        .stdout(contains("verify: succeeded").and(contains("mutes its alert no longer")))
        .stderr(contains("1 run, 1 succeeded").and(contains("nothing to run")));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_init_writes_is_valid_and_is_not_written_twice() {
    let home = tempfile::tempdir().unwrap();
    amflow(home.path()).arg("init").assert().success();
    amflow(home.path()).arg("validate").assert().success().stderr(contains("1 file read: 0 problems"));
    amflow(home.path())
        .arg("init")
        .assert()
        .code(2)
        .stderr(contains("is there already: nothing was written"));
}

#[test]
fn shipped_playbooks_are_valid() {
    let home = tempfile::tempdir().unwrap();
    let output = amflow(home.path()).arg("validate").arg(root().join("playbooks")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn problems_are_said_with_their_place_and_end_with_code_1() {
    let home = tempfile::tempdir().unwrap();
    let bad = "version: 1\nname: bad\nmatchers: ['severity != info']\nsteps:\n  - shel: echo hi\n";
    fs::write(home.path().join("bad.yaml"), bad).unwrap();
    amflow(home.path())
        .args(["validate", "bad.yaml"])
        .assert()
        .code(1)
        .stdout(contains("bad.yaml:5:5").and(contains("did you mean `shell`?")));
}

#[test]
fn an_empty_pipe_is_an_error_and_never_a_poll() {
    let home = tempfile::tempdir().unwrap();
    amflow(home.path()).arg("init").assert().success();
    amflow(home.path()).arg("run").write_stdin("").assert().code(3).stderr(contains("--poll"));
}

#[test]
fn broken_input_starts_nothing_and_says_where() {
    let home = tempfile::tempdir().unwrap();
    amflow(home.path()).arg("init").assert().success();
    amflow(home.path())
        .arg("run")
        .write_stdin("[{\"labels\":{\"alertname\":\"A\"}},")
        .assert()
        .code(2)
        .stderr(contains("stdin"));
    assert!(!home.path().join(".local/state/amflow").exists(), "no store is made for nothing");
}

#[test]
fn a_piped_alert_runs_once_and_a_label_is_never_code() {
    let home = tempfile::tempdir().unwrap();
    let playbook = "version: 1\nname: once\nmatchers: [alertname = A]\nrecheck: never\nsteps:\n  \
                    - shell: |\n      printf '%s\\n' {{ alert.labels.x }} >> ran\n";
    fs::write(home.path().join("once.yaml"), playbook).unwrap();
    let alert = r#"[{"labels":{"alertname":"A","x":"$(touch pwned);`touch pwned`"},"startsAt":"2026-01-01T00:00:00Z"}]"#;
    for says in ["1 run, 1 succeeded", "nothing to run, 1 already done"] {
        amflow(home.path())
            .args(["run", "-p", "once.yaml"])
            .write_stdin(alert)
            .assert()
            .success()
            .stderr(contains(says));
    }
    assert_eq!(fs::read_to_string(home.path().join("ran")).unwrap(), "$(touch pwned);`touch pwned`\n");
    assert!(!home.path().join("pwned").exists());
}

#[test]
fn a_failing_run_ends_with_code_1_and_its_story_says_why() {
    let home = tempfile::tempdir().unwrap();
    let playbook = "version: 1\nname: fails\nmatchers: [alertname = A]\nrecheck: never\nsteps:\n  \
                    - id: no\n    exec: [sh, -c, 'echo because >&2; exit 3']\n";
    fs::write(home.path().join("fails.yaml"), playbook).unwrap();
    let alert = r#"[{"labels":{"alertname":"A"},"startsAt":"2026-01-01T00:00:00Z"}]"#;
    let ended =
        amflow(home.path()).args(["run", "-p", "fails.yaml", "-o", "json"]).write_stdin(alert).assert();
    let ended = ended.code(1).stderr(contains("no: failed: exit code 3: because"));
    let output = ended.get_output().stdout.clone();
    let report: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(report["runs"][0]["status"], "failed");
    let id = report["runs"][0]["run"].as_str().unwrap();
    amflow(home.path())
        .args(["runs", "show", id])
        .assert()
        .success()
        .stdout(contains("because").and(contains("exit code 3")));
}

#[test]
fn a_pause_holds_everything_until_it_is_ended() {
    let home = tempfile::tempdir().unwrap();
    let playbook =
        "version: 1\nname: p\nmatchers: [alertname = A]\nrecheck: never\nsteps:\n  - exec: ['true']\n";
    fs::write(home.path().join("p.yaml"), playbook).unwrap();
    let alert = r#"[{"labels":{"alertname":"A"},"startsAt":"2026-01-01T00:00:00Z"}]"#;
    let run = || amflow(home.path()).args(["run", "-p", "p.yaml"]).write_stdin(alert).assert();
    amflow(home.path()).args(["pause", "--reason", "works on the network"]).assert().success();
    run().success().stderr(contains("everything is paused").and(contains("works on the network")));
    amflow(home.path()).arg("unpause").assert().success();
    run().success().stderr(contains("1 run, 1 succeeded"));
}

#[test]
fn the_configuration_for_alertmanager_passes_its_own_check() {
    let home = tempfile::tempdir().unwrap();
    let printed = amflow(home.path()).arg("alertmanager-config").output().unwrap().stdout;
    let file = home.path().join("am.yml");
    fs::write(&file, printed).unwrap();
    let checked = Process::new("amtool").arg("check-config").arg(&file).output();
    let checked = checked.expect("amtool is needed: apt-get install prometheus-alertmanager");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn runs_with_one_concurrency_key_never_overlap() {
    let home = tempfile::tempdir().unwrap();
    let playbook = "version: 1\nname: k\nmatchers: [alertname = A]\nrecheck: never\nlimits: {targets: none}\n\
                    concurrency: {key: one}\nsteps:\n  - shell: |\n      mkdir busy\n      sleep 0.1\n      rmdir busy\n";
    fs::write(home.path().join("k.yaml"), playbook).unwrap();
    let alerts: Vec<_> = (0..6)
        .map(|n| serde_json::json!({"labels": {"alertname": "A", "n": n.to_string()}, "startsAt": "2026-01-01T00:00:00Z"}))
        .collect();
    amflow(home.path())
        .args(["run", "-p", "k.yaml", "--parallel", "4"])
        .write_stdin(serde_json::to_string(&alerts).unwrap())
        .assert()
        .success()
        .stderr(contains("6 runs, 6 succeeded"));
}
