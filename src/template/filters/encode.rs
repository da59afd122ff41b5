//! Filters that encode and decode: JSON, Base64, percent-encoding.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use minijinja::value::{StringInput, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::super::problem::RenderError;

/// `'{"a": 1}' | from_json`.
pub(super) fn from_json(text: &str) -> Result<Value, Error> {
    let json: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("is not JSON: {error}")))?;
    Ok(value_from_json(&json))
}

/// Returns JSON as a value for a scope.
pub fn value_from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value_from_json).collect::<Vec<Value>>().into(),
        Json::Object(entries) => {
            Value::from_pairs(entries.iter().map(|(name, entry)| (name.as_str(), value_from_json(entry))))
        }
    }
}

/// `{"a": 1} | to_json`: plain text, never "safe".
pub(super) fn to_json(value: &Value) -> Result<String, Error> {
    to_json_text(value).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.message))
}

/// Returns a value as JSON text.
pub(crate) fn to_json_text(value: &Value) -> Result<String, RenderError> {
    let refuse =
        |reason: String| RenderError::new("value-kind", format!("cannot be written as JSON: {reason}"));
    match value.kind() {
        ValueKind::Undefined => Err(refuse("it is undefined".to_owned())),
        _ => serde_json::to_string(value).map_err(|error| refuse(error.to_string())),
    }
}

/// `"hi" | b64encode`.
pub(super) fn b64encode(value: StringInput<'_>) -> String {
    base64::engine::general_purpose::STANDARD.encode(value.as_str())
}

/// `"aGk=" | b64decode`.
pub(super) fn b64decode(text: &str) -> Result<String, Error> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let bytes = GeneralPurpose::new(&alphabet, config)
        .decode(text)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("is not Base64: {error}")))?;
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "is not UTF-8 text in Base64"))
}

/// `"a b" | urlencode`.
pub(super) fn urlencode(value: StringInput<'_>) -> String {
    percent_encode(value.as_str())
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(crate) fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}
