//! A process is killed after any event that it wrote; the next one finds the store as it was left.

use std::collections::BTreeSet;

use super::world::{Process, World, library};
use crate::engine::{Admitted, Ask, Clock as _, OfferAnswer, Owner, RunEndKind, RunHeader, Store as _, Take};
use crate::playbook::Library;
use crate::playtest::{Script, Scripted};
use crate::run::{GlobalLimits, HoldState, Run, RunEvent, RunStatus, Stamped, gates_asked, is_raised};
use crate::step::{Effect, IfLost};

const STORIES: [&str; 5] = [
    "steps: [{id: a, exec: [a]}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n",
    "sync: {inhibit: true, silence: true, on_failure: alert}\nsteps: [{id: s, silence: {}}, {id: a, exec: [a]}, {id: fails, exec: [x]}]\nfinally: [{id: z, exec: [z]}]\n",
    "steps: [{id: i, idempotent: true, exec: [i]}, {id: w, wait: 10m}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n",
    "steps: [{id: p, parallel: [{id: a, exec: [a]}, {id: w, wait: 1m}]}, {id: e, foreach: \"['x', 'y']\", exec: [e, '{{ item }}']}]\nfinally: [{id: z, exec: [z]}]\n",
    "concurrency: {key: k}\nsteps: [{id: a, exec: [a]}, {id: fails, exec: [x], continue_on_error: true, retry: {attempts: 2, backoff: 5s}}]\nfinally: [{id: z, exec: [z]}]\n",
];

fn process(world: &World, pid: u32) -> Process {
    world.process(pid, Scripted::new().on("fails", Script::exit(1, "")), |_| {})
}

/// Writes the beginning of a journal to an empty store as a process that is then killed.
async fn killed_after(world: &World, library: &Library, header: &RunHeader, journal: &[Stamped]) {
    let text = library.named("p").unwrap().text.clone();
    killed_after_text(world, library, header, journal, text).await;
}

/// The same, with another text in place of the playbook's.
async fn killed_after_text(
    world: &World,
    library: &Library,
    header: &RunHeader,
    journal: &[Stamped],
    text: std::sync::Arc<str>,
) {
    let playbook = library.named("p").unwrap();
    let RunEvent::RunStarted(started) = &journal[0].event else { panic!("{journal:?}") };
    let (run, limits) = (&header.run, GlobalLimits::default());
    let key = playbook
        .concurrency
        .as_ref()
        .map(|_| crate::engine::KeyAsk { key: "k".to_owned(), when_busy: crate::engine::WhenBusy::Queue });
    let ask = Ask {
        header: header.clone(),
        episodes: Vec::new(),
        gates: gates_asked("p", &started.target, run, None, &playbook.limits, &limits),
        key,
        text,
        events: vec![journal[0].event.clone()],
        put_off: None,
    };
    let owner = Owner { boot_id: "b".to_owned(), pid: 1, start_time: 1 };
    let admitted = world.store.admit(vec![ask], owner, world.clock.now()).await.unwrap().remove(0);
    let Admitted::Started { lease, .. } = admitted else { panic!("{admitted:?}") };
    for event in &journal[1..] {
        world.clock.set(event.at);
        world.store.append(lease.clone(), vec![event.event.clone()], Vec::new(), event.at).await.unwrap();
    }
    world.bury(1);
    world.clock.advance(std::time::Duration::from_secs(120));
}

