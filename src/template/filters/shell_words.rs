//! Filters for text that goes through a shell: `shq`, `dash_ok`, `raw`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// `"it's" | shq`: quoted for a second POSIX shell; each item of a list.
pub(super) fn shq(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            Ok(value.try_iter()?.map(|item| shq_one(&item)).collect::<Result<Vec<Value>, Error>>()?.into())
        }
        _ => shq_one(value),
    }
}

fn shq_one(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(Value::from(shell_quote(&value.to_string()))),
        ValueKind::Bool => Ok(Value::from(shell_quote(&value.is_true().to_string()))),
        kind => {
            Err(Error::new(ErrorKind::InvalidOperation, format!("a {kind} cannot be quoted for a shell")))
        }
    }
}

/// Quotes a text for a POSIX shell: one word, whatever it holds.
fn shell_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        if character == '\'' {
            quoted.push_str("'\\''");
        } else {
            quoted.push(character);
        }
    }
    quoted.push('\'');
    quoted
}

/// `x | dash_ok`: the value as it is; that it is the last filter of a hole is what counts.
pub(super) fn dash_ok(value: Value) -> Value {
    value
}

/// `x | raw`: the value as it is; that it is the last filter of a hole is what counts.
pub(super) fn raw(value: Value) -> Value {
    value
}
