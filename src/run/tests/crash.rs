//! A process may be killed after any event: whatever the journal holds by then, the next process ends
//! the run well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::sim::{Answer, Person, Script, Sim, at, exit, playbook, script};
use crate::playbook::{Block, Body, Playbook, Step};
use crate::run::{PendingCall, Run, RunEvent, Stamped};
use crate::step::{Effect, HoldAction, IfLost, Outcome};

/// A playbook with the answers of its world; the alert resolves by itself at a time, or never.
struct Story {
    what: &'static str,
    playbook: &'static str,
    script: &'static [(&'static str, &'static [i32])],
    resolved_after: Option<i64>,
    cancelled_at: Option<&'static str>,
    /// Who approves what, some time after it was asked.
    approved: &'static [(&'static str, i64)],
}

const STORY: Story =
    Story { what: "", playbook: "", script: &[], resolved_after: None, cancelled_at: None, approved: &[] };

fn stories() -> Vec<Story> {
    vec![
        Story {
            what: "steps, handlers and a failure",
            playbook: "steps: [{id: a, exec: [a]}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}, {id: y, exec: [y]}]\n",
            script: &[("b", &[1])],
            ..STORY
        },
        Story {
            what: "retries of what may be repeated and of what may not",
            playbook: "steps: [{id: a, idempotent: true, exec: [a], retry: {attempts: 3, backoff: 5s}}, {id: b, exec: [b], retry: {attempts: 3, backoff: 5s}}]\nfinally: [{id: z, exec: [z]}]\n",
            script: &[("a", &[1, 0]), ("b", &[1, 1, 0])],
            ..STORY
        },
        Story {
            what: "a silence, its end, and one that is kept",
            playbook: "steps: [{id: s, silence: {}}, {id: k, silence: {duration: 2h, keep: true}}, {id: a, exec: [a]}, {id: e, silence: {expire: s}}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n",
            ..STORY
        },
        Story {
            what: "mutes and the failure's own alert",
            playbook: "sync: {inhibit: true, silence: true, on_failure: alert}\nsteps: [{id: a, exec: [a]}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n",
            script: &[("b", &[1])],
            ..STORY
        },
        Story {
            what: "a verification",
            playbook: "sync: {inhibit: true}\nsteps: [{id: a, exec: [a]}, {id: v, wait: {until: resolved, for: 1m, timeout: 10m}}, {id: c, exec: [c]}]\nfinally: [{id: z, exec: [z]}]\n",
            resolved_after: Some(100),
            ..STORY
        },
        Story {
            what: "a verification that fails",
            playbook: "steps: [{id: a, exec: [a]}, {id: v, wait: {until: resolved, for: 1m, timeout: 3m}}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n",
            ..STORY
        },
        Story {
            what: "blocks, side by side, one by one",
            playbook: "steps:\n  - id: p\n    parallel:\n      - {id: a, exec: [a]}\n      - {id: w, wait: 30s}\n      - {id: k, block: {steps: [{id: b, exec: [b]}, {id: c, exec: [c]}], on_failure: [{id: f, exec: [f]}], finally: [{id: g, exec: [g]}]}}\n  - {id: e, foreach: \"['x', 'y']\", continue_on_error: true, exec: [e, '{{ item }}']}\n  - {id: h, foreach: \"['x', 'y']\", block: [{id: i, exec: [i, '{{ item }}']}, {id: t, set: {n: '{{ item }}'}}, {id: j, exec: [j, '{{ vars.n }}']}]}\nvars: {n: none}\nfinally: [{id: z, exec: [z]}]\n",
            script: &[("p/k/c", &[1]), ("e[0]", &[1])],
            ..STORY
        },
        Story {
            what: "holds within turns",
            playbook: "steps:\n  - {id: h, foreach: \"['x', 'y']\", block: [{id: s, silence: {}}, {id: i, exec: [i, '{{ item }}']}, {id: e, silence: {expire: s}}]}\nfinally: [{id: z, exec: [z]}]\n",
            ..STORY
        },
        Story {
            what: "a cancel in the middle",
            playbook: "sync: {silence: true}\nsteps: [{id: a, exec: [a]}, {id: b, exec: [b]}, {id: c, exec: [c]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n",
            cancelled_at: Some("b"),
            ..STORY
        },
        Story {
            what: "an approval, and what was muted before it",
            playbook: "sync: {inhibit: true}\nsteps: [{id: a, exec: [a]}, {id: ask, approve: {prompt: go}}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n",
            approved: &[("ask", 90)],
            ..STORY
        },
        Story {
            what: "an approval that nobody gives",
            playbook: "steps: [{id: a, exec: [a]}, {id: ask, approve: {prompt: go, timeout: 5m, on_timeout: escalate, escalate: {users: [boss], timeout: 5m, on_timeout: fail}}}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n",
            ..STORY
        },
        Story {
            what: "an approval that is asked again inside a block, beside another",
            playbook: "steps:\n  - id: p\n    parallel:\n      - {id: k, block: [{id: ask, approve: {prompt: go}}, {id: l, idempotent: true, exec: [l]}, {id: m, exec: ['m{{ steps.l.exit_code }}']}]}\n      - {id: c, block: [{id: ask2, approve: {prompt: go}}, {id: n, exec: [n]}]}\n  - {id: d, exec: [d]}\nfinally: [{id: z, exec: [z]}]\n",
            approved: &[("p/k/ask", 30), ("p/c/ask2", 200)],
            ..STORY
        },
        Story {
            what: "an alert that is gone while a person is waited for",
            playbook: "steps: [{id: a, exec: [a]}, {id: ask, approve: {prompt: go}}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n",
            resolved_after: Some(100),
            approved: &[("ask", 1_000)],
            ..STORY
        },
        Story {
            what: "an alert that is gone after a wait",
            playbook: "steps: [{id: a, exec: [a]}, {id: w, wait: 5m}, {id: b, exec: [b]}]\nfinally: [{id: z, exec: [z]}]\n",
            resolved_after: Some(60),
            ..STORY
        },
    ]
}

