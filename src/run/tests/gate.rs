//! Limits by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::run::{Change, GateAsk, GateRule, LaterReason, Paused, decide, settle};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ask(key: &str, rule: GateRule) -> Vec<GateAsk> {
    vec![GateAsk { key: key.into(), rule }]
}

#[test]
fn a_rate_admits_its_count_in_any_window_and_says_when_the_next_may_come() {
    let asks = ask("rate:p", GateRule::Rate { count: 2, window: Duration::from_secs(60) });
    let mut states = BTreeMap::new();
    assert!(decide(&mut states, &asks, "a", at(0)).is_ok());
    assert!(decide(&mut states, &asks, "b", at(10)).is_ok());
    let no = decide(&mut states, &asks, "c", at(20)).unwrap_err();
    assert_eq!((no.reason, no.until), (LaterReason::Rate, Some(at(60))));
    assert!(decide(&mut states, &asks, "c", at(60)).is_ok());
    assert_eq!(decide(&mut states, &asks, "d", at(61)).unwrap_err().until, Some(at(70)));
}

#[test]
fn a_clock_set_back_does_not_keep_a_rate_closed_for_longer_than_its_window() {
    let asks = ask("rate:p", GateRule::Rate { count: 1, window: Duration::from_secs(60) });
    let mut states = BTreeMap::new();
    decide(&mut states, &asks, "a", at(10_000)).unwrap();
    for now in [0, 30, 59] {
        assert_eq!(decide(&mut states, &asks, "b", at(now)).unwrap_err().until, Some(at(60)));
    }
    decide(&mut states, &asks, "b", at(60)).unwrap();
}

#[test]
fn nor_a_cooldown_nor_a_pause() {
    let cooldown = ask("cooldown:p:t", GateRule::Cooldown { every: Duration::from_secs(60) });
    let pause = ask("pause:p", GateRule::Pause);
    let mut states = BTreeMap::new();
    settle(states.entry("cooldown:p:t".to_owned()).or_default(), &Change::Ended, at(10_000));
    let paused =
        Paused { since: at(10_000), until: Some(at(10_060)), reason: String::new(), by: String::new() };
    settle(states.entry("pause:p".to_owned()).or_default(), &Change::Pause(paused), at(10_000));
    for asks in [&cooldown, &pause] {
        for now in [0, 59] {
            assert_eq!(decide(&mut states, asks, "b", at(now)).unwrap_err().until, Some(at(60)));
        }
        decide(&mut states, asks, "b", at(60)).unwrap();
    }
}

#[test]
fn a_target_that_is_worked_on_may_have_another_run_and_a_third_target_waits() {
    let slots = |holder: &str| ask("targets:p", GateRule::Slots { max: 2, holder: holder.into() });
    let mut states = BTreeMap::new();
    for holder in ["x", "y", "x"] {
        decide(&mut states, &slots(holder), "r", at(0)).unwrap();
    }
    assert_eq!(decide(&mut states, &slots("z"), "r", at(0)).unwrap_err().reason, LaterReason::Targets);
    let state = states.get_mut("targets:p").unwrap();
    settle(state, &Change::Leave { holder: "x".into() }, at(1));
    assert!(state.holders.contains_key("x"), "its second run still works on it");
    settle(state, &Change::Leave { holder: "x".into() }, at(1));
    assert!(decide(&mut states, &slots("z"), "r", at(1)).is_ok());
}

