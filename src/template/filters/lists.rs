//! Filters on lists and maps.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

/// `[1, 2] | join(",")`.
pub(super) fn join(list: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut joined = String::new();
    for (at, item) in list.try_iter()?.enumerate() {
        if at > 0 {
            joined.push_str(between.unwrap_or_default());
        }
        match item.kind() {
            ValueKind::String => joined.push_str(item.as_str().unwrap_or_default()),
            ValueKind::Number => joined.push_str(&item.to_string()),
            ValueKind::Bool => joined.push_str(&item.is_true().to_string()),
            kind => {
                let message = format!("only texts and numbers can be joined, and one item is {kind}");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        if joined.len() > super::super::outline::LONGEST_OUTPUT {
            return Err(Error::new(ErrorKind::InvalidOperation, "the text would grow too long"));
        }
    }
    Ok(joined)
}

/// `{"a": 1} | keys`.
pub(super) fn keys(map: &Value) -> Result<Vec<Value>, Error> {
    only_map(map)?;
    Ok(map.try_iter()?.collect())
}

/// `{"a": 1} | values`.
pub(super) fn values(map: &Value) -> Result<Vec<Value>, Error> {
    only_map(map)?;
    map.try_iter()?.map(|key| map.get_item(&key)).collect()
}

/// `range(3) | last`: what has to be walked for it is walked while the engine counts the work.
pub(super) fn last(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    let list =
        if value.kind() == ValueKind::Iterable { minijinja::filters::list(state, value)? } else { value };
    minijinja::filters::last(list)
}

/// `"" is empty`.
pub(super) fn is_empty(value: &Value) -> Result<bool, Error> {
    match (value.kind(), value.len()) {
        (ValueKind::None, _) => Ok(true),
        (_, Some(length)) => Ok(length == 0),
        (kind, None) => {
            Err(Error::new(ErrorKind::InvalidOperation, format!("a {kind} is neither empty nor full")))
        }
    }
}

fn only_map(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Map => Ok(()),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("is a {kind}, and a map is needed"))),
    }
}
