//! What people do to runs by hand: cancel one, do one again.

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

use super::Engine;
use super::admission::{Offer, OfferAnswer, StartedRun};
use super::needs::{Readiness, in_short};
use super::ports::{Admitted, Ask, RunHeader, StoreError};
use crate::run::{Group, KeptAlert, Run, RunEvent, Signal, SignalKind, Skip, gates_asked};

/// Makes a run's id: sortable by the time it was made at.
pub(super) fn new_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

impl Engine {
    /// Leaves a cancel for a run. A process that works on it hears it with its next renewal; one that
    /// nobody works on is due at once, and ends when it is taken.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn cancel(&self, run: &str, by: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let kind = SignalKind::Cancel { by: by.to_owned() };
        self.store.signal(run.to_owned(), Signal { id: new_id(now).to_string(), kind }, now).await
    }

    /// Does a run again: the same text of its playbook, the same alerts, no claims (the first run has
    /// them), the limits of the playbook.
    ///
    /// # Errors
    ///
    /// The store's; [`StoreError::NoSuchRun`] also when the run's journal or playbook can't be read.
    pub async fn retry(&self, run: &str) -> Result<Offer, StoreError> {
        let (summary, text, journal) = self.store.read(run.to_owned()).await?;
        let unreadable = || StoreError::NoSuchRun { run: run.to_owned(), store: self.store.place() };
        let old = Run::replay(run, &journal).ok_or_else(unreadable)?;
        let playbook = (self.compile)(&text).map_err(|why| {
            self.reporter.notice(&format!("run {run}: its playbook: {why}"));
            unreadable()
        })?;
        let now = self.clock.now();
        let id = new_id(now).to_string();
        let mut started = old.started;
        let lacks =
            Readiness::new(&self.options.offered, &started.env, self.performer.as_ref()).lacks(&playbook);
        started.retry_of = Some(run.to_owned());
        "retry".clone_into(&mut started.source);
        started.by.clone_from(&self.options.started_by);
        let header = RunHeader { run: id.clone(), ..summary.header };
        let alerts = started.alerts.iter().filter_map(KeptAlert::alert).collect();
        let group = Group { target: started.target.clone(), labels: started.group.clone() };
        let trigger = started.trigger;
        let gates = gates_asked(
            playbook.name.as_str(),
            &group.target,
            &id,
            None,
            &playbook.limits,
            &self.options.limits,
        );
        let key = self.key(&playbook, &id, &started, now).unwrap_or_default();
        let waits_for = key.as_ref().map(|k| k.key.clone());
        let scope = started.scope.clone();
        if let Some(what) = in_short(&lacks) {
            let answer = OfferAnswer::Skip(Skip::Missing { what });
            return Ok(Offer { playbook, trigger, group, alerts, scope, handed_over: None, answer });
        }
        let ask = Ask {
            header: header.clone(),
            episodes: Vec::new(),
            gates,
            key,
            text,
            events: vec![RunEvent::RunStarted(Box::new(started))],
            put_off: None,
        };
        let admitted = self.store.admit(vec![ask], self.owner.clone(), now).await?.pop();
        let answer = match admitted {
            Some(Admitted::Started { lease, granted, events, .. }) => {
                OfferAnswer::Started(Box::new(StartedRun {
                    header,
                    lease,
                    waits_for: waits_for.filter(|_| !granted),
                    journal: events,
                    fresh_until: None,
                }))
            }
            Some(Admitted::Later(closed)) => OfferAnswer::Later(closed),
            Some(Admitted::Claimed { run }) => OfferAnswer::Skip(Skip::Claimed { run }),
            None => return Err(unreadable()),
        };
        Ok(Offer { playbook, trigger, group, alerts, scope, handed_over: None, answer })
    }
}
