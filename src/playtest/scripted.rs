//! A performer that answers from a script and does nothing. Main type: [`Scripted`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::{Answer, Call, Clock, Performer};
use crate::step::{Captured, Effect, Exited, Reply};

/// Answers effects from a script, and remembers them.
///
/// Rules are tried in the order in which they were given: the first that fits and has not run out of
/// answers gives one. What no rule fits is answered by [`Scripted::otherwise`], else by an
/// `Impossible` that says what is missing in the script.
#[derive(Default)]
pub struct Scripted {
    state: Mutex<State>,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    otherwise: Option<Script>,
    calls: Vec<Call>,
    survivors: Vec<String>,
    searched: Vec<String>,
}

/// The kinds of effect, without what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EffectKind {
    /// A process.
    Command,
    /// An HTTP request.
    Request,
    /// A query to Prometheus.
    Query,
    /// A look at whether alerts are still there.
    Sighting,
    /// Making, renewing or releasing a hold.
    Hold,
}

/// One answer of a script.
#[derive(Clone)]
pub enum Script {
    /// This reply, at once.
    Reply(Reply),
    /// This reply, so much later; needs [`Scripted::with_clock`], else it comes at once.
    After(Duration, Reply),
    /// What this makes of the call.
    Answer(Arc<dyn Fn(&Call) -> Reply + Send + Sync>),
    /// No end: it is stopped, or runs into its limit (by the clock, where there is one).
    Hang,
}

struct Rule {
    path: Option<String>,
    kind: Option<EffectKind>,
    scripts: VecDeque<Script>,
    /// Whether the last answer is given for ever.
    repeats_last: bool,
}

impl EffectKind {
    /// Returns the kind of an effect.
    pub fn of(effect: &Effect) -> EffectKind {
        match effect {
            Effect::Command(_) => EffectKind::Command,
            Effect::Request(_) => EffectKind::Request,
            Effect::Query(_) => EffectKind::Query,
            Effect::Sighting(_) => EffectKind::Sighting,
            Effect::Hold(_) => EffectKind::Hold,
        }
    }

    /// Returns its name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            EffectKind::Command => "command",
            EffectKind::Request => "request",
            EffectKind::Query => "query",
            EffectKind::Sighting => "sighting",
            EffectKind::Hold => "hold",
        }
    }
}

impl Script {
    /// Makes the answer of a command that printed `stdout` and ended with this exit code.
    pub fn exit(exit_code: i32, stdout: &str) -> Script {
        let stdout = Captured::from(stdout);
        Script::Reply(Reply::Exited(Exited { exit_code: Some(exit_code), stdout, ..Exited::default() }))
    }

    /// Makes the answer of a hold that was made, renewed or released.
    pub fn held(id: &str) -> Script {
        Script::Reply(Reply::Held { id: Some(id.to_owned()) })
    }

    /// Makes an answer that depends on the call.
    pub fn answer(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Script {
        Script::Answer(Arc::new(answer))
    }
}

impl From<Reply> for Script {
    fn from(reply: Reply) -> Script {
        Script::Reply(reply)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Script::Reply(reply) => f.debug_tuple("Reply").field(reply).finish(),
            Script::After(delay, reply) => f.debug_tuple("After").field(delay).field(reply).finish(),
            Script::Answer(_) => f.write_str("Answer(..)"),
            Script::Hang => f.write_str("Hang"),
        }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("calls", &lock(&self.state).calls).finish_non_exhaustive()
    }
}

impl Scripted {
    /// Makes a performer with an empty script.
    pub fn new() -> Scripted {
        Scripted::default()
    }

