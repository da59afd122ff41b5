//! What comes back too often: whom it is handed over to, and what is raised.

use std::time::Duration;

use super::world::{Process, World, library, words};
use crate::engine::{Clock as _, Delivery, Offer, OfferAnswer, Store as _, gate_keys};
use crate::model::{Alert, LabelSet};
use crate::playbook::Library;
use crate::playtest::Scripted;
use crate::run::{Change, RunEvent};

const MENDS: &str =
    "limits: {cooldown: none, rate: none, targets: none, max_comebacks: 1%}\nsteps: [{id: a, exec: [a]}]\n";
const PEOPLE: &str = "when: 'false'\nlimits: {cooldown: none}\nsteps: [{id: told, exec: [told]}]\n";

fn mends(more: &str) -> String {
    MENDS.replace('%', more)
}

/// The alert fires once more, since now.
fn fires(world: &World) -> Delivery {
    world.clock.advance(Duration::from_secs(60));
    let now = world.clock.now();
    let labels = LabelSet::from_iter([("alertname", "Disk"), ("instance", "a")]);
    let ends_at = Some(now + jiff::SignedDuration::from_secs(240));
    let alert = Alert { ends_at, ..Alert::firing(labels, now) };
    Delivery { alerts: vec![alert.into()], at: now, ..world.delivery(&[]) }
}

/// Says of each playbook what becomes of the alert, leaving out what its own trigger says.
fn said(offers: &[Offer]) -> String {
    let said = offers.iter().filter_map(|offer| {
        let word = match &offer.answer {
            OfferAnswer::Started(_) => "starts",
            OfferAnswer::Later(closed) => closed.reason.as_str(),
            OfferAnswer::Skip(skip) if skip.word() == "when_false" => return None,
            OfferAnswer::Skip(skip) => skip.word(),
        };
        let by = offer.handed_over.as_ref().map_or_else(String::new, |by| format!(" for {}", by.by));
        Some(format!("{} {word}{by}", offer.playbook.name))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// Lets the alert fire once more, and works on what starts.
async fn round(world: &World, process: &Process, library: &Library) -> String {
    let (offers, _) = process.go(library, &fires(world)).await;
    said(&offers)
}

#[tokio::test]
async fn what_comes_back_too_often_is_handed_over_once_each_time_that_it_fires() {
    let world = World::new();
    let library = library(&[("mends", &mends(", hand_over: people")), ("people", PEOPLE)]);
    let one = world.process(1, Scripted::new(), |_| {});
    assert_eq!(round(&world, &one, &library).await, "mends starts");
    assert_eq!(round(&world, &one, &library).await, "mends starts");
    let third = fires(&world);
    let previewed = one.engine.preview(&library, &third).await.unwrap();
    assert_eq!(said(&previewed), "mends comebacks, people starts for mends");
    assert_eq!(previewed.len(), 2, "one verdict for each playbook: {previewed:?}");
    let OfferAnswer::Later(closed) = &previewed[0].answer else { panic!("{previewed:?}") };
    assert_eq!(
        closed.detail,
        "it came back 1 time within 30m after a run that succeeded, so it is a person's: mend the cause, then \
         `amflow breakers reset mends`; playbook people gets it"
    );
    // Two processes see it at the same time; then a third after a restart, and again later.
    let two = world.process(2, Scripted::new(), |_| {});
    let ((first, ends), (second, none)) = tokio::join!(one.go(&library, &third), two.go(&library, &third));
    let mut both = [said(&first), said(&second)];
    both.sort();
    assert_eq!(
        both,
        ["mends comebacks, people claimed for mends", "mends comebacks, people starts for mends"]
    );
    assert_eq!(ends.len() + none.len(), 1);
    let three = world.process(3, Scripted::new(), |_| {});
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(3_600));
        let again = Delivery { at: world.clock.now(), ..third.clone() };
        let (offers, _) = three.go(&library, &again).await;
        assert_eq!(said(&offers), "mends comebacks, people claimed for mends");
    }
    let run = ends.into_iter().chain(none).next().unwrap().header.run;
    let journal = world.journal(&run).await;
    let RunEvent::RunStarted(started) = &journal[0].event else { panic!("{journal:?}") };
    assert_eq!((started.playbook.as_str(), started.handed_over_by.as_deref()), ("people", Some("mends")));
    assert_eq!([one.done(), two.done(), three.done()].concat(), ["a", "a", "told"]);
    // A person has mended the cause: the playbook works on it again.
    let keys = world.store.gates(gate_keys::COMEBACKS.to_owned()).await.unwrap();
    for (key, _) in keys {
        world.change(&key, Change::Reset).await;
    }
    let again = Delivery { at: world.clock.now(), ..third };
    assert_eq!(said(&three.go(&library, &again).await.0), "mends starts");
}

#[tokio::test]
async fn what_is_handed_over_is_bound_by_the_limits_of_who_gets_it_and_is_not_forgotten() {
    let world = World::new();
    let library = library(&[("mends", &mends(", hand_over: people")), ("people", PEOPLE)]);
    let process = world.process(1, Scripted::new(), |_| {});
    for _ in 0..2 {
        round(&world, &process, &library).await;
    }
    let paused = crate::run::Paused {
        since: world.clock.now(),
        until: None,
        reason: String::new(),
        by: String::new(),
    };
    world.change(&gate_keys::pause("people"), Change::Pause(paused)).await;
    let third = fires(&world);
    let (offers, _) = process.go(&library, &third).await;
    assert_eq!(said(&offers), "mends comebacks, people paused for mends");
    let rows = world.store.later(None).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| row.playbook.as_str()).collect();
    assert_eq!(rows, ["mends"], "it is offered again with the alert of who hands it over");
    world.change(&gate_keys::pause("people"), Change::Unpause { by: String::new() }).await;
    let (offers, ends) = process.go(&library, &third).await;
    assert_eq!(
        (said(&offers).as_str(), words(&ends)),
        ("mends comebacks, people starts for mends", vec!["succeeded".to_owned()])
    );
}

