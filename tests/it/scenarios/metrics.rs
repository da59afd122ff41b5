//! `GET /metrics`: every metric is there, is documented, and moves when it should; Prometheus reads it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use amflow::report::{Family, Kind};
use amflow::server::FAMILIES;
use serde_json::json;

use super::serve::{FREE, Served, webhook};
use crate::support::alertmanager::{free_port, wait_until};
use crate::support::lab::Lab;
use crate::support::program::root;
use crate::support::proxy::Mood;

/// The value of a line, or 0 where there is none: `name{labels}` as it is written.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn promtool(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = command.spawn().expect("promtool is needed: apt-get install prometheus");
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checking.wait_with_output().unwrap();
    assert!(checked.status.success(), "{}\n{text}", String::from_utf8_lossy(&checked.stderr));
}

fn steps(alertname: &str, rest: &str, steps: &str) -> String {
    format!("matchers: [alertname = {alertname}]\n{rest}steps:\n{steps}")
}

/// Playbooks and a configuration by which everything can be made to happen that is counted.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("bot", "b0t\n");
    lab.configure(
        "people: {users: [ann], may_act_as_others: [bot]}\n\
         secrets: {token: {file: token}}\n\
         server: {queue: 77, auth: [{name: bot, bearer: {file: bot}}]}\n",
    );
    lab.playbook(
        "mends",
        &steps("A", &format!("{FREE}sync: {{silence: true, inhibit: true}}\n"), "  - exec: ['true']\n"),
    );
    lab.playbook(
        "fails",
        &steps(
            "B",
            "limits: {cooldown: none, breaker: 1}\nrecheck: never\n",
            "  - exec: ['false']\n    idempotent: true\n    retry: {attempts: 2, backoff: 10ms}\n",
        ),
    );
    lab.playbook(
        "asks",
        &steps("C", FREE, "  - id: q\n    approve: {prompt: Now?, approvers: {users: [ann]}}\n"),
    );
    lab.playbook("cools", &steps("D", "recheck: never\n", "  - exec: ['true']\n"));
    let waits = "  - exec: [sh, -c, 'while [ ! -e enough ]; do sleep 0.02; done']\n";
    lab.playbook("waits", &steps("F", FREE, waits));
    lab.playbook("needs", &steps("E", FREE, "  - exec: ['true']\n    env: {T: {secret: token}}\n"));
    lab
}

const BOT: &str = "authorization: Bearer b0t\r\n";

