//! What becomes of the store under a service and under one-shot runs: full, locked, read-only, moved, deleted, damaged.
//! Nothing that was answered is lost, nothing is done twice, and `docs/recovery.md` says how to mend it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::serve::{FREE, Served, playbook, webhook};
use crate::support::alertmanager::{wait_for, wait_until};
use crate::support::lab::{Lab, Outcome, finish, outcome};
use crate::support::program::root;

/// A first step that waits for a file, so that something is under way when the store fails; what both did is told.
fn lab() -> Lab {
    let lab = Lab::alone();
    lab.playbook(
        "fix",
        &format!(
            "matchers: [alertname = A]\n{FREE}steps:\n  - id: first\n    shell: |\n      \
             echo \"began {{{{ alert.labels.instance }}}}\" >> out\n      while [ ! -e go ]; do sleep 0.02; done\n      \
             echo \"ended {{{{ alert.labels.instance }}}}\" >> out\n  - id: second\n    \
             exec: [sh, -c, 'echo \"second $0\" >> out', '{{{{ alert.labels.instance }}}}']\n"
        ),
    );
    lab
}

/// Starts a service and a run of it, and comes back when its first step is under way.
fn busy(lab: &Lab) -> Served {
    let served = Served::start(lab, "");
    served.deliver(&webhook(&[("x", "firing")]));
    wait_until("it works", || lab.lines("out") == ["began x"]);
    served
}

/// Delivers an alert and returns the status and what the answer says.
fn tell(served: &Served, instance: &str) -> (u16, String) {
    served.ask("POST", "/webhook", "", webhook(&[(instance, "firing")]).to_string().as_bytes())
}

/// Everything of these alerts was done once, and each has one run, which succeeded.
fn all_is_well(lab: &Lab, instances: &[&str]) {
    wait_for(Duration::from_secs(40), "all runs are over", || {
        let runs = lab.runs();
        runs.len() == instances.len() && runs.iter().all(|run| run["status"] == "succeeded")
    });
    let mut out = lab.lines("out");
    out.sort();
    let mut wanted: Vec<String> = ["began", "ended", "second"]
        .iter()
        .flat_map(|what| instances.iter().map(move |instance| format!("{what} {instance}")))
        .collect();
    wanted.sort();
    assert_eq!(out, wanted, "{}", lab.read("serve.log"));
}

fn log_says(lab: &Lab, wanted: &str) {
    wait_until(&format!("the log says `{wanted}`"), || lab.read("serve.log").contains(wanted));
    let log = lab.read("serve.log");
    assert!(log.contains("store/amflow.db"), "the place is not in\n{log}");
}

/// Lets the files of a process grow to so many bytes, or without a bound again.
fn limit_files(pid: u32, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

fn size(lab: &Lab, name: &str) -> u64 {
    fs::metadata(lab.path(name)).unwrap().len()
}

#[test]
fn when_the_disk_is_full_deliveries_are_refused_and_what_was_done_is_recorded_once_there_is_room() {
    let lab = lab();
    let served = busy(&lab);
    limit_files(served.child.id(), Some(size(&lab, "store/amflow.db-wal")));
    let (status, text) = tell(&served, "y");
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("the store cannot grow"), "{text}");
    log_says(&lab, "cannot grow: file too large");
    assert_eq!((served.get("/-/healthy").0, served.get("/-/ready").0), (200, 200));
    lab.write("go", "");
    wait_until("the step has ended", || lab.lines("out") == ["began x", "ended x"]);
    wait_until("its run waits", || lab.read("serve.log").contains("waits until what it did is recorded"));
    assert_eq!(lab.only_run()["status"], "running");
    assert_eq!(tell(&served, "y").0, 503);
    limit_files(served.child.id(), None);
    wait_until("it goes on", || lab.only_run()["status"] == "succeeded");
    assert_eq!(tell(&served, "y").0, 200);
    all_is_well(&lab, &["x", "y"]);
}

