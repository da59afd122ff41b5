//! The wall clock is set by an hour, forward and back, while runs work, wait, hold and are limited.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::world::{World, hosts, library, start, words};
use crate::engine::{Clock as _, Delivery, Life, Service, ServiceOptions, Store as _, Take, gate_keys};
use crate::playtest::{Script, Scripted};
use crate::run::{Change, Paused, RunEvent, Signal, SignalKind};

const SETS: [i64; 2] = [1, -1];

/// Sets the clock by so many hours after some seconds.
async fn set_after(world: &World, seconds: u64, hours: i64) {
    world.clock.sleep(Duration::from_secs(seconds)).await;
    world.clock.set(world.clock.now() + SignedDuration::from_hours(hours));
}

/// Returns how many seconds have passed since a moment of the steady clock.
fn passed(world: &World, since: Duration) -> u64 {
    world.clock.steady().saturating_sub(since).as_secs()
}

#[tokio::test]
async fn a_wait_a_retry_and_a_slow_command_take_as_long_as_they_say() {
    let text = "timeout: 30m\nlimits: {cooldown: none}\nrecheck: never\nsteps:\n  - {id: w, wait: 10m}\n  \
                - {id: r, exec: [r], retry: {attempts: 2, backoff: 1m..1m}}\n  - {id: s, exec: [s]}\n";
    let Script::Reply(done) = Script::exit(0, "") else { unreachable!("an exit is a reply") };
    for (seconds, hours) in [(300, 1), (300, -1), (620, 1), (620, -1), (700, 1), (700, -1)] {
        let world = World::new();
        let script = Scripted::new()
            .on_sequence("r", [Script::exit(1, ""), Script::exit(0, "")])
            .on("s", Script::After(Duration::from_secs(120), done.clone()));
        let process = world.process(1, script, |o| o.heartbeat = Duration::from_secs(5));
        let (library, delivery, began) =
            (library(&[("p", text)]), world.delivery(&["x"]), world.clock.steady());
        let ((_, ends), ()) =
            tokio::join!(process.go(&library, &delivery), set_after(&world, seconds, hours));
        assert_eq!(words(&ends), ["succeeded"], "after {seconds} s by {hours} h: {}", ends[0].reason);
        let took = passed(&world, began);
        assert!((750..=785).contains(&took), "{took} s, set after {seconds} s by {hours} h");
        let set: Vec<i64> = world
            .journal(&ends[0].header.run)
            .await
            .iter()
            .filter_map(|stamped| match stamped.event {
                RunEvent::ClockSet { by_ms } => Some(by_ms),
                _ => None,
            })
            .collect();
        assert_eq!(set, [hours * 3_600_000], "it is told once");
    }
}

#[tokio::test]
async fn an_alert_must_stay_resolved_for_as_long_as_the_playbook_says() {
    let text = "limits: {cooldown: none}\nrecheck: never\nsteps: [{id: v, wait: {until: resolved, for: 10m, timeout: 20m}}]\n";
    for hours in SETS {
        let world = World::new();
        let process = world.process(1, Scripted::new(), |_| {});
        world.resolve_after(60);
        let (library, delivery, began) =
            (library(&[("p", text)]), world.delivery(&["x"]), world.clock.steady());
        let ((_, ends), ()) = tokio::join!(process.go(&library, &delivery), set_after(&world, 200, hours));
        assert_eq!(words(&ends), ["succeeded"], "{}", ends[0].reason);
        let took = passed(&world, began);
        assert!((660..=700).contains(&took), "{took} s, set by {hours} h");
    }
}

#[tokio::test]
async fn an_alert_that_fires_on_is_waited_for_until_the_timeout_and_no_longer() {
    let text = "limits: {cooldown: none}\nrecheck: never\nsteps: [{id: v, wait: {until: resolved, for: 1m, timeout: 10m}}]\n";
    for hours in SETS {
        let world = World::new();
        let process = world.process(1, Scripted::new(), |_| {});
        let (library, delivery, began) =
            (library(&[("p", text)]), world.delivery(&["x"]), world.clock.steady());
        let ((_, ends), ()) = tokio::join!(process.go(&library, &delivery), set_after(&world, 200, hours));
        assert_eq!(words(&ends), ["failed"]);
        let took = passed(&world, began);
        assert!((600..=605).contains(&took), "{took} s, set by {hours} h");
    }
}

