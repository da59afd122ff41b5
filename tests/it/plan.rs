//! `amflow plan` as people and programs see it: every verdict, every kind of effect, nothing changed.

use serde_json::{Value, json};

use crate::support::lab::{Lab, time};

/// Snapshots without what differs from one start to the next.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[run]");
    settings.add_filter(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]");
    settings.add_filter(r"\d\d:\d\d:\d\dZ", "[clock]");
    settings.add_filter(r"ended \d+s ago", "ended [n]s ago");
    settings.add_filter(r"\d+m to go", "[n] to go");
    settings.add_filter(r"paused by [^:]+:", "paused by [user]:");
    settings.add_filter(r"firing for \d+m?s?(\d+s)?,", "firing for [n],");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn alert(labels: Value) -> Value {
    json!({"labels": labels, "startsAt": time(-60)})
}

/// A lab in which every limit has been reached, and the alerts that meet them.
fn every_verdict() -> (Lab, Vec<Value>) {
    let lab = Lab::alone();
    lab.configure("time_intervals: [{name: never, time_intervals: [{years: ['1999']}]}, {name: always, time_intervals: [{years: ['1970:2999']}]}]\n");
    let free = "limits: {cooldown: none, rate: none, targets: none, breaker: none}";
    for (name, rest) in [
        ("start", free),
        ("young", "for: 1h"),
        ("muted", free),
        ("outside", "active_time_intervals: [never]"),
        ("inside", "mute_time_intervals: [always]"),
        ("cooldown", "group_by: [alertname]"),
        ("rate", "limits: {cooldown: none, targets: none, rate: 1 in 1h}"),
        ("targets", "limits: {cooldown: none, rate: none, targets: 1}"),
        ("breaker", "limits: {cooldown: none, rate: none, targets: none, breaker: 1}"),
        ("paused", free),
        ("when", "when: alert.labels.wanted == 'yes'"),
        ("broken", "when: alert.labels.absent == 'yes'"),
        ("claimed", free),
        ("status", "status: resolved"),
    ] {
        let name_of_alert = format!("matchers: [alertname = {name}]\n");
        let step = if name == "breaker" { "exec: ['false']" } else { "exec: [echo, '{{ alert.labels.n }}']" };
        lab.playbook(name, &format!("{name_of_alert}recheck: never\n{rest}\nsteps:\n  - {step}\n"));
    }
    let before: Vec<_> = ["cooldown", "rate", "breaker", "claimed"]
        .map(|name| alert(json!({"alertname": name, "n": "1"})))
        .to_vec();
    lab.pipe("run", json!(before).to_string()).code(1).says("4 runs, 3 succeeded, 1 failed");
    lab.run("pause --playbook paused --reason maintenance").code(0);
    let mut alerts: Vec<_> = ["start", "young", "outside", "inside", "paused", "when", "broken", "status"]
        .map(|name| alert(json!({"alertname": name, "n": "1"})))
        .to_vec();
    alerts.extend(["cooldown", "rate", "breaker"].map(|name| alert(json!({"alertname": name, "n": "2"}))));
    alerts.extend(["1", "2"].map(|n| alert(json!({"alertname": "targets", "n": n}))));
    alerts.push(before[3].clone());
    for alert in alerts.iter_mut().filter(|alert| alert["labels"]["alertname"] == "when") {
        alert["labels"]["wanted"] = json!("no");
    }
    let mut muted = alert(json!({"alertname": "muted", "n": "1"}));
    muted["status"] = json!({"state": "suppressed", "silencedBy": ["8c2f"], "inhibitedBy": []});
    alerts.push(muted);
    alerts.push(alert(json!({"alertname": "start", "n": "1", "amflow_state": "failed"})));
    // In the order of their names, whatever the clock says.
    alerts.sort_by_key(|alert| alert["labels"].to_string());
    for (second, alert) in (0..).zip(&mut alerts) {
        if alert["labels"] != before[3]["labels"] {
            alert["startsAt"] = json!(time(-50 + second));
        }
    }
    (lab, alerts)
}

