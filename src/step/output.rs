//! What `steps.<id>` gives: the one place where a [`Reply`](super::Reply) becomes an output.
//!
//! Texts stay as they were written, the newline at their end too: filters such as `trim` and `lines` take
//! it off. What is not there is left out rather than made up, because a name without a value is an error
//! in a template, and `none < 5` would be a wrong answer.

use minijinja::value::Serde;
use serde_json::{Map, Value, json};

use super::effect::{Captured, Exited, Queried, Responded};
use super::kind::{Field, FieldType};
use crate::template::Scope;

/// What every step gives, whatever its kind.
pub const COMMON_FIELDS: &[Field] = &[
    Field::trusted(
        "status",
        FieldType::Text,
        "`succeeded`, `failed`, `skipped`, `timed_out`, `cancelled`, `rejected` or `lost`",
    ),
    Field::tainted("reason", FieldType::Text, "why it did not succeed, for people; empty when it did"),
    Field::trusted("attempts", FieldType::Number, "how many attempts there were"),
    Field::trusted("duration", FieldType::Number, "seconds that it took"),
    Field::tainted("items", FieldType::List, "with `foreach`: what each turn gave, with these same names"),
];

/// What a command gives.
pub(super) const COMMAND_FIELDS: &[Field] = &[
    Field::tainted("stdout", FieldType::Text, "standard output, as it was written"),
    Field::tainted("stderr", FieldType::Text, "standard error, as it was written"),
    Field::trusted("exit_code", FieldType::Number, "the exit code; none when a signal ended the command"),
    Field::trusted("signal", FieldType::Number, "the signal that ended the command; only when one did"),
    Field::tainted(
        "json",
        FieldType::Any,
        "standard output as JSON; only when it is JSON and nothing was cut",
    ),
    Field::tainted("outputs", FieldType::Map, "the `key=value` lines written to the file `$AMFLOW_OUTPUT`"),
    Field::trusted(
        "cut",
        FieldType::Number,
        "bytes of standard output and error left out; only when some were",
    ),
];

/// What an HTTP request gives.
pub(super) const RESPONSE_FIELDS: &[Field] = &[
    Field::tainted("http", FieldType::Map, "`status`, a number, and `headers`, by their names in lower case"),
    Field::tainted("body", FieldType::Text, "the body, as it was sent"),
    Field::tainted("json", FieldType::Any, "the body as JSON; only when it is JSON and nothing was cut"),
    Field::trusted("cut", FieldType::Number, "bytes of the body left out; only when some were"),
];

/// What a query gives.
pub(super) const QUERY_FIELDS: &[Field] = &[
    Field::trusted(
        "value",
        FieldType::Number,
        "the newest value of the first series; only when there is one and it is a finite number",
    ),
    Field::tainted(
        "vector",
        FieldType::List,
        "every series: `labels`, `value` and, for a range, `values` as pairs of time and value",
    ),
    Field::trusted("count", FieldType::Number, "how many series there are"),
    Field::tainted("warnings", FieldType::List, "what Prometheus warned of; only when it did"),
];

/// Returns what a command gives.
pub(super) fn of_command(exited: &Exited) -> Value {
    let mut fields = Map::new();
    fields.insert("stdout".to_owned(), Value::from(exited.stdout.text.as_str()));
    fields.insert("stderr".to_owned(), Value::from(exited.stderr.text.as_str()));
    fields.insert("exit_code".to_owned(), exited.exit_code.map_or(Value::Null, Value::from));
    if let Some(signal) = exited.signal {
        fields.insert("signal".to_owned(), Value::from(signal));
    }
    insert_json(&mut fields, &exited.stdout);
    fields.insert("outputs".to_owned(), json!(exited.outputs));
    insert_cut(&mut fields, exited.stdout.cut.saturating_add(exited.stderr.cut));
    Value::Object(fields)
}

/// Returns what an HTTP request gives.
pub(super) fn of_response(responded: &Responded) -> Value {
    let mut fields = Map::new();
    fields.insert("http".to_owned(), json!({"status": responded.status, "headers": responded.headers}));
    fields.insert("body".to_owned(), Value::from(responded.body.text.as_str()));
    insert_json(&mut fields, &responded.body);
    insert_cut(&mut fields, responded.body.cut);
    Value::Object(fields)
}

/// Returns what a query gives. Prometheus writes values as text, so that NaN and infinity have a spelling;
/// those stay text in `vector` and never become a `value`.
pub(super) fn of_query(queried: &Queried) -> Value {
    let series: Vec<Value> = match queried.result_type.as_str() {
        "scalar" | "string" => vec![json!({"labels": {}, "value": sample(&queried.result)})],
        _ => {
            queried.result.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(one_series).collect()
        }
    };
    let mut fields = Map::new();
    if let Some(value) = series.first().and_then(|first| first.get("value")).filter(|value| value.is_number())
    {
        fields.insert("value".to_owned(), value.clone());
    }
    fields.insert("count".to_owned(), Value::from(series.len()));
    fields.insert("vector".to_owned(), Value::Array(series));
    if !queried.warnings.is_empty() {
        fields.insert("warnings".to_owned(), json!(queried.warnings));
    }
    Value::Object(fields)
}

