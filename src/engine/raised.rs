//! Alerts of amflow's own that outlive their run: `AmflowRunFailed` and `AmflowComesBack` stand until the original
//! alert is resolved or a later run succeeds, `AmflowBreakerOpen` and `AmflowComesBack` until the breaker is reset.
//! All are posted again meanwhile, because Alertmanager forgets alerts when it restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Engine;
use super::ports::{Call, Raised, RunHeader, StoreError};
use crate::run::{GateState, RAISED_LEASE, Run, RunEvent, RunStatus, gate_keys, is_raised};
use crate::step::{
    AlertHold, Effect, Hold, HoldAction, HoldEffect, Reply, Sight, Sighted, SightingEffect, Watch,
};

/// How long a look or a post may take.
const SHORT: Duration = Duration::from_secs(30);

/// What is to be done about something that was raised.
enum Standing {
    /// It is posted again.
    Stands,
    /// What it tells of is over: it is resolved.
    Over,
    /// Nobody can say whether the original still fires: it is left alone.
    Lost,
    /// It was left alone for so long that Alertmanager has forgotten it.
    Lapsed,
}

impl Engine {
    /// Remembers what a run raised, and takes back what its success ends. `tells_of_failures` is the
    /// playbook's `sync.on_failure: alert`.
    pub(super) async fn keep_failure(
        &self,
        header: &RunHeader,
        run: &Run,
        event: &RunEvent,
        tells_of_failures: bool,
    ) -> Result<(), StoreError> {
        match event {
            RunEvent::HoldMade { id, .. } if is_raised(id) => {
                let Some(Hold::Alert(alert)) = run.holds.get(id).map(|h| h.hold.clone()) else {
                    return Ok(());
                };
                let raised = Raised {
                    id: format!("{}/{id}", run.id),
                    alert,
                    scope: header.scope.clone(),
                    watch: Watch::begin(&run.alerts),
                    lost_since: None,
                    playbook: header.playbook.clone(),
                    target: run.started.target.clone(),
                };
                self.store.put_raised(vec![raised], Vec::new()).await
            }
            RunEvent::RunFinished { status: RunStatus::Succeeded, .. }
                if self.options.offered.alertmanager =>
            {
                let (playbook, target) = (&header.playbook, &run.started.target);
                let over: Vec<_> = self
                    .store
                    .raised()
                    .await?
                    .into_iter()
                    .filter(|r| r.playbook == *playbook && r.target == *target && r.scope == header.scope)
                    .collect();
                self.take_back(over).await
            }
            RunEvent::RunFinished { status: RunStatus::Failed, .. } => {
                self.tell_of_breaker(header, self.options.offered.alertmanager && tells_of_failures).await
            }
            _ => Ok(()),
        }
    }

    /// Says that the playbook's breaker is open after a run failed, and posts it where that is wanted.
    async fn tell_of_breaker(&self, header: &RunHeader, post: bool) -> Result<(), StoreError> {
        let key = gate_keys::breaker(&header.playbook);
        let gates = self.store.gates(key.clone()).await?;
        let Some((_, state)) = gates.into_iter().find(|(name, state)| *name == key && is_open(state)) else {
            return Ok(());
        };
        self.reporter.notice(&format!(
            "the breaker of {0} is open: it starts nothing more until `amflow breakers reset {0}`",
            header.playbook
        ));
        if !post {
            return Ok(());
        }
        let raised = breaker_open(header, key, &state);
        self.store.put_raised(vec![raised.clone()], Vec::new()).await?;
        self.hold(&raised.id, raised.alert, HoldAction::Make).await;
        Ok(())
    }

