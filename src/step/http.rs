//! `http`: a request, and what its answer means.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::action::{Action, ActionContext, Needs, StepError};
use super::command::{MOST_OUTPUT, no_reply, perform};
use super::compiler::{BELOW, Compiler};
use super::effect::{
    DEFAULT_OUTPUT_LIMIT, Effect, Reply, RequestBody, RequestEffect, Responded, TextOrSecret,
};
use super::effect_kind;
use super::kind::StepKind;
use super::outcome::{FailureReason, IfLost, Memo, Move, Outcome};
use super::output::{RESPONSE_FIELDS, judged, last_line, of_response};
use super::retry_after::retry_after;
use super::spec::{
    ExpressionText, JsonValue, MapOf, Name, OneOrMany, SizeText, Template, TemplateOrSecret, UrlText,
};
use super::uses::Language;
use super::values::TextOr;
use crate::template::{Expression, JsonTemplate, TextTemplate, UrlTemplate};
use crate::text::{Node, without_password};

pub(super) const KIND: StepKind = StepKind {
    name: "http",
    summary: "sends a request and judges the answer",
    docs: "Exactly one of `get`, `head`, `post`, `put`, `patch` and `delete` names the URL. With `connection` it may \
        be a path below that connection's URL. A value is percent-encoded in the URL and cannot reach its host.\n\n\
        Any status from 200 to 299 is a success unless `expect` says otherwise. Answers 408, 429 and 5xx, no answer \
        in time and no connection are failures that `retry` may try again, not before the time that the server asks \
        for (`Retry-After`); other answers are failures for good. Every request but `GET` and `HEAD` carries an \
        `Idempotency-Key`, the same for every attempt of a step, so that the server can know a retry as one.\n\n\
        `expect.json` sees the answer's fields by their names: `json.state == \"ok\"`, `http.headers.etag`.",
    example: "http:\n  post: https://api.example.com/hosts/{{ alert.labels.instance | host }}/drain\n  headers: {Authorization: {secret: api_token}}\n  json: {reason: \"{{ alert.annotations.summary }}\"}\n  expect: {status: [200, 202], json: json.accepted}",
    outputs: RESPONSE_FIELDS,
    schema,
    compile,
    takes_env: false,
};

/// A request, and which answer is expected.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct HttpSpec {
    /// The URL of a GET request.
    get: Option<UrlText>,
    /// The URL of a HEAD request.
    head: Option<UrlText>,
    /// The URL of a POST request.
    post: Option<UrlText>,
    /// The URL of a PUT request.
    put: Option<UrlText>,
    /// The URL of a PATCH request.
    patch: Option<UrlText>,
    /// The URL of a DELETE request.
    delete: Option<UrlText>,
    /// Parameters that are added to the URL.
    query: Option<MapOf<Template>>,
    /// Headers; a value may be `{secret: NAME}`.
    headers: Option<MapOf<TemplateOrSecret>>,
    /// The body as JSON.
    json: Option<JsonValue>,
    /// The body as a form.
    form: Option<MapOf<Template>>,
    /// The body as it is.
    body: Option<Template>,
    /// The connection of the configuration whose URL, authentication and TLS settings apply.
    connection: Option<Name>,
    /// Which answer is a success.
    expect: Option<ExpectSpec>,
    /// Bytes kept of the answer's body: head and tail. Default: `64K`.
    output_limit: Option<SizeText>,
}

/// Which answer is a success.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct ExpectSpec {
    /// Status codes such as `200`, or classes such as `2xx`. Default: `2xx`.
    status: Option<OneOrMany<StatusText>>,
    /// An expression over the answer's fields that must hold; the whole body must have been kept.
    json: Option<ExpressionText>,
}

/// A status code or a class of them.
struct StatusText;

impl JsonSchema for StatusText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "format": "status", "pattern": "^[1-5]([0-9][0-9]|xx)$"})
    }
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<HttpSpec>()
}

#[derive(Debug)]
struct Request {
    method: &'static str,
    url: UrlTemplate,
    is_below: bool,
    query: Vec<(String, TextTemplate)>,
    headers: Vec<(String, TextOr)>,
    body: Body,
    connection: Option<String>,
    success: Vec<std::ops::RangeInclusive<u16>>,
    expect: Option<Expression>,
    output_limit: usize,
}

#[derive(Debug)]
enum Body {
    None,
    Json(JsonTemplate),
    Form(Vec<(String, TextTemplate)>),
    Text(TextTemplate),
}

