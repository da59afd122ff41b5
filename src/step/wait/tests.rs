//! Stories of waits: what is answered when, and what they make of it.

use super::*;
use crate::step::testing::{advance_at, at, compiled, done, problems};
use crate::step::{Exited, PeerSight, Queried, SeenAlert, Sighted};

/// What the world answers from a moment on.
type World = Vec<(i64, Reply)>;

/// Runs a wait by its own moves: parks jump the clock, effects are answered by the world as of that moment.
fn story(step: &str, world: &World) -> (Outcome, i64, usize) {
    story_with(step, world, |_| Vec::new())
}

fn story_with(step: &str, world: &World, delivered: impl Fn(i64) -> Vec<String>) -> (Outcome, i64, usize) {
    let action = compiled(step);
    let (mut now, mut memo, mut reply, mut polls) = (0, Memo::Null, None, 0);
    for _ in 0..10_000 {
        // What is journaled is all that is left after a restart.
        memo = serde_json::from_str(&memo.to_string()).unwrap();
        match advance_at(&*action, &memo, reply.as_ref(), now, &delivered(now)).unwrap() {
            Move::Do { memo: next, if_lost, .. } => {
                assert_eq!(if_lost, IfLost::Repeat);
                polls += 1;
                let answer = world.iter().rfind(|(from, _)| *from <= now).map(|(_, reply)| reply.clone());
                let answer = answer.map(|answer| match answer {
                    Reply::Sighted(sighted) => Reply::Sighted(renewed(sighted, now)),
                    other => other,
                });
                (memo, reply) = (next, answer);
            }
            Move::Park { until, memo: next, for_person } => {
                let until = until.unwrap().as_second() - at(0).as_second();
                assert!(until > now && !for_person, "parked from {now} until {until}");
                (memo, reply, now) = (next, None, until);
            }
            other => {
                return (done(other).0, now, polls);
            }
        }
    }
    panic!("no end of {step}");
}

/// Prometheus renews the lease every minute, to four minutes ahead.
fn renewed(mut sighted: Sighted, now: i64) -> Sighted {
    sighted.at = at(now);
    for peer in &mut sighted.peers {
        for seen in peer.seen.values_mut() {
            seen.ends_at = Some(at(now / 60 * 60 + 240));
        }
    }
    sighted
}

fn peer(is_there: bool) -> PeerSight {
    let seen = SeenAlert { starts_at: at(-600), ends_at: None, silenced_by: vec![], inhibited_by: vec![] };
    let seen = is_there.then(|| ("a".to_owned(), seen)).into_iter().collect();
    PeerSight {
        url: "http://am".to_owned(),
        failed: None,
        started_at: Some(at(-9_999)),
        answered_at: None,
        seen,
    }
}

fn there() -> Reply {
    Reply::Sighted(Sighted { at: at(0), peers: vec![peer(true)] })
}

fn gone() -> Reply {
    Reply::Sighted(Sighted { at: at(0), peers: vec![peer(false)] })
}

fn half() -> Reply {
    Reply::Sighted(Sighted {
        at: at(0),
        peers: vec![peer(false), PeerSight { failed: Some("reset".to_owned()), ..peer(false) }],
    })
}

fn refused() -> Reply {
    Reply::Impossible { message: "connection refused".to_owned(), retryable: true, untouched: true }
}

