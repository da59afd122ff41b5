//! The shipped playbooks: valid as they are, with nothing configured but what they name.

use std::fs;
use std::path::Path;

use amflow::model::{LabelSet, MatcherSyntax};
use amflow::playbook::{Facts, Library, compile_text, parse_files};
use amflow::text::render;

use crate::support::program::{amflow, root};

fn shipped() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "yaml") && !path.to_string_lossy().ends_with(".test.yaml")
        })
        .collect();
    files.sort();
    let name = |path: &Path| format!("playbooks/{}", path.file_name().unwrap().to_string_lossy());
    files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn library() -> Library {
    let facts = Facts {
        env: Some(Vec::new()),
        secrets: Some(Vec::new()),
        connections: Some(Vec::new()),
        time_intervals: Some(std::collections::BTreeMap::new()),
        alertmanager: Some(true),
        prometheus: Some(false),
        people: Some(amflow::model::People::default()),
        matcher_syntax: MatcherSyntax::default(),
    };
    let loaded = parse_files(shipped(), &facts);
    let said = render::text(&loaded.diagnostics, render::Drawing::default());
    assert!(loaded.diagnostics.is_empty(), "\n{said}");
    loaded.library
}

#[test]
fn the_shipped_playbooks_are_valid_without_a_word() {
    assert_eq!(library().playbooks().len(), 8);
}

#[test]
fn the_shipped_playbooks_are_safe_by_default() {
    for playbook in library().playbooks() {
        let name = playbook.name.as_str();
        assert!(playbook.limits.cooldown.is_some(), "{name}");
        assert!(playbook.limits.rate.is_some(), "{name}");
        assert!(playbook.limits.targets.is_some_and(|targets| targets <= 5), "{name}");
        assert!(playbook.limits.breaker.is_some(), "{name}");
        assert!(playbook.owner.is_some() && !playbook.description.is_empty(), "{name}");
        assert!(!playbook.trigger.include_silenced && !playbook.trigger.include_inhibited, "{name}");
        let reads_first = playbook.steps.first().is_some_and(|step| match &step.body {
            amflow::playbook::Body::Parallel(steps) => steps.iter().all(|step| step.read_only),
            _ => step.read_only,
        });
        assert!(reads_first, "{name} looks before it acts");
    }
}

#[test]
fn each_alert_finds_its_playbook() {
    let library = library();
    let mut out = Vec::new();
    for (labels, expected) in [
        (
            vec![
                ("alertname", "NodeFilesystemSpaceFillingUp"),
                ("mountpoint", "/var"),
                ("instance", "a:9100"),
            ],
            "node-disk-full",
        ),
        (vec![("alertname", "NodeClockNotSynchronising"), ("instance", "a:9100")], "node-clock-skew"),
        (
            vec![("alertname", "NodeSystemdServiceFailed"), ("name", "logrotate.service")],
            "systemd-unit-failed",
        ),
        (vec![("alertname", "BlackboxProbeFailed"), ("instance", "https://example.com")], "probe-failed"),
        (
            vec![("alertname", "SSLCertExpiringSoon"), ("instance", "https://example.com")],
            "certificate-expiry",
        ),
        (
            vec![
                ("alertname", "KubePodCrashLooping"),
                ("namespace", "shop"),
                ("pod", "web-1"),
                ("container", "web"),
            ],
            "kubernetes-crash-loop",
        ),
        (
            vec![("alertname", "PostgresqlTooManyConnections"), ("instance", "db1:9187")],
            "postgresql-connections",
        ),
        (vec![("alertname", "InstanceDown"), ("job", "node"), ("instance", "a:9100")], "exporter-down"),
    ] {
        let labels: LabelSet = labels.into_iter().collect();
        library.matching(&labels, &mut out);
        let names: Vec<&str> = out.iter().map(|at| library.playbooks()[*at as usize].name.as_str()).collect();
        assert_eq!(names, [expected]);
    }
}

