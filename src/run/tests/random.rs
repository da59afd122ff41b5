//! Whatever a playbook is made of, and whatever fails: its run ends, in order, and can be taken over.

use std::sync::Arc;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};
use proptest::sample::Index;
use serde_json::{Value, json};

use super::crash::ends_well;
use super::sim::{Sim, at, playbook};
use crate::playbook::{Block, Body, Playbook, Step};
use crate::run::RunEvent;

/// A step without its id.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        5 => (any::<bool>(), 1..4u32, any::<bool>()).prop_map(|(idempotent, attempts, on)| {
            json!({"exec": ["x"], "idempotent": idempotent, "continue_on_error": on, "retry": {"attempts": attempts, "backoff": "2s"}})
        }),
        1 => Just(json!({"exec": ["x"], "timeout": "1s", "when": "1 > 2"})),
        1 => Just(json!({"wait": "20s"})),
        1 => Just(json!({"silence": {}})),
        1 => Just(json!({"set": {"n": "{{ run.id }}"}})),
        1 => Just(json!({"wait": {"until": "value == 1", "for": "30s", "timeout": "5m", "prometheus": "up"}})),
    ]
}

/// A question that nobody answers, and what becomes of it.
fn asks() -> impl Strategy<Value = Value> {
    prop_oneof![Just("reject"), Just("fail"), Just("approve")].prop_map(|then| {
        json!({"approve": {"prompt": "go", "timeout": "90s", "on_timeout": then, "allow_unattended": true}})
    })
}

fn step() -> impl Strategy<Value = Value> {
    prop_oneof![9 => leaf(), 1 => asks()].prop_recursive(3, 12, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 1..3);
        let handler = || prop::collection::vec(leaf(), 0..2);
        prop_oneof![
            (list(), handler(), handler(), any::<bool>(), any::<bool>()).prop_map(|(steps, on_failure, finally, on, short)| {
                let mut block = json!({"block": {"steps": steps, "on_failure": on_failure, "finally": finally}, "continue_on_error": on});
                if short {
                    block["timeout"] = json!("25s");
                }
                block
            }),
            list().prop_map(|branches| json!({"parallel": branches})),
            (list(), any::<bool>()).prop_map(|(steps, on)| json!({"foreach": "['x', 'y']", "block": steps, "continue_on_error": on})),
        ]
    })
}

fn named(list: &mut Value, number: &mut u32) {
    for step in list.as_array_mut().into_iter().flatten() {
        *number += 1;
        step["id"] = json!(format!("s{number}"));
        for key in ["steps", "on_failure", "finally"] {
            if step["block"].get(key).is_some() {
                named(&mut step["block"][key], number);
            }
        }
        for key in ["block", "parallel"] {
            if step.get(key).is_some_and(Value::is_array) {
                named(&mut step[key], number);
            }
        }
    }
}

fn text([steps, on_failure, finally]: [Vec<Value>; 3], sync: u8, timeout: u8) -> String {
    let mut number = 0;
    let mut lists = [json!(steps), json!(on_failure), json!(finally)];
    for list in &mut lists {
        named(list, &mut number);
    }
    let [steps, on_failure, finally] = lists;
    let timeout = ["1h", "40s", "none"][usize::from(timeout % 3)];
    let sync = json!({"inhibit": sync & 1 > 0, "silence": sync & 2 > 0, "on_failure": if sync & 4 > 0 { "alert" } else { "none" }});
    let mut sync = sync;
    if sync["on_failure"] == "none" {
        sync.as_object_mut().unwrap().remove("on_failure");
    }
    format!(
        "vars: {{n: none}}\ntimeout: {timeout}\nsync: {sync}\nsteps: {steps}\non_failure: {on_failure}\nfinally: {finally}\n"
    )
}

/// Steps of a list begin when the one before is over.
fn in_order(sim: &Sim, steps: &[Step], prefix: &str) {
    let place = |path: &str, over: bool| {
        let inside = format!("{path}/");
        let turn = format!("{path}[");
        sim.journal.iter().position(|stamped| match &stamped.event {
            RunEvent::StepFinished { path: p, .. } if over => p == path,
            RunEvent::StepEntered { path: p }
            | RunEvent::ForeachExpanded { path: p, .. }
            | RunEvent::AttemptStarted { path: p, .. }
            | RunEvent::AttemptFinished { path: p, .. }
            | RunEvent::StepFinished { path: p, .. } => {
                !over && (p == path || p.starts_with(&inside) || p.starts_with(&turn))
            }
            _ => false,
        })
    };
    let mut before: Option<(String, Option<usize>)> = None;
    for step in steps {
        let path = format!("{prefix}{}", step.id);
        let Some(began) = place(&path, false) else { continue };
        if let Some((earlier, over)) = &before {
            assert!(
                over.is_some_and(|over| over < began),
                "{path} began before {earlier} was over: {:#?}",
                sim.lines()
            );
        }
        before = Some((path.clone(), place(&path, true)));
        let turns: Vec<String> = match sim.machine.run.nodes.get(&path).and_then(|node| node.items.as_ref()) {
            Some(items) => (0..items.len()).map(|n| format!("{path}[{n}]")).collect(),
            None => vec![path],
        };
        for turn in turns {
            match &step.body {
                Body::Action(_) => {}
                Body::Parallel(branches) => {
                    branches.iter().for_each(|b| in_order(sim, std::slice::from_ref(b), &format!("{turn}/")));
                }
                Body::Block(Block { steps, on_failure, finally, .. }) => {
                    in_order(sim, steps, &format!("{turn}/"));
                    in_order(sim, on_failure, &format!("{turn}/on_failure/"));
                    in_order(sim, finally, &format!("{turn}/finally/"));
                }
            }
        }
    }
}

fn live(playbook: &Arc<Playbook>, seed: u64, resolved: Option<u16>) -> Sim {
    let mut sim = Sim::new(playbook);
    sim.failures = Some(seed);
    sim.resolved_at = resolved.map(|seconds| at(i64::from(seconds)));
    sim.run();
    sim
}

proptest! {
    #[test]
    fn any_playbook_ends_in_order_and_can_be_taken_over_anywhere(
        steps in prop::collection::vec(step(), 1..4),
        on_failure in prop::collection::vec(leaf(), 0..2),
        finally in prop::collection::vec(leaf(), 0..2),
        (sync, timeout, seed, happened) in (0..8u8, any::<u8>(), any::<u64>(), any::<bool>()),
        resolved in prop::option::weighted(0.3, 0..600u16),
        kills in prop::collection::vec(any::<Index>(), 3),
    ) {
        let text = text([steps, on_failure, finally], sync, timeout);
        let playbook = playbook(&text);
        let whole = live(&playbook, seed, resolved);
        prop_assert!(whole.status().is_some(), "no end: {:?} {:#?}\n{}", whole.last, whole.lines(), text);
        in_order(&whole, &playbook.steps, "");
        in_order(&whole, &playbook.on_failure, "on_failure/");
        in_order(&whole, &playbook.finally, "finally/");
        for kill in kills {
            ends_well(&playbook, &whole, kill.index(whole.journal.len()) + 1, happened);
        }
    }
}
