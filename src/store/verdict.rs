//! [`Desk`]: the asks of one admission, decided against what the store holds. Pure: a store loads
//! the facts, asks for verdicts, and writes what changed, all within one transaction.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::engine::{Admitted, Ask, Claim, EpisodeKey, Lease, WhenBusy};
use crate::run::{Closed, GateState, LaterReason, Stamped, decide};

/// What a store can tell of the rows that admission looks at.
pub(super) trait Facts {
    /// How looking fails.
    type Error;
    /// Returns the claims on an episode.
    fn claims(&mut self, episode: &EpisodeKey) -> Result<Vec<Claim>, Self::Error>;
    /// Returns a gate's state, when there is one.
    fn gate(&mut self, key: &str) -> Result<Option<GateState>, Self::Error>;
    /// Returns the run that holds a concurrency key.
    fn holder(&mut self, key: &str) -> Result<Option<String>, Self::Error>;
}

/// The rows that the asks of one call touch, as they are after the asks decided so far.
#[derive(Debug, Default)]
pub(super) struct Desk {
    claims: HashMap<EpisodeKey, Vec<Claim>>,
    stored: BTreeMap<String, GateState>,
    gates: BTreeMap<String, GateState>,
    holders: HashMap<String, Option<String>>,
}

/// What becomes of one ask.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Every episode is claimed already, by this run among others.
    Claimed(String),
    /// A gate is closed, or the concurrency key is taken.
    Later(Closed),
    /// It starts.
    Start {
        /// Episodes that it claims.
        episodes: Vec<EpisodeKey>,
        /// Whether it holds its concurrency key (or needs none).
        granted: bool,
        /// The holder of its key, to be asked to restart.
        restart: Option<String>,
    },
}

impl Desk {
    /// Loads what these asks touch.
    pub(super) fn load<'a, F: Facts>(
        asks: impl IntoIterator<Item = &'a Ask>,
        facts: &mut F,
    ) -> Result<Desk, F::Error> {
        let mut desk = Desk::default();
        for ask in asks {
            for episode in &ask.episodes {
                if !desk.claims.contains_key(episode) {
                    desk.claims.insert(episode.clone(), facts.claims(episode)?);
                }
            }
            for gate in &ask.gates {
                if !desk.gates.contains_key(&gate.key) {
                    let state = facts.gate(&gate.key)?.unwrap_or_default();
                    desk.stored.insert(gate.key.clone(), state.clone());
                    desk.gates.insert(gate.key.clone(), state);
                }
            }
            if let Some(ask) = &ask.key
                && !desk.holders.contains_key(&ask.key)
            {
                desk.holders.insert(ask.key.clone(), facts.holder(&ask.key)?);
            }
        }
        Ok(desk)
    }

    /// Decides one ask and, when it starts, takes what it asked for.
    ///
    /// An ask without episodes claims nothing and is decided by its gates and key alone.
    pub(super) fn verdict(&mut self, ask: &Ask, now: Timestamp) -> Verdict {
        let mut free = Vec::with_capacity(ask.episodes.len());
        let mut taken_by = None;
        for episode in &ask.episodes {
            let claims = self.claims.get(episode).map_or(&[][..], Vec::as_slice);
            let theirs = |c: &&Claim| c.playbook == ask.header.playbook && c.trigger == ask.header.trigger;
            match claims.iter().find(theirs) {
                Some(claim) => taken_by = Some(&claim.run),
                None => free.push(episode.clone()),
            }
        }
        if let Some(run) = taken_by.filter(|_| free.is_empty()) {
            return Verdict::Claimed(run.clone());
        }
        let holder = ask.key.as_ref().and_then(|k| self.holders.get(&k.key).cloned().flatten());
        let when_busy = ask.key.as_ref().map(|k| k.when_busy);
        if let (Some(holder), Some(WhenBusy::Skip)) = (&holder, when_busy) {
            return Verdict::Later(self.busy(ask, holder, now));
        }
        if let Err(closed) = decide(&mut self.gates, &ask.gates, &ask.header.run, now) {
            return Verdict::Later(closed);
        }
        for episode in &free {
            self.claims.entry(episode.clone()).or_default().push(Claim {
                playbook: ask.header.playbook.clone(),
                trigger: ask.header.trigger,
                run: ask.header.run.clone(),
            });
        }
        if let (None, Some(key)) = (&holder, &ask.key) {
            self.holders.insert(key.key.clone(), Some(ask.header.run.clone()));
        }
        Verdict::Start {
            episodes: free,
            granted: holder.is_none(),
            restart: holder.filter(|_| when_busy == Some(WhenBusy::Restart)),
        }
    }

    /// Returns the gates whose state is no longer the stored one.
    pub(super) fn changed_gates(&self) -> impl Iterator<Item = (&String, &GateState)> {
        self.gates.iter().filter(|(key, state)| self.stored.get(*key) != Some(*state))
    }

    /// The key is taken; a gate that is closed as well is the better reason, and takes nothing here.
    fn busy(&self, ask: &Ask, holder: &str, now: Timestamp) -> Closed {
        let mut scratch = ask
            .gates
            .iter()
            .filter_map(|g| Some((g.key.clone(), self.gates.get(&g.key)?.clone())))
            .collect::<BTreeMap<_, _>>();
        if let Err(closed) = decide(&mut scratch, &ask.gates, &ask.header.run, now) {
            return closed;
        }
        let key = ask.key.as_ref().map_or("", |k| k.key.as_str());
        Closed {
            reason: LaterReason::Busy,
            until: None,
            detail: format!(
                "run {holder} holds the concurrency key `{key}`, and `when_busy` is `skip`: starts when it is free"
            ),
        }
    }
}

/// Returns the answer to an ask that is decided, but not recorded.
pub(super) fn as_previewed(ask: Ask, verdict: Verdict, at: Timestamp) -> Admitted {
    match verdict {
        Verdict::Claimed(run) => Admitted::Claimed { run },
        Verdict::Later(closed) => Admitted::Later(closed),
        Verdict::Start { episodes, granted, .. } => {
            let events: Vec<_> =
                (1..).zip(ask.events).map(|(seq, event)| Stamped { seq, at, event }).collect();
            let seq = events.last().map_or(0, |e| e.seq);
            Admitted::Started {
                lease: Lease { run: ask.header.run.clone(), epoch: 1, seq },
                header: ask.header,
                episodes,
                granted,
                events,
            }
        }
    }
}
