//! OpenTelemetry: runs of the real program reach a collector as traces, and a collector that is not there keeps no
//! run from anything.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::{Value, json};

use super::serve::{FREE, Served, webhook};
use crate::support::alertmanager::wait_until;
use crate::support::collector::{Collector, Span, only, tree};
use crate::support::http::{RawServer, silent_port};
use crate::support::lab::{Lab, finish, outcome, send};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

fn alerts() -> String {
    json!([{"labels": {"alertname": "A", "instance": "one"}, "startsAt": "2026-01-01T00:00:00Z"}]).to_string()
}

/// Returns a lab without an Alertmanager that sends traces to a collector.
fn lab(collector: &Collector) -> Lab {
    let lab = Lab::alone();
    configure(&lab, collector, "");
    lab
}

fn configure(lab: &Lab, collector: &Collector, more: &str) {
    lab.configure(&format!("telemetry: {{otlp: {{endpoint: '{}'{more}}}}}\n", collector.url()));
}

fn playbook(lab: &Lab, steps: &str) {
    lab.playbook("p", &format!("matchers: [alertname = A]\n{FREE}{steps}"));
}

/// Returns the trace that a run must have: its id.
fn trace_of(run: &Value) -> String {
    run["run"].as_str().unwrap().replace('-', "")
}

/// Expects that all spans are of one trace, each with an id of its own, and below the others.
#[track_caller]
fn is_whole(spans: &[Span], trace: &str) {
    let ids: BTreeSet<_> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:#?}");
    for span in spans {
        assert_eq!(span.trace, trace);
        assert!(span.parent.is_empty() || ids.contains(span.parent.as_str()), "{span:#?}");
        assert!(span.begins <= span.ends, "{span:#?}");
    }
    assert_eq!(spans.iter().filter(|span| span.parent.is_empty()).count(), 1);
}

