//! JSON as databases keep it: text, so that members keep their order.

use serde_json::Value;

use crate::StorageError;

/// How deep `serde_json` reads.
const DEEPEST: usize = 127;

/// The text of a value. Fails if the value could not be read back.
pub(crate) fn to_text(what: &'static str, value: &Value) -> Result<String, StorageError> {
    if is_deeper_than(value, DEEPEST) { Err(StorageError::TooDeep { what }) } else { Ok(value.to_string()) }
}

pub(crate) fn from_text(text: &str) -> Result<Value, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The text of a list of names.
pub(crate) fn names_to_text(names: &[String]) -> String {
    Value::from(names).to_string()
}

pub(crate) fn names_from_text(text: &str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn is_deeper_than(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth == 0 || items.iter().any(|item| is_deeper_than(item, depth - 1)),
        Value::Object(members) => {
            depth == 0 || members.values().any(|member| is_deeper_than(member, depth - 1))
        }
        _ => false,
    }
}
