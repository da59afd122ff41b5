//! `amflow report` and `amflow runs` over a store that the program filled.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::lab::Lab;

const MENDS: &str = "\
matchers: [alertname =~ \"A|B\"]
recheck: never
limits: {cooldown: none, rate: none, targets: none, breaker: none}
steps:
  - id: look
    exec: [echo, looked]
    read_only: true
  - id: mend
    when: alert.labels.team == \"x\"
    exec: [test, \"{{ alert.labels.alertname }}\", =, A]
";

fn alert(name: &str, team: &str) -> Value {
    json!({
        "labels": {"alertname": name, "team": team, "evil": "<script>alert(1)</script>"},
        "annotations": {"summary": "it is so"},
        "startsAt": "2026-01-01T00:00:00Z",
    })
}

/// A store with three runs: one that mended, one that failed, one that only looked.
fn filled() -> Lab {
    let lab = Lab::alone();
    lab.playbook("mends", MENDS);
    lab.pipe("run -q", json!([alert("A", "x"), alert("B", "x"), alert("B", "y")]).to_string()).code(1);
    lab
}

#[test]
fn a_report_counts_what_the_journals_say() {
    let lab = filled();
    let told = lab.run("report -o json").code(0).json();
    let total = &told["total"];
    assert_eq!(
        (&total["runs"], &total["outcomes"]["succeeded"], &total["outcomes"]["failed"], &total["unchanged"]),
        (&json!(3), &json!(2), &json!(1), &json!(1)),
        "{told:#}"
    );
    assert_eq!((&total["alerts"], &total["recovered"]), (&json!(3), &json!(0)), "{told:#}");
    let names: Vec<_> = told["alertnames"].as_array().unwrap().iter().map(|g| g["name"].clone()).collect();
    assert_eq!(names, ["B", "A"]);
    // Their ends become known: by a body that says so.
    let ended = |name: &str, team: &str| {
        let mut alert = alert(name, team);
        alert["endsAt"] = json!("2026-01-01T00:10:00Z");
        alert["status"] = json!({"state": "active"});
        alert
    };
    lab.pipe("run -q", json!([ended("A", "x"), ended("B", "y")]).to_string()).code(0);
    let total = lab.run("report -o json").code(0).json()["total"].clone();
    assert_eq!((&total["recovered"], &total["recovery_seconds"]), (&json!(2), &json!(1_200.0)), "{total:#}");
    assert_eq!(total["time_to_recovery"]["p50"], json!(600.0));
}

#[test]
fn a_report_is_of_a_period_a_playbook_and_of_alerts_that_match() {
    let lab = filled();
    for (args, runs) in [
        ("", 3),
        ("--playbook mends", 3),
        ("--playbook other", 0),
        ("team=x", 2),
        ("team=x alertname!=A", 1),
        ("--since 1h", 3),
        ("--since 2026-01-01 --until 2026-02-01", 0),
        ("--since 30d --until 1d", 0),
    ] {
        let told = lab.run(&format!("report -o json {args}")).code(0).json();
        assert_eq!(told["total"]["runs"], json!(runs), "{args}");
        let listed = lab.run(&format!("runs list -o json {args}")).code(0).json();
        assert_eq!(listed.as_array().unwrap().len(), runs, "{args}");
    }
    lab.run("report --since soon").code(2).says("--since soon: not a time");
    lab.run("report --since 1h --until 2h").code(2).says("not before --until");
    lab.run("report team=~(").code(2).says("cannot be read");
    lab.run("runs list --since 1h --until 2h").code(2).says("not before --until");
}

#[test]
fn a_report_has_four_forms_and_goes_to_a_file_as_a_whole() {
    let lab = filled();
    lab.run("report").code(0).prints("3: 2 succeeded, 1 failed").prints("1 (33.3%) changed nothing");
    lab.run("report -o markdown").code(0).prints("# amflow report").prints("| mends | 3 | 2 | 1 |");
    lab.run("report -o html --output-file week.html").code(0).says("written to week.html");
    let page = lab.read("week.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    lab.run("report -o html --output-file none/week.html").code(3).says("cannot write the report");
    let names: Vec<_> = std::fs::read_dir(lab.path(".")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{names:?}");
}

#[test]
fn a_run_tells_its_story_from_the_alert_to_the_end() {
    let lab = filled();
    let failed = lab.run("runs list --status failed -o json").json()[0]["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs show {failed}"))
        .code(0)
        .prints("source    stdin, by ")
        .prints("alert     {alertname=\"B\", ")
        .prints("          it is so")
        .prints("since 2026-01-01T00:00:00Z, ")
        .prints("look: echo looked")
        .prints("│ looked")
        .prints("exit code 1")
        .prints("took ");
}

#[test]
fn a_run_that_goes_on_is_followed_to_its_end() {
    let lab = Lab::alone();
    let steps = "matchers: [alertname = A]\nrecheck: never\nsteps:\n  - exec: [touch, began]\n  - shell: while ! test -e go; do sleep 0.05; done; echo went\n";
    lab.playbook("slow", steps);
    lab.write("a.json", &json!([alert("A", "x")]).to_string());
    let mut working = lab.start("run -q --from a.json");
    lab.await_file("began");
    let run = lab.run("runs list -o json").json()[0]["run"].as_str().unwrap().to_owned();
    let mut following = lab.amflow(&format!("runs show --follow -q {run}"));
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("touch began")), "what was is told at once");
    lab.write("go", "");
    assert!(lines.any(|line| line.contains("│ went")), "what happens later is told too");
    assert!(lines.last().unwrap().contains("succeeded"));
    assert!(following.wait().unwrap().success() && working.wait().unwrap().success());
    lab.run(&format!("runs show --follow -o json {run}")).code(2).says("has no end");
}

