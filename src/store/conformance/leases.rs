//! Stories of processes: who works on a run, who takes it over, what reaches it.

use std::sync::Arc;

use crate::engine::{LEASE, Life, LifeOf, Store, Take, Taken, gate_keys};
use crate::run::{Change, GateChange, Paused, RunEvent, RunStatus, Signal, Stamped};
use crate::store::conformance::Case;
use crate::store::conformance::given::{
    TEXT, assert_fenced, at, attempt, cancel, finish, header, ok, owner, parking, start,
};

pub(super) const CASES: &[Case] = &[
    Case { name: "a run of a living process is left alone", story: |s| Box::pin(left_alone(s)) },
    Case { name: "a run of a dead process is taken at once", story: |s| Box::pin(dead(s)) },
    Case {
        name: "a run whose lease expired is taken, and its owner fenced",
        story: |s| Box::pin(expired(s)),
    },
    Case {
        name: "the lease of a process that is known to live does not expire",
        story: |s| Box::pin(known_to_live(s)),
    },
    Case {
        name: "a lease that was made before the clock was set back lasts no longer than another",
        story: |s| Box::pin(lease_set_back(s)),
    },
    Case {
        name: "a parked run is due as long after the clock was set back as it was before",
        story: |s| Box::pin(parked_set_back(s)),
    },
    Case { name: "a process takes nothing from itself", story: |s| Box::pin(own(s)) },
    Case { name: "a process takes again what it has lost hold of", story: |s| Box::pin(lost_hold(s)) },
    Case { name: "a renewed lease, and one that wrote, does not expire", story: |s| Box::pin(renewed(s)) },
    Case { name: "a parked run is taken when it is due, or by name", story: |s| Box::pin(parked(s)) },
    Case { name: "runs are taken once, oldest due first, up to a number", story: |s| Box::pin(in_turn(s)) },
    Case { name: "a signal reaches a parked run and makes it due", story: |s| Box::pin(signals_parked(s)) },
    Case {
        name: "a signal reaches the process that works on the run",
        story: |s| Box::pin(signals_owner(s)),
    },
    Case { name: "a signal is left only when nothing is against it", story: |s| Box::pin(judged(s)) },
    Case { name: "a signal counts once", story: |s| Box::pin(once(s)) },
    Case { name: "what came before a run was parked makes it due", story: |s| Box::pin(no_gap(s)) },
    Case { name: "a renewal tells of a pause", story: |s| Box::pin(pauses(s)) },
];

/// Owners of whom nothing is known.
fn elsewhere() -> LifeOf {
    Arc::new(|_| Life::Unknown)
}

fn dead_but(pid: u32) -> LifeOf {
    Arc::new(move |o| if o.pid == pid { Life::Lives } else { Life::Gone })
}

async fn take_due(store: &Arc<dyn Store>, pid: u32, now: i64) -> Vec<Taken> {
    ok(store.take(Take::Due, 100, owner(pid), elsewhere(), at(now)).await)
}

fn lease_seconds() -> i64 {
    i64::try_from(LEASE.as_secs()).expect("a lease is short")
}

async fn left_alone(store: Arc<dyn Store>) {
    start(&store, "r1", 1, 0).await;
    assert!(take_due(&store, 2, lease_seconds() - 1).await.is_empty());
    let named = Take::These(vec!["r1".to_owned(), "r9".to_owned()]);
    assert!(ok(store.take(named, 100, owner(2), elsewhere(), at(1)).await).is_empty());
}

async fn lost_hold(store: Arc<dyn Store>) {
    let old = start(&store, "r1", 1, 0).await;
    start(&store, "r2", 2, 0).await;
    let again = || Take::Again(vec!["r1".to_owned(), "r9".to_owned()]);
    assert!(ok(store.take(again(), 9, owner(3), elsewhere(), at(1)).await).is_empty(), "it is another's");
    // `start` makes runs of process 1.
    let taken = ok(store.take(again(), 9, owner(1), elsewhere(), at(1)).await);
    assert_eq!(taken.len(), 1);
    assert!(taken[0].orphaned, "what it was about is not known");
    assert_fenced(store.append(old, vec![attempt(1)], Vec::new(), at(2)).await);
}

async fn dead(store: Arc<dyn Store>) {
    let old = start(&store, "r1", 1, 0).await;
    ok(store.append(old.clone(), vec![attempt(1)], Vec::new(), at(1)).await);
    let taken = ok(store.take(Take::Due, 100, owner(2), dead_but(2), at(2)).await);
    let one = taken.first().expect("its owner is gone");
    assert!(one.orphaned && one.granted && one.signals.is_empty());
    assert_eq!((one.header.clone(), &*one.text), (header("r1", "disk"), TEXT));
    assert_eq!((one.journal.len(), one.lease.seq), (2, 2));
    assert!(one.lease.epoch > old.epoch);
    assert_fenced(store.append(old.clone(), vec![attempt(2)], Vec::new(), at(3)).await);
    assert_fenced(ok(store.renew(vec![old], at(3)).await).remove(0));
    ok(store.append(one.lease.clone(), vec![attempt(2)], Vec::new(), at(3)).await);
    assert_eq!(ok(store.read("r1".to_owned()).await).0.owner, Some(owner(2)));
}