#[test]
fn a_run_can_compile_its_playbook_again_from_the_text_that_it_keeps() {
    for playbook in library().playbooks() {
        let again = compile_text(&playbook.text, &Facts::default())
            .unwrap_or_else(|_| panic!("{}", playbook.name.as_str()));
        assert_eq!(
            (&again.name, &again.digest, &again.text),
            (&playbook.name, &playbook.digest, &playbook.text)
        );
    }
}

/// Alerts as the named rule sets raise them, with all their labels, and a line of the plan.
const REALISTIC: &[(&str, &str, &str)] = &[
    (
        "node-disk-full",
        r#"{"alertname":"NodeFilesystemSpaceFillingUp","instance":"db1:9100","job":"node","device":"/dev/sda1","fstype":"ext4","mountpoint":"/var","severity":"warning"}"#,
        "usage: ssh -o BatchMode=yes -- db1 df --output=pcent ''\\''/var'\\'''",
    ),
    (
        "node-clock-skew",
        r#"{"alertname":"NodeClockNotSynchronising","instance":"db1:9100","job":"node","severity":"warning"}"#,
        "restart: ssh -o BatchMode=yes -- db1 sudo systemctl restart chrony",
    ),
    (
        "systemd-unit-failed",
        r#"{"alertname":"NodeSystemdServiceFailed","instance":"db1:9100","job":"node","name":"logrotate.service","state":"failed","type":"oneshot","severity":"warning"}"#,
        "restart: ssh -o BatchMode=yes -- db1 sudo systemctl restart -- ''\\''logrotate.service'\\'''",
    ),
    (
        "exporter-down",
        r#"{"alertname":"PrometheusTargetMissing","instance":"[2001:db8::1]:9100","job":"node","severity":"critical"}"#,
        "alive: ssh -o BatchMode=yes -o ConnectTimeout=10 -- 2001:db8::1 uptime",
    ),
    (
        "probe-failed",
        r#"{"alertname":"BlackboxProbeFailed","instance":"https://shop.example/cart","job":"blackbox","severity":"critical"}"#,
        "name: getent ahosts shop.example",
    ),
    (
        "certificate-expiry",
        r#"{"alertname":"BlackboxSslCertificateWillExpireSoon","instance":"https://shop.example/","job":"blackbox","severity":"warning"}"#,
        "renew: ssh -o BatchMode=yes -- shop.example sudo certbot renew",
    ),
    (
        "kubernetes-crash-loop",
        r#"{"alertname":"KubePodCrashLooping","namespace":"shop","pod":"web-5d9c7b-x2x4z","container":"web","reason":"CrashLoopBackOff","uid":"f00","job":"kube-state-metrics","instance":"10.0.0.1:8080","severity":"warning"}"#,
        "logs: kubectl --namespace shop logs --previous --tail=200 --container web -- web-5d9c7b-x2x4z",
    ),
    (
        "postgresql-connections",
        r#"{"alertname":"PostgresqlTooManyConnections","instance":"exporter:9187","server":"db1:5433","job":"postgres","severity":"warning"}"#,
        "--host=db1 --port=5433 --dbname=postgres",
    ),
];

#[test]
fn each_shipped_playbook_is_planned_for_an_alert_as_its_rules_raise_it() {
    for (playbook, labels, line) in REALISTIC {
        let home = tempfile::tempdir().expect("a directory");
        let alert = format!(
            r#"[{{"labels":{labels},"annotations":{{"summary":"as it is"}},"startsAt":"2026-01-02T03:04:05Z","status":"firing"}}]"#
        );
        std::fs::write(home.path().join("alerts.json"), alert).expect("the alert");
        let output = amflow(home.path())
            .args(["plan", "--from", "alerts.json", "--store", "store"])
            .args(["--alertmanager.url", "http://127.0.0.1:9", "--playbooks"])
            .arg(root().join("playbooks"))
            .output()
            .expect("amflow runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{playbook}: {}", String::from_utf8_lossy(&output.stderr));
        let starts: Vec<&str> = said.lines().filter(|text| text.starts_with("start ")).collect();
        assert!(starts.len() == 1 && starts[0].starts_with(&format!("start {playbook} ")), "{said}");
        assert!(said.contains(line), "{playbook}: {line}\n{said}");
    }
}
