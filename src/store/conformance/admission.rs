//! Stories of admission: claims and gates, each ask as a whole.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Admitted, Ask, RunFilter, Store, gate_keys};
use crate::run::{Change, GateAsk, GateChange, GateRule, LaterReason, Paused, RunStatus, TriggerStatus};
use crate::store::conformance::Case;
use crate::store::conformance::given::{
    PLAYBOOK, admit_one, ask, at, episode, finish, finished, header, later_of, lease_of, ok, owner, seen,
    start,
};

pub(super) const CASES: &[Case] = &[
    Case { name: "an episode is claimed once by a playbook for a status", story: |s| Box::pin(once(s)) },
    Case { name: "a run takes of its episodes those that nobody has", story: |s| Box::pin(the_rest(s)) },
    Case { name: "a delivery of what is new is taken in whole", story: |s| Box::pin(taken_in(s)) },
    Case {
        name: "a delivery of what is known is recorded, and asked for anew",
        story: |s| Box::pin(known(s)),
    },
    Case { name: "asks of one call see each other", story: |s| Box::pin(one_call(s)) },
    Case { name: "concurrent asks for one episode start one run", story: |s| Box::pin(races(s)) },
    Case { name: "an ask without episodes claims nothing", story: |s| Box::pin(no_episodes(s)) },
    Case { name: "a closed gate leaves nothing behind", story: |s| Box::pin(closed_gate(s)) },
    Case { name: "gates are settled with the journal", story: |s| Box::pin(settles(s)) },
    Case { name: "gates are listed by prefix and changed by hand", story: |s| Box::pin(by_hand(s)) },
    Case {
        name: "a preview answers like an admission and changes nothing",
        story: |s| Box::pin(previews(s)),
    },
];

fn with_slots(mut ask: Ask, max: u32) -> Ask {
    let holder = ask.header.target.clone();
    ask.gates = vec![GateAsk { key: gate_keys::targets(PLAYBOOK), rule: GateRule::Slots { max, holder } }];
    ask
}

async fn once(store: Arc<dyn Store>) {
    start(&store, "r1", 1, 0).await;
    let again = admit_one(&store, ask("r2", &[episode(1, 0)]), 1).await;
    assert_eq!(again, Admitted::Claimed { run: "r1".to_owned() });
    let mut other_playbook = ask("r3", &[episode(1, 0)]);
    other_playbook.header.playbook = String::from("other");
    lease_of(admit_one(&store, other_playbook, 2).await);
    let mut other_status = ask("r4", &[episode(1, 0)]);
    other_status.header.trigger = TriggerStatus::Resolved;
    lease_of(admit_one(&store, other_status, 3).await);
    lease_of(admit_one(&store, ask("r5", &[episode(1, 500)]), 4).await);
    let runs = ok(store.list(RunFilter::default()).await);
    assert_eq!(runs.iter().map(|r| r.header.run.as_str()).collect::<Vec<_>>(), ["r5", "r4", "r3", "r1"]);
}

async fn taken_in(store: Arc<dyn Store>) {
    let (both, asks) =
        (vec![seen(2, true, 0, None), seen(1, true, 5, None)], vec![ask("r1", &[episode(1, 5)])]);
    let (episodes, admitted) = ok(store.take_in(both.clone(), at(6), asks, owner(1), at(7)).await);
    assert_eq!(episodes.iter().map(|e| &e.key).collect::<Vec<_>>(), [&episode(2, 0), &episode(1, 5)]);
    let lease = lease_of(admitted.expect("nothing was known").remove(0));
    finish(&store, lease, RunStatus::Succeeded, 8).await;
    let claims: Vec<_> = ok(store.observe(both, at(9)).await).into_iter().map(|e| e.claims).collect();
    assert_eq!((claims[0].len(), claims[1].len(), claims[1][0].run.as_str()), (0, 1, "r1"));
    // It is known by now, and still nobody's.
    let asks = vec![ask("r2", &[episode(2, 0)])];
    let (_, admitted) = ok(store.take_in(vec![seen(2, true, 0, None)], at(10), asks, owner(1), at(10)).await);
    lease_of(admitted.expect("nothing is claimed").remove(0));
}

