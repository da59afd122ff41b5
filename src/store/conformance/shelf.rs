//! Stories of what is kept to be taken up again: what was put off, and alerts of our own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::engine::{Later, Raised, Store};
use crate::run::{Closed, LaterReason, TriggerStatus};
use crate::step::{AlertHold, Watch};
use crate::store::conformance::Case;
use crate::store::conformance::given::{SCOPE, admit_one, ask, at, episode, lease_of, ok};

pub(super) const CASES: &[Case] = &[
    Case { name: "what was put off keeps its first moment", story: |s| Box::pin(first_moment(s)) },
    Case { name: "what starts is no longer put off", story: |s| Box::pin(starts(s)) },
    Case { name: "what may pass by now is offered, oldest first", story: |s| Box::pin(offered(s)) },
    Case {
        name: "what a playbook has put off is read in pieces, oldest first",
        story: |s| Box::pin(in_pieces(s)),
    },
    Case { name: "raised alerts are replaced and removed by id", story: |s| Box::pin(raised(s)) },
];

fn later(target: &str, until: Option<i64>, since: i64) -> Later {
    Later {
        playbook: "disk".to_owned(),
        target: target.to_owned(),
        trigger: TriggerStatus::Firing,
        scope: SCOPE.to_owned(),
        alerts: vec![json!({"labels": {"b": "1", "a": "\u{0}'\""}})],
        closed: Closed { reason: LaterReason::Cooldown, until: until.map(at), detail: "cooldown".to_owned() },
        since: at(since),
    }
}

async fn first_moment(store: Arc<dyn Store>) {
    ok(store.put_later(vec![later("a", Some(100), 0)]).await);
    ok(store.put_later(vec![later("a", None, 50), later("b", None, 60)]).await);
    let kept = ok(store.later(None).await);
    assert_eq!(kept, [later("a", None, 0), later("b", None, 60)]);
    ok(store.drop_later(vec![key("a"), key("none")]).await);
    assert_eq!(ok(store.later(None).await), [later("b", None, 60)]);
}

async fn starts(store: Arc<dyn Store>) {
    ok(store.put_later(vec![later("a", None, 0), later("b", None, 0)]).await);
    let mut asked = ask("r1", &[episode(1, 0)]);
    asked.put_off = Some("a".to_owned());
    lease_of(admit_one(&store, asked.clone(), 1).await);
    assert_eq!(ok(store.later(None).await), [later("b", None, 0)]);
    ok(store.put_later(vec![later("a", None, 2)]).await);
    admit_one(&store, asked, 3).await;
    assert_eq!(ok(store.later(None).await).len(), 2, "what does not start stays");
}

fn key(target: &str) -> (String, String, String) {
    ("disk".to_owned(), SCOPE.to_owned(), target.to_owned())
}

async fn offered(store: Arc<dyn Store>) {
    ok(store
        .put_later(vec![later("new", None, 30), later("old", Some(100), 10), later("far", Some(101), 20)])
        .await);
    let targets = |rows: Vec<Later>| rows.into_iter().map(|l| l.target).collect::<Vec<_>>();
    assert_eq!(targets(ok(store.later(Some(at(100))).await)), ["old", "new"]);
    assert_eq!(targets(ok(store.later(Some(at(99))).await)), ["new"]);
    assert_eq!(targets(ok(store.later(None).await)), ["old", "far", "new"]);
    // The clock was set back: all of this was put off in the future.
    assert_eq!(targets(ok(store.later(Some(at(-3_600))).await)), ["old", "far", "new"]);
    assert_eq!(ok(store.later_playbooks(at(-3_600)).await), ["disk"]);
    assert_eq!(targets(ok(store.later_of("disk".to_owned(), at(-3_600), 1, 1).await)), ["far"]);
}

async fn in_pieces(store: Arc<dyn Store>) {
    let of = |playbook: &str, target: &str, until: Option<i64>, since: i64| Later {
        playbook: playbook.to_owned(),
        ..later(target, until, since)
    };
    let rows = vec![
        of("b", "3", None, 30),
        of("b", "1", Some(100), 10),
        of("b", "2", None, 20),
        of("b", "far", Some(101), 5),
        of("a", "4", None, 40),
        of("c", "far", Some(101), 0),
    ];
    ok(store.put_later(rows).await);
    let muted = Closed { reason: LaterReason::Muted, until: None, detail: String::new() };
    ok(store.put_later(vec![Later { closed: muted, ..of("b", "muted", Some(500), 1) }]).await);
    let counts = ok(store.count_later().await);
    let counts: Vec<_> = counts.iter().map(|c| (c.playbook.as_str(), c.reason.as_str(), c.targets)).collect();
    assert_eq!(counts, [("a", "cooldown", 1), ("b", "cooldown", 4), ("b", "muted", 1), ("c", "cooldown", 1)]);
    ok(store.drop_later(vec![("b".to_owned(), SCOPE.to_owned(), "muted".to_owned())]).await);
    // A person may end a pause before its time.
    let paused = Closed { reason: LaterReason::Paused, until: Some(at(9_000)), detail: String::new() };
    ok(store.put_later(vec![Later { closed: paused.clone(), ..of("p", "paused", None, 1) }]).await);
    assert_eq!(ok(store.later_of("p".to_owned(), at(100), 0, 9).await)[0].closed, paused);
    ok(store.drop_later(vec![("p".to_owned(), SCOPE.to_owned(), "paused".to_owned())]).await);
    assert_eq!(ok(store.later_playbooks(at(100)).await), ["a", "b"]);
    assert_eq!(ok(store.later_playbooks(at(101)).await), ["a", "b", "c"]);
    for (skip, max, wanted) in
        [(0, 2, &["1", "2"][..]), (2, 2, &["3"]), (3, 2, &[]), (0, 9, &["1", "2", "3"]), (0, 0, &[])]
    {
        let rows = ok(store.later_of("b".to_owned(), at(100), skip, max).await);
        let targets: Vec<_> = rows.iter().map(|row| row.target.as_str()).collect();
        assert_eq!(targets, wanted, "{max} after {skip}");
    }
}

async fn raised(store: Arc<dyn Store>) {
    let one = |id: &str, text: &str| Raised {
        id: id.to_owned(),
        alert: AlertHold {
            labels: BTreeMap::from([("amflow_state".to_owned(), "failed".to_owned())]),
            annotations: BTreeMap::from([("summary".to_owned(), text.to_owned())]),
            starts_at: at(0),
            lease_seconds: 86_400,
            generator_url: String::new(),
        },
        scope: SCOPE.to_owned(),
        watch: Watch::default(),
        lost_since: None,
        playbook: "disk".to_owned(),
        target: "t".to_owned(),
    };
    ok(store.put_raised(vec![one("r2", "x"), one("r1", "x")], vec![]).await);
    ok(store.put_raised(vec![one("r2", "y")], vec!["r1".to_owned(), "none".to_owned()]).await);
    assert_eq!(ok(store.raised().await), [one("r2", "y")]);
}
