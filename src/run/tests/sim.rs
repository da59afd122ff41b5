//! A run without an engine: [`Sim`] asks the machine, keeps the journal, answers effects at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::playbook::{Facts, Playbook, TriggerStatus, compile_text};
use crate::run::{
    GateChange, KeptAlert, Machine, Next, Options, PendingCall, Run, RunEvent, RunStatus, Signal, SignalKind,
    Stamped, Started, Waits, tasks_of,
};
use crate::step::{
    Decision, Effect, Exited, HoldAction, Outcome, PeerSight, Queried, Reply, Responded, SeenAlert, Sighted,
};
use crate::text::render;

/// The fingerprint of the alert that simulated runs are for.
pub(super) const ALERT: &str = "00000000000000aa";

/// What becomes of an effect.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// This reply.
    Reply(Reply),
    /// No end until it is stopped or its limit is over.
    Hang,
    /// What a world without trouble would say.
    Usual,
}

/// Answers to the effects of a path, in order; the last is repeated.
pub(super) type Script = BTreeMap<String, Vec<Answer>>;

/// One run, its journal, and the little world that it works on.
pub(super) struct Sim {
    pub(super) machine: Machine,
    pub(super) journal: Vec<Stamped>,
    pub(super) now: Timestamp,
    pub(super) paused: bool,
    pub(super) script: Script,
    /// Effects that were begun: `path#attempt`, with the journal's length at that time.
    pub(super) begun: Vec<(PendingCall, usize)>,
    /// Owners' marks of holds that are in force in the world.
    pub(super) held: BTreeSet<String>,
    /// Moments from which on the alert no longer fires.
    pub(super) resolved_at: Option<Timestamp>,
    pub(super) gates: Vec<GateChange>,
    /// Lets commands without a script fail now and then, always at the same places for one seed.
    pub(super) failures: Option<u64>,
    /// People who decide what is asked.
    pub(super) people: Vec<Person>,
    pub(super) in_flight: VecDeque<(PendingCall, Timestamp)>,
    answered: BTreeMap<String, usize>,
    pub(super) last: Option<(Option<Timestamp>, Option<Waits>)>,
}

/// Somebody who decides what a step asks, some time after it was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub(super) step: &'static str,
    pub(super) by: &'static str,
    pub(super) approve: bool,
    pub(super) after: jiff::SignedDuration,
}

impl Person {
    /// Makes somebody who says yes after so many seconds.
    pub(super) fn approves(step: &'static str, by: &'static str, after: i64) -> Person {
        Person { step, by, approve: true, after: jiff::SignedDuration::from_secs(after) }
    }

    /// Returns what they say to a task.
    pub(super) fn decision(&self, digest: &str, at: Timestamp) -> Decision {
        Decision {
            approve: self.approve,
            by: self.by.to_owned(),
            groups: Vec::new(),
            comment: String::new(),
            inputs: BTreeMap::new(),
            digest: digest.to_owned(),
            at,
            via: "command".to_owned(),
        }
    }
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Compiles a playbook from the lines after `matchers`.
pub(super) fn playbook(rest: &str) -> Arc<Playbook> {
    let text = format!("version: 1\nname: p\nmatchers: [a = b]\n{rest}");
    let compiled = compile_text(&text, &Facts::default());
    Arc::new(compiled.unwrap_or_else(|problems| panic!("{text}\n{}", render::lines(&problems))))
}

pub(super) fn exit(code: i32, stdout: &str) -> Answer {
    Answer::Reply(Reply::Exited(Exited { exit_code: Some(code), stdout: stdout.into(), ..Exited::default() }))
}

pub(super) fn script(lines: &[(&str, &[Answer])]) -> Script {
    lines.iter().map(|(path, answers)| ((*path).to_owned(), answers.to_vec())).collect()
}

pub(super) fn started() -> RunEvent {
    RunEvent::RunStarted(Box::new(Started {
        playbook: "p".to_owned(),
        digest: "0".repeat(16),
        trigger: TriggerStatus::Firing,
        target: ALERT.to_owned(),
        group: BTreeMap::new(),
        scope: "default".to_owned(),
        alerts: vec![KeptAlert::from(json!({
            "labels": {"a": "b", "hosts": "x y"}, "annotations": {}, "startsAt": at(-600), "endsAt": at(240),
            "fingerprint": ALERT, "generatorURL": "", "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}
        }))],
        env: BTreeMap::new(),
        source: "poll".to_owned(),
        by: Some("starter".to_owned()),
        retry_of: None,
        handed_over_by: None,
        seed: 7,
    }))
}

impl Sim {
    /// Admits a run.
    pub(super) fn new(playbook: &Arc<Playbook>) -> Sim {
        let journal = vec![Stamped { seq: 1, at: at(0), event: started() }];
        Sim::resumed(playbook, journal)
    }