#[test]
fn a_listing_is_followed_until_its_reader_goes_away() {
    let lab = filled();
    let mut following = lab.amflow("runs list --follow -q --status succeeded -o ndjson");
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told =
        |line: Option<String>| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["status"].clone();
    assert_eq!((told(lines.next()), told(lines.next())), (json!("succeeded"), json!("succeeded")));
    lab.pipe("run -q", json!([alert("A", "z")]).to_string()).code(0);
    assert_eq!(told(lines.next()), json!("succeeded"), "a run that ended since");
    drop(lines);
    lab.pipe("run -q", json!([alert("A", "w")]).to_string()).code(0);
    assert!(following.wait().unwrap().success(), "it ends with its reader");
}

#[test]
fn metrics_for_the_textfile_collector_are_of_the_store_and_written_as_a_whole() {
    let lab = Lab::alone();
    lab.playbook("mends", MENDS);
    lab.configure("metrics: {textfile: amflow.prom}\n");
    let runs = || {
        let text = lab.read("amflow.prom");
        assert!(text.ends_with('\n'), "{text}");
        let mut check = lab.command("promtool");
        check.args(["check", "metrics"]).stdin(std::fs::File::open(lab.path("amflow.prom")).unwrap());
        let checked = check.output().unwrap();
        assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}\n{text}");
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        text.lines().filter(|line| line.starts_with("amflow_store_runs{")).map(value).sum::<f64>()
    };
    lab.pipe("run -q", json!([alert("A", "x")]).to_string()).code(0);
    assert!((runs() - 1.0).abs() < 0.1);
    lab.pipe("run -q", json!([alert("B", "x"), alert("B", "y")]).to_string()).code(1);
    assert!((runs() - 3.0).abs() < 0.1, "what another process did is counted too");
    lab.run("pause --for 1h").code(0);
    lab.run("runs resume -q").code(0);
    let text = lab.read("amflow.prom");
    for line in
        ["amflow_store_paused{playbook=\"\"} 1", "amflow_store_runs{playbook=\"mends\",status=\"failed\"} 1"]
    {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    lab.run("unpause").code(0);
    lab.pipe("run -q --metrics-file other.prom", json!([alert("A", "z")]).to_string()).code(0);
    assert!(
        lab.read("other.prom").contains("amflow_last_day_runs_unchanged 2"),
        "{}",
        lab.read("other.prom")
    );
    let bad = lab.pipe("run -q --metrics-file none/x.prom", json!([alert("A", "w")]).to_string());
    bad.code(3).says("cannot write the metrics to none/x.prom");
    let left = std::fs::read_dir(lab.path("."))
        .unwrap()
        .filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".tmp")));
    assert_eq!(left.count(), 0);
}
