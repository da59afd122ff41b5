//! The same figures in every form, with names that would be more than text if they could.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::engine::{Episode, EpisodeKey, RunHeader, RunSummary};
use crate::playbook::{Facts, compile_text};
use crate::run::{RunEvent, RunStatus, Signal, SignalKind, Stamped, Started, TriggerStatus};
use crate::step::{CommandEffect, Effect, IfLost, Outcome};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_500_000 + second).unwrap()
}

const HOSTILE: &str = "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}|[a](http://x)";

fn fact(n: i64, playbook: &str, alertname: &str, status: RunStatus, ending: Ending) -> RunFacts {
    let starts = at(n * 3_000 - 400);
    RunFacts {
        run: format!("019ab3c8-52f1-7d10-9f6e-{n:012x}"),
        playbook: playbook.to_owned(),
        alertname: alertname.to_owned(),
        target: format!("{{alertname={alertname:?}, instance=\"web-{n}\"}}"),
        status,
        reason: if status == RunStatus::Failed { format!("clean: exit 1: {HOSTILE}") } else { String::new() },
        started_at: at(n * 3_000),
        ended_at: status.is_final().then(|| at(n * 3_000 + 60 * (n % 7 + 1))),
        changed: n % 4 != 0,
        alerts: vec![AlertFacts {
            episode: EpisodeKey {
                scope: "am".to_owned(),
                fingerprint: format!("{n:016x}"),
                starts_at_ms: starts.as_millisecond(),
            },
            ending: match ending {
                Ending::Cleared(_) => {
                    Ending::Cleared(starts.saturating_add(SignedDuration::from_secs(500 + n * 10)).unwrap())
                }
                other => other,
            },
        }],
    }
}

fn report() -> PeriodReport {
    let mut tally = Tally::new(Period {
        since: at(0),
        until: at(86_400),
        now: at(86_400),
        playbook: None,
        matchers: vec![format!("team={HOSTILE:?}")],
    });
    for n in (0..28).rev() {
        let (playbook, name) = match n % 3 {
            0 => ("node-disk-full", "NodeFilesystemSpaceFillingUp"),
            1 => ("restart-service", "ServiceDown"),
            _ => ("ask", HOSTILE),
        };
        let (status, ending) = match n {
            27 => (RunStatus::Running, Ending::Firing),
            n if n % 9 == 4 => (RunStatus::Failed, Ending::Unknown),
            n if n % 11 == 5 => (RunStatus::Cancelled, Ending::Cleared(at(0))),
            n if n % 13 == 6 => (RunStatus::Rejected, Ending::Unknown),
            _ => (RunStatus::Succeeded, Ending::Cleared(at(0))),
        };
        tally.add(fact(n, playbook, name, status, ending));
    }
    tally.finish()
}

#[test]
fn a_report_for_a_terminal() {
    let text = period_text(&report()).join("\n");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    insta::assert_snapshot!("text", text);
}

#[test]
fn a_report_as_markdown() {
    let page = period_markdown(&report());
    assert!(!page.contains('<') && !page.contains("[a]("), "{page}");
    insta::assert_snapshot!("markdown", page);
}

/// Returns the tags of a page and the names of their attributes. Fails where the page is not well-formed.
#[track_caller]
fn tags(page: &str) -> Vec<(String, Vec<String>)> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        rest = &rest[open + 1..];
        let mut chars = rest.char_indices();
        let (mut quoted, mut end) = (false, None);
        for (at, c) in chars.by_ref() {
            match c {
                '"' => quoted = !quoted,
                '>' if !quoted => {
                    end = Some(at);
                    break;
                }
                '<' => panic!("a `<` within a tag: {}", &rest[..at]),
                _ => {}
            }
        }
        let tag = &rest[..end.expect("a tag ends")];
        let unquoted: String = tag.split('"').step_by(2).collect::<Vec<_>>().join("");
        let mut words = unquoted.split_whitespace().map(|w| w.trim_end_matches('=').to_owned());
        tags.push((words.next().unwrap_or_default(), words.collect()));
        rest = &rest[end.unwrap_or_default() + 1..];
    }
    tags
}

