//! A process is killed after any event that it wrote; the next one finds the store as it was left.

use std::collections::BTreeSet;

use super::world::{Process, World, library};
use crate::engine::{Admitted, Ask, Clock as _, OfferAnswer, Owner, RunEndKind, RunHeader, Store as _, Take};
use crate::playbook::Library;
use crate::playtest::{Script, Scripted};
use crate::run::{GlobalLimits, Run, RunEvent, Stamped, gates_asked};
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
        text: playbook.text.clone(),
        events: vec![journal[0].event.clone()],
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
