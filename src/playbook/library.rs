//! [`Library`]: all playbooks, and which of them an alert matches.

use std::fmt;
use std::sync::Arc;

use super::types::Playbook;
use crate::model::{Labels, index::MatcherIndex};

/// All playbooks of a process, in the order of their files.
pub struct Library {
    playbooks: Vec<Arc<Playbook>>,
    index: MatcherIndex,
}

impl Library {
    /// Makes a library; the index is built once.
    pub fn new(playbooks: Vec<Arc<Playbook>>) -> Library {
        let lists: Vec<&[_]> = playbooks.iter().map(|p| p.trigger.matchers.as_slice()).collect();
        let index = MatcherIndex::new(&lists);
        Library { playbooks, index }
    }

    /// Returns the playbooks, in order.
    pub fn playbooks(&self) -> &[Arc<Playbook>] {
        &self.playbooks
    }

    /// Returns the playbook of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Playbook>> {
        self.playbooks.iter().find(|playbook| playbook.name.as_str() == name)
    }

    /// Returns whether an alert matches at least one playbook.
    pub fn matches_any(&self, labels: &impl Labels) -> bool {
        self.index.matches_any(labels)
    }

    /// Writes the numbers of the playbooks whose matchers all hold, in order, to `out`; what was in it is gone.
    pub fn matching(&self, labels: &impl Labels, out: &mut Vec<u32>) {
        self.index.matching(labels, out);
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.playbooks.iter().map(|p| &p.name)).finish()
    }
}