    /// Lets time pass by this clock: delays, and limits of what hangs.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Scripted {
        self.clock = Some(clock);
        self
    }

    /// Answers every effect of the step (or hold) with this path.
    #[must_use]
    pub fn on(self, path: &str, script: impl Into<Script>) -> Scripted {
        self.rule(Some(path), None, [script.into()], true)
    }

    /// Answers the effects of a step one after the other; when all answers are given, the last again.
    #[must_use]
    pub fn on_sequence(self, path: &str, scripts: impl IntoIterator<Item = Script>) -> Scripted {
        self.rule(Some(path), None, scripts, true)
    }

    /// Answers one effect of a step; later ones go to the rules after it.
    #[must_use]
    pub fn once(self, path: &str, script: impl Into<Script>) -> Scripted {
        self.rule(Some(path), None, [script.into()], false)
    }

    /// Answers every effect of a kind.
    #[must_use]
    pub fn on_kind(self, kind: EffectKind, script: impl Into<Script>) -> Scripted {
        self.rule(None, Some(kind), [script.into()], true)
    }

    /// Answers the effects of a kind one after the other; when all answers are given, the last again.
    #[must_use]
    pub fn on_kind_sequence(self, kind: EffectKind, scripts: impl IntoIterator<Item = Script>) -> Scripted {
        self.rule(None, Some(kind), scripts, true)
    }

    /// Answers what no rule fits.
    #[must_use]
    pub fn otherwise(self, script: impl Into<Script>) -> Scripted {
        lock(&self.state).otherwise = Some(script.into());
        self
    }

    /// Lets a search for survivors find these marks, once.
    #[must_use]
    pub fn with_survivors(self, marks: impl IntoIterator<Item = String>) -> Scripted {
        lock(&self.state).survivors.extend(marks);
        self
    }

    /// Returns all calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    /// Returns the calls of one step (or hold) so far.
    pub fn calls_of(&self, path: &str) -> Vec<Call> {
        lock(&self.state).calls.iter().filter(|call| call.path == path).cloned().collect()
    }

    /// Returns the paths of all calls so far, in order.
    pub fn paths(&self) -> Vec<String> {
        lock(&self.state).calls.iter().map(|call| call.path.clone()).collect()
    }

    /// Returns the runs whose survivors were searched for.
    pub fn searched(&self) -> Vec<String> {
        lock(&self.state).searched.clone()
    }

    fn rule(
        self,
        path: Option<&str>,
        kind: Option<EffectKind>,
        scripts: impl IntoIterator<Item = Script>,
        repeats_last: bool,
    ) -> Scripted {
        let scripts = scripts.into_iter().collect();
        lock(&self.state).rules.push(Rule { path: path.map(str::to_owned), kind, scripts, repeats_last });
        self
    }

    async fn answer(&self, call: &Call, limit: Duration, stop: &CancellationToken) -> Reply {
        let script = lock(&self.state).next(call);
        let delay = match &script {
            Script::Reply(reply) => return reply.clone(),
            Script::Answer(answer) => return answer(call),
            Script::After(delay, _) => Some(*delay),
            Script::Hang => None,
        };
        let reply = match script {
            Script::After(delay, reply) if delay <= limit => reply,
            _ => Reply::TimedOut {
                limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                output: None,
            },
        };
        let time = async {
            match (&self.clock, delay) {
                (Some(clock), delay) => {
                    clock.sleep(delay.unwrap_or(limit).min(limit)).await;
                }
                (None, Some(_)) => (),
                (None, None) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Reply::Stopped { output: None },
            () = time => reply,
        }
    }
}

impl Performer for Scripted {
    fn perform<'a>(
        &'a self,
        call: &'a Call,
        limit: Duration,
        stop: &'a CancellationToken,
    ) -> Answer<'a, Reply> {
        lock(&self.state).calls.push(call.clone());
        Box::pin(self.answer(call, limit, stop))
    }

    fn end_survivors<'a>(&'a self, runs: &'a [String]) -> Answer<'a, Vec<String>> {
        let mut state = lock(&self.state);
        state.searched.extend_from_slice(runs);
        let of_runs =
            |mark: &String| mark.split_once('/').is_some_and(|(run, _)| runs.iter().any(|r| r == run));
        let (found, others) = state.survivors.drain(..).partition(of_runs);
        state.survivors = others;
        Box::pin(std::future::ready(found))
    }
}

impl State {
    fn next(&mut self, call: &Call) -> Script {
        let kind = EffectKind::of(&call.effect);
        let found = self.rules.iter_mut().filter(|rule| rule.fits(&call.path, kind)).find_map(Rule::next);
        found.or_else(|| self.otherwise.clone()).unwrap_or_else(|| {
            Script::Reply(Reply::Impossible {
                message: format!("the script has no reply for the {} of `{}`", kind.as_str(), call.path),
                retryable: false,
                untouched: true,
            })
        })
    }
}