#[test]
fn every_metric_is_there_and_moves_when_it_should() {
    let lab = lab();
    let served = Served::start(&lab, "--poll-interval 1h");
    let get = || served.ask("GET", "/metrics", BOT, b"").1;
    let deliver = |alertname: &str, instance: &str| {
        let mut body = webhook(&[(instance, "firing")]);
        body["alerts"][0]["labels"]["alertname"] = json!(alertname);
        let (status, text) = served.ask("POST", "/webhook", BOT, body.to_string().as_bytes());
        assert_eq!(status, 200, "{text}");
    };
    let moved = |what: &str, before: &str, series: &str| {
        let from = value(before, series);
        wait_until(&format!("{what}: {series} has moved from {from}"), || value(&get(), series) > from);
    };
    let first = get();
    for Family { name, kind, help } in FAMILIES {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let told = |line: &str| first.lines().filter(|l| *l == line).count();
        assert_eq!(told(&format!("# HELP {name} {help}")), 1, "{name}\n{first}");
        assert_eq!(told(&format!("# TYPE {name} {kind}")), 1, "{name}\n{first}");
    }
    assert_eq!(first.lines().filter(|line| line.starts_with("# TYPE")).count(), FAMILIES.len());
    promtool(&first);
    for series in [
        "amflow_queue_limit 77",
        "amflow_playbooks 6",
        "amflow_playbook_held_back{playbook=\"needs\"} 1",
        "amflow_store_up 1",
        "amflow_config_last_reload_successful 1",
        "amflow_deliveries_total{result=\"taken\"} 0",
        "amflow_store_errors_total{reason=\"full\"} 0",
        "amflow_holds_total{kind=\"silence\",action=\"make\",result=\"failure\"} 0",
    ] {
        assert!(first.lines().any(|line| line == series), "{series} is not in {first}");
    }
    // A poll at the start.
    moved("a poll", "", "amflow_polls_total{result=\"success\"}");
    moved("a poll", "", "amflow_poll_duration_seconds_count");
    moved("a poll", "", "amflow_last_poll_timestamp_seconds");
    let peer = lab.proxy().url();
    let asked = |request: &str| {
        format!(
            "amflow_alertmanager_requests_total{{peer=\"{peer}\",request=\"{request}\",result=\"success\"}}"
        )
    };
    moved("a poll", "", &asked("get_alerts"));
    moved("a poll", "", "amflow_alertmanager_request_duration_seconds_count{request=\"get_alerts\"}");
    // A run that mutes, works and lets go.
    deliver("A", "one");
    for series in [
        "amflow_runs_total{playbook=\"mends\",status=\"succeeded\"}",
        "amflow_run_duration_seconds_count{playbook=\"mends\"}",
        "amflow_attempts_total{playbook=\"mends\",outcome=\"succeeded\"}",
        "amflow_attempt_duration_seconds_count{playbook=\"mends\"}",
        "amflow_deliveries_total{result=\"taken\"}",
        "amflow_delivery_duration_seconds_count",
        "amflow_alerts_received_total",
        "amflow_admissions_total{verdict=\"start\",reason=\"\"}",
        "amflow_holds_total{kind=\"silence\",action=\"make\",result=\"success\"}",
        "amflow_holds_total{kind=\"silence\",action=\"release\",result=\"success\"}",
        "amflow_holds_total{kind=\"alert\",action=\"make\",result=\"success\"}",
        "amflow_holds_total{kind=\"alert\",action=\"release\",result=\"success\"}",
        &asked("post_alerts"),
        &asked("post_silence"),
        &asked("delete_silence"),
        "amflow_store_commits_total",
        "amflow_store_committed_writes_total",
        "amflow_store_commit_duration_seconds_count",
        "amflow_store_commit_duration_seconds_sum",
        "amflow_store_write_duration_seconds_count",
        "amflow_store_read_duration_seconds_count",
    ] {
        moved("a run", &first, series);
    }
    let text = get();
    let commits = value(&text, "amflow_store_commits_total");
    assert!(value(&text, "amflow_store_committed_writes_total") >= commits, "{text}");
    let measured = value(&text, "amflow_store_commit_duration_seconds_count");
    assert!((measured - commits).abs() < 0.5, "{text}");
    // One that fails twice, opens the breaker, and so puts the next alert off.
    deliver("B", "one");
    moved("a failed run", &first, "amflow_runs_total{playbook=\"fails\",status=\"failed\"}");
    moved("a failed run", &first, "amflow_attempts_total{playbook=\"fails\",outcome=\"failed\"}");
    moved("a failed run", &first, "amflow_retries_total");
    moved("a failed run", &first, "amflow_breaker_open{playbook=\"fails\"}");
    deliver("B", "two");
    moved("an open breaker", &first, "amflow_put_off{playbook=\"fails\",reason=\"breaker\"}");
    moved("an open breaker", &first, "amflow_admissions_total{verdict=\"later\",reason=\"breaker\"}");
    // A person is asked, and answers.
    deliver("C", "one");
    let run = || {
        let waiting = |run: &&serde_json::Value| run["playbook"] == "asks" && run["status"] == "waiting";
        lab.runs().iter().find(waiting).map(|run| run["run"].as_str().unwrap().to_owned())
    };
    wait_until("it asks", || run().is_some());
    let answer = json!({"approve": true, "by": "ann"}).to_string();
    let path = format!("/api/v1/tasks/{}/decide", run().unwrap());
    assert_eq!(served.ask("POST", &path, BOT, answer.as_bytes()).0, 200);
    moved("a decision", &first, "amflow_decisions_total{decision=\"approved\"}");
    deliver("F", "one");
    moved("a long run", &first, "amflow_runs_going");
    lab.write("enough", "");
    // What is not taken.
    assert_eq!(served.ask("POST", "/webhook", BOT, b"<html>").0, 400);
    moved("a bad body", &first, "amflow_deliveries_total{result=\"rejected\"}");
    assert_eq!(served.ask("POST", "/webhook", "", b"[]").0, 401);
    moved("a stranger", &first, "amflow_deliveries_total{result=\"unauthorized\"}");
    let mut body = webhook(&[("x", "firing"), ("y", "firing")]);
    body["alerts"][0]["labels"]["n"] = json!(1);
    served.ask("POST", "/webhook", BOT, body.to_string().as_bytes());
    moved("a bad alert", &first, "amflow_bad_alerts_total");
    // Pauses, and reloads that fail and succeed.
    lab.run("pause --playbook cools --for 1h").code(0);
    moved("a pause", &first, "amflow_paused{playbook=\"cools\"}");
    lab.write("playbooks/bad.yaml", "version: [\n");
    assert_eq!(served.ask("POST", "/-/reload", BOT, b"").0, 500);
    moved("a bad reload", &first, "amflow_config_reloads_total{result=\"failure\"}");
    assert!(value(&get(), "amflow_config_last_reload_successful") < 0.5);
    fs::remove_file(lab.path("playbooks/bad.yaml")).unwrap();
    assert_eq!(served.ask("POST", "/-/reload", BOT, b"").0, 200);
    moved("a good reload", &first, "amflow_config_reloads_total{result=\"success\"}");
    moved("a good reload", &first, "amflow_config_last_reload_success_timestamp_seconds");
    // An Alertmanager that is away.
    lab.proxy().becomes(Mood::Gone);
    deliver("A", "two");
    moved(
        "no Alertmanager",
        &first,
        "amflow_holds_total{kind=\"silence\",action=\"make\",result=\"failure\"}",
    );
    moved("no Alertmanager", &first, &asked("get_silences").replace("success", "failure"));
    promtool(&get());
    drop(served);
    // One that lets few requests through.
    lab.configure("server: {rate: 2}\n");
    fs::remove_dir_all(lab.path("playbooks")).unwrap();
    fs::create_dir(lab.path("playbooks")).unwrap();
    lab.playbook("fix", &steps("A", FREE, "  - exec: ['true']\n"));
    let served = Served::start(&lab, "");
    wait_until("requests are held back", || {
        let (status, text) = served.get("/metrics");
        status == 200 && value(&text, "amflow_requests_held_back_total") > 0.5
    });
}

