//! `prometheus`: an instant or a range query, and a judgement of its answer.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::action::{Action, ActionContext, Needs, StepError};
use super::command::{no_reply, perform};
use super::compiler::Compiler;
use super::effect::{Effect, QueryEffect, QueryRange, Reply};
use super::kind::StepKind;
use super::outcome::{FailureReason, IfLost, Memo, Move, Outcome};
use super::output::{QUERY_FIELDS, judged, of_query};
use super::spec::{DurationText, ExpressionText, Name, Promql, short_or};
use crate::template::{Expression, PromqlTemplate};
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "prometheus",
    summary: "asks Prometheus, and fails when the answer is not the expected one",
    docs: "`expect` sees the fields of the answer by their names: `value < 80`, `count == 0`, `vector[0].labels.job`. \
        When nothing is found there is no `value`, and an expression that reads it fails: write `count > 0 and \
        value < 80`, or `value | default(0) < 80`.\n\nA value stands in the query inside quotes, as a text or a \
        literal piece of a pattern: `{instance=\"{{ alert.labels.instance }}\"}`.",
    example: "prometheus:\n  query: 'node_filesystem_avail_bytes{instance=\"{{ alert.labels.instance }}\"}'\n  expect: count > 0 and value > 1e9",
    outputs: QUERY_FIELDS,
    schema,
    compile,
    takes_env: false,
};

/// A query, and what its answer should be.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct PrometheusSpec {
    /// The query.
    query: Promql,
    /// Asks for a time range that ends now, instead of for now only.
    range: Option<RangeSpec>,
    /// An expression over the answer's fields that must hold.
    expect: Option<ExpressionText>,
    /// A connection of the configuration. Default: the configured Prometheus.
    connection: Option<Name>,
}

/// A time range that ends now.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct RangeSpec {
    /// How long it is.
    #[schemars(rename = "for")]
    length: DurationText,
    /// The time between points. Default: a hundredth of the range, at least 15s.
    step: Option<DurationText>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    short_or::<Promql, PrometheusSpec>(generator)
}

#[derive(Debug)]
struct Asking {
    query: PromqlTemplate,
    range: Option<QueryRange>,
    expect: Option<Expression>,
    connection: Option<String>,
}

/// Prometheus answers at most 11,000 points of a series (2.42 and 2.53).
const MOST_POINTS: f64 = 11_000.0;

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let query = compiler.query("query", node.get("query").unwrap_or(node));
    let expect = compiler.optional(node, "expect", |c, field, n| c.expression(field, n, QUERY_FIELDS));
    let connection = compiler.optional(node, "connection", Compiler::name);
    let range = match node.get("range") {
        Some(range) => compile_range(range, compiler).map(Some),
        None => Some(None),
    };
    Some(Box::new(Asking { query: query?, range: range?, expect: expect?, connection: connection? }))
}

fn compile_range(node: &Node, compiler: &mut Compiler<'_>) -> Option<QueryRange> {
    let length = node.get("for").and_then(|length| compiler.duration("range.for", length));
    let step = compiler.optional(node, "step", |c, _, n| c.duration("range.step", n))?;
    let seconds = length?.as_secs_f64();
    let step = step.map_or_else(|| (seconds / 100.0).max(15.0), |step| step.as_secs_f64());
    if seconds / step > MOST_POINTS {
        let message = "the range has more than 11000 points, and Prometheus refuses that";
        compiler.error("range-points", node.span, message, Some("make `step` longer"));
        return None;
    }
    Some(QueryRange { seconds, step })
}

