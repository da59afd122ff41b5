//! The reader on real documents, in every chunking, and on broken ones.

use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::alert::{Alert, AlertStatus};
use crate::model::labels::{LabelSet, Labels};
use crate::testing::shared_data;

fn now() -> Timestamp {
    "2026-11-23T06:50:00Z".parse().unwrap()
}

type Outcome = Result<(Vec<Alert>, ReadStats), PayloadError>;

/// Reads bytes in pieces of one size.
fn read(bytes: &[u8], piece: usize) -> Outcome {
    let (mut reader, mut alerts) = (PayloadReader::new("stdin"), Vec::new());
    let mut keep = |raw: &RawAlert<'_>| raw.to_alert(now()).map(|alert| alerts.push(alert));
    for chunk in bytes.chunks(piece) {
        reader.space(chunk.len())[..chunk.len()].copy_from_slice(chunk);
        reader.filled(chunk.len(), &mut keep)?;
    }
    let stats = reader.finish(&mut keep)?;
    Ok((alerts, stats))
}

/// Reads in every chunking, sees that all agree, and returns what they found.
fn read_all_ways(bytes: &[u8]) -> Outcome {
    let whole = read(bytes, bytes.len().max(1));
    for piece in [1, 2, 3, 7, 64, 1_000] {
        assert_eq!(read(bytes, piece), whole, "in pieces of {piece}");
    }
    let in_memory = read_alerts("stdin", bytes, now());
    assert_eq!(in_memory, whole);
    whole
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/payloads").join(name)).unwrap()
}