#[test]
fn the_table_of_metrics_is_what_the_program_has() {
    let page = fs::read_to_string(root().join("docs/serve.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `amflow_"));
    let told: Vec<&str> = rows.map(|line| line.split('`').nth(1).unwrap()).collect();
    let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let (told_once, all): (BTreeSet<_>, BTreeSet<_>) = (told.iter().collect(), known.iter().collect());
    assert_eq!(told.len(), told_once.len(), "a metric is told twice");
    assert_eq!(told_once, all);
    let named = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for name in named.filter(|word| word.starts_with("amflow_")) {
        assert!(known.contains(&name), "docs/serve.md names {name}");
    }
}

#[test]
fn prometheus_reads_native_histograms_from_it() {
    let lab = Lab::alone();
    lab.playbook("fix", &format!("matchers: [alertname = A]\n{FREE}steps:\n  - exec: ['true']\n"));
    let served = Served::start(&lab, "");
    served.deliver(&webhook(&[("one", "firing")]));
    let port = free_port();
    lab.write(
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 200ms}}\nscrape_configs:\n- job_name: amflow\n  \
             static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
            served.port
        ),
    );
    let mut prometheus = lab.command("prometheus");
    prometheus.args(["--enable-feature=native-histograms", "--config.file=prometheus.yml"]);
    prometheus.args(["--storage.tsdb.path=tsdb", &format!("--web.listen-address=127.0.0.1:{port}")]);
    prometheus.stdout(Stdio::null()).stderr(fs::File::create(lab.path("prometheus.log")).unwrap());
    let mut prometheus = prometheus.spawn().expect("apt-get install prometheus");
    let read = |query: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\nhost: x\r\n\r\n").ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).ok()?;
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        body["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()
    };
    let commits = "amflow_store_commit_duration_seconds";
    let half = format!("histogram_quantile(0.5,{commits})");
    // Only of native histograms: a classic one would need the label `le`.
    let seen = std::panic::catch_unwind(|| {
        wait_until("its median is known", || read(&half).is_some_and(|median| median > 0.0));
        wait_until("its count is known", || {
            read(&format!("histogram_count({commits})")).is_some_and(|n| n > 0.5)
        });
        wait_until("counters are known", || read("amflow_store_commits_total").is_some_and(|n| n > 0.5));
        wait_until("gauges are known", || read("amflow_playbooks").is_some_and(|n| (n - 1.0).abs() < 0.1));
    });
    let _ = prometheus.kill();
    let _ = prometheus.wait();
    assert!(seen.is_ok(), "{}", lab.read("prometheus.log"));
}
