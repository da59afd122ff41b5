//! `amflow alerts` beside `amtool alert query`: the same rows for the same arguments, and data that goes on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::lab::{Lab, Outcome, finish};

/// Every state that amtool knows.
const ALL: [&str; 4] = ["-a", "-s", "-i", "-u"];

/// Returns a lab with alerts of every kind: an alert by label, without a name, silenced, inhibited.
fn lab() -> Lab {
    let lab = Lab::with(
        "route: {receiver: nobody}\nreceivers: [{name: nobody}]\ninhibit_rules:\n  - source_matchers: [alertname=Root]\n    target_matchers: [alertname=Leaf]\n",
    );
    let (starts, ends) = (crate::support::lab::time(-3_600), crate::support::lab::time(3_600));
    let one = |labels: Value, notes: Value| json!({"labels": labels, "annotations": notes, "startsAt": starts, "endsAt": ends, "generatorURL": "http://prom/graph?g0.expr=up&g0.tab=1"});
    let alerts = [
        one(
            json!({"alertname": "DiskFull", "instance": "a:9100", "severity": "critical"}),
            json!({"summary": "Disk full on a", "description": "95% used"}),
        ),
        one(json!({"alertname": "DiskFull", "instance": "b:9100", "severity": "warning"}), json!({})),
        one(json!({"alertname": "Odd", "zeta": "a b", "dots": "x,y=z", "city": "漢字"}), json!({})),
        one(json!({"instance": "nameless"}), json!({"summary": "no name"})),
        one(json!({"alertname": "Muted", "instance": "m"}), json!({})),
        one(json!({"alertname": "Root"}), json!({})),
        one(json!({"alertname": "Leaf", "instance": "l"}), json!({})),
    ];
    lab.am().post("/api/v2/alerts", &serde_json::to_string(&alerts).unwrap());
    let silence = json!({"matchers": [{"name": "alertname", "value": "Muted", "isRegex": false, "isEqual": true}], "startsAt": starts, "endsAt": ends, "createdBy": "t", "comment": "c"});
    lab.am().post("/api/v2/silences", &silence.to_string());
    crate::support::alertmanager::wait_until("both are muted", || {
        let all: Vec<Value> = lab.am().get_json("/api/v2/alerts");
        all.iter().filter(|alert| alert["status"]["state"] == "suppressed").count() == 2
    });
    lab
}

fn amtool(lab: &Lab, args: &[&str]) -> Outcome {
    let mut command = lab.command("amtool");
    let url = format!("--alertmanager.url={}", lab.am().url());
    finish(command.args(["alert", "query", &url]).args(args))
}

fn ours(lab: &Lab, args: &[&str]) -> Outcome {
    finish(lab.amflow("alerts --poll").args(args))
}

/// Returns the cells of a table, by where its headings begin; the order of rows that began at once is nobody's.
fn rows(table: &str) -> Vec<Vec<String>> {
    let mut lines = table.lines().filter(|line| !line.trim().is_empty());
    let Some(head) = lines.next() else { return Vec::new() };
    let head: Vec<char> = head.chars().collect();
    let begins = (0..head.len()).filter(|&at| {
        let before = |by: usize| at.checked_sub(by).is_none_or(|at| head[at] == ' ');
        head[at] != ' ' && before(1) && before(2)
    });
    let begins: Vec<usize> = begins.collect();
    let mut rows: Vec<Vec<String>> = lines
        .map(|line| {
            let line: Vec<char> = line.chars().collect();
            let ends = begins.iter().skip(1).copied().chain([usize::MAX]);
            let cells = begins.iter().zip(ends);
            cells
                .map(|(&from, to)| {
                    let cell = &line[from.min(line.len())..to.min(line.len())];
                    cell.iter().collect::<String>().trim().to_owned()
                })
                .collect()
        })
        .collect();
    rows.sort();
    rows
}

const QUERIES: [&[&str]; 15] = [
    &[],
    &["DiskFull"],
    &["alertname=DiskFull"],
    &["DiskFull", "severity=critical"],
    &["severity=~crit.*"],
    &["severity!=critical"],
    &["severity!~crit.*|warn.*"],
    &["alertname=~Disk.*", "instance=~[ab]:9100", "severity!=critical"],
    &["zeta=\"a b\""],
    &["zeta=a b"],
    &["dots=x,y=z"],
    &["zone="],
    &["alertname="],
    &["instance!="],
    &["Nothing"],
];

#[test]
fn rows_are_those_of_amtool_in_both_forms() {
    let lab = lab();
    for query in QUERIES {
        for form in ["simple", "extended"] {
            let args = [&["-o", form], query].concat();
            let theirs = rows(&amtool(&lab, &[&ALL[..], &args[..]].concat()).code(0).stdout);
            // Those of other scripts than Latin are as wide in one table as in the other only by chance.
            let theirs: Vec<_> = theirs.into_iter().filter(|row| !row[0].contains("Odd")).collect();
            let here: Vec<_> = rows(&ours(&lab, &args).code(0).stdout);
            let here: Vec<_> = here.into_iter().filter(|row| !row[0].contains("Odd")).collect();
            assert_eq!(here, theirs, "{args:?}");
        }
    }
    // Without any state amtool shows what is not muted.
    let active = rows(&amtool(&lab, &[]).code(0).stdout);
    assert_eq!(rows(&ours(&lab, &["--active"]).code(0).stdout), active);
    for state in [&["-s"][..], &["-i"], &["-a"], &["-s", "-i"], &["-a", "-s"]] {
        let theirs = rows(&amtool(&lab, state).code(0).stdout);
        assert_eq!(rows(&ours(&lab, state).code(0).stdout), theirs, "{state:?}");
    }
    assert!(!lab.path("store").exists());
}

