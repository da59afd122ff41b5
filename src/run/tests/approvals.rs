//! Waiting for people: what they are shown, what counts, what ends it, and what asks again.

use super::sim::{Person, Sim, at, exit, playbook, script};
use crate::run::{RunEvent, RunStatus, Signal, SignalKind, Waits, tasks_of};
use crate::step::{Outcome, PlanLine};

const ASKS: &str = "sync: {inhibit: true}\nsteps: [{id: a, exec: [a]}, {id: ask, approve: {prompt: go, timeout: 1h}}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n";

/// Works until people are waited for, and says what they are shown.
fn shown(rest: &str) -> Vec<String> {
    let mut sim = Sim::new(&playbook(rest));
    sim.run_while(|sim| tasks_of(&sim.journal, &[]).is_empty());
    let tasks = tasks_of(&sim.journal, &[]);
    let line = |line: &PlanLine| {
        let kind = line.kind.as_ref().map_or_else(String::new, |kind| format!(" ({kind})"));
        format!("{}: {}{kind}", line.path, line.does)
    };
    tasks.last().unwrap().task.plan.iter().map(line).collect()
}

#[test]
fn what_people_are_shown_is_what_follows_up_to_the_next_approval() {
    let ask = "{id: ask, approve: {prompt: go}}";
    for (what, steps, wanted) in [
        (
            "effects, glue, what is skipped, what is not yet known",
            format!("[{ask}, {{id: a, exec: [a]}}, {{id: s, set: {{x: 1}}}}, {{id: n, when: vars.x > 1, exec: [n]}}, {{id: b, exec: [b, '{{{{ steps.a.stdout }}}}']}}, {{id: h, http: {{post: 'https://h/{{{{ steps.a.stdout }}}}'}}}}, {{id: w, wait: 5m}}, {{id: e, silence: {{}}}}]"),
            vec![
                "a: effect (run a)",
                "s: glue",
                "n: skipped",
                "b: not_yet_known (run b)",
                "h: not_yet_known (POST https://h)",
                "w: wait",
                "e: hold (silence)",
            ],
        ),
        (
            "the next approval ends it",
            format!("[{{id: a, exec: [a]}}, {ask}, {{id: b, exec: [b]}}, {{id: again, approve: {{prompt: more}}}}, {{id: c, exec: [c]}}]"),
            vec!["b: effect (run b)", "again: approve"],
        ),
        (
            "what the approver types is not yet known",
            "[{id: ask, approve: {prompt: go, inputs: {n: {default: x}}}}, {id: b, exec: [b, '{{ steps.ask.inputs.n }}']}]".to_owned(),
            vec!["b: not_yet_known (run b)"],
        ),
        (
            "inside a block, its rest and what follows it; its own handlers run in any case",
            format!("[{{id: k, block: {{steps: [{ask}, {{id: b, exec: [b]}}], on_failure: [{{id: f, exec: [f]}}]}}}}, {{id: m, block: {{steps: [{{id: c, exec: [c]}}], on_failure: [{{id: g, exec: [g]}}]}}}}]"),
            vec!["k/b: effect (run b)", "m: block", "m/c: effect (run c)", "m/on_failure/g: effect (run g)"],
        ),
        (
            "beside others, only its own branch and what follows them all",
            format!("[{{id: p, parallel: [{{id: x, exec: [x]}}, {{id: k, block: [{ask}, {{id: b, exec: [b]}}]}}]}}, {{id: c, exec: [c]}}]"),
            vec!["p/k/b: effect (run b)", "c: effect (run c)"],
        ),
        (
            "turns: the rest of this one, up to the question of the next",
            format!("[{{id: e, foreach: \"['x', 'y']\", block: [{{id: l, exec: [l, '{{{{ item }}}}']}}, {ask}, {{id: b, exec: [b, '{{{{ item }}}}']}}]}}, {{id: c, exec: [c]}}]"),
            vec!["e[0]/b: effect (run b)", "e[1]: block", "e[1]/l: effect (run l)", "e[1]/ask: approve"],
        ),
        (
            "an approval that may be skipped does not end it, nor one before which a failure is passed over",
            format!("[{ask}, {{id: a, exec: [a]}}, {{id: more, when: steps.a.exit_code > 1, approve: {{prompt: more}}}}, {{id: b, exec: [b]}}, {{id: k, continue_on_error: true, block: [{{id: c, exec: [c]}}, {{id: most, approve: {{prompt: most}}}}]}}, {{id: d, exec: [d]}}]"),
            vec![
                "a: effect (run a)",
                "more: approve",
                "b: effect (run b)",
                "k: block",
                "k/c: effect (run c)",
                "k/most: approve",
                "d: effect (run d)",
            ],
        ),
        (
            "turns of a list that is not yet known",
            format!("[{ask}, {{id: a, exec: [a]}}, {{id: e, foreach: steps.a.stdout | lines, block: [{{id: b, exec: [b, '{{{{ item }}}}']}}]}}]"),
            vec!["a: effect (run a)", "e: not_yet_known", "e/b: not_yet_known (run b)"],
        ),
    ] {
        assert_eq!(shown(&format!("vars: {{x: 0}}\nsteps: {steps}\n")), wanted, "{what}");
    }
}

