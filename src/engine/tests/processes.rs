//! Processes that live, die, and are taken for dead.

use std::time::Duration;

use super::world::{World, library, words};
use crate::engine::{Clock as _, Life, Take};
use crate::playtest::{Script, Scripted};
use crate::run::{Run, RunEvent};
use crate::step::Outcome;

const HANGS: &str = "limits: {cooldown: none, rate: none, targets: none}\nsteps: [{id: a, exec: [a], timeout: 30m}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n";

#[tokio::test]
async fn nothing_is_taken_from_a_process_that_lives() {
    let world = World::new();
    let first = world.process(1, Scripted::new(), |_| {});
    let second = world.process(2, Scripted::new(), |_| {});
    let offers = first.engine.admit(&library(&[("p", HANGS)]), &world.delivery(&["a"])).await.unwrap();
    assert_eq!(offers.len(), 1);
    assert!(second.engine.take(Take::Due, 10).await.unwrap().is_empty());
    world.clock.advance(Duration::from_secs(29));
    assert!(second.engine.take(Take::Due, 10).await.unwrap().is_empty());
    assert!(first.engine.take(Take::Due, 10).await.unwrap().is_empty(), "nor by itself");
    world.clock.advance(Duration::from_secs(2));
    assert!(second.engine.take(Take::Due, 10).await.unwrap().is_empty(), "it lives, whatever its lease says");
    world.lives(1, Life::Unknown);
    assert_eq!(second.engine.take(Take::Due, 10).await.unwrap().len(), 1, "its lease was not renewed");
}

#[tokio::test]
async fn a_lease_is_kept_for_as_long_as_the_process_works() {
    let world = World::new();
    let first = world.process(1, Scripted::new().on("a", Script::Hang), |_| {});
    let second = world.process(2, Scripted::new(), |_| {});
    let library = library(&[("p", HANGS)]);
    let delivery = world.delivery(&["a"]);
    let watch = async {
        let mut taken = 0;
        for _ in 0..100 {
            let then = world.clock.now() + Duration::from_secs(10);
            world.clock.sleep_until(then).await;
            taken += second.engine.take(Take::Due, 10).await.unwrap().len();
        }
        taken
    };
    let ((_, ends), taken) = tokio::join!(first.go(&library, &delivery), watch);
    assert_eq!((words(&ends), taken), (vec!["failed".to_owned()], 0));
}

#[tokio::test]
async fn a_process_that_lost_its_lease_stops_and_writes_nothing_more() {
    let world = World::new();
    let first = world.process(1, Scripted::new().on("a", Script::Hang), |_| {});
    let second = world.process(2, Scripted::new().with_survivors([]), |_| {});
    let library = library(&[("p", HANGS)]);
    let delivery = world.delivery(&["a"]);
    let take_over = async {
        let then = world.clock.now() + Duration::from_secs(60);
        world.clock.sleep_until(then).await;
        world.bury(1);
        second.resume().await
    };
    let ((_, ends), others) = tokio::join!(first.go(&library, &delivery), take_over);
    assert_eq!((words(&ends), words(&others)), (vec!["taken away".to_owned()], vec!["failed".to_owned()]));
    assert_eq!(
        (first.done(), second.done()),
        (vec!["a".to_owned()], vec!["on_failure/f".to_owned(), "finally/z".to_owned()])
    );
    let journal = world.journal(&ends[0].header.run).await;
    let taken_over = journal.iter().position(|s| matches!(s.event, RunEvent::TakenOver { .. })).unwrap();
    let known: Vec<_> = second.reporter.events().into_iter().map(|(_, event)| event).collect();
    assert_eq!(journal[taken_over..], known, "after that, only the other process wrote");
}

#[tokio::test]
async fn survivors_are_ended_before_the_journal_is_judged_and_what_was_under_way_is_lost() {
    let world = World::new();
    let first = world.process(1, Scripted::new().on("a", Script::Hang), |_| {});
    let library = library(&[("p", HANGS)]);
    let delivery = world.delivery(&["a"]);
    let killed = async {
        let then = world.clock.now() + Duration::from_secs(60);
        world.clock.sleep_until(then).await;
    };
    tokio::select! {
        biased;
        _ = first.go(&library, &delivery) => panic!("it hangs"),
        () = killed => (),
    }
    let run = first.reporter.events()[0].0.run.clone();
    world.bury(1);
    let mark = format!("{run}/a#1");
    let second = world.process(2, Scripted::new().with_survivors([mark.clone()]), |_| {});
    let resumed = second.engine.take(Take::Due, 10).await.unwrap();
    assert_eq!(second.performer.searched(), std::slice::from_ref(&run));
    assert!(resumed[0].orphaned && resumed[0].survivors == [mark.clone()] && second.done().is_empty());
    let ends = second.engine.complete(&library, None, &mut Vec::new(), resumed).await.unwrap();
    assert_eq!(words(&ends), ["failed"]);
    assert_eq!(second.done(), ["on_failure/f", "finally/z"]);
    let journal = world.journal(&run).await;
    let lost = journal.iter().find_map(|s| match &s.event {
        RunEvent::TakenOver { lost, .. } => Some(lost.clone()),
        _ => None,
    });
    assert_eq!(lost, Some(vec!["a#1".to_owned()]));
    let folded = Run::replay(&run, &journal).unwrap();
    assert_eq!(folded.nodes["a"].outcome, Some(Outcome::Lost));
    assert!(ends[0].reason.starts_with("a: lost"), "{}", ends[0].reason);
}

#[tokio::test]
async fn a_signal_ends_runs_gently_and_a_second_one_at_once() {
    for (times, end, done) in [(1, "cancelled", vec!["a", "finally/z"]), (2, "abandoned", vec!["a"])] {
        let world = World::new();
        let process = world.process(1, Scripted::new().on("a", Script::Hang), |_| {});
        let library = library(&[("p", HANGS)]);
        let delivery = world.delivery(&["a"]);
        let stop = async {
            let then = world.clock.now() + Duration::from_secs(60);
            world.clock.sleep_until(then).await;
            for _ in 0..times {
                process.stopper.ask("SIGTERM");
            }
        };
        let ((_, ends), ()) = tokio::join!(process.go(&library, &delivery), stop);
        assert_eq!(
            (words(&ends), process.done()),
            (vec![end.to_owned()], done.iter().map(|s| (*s).to_owned()).collect())
        );
    }
}
