//! What Alertmanager's webhooks never tell (measured on 0.25 and 0.28) and `amflow serve` learns by its polls, each case
//! against a real Alertmanager: it must be shown, too, that no webhook told it.

use serde_json::{Value, json};

use super::serve::{FREE, Served, webhook};
use crate::support::alertmanager::{free_port, wait_until};
use crate::support::lab::{Lab, time};
use crate::support::proxy::Mood;

/// A lab whose Alertmanager sends to the service that is started with it; what it does with an alert's firing and with
/// its end is told by its `instance`.
struct Unheard {
    lab: Lab,
    port: u16,
    served: Option<Served>,
}

const INHIBIT: &str = "inhibit_rules: [{source_matchers: ['alertname = Source'], target_matchers: ['alertname = A'], \
                       equal: [instance]}]\n";

impl Unheard {
    /// `route` says how what is heard is sent; `receiver` is part of the webhook's configuration.
    fn new(route: &str, receiver: &str, playbook: &str) -> Unheard {
        let port = free_port();
        let lab = Lab::with(&format!(
            "route: {{receiver: amflow, {route}}}\nreceivers:\n- name: amflow\n  \
             webhook_configs: [{{url: 'http://127.0.0.1:{port}/webhook', {receiver}}}]\n{INHIBIT}"
        ));
        for (name, status) in [("fix", "firing"), ("tidy", "resolved")] {
            lab.playbook(
                name,
                &format!(
                    "status: {status}\nmatchers: [alertname = A]\n{playbook}{FREE}steps:\n  \
                     - exec: [sh, -c, 'echo \"{name} $0\" >> out', '{{{{ alert.labels.instance }}}}']\n"
                ),
            );
        }
        let mut unheard = Unheard { lab, port, served: None };
        unheard.start("1s");
        unheard
    }

    fn start(&mut self, polls: &str) {
        self.served = Some(Served::start_at(&self.lab, self.port, &format!("--poll-interval {polls}")));
    }

    fn stop(&mut self) {
        self.served.take().unwrap().end("TERM");
    }

    fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }

    /// Returns a figure of the service; 0 when there is none yet.
    fn figure(&self, name: &str) -> f64 {
        let (_, text) = self.served().get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Returns how many webhooks came.
    fn heard(&self) -> f64 {
        self.figure("amflow_deliveries_total{result=\"taken\"}")
    }

    /// Waits for whole polls that begin after this: only a poll learns until when an alert is known to fire, which its
    /// end is proved by.
    fn await_polls(&self, result: &str) {
        let name = format!("amflow_polls_total{{result=\"{result}\"}}");
        let before = self.figure(&name);
        wait_until("two polls", || self.figure(&name) >= before + 2.0);
    }

    fn did(&self, wanted: &[&str]) {
        wait_until(&format!("it has done {wanted:?}"), || self.lab.lines("out").len() >= wanted.len());
        assert_eq!(self.lab.lines("out"), wanted, "{}", self.lab.read("serve.log"));
    }
}

fn labels(instance: &str) -> [Value; 1] {
    [json!({"alertname": "A", "instance": instance})]
}

fn silence(lab: &Lab) -> String {
    let silence = json!({"matchers": [{"name": "alertname", "value": "A", "isRegex": false, "isEqual": true}],
        "startsAt": time(-60), "endsAt": time(3_600), "createdBy": "t", "comment": "c"});
    let made: Value = serde_json::from_str(&lab.am().post("/api/v2/silences", &silence.to_string())).unwrap();
    made["silenceID"].as_str().unwrap().to_owned()
}

fn unsilence(lab: &Lab, id: &str) {
    let url = format!("{}/api/v2/silence/{id}", lab.am().url());
    let mut curl = lab.command("amtool");
    let deleted =
        curl.args(["--alertmanager.url", &lab.am().url(), "silence", "expire", id]).output().unwrap();
    assert!(deleted.status.success(), "{url}: {}", String::from_utf8_lossy(&deleted.stderr));
}

const AT_ONCE: &str = "group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h";
const RARELY: &str = "group_by: ['...'], group_wait: 0s, group_interval: 1h, repeat_interval: 2h";
const LATE: &str = "group_by: ['...'], group_wait: 1h, group_interval: 1h, repeat_interval: 2h";

#[test]
fn an_alert_that_is_muted_when_it_resolves() {
    for by in ["a silence", "an inhibition"] {
        let mut all = Unheard::new(AT_ONCE, "", "include: [silenced, inhibited]\n");
        // So that it is the webhook that tells of the firing.
        all.stop();
        all.start("1h");
        all.lab.fire(&labels("x"));
        all.did(&["fix x"]);
        let heard = all.heard();
        assert!(heard >= 1.0);
        all.stop();
        all.start("1s");
        if by == "a silence" {
            silence(&all.lab);
        } else {
            all.lab.fire(&[json!({"alertname": "Source", "instance": "x"})]);
        }
        wait_until("it is muted", || {
            all.lab.alerts("alertname", "A").iter().all(|alert| alert["status"]["state"] == "suppressed")
        });
        all.await_polls("success");
        let heard = all.heard();
        all.lab.resolve(&labels("x"));
        all.did(&["fix x", "tidy x"]);
        assert_eq!(all.heard(), heard, "by {by}");
    }
}

