//! A service says loudly who pauses and unpauses what, why and until when, whichever process it was.

use super::serve::{FREE, Served};
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;

#[test]
fn a_service_tells_of_each_pause_and_of_its_end() {
    let lab = Lab::alone();
    lab.playbook("p", &format!("matchers: [alertname = A]\n{FREE}steps:\n  - exec: ['true']\n"));
    let user = lab.user();
    let told = |line: &str| {
        wait_until(line, || lab.lines("serve.log").iter().any(|said| said.contains(line)));
        let log = lab.lines("serve.log");
        let said: Vec<_> = log.iter().filter(|said| said.contains(line)).collect();
        assert!(said.len() == 1 && said[0].contains(" warn "), "{log:#?}");
    };
    // One that stands when the service starts is told first.
    lab.run("pause --reason before").code(0);
    let served = Served::start(&lab, "");
    told(&format!("everything is paused by {user}: before; until `amflow unpause`"));
    lab.run("unpause").code(0);
    told(&format!("everything is no longer paused: {user} ended the pause"));
    // From another process, for a time that is over soon.
    lab.run("pause --playbook p --for 3s --reason works").code(0);
    told(&format!("playbook p is paused by {user}: works; until 2"));
    told("playbook p is no longer paused: the pause ended by itself at 2");
    // Over the API of the service itself.
    let (status, body) =
        served.ask("POST", "/api/v1/pause", "", br#"{"playbook": "p", "reason": "by wire"}"#);
    assert_eq!(status, 200, "{body}");
    told("playbook p is paused by the API: by wire; until `amflow unpause --playbook p`");
    let (status, body) = served.ask("DELETE", "/api/v1/pause?playbook=p", "", b"");
    assert_eq!(status, 200, "{body}");
    told("playbook p is no longer paused: the API ended the pause; runs start one by one at first");
}