    /// Posts what stands again, and resolves it when the original alert is resolved, by the rule that
    /// `wait: {until: resolved}` has, or when the breaker was reset. What was lost sight of is posted no
    /// more and lapses by itself.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn keep_raised(&self, scope: &str) -> Result<(), StoreError> {
        let mut raised = self.store.raised().await?;
        raised.retain(|r| r.scope == scope);
        if raised.is_empty() {
            return Ok(());
        }
        let open = self.open_gates(&raised).await?;
        let looked = self.look(&raised).await;
        let (mut changed, mut over, mut lapsed) = (Vec::new(), Vec::new(), Vec::new());
        for mut raised in raised {
            let before = raised.clone();
            match self.standing(&mut raised, &open, &looked) {
                Standing::Over => {
                    over.push(raised);
                    continue;
                }
                Standing::Lapsed => {
                    lapsed.push(raised.id);
                    continue;
                }
                Standing::Lost => {}
                Standing::Stands => {
                    self.hold(&raised.id, raised.alert.clone(), HoldAction::Renew).await;
                }
            }
            if raised != before {
                changed.push(raised);
            }
        }
        if !(changed.is_empty() && lapsed.is_empty()) {
            self.store.put_raised(changed, lapsed).await?;
        }
        self.take_back(over).await
    }

    /// Returns the keys of the gates that are still closed, of those that raised alerts tell of.
    async fn open_gates(&self, raised: &[Raised]) -> Result<BTreeSet<String>, StoreError> {
        let breakers = self.store.gates(gate_keys::breaker("")).await?;
        let mut open: BTreeSet<String> =
            breakers.into_iter().filter_map(|(key, state)| is_open(&state).then_some(key)).collect();
        for playbook in
            raised.iter().filter(|r| comeback_gate(r).is_some()).map(|r| &r.playbook).collect::<BTreeSet<_>>()
        {
            let gates = self.store.gates(gate_keys::comebacks(playbook, "")).await?;
            open.extend(gates.into_iter().filter_map(|(key, state)| (state.failures > 0).then_some(key)));
        }
        Ok(open)
    }

    /// Looks for the alerts whose end ends what was raised.
    async fn look(&self, raised: &[Raised]) -> Result<Sighted, String> {
        let mut fingerprints: Vec<_> = raised.iter().flat_map(|r| r.watch.fingerprints()).collect();
        if fingerprints.is_empty() {
            return Ok(Sighted { at: self.clock.now(), peers: Vec::new() });
        }
        fingerprints.sort_unstable();
        fingerprints.dedup();
        let effect = Effect::Sighting(SightingEffect { fingerprints });
        let call = Call { run: "raised".to_owned(), path: "sighting".to_owned(), attempt: 1, effect };
        match self.performer.perform(&call, SHORT, &CancellationToken::new()).await {
            Reply::Sighted(sighted) => Ok(sighted),
            _ => Err("Alertmanager could not be asked".to_owned()),
        }
    }

    fn standing(
        &self,
        raised: &mut Raised,
        open: &BTreeSet<String>,
        looked: &Result<Sighted, String>,
    ) -> Standing {
        if raised.watch.fingerprints().is_empty() {
            return if open.contains(&raised.id) { Standing::Stands } else { Standing::Over };
        }
        if comeback_gate(raised).is_some_and(|gate| !open.contains(gate)) {
            return Standing::Over;
        }
        match looked {
            Ok(sighted) => raised.watch.looked(sighted, &[]),
            Err(why) => raised.watch.blind(why),
        }
        match raised.watch.sight() {
            Sight::Clear { .. } => Standing::Over,
            Sight::Firing { .. } | Sight::Unclear => {
                raised.lost_since = None;
                Standing::Stands
            }
            Sight::Lost { .. } => {
                let now = self.clock.now();
                let since = *raised.lost_since.get_or_insert(now);
                let lease = i64::try_from(raised.alert.lease_seconds).unwrap_or(i64::MAX);
                if now.duration_since(since).as_secs() > lease { Standing::Lapsed } else { Standing::Lost }
            }
        }
    }

    async fn take_back(&self, over: Vec<Raised>) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        for raised in over {
            if let Reply::Held { .. } = self.hold(&raised.id, raised.alert, HoldAction::Release).await {
                gone.push(raised.id);
            }
        }
        if gone.is_empty() { Ok(()) } else { self.store.put_raised(Vec::new(), gone).await }
    }

    pub(super) async fn hold(&self, id: &str, alert: AlertHold, action: HoldAction) -> Reply {
        let (run, path) = id.split_once('/').unwrap_or((id, ""));
        let effect =
            Effect::Hold(HoldEffect { action, hold: Hold::Alert(alert), owner: id.to_owned(), id: None });
        let call = Call { run: run.to_owned(), path: path.to_owned(), attempt: 1, effect };
        let reply = self.performer.perform(&call, SHORT, &CancellationToken::new()).await;
        if !matches!(reply, Reply::Held { .. }) {
            let what = if path.is_empty() {
                format!("the alert that {run} is open")
            } else if id.starts_with(gate_keys::COMEBACKS) {
                "the alert that another one comes back".to_owned()
            } else {
                format!("the alert that run {run} failed")
            };
            self.reporter.notice(&format!("{what} could not be posted or resolved"));
        }
        reply
    }
}

/// Returns the gate that a raised alert tells of, when it is one about comebacks.
fn comeback_gate(raised: &Raised) -> Option<&str> {
    let (gate, _) = raised.id.rsplit_once('/')?;
    gate.starts_with(&gate_keys::comebacks(&raised.playbook, "")).then_some(gate)
}

fn is_open(state: &GateState) -> bool {
    state.opened_at.is_some()
}

/// The alert that a playbook no longer starts. It has no labels of the run's alert: the breaker is the
/// playbook's.
fn breaker_open(header: &RunHeader, key: String, state: &GateState) -> Raised {
    let playbook = &header.playbook;
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let alert = AlertHold {
        labels: BTreeMap::from([
            pair("alertname", "AmflowBreakerOpen".to_owned()),
            pair("amflow_state", "failed".to_owned()),
            pair("amflow_playbook", playbook.clone()),
        ]),
        annotations: BTreeMap::from([
            pair("summary", format!("amflow no longer starts playbook {playbook}")),
            pair(
                "description",
                format!("open after {}, the last one is {}", state.failures_in_words(), header.run),
            ),
            pair("command", format!("amflow breakers reset {playbook}")),
        ]),
        starts_at: state.opened_at.unwrap_or_default(),
        lease_seconds: RAISED_LEASE,
        generator_url: String::new(),
    };
    Raised {
        id: key,
        alert,
        scope: header.scope.clone(),
        watch: Watch::default(),
        lost_since: None,
        playbook: playbook.clone(),
        target: String::new(),
    }
}