impl Action for Asking {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        let Some(reply) = last else {
            let query = self.query.render(cx.scope).map_err(|error| StepError::template("query", &error))?;
            let effect = QueryEffect { connection: self.connection.clone(), query, range: self.range };
            return Ok(perform(Effect::Query(effect), IfLost::Repeat));
        };
        let Reply::Queried(queried) = reply else {
            return Ok(Move::ended(no_reply(reply, FailureReason::Unreachable), json!({})));
        };
        let output = of_query(queried);
        let outcome = match &self.expect {
            None => Outcome::Succeeded,
            Some(expect) => match expect.is_true(&judged(cx.scope, &output)) {
                Ok(true) => Outcome::Succeeded,
                Ok(false) => Outcome::failed(FailureReason::Assertion, unmet(expect, &output)),
                Err(error) => {
                    Outcome::failed(FailureReason::Assertion, format!("{}: {error}", unmet(expect, &output)))
                }
            },
        };
        Ok(Move::ended(outcome, output))
    }

    fn changes_nothing(&self) -> bool {
        true
    }

    fn summary(&self) -> String {
        let expect = self.expect.as_ref().map(|expect| format!(", expect {}", expect.source().trim()));
        format!("ask Prometheus {}{}", self.query.source().trim(), expect.unwrap_or_default())
    }

    fn needs(&self, needs: &mut Needs) {
        match &self.connection {
            Some(name) if !needs.connections.contains(name) => needs.connections.push(name.clone()),
            Some(_) => {}
            None => needs.prometheus = true,
        }
    }
}

/// Says what was found instead.
fn unmet(expect: &Expression, output: &serde_json::Value) -> String {
    let found = match (output.get("value"), output.get("count").and_then(serde_json::Value::as_u64)) {
        (Some(value), _) => format!("value is {value}"),
        (None, Some(0)) => "nothing was found".to_owned(),
        _ => "there is no finite value".to_owned(),
    };
    format!("`{}` does not hold: {found}", expect.source().trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Queried;
    use crate::step::testing::{advance, compiled, done, must_trust, problems};

    fn answer(values: &[&str]) -> Reply {
        let series = values.iter().map(|value| json!({"metric": {}, "value": [1.0, value]})).collect();
        Reply::Queried(Queried { result_type: "vector".to_owned(), result: series, warnings: Vec::new() })
    }

    #[test]
    fn the_query_is_an_effect_that_may_be_repeated() {
        let query =
            compiled("prometheus: {query: 'up{instance=\"{{ alert.labels.instance }}\"}', range: {for: 1h}}");
        let expected = QueryEffect {
            connection: None,
            query: "up{instance=\"db1:9100\"}".to_owned(),
            range: Some(QueryRange { seconds: 3600.0, step: 36.0 }),
        };
        assert_eq!(advance(&*query, &Memo::Null, None), perform(Effect::Query(expected), IfLost::Repeat));
    }

    #[test]
    fn answers_are_judged() {
        let query = compiled("prometheus: {query: up, expect: value < 5}");
        let unmet = |found: &str| {
            Outcome::failed(FailureReason::Assertion, format!("`value < 5` does not hold: {found}"))
        };
        for (reply, expected) in [
            (answer(&["3"]), Outcome::Succeeded),
            (answer(&["7", "1"]), unmet("value is 7.0")),
            (answer(&[]), unmet("nothing was found: `value` is undefined")),
            (answer(&["NaN"]), unmet("there is no finite value: `value` is undefined")),
            (Reply::TimedOut { limit_ms: 5, output: None }, Outcome::TimedOut { limit_ms: 5 }),
            (Reply::Stopped { output: None }, Outcome::Cancelled),
            (
                Reply::Impossible { message: "refused".to_owned(), retryable: true, untouched: true },
                Outcome::failed(FailureReason::Unreachable, "refused"),
            ),
        ] {
            assert_eq!(done(advance(&*query, &Memo::Null, Some(&reply))).0, expected, "{reply:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_a_problem() {
        assert_eq!(
            problems("prometheus: {query: up, range: {for: 30d, step: 1s}}"),
            [
                "range-points: the range has more than 11000 points, and Prometheus refuses that at \"{for: 30d, step: 1s}\" of step.yaml"
            ]
        );
        assert_eq!(
            must_trust("prometheus: 'rate(x[{{ vars.keep }}])'"),
            [("vars.keep".to_owned(), "a part of the query's syntax".to_owned())]
        );
    }
}
