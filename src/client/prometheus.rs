//! Queries to Prometheus and what speaks its API (vmalert, Thanos, Mimir). Main type: [`Prometheus`].

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::alertmanager::PeerError;
use super::alertmanager::read_alerts;
use super::base_url::BaseUrl;
use super::error::{Failure, HttpError};
use super::http::{HttpClient, HttpOptions, HttpRequest};
use super::http_config::HttpConfig;
use crate::model::payload::{BadAlert, RawAlert, ReadStats};
use crate::model::{Alert, format_duration};

/// What the answer to a query may be at most, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A Prometheus. Cheap to clone.
#[derive(Clone)]
pub struct Prometheus {
    base: BaseUrl,
    client: HttpClient,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAnswer {
    /// `vector`, `matrix`, `scalar` or `string`.
    pub result_type: String,
    /// The samples as Prometheus writes them; values are text, among them `NaN`, `+Inf` and `-Inf`.
    pub result: Value,
    /// What Prometheus warns of, such as a store that did not answer.
    pub warnings: Vec<String>,
}

/// Why a query brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrometheusError {
    /// Prometheus judged the query.
    #[error("{url}: {kind}: {message}{}", hint(.kind, .message))]
    Query {
        /// The server, without credentials.
        url: String,
        /// Prometheus' word: `bad_data`, `timeout`, `execution`, ...
        kind: String,
        /// What it says.
        message: String,
    },
    /// There was no answer of Prometheus.
    #[error(transparent)]
    Request(#[from] PeerError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

impl Prometheus {
    /// Returns a Prometheus at a URL. Nothing is asked yet.
    ///
    /// # Errors
    /// When credentials stand both in the URL and in the `http_config`.
    pub fn new(
        base: BaseUrl,
        config: HttpConfig,
        options: HttpOptions,
    ) -> Result<Self, super::alertmanager::ClusterError> {
        if base.has_credentials() && config.has_credentials() {
            return Err(super::alertmanager::ClusterError::TwoCredentials { url: base.to_string() });
        }
        Ok(Self { base, client: HttpClient::new(config, options) })
    }

    /// Returns the server's URL, without credentials.
    pub fn url(&self) -> String {
        self.base.to_string()
    }

    /// Says why it could not be asked at present, as far as that is known without asking it.
    pub fn unready(&self) -> Option<String> {
        self.client.unready()
    }

    /// Evaluates an expression at one moment; without one, at the server's now.
    ///
    /// # Errors
    /// When Prometheus refuses the query or does not answer.
    pub async fn query(&self, expr: &str, at: Option<Timestamp>) -> Result<QueryAnswer, PrometheusError> {
        let mut form = vec![("query", expr.to_owned())];
        form.extend(at.map(|at| ("time", seconds(at))));
        self.ask("/api/v1/query", &form).await
    }

    /// Evaluates an expression at every step between two moments; at most 11,000 points per series.
    ///
    /// # Errors
    /// When Prometheus refuses the query or does not answer.
    pub async fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<QueryAnswer, PrometheusError> {
        let step = step.max(Duration::from_millis(1)).as_secs_f64().to_string();
        let form =
            [("query", expr.to_owned()), ("start", seconds(start)), ("end", seconds(end)), ("step", step)];
        self.ask("/api/v1/query_range", &form).await
    }

    /// Returns the alerts that fire, with the labels of the rule: external labels are not among them, so
    /// that they are of another scope than the same alerts in Alertmanager.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn alerts(&self, now: Timestamp) -> Result<(Vec<Alert>, ReadStats), PrometheusError> {
        let request = HttpRequest::get(self.base.at("/api/v1/alerts")).header("accept", "application/json");
        let response = self.client.send(request).await.map_err(PeerError::from)?;
        let response = response.success().await.map_err(explained)?;
        let mut alerts = Vec::new();
        let mut take = |raw: &RawAlert<'_>| -> Result<(), BadAlert> {
            alerts.push(raw.to_alert(now)?);
            Ok(())
        };
        let stats = read_alerts(&self.base, response, &mut take).await?;
        Ok((alerts, stats))
    }

    /// Asks by POST, which takes long expressions; by GET where something between refuses a POST.
    async fn ask(&self, path: &str, pairs: &[(&str, String)]) -> Result<QueryAnswer, PrometheusError> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let url = self.base.at(path);
        let post = HttpRequest::new("POST", url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form.clone().into_bytes())
            .repeatable();
        let mut response = self.client.send(post).await.map_err(PeerError::from)?;
        if matches!(response.status(), 405 | 301..=303) {
            let mut with_query = url.clone();
            with_query.set_query(Some(&form));
            response = self.client.send(HttpRequest::get(with_query)).await.map_err(PeerError::from)?;
        }
        let ok = (200..300).contains(&response.status());
        // Prometheus tells what is wrong with a query in the body of a 4xx.
        if !ok && !response.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(response
                .success()
                .await
                .map(drop)
                .map_or_else(explained, |()| self.no_answer())
                .into());
        }
        let body = response.body(MAX_ANSWER).await.map_err(PeerError::from)?;
        parse(&self.url(), &body).unwrap_or_else(|| Err(self.no_answer().into()))
    }

    fn no_answer(&self) -> PeerError {
        let failure = Failure::Unexpected("the answer is not one of Prometheus' API".to_owned());
        let hint = Some("is this Prometheus' URL, with its path prefix?".to_owned());
        PeerError { error: Box::new(HttpError::new("POST", &self.base.at(""), failure)), hint }
    }
}