#[test]
fn while_another_process_holds_the_lock_deliveries_come_again_and_nothing_is_lost() {
    let lab = lab();
    let served = busy(&lab);
    let other = Connection::open(lab.path("store/amflow.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = Instant::now();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut refused = 0;
            // As Alertmanager does: until it is taken.
            loop {
                match tell(&served, "y") {
                    (200, _) => return refused,
                    (503, text) => assert!(text.contains("the store is busy"), "{text}"),
                    (status, text) => panic!("{status}: {text}"),
                }
                assert!(locked.elapsed() < Duration::from_secs(60), "it is never taken");
                refused += 1;
            }
        });
        lab.write("go", "");
        let run = lab.run("run --poll --alertmanager.url http://127.0.0.1:9");
        assert_eq!(run.code, 3, "{}", run.stderr);
        lab.pipe("run", webhook(&[("z", "firing")]).to_string())
            .code(3)
            .says("is busy: another process has held its lock for 10s")
            .says("store/amflow.db");
        assert_eq!(lab.only_run()["status"], "running", "it can be read");
        // The time is the fault itself: nobody tells when the other process has been at it for long enough.
        thread::sleep(Duration::from_secs(30).saturating_sub(locked.elapsed()));
        assert_eq!(lab.lines("out"), ["began x", "ended x"], "nothing more is begun that is not recorded");
        other.execute_batch("ROLLBACK").unwrap();
        assert!(sender.join().unwrap() >= 1);
    });
    log_says(&lab, "is busy: another process has held its lock for 10s");
    // Its lease is long over, and it lives: nobody takes its runs.
    all_is_well(&lab, &["x", "y"]);
}

#[test]
fn a_store_that_was_moved_away_takes_nothing_and_goes_on_when_it_is_back() {
    let lab = lab();
    let served = busy(&lab);
    fs::rename(lab.path("store"), lab.path("aside")).unwrap();
    let (status, text) = tell(&served, "y");
    assert_eq!(status, 503, "{text}");
    log_says(&lab, "it was deleted, moved or replaced while amflow was using it: move it back as it was");
    wait_until("it is not ready", || served.get("/-/ready").0 == 503);
    lab.write("go", "");
    wait_until("the step has ended", || lab.lines("out").len() == 2);
    assert_eq!(tell(&served, "y").0, 503);
    fs::rename(lab.path("aside"), lab.path("store")).unwrap();
    wait_until("it is taken", || tell(&served, "y").0 == 200);
    all_is_well(&lab, &["x", "y"]);
    assert_eq!(served.get("/-/ready").0, 200);
}

#[test]
fn a_store_that_was_deleted_takes_nothing_and_the_next_start_begins_afresh() {
    let lab = lab();
    let mut served = busy(&lab);
    fs::remove_dir_all(lab.path("store")).unwrap();
    assert_eq!(tell(&served, "y").0, 503);
    // Another file in its place is not it.
    fs::create_dir(lab.path("store")).unwrap();
    lab.write("store/amflow.db", "");
    assert_eq!(tell(&served, "y").0, 503);
    log_says(&lab, "it was deleted, moved or replaced");
    assert_eq!(size(&lab, "store/amflow.db"), 0, "nor is it written to");
    fs::remove_dir_all(lab.path("store")).unwrap();
    lab.write("go", "");
    wait_until("the step has ended", || lab.lines("out").len() == 2);
    lab.configure("server: {drain_timeout: 1s}\n");
    assert_eq!(served.ask("POST", "/-/reload", "", b"").0, 200);
    served.end("TERM");
    drop(served);
    recovery(&lab, "Start afresh", &["aside"]);
    let served = Served::start(&lab, "");
    assert_eq!(tell(&served, "y").0, 200);
    wait_until("it works", || lab.runs().len() == 1 && lab.only_run()["status"] == "succeeded");
}

