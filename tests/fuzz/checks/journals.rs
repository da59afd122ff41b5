//! Journals: whatever they hold is read or refused, folds, can be told, and a machine can go on with it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use amflow::engine::{RunHeader, RunSummary};
use amflow::playbook::{Facts, Playbook, compile_text};
use amflow::report;
use amflow::run::{Machine, Options, Run, RunEvent, Signal, SignalKind, Stamped, tasks_of};
use amflow::step::{Effect, Exited, PeerSight, Queried, Reply, Responded, Sighted};
use amflow::text::render;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::input::{Choices, Dice, SEPARATOR, files};

/// Has steps of most kinds, by the names that the journals of `tests/histories` have.
const PLAYBOOK: &str = r#"
version: 1
name: disk
matchers: [alertname = Disk]
sync: {inhibit: true, silence: true, on_failure: alert}
concurrency: {key: "{{ alert.labels.alertname }}"}
vars: {count: none}
steps:
  - {id: ask, approve: {prompt: "go on with {{ run.id }}?", required: 2, timeout: 30m, inputs: {number: {type: int, default: 1}}}}
  - {id: a, exec: [a], idempotent: true, retry: {attempts: 3, backoff: 5s..1m}, continue_on_error: true}
  - {id: b, exec: [b, "{{ steps.a.stdout | default('') }}"], idempotent: true, timeout: 1m, continue_on_error: true}
  - {id: s, silence: {}, continue_on_error: true}
  - {id: k, silence: {keep: true, duration: 1h}, continue_on_error: true}
  - {id: q, prometheus: {query: up}, read_only: true, continue_on_error: true}
  - {id: look, http: {get: "http://127.0.0.1:9/x"}, retry: {attempts: 2}, continue_on_error: true}
  - {id: count, set: {count: "{{ steps.q.status }}"}}
  - {id: w, wait: 20s}
  - {id: e, foreach: "['x', 'y']", exec: [e, "{{ item }}"], continue_on_error: true}
  - {id: h, foreach: "[1, 2]", block: [{id: i, exec: [i, "{{ item }}"]}, {log: "{{ steps.i.status }}"}], continue_on_error: true}
  - id: p
    continue_on_error: true
    parallel:
      - {id: act, exec: [act]}
      - {id: usage, timeout: 25s, block: {steps: [{id: clean, exec: [c]}], on_failure: [{id: f, exec: [f]}], finally: [{id: g, exec: [g]}]}}
  - {id: tell, assert: "steps.count.status == 'succeeded'", when: "1 > 0"}
  - {id: v, wait: {until: resolved, for: 1m, timeout: 5m}}
on_failure: [{id: f2, exec: [f, "{{ failed.reason }}"]}]
finally: [{id: z, exec: [z, "{{ run.status }}"]}]
"#;

/// Where events may stand that were written elsewhere.
const PATHS: [&str; 24] = [
    "ask",
    "a",
    "b",
    "s",
    "k",
    "q",
    "look",
    "count",
    "w",
    "e",
    "e[0]",
    "e[1]",
    "h",
    "h[0]",
    "h[0]/i",
    "h[7]/i",
    "p",
    "p/act",
    "p/usage",
    "p/usage/clean",
    "p/usage/finally/g",
    "v",
    "on_failure/f2",
    "finally/z",
];

pub(crate) fn seeds(root: &Path) -> Vec<Vec<u8>> {
    let journals = files(&root.join("tests/histories"));
    let mut seeds: Vec<Vec<u8>> = journals.into_iter().filter(|text| text.starts_with(b"{")).collect();
    let choices = (0..vocabulary().len()).map(|at| u8::try_from(at % 256).unwrap_or_default());
    let choices: Vec<u8> = choices.collect();
    seeds.extend(choices.chunks(24).map(|some| [&[SEPARATOR], some].concat()));
    seeds
}