/// Returns a scope in which an answer's fields are seen by their names, as `steps.<id>` will give them.
pub(super) fn judged(scope: &Scope, output: &Value) -> Scope {
    let fields = output.as_object().into_iter().flatten();
    fields.fold(scope.clone(), |scope, (name, value)| scope.with(name, Serde(value).into()))
}

/// The last line of an output that says something, short enough for one line of a report.
pub(super) fn last_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let short: String = line.chars().take(LONGEST_LINE).collect();
    Some(if short.len() < line.len() { format!("{short}...") } else { short })
}

const LONGEST_LINE: usize = 200;

fn insert_json(fields: &mut Map<String, Value>, captured: &Captured) {
    if captured.cut > 0 || captured.text.trim().is_empty() {
        return;
    }
    if let Ok(value) = serde_json::from_str::<Value>(&captured.text) {
        fields.insert("json".to_owned(), value);
    }
}

fn insert_cut(fields: &mut Map<String, Value>, cut: u64) {
    if cut > 0 {
        fields.insert("cut".to_owned(), Value::from(cut));
    }
}

fn one_series(series: &Value) -> Value {
    let labels = series.get("metric").cloned().unwrap_or_else(|| json!({}));
    let points = series.get("values").and_then(Value::as_array);
    let newest = points.and_then(|points| points.last()).or_else(|| series.get("value"));
    let mut one = json!({"labels": labels, "value": newest.map_or(Value::Null, sample)});
    if let (Some(points), Some(one)) = (points, one.as_object_mut()) {
        let pairs = points.iter().map(|point| json!([point.get(0), sample(point)])).collect();
        one.insert("values".to_owned(), Value::Array(pairs));
    }
    one
}

/// The value of a `[time, "value"]` pair: a number where it is finite, else its text.
fn sample(pair: &Value) -> Value {
    let Some(value) = pair.get(1) else { return Value::Null };
    let number = value.as_str().and_then(|text| text.parse::<f64>().ok()).or_else(|| value.as_f64());
    match number.and_then(serde_json::Number::from_f64) {
        Some(number) => Value::Number(number),
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gives_its_texts_as_they_are_and_json_only_when_whole() {
        let exited = Exited {
            exit_code: Some(0),
            stdout: "{\"a\": 1}\n".into(),
            duration_ms: 1_500,
            ..Exited::default()
        };
        assert_eq!(
            of_command(&exited),
            json!({"stdout": "{\"a\": 1}\n", "stderr": "", "exit_code": 0, "json": {"a": 1}, "outputs": {}})
        );
        let cut = Captured { text: "{\"a\": 1}".to_owned(), cut: 7 };
        let output = of_command(&Exited { stdout: cut, signal: Some(9), ..Exited::default() });
        assert_eq!(output.get("json"), None);
        assert_eq!(
            (&output["cut"], &output["exit_code"], &output["signal"]),
            (&json!(7), &Value::Null, &json!(9))
        );
    }

    #[test]
    fn a_query_gives_numbers_where_they_are_finite_and_no_value_where_there_is_none() {
        let query = |result_type: &str, result: Value| {
            of_query(&Queried { result_type: result_type.to_owned(), result, warnings: Vec::new() })
        };
        let one =
            json!([{"metric": {"job": "a"}, "value": [1.5, "0.25"]}, {"metric": {}, "value": [1.5, "NaN"]}]);
        assert_eq!(
            query("vector", one),
            json!({"value": 0.25, "count": 2, "vector": [
                {"labels": {"job": "a"}, "value": 0.25}, {"labels": {}, "value": "NaN"}]})
        );
        assert_eq!(query("vector", json!([])), json!({"count": 0, "vector": []}));
        let nan = query("vector", json!([{"metric": {}, "value": [1, "+Inf"]}]));
        assert_eq!((nan.get("value"), &nan["vector"][0]["value"]), (None, &json!("+Inf")));
        assert_eq!(query("scalar", json!([1, "3"]))["value"], json!(3.0));
        let range = query("matrix", json!([{"metric": {}, "values": [[1, "1"], [2, "2"]]}]));
        assert_eq!(
            (&range["value"], &range["vector"][0]["values"]),
            (&json!(2.0), &json!([[1, 1.0], [2, 2.0]]))
        );
        for odd in [json!(null), json!({}), json!("x"), json!([1]), json!([[]]), json!([{"value": 3}])] {
            for result_type in ["vector", "matrix", "scalar", "string", ""] {
                assert!(query(result_type, odd.clone()).get("value").is_none(), "{result_type} {odd}");
            }
        }
    }

    #[test]
    fn the_last_line_that_says_something_is_kept_short() {
        assert_eq!(last_line("a\nb\n\n").as_deref(), Some("b"));
        assert_eq!(last_line(" \n"), None);
        assert_eq!(last_line(&"é".repeat(300)).map(|line| line.chars().count()), Some(203));
    }
}
