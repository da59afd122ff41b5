//! Stories of journals: appended in order, read back as they were, listed.

use std::sync::Arc;

use crate::engine::{Admitted, Lease, RunFilter, Store, StoreError};
use crate::run::{RunEvent, RunStatus};
use crate::store::conformance::Case;
use crate::store::conformance::given::{
    TEXT, admit_one, ask, assert_fenced, at, attempt, attempt_over, episode, finish, finished, header, ok,
    owner, parking, seen, start, started,
};

pub(super) const CASES: &[Case] = &[
    Case { name: "a journal is read as it was written", story: |s| Box::pin(as_written(s)) },
    Case { name: "a run's line follows its journal", story: |s| Box::pin(line(s)) },
    Case { name: "nothing is written without the lease", story: |s| Box::pin(fenced(s)) },
    Case { name: "concurrent appends of many runs keep each journal in order", story: |s| Box::pin(many(s)) },
    Case { name: "a run that is not there is named", story: |s| Box::pin(not_there(s)) },
    Case { name: "runs are listed newest first, as the filter says", story: |s| Box::pin(listed(s)) },
    Case {
        name: "old runs are pruned, claims stay while their episode is open",
        story: |s| Box::pin(pruned(s)),
    },
    Case { name: "runs are counted, and listed page by page", story: |s| Box::pin(counted(s)) },
];

async fn as_written(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    let stamped = ok(store.append(lease.clone(), vec![attempt(1), attempt_over(1)], Vec::new(), at(5)).await);
    assert_eq!(stamped.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 3]);
    ok(store.append(lease, vec![finished(RunStatus::Succeeded, "")], Vec::new(), at(6)).await);
    let (summary, text, journal) = ok(store.read("r1".to_owned()).await);
    assert_eq!(summary.header, header("r1", "disk"));
    assert_eq!(&*text, TEXT);
    let expected = [
        (1, at(0), started(&summary.header)),
        (2, at(5), attempt(1)),
        (3, at(5), attempt_over(1)),
        (4, at(6), finished(RunStatus::Succeeded, "")),
    ];
    let read: Vec<_> = journal.into_iter().map(|e| (e.seq, e.at, e.event)).collect();
    assert_eq!(read, expected);
}

async fn line(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    let summary = || async { ok(store.read("r1".to_owned()).await).0 };
    let begun = summary().await;
    assert_eq!((begun.status, begun.started_at, begun.updated_at), (RunStatus::Running, at(0), at(0)));
    assert_eq!(begun.owner, Some(owner(1)));
    let wanted = vec![RunEvent::GateWanted { key: "db1".to_owned() }];
    ok(store.append(lease.clone(), wanted, Vec::new(), at(1)).await);
    assert_eq!(summary().await.status, RunStatus::Queued);
    ok(store.append(lease.clone(), vec![attempt(1)], Vec::new(), at(2)).await);
    let working = summary().await;
    assert_eq!((working.status, working.reason.as_str()), (RunStatus::Running, ""));
    ok(store.append(lease.clone(), vec![], Vec::new(), at(3)).await);
    assert_eq!(summary().await.updated_at, at(2), "no event, no update");
    let end = vec![finished(RunStatus::Failed, "clean: exit status 1")];
    ok(store.append(lease, end, Vec::new(), at(4)).await);
    let over = summary().await;
    assert_eq!((over.status, over.reason.as_str()), (RunStatus::Failed, "clean: exit status 1"));
    assert_eq!((over.owner, over.due, over.updated_at), (None, None, at(4)));
}

async fn fenced(store: Arc<dyn Store>) {
    let lease = start(&store, "r1", 1, 0).await;
    let wrong = Lease { epoch: lease.epoch + 1, ..lease.clone() };
    assert_fenced(store.append(wrong, vec![attempt(1)], Vec::new(), at(1)).await);
    ok(store.park(lease.clone(), parking(None), at(2)).await);
    assert_fenced(store.append(lease.clone(), vec![attempt(1)], Vec::new(), at(3)).await);
    assert_fenced(store.park(lease, parking(None), at(3)).await);
    let second = start(&store, "r2", 2, 4).await;
    finish(&store, second.clone(), RunStatus::Succeeded, 5).await;
    assert_fenced(store.append(second, vec![attempt(1)], Vec::new(), at(6)).await);
    assert_eq!(ok(store.read("r1".to_owned()).await).2.len(), 1);
    assert_eq!(ok(store.read("r2".to_owned()).await).2.len(), 2);
}

