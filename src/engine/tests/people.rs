//! Tasks over several processes: found, decided once, and gone on with by whoever comes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::world::{World, library, words};
use crate::engine::{
    Clock as _, DecideError, EngineOptions, Say, Store, TaskFilter, TaskStatus, decide, find_task, open_tasks,
};
use crate::playtest::Scripted;
use crate::step::Refusal;

const ASKS: &str = "limits: {cooldown: none, rate: none, targets: none}\nsteps:\n  - {id: a, exec: [a]}\n  - id: ask\n    approve: {prompt: 'Restart {{ alert.labels.instance }}?', approvers: {users: [ann], groups: [oncall]}, required: 2, prevent_self: true, timeout: 1h, inputs: {n: {type: int, default: 1}}}\n  - {id: b, exec: [b, '{{ steps.ask.inputs.n }}', '{{ steps.ask.by }}']}\nfinally: [{id: z, exec: [z]}]\n";

fn no_wait(options: &mut EngineOptions) {
    options.no_wait = true;
    options.started_by = Some("starter".to_owned());
}

fn yes(by: &str) -> Say {
    Say {
        approve: true,
        by: by.to_owned(),
        groups: vec!["oncall".to_owned()],
        via: "command".to_owned(),
        ..Say::default()
    }
}

/// Leaves a run that waits for people, and returns its id.
async fn asked(world: &World, hosts: &[&str]) -> String {
    let process = world.process(1, Scripted::new(), no_wait);
    let (_, ends) = process.go(&library(&[("p", ASKS)]), &world.delivery(hosts)).await;
    assert!(words(&ends).iter().all(|w| w == "parked: waits for 2 of ann, group oncall at ask"), "{ends:?}");
    ends[0].header.run.clone()
}

fn store(world: &World) -> &dyn Store {
    world.store.as_ref()
}

#[tokio::test]
async fn a_parked_run_goes_on_in_another_process_once_enough_people_approved() {
    let world = World::new();
    let run = asked(&world, &["x"]).await;
    let all = open_tasks(store(&world), &TaskFilter::default(), world.clock.now()).await.unwrap();
    assert_eq!((all.len(), all[0].state.task.prompt.as_str()), (1, "Restart x?"));
    assert_eq!(all[0].started_by.as_deref(), Some("starter"));
    world.clock.advance(Duration::from_secs(10));
    let first = decide(store(&world), &run, None, yes("ann"), world.clock.now()).await.unwrap();
    assert_eq!((first.task.status, first.attended), (TaskStatus::Open { missing: 1 }, false));

    // Another process comes between, finds that it still waits, and leaves it again.
    let second = world.process(2, Scripted::new(), no_wait);
    assert_eq!(words(&second.resume().await), ["parked: waits for 2 of ann, group oncall at ask"]);
    let with = Say { inputs: BTreeMap::from([("n".to_owned(), json!("7"))]), ..yes("bob") };
    let decided = decide(store(&world), &run, Some("ask"), with, world.clock.now()).await.unwrap();
    assert_eq!(decided.task.status, TaskStatus::Approved);
    assert!(open_tasks(store(&world), &TaskFilter::default(), world.clock.now()).await.unwrap().is_empty());

    let third = world.process(3, Scripted::new(), no_wait);
    assert_eq!(words(&third.resume().await), ["succeeded"]);
    assert_eq!(third.done(), ["b", "finally/z"]);
    let call = third.performer.calls().into_iter().find(|call| call.path == "b").unwrap();
    let crate::step::Effect::Command(command) = call.effect else { panic!() };
    assert_eq!(command.argv, ["b", "7", "ann, bob"]);
    let late = decide(store(&world), &run, None, yes("ann"), world.clock.now()).await.unwrap_err();
    assert!(matches!(late, DecideError::Refused(Refusal::Decided { approved: true, .. })), "{late:?}");
}

