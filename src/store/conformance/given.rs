//! What the stories begin with: moments, owners, asks, events.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::{
    Admitted, Ask, EpisodeKey, Lease, Observation, Owner, Parking, RunHeader, Store, StoreError,
};
use crate::run::{Closed, RunEvent, RunStatus, Signal, SignalKind, Started, TriggerStatus};
use crate::step::{IfLost, Outcome};

pub(super) const SCOPE: &str = "http://alertmanager:9093";
pub(super) const PLAYBOOK: &str = "disk";
pub(super) const TEXT: &str = "name: disk\nsteps: []\n";

/// A moment so many seconds into the story, with nanoseconds, which must not be lost.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + second, 123_456_789).expect("a moment within this century")
}

/// The process `pid` of this host.
pub(super) fn owner(pid: u32) -> Owner {
    Owner {
        boot_id: "5ad9a5ae-0a0c-4c0f-9a2b-7d0f1f6f0c11".to_owned(),
        pid,
        start_time: u64::from(pid) * 100,
    }
}

pub(super) fn fingerprint(alert: u64) -> String {
    format!("{alert:016x}")
}

/// An alert that began to fire at that second.
pub(super) fn episode(alert: u64, starts: i64) -> EpisodeKey {
    EpisodeKey {
        scope: SCOPE.to_owned(),
        fingerprint: fingerprint(alert),
        starts_at_ms: at(starts).as_millisecond(),
    }
}

pub(super) fn seen(alert: u64, firing: bool, starts: i64, ends: Option<i64>) -> Observation {
    Observation {
        scope: SCOPE.to_owned(),
        fingerprint: fingerprint(alert),
        starts_at: at(starts),
        start_is_guessed: false,
        ends_at: ends.map(at),
        firing,
        alert: None,
    }
}

pub(super) fn header(run: &str, playbook: &str) -> RunHeader {
    RunHeader {
        run: run.to_owned(),
        playbook: playbook.to_owned(),
        digest: format!("sha256:{playbook}"),
        trigger: TriggerStatus::Firing,
        target: format!("target of {run}"),
        labels: BTreeMap::from([("alertname".to_owned(), "Disk \"full\"\n\u{1f525}".to_owned())]),
        scope: SCOPE.to_owned(),
    }
}

pub(super) fn started(header: &RunHeader) -> RunEvent {
    RunEvent::RunStarted(Box::new(Started {
        playbook: header.playbook.clone(),
        digest: header.digest.clone(),
        trigger: header.trigger,
        target: header.target.clone(),
        group: BTreeMap::new(),
        scope: header.scope.clone(),
        alerts: vec![json!({"labels": header.labels}).into()],
        env: BTreeMap::new(),
        source: "poll".to_owned(),
        by: None,
        retry_of: None,
        handed_over_by: None,
        seed: 7,
    }))
}

/// A run that claims these episodes, without limits.
pub(super) fn ask(run: &str, episodes: &[EpisodeKey]) -> Ask {
    let header = header(run, PLAYBOOK);
    Ask {
        events: vec![started(&header)],
        header,
        episodes: episodes.to_vec(),
        gates: Vec::new(),
        key: None,
        text: Arc::from(TEXT),
        put_off: None,
    }
}

pub(super) fn attempt(number: u32) -> RunEvent {
    RunEvent::AttemptStarted {
        path: "clean".to_owned(),
        attempt: number,
        effect: None,
        if_lost: IfLost::Fail,
        memo: Value::Null,
    }
}

pub(super) fn attempt_over(number: u32) -> RunEvent {
    RunEvent::AttemptFinished {
        path: "clean".to_owned(),
        attempt: number,
        outcome: Outcome::Succeeded,
        output: json!({"stdout": "caf\u{e9}\n\u{0}"}),
    }
}

pub(super) fn finished(status: RunStatus, reason: &str) -> RunEvent {
    RunEvent::RunFinished { status, reason: reason.to_owned() }
}

pub(super) fn cancel(id: &str) -> Signal {
    Signal { id: id.to_owned(), kind: SignalKind::Cancel { by: "ann".to_owned() } }
}

pub(super) fn parking(until: Option<i64>) -> Parking {
    Parking { until: until.map(at), status: RunStatus::Waiting, reason: "waits for ann".to_owned() }
}

/// Takes what must have worked.
#[track_caller]
pub(super) fn ok<T, E: Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("it must work: {error}"),
    }
}

/// Admits one run as process 1.
pub(super) async fn admit_one(store: &Arc<dyn Store>, ask: Ask, now: i64) -> Admitted {
    let mut admitted = ok(store.admit(vec![ask], owner(1), at(now)).await);
    assert_eq!(admitted.len(), 1, "an answer for each ask");
    admitted.remove(0)
}

/// Starts a run without limits as process 1.
pub(super) async fn start(store: &Arc<dyn Store>, run: &str, alert: u64, now: i64) -> Lease {
    lease_of(admit_one(store, ask(run, &[episode(alert, 0)]), now).await)
}

/// Ends a run.
pub(super) async fn finish(store: &Arc<dyn Store>, lease: Lease, status: RunStatus, now: i64) {
    ok(store.append(lease, vec![finished(status, "")], Vec::new(), at(now)).await);
}

#[track_caller]
pub(super) fn lease_of(admitted: Admitted) -> Lease {
    match admitted {
        Admitted::Started { lease, .. } => lease,
        other => panic!("it must start: {other:?}"),
    }
}

#[track_caller]
pub(super) fn later_of(admitted: Admitted) -> Closed {
    match admitted {
        Admitted::Later(closed) => closed,
        other => panic!("it must come back later: {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_fenced<T>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Fenced { .. }) => {}
        Err(other) => panic!("it must be fenced: {other}"),
        Ok(_) => panic!("it must be fenced, and it was written"),
    }
}