#[test]
fn what_one_shot_runs_cannot_record_they_do_not_begin() {
    let lab = lab();
    lab.write("go", "");
    let body = |instance: &str| webhook(&[(instance, "firing")]).to_string();
    lab.pipe("run", body("w")).code(0);
    let done = lab.lines("out").len();
    let limited = |blocks: u64, instance: &str| -> Outcome {
        lab.write("alerts.json", &body(instance));
        let script =
            format!("ulimit -f {blocks}; exec '{}' run --from alerts.json", env!("CARGO_BIN_EXE_amflow"));
        finish(lab.command("bash").args(["-c", &script]))
    };
    // In units of 1024 bytes: less than the tables, and less than one more run.
    limited(8, "y").code(3).says("store/amflow.db").says("cannot grow: file too large");
    assert_eq!((lab.lines("out").len(), lab.runs().len()), (done, 1));
    fs::rename(lab.path("store"), lab.path("aside")).unwrap();
    limited(8, "y").code(3).says("store/amflow.db").says("cannot grow");
    fs::remove_dir_all(lab.path("store")).unwrap();
    fs::rename(lab.path("aside"), lab.path("store")).unwrap();
    // With room again it works.
    limited(8_192, "y").code(0).says("1 succeeded");

    // In the middle of a step.
    fs::remove_file(lab.path("go")).unwrap();
    let begin = |instance: &str| {
        lab.write("alerts.json", &body(instance));
        let child = lab.start("run --from alerts.json");
        wait_until("it works", || lab.lines("out").contains(&format!("began {instance}")));
        child
    };
    let child = begin("full");
    limit_files(child.id(), Some(size(&lab, "store/amflow.db-wal")));
    lab.write("go", "");
    wait_until("the step has ended", || lab.lines("out").contains(&"ended full".to_owned()));
    limit_files(child.id(), None);
    outcome(child).code(0).says("1 succeeded");

    fs::remove_file(lab.path("go")).unwrap();
    let child = begin("moved");
    fs::rename(lab.path("store"), lab.path("aside")).unwrap();
    lab.write("go", "");
    outcome(child).code(3).says("it was deleted, moved or replaced").says("store/amflow.db");
    assert!(!lab.lines("out").contains(&"second moved".to_owned()), "{:?}", lab.lines("out"));
    fs::rename(lab.path("aside"), lab.path("store")).unwrap();
    lab.run("runs resume").code(1).says("lost");
}