#[test]
fn it_goes_on_when_it_is_approved_and_is_muted_only_while_it_works() {
    let mut sim = Sim::new(&playbook(ASKS));
    sim.people = vec![Person::approves("ask", "ann", 300)];
    sim.run();
    assert_eq!(sim.end(), "succeeded");
    assert_eq!(
        sim.effects(),
        [
            "make sync/mute/0",
            "a",
            "release sync/mute/0",
            "make sync/mute/1",
            "b",
            "finally/z",
            "release sync/mute/1"
        ],
        "{:#?}",
        sim.lines()
    );
    assert_eq!(sim.machine.run.nodes["ask"].output["by"], "ann");
    assert_eq!(sim.machine.run.idle_ms, 300_000, "people don't count against the run's timeout");
}

#[test]
fn a_rejected_run_skips_on_failure_and_does_not_count_for_the_breaker() {
    let mut sim = Sim::new(&playbook(&format!("limits: {{breaker: 1}}\n{ASKS}")));
    sim.people = vec![Person { approve: false, ..Person::approves("ask", "ann", 60) }];
    sim.run();
    assert_eq!(
        (sim.status(), sim.end()),
        (Some(RunStatus::Rejected), "rejected: rejected by ann".to_owned())
    );
    let effects = sim.effects();
    assert!(!effects.contains(&"on_failure/f".to_owned()) && effects.contains(&"finally/z".to_owned()));
    let breaker = sim.gates.iter().find(|gate| gate.key.starts_with("breaker:")).unwrap();
    assert!(matches!(breaker.change, crate::run::Change::Neutral { .. }), "{breaker:?}");
}

#[test]
fn nobody_is_waited_for_longer_than_they_have() {
    for (on_timeout, end, effects) in [
        ("reject", "rejected: rejected by nobody: it was not decided within 1h", "a finally/z"),
        ("fail", "failed: ask: no end within 60m", "a on_failure/f finally/z"),
        ("approve, allow_unattended: true", "succeeded", "a b finally/z"),
    ] {
        let text = ASKS.replace("timeout: 1h", &format!("timeout: 1h, on_timeout: {on_timeout}"));
        let mut sim = Sim::new(&playbook(&text.replace("sync: {inhibit: true}\n", "")));
        sim.run();
        assert_eq!((sim.end().as_str(), sim.effects().join(" ").as_str()), (end, effects), "{on_timeout}");
        assert!((3_600..3_700).contains(&sim.now.duration_since(at(0)).as_secs()), "{}", sim.now);
    }
}

#[test]
fn it_is_cancelled_when_the_alert_is_gone_meanwhile() {
    let mut seen = Sim::new(&playbook(ASKS));
    seen.resolved_at = Some(at(130));
    seen.run();
    assert_eq!(seen.end(), "cancelled: the alert was gone while `ask` waited for a person");
    assert!(seen.now <= at(200), "{}", seen.now);

    let mut told = Sim::new(&playbook(ASKS));
    told.run_while(|sim| tasks_of(&sim.journal, &[]).is_empty());
    let kind = SignalKind::Resolved { fingerprints: vec![super::sim::ALERT.to_owned()] };
    told.machine.signal(Signal { id: "x".to_owned(), kind });
    told.run();
    assert_eq!(told.end(), "cancelled: the alert resolved while `ask` waited for a person");
    for sim in [seen, told] {
        assert_eq!(sim.outcome("ask"), Some(Outcome::Cancelled));
        assert!(sim.effects().contains(&"finally/z".to_owned()) && !sim.effects().contains(&"b".to_owned()));
    }
}

