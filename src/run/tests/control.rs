//! What runs, in which order, and how it ends.

use super::sim::{Answer, Sim, exit, playbook, script};

struct Case<'a> {
    what: &'a str,
    playbook: &'a str,
    script: &'a [(&'a str, &'a [Answer])],
    effects: &'a [&'a str],
    end: &'a str,
}

fn check(case: &Case<'_>) {
    let mut sim = Sim::new(&playbook(case.playbook)).with(script(case.script));
    sim.run();
    assert_eq!(
        (sim.effects(), sim.end()),
        (case.effects.iter().map(|e| (*e).to_owned()).collect(), case.end.to_owned()),
        "{}\n{:#?}",
        case.what,
        sim.lines()
    );
}

fn no() -> [Answer; 1] {
    [exit(1, "")]
}

#[test]
fn steps_run_in_order_and_handlers_after_them() {
    let handlers = "steps: [{id: a, exec: [a]}, {id: b, exec: [b]}]\non_failure: [{id: f, exec: [f]}]\nfinally: [{id: z, exec: [z]}]\n";
    let cases = [
        Case {
            what: "all well",
            playbook: handlers,
            script: &[],
            effects: &["a", "b", "finally/z"],
            end: "succeeded",
        },
        Case {
            what: "the first fails",
            playbook: handlers,
            script: &[("a", &no())],
            effects: &["a", "on_failure/f", "finally/z"],
            end: "failed: a: exit code 1",
        },
        Case {
            what: "a handler fails, too",
            playbook: handlers,
            script: &[("a", &no()), ("on_failure/f", &no())],
            effects: &["a", "on_failure/f", "finally/z"],
            end: "failed: a: exit code 1",
        },
        Case {
            what: "the end fails",
            playbook: handlers,
            script: &[("finally/z", &no())],
            effects: &["a", "b", "finally/z"],
            end: "succeeded",
        },
        Case {
            what: "going on after an error",
            playbook: "steps: [{id: a, exec: [a], continue_on_error: true}, {id: b, when: steps.a.status == 'failed', exec: [b]}]\n",
            script: &[("a", &no())],
            effects: &["a", "b"],
            end: "succeeded",
        },
        Case {
            what: "what is skipped",
            playbook: "steps: [{id: a, when: 1 > 2, exec: [a]}, {id: b, exec: [b]}]\n",
            script: &[],
            effects: &["b"],
            end: "succeeded",
        },
        Case {
            what: "a `when` that cannot be worked out",
            playbook: "steps: [{id: a, when: alert.labels.zone == 'x', exec: [a]}]\nfinally: [{id: z, exec: [z]}]\n",
            script: &[],
            effects: &["finally/z"],
            end: "failed: a: when: `alert.labels.zone` is undefined",
        },
        Case {
            what: "side by side, one fails after all have ended",
            playbook: "steps: [{id: p, parallel: [{id: a, exec: [a]}, {id: b, exec: [b]}, {id: c, exec: [c], continue_on_error: true}]}, {id: d, exec: [d]}]\n",
            script: &[("p/a", &no()), ("p/c", &no())],
            effects: &["p/a", "p/b", "p/c"],
            end: "failed: p: p/a: exit code 1",
        },
        Case {
            what: "a block mends nothing, but tidies up",
            playbook: "steps: [{id: k, continue_on_error: true, block: {steps: [{id: a, exec: [a]}, {id: b, exec: [b]}], on_failure: [{id: f, exec: [f]}], finally: [{id: z, exec: [z]}]}}, {id: d, exec: [d]}]\n",
            script: &[("k/a", &no())],
            effects: &["k/a", "k/on_failure/f", "k/finally/z", "d"],
            end: "succeeded",
        },
        Case {
            what: "a foreach stops at the first failure",
            playbook: "steps: [{id: e, foreach: \"['x', 'y', 'z']\", exec: [e, '{{ item }}']}]\n",
            script: &[("e[1]", &no())],
            effects: &["e[0]", "e[1]"],
            end: "failed: e: item 1: exit code 1",
        },
        Case {
            what: "a foreach over nothing",
            playbook: "steps: [{id: e, foreach: '[]', exec: [e]}]\n",
            script: &[],
            effects: &[],
            end: "succeeded",
        },
    ];
    for case in &cases {
        check(case);
    }
}
