//! [`Documents::steps_of`]: how many steps a playbook has with all that is inlined into it, known before any
//! of it is: playbooks that each inline the next one twice would double with every level.

use super::document::Documents;
use super::parse::DEPTH_LIMIT;
use crate::text::{Node, NodeKind};

impl Documents {
    /// Returns how many steps a document has, those of inlined playbooks too. A playbook that would hold itself
    /// counts once: that is said elsewhere.
    pub(super) fn steps_of(&self, at: usize) -> usize {
        self.count(at, &mut Vec::new())
    }

    fn count(&self, at: usize, around: &mut Vec<usize>) -> usize {
        let Some(document) = self.all.get(at).filter(|_| !around.contains(&at)) else { return 0 };
        if let Some(known) = document.steps.get() {
            return *known;
        }
        // What is inlined deeper than that is refused for its depth.
        if around.len() > DEPTH_LIMIT {
            return 0;
        }
        around.push(at);
        let counted = self.count_lists(&document.root, around);
        around.pop();
        // Another thread has counted the same.
        let _ = document.steps.set(counted);
        counted
    }

    fn count_lists(&self, node: &Node, around: &mut Vec<usize>) -> usize {
        let lists = ["steps", "on_failure", "finally"].into_iter().filter_map(|key| node.get(key));
        lists.map(|list| self.count_list(list, around)).fold(0, usize::saturating_add)
    }

    fn count_list(&self, list: &Node, around: &mut Vec<usize>) -> usize {
        list.items().iter().map(|step| self.count_step(step, around)).fold(0, usize::saturating_add)
    }

    fn count_step(&self, step: &Node, around: &mut Vec<usize>) -> usize {
        let mut counted = 1_usize;
        for key in ["block", "parallel"] {
            let Some(inside) = step.get(key) else { continue };
            let of_it = match inside.kind {
                NodeKind::Mapping(_) => self.count_lists(inside, around),
                _ => self.count_list(inside, around),
            };
            counted = counted.saturating_add(of_it);
        }
        let named = step.get("playbook").and_then(|other| other.get("name").unwrap_or(other).as_str());
        if let Some(other) = named.and_then(|name| self.named(name)) {
            counted = counted.saturating_add(self.count(other, around));
        }
        counted
    }
}
