//! `amflow serve` behind a real Alertmanager: webhooks, polls, reloads, draining, kills.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::alertmanager::{Alertmanager, wait_until};
use crate::support::lab::{Lab, send, time};

/// A running service. It is killed when it is dropped.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

impl Served {
    /// Starts it on a port that the system chooses.
    pub(crate) fn start(lab: &Lab, args: &str) -> Self {
        Self::start_at(lab, 0, args)
    }

    /// Starts it on a port.
    pub(crate) fn start_at(lab: &Lab, port: u16, args: &str) -> Self {
        Self::launch(lab, lab.amflow(&format!("serve --web.listen-address 127.0.0.1:{port} {args}")))
    }

    pub(crate) fn launch(lab: &Lab, mut command: Command) -> Self {
        let log = File::create(lab.path("serve.log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut served = Self { child, port: 0 };
        wait_until("it listens", || {
            let log = lab.read("serve.log");
            assert!(served.child.try_wait().unwrap().is_none(), "it ended:\n{log}");
            let address = log.split("://127.0.0.1:").nth(1).and_then(|rest| rest.split([',', '\n']).next());
            served.port = address.and_then(|port| port.parse().ok()).unwrap_or(0);
            served.port != 0
        });
        served
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhook", self.port)
    }

    /// Sends a request and returns the status and the body of the answer.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        ask(self.port, method, path, headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", b"")
    }

    pub(crate) fn deliver(&self, body: &Value) -> Value {
        let (status, text) = self.ask("POST", "/webhook", "", body.to_string().as_bytes());
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Ends it by a signal, and returns its exit code.
    pub(crate) fn end(&mut self, signal: &str) -> i32 {
        send(signal, self.child.id());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(port: u16, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It may answer, and hang up, before it has read everything.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

pub(crate) fn webhook(alerts: &[(&str, &str)]) -> Value {
    let alert = |(instance, status): &(&str, &str)| {
        json!({
            "status": status,
            "labels": {"alertname": "A", "instance": instance},
            "annotations": {},
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": if *status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-01-01T01:00:00Z" },
            "generatorURL": "",
            "fingerprint": "",
        })
    };
    let alerts: Vec<_> = alerts.iter().map(alert).collect();
    json!({"version": "4", "groupKey": "g", "truncatedAlerts": 0, "status": "firing", "receiver": "r",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": alerts})
}

/// A webhook of one alert that fires once more, since now.
pub(crate) fn firing_now(instance: &str) -> Value {
    let mut body = webhook(&[(instance, "firing")]);
    body["alerts"][0]["startsAt"] = json!(time(0));
    body
}

pub(crate) const FREE: &str =
    "limits: {cooldown: none, rate: none, targets: none, breaker: none}\nrecheck: never\n";

pub(crate) fn playbook(script: &str) -> String {
    format!("matchers: [alertname = A]\n{FREE}steps:\n  - id: a\n    shell: |\n      {script}\n")
}

/// The configuration of an Alertmanager that sends everything to a service.
pub(crate) fn sends_to(url: &str) -> String {
    format!(
        "route: {{receiver: amflow, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n- name: amflow\n  webhook_configs: [{{url: '{url}'}}]\n"
    )
}

#[test]
fn what_comes_by_webhook_by_poll_and_again_runs_once() {
    let lab = Lab::new();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    let mut served = Served::start(&lab, "--poll-interval 1s");
    lab.fire(&[json!({"alertname": "A", "instance": "one"}), json!({"alertname": "B"})]);
    wait_until("a poll brings it", || lab.lines("out") == ["one"]);
    let listed = lab.am().get("/api/v2/alerts").unwrap();
    for path in ["/webhook", "/webhook/team-a/x", "/api/v2/alerts"] {
        let (status, answer) = served.ask("POST", path, "", listed.as_bytes());
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["started"], &answer["skipped"]), (&json!(0), &json!(1)));
    }
    // A pipe beside it, into the same store.
    lab.pipe("run", &listed).code(0).says("nothing to run");
    assert_eq!(served.end("TERM"), 0);
    assert_eq!(lab.lines("out"), ["one"]);
}

#[test]
fn an_alert_that_is_sent_twice_in_any_way_is_worked_on_once() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    let served = Served::start(&lab, "");
    // Two starts in one body: those of an HA pair of Prometheus.
    let mut body = webhook(&[("pair", "firing"), ("pair", "firing"), ("other", "firing")]);
    body["alerts"][1]["startsAt"] = json!("2026-01-01T00:00:05Z");
    served.deliver(&body);
    served.deliver(&body);
    // No start at all: a script that posts as it would to Alertmanager.
    let script = json!([{"labels": {"alertname": "A", "instance": "script"}}]);
    for _ in 0..3 {
        served.deliver(&script);
    }
    wait_until("each ran", || lab.lines("out").len() >= 3);
    wait_until("nothing goes on", || served.get("/metrics").1.contains("amflow_runs_going 0\n"));
    let mut done = lab.lines("out");
    done.sort();
    assert_eq!(done, ["other", "pair", "script"]);
    lab.write("both.json", &format!("{body}\n{script}\n"));
    lab.run("run --from both.json").code(0);
    assert_eq!(lab.lines("out").len(), 3);
}

#[test]
fn what_a_webhook_left_out_is_polled_for_also_where_nothing_else_is() {
    let lab = Lab::new();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    let served = Served::start(&lab, "--poll-interval none");
    lab.fire(&[json!({"alertname": "A", "instance": "left-out"})]);
    let mut body = webhook(&[("sent", "firing")]);
    served.deliver(&body);
    wait_until("it ran", || lab.lines("out") == ["sent"]);
    body["truncatedAlerts"] = json!(3);
    served.deliver(&body);
    wait_until("the other ran", || lab.lines("out") == ["sent", "left-out"]);
    assert!(lab.read("serve.log").contains("a webhook left out 3 alerts"), "{}", lab.read("serve.log"));
}

#[test]
fn an_alertmanager_that_sends_is_answered_and_the_end_is_worked_on_once() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo fixed >> out"));
    lab.playbook("tidy", &format!("status: resolved\n{}", playbook("echo tidy >> out")));
    let served = Served::start(&lab, "");
    let am = Alertmanager::start(&sends_to(&served.url()));
    let alert = |ends: i64| {
        json!([{"labels": {"alertname": "A"}, "startsAt": time(-60), "endsAt": time(ends)}]).to_string()
    };
    am.post("/api/v2/alerts", &alert(3_600));
    wait_until("it is worked on", || lab.lines("out") == ["fixed"]);
    am.post("/api/v2/alerts", &alert(0));
    wait_until("its end is worked on", || lab.lines("out") == ["fixed", "tidy"]);
    let (_, metrics) = served.get("/metrics");
    assert!(metrics.contains("amflow_deliveries_total{result=\"taken\"}"), "{metrics}");
}

#[test]
fn the_end_of_a_muted_alert_is_seen_by_a_poll() {
    let lab = Lab::new();
    let include = "include: [silenced, inhibited]\n";
    lab.playbook("fix", &format!("{include}{}", playbook("echo fixed >> out")));
    lab.playbook("tidy", &format!("status: resolved\n{include}{}", playbook("echo tidy >> out")));
    let labels = json!({"alertname": "A", "instance": "muted"});
    lab.fire(std::slice::from_ref(&labels));
    let silence = json!({"matchers": [{"name": "alertname", "value": "A", "isRegex": false, "isEqual": true}],
        "startsAt": time(-60), "endsAt": time(3_600), "createdBy": "t", "comment": "c"});
    lab.am().post("/api/v2/silences", &silence.to_string());
    let _served = Served::start(&lab, "--poll-interval 1s");
    wait_until("it is worked on", || lab.lines("out") == ["fixed"]);
    lab.resolve(&[labels]);
    wait_until("its end is worked on", || lab.lines("out") == ["fixed", "tidy"]);
}

#[test]
fn a_rule_that_mutes_nothing_is_warned_of_once() {
    let lab = Lab::new();
    lab.playbook("fix", &format!("sync: {{inhibit: true}}\n{}", playbook("echo fixed >> out")));
    lab.fire(&[json!({"alertname": "A", "instance": "one"})]);
    let mut served = Served::start(&lab, "--poll-interval 1s");
    wait_until("it is worked on", || lab.lines("out") == ["fixed"]);
    lab.fire(&[json!({"alertname": "A", "instance": "two"})]);
    wait_until("a later poll brings another", || lab.lines("out").len() == 2);
    assert_eq!(served.end("TERM"), 0);
    let log = lab.read("serve.log");
    assert_eq!(log.matches("`sync.inhibit` of fix mutes nothing").count(), 1, "{log}");
}

#[test]
fn what_is_not_understood_is_answered_with_the_reason_and_starts_nothing() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo fixed >> out"));
    lab.configure("server: {max_body: 2000}\n");
    let served = Served::start(&lab, "");
    let large = format!("[{}]", " ".repeat(4_000));
    for (body, headers, status, says) in [
        ("", "", 400, "is empty"),
        ("<html>x</html>", "", 400, "HTML"),
        ("[{\"labels\":{\"alertname\":\"A\"}},", "", 400, "cut off"),
        ("{\"status\":\"error\",\"error\":\"boom\"}", "", 400, "boom"),
        ("x", "content-encoding: br\r\n", 415, "decodes"),
        (large.as_str(), "", 413, "2000 bytes"),
    ] {
        let (answered, text) = served.ask("POST", "/webhook", headers, body.as_bytes());
        assert_eq!(answered, status, "{text}");
        assert!(text.contains(says), "`{says}` is not in {text}");
    }
    assert_eq!(served.get("/webhook").0, 405);
    assert_eq!(served.get("/nowhere").0, 404);
    let (_, kept) = served.get("/api/v1/rejected");
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["rejected"].as_array().unwrap().len(), 5, "{kept}");
    assert_eq!(kept["rejected"][3]["body"], "<html>x</html>");
    // One bad alert among good ones does not keep these back.
    let mut body = webhook(&[("x", "firing"), ("y", "firing")]);
    body["alerts"][0]["labels"]["n"] = json!(1);
    let receipt = served.deliver(&body);
    assert_eq!((&receipt["started"], &receipt["bad_alerts"]), (&json!(1), &json!(1)));
    wait_until("the good one is worked on", || lab.lines("out") == ["fixed"]);
}

