//! [`Heart`]: renews the leases of all runs of this process together, and hands each run what it hears.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Engine;
use super::ports::{Lease, Renewed, StoreError};

/// The runs that this process has leases on.
#[derive(Clone, Default)]
pub(super) struct Heart {
    held: Arc<Mutex<HashMap<String, Held>>>,
}

struct Held {
    lease: Lease,
    /// It waits for its concurrency key: nothing that it does can free one.
    waits_for_key: bool,
    /// It is left parked as soon as it waits for a person.
    left: bool,
    tell: mpsc::UnboundedSender<Heard>,
}

/// What a renewal tells a run.
#[derive(Debug)]
pub(super) enum Heard {
    /// The lease goes on.
    Renewed(Renewed),
    /// Another process has the run.
    Lost,
}

impl Heart {
    /// Adds a run; what is heard of it comes out of the receiver.
    pub(super) fn add(&self, lease: Lease) -> mpsc::UnboundedReceiver<Heard> {
        let (tell, hear) = mpsc::unbounded_channel();
        self.lock().insert(lease.run.clone(), Held { lease, waits_for_key: false, left: false, tell });
        hear
    }

    /// Forgets a run.
    pub(super) fn remove(&self, run: &str) {
        self.lock().remove(run);
    }

    /// Takes note of whether a run waits for its concurrency key.
    pub(super) fn waits_for_key(&self, run: &str, waits: bool) {
        if let Some(held) = self.lock().get_mut(run) {
            held.waits_for_key = waits;
        }
    }

    /// Returns whether a run is left parked as soon as it waits for a person.
    pub(super) fn is_left(&self, run: &str) -> bool {
        self.lock().get(run).is_some_and(|held| held.left)
    }

    /// Returns whether another run of this process does anything but wait for a key.
    pub(super) fn others_work(&self, run: &str) -> bool {
        self.lock().iter().any(|(other, held)| other != run && !held.waits_for_key)
    }

    fn leases(&self) -> Vec<Lease> {
        self.lock().values().map(|held| held.lease.clone()).collect()
    }

    fn tell(&self, run: &str, heard: Heard) {
        if let Some(held) = self.lock().get(run) {
            // A run that has just ended listens no more.
            let _ = held.tell.send(heard);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Leaves a run to whatever process comes next, as soon as it waits for a person: nobody here decides.
    pub fn leave(&self, run: &str) {
        if let Some(held) = self.heart.lock().get_mut(run) {
            held.left = true;
        }
    }

    /// Renews leases for as long as it is polled.
    pub(super) async fn beat(&self) {
        loop {
            self.clock.sleep(self.options.heartbeat).await;
            let leases = self.heart.leases();
            if leases.is_empty() {
                continue;
            }
            match self.store.renew(leases.clone(), self.clock.now()).await {
                Ok(answers) => {
                    for (lease, answer) in leases.iter().zip(answers) {
                        match answer {
                            Ok(renewed) => self.heart.tell(&lease.run, Heard::Renewed(renewed)),
                            Err(StoreError::Fenced { .. } | StoreError::NoSuchRun { .. }) => {
                                self.heart.tell(&lease.run, Heard::Lost);
                            }
                            Err(error) => self.reporter.notice(&format!("renewing a lease: {error}")),
                        }
                    }
                }
                // Leases outlast several beats: the next one may get through.
                Err(error) => self.reporter.notice(&format!("renewing leases: {error}")),
            }
        }
    }
}
