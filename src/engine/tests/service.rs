//! The engine, always on: deliveries at any time, what is due, draining.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::world::{Process, World, alerts, hosts, library, start};
use crate::engine::{
    Clock as _, Delivery, EngineOptions, Refusal, RunFilter, Service, ServiceOptions, Store as _, gate_keys,
};
use crate::model::{Alert, AlertStatus};
use crate::playbook::Library;
use crate::playtest::{Script, Scripted};
use crate::run::{Change, Paused, RunStatus};

const FREE: &str =
    "limits: {cooldown: none, rate: none, targets: none}\nsteps: [{id: a, exec: [a]}, {id: b, exec: [b]}]\n";

fn on(options: &mut EngineOptions) {
    options.always_on = true;
}

/// A command that takes half a minute.
fn slow() -> Script {
    let Script::Reply(reply) = Script::exit(0, "") else { unreachable!("an exit is a reply") };
    Script::After(Duration::from_secs(30), reply)
}

/// Drives a service while a story is told; returns how many runs were left.
async fn told<F: Future<Output = ()>>(
    process: &Process,
    library: Library,
    options: ServiceOptions,
    story: impl FnOnce(Service) -> F,
) -> usize {
    let (service, work) = Service::new(process.engine.clone(), Arc::new(library), options);
    let story = async {
        story(service).await;
        process.stopper.drain();
    };
    let (left, ()) = tokio::join!(work.drive(), story);
    left
}

/// Waits, by the clock that jumps, until something holds.
async fn until(world: &World, what: &str, holds: impl AsyncFn() -> bool) {
    let patience = world.clock.now() + jiff::SignedDuration::from_hours(3);
    while !holds().await {
        assert!(world.clock.now() < patience, "never: {what}");
        let soon = world.clock.now() + jiff::SignedDuration::from_millis(500);
        world.clock.sleep_until(soon).await;
    }
}

async fn statuses(world: &World) -> Vec<RunStatus> {
    let mut runs = world.store.list(RunFilter::default()).await.unwrap();
    runs.reverse();
    runs.into_iter().map(|run| run.status).collect()
}

async fn all_over(world: &World, count: usize) {
    until(world, "all runs are over", async || {
        let all = statuses(world).await;
        all.len() == count && all.iter().all(|status| status.is_final())
    })
    .await;
}

fn ended(world: &World, host: &str) -> Delivery {
    let over =
        |alert: Alert| Alert { status: AlertStatus::Resolved, ends_at: Some(world.clock.now()), ..alert };
    Delivery { alerts: alerts(&[host]).into_iter().map(over).map(Arc::new).collect(), ..world.delivery(&[]) }
}

#[tokio::test]
async fn a_delivery_is_answered_when_it_is_claimed_and_starts_nothing_twice() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), on);
    told(&process, library(&[("p", FREE)]), ServiceOptions::default(), async |service| {
        let first = service.deliver(world.delivery(&["x", "y"])).await.unwrap();
        assert_eq!((first.started, first.later, first.skipped), (2, 0, 0));
        let again = service.deliver(world.delivery(&["x", "y"])).await.unwrap();
        assert_eq!((again.started, again.later, again.skipped), (0, 0, 2));
        all_over(&world, 2).await;
        assert_eq!(service.state().going, 0);
    })
    .await;
    assert_eq!(statuses(&world).await, [RunStatus::Succeeded, RunStatus::Succeeded]);
    assert_eq!(process.done().len(), 4);
}

#[tokio::test]
async fn what_waits_for_a_target_comes_by_itself_oldest_first_and_one_at_a_time() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), on);
    let one = FREE.replace("targets: none", "targets: 1");
    told(&process, library(&[("p", &one)]), ServiceOptions::default(), async |service| {
        let receipt = service.deliver(world.delivery(&["x", "y", "z"])).await.unwrap();
        assert_eq!((receipt.started, receipt.later), (1, 2));
        all_over(&world, 3).await;
    })
    .await;
    assert_eq!(hosts(&process), ["x", "y", "z"]);
    assert_eq!(process.done(), ["a", "b", "a", "b", "a", "b"]);
    assert!(world.store.later(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_put_off_and_has_resolved_is_dropped() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), on);
    let pause = Paused { since: start(), until: None, reason: String::new(), by: String::new() };
    world.change(&gate_keys::pause("p"), Change::Pause(pause)).await;
    told(&process, library(&[("p", FREE)]), ServiceOptions::default(), async |service| {
        assert_eq!(service.deliver(world.delivery(&["x", "y"])).await.unwrap().later, 2);
        service.deliver(ended(&world, "x")).await.unwrap();
        until(&world, "the row is dropped", async || world.store.later(None).await.unwrap().len() == 1).await;
        world.change(&gate_keys::pause("p"), Change::Unpause { by: String::new() }).await;
        all_over(&world, 1).await;
    })
    .await;
    assert_eq!(hosts(&process), ["y"]);
}

