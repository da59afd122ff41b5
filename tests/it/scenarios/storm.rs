//! A storm of webhooks: ten thousand alerts, of which the limits let twenty through, and nothing grows beyond bounds.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::serve::{Served, webhook};
use super::serve_limits::peak;
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;

/// Webhooks, and alerts in each.
const WEBHOOKS: usize = 100;
const ALERTS: usize = 100;
/// What the process may take at most, in MiB.
const MOST_MEMORY: u64 = 128;

/// Sends requests one after the other over one connection.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    fn post(&mut self, body: &[u8]) -> (u16, String) {
        let head =
            format!("POST /webhook HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        (status, String::from_utf8(answer).unwrap())
    }
}

/// The figures of a metric: by its labels.
fn figures(text: &str, name: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
    lines.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

fn sum(figures: &BTreeMap<String, f64>) -> usize {
    figures.values().sum::<f64>().to_string().parse().unwrap()
}

#[test]
fn of_ten_thousand_alerts_twenty_start_and_every_webhook_is_answered() {
    let lab = Lab::alone();
    lab.playbook(
        "p",
        "matchers: [alertname = A]\nlimits: {cooldown: none, targets: 5, rate: 20 in 1h}\nsteps:\n  \
         - exec: [sh, -c, 'echo begin >> log; sleep 0.2; echo end >> log']\n",
    );
    let served = Served::start(&lab, "--parallel 50");
    let mut client = Client::new(served.port);
    let mut told = 0;
    for n in 0..WEBHOOKS {
        let names: Vec<String> = (0..ALERTS).map(|m| format!("h{n}-{m}")).collect();
        let alerts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "firing")).collect();
        let (status, answer) = client.post(webhook(&alerts).to_string().as_bytes());
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["skipped"], json!(0), "{answer}");
        told += answer["started"].as_u64().unwrap() + answer["later"].as_u64().unwrap();
    }
    assert_eq!(told, 10_000);
    let metrics = || served.get("/metrics").1;
    let of = |name: &str| figures(&metrics(), name);
    wait_until("twenty runs are over", || sum(&of("amflow_runs_total")) == 20);
    // Nothing is lost, and what is put off for says so.
    wait_until("all others are put off", || sum(&of("amflow_put_off")) == 9_980);
    let put_off = of("amflow_put_off");
    assert!(
        put_off.keys().all(|l| ["rate", "targets"].iter().any(|r| l.contains(&format!("reason=\"{r}\""))))
    );
    let verdicts = of("amflow_admissions_total");
    assert_eq!(sum(&verdicts), 10_000, "each alert of the webhooks has a verdict: {verdicts:?}");
    let taken = of("amflow_deliveries_total");
    assert_eq!((sum(&taken), taken["result=\"taken\""]), (WEBHOOKS, 100.0), "{taken:?}");
    let runs = lab.runs();
    assert_eq!(runs.len(), 20);
    assert!(runs.iter().all(|run| run["status"] == "succeeded"), "{runs:#?}");
    let (mut now, mut most) = (0_i32, 0);
    for line in lab.lines("log") {
        now = if line == "begin" { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    assert!((2..=5).contains(&most), "{most} at the same time");
    let peak = peak(&served);
    assert!(peak < MOST_MEMORY, "{peak} MiB");
}
