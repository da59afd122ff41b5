//! Every shape that alerts come in, through the program: recognised without a flag, with Alertmanager's fingerprint.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use amflow::model::LabelSet;
use serde_json::{Value, json};

use crate::support::lab::Lab;

/// What every fixture holds: how many alerts, how many of them can start a run, and what is said of it.
const FIXTURES: [(&str, usize, &str); 24] = [
    ("alertmanager-0.25.0-alerts-empty.json", 0, ""),
    ("alertmanager-0.25.0-alerts-from-prometheus.json", 9, ""),
    ("alertmanager-0.25.0-alerts-suppressed.json", 7, ""),
    ("alertmanager-0.25.0-alerts.json", 6, ""),
    ("alertmanager-0.25.0-groups.json", 7, ""),
    ("alertmanager-0.25.0-webhook-all-resolved.json", 2, ""),
    ("alertmanager-0.25.0-webhook-firing.json", 2, ""),
    ("alertmanager-0.25.0-webhook-no-alertname.json", 1, ""),
    ("alertmanager-0.25.0-webhook-one-resolved.json", 3, ""),
    ("alertmanager-0.25.0-webhook-receiver-escaped.json", 1, ""),
    ("alertmanager-0.25.0-webhook-truncated.json", 2, "a webhook left out 3 alerts"),
    ("alertmanager-0.34-constructed-groups.json", 2, ""),
    ("alertmanager-0.34-constructed-webhook.json", 1, ""),
    ("amtool-0.25.0-alert-query-none.json", 0, ""),
    ("amtool-0.25.0-alert-query.json", 9, ""),
    ("amtool-0.27-constructed-warning-first.json", 2, ":1:1: skipped a line that is not JSON: `"),
    ("amtool-0.28-constructed-warnings-first.json", 2, ":2:1: skipped a line that is not JSON: `"),
    ("constructed-alert.json", 1, ""),
    ("constructed-alerts.ndjson", 4, ""),
    ("constructed-webhooks.ndjson", 3, ""),
    ("grafana-constructed-webhook.json", 1, ""),
    ("prometheus-2.42.0-alerts.json", 9, "1 alerts are pending and do not fire yet"),
    ("victoriametrics-1.112.0-alerts-empty.json", 0, ""),
    ("vmalert-1.112.0-alerts.json", 0, "1 alerts are pending"),
];
const BOTH: &str = "matchers: ['alertname =~ \".+\"']\nstatus: both\nrecheck: never\ninclude: [silenced, inhibited]\n\
                    limits: {cooldown: none, rate: none, targets: none}\nsteps:\n  - exec: ['true']\n";

fn fixture(name: &str) -> Vec<u8> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "payloads"].iter().collect();
    fs::read(folder.join(name)).unwrap()
}

/// Returns the labels of an alert that the program printed.
fn labels(alert: &Value) -> LabelSet {
    let labels = alert["labels"].as_object().unwrap();
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

/// Returns every fingerprint that stands in a document.
fn said(document: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(document);
    let parts = text.split("\"fingerprint\":").skip(1);
    parts
        .filter_map(|part| Some(part.trim_start().strip_prefix('"')?.split('"').next()?.to_owned()))
        .collect()
}

#[test]
fn every_shape_is_read_with_alertmanagers_fingerprint_whichever_way_it_comes() {
    let lab = Lab::alone();
    lab.playbook("p", BOTH);
    for (name, count, says) in FIXTURES {
        let bytes = fixture(name);
        let piped = lab.pipe("alerts -o json", &bytes).code(0).says(says);
        let list = piped.json();
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), count, "{name}");
        let found: BTreeSet<String> =
            list.iter().map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect();
        let said = said(&bytes);
        if !said.is_empty() {
            assert_eq!(found, said, "{name}: what the document says is kept");
        }
        // Grafana leaves labels out that its fingerprints count; constructed documents have made-up ones.
        if !name.contains("grafana") && !name.contains("0.34") {
            let computed: BTreeSet<String> =
                list.iter().map(|alert| labels(alert).fingerprint().to_string()).collect();
            assert_eq!(found, computed, "{name}");
        }

        fs::write(lab.path("alerts.json"), &bytes).unwrap();
        assert_eq!(
            lab.run("alerts -o json --from alerts.json").code(0).says(says).stdout,
            piped.stdout,
            "{name}"
        );
        let lines = lab.run("alerts -o ndjson --from alerts.json").code(0).ndjson();
        assert_eq!(&lines, list, "{name}");

        let plan = lab.pipe("plan -o ndjson", &bytes).code(0).says(says).ndjson();
        let planned: BTreeSet<String> = plan
            .iter()
            .filter(|verdict| verdict["type"] == "start")
            .flat_map(|verdict| verdict["fingerprints"].as_array().unwrap())
            .map(|fingerprint| fingerprint.as_str().unwrap().to_owned())
            .collect();
        let named = list.iter().filter(|alert| alert["labels"]["alertname"] != Value::Null);
        let named: BTreeSet<String> =
            named.map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect();
        assert_eq!(planned, named, "{name}");
    }
}

