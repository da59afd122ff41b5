//! Any bytes as a file of playbooks: all problems have their places, and what has none can be run and kept.

use std::path::Path;
use std::sync::Arc;

use amflow::model::People;
use amflow::playbook::{Facts, Playbook, compile_text, parse_files};
use amflow::run::{Machine, Options, Run, RunEvent, Stamped, Started, TriggerStatus};
use amflow::text::{Diagnostic, Diagnostics, SourceFile, Span, render};
use jiff::Timestamp;
use serde_json::json;

use super::input::{files, texts};

pub(crate) fn seeds(root: &Path) -> Vec<Vec<u8>> {
    let folders = ["playbooks", "tests/fixtures/check", "tests/fixtures/yaml-traps"];
    let mut seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| files(&root.join(folder))).collect();
    for page in ["README.md", "docs/steps.md", "docs/templates.md"] {
        let page = std::fs::read_to_string(root.join(page)).expect("a page of the documentation");
        let blocks = page.split("```").skip(1).step_by(2);
        seeds.extend(blocks.filter_map(|block| Some(block.strip_prefix("yaml\n")?.as_bytes().to_vec())));
    }
    seeds
}

/// The input is a file, or several.
pub(crate) fn check(data: &[u8]) {
    // A byte that stands between files is no UTF-8, and what is none has to be tried, too.
    let raw = [("raw.yaml".to_owned(), data.to_vec())];
    let cut = texts(data).into_iter().enumerate();
    let cut: Vec<_> = cut.map(|(at, text)| (format!("{at}.yaml"), text.into_bytes())).collect();
    for files in [raw.to_vec(), cut] {
        for facts in [Facts::default(), facts()] {
            let loaded = parse_files(files.clone(), &facts);
            are_told(&loaded.diagnostics);
            match loaded.into_result() {
                Ok(library) => library.playbooks().iter().for_each(|playbook| {
                    is_kept(playbook, &facts);
                    begins(playbook);
                }),
                // With one error nothing runs of all files.
                Err(found) => assert!(found.has_errors()),
            }
        }
    }
}

/// A configuration that offers little.
fn facts() -> Facts {
    let oncall = vec!["ann".to_owned(), "bob".to_owned()];
    let people = People { groups: [("oncall".to_owned(), oncall)].into(), ..People::default() };
    Facts {
        env: Some(vec!["REGION".to_owned()]),
        secrets: Some(vec!["token".to_owned()]),
        connections: Some(Vec::new()),
        time_intervals: Some([].into()),
        alertmanager: Some(false),
        prometheus: Some(false),
        people: Some(people),
        ..Facts::default()
    }
}

/// Every problem has words and a place, and can be shown in every form.
pub(crate) fn are_told(found: &Diagnostics) {
    for problem in found {
        assert!(!problem.message.is_empty() && !problem.code.is_empty());
        let places = problem.related.iter().map(|related| (&related.file, related.span));
        let places = places.chain(problem.file.iter().map(|file| (file, problem.span)));
        places.for_each(|(file, span)| is_in(problem, file, span));
    }
    for width in [40, 100] {
        let drawn = render::text(found, render::Drawing { colour: false, width });
        let hidden = drawn.chars().find(|c| c.is_control() && *c != '\n');
        assert!(hidden.is_none(), "{hidden:?} in {drawn:?}");
    }
    render::text(found, render::Drawing { colour: true, width: 80 });
    assert_eq!(render::lines(found).lines().count(), found.len());
    assert_eq!(render::github(found).lines().count(), found.len());
    let report = render::json(found);
    assert_eq!(report.errors + report.warnings, found.len());
    serde_json::to_string(&report).expect("a report is JSON");
}

fn is_in(problem: &Diagnostic, file: &SourceFile, span: Span) {
    let text = file.text();
    assert!(text.get(span.range()).is_some(), "{problem:?} at {span:?} of {} bytes", text.len());
    let at = file.position(span.start);
    assert!(at.line >= 1 && at.line <= file.line_count() && at.column >= 1, "{problem:?}");
}

/// What a run keeps of its playbook is the same playbook.
fn is_kept(playbook: &Playbook, facts: &Facts) {
    let again = compile_text(&playbook.text, facts);
    let again = again.unwrap_or_else(|found| panic!("{}\n{}", render::lines(&found), playbook.text));
    assert_eq!(again.text, playbook.text);
    assert_eq!((&again.name, &again.digest), (&playbook.name, &playbook.digest));
    assert_eq!(again.trigger.matchers, playbook.trigger.matchers);
    assert_eq!((&again.vars, again.timeout), (&playbook.vars, playbook.timeout));
    let lists = |p: &Playbook| (p.steps.len(), p.on_failure.len(), p.finally.len());
    assert_eq!(lists(&again), lists(playbook));
}

/// A run of it can begin.
fn begins(playbook: &Arc<Playbook>) {
    let at = Timestamp::from_second(1_800_000_000).expect("a time");
    let alert = json!({"labels": {"alertname": "A", "instance": "db1:9100"}, "annotations": {}, "startsAt": at.to_string(),
        "endsAt": at.to_string(), "fingerprint": "0123456789abcdef", "status": {"state": "active"}});
    let started = Started {
        playbook: playbook.name.as_str().to_owned(),
        digest: playbook.digest.clone(),
        trigger: TriggerStatus::Firing,
        target: "t".to_owned(),
        group: [].into(),
        scope: "s".to_owned(),
        alerts: vec![alert.into()],
        env: [].into(),
        source: "stdin".to_owned(),
        by: None,
        retry_of: None,
        handed_over_by: None,
        seed: 1,
    };
    let journal = [Stamped { seq: 1, at, event: RunEvent::RunStarted(Box::new(started)) }];
    let run = Run::replay("run", &journal).expect("it has a beginning");
    let mut machine = Machine::new(run, Arc::clone(playbook), Options::default());
    machine.next(at, false);
}