#[test]
fn a_page_is_made_of_our_own_tags_only() {
    let page = period_html(&report());
    let known = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "h3",
        "p", "section", "div", "span", "i", "b", "table", "tr", "th", "td", "code", "footer",
    ];
    let attributes = ["html", "lang", "charset", "http-equiv", "content", "name", "class", "style", "title"];
    for (tag, names) in tags(&page) {
        assert!(known.contains(&tag.trim_start_matches('/')), "<{tag}>");
        assert!(names.iter().all(|name| attributes.contains(&name.as_str())), "<{tag} {names:?}>");
    }
    for bad in ["http://", "https://", "url(", "@import", "\u{1b}", "\u{202e}"] {
        let allowed = page.matches("http://x").count();
        let found = page.matches(bad).count();
        assert!(found == if bad == "http://" { allowed } else { 0 }, "{bad}");
    }
    insta::assert_snapshot!("html", page);
}

#[test]
fn what_began_just_now_is_to_be_seen_on_the_timeline() {
    let mut tally = Tally::new(Period {
        since: at(0),
        until: at(7 * 86_400),
        now: at(7 * 86_400),
        playbook: None,
        matchers: Vec::new(),
    });
    for n in 1..=7 {
        let mut run = fact(n, "p", "A", RunStatus::Succeeded, Ending::Unknown);
        run.started_at = at(7 * 86_400 - 10 * n);
        run.ended_at = Some(at(7 * 86_400 - 10 * n + 5));
        tally.add(run);
    }
    let report = tally.finish();
    let (lanes, _) = timeline::lanes(&report);
    let bars = &lanes[0].bars;
    assert!(bars.iter().all(|bar| bar.left <= 99.5), "{bars:?}");
    let newest = bars.last().unwrap();
    assert_eq!(newest.run.started_at, at(7 * 86_400 - 10));
    // Beside each other as long as there are rows, then over the one that is over for the longest time.
    let rows: Vec<_> = bars.iter().map(|bar| bar.row).collect();
    assert_eq!((&rows[..5], lanes[0].crowded), (&[0, 1, 2, 3, 4][..], true));
    let page = period_html(&report);
    assert_eq!(page.matches("left:min(99.500%,100% - 4px)").count(), 7);
    assert!(page.contains("newer bars lie on older ones"), "{page}");
}

#[test]
fn a_page_of_nothing_is_a_page() {
    let tally = Tally::new(Period {
        since: at(0),
        until: at(60),
        now: at(60),
        playbook: Some("none".to_owned()),
        matchers: Vec::new(),
    });
    let report = tally.finish();
    assert!(period_html(&report).contains("No run started in this time."));
    assert!(period_text(&report)[0].ends_with(", playbook none"));
    tags(&period_html(&report));
}

fn summary(status: RunStatus) -> RunSummary {
    RunSummary {
        header: RunHeader {
            run: "r1".to_owned(),
            playbook: "p".to_owned(),
            digest: "d".to_owned(),
            trigger: TriggerStatus::Firing,
            target: "t".to_owned(),
            labels: [("alertname".to_owned(), "A".to_owned())].into(),
            scope: "am".to_owned(),
        },
        status,
        reason: String::new(),
        started_at: at(10),
        updated_at: at(100),
        due: None,
        owner: None,
    }
}

fn journal(events: Vec<RunEvent>) -> Vec<Stamped> {
    let started = RunEvent::RunStarted(Box::new(Started {
        playbook: "p".to_owned(),
        digest: "d".to_owned(),
        trigger: TriggerStatus::Firing,
        target: "t".to_owned(),
        group: std::collections::BTreeMap::new(),
        scope: "am".to_owned(),
        alerts: vec![json!({"labels": {"alertname": "A"}, "startsAt": at(0), "endsAt": at(240)}).into()],
        env: std::collections::BTreeMap::new(),
        source: "poll".to_owned(),
        by: None,
        retry_of: None,
        handed_over_by: None,
        seed: 1,
    }));
    let events = std::iter::once(started).chain(events);
    events
        .zip(1..)
        .map(|(event, seq)| Stamped { seq, at: at(10 * i64::try_from(seq).unwrap()), event })
        .collect()
}

fn attempt(path: &str, effect: Option<Effect>) -> RunEvent {
    RunEvent::AttemptStarted {
        path: path.to_owned(),
        attempt: 1,
        effect: effect.map(Box::new),
        if_lost: IfLost::Fail,
        memo: serde_json::Value::Null,
    }
}

fn command() -> Option<Effect> {
    Some(Effect::Command(CommandEffect { argv: vec!["true".to_owned()], ..CommandEffect::default() }))
}

