use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::super::question::QuestionType;
use super::*;
use crate::step::testing::at;

fn task(required: u32) -> Task {
    Task {
        prompt: "go?".to_owned(),
        approvers: Approvers {
            users: vec!["ann".to_owned(), "bob".to_owned()],
            groups: vec!["oncall".to_owned()],
        },
        required,
        not_by: Some("starter".to_owned()),
        asked_at: at(0),
        deadline: Some(at(600)),
        on_timeout: OnTimeout::Reject,
        escalation: None,
        escalated_at: None,
        questions: vec![Question {
            name: "keep".to_owned(),
            prompt: "keep".to_owned(),
            kind: QuestionType::Int,
            required: true,
            default: None,
            pattern: None,
            choices: Vec::new(),
            min: None,
            max: None,
        }],
        plan: Vec::new(),
        digest: "d".to_owned(),
    }
}

fn says(by: &str, approve: bool, seconds: i64) -> Decision {
    Decision {
        approve,
        by: by.to_owned(),
        groups: Vec::new(),
        comment: String::new(),
        inputs: BTreeMap::from([("keep".to_owned(), json!(5))]),
        digest: "d".to_owned(),
        at: at(seconds),
        via: "command".to_owned(),
    }
}

fn word(standing: &Standing) -> String {
    match standing {
        Standing::Open(approved) => format!("open {}", names(approved)),
        Standing::Approved(approved) => format!("approved {}", names(approved)),
        Standing::Rejected(by) => format!("rejected {}", by.by),
    }
}

#[test]
fn so_many_different_people_approve_and_one_rejects() {
    let group = |by: &str, group: &str| Decision { groups: vec![group.to_owned()], ..says(by, true, 1) };
    let other = Decision { digest: "other".to_owned(), ..says("ann", true, 1) };
    let table: &[(u32, Vec<Decision>, &str)] = &[
        (1, vec![], "open "),
        (1, vec![says("ann", true, 1)], "approved ann"),
        (2, vec![says("ann", true, 1), says("ann", true, 2)], "open ann"),
        (2, vec![says("ann", true, 1), says("bob", true, 2)], "approved ann, bob"),
        (2, vec![says("ann", true, 1), says("ann", false, 2)], "rejected ann"),
        (1, vec![says("ann", true, 1), says("bob", false, 2)], "approved ann"),
        (1, vec![says("eve", true, 1)], "open "),
        (1, vec![says("eve", false, 1)], "open "),
        (1, vec![group("eve", "oncall")], "approved eve"),
        (1, vec![group("starter", "oncall")], "open "),
        (1, vec![other], "open "),
        (1, vec![says("ann", true, 600)], "open "),
        (1, vec![says("ann", true, 599)], "approved ann"),
    ];
    for (required, decisions, wanted) in table {
        assert_eq!(word(&task(*required).standing(decisions)), *wanted, "{decisions:?}");
    }
}

#[test]
fn a_decision_that_is_not_taken_has_its_reason() {
    let keep =
        |value| Decision { inputs: BTreeMap::from([("keep".to_owned(), value)]), ..says("bob", true, 2) };
    let ann = says("ann", true, 1);
    let table: &[(u32, Vec<Decision>, Decision, Option<&str>)] = &[
        (1, vec![], says("ann", true, 1), None),
        (1, vec![], says("ann", false, 1), None),
        (1, vec![ann.clone()], says("bob", true, 2), Some("it was approved by ann at")),
        (1, vec![says("ann", false, 1)], says("bob", true, 2), Some("it was rejected by ann at")),
        (2, vec![ann.clone()], says("ann", true, 2), Some("ann approved it at")),
        (2, vec![ann.clone()], says("ann", false, 2), None),
        (1, vec![], says("ann", true, 600), Some("it could be decided until")),
        (1, vec![], says("eve", true, 1), Some("eve may not decide it: it is for ann, bob, group oncall")),
        (1, vec![], says("starter", true, 1), Some("starter may not decide it: who starts a run")),
        (
            1,
            vec![],
            Decision { digest: "old".to_owned(), ..says("ann", true, 1) },
            Some("what it would do has changed"),
        ),
        (1, vec![], keep(json!("many")), Some("`keep`: `many` is not a whole number")),
        (
            1,
            vec![],
            Decision { inputs: BTreeMap::new(), ..says("ann", true, 1) },
            Some("`keep`: an answer is needed: a whole number"),
        ),
        (
            1,
            vec![],
            Decision { inputs: BTreeMap::from([("kep".to_owned(), json!(1))]), ..says("ann", true, 1) },
            Some("`kep`: nobody asks for this"),
        ),
        (2, vec![ann.clone()], Decision { inputs: BTreeMap::new(), ..says("bob", true, 2) }, None),
        (2, vec![ann.clone()], keep(json!("5")), None),
        (2, vec![ann.clone()], keep(json!(6)), Some("`keep`: ann has answered 5: say the same, or nothing")),
    ];
    for (required, earlier, new, wanted) in table {
        let refused = task(*required).refuses(earlier, new).map(|refusal| refusal.to_string());
        match (wanted, refused) {
            (None, None) => {}
            (Some(wanted), Some(refused)) => assert!(refused.starts_with(wanted), "{refused}\n{wanted}"),
            (wanted, refused) => panic!("{wanted:?} {refused:?} {new:?}"),
        }
    }
}

