//! What a playbook needs is looked at before its first step: variables, secrets, and what connections name.

use serde_json::{Value, json};

use super::serve::{FREE, Served, webhook};
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;

const ALERT: &str =
    r#"[{"labels": {"alertname": "A", "instance": "one"}, "startsAt": "2026-01-01T00:00:00Z"}]"#;

/// Steps, of which the first leaves a trace.
fn playbook(lab: &Lab, name: &str, alertname: &str, steps: &str) {
    let head = format!("matchers: [alertname = {alertname}]\n{FREE}steps:\n");
    lab.playbook(name, &format!("{head}  - exec: [touch, began]\n{steps}"));
}

const READS: &str = "  - exec: [sh, -c, 'echo \"$1\" >> out', sh, \"{{ env.REGION }}\"]\n";
const SECRET: &str =
    "  - exec: [sh, -c, 'printf %s \"$TOKEN\" | wc -c >> out']\n    env: {TOKEN: {secret: token}}\n";
const HTTP: &str = "  - http: {get: /x, connection: wiki}\n";

#[test]
fn what_a_playbook_cannot_have_is_told_before_its_first_step_with_its_place() {
    let cases = [
        (
            "env: [REGION]\n",
            READS,
            "playbooks/p.yaml:8:48",
            "the variable `REGION` is not set",
            "env.REGION | default",
        ),
        (
            "secrets: {token: {file: none}}\n",
            SECRET,
            "playbooks/p.yaml:9:27",
            "secret `token`: cannot read `",
            "mend `secrets.token` in the configuration",
        ),
        (
            "secrets: {token: {env: T0KEN}}\n",
            SECRET,
            "playbooks/p.yaml:9:27",
            "secret `token`: the environment has no `T0KEN`",
            "mend `secrets.token` in the configuration",
        ),
        (
            "connections: {wiki: {url: 'http://127.0.0.1:9', http_config: {basic_auth: {username: u, password_file: none}}}}\n",
            HTTP,
            "playbooks/p.yaml:8:33",
            "connection `wiki`: `basic_auth.password_file`: can't read `",
            "`connections.wiki` in the configuration",
        ),
        (
            "connections: {wiki: {url: 'https://127.0.0.1:9', http_config: {tls_config: {ca_file: amflow.yaml}}}}\n",
            HTTP,
            "playbooks/p.yaml:8:33",
            "amflow.yaml`: ",
            "`connections.wiki` in the configuration",
        ),
        (
            "prometheus: {url: 'http://127.0.0.1:9', http_config: {bearer_token_file: none}}\n",
            "  - prometheus: {query: up}\n",
            "playbooks/p.yaml:8:17",
            "`bearer_token_file`: can't read `",
            "`prometheus.http_config` in the configuration",
        ),
        (
            "alertmanager: {urls: ['http://127.0.0.1:9'], http_config: {authorization: {credentials_file: none}}}\n",
            "  - wait: {until: resolved}\n",
            "playbooks/p.yaml:8:11",
            "`verify` needs the Alertmanager: `authorization.credentials_file`: can't read `",
            "`alertmanager.http_config` in the configuration",
        ),
    ];
    for (config, steps, place, why, hint) in cases {
        let lab = Lab::alone();
        lab.configure(config);
        playbook(&lab, "p", "A", steps);
        let told = lab.pipe("run", ALERT).code(2).says(place).says(why).says(hint);
        told.says("playbook `p` cannot have what is needed").says("nothing was started");
        assert!(!lab.path("began").exists() && !lab.path("store").exists(), "{config}");
        let told = lab.pipe("plan", ALERT).code(2).prints("skip  p").prints(place).prints(why).prints(hint);
        told.says("`amflow run` would start nothing");
        let record: Value = lab.pipe("plan -o json", ALERT).code(2).json();
        assert_eq!((&record[0]["type"], &record[0]["reason"]), (&json!("skip"), &json!("missing")));
        // Where playbooks are checked there are no secrets.
        lab.run("validate").code(0).says("0 problems, 0 warnings");
        // An alert that this playbook does not work on is nobody's trouble.
        playbook(&lab, "other", "B", "");
        lab.pipe("run", ALERT.replace("\"A\"", "\"B\"")).code(0).says("1 run, 1 succeeded");
    }
}

#[test]
fn what_is_there_or_has_a_default_starts() {
    let lab = Lab::alone();
    lab.configure("env: [REGION]\nsecrets: {token: {file: token}}\n");
    lab.write("token", "12345\n");
    playbook(
        &lab,
        "p",
        "A",
        &format!("{}{SECRET}", READS.replace("env.REGION", "env.REGION | default('none')")),
    );
    lab.pipe("run", ALERT).code(0).says("1 succeeded").keeps_silent_about("REGION");
    assert_eq!(lab.lines("out"), ["none", "5"]);
    playbook(&lab, "p", "A", READS);
    let mut run = lab.amflow("run --from -");
    run.env("REGION", "eu");
    let alerts = lab.path("alerts.json");
    std::fs::write(&alerts, ALERT.replace("one", "two")).unwrap();
    run.stdin(std::fs::File::open(alerts).unwrap());
    assert_eq!(crate::support::lab::finish(&mut run).code(0).code, 0);
    assert_eq!(lab.lines("out"), ["none", "5", "eu"]);
}

