//! Matchers against what Alertmanager's own parsers and matchers answered.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::model::labels::LabelSet;
use crate::testing::shared_data;

fn vectors(file: &str) -> Vec<Value> {
    let Some(path) = shared_data(&format!("vectors/{file}.json")) else { return Vec::new() };
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn matcher(value: &Value) -> Matcher {
    let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]
        .into_iter()
        .find(|op| value["op"] == op.as_str())
        .unwrap();
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    Seen::default().matcher(text("name"), op, text("value")).unwrap()
}

fn matchers(value: &Value) -> Vec<Matcher> {
    value.as_array().unwrap().iter().map(matcher).collect()
}

/// Parses as a vector asks for: a list, one matcher, or one matcher by the parser that lets braces through.
fn parse(vector: &Value, syntax: MatcherSyntax) -> Result<Vec<Matcher>, MatcherError> {
    let input = vector["input"].as_str().unwrap();
    let braces_pass = vector["origin"].as_str().is_some_and(|origin| origin.ends_with("TestMatcher"));
    match vector["kind"].as_str().unwrap() {
        "list" => parse_list(input, syntax).map(|parsed| parsed.matchers),
        _ if braces_pass && syntax == MatcherSyntax::Utf8Strict => {
            utf8::parse_single(input, &mut Seen::default()).map(|one| vec![one])
        }
        _ => parse_one(input, syntax).map(|(one, _)| vec![one]),
    }
}

fn check(vector: &Value, expected: &Value, syntax: MatcherSyntax) -> Option<String> {
    let input = vector["input"].as_str().unwrap();
    let found = parse(vector, syntax);
    let fits = match (&found, expected["error"].as_str()) {
        (Ok(found), None) => *found == matchers(&expected["matchers"]),
        (Err(error), Some(message)) => error.message == message && input.get(error.range.clone()).is_some(),
        _ => false,
    };
    if !fits {
        return Some(format!("{} {input:?}: {found:?} instead of {expected}", vector["kind"]));
    }
    let printed = expected["printed"].as_str()?;
    let list = vector["kind"] == "list";
    let found = found.unwrap();
    let ours = if list { print_list(&found) } else { found[0].to_string() };
    (ours != printed).then(|| format!("{input:?} prints as {ours} instead of {printed}"))
}

#[test]
fn every_text_is_read_as_alertmanager_reads_it() {
    let mut wrong = Vec::new();
    for (file, syntax) in [("classic", MatcherSyntax::Classic), ("utf8", MatcherSyntax::Utf8Strict)] {
        for vector in vectors(&format!("matchers_{file}")) {
            wrong.extend(check(&vector, &vector, syntax).map(|wrong| format!("{file} {wrong}")));
        }
    }
    for vector in vectors("matchers_fallback") {
        wrong.extend(
            check(&vector, &vector["fallback"], MatcherSyntax::Fallback)
                .map(|wrong| format!("fallback {wrong}")),
        );
        let warned = parse_list(vector["input"].as_str().unwrap(), MatcherSyntax::Fallback)
            .is_ok_and(|p| !p.warnings.is_empty());
        let expected = matches!(vector["class"].as_str().unwrap(), "classic_only" | "disagree");
        if vector["kind"] == "list" && warned != expected {
            wrong.push(format!("{}: warned is {warned}, class {}", vector["input"], vector["class"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn labels_match_as_in_alertmanager() {
    for vector in vectors("matching") {
        let labels: LabelSet = serde_json::from_value(vector["labels"].clone()).unwrap();
        let list = match vector["matchers"].as_array() {
            Some(_) => matchers(&vector["matchers"]),
            None => parse_list(vector["input"].as_str().unwrap(), MatcherSyntax::Fallback).unwrap().matchers,
        };
        let matched = list.iter().all(|matcher| matcher.matches(&labels));
        assert_eq!(Value::Bool(matched), vector["match"], "{vector}");
        assert_eq!(first_failing(&list, &labels).is_none(), matched);
    }
}

#[test]
fn silences_are_listed_by_the_letter_of_their_matchers() {
    for vector in vectors("silence_filter") {
        let listed = lists_silence(&matchers(&vector["silence_matchers"]), &matchers(&vector["filter"]));
        assert_eq!(Value::Bool(listed), vector["listed"], "{vector}");
    }
}

#[test]
fn errors_point_at_the_place_and_say_how_to_mend_it() {
    for (text, part, hint) in [
        (r#"a="b", severity=~"(""#, r#""(""#, ""),
        (r#"a="b", foo"#, "foo", r#"alertname="foo""#),
        (r#"a="b" c"#, r#"""#, ""),
        (r#"a="x"#, "", "closing quote is missing"),
        (r#"my.label="x" y"#, "y", "quoted"),
        ("a=b,,c=d", "", "comma"),
    ] {
        let error = parse_list(text, MatcherSyntax::Fallback).unwrap_err();
        assert_eq!(&text[error.range.clone()], part, "{text}: {error:?}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {error:?}");
    }
}

#[test]
fn a_matcher_is_written_to_json_as_api_v2_writes_it() {
    let matcher = Matcher::new("team", MatchOp::NotRegex, "a|b").unwrap();
    let json = r#"{"isEqual":false,"isRegex":true,"name":"team","value":"a|b"}"#;
    assert_eq!(serde_json::to_string(&matcher).unwrap(), json);
    assert_eq!(serde_json::from_str::<Matcher>(json).unwrap(), matcher);
    let old = r#"{"isRegex":false,"name":"team","value":"x"}"#;
    assert_eq!(serde_json::from_str::<Matcher>(old).unwrap().op(), MatchOp::Equal);
    assert!(serde_json::from_str::<Matcher>(r#"{"isRegex":true,"name":"t","value":"("}"#).is_err());
    assert_eq!(Matcher::new("", MatchOp::Equal, "x"), Err(MatcherPartError::NoName));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(name in "[a-zA-Z_][a-zA-Z0-9_]{0,5}", value in "\\PC{0,8}|[\"\\\\\n\t ,{}=~!']{0,8}") {
        let matcher = Matcher::equal(name, value);
        for syntax in [MatcherSyntax::Classic, MatcherSyntax::Utf8Strict, MatcherSyntax::Fallback] {
            let read = parse_list(&matcher.to_string(), syntax).unwrap();
            prop_assert_eq!(read, Parsed { matchers: vec![matcher.clone()], warnings: vec![] });
        }
    }

    #[test]
    fn any_label_name_survives_the_utf8_grammar(name in "\\PC{1,8}", value in "\\PC{0,8}") {
        let matcher = Matcher::equal(name, value);
        let read = parse_list(&matcher.to_string(), MatcherSyntax::Utf8Strict).unwrap();
        prop_assert_eq!(read.matchers, vec![matcher]);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ab{}=!~,\"\\\\ \n'xé0]{0,16}|.{0,16}") {
        for syntax in [MatcherSyntax::Classic, MatcherSyntax::Utf8Strict, MatcherSyntax::Fallback] {
            for error in [parse_list(&text, syntax).err(), parse_one(&text, syntax).err()].into_iter().flatten() {
                prop_assert!(text.get(error.range.clone()).is_some(), "{:?}", error);
            }
        }
    }
}