#[test]
fn every_verdict_is_told_with_its_reason() {
    let (lab, alerts) = every_verdict();
    let input = json!(alerts).to_string();
    let text = lab.pipe("plan --explain -p playbooks", &input).code(1);
    let verdicts: Vec<_> = text.stdout.lines().collect();
    let of_matching = verdicts.iter().position(|line| line.contains("does not hold")).unwrap_or_default() - 1;
    snapshot("plan_every_verdict", &verdicts[..of_matching].join("\n"));
    let lines = lab.pipe("plan -o ndjson", &input).code(1);
    snapshot("plan_every_verdict_ndjson", &lines.stdout);
    let whole = lab.pipe("plan -o json", &input).code(1).json();
    let without_ids = |mut value: Value| {
        // Runs that would start are made up anew each time.
        value.as_array_mut().unwrap().iter_mut().for_each(|record| record["detail"] = Value::Null);
        value
    };
    assert_eq!(
        without_ids(whole),
        without_ids(json!(lines.ndjson())),
        "one document holds what the lines hold"
    );
    // A plan changes nothing: the second says what the first said.
    assert_eq!(lab.runs().len(), 4);
}

#[test]
fn an_explanation_names_the_first_matcher_that_does_not_hold_for_every_pair() {
    let lab = Lab::alone();
    lab.playbook("disk", "matchers: [alertname = Disk, 'mountpoint =~ \"/|/var.*\"', severity != info]\nrecheck: never\nsteps:\n  - exec: ['true']\n");
    lab.playbook("cpu", "matchers: [alertname = Cpu]\nrecheck: never\nsteps:\n  - exec: ['true']\n");
    let alerts = json!([
        {"labels": {"alertname": "Disk", "mountpoint": "/var/lib"}, "startsAt": "2026-01-01T00:00:01Z"},
        {"labels": {"alertname": "Disk", "mountpoint": "/home"}, "startsAt": "2026-01-01T00:00:02Z"},
        {"labels": {"alertname": "Disk", "mountpoint": "/", "severity": "info"}, "startsAt": "2026-01-01T00:00:03Z"},
        {"labels": {"alertname": "Cpu", "amflow_state": "failed"}, "startsAt": "2026-01-01T00:00:04Z"},
        {"labels": {"evil": "\u{1b}[31m\n"}, "startsAt": "2026-01-01T00:00:05Z"},
    ]);
    let told = lab.pipe("plan --explain", alerts.to_string()).code(0);
    snapshot("plan_explain", &told.stdout);
    let pairs = lab.pipe("plan --explain -o ndjson", alerts.to_string()).code(0).ndjson();
    assert_eq!(pairs.len(), 10, "five alerts, two playbooks");
}

#[test]
fn limits_over_all_playbooks_are_told_too() {
    for (limit, reason) in [("running: 1", "running"), ("starts: 1 in 1h", "rate")] {
        let lab = Lab::alone();
        lab.configure(&format!("limits: {{{limit}}}\n"));
        for name in ["a", "b"] {
            lab.playbook(
                name,
                &format!("matchers: [alertname = {name}]\nrecheck: never\nsteps:\n  - exec: ['true']\n"),
            );
        }
        let alerts = json!([alert(json!({"alertname": "a"})), alert(json!({"alertname": "b"}))]);
        let told = lab.pipe("plan -o json", alerts.to_string()).code(0).json();
        let verdicts: Vec<_> = told.as_array().unwrap().iter().map(|t| (&t["type"], &t["reason"])).collect();
        assert_eq!(verdicts, [(&json!("start"), &Value::Null), (&json!("later"), &json!(reason))], "{limit}");
    }
}

/// A playbook with one of every kind of step that has an effect.
const EFFECTS: &str = r#"
matchers: [alertname = A]
recheck: never
vars: {host: "{{ alert.labels.instance | host }}"}
steps:
  - id: look
    exec: [echo, "83"]
    read_only: true
  - id: used
    set: {used: "{{ steps.look.stdout | trim | int }}"}
  - id: script
    shell: |
      printf '%s\n' {{ alert.labels.evil }}
      echo "on {{ vars.host }}"
    env: {TOKEN: {secret: token}}
  - id: one
    shell: echo hi
  - id: argv
    exec: [sh, -c, 'echo "$1"', name, "{{ alert.labels.evil }}"]
  - id: clean
    when: vars.used > 80
    exec: [clean, "--keep={{ vars.used }}"]
  - id: call
    http:
      post: "https://user:hush@wiki.example.com/api/{{ alert.labels.evil }}"
      headers: {X-Token: {secret: token}}
      json: {host: "{{ vars.host }}", used: "{{ steps.argv.stdout | default('') }}"}
  - id: told
    http: {post: "https://wiki.example.com/", json: {host: "{{ vars.host }}"}}
  - id: both
    parallel:
      - {id: a, exec: [echo, a]}
      - {id: b, exec: [echo, b]}
  - id: each
    foreach: "['x', 'y']"
    exec: [echo, "{{ item }}"]
  - id: pause
    wait: 5s
  - id: say
    log: "{{ vars.host }} is done"