fn answers(story: &Story) -> Script {
    let lines: Vec<(&str, Vec<Answer>)> = story
        .script
        .iter()
        .map(|(path, codes)| (*path, codes.iter().map(|code| exit(*code, "")).collect()))
        .collect();
    let lines: Vec<(&str, &[Answer])> = lines.iter().map(|(p, a)| (*p, a.as_slice())).collect();
    script(&lines)
}

/// Answers that a world gives on, after those attempts of a path have had theirs.
fn remaining(script: &Script, begun: &BTreeMap<String, usize>) -> Script {
    let rest = |(path, answers): (&String, &Vec<Answer>)| {
        let used = begun.get(path).copied().unwrap_or(0).min(answers.len().saturating_sub(1));
        (path.clone(), answers.get(used..).unwrap_or_default().to_vec())
    };
    script.iter().map(rest).collect()
}

fn live(story: &Story, playbook: &Arc<Playbook>) -> Sim {
    let mut sim = Sim::new(playbook).with(answers(story));
    sim.resolved_at = story.resolved_after.map(at);
    sim.people = story.approved.iter().map(|(step, after)| Person::approves(step, "ann", *after)).collect();
    if let Some(path) = story.cancelled_at {
        sim.run_while(|sim| sim.begun.iter().all(|(call, _)| call.path != path));
        sim.cancel("ann");
    }
    sim.run();
    assert!(sim.status().is_some(), "{}: {}", story.what, sim.end());
    sim
}

/// Finds what is written at a path, whatever turn it is of.
pub(super) fn step_at<'p>(playbook: &'p Playbook, path: &str) -> Option<&'p Step> {
    let lists =
        [("", &playbook.steps), ("on_failure/", &playbook.on_failure), ("finally/", &playbook.finally)];
    lists.iter().find_map(|(prefix, list)| find(list, prefix, path))
}

fn find<'p>(list: &'p [Step], prefix: &str, path: &str) -> Option<&'p Step> {
    list.iter().find_map(|step| {
        let at = format!("{prefix}{}", step.id);
        if at == path {
            return Some(step);
        }
        let turn =
            path.strip_prefix(&at).and_then(|rest| rest.strip_prefix('[')).and_then(|r| r.split_once(']'));
        let at = match turn {
            Some((_, "")) => return Some(step),
            Some((n, _)) => format!("{at}[{n}]"),
            None => at,
        };
        match &step.body {
            Body::Action(_) => None,
            Body::Parallel(branches) => find(branches, &format!("{at}/"), path),
            Body::Block(Block { steps, on_failure, finally, .. }) => find(steps, &format!("{at}/"), path)
                .or_else(|| find(on_failure, &format!("{at}/on_failure/"), path))
                .or_else(|| find(finally, &format!("{at}/finally/"), path)),
        }
    })
}

