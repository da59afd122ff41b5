//! Runs that wait without a process: parked, paused, queued.

use std::time::Duration;

use super::world::{World, library, words};
use crate::engine::{Clock as _, EngineOptions, RunEndKind, gate_keys};
use crate::playtest::Scripted;
use crate::run::{Change, Paused};
use crate::step::{Effect, Hold, HoldAction};

fn no_wait(options: &mut EngineOptions) {
    options.no_wait = true;
}

const WAITS: &str = "limits: {cooldown: none, rate: none, targets: none}\nsteps: [{id: a, exec: [a]}, {id: w, wait: 10m}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n";

#[tokio::test]
async fn a_wait_is_left_without_a_process_and_gone_on_with_when_it_is_over() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), no_wait);
    let (_, ends) = process.go(&library(&[("p", WAITS)]), &world.delivery(&["x"])).await;
    assert_eq!(
        (words(&ends), world.clock.now()),
        (vec!["parked: waits at w".to_owned()], super::world::start())
    );
    world.clock.advance(Duration::from_secs(599));
    assert!(process.resume().await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(words(&process.resume().await), ["succeeded"]);
    assert_eq!(process.done(), ["a", "b", "finally/z"]);
}

#[tokio::test]
async fn with_a_process_it_is_waited_for() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), |_| {});
    let (_, ends) = process.go(&library(&[("p", WAITS)]), &world.delivery(&["x"])).await;
    assert_eq!(
        (words(&ends), process.done()),
        (vec!["succeeded".to_owned()], ["a", "b", "finally/z"].map(str::to_owned).to_vec())
    );
}

#[tokio::test]
async fn without_a_process_mutes_are_released_and_silences_last_until_it_goes_on() {
    let world = World::new();
    let text =
        format!("sync: {{inhibit: true}}\n{}", WAITS.replace("steps: [", "steps: [{id: s, silence: {}}, "));
    let process = world.process(1, Scripted::new(), no_wait);
    process.go(&library(&[("p", &text)]), &world.delivery(&["x"])).await;
    let done = process.done();
    assert_eq!(done, ["make sync/mute/0", "make s", "a", "release sync/mute/0", "renew s"]);
    let lease = process.performer.calls().iter().rev().find_map(|call| match &call.effect {
        Effect::Hold(hold) if hold.action == HoldAction::Renew => match &hold.hold {
            Hold::Silence(silence) => Some(silence.lease_seconds),
            Hold::Alert(_) => None,
        },
        _ => None,
    });
    assert_eq!(lease, Some(900), "ten minutes without a process, then its lease of five");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(words(&process.resume().await), ["succeeded"]);
    assert_eq!(
        process.done()[5..],
        ["renew s", "make sync/mute/1", "b", "finally/z", "release s", "release sync/mute/1"]
    );
}

#[tokio::test]
async fn a_run_that_is_gone_on_with_while_paused_begins_nothing() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), no_wait);
    process.go(&library(&[("p", WAITS)]), &world.delivery(&["x"])).await;
    let paused = Paused { since: world.clock.now(), until: None, reason: String::new(), by: String::new() };
    world.change(&gate_keys::pause("p"), Change::Pause(paused)).await;
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(words(&process.resume().await), ["parked: paused"]);
    assert_eq!(process.done(), ["a"]);
    world.change(&gate_keys::pause("p"), Change::Unpause { by: String::new() }).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(words(&process.resume().await), ["succeeded"], "the end of a pause is found out");
    assert_eq!(process.done(), ["a", "b", "finally/z"]);
}

#[tokio::test]
async fn a_queued_run_is_left_when_nobody_here_can_free_its_key_and_goes_on_when_it_has_it() {
    let world = World::new();
    let keyed = format!("concurrency: {{key: k}}\n{WAITS}");
    let library = library(&[("p", &keyed)]);
    let process = world.process(1, Scripted::new(), no_wait);
    let (_, ends) = process.go(&library, &world.delivery(&["x", "y"])).await;
    assert_eq!(words(&ends), ["parked: waits at w", "parked: waits for the concurrency key `k`"]);
    assert!(process.resume().await.is_empty(), "neither is due");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(words(&process.resume().await), ["succeeded"]);
    assert_eq!(words(&process.resume().await), ["parked: waits at w"], "the second has the key now");
    assert_eq!(process.done(), ["a", "b", "finally/z", "a"]);
}

#[tokio::test]
async fn a_verification_goes_on_from_process_to_process_until_the_alert_stayed_away() {
    let world = World::new();
    world.resolve_after(90);
    let text = "limits: {cooldown: none}\nsteps: [{id: a, exec: [a]}, {id: v, wait: {until: resolved, for: 2m, timeout: 15m}}, {id: b, exec: [b]}]\n";
    let mut ends = world
        .process(1, Scripted::new(), no_wait)
        .go(&library(&[("p", text)]), &world.delivery(&["x"]))
        .await
        .1;
    let mut processes = 1;
    while words(&ends) == ["parked: waits at v"] {
        processes += 1;
        let RunEndKind::Parked(Some(due)) = ends[0].kind else { panic!("{ends:?}") };
        world.clock.advance(Duration::try_from(due.duration_since(world.clock.now())).unwrap());
        ends = world.process(processes, Scripted::new(), no_wait).resume().await;
    }
    assert_eq!(words(&ends), ["succeeded"]);
    assert!(processes > 3, "{processes}");
    let taken = world.clock.now().duration_since(super::world::start()).as_secs();
    assert!((210..=300).contains(&taken), "{taken}");
}
