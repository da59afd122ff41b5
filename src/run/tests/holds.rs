//! Silences and posted alerts: made, kept, released.

use std::time::Duration;

use super::sim::{Answer, Sim, at, exit, playbook, script};
use crate::run::{RunEvent, is_mute};
use crate::step::Reply;

fn impossible(message: &str) -> Answer {
    Answer::Reply(Reply::Impossible { message: message.to_owned(), retryable: true, untouched: false })
}

fn run(text: &str, answers: &[(&str, &[Answer])]) -> Sim {
    let mut sim = Sim::new(&playbook(text)).with(script(answers));
    sim.run();
    sim
}

#[test]
fn holds_are_made_released_and_kept_as_the_steps_say() {
    for (what, text, answers, effects, end, held) in [
        (
            "with the run",
            "steps: [{id: s, silence: {}}, {id: a, exec: [a]}]\nfinally: [{id: z, exec: [z]}]\n",
            &[][..],
            &["make s", "a", "finally/z", "release s"][..],
            "succeeded",
            &[][..],
        ),
        (
            "expired by a step, once",
            "steps: [{id: s, silence: {}}, {id: e, silence: {expire: s}}, {id: a, exec: [a]}]\n",
            &[],
            &["make s", "release s", "a"],
            "succeeded",
            &[],
        ),
        (
            "expired twice is as good as once",
            "steps: [{id: s, silence: {}}, {id: e, silence: {expire: s}}, {id: f, silence: {expire: s}}]\n",
            &[],
            &["make s", "release s"],
            "succeeded",
            &[],
        ),
        (
            "kept",
            "steps: [{id: s, silence: {duration: 2h, keep: true}}, {id: a, exec: [a]}]\n",
            &[],
            &["make s", "a"],
            "succeeded",
            &["r/s"],
        ),
        (
            "refused, tried again",
            "steps: [{id: s, silence: {}, retry: {attempts: 2, backoff: 1s}}, {id: a, exec: [a]}]\n",
            &[("s", &[impossible("503"), Answer::Usual][..])],
            &["make s", "make s", "a", "release s"],
            "succeeded",
            &[],
        ),
        (
            "refused",
            "steps: [{id: s, silence: {}}, {id: a, exec: [a]}]\n",
            &[("s", &[impossible("400: no")][..])],
            &["make s"],
            "failed: s: 400: no",
            &[],
        ),
        (
            "by two steps at once, while it is being made",
            "steps: [{id: p, parallel: [{id: s, silence: {}}, {id: e, silence: {expire: s}}, {id: f, silence: {expire: s}}]}]\n",
            &[],
            &["make p/s", "release p/s"],
            "succeeded",
            &[],
        ),
        (
            "of each turn",
            "steps: [{id: h, foreach: \"['x', 'y']\", block: [{id: s, silence: {}}, {id: e, silence: {expire: s}}]}]\n",
            &[],
            &["make h[0]/s", "release h[0]/s", "make h[1]/s", "release h[1]/s"],
            "succeeded",
            &[],
        ),
        (
            "of all turns, from outside",
            "steps: [{id: s, foreach: \"['x', 'y']\", silence: {}}, {id: e, silence: {expire: s}}, {id: a, exec: [a]}]\n",
            &[],
            &["make s[0]", "make s[1]", "release s[0]", "release s[1]", "a"],
            "succeeded",
            &[],
        ),
    ] {
        let sim = run(text, answers);
        assert_eq!(sim.effects(), effects, "{what}: {:#?}", sim.lines());
        assert_eq!(
            (sim.end().as_str(), sim.held.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
            (end, held),
            "{what}"
        );
    }
}

#[test]
fn a_turn_releases_its_own_hold_and_leaves_that_of_a_failed_turn_to_the_end() {
    let text = "steps: [{id: h, continue_on_error: true, foreach: \"['x', 'y']\", block: [{id: s, silence: {}}, {id: a, exec: [a, '{{ item }}']}, {id: e, silence: {expire: s}}]}, {id: b, exec: [b]}]\n";
    let sim = run(text, &[("h[0]/a", &[exit(1, "")])]);
    assert_eq!(
        sim.effects(),
        ["make h[0]/s", "h[0]/a", "make h[1]/s", "h[1]/a", "release h[1]/s", "b", "release h[0]/s"]
    );
}

#[test]
fn an_inlined_playbook_releases_its_own_hold_and_not_its_namesake() {
    let text = "steps: [{id: s, silence: {}}, {id: one, playbook: child}, {id: two, playbook: child}, {id: e, silence: {expire: s}}]\n---\nversion: 1\nname: child\nmatchers: [a = c]\nsteps: [{id: s, silence: {}}, {id: x, exec: [x]}, {id: e, silence: {expire: s}}]\n";
    let sim = run(text, &[("one/x", &[exit(0, "")])]);
    assert_eq!(
        sim.effects(),
        [
            "make s",
            "make one/s",
            "one/x",
            "release one/s",
            "make two/s",
            "two/x",
            "release two/s",
            "release s"
        ]
    );
}

#[test]
fn a_release_that_fails_is_said_and_ends_with_its_lease() {
    let sim = run("steps: [{id: s, silence: {}}]\n", &[("s", &[Answer::Usual, impossible("503")])]);
    let failed = sim.journal.iter().find_map(|s| match &s.event {
        RunEvent::HoldReleased { failed, .. } => failed.clone(),
        _ => None,
    });
    assert_eq!((failed.as_deref(), sim.end()), (Some("503"), "succeeded".to_owned()));
}

#[test]
fn mutes_come_before_the_first_effect_and_the_failures_alert_before_their_release() {
    let text = "sync: {inhibit: true, silence: true, on_failure: alert}\nsteps: [{id: r, log: 'x'}, {id: a, exec: [a]}]\nfinally: [{id: z, exec: [z]}]\n";
    let sim = run(text, &[("a", &[exit(1, "")])]);
    assert_eq!(
        sim.effects(),
        [
            "make sync/mute/0",
            "make sync/mute/1",
            "a",
            "finally/z",
            "make sync/failed/0",
            "release sync/mute/0",
            "release sync/mute/1"
        ]
    );
    assert_eq!(sim.held.into_iter().collect::<Vec<_>>(), ["r/sync/failed/0"]);
}

#[test]
fn a_mute_that_cannot_be_made_holds_no_work_up() {
    let text = "sync: {silence: true}\nsteps: [{id: a, exec: [a]}, {id: w, wait: 1m}, {id: b, exec: [b]}]\n";
    let sim = run(text, &[("sync/mute/0", &[impossible("503")])]);
    assert_eq!(
        (sim.effects(), sim.end()),
        (["make sync/mute/0", "a", "b"].map(str::to_owned).to_vec(), "succeeded".to_owned())
    );
}

#[test]
fn a_mute_lasts_at_most_as_long_as_it_may_whatever_the_run_is_at() {
    let text = "timeout: 3h\nsync: {silence: true, max: 10m}\nsteps: [{id: a, exec: [a], timeout: 30m}, {id: w, wait: 20m}, {id: b, exec: [b]}]\n";
    let mut sim = Sim::new(&playbook(text)).with(script(&[("a", &[Answer::Hang])]));
    sim.run_while(|sim| sim.now < at(700));
    let released: Vec<_> = sim
        .journal
        .iter()
        .filter(|s| matches!(&s.event, RunEvent::HoldReleased { id, .. } if is_mute(id)))
        .map(|s| s.at)
        .collect();
    assert_eq!(released, [at(600)]);
    sim.run();
    let makes = sim.effects().iter().filter(|e| e.starts_with("make")).count();
    assert_eq!(makes, 1, "not made again afterwards: {:?}", sim.effects());
}

#[test]
fn mutes_are_released_when_no_process_keeps_them_and_made_again_before_the_next_effect() {
    let text = "sync: {inhibit: true}\nsteps: [{id: a, exec: [a]}, {id: w, wait: 10m}, {id: b, exec: [b]}]\n";
    let playbook = playbook(text);
    let mut sim = Sim::new(&playbook);
    sim.run_while(|sim| !(sim.outcome("a").is_some() && matches!(&sim.last, Some((Some(_), Some(_))))));
    let next = sim.machine.release_mutes(sim.now);
    sim.take(next);
    assert_eq!(sim.effects(), ["make sync/mute/0", "a", "release sync/mute/0"]);
    let (call, _) = sim.in_flight.pop_front().unwrap();
    assert!(sim.machine.is_releasing("sync/mute/0"));
    sim.machine.reply(&call.key, Reply::Held { id: None });
    let next = sim.machine.settle_releases(sim.now);
    sim.take(next);
    let mut again = Sim::resumed(&playbook, sim.journal.clone());
    again.now = sim.now + Duration::from_secs(600);
    again.run();
    assert_eq!(again.effects(), ["make sync/mute/1", "b", "release sync/mute/1"]);
    assert!(again.held.is_empty());
}

#[test]
fn a_hold_whose_making_was_never_answered_is_released_by_its_mark() {
    let text = "steps: [{id: s, silence: {}}, {id: a, exec: [a]}]\n";
    let playbook = playbook(text);
    let mut sim = Sim::new(&playbook).with(script(&[("s", &[Answer::Hang])]));
    sim.run_while(|sim| sim.in_flight.iter().all(|(call, _)| call.path != "s"));
    let mut again = Sim::resumed(&playbook, sim.journal.clone());
    again.held.insert("r/s".to_owned());
    again.machine.take_over("another");
    again.cancel("ann");
    again.run();
    assert_eq!((again.effects(), again.held.len()), (vec!["release s".to_owned()], 0));
    assert_eq!(again.end(), "cancelled: cancelled by ann");
}