fn is_hold(call: &PendingCall, wanted: HoldAction) -> bool {
    matches!(&call.effect, Effect::Hold(hold) if hold.action == wanted)
}

fn is_work(call: &PendingCall) -> bool {
    !matches!(call.effect, Effect::Hold(_) | Effect::Sighting(_))
}

/// What a killed process leaves behind: the journal up to there, and a world in which what was under way
/// has happened or has not.
fn killed(playbook: &Arc<Playbook>, whole: &Sim, length: usize, happened: bool) -> Sim {
    let mut sim = Sim::resumed(playbook, whole.journal[..length].to_vec());
    let before: Vec<&PendingCall> =
        whole.begun.iter().filter(|(_, at)| *at <= length).map(|(call, _)| call).collect();
    let mut used = BTreeMap::new();
    for call in before {
        if let Effect::Hold(hold) = &call.effect {
            let known = sim.machine.run.holds.get(&call.path);
            let settled = match hold.action {
                HoldAction::Release => known.is_none_or(|hold| hold.over),
                _ => known.is_some_and(|hold| hold.made_at.is_some()),
            };
            if settled || happened {
                match hold.action {
                    HoldAction::Release => sim.held.remove(&hold.owner),
                    _ => sim.held.insert(hold.owner.clone()),
                };
            }
        }
        *used.entry(call.path.clone()).or_insert(0) += 1;
    }
    sim.script = remaining(&whole.script, &used);
    sim.resolved_at = whole.resolved_at;
    sim.failures = whole.failures;
    sim.people.clone_from(&whole.people);
    sim.now += jiff::SignedDuration::from_secs(120);
    sim.machine.take_over("another process");
    sim
}

/// Asserts everything that must hold after a process was killed and another one went on to the end.
/// Returns the run, unless it was over.
pub(super) fn ends_well(playbook: &Arc<Playbook>, whole: &Sim, length: usize, happened: bool) -> Option<Sim> {
    let mut sim = killed(playbook, whole, length, happened);
    let before = Run::replay("r", &whole.journal[..length]).unwrap();
    if before.finished.is_some() {
        return None;
    }
    let what = |sim: &Sim| {
        format!("killed after event {length}, the effect happened: {happened}\n{:#?}", sim.lines())
    };
    sim.run();
    assert!(sim.status().is_some(), "no end: {:?} {}", sim.last, what(&sim));

    let lost = sim.journal[length..].iter().find_map(|stamped| match &stamped.event {
        RunEvent::TakenOver { lost, .. } => Some(lost.clone()),
        _ => None,
    });
    let lost: BTreeSet<String> = lost.unwrap().into_iter().collect();
    for (path, node) in &before.nodes {
        let Some(step) = step_at(playbook, path) else { panic!("no step at {path}") };
        let Body::Action(action) = &step.body else { continue };
        let twice = step.idempotent || step.read_only || action.changes_nothing();
        let after: Vec<u32> = sim
            .begun
            .iter()
            .filter(|(call, _)| call.path == *path && is_work(call))
            .map(|(call, _)| call.attempt)
            .collect();
        let open =
            node.attempt.as_ref().filter(|attempt| attempt.effect.is_some() && attempt.parked.is_none());
        if let Some(open) = open {
            let mark = format!("{path}#{}", open.number);
            assert!(lost.contains(&mark), "{mark} is lost and not named: {}", what(&sim));
            if !twice {
                assert_eq!(open.if_lost, IfLost::Fail);
                assert_eq!(sim.outcome(path), Some(Outcome::Lost), "{path}: {}", what(&sim));
                assert!(after.is_empty(), "{path} is done again: {}", what(&sim));
            }
        }
        if node.outcome.is_some() {
            assert!(after.is_empty(), "{path} was over, and is done again: {}", what(&sim));
        }
        for (attempt, known) in after.iter().map(|a| (a, node.attempts)) {
            assert!(twice || *attempt > known, "{path}#{attempt} is done twice: {}", what(&sim));
        }
    }
    // Nothing is begun that is not in the journal.
    for (call, at) in sim.begun.iter().filter(|(call, _)| is_work(call)) {
        let written = sim.journal[..*at].iter().any(|s| {
            matches!(&s.event,
            RunEvent::AttemptStarted { path, attempt, .. } if *path == call.path && *attempt == call.attempt)
        });
        assert!(written, "{}#{} has no AttemptStarted: {}", call.path, call.attempt, what(&sim));
    }
    holds_are_over(&sim, &what);
    finally_is_over(playbook, &sim, &what);
    assert_eq!(sim.journal.iter().filter(|s| matches!(s.event, RunEvent::RunFinished { .. })).count(), 1);
    assert_eq!(
        sim.journal.iter().filter(|s| matches!(s.event, RunEvent::RunEnding { .. })).count(),
        1,
        "{}",
        what(&sim)
    );

    Some(sim)
}

