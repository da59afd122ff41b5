//! Queries to Prometheus: [`query`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::redact::Redactor;
use super::trouble::Trouble;
use crate::client::Prometheus;
use crate::step::{Queried, QueryEffect, QueryRange};

/// The largest result that is taken, in bytes of JSON: it is journaled.
const LARGEST: usize = 1024 * 1024;

/// Evaluates a query: at Prometheus' own now, or over a range that ends now.
pub(super) async fn query(
    prometheus: &Prometheus,
    effect: &QueryEffect,
    redactor: &Redactor,
    now: Timestamp,
) -> Result<Queried, Trouble> {
    let answer = match effect.range {
        None => prometheus.query(&effect.query, None).await?,
        Some(range) => {
            let (start, step) = bounds(range, now)?;
            prometheus.query_range(&effect.query, start, now, step).await?
        }
    };
    let size = answer.result.to_string().len();
    if size > LARGEST {
        let series = answer.result.as_array().map_or(1, Vec::len);
        return Err(Trouble::for_good(format!(
            "the answer has {series} series and {size} bytes, more than {LARGEST} are not kept: aggregate, or take a longer step"
        )));
    }
    Ok(Queried {
        result_type: answer.result_type,
        result: redactor.value(answer.result),
        warnings: answer.warnings.iter().map(|warning| redactor.text(warning).into_owned()).collect(),
    })
}

fn bounds(range: QueryRange, now: Timestamp) -> Result<(Timestamp, Duration), Trouble> {
    let bad =
        |what: &str| Trouble::for_good(format!("the {what} of the range is no positive number of seconds"));
    let positive =
        |seconds: f64| Duration::try_from_secs_f64(seconds).ok().filter(|length| !length.is_zero());
    let length = positive(range.seconds).ok_or_else(|| bad("length"))?;
    let step = positive(range.step).ok_or_else(|| bad("step"))?;
    let length = SignedDuration::try_from(length).map_err(|_| bad("length"))?;
    let start = now.checked_sub(length).map_err(|_| bad("length"))?;
    Ok((start, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_now_and_has_positive_length_and_step() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let (start, step) = bounds(QueryRange { seconds: 3_600.0, step: 0.5 }, now).unwrap();
        assert_eq!((start.to_string().as_str(), step), ("2026-11-23T05:00:00Z", Duration::from_millis(500)));
        for (seconds, step) in
            [(0.0, 1.0), (-1.0, 1.0), (f64::NAN, 1.0), (1e30, 1.0), (1.0, 0.0), (1.0, f64::INFINITY)]
        {
            assert!(bounds(QueryRange { seconds, step }, now).is_err(), "{seconds} {step}");
        }
    }
}