impl QueryAnswer {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// Prometheus' own error, or that this is none of its answers.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        match parse("Prometheus", body) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the answer is not one of Prometheus' API".to_owned()),
        }
    }

    /// Returns the first value of the answer as Prometheus wrote it.
    pub fn first_value(&self) -> Option<&str> {
        let sample = match self.result_type.as_str() {
            "scalar" | "string" => &self.result,
            "vector" => self.result.get(0)?.get("value")?,
            _ => return None,
        };
        sample.get(1)?.as_str()
    }
}

fn parse(url: &str, body: &[u8]) -> Option<Result<QueryAnswer, PrometheusError>> {
    let document: Document = serde_json::from_slice(body).ok()?;
    match (document.status.as_str(), document.data) {
        ("success", Some(data)) => Some(Ok(QueryAnswer {
            result_type: data.result_type,
            result: data.result,
            warnings: document.warnings,
        })),
        ("error", _) => Some(Err(PrometheusError::Query {
            url: url.to_owned(),
            kind: document.error_type.unwrap_or_else(|| "error".to_owned()),
            message: super::error::excerpt(document.error.unwrap_or_default().as_bytes()),
        })),
        _ => None,
    }
}

/// Explains a status with Prometheus in mind where Alertmanager is not meant.
fn explained(error: HttpError) -> PeerError {
    if error.status() == Some(404) {
        let hint = Some("no Prometheus API under this URL; check its path prefix".to_owned());
        return PeerError { error: Box::new(error), hint };
    }
    error.into()
}

fn seconds(at: Timestamp) -> String {
    let milliseconds = at.as_millisecond();
    let sign = if milliseconds < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", milliseconds.unsigned_abs() / 1000, milliseconds.unsigned_abs() % 1000)
}

fn hint(kind: &str, message: &str) -> String {
    match kind {
        "bad_data" if message.contains("11,000 points") => {
            format!("; take a longer step, such as {}", format_duration(Duration::from_secs(300)))
        }
        "bad_data" => "; check the expression".to_owned(),
        "timeout" => "; the query takes too long: narrow it, or record it by a rule".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_json_has_no_numbers_for_are_kept_as_text() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"NaN"]}]},"warnings":["w"]}"#;
        let answer = QueryAnswer::parse(body).unwrap();
        assert_eq!((answer.result_type.as_str(), answer.first_value()), ("vector", Some("NaN")));
        assert_eq!(answer.warnings, ["w"]);
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"+Inf"]}}"#;
        assert_eq!(QueryAnswer::parse(scalar).unwrap().first_value(), Some("+Inf"));
    }

    #[test]
    fn an_error_is_told_in_prometheus_words_with_a_hint() {
        let body = br#"{"status":"error","errorType":"bad_data","error":"1:3: parse error: unexpected end"}"#;
        let error = QueryAnswer::parse(body).unwrap_err();
        assert_eq!(error, "Prometheus: bad_data: 1:3: parse error: unexpected end; check the expression");
        assert!(QueryAnswer::parse(b"<html>").is_err());
    }

    #[test]
    fn moments_are_written_in_seconds_with_milliseconds() {
        assert_eq!(seconds("1970-01-01T00:00:01.5Z".parse().unwrap()), "1.500");
        assert_eq!(seconds("1969-12-31T23:59:59.5Z".parse().unwrap()), "-0.500");
    }

    #[test]
    fn captured_answers_are_read() {
        for version in ["prometheus-2.42.0"] {
            let Some(directory) = crate::testing::shared_data(&format!("captures/{version}")) else { return };
            let mut read = 0;
            for entry in std::fs::read_dir(directory).unwrap() {
                let capture: Value =
                    serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
                let path = capture["request"]["path"].as_str().unwrap_or_default();
                let body = &capture["response"]["body"];
                if path.starts_with("/api/v1/query") && body.is_object() {
                    let answer = QueryAnswer::parse(body.to_string().as_bytes());
                    assert_eq!(answer.is_ok(), body["status"] == "success", "{path}: {answer:?}");
                    read += 1;
                }
            }
            assert!(read > 0);
        }
    }
}