const METHODS: [(&str, &str); 6] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
];

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let connection = compiler.optional(node, "connection", Compiler::name);
    let target = compile_target(node, compiler);
    let query = compiler.optional(node, "query", Compiler::texts);
    let headers = compile_headers(node, compiler);
    let body = compile_body(node, compiler);
    let expect = node.get("expect");
    let success = compile_status(expect, compiler);
    let judge = match expect {
        Some(expect) => {
            compiler.optional(expect, "json", |c, _, n| c.expression("expect.json", n, RESPONSE_FIELDS))
        }
        None => Some(None),
    };
    let output_limit = compiler.optional(node, "output_limit", |c, field, n| c.size(field, n, MOST_OUTPUT));
    let (method, url, is_below) = target?;
    let body = body?;
    if matches!(method, "GET" | "HEAD") && !matches!(body, Body::None) {
        let message = format!("a {method} request has no body");
        compiler.error(
            "http-body",
            node.span,
            message,
            Some("write it as `post`, or its values under `query`"),
        );
        return None;
    }
    Some(Box::new(Request {
        method,
        url,
        is_below,
        query: query?.unwrap_or_default(),
        headers: headers?,
        body,
        connection: connection?,
        success: success?,
        expect: judge?,
        output_limit: output_limit?
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(DEFAULT_OUTPUT_LIMIT),
    }))
}

/// Reads method and URL.
fn compile_target(node: &Node, compiler: &mut Compiler<'_>) -> Option<(&'static str, UrlTemplate, bool)> {
    let found: Vec<_> =
        METHODS.iter().filter_map(|(key, method)| Some((*key, *method, node.get(key)?))).collect();
    match found.as_slice() {
        [(key, method, url)] => {
            let is_path = url.as_str().is_some_and(|text| text.starts_with('/'));
            let has_connection = node.get("connection").is_some();
            if is_path && !has_connection {
                let message = "a path needs a `connection` whose URL it is below";
                compiler.error(
                    "http-path",
                    url.span,
                    message,
                    Some("add `connection: NAME`, or write the whole URL"),
                );
                return None;
            }
            if is_path {
                return Some((*method, compiler.url_below(key, url)?, true));
            }
            Some((*method, compiler.url(key, url)?, false))
        }
        [] => {
            if !node.is_broken() {
                let hint = "write `get: URL`, or `head`, `post`, `put`, `patch`, `delete`";
                compiler.error("http-method", node.span, "no method is named here", Some(hint));
            }
            None
        }
        [_, (key, ..), ..] => {
            let span = node.key_span(key).unwrap_or(node.span);
            compiler.error("http-method", span, "a request has one method", Some("make two steps of it"));
            None
        }
    }
}

fn compile_headers(node: &Node, compiler: &mut Compiler<'_>) -> Option<Vec<(String, TextOr)>> {
    /// Headers that the client writes itself, by the connection and the body.
    const OWN: [&str; 7] =
        ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"];
    let mut all = Some(Vec::new());
    for entry in node.get("headers").map(Node::entries).unwrap_or_default() {
        let name = entry.key.value.as_str();
        let wrong = if !is_token(name) {
            Some(format!("`{name}` is not the name of a header"))
        } else if OWN.contains(&name.to_ascii_lowercase().as_str()) {
            Some(format!("the header `{name}` is written by the client itself"))
        } else {
            None
        };
        let is_wrong = wrong.is_some();
        if let Some(message) = wrong {
            compiler.error("http-header", entry.key.span, message, None);
        }
        let value = compiler.text_or_secret(&format!("headers.{name}"), entry, Language::Header);
        match (value.filter(|_| !is_wrong), all.as_mut()) {
            (Some(value), Some(all)) => all.push((name.to_owned(), value)),
            _ => all = None,
        }
    }
    all
}

fn compile_body(node: &Node, compiler: &mut Compiler<'_>) -> Option<Body> {
    let found: Vec<_> =
        ["json", "form", "body"].into_iter().filter_map(|key| Some((key, node.get(key)?))).collect();
    if let [_, (key, _), ..] = found.as_slice() {
        let span = node.key_span(key).unwrap_or(node.span);
        compiler.error("http-body", span, "a request has one body: `json`, `form` or `body`", None);
    }
    match found.as_slice() {
        [] => Some(Body::None),
        [("json", value)] => compiler.json("json", value).map(Body::Json),
        [("form", value)] => compiler.texts("form", value).map(Body::Form),
        [(_, value)] => {
            let text = compiler.text("body", value)?;
            if has_syntax(&text) {
                let hint = "write it under `json`, where a value stays a value";
                compiler.must_trust_all("http-body-syntax", "a part of the body's syntax", hint);
            }
            Some(Body::Text(text))
        }
        _ => None,
    }
}

/// Tells whether a body looks like JSON or XML, in which a value could become syntax.
fn has_syntax(text: &TextTemplate) -> bool {
    let source = text.source().trim_start();
    source.starts_with('<')
        || source.starts_with('[')
        || (source.starts_with('{') && !source.starts_with("{{"))
}