/// The input is a journal, an event a line; one that begins with a separator is choices among the events of
/// `tests/histories`.
pub(crate) fn check(data: &[u8]) {
    let mut journal = match data {
        [SEPARATOR, choices @ ..] => chosen(choices),
        lines => lines.split(|byte| *byte == b'\n').filter_map(event).collect(),
    };
    let begins = |stamped: &Stamped| matches!(stamped.event, RunEvent::RunStarted(_));
    if !journal.first().is_some_and(begins) {
        assert!(Run::replay("r", &journal).is_none(), "a journal without a beginning is none");
        journal.insert(0, vocabulary().iter().find(|known| begins(known)).expect("one begins").clone());
    }
    let run = Run::replay("r", &journal).expect("it has a beginning");
    let mut folded = Run::replay("r", &journal[..1]).expect("it has a beginning");
    journal[1..].iter().for_each(|stamped| folded.apply(stamped));
    assert_eq!(folded, run, "an event after the other is all at once");
    is_told(&run, &journal);
    let mut dice = Dice::of(data);
    goes_on(run, journal, &mut dice);
}

/// Reads an event, and sees that it stays what it is.
fn event(line: &[u8]) -> Option<Stamped> {
    let stamped: Stamped = serde_json::from_slice(line).ok()?;
    let written = serde_json::to_string(&stamped).expect("an event is JSON");
    let again: Stamped = serde_json::from_str(&written).expect("an event once written is readable for ever");
    assert_eq!(serde_json::to_string(&again).expect("an event is JSON"), written);
    Some(stamped)
}

/// All events of the histories.
fn vocabulary() -> &'static [Stamped] {
    static VOCABULARY: OnceLock<Vec<Stamped>> = OnceLock::new();
    VOCABULARY.get_or_init(|| {
        let journals = [
            include_str!("../../histories/v1/asked_again.jsonl"),
            include_str!("../../histories/v1/gone.jsonl"),
            include_str!("../../histories/v1/holds.jsonl"),
            include_str!("../../histories/v1/lost.jsonl"),
            include_str!("../../histories/v1/nested.jsonl"),
            include_str!("../../histories/v1/queued.jsonl"),
            include_str!("../../histories/v1/retried.jsonl"),
            include_str!("../../histories/v1/verified.jsonl"),
        ];
        let lines = journals.iter().flat_map(|journal| journal.lines());
        lines.map(|line| serde_json::from_str(line).expect("an event of a history")).collect()
    })
}

/// Makes a journal of known events in any order, some of them at other places or of other attempts.
fn chosen(choices: &[u8]) -> Vec<Stamped> {
    let mut choices = Choices::of(choices);
    let mut at = Timestamp::from_second(1_800_000_000).expect("a time");
    let mut journal = Vec::new();
    while !choices.is_over() && journal.len() < 100 {
        let known = &vocabulary()[choices.below(256) % vocabulary().len()];
        // Clocks are set back, too.
        at += SignedDuration::from_secs([0, 1, 30, 600, -60][choices.below(5)]);
        let mut event = serde_json::to_value(&known.event).expect("an event is JSON");
        if event.get("path").is_some() && choices.below(2) == 1 {
            event["path"] = json!(PATHS[choices.below(PATHS.len())]);
        }
        if event.get("attempt").is_some() && choices.below(2) == 1 {
            event["attempt"] = json!([0, 1, 2, 3, u32::MAX][choices.below(5)]);
        }
        let event = serde_json::from_value(event).expect("it is an event");
        journal.push(Stamped { seq: journal.len() as u64 + 1, at, event });
    }
    journal
}

/// Whatever shows a run can show this one.
fn is_told(run: &Run, journal: &[Stamped]) {
    let header = RunHeader {
        run: run.id.clone(),
        playbook: run.started.playbook.clone(),
        digest: run.started.digest.clone(),
        trigger: run.started.trigger,
        target: run.started.target.clone(),
        labels: run.alerts.first().map(|alert| alert.labels.iter().cloned().collect()).unwrap_or_default(),
        scope: run.started.scope.clone(),
    };
    let summary = RunSummary {
        header,
        status: run.status(),
        reason: run.finished.as_ref().map(|end| end.reason.clone()).unwrap_or_default(),
        started_at: run.started_at,
        updated_at: run.updated_at,
        due: None,
        owner: None,
    };
    let story = report::story(&summary, journal);
    let hidden =
        story.iter().flat_map(|line| line.chars()).find(|c| c.is_control() && !['\n', '\t'].contains(c));
    assert!(hidden.is_none(), "{hidden:?} in {story:#?}");
    tasks_of(journal, &[]);
    run.unknown_ends();
    run.waits_for_person();
}

