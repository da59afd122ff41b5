//! [`unmatched`]: the pairs of alert and playbook that admission never sees, because a matcher does not
//! hold, each with the first reason. What matches is answered by admission itself.

use std::sync::Arc;

use super::admit::{Skip, refused};
use crate::model::Alert;
use crate::playbook::{Library, Playbook};

/// An alert that a playbook does not match.
#[derive(Clone, Debug)]
pub struct Unmatched<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The playbook.
    pub playbook: &'a Arc<Playbook>,
    /// The first reason: amflow's own alert, else the first matcher that does not hold.
    pub skip: Skip,
}

/// Returns every pair of alert and playbook that does not match, in the order of alerts, then of playbooks.
pub fn unmatched<'a>(library: &'a Library, alerts: &'a [Arc<Alert>]) -> impl Iterator<Item = Unmatched<'a>> {
    let mut matching = Vec::new();
    alerts.iter().flat_map(move |alert| {
        library.matching(&alert.labels, &mut matching);
        let matching = matching.clone();
        let rest = (0_u32..).zip(library.playbooks()).filter(move |(n, _)| !matching.contains(n));
        rest.filter_map(move |(_, playbook)| {
            Some(Unmatched { alert, playbook, skip: refused(playbook, alert)? })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LabelSet;
    use crate::playbook::{Facts, compile_text};

    fn library(matchers: &[&str]) -> Library {
        let playbooks = matchers.iter().enumerate().map(|(n, matchers)| {
            let text = format!("version: 1\nname: p{n}\nmatchers: [{matchers}]\nsteps:\n  - log: hello\n");
            Arc::new(compile_text(&text, &Facts::default()).unwrap())
        });
        Library::new(playbooks.collect())
    }

    fn alert(labels: &[(&str, &str)]) -> Arc<Alert> {
        let labels = labels.iter().copied().collect::<LabelSet>();
        Arc::new(Alert::firing(labels, jiff::Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn each_pair_that_does_not_match_is_told_once_with_its_first_reason() {
        let library = library(&["a = 1, b = 2", "a = 1", "c = 3", "a =~ 1|8"]);
        let alerts = [
            alert(&[("a", "1")]),
            alert(&[("a", "9"), ("b", "2")]),
            alert(&[("a", "1"), ("amflow_state", "running")]),
        ];
        let told: Vec<_> = unmatched(&library, &alerts)
            .map(|pair| {
                let at = alerts.iter().position(|alert| **alert == *pair.alert).unwrap();
                format!("{at} {} {}", pair.playbook.name, pair.skip)
            })
            .collect();
        assert_eq!(
            told,
            [
                r#"0 p0 b="2" does not hold: the alert has no such label"#,
                r#"0 p2 c="3" does not hold: the alert has no such label"#,
                r#"1 p0 a="1" does not hold: it is "9""#,
                r#"1 p1 a="1" does not hold: it is "9""#,
                r#"1 p2 c="3" does not hold: the alert has no such label"#,
                r#"1 p3 a=~"1|8" does not hold: it is "9""#,
                "2 p0 amflow posted this alert itself (label amflow_state), and never works on its own",
                "2 p2 amflow posted this alert itself (label amflow_state), and never works on its own",
            ]
        );
    }
}
