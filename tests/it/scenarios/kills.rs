//! `kill -9` at random moments: the next start ends every run well, does nothing twice that must not be, and takes
//! nothing from a process that is alive.

use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::lab::{Lab, outcome, send};

/// Kills, in all; two of three hit a process that goes on after an earlier one.
const KILLS: usize = 100;
/// Alerts that each round fires.
const ALERTS: usize = 24;

/// What every step does: it says that it begins, looks whether a command of another process still lives, hangs when it
/// is told to, and says that it ends. A command that a killed process left must be gone before this one begins.
const STEP: &str = r#"
case "$(cat /proc/$PPID/comm 2>/dev/null)" in amflow)
  for other in alive/*; do
    [ -e "$other" ] && read -r parent pid < "$other" && [ "$parent" != "$PPID" ] || continue
    case "$(cat /proc/$pid/stat 2>/dev/null)" in ''|*') Z '*) ;; *) echo "$AMFLOW_ATTEMPT beside $other" >> violations ;; esac
  done
esac
echo "$PPID $$" > "alive/$2.$1.$PPID"
echo "begin $1 $2 $AMFLOW_ATTEMPT" >> log
if [ -e slow ]; then case "$2$1" in *3once|*5again|*7last) sleep 60 ;; esac; fi
sleep 0.00$3
echo "end $1 $2 $AMFLOW_ATTEMPT" >> log
rm -f "alive/$2.$1.$PPID"
"#;

const PLAYBOOK: &str = r#"matchers: [alertname = Kill]
limits: {cooldown: none, rate: none, targets: none, breaker: none}
steps:
  - when: alert.labels.n | int % 4 == 0
    silence: {duration: 1m}
  - id: once
    exec: [sh, step.sh, once, "{{ alert.labels.n }}", "{{ alert.labels.n | int % 10 }}"]
  - id: again
    idempotent: true
    exec: [sh, step.sh, again, "{{ alert.labels.n }}", "{{ alert.labels.n | int % 7 }}"]
  - id: last
    exec: [sh, step.sh, last, "{{ alert.labels.n }}", "1"]
on_failure:
  - shell: printf 'failed %s %s %s\n' {{ failed.step }} {{ alert.labels.n }} {{ failed.reason }} >> log
finally:
  - idempotent: true
    exec: [sh, step.sh, finally, "{{ alert.labels.n }}", "0"]
"#;

/// Numbers that look random and are the same for the same seed: xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Tells the seed when the test fails.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "a failed test tells how to do it again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with the same numbers: AMFLOW_SEED={}", self.0);
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var("AMFLOW_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    given.unwrap_or_else(|| u64::from(now().subsec_nanos()) << 20 ^ now().as_secs()) | 1
}

/// The moment of a kill must not be one that the program's own doing picks: hence a time, and no condition.
fn kill_after(mut child: Child, after: Duration) {
    let deadline = Instant::now() + after;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(500));
    }
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().unwrap();
}

struct Round<'l> {
    lab: &'l Lab,
}

impl Round<'_> {
    /// Everything that must hold when all runs of a round have ended.
    fn judge(&self, alerts: &[Value], said: &str) {
        let lab = self.lab;
        assert_eq!(lab.read("violations"), "", "{said}\n{}", lab.read("log"));
        let limit = alerts.len() + 1;
        let runs = lab.run(&format!("runs list --limit {limit} -o json -q")).code(0).json();
        let log = lab.lines("log");
        for alert in alerts {
            let n = alert["n"].as_str().unwrap();
            let of: Vec<_> = runs.as_array().unwrap().iter().filter(|run| run["labels"]["n"] == n).collect();
            assert_eq!(of.len(), 1, "one run for alert {n}: {of:#?}\n{said}");
            judge_run(n, of[0], &log, said);
        }
        assert_eq!(lab.silences(), [] as [Value; 0], "{said}");
        for file in fs::read_dir(lab.path("alive")).unwrap() {
            let file = file.unwrap().path();
            let text = fs::read_to_string(&file).unwrap();
            // Later its number may be another process's.
            fs::remove_file(&file).unwrap();
            let pid = text.split_whitespace().last().unwrap_or_default();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(stat.is_empty() || stat.contains(") Z "), "still alive: {stat}\n{said}");
        }
    }
}

fn judge_run(n: &str, run: &Value, log: &[String], said: &str) {
    let count = |what: &str, step: &str| {
        let wanted = format!("{what} {step} {n} ");
        log.iter().filter(|line| line.starts_with(&wanted)).count()
    };
    let story = || format!("alert {n}: {run:#}\n{log:#?}\n{said}");
    for step in ["once", "last"] {
        assert!(count("begin", step) <= 1, "{step} twice: {}", story());
    }
    let mut marks = BTreeMap::new();
    for line in log.iter().filter(|line| line.starts_with("begin ")) {
        *marks.entry(line.split_whitespace().last().unwrap()).or_insert(0) += 1;
    }
    assert!(marks.values().all(|count| *count == 1), "an attempt was begun twice: {marks:#?}");
    assert!(count("end", "finally") >= 1, "finally: {}", story());
    let status = run["status"].as_str().unwrap();
    let failures = count("failed", "once") + count("failed", "last");
    match status {
        "succeeded" => {
            for step in ["once", "again", "last"] {
                assert!(count("end", step) >= 1, "{step}: {}", story());
            }
            assert_eq!(failures, 0, "{}", story());
        }
        "failed" => {
            let reason = run["reason"].as_str().unwrap();
            let step = ["once", "last"].into_iter().find(|step| reason.starts_with(&format!("{step}: ")));
            let Some(step) = step else { panic!("{}", story()) };
            assert!(reason.contains("lost"), "{}", story());
            if step == "once" {
                assert_eq!(count("begin", "again") + count("begin", "last"), 0, "{}", story());
            }
            assert!(failures <= 1, "{}", story());
        }
        _ => panic!("{}", story()),
    }
}

#[test]
fn a_hundred_kills_at_random_moments_leave_nothing_undone_and_do_nothing_twice() {
    let lab = Lab::new();
    lab.configure("limits: {running: none, starts: none}\nparallel: 6\n");
    lab.playbook("chain", PLAYBOOK);
    lab.write("step.sh", STEP);
    fs::create_dir(lab.path("alive")).unwrap();
    let seed = Seed(seed());
    let mut dice = Dice(seed.0);
    let round = Round { lab: &lab };
    let (mut kills, mut next, mut lost) = (0, 0, 0);
    let mut whole = Duration::from_millis(600);
    while kills < KILLS {
        let alerts: Vec<Value> =
            (next..next + ALERTS).map(|n| json!({"alertname": "Kill", "n": n.to_string()})).collect();
        next += ALERTS;
        lab.fire(&alerts);
        for file in ["log", "violations"] {
            let _ = fs::remove_file(lab.path(file));
        }
        if dice.below(3) == 0 {
            lab.write("slow", "");
        }
        for turn in 0..3 {
            let micros = dice.below(u64::try_from(whole.as_micros()).unwrap());
            let args = if turn > 0 && dice.below(2) == 0 { "runs resume" } else { "run --poll" };
            let child = lab.start(args);
            kill_after(child, Duration::from_micros(micros));
            kills += 1;
        }
        let _ = fs::remove_file(lab.path("slow"));
        let begun = Instant::now();
        // What was admitted is gone on with by `resume`; the poll also admits what was not.
        let mut said = String::new();
        for args in ["runs resume", "run --poll"] {
            let end = outcome(lab.start(args));
            assert!(matches!(end.code, 0 | 1), "{args} ended with {}: {}", end.code, end.stderr);
            said.push_str(&end.stderr);
        }
        whole = begun.elapsed();
        lost += said.matches("lost").count();
        round.judge(&alerts, &said);
        lab.resolve(&alerts);
    }
    assert!(lost > 0, "no kill hit a step: the moments are badly chosen");
}

#[test]
fn nothing_is_taken_from_a_process_that_is_alive() {
    let lab = Lab::new();
    lab.playbook(
        "long",
        "matchers: [alertname = A]\nsteps:\n  - shell: |\n      echo x >> begun\n      touch began\n      while [ ! -e go ]; do sleep 0.02; done\n",
    );
    lab.fire(&[json!({"alertname": "A"})]);
    let child = lab.start("run --poll");
    lab.await_file("began");
    lab.run("run --poll").code(0).says("nothing to run");
    lab.run("runs resume").code(0).says("went on with 0 runs");
    let id = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs resume {id}")).code(0).says("went on with 0 runs");
    // One that is stopped is alive, too.
    send("STOP", child.id());
    lab.run("run --poll").code(0).says("nothing to run");
    send("CONT", child.id());
    lab.write("go", "");
    outcome(child).code(0).says("1 succeeded");
    assert_eq!(lab.lines("begun").len(), 1);
}
