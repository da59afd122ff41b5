//! Input that is broken: an error that names place and source, nothing started; one bad alert among good ones is
//! passed over.

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

#[test]
fn a_broken_pipe_starts_nothing_and_its_place_is_named() {
    let lab = lab();
    for (input, says) in [
        (format!("[{GOOD},{{\"labels\":{{,}}}}]"), "stdin:1:84: `[1]`: broken JSON at byte 83"),
        (format!("[{GOOD},\n{{\"labels\":\n nope}}]"), "stdin:3:3: `[1]`: broken JSON at byte 86"),
        (
            format!("[{GOOD},{{\"labels\":{{\"al"),
            "stdin:1:87: `[1]`: unexpected end after byte 86: the input was cut off",
        ),
        (format!("[{GOOD}"), "the input was cut off"),
        (
            format!("[{GOOD}] and more"),
            "broken JSON at byte 73: expected `{` or `[`, or the end of the input",
        ),
        ("\"no such host\"".to_owned(), "this is an error message, not alerts: no such host"),
        ("17".to_owned(), "there is no JSON in this input"),
        ("{}".to_owned(), "an object with neither `labels` nor `alerts`"),
        ("<!DOCTYPE html><html></html>".to_owned(), "this is an HTML page, not JSON"),
        (
            "amtool: error: connection refused".to_owned(),
            "it begins with `amtool: error: connection refused`",
        ),
        ("[".repeat(200_000), "stdin:1:"),
    ] {
        let outcome = lab.pipe("run -o json", &input).code(2).says("error: stdin:").says(says);
        assert_eq!(outcome.stdout, "", "data is data, and there is none");
    }
    for input in ["", "\n \n"] {
        lab.pipe("run", input).code(3).says("stdin is empty").says("--poll");
    }
    lab.run("run --from nothing.json").code(3).says("cannot read nothing.json");
    assert!(!lab.path("ran").exists() && !lab.path("store").exists());
}

#[test]
fn a_bad_alert_among_good_ones_is_reported_and_passed_over() {
    for (n, (bad, says)) in [
        (r#"{"labels":{"alertname":"A","n":5}}"#, "`[0].labels.n`: invalid type: integer `5`"),
        (r#"{"labels":{"alertname":"A","n":["x"]}}"#, "`[0].labels.n`: invalid type: sequence"),
        (r#"{"labels":"alertname=A"}"#, "`[0].labels`: invalid type"),
        (r#"{"startsAt":"2026-01-01T00:00:00Z"}"#, "labels"),
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

#[test]
fn a_server_that_answers_something_else_is_named_and_nothing_is_started() {
    let lab = lab();
    for (answer, says) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nConnection: close\r\n\r\n<html><body>Sign in</body></ht",
            "not JSON",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n[{\"labels\":{\"alertname\":\"A\"}},",
            "the answer broke off",
        ),
        ("HTTP/1.0 200 OK\r\n\r\n[{\"labels\":{\"alertname\":\"A\"}},", "the input was cut off"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\n[{\"l\r\n",
            "the answer broke off",
        ),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 6\r\nConnection: close\r\n\r\n\"oops\"", "HTTP 500"),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP 401"),
        ("", "the answer broke off"),
    ] {
        let server = RawServer::plain(answer);
        let url = format!("http://127.0.0.1:{}", server.port());
        for args in [format!("run --from {url}/alerts.json"), format!("run --poll --alertmanager.url {url}")]
        {
            lab.run(&args).code(3).says(&url).says(says);
        }
    }
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
