//! Requests as they are put together, and answers as they are judged.

use super::*;
use crate::step::Captured;
use crate::step::testing::{advance, compiled, done, must_trust, problems};

fn effect_of(step: &str) -> (RequestEffect, IfLost) {
    match advance(&*compiled(step), &Memo::Null, None) {
        Move::Do { effect: Effect::Request(request), if_lost, .. } => (request, if_lost),
        other => panic!("{other:?}"),
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply::Responded(Responded { status, headers, body: body.into(), duration_ms: 20 })
}

#[test]
fn a_request_is_put_together_from_values_that_stay_values() {
    let (request, if_lost) = effect_of(
        "http: {post: 'https://h/a/{{ alert.labels.instance }}#f', query: {q: '{{ alert.labels.evil }}'}, headers: {X-Host: '{{ alert.labels.instance }}', Authorization: {secret: token}}, json: {num: '{{ alert.labels.n | int }}', list: '{{ vars.hosts }}'}}",
    );
    assert_eq!(if_lost, IfLost::Fail);
    assert_eq!(request.method, "POST");
    assert_eq!(request.url, "https://h/a/db1%3A9100?q=%24%28id%29+%60id%60+%27%22%3B+-x#f");
    assert_eq!(
        request.headers,
        [
            ("X-Host".to_owned(), TextOrSecret::Text("db1:9100".to_owned())),
            ("Authorization".to_owned(), TextOrSecret::Secret("token".to_owned())),
        ]
    );
    assert_eq!(request.body, Some(RequestBody::Json(json!({"num": 7, "list": ["a", "b"]}))));
    assert_eq!(request.idempotency_key.as_deref(), Some("0190/clean"));
}

#[test]
fn a_path_is_below_its_connection_and_a_get_changes_nothing() {
    let step = "http: {get: '/api/{{ alert.labels.instance }}?a=1', connection: tickets, query: {b: '2'}}";
    let (request, if_lost) = effect_of(step);
    assert_eq!((request.url.as_str(), if_lost), ("/api/db1%3A9100?a=1&b=2", IfLost::Repeat));
    assert_eq!((request.connection.as_deref(), request.idempotency_key), (Some("tickets"), None));
    let mut needs = Needs::default();
    let action = compiled(step);
    action.needs(&mut needs);
    assert!(action.changes_nothing());
    assert_eq!(needs.connections, ["tickets"]);
}

#[test]
fn answers_are_judged_by_status_and_body() {
    let plain = compiled("http: {post: 'https://h/'}");
    let strict = compiled("http: {get: 'https://h/', expect: {status: [200, 3xx], json: json.ok}}");
    let failed = |message: &str, retryable, retry_after_ms| Outcome::Failed {
        reason: FailureReason::Unexpected,
        message: message.to_owned(),
        retryable,
        retry_after_ms,
    };
    for (action, reply, expected) in [
        (&plain, answer(204, &[], ""), Outcome::Succeeded),
        (&plain, answer(301, &[], ""), failed("status 301", false, None)),
        (
            &plain,
            answer(404, &[("retry-after", "5")], "no\nsuch host\n"),
            failed("status 404: such host", false, None),
        ),
        (&plain, answer(429, &[("retry-after", "5")], ""), failed("status 429", true, Some(5_000))),
        (
            &plain,
            answer(503, &[("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")], ""),
            failed("status 503", true, Some(60_000)),
        ),
        (&plain, answer(500, &[("retry-after", "soon")], ""), failed("status 500", true, None)),
        (&strict, answer(200, &[], "{\"ok\": true}"), Outcome::Succeeded),
        (&strict, answer(304, &[], "{\"ok\": 1}"), Outcome::Succeeded),
        (&strict, answer(202, &[], "{\"ok\": true}"), failed("status 202: {\"ok\": true}", false, None)),
        (&strict, answer(200, &[], "{\"ok\": false}"), failed("`json.ok` does not hold", true, None)),
        (
            &strict,
            answer(200, &[], "<html>"),
            failed("`json.ok` does not hold: `json` is undefined in `json.ok`", true, None),
        ),
        (&plain, Reply::TimedOut { limit_ms: 9, output: None }, Outcome::TimedOut { limit_ms: 9 }),
        (
            &plain,
            Reply::Impossible { message: "refused".to_owned(), retryable: true, untouched: true },
            Outcome::failed(FailureReason::Unreachable, "refused"),
        ),
    ] {
        assert_eq!(done(advance(&**action, &Memo::Null, Some(&reply))).0, expected, "{reply:?}");
    }
    let cut = Captured { text: "{\"ok\": true}".to_owned(), cut: 1 };
    let reply = Reply::Responded(Responded { status: 200, body: cut, ..Responded::default() });
    let (outcome, output) = done(advance(&*strict, &Memo::Null, Some(&reply)));
    assert!(matches!(outcome, Outcome::Failed { reason: FailureReason::OutputCut, .. }), "{outcome:?}");
    assert_eq!((output.get("json"), &output["http"]["status"]), (None, &json!(200)));
}

#[test]
fn what_makes_no_request_is_a_problem() {
    for (step, problem) in [
        ("http: {}", "http-method: no method is named here at \"{}\" of step.yaml"),
        (
            "http: {get: 'http://h/', post: 'http://h/'}",
            "http-method: a request has one method at \"post\" of step.yaml",
        ),
        (
            "http: {get: /a}",
            "http-path: a path needs a `connection` whose URL it is below at \"/a\" of step.yaml",
        ),
        (
            "http: {post: 'http://h/', json: {}, body: x}",
            "http-body: a request has one body: `json`, `form` or `body` at \"body\" of step.yaml",
        ),
        (
            "http: {get: 'http://h/', headers: {Host: x}}",
            "http-header: the header `Host` is written by the client itself at \"Host\" of step.yaml",
        ),
        (
            "http: {get: 'http://{{ alert.labels.x }}/'}",
            "url-hole-in-host: a value cannot stand in the scheme, user, host or port of a URL at \"alert.labels.x\" of step.yaml",
        ),
    ] {
        assert_eq!(problems(step), [problem], "{step}");
    }
    assert_eq!(
        must_trust("http: {post: 'http://h/', body: '{\"a\": \"{{ alert.labels.n }}\"}'}"),
        [("alert.labels.n".to_owned(), "a part of the body's syntax".to_owned())]
    );
    assert_eq!(must_trust("http: {post: 'http://h/', body: 'disk {{ alert.labels.n }}'}"), []);
}