fn compile_status(
    expect: Option<&Node>,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<std::ops::RangeInclusive<u16>>> {
    let Some(status) = expect.and_then(|expect| expect.get("status")) else { return Some(vec![200..=299]) };
    let list = if status.items().is_empty() { std::slice::from_ref(status) } else { status.items() };
    let mut read = |node: &Node| {
        let text = compiler.scalar("expect.status", node)?;
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
        let found = match (class.filter(|class| (1..=5).contains(class)), text.parse::<u16>()) {
            (Some(class), _) => Some(class * 100..=class * 100 + 99),
            (None, Ok(code)) if (100..=599).contains(&code) => Some(code..=code),
            _ => None,
        };
        if found.is_none() {
            let message = format!("`{text}` is no status code");
            compiler.error("http-status", node.span, message, Some("write `200`, or `2xx` for all of them"));
        }
        found
    };
    let all: Vec<_> = list.iter().map(&mut read).collect();
    all.into_iter().collect()
}

impl Request {
    fn effect(&self, cx: &ActionContext<'_>) -> Result<RequestEffect, StepError> {
        let url = self.url.render(cx.scope).map_err(|error| StepError::template("url", &error))?;
        let url = if self.is_below { url.strip_prefix(BELOW).unwrap_or(&url).to_owned() } else { url };
        let query = render_all("query", &self.query, cx)?;
        let mut headers: Vec<(String, TextOrSecret)> = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name.clone(), value.render(&format!("headers.{name}"), cx.scope)?));
        }
        let has_key = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
        let body = match &self.body {
            Body::None => None,
            Body::Json(json) => {
                let value = json.render(cx.scope).map_err(|error| StepError::template("json", &error))?;
                Some(RequestBody::Json(value))
            }
            Body::Form(form) => Some(RequestBody::Form(render_all("form", form, cx)?)),
            Body::Text(text) => {
                let text = text.render(cx.scope).map_err(|error| StepError::template("body", &error))?;
                Some(RequestBody::Text(text))
            }
        };
        Ok(RequestEffect {
            method: self.method.to_owned(),
            url: with_query(&url, &query),
            connection: self.connection.clone(),
            headers,
            body,
            idempotency_key: (!self.is_safe() && !has_key).then(|| format!("{}/{}", cx.run, cx.path)),
            output_limit: self.output_limit,
        })
    }

    /// Tells whether the method changes nothing, by HTTP's own rules (RFC 9110, section 9.2.1).
    fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    fn outcome(&self, cx: &ActionContext<'_>, responded: &Responded, output: &Value) -> Outcome {
        let status = responded.status;
        if !self.success.iter().any(|range| range.contains(&status)) {
            let said = last_line(&responded.body.text).map_or_else(String::new, |line| format!(": {line}"));
            let retryable = status >= 500 || matches!(status, 408 | 429);
            let asked = responded.headers.get("retry-after").filter(|_| retryable);
            return Outcome::Failed {
                reason: FailureReason::Unexpected,
                message: format!("status {status}{said}"),
                retryable,
                retry_after_ms: asked.and_then(|text| retry_after(text, cx.now)),
            };
        }
        let Some(expect) = &self.expect else { return Outcome::Succeeded };
        if responded.body.cut > 0 {
            let message =
                format!("the body is longer than {} bytes, and `expect` needs it whole", self.output_limit);
            return Outcome::failed_for_good(FailureReason::OutputCut, message);
        }
        let source = expect.source().trim();
        match expect.is_true(&judged(cx.scope, output)) {
            Ok(true) => Outcome::Succeeded,
            Ok(false) => Outcome::failed(FailureReason::Unexpected, format!("`{source}` does not hold")),
            Err(error) => {
                Outcome::failed(FailureReason::Unexpected, format!("`{source}` does not hold: {error}"))
            }
        }
    }
}

impl Action for Request {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        let Some(reply) = last else {
            let if_lost = if self.is_safe() { IfLost::Repeat } else { IfLost::Fail };
            return Ok(perform(Effect::Request(self.effect(cx)?), if_lost));
        };
        let Reply::Responded(responded) = reply else {
            return Ok(Move::ended(no_reply(reply, FailureReason::Unreachable), json!({})));
        };
        let output = of_response(responded);
        Ok(Move::ended(self.outcome(cx, responded, &output), output))
    }

    fn changes_nothing(&self) -> bool {
        self.is_safe()
    }

    fn summary(&self) -> String {
        let source = self.url.source();
        format!("{} {}", self.method, without_password(source.strip_prefix(BELOW).unwrap_or(source)))
    }

    fn effect_kind(&self) -> Option<String> {
        Some(effect_kind::of_request(self.method, self.connection.as_deref(), self.url.source()))
    }

    fn needs(&self, needs: &mut Needs) {
        if let Some(name) = &self.connection
            && !needs.connections.contains(name)
        {
            needs.connections.push(name.clone());
        }
        self.headers.iter().for_each(|(_, value)| value.needs(needs));
    }
}

fn render_all(
    field: &str,
    templates: &[(String, TextTemplate)],
    cx: &ActionContext<'_>,
) -> Result<Vec<(String, String)>, StepError> {
    let render = |(name, template): &(String, TextTemplate)| {
        let text = template.render(cx.scope);
        Ok((name.clone(), text.map_err(|error| StepError::template(&format!("{field}.{name}"), &error))?))
    };
    templates.iter().map(render).collect()
}

/// Adds parameters to a URL or path, before its fragment.
fn with_query(url: &str, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return url.to_owned();
    }
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let pairs = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let join = match (url.contains('?'), url.ends_with(['?', '&'])) {
        (_, true) => "",
        (true, false) => "&",
        (false, false) => "?",
    };
    format!("{url}{join}{pairs}{fragment}")
}

/// A name of a header (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests;
