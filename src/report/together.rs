//! [`Together`]: several reporters as one.

use std::sync::Arc;

use crate::engine::{Reporter, RunEnd, RunHeader};
use crate::run::Stamped;

/// Passes everything on to each of them, in order.
pub struct Together(pub Vec<Arc<dyn Reporter>>);

impl Reporter for Together {
    fn event(&self, run: &RunHeader, event: &Stamped) {
        self.0.iter().for_each(|one| one.event(run, event));
    }

    fn resumed(&self, run: &RunHeader, journal: &[Stamped], orphaned: bool) {
        self.0.iter().for_each(|one| one.resumed(run, journal, orphaned));
    }

    fn ended(&self, end: &RunEnd) {
        self.0.iter().for_each(|one| one.ended(end));
    }

    fn notice(&self, text: &str) {
        self.0.iter().for_each(|one| one.notice(text));
    }

    fn remark(&self, text: &str) {
        self.0.iter().for_each(|one| one.remark(text));
    }
}
