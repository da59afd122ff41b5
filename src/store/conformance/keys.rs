//! Stories of concurrency keys: one run at a time, first come, first served.

use std::sync::Arc;

use crate::engine::{Admitted, Ask, KeyAsk, Lease, Life, Parking, Store, Take, Taken, WhenBusy, gate_keys};
use crate::run::{GateAsk, GateRule, LaterReason, RunStatus, SignalKind};
use crate::store::conformance::Case;
use crate::store::conformance::given::{admit_one, ask, at, cancel, episode, finish, later_of, ok, owner};

pub(super) const CASES: &[Case] = &[
    Case { name: "a key is held by one run, the others queue", story: |s| Box::pin(queues(s)) },
    Case { name: "a queued run that ends leaves the queue", story: |s| Box::pin(leaves(s)) },
    Case { name: "a key that was granted before parking makes the run due", story: |s| Box::pin(no_gap(s)) },
    Case { name: "a busy key puts a run off that will not queue", story: |s| Box::pin(skips(s)) },
    Case { name: "a busy key's holder is told to make room", story: |s| Box::pin(restarts(s)) },
    Case { name: "a preview tells of busy keys", story: |s| Box::pin(previews(s)) },
];

fn keyed(run: &str, alert: u64, when_busy: WhenBusy) -> Ask {
    Ask { key: Some(KeyAsk { key: "db1".to_owned(), when_busy }), ..ask(run, &[episode(alert, 0)]) }
}

#[track_caller]
fn started(admitted: Admitted) -> (Lease, bool) {
    match admitted {
        Admitted::Started { lease, granted, .. } => (lease, granted),
        other => panic!("it must start: {other:?}"),
    }
}

fn queued() -> Parking {
    Parking { until: None, status: RunStatus::Queued, reason: "waits for db1".to_owned() }
}

async fn take_due(store: &Arc<dyn Store>, now: i64) -> Vec<Taken> {
    ok(store.take(Take::Due, 100, owner(2), Arc::new(|_| Life::Unknown), at(now)).await)
}

async fn granted(store: &Arc<dyn Store>, lease: &Lease, now: i64) -> bool {
    ok(ok(store.renew(vec![lease.clone()], at(now)).await).remove(0)).granted
}

async fn queues(store: Arc<dyn Store>) {
    let (first, holds) = started(admit_one(&store, keyed("r1", 1, WhenBusy::Queue), 0).await);
    assert!(holds);
    let (second, holds) = started(admit_one(&store, keyed("r2", 2, WhenBusy::Queue), 1).await);
    assert!(!holds);
    assert_eq!(ok(store.read("r2".to_owned()).await).0.status, RunStatus::Queued);
    let (third, holds) = started(admit_one(&store, keyed("r3", 3, WhenBusy::Queue), 2).await);
    assert!(!holds);
    ok(store.park(third, queued(), at(3)).await);
    assert!(!granted(&store, &second, 4).await);
    finish(&store, first, RunStatus::Failed, 5).await;
    assert!(granted(&store, &second, 6).await, "the process that works on it is told");
    assert!(take_due(&store, 7).await.is_empty(), "the third waits");
    finish(&store, second, RunStatus::Succeeded, 8).await;
    let taken = take_due(&store, 8).await;
    let third = taken.first().expect("a parked run becomes due with its key");
    assert!(third.granted && third.header.run == "r3");
    finish(&store, third.lease.clone(), RunStatus::Succeeded, 9).await;
    assert!(started(admit_one(&store, keyed("r4", 4, WhenBusy::Skip), 10).await).1, "the key is free");
}

async fn leaves(store: Arc<dyn Store>) {
    let (first, _) = started(admit_one(&store, keyed("r1", 1, WhenBusy::Queue), 0).await);
    let (second, _) = started(admit_one(&store, keyed("r2", 2, WhenBusy::Queue), 1).await);
    let (third, _) = started(admit_one(&store, keyed("r3", 3, WhenBusy::Queue), 2).await);
    finish(&store, second, RunStatus::Cancelled, 3).await;
    assert!(!granted(&store, &third, 4).await);
    finish(&store, first, RunStatus::Succeeded, 5).await;
    assert!(granted(&store, &third, 6).await);
}

async fn no_gap(store: Arc<dyn Store>) {
    let (first, _) = started(admit_one(&store, keyed("r1", 1, WhenBusy::Queue), 0).await);
    let (second, _) = started(admit_one(&store, keyed("r2", 2, WhenBusy::Queue), 1).await);
    finish(&store, first, RunStatus::Succeeded, 2).await;
    ok(store.park(second, queued(), at(3)).await);
    assert_eq!(take_due(&store, 3).await.len(), 1);
}

async fn skips(store: Arc<dyn Store>) {
    let (first, _) = started(admit_one(&store, keyed("r1", 1, WhenBusy::Skip), 0).await);
    let closed = later_of(admit_one(&store, keyed("r2", 2, WhenBusy::Skip), 1).await);
    assert_eq!((closed.reason, closed.until), (LaterReason::Busy, None));
    assert!(closed.detail.contains("r1") && closed.detail.contains("db1"), "{}", closed.detail);
    let mut limited = keyed("r2", 2, WhenBusy::Skip);
    let none = GateRule::Slots { max: 0, holder: "t".to_owned() };
    limited.gates = vec![GateAsk { key: gate_keys::targets("disk"), rule: none }];
    assert_eq!(later_of(admit_one(&store, limited, 2).await).reason, LaterReason::Targets);
    finish(&store, first, RunStatus::Succeeded, 3).await;
    assert!(started(admit_one(&store, keyed("r2", 2, WhenBusy::Skip), 4).await).1);
}

async fn restarts(store: Arc<dyn Store>) {
    let (first, _) = started(admit_one(&store, keyed("r1", 1, WhenBusy::Restart), 0).await);
    let (second, holds) = started(admit_one(&store, keyed("r2", 2, WhenBusy::Restart), 1).await);
    assert!(!holds);
    let renewed = ok(ok(store.renew(vec![first.clone()], at(2)).await).remove(0));
    assert_eq!(renewed.signals.len(), 1);
    assert_eq!(renewed.signals[0].kind, SignalKind::Restart);
    assert_ne!(renewed.signals[0].id, cancel("s1").id);
    finish(&store, first, RunStatus::Cancelled, 3).await;
    assert!(granted(&store, &second, 4).await);
}

async fn previews(store: Arc<dyn Store>) {
    let asks = |run: &str| vec![keyed(run, 1, WhenBusy::Queue), keyed("p2", 2, WhenBusy::Queue)];
    let previewed = ok(store.preview(asks("p1"), at(0)).await);
    let holds: Vec<_> = previewed.into_iter().map(|a| started(a).1).collect();
    assert_eq!(holds, [true, false]);
    started(admit_one(&store, keyed("r1", 3, WhenBusy::Queue), 1).await);
    let restart = ok(store.preview(vec![keyed("p3", 4, WhenBusy::Restart)], at(2)).await);
    assert!(restart.into_iter().all(|a| !started(a).1));
    let lease = Lease { run: "r1".to_owned(), epoch: 1, seq: 1 };
    assert!(ok(ok(store.renew(vec![lease], at(3)).await).remove(0)).signals.is_empty(), "nobody is told");
}