#[tokio::test]
async fn who_gets_it_may_hand_it_over_as_well() {
    let world = World::new();
    let second = format!("when: 'false'\n{}", mends(", hand_over: people"));
    let library =
        library(&[("first", &mends(", hand_over: second")), ("second", &second), ("people", PEOPLE)]);
    let process = world.process(1, Scripted::new(), |_| {});
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(round(&world, &process, &library).await);
    }
    assert_eq!(
        all,
        [
            "first starts",
            "first starts",
            "first comebacks, second starts for first",
            "first comebacks, second starts for first",
            "first comebacks, second comebacks for first, people starts for second",
            "first comebacks, second comebacks for first, people starts for second",
        ]
    );
}

#[tokio::test]
async fn without_a_playbook_for_it_an_alert_is_raised_until_its_own_ends_or_a_reset() {
    for end in ["reset", "resolved"] {
        let world = World::new();
        let text = format!("sync: {{on_failure: alert}}\n{}", mends(""));
        let library = library(&[("mends", &text), ("quiet", &mends(""))]);
        let one = world.process(1, Scripted::new(), |_| {});
        for _ in 0..2 {
            assert_eq!(round(&world, &one, &library).await, "mends starts, quiet starts");
        }
        let third = fires(&world);
        for _ in 0..2 {
            assert_eq!(said(&one.go(&library, &third).await.0), "mends comebacks, quiet comebacks");
        }
        let raised = world.store.raised().await.unwrap();
        assert_eq!(raised.len(), 1, "once, and only where the playbook raises alerts: {raised:?}");
        let labels = &raised[0].alert.labels;
        assert_eq!(
            [&labels["alertname"], &labels["amflow_alertname"], &labels["amflow_state"], &labels["instance"]],
            ["AmflowComesBack", "Disk", "failed", "a"]
        );
        let holds = |process: &Process| {
            let done = process.done().into_iter().filter(|done| done.contains(' '));
            done.map(|done| done.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(holds(&one), ["make"]);
        // Another process finds it and keeps it, until it is over.
        let two = world.process(2, Scripted::new(), |_| {});
        two.engine.keep_raised("s").await.unwrap();
        assert_eq!(holds(&two), ["renew"]);
        if end == "reset" {
            let keys = world.store.gates(gate_keys::COMEBACKS.to_owned()).await.unwrap();
            for (key, _) in keys {
                world.change(&key, Change::Reset).await;
            }
        } else {
            world.resolve_after(0);
        }
        two.engine.keep_raised("s").await.unwrap();
        assert_eq!(holds(&two), ["renew", "release"], "{end}");
        assert!(world.store.raised().await.unwrap().is_empty());
    }
}