async fn expired(store: Arc<dyn Store>) {
    let old = start(&store, "r1", 1, 0).await;
    let taken = take_due(&store, 2, lease_seconds()).await;
    assert!(taken.first().expect("its lease expired").orphaned);
    assert_fenced(store.append(old, vec![attempt(1)], Vec::new(), at(lease_seconds() + 1)).await);
    assert!(take_due(&store, 3, lease_seconds() + 1).await.is_empty(), "the new lease holds");
}

async fn known_to_live(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    let lives: LifeOf = Arc::new(|_| Life::Lives);
    for which in [Take::Due, Take::These(vec!["r1".to_owned()])] {
        // As when the clock is set forward by an hour.
        assert!(ok(store.take(which, 100, owner(2), lives.clone(), at(3_600)).await).is_empty());
    }
    ok(store.append(lease, vec![attempt(1)], Vec::new(), at(3_601)).await);
}

async fn lease_set_back(store: Arc<dyn Store>) {
    start(&store, "r1", 1, 3_600).await;
    assert!(take_due(&store, 2, 0).await.is_empty());
    assert!(take_due(&store, 2, lease_seconds() - 1).await.is_empty());
    assert_eq!(take_due(&store, 2, lease_seconds()).await.len(), 1);
}

async fn parked_set_back(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 3_600).await;
    ok(store.park(lease, parking(Some(3_700)), at(3_600)).await);
    assert!(take_due(&store, 2, 10).await.is_empty());
    assert!(take_due(&store, 2, 109).await.is_empty());
    let taken =
        take_due(&store, 2, 110).await.pop().expect("it is due a hundred seconds after it was looked at");
    assert_eq!(taken.journal.last().map(|last| (last.seq, last.at)), Some((taken.lease.seq, at(10))));
    assert_eq!(taken.journal[1].event, RunEvent::ClockSet { by_ms: -3_590_000 }, "and its journal tells so");
}

async fn own(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    assert!(take_due(&store, 1, lease_seconds() * 2).await.is_empty());
    let later = at(lease_seconds() * 2);
    ok(store.append(lease, vec![attempt(1)], Vec::new(), later).await);
}

async fn renewed(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    ok(ok(store.renew(vec![lease.clone()], at(20)).await).remove(0));
    assert!(take_due(&store, 2, lease_seconds() + 10).await.is_empty());
    ok(store.append(lease, vec![attempt(1)], Vec::new(), at(40)).await);
    assert!(take_due(&store, 2, lease_seconds() + 30).await.is_empty());
    assert_eq!(take_due(&store, 2, lease_seconds() + 40).await.len(), 1);
}

async fn parked(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    ok(store.park(lease, parking(Some(100)), at(1)).await);
    let summary = ok(store.read("r1".to_owned()).await).0;
    assert_eq!((summary.status, summary.reason.as_str()), (RunStatus::Waiting, "waits for ann"));
    assert_eq!((summary.due, summary.owner, summary.updated_at), (Some(at(100)), None, at(0)));
    assert!(take_due(&store, 2, 99).await.is_empty());
    let taken = take_due(&store, 2, 100).await;
    let one = taken.first().expect("it is due");
    assert!(!one.orphaned);
    let summary = ok(store.read("r1".to_owned()).await).0;
    assert_eq!((summary.status, summary.reason.as_str()), (RunStatus::Running, ""));
    assert_eq!((summary.due, summary.owner), (None, Some(owner(2))));
    ok(store.park(one.lease.clone(), parking(None), at(101)).await);
    assert!(take_due(&store, 3, 1_000_000).await.is_empty(), "it goes on when a signal comes");
    let named = Take::These(vec!["r1".to_owned()]);
    assert_eq!(ok(store.take(named, 1, owner(3), elsewhere(), at(102)).await).len(), 1);
}

async fn in_turn(store: Arc<dyn Store>) {
    for (n, due) in [(1, 30), (2, 10), (3, 20), (4, 99)] {
        let lease = start(&store, &format!("r{n}"), n, 0).await;
        ok(store.park(lease, parking(Some(due)), at(1)).await);
    }
    let two = ok(store.take(Take::Due, 2, owner(2), elsewhere(), at(50)).await);
    let ids = |taken: &[Taken]| taken.iter().map(|t| t.lease.run.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&two), ["r2", "r3"]);
    assert_eq!(ids(&take_due(&store, 3, 50).await), ["r1"]);
    assert!(take_due(&store, 4, 50).await.is_empty());
    assert!(ok(store.take(Take::Due, 0, owner(4), elsewhere(), at(200)).await).is_empty());
}