    /// Makes what a process finds that reads a journal; nothing is in force in the world.
    pub(super) fn resumed(playbook: &Arc<Playbook>, journal: Vec<Stamped>) -> Sim {
        let run = Run::replay("r", &journal).unwrap();
        let now = run.updated_at;
        let options = Options { has_alertmanager: true, fresh_until: None, author: "amflow".to_owned() };
        Sim {
            machine: Machine::new(run, Arc::clone(playbook), options),
            journal,
            now,
            paused: false,
            script: Script::new(),
            begun: Vec::new(),
            held: BTreeSet::new(),
            resolved_at: None,
            gates: Vec::new(),
            failures: None,
            people: Vec::new(),
            in_flight: VecDeque::new(),
            answered: BTreeMap::new(),
            last: None,
        }
    }

    pub(super) fn with(mut self, script: Script) -> Sim {
        self.script = script;
        self
    }

    pub(super) fn cancel(&mut self, by: &str) {
        self.machine.signal(Signal { id: by.to_owned(), kind: SignalKind::Cancel { by: by.to_owned() } });
    }

    /// Asks the machine once, keeps what it records, and begins what it wants begun.
    /// Returns whether anything that was under way was stopped.
    pub(super) fn turn(&mut self) -> bool {
        let next = self.machine.next(self.now, self.paused);
        self.last = Some((next.wake, next.waits.clone()));
        self.take(next)
    }

    /// Keeps what is to be recorded, and begins what is to be begun.
    pub(super) fn take(&mut self, next: Next) -> bool {
        let mut stopped = false;
        for event in next.record {
            let seq = self.journal.len() as u64 + 1;
            self.journal.push(Stamped { seq, at: self.now, event });
        }
        self.gates.extend(next.gates);
        for key in &next.stop {
            if let Some(n) = self.in_flight.iter().position(|(call, _)| call.key == *key) {
                self.in_flight.remove(n);
                self.machine.reply(key, Reply::Stopped { output: None });
                stopped = true;
            }
        }
        for call in next.start {
            self.begun.push((call.clone(), self.journal.len()));
            let ends = call.limit.map_or(at(i64::from(u32::MAX)), |limit| self.now + limit);
            self.in_flight.push_back((call, ends));
        }
        stopped
    }

    /// Works until the run is over, or until nothing happens by itself any more.
    pub(super) fn run(&mut self) -> &mut Sim {
        self.run_while(|_| true)
    }

    /// The same, for as long as something holds after each turn.
    pub(super) fn run_while(&mut self, go_on: impl Fn(&Sim) -> bool) -> &mut Sim {
        for _ in 0..20_000 {
            let stopped = self.turn();
            self.check_fold();
            if self.machine.run.finished.is_some() || !go_on(self) {
                return self;
            }
            if !stopped && !self.answer_one() && !self.hear_people() {
                let wake = self.last.as_ref().and_then(|(wake, _)| *wake);
                let ends = self.in_flight.iter().map(|(_, ends)| *ends).min();
                let says = self.people_say().into_iter().map(|(at, _)| at).min();
                let Some(then) = [wake, ends, says].into_iter().flatten().min() else { return self };
                self.now = self.now.max(then);
                self.time_out();
            }
        }
        panic!("no end: {:#?}", self.lines());
    }

    /// Answers the call that has waited longest, unless all hang.
    fn answer_one(&mut self) -> bool {
        for n in 0..self.in_flight.len() {
            let Some((call, _)) = self.in_flight.get(n).cloned() else { break };
            let Some(reply) = self.reply_to(&call) else { continue };
            self.in_flight.remove(n);
            self.machine.reply(&call.key, reply);
            return true;
        }
        // What hangs can be stopped in the meantime.
        false
    }

    /// Returns what people are going to say, and when: each decides what is asked of them once.
    fn people_say(&self) -> Vec<(Timestamp, Signal)> {
        let open = tasks_of(&self.journal, &[]).into_iter().filter(|task| task.ended.is_none());
        open.flat_map(|state| {
            let says = self.people.iter().filter(|person| person.step == state.step).map(|person| {
                let at = state.task.asked_at + person.after;
                let kind = SignalKind::decide(&state.step, person.decision(&state.task.digest, at));
                (at, Signal { id: format!("{} {}", person.by, state.task.digest), kind })
            });
            says.filter(|(_, signal)| !self.machine.run.signals.contains(&signal.id)).collect::<Vec<_>>()
        })
        .collect()
    }

    fn hear_people(&mut self) -> bool {
        let said: Vec<_> = self.people_say().into_iter().filter(|(at, _)| *at <= self.now).collect();
        let any = !said.is_empty();
        said.into_iter().for_each(|(_, signal)| self.machine.signal(signal));
        any
    }

    fn time_out(&mut self) {
        let now = self.now;
        let is_over = |(_, ends): &(PendingCall, Timestamp)| *ends <= now;
        let over: Vec<_> = self.in_flight.iter().filter(|call| is_over(call)).cloned().collect();
        self.in_flight.retain(|call| !is_over(call));
        for (call, _) in over {
            let limit_ms = call.limit.map_or(0, |l| u64::try_from(l.as_millis()).unwrap());
            self.machine.reply(&call.key, Reply::TimedOut { limit_ms, output: None });
        }
    }