impl Rule {
    fn fits(&self, path: &str, kind: EffectKind) -> bool {
        self.path.as_deref().is_none_or(|wanted| wanted == path)
            && self.kind.is_none_or(|wanted| wanted == kind)
    }

    fn next(&mut self) -> Option<Script> {
        if self.repeats_last && self.scripts.len() == 1 {
            return self.scripts.front().cloned();
        }
        self.scripts.pop_front()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playtest::JumpClock;
    use crate::playtest::clock::later;
    use crate::step::{CommandEffect, SightingEffect};

    const MINUTE: Duration = Duration::from_secs(60);

    fn call(path: &str, effect: Effect) -> Call {
        Call { run: "r1".to_owned(), path: path.to_owned(), attempt: 1, effect }
    }

    fn command(path: &str) -> Call {
        call(path, Effect::Command(CommandEffect::default()))
    }

    async fn exit_codes(scripted: &Scripted, calls: &[Call]) -> Vec<Option<i32>> {
        let mut codes = Vec::new();
        for call in calls {
            codes.push(match scripted.perform(call, MINUTE, &CancellationToken::new()).await {
                Reply::Exited(exited) => exited.exit_code,
                _ => None,
            });
        }
        codes
    }

    #[tokio::test]
    async fn the_first_rule_that_fits_and_has_answers_left_answers() {
        let scripted = Scripted::new()
            .once("a", Script::exit(1, ""))
            .on_sequence("a", [Script::exit(2, ""), Script::exit(3, "")])
            .on_kind(EffectKind::Command, Script::exit(4, ""))
            .otherwise(Script::exit(5, ""));
        let sighting = call("a", Effect::Sighting(SightingEffect { fingerprints: Vec::new() }));
        let other = call("c", sighting.effect.clone());
        let calls = [command("a"), command("a"), sighting, command("a"), command("b"), other];
        assert_eq!(exit_codes(&scripted, &calls).await, [1, 2, 3, 3, 4, 5].map(Some));
        assert_eq!(scripted.paths(), ["a", "a", "a", "a", "b", "c"]);
        assert_eq!(scripted.calls_of("b"), [command("b")]);
    }

    #[tokio::test]
    async fn what_the_script_lacks_is_said() {
        let reply = Scripted::new().perform(&command("a"), MINUTE, &CancellationToken::new()).await;
        let Reply::Impossible { message, untouched: true, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(message, "the script has no reply for the command of `a`");
    }

    #[tokio::test]
    async fn delays_and_limits_pass_by_the_clock() {
        let start = "2026-11-23T06:00:00Z".parse().unwrap();
        let clock = JumpClock::new(start);
        let slow = |seconds| Script::After(Duration::from_secs(seconds), Reply::Held { id: None });
        let scripted = Scripted::new()
            .with_clock(Arc::new(clock.clone()))
            .on("slow", slow(45))
            .on("slower", slow(3_600))
            .on("hangs", Script::Hang);
        let never = CancellationToken::new();
        let timed_out = Reply::TimedOut { limit_ms: 60_000, output: None };
        for (path, expected, passed) in [
            ("slow", Reply::Held { id: None }, 45),
            ("slower", timed_out.clone(), 105),
            ("hangs", timed_out, 165),
        ] {
            assert_eq!(scripted.perform(&command(path), MINUTE, &never).await, expected);
            assert_eq!(clock.now(), later(start, Duration::from_secs(passed)));
        }
    }

    #[tokio::test]
    async fn what_hangs_ends_when_it_is_stopped() {
        let scripted = Scripted::new().on("a", Script::Hang);
        let stop = CancellationToken::new();
        let call = command("a");
        let performed = scripted.perform(&call, MINUTE, &stop);
        stop.cancel();
        assert_eq!(performed.await, Reply::Stopped { output: None });
    }

    #[tokio::test]
    async fn survivors_are_found_once_and_by_their_run() {
        let scripted = Scripted::new().with_survivors(["r1/a#1".to_owned(), "r2/a#1".to_owned()]);
        let runs = ["r1".to_owned()];
        assert_eq!(scripted.end_survivors(&runs).await, ["r1/a#1"]);
        assert_eq!(scripted.end_survivors(&runs).await, [""; 0]);
        assert_eq!(scripted.searched(), ["r1", "r1"]);
    }
}