#[test]
fn every_captured_document_is_recognised_and_read() {
    use Shape::{ApiV2, Grafana, Groups, Prometheus, Single, Webhook};
    let expected: [(&str, Shape, usize, u64); 24] = [
        ("alertmanager-0.25.0-alerts-empty.json", ApiV2, 0, 0),
        ("alertmanager-0.25.0-alerts-from-prometheus.json", ApiV2, 9, 0),
        ("alertmanager-0.25.0-alerts-suppressed.json", ApiV2, 7, 0),
        ("alertmanager-0.25.0-alerts.json", ApiV2, 6, 0),
        ("alertmanager-0.25.0-groups.json", Groups, 8, 0),
        ("alertmanager-0.25.0-webhook-all-resolved.json", Webhook, 2, 0),
        ("alertmanager-0.25.0-webhook-firing.json", Webhook, 2, 0),
        ("alertmanager-0.25.0-webhook-no-alertname.json", Webhook, 1, 0),
        ("alertmanager-0.25.0-webhook-one-resolved.json", Webhook, 3, 0),
        ("alertmanager-0.25.0-webhook-receiver-escaped.json", Webhook, 1, 0),
        ("alertmanager-0.25.0-webhook-truncated.json", Webhook, 2, 3),
        ("alertmanager-0.34-constructed-groups.json", Groups, 2, 0),
        ("alertmanager-0.34-constructed-webhook.json", Webhook, 1, 0),
        ("amtool-0.25.0-alert-query-none.json", ApiV2, 0, 0),
        ("amtool-0.25.0-alert-query.json", ApiV2, 9, 0),
        ("amtool-0.27-constructed-warning-first.json", ApiV2, 2, 0),
        ("amtool-0.28-constructed-warnings-first.json", ApiV2, 2, 0),
        ("constructed-alert.json", Single, 1, 0),
        ("constructed-alerts.ndjson", Single, 4, 0),
        ("constructed-webhooks.ndjson", Webhook, 5, 0),
        ("grafana-constructed-webhook.json", Grafana, 1, 0),
        ("prometheus-2.42.0-alerts.json", Prometheus, 9, 0),
        ("victoriametrics-1.112.0-alerts-empty.json", Prometheus, 0, 0),
        ("vmalert-1.112.0-alerts.json", Prometheus, 0, 0),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/payloads");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), expected.len(), "every fixture is listed here");
    for (name, shape, count, truncated) in expected {
        let (alerts, stats) = read_all_ways(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(stats.bad, [], "{name}");
        assert_eq!(
            (stats.shapes.as_slice(), alerts.len(), stats.truncated),
            ([shape].as_slice(), count, truncated),
            "{name}"
        );
        for alert in alerts.iter().filter(|_| shape != Grafana && !name.contains("0.34")) {
            assert_eq!(alert.fingerprint, alert.labels.fingerprint(), "{name}: {}", alert.labels);
        }
    }
}

#[test]
fn an_alert_of_api_v2_keeps_all_that_it_says() {
    let (alerts, _) = read_all_ways(&fixture("alertmanager-0.25.0-alerts.json")).unwrap();
    let alert = &alerts[0];
    assert_eq!(alert.fingerprint.to_string(), "1546996e16940152");
    assert_eq!(alert.annotations["summary"], "p99 > 2s on web-1");
    assert_eq!(alert.starts_at, "2026-11-23T06:42:37.955Z".parse().unwrap());
    assert_eq!(alert.ends_at, Some("2026-11-23T06:52:37.955Z".parse().unwrap()));
    assert_eq!(alert.generator_url, "http://prometheus.example:9090/graph?g0.expr=x&g0.tab=1");
    assert_eq!(
        (alert.receivers.as_slice(), alert.status),
        (["team-main".to_owned()].as_slice(), AlertStatus::Firing)
    );

    let (alerts, _) = read_all_ways(&fixture("alertmanager-0.25.0-alerts-suppressed.json")).unwrap();
    assert!(alerts.iter().any(|alert| !alert.silenced_by.is_empty()));
    assert!(alerts.iter().any(|alert| !alert.inhibited_by.is_empty()));
    let (alerts, _) = read_all_ways(&fixture("alertmanager-0.34-constructed-groups.json")).unwrap();
    assert!(alerts.iter().all(|alert| alert.muted_by == ["nights"]));
}

#[test]
fn what_a_webhook_says_about_each_alert_holds_whatever_the_clock_says() {
    let (alerts, stats) = read_all_ways(&fixture("alertmanager-0.25.0-webhook-one-resolved.json")).unwrap();
    let resolved = alerts.iter().filter(|alert| !alert.is_firing()).count();
    assert_eq!((resolved, alerts.len(), stats.documents), (1, 3, 1));
    assert!(alerts.iter().filter(|alert| alert.is_firing()).all(|alert| alert.ends_at.is_none()));
    let early =
        read_alerts("x", &fixture("alertmanager-0.25.0-webhook-all-resolved.json"), Timestamp::UNIX_EPOCH);
    assert!(early.unwrap().0.iter().all(|alert| !alert.is_firing()));
}

#[test]
fn alerts_that_do_not_fire_yet_are_counted_and_left_out() {
    let (alerts, stats) = read_all_ways(&fixture("prometheus-2.42.0-alerts.json")).unwrap();
    assert_eq!((alerts.len(), stats.pending), (9, 1));
    assert_eq!(alerts[0].starts_at, "2026-11-23T06:57:45.959Z".parse().unwrap());
    assert_eq!(alerts[0].values["value"].to_string(), "0");
    assert_eq!(read_all_ways(&fixture("vmalert-1.112.0-alerts.json")).unwrap().1.pending, 1);
}

#[test]
fn grafanas_values_and_pages_are_kept() {
    let (alerts, _) = read_all_ways(&fixture("grafana-constructed-webhook.json")).unwrap();
    let alert = &alerts[0];
    assert_eq!(alert.fingerprint.to_string(), "0123456789abcdef");
    assert_eq!(
        alert.values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        ["A=93.5", "C=1"]
    );
    assert_eq!(alert.links.keys().collect::<Vec<_>>(), ["silence"]);
}

#[test]
fn numbers_may_be_cut_anywhere() {
    let text = br#"[{"labels":{"a":"b"},"values":{"A":-5,"B":-0.25e-3,"C":1E+2,"D":0.5},"value":"-1e3"},{"labels":{"a":"c"},"x":-1.5E-7}]"#;
    let (alerts, stats) = read_all_ways(text).unwrap();
    assert_eq!((alerts.len(), stats.bad_count), (2, 0));
    assert_eq!(
        alerts[0].values.values().copied().collect::<Vec<_>>(),
        [-5.0, -0.000_25, 100.0, 0.5, -1000.0]
    );
    for broken in [&b"[-"[..], b"[1e", b"[1e+", b"[-x]", b"[1.]", b"[-01]", b"[1ex]"] {
        read_all_ways(broken).unwrap_err();
    }
}

#[test]
fn what_amflow_writes_it_reads() {
    let (alerts, _) = read_all_ways(&fixture("alertmanager-0.25.0-webhook-one-resolved.json")).unwrap();
    let written = serde_json::to_vec(&alerts).unwrap();
    assert_eq!(read_all_ways(&written).unwrap().0, alerts);
}

#[test]
fn lines_before_the_json_are_skipped_with_a_warning() {
    let (_, stats) = read_all_ways(&fixture("amtool-0.28-constructed-warnings-first.json")).unwrap();
    assert_eq!(stats.warnings.len(), 2);
    assert!(
        stats.warnings[0].starts_with("stdin:1:1: skipped a line that is not JSON: `time="),
        "{}",
        stats.warnings[0]
    );
    assert!(stats.warnings[1].starts_with("stdin:2:1: "), "{}", stats.warnings[1]);
    let (alerts, stats) = read_all_ways(b"\xef\xbb\xbf\n [] ").unwrap();
    assert_eq!((alerts.len(), stats.warnings.len(), stats.documents), (0, 0, 1));
}

#[test]
fn nothing_and_an_empty_list_are_told_apart() {
    for nothing in [&b""[..], b" \n\n"] {
        assert!(read_all_ways(nothing).unwrap().1.is_empty_input());
    }
    for empty in [
        &b"[]"[..],
        b"null\n",
        br#"{"alerts":null,"version":"4"}"#,
        br#"{"status":"success","data":{"alerts":[]}}"#,
    ] {
        assert!(!read_all_ways(empty).unwrap().1.is_empty_input());
    }
}

const GOOD: &str = r#"{"labels":{"alertname":"A"},"startsAt":"2026-01-01T00:00:00Z"}"#;

#[test]
fn one_bad_alert_is_named_and_the_others_go_on() {
    let bad: [(&[u8], &str); 16] = [
        (br#"{"labels":{"x":1}}"#, "`[1].labels.x`: the number `1` where text belongs"),
        (br#"{"labels":{}}"#, "`[1].labels`: the alert has no labels"),
        (br#"{"labels":{"x":""}}"#, "`[1].labels`: the alert has no labels"),
        (br#"{"labels":null}"#, "`[1].labels`: null where an object belongs"),
        (br#"{"labels":[]}"#, "`[1].labels`: a list where an object belongs"),
        (br#"{"annotations":{}}"#, "`[1]`: the alert has no labels"),
        (br#"{"labels":{"a":"x\u0000y"}}"#, "`[1].labels.a`: the label holds a NUL character"),
        (br#"{"labels":{"":"x"}}"#, "`[1].labels`: the label name is empty"),
        (b"{\"labels\":{\"a\":\"\xff\"}}", "`[1].labels.a`: text that is not UTF-8"),
        (br#"{"labels":{"a":"\ud800"}}"#, "`[1].labels.a`: half a surrogate pair"),
        (br#"{"labels":{"a":"b"},"startsAt":"tomorrow"}"#, "`[1].startsAt`: `tomorrow` is not a time"),
        (
            br#"{"labels":{"a":"b"},"annotations":{"s":[1]}}"#,
            "`[1].annotations.s`: a list where text belongs",
        ),
        (
            br#"{"labels":{"a":"b"},"status":{"silencedBy":"x"}}"#,
            "`[1].status.silencedBy`: the text \"x\" where a list belongs",
        ),
        (br#"{"labels":{"a":"b"},"status":7}"#, "`[1].status`: the number `7` where an object belongs"),
        (br#"{"matchers":[],"createdBy":"x"}"#, "`[1]`: this is a silence, not an alert"),
        (b"17", "`[1]`: the number `17` where an alert belongs"),
    ];
    for (bad, message) in bad {
        let text = [b"[", GOOD.as_bytes(), b",\n ", bad, b",", GOOD.as_bytes(), b"]"].concat();
        let (alerts, stats) = read_all_ways(&text).unwrap_or_else(|error| panic!("{message}: {error}"));
        assert_eq!((alerts.len(), stats.alerts, stats.bad_count), (2, 3, 1), "{message}");
        let found = stats.bad[0].to_string();
        assert!(found.starts_with(&format!("stdin:2:2: {message}")), "{found} instead of {message}");
    }
    let webhook = format!(r#"{{"status":"firing","alerts":[{GOOD},{{"labels":{{"x":1}}}}],"version":"4"}}"#);
    let (_, stats) = read_all_ways(webhook.as_bytes()).unwrap();
    assert_eq!(stats.bad[0].place.path, "alerts[1].labels.x");
    let prometheus = r#"{"status":"success","data":{"alerts":[{"labels":{"x":true}},{"labels":{"x":"y"}}]}}"#;
    assert_eq!(read_all_ways(prometheus.as_bytes()).unwrap().1.bad[0].place.path, "data.alerts[0].labels.x");
    let groups = r#"[{"alerts":[]},{"alerts":[{"labels":{"x":true}},{"labels":{"x":"y"}}]}]"#;
    assert_eq!(read_all_ways(groups.as_bytes()).unwrap().1.bad[0].place.path, "[1].alerts[0].labels.x");
}

#[test]
fn broken_and_foreign_input_is_refused_as_a_whole_with_its_place() {
    let cases: [(&[u8], &str); 46] = [
        (
            b"[{\"labels\":{\"a\":\"b\"}}\n {\"labels\"",
            "stdin:2:2: `[1]`: broken JSON at byte 23: expected `,` or `]`, not `{`",
        ),
        (
            b"[{\"labels\":{\"a\":\"b\"}},]",
            "stdin:1:23: `[1]`: broken JSON at byte 22: a comma before the end of a list",
        ),
        (b"[{\"labels\":{\"a\" \"b\"}}]", "stdin:1:17: `[0]`: broken JSON at byte 16: expected `:`"),
        (
            b"[{\"labels\":{\"a\":\"b\",}}]",
            "stdin:1:21: `[0]`: broken JSON at byte 20: key must be a string, not `}` after `{\"labels\":{\"a\":\"b\",`",
        ),
        (b"[{'labels':1}]", "broken JSON at byte 2: key must be a string, not `'` after `{`"),
        (
            b"[{\"labels\":{\"a\":\"b\nc\"}}]",
            "stdin:1:19: `[0]`: broken JSON at byte 18: a control character inside a text",
        ),
        (b"[{\"labels\":{\"a\":\"b\0\"}}]", "stdin:1:19: `[0]`: broken JSON at byte 18: a control character"),
        (b"[tru]", "stdin:1:"),
        (
            b"[]\nsome message\n[]",
            "stdin:2:1: broken JSON at byte 3: expected `{` or `[`, or the end of the input, and found `some message`",
        ),
        (b"[],[]", "stdin:1:3: broken JSON"),
        (b"{}]", "neither `labels` nor `alerts`"),
        (br#"{"labels":{"a":"b"}}}"#, "stdin:1:21: broken JSON"),
        (br#"{"alerts":[],}"#, "expected a key in double quotes"),
        (br#"{"alerts":[] "x":1}"#, "expected `,` or `}`"),
        (br#"{"alerts" []}"#, "broken JSON at byte 10: expected `:`"),
        (b"[", "stdin:1:2: `[0]`: unexpected end after byte 1: the input was cut off"),
        (b"[{\"labels\":{\"a\":\"b\"}}", "unexpected end after byte 21"),
        (b"[{\"labels\":{\"a\":\"b\"}},\n{\"la", "stdin:2:5: `[1]`: unexpected end after byte 27"),
        (br#"{"alerts":[],"version":"4""#, "unexpected end after byte 26"),
        (br#"{"alerts":[{"labels":{"a":"b"}}"#, "unexpected end"),
        (b"nul", "stdin:1:1: there is no JSON in this input; it begins with `nul`"),
        (b"[]nul", "broken JSON"),
        (b"<!DOCTYPE html><html>", "stdin:1:1: this is an HTML page, not JSON"),
        (b"warning: x\n<html>\n", "stdin:2:1: this is an HTML page"),
        (b"\x1f\x8b\x08\x00abc", "stdin:1:1: this is gzip-compressed data, not JSON"),
        (b"\xff\xfe[\x00", "this is UTF-16 text"),
        (b"\x28\xb5\x2f\xfdabc", "this is zstd-compressed data"),
        (b"\xfd7zXZ\x00abc", "this is xz-compressed data"),
        (b"BZh91AY", "this is bzip2-compressed data"),
        (b"PK\x03\x04abc", "this is zip-compressed data"),
        (b"17", "stdin:1:1: `17` is JSON, but no alerts"),
        (b" true\n", "stdin:1:2: `true` is JSON, but no alerts"),
        (br#""[{\"labels\":{}}]""#, "this is one text that holds JSON"),
        (br#"[{"labels":{"a":1}}]"#, "stdin:1:2: `[0].labels.a`: the number `1` where text belongs"),
        (
            br#"[1,{"labels":{}}]"#,
            "stdin:1:2: `[0]`: the number `1` where an alert belongs; the other alert is bad too",
        ),
        (b"[1,2,3]", "; the other 2 alerts are bad too"),
        (b"Alertname  Starts At  Summary  State  \nX  now\n", "this is amtool's table for people, not JSON"),
        (b"\x1b[31mred", "it begins with `\\u{1b}[31mred`"),
        (b"\"bad matcher format: x\"\n", "this is an error message, not alerts: bad matcher format: x"),
        (br#"{"code":422,"message":"nope"}"#, "this is an error message, not alerts: nope"),
        (
            br#"{"status":"error","errorType":"bad_data","error":"no"}"#,
            "this is an error message, not alerts: no",
        ),
        (br#"{"status":"success","data":{"groups":[]}}"#, "alerts are at `/api/v1/alerts`"),
        (br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, "`data` holds no `alerts`"),
        (br#"{"status":"success","data":[]}"#, "holds no `alerts`"),
        (br#"{"alerts":17}"#, "`alerts` is not a list"),
        (br#"{"data":null,"message":"m"}"#, "error message, not alerts: m"),
    ];
    for (bytes, message) in cases {
        let error = read_all_ways(bytes).expect_err(message).to_string();
        assert!(error.contains(message), "{}: {error} instead of {message}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_value_without_end_is_refused_before_it_fills_the_memory() {
    let mut reader = PayloadReader::new("stdin");
    let mut keep = |_: &RawAlert<'_>| Ok(());
    let endless = vec![b'x'; 65_536];
    let mut error = None;
    for piece in
        std::iter::once(&br#"[{"labels":{"a":""#[..]).chain(std::iter::repeat_n(endless.as_slice(), 300))
    {
        reader.space(piece.len())[..piece.len()].copy_from_slice(piece);
        error = reader.filled(piece.len(), &mut keep).err();
        if error.is_some() {
            break;
        }
    }
    assert_eq!(error.unwrap().to_string(), "stdin:1:2: `[0]`: a value of more than 8 MiB");
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let mut reader = PayloadReader::new("stdin");
    let mut count = 0;
    let mut keep = |raw: &RawAlert<'_>| {
        count += u64::from(raw.labels().label("alertname") == Some("A"));
        Ok(())
    };
    let piece = format!("{GOOD},").repeat(500);
    let mut largest = 0;
    for piece in std::iter::once("{\"version\":\"4\",\"alerts\":[")
        .chain(std::iter::repeat_n(piece.as_str(), 200))
        .chain([GOOD, "]}"])
    {
        let space = reader.space(piece.len());
        largest = largest.max(space.len());
        space[..piece.len()].copy_from_slice(piece.as_bytes());
        reader.filled(piece.len(), &mut keep).unwrap();
    }
    reader.finish(&mut keep).unwrap();
    assert_eq!(count, 100_001);
    assert!(largest < 4 * piece.len(), "{largest}");
}

#[test]
fn labels_are_those_that_alertmanager_would_see() {
    let text = r#"[{"labels":{"b":"2","a":"1","e":"","b":"\u0033","z":"\"q\""},"fingerprint":"none"}]"#;
    let mut seen = Vec::new();
    let mut reader = PayloadReader::new("x");
    let mut look = |raw: &RawAlert<'_>| {
        seen.push((
            raw.labels().to_set(),
            raw.fingerprint(),
            raw.labels().label("b").map(str::to_owned),
            raw.shape(),
        ));
        Ok(())
    };
    reader.space(text.len())[..text.len()].copy_from_slice(text.as_bytes());
    reader.filled(text.len(), &mut look).unwrap();
    reader.finish(&mut look).unwrap();
    let labels = LabelSet::from([("a", "1"), ("b", "3"), ("z", "\"q\"")]);
    assert_eq!(seen, [(labels.clone(), labels.fingerprint(), Some("3".to_owned()), Shape::ApiV2)]);
}

#[test]
fn an_alert_without_a_beginning_begins_now() {
    let (alerts, _) = read_all_ways(br#"{"labels":{"a":"b"},"endsAt":"2026-11-23T06:49:00Z"}"#).unwrap();
    assert_eq!((alerts[0].starts_at, alerts[0].status), (now(), AlertStatus::Resolved));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_every_chunking_agrees(
        bytes in proptest::collection::vec(proptest::sample::select(br#"[]{},:"labelsrt017n\ u x"#.to_vec()), 0..40),
        piece in 1_usize..9,
    ) {
        prop_assert_eq!(read(&bytes, piece), read(&bytes, bytes.len().max(1)));
    }

    #[test]
    fn a_document_cut_anywhere_is_refused(cut in 0_usize..890) {
        let whole = fixture("alertmanager-0.25.0-webhook-all-resolved.json");
        prop_assume!(cut < whole.len());
        let outcome = read(&whole[..cut], 64);
        prop_assert!(cut == 0 || matches!(outcome, Err(PayloadError::CutOff { .. })), "{:?}", outcome);
    }

    #[test]
    fn a_flipped_byte_never_makes_it_panic(at in 0_usize..2_000, byte in any::<u8>()) {
        let mut bytes = fixture("alertmanager-0.25.0-groups.json");
        bytes[at] = byte;
        prop_assert_eq!(read(&bytes, 100), read(&bytes, bytes.len()));
    }
}

/// What is said of a webhook's fields: every one may be there, and of those beside the alerts none must.
#[test]
fn every_field_of_a_webhook_may_be_there_and_none_beside_the_alerts_must() {
    let Some(path) = shared_data("vectors/webhook_fields.json") else { return };
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let fields = ["alertmanager_fields", "grafana_fields_beyond_alertmanager"];
    let paths: Vec<_> = fields.into_iter().flat_map(|list| vectors[list].as_array().unwrap()).collect();
    assert!(paths.len() > 30, "{}", paths.len());
    let read = |body: &Value, what: &str| {
        let (alerts, stats) =
            read_all_ways(body.to_string().as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!((alerts.len(), stats.bad), (1, vec![]), "{what}");
        alerts.into_iter().next().unwrap()
    };
    for (example, body) in vectors["examples"].as_object().unwrap() {
        let alert = read(body, example);
        let labels = body["alerts"][0]["labels"].as_object().unwrap();
        assert!(labels.iter().all(|(name, value)| alert.labels.get(name) == value.as_str()), "{example}");
        assert_eq!(alert.fingerprint.to_string(), body["alerts"][0]["fingerprint"], "{example}");
        for field in &paths {
            let path = field["path"].as_str().unwrap();
            let mut without = body.clone();
            match path.strip_prefix("alerts[].") {
                // Without these it is another alert, or none.
                Some(
                    "labels" | "annotations" | "startsAt" | "generatorURL" | "fingerprint" | "values"
                    | "silenceURL" | "dashboardURL" | "panelURL" | "imageURL",
                ) => continue,
                Some(name) => without["alerts"][0].as_object_mut().unwrap().remove(name),
                None => without.as_object_mut().unwrap().remove(path),
            };
            assert_eq!(read(&without, path), alert, "{example} without {path}");
            // What a version to come has in it may have any shape.
            let (holder, name) = match path.strip_prefix("alerts[].") {
                Some(name) => (&mut without["alerts"][0], name),
                None => (&mut without, path),
            };
            if !["status", "endsAt", "truncatedAlerts"].contains(&name) {
                holder[name] = json!({"a": [1, null, "}"]});
                assert_eq!(read(&without, path), alert, "{example} with another {path}");
            }
        }
    }
}
