//! Matchers in all grammars: what is printed is read again, and the index finds what a loop over all finds.

use std::path::Path;

use amflow::model::matcher::{lists_silence, print_list, print_value};
use amflow::model::{
    LabelSet, MatchOp, Matcher, MatcherError, MatcherIndex, MatcherSyntax, first_failing, parse_list,
    parse_one,
};

use super::hostile::hostile_values;
use super::input::{input, texts};
use MatcherSyntax::{Classic, Fallback, Utf8Strict};

/// Texts of matchers as people write them, right and wrong.
const WRITTEN: &[&str] = &[
    "alertname = DiskFull, mountpoint =~ \"/|/var.*\"",
    "{severity=\"critical\",team!=\"a\"}",
    "foo=bar",
    "foo=\"bar,baz\",x!~\"a|b\"",
    "{\"my.label\"=\"x y\", ü =~ 'a'}",
    "\"quoted\\\"name\"=`raw`",
    "a=\"\\n\\\\\\\"\"",
    "a=~\"(a|b\"",
    "{a=b,}",
    "{,}",
    "{a=b",
    "a=b}",
    "a==b",
    "a=\"b\"c",
    "a=\\",
    "a=\"\\x41\\u00fc\\101\"",
    "a!=\"\"",
    "a=~\"\"",
    " a = b , c != d ",
    "a=b,c",
    "1a=b",
    "a:b=c",
    "=b",
    "a",
    "",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let labels = ["alertname", "DiskFull", "mountpoint", "/var/log", "a", "b"];
    let written = WRITTEN.iter().map(|text| [&[*text, "a=b"], &labels[..]].concat());
    let mut seeds: Vec<Vec<u8>> = written.map(|parts| input(&parts)).collect();
    for value in hostile_values().iter().filter(|value| value.len() < 200) {
        let list = format!("a={}", print_value(value));
        seeds.push(input(&[&list, &format!("a!~{value}"), "a", value]));
    }
    seeds
}

/// The input is two lists of matchers, and names and values of labels in turns.
pub(crate) fn check(data: &[u8]) {
    let texts = texts(data);
    let lists = &texts[..texts.len().min(2)];
    let labels: LabelSet = texts[lists.len()..].chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
    let mut read = Vec::new();
    for text in lists {
        read.extend([Classic, Utf8Strict, Fallback].map(|syntax| list(text, syntax)).into_iter().flatten());
        falls_back(text);
        for syntax in [Classic, Utf8Strict, Fallback] {
            match parse_one(text, syntax) {
                Ok((matcher, _)) => read.push(vec![matcher]),
                Err(error) => is_in(&error, text),
            }
        }
    }
    for matchers in &read {
        matchers.iter().for_each(|matcher| matches_as_it_says(matcher, &labels));
        let first = matchers.iter().find(|matcher| !matcher.matches(&labels));
        assert_eq!(first_failing(matchers, &labels), first);
        assert!(lists_silence(matchers, matchers), "a silence is listed by its own matchers");
    }
    finds_all(&read, &labels);
}

/// Reads a list, and sees that it comes back when it is printed.
fn list(text: &str, syntax: MatcherSyntax) -> Option<Vec<Matcher>> {
    let read = match parse_list(text, syntax) {
        Ok(read) => read,
        Err(error) => {
            is_in(&error, text);
            return None;
        }
    };
    for warning in &read.warnings {
        assert!(!warning.message.is_empty());
        let suggested = parse_list(&warning.suggestion, Utf8Strict).map(|read| read.matchers);
        if read.matchers.iter().all(|matcher| !matcher.name().is_empty()) {
            assert_eq!(suggested.as_ref(), Ok(&read.matchers), "{text} suggests {}", warning.suggestion);
        }
    }
    let printed = print_list(&read.matchers);
    if read.matchers.iter().all(|matcher| !matcher.name().is_empty()) {
        for again in [Utf8Strict, Fallback] {
            let again = parse_list(&printed, again).map(|read| read.matchers);
            assert_eq!(again.as_ref(), Ok(&read.matchers), "{text} is printed as {printed}");
        }
    }
    if syntax == Classic {
        let again = parse_list(&printed, Classic).map(|read| read.matchers);
        assert_eq!(again.as_ref(), Ok(&read.matchers), "{text} is printed as {printed}");
    }
    let json = serde_json::to_string(&read.matchers).expect("matchers are JSON");
    if read.matchers.iter().all(|matcher| !matcher.name().is_empty()) {
        assert_eq!(serde_json::from_str::<Vec<Matcher>>(&json).expect(&json), read.matchers);
    }
    Some(read.matchers)
}

/// The default reads what any of both grammars reads, and the classic one has the last word.
fn falls_back(text: &str) {
    let read = |syntax| parse_list(text, syntax).map(|read| read.matchers);
    match (read(Classic), read(Utf8Strict), read(Fallback)) {
        (Ok(classic), _, fallback) => assert_eq!(fallback, Ok(classic), "{text}"),
        (Err(_), Ok(utf8), fallback) => assert_eq!(fallback, Ok(utf8), "{text}"),
        (Err(classic), Err(_), fallback) => {
            assert_eq!(fallback.map_err(|error| error.message), Err(classic.message), "{text}");
        }
    }
}

fn is_in(error: &MatcherError, text: &str) {
    assert!(!error.message.is_empty());
    assert!(text.get(error.range.clone()).is_some(), "{text}: {error} at {:?}", error.range);
}

/// A missing label is the empty text.
fn matches_as_it_says(matcher: &Matcher, labels: &LabelSet) {
    let value = labels.get(matcher.name()).unwrap_or_default();
    let is_same = match matcher.op() {
        MatchOp::Equal | MatchOp::NotEqual => value == matcher.value(),
        MatchOp::Regex | MatchOp::NotRegex => {
            matcher.pattern().is_some_and(|pattern| pattern.is_match(value))
        }
    };
    assert_eq!(matcher.matches(labels), is_same == matcher.op().is_positive(), "{matcher} of {labels}");
    assert_eq!(matcher.matches_empty(), matcher.matches(&LabelSet::new()), "{matcher} of nothing");
}

fn finds_all(lists: &[Vec<Matcher>], labels: &LabelSet) {
    let index = MatcherIndex::new(lists);
    let mut found = Vec::new();
    // The second time it remembers; an alert between both must not confuse it.
    for labels in [labels, &LabelSet::new(), labels] {
        let expected: Vec<u32> = (0..)
            .zip(lists)
            .filter(|(_, list)| list.iter().all(|matcher| matcher.matches(labels)))
            .map(|(at, _)| at)
            .collect();
        index.matching(labels, &mut found);
        assert_eq!(found, expected, "{lists:?} for {labels}");
        assert_eq!(index.matches_any(labels), !expected.is_empty());
    }
}