#[test]
fn while_a_person_is_waited_for_nothing_else_is() {
    let mut sim = Sim::new(&playbook(ASKS));
    sim.run_while(|sim| tasks_of(&sim.journal, &[]).is_empty() || !sim.in_flight.is_empty());
    assert_eq!(sim.last.clone().unwrap().1, Some(Waits::Person));
    assert_eq!(sim.machine.run.status(), RunStatus::Waiting);
    assert_eq!(sim.machine.run.waits_for_whom(), "waits for anybody at ask");
}

#[test]
fn a_decision_about_something_else_changes_nothing() {
    let mut sim = Sim::new(&playbook(ASKS));
    sim.run_while(|sim| tasks_of(&sim.journal, &[]).is_empty());
    for (step, digest) in [("ask", "another"), ("b", "")] {
        let mut decision = Person::approves("ask", "ann", 0).decision("d", sim.now);
        digest.clone_into(&mut decision.digest);
        let kind = SignalKind::decide(step, decision);
        sim.machine.signal(Signal { id: digest.to_owned(), kind });
    }
    sim.run();
    assert_eq!(sim.status(), Some(RunStatus::Rejected), "nobody decided: {:#?}", sim.lines());
}

const UNKNOWN: &str =
    "steps: [{id: ask, approve: {prompt: go}}, {id: look, exec: [look]}, {id: act, exec: [ACT]}]\n";

#[test]
fn what_is_of_another_kind_once_it_is_known_asks_again() {
    for (act, times) in [
        // Its kind was known, and is the same.
        ("act, '{{ steps.look.stdout }}'", 1),
        ("act", 1),
        // Which program it is, was not.
        ("'act{{ steps.look.exit_code }}'", 2),
        // The rest of it is known only after the second approval, and is of the kind that was seen by then.
        ("'act{{ steps.look.exit_code }}', '{{ steps.ask.inputs.n }}'", 2),
    ] {
        let text = UNKNOWN.replace("prompt: go", "prompt: go, inputs: {n: {default: x}}");
        let mut sim = Sim::new(&playbook(&text.replace("ACT", act)));
        sim.people = vec![Person::approves("ask", "ann", 60)];
        sim.run();
        assert_eq!(
            (sim.end().as_str(), sim.effects().join(" ").as_str()),
            ("succeeded", "look act"),
            "{act}"
        );
        assert_eq!(sim.machine.run.nodes["ask"].attempts, times, "{act}: {:#?}", sim.lines());
        let again = sim.journal.iter().filter(|s| matches!(s.event, RunEvent::AskedAgain { .. })).count();
        assert_eq!(u32::try_from(again).unwrap() + 1, times);
    }
}

#[test]
fn the_second_question_shows_what_is_known_by_then_and_may_be_rejected() {
    let mut sim = Sim::new(&playbook(&UNKNOWN.replace("ACT", "'act{{ steps.look.exit_code }}'")));
    sim.people = vec![Person::approves("ask", "ann", 60)];
    sim.run_while(|sim| tasks_of(&sim.journal, &[]).last().is_none_or(|task| task.attempt < 2));
    let task = tasks_of(&sim.journal, &[]).pop().unwrap();
    let plan: Vec<_> = task.task.plan.iter().map(|line| (line.path.as_str(), line.kind.as_deref())).collect();
    assert_eq!(plan, [("act", Some("run act0"))]);
    assert_eq!(task.again.as_deref(), Some("it was to be `run (not yet known)`, and is `run act0`"));
    sim.people = vec![Person { approve: false, ..Person::approves("ask", "bob", 60) }];
    sim.run();
    assert_eq!((sim.end().as_str(), sim.effects().join(" ").as_str()), ("rejected: rejected by bob", "look"));
}

#[test]
fn an_approval_inside_what_is_over_is_asked_again_there() {
    let text = "steps:\n  - {id: k, block: [{id: ask, approve: {prompt: go}}, {id: look, exec: [look]}]}\n  - {id: act, exec: ['act{{ steps.look.exit_code }}']}\n";
    let mut sim = Sim::new(&playbook(text));
    sim.people = vec![Person::approves("k/ask", "ann", 60)];
    sim.run();
    assert_eq!((sim.end().as_str(), sim.effects().join(" ").as_str()), ("succeeded", "k/look act"));
    assert_eq!(sim.machine.run.nodes["k/ask"].attempts, 2);
}

