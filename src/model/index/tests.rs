//! The index against the loop that it replaces.

use proptest::prelude::*;

use super::*;
use crate::model::labels::LabelSet;
use crate::model::matcher::{MatchOp, MatcherSyntax, parse_list};

fn lists(texts: &[&str]) -> Vec<Vec<Matcher>> {
    texts.iter().map(|text| parse_list(text, MatcherSyntax::Fallback).unwrap().matchers).collect()
}

fn naive(lists: &[Vec<Matcher>], labels: &LabelSet) -> Vec<u32> {
    let matching =
        lists.iter().enumerate().filter(|(_, list)| list.iter().all(|matcher| matcher.matches(labels)));
    matching.map(|(at, _)| u32::try_from(at).unwrap()).collect()
}

fn indexed(index: &MatcherIndex, labels: &LabelSet) -> Vec<u32> {
    let mut out = vec![99];
    index.matching(labels, &mut out);
    assert_eq!(index.matches_any(labels), !out.is_empty());
    out
}

#[test]
fn every_kind_of_matcher_is_found() {
    let lists = lists(&[
        "a=x",
        "a!=x",
        "a=~x|y",
        "a!~x|y",
        "a=~'.+'",
        r#"a=~"x.*",b=y"#,
        r#"a="""#,
        r#"a!="""#,
        r#"a=~"x|""#,
        "",
        r#"a=~".*",b!="""#,
        "a=x,a=y",
        r#"a!~".+""#,
    ]);
    let index = MatcherIndex::new(&lists);
    assert_eq!((index.len(), index.is_empty()), (13, false));
    for labels in [
        LabelSet::new(),
        LabelSet::from([("a", "x")]),
        LabelSet::from([("a", "y"), ("b", "y")]),
        LabelSet::from([("a", "xx"), ("b", "y"), ("c", "z")]),
        LabelSet::from([("c", "z")]),
    ] {
        assert_eq!(indexed(&index, &labels), naive(&lists, &labels), "{labels}");
    }
    assert!(indexed(&MatcherIndex::new::<Vec<Matcher>>(&[]), &LabelSet::from([("a", "x")])).is_empty());
}

#[test]
fn crowded_equalities_give_way_to_regular_expressions() {
    let texts: Vec<String> =
        (0..300).map(|n| format!("severity=critical,alertname=~\"Rule{n}[a-z]*\"")).collect();
    let lists = lists(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let index = MatcherIndex::new(&lists);
    assert!(index.by_value.iter().all(Vec::is_empty), "nothing is filed under the severity");
    for name in ["Rule7x", "Rule299", "Rule", "Rule1"] {
        let labels = LabelSet::from([("alertname", name), ("severity", "critical")]);
        assert_eq!(indexed(&index, &labels), naive(&lists, &labels), "{name}");
    }
}

#[test]
fn many_values_do_not_fill_the_memory() {
    let index = MatcherIndex::new(&lists(&["instance=~\"web-[0-9]+\"", "a=b,instance!~\"db-[0-9]+\""]));
    let mut out = Vec::new();
    for number in 0..70_000 {
        let labels = LabelSet::from([("instance", format!("web-{number}"))]);
        index.matching(&labels, &mut out);
        assert_eq!(out, [0]);
    }
    let state = index.state.lock().unwrap();
    assert!(state.memos.iter().all(|memo| memo.len() < 66_000));
}

fn op() -> impl Strategy<Value = MatchOp> {
    proptest::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex])
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let value = proptest::sample::select(vec![
        "", "x", "y", "z", "x|y", "x|", ".*", ".+", "x.*", "[xy]", "(x|z)", "y+",
    ]);
    ("[abc]", op(), value).prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
}

proptest! {
    #[test]
    fn the_index_finds_what_the_loop_finds(
        lists in proptest::collection::vec(proptest::collection::vec(matcher(), 0..4), 0..90),
        alerts in proptest::collection::vec(proptest::collection::vec(("[abcd]", "[xyz]{0,2}"), 0..4), 1..12),
    ) {
        let index = MatcherIndex::new(&lists);
        for alert in alerts {
            let labels: LabelSet = alert.into_iter().collect();
            prop_assert_eq!(indexed(&index, &labels), naive(&lists, &labels), "{}", labels);
        }
    }
}
