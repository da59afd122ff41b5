//! What is written for programs: the schema in `docs/`, and that real output is as it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::lab::{Lab, Outcome};
use crate::support::program::{amflow, fresh, root};
use crate::support::schema::{Schema, strict};

fn schema() -> Value {
    let home = tempfile::tempdir().unwrap();
    let output = amflow(home.path()).args(["schema", "output"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_schema_of_output_is_the_one_in_docs() {
    let home = tempfile::tempdir().unwrap();
    let output = amflow(home.path()).args(["schema", "output"]).output().unwrap();
    fresh(&root().join("docs/output.schema.json"), &output.stdout);
}

/// Checks outputs, and remembers which shapes were seen.
struct Checked {
    schema: Value,
    seen: BTreeSet<String>,
}

impl Checked {
    #[track_caller]
    fn document(&mut self, name: &str, value: &Value) {
        Schema::new(self.schema.clone(), &format!("/$defs/{name}")).accepts(value);
        self.seen.insert(name.to_owned());
    }

    /// Checks the output of a command, which has something to say.
    #[track_caller]
    fn output(&mut self, name: &str, format: &str, outcome: &Outcome) {
        let values = if format == "json" { vec![outcome.json()] } else { outcome.ndjson() };
        assert!(!values.is_empty(), "{name} -o {format}: {}", outcome.stderr);
        values.iter().for_each(|value| self.document(&format!("{name}.{format}"), value));
    }

    /// Checks a command with `-o json` and `-o ndjson`.
    #[track_caller]
    fn both(&mut self, name: &str, run: impl Fn(&str) -> Outcome) {
        ["json", "ndjson"].into_iter().for_each(|format| self.output(name, format, &run(format)));
    }
}

const WAITS: &str =
    "matchers: [alertname = W]\nrecheck: never\nlimits: {cooldown: none}\nsteps:\n  - wait: 1h\n";

const ASKS: &str = "\
matchers: [alertname = P]
recheck: never
limits: {cooldown: none, targets: none, rate: none}
steps:
  - id: ask
    approve:
      prompt: go
      approvers: {users: [root]}
      timeout: 1h
      on_timeout: escalate
      escalate: {users: [boss], on_timeout: fail}
      inputs: {n: {type: int, default: 1, min: 0}, how: {choices: [fast, slow], required: false}}
  - exec: ['true']
  - silence: {}
  - http: {post: \"https://ann:hush@h.invalid/{{ steps.ask.inputs.n }}\"}
";

const RARE: &str = "matchers: [alertname = L]\nrecheck: never\nlimits: {rate: 1 in 1h, targets: none}\nsteps:\n  - exec: ['true']\n";

const STEPS: &str = "\
matchers: [alertname =~ \"A|B\"]
recheck: never
limits: {targets: none, cooldown: none, rate: none, breaker: 2}
when: alert.labels.skipped is undefined
steps:
  - id: look
    exec: [echo, hello]
    read_only: true
  - log: \"{{ steps.look.stdout }}\"
  - set: {x: 1}
  - shell: echo {{ alert.labels.n }}; test {{ alert.labels.alertname }} = A
    idempotent: true
    retry: {attempts: 2, backoff: 1ms..2ms}
    env: {GREETING: hi}
  - foreach: '[1, 2]'
    block:
      - exec: [test, -n, \"{{ item }}\"]
  - parallel:
      - wait: 10ms
      - http: {post: \"http://127.0.0.1:9/x\", json: {a: 1}, headers: {X-A: b}}
        continue_on_error: true
        when: alert.labels.n == \"1\"
on_failure:
  - log: {message: failed, level: warning}
finally:
  - exec: ['true']
";

#[test]
fn everything_printed_for_programs_is_as_the_schema_says() {
    let mut whole = schema();
    strict(&mut whole);
    let mut checked = Checked { schema: whole, seen: BTreeSet::new() };
    let lab = Lab::new();
    lab.playbook("steps", STEPS);
    let alert = |name: &str, n: u32| {
        json!({
            "labels": {"alertname": name, "n": n.to_string()},
            "annotations": {"summary": "it is so"},
            "startsAt": "2026-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.invalid/graph",
        })
    };
    let skipped = json!({"labels": {"alertname": "A", "skipped": "yes"}, "startsAt": "2026-01-01T00:00:00Z"});
    let piped = |alerts: &[Value]| serde_json::to_string(alerts).unwrap();

    let good = piped(&[alert("A", 1), alert("Other", 1), skipped.clone(), json!({"labels": 7})]);
    checked.both("alerts", |format| lab.pipe(&format!("alerts -o {format}"), &good));
    checked.both("plan", |format| lab.pipe(&format!("plan --explain --run-read-only -o {format}"), &good));
    let run = lab.pipe("run -o json", &good).code(1).json();
    assert_eq!(
        (run["runs"][0]["status"].as_str(), run["bad_alerts"].as_array().map(Vec::len)),
        (Some("succeeded"), Some(1))
    );
    checked.document("run.json", &run);
    let bad = piped(&[alert("B", 1), alert("B", 2), skipped]);
    checked.output("run", "ndjson", &lab.pipe("run -o ndjson --parallel 1", &bad).code(1));
    lab.playbook("rare", RARE);
    lab.pipe("run", piped(&[alert("L", 1)])).code(0);
    let later = lab.pipe("run -o ndjson", piped(&[alert("L", 2)]));
    assert_eq!(later.ndjson()[0]["type"], "later");
    checked.output("run", "ndjson", &later);
    checked.both("plan", |format| lab.pipe(&format!("plan -o {format}"), piped(&[alert("L", 2)])));
    checked.output("report", "json", &lab.run("report -o json"));
    checked.both("runs-list", |format| lab.run(&format!("runs list -o {format}")));
    checked.both("breakers-list", |format| lab.run(&format!("breakers list -o {format}")));
    for run in lab.runs() {
        let id = run["run"].as_str().unwrap();
        checked.both("runs-show", |format| lab.run(&format!("runs show {id} -o {format}")));
    }

    let failed = lab.runs().into_iter().find(|run| run["status"] == "failed").unwrap();
    let id = failed["run"].as_str().unwrap();
    checked.both("runs-retry", |format| {
        lab.run("breakers reset steps").code(0);
        lab.run(&format!("runs retry {id} -o {format}")).code(1)
    });
    // It was done again as often as it may be: the reason is data too.
    let rare = lab.runs().into_iter().find(|run| run["playbook"] == "rare").unwrap();
    let id = rare["run"].as_str().unwrap();
    checked.both("runs-retry", |format| {
        let put_off = lab.run(&format!("runs retry {id} -o {format}")).code(1);
        put_off.says("is not done again now").prints("\"later\"")
    });
    lab.playbook("waits", WAITS);
    for format in ["json", "ndjson"] {
        lab.pipe("run --no-wait", piped(&[alert("W", if format == "json" { 1 } else { 2 })])).code(4);
        let waiting = lab.runs().into_iter().find(|run| run["status"] == "waiting").unwrap();
        let id = waiting["run"].as_str().unwrap();
        let plan = lab.run("plan --poll -o json");
        assert_eq!(plan.json()[0]["type"], "go_on");
        checked.output("plan", "json", &plan);
        checked.both("runs-resume", |format| {
            lab.run(&format!("runs resume {id} --no-wait -o {format}")).code(4)
        });
        checked.output("runs-cancel", format, &lab.run(&format!("runs cancel {id} -o {format}")));
    }

    lab.playbook("asks", &ASKS.replace("users: [root]", &format!("users: ['{}']", lab.user())));
    for (n, format) in [(1, "json"), (2, "ndjson")] {
        for (n, word) in [(n, "approve"), (n + 2, "reject")] {
            lab.pipe("run --no-wait", piped(&[alert("P", n)])).code(4);
            checked.output("tasks-list", format, &lab.run(&format!("tasks list -o {format}")));
            let open = lab.run("tasks list -o json").json();
            let id = open[0]["run"].as_str().unwrap();
            checked.output("tasks-show", format, &lab.run(&format!("tasks show {id} -o {format}")));
            checked.output(word, format, &lab.run(&format!("{word} {id} --comment so -o {format}")).code(0));
            checked.output("runs-show", format, &lab.run(&format!("runs show {id} -o {format}")));
        }
    }

    lab.playbook("bad", "matchers: [severity != info]\nsteps:\n  - shel: x\n");
    checked.document("validate.json", &lab.run("validate -o json").code(1).json());

    let schema = schema();
    let named = schema["$defs"].as_object().unwrap().keys().filter(|name| name.contains('.')).cloned();
    assert_eq!(checked.seen, named.collect::<BTreeSet<_>>(), "a shape that is not tried here");
}