#[test]
fn what_is_refused_leaves_a_line_in_the_log_and_the_same_trouble_one() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo fixed >> out"));
    lab.write("token", "t0ken\n");
    lab.configure("server: {max_body: 4096, auth: [{bearer: {file: token}}]}\n");
    let served = Served::start(&lab, "");
    let known = "authorization: Bearer t0ken\r\n";
    let large = [b' '; 5_000];
    for _ in 0..3 {
        assert_eq!(served.ask("POST", "/webhook", known, b"{\"no\": \"alerts\"}").0, 400);
        assert_eq!(served.ask("POST", "/webhook", known, &large).0, 413);
        assert_eq!(served.ask("POST", "/webhook", &format!("{known}content-encoding: br\r\n"), b"x").0, 415);
        assert_eq!(served.ask("POST", "/webhook", "authorization: Bearer wr0ng\r\n", b"[]").0, 401);
        assert_eq!(served.ask("GET", "/api/v1/runs", "", b"").0, 401);
    }
    let lines = || -> Vec<String> {
        let refused = |line: &&str| line.contains(" was refused");
        lab.read("serve.log").lines().filter(refused).map(str::to_owned).collect()
    };
    wait_until("all are told", || lines().len() >= 4);
    let lines = lines();
    for part in [
        "warn a delivery from 127.0.0.1 was refused, and is lost: ",
        "has more than 4096 bytes",
        "nothing here decodes its encoding",
        "warn a request from 127.0.0.1 was refused: its credentials are missing or wrong",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(!lab.read("serve.log").contains("wr0ng"), "{lines:?}");
}

