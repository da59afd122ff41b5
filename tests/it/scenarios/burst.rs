//! A burst from two Alertmanagers of a cluster, both sending, while the receiver is killed again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::serve::{FREE, Served, sends_to};
use crate::support::alertmanager::{Alertmanager, free_port, wait_for, wait_until};
use crate::support::lab::{Lab, time};

const ALERTS: usize = 400;
const KILLS: usize = 5;
/// Runs worked on at the same time: so many a kill can hit.
const PARALLEL: usize = 8;
const LONG: Duration = Duration::from_secs(150);

/// Says that it begins and that it ends: a kill in between is seen by the one without the other.
const STEP: &str =
    "echo begin $1 $2 $AMFLOW_ATTEMPT >> log; sleep 0.05; echo end $1 $2 $AMFLOW_ATTEMPT >> log\n";

fn playbook(how: &str, idempotent: bool) -> String {
    format!(
        "matchers: [alertname = A]\n{FREE}steps:\n  - id: work\n    idempotent: {idempotent}\n    \
         exec: [sh, step.sh, {how}, '{{{{ alert.labels.instance }}}}']\n"
    )
}

/// What the log says of a playbook's steps, by alert: how often they began, and how often they ended.
fn told(lab: &Lab, how: &str) -> BTreeMap<String, (usize, usize)> {
    let mut told = BTreeMap::<String, (usize, usize)>::new();
    for line in lab.lines("log") {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, which, alert, _] = words[..] else { panic!("{line}") };
        if which == how {
            let of_alert = told.entry(alert.to_owned()).or_default();
            if what == "begin" { of_alert.0 += 1 } else { of_alert.1 += 1 }
        }
    }
    told
}

fn notified(am: &Alertmanager) -> f64 {
    let metrics = am.get("/metrics").unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("alertmanager_notifications_total{integration=\"webhook\"} "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_burst_from_two_alertmanagers_and_five_kills_lose_nothing_and_run_nothing_twice() {
    let lab = Lab::alone();
    lab.configure("limits: {running: none, starts: none}\n");
    lab.write("step.sh", STEP);
    for (how, idempotent) in [("again", true), ("once", false)] {
        lab.playbook(how, &playbook(how, idempotent));
    }
    let port = free_port();
    let start = || Served::start_at(&lab, port, &format!("--parallel {PARALLEL}"));
    let mut served = start();
    // Neither waits for the other to have told of an alert: each tells of every one.
    let config = sends_to(&served.url());
    let first = Alertmanager::start_clustered_with(&config, &["--cluster.peer-timeout=0s"]);
    let second = first.start_peer(&config);

    let store = Connection::open(lab.path("store/amflow.db")).unwrap();
    store.busy_timeout(LONG).unwrap();
    let count = |of: &str| -> usize {
        let sql = format!("SELECT count(*) FROM runs WHERE {of}");
        usize::try_from(store.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
    };
    let names: Vec<String> = (0..ALERTS).map(|n| format!("h{n:03}")).collect();
    let begun = || lab.lines("log").iter().filter(|line| line.starts_with("begin ")).count();
    for part in names.chunks(ALERTS / KILLS) {
        let (before, begun_before) = (count("TRUE"), begun());
        let alerts: Vec<Value> = part
            .iter()
            .map(|name| json!({"labels": {"alertname": "A", "instance": name}, "startsAt": time(-60), "endsAt": time(3_600)}))
            .collect();
        let body = serde_json::to_string(&alerts).unwrap();
        first.post("/api/v2/alerts", &body);
        second.post("/api/v2/alerts", &body);
        wait_until("some of them are claimed, and all hands are full", || {
            count("TRUE") > before + part.len() / 4 && begun() > begun_before + 2 * PARALLEL
        });
        served.end("KILL");
        served = start();
    }
    wait_for(LONG, "all runs are over", || count("finished_at IS NOT NULL") >= 2 * ALERTS);

    let mut runs = BTreeMap::<(String, String), Vec<Value>>::new();
    for run in lab.runs() {
        let key = |pointer: &str| run.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        runs.entry((key("/playbook"), key("/labels/instance"))).or_default().push(run);
    }
    let mut marks = BTreeMap::<String, usize>::new();
    for line in lab.lines("log").iter().filter(|line| line.starts_with("begin ")) {
        *marks.entry(line.rsplit(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    assert!(marks.values().all(|times| *times == 1), "an attempt was begun twice: {marks:#?}");
    let (again, once) = (told(&lab, "again"), told(&lab, "once"));
    let (mut lost, mut repeated) = (0, 0);
    for name in &names {
        for how in ["again", "once"] {
            let of = runs.get(&(how.to_owned(), name.clone())).map_or(&[][..], Vec::as_slice);
            assert_eq!(of.len(), 1, "{how} has one run for {name}: {of:#?}");
        }
        let run = &runs[&("again".to_owned(), name.clone())][0];
        assert_eq!(run["status"], "succeeded", "{run:#}");
        assert!(again[name].1 >= 1, "{name}: {:?}", again[name]);
        repeated += again[name].0 - 1;
        let run = &runs[&("once".to_owned(), name.clone())][0];
        let (begun, ended) = once.get(name).copied().unwrap_or_default();
        if run["status"] == "succeeded" {
            assert_eq!((begun, ended), (1, 1), "{run:#}");
        } else {
            assert!(run["reason"].as_str().unwrap().starts_with("work: lost"), "{run:#}");
            assert!(begun <= 1, "{run:#}");
            lost += 1;
        }
    }
    assert!(lost + repeated > 0, "no kill hit a step: the moments are badly chosen");
    assert!(lost <= KILLS * PARALLEL, "only what was under way is lost: {lost}");
    // One that had told of everything before the last kill tells nothing again.
    for am in [&first, &second] {
        assert!(notified(am) >= f64::from(u32::try_from(ALERTS / 2).unwrap()), "{}", notified(am));
    }
}