#[test]
fn a_task_that_was_not_decided_in_time_may_be_asked_again_by_retry() {
    let text = "steps: [{id: ask, approve: {prompt: go, timeout: 10m, on_timeout: fail}, retry: {attempts: 2, backoff: 1s}}, {id: b, exec: [b]}]\n";
    let mut sim = Sim::new(&playbook(text));
    sim.people = vec![Person::approves("ask", "ann", 10_000)];
    sim.run();
    assert_eq!(sim.end(), "failed: ask: no end within 10m");
    assert_eq!(sim.machine.run.nodes["ask"].attempts, 2);
}

#[test]
fn what_follows_an_approval_that_is_skipped_was_shown_before() {
    let text = "steps: [{id: ask, approve: {prompt: go}}, {id: look, exec: [look]}, {id: more, when: steps.look.exit_code > 0, approve: {prompt: more}}, {id: act, exec: ['act{{ steps.look.exit_code }}']}]\n";
    let mut sim = Sim::new(&playbook(text));
    sim.people = vec![Person::approves("ask", "ann", 60)];
    sim.run();
    assert_eq!((sim.end().as_str(), sim.effects().join(" ").as_str()), ("succeeded", "look act"));
    assert_eq!(sim.machine.run.nodes["ask"].attempts, 2, "its program was not known: {:#?}", sim.lines());
}

#[test]
fn what_was_shown_is_done_without_another_word() {
    let text = "steps:\n  - {id: ask, approve: {prompt: go}}\n  - {id: b, idempotent: true, exec: [b], retry: {attempts: 3, backoff: 1s}}\n  - {id: h, http: {post: 'https://h/x', json: {a: 1}}}\n  - {id: s, silence: {}}\n  - {id: p, alert: {post: {labels: {alertname: Busy}}}}\n  - {id: w, wait: 10m}\n  - {id: sh, shell: 'echo {{ alert.labels.a }} {{ steps.b.stdout }}'}\n  - {id: q, prometheus: up}\n  - {id: e, foreach: steps.b.stdout | lines, block: [{id: c, exec: [c, '{{ item }}']}]}\n  - {id: x, silence: {expire: s}}\n";
    let mut sim = Sim::new(&playbook(text)).with(script(&[("b", &[exit(1, ""), exit(0, "one\ntwo\n")])]));
    sim.people = vec![Person::approves("ask", "ann", 60)];
    sim.run();
    assert_eq!(sim.end(), "succeeded");
    assert_eq!(
        sim.effects().join(" "),
        "b b#2 h make s make p sh q e[0]/c e[1]/c release s release p",
        "{:#?}",
        sim.lines()
    );
    assert_eq!(sim.machine.run.nodes["ask"].attempts, 1);
}

#[test]
fn an_inlined_playbook_asks_with_its_own_names() {
    let text = "vars: {host: outer}\nsteps: [{id: k, playbook: {name: child, vars: {host: inner}}}, {id: c, exec: [c, '{{ vars.host }}']}]\n---\nversion: 1\nname: child\nmatchers: [a = b]\nvars: {host: none}\nsteps: [{id: ask, approve: {prompt: '{{ vars.host }}?'}}, {id: b, exec: [b, '{{ vars.host }}', '{{ steps.ask.by }}']}]\n";
    let mut sim = Sim::new(&playbook(text));
    sim.people = vec![Person::approves("k/ask", "ann", 60)];
    sim.run();
    assert_eq!((sim.end().as_str(), sim.effects().join(" ").as_str()), ("succeeded", "k/b c"));
    let task = tasks_of(&sim.journal, &[]).pop().unwrap();
    let plan: Vec<_> = task.task.plan.iter().map(|l| (l.path.as_str(), l.does.as_str())).collect();
    assert_eq!(task.task.prompt, "inner?");
    assert_eq!(plan, [("k/b", "not_yet_known"), ("c", "effect")]);
}

#[test]
fn people_do_not_count_against_the_timeout_of_a_block() {
    for (timeout, end) in [("10m", "succeeded"), ("30s", "failed: k: no end within 30s")] {
        let text = format!(
            "steps: [{{id: k, timeout: {timeout}, block: [{{id: ask, approve: {{prompt: go}}}}, {{id: w, wait: 1m}}, {{id: b, exec: [b]}}]}}]\n"
        );
        let mut sim = Sim::new(&playbook(&text));
        sim.people = vec![Person::approves("k/ask", "ann", 7_200)];
        sim.run();
        assert_eq!(sim.end(), end, "{:#?}", sim.lines());
    }
}

