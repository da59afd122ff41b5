//! Filters on numbers.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// `"81" | int`, `1.9 | int`, `"x" | int(0)`.
pub(super) fn int(value: &Value, otherwise: Option<i64>) -> Result<i64, Error> {
    let number = match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true())),
        ValueKind::Number => value.as_i64().or_else(|| value.to_string().parse().ok().and_then(whole)),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
        }
        _ => None,
    };
    number.or(otherwise).ok_or_else(|| refuse(value, "a whole number"))
}

/// `"1.5" | float`, `"x" | float(0)`.
pub(super) fn float(value: &Value, otherwise: Option<f64>) -> Result<f64, Error> {
    let number: Option<f64> = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => value.to_string().parse().ok(),
        ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    number.filter(|number| number.is_finite()).or(otherwise).ok_or_else(|| refuse(value, "a number"))
}

fn refuse(value: &Value, what: &str) -> Error {
    let shown: String = value.to_string().chars().take(40).collect();
    Error::new(ErrorKind::InvalidOperation, format!("`{}` is not {what}", shown.escape_debug()))
}

#[allow(clippy::cast_possible_truncation, reason = "the range is checked, and cutting the fraction is meant")]
fn whole(number: f64) -> Option<i64> {
    (number.abs() < 9.0e18).then_some(number as i64)
}
