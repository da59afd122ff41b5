//! Which runs start, in which order, and which come later.

use std::sync::Arc;

use super::world::{World, hosts, library, verdicts, words};
use crate::engine::{Clock as _, OfferAnswer, Store as _, gate_keys};
use crate::playtest::{Script, Scripted};
use crate::run::{Change, LaterReason, Paused};

const ONE: &str = "limits: {cooldown: none, rate: none}\nsteps: [{id: a, exec: [a]}]\n";
const ALL: &str = "limits: {cooldown: none, rate: none, targets: none}\nsteps: [{id: a, exec: [a]}]\n";

#[tokio::test]
async fn two_processes_never_both_start_a_run_for_an_episode() {
    let world = World::new();
    let library = library(&[("p", ALL), ("q", ALL)]);
    let delivery = world.delivery(&["a", "b", "c", "d"]);
    let first = world.process(1, Scripted::new(), |_| {});
    let second = world.process(2, Scripted::new(), |_| {});
    let ((one, ends_of_one), (two, ends_of_two)) =
        tokio::join!(first.go(&library, &delivery), second.go(&library, &delivery));
    let started =
        |offers: &[crate::engine::Offer]| verdicts(offers).iter().filter(|v| *v == "started").count();
    assert_eq!((started(&one) + started(&two), one.len(), two.len()), (8, 8, 8));
    assert_eq!(ends_of_one.len() + ends_of_two.len(), 8);
    assert_eq!(first.done().len() + second.done().len(), 8);
    let (again, _) = first.go(&library, &delivery).await;
    assert!(
        again
            .iter()
            .all(|offer| matches!(&offer.answer, OfferAnswer::Skip(crate::run::Skip::Claimed { .. })))
    );
}

#[tokio::test]
async fn what_waits_for_a_target_starts_as_the_one_before_ends_oldest_first() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), |_| {});
    let (offers, ends) = process.go(&library(&[("p", ONE)]), &world.delivery(&["c", "a", "b"])).await;
    assert_eq!(hosts(&process), ["c", "a", "b"]);
    assert_eq!(
        (verdicts(&offers), words(&ends)),
        (vec!["started".to_owned(); 3], vec!["succeeded".to_owned(); 3])
    );
}

#[tokio::test]
async fn what_comes_later_is_kept_oldest_first_and_claims_nothing() {
    let world = World::new();
    let process = world.process(1, Scripted::new().on("a", Script::exit(1, "")), |_| {});
    let text = "limits: {cooldown: none, rate: 1 in 10m, targets: none, breaker: none}\nsteps: [{id: a, exec: [a]}]\n";
    let library = library(&[("p", text)]);
    let (offers, _) = process.go(&library, &world.delivery(&["c", "a", "b"])).await;
    assert_eq!(verdicts(&offers), ["later: rate", "later: rate", "started"]);
    let rows = world.store.later(None).await.unwrap();
    let instance =
        |row: &crate::engine::Later| row.alerts[0]["labels"]["instance"].as_str().unwrap().to_owned();
    assert_eq!(rows.iter().map(instance).collect::<Vec<_>>(), ["a", "b"]);
    assert!(
        world.store.later(Some(world.clock.now())).await.unwrap().is_empty(),
        "not before the window is over"
    );
    world.clock.advance(std::time::Duration::from_secs(601));
    let (offers, _) = process.go(&library, &world.delivery(&["c", "a", "b"])).await;
    assert_eq!(verdicts(&offers), ["later: rate", "skip: claimed", "started"]);
    assert_eq!(hosts(&process), ["c", "a"]);
}