#[test]
fn draining_ends_the_running_step_and_leaves_the_rest_to_the_next_start() {
    let lab = Lab::alone();
    lab.playbook(
        "long",
        &format!(
            "matchers: [alertname = A]\n{FREE}steps:\n  - id: a\n    shell: |\n      echo a >> out\n      \
             while [ ! -e enough ]; do sleep 0.02; done\n      echo end >> out\n  - id: b\n    shell: echo b >> out\n"
        ),
    );
    let mut served = Served::start(&lab, "");
    served.deliver(&webhook(&[("x", "firing")]));
    wait_until("the step runs", || lab.lines("out") == ["a"]);
    send("TERM", served.child.id());
    wait_until("it takes nothing more", || served.get("/-/ready").0 == 503);
    let (status, text) =
        served.ask("POST", "/webhook", "", webhook(&[("y", "firing")]).to_string().as_bytes());
    assert_eq!(status, 503, "{text}");
    assert_eq!(served.get("/-/healthy").0, 200);
    lab.write("enough", "");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert_eq!(lab.lines("out"), ["a", "end"]);
    assert!(lab.read("serve.log").contains("1 run left for the next start"), "{}", lab.read("serve.log"));
    let _again = Served::start(&lab, "");
    wait_until("the next start goes on", || lab.lines("out") == ["a", "end", "b"]);
    wait_until("it is over", || lab.only_run()["status"] == "succeeded");
}