#[tokio::test]
async fn holds_are_renewed_at_once_and_then_as_often_as_before() {
    let text = "limits: {cooldown: none}\nrecheck: never\nsync: {inhibit: true}\nsteps: [{id: a, exec: [a]}, {id: w, wait: 10m}]\n";
    for hours in SETS {
        let world = World::new();
        let process = world.process(1, Scripted::new(), |_| {});
        let (library, delivery) = (library(&[("p", text)]), world.delivery(&["x"]));
        let count = |what: &str| process.done().iter().filter(|done| *done == what).count();
        let watch = async {
            set_after(&world, 150, hours).await;
            let before = count("renew sync/mute/0");
            world.clock.sleep(Duration::from_secs(2)).await;
            assert_eq!(count("renew sync/mute/0"), before + 1, "set by {hours} h");
        };
        let ((_, ends), ()) = tokio::join!(process.go(&library, &delivery), watch);
        assert_eq!(words(&ends), ["succeeded"]);
        // At 100 s, when the clock was set, and every 100 s after that.
        assert_eq!((count("renew sync/mute/0"), count("release sync/mute/0")), (6, 1), "set by {hours} h");
    }
}

#[tokio::test]
async fn nothing_is_taken_from_a_process_that_lives_and_at_once_from_one_that_is_gone() {
    let text = "limits: {cooldown: none}\nrecheck: never\nsteps: [{id: a, exec: [a], timeout: 30m}]\n";
    for hours in SETS {
        let world = World::new();
        let first = world.process(1, Scripted::new().on("a", Script::Hang), |_| {});
        let second = world.process(2, Scripted::new().with_survivors([]), |_| {});
        let (library, delivery) = (library(&[("p", text)]), world.delivery(&["x"]));
        let watch = async {
            world.clock.sleep(Duration::from_secs(60)).await;
            world.clock.set(world.clock.now() + SignedDuration::from_hours(hours));
            // Before the owner had time to renew anything.
            assert!(second.engine.take(Take::Due, 10).await.unwrap().is_empty(), "set by {hours} h");
            for _ in 0..100 {
                world.clock.sleep(Duration::from_millis(1_300)).await;
                assert!(second.engine.take(Take::Due, 10).await.unwrap().is_empty(), "set by {hours} h");
            }
            world.bury(1);
            assert_eq!(second.engine.take(Take::Due, 10).await.unwrap().len(), 1, "set by {hours} h");
        };
        tokio::join!(first.go(&library, &delivery), watch);
    }
}

#[tokio::test]
async fn what_a_host_that_is_gone_left_is_taken_within_a_lease_though_the_clock_was_set_back() {
    let world = World::new();
    let text = "limits: {cooldown: none}\nrecheck: never\nsteps: [{id: a, exec: [a]}]\n";
    let first = world.process(1, Scripted::new(), |_| {});
    first.engine.admit(&library(&[("p", text)]), &world.delivery(&["x"])).await.unwrap();
    world.lives(1, Life::Unknown);
    world.clock.set(world.clock.now() - SignedDuration::from_hours(1));
    let second = world.process(2, Scripted::new().with_survivors([]), |_| {});
    assert!(second.engine.take(Take::Due, 10).await.unwrap().is_empty());
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(words(&second.resume().await), ["succeeded"]);
}

