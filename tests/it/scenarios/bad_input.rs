//! Input that is broken: an error that names place and source, nothing started; one bad alert among good ones is
//! passed over.

use std::fmt::Write as _;
use std::fs;

use crate::support::http::RawServer;
use crate::support::lab::Lab;
use crate::support::proxy::Mood;

const GOOD: &str = r#"{"labels":{"alertname":"A","n":"1"},"startsAt":"2026-01-01T00:00:00Z"}"#;

fn lab() -> Lab {
    let lab = Lab::alone();
    playbook(&lab);
    lab
}

fn playbook(lab: &Lab) {
    lab.playbook(
        "p",
        "matchers: [alertname = A]\nrecheck: never\nlimits: {cooldown: none, targets: none}\nsteps:\n  - shell: echo {{ alert.labels.n }} >> ran\n",
    );
}

/// What is piped and is not alerts: a name for the table, and the bytes.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec();
    let table = "Alertname  Starts At                Summary         State   \nDiskFull   2026-11-24 09:00:00 UTC  Disk full on a  active  \n";
    let extended = "Labels                Annotations  Starts At                Ends At                  Generator URL  State   \nalertname=\"DiskFull\"               2026-11-24 09:00:00 UTC  2026-11-25 09:00:00 UTC                 active  \n";
    let status = r#"{"cluster":{"status":"ready"},"config":{"original":""},"uptime":"2026-01-01T00:00:00Z","versionInfo":{}}"#;
    let silence = r#"{"id":"x","matchers":[],"createdBy":"a","comment":"b","status":{"state":"active"}}"#;
    let error = r#"{"status":"error","errorType":"bad_data","error":"unknown parameter"}"#;
    let refused = "amtool: error: Get \"http://localhost:9093/api/v2/alerts\": dial tcp [::1]:9093: connect: connection refused\n";
    let texts: Vec<(&str, String)> = vec![
        ("broken inside", format!("[{GOOD},\n{{\"labels\":{{\"alertname\":\"A\",}}}}]")),
        ("broken between alerts", format!("[{GOOD} {GOOD}]")),
        ("a comma too much", format!("[{GOOD},]")),
        ("Python's quotes", "[{'labels': {'alertname': 'A'}}]".to_owned()),
        ("a control character", "[{\"labels\":{\"alertname\":\"A\0\"}}]".to_owned()),
        ("half a list", format!("[{GOOD},{{\"labels\":{{\"al")),
        ("a list without its end", format!("[{GOOD}")),
        ("half a webhook", format!("{{\"version\":\"4\",\"status\":\"firing\",\"alerts\":[{GOOD},")),
        ("half a line of NDJSON", format!("{GOOD}\n{{\"labels\":{{")),
        ("a message after the list", format!("[{GOOD}]\namtool: warning: something\n")),
        ("a message between lines", format!("{GOOD}\nno such thing\n{GOOD}\n")),
        ("a message instead of a list", refused.to_owned()),
        ("a coloured message", "\u{1b}[31mred\u{1b}[0m alert\n".to_owned()),
        ("amtool's table", table.to_owned()),
        ("amtool's extended table", extended.to_owned()),
        ("an HTML page", "<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n".to_owned()),
        ("XML", "<?xml version=\"1.0\"?>\n<Error/>\n".to_owned()),
        ("YAML", "- labels:\n    alertname: A\n".to_owned()),
        ("a text", "\"bad matcher format: x\"\n".to_owned()),
        ("JSON in a text", format!("{}\n", serde_json::to_string(&format!("[{GOOD}]")).unwrap())),
        ("a number", "17\n".to_owned()),
        ("true", "true".to_owned()),
        ("an object of nothing", "{}".to_owned()),
        ("Alertmanager's status", status.to_owned()),
        ("an error of Prometheus", error.to_owned()),
        ("an error of the API", r#"{"code":601,"message":"parse error"}"#.to_owned()),
        ("a query's result", r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.to_owned()),
        ("rules", r#"{"status":"success","data":{"groups":[]}}"#.to_owned()),
        ("alerts that are no list", r#"{"alerts":{}}"#.to_owned()),
        ("silences", format!("[{silence},{silence}]")),
        ("a list of numbers", "[1,2,3]".to_owned()),
        ("one alert, and it is bad", r#"[{"labels":{"alertname":"A","n":5}}]"#.to_owned()),
        ("lists without end", "[".repeat(200_000)),
        ("objects without end", "{\"a\":".repeat(200_000)),
    ];
    let mut all: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    all.push(("gzip", gzip));
    all.push(("zstd", b"\x28\xb5\x2f\xfd123".to_vec()));
    all.push(("UTF-16", b"\xff\xfe[\0]\0".to_vec()));
    all.push(("anything", (0..=255).collect()));
    all
}

#[test]
fn a_broken_pipe_starts_nothing_and_its_place_is_named() {
    let lab = lab();
    let mut table = String::new();
    for (name, input) in broken() {
        for command in ["run -o json", "plan -o ndjson", "alerts -o json"] {
            let outcome = lab.pipe(command, &input).code(2).says("error: stdin:");
            assert_eq!(outcome.stdout, "", "{name}: data is data, and there is none");
            assert_eq!(outcome.stderr, lab.pipe("run", &input).stderr, "{name}: {command}");
        }
        let _ = writeln!(table, "--- {name}\n{}", lab.pipe("run", &input).stderr);
    }
    for (name, input) in [("nothing", ""), ("white space", " \n\t\n")] {
        let outcome = lab.pipe("run -o json", input).code(3).says("--poll");
        assert_eq!(outcome.stdout, "");
        let _ = writeln!(table, "--- {name}\n{}", outcome.stderr);
    }
    insta::assert_snapshot!("broken_pipes", table);
    assert!(!lab.path("ran").exists() && !lab.path("store").exists());
}

#[test]
fn a_broken_file_is_named_and_an_empty_one_is_no_alerts() {
    let lab = lab();
    let mut table = String::new();
    for (name, input) in broken() {
        fs::write(lab.path("alerts.json"), &input).unwrap();
        let outcome = lab.run("run -o json --from alerts.json").code(2).says("error: alerts.json:");
        let piped = lab.pipe("run", &input).stderr;
        assert_eq!(outcome.stderr, piped.replace("error: stdin:", "error: alerts.json:"), "{name}");
    }
    for (name, args) in [
        ("a file that is not there", "run --from nothing.json"),
        ("a directory", "run --from playbooks"),
        ("a scheme that nobody knows", "run --from ftp://host/alerts"),
        ("two sources", "run --poll --from alerts.json"),
        ("nobody to ask", "run --poll"),
    ] {
        let outcome = lab.run(args);
        let _ = writeln!(table, "--- {name}: exit {}\n{}", outcome.code, outcome.stderr);
    }
    for empty in ["", " \n"] {
        lab.write("alerts.json", empty);
        lab.run("run --from alerts.json").code(0).says("warning: alerts.json is empty: taken as no alerts");
    }
    insta::assert_snapshot!("sources_that_are_none", table);
    assert!(!lab.path("ran").exists() && !lab.path("store").exists());
}

#[test]
fn nesting_that_ends_costs_no_more_than_its_alert() {
    let lab = lab();
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    lab.pipe("run", format!("[{open}{close},{GOOD}]")).code(1).says("1 run, 1 succeeded").says("`[0]");
    let deep = format!(r#"{{"labels":{{"alertname":"A","n":"2"}},"x":{open}{close}}}"#);
    lab.pipe("run", format!("[{deep}]")).code(0).says("1 run, 1 succeeded");
    let labels = format!(r#"{{"labels":{{"alertname":"A","n":{open}{close}}}}}"#);
    lab.pipe("run", format!("[{labels},{GOOD}]")).code(1).says("`[0].labels.n`: a list where text belongs");
}

#[test]
fn a_bad_alert_among_good_ones_is_reported_and_passed_over() {
    for (n, (bad, says)) in [
        (r#"{"labels":{"alertname":"A","n":5}}"#, "`[0].labels.n`: the number `5` where text belongs"),
        (r#"{"labels":{"alertname":"A","n":["x"]}}"#, "`[0].labels.n`: a list where text belongs"),
        (r#"{"labels":"alertname=A"}"#, "`[0].labels`: the text \"alertname=A\" where an object belongs"),
        (r#"{"startsAt":"2026-01-01T00:00:00Z"}"#, "`[0]`: the alert has no labels"),
        (r#"{"labels":{"alertname":"A","n":null}}"#, "`[0].labels.n`: null where text belongs"),
        (r#"{"labels":null}"#, "`[0].labels`: null where an object belongs"),
        (r#"{"labels":{"alertname":"A","":"x"}}"#, "`[0].labels`: the label name is empty"),
        (r#"{"labels":{"alertname":"A","n":"\ud800"}}"#, "`[0].labels.n`: half a surrogate pair"),
        (
            r#"{"labels":{"alertname":"A","n":"x"},"status":7}"#,
            "`[0].status`: the number `7` where an object belongs",
        ),
        (
            r#"{"labels":{"alertname":"A","n":"x"},"annotations":["a"]}"#,
            "`[0].annotations`: a list where an object belongs",
        ),
        (
            r#"{"labels":{"alertname":"A","n":"x"},"startsAt":5}"#,
            "`[0].startsAt`: the number `5` where text belongs",
        ),
        ("17", "`[0]`: the number `17` where an alert belongs"),
        ("null", "`[0]`: null where an alert belongs"),
        (r#"{"labels":{"alertname":"A","n":"x\u0000y"}}"#, "`[0].labels.n`: the label holds a NUL character"),
        (r#"{"labels":{"alertname":"A","n":"x"},"startsAt":"yesterday"}"#, "`yesterday` is not a time"),
    ]
    .into_iter()
    .enumerate()
    {
        let lab = lab();
        let good = GOOD.replace("\"1\"", &format!("\"{n}\""));
        let report = lab.pipe("run -o json", format!("[{bad},{good}]")).code(1);
        let report = report
            .says("stdin:1:")
            .says(says)
            .says("it is passed over")
            .says("1 run, 1 succeeded")
            .says("1 bad alert passed over")
            .json();
        assert_eq!(report["bad_alerts"].as_array().unwrap().len(), 1);
        assert_eq!(lab.lines("ran"), [n.to_string()]);
    }
    let lab = lab();
    let mut input = b"[{\"labels\":{\"alertname\":\"A\",\"n\":\"x\xff\xfey\"}},".to_vec();
    input.extend_from_slice(format!("{GOOD}]").as_bytes());
    lab.pipe("run", input).code(1).says("`[0].labels.n`: text that is not UTF-8");
    assert_eq!(lab.lines("ran"), ["1"]);
}

/// Returns an answer of a server with a body.
fn answer(status: &str, body: &str) -> &'static str {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    // For as long as the test's server.
    Box::leak(text.into_boxed_str())
}

#[test]
fn a_server_that_answers_something_else_is_named_and_nothing_is_started() {
    let lab = lab();
    let mut table = String::new();
    let half = format!("[{GOOD},{{\"labels\":");
    let cut = answer("200 OK", &half).replace("Content-Length: ", "Content-Length: 1");
    for (name, answer) in [
        ("a page", answer("200 OK", "<html><body>Sign in</body></html>")),
        ("less than it said", Box::leak(cut.into_boxed_str())),
        ("half a list", answer("200 OK", &half)),
        ("half a list of an old server", "HTTP/1.0 200 OK\r\n\r\n[{\"labels\":{\"alertname\":\"A\"}},"),
        (
            "half a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\n[{\"l\r\n",
        ),
        ("no content", answer("200 OK", "")),
        ("broken JSON", answer("200 OK", &format!("[{GOOD},{{\"labels\":{{,}}}}]"))),
        ("a number", answer("200 OK", "17")),
        ("an error", answer("200 OK", "\"something is wrong\"")),
        ("bad alerts alone", answer("200 OK", "[{\"labels\":5}]")),
        ("amtool's table", answer("200 OK", "Alertname  Starts At  Summary  State  \n")),
        ("HTTP 500", answer("500 Internal Server Error", "\"oops\"")),
        ("HTTP 401", answer("401 Unauthorized", "")),
        ("HTTP 403", answer("403 Forbidden", "no")),
        ("HTTP 404", answer("404 Not Found", "404 page not found\n")),
        ("HTTP 410", answer("410 Gone", "")),
        ("nothing", ""),
    ] {
        let server = RawServer::plain(answer);
        let url = format!("http://127.0.0.1:{}", server.port());
        for args in [
            format!("run -o json --from {url}/alerts.json"),
            format!("run -o json --poll --alertmanager.url {url}"),
        ] {
            let outcome = lab.run(&args).code(3).says(&url);
            assert_eq!(outcome.stdout, "");
            let _ = write!(table, "--- {name}\n{}", outcome.stderr.replace(&url, "http://HOST"));
        }
    }
    insta::assert_snapshot!("answers_that_are_no_alerts", table);
    assert!(!lab.path("ran").exists() && !lab.path("store").exists());
}

#[test]
fn an_alertmanager_whose_answer_breaks_off_starts_nothing() {
    let lab = Lab::new();
    playbook(&lab);
    let many: Vec<_> = (0..50).map(|n| serde_json::json!({"alertname": "A", "n": n.to_string()})).collect();
    lab.fire(&many);
    for mood in [Mood::Cut(0), Mood::Cut(700), Mood::Cut(5_000), Mood::Html, Mood::Gone] {
        lab.proxy().becomes(mood);
        lab.run("run --poll").code(3).says("Alertmanager did not answer").says(&lab.proxy().url());
        assert!(!lab.path("ran").exists(), "{mood:?}");
    }
    lab.proxy().becomes(Mood::Veteran);
    lab.run("run --poll").code(0).says("10 runs, 10 succeeded");
}