#[test]
fn documents_one_a_line_are_read_as_the_documents_themselves() {
    let lab = Lab::alone();
    for (name, count, _) in FIXTURES {
        let text = String::from_utf8(fixture(name)).unwrap();
        let begin = text.find(['{', '[']).unwrap();
        // Warnings stand before the first document only.
        let documents = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>();
        let documents: Vec<Value> = documents.map(Result::unwrap).collect();
        let once = lab.pipe("alerts -o json", &text).code(0).stdout;
        let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
        let pretty: String = documents
            .iter()
            .map(|document| format!("{}\r\n", serde_json::to_string_pretty(document).unwrap()))
            .collect();
        let marked = format!("\u{feff}{lines}");
        for (way, input) in [
            ("a line each", lines.clone()),
            ("twice", lines.repeat(2)),
            ("over many lines", pretty),
            ("without line ends", lines.replace('\n', "")),
            ("after a byte order mark", marked),
        ] {
            let read = lab.pipe("alerts -o json", &input).code(0);
            assert_eq!(read.json().as_array().unwrap().len(), count, "{name} {way}");
            assert_eq!(read.stdout, once, "{name} {way}");
        }
        // Each alert of the list as an object by itself.
        let single: Vec<Value> = serde_json::from_str(&once).unwrap();
        let single: String = single.iter().map(|alert| format!("{alert}\n")).collect();
        if count > 0 {
            assert_eq!(lab.pipe("alerts -o json", single).code(0).stdout, once, "{name} alone");
        }
    }
}

#[test]
fn one_episode_is_worked_on_once_whatever_shape_tells_of_it() {
    let lab = Lab::alone();
    lab.playbook("p", BOTH);
    let labels = json!({"alertname": "DiskFull", "instance": "a", "job": "node"});
    let at = "2026-01-01T00:00:00.123456789Z";
    let print = LabelSet::from([("alertname", "DiskFull"), ("instance", "a"), ("job", "node")]).fingerprint();
    let plain = json!({"labels": labels, "startsAt": at});
    let whole = json!({
        "labels": labels, "annotations": {}, "startsAt": at, "endsAt": "2099-01-01T00:00:00Z", "updatedAt": at,
        "fingerprint": print.to_string(), "generatorURL": "", "receivers": [{"name": "r"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
    });
    let notified = json!({
        "status": "firing", "labels": labels, "annotations": {}, "startsAt": at, "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "", "fingerprint": print.to_string(),
    });
    let webhook = json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "r",
        "groupLabels": {}, "commonLabels": labels, "commonAnnotations": {}, "externalURL": "", "alerts": [notified],
    });
    let groups = json!([{"labels": {}, "receiver": {"name": "r"}, "alerts": [whole]}]);
    let shapes = [plain.clone(), json!([plain]), whole.clone(), json!([whole]), webhook, groups];
    for (n, shape) in shapes.iter().enumerate() {
        let says = if n == 0 { "1 run, 1 succeeded" } else { "nothing to run, 1 already done" };
        lab.pipe("run", shape.to_string()).code(0).says(says);
        let seen = lab.pipe("alerts -o json", shape.to_string()).code(0).json();
        assert_eq!(seen[0]["fingerprint"], print.to_string(), "{shape}");
    }
    // Those of Prometheus lack external labels, and have a scope of their own.
    let prometheus =
        json!({"labels": labels, "annotations": {}, "state": "firing", "activeAt": at, "value": "1e+00"});
    let prometheus = json!({"status": "success", "data": {"alerts": [prometheus]}});
    lab.pipe("run", prometheus.to_string()).code(0).says("1 run, 1 succeeded");
    lab.pipe("run", prometheus.to_string()).code(0).says("nothing to run, 1 already done");
    assert_eq!(lab.runs().len(), 2);
}