async fn known(store: Arc<dyn Store>) {
    ok(store.observe(vec![seen(1, true, 0, None)], at(60)).await);
    start(&store, "r1", 2, 0).await;
    for (alert, starts, why) in [(1, 15, "its start has shifted"), (2, 0, "it is claimed")] {
        let (seen, asks) =
            (vec![seen(alert, true, starts, None)], vec![ask("r2", &[episode(alert, starts)])]);
        let (episodes, admitted) = ok(store.take_in(seen, at(65), asks, owner(1), at(65)).await);
        assert_eq!((&episodes[0].key, admitted), (&episode(alert, 0), None), "{why}");
        assert_eq!(episodes[0].last_firing, Some(at(65)), "{why}");
    }
    let runs = ok(store.list(RunFilter::default()).await);
    assert_eq!(runs.iter().map(|r| r.header.run.as_str()).collect::<Vec<_>>(), ["r1"]);
}

async fn the_rest(store: Arc<dyn Store>) {
    start(&store, "r1", 1, 0).await;
    match admit_one(&store, ask("r2", &[episode(1, 0), episode(2, 0)]), 1).await {
        Admitted::Started { lease, header: its, episodes, granted, events } => {
            assert_eq!(its, header("r2", PLAYBOOK));
            assert_eq!(episodes, [episode(2, 0)]);
            assert!(granted, "it needs no key");
            assert_eq!((lease.run.as_str(), lease.seq), ("r2", 1));
            assert_eq!((events.len(), events[0].seq, events[0].at), (1, 1, at(1)));
        }
        other => panic!("it must start: {other:?}"),
    }
}

async fn one_call(store: Arc<dyn Store>) {
    let asks = vec![
        ask("r1", &[episode(1, 0)]),
        ask("r2", &[episode(1, 0)]),
        with_slots(ask("r3", &[episode(2, 0)]), 1),
        with_slots(ask("r4", &[episode(3, 0)]), 1),
    ];
    let mut admitted = ok(store.admit(asks, owner(1), at(0)).await);
    assert_eq!(later_of(admitted.remove(3)).reason, LaterReason::Targets);
    lease_of(admitted.remove(2));
    assert_eq!(admitted[1], Admitted::Claimed { run: "r1".to_owned() });
    lease_of(admitted.remove(0));
}

async fn races(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..8)
        .map(|process| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let asks: Vec<_> =
                    (0..50).map(|n| ask(&format!("p{process}-{n}"), &[episode(n, 0)])).collect();
                ok(store.admit(asks, owner(process), at(0)).await)
            })
        })
        .collect();
    let mut started = 0;
    for task in tasks {
        let admitted = task.await.expect("no panic");
        started += admitted.iter().filter(|a| matches!(a, Admitted::Started { .. })).count();
    }
    assert_eq!(started, 50);
    assert_eq!(ok(store.list(RunFilter::default()).await).len(), 50);
}

async fn no_episodes(store: Arc<dyn Store>) {
    lease_of(admit_one(&store, ask("r1", &[]), 0).await);
    lease_of(admit_one(&store, ask("r2", &[]), 1).await);
}

async fn closed_gate(store: Arc<dyn Store>) {
    lease_of(admit_one(&store, with_slots(ask("r1", &[episode(1, 0)]), 1), 0).await);
    let mut second = with_slots(ask("r2", &[episode(2, 0)]), 1);
    let rate = GateRule::Rate { count: 1, window: Duration::from_secs(600) };
    second.gates.insert(0, GateAsk { key: gate_keys::rate(PLAYBOOK), rule: rate });
    assert_eq!(later_of(admit_one(&store, second, 1).await).reason, LaterReason::Targets);
    assert!(ok(store.gates("rate:".to_owned()).await).is_empty(), "the rate was not used");
    assert!(store.read("r2".to_owned()).await.is_err(), "there is no such run");
    lease_of(admit_one(&store, ask("r3", &[episode(2, 0)]), 2).await);
}