#[test]
fn a_run_is_a_trace_and_its_steps_are_spans() {
    let (collector, server) = (Collector::start(), RawServer::plain(OK));
    let lab = lab(&collector);
    lab.write("token", "hunter2hunter2\n");
    configure(&lab, &collector, ", http_config: {bearer_token: hush-hush-hush}, compression: gzip");
    let config = lab.read("amflow.yaml") + "secrets: {token: {file: token}}\n";
    lab.write("amflow.yaml", &config);
    playbook(
        &lab,
        &format!(
            r#"steps:
  - id: both
    parallel:
      - id: left
        exec: [sh, -c, 'echo "$TRACEPARENT" > left; echo $TOKEN']
        env: {{TOKEN: {{secret: token}}}}
      - id: right
        block:
          - id: ask
            http: {{get: "http://127.0.0.1:{}/x", headers: {{X-Token: {{secret: token}}}}}}
  - id: skipped
    when: "false"
    exec: ['true']
  - id: each
    foreach: "[1, 2]"
    exec: ['true', "{{{{ item }}}}"]
  - id: flaky
    idempotent: true
    retry: {{attempts: 3, backoff: 10ms..20ms}}
    exec: [sh, -c, 'test -e once || {{ touch once; exit 7; }}']
  - id: keep
    set: {{x: 1}}
  - id: last
    exec: [sh, -c, 'echo "no such disk" >&2; exit 3']
  - exec: ['true']
on_failure:
  - id: tell
    exec: ['true']
finally:
  - id: tidy
    exec: ['true']
"#,
            server.port()
        ),
    );
    lab.pipe("run", alerts()).code(1).keeps_silent_about("warning");
    let spans = collector.spans();
    let run = lab.only_run();
    is_whole(&spans, &trace_of(&run));
    assert_eq!(
        tree(&spans),
        [
            "run p ERROR last: exit code 3: no such disk",
            "  both",
            "    left",
            "      attempt 1",
            "    right",
            "      ask",
            "        attempt 1",
            "  each",
            "    each[]",
            "      attempt 1",
            "    each[]",
            "      attempt 1",
            "  flaky",
            "    attempt 1 ERROR exit code 7",
            "    attempt 2",
            "  keep",
            "  last ERROR exit code 3: no such disk",
            "    attempt 1 ERROR exit code 3: no such disk",
            "  tell",
            "    attempt 1",
            "  tidy",
            "    attempt 1",
        ]
    );

    let root = only(&spans, "run p");
    for (key, value) in [
        ("amflow.run.id", run["run"].as_str().unwrap()),
        ("amflow.playbook.name", "p"),
        ("amflow.run.status", "failed"),
        ("amflow.run.reason", "last: exit code 3: no such disk"),
        ("amflow.run.failed_step", "last"),
        ("alert.label.alertname", "A"),
        ("alert.label.instance", "one"),
    ] {
        assert_eq!(root.attributes[key], value, "{root:#?}");
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for (key, value) in [
        ("service.name", "amflow"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("host.name", host.trim()),
    ] {
        assert_eq!(root.resource[key], value);
    }
    let skipped = &root.events.iter().find(|(name, _)| name == "step_skipped").unwrap().1;
    assert_eq!(skipped["amflow.step.path"], "skipped");
    let flaky = only(&spans, "flaky");
    assert_eq!(flaky.events[0].0, "retry_scheduled");
    let attempts: Vec<_> = spans.iter().filter(|span| span.parent == flaky.id).collect();
    let (first, second) = (&attempts[0].attributes, &attempts[1].attributes);
    assert_eq!((first["process.exit.code"].as_str(), second["process.exit.code"].as_str()), ("7", "0"));
    assert_eq!(first["error.type"], "exit_code");

    // What a command and a server are told is the span of their attempt.
    let span_of = |step: &str| {
        let step = only(&spans, step);
        let attempt = spans.iter().find(|span| span.parent == step.id).unwrap();
        format!("00-{}-{}-01", attempt.trace, attempt.id)
    };
    assert_eq!(lab.read("left").trim(), span_of("left"));
    let head = server.heads().concat();
    assert!(head.contains(&format!("traceparent: {}\r\n", span_of("ask"))), "{head}");

    let requests = collector.requests();
    for request in &requests {
        assert!(request.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", request.head);
        assert!(request.head.contains("authorization: bearer hush-hush-hush\r\n"), "{}", request.head);
        let body = String::from_utf8_lossy(&request.body);
        assert!(!body.contains("hunter2") && !body.contains("hush"), "{body}");
    }
}

#[test]
fn a_run_that_was_killed_goes_on_in_its_trace() {
    let collector = Collector::start();
    let lab = lab(&collector);
    playbook(
        &lab,
        "steps:\n  - id: first\n    exec: ['true']\n  - id: again\n    idempotent: true\n    exec: [sh, -c, 'echo $$ >> begun; test -e go || sleep 60']\n  - id: last\n    exec: ['true']\n",
    );
    lab.write("alerts.json", &alerts());
    let child = lab.start("run --from alerts.json");
    lab.await_file("begun");
    send("KILL", child.id());
    outcome(child);
    lab.write("go", "");
    lab.run("runs resume").code(0).says("ended a command that was left running");
    let mut spans = collector.spans();
    // The process that was killed may or may not have sent its first step; it is the same, then.
    spans.sort_by(|a, b| (&a.id, a.begins, a.ends).cmp(&(&b.id, b.begins, b.ends)));
    spans.dedup_by(|a, b| format!("{a:?}") == format!("{b:?}"));
    is_whole(&spans, &trace_of(&lab.only_run()));
    assert_eq!(
        tree(&spans),
        [
            "run p",
            "  first",
            "    attempt 1",
            "  again",
            "    attempt 1 ERROR lost: begun, and its end is unknown because amflow ended before it did",
            "    attempt 2",
            "  last",
            "    attempt 1",
        ]
    );
    let root = only(&spans, "run p");
    assert_eq!(root.events[0].0, "taken_over");
    assert_eq!(root.events[0].1["amflow.lost"], "again#1");
}

#[test]
fn a_run_that_waited_without_a_process_sends_each_span_once() {
    let collector = Collector::start();
    let lab = lab(&collector);
    playbook(
        &lab,
        "steps:\n  - id: first\n    exec: ['true']\n  - id: pause\n    wait: 3s\n  - id: last\n    exec: ['true']\n",
    );
    lab.pipe("run --no-wait", alerts()).code(4);
    let before = collector.spans();
    let names: BTreeSet<_> = before.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["first", "attempt 1"]), "what is over is sent, and nothing else");
    let run = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs resume {run}")).code(0);
    let spans = collector.spans();
    is_whole(&spans, &run.replace('-', ""));
    assert_eq!(
        tree(&spans),
        ["run p", "  first", "    attempt 1", "  pause", "    attempt 1", "  last", "    attempt 1"]
    );
    let pause = only(&spans, "pause");
    assert!(pause.ends - pause.begins >= 3_000_000_000, "{pause:#?}");
}

#[test]
fn a_collector_that_is_not_there_costs_a_run_a_warning_and_nothing_else() {
    let (silent, silent_port) = silent_port();
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    for (port, why) in [(gone, "connection refused"), (silent_port, "")] {
        let lab = Lab::alone();
        lab.configure(&format!(
            "telemetry: {{otlp: {{endpoint: 'http://127.0.0.1:{port}', timeout: 1s}}}}\n"
        ));
        playbook(&lab, "steps:\n  - exec: [sh, -c, 'echo done >> done']\n");
        for (flags, instance) in [("", "one"), ("-q", "two")] {
            let alerts = alerts().replace("one", instance);
            let ended = lab.pipe(&format!("run -o json {flags}"), alerts).code(0);
            assert_eq!(ended.json()["runs"][0]["status"], "succeeded");
            // Also under -q: who configured a collector would else never know.
            let warnings: Vec<_> = ended.stderr.lines().filter(|line| line.contains("traces")).collect();
            assert_eq!(warnings.len(), 1, "{}", ended.stderr);
            let begin = format!("warning: traces cannot be sent: POST http://127.0.0.1:{port}/v1/traces: ");
            assert!(warnings[0].starts_with(&begin) && warnings[0].contains(why), "{}", warnings[0]);
        }
        assert_eq!(lab.lines("done"), ["done", "done"]);
        // Nothing happened: nothing is to be sent, and nobody is told.
        lab.pipe("run -q", alerts()).code(0).keeps_silent_about("traces");
    }
    drop(silent);
}

#[test]
fn the_variables_of_opentelemetry_are_heard_and_without_any_nothing_is_sent_or_told() {
    let (collector, server) = (Collector::start(), RawServer::plain(OK));
    let lab = Lab::alone();
    let steps = "steps:\n  - id: a\n    exec: [sh, -c, 'echo \"parent=${TRACEPARENT:-none}\" >> told']\n  - http: {get: \"http://127.0.0.1:PORT/\"}\n";
    playbook(&lab, &steps.replace("PORT", &server.port().to_string()));
    let mut number = 0;
    let mut run = |variables: &[(&str, &str)]| {
        number += 1;
        lab.write("alerts.json", &alerts().replace("one", &number.to_string()));
        finish(lab.amflow("run --from alerts.json").envs(variables.iter().copied()).stdin(Stdio::null()))
    };
    let url = collector.url();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str());
    run(&[]).code(0).keeps_silent_about("traces");
    run(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).code(0);
    run(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).code(0).says("warning: no traces are sent");
    assert_eq!(collector.requests().len(), 0);
    assert_eq!(lab.lines("told"), ["parent=none"; 3]);
    assert!(!server.heads().concat().contains("traceparent"));

    let more = [
        endpoint,
        ("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=some%20key"),
        ("OTEL_SERVICE_NAME", "mender"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_PROPAGATORS", "none"),
    ];
    run(&more).code(0);
    let spans = collector.spans();
    assert_eq!(tree(&spans)[0], "run p");
    let resource = &spans[0].resource;
    assert_eq!(
        (resource["service.name"].as_str(), resource["deployment.environment.name"].as_str()),
        ("mender", "test")
    );
    assert!(collector.requests()[0].head.contains("x-key: some key\r\n"));
    assert_eq!(lab.lines("told").last().unwrap(), "parent=none");
}

#[test]
fn what_is_planned_is_the_same_and_what_a_plan_looks_at_belongs_to_no_trace() {
    let collector = Collector::start();
    let lab = Lab::alone();
    playbook(
        &lab,
        "steps:\n  - id: look\n    read_only: true\n    exec: [sh, -c, 'echo \"parent=${TRACEPARENT:-none}\"']\n  - exec: [echo, \"{{ steps.look.stdout }}\"]\n",
    );
    let plan = || lab.pipe("plan -o json --run-read-only", alerts()).code(0).json();
    let before = plan();
    configure(&lab, &collector, "");
    assert_eq!(plan(), before);
    assert!(before.to_string().contains("parent=none"), "{before:#}");
    assert_eq!(collector.requests().len(), 0);
}

#[test]
fn a_service_sends_as_it_goes_and_the_rest_when_it_ends() {
    let collector = Collector::start();
    let lab = lab(&collector);
    playbook(&lab, "steps:\n  - id: a\n    exec: ['true']\n");
    let mut served = Served::start(&lab, "");
    served.deliver(&webhook(&[("one", "firing")]));
    let spans = collector.await_runs(1);
    assert_eq!(tree(&spans), ["run p", "  a", "    attempt 1"]);
    wait_until("it is counted", || served.get("/metrics").1.contains("amflow_trace_spans_sent_total 3\n"));
    assert!(served.get("/metrics").1.contains("amflow_trace_spans_dropped_total 0\n"));

    // A run that ends just before the service does.
    playbook(
        &lab,
        "steps:\n  - id: b\n    exec: [sh, -c, 'touch begun; while [ ! -e go ]; do sleep 0.02; done']\n",
    );
    let (status, text) = served.ask("POST", "/-/reload", "", b"");
    assert_eq!(status, 200, "{text}");
    served.deliver(&webhook(&[("two", "firing")]));
    lab.await_file("begun");
    send("TERM", served.child.id());
    wait_until("it drains", || lab.read("serve.log").contains("SIGTERM: takes nothing more"));
    lab.write("go", "");
    served.child.wait().unwrap();
    let spans = collector.spans();
    assert!(spans.iter().any(|span| span.name == "b"), "{:?}", tree(&spans));
    assert!(!lab.read("serve.log").contains("traces"), "{}", lab.read("serve.log"));
}

#[test]
fn a_service_without_its_collector_works_on_tells_it_once_and_goes_over_to_another() {
    let collector = Collector::start();
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let lab = Lab::alone();
    lab.configure(&format!("telemetry: {{otlp: {{endpoint: 'http://127.0.0.1:{gone}'}}}}\n"));
    playbook(&lab, "steps:\n  - id: a\n    exec: [sh, -c, 'echo x >> done']\n");
    let served = Served::start(&lab, "");
    let figure = |name: &str| -> u64 {
        let page = served.get("/metrics").1;
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{name}:\n{page}")).parse().unwrap()
    };
    served.deliver(&webhook(&[("one", "firing")]));
    wait_until("it was tried twice", || figure("amflow_trace_requests_failed_total") >= 2);
    served.deliver(&webhook(&[("two", "firing")]));
    wait_until("both ran, and wait to be told", || {
        lab.lines("done").len() == 2 && figure("amflow_trace_spans_waiting") == 6
    });
    let told = lab.lines("serve.log").into_iter().filter(|line| line.contains("traces cannot be sent"));
    assert_eq!(told.count(), 1, "{}", lab.read("serve.log"));

    configure(&lab, &collector, "");
    let (status, text) = served.ask("POST", "/-/reload", "", b"");
    assert_eq!(status, 200, "{text}");
    let spans = collector.await_runs(2);
    assert_eq!(spans.len(), 6);
    wait_until("nothing waits", || figure("amflow_trace_spans_waiting") == 0);

    lab.configure("");
    assert_eq!(served.ask("POST", "/-/reload", "", b"").0, 200);
    served.deliver(&webhook(&[("three", "firing")]));
    wait_until("it ran", || lab.lines("done").len() == 3);
    assert_eq!(figure("amflow_trace_spans_sent_total"), 6);
    assert_eq!(collector.spans().len(), 6);
}