#[tokio::test]
async fn whatever_was_written_the_next_process_ends_the_run_and_does_nothing_twice() {
    for story in STORIES {
        let library = library(&[("p", &format!("limits: {{cooldown: none}}\n{story}"))]);
        let world = World::new();
        let whole = process(&world, 1);
        let (offers, ends) = whole.go(&library, &world.delivery(&["x"])).await;
        assert!(matches!(offers[0].answer, OfferAnswer::Started(_)));
        let header = ends[0].header.clone();
        let journal = world.journal(&header.run).await;
        for length in 1..journal.len() {
            let world = World::new();
            killed_after(&world, &library, &header, &journal[..length]).await;
            let next = process(&world, 2);
            let ends = next.resume().await;
            let what = || format!("{story}killed after {length}: {:#?}", journal[..length].last());
            assert!(matches!(ends[0].kind, RunEndKind::Finished(_)), "{:?} {}", ends[0], what());
            does_nothing_twice(&journal[..length], &next, &what());
            let written = world.journal(&header.run).await;
            assert_eq!(
                written[..length].iter().map(|s| &s.event).collect::<Vec<_>>(),
                journal[..length].iter().map(|s| &s.event).collect::<Vec<_>>()
            );
            assert!(Run::replay(&header.run, &written).unwrap().finished.is_some());
            assert_eq!(next.performer.searched(), std::slice::from_ref(&header.run));
            for (key, gate) in world.store.gates(String::new()).await.unwrap() {
                assert!(gate.holders.is_empty(), "{key} is still held by {:?}: {}", gate.holders, what());
            }
            assert!(process(&world, 3).engine.take(Take::Due, 10).await.unwrap().is_empty());
        }
    }
}

fn does_nothing_twice(before: &[Stamped], next: &Process, what: &str) {
    let begun: BTreeSet<String> = before
        .iter()
        .filter_map(|stamped| match &stamped.event {
            RunEvent::AttemptStarted { path, attempt, effect: Some(_), if_lost: IfLost::Fail, .. } => {
                Some(format!("{path}#{attempt}"))
            }
            _ => None,
        })
        .collect();
    for call in next.performer.calls().iter().filter(|call| matches!(call.effect, Effect::Command(_))) {
        let mark = format!("{}#{}", call.path, call.attempt);
        assert!(!begun.contains(&mark), "{mark} is done twice: {what}");
    }
}

#[tokio::test]
async fn a_run_whose_playbook_can_no_longer_be_read_ends_as_failed_and_lets_everything_go() {
    for (story, cancelled) in STORIES.iter().flat_map(|story| [(*story, false), (*story, true)]) {
        let library = library(&[("p", &format!("limits: {{cooldown: none}}\n{story}"))]);
        let world = World::new();
        let whole = process(&world, 1);
        let (_, ends) = whole.go(&library, &world.delivery(&["x"])).await;
        let header = ends[0].header.clone();
        let journal = world.journal(&header.run).await;
        for length in 1..journal.len() {
            let world = World::new();
            let text = library.named("p").unwrap().text.replace("exec:", "exek:");
            killed_after_text(&world, &library, &header, &journal[..length], text.into()).await;
            let next = process(&world, 2);
            if cancelled {
                next.engine.cancel(&header.run, "ann").await.unwrap();
            }
            let ends = next.resume().await;
            let what = || format!("{story}killed after {length}: {:#?}", journal[..length].last());
            assert_eq!(ends.len(), 1, "{}", what());
            let RunEndKind::Finished(status) = &ends[0].kind else { panic!("{:?} {}", ends[0], what()) };
            let settled = journal[..length].iter().any(|s| matches!(s.event, RunEvent::RunEnding { .. }));
            match (settled, cancelled) {
                (false, false) => {
                    assert_eq!(*status, RunStatus::Failed, "{}", what());
                    let reason = "playbook: its text can no longer be read: ";
                    assert!(ends[0].reason.starts_with(reason), "{} {}", ends[0].reason, what());
                }
                (false, true) => assert!(status.is_final() && *status != RunStatus::Succeeded, "{}", what()),
                (true, _) => {}
            }
            assert!(next.performer.calls().iter().all(|call| !matches!(call.effect, Effect::Command(_))));
            let run = Run::replay(&header.run, &world.journal(&header.run).await).unwrap();
            // What tells people of a failure outlives the run.
            let is_settled = |hold: &HoldState| hold.over || (hold.keep && hold.made_at.is_some());
            assert!(run.finished.is_some() && run.holds.values().all(is_settled), "{}", what());
            let raised = run.holds.keys().any(|id| is_raised(id));
            assert_eq!(
                raised,
                *status == RunStatus::Failed && story.contains("on_failure: alert"),
                "{}",
                what()
            );
            for (key, gate) in world.store.gates(String::new()).await.unwrap() {
                assert!(gate.holders.is_empty(), "{key} is still held by {:?}: {}", gate.holders, what());
            }
            assert!(process(&world, 3).engine.take(Take::Due, 10).await.unwrap().is_empty());
        }
    }
}