#[test]
fn what_came_and_what_ended_while_nobody_listened() {
    let mut all = Unheard::new(AT_ONCE, "", "");
    all.lab.fire(&labels("before"));
    all.did(&["fix before"]);
    all.await_polls("success");
    all.stop();
    all.lab.fire(&labels("meanwhile"));
    all.lab.resolve(&labels("before"));
    // It listens elsewhere now: the receiver fails all along.
    all.port = free_port();
    all.start("1s");
    wait_until("both are worked on", || all.lab.lines("out").len() >= 3);
    let mut out = all.lab.lines("out");
    out.sort();
    assert_eq!(out, ["fix before", "fix meanwhile", "tidy before"]);
    all.lab.resolve(&labels("meanwhile"));
    wait_until("its end is worked on", || all.lab.lines("out").contains(&"tidy meanwhile".to_owned()));
    assert_eq!((all.heard(), all.lab.lines("out").len()), (0.0, 4));
}

#[test]
fn an_alert_that_resolves_and_fires_again_between_two_webhooks() {
    let all = Unheard::new(RARELY, "", "");
    all.lab.post(&labels("x"), -120, 3_600);
    all.did(&["fix x"]);
    wait_until("its webhook came", || all.heard() >= 1.0);
    all.await_polls("success");
    all.lab.post(&labels("x"), -120, 0);
    all.did(&["fix x", "tidy x"]);
    all.lab.post(&labels("x"), 0, 3_600);
    all.did(&["fix x", "tidy x", "fix x"]);
    assert_eq!(all.heard(), 1.0);
}

#[test]
fn an_alert_that_comes_and_goes_before_its_first_webhook() {
    let all = Unheard::new(LATE, "", "");
    all.lab.fire(&labels("x"));
    all.did(&["fix x"]);
    all.lab.resolve(&labels("x"));
    all.did(&["fix x", "tidy x"]);
    assert_eq!(all.heard(), 0.0);
}

#[test]
fn an_alert_that_fires_on_when_its_silence_is_over() {
    let all = Unheard::new(RARELY, "", "");
    let id = silence(&all.lab);
    all.lab.fire(&labels("x"));
    all.await_polls("success");
    assert_eq!(all.lab.lines("out"), [] as [&str; 0], "it is left alone while it is silenced");
    unsilence(&all.lab, &id);
    all.did(&["fix x"]);
    assert_eq!(all.heard(), 0.0);
}

#[test]
fn the_end_of_an_alert_whose_receiver_is_not_told_of_ends() {
    let all = Unheard::new(AT_ONCE, "send_resolved: false", "");
    all.lab.fire(&labels("x"));
    all.did(&["fix x"]);
    wait_until("its webhook came", || all.heard() >= 1.0);
    all.await_polls("success");
    let heard = all.heard();
    all.lab.resolve(&labels("x"));
    all.did(&["fix x", "tidy x"]);
    assert_eq!(all.heard(), heard);
}

#[test]
fn alerts_that_a_webhook_leaves_out() {
    let mut all =
        Unheard::new("group_by: [alertname], group_wait: 1s, group_interval: 1h", "max_alerts: 1", "");
    all.stop();
    // The first poll is at the start; the next one is asked for by the webhook.
    all.start("1h");
    wait_until("the first poll", || all.figure("amflow_polls_total{result=\"success\"}") >= 1.0);
    let three: Vec<Value> = ["x", "y", "z"].iter().flat_map(|instance| labels(instance)).collect();
    all.lab.fire(&three);
    wait_until("all are worked on", || all.lab.lines("out").len() >= 3);
    let mut out = all.lab.lines("out");
    out.sort();
    assert_eq!((out, all.heard()), (["fix x", "fix y", "fix z"].map(str::to_owned).to_vec(), 1.0));
}

#[test]
fn what_a_group_no_longer_holds_and_what_a_restarted_alertmanager_forgot_is_not_resolved() {
    let mut all = Unheard::new(LATE, "", "include: [silenced, inhibited]\n");
    all.lab.fire(&[labels("x"), labels("y")].concat());
    wait_until("both are worked on", || all.lab.lines("out").len() >= 2);
    // The other one is muted: it is missing in the webhook, without a mark.
    all.served().deliver(&webhook(&[("x", "firing")]));
    all.lab.proxy().becomes(Mood::Honest);
    all.lab.am.as_mut().unwrap().restart();
    assert!(all.lab.alerts("alertname", "A").is_empty());
    all.await_polls("success");
    assert_eq!(all.lab.lines("out").len(), 2, "{:?}", all.lab.lines("out"));
    // Sent again, as Prometheus does every minute, it is the same firing.
    all.lab.fire(&labels("x"));
    all.await_polls("success");
    assert_eq!(all.lab.lines("out").len(), 2, "{:?}", all.lab.lines("out"));
}

#[test]
fn a_webhook_that_is_late_does_not_begin_what_is_over() {
    let all = Unheard::new(LATE, "", "");
    all.lab.playbook(
        "careful",
        "matchers: [alertname = A]\nlimits: {cooldown: none}\nsteps:\n  - exec: [sh, -c, 'echo careful >> out']\n",
    );
    assert_eq!(all.served().ask("POST", "/-/reload", "", b"").0, 200);
    // Alertmanager sends the body again that it could not deliver, and the alert has resolved meanwhile.
    let mut late = webhook(&[("x", "firing")]);
    late["alerts"][0]["startsAt"] = json!(time(-300));
    all.served().deliver(&late);
    wait_until("both runs are over", || {
        let runs = all.lab.runs();
        runs.len() == 2 && runs.iter().all(|run| run["status"] != "running")
    });
    let runs = all.lab.runs();
    let careful = runs.iter().find(|run| run["playbook"] == "careful").unwrap();
    assert_eq!(careful["status"], "cancelled", "{careful:#}");
    assert!(careful["reason"].as_str().unwrap().contains("the alert was gone"), "{careful:#}");
    // The other says `recheck: never`.
    assert_eq!(all.lab.lines("out"), ["fix x"]);
}