#[test]
fn what_was_parked_and_is_over_is_not_said_to_be_left() {
    let lab = Lab::alone();
    lab.playbook(
        "ask",
        "matchers: [alertname = A]\nrecheck: never\nlimits: {targets: none}\nsteps: [{id: ask, approve: {prompt: go?}}]\n",
    );
    let mut served = Served::start(&lab, "");
    served.deliver(&webhook(&[("x", "firing"), ("y", "firing")]));
    let all = |status: &str| lab.runs().iter().filter(|run| run["status"] == status).count() == 2;
    wait_until("both ask", || all("waiting"));
    for run in lab.runs() {
        lab.run(&format!("reject {}", run["run"].as_str().unwrap())).code(0);
    }
    wait_until("both are over", || all("rejected"));
    served.end("TERM");
    let log = lab.read("serve.log");
    assert!(log.trim_end().ends_with("info ended"), "{log}");
}

#[test]
fn what_does_not_end_in_time_is_judged_by_the_next_start() {
    let lab = Lab::alone();
    lab.configure("server: {drain_timeout: 300ms}\n");
    for (name, idempotent) in [("again", true), ("once", false)] {
        lab.playbook(
            name,
            &format!(
                "matchers: [alertname = A]\n{FREE}steps:\n  - id: work\n    idempotent: {idempotent}\n    shell: |\n      \
                 echo {name} >> out\n      while [ ! -e enough ]; do sleep 0.02; done\non_failure:\n  \
                 - shell: printf '%s\\n' {{{{ failed.reason }}}} >> told\n"
            ),
        );
    }
    let mut served = Served::start(&lab, "");
    served.deliver(&webhook(&[("x", "firing")]));
    wait_until("both steps run", || lab.lines("out").len() == 2);
    assert_eq!(served.end("TERM"), 143);
    assert!(lab.read("serve.log").contains("2 runs left for the next start"), "{}", lab.read("serve.log"));
    lab.write("enough", "");
    let _again = Served::start(&lab, "");
    wait_until("both runs are over", || {
        lab.runs().iter().all(|run| ["succeeded", "failed"].contains(&run["status"].as_str().unwrap()))
    });
    for run in lab.runs() {
        let wanted = if run["playbook"] == "again" { "succeeded" } else { "failed" };
        assert_eq!(run["status"], wanted, "{run:#}");
    }
    let mut out = lab.lines("out");
    out.sort();
    assert_eq!(out, ["again", "again", "once"]);
    let told = lab.read("told");
    assert!(told.contains("lost") && told.contains("because amflow ended before it did"), "{told}");
}

#[test]
fn killed_at_any_time_nothing_that_was_acknowledged_is_lost_or_done_twice() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    let hosts: Vec<String> = (0..60).map(|n| format!("h{n:02}")).collect();
    for kills in 0..4 {
        let mut served = Served::start(&lab, "--parallel 4");
        for host in &hosts[kills * 15..(kills + 1) * 15] {
            served.deliver(&webhook(&[(host, "firing")]));
            // Alertmanager sends again what it does not know to have arrived.
            served.deliver(&webhook(&[(host, "firing")]));
        }
        served.end("KILL");
    }
    let _served = Served::start(&lab, "");
    wait_until("all runs are over", || {
        let runs = lab.runs();
        runs.len() == 60 && runs.iter().all(|run| run["status"] == "succeeded" || run["status"] == "failed")
    });
    let mut done = lab.lines("out");
    done.sort();
    let all = done.len();
    done.dedup();
    assert_eq!(all, done.len(), "nothing twice");
    // A command that was running when it was killed is lost, and said to be: it is not idempotent.
    let lost = lab.runs().iter().filter(|run| run["status"] == "failed").count();
    assert!(done.len() + lost >= 60, "{} done, {lost} lost", done.len());
}