#[tokio::test]
async fn a_run_that_was_left_goes_on_as_long_after_the_clock_was_set_back() {
    let world = World::new();
    let text = "limits: {cooldown: none}\nrecheck: never\nsteps: [{id: a, exec: [a]}, {id: w, wait: 10m}, {id: b, exec: [b]}]\n";
    let process = world.process(1, Scripted::new(), |options| options.no_wait = true);
    process.go(&library(&[("p", text)]), &world.delivery(&["x"])).await;
    world.clock.advance(Duration::from_secs(120));
    world.clock.set(world.clock.now() - SignedDuration::from_hours(1));
    assert!(process.resume().await.is_empty());
    world.clock.advance(Duration::from_secs(599));
    assert!(process.resume().await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(words(&process.resume().await), ["succeeded"]);
    assert_eq!(process.done(), ["a", "b"]);
}

/// Delivers an alert again and again until a run for it starts, and returns after how many seconds it did.
async fn starts_after(world: &World, text: &str, prepare: impl AsyncFnOnce()) -> u64 {
    let process = world.process(1, Scripted::new(), |_| {});
    let library = library(&[("p", text)]);
    prepare().await;
    let began = world.clock.steady();
    loop {
        let delivery = Delivery { at: world.clock.now(), ..world.delivery(&["x"]) };
        let (_, ends) = process.go(&library, &delivery).await;
        if !ends.is_empty() {
            return passed(world, began);
        }
        assert!(passed(world, began) < 4 * 3_600, "it never starts");
        world.clock.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn limits_close_for_no_longer_than_they_say_and_open_no_sooner_when_the_clock_is_set_back() {
    for (limits, expected) in [
        ("{cooldown: 20m, rate: none, targets: none}", 1_200),
        ("{cooldown: none, rate: 1 in 20m, targets: none}", 1_200),
    ] {
        let world = World::new();
        let text = format!(
            "group_by: [alertname]\nrecheck: never\nlimits: {limits}\nsteps: [{{id: a, exec: [a]}}]\n"
        );
        let earlier = world.process(2, Scripted::new(), |_| {});
        let (_, ends) = earlier.go(&library(&[("p", &text)]), &world.delivery(&["y"])).await;
        assert_eq!(words(&ends), ["succeeded"]);
        let took = starts_after(&world, &text, async || {
            world.clock.set(start() - SignedDuration::from_hours(1));
        })
        .await;
        assert_eq!(took, expected, "{limits}");
    }
}

#[tokio::test]
async fn a_pause_for_a_time_is_no_longer_than_that_when_the_clock_is_set_back() {
    let world = World::new();
    let text = "recheck: never\nlimits: {cooldown: none}\nsteps: [{id: a, exec: [a]}]\n";
    let until = Some(start() + SignedDuration::from_mins(30));
    let pause = Paused { since: start(), until, reason: String::new(), by: String::new() };
    world.change(gate_keys::PAUSE_ALL, Change::Pause(pause)).await;
    let took = starts_after(&world, text, async || {
        world.clock.set(start() - SignedDuration::from_hours(1));
    })
    .await;
    assert_eq!(took, 1_800);
}

#[tokio::test]
async fn a_service_goes_on_when_the_clock_is_set() {
    let text = "recheck: never\nlimits: {cooldown: none, rate: none, targets: 1}\nsteps: [{id: a, exec: [a], timeout: 3h}]\n";
    for hours in SETS {
        let world = World::new();
        let process = world.process(1, Scripted::new().on("a", Script::Hang), |o| o.always_on = true);
        let (service, work) = Service::new(
            process.engine.clone(),
            Arc::new(library(&[("p", text)])),
            ServiceOptions::default(),
        );
        let story = async {
            service.deliver(world.delivery(&["x", "y"])).await.unwrap();
            world.clock.sleep(Duration::from_secs(60)).await;
            let run = process.reporter.events()[0].0.run.clone();
            world.clock.set(world.clock.now() + SignedDuration::from_hours(hours));
            let told = world.clock.steady();
            let cancel = Signal { id: "s".to_owned(), kind: SignalKind::Cancel { by: "ann".to_owned() } };
            world.store.signal(run, cancel, world.clock.now()).await.unwrap();
            while hosts(&process).len() < 2 {
                world.clock.sleep(Duration::from_millis(500)).await;
                assert!(passed(&world, told) < 60, "set by {hours} h: the next one has not started");
            }
            assert!(passed(&world, told) <= 5, "{} s, set by {hours} h", passed(&world, told));
            process.stopper.abandon("the end");
            process.stopper.drain();
        };
        tokio::join!(work.drive(), story);
    }
}