/// What was made is released, or was meant to be kept.
fn holds_are_over(sim: &Sim, what: &impl Fn(&Sim) -> String) {
    let run = &sim.machine.run;
    let kept: BTreeSet<String> = run
        .holds
        .iter()
        .filter(|(_, hold)| hold.keep && hold.in_force())
        .map(|(id, _)| format!("r/{id}"))
        .collect();
    assert_eq!(sim.held, kept, "{}", what(sim));
    assert!(run.holds.values().all(|hold| hold.over || hold.keep), "{}", what(sim));
    // By its mark it is found again; its mark is always the same.
    for (call, _) in sim.begun.iter().filter(|(call, _)| is_hold(call, HoldAction::Make)) {
        let Effect::Hold(hold) = &call.effect else { continue };
        assert_eq!(hold.owner, format!("r/{}", call.path));
    }
}

/// Each step of `finally` ended once, up to the first that failed.
fn finally_is_over(playbook: &Playbook, sim: &Sim, what: &impl Fn(&Sim) -> String) {
    if sim.machine.run.nodes.keys().all(|path| path.starts_with("finally/")) {
        return;
    }
    for step in &playbook.finally {
        let wanted = format!("finally/{}", step.id);
        let of_it = |s: &&Stamped| matches!(&s.event, RunEvent::StepFinished { path, .. } if *path == wanted);
        assert_eq!(sim.journal.iter().filter(of_it).count(), 1, "{wanted}: {}", what(sim));
        if !step.continue_on_error && sim.outcome(&wanted).is_some_and(|outcome| !outcome.is_good()) {
            break;
        }
    }
}

fn finally_ran_once(playbook: &Playbook, whole: &Sim, length: usize, sim: &Sim) {
    if sim.machine.run.nodes.keys().all(|path| path.starts_with("finally/")) {
        return;
    }
    for step in &playbook.finally {
        let path = format!("finally/{}", step.id);
        let begun = |begun: &[(PendingCall, usize)], most: usize| {
            begun.iter().filter(|(call, at)| call.path == path && *at <= most).count()
        };
        let times = begun(&whole.begun, length) + begun(&sim.begun, usize::MAX);
        let lost = sim.journal.iter().any(|s| matches!(&s.event, RunEvent::StepFinished { path, outcome: Outcome::Lost } if path.starts_with("finally/")));
        assert!(times == 1 || (lost && times == 0), "{path} ran {times} times: {:#?}", sim.lines());
    }
}

#[test]
fn after_a_kill_at_any_event_the_next_process_ends_the_run_well() {
    for story in stories() {
        let playbook = playbook(story.playbook);
        let whole = live(&story, &playbook);
        assert!(whole.journal.len() > 5, "{}", story.what);
        for length in 1..=whole.journal.len() {
            for happened in [false, true] {
                if let Some(sim) = ends_well(&playbook, &whole, length, happened) {
                    finally_ran_once(&playbook, &whole, length, &sim);
                }
            }
        }
    }
}

#[test]
fn a_second_kill_during_recovery_changes_nothing() {
    for story in stories() {
        let playbook = playbook(story.playbook);
        let whole = live(&story, &playbook);
        for length in (1..whole.journal.len()).step_by(3) {
            let mut second = killed(&playbook, &whole, length, true);
            second.run();
            for again in length + 1..=second.journal.len() {
                let events: &[Stamped] = &second.journal[..again];
                if Run::replay("r", events).unwrap().finished.is_none() {
                    let mut third = Sim::resumed(&playbook, events.to_vec());
                    third.people.clone_from(&whole.people);
                    third.now += jiff::SignedDuration::from_secs(120);
                    third.machine.take_over("a third process");
                    third.run();
                    assert!(third.status().is_some(), "{}: {:#?}", story.what, third.lines());
                }
            }
        }
    }
}