async fn many(store: Arc<dyn Store>) {
    let mut tasks = Vec::new();
    for run in 0..20 {
        let lease = start(&store, &format!("r{run}"), run, 0).await;
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            for number in 1..=10 {
                let events = vec![attempt(number), attempt_over(number)];
                ok(store.append(lease.clone(), events, Vec::new(), at(1)).await);
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    for run in 0..20 {
        let journal = ok(store.read(format!("r{run}")).await).2;
        assert!(journal.iter().map(|e| e.seq).eq(1..=21), "no gap, no double");
        assert_eq!(journal.last().map(|e| &e.event), Some(&attempt_over(10)));
    }
}

async fn not_there(store: Arc<dyn Store>) {
    let named = |error: Option<StoreError>| match error {
        Some(StoreError::NoSuchRun { run, store: place }) => (run, place) == ("r9".to_owned(), store.place()),
        _ => false,
    };
    let lease = Lease { run: "r9".to_owned(), epoch: 1, seq: 0 };
    assert!(named(store.read("r9".to_owned()).await.err()));
    assert!(named(store.append(lease.clone(), vec![attempt(1)], Vec::new(), at(0)).await.err()));
    assert!(named(store.park(lease, parking(None), at(0)).await.err()));
}

async fn listed(store: Arc<dyn Store>) {
    for (alert, (run, now)) in (1..).zip([("aa1", 0), ("aa2", 10), ("ab3", 20), ("A%4", 30)]) {
        let lease = start(&store, run, alert, now).await;
        if run.starts_with("aa") {
            finish(&store, lease, RunStatus::Succeeded, now + 1).await;
        }
    }
    let cases = [
        (RunFilter::default(), vec!["A%4", "ab3", "aa2", "aa1"]),
        (RunFilter { limit: 2, ..RunFilter::default() }, vec!["A%4", "ab3"]),
        (RunFilter { statuses: vec![RunStatus::Running], ..RunFilter::default() }, vec!["A%4", "ab3"]),
        (RunFilter { id_part: Some("aa".to_owned()), ..RunFilter::default() }, vec!["aa2", "aa1"]),
        (RunFilter { id_part: Some("a2".to_owned()), ..RunFilter::default() }, vec!["aa2"]),
        (RunFilter { id_part: Some("a%".to_owned()), ..RunFilter::default() }, vec![]),
        (RunFilter { playbook: Some("other".to_owned()), ..RunFilter::default() }, vec![]),
        (RunFilter { since: Some(at(10)), until: Some(at(30)), ..RunFilter::default() }, vec!["ab3", "aa2"]),
    ];
    for (filter, expected) in cases {
        let runs = ok(store.list(filter.clone()).await);
        let ids: Vec<_> = runs.iter().map(|r| r.header.run.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}

async fn pruned(store: Arc<dyn Store>) {
    ok(store.observe(vec![seen(1, true, 0, None), seen(2, true, 0, None)], at(0)).await);
    for (run, alert) in [("r1", 1), ("r2", 2)] {
        let lease = start(&store, run, alert, 0).await;
        finish(&store, lease, RunStatus::Succeeded, 10).await;
    }
    let _works = start(&store, "r3", 3, 0).await;
    ok(store.observe(vec![seen(1, false, 0, Some(20))], at(20)).await);
    assert_eq!(ok(store.prune(at(10), false).await), 0, "not before its last event");
    assert_eq!(ok(store.prune(at(100), true).await), 2);
    assert_eq!(ok(store.list(RunFilter::default()).await).len(), 3, "only counted");
    assert_eq!(ok(store.prune(at(100), false).await), 2);
    assert!(store.read("r1".to_owned()).await.is_err());
    assert_eq!(ok(store.read("r3".to_owned()).await).2.len(), 1, "what works stays");
    let still = ok(store.observe(vec![seen(2, true, 0, None)], at(101)).await);
    assert_eq!(still[0].claims.len(), 1, "it still fires: its claim stays");
    let claimed = admit_one(&store, ask("r4", &[episode(2, 0)]), 102).await;
    assert_eq!(claimed, Admitted::Claimed { run: "r2".to_owned() });
    let gone = ok(store.observe(vec![seen(1, false, 0, Some(20))], at(103)).await);
    assert!(gone[0].claims.is_empty(), "it is over and its run is gone");
    assert_eq!(ok(store.prune(at(100), false).await), 0);
}

async fn counted(store: Arc<dyn Store>) {
    for (run, alert) in [("r1", 1), ("r2", 2), ("r3", 3)] {
        let lease = start(&store, run, alert, i64::try_from(alert).unwrap_or_default()).await;
        if run != "r3" {
            finish(&store, lease, RunStatus::Succeeded, 9).await;
        }
    }
    let counts = ok(store.counts().await);
    let counts: Vec<_> = counts.iter().map(|c| (c.status.as_str(), c.runs, c.last_started_at)).collect();
    assert_eq!(counts, [("running", 1, at(3)), ("succeeded", 2, at(2))]);
    let page = |before: Option<&str>| {
        let before = before.map(str::to_owned);
        let filter = RunFilter { limit: 2, before, ..RunFilter::default() };
        let store = Arc::clone(&store);
        async move {
            let page = ok(store.list(filter).await);
            page.into_iter().map(|run| run.header.run).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None).await, ["r3", "r2"]);
    assert_eq!(page(Some("r2")).await, ["r1"]);
    assert!(page(Some("r1")).await.is_empty());
    assert!(page(Some("none")).await.is_empty());
}
