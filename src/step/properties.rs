//! Properties of all step kinds: whatever comes back, and whatever is remembered, a step goes on or ends.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::kind::STEP_KINDS;
use super::testing::{advance_at, at, compiled};
use super::{Captured, Exited, Move, PeerSight, Queried, Reply, Responded, SeenAlert, Sighted};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9:.TZ+-]{0,12}".prop_map(Value::from),
        Just(json!("2023-11-14T22:13:20Z")),
        Just(json!([1.5, "NaN"])),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let key = prop_oneof![
            Just("looking"),
            Just("deadline"),
            Just("delay_ms"),
            Just("watch"),
            Just("alerts"),
            Just("a"),
            Just("ends"),
            Just("clear"),
            Just("lost"),
            Just("since"),
            Just("said"),
            Just("probe"),
            Just("until"),
            Just("metric"),
            Just("value"),
            Just("values"),
            Just("task"),
            Just("prompt"),
            Just("required"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..3).prop_map(|entries| {
                Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![(-1_000_i64..2_000).prop_map(at), Just(Timestamp::MIN), Just(Timestamp::MAX),]
}

fn any_captured() -> impl Strategy<Value = Captured> {
    (prop_oneof!["\\PC{0,20}", Just("{\"ok\": true}".to_owned()), "(a|\n|é){0,300}"], 0_u64..3)
        .prop_map(|(text, cut)| Captured { text, cut })
}

fn any_exited() -> impl Strategy<Value = Exited> {
    (any::<Option<i32>>(), any::<Option<i32>>(), any_captured(), any_captured(), any::<u64>()).prop_map(
        |(exit_code, signal, stdout, stderr, duration_ms)| Exited {
            exit_code,
            signal,
            stdout,
            stderr,
            duration_ms,
            ..Exited::default()
        },
    )
}

fn any_peer() -> impl Strategy<Value = PeerSight> {
    (any::<bool>(), prop::option::of(any_time()), prop::option::of(prop::option::of(any_time()))).prop_map(
        |(fails, started_at, seen)| PeerSight {
            url: "http://am".to_owned(),
            failed: fails.then(|| "reset".to_owned()),
            started_at,
            answered_at: None,
            seen: seen
                .map(|ends_at| {
                    let seen =
                        SeenAlert { starts_at: at(0), ends_at, silenced_by: vec![], inhibited_by: vec![] };
                    ("a".to_owned(), seen)
                })
                .into_iter()
                .collect(),
        },
    )
}

fn any_reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        any_exited().prop_map(Reply::Exited),
        (any::<u16>(), any_captured(), "\\PC{0,30}").prop_map(|(status, body, after)| {
            let headers = [("retry-after".to_owned(), after)].into();
            Reply::Responded(Responded { status, headers, body, duration_ms: u64::MAX })
        }),
        (prop_oneof![Just("vector"), Just("matrix"), Just("scalar"), Just("")], any_json()).prop_map(
            |(result_type, result)| {
                let warnings = vec!["w".to_owned()];
                Reply::Queried(Queried { result_type: result_type.to_owned(), result, warnings })
            }
        ),
        (any_time(), prop::collection::vec(any_peer(), 0..3))
            .prop_map(|(at, peers)| Reply::Sighted(Sighted { at, peers })),
        any::<Option<String>>().prop_map(|id| Reply::Held { id }),
        (any::<u64>(), prop::option::of(any_exited()))
            .prop_map(|(limit_ms, output)| Reply::TimedOut { limit_ms, output: output.map(Box::new) }),
        prop::option::of(any_exited()).prop_map(|output| Reply::Stopped { output: output.map(Box::new) }),
        ("\\PC{0,20}", any::<bool>(), any::<bool>()).prop_map(|(message, retryable, untouched)| {
            Reply::Impossible { message, retryable, untouched }
        }),
    ]
}

/// More forms of steps than the examples show.
const MORE: [&str; 6] = [
    "wait: 30s",
    "wait: {until: value < 5, prometheus: up, for: 1m}",
    "wait: {until: json.ok, probe: {http: {get: 'http://h/'}}}",
    "http: {get: 'http://h/', expect: {json: json.ok}}",
    "prometheus: {query: up, range: {for: 1h}, expect: value > 1}",
    "silence: {expire: other}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_reply_and_no_memory_makes_a_step_panic(
        memo in any_json(),
        reply in prop::option::of(any_reply()),
        seconds in prop_oneof![-10_i64..5_000, Just(i64::from(i32::MAX))],
        resolved in any::<bool>(),
    ) {
        let resolved: Vec<String> = resolved.then(|| "a".to_owned()).into_iter().collect();
        for step in STEP_KINDS.iter().map(|kind| kind.example).chain(MORE) {
            let Ok(next) = advance_at(&*compiled_once(step), &memo, reply.as_ref(), seconds, &resolved) else { continue };
            // What is journaled can be read again.
            if let Move::Do { memo, .. } | Move::Park { memo, .. } = &next {
                let again: Value = serde_json::from_str(&memo.to_string()).unwrap();
                prop_assert_eq!(&again, memo);
            }
            if let Move::Done { output, .. } = &next {
                prop_assert!(output.is_object());
            }
        }
    }
}

/// Compiling takes longer than a move.
fn compiled_once(step: &'static str) -> std::sync::Arc<dyn super::Action> {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};
    static KNOWN: Mutex<Option<HashMap<&'static str, Arc<dyn super::Action>>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap();
    let known = known.get_or_insert_with(HashMap::new);
    known.entry(step).or_insert_with(|| compiled(step).into()).clone()
}