#[tokio::test]
async fn each_reason_not_to_take_a_decision_is_told_apart_and_changes_nothing() {
    let world = World::new();
    let run = asked(&world, &["x"]).await;
    let now = world.clock.now();
    let say =
        |by: &str, groups: &[&str]| Say { groups: groups.iter().map(|&g| g.to_owned()).collect(), ..yes(by) };
    let mut told = Vec::new();
    for (step, say) in [
        (None, say("eve", &[])),
        (None, say("starter", &["oncall"])),
        (None, Say { digest: Some("old".to_owned()), ..yes("ann") }),
        (None, Say { inputs: BTreeMap::from([("n".to_owned(), json!("x"))]), ..yes("ann") }),
        (None, Say { comment: "x".repeat(5_000), ..yes("ann") }),
        (Some("nowhere"), yes("ann")),
    ] {
        let refused = decide(store(&world), &run, step, say, now).await.unwrap_err();
        told.push(match refused {
            DecideError::Refused(Refusal::NotAllowed { by, .. }) => format!("not allowed: {by}"),
            DecideError::Refused(Refusal::Changed { .. }) => "changed".to_owned(),
            DecideError::Refused(Refusal::BadInput { name, .. }) => format!("bad input: {name}"),
            DecideError::NoTask { .. } => "no task".to_owned(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "not allowed: eve",
            "not allowed: starter",
            "changed",
            "bad input: n",
            "bad input: comment",
            "no task"
        ]
    );
    assert!(store(&world).pending(run.clone()).await.unwrap().is_empty());
    decide(store(&world), &run, None, yes("ann"), now).await.unwrap();
    let twice = decide(store(&world), &run, None, yes("ann"), now).await.unwrap_err();
    assert!(matches!(twice, DecideError::Refused(Refusal::Twice { missing: 1, .. })), "{twice:?}");
    world.clock.advance(Duration::from_secs(3_600));
    let late = decide(store(&world), &run, None, yes("bob"), world.clock.now()).await.unwrap_err();
    assert!(matches!(late, DecideError::Refused(Refusal::Expired { .. })), "{late:?}");
    let nobody = decide(store(&world), "nobody", None, yes("bob"), now).await.unwrap_err();
    assert!(matches!(nobody, DecideError::Store(_)));
    world.clock.advance(Duration::from_secs(3));
    // What nobody decided in time is settled by the next process, and told apart after that, too.
    assert_eq!(words(&world.process(2, Scripted::new(), no_wait).resume().await), ["rejected"]);
    let late = decide(store(&world), &run, None, yes("bob"), world.clock.now()).await.unwrap_err();
    assert!(matches!(late, DecideError::Refused(Refusal::Expired { .. })), "{late:?}");
    assert_eq!(find_task(store(&world), &run, None, now).await.unwrap().status, TaskStatus::Expired);
}

#[tokio::test]
async fn of_two_at_the_same_time_the_second_is_told_of_the_first() {
    let world = World::new();
    let run = asked(&world, &["x"]).await;
    let now = world.clock.now();
    let no = Say { approve: false, ..yes("ann") };
    let (one, two) = tokio::join!(
        decide(store(&world), &run, None, no, now),
        decide(store(&world), &run, None, yes("bob"), now)
    );
    assert_eq!(one.unwrap().task.status, TaskStatus::Rejected);
    assert!(matches!(two, Err(DecideError::Refused(Refusal::Decided { approved: false, .. }))), "{two:?}");
    let ends = world.process(2, Scripted::new(), no_wait).resume().await;
    assert_eq!((words(&ends), ends[0].reason.as_str()), (vec!["rejected".to_owned()], "rejected by ann"));
}

#[tokio::test]
async fn a_run_that_is_over_is_not_asked_about_any_more() {
    let world = World::new();
    world.resolve_after(30);
    let run = asked(&world, &["x"]).await;
    world.clock.advance(Duration::from_secs(60));
    let process = world.process(2, Scripted::new(), no_wait);
    let ends = process.resume().await;
    let reason = "the alert was gone while `ask` waited for a person";
    assert_eq!((words(&ends), ends[0].reason.as_str()), (vec!["cancelled".to_owned()], reason));
    let over = decide(store(&world), &run, None, yes("ann"), world.clock.now()).await.unwrap_err();
    assert_eq!(over.to_string(), format!("it is not asked any more: {reason}"));
}

#[tokio::test]
async fn the_process_that_waits_hears_of_a_decision_with_the_next_renewal() {
    let world = World::new();
    let process = world.process(1, Scripted::new(), |options| options.started_by = None);
    let library = library(&[("p", &ASKS.replace("required: 2, ", ""))]);
    let delivery = world.delivery(&["x"]);
    let person = async {
        world.clock.sleep_until(super::world::start() + Duration::from_secs(100)).await;
        let task =
            open_tasks(store(&world), &TaskFilter::default(), world.clock.now()).await.unwrap().remove(0);
        let decided = decide(store(&world), &task.run.header.run, None, yes("ann"), world.clock.now()).await;
        assert!(decided.unwrap().attended);
    };
    let ((_, ends), ()) = tokio::join!(process.go(&library, &delivery), person);
    assert_eq!(words(&ends), ["succeeded"]);
    assert!(world.clock.now() < super::world::start() + Duration::from_secs(110), "{}", world.clock.now());
}

#[tokio::test]
async fn tasks_are_listed_for_those_who_may_decide_them() {
    let world = World::new();
    let run = asked(&world, &["x", "y"]).await;
    let list = |filter: TaskFilter| {
        let world = &world;
        async move { open_tasks(store(world), &filter, world.clock.now()).await.unwrap().len() }
    };
    let of = |who: &str, groups: &[&str]| TaskFilter {
        of: Some((who.to_owned(), groups.iter().map(|&g| g.to_owned()).collect())),
        ..TaskFilter::default()
    };
    assert_eq!(list(TaskFilter::default()).await, 2);
    assert_eq!(list(TaskFilter { playbook: Some("q".to_owned()), ..TaskFilter::default() }).await, 0);
    assert_eq!(list(TaskFilter { run: Some(run.clone()), ..TaskFilter::default() }).await, 1);
    assert_eq!((list(of("ann", &[])).await, list(of("eve", &[])).await), (2, 0));
    assert_eq!((list(of("eve", &["oncall"])).await, list(of("starter", &["oncall"])).await), (2, 0));
    decide(store(&world), &run, None, yes("ann"), world.clock.now()).await.unwrap();
    assert_eq!((list(of("ann", &[])).await, list(of("bob", &["oncall"])).await), (1, 2));
}