fn reason(outcome: &Outcome) -> Option<FailureReason> {
    match outcome {
        Outcome::Failed { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[test]
fn a_pause_parks_once_and_ends_on_time() {
    assert_eq!(story("wait: 30s", &vec![]), (Outcome::Succeeded, 30, 0));
    assert_eq!(story("wait: {for: 1h}", &vec![]), (Outcome::Succeeded, 3600, 0));
}

#[test]
fn resolved_means_gone_in_time_and_for_long_enough() {
    const VERIFY: &str = "wait: {until: resolved, for: 5m, timeout: 20m}";
    for (what, world, expected, not_before, not_after) in [
        ("cleared at once", vec![(0, gone())], None, 300, 301),
        ("cleared after a while", vec![(0, there()), (100, gone())], None, 400, 435),
        ("came back once", vec![(0, there()), (100, gone()), (200, there()), (300, gone())], None, 600, 635),
        ("never cleared", vec![(0, there())], Some(FailureReason::NotResolved), 1200, 1200),
        (
            "cleared too late to stay so",
            vec![(0, there()), (1000, gone())],
            Some(FailureReason::NotResolved),
            1200,
            1200,
        ),
        (
            "its Alertmanager fell silent, and then it was gone: it may have timed out",
            vec![(0, there()), (60, refused()), (500, gone())],
            Some(FailureReason::LostSight),
            1200,
            1200,
        ),
        (
            "one peer never answers",
            vec![(0, there()), (60, half())],
            Some(FailureReason::LostSight),
            1200,
            1200,
        ),
        (
            "silence for a short while does no harm",
            vec![(0, there()), (60, refused()), (90, gone())],
            None,
            390,
            425,
        ),
        ("a peer is away while it is clear", vec![(0, gone()), (100, half()), (500, gone())], None, 500, 531),
        (
            "nothing is configured",
            vec![(
                0,
                Reply::Impossible {
                    message: "no Alertmanager".to_owned(),
                    retryable: false,
                    untouched: true,
                },
            )],
            Some(FailureReason::Missing),
            0,
            0,
        ),
    ] {
        let (outcome, end, polls) = story(VERIFY, &world);
        assert_eq!(reason(&outcome), expected, "{what}: {outcome:?}");
        assert!((not_before..=not_after).contains(&end), "{what}: ended at {end}");
        assert!(polls < 60, "{what}: {polls} polls");
    }
}

#[test]
fn a_delivery_proves_the_end_without_a_lease() {
    let world = vec![(0, refused()), (280, gone())];
    let delivered = |now: i64| if now >= 70 { vec!["a".to_owned()] } else { Vec::new() };
    let (outcome, end, _) = story_with("wait: {until: resolved, for: 2m}", &world, delivered);
    assert_eq!(outcome, Outcome::Succeeded);
    assert!((280..=311).contains(&end), "{end}");
}

#[test]
fn looks_come_before_the_lease_is_over_even_when_they_are_rare() {
    let world = vec![(0, there()), (900, gone())];
    let (outcome, ..) = story("wait: {until: resolved, for: 1m, timeout: 2h, every: 10m}", &world);
    assert_eq!(outcome, Outcome::Succeeded);
}

#[test]
fn cancelling_ends_a_wait() {
    let stopped = Reply::Stopped { output: None };
    for step in ["wait: 30s", "wait: {until: resolved}", "wait: {until: value < 1, prometheus: up}"] {
        let (outcome, _) = done(advance_at(&*compiled(step), &json!({}), Some(&stopped), 1, &[]).unwrap());
        assert_eq!(outcome, Outcome::Cancelled, "{step}");
    }
}

fn value(text: &str) -> Reply {
    let result = json!([{"metric": {}, "value": [1, text]}]);
    Reply::Queried(Queried { result_type: "vector".to_owned(), result, warnings: Vec::new() })
}

fn nothing() -> Reply {
    Reply::Queried(Queried { result_type: "vector".to_owned(), result: json!([]), warnings: Vec::new() })
}

#[test]
fn a_condition_over_a_query_holds_and_stays() {
    const STEP: &str = "wait: {until: value < 80, prometheus: disk, for: 1m, timeout: 10m}";
    for (what, world, expected, end) in [
        ("holds at once", vec![(0, value("70"))], None, 60),
        ("nothing found is no proof", vec![(0, nothing())], Some(FailureReason::Assertion), 600),
        ("errors are asked again", vec![(0, refused()), (40, value("70"))], None, 110),
        ("falls back", vec![(0, value("70")), (30, value("90")), (100, value("70"))], None, 180),
        ("never", vec![(0, value("90"))], Some(FailureReason::Assertion), 600),
    ] {
        let (outcome, ended_at, _) = story(STEP, &world);
        assert_eq!(reason(&outcome), expected, "{what}: {outcome:?}");
        assert!((end..end + 31).contains(&ended_at), "{what}: ended at {ended_at}");
    }
}

#[test]
fn a_condition_over_a_command_sees_its_fields() {
    let exited = |code, out: &str| {
        Reply::Exited(Exited { exit_code: Some(code), stdout: out.into(), ..Exited::default() })
    };
    let world = vec![(0, exited(1, "starting")), (30, exited(0, "ready\n"))];
    let (outcome, ..) =
        story("wait: {until: exit_code == 0 and stdout | trim == 'ready', probe: {exec: [check]}}", &world);
    assert_eq!(outcome, Outcome::Succeeded);
    let missing =
        Reply::Impossible { message: "no such program".to_owned(), retryable: false, untouched: true };
    let (outcome, end, _) =
        story("wait: {until: exit_code == 0, probe: {exec: [check]}}", &vec![(0, missing)]);
    assert_eq!((reason(&outcome), end), (Some(FailureReason::NotStarted), 0));
}

#[test]
fn what_cannot_end_is_a_problem() {
    for (step, code) in [
        ("wait: resolved", "duration"),
        ("wait: '{{ vars.keep }}'", "duration"),
        ("wait: {timeout: 5m}", "wait-keys"),
        ("wait: {until: resolved, for: 5m, timeout: 5m}", "wait-timeout"),
        ("wait: {until: resolved, prometheus: up}", "wait-keys"),
        ("wait: {until: value > 1}", "wait-probe"),
        ("wait: {until: value > 1, probe: {silence: {}}}", "wait-probe"),
        ("wait: {until: value > 1, probe: {http: {got: x}}}", "unknown-key"),
        ("wait: {until: value >, prometheus: up}", "template-syntax"),
    ] {
        let found = problems(step);
        assert!(found.first().is_some_and(|found| found.starts_with(code)), "{step}: {found:?}");
    }
}