    fn reply_to(&mut self, call: &PendingCall) -> Option<Reply> {
        let nth = self.answered.entry(call.path.clone()).or_default();
        let answers = self.script.get(&call.path).map_or(&[][..], Vec::as_slice);
        let answer = answers.get(*nth).or(answers.last()).cloned().unwrap_or(Answer::Usual);
        match answer {
            Answer::Hang => return None,
            Answer::Reply(reply) => {
                *nth += 1;
                return Some(reply);
            }
            Answer::Usual => *nth += 1,
        }
        Some(match &call.effect {
            Effect::Command(_) => {
                let fails = self.failures.is_some_and(|seed| fails(seed, call));
                let exit_code = Some(i32::from(fails));
                Reply::Exited(Exited { exit_code, stdout: "ok".into(), ..Exited::default() })
            }
            Effect::Request(_) => Reply::Responded(Responded { status: 200, ..Responded::default() }),
            Effect::Query(_) => Reply::Queried(Queried {
                result_type: "scalar".to_owned(),
                result: json!([0, "1"]),
                warnings: Vec::new(),
            }),
            Effect::Sighting(_) => Reply::Sighted(self.sighted()),
            Effect::Hold(hold) => {
                match hold.action {
                    HoldAction::Make | HoldAction::Renew => self.held.insert(hold.owner.clone()),
                    HoldAction::Release => self.held.remove(&hold.owner),
                };
                Reply::Held { id: Some(format!("id of {}", hold.owner)) }
            }
        })
    }

    fn sighted(&self) -> Sighted {
        let fires = self.resolved_at.is_none_or(|at| at > self.now);
        let seen = SeenAlert {
            starts_at: at(-600),
            ends_at: Some(self.now + jiff::SignedDuration::from_secs(240)),
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
        };
        let seen = fires.then(|| (ALERT.to_owned(), seen)).into_iter().collect();
        let peer = PeerSight {
            url: "p".to_owned(),
            failed: None,
            started_at: Some(at(-9_999)),
            answered_at: None,
            seen,
        };
        Sighted { at: self.now, peers: vec![peer] }
    }

    /// What is known live is what the journal says, but for what is deliberately not journaled: polls
    /// that may be repeated, and that a look at the alert has passed.
    pub(super) fn check_fold(&self) {
        let folded = Run::replay("r", &self.journal).unwrap();
        assert_eq!(comparable(&folded), comparable(&self.machine.run), "{:#?}", self.lines());
    }

    /// Returns the effects begun, in order, with what was done to holds.
    pub(super) fn effects(&self) -> Vec<String> {
        self.begun
            .iter()
            .filter(|(call, _)| !matches!(call.effect, Effect::Sighting(_)))
            .map(|(call, _)| match &call.effect {
                Effect::Hold(hold) => format!("{} {}", word(hold.action), call.path),
                _ if call.attempt > 1 => format!("{}#{}", call.path, call.attempt),
                _ => call.path.clone(),
            })
            .collect()
    }

    /// Returns how the run ended: status and reason.
    pub(super) fn end(&self) -> String {
        match &self.machine.run.finished {
            Some(end) if end.reason.is_empty() => end.status.as_str().to_owned(),
            Some(end) => format!("{}: {}", end.status.as_str(), end.reason),
            None => format!("not over: {:?}", self.last),
        }
    }

    pub(super) fn status(&self) -> Option<RunStatus> {
        self.machine.run.finished.as_ref().map(|end| end.status)
    }

    /// Returns how a step ended.
    pub(super) fn outcome(&self, path: &str) -> Option<Outcome> {
        self.machine.run.nodes.get(path).and_then(|node| node.outcome.clone())
    }

    /// Returns the journal, one line an event, for messages.
    pub(super) fn lines(&self) -> Vec<String> {
        self.journal.iter().map(line).collect()
    }
}

/// A run without what its journal does not hold.
pub(super) fn comparable(run: &Run) -> Run {
    let mut run = run.clone();
    run.seq = 0;
    run.recheck_due = false;
    for attempt in run.nodes.values_mut().filter_map(|node| node.attempt.as_mut()) {
        attempt.effect = None;
        attempt.parked = None;
        attempt.parked_once = false;
    }
    run
}

fn fails(seed: u64, call: &PendingCall) -> bool {
    let mut hasher = std::hash::DefaultHasher::new();
    (seed, &call.path, call.attempt).hash(&mut hasher);
    hasher.finish().is_multiple_of(4)
}

fn word(action: HoldAction) -> &'static str {
    match action {
        HoldAction::Make => "make",
        HoldAction::Renew => "renew",
        HoldAction::Release => "release",
    }
}

fn line(stamped: &Stamped) -> String {
    let mut event = serde_json::to_value(&stamped.event).unwrap();
    for key in ["effect", "memo", "hold", "output", "alerts", "annotations"] {
        event.as_object_mut().and_then(|fields| fields.remove(key));
    }
    let name = event["event"].as_str().unwrap_or_default().to_owned();
    event.as_object_mut().and_then(|fields| fields.remove("event"));
    let seconds = stamped.at.duration_since(at(0)).as_secs();
    format!("{:>3} {seconds:>6}s {name} {}", stamped.seq, Value::to_string(&event))
}
