//! A reporter that remembers what it was told. Main type: [`RecordingReporter`].

use std::sync::{Mutex, PoisonError};

use crate::engine::{Reporter, RunHeader};
use crate::run::Stamped;

/// Remembers every event and notice in order.
#[derive(Debug, Default)]
pub struct RecordingReporter {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    events: Vec<(RunHeader, Stamped)>,
    notices: Vec<String>,
}

impl RecordingReporter {
    /// Returns all events so far, with the runs that they belong to.
    pub fn events(&self) -> Vec<(RunHeader, Stamped)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).events.clone()
    }

    /// Returns the events of one run.
    pub fn events_of(&self, run: &str) -> Vec<Stamped> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.events.iter().filter(|(header, _)| header.run == run).map(|(_, event)| event.clone()).collect()
    }

    /// Returns all notices so far.
    pub fn notices(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).notices.clone()
    }
}

impl Reporter for RecordingReporter {
    fn event(&self, run: &RunHeader, event: &Stamped) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.events.push((run.clone(), event.clone()));
    }

    fn notice(&self, text: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).notices.push(text.to_owned());
    }
}