#[test]
fn objects_are_those_of_amtool_and_go_on_into_a_plan() {
    let lab = lab();
    lab.playbook("p", "matchers: ['alertname =~ \".+\"']\nrecheck: never\ninclude: [silenced, inhibited]\nlimits: {targets: none}\nsteps:\n  - exec: ['true']\n");
    for query in QUERIES.iter().chain([&["city=漢字"][..], &["city=\"漢字\""], &["city=~漢.*"]].iter()) {
        let theirs = amtool(&lab, &[&ALL[..], &["-o", "json"], query].concat()).code(0).stdout;
        let here = ours(&lab, &[&["-o", "json"][..], query].concat()).code(0).stdout;
        assert_eq!(by_fingerprint(&here), by_fingerprint(&theirs), "{query:?}");
        let lines = ours(&lab, &[&["-o", "ndjson"][..], query].concat()).code(0).stdout;
        let plan = lab.pipe("plan -o ndjson --explain", &theirs).code(0);
        // No lines at all are an empty pipe, and that is an error.
        for again in [&here, &lines].into_iter().filter(|again| !again.is_empty()) {
            assert_eq!(lab.pipe("alerts -o json", again).code(0).stdout, here, "{query:?}");
            let planned = lab.pipe("plan -o ndjson --explain", again).code(0).stdout;
            assert_eq!(planned, plan.stdout, "{query:?}");
        }
        let starts = plan.ndjson().iter().filter(|verdict| verdict["type"] == "start").count();
        let named = by_fingerprint(&theirs)
            .values()
            .filter(|alert| alert["labels"]["alertname"] != Value::Null)
            .count();
        assert_eq!(starts, named, "{query:?}");
    }
}

/// Returns the objects by their fingerprints, without what newer Alertmanagers have more.
fn by_fingerprint(list: &str) -> BTreeMap<String, Value> {
    let list: Vec<Value> = serde_json::from_str(list).unwrap();
    list.into_iter()
        .map(|mut alert| {
            assert_eq!(
                alert["status"].as_object_mut().unwrap().remove("mutedBy").unwrap_or(json!([])),
                json!([])
            );
            (alert["fingerprint"].as_str().unwrap().to_owned(), alert)
        })
        .collect()
}

#[test]
fn a_filter_means_the_same_for_a_poll_a_pipe_a_file_and_a_url() {
    let lab = lab();
    lab.playbook("p", "matchers: [alertname = Nothing]\nsteps:\n  - exec: ['true']\n");
    let all = ours(&lab, &["-o", "json"]).code(0).stdout;
    lab.write("alerts.json", &all);
    let url = format!("{}/api/v2/alerts", lab.am().url());
    for (filters, count) in [
        (&[][..], 7),
        (&["severity=critical"], 1),
        (&["severity=\"critical\""], 1),
        (&["severity!=critical"], 6),
        (&["severity!=\"\""], 2),
        (&["severity=\"\""], 5),
        (&["severity="], 5),
        (&["severity=~crit"], 0),
        (&["severity=~\"crit.*|warning\""], 2),
        (&["severity!~crit.*"], 6),
        (&["severity=~crit.*", "instance=~a.*"], 1),
        (&["{alertname=\"DiskFull\",severity!=\"critical\"}"], 1),
        (&["alertname=\"DiskFull\",severity=\"warning\""], 1),
        (&["dots=x,y=z"], 1),
        (&["\"severity\"=critical"], 1),
        (&["\"no.such.label\"=\"\""], 7),
        (&["\"no.such.label\"=x"], 0),
        (&["\"no.such.label\"=\"\"", "severity=critical"], 1),
        (&["city=漢字"], 1),
        // Both grammars read it, and the classic one counts: there this is no escape.
        (&["city=\"\\u6f22字\""], 0),
        (&["zeta=\"a b\""], 1),
        (&["instance=~\"(?i:A:9100)\""], 1),
    ] {
        let args: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", *filter]).collect();
        let polled = finish(lab.amflow("alerts -o json --poll").args(&args)).code(0);
        let list: Vec<Value> = serde_json::from_str(&polled.stdout).unwrap();
        assert_eq!(list.len(), count, "{filters:?}: {}", polled.stderr);
        for from in ["alerts.json", &url] {
            let read = finish(lab.amflow("alerts -o json --from").arg(from).args(&args)).code(0);
            assert_eq!(read.stdout, polled.stdout, "{filters:?} from {from}");
        }
        // In the configuration a filter is a list, as a playbook's matchers are.
        if filters.contains(&"dots=x,y=z") {
            continue;
        }
        let words = filters.iter().map(|filter| (*filter).to_owned()).collect::<Vec<_>>();
        let configured =
            format!("alertmanager: {{urls: ['{}'], filter: {}}}\n", lab.am().url(), json!(words));
        lab.write("filtered.yaml", &configured);
        let config = lab.run("alerts -o json --poll --config filtered.yaml").code(0);
        assert_eq!(config.stdout, polled.stdout, "{filters:?} of the configuration");
    }
    for (bad, says) in [("severity", "severity"), ("=x", "=x"), ("a=~\"(\"", "a=~"), ("a=\"b", "a=")] {
        for source in ["alerts --poll", "alerts --from alerts.json", "run --poll", "plan --poll"] {
            finish(lab.amflow(source).args(["--filter", bad])).code(2).says("the matcher `").says(says);
        }
    }
}