async fn signals_parked(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    ok(store.park(lease, parking(None), at(1)).await);
    ok(store.signal("r1".to_owned(), cancel("s1"), at(5)).await);
    ok(store.signal("r1".to_owned(), cancel("s2"), at(6)).await);
    assert_eq!(ok(store.read("r1".to_owned()).await).0.due, Some(at(5)));
    let taken = take_due(&store, 2, 6).await;
    assert_eq!(taken.first().expect("it is due").signals, [cancel("s1"), cancel("s2")]);
    assert!(store.signal("r9".to_owned(), cancel("s1"), at(6)).await.is_err());
}

async fn signals_owner(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    ok(store.signal("r1".to_owned(), cancel("s1"), at(5)).await);
    let renewed = || async { ok(ok(store.renew(vec![lease.clone()], at(6)).await).remove(0)) };
    assert_eq!(renewed().await.signals, [cancel("s1")]);
    assert_eq!(renewed().await.signals, [cancel("s1")], "until it is in the journal");
    let received = vec![RunEvent::SignalReceived(cancel("s1"))];
    ok(store.append(lease.clone(), received, Vec::new(), at(7)).await);
    assert!(renewed().await.signals.is_empty());
}

async fn judged(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    // Nobody may be before.
    let first = |journal: &[Stamped], waiting: &[Signal]| {
        let told = |s: &Stamped| matches!(s.event, RunEvent::SignalReceived(_));
        waiting.is_empty() && !journal.iter().any(told)
    };
    let leave = |id: &str, now: i64| store.signal_if("r1".to_owned(), cancel(id), Box::new(first), at(now));
    assert!(ok(leave("s1", 1).await));
    assert!(!ok(leave("s2", 2).await), "one waits");
    assert_eq!(ok(store.pending("r1".to_owned()).await), [cancel("s1")]);
    let received = vec![RunEvent::SignalReceived(cancel("s1"))];
    ok(store.append(lease.clone(), received, Vec::new(), at(3)).await);
    assert!(ok(store.pending("r1".to_owned()).await).is_empty());
    assert!(!ok(leave("s3", 4).await), "one is in the journal");
    ok(store.park(lease, parking(None), at(5)).await);
    let left = store.signal_if("r1".to_owned(), cancel("s4"), Box::new(|_, _| true), at(6)).await;
    assert!(ok(left));
    let taken = take_due(&store, 2, 6).await.pop().expect("it is due");
    assert_eq!(taken.signals, [cancel("s4")]);
    finish(&store, taken.lease, RunStatus::Cancelled, 7).await;
    let over = store.signal_if("r1".to_owned(), cancel("s5"), Box::new(|_, _| true), at(8)).await;
    assert!(!ok(over), "what is over takes none");
    let nowhere = store.signal_if("r9".to_owned(), cancel("s6"), Box::new(|_, _| true), at(9)).await;
    assert!(nowhere.is_err() && store.pending("r9".to_owned()).await.is_err());
}

async fn once(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    ok(store.signal("r1".to_owned(), cancel("s1"), at(1)).await);
    ok(store.signal("r1".to_owned(), cancel("s1"), at(2)).await);
    let received = vec![RunEvent::SignalReceived(cancel("s1")), RunEvent::SignalReceived(cancel("mine"))];
    ok(store.append(lease.clone(), received, Vec::new(), at(3)).await);
    for id in ["s1", "mine"] {
        ok(store.signal("r1".to_owned(), cancel(id), at(4)).await);
    }
    assert!(ok(ok(store.renew(vec![lease.clone()], at(5)).await).remove(0)).signals.is_empty());
    finish(&store, lease, RunStatus::Cancelled, 6).await;
    ok(store.signal("r1".to_owned(), cancel("s2"), at(7)).await);
    assert!(take_due(&store, 2, 100).await.is_empty(), "what is over stays over");
}

async fn no_gap(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    ok(store.signal("r1".to_owned(), cancel("s1"), at(1)).await);
    ok(store.park(lease, parking(None), at(2)).await);
    assert_eq!(take_due(&store, 2, 2).await.len(), 1);
}

async fn pauses(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    let paused = |now: i64| {
        let (store, lease) = (Arc::clone(&store), lease.clone());
        async move { ok(ok(store.renew(vec![lease], at(now)).await).remove(0)).paused }
    };
    assert!(!paused(1).await);
    for key in [gate_keys::pause("disk"), gate_keys::PAUSE_ALL.to_owned()] {
        let pause = Paused { since: at(1), until: Some(at(10)), reason: String::new(), by: "ann".to_owned() };
        let change = |change| vec![GateChange { key: key.clone(), change }];
        ok(store.change_gates(change(Change::Pause(pause)), at(1)).await);
        assert!(paused(2).await, "{key}");
        assert!(!paused(10).await, "{key} has lapsed");
        ok(store.change_gates(change(Change::Unpause { by: String::new() }), at(3)).await);
        assert!(!paused(4).await, "{key}");
    }
}
