//! Drives runs: performs effects, journals facts before believing them.
//!
//! [`Engine::admit`] turns a delivery into runs, [`Engine::complete`] works on them until they are over
//! or parked, [`Engine::take`] goes on with runs that another process left.

mod admission;
mod by_hand;
mod driver;
mod ends;
mod hand_over;
mod heart;
mod keep;
mod look_ahead;
mod needs;
mod options;
mod pace;
mod patience;
mod pool;
mod ports;
mod put_off;
mod raised;
mod recent;
mod recovery;
mod service;
mod set_clock;
mod stop;
mod tasks;
mod watch;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::playbook::Playbook;

pub use crate::playbook::WhenBusy;
pub use crate::run::gate_keys;
pub use admission::{Delivery, Offer, OfferAnswer, StartedRun, waits_for_a_run};
pub use driver::{RunEnd, RunEndKind};
pub use hand_over::{HandedOver, heirs};
pub use needs::{HeldBack, Lack, Offered, Readiness};
pub use options::EngineOptions;
pub use ports::{
    Admitted, Answer, Ask, CLOCKS_DIFFER, Call, Claim, Clock, Episode, EpisodeKey, Judge, KeyAsk, LEASE,
    Later, LaterCount, Lease, Life, LifeOf, Observation, OpenEpisode, Owner, Parking, Performer, Raised,
    Renewed, Reporter, RunCount, RunFilter, RunHeader, RunSummary, Store, StoreError, Take, Taken,
};
pub use recovery::Resumed;
pub use service::{Receipt, Refusal, Service, ServiceOptions, ServiceState, ServiceWork};
pub use stop::{Stop, Stopper};
pub use tasks::{DecideError, Decided, RunTask, Say, TaskFilter, TaskStatus, decide, find_task, open_tasks};
pub use watch::{StoreWatch, StoreWork};

/// Compiles a playbook's stored text again.
pub type Compile = Arc<dyn Fn(&str) -> Result<Arc<Playbook>, String> + Send + Sync>;

/// The embeddable program: everything that drives runs, over ports.
#[derive(Clone)]
pub struct Engine {
    store: Arc<dyn Store>,
    performer: Arc<dyn Performer>,
    clock: Arc<dyn Clock>,
    reporter: Arc<dyn Reporter>,
    owner: Owner,
    compile: Compile,
    life_of: LifeOf,
    options: Arc<EngineOptions>,
    slots: Arc<Semaphore>,
    recent: Arc<recent::Recent>,
    heart: heart::Heart,
    stop: Stop,
}

/// What an [`Engine`] is made of.
pub struct Parts {
    /// Where runs are kept.
    pub store: Arc<dyn Store>,
    /// What does effects.
    pub performer: Arc<dyn Performer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who sees events.
    pub reporter: Arc<dyn Reporter>,
    /// This process.
    pub owner: Owner,
    /// Compiles stored playbooks.
    pub compile: Compile,
    /// Tells what is known of the life of the owner of a run.
    pub life_of: LifeOf,
    /// Settings.
    pub options: EngineOptions,
    /// How it is told to stop.
    pub stop: Stop,
}

impl Engine {
    /// Makes an engine.
    pub fn new(parts: Parts) -> Engine {
        let slots = Arc::new(Semaphore::new(parts.options.parallel.max(1)));
        Engine {
            store: parts.store,
            performer: parts.performer,
            clock: parts.clock,
            reporter: parts.reporter,
            owner: parts.owner,
            compile: parts.compile,
            life_of: parts.life_of,
            heart: heart::Heart::default(),
            options: Arc::new(parts.options),
            slots,
            recent: Arc::default(),
            stop: parts.stop,
        }
    }

    /// Returns an engine with other settings over the same store, whose runs share slots, leases and stops
    /// with this one's.
    #[must_use]
    pub fn with(&self, performer: Arc<dyn Performer>, compile: Compile, options: EngineOptions) -> Engine {
        Engine { performer, compile, options: Arc::new(options), ..self.clone() }
    }

    /// Returns the store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the present.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Tells people something that is no event.
    pub fn notice(&self, text: &str) {
        self.reporter.notice(text);
    }

    /// Tells people something that is no event, and as it should be.
    pub fn remark(&self, text: &str) {
        self.reporter.remark(text);
    }

    /// Returns by what the engine was asked to stop, if it was.
    pub fn stopped_by(&self) -> Option<String> {
        self.stop.asked()
    }

    /// Returns the settings.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }
}