on_failure:
  - exec: [echo, "{{ failed.step }}"]
finally:
  - exec: [echo, "{{ run.status }}"]
"#;

fn effects() -> (Lab, String) {
    let lab = Lab::alone();
    lab.write("token", "very secret\n");
    lab.configure("secrets: {token: {file: token}}\n");
    lab.playbook("effects", EFFECTS);
    let labels = json!({"alertname": "A", "instance": "db1:9100", "evil": "$(id) 'x' \"y\"\n-z"});
    (lab, json!([{"labels": labels, "startsAt": "2026-01-01T00:00:00Z"}]).to_string())
}

#[test]
fn effects_are_shown_as_they_would_be_done_and_secrets_by_name() {
    let (lab, input) = effects();
    let text = lab.pipe("plan", &input).code(0);
    snapshot("plan_effects", &text.stdout);
    let data = lab.pipe("plan -o json", &input).code(0);
    snapshot("plan_effects_json", &data.stdout);
    for said in [text.stdout, text.stderr, data.stdout, data.stderr] {
        assert!(!said.contains("very secret") && !said.contains("hush"), "{said}");
    }
}

#[test]
fn what_changes_nothing_is_done_when_asked_for_and_what_depends_on_it_is_known() {
    let (lab, input) = effects();
    let told = lab.pipe("plan --run-read-only", &input).code(0);
    told.prints("look: run echo 83 (done: succeeded)").prints("│ 83").prints("clean: clean --keep=83");
    let told = lab.pipe("plan --run-read-only -o json", &input).code(0).json();
    let steps = told[0]["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["does"], &steps[0]["output"]["stdout"]), (&json!("did"), &json!("83\n")));
    assert!(lab.runs().is_empty(), "a plan starts nothing");

    lab.playbook("effects", "matchers: [alertname = A]\nrecheck: never\nsteps:\n  - exec: [touch, changed]\n  - {exec: [touch, late], read_only: true}\n");
    lab.pipe("plan --run-read-only", &input).code(0).prints("touch late");
    assert!(
        !lab.path("changed").exists() && !lab.path("late").exists(),
        "nothing after what changes something"
    );

    lab.playbook("effects", "matchers: [alertname = A]\nrecheck: never\nsteps:\n  - {id: no, exec: [sh, -c, 'echo why >&2; exit 3'], read_only: true}\n  - {exec: [touch, late], read_only: true}\n");
    lab.pipe("plan --run-read-only", &input).code(0).prints("(done: failed: exit code 3: why)");
    assert!(!lab.path("late").exists(), "the run would have failed before");
}

#[test]
fn without_an_alertmanager_what_asks_for_it_by_name_is_refused_and_the_rest_is_told_of() {
    let lab = Lab::alone();
    let input = json!([alert(json!({"alertname": "A"}))]).to_string();
    let named = ["sync: {silence: true}", "sync: {inhibit: true}", "recheck: start", "recheck: always"];
    for named in named {
        lab.playbook("p", &format!("matchers: [alertname = A]\n{named}\nsteps:\n  - exec: [touch, ran]\n"));
        lab.pipe("run", &input).code(2).says("needs an Alertmanager").says("nothing was started");
    }
    lab.playbook(
        "p",
        "matchers: [alertname = A]\nsteps:\n  - exec: [touch, ran]\n  - wait: {until: resolved}\n",
    );
    lab.pipe("run", &input).code(2).says("`verify` needs an Alertmanager");
    assert!(!lab.path("ran").exists());
    lab.playbook("p", "matchers: [alertname = A]\nsteps:\n  - exec: [touch, ran]\n");
    lab.pipe("plan", &input).code(0).says("would not be looked at again before the first effect");
    lab.pipe("run", &input).code(0).says("1 run, 1 succeeded");
    assert!(lab.path("ran").exists());
}

#[test]
fn what_is_not_configured_is_told_by_a_plan_as_a_run_would_refuse_it() {
    let lab = Lab::alone();
    let input = json!([alert(json!({"alertname": "A"}))]).to_string();
    lab.playbook("p", "matchers: [alertname = A]\nsync: {silence: true}\nsteps:\n  - exec: ['true']\n");
    let told = lab.pipe("plan", &input).code(2);
    let told = told.prints("playbooks/p.yaml:4:8: `sync.silence` needs an Alertmanager");
    told.prints("--alertmanager.url").says("playbook `p` cannot have what is needed");
}
