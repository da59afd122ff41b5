//! Holds under a process: renewed inside their leases, never after their release.

use std::time::Duration;

use super::world::{World, library, words};
use crate::playtest::{Script, Scripted};
use crate::step::{Effect, HoldAction, Reply};

fn after(seconds: u64, reply: Reply) -> Script {
    Script::After(Duration::from_secs(seconds), reply)
}

#[tokio::test]
async fn holds_are_renewed_well_inside_their_leases_and_kept_ones_never() {
    let world = World::new();
    let text = "limits: {cooldown: none}\nsync: {inhibit: true}\nsteps: [{id: k, silence: {duration: 20m, keep: true}}, {id: s, silence: {duration: 10m}}, {id: w, wait: 12m}]\n";
    let process = world.process(1, Scripted::new(), |_| {});
    let (_, ends) = process.go(&library(&[("p", text)]), &world.delivery(&["x"])).await;
    assert_eq!(words(&ends), ["succeeded"]);
    let count = |what: &str| process.done().iter().filter(|done| *done == what).count();
    assert_eq!((count("renew sync/mute/0"), count("renew s"), count("renew k")), (7, 3, 0));
    assert_eq!((count("release sync/mute/0"), count("release s"), count("release k")), (1, 1, 0));
}

#[tokio::test]
async fn a_release_waits_for_a_renewal_that_is_under_way() {
    let world = World::new();
    let held = || Reply::Held { id: Some("h".to_owned()) };
    // The renewal at 100 s takes 20 s; the run is over at 105 s.
    let script = Scripted::new().on_sequence("s", [Script::held("h"), after(20, held()), Script::held("h")]);
    let text = "limits: {cooldown: none}\nsteps: [{id: s, silence: {}}, {id: w, wait: 105s}]\n";
    let process = world.process(1, script, |_| {});
    let (_, ends) = process.go(&library(&[("p", text)]), &world.delivery(&["x"])).await;
    assert_eq!(words(&ends), ["succeeded"]);
    assert_eq!(process.done(), ["make s", "renew s", "release s"]);
    assert_eq!(ends[0].ended_at, super::world::start() + Duration::from_secs(120));
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_soon() {
    let world = World::new();
    let no =
        Script::Reply(Reply::Impossible { message: "503".to_owned(), retryable: true, untouched: false });
    let script = Scripted::new().on_sequence("s", [Script::held("h"), no, Script::held("h")]);
    let text = "limits: {cooldown: none}\nsteps: [{id: s, silence: {}}, {id: w, wait: 3m}]\n";
    let process = world.process(1, script, |_| {});
    let (_, ends) = process.go(&library(&[("p", text)]), &world.delivery(&["x"])).await;
    assert_eq!(words(&ends), ["succeeded"]);
    let renewals = process
        .performer
        .calls_of("s")
        .iter()
        .filter(|c| matches!(&c.effect, Effect::Hold(h) if h.action == HoldAction::Renew))
        .count();
    assert_eq!((renewals, process.reporter.notices().len()), (2, 1));
}
