//! Each limit holds after the process that reached it was killed, and for another process beside it.

use serde_json::json;

use super::serve::{Served, firing_now};
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;

/// What reaches a limit.
enum Reached {
    /// Alerts that fire one after the other; each run is over, or waits, before the next.
    By(&'static [&'static str]),
    /// A command of a person.
    Command(&'static str),
}

struct Limit {
    name: &'static str,
    /// In the configuration.
    over_all: &'static str,
    /// In the playbook, beside what is `none`.
    own: &'static str,
    /// Of the playbook, which is one run of all alerts when it is grouped.
    group_by: &'static str,
    step: &'static str,
    reached: Reached,
    /// The alert that comes then.
    next: &'static str,
    /// The reason why it comes later, for programs and for people.
    later: (&'static str, &'static str),
}

/// A limit of the playbook that one run reaches.
const ONE: Limit = Limit {
    name: "",
    over_all: "",
    own: "",
    group_by: "",
    step: "exec: ['true']",
    reached: Reached::By(&["a"]),
    next: "b",
    later: ("", ""),
};

const LIMITS: &[Limit] = &[
    Limit {
        name: "cooldown",
        own: "cooldown: 1h, ",
        group_by: "group_by: [alertname]\n",
        later: ("cooldown", "and the cooldown is 1h"),
        ..ONE
    },
    Limit {
        name: "rate",
        own: "rate: 1 in 1h, ",
        later: ("rate", "the playbook's `rate` is 1 in 1h"),
        ..ONE
    },
    Limit {
        name: "targets",
        own: "targets: 1, ",
        step: "wait: 1h",
        later: ("targets", "at most 1 for this playbook (`targets`)"),
        ..ONE
    },
    Limit {
        name: "breaker",
        own: "breaker: 1, ",
        step: "exec: ['false']",
        later: ("breaker", "the breaker is open after 1 failed run"),
        ..ONE
    },
    Limit {
        name: "running over all",
        over_all: "limits: {running: 1, starts: none}\n",
        step: "wait: 1h",
        later: ("running", "at most 1 over all playbooks (`limits.running` of the configuration)"),
        ..ONE
    },
    Limit {
        name: "starts over all",
        over_all: "limits: {running: none, starts: 1 in 1h}\n",
        later: ("rate", "the limit over all playbooks (`limits.starts` of the configuration) is 1 in 1h"),
        ..ONE
    },
    Limit {
        name: "comebacks",
        own: "max_comebacks: 1, ",
        reached: Reached::By(&["a", "a"]),
        next: "a",
        later: ("comebacks", "it came back 1 time within 30m after a run that succeeded"),
        ..ONE
    },
    Limit {
        name: "pause",
        reached: Reached::Command("pause --playbook p --reason works"),
        later: ("paused", "playbook p is paused by"),
        ..ONE
    },
];

impl Limit {
    fn lab(&self) -> Lab {
        let lab = Lab::alone();
        lab.configure(self.over_all);
        let none: String = ["cooldown", "rate", "targets", "breaker", "max_comebacks"]
            .iter()
            .filter(|key| !self.own.starts_with(**key))
            .map(|key| format!("{key}: none, "))
            .collect();
        let limits = format!("{}{}", self.own, none.trim_end_matches(", "));
        lab.playbook(
            "p",
            &format!(
                "matchers: [alertname = A]\n{}limits: {{{limits}}}\nrecheck: never\nsteps:\n  - {}\n",
                self.group_by, self.step
            ),
        );
        lab
    }

    /// Reaches the limit; returns how many runs that takes.
    fn reach(&self, lab: &Lab, served: &Served) -> usize {
        let alerts = match self.reached {
            Reached::By(alerts) => alerts,
            Reached::Command(command) => {
                lab.run(command).code(0);
                &[]
            }
        };
        for (n, alert) in alerts.iter().enumerate() {
            let receipt = served.deliver(&firing_now(alert));
            assert_eq!(receipt["started"], 1, "{}: {receipt}", self.name);
            wait_until("the run is over, or waits", || {
                let settled = |status: &str| ["succeeded", "failed", "waiting"].contains(&status);
                let runs = lab.runs();
                runs.len() == n + 1 && runs.iter().all(|run| settled(run["status"].as_str().unwrap()))
            });
        }
        alerts.len()
    }

    /// Expects that another process lets the next alert wait.
    fn holds_for(&self, lab: &Lab, served: &Served, runs: usize) {
        let (reason, words) = self.later;
        let next = firing_now(self.next);
        let receipt = served.deliver(&next);
        assert_eq!((&receipt["started"], &receipt["later"]), (&json!(0), &json!(1)), "{}", self.name);
        let put_off = format!("amflow_put_off{{playbook=\"p\",reason=\"{reason}\"}} 1\n");
        let metrics = served.get("/metrics").1;
        assert!(metrics.contains(&put_off), "{}: {metrics}", self.name);
        // A third one says the same, with its figures.
        lab.write("next.json", &next.to_string());
        let planned = lab.run("plan --from next.json").code(0);
        planned.prints("later p").prints(words);
        assert_eq!(lab.runs().len(), runs, "{}", self.name);
    }
}

#[test]
fn each_limit_survives_the_process_that_reached_it() {
    for limit in LIMITS {
        let lab = limit.lab();
        let mut served = Served::start(&lab, "");
        let runs = limit.reach(&lab, &served);
        served.end("KILL");
        let served = Served::start(&lab, "");
        limit.holds_for(&lab, &served, runs);
    }
}

#[test]
fn each_limit_holds_for_a_process_beside_the_one_that_reached_it() {
    for limit in LIMITS {
        let lab = limit.lab();
        let first = Served::start(&lab, "");
        let second = Served::start(&lab, "");
        let runs = limit.reach(&lab, &first);
        limit.holds_for(&lab, &second, runs);
    }
}