#[tokio::test]
async fn the_end_of_an_episode_is_worked_on_once_and_told_to_the_run_that_verifies() {
    let world = World::new();
    let verify = "limits: {cooldown: none, rate: none, targets: none}\nrecheck: never\nsteps: [{id: w, wait: {until: resolved, for: 1m, timeout: 40m}}]\n";
    let tidy = "status: resolved\nlimits: {cooldown: none, rate: none, targets: none}\nrecheck: never\nsteps: [{id: t, exec: [t]}]\n";
    // Alertmanager itself shows the alert for as long as it is asked.
    let process = world.process(1, Scripted::new(), on);
    told(&process, library(&[("v", verify), ("tidy", tidy)]), ServiceOptions::default(), async |service| {
        service.deliver(world.delivery(&["x"])).await.unwrap();
        world.resolve_after(0);
        for _ in 0..3 {
            service.deliver(ended(&world, "x")).await.unwrap();
        }
        all_over(&world, 2).await;
    })
    .await;
    assert_eq!(statuses(&world).await, [RunStatus::Succeeded, RunStatus::Succeeded]);
    assert_eq!(process.done(), ["t"]);
}

#[tokio::test]
async fn draining_leaves_runs_between_two_steps_and_the_next_process_goes_on() {
    let world = World::new();
    let first = world.process(1, Scripted::new().on("a", slow()), |options| {
        on(options);
        options.parallel = 1;
    });
    let left = told(&first, library(&[("p", FREE)]), ServiceOptions::default(), async |service| {
        service.deliver(world.delivery(&["x", "y"])).await.unwrap();
        until(&world, "a step is under way", async || !first.done().is_empty()).await;
    })
    .await;
    assert_eq!((left, first.done()), (2, vec!["a".to_owned()]), "the second had no turn yet");
    let second = world.process(2, Scripted::new(), on);
    told(&second, library(&[("p", FREE)]), ServiceOptions::default(), async |_| all_over(&world, 2).await)
        .await;
    let mut done = second.done();
    done.sort();
    assert_eq!(done, ["a", "b", "b"], "nothing twice, nothing lost");
    assert_eq!(statuses(&world).await, [RunStatus::Succeeded, RunStatus::Succeeded]);
}

#[tokio::test]
async fn while_it_drains_and_when_too_much_waits_deliveries_are_refused() {
    let world = World::new();
    let process = world.process(1, Scripted::new().on("a", slow()), on);
    let options = ServiceOptions { queue: 1, ..ServiceOptions::default() };
    told(&process, library(&[("p", FREE)]), options, async |service| {
        service.deliver(world.delivery(&["x"])).await.unwrap();
        let refused = service.deliver(world.delivery(&["y"])).await.unwrap_err();
        assert!(matches!(refused, Refusal::Full { limit: 1 }), "{refused}");
        process.stopper.drain();
        let refused = service.deliver(world.delivery(&["y"])).await.unwrap_err();
        assert!(matches!(refused, Refusal::Draining), "{refused}");
    })
    .await;
    assert_eq!(statuses(&world).await.len(), 1);
}

#[tokio::test]
async fn other_playbooks_are_put_in_force_and_runs_under_way_keep_their_own() {
    let world = World::new();
    let process = world.process(1, Scripted::new().on("a", slow()), on);
    told(&process, library(&[("p", FREE)]), ServiceOptions::default(), async |service| {
        service.deliver(world.delivery(&["x"])).await.unwrap();
        let other = Arc::new(library(&[("p", &FREE.replace("id: b", "id: c"))]));
        service.swap(service.engine(), other);
        service.deliver(world.delivery(&["y"])).await.unwrap();
        all_over(&world, 2).await;
    })
    .await;
    let mut done = process.done();
    done.sort();
    assert_eq!(done, ["a", "a", "b", "c"]);
}

#[tokio::test]
async fn ten_thousand_alerts_start_no_more_than_the_limits_say() {
    let world = World::new();
    let process = world.process(1, Scripted::new().on("a", slow()), on);
    let text = FREE.replace("rate: none, targets: none", "rate: 20 in 1h, targets: 5");
    let names: Vec<String> = (0..10_000).map(|n| format!("h{n:05}")).collect();
    told(&process, library(&[("p", &text)]), ServiceOptions::default(), async |service| {
        for hosts in names.chunks(100) {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let receipt = service.deliver(world.delivery(&hosts)).await.unwrap();
            assert_eq!(receipt.started + receipt.later, 100, "every verdict has its reason");
        }
        let hour = start() + jiff::SignedDuration::from_mins(59);
        world.clock.sleep_until(hour).await;
        assert_eq!(hosts(&process).len(), 20, "in the first hour");
        until(&world, "the next twenty", async || hosts(&process).len() >= 40).await;
        assert!(world.clock.now() >= start() + jiff::SignedDuration::from_hours(1));
    })
    .await;
    // Never more than five at the same time: each takes half a minute for its first step.
    let begun: Vec<_> = process
        .reporter
        .events()
        .into_iter()
        .filter(|(_, event)| matches!(event.event, crate::run::RunEvent::RunStarted(_)))
        .map(|(_, event)| event.at)
        .collect();
    for six in begun.windows(6) {
        assert!(six[5].duration_since(six[0]) >= jiff::SignedDuration::from_secs(30), "{six:?}");
    }
    assert!(world.store.later(None).await.unwrap().len() >= 9_900);
}