#[test]
fn after_its_time_others_are_asked_as_well() {
    let escalation = Escalation {
        to: Approvers { users: Vec::new(), groups: vec!["leads".to_owned()] },
        timeout_ms: Some(60_000),
        on_timeout: OnTimeout::Fail,
    };
    let asked = Task { on_timeout: OnTimeout::Escalate, escalation: Some(escalation), ..task(2) };
    assert_eq!(asked.clone().at(at(599)), asked);
    let later = asked.clone().at(at(600));
    assert_eq!(
        (later.deadline, later.on_timeout, later.escalated_at, later.whom()),
        (
            Some(at(660)),
            OnTimeout::Fail,
            Some(at(600)),
            "2 of ann, bob, group oncall, group leads".to_owned()
        )
    );
    let lead = Decision { groups: vec!["leads".to_owned()], ..says("carl", true, 610) };
    assert_eq!(word(&later.standing(&[says("ann", true, 1), lead])), "approved ann, carl");
    assert!(later.is_late(at(660)) && !later.is_late(at(659)));
    assert_eq!(later.clone().at(at(660)), later, "once");
}

#[test]
fn answers_are_what_was_given_else_the_default() {
    let mut asked = task(1);
    let optional = Question {
        name: "host".to_owned(),
        required: false,
        kind: QuestionType::String,
        ..asked.questions[0].clone()
    };
    let default = Question {
        name: "drain".to_owned(),
        default: Some(json!(true)),
        kind: QuestionType::Bool,
        ..optional.clone()
    };
    asked.questions.extend([optional, default]);
    let typed = asked.typed(BTreeMap::from([("keep".to_owned(), json!("7"))]));
    assert_eq!(typed["keep"], json!(7));
    let decision = Decision { inputs: typed, ..says("ann", true, 1) };
    let answers = Value::Object(asked.answers(&[decision]));
    assert_eq!(answers, json!({"keep": 7, "host": null, "drain": true}));
}

fn any_decision() -> impl Strategy<Value = Decision> {
    let who = prop_oneof![Just("ann"), Just("bob"), Just("eve"), Just("starter")];
    let groups = prop_oneof![Just(vec![]), Just(vec!["oncall".to_owned()])];
    (who, groups, any::<bool>(), 0..700i64, prop_oneof![4 => Just("d"), 1 => Just("old")]).prop_map(
        |(by, groups, approve, seconds, digest)| Decision {
            groups,
            digest: digest.to_owned(),
            ..says(by, approve, seconds)
        },
    )
}

proptest! {
    /// Whatever is said in which order: what is taken is what counts, and what is settled stays.
    #[test]
    fn what_is_taken_counts_and_what_is_settled_stays(
        mut said in prop::collection::vec(any_decision(), 0..12),
        required in 1..4u32,
    ) {
        said.sort_by_key(|decision| decision.at);
        let asked = task(required);
        let mut taken: Vec<Decision> = Vec::new();
        for decision in &said {
            let before = asked.standing(&taken);
            let refused = asked.refuses(&taken, decision);
            if let Some(refused) = refused {
                let mut with = taken.clone();
                with.push(decision.clone());
                prop_assert_eq!(asked.standing(&with), before, "refused ({}), and it counts", refused);
                continue;
            }
            prop_assert!(matches!(before, Standing::Open(_)));
            taken.push(decision.clone());
            match asked.standing(&taken) {
                Standing::Rejected(by) => prop_assert_eq!(&*by, decision),
                Standing::Open(approved) | Standing::Approved(approved) => {
                    prop_assert_eq!(approved.last(), Some(decision));
                    let mut people: Vec<_> = approved.iter().map(|d| &d.by).collect();
                    people.sort();
                    people.dedup();
                    prop_assert_eq!(people.len(), approved.len());
                    prop_assert!(approved.iter().all(|d| d.by != "starter" && d.digest == "d"));
                }
            }
        }
        // What is refused may be in the journal all the same, of an older program or a race: it changes nothing.
        prop_assert_eq!(asked.standing(&said), asked.standing(&taken));
    }
}