#[test]
fn a_run_that_only_looked_has_changed_nothing() {
    let text = "version: 1\nname: p\nmatchers: [alertname = A]\nsteps:\n  - id: look\n    exec: [df]\n    read_only: true\n  - id: mend\n    exec: [rm]\n";
    let playbook = compile_text(text, &Facts::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let changing = Changing::of(&playbook);
    let made = |id: &str| RunEvent::HoldMade { id: id.to_owned(), server_id: None };
    for (what, event, changed) in [
        ("a look", attempt("look", command()), false),
        ("a look at an item", attempt("look[3]", command()), false),
        ("what is not read only", attempt("mend", command()), true),
        ("a step that is not in the playbook", attempt("other", command()), true),
        ("a wait", attempt("w", None), false),
        ("a GET", attempt("mend", Some(request("GET"))), false),
        ("a POST", attempt("mend", Some(request("POST"))), true),
        ("a silence of a step", made("quiet"), true),
        ("its own mute", made("sync/mute/0"), false),
    ] {
        let facts = run_facts(&summary(RunStatus::Succeeded), &journal(vec![event]), &changing, &[], at(999));
        assert_eq!(facts.changed, changed, "{what}");
    }
}

fn request(method: &str) -> Effect {
    Effect::Request(crate::step::RequestEffect {
        method: method.to_owned(),
        url: "http://h/".to_owned(),
        connection: None,
        headers: Vec::new(),
        body: None,
        idempotency_key: None,
        output_limit: 1,
    })
}

#[test]
fn the_end_of_an_alert_is_what_was_told_first() {
    let episode = |closed: Option<i64>, ends: Option<i64>, last: Option<i64>| Episode {
        key: EpisodeKey {
            scope: "am".to_owned(),
            fingerprint: "a".to_owned(),
            starts_at_ms: at(0).as_millisecond(),
        },
        last_firing: last.map(at),
        ends_at: ends.map(at),
        closed_at: closed.map(at),
        claims: Vec::new(),
    };
    let wait = |clear: Option<Timestamp>| RunEvent::AttemptContinued {
        path: "verify".to_owned(),
        attempt: 1,
        effect: None,
        if_lost: IfLost::Repeat,
        memo: json!({"watch": {"alerts": {"a": {"clear": clear}}}}),
        parked_until: None,
        for_person: false,
        parked: true,
    };
    let done = || RunEvent::AttemptFinished {
        path: "verify".to_owned(),
        attempt: 1,
        outcome: Outcome::Succeeded,
        output: json!({"resolved": true}),
    };
    let fingerprint = alerts_of(&journal(vec![]))[0].fingerprint.clone();
    let told = || {
        RunEvent::SignalReceived(Signal {
            id: "s".to_owned(),
            kind: SignalKind::Resolved { fingerprints: vec![fingerprint.clone()] },
        })
    };
    for (what, events, known, ending) in [
        ("nothing is known", vec![], None, Ending::Unknown),
        ("a wait proved it", vec![wait(Some(at(15))), done()], None, Ending::Cleared(at(15))),
        ("a proof without its time is as old as its end", vec![done()], None, Ending::Cleared(at(20))),
        (
            "it came back and cleared again",
            vec![wait(Some(at(15))), wait(None), wait(Some(at(35))), done()],
            None,
            Ending::Cleared(at(35)),
        ),
        ("a wait that has proved nothing yet", vec![wait(Some(at(15)))], None, Ending::Unknown),
        ("a delivery said so", vec![told()], None, Ending::Cleared(at(20))),
        (
            "the store knows its end",
            vec![],
            Some(episode(Some(300), Some(280), Some(200))),
            Ending::Cleared(at(280)),
        ),
        (
            "the store knows when it closed",
            vec![],
            Some(episode(Some(300), Some(400), None)),
            Ending::Cleared(at(300)),
        ),
        ("it was seen firing again", vec![done()], Some(episode(None, None, Some(900))), Ending::Firing),
        ("its lease goes on", vec![], Some(episode(None, Some(1_100), Some(10))), Ending::Firing),
        ("nobody has seen it for long", vec![], Some(episode(None, Some(240), Some(10))), Ending::Unknown),
    ] {
        let facts = run_facts(
            &summary(RunStatus::Succeeded),
            &journal(events),
            &Changing::default(),
            &[known],
            at(999),
        );
        assert_eq!(facts.alerts[0].ending, ending, "{what}");
    }
}