async fn settles(store: Arc<dyn Store>) {
    let mut first = with_slots(ask("r1", &[episode(1, 0)]), 1);
    let cooldown = gate_keys::cooldown(PLAYBOOK, "t");
    let every = GateRule::Cooldown { every: Duration::from_secs(900) };
    first.gates.push(GateAsk { key: cooldown.clone(), rule: every });
    let (target, gates) = (first.header.target.clone(), first.gates.clone());
    let lease = lease_of(admit_one(&store, first, 0).await);
    let changes = vec![
        GateChange { key: gate_keys::targets(PLAYBOOK), change: Change::Leave { holder: target } },
        GateChange { key: cooldown, change: Change::Ended },
    ];
    ok(store.append(lease, vec![finished(RunStatus::Succeeded, "")], changes, at(100)).await);
    let mut second = ask("r2", &[episode(2, 0)]);
    second.gates = gates;
    let closed = later_of(admit_one(&store, second.clone(), 101).await);
    assert_eq!((closed.reason, closed.until), (LaterReason::Cooldown, Some(at(1000))));
    lease_of(admit_one(&store, second, 1000).await);
}

async fn by_hand(store: Arc<dyn Store>) {
    let pause = Change::Pause(Paused {
        since: at(0),
        until: None,
        reason: "maintenance".to_owned(),
        by: "ann".to_owned(),
    });
    let changes = vec![
        GateChange { key: gate_keys::PAUSE_ALL.to_owned(), change: pause },
        GateChange {
            key: gate_keys::breaker(PLAYBOOK),
            change: Change::Failed { run: "r0".to_owned(), breaker: Some(1) },
        },
        GateChange { key: "pause%".to_owned(), change: Change::Ended },
    ];
    let after = ok(store.change_gates(changes, at(0)).await);
    assert!(after[0].paused.is_some() && after[1].opened_at == Some(at(0)));
    let listed = ok(store.gates("pause:".to_owned()).await);
    assert_eq!(listed.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["pause:*"]);
    assert_eq!(listed[0].1, after[0]);
    assert_eq!(ok(store.gates(String::new()).await).len(), 3);
    let mut held = ask("r1", &[episode(1, 0)]);
    held.gates = vec![GateAsk { key: gate_keys::PAUSE_ALL.to_owned(), rule: GateRule::Pause }];
    assert_eq!(later_of(admit_one(&store, held.clone(), 1).await).reason, LaterReason::Paused);
    let change =
        GateChange { key: gate_keys::PAUSE_ALL.to_owned(), change: Change::Unpause { by: String::new() } };
    ok(store.change_gates(vec![change], at(2)).await);
    lease_of(admit_one(&store, held.clone(), 3).await);
    held.header.run = String::from("r2");
    held.episodes = vec![episode(2, 0)];
    assert_eq!(later_of(admit_one(&store, held, 4).await).reason, LaterReason::Trickle);
}

async fn previews(store: Arc<dyn Store>) {
    start(&store, "r1", 1, 0).await;
    let asks = || {
        vec![
            ask("p1", &[episode(1, 0)]),
            with_slots(ask("p2", &[episode(2, 0)]), 1),
            with_slots(ask("p3", &[episode(3, 0)]), 1),
        ]
    };
    let previewed = ok(store.preview(asks(), at(1)).await);
    assert_eq!(ok(store.preview(asks(), at(1)).await), previewed, "nothing has changed");
    assert_eq!(ok(store.list(RunFilter::default()).await).len(), 1);
    assert!(ok(store.gates(String::new()).await).is_empty());
    let admitted = ok(store.admit(asks(), owner(1), at(1)).await);
    assert_eq!(admitted, previewed, "and it comes so");
}
