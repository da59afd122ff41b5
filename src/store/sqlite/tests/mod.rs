//! What is SQLite's own: its files, its commits, other processes, its errors.

mod places;
mod writes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Ask, EpisodeKey, Owner, RunFilter, RunHeader, Store};
use crate::playbook::TriggerStatus;
use crate::run::RunEvent;
use crate::store::sqlite::SqliteStore;
use crate::store::{Access, Opening, database};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn owner(pid: u32) -> Owner {
    Owner { boot_id: "b".into(), pid, start_time: 1 }
}

fn opening(access: Access) -> Opening {
    Opening { busy: Duration::from_millis(200), ..Opening::new(access) }
}

fn sqlite(place: &Path) -> SqliteStore {
    SqliteStore::open(&database(place), &Opening::new(Access::Write)).unwrap().0
}

fn ask(run: &str, alert: u64) -> Ask {
    Ask {
        header: RunHeader {
            run: run.into(),
            playbook: "disk".into(),
            digest: "d".into(),
            trigger: TriggerStatus::Firing,
            target: "t".into(),
            labels: BTreeMap::new(),
            scope: "am".into(),
        },
        episodes: vec![EpisodeKey {
            scope: "am".into(),
            fingerprint: format!("{alert:016x}"),
            starts_at_ms: 1,
        }],
        gates: Vec::new(),
        key: None,
        text: Arc::from("name: disk"),
        events: vec![attempt(0)],
        put_off: None,
    }
}

fn attempt(number: u32) -> RunEvent {
    RunEvent::RetryScheduled { path: "clean".into(), attempt: number, due: now() }
}

async fn list(store: &dyn Store) -> Vec<String> {
    store.list(RunFilter::default()).await.unwrap().into_iter().map(|r| r.header.run).collect()
}
