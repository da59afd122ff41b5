//! The real program under a wall clock that is set by an hour, forward and back. Nobody sets the clock of the machine for
//! it: a library that is loaded before the C library's own adds what a file says. Alertmanager keeps the right time.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::serve::{FREE, Served};
use crate::support::alertmanager::wait_until;
use crate::support::lab::{Lab, finish, outcome};

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int (*known)(clockid_t, struct timespec *);
static volatile long long *offset;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    void *map = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) abort();
    offset = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!known) known = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = known(clock, time);
    if (!failed && clock == CLOCK_REALTIME && offset) time->tv_sec += *offset;
    return failed;
}
"#;

const HOURS: [i64; 2] = [-1, 1];

/// Makes the library, and a clock that is right.
fn prepare(lab: &Lab) {
    lab.write("clock.c", SHIM);
    let mut cc = lab.command("cc");
    finish(cc.args(["-shared", "-fPIC", "-o", "clock.so", "clock.c", "-ldl"])).code(0);
    fs::write(lab.path("offset"), 0_i64.to_ne_bytes()).unwrap();
}

/// Sets the clock by so many hours from the right time, for all who run under it.
fn set(lab: &Lab, hours: i64) {
    let file = OpenOptions::new().write(true).open(lab.path("offset")).unwrap();
    file.write_all_at(&(hours * 3_600).to_ne_bytes(), 0).unwrap();
}

/// Lets a command run under the clock.
fn under(lab: &Lab, mut command: Command) -> Command {
    command.env("LD_PRELOAD", lab.path("clock.so")).env("CLOCK_OFFSET", lab.path("offset"));
    command
}

fn figure(served: &Served, name: &str) -> f64 {
    let (_, text) = served.get("/metrics");
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map_or(0.0, |v| v.parse().unwrap())
}

#[test]
fn a_service_polls_works_hears_and_lives_on() {
    for hours in HOURS {
        let lab = Lab::new();
        prepare(&lab);
        lab.playbook(
            "waits",
            &format!(
                "matchers: [alertname = A]\n{FREE}steps:\n  - exec: [sh, -c, 'echo \"$0\" >> began', '{{{{ alert.labels.instance }}}}']\n  \
                 - wait: 4s\n  - exec: [sh, -c, 'echo \"$0\" >> out', '{{{{ alert.labels.instance }}}}']\n"
            ),
        );
        lab.playbook("long", &format!("matchers: [alertname = B]\n{FREE}steps:\n  - wait: 2h\n"));
        let socket = UnixDatagram::bind(lab.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let beats = || {
            let mut heard = [0; 256];
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(2) {
                let count = socket.recv(&mut heard).unwrap();
                assert!([&b"READY=1"[..], b"WATCHDOG=1"].contains(&&heard[..count]));
            }
        };
        let mut command = lab.amflow("serve --web.listen-address 127.0.0.1:0 --poll-interval 1s");
        command.env("NOTIFY_SOCKET", lab.path("notify")).env("WATCHDOG_USEC", "1000000");
        let served = Served::launch(&lab, under(&lab, command));
        let labels = |name: &str, instance: &str| json!({"alertname": name, "instance": instance});
        lab.fire(&[labels("A", "before"), labels("B", "x")]);
        wait_until("both runs are under way", || lab.lines("began") == ["before"] && lab.runs().len() == 2);
        let began = Instant::now();
        set(&lab, hours);
        beats();
        let polls = figure(&served, "amflow_polls_total{result=\"success\"}");
        wait_until("it polls", || figure(&served, "amflow_polls_total{result=\"success\"}") >= polls + 2.0);
        wait_until("it goes on after its wait", || lab.lines("out") == ["before"]);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}, set by {hours} h", began.elapsed());
        lab.fire(&[labels("A", "after")]);
        wait_until("what comes is worked on", || lab.lines("out") == ["before", "after"]);
        let runs = lab.run("runs list -o json --playbook waits").code(0).json();
        let first = runs[1]["run"].as_str().unwrap();
        let how = if hours < 0 { "back" } else { "forward" };
        lab.run(&format!("runs show {first}")).code(0).prints(&format!("the clock was set {how} by "));
        let long: Value = lab.run("runs list -o json --playbook long").code(0).json();
        let status = long[0]["status"].as_str().unwrap();
        assert!(["running", "waiting"].contains(&status), "its two hours are not over: {long:#}");
        lab.run(&format!("runs cancel {}", long[0]["run"].as_str().unwrap())).code(0);
        wait_until("it hears that", || {
            lab.run("runs list -o json --playbook long").code(0).json()[0]["status"] == "cancelled"
        });
    }
}

#[test]
fn another_process_takes_nothing_from_one_that_lives() {
    for hours in HOURS {
        let lab = Lab::new();
        prepare(&lab);
        lab.playbook(
            "long",
            "matchers: [alertname = A]\nsteps:\n  - shell: |\n      echo x >> began\n      while [ ! -e go ]; do sleep 0.02; done\n",
        );
        lab.fire(&[json!({"alertname": "A"})]);
        let mut command = under(&lab, lab.amflow("run --poll"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("it works", || lab.lines("began") == ["x"]);
        set(&lab, hours);
        for _ in 0..3 {
            finish(&mut under(&lab, lab.amflow("run --poll"))).code(0).says("nothing to run");
            finish(&mut under(&lab, lab.amflow("runs resume"))).code(0).says("went on with 0 runs");
        }
        lab.write("go", "");
        outcome(child).code(0).says("1 succeeded");
        assert_eq!(lab.lines("began").len(), 1);
    }
}