#[test]
fn what_is_asked_again_after_the_time_of_its_block_is_asked_all_the_same() {
    let text = "steps:\n  - {id: k, timeout: 5m, block: [{id: ask, approve: {prompt: go}}, {id: look, exec: [look]}]}\n  - {id: w, wait: 10m}\n  - {id: act, exec: ['act{{ steps.look.exit_code }}']}\n";
    let mut sim = Sim::new(&playbook(text));
    sim.people = vec![Person::approves("k/ask", "ann", 60)];
    sim.run();
    assert_eq!((sim.end().as_str(), sim.effects().join(" ").as_str()), ("succeeded", "k/look act"));
}

#[test]
fn what_is_under_way_ends_before_it_is_asked_again() {
    let text = "steps:\n  - {id: ask, approve: {prompt: go}}\n  - id: p\n    parallel:\n      - {id: k, block: [{id: look, exec: [look]}, {id: act, exec: ['act{{ steps.look.exit_code }}']}]}\n      - {id: long, exec: [long], timeout: 90s}\n      - {id: s, silence: {}}\n";
    let mut sim = Sim::new(&playbook(text)).with(script(&[("p/long", &[super::sim::Answer::Hang])]));
    sim.people = vec![Person::approves("ask", "ann", 60)];
    sim.run_while(|sim| !sim.journal.iter().any(|s| matches!(s.event, RunEvent::AskedAgain { .. })));
    assert!(
        sim.in_flight.iter().all(|(call, _)| call.path == "recheck")
            && sim.machine.run.nodes["p/long"].outcome.is_some(),
        "{:#?}",
        sim.lines()
    );
    sim.run();
    assert!(sim.end().starts_with("failed: p: p/long: no end within"), "{}", sim.end());
    assert_eq!(sim.effects().iter().filter(|path| *path == "p/long").count(), 1, "nothing is done twice");
    assert!(sim.effects().contains(&"p/k/act".to_owned()));
}

#[test]
fn the_digest_is_of_what_is_approved_and_of_nothing_else() {
    let of = |rest: &str, after: i64| {
        let mut sim = Sim::new(&playbook(rest));
        sim.now += jiff::SignedDuration::from_secs(after);
        sim.run_while(|sim| tasks_of(&sim.journal, &[]).is_empty());
        tasks_of(&sim.journal, &[]).pop().unwrap().task.digest
    };
    let text = "vars: {x: 1}\nsteps: [{id: ask, approve: {prompt: go}}, {id: b, exec: [b, '{{ vars.x }}']}, {id: more, approve: {prompt: more}}, {id: c, exec: [c]}]\n";
    let first = of(text, 0);
    assert_eq!(first.len(), 64);
    assert_eq!(of(text, 100), first, "the time is no part of it");
    assert_ne!(of(&text.replace("x: 1", "x: 2"), 0), first, "an effect is another");
    assert_ne!(of(&text.replace("{id: b,", "{id: b, when: vars.x > 0,"), 0), first, "a condition is");
    // The playbook's own digest is the same for all of these: the sim's.
    assert_eq!(
        of(&text.replace("exec: [c]", "exec: [d]"), 0),
        first,
        "what follows the next approval is not"
    );
}

#[test]
fn each_turn_asks_for_itself() {
    let text = "steps: [{id: e, foreach: \"['x', 'y']\", block: [{id: ask, approve: {prompt: '{{ item }}?'}}, {id: b, exec: [b, '{{ item }}']}]}]\n";
    let mut sim = Sim::new(&playbook(text)).with(script(&[("e[0]/b", &[exit(0, "")])]));
    sim.people = vec![
        Person::approves("e[0]/ask", "ann", 60),
        Person { approve: false, ..Person::approves("e[1]/ask", "bob", 60) },
    ];
    sim.run();
    assert_eq!(
        (sim.end().as_str(), sim.effects().join(" ").as_str()),
        ("rejected: rejected by bob", "e[0]/b")
    );
    let prompts: Vec<String> = tasks_of(&sim.journal, &[]).into_iter().map(|task| task.task.prompt).collect();
    assert_eq!(prompts, ["x?", "y?"]);
}
