//! Stories of deliveries: which episode an alert's firing is.

use std::sync::Arc;

use crate::engine::{Observation, Store};
use crate::model::{Alert, LabelSet};
use crate::run::TriggerStatus;
use crate::store::conformance::Case;
use crate::store::conformance::given::{SCOPE, admit_one, ask, at, episode, lease_of, ok, seen};

pub(super) const CASES: &[Case] = &[
    Case { name: "a firing is one episode however often it is seen", story: |s| Box::pin(seen_again(s)) },
    Case { name: "a start that shifts while it fires is the same episode", story: |s| Box::pin(shifts(s)) },
    Case { name: "an end closes the episode and a later start opens one", story: |s| Box::pin(again(s)) },
    Case { name: "an episode knows its claims", story: |s| Box::pin(claims(s)) },
    Case { name: "a preview of deliveries records nothing", story: |s| Box::pin(previews(s)) },
    Case { name: "a look at an episode says nothing of it", story: |s| Box::pin(looks(s)) },
    Case { name: "open episodes are known with their alert", story: |s| Box::pin(open(s)) },
    Case { name: "many alerts are answered in order", story: |s| Box::pin(in_order(s)) },
    Case { name: "the scopes of what was seen are known", story: |s| Box::pin(scopes(s)) },
];

async fn seen_again(store: Arc<dyn Store>) {
    let first = ok(store.observe(vec![seen(1, true, 0, Some(300))], at(5)).await);
    let second = ok(store.observe(vec![seen(1, true, 0, Some(360))], at(65)).await);
    assert_eq!(first[0].key, episode(1, 0));
    assert_eq!(second[0].key, first[0].key);
    assert_eq!((second[0].last_firing, second[0].ends_at), (Some(at(65)), Some(at(360))));
    assert_eq!(second[0].closed_at, None);
}

async fn shifts(store: Arc<dyn Store>) {
    ok(store.observe(vec![seen(1, true, 0, None)], at(60)).await);
    let shifted = ok(store.observe(vec![seen(1, true, 15, None)], at(65)).await);
    assert_eq!(shifted[0].key, episode(1, 0), "before the last moment at which it was known to fire");
    let anew = ok(store.observe(vec![seen(1, true, 100, None)], at(120)).await);
    assert_eq!(anew[0].key, episode(1, 100), "its end was missed");
}

async fn again(store: Arc<dyn Store>) {
    ok(store.observe(vec![seen(1, true, 0, None)], at(60)).await);
    let over = ok(store.observe(vec![seen(1, false, 0, Some(70))], at(75)).await);
    assert_eq!((&over[0].key, over[0].closed_at), (&episode(1, 0), Some(at(75))));
    let twice = ok(store.observe(vec![seen(1, false, 0, Some(70))], at(80)).await);
    assert_eq!(twice[0].closed_at, Some(at(75)), "the first word counts");
    let anew = ok(store.observe(vec![seen(1, true, 90, None)], at(95)).await);
    assert_eq!((&anew[0].key, anew[0].closed_at), (&episode(1, 90), None));
    let late = ok(store.observe(vec![seen(1, false, 0, Some(70))], at(99)).await);
    assert_eq!(late[0].key, episode(1, 0), "a retry of the first end does not close the second episode");
    let still = ok(store.observe(vec![seen(1, true, 90, None)], at(100)).await);
    assert_eq!((&still[0].key, still[0].closed_at), (&episode(1, 90), None));
}

async fn looks(store: Arc<dyn Store>) {
    assert_eq!(ok(store.known_episodes(vec![seen(1, true, 0, None)]).await), [None]);
    ok(store.observe(vec![seen(1, true, 0, None)], at(60)).await);
    let open = ok(store.known_episodes(vec![seen(1, false, 0, None), seen(2, true, 0, None)]).await);
    assert_eq!(open[0].as_ref().map(|e| (&e.key, e.closed_at)), Some((&episode(1, 0), None)));
    assert_eq!(open[1], None);
    ok(store.observe(vec![seen(1, false, 0, Some(70))], at(75)).await);
    for firing in [true, false] {
        let over = ok(store.known_episodes(vec![seen(1, firing, 0, None)]).await);
        assert_eq!(over[0].as_ref().and_then(|e| e.closed_at), Some(at(75)));
    }
    assert_eq!(ok(store.known_episodes(vec![seen(1, true, 90, None)]).await), [None], "a later one");
}

