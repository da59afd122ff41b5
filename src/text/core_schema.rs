//! What a scalar without quotes means by YAML 1.2's core schema (chapter 10.3): [`CoreValue`].

use serde_yaml::{Number, Value};

use super::scalar::{CoreTag, Scalar};

/// The value of a scalar by YAML's core schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CoreValue {
    Null,
    Bool(bool),
    Int(Number),
    Float(Number),
    Text,
}

/// Says what a scalar means where nothing else is wanted: `true` and `false` are booleans, `yes` and `no` are text.
pub(super) fn core_value(scalar: &Scalar) -> CoreValue {
    let text = scalar.value.as_str();
    match scalar.tag {
        Some(CoreTag::Str) => CoreValue::Text,
        Some(CoreTag::Null) => CoreValue::Null,
        Some(CoreTag::Int) => integer(text).map_or(CoreValue::Text, CoreValue::Int),
        Some(CoreTag::Float) => number(text).map_or(CoreValue::Text, CoreValue::Float),
        Some(CoreTag::Bool) => boolean(text).map_or(CoreValue::Text, CoreValue::Bool),
        None if !scalar.is_plain() => CoreValue::Text,
        None if scalar.is_null() => CoreValue::Null,
        None => boolean(text)
            .map(CoreValue::Bool)
            .or_else(|| integer(text).map(CoreValue::Int))
            .or_else(|| float(text).map(|n| CoreValue::Float(n.into())))
            .unwrap_or(CoreValue::Text),
    }
}

/// Makes a value of a scalar by its core schema alone.
pub(super) fn untyped(scalar: &Scalar) -> Value {
    match core_value(scalar) {
        CoreValue::Null => Value::Null,
        CoreValue::Bool(b) => Value::Bool(b),
        CoreValue::Int(n) | CoreValue::Float(n) => Value::Number(n),
        CoreValue::Text => Value::String(scalar.value.clone()),
    }
}

/// Says whether YAML 1.1 takes a word for a boolean that YAML 1.2 takes for text.
pub(super) fn is_old_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" => Some(true),
        "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<Number> {
    float(text).map(Number::from).or_else(|| integer(text))
}

fn integer(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    unsigned
        .parse::<u64>()
        .map(Number::from)
        .or_else(|_| unsigned.parse::<i64>().map(Number::from))
        .ok()
        .or_else(|| unsigned.parse::<f64>().ok().map(Number::from))
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    all_digits.then(|| u64::from_str_radix(digits, radix).ok())?.map(Number::from)
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, infinities, not a number.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY * sign),
        ".nan" | ".NaN" | ".NAN" if unsigned.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) =
        unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    let fits = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    (fits && exponent_fits).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ScalarStyle;

    fn plain(text: &str) -> Scalar {
        Scalar { value: text.into(), style: ScalarStyle::Plain, tag: None, indent: None }
    }

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(core_value(&plain(text)), CoreValue::Null, "{text}");
        }
        for (text, value) in [("true", true), ("True", true), ("FALSE", false)] {
            assert_eq!(core_value(&plain(text)), CoreValue::Bool(value), "{text}");
        }
        for (text, value) in [("0", 0), ("-7", -7), ("+7", 7), ("022", 22), ("0x1F", 31), ("0o17", 15)] {
            assert_eq!(core_value(&plain(text)), CoreValue::Int(value.into()), "{text}");
        }
        for (text, value) in
            [("1.5", 1.5), ("-.5", -0.5), ("1e3", 1000.0), ("1.", 1.0), (".inf", f64::INFINITY)]
        {
            assert_eq!(core_value(&plain(text)), CoreValue::Float(value.into()), "{text}");
        }
        for text in
            ["yes", "no", "on", "1h", "1.2.3", "0x", "0b1", "1_000", "e3", ".", "-", "+", "1e", "12:30"]
        {
            assert_eq!(core_value(&plain(text)), CoreValue::Text, "{text}");
        }
    }

    #[test]
    fn quotes_and_tags_decide() {
        let quoted = Scalar { style: ScalarStyle::Double, ..plain("5") };
        assert_eq!(core_value(&quoted), CoreValue::Text);
        assert_eq!(core_value(&Scalar { tag: Some(CoreTag::Str), ..plain("5") }), CoreValue::Text);
        assert_eq!(core_value(&Scalar { tag: Some(CoreTag::Int), ..quoted }), CoreValue::Int(5.into()));
    }
}
