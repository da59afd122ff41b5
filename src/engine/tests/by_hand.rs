//! What people do to runs: cancel, retry, resume.

use std::time::Duration;

use super::world::{World, library, verdicts, words};
use crate::engine::{Clock as _, EngineOptions, Store as _};
use crate::playtest::{Script, Scripted};
use crate::run::RunEvent;

const WAITS: &str = "limits: {cooldown: none, rate: none, targets: none}\nsteps: [{id: a, exec: [a]}, {id: w, wait: 10m}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n";

fn no_wait(options: &mut EngineOptions) {
    options.no_wait = true;
}

#[tokio::test]
async fn a_cancel_reaches_a_run_that_nobody_works_on_when_the_next_process_comes() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), no_wait);
    let (_, ends) = process.go(&library(&[("p", WAITS)]), &world.delivery(&["x"])).await;
    process.engine.cancel(&ends[0].header.run, "ann").await.unwrap();
    let ends = process.resume().await;
    assert_eq!((words(&ends), ends[0].reason.as_str()), (vec!["cancelled".to_owned()], "cancelled by ann"));
    assert_eq!(process.done(), ["a", "finally/z"]);
    process.engine.cancel(&ends[0].header.run, "ann").await.unwrap();
    assert!(process.resume().await.is_empty(), "what is over stays over");
}

#[tokio::test]
async fn a_cancel_reaches_a_run_that_is_worked_on_with_the_next_renewal() {
    let world = World::new();
    let process = world.process(1, Scripted::new().on("b", Script::Hang), |_| {});
    let other = world.process(2, Scripted::new(), |_| {});
    let library = library(&[("p", WAITS)]);
    let delivery = world.delivery(&["x"]);
    let cancel = async {
        let then = world.clock.now() + Duration::from_secs(620);
        world.clock.sleep_until(then).await;
        let run = process.reporter.events()[0].0.run.clone();
        other.engine.cancel(&run, "ann").await.unwrap();
    };
    let ((_, ends), ()) = tokio::join!(process.go(&library, &delivery), cancel);
    assert_eq!(
        (words(&ends), process.done()),
        (vec!["cancelled".to_owned()], ["a", "b", "finally/z"].map(str::to_owned).to_vec())
    );
    assert!(world.clock.now() < super::world::start() + Duration::from_secs(625), "{}", world.clock.now());
}

#[tokio::test]
async fn a_retry_is_a_new_run_of_the_same_text_for_the_same_alerts() {
    let world = World::new();
    let process = world.process(1, Scripted::new().once("a", Script::exit(1, "")), |_| {});
    let library = library(&[("p", WAITS)]);
    let (_, ends) = process.go(&library, &world.delivery(&["x"])).await;
    assert_eq!(words(&ends), ["failed"]);
    let first = ends[0].header.run.clone();
    let mut offers = vec![process.engine.retry(&first).await.unwrap()];
    assert_eq!(verdicts(&offers), ["started"]);
    let ends = process.engine.complete(&library, None, &mut offers, Vec::new()).await.unwrap();
    assert_eq!(
        (words(&ends), process.done()),
        (
            vec!["succeeded".to_owned()],
            ["a", "on_failure/f", "finally/z", "a", "b", "finally/z"].map(str::to_owned).to_vec()
        )
    );
    let (old, new) = (world.journal(&first).await, world.journal(&ends[0].header.run).await);
    let (RunEvent::RunStarted(old), RunEvent::RunStarted(new)) = (&old[0].event, &new[0].event) else {
        panic!()
    };
    assert_eq!(
        (new.retry_of.as_deref(), &new.alerts, &new.digest, &new.target),
        (Some(first.as_str()), &old.alerts, &old.digest, &old.target)
    );
}

#[tokio::test]
async fn a_retry_passes_the_limits_of_its_playbook() {
    let world = World::new();
    let process = world.process(1, Scripted::new().on("a", Script::exit(1, "")), |_| {});
    let text = WAITS.replace("cooldown: none", "cooldown: 10m");
    let (_, ends) = process.go(&library(&[("p", &text)]), &world.delivery(&["x"])).await;
    let offer = process.engine.retry(&ends[0].header.run).await.unwrap();
    assert_eq!(verdicts(&[offer]), ["later: cooldown"]);
    assert!(process.engine.retry("nobody").await.is_err());
    assert_eq!(world.store.list(crate::engine::RunFilter::default()).await.unwrap().len(), 1);
}