#[test]
fn a_run_is_done_again_only_when_it_can_have_what_it_needs() {
    let lab = Lab::alone();
    lab.configure("secrets: {token: {file: token}}\n");
    lab.write("token", "12345\n");
    playbook(&lab, "p", "A", SECRET);
    lab.pipe("run", ALERT).code(0);
    std::fs::remove_file(lab.path("token")).unwrap();
    let run = lab.only_run()["run"].as_str().unwrap().to_owned();
    lab.run(&format!("runs retry {run}")).code(2).says("is not done again").says("secret `token`");
    lab.write("token", "1234567\n");
    lab.run(&format!("runs retry {run}")).code(0);
    assert_eq!(lab.lines("out"), ["5", "7"]);
}

#[test]
fn a_service_holds_back_what_lacks_something_and_nothing_else_until_it_is_there() {
    let lab = Lab::alone();
    lab.configure("secrets: {token: {file: token}}\n");
    playbook(&lab, "good", "A", "  - exec: [sh, -c, 'echo good >> out']\n");
    playbook(&lab, "needy", "A", SECRET);
    let served = Served::start(&lab, "");
    let log = lab.read("serve.log");
    assert!(
        log.contains("warn playbook `needy` is held back, its alerts are put off: playbooks/needy.yaml:9:27: secret `token`"),
        "{log}"
    );
    let receipt = served.deliver(&webhook(&[("one", "firing")]));
    assert_eq!((&receipt["started"], &receipt["later"]), (&json!(1), &json!(1)));
    wait_until("the other one works", || lab.lines("out") == ["good"]);
    let (_, metrics) = served.get("/metrics");
    assert!(metrics.contains("amflow_playbook_held_back{playbook=\"needy\"} 1"), "{metrics}");
    assert!(metrics.contains("amflow_admissions_total{verdict=\"later\",reason=\"missing\"} 1"), "{metrics}");
    let status: Value = serde_json::from_str(&served.get("/api/v1/status").1).unwrap();
    assert!(status["held_back"]["needy"].as_str().unwrap().contains("secret `token`"), "{status}");
    lab.run("runs list").code(0).says("1 target put off");
    lab.write("token", "12345\n");
    wait_until("it starts by itself", || lab.lines("out") == ["good", "5"]);
    wait_until("that is told", || lab.read("serve.log").contains("playbook `needy` has what it needs again"));
    assert!(!served.get("/metrics").1.contains("amflow_playbook_held_back{"));
    assert_eq!(lab.runs().len(), 2);
}

#[test]
fn a_secret_that_vanishes_under_a_run_fails_it_with_the_reason() {
    let lab = Lab::alone();
    lab.configure("secrets: {token: {file: token}}\n");
    lab.write("token", "12345\n");
    let waits = "  - exec: [sh, -c, 'while [ ! -e enough ]; do sleep 0.02; done']\n";
    playbook(&lab, "p", "A", &format!("{waits}{SECRET}"));
    let served = Served::start(&lab, "");
    served.deliver(&webhook(&[("one", "firing")]));
    lab.await_file("began");
    std::fs::remove_file(lab.path("token")).unwrap();
    lab.write("enough", "");
    wait_until("it failed", || lab.only_run()["status"] == "failed");
    let reason = lab.only_run()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("secret `token`: cannot read `") && !reason.contains("12345"), "{reason}");
    assert!(!lab.path("out").exists());
}

#[test]
fn a_reload_that_would_hold_a_playbook_back_waits_until_it_would_not() {
    let lab = Lab::alone();
    lab.configure("secrets: {token: {file: token}}\n");
    playbook(&lab, "p", "A", "  - exec: [sh, -c, 'echo old >> out']\n");
    let served = Served::start(&lab, "");
    playbook(&lab, "p", "A", SECRET);
    let (status, text) = served.ask("POST", "/-/reload", "", b"");
    assert_eq!(status, 500, "{text}");
    assert!(text.contains("secret `token`: cannot read `token`"), "{text}");
    let log = lab.read("serve.log");
    assert!(log.contains("playbooks/p.yaml:9:27") && log.contains("as soon as that is there"), "{log}");
    assert!(served.get("/metrics").1.contains("amflow_config_last_reload_successful 0"));
    served.deliver(&webhook(&[("one", "firing")]));
    wait_until("the old one is in force", || lab.lines("out") == ["old"]);
    lab.write("token", "12345\n");
    wait_until("the new one is put in force", || {
        lab.read("serve.log").contains("what was missing is there: reloaded: 1 playbook")
    });
    served.deliver(&webhook(&[("two", "firing")]));
    wait_until("the new one works", || lab.lines("out") == ["old", "5"]);
}