fn playbook() -> Arc<Playbook> {
    static COMPILED: OnceLock<Arc<Playbook>> = OnceLock::new();
    let compile = || {
        let compiled = compile_text(PLAYBOOK, &Facts::default());
        Arc::new(compiled.unwrap_or_else(|problems| panic!("{}", render::lines(&problems))))
    };
    Arc::clone(COMPILED.get_or_init(compile))
}

/// A process takes the run over, and works on it for a while; what it records folds to what it knows.
fn goes_on(run: Run, mut journal: Vec<Stamped>, dice: &mut Dice) {
    let mut now = run.updated_at;
    let options = Options { has_alertmanager: true, fresh_until: None, author: "amflow".to_owned() };
    let mut machine = Machine::new(run, playbook(), options);
    machine.take_over("another process");
    machine.grant_key();
    for turn in 0..40 {
        let next = machine.next(now, dice.below(10) == 0);
        let at = now;
        journal.extend(next.record.into_iter().map(|event| Stamped { seq: 0, at, event }));
        if next.finished && next.start.is_empty() {
            break;
        }
        for key in next.stop {
            machine.reply(&key, Reply::Stopped { output: None });
        }
        for call in next.start {
            machine.reply(&call.key, reply(&call.effect, now, dice));
        }
        if dice.below(8) == 0 {
            let kind = match dice.below(3) {
                0 => SignalKind::Cancel { by: "somebody".to_owned() },
                1 => SignalKind::Restart,
                _ => SignalKind::Resolved { fingerprints: vec!["2077ad1dc50967c7".to_owned()] },
            };
            machine.signal(Signal { id: format!("signal {turn}"), kind });
        }
        let then = next.wake.unwrap_or(now).max(now);
        now = then.checked_add(SignedDuration::from_secs(1)).unwrap_or(then);
    }
    let folded = Run::replay("r", &journal).expect("it has a beginning");
    assert_eq!(comparable(folded), comparable(machine.run));
}

fn reply(effect: &Effect, now: Timestamp, dice: &mut Dice) -> Reply {
    let is_good = dice.below(4) > 0;
    match effect {
        _ if dice.below(10) == 0 => Reply::Impossible {
            message: "connection refused".to_owned(),
            retryable: dice.below(2) == 0,
            untouched: dice.below(2) == 0,
        },
        _ if dice.below(12) == 0 => Reply::TimedOut { limit_ms: 1, output: None },
        Effect::Command(_) => Reply::Exited(Exited {
            exit_code: Some(i32::from(!is_good)),
            stdout: "ok\n".into(),
            ..Exited::default()
        }),
        Effect::Request(_) => {
            Reply::Responded(Responded { status: if is_good { 200 } else { 503 }, ..Responded::default() })
        }
        Effect::Query(_) => Reply::Queried(Queried {
            result_type: "scalar".to_owned(),
            result: json!([0, "1"]),
            warnings: Vec::new(),
        }),
        Effect::Sighting(_) => {
            let failed = (!is_good).then(|| "it does not answer".to_owned());
            let peer = PeerSight {
                url: "p".to_owned(),
                failed,
                started_at: None,
                answered_at: None,
                seen: [].into(),
            };
            Reply::Sighted(Sighted { at: now, peers: vec![peer] })
        }
        Effect::Hold(_) => Reply::Held { id: is_good.then(|| "id".to_owned()) },
    }
}

/// What is known live is what the journal says, but for what is deliberately not journaled.
fn comparable(mut run: Run) -> Run {
    run.seq = 0;
    run.recheck_due = false;
    for attempt in run.nodes.values_mut().filter_map(|node| node.attempt.as_mut()) {
        attempt.effect = None;
        attempt.parked = None;
        attempt.parked_once = false;
        attempt.memo = Value::Null;
    }
    run
}