async fn open(store: Arc<dyn Store>) {
    let alert = |n: u64| {
        let labels = LabelSet::from_iter([("alertname".to_owned(), format!("A{n}"))]);
        Some(Arc::new(Alert::firing(labels, at(0))))
    };
    let with = |n: u64, firing: bool, ends: i64| Observation {
        alert: alert(n).filter(|_| firing),
        ..seen(n, firing, 0, Some(ends))
    };
    ok(store.observe(vec![with(1, true, 300), with(2, true, 300), with(3, true, 50)], at(5)).await);
    ok(store.observe(vec![seen(4, true, 0, Some(300))], at(5)).await);
    ok(store.observe(vec![with(2, false, 6)], at(7)).await);
    // Seen again with a later end; what was known of it first is kept.
    ok(store.observe(vec![Observation { alert: alert(9), ..with(1, true, 360) }], at(65)).await);
    let open = ok(store.open_episodes(SCOPE.to_owned(), at(100)).await);
    assert_eq!(open.len(), 1, "2 is over, the end of 3 is past, nothing is known of 4: {open:?}");
    assert_eq!((&open[0].key, open[0].ends_at), (&episode(1, 0), Some(at(360))));
    assert_eq!(open[0].alert.name(), "A1");
    assert!(ok(store.open_episodes("elsewhere".to_owned(), at(0)).await).is_empty());
}

async fn claims(store: Arc<dyn Store>) {
    let before = ok(store.observe(vec![seen(1, true, 0, None)], at(1)).await);
    assert!(before[0].claims.is_empty());
    lease_of(admit_one(&store, ask("r1", &[before[0].key.clone()]), 2).await);
    let after = ok(store.observe(vec![seen(1, true, 0, None)], at(3)).await);
    let claim = after[0].claims.first().expect("a claim");
    assert_eq!(
        (claim.playbook.as_str(), claim.trigger, claim.run.as_str()),
        ("disk", TriggerStatus::Firing, "r1")
    );
}

async fn previews(store: Arc<dyn Store>) {
    let made_up = ok(store.preview_episodes(vec![seen(1, true, 0, None)], at(60)).await);
    assert_eq!(made_up[0].key, episode(1, 0));
    let other = ok(store.preview_episodes(vec![seen(1, true, 15, None)], at(65)).await);
    assert_eq!(other[0].key, episode(1, 15), "nothing was recorded that it could belong to");
    ok(store.observe(vec![seen(1, true, 0, None)], at(60)).await);
    let known = ok(store.preview_episodes(vec![seen(1, true, 15, None)], at(65)).await);
    assert_eq!((&known[0].key, known[0].last_firing), (&episode(1, 0), Some(at(65))));
    let unchanged = ok(store.preview_episodes(vec![seen(1, true, 62, None)], at(70)).await);
    assert_eq!(unchanged[0].key, episode(1, 62), "the preview did not move the last firing");
}

async fn scopes(store: Arc<dyn Store>) {
    assert!(ok(store.scopes().await).is_empty());
    for (scope, alert) in [("b", 1), ("a", 1), ("b", 2), ("", 3), ("c", 1), ("a", 1)] {
        let seen = Observation { scope: scope.to_owned(), ..seen(alert, true, 0, None) };
        ok(store.observe(vec![seen], at(1)).await);
    }
    let elsewhere = Observation { scope: "d".to_owned(), ..seen(1, true, 0, None) };
    ok(store.preview_episodes(vec![elsewhere], at(2)).await);
    assert_eq!(ok(store.scopes().await), ["", "a", "b", "c"]);
}

async fn in_order(store: Arc<dyn Store>) {
    let deliver: Vec<_> = (0..500).rev().map(|alert| seen(alert, true, 0, None)).collect();
    let found = ok(store.observe(deliver, at(1)).await);
    let expected: Vec<_> = (0..500).rev().map(|alert| episode(alert, 0)).collect();
    assert_eq!(found.into_iter().map(|e| e.key).collect::<Vec<_>>(), expected);
}
