//! Input that is much larger than memory should be: only what matches is kept.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::support::lab::{Lab, Outcome, outcome};

/// Bytes of one alert, nearly all of them in an annotation.
const ALERT: usize = 1_000;

/// Pipes so many alerts in, of which one matches; returns the most memory that they took, in KiB.
fn pipe(lab: &Lab, count: usize) -> (u64, Outcome) {
    let mut child = lab
        .amflow("plan --from -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let alert = |n: usize| {
        let labels = format!(r#""alertname":"Big{}","instance":"host-{n}""#, n % 7);
        let start =
            format!(r#"{{"labels":{{{labels}}},"startsAt":"2026-01-01T00:00:00Z","annotations":{{"text":""#);
        format!("{start}{}\"}}}}", "x".repeat(ALERT - start.len() - 3))
    };
    write!(stdin, "[{}", alert(0)).unwrap();
    for n in 1..count {
        write!(stdin, ",\n{}", alert(n)).unwrap();
    }
    stdin.flush().unwrap();
    // All but what the pipe holds has been read, and the end has not come.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = line.trim().trim_end_matches(" kB").parse().unwrap();
    write!(stdin, "]").unwrap();
    drop(stdin);
    (peak, outcome(child))
}

#[test]
fn an_array_of_any_size_takes_no_more_memory_than_a_small_one() {
    let lab = Lab::alone();
    lab.playbook(
        "one",
        "matchers: [alertname = Big3, instance = host-3]\nrecheck: never\nsteps:\n  - exec: ['true']\n",
    );
    let (small, outcome) = pipe(&lab, 1_000);
    outcome.code(0).says("1000 alerts read").says("1 run would start");
    let (large, outcome) = pipe(&lab, 80_000);
    outcome.code(0).says("80000 alerts read").says("1 run would start");
    assert!(large < small + 16 * 1_024, "{large} KiB for 80 MB, {small} KiB for 1 MB");
}