#[test]
fn a_reload_is_all_or_nothing() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo one >> out"));
    let mut served = Served::start(&lab, "");
    served.deliver(&webhook(&[("x", "firing")]));
    wait_until("the first is in force", || lab.lines("out") == ["one"]);
    lab.write("playbooks/bad.yaml", "version: 1\nname: bad\nmatcher: [alertname = A]\nstep: []\n");
    let (status, text) = served.ask("POST", "/-/reload", "", b"");
    assert_eq!(status, 500, "{text}");
    let first = "playbooks/bad.yaml:3:1: error[unknown-key]: unknown key `matcher`";
    assert!(
        text.contains(first) && text.contains("more problem") && text.contains("; nothing was changed"),
        "{text}"
    );
    assert!(lab.read("serve.log").contains(&format!("what was in force stays so: {first}")), "{text}");
    assert_eq!(served.get("/-/ready").0, 200);
    assert!(served.get("/metrics").1.contains("amflow_config_last_reload_successful 0"));
    served.deliver(&webhook(&[("y", "firing")]));
    wait_until("the old ones stay in force", || lab.lines("out") == ["one", "one"]);
    std::fs::remove_file(lab.path("playbooks/bad.yaml")).unwrap();
    lab.playbook("fix", &playbook("echo two >> out"));
    send("HUP", served.child.id());
    wait_until("it has reloaded", || lab.read("serve.log").contains("SIGHUP: reloaded: 1 playbook"));
    assert!(served.get("/metrics").1.contains("amflow_config_last_reload_successful 1"));
    served.deliver(&webhook(&[("z", "firing")]));
    wait_until("the new one is in force", || lab.lines("out") == ["one", "one", "two"]);
    // Without being told, too.
    lab.playbook("fix", &playbook("echo three and more >> out"));
    wait_until("it has seen the change", || lab.read("serve.log").contains("changed files: reloaded"));
    assert_eq!(served.end("INT"), 0);
}