/// Lets a command be run by a user who is nobody, and who has everything in the lab: root may write everywhere.
fn as_nobody(lab: &Lab, mut command: Command) -> Command {
    const NOBODY: u32 = 65_534;
    if rustix::process::geteuid().is_root() {
        let mut open = vec![lab.path("")];
        while let Some(path) = open.pop() {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            if path.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Returns the program where everybody may start it.
fn program(lab: &Lab) -> PathBuf {
    let program = lab.path("amflow");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_amflow"), &program).unwrap();
    }
    program
}

#[test]
fn a_store_that_may_only_be_read_is_listed_and_starts_nothing() {
    let lab = lab();
    lab.write("go", "");
    lab.write("alerts.json", &webhook(&[("x", "firing")]).to_string());
    let run = |args: &str| -> Outcome {
        let mut command = lab.command(program(&lab));
        command.args(args.split(' '));
        finish(&mut as_nobody(&lab, command))
    };
    run("run --from alerts.json").code(0).says("1 succeeded");
    lab.write("alerts.json", &webhook(&[("y", "firing")]).to_string());
    let file = lab.path("store/amflow.db");
    let modes = |file_mode: u32, mode: u32| {
        fs::set_permissions(&file, fs::Permissions::from_mode(file_mode)).unwrap();
        fs::set_permissions(lab.path("store"), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (file_mode, mode) in [(0o400, 0o500), (0o400, 0o700)] {
        modes(file_mode, mode);
        for args in ["run --from alerts.json", "serve --web.listen-address 127.0.0.1:0"] {
            run(args)
                .code(3)
                .says("store/amflow.db")
                .says("it can be read, but not written")
                .says("run amflow as that user, or name another place with `--store`");
        }
        run("runs list").code(0).prints("succeeded");
        assert!(!lab.path("store/amflow.db-wal").exists(), "nothing is left that would stand in the way");
    }
    assert_eq!(lab.lines("out").len(), 3, "nothing was begun");
    modes(0o600, 0o700);
    run("run --from alerts.json").code(0).says("1 succeeded");
}

/// Overwrites the first page of a table.
fn damage(lab: &Lab, table: &str) {
    let file = lab.path("store/amflow.db");
    let (page, size): (u64, u64) = {
        let conn = Connection::open(&file).unwrap();
        let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs();
        (
            number(&format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")),
            number("PRAGMA page_size"),
        )
    };
    let mut bytes = fs::read(&file).unwrap();
    let at = usize::try_from((page - 1) * size).unwrap();
    bytes[at..at + usize::try_from(size).unwrap()].fill(0xa5);
    fs::write(&file, bytes).unwrap();
}

/// Does what a section of `docs/recovery.md` says, with the lab's places; the service is ended and started by who calls.
fn recovery(lab: &Lab, section: &str, not_there: &[&str]) {
    let text = fs::read_to_string(root().join("docs/recovery.md")).unwrap();
    let section =
        text.split(&format!("\n## {section}\n")).nth(1).unwrap_or_else(|| panic!("no section {section}"));
    let script = section.split("```sh no-run\n").nth(1).unwrap().split("```").next().unwrap();
    let place = |name: &str| lab.path(name).display().to_string();
    let script =
        script.replace("/var/lib/amflow", &place("store")).replace("/var/backups", &place("backups"));
    for name in not_there {
        let _ = fs::remove_dir_all(lab.path(name));
    }
    fs::create_dir_all(lab.path("store")).unwrap();
    fs::create_dir_all(lab.path("backups")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_amflow")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut bash = lab.command("bash");
    bash.env("PATH", path).args(["-c", &format!("systemctl() {{ :; }}\nset -u\n{script}")]);
    let outcome = finish(&mut bash);
    assert_eq!(outcome.code, 0, "{script}\n{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn a_damaged_store_takes_nothing_and_what_can_be_read_of_it_is_kept() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    let many: Vec<String> = (0..40).map(|n| format!("h{n:02}")).collect();
    let all: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "firing")).collect();
    lab.pipe("run", webhook(&all).to_string()).code(0).says("40 succeeded");
    recovery(&lab, "Copy", &[]);
    recovery(&lab, "Look for damage", &[]);
    damage(&lab, "episodes_by_alert");
    {
        let served = Served::start(&lab, "");
        let (status, text) = tell(&served, "new");
        assert_eq!((status, text.contains("the store failed")), (503, true), "{text}");
        log_says(&lab, "the database is damaged");
        log_says(&lab, "docs/recovery.md");
        assert_eq!(served.get("/-/healthy").0, 200);
    }
    lab.pipe("run", webhook(&[("new", "firing")]).to_string())
        .code(3)
        .says("store/amflow.db")
        .says("the database is damaged");
    assert_eq!(lab.lines("out").len(), 40, "nothing was begun");
    fs::create_dir(lab.path("damaged")).unwrap();
    fs::copy(lab.path("store/amflow.db"), lab.path("damaged/amflow.db")).unwrap();

    for section in ["Keep what can be read", "Put a copy back"] {
        let _ = fs::remove_dir_all(lab.path("store"));
        fs::create_dir(lab.path("store")).unwrap();
        fs::copy(lab.path("damaged/amflow.db"), lab.path("store/amflow.db")).unwrap();
        recovery(&lab, section, &[]);
        let served = Served::start(&lab, "");
        let before = lab.lines("out").len();
        for instance in ["h00", "h39", "new"] {
            assert_eq!(tell(&served, instance).0, 200, "{section}: {}", lab.read("serve.log"));
        }
        wait_until("the new one is worked on", || lab.lines("out").len() > before);
        assert_eq!(lab.lines("out")[before..], ["new"], "{section}: what is claimed is known");
        let runs: Vec<Value> = lab.runs();
        assert_eq!(runs.len(), 41, "{section}");
        assert_eq!(runs[1]["status"], json!("succeeded"));
    }
}