#[tokio::test]
async fn of_a_large_delivery_the_oldest_start_first_and_groups_stay_whole() {
    let names: Vec<String> = (0..300).map(|n| format!("h{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::new();
    let mut delivery = world.delivery(&names);
    delivery.alerts.reverse();
    let limited = "limits: {cooldown: none, rate: 5 in 1h, targets: none}\nsteps: [{id: a, exec: [a]}]\n";
    let process = world.process(1, Scripted::new(), |_| {});
    let (offers, ends) = process.go(&library(&[("p", limited)]), &delivery).await;
    let mut started = hosts(&process);
    started.sort();
    assert_eq!((started, ends.len()), (["h0", "h1", "h2", "h3", "h4"].map(str::to_owned).to_vec(), 5));
    let later = verdicts(&offers).iter().filter(|v| *v == "later: rate").count();
    assert_eq!((offers.len(), later), (300, 295));
    let grouped = format!("group_by: [alertname]\n{ALL}");
    let process = world.process(2, Scripted::new(), |_| {});
    let (offers, ends) = process.go(&library(&[("g", &grouped)]), &delivery).await;
    assert_eq!((offers.len(), offers[0].alerts.len(), ends.len()), (1, 300, 1));
}

#[tokio::test]
async fn a_run_that_works_on_a_target_counts_for_its_cooldown() {
    let world = World::new();
    let text = "group_by: [alertname]\nlimits: {cooldown: 5m, rate: none, targets: none}\nsteps: [{id: a, exec: [a]}]\n";
    let library = library(&[("p", text)]);
    let process = world.process(1, Scripted::new(), |_| {});
    let first = process.engine.admit(&library, &world.delivery(&["a"])).await.unwrap();
    let joins = process.engine.admit(&library, &world.delivery(&["a", "b"])).await.unwrap();
    assert_eq!(
        (verdicts(&first), verdicts(&joins)),
        (vec!["started".to_owned()], vec!["later: cooldown".to_owned(), "skip: claimed".to_owned()])
    );
    let mut first = first;
    process.engine.complete(&library, None, &mut first, Vec::new()).await.unwrap();
    let joins = process.engine.admit(&library, &world.delivery(&["b"])).await.unwrap();
    let OfferAnswer::Later(closed) = &joins[0].answer else { panic!("{joins:?}") };
    assert!(closed.until.is_some_and(|until| until > world.clock.now()));
}

#[tokio::test]
async fn after_a_pause_starts_trickle_until_one_succeeds() {
    let world = World::new();
    let library = library(&[("p", ALL)]);
    let paused = Paused { since: world.clock.now(), until: None, reason: String::new(), by: String::new() };
    world.change(gate_keys::PAUSE_ALL, Change::Pause(paused)).await;
    let delivery = world.delivery(&["a", "b", "c", "d"]);
    let fails_once = Scripted::new().once("a", Script::exit(1, ""));
    let process = world.process(1, fails_once, |_| {});
    let (offers, ends) = process.go(&library, &delivery).await;
    assert_eq!((verdicts(&offers), ends.len()), (vec!["later: paused".to_owned(); 4], 0));
    world.change(gate_keys::PAUSE_ALL, Change::Unpause { by: String::new() }).await;
    let mut offers = process.engine.admit(&library, &delivery).await.unwrap();
    assert_eq!(verdicts(&offers), ["later: trickle", "later: trickle", "later: trickle", "started"]);
    let ends = process.engine.complete(&library, Some(&delivery), &mut offers, Vec::new()).await.unwrap();
    assert_eq!(words(&ends), ["failed", "succeeded", "succeeded", "succeeded"]);
    // The first failed: one more alone; that one succeeded: the others together.
    assert_eq!(hosts(&process), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn after_a_pause_nobody_waits_for_a_run_that_waits_for_a_person() {
    let world = World::new();
    let asks = "limits: {cooldown: none, rate: none, targets: none}\nsteps: [{id: ask, approve: {prompt: p}}, {id: b, exec: [b]}]\n";
    let library = library(&[("asks", asks), ("p", ALL)]);
    let paused = Paused { since: world.clock.now(), until: None, reason: String::new(), by: String::new() };
    world.change(gate_keys::PAUSE_ALL, Change::Pause(paused)).await;
    world.change(gate_keys::PAUSE_ALL, Change::Unpause { by: String::new() }).await;
    let process = world.process(1, Scripted::new(), |options| options.no_wait = true);
    let (offers, ends) = process.go(&library, &world.delivery(&["a"])).await;
    assert_eq!(verdicts(&offers), ["started", "started"]);
    assert_eq!(words(&ends), ["parked: waits for anybody at ask", "succeeded"]);
}

#[tokio::test]
async fn an_alert_that_a_delivery_has_twice_with_another_start_is_worked_on_once() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), |_| {});
    let mut delivery = world.delivery(&["a", "b"]);
    let mut again = (*delivery.alerts[0]).clone();
    again.starts_at += jiff::SignedDuration::from_secs(5);
    again.annotations.insert("summary".to_owned(), "as it is now".to_owned());
    delivery.alerts.push(Arc::new(again));
    let (offers, ends) = process.go(&library(&[("p", ALL)]), &delivery).await;
    assert_eq!(verdicts(&offers), ["started", "started"]);
    assert_eq!((words(&ends), hosts(&process).len()), (vec!["succeeded".to_owned(); 2], 2));
    assert_eq!(offers.iter().map(|offer| offer.alerts.len()).collect::<Vec<_>>(), [1, 1]);
    assert!(offers.iter().any(|offer| offer.alerts[0].annotations.contains_key("summary")));
    let (again, _) = process.go(&library(&[("p", ALL)]), &delivery).await;
    assert!(verdicts(&again).iter().all(|verdict| verdict == "skip: claimed"), "{again:?}");
}

#[tokio::test]
async fn a_breaker_that_was_reset_lets_one_try() {
    let world = World::new();
    let text =
        "limits: {cooldown: none, rate: none, targets: none, breaker: 2}\nsteps: [{id: a, exec: [a]}]\n";
    let library = library(&[("p", text)]);
    let process =
        world.process(1, Scripted::new().on("a", Script::exit(1, "")), |options| options.parallel = 1);
    process.go(&library, &world.delivery(&["a", "b"])).await;
    let (offers, _) = process.go(&library, &world.delivery(&["c", "d"])).await;
    assert_eq!(verdicts(&offers), ["later: breaker", "later: breaker"]);
    world.change(&gate_keys::breaker("p"), Change::Reset).await;
    let offers = process.engine.admit(&library, &world.delivery(&["c", "d"])).await.unwrap();
    assert_eq!(verdicts(&offers), ["later: trickle", "started"]);
}

#[tokio::test]
async fn when_another_run_has_the_key_a_playbook_queues_comes_later_or_takes_its_place() {
    let keyed = |busy: &str| {
        format!(
            "limits: {{cooldown: none, rate: none, targets: none}}\nconcurrency: {{key: k, when_busy: {busy}}}\nsteps: [{{id: a, exec: [a]}}, {{id: b, exec: [b]}}]\nfinally: [{{id: z, exec: [z]}}]\n"
        )
    };
    for (busy, expected_offers, expected_ends, done) in [
        (
            "queue",
            vec!["started", "started"],
            vec!["succeeded", "succeeded"],
            vec!["a", "b", "finally/z", "a", "b", "finally/z"],
        ),
        (
            "skip",
            vec!["started", "started"],
            vec!["succeeded", "succeeded"],
            vec!["a", "b", "finally/z", "a", "b", "finally/z"],
        ),
        (
            "restart",
            vec!["started", "started"],
            vec!["cancelled", "succeeded"],
            vec!["a", "finally/z", "a", "b", "finally/z"],
        ),
    ] {
        let world = World::new();
        let slow = Script::After(
            std::time::Duration::from_secs(5),
            crate::step::Reply::Exited(crate::step::Exited { exit_code: Some(0), ..Default::default() }),
        );
        let process = world.process(1, Scripted::new().on("a", slow), |_| {});
        let (offers, ends) = process.go(&library(&[("p", &keyed(busy))]), &world.delivery(&["x", "y"])).await;
        assert_eq!(
            (verdicts(&offers), words(&ends), process.done()),
            (
                expected_offers.iter().map(|s| (*s).to_owned()).collect(),
                expected_ends.iter().map(|s| (*s).to_owned()).collect(),
                done.iter().map(|s| (*s).to_owned()).collect()
            ),
            "{busy}"
        );
    }
}

#[test]
fn what_another_run_frees_is_tried_again_at_once() {
    for (reason, again) in [
        (LaterReason::Targets, true),
        (LaterReason::Busy, true),
        (LaterReason::Trickle, true),
        (LaterReason::Cooldown, false),
        (LaterReason::Rate, false),
        (LaterReason::Paused, false),
    ] {
        assert_eq!(crate::engine::waits_for_a_run(reason), again, "{reason:?}");
    }
}