#[test]
fn a_breaker_opens_after_failures_in_a_row_and_trickles_after_its_reset() {
    let asks = ask("breaker:p", GateRule::Breaker { failures: 2 });
    let mut states = BTreeMap::new();
    for run in ["a", "b"] {
        decide(&mut states, &asks, run, at(0)).unwrap();
        let state = states.get_mut("breaker:p").unwrap();
        settle(state, &Change::Failed { run: run.into(), breaker: Some(2) }, at(1));
    }
    assert_eq!(decide(&mut states, &asks, "c", at(2)).unwrap_err().reason, LaterReason::Breaker);
    settle(states.get_mut("breaker:p").unwrap(), &Change::Reset, at(3));
    decide(&mut states, &asks, "c", at(3)).unwrap();
    assert_eq!(decide(&mut states, &asks, "d", at(3)).unwrap_err().reason, LaterReason::Trickle);
    let failed = Change::Failed { run: "c".into(), breaker: Some(2) };
    settle(states.get_mut("breaker:p").unwrap(), &failed, at(3));
    let no = decide(&mut states, &asks, "d", at(3)).unwrap_err();
    assert_eq!(
        no.detail,
        "the breaker is open after 1 failed run: mend the cause, then `amflow breakers reset p`"
    );
    settle(states.get_mut("breaker:p").unwrap(), &Change::Reset, at(4));
    decide(&mut states, &asks, "c", at(4)).unwrap();
    settle(states.get_mut("breaker:p").unwrap(), &Change::Succeeded { run: "c".into() }, at(4));
    assert!(decide(&mut states, &asks, "d", at(4)).is_ok());
    assert!(decide(&mut states, &asks, "e", at(4)).is_ok(), "one success ends the trickle");
}

#[test]
fn one_closed_gate_leaves_every_gate_as_it_was() {
    let mut states = BTreeMap::new();
    settle(
        states.entry("pause:*".into()).or_default(),
        &Change::Pause(Paused {
            since: at(0),
            until: Some(at(50)),
            reason: "maintenance".into(),
            by: "ann".into(),
        }),
        at(0),
    );
    let asks = [
        GateAsk { key: "rate:p".into(), rule: GateRule::Rate { count: 1, window: Duration::from_secs(60) } },
        GateAsk { key: "pause:*".into(), rule: GateRule::Pause },
    ];
    let no = decide(&mut states, &asks, "a", at(10)).unwrap_err();
    assert_eq!(no.detail, "everything is paused by ann: maintenance (40s to go)");
    assert_eq!(no.until, Some(at(50)));
    assert!(
        decide(&mut states, &asks, "a", at(50)).is_ok(),
        "the rate was not used up, the pause has lapsed"
    );
}

#[test]
fn an_alert_that_comes_back_after_successes_is_left_to_people_until_a_reset() {
    let window = Duration::from_secs(100);
    let mut states = BTreeMap::new();
    // Each fires, is worked on for a second with success, and fires again so many seconds later.
    let start = |states: &mut BTreeMap<_, _>, fires: i64| {
        let asks = ask("comebacks:p:t", GateRule::Comebacks { max: 2, window, starts_at: at(fires) });
        let answer = decide(states, &asks, "r", at(fires));
        if answer.is_ok() {
            settle(states.get_mut("comebacks:p:t").unwrap(), &Change::Cleared, at(fires + 1));
        }
        answer
    };
    assert!(start(&mut states, 0).is_ok());
    assert!(start(&mut states, 50).is_ok(), "once");
    assert!(start(&mut states, 120).is_ok(), "twice");
    let no = start(&mut states, 200).unwrap_err();
    assert_eq!((no.reason, no.until), (LaterReason::Comebacks, None));
    assert!(no.detail.starts_with("it came back 2 times within 1m40s"), "{}", no.detail);
    assert!(start(&mut states, 222).is_ok(), "it was gone for long enough");
    assert!(start(&mut states, 230).is_ok(), "it counts anew");
    assert!(start(&mut states, 240).is_ok());
    assert!(start(&mut states, 250).is_err());
    settle(states.get_mut("comebacks:p:t").unwrap(), &Change::Reset, at(251));
    assert!(start(&mut states, 251).is_ok(), "a person has mended it");
}

#[test]
fn a_run_that_failed_makes_no_comeback() {
    let rule = |fires| GateRule::Comebacks { max: 1, window: Duration::from_secs(100), starts_at: at(fires) };
    let mut states = BTreeMap::new();
    for fires in [0, 10, 20, 30] {
        assert!(decide(&mut states, &ask("comebacks:p:t", rule(fires)), "r", at(fires)).is_ok());
    }
}