#[test]
fn a_log_for_programs_is_one_document_a_line_whatever_happens() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo one >> out"));
    let mut served = Served::start(&lab, "--log-format json");
    served.deliver(&webhook(&[("x", "firing")]));
    wait_until("it is worked on", || lab.lines("out") == ["one"]);
    lab.write("playbooks/bad.yaml", "version: 1\nname: bad\nmatcher: [alertname = A]\nstep: []\n");
    assert_eq!(served.ask("POST", "/-/reload", "", b"").0, 500);
    served.end("TERM");
    let documents = |text: &str| -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        text.lines().map(read).collect()
    };
    let lines = documents(&lab.read("serve.log"));
    for line in &lines {
        assert!(line["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(lines[0]["message"].as_str().unwrap().starts_with("store: "), "{}", lines[0]);
    let refused = lines.iter().find(|line| line["problems"].is_array()).unwrap();
    let first = &refused["problems"][0];
    assert_eq!((&first["code"], &first["place"]["line"]), (&json!("unknown-key"), &json!(3)), "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("not reloaded"), "{refused}");
    // Also what it ends with.
    let ended = lab.run("serve --log-format json").code(2);
    let lines = documents(&ended.stderr);
    assert_eq!((lines.len(), &lines[0]["level"]), (1, &json!("error")), "{lines:?}");
    assert_eq!(lines[0]["problems"][0]["code"], "unknown-key");
}

#[test]
fn others_are_let_in_by_credentials_only() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo fixed >> out"));
    lab.run("serve --web.listen-address 0.0.0.0:0")
        .code(2)
        .says("everybody would be let in")
        .says("server.auth");
    lab.run("serve --web.listen-address localhost:9096").code(2).says("write it as 127.0.0.1:9096");
    lab.run("serve --web.route-prefix amflow/").code(2).says("write it as /amflow");
    lab.configure("server: {listen: ['localhost:9096'], route_prefix: amflow/}\n");
    lab.run("serve").code(2).says("write it as `127.0.0.1:9096`").says("write it as `/amflow`");
    lab.configure("server: {listen: ['0.0.0.0:9096']}\n");
    lab.run("serve").code(2).says("amflow.yaml:").says("everybody would be let in");
    lab.configure("server: {auth: [{bearer: {file: missing}}]}\n");
    lab.run("serve").code(2).says("a credential of `server.auth` cannot be had").says("missing");
    lab.write("old", "s3cret-old\n");
    lab.write("new", "s3cret-new\n");
    lab.configure("server: {auth: [{bearer: {file: old}}, {bearer: {file: new}}, {basic: {username: am, password: {file: old}}}]}\n");
    let served = Served::start(&lab, "");
    let body = webhook(&[("x", "firing")]).to_string();
    for (header, status) in [
        ("", 401),
        ("authorization: Bearer nonsense\r\n", 401),
        ("authorization: Bearer s3cret-old\r\n", 200),
        ("authorization: Bearer s3cret-new\r\n", 200),
        // am:s3cret-old
        ("authorization: Basic YW06czNjcmV0LW9sZA==\r\n", 200),
        ("authorization: Basic YW06eA==\r\n", 401),
    ] {
        for path in ["/webhook", "/api/v2/alerts"] {
            let (answered, text) = served.ask("POST", path, header, body.as_bytes());
            assert_eq!(answered, status, "{header} {text}");
        }
        assert_eq!(served.ask("GET", "/api/v1/runs", header, b"").0, status, "{header}");
        assert_eq!(served.ask("GET", "/metrics", header, b"").0, status, "{header}");
        assert_eq!(served.ask("GET", "/-/healthy", header, b"").0, 200);
    }
    // A secret that is renewed counts at once.
    lab.write("old", "another\n");
    assert_eq!(served.ask("GET", "/api/v1/runs", "authorization: Bearer s3cret-old\r\n", b"").0, 401);
    assert!(!lab.read("serve.log").contains("s3cret"), "{}", lab.read("serve.log"));
}

#[test]
fn runs_are_listed_shown_and_cancelled_over_http() {
    let lab = Lab::alone();
    lab.playbook("long", &playbook("touch began; while :; do sleep 0.05; done"));
    let served = Served::start(&lab, "--web.route-prefix /amflow/");
    let (status, text) =
        served.ask("POST", "/amflow/webhook", "", webhook(&[("x", "firing")]).to_string().as_bytes());
    assert_eq!(status, 200, "{text}");
    lab.await_file("began");
    let read = |path: &str| -> Value {
        let (status, text) = served.get(path);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let listed = read("/amflow/api/v1/runs?status=running&playbook=long");
    let run = listed["runs"][0]["run"].as_str().unwrap().to_owned();
    assert_eq!(read("/amflow/api/v1/status")["going"], 1);
    let shown = read(&format!("/amflow/api/v1/runs/{run}"));
    assert_eq!(shown["run"]["playbook"], "long");
    assert_eq!(shown["journal"][0]["seq"], 1);
    assert_eq!(served.get("/amflow/api/v1/runs?nonsense=1").0, 400);
    assert_eq!(served.get("/amflow/api/v1/runs/none").0, 404);
    let (status, text) = served.ask("POST", "/webhook", "", b"[]");
    assert!(status == 404 && text.contains("send webhooks to POST /amflow/webhook"), "{status} {text}");
    assert_eq!(served.ask("POST", &format!("/amflow/api/v1/runs/{run}/cancel"), "", b"").0, 202);
    wait_until("it is cancelled", || lab.only_run()["status"] == "cancelled");
}

#[test]
fn a_service_manager_hears_when_it_is_ready_lives_and_ends() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo fixed >> out"));
    let socket = UnixDatagram::bind(lab.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut heard = [0; 256];
        let count = socket.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..count]).into_owned()
    };
    let mut command = lab.amflow("serve --web.listen-address 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", lab.path("notify")).env("WATCHDOG_USEC", "400000");
    let mut served = Served::launch(&lab, command);
    assert_eq!([hear(), hear()], ["READY=1", "WATCHDOG=1"]);
    send("TERM", served.child.id());
    while hear() != "STOPPING=1" {}
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[test]
fn two_alertmanagers_of_a_cluster_start_nothing_twice() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    let served = Served::start(&lab, "");
    let config = sends_to(&served.url());
    let first = Alertmanager::start_clustered(&config);
    let second = first.start_peer(&config);
    let alerts: Vec<_> = (0..40)
        .map(|n| json!({"labels": {"alertname": "A", "instance": format!("h{n:02}")}, "startsAt": time(-60), "endsAt": time(3_600)}))
        .collect();
    let body = serde_json::to_string(&alerts).unwrap();
    first.post("/api/v2/alerts", &body);
    second.post("/api/v2/alerts", &body);
    wait_until("all are worked on", || lab.lines("out").len() >= 40);
    let mut done = lab.lines("out");
    done.sort();
    done.dedup();
    assert_eq!((done.len(), lab.runs().len()), (40, 40));
}
