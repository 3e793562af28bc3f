//! Request bodies: JSON objects, called JSON, of a bounded size, and what is asked of many of them.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::errors::AirtableError;

/// Reads a body to its end.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
) -> Result<Map<String, Value>, AirtableError> {
    let bytes = bytes(body, max_bytes).await?;
    parse(headers, &bytes)
}

/// Reads a body of comma-separated values, called that.
pub(crate) async fn read_csv(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
) -> Result<Bytes, AirtableError> {
    if !is_called(headers, "text/csv") {
        return Err(AirtableError::body_not_json());
    }
    bytes(body, max_bytes).await
}

async fn bytes(body: Body, max_bytes: usize) -> Result<Bytes, AirtableError> {
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(AirtableError::body_too_large(max_bytes)),
        Err(_) => Err(AirtableError::body_cut_off()),
    }
}

fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Map<String, Value>, AirtableError> {
    if !is_called(headers, "application/json") {
        return Err(AirtableError::body_not_json());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(AirtableError::invalid_request()),
        Err(_) => Err(AirtableError::body_not_json()),
    }
}

/// Whether a body says that it is of this media type.
pub(crate) fn is_called(headers: &HeaderMap, wanted: &str) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    essence(content_type.unwrap_or_default()).eq_ignore_ascii_case(wanted)
}

/// A media type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Refuses keys that are not among these.
pub(crate) fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), AirtableError> {
    match object.keys().all(|key| known.contains(&key.as_str())) {
        true => Ok(()),
        false => Err(AirtableError::invalid_request()),
    }
}

/// True or false; false if the key is left out.
pub(crate) fn flag(object: &Map<String, Value>, key: &str) -> Result<bool, AirtableError> {
    match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(AirtableError::invalid_request()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(content_type: &str, body: &str) -> u16 {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
        parse(&headers, body.as_bytes()).map_or_else(|error| error.status(), |_| 200)
    }

    #[test]
    fn a_body_is_json_and_says_so() {
        assert_eq!(status("application/json", "{}"), 200);
        assert_eq!(status("Application/JSON; charset=utf-8", "{\"a\": 1}"), 200);
        for (content_type, body) in [
            ("text/plain", "{}"),
            ("application/x-www-form-urlencoded", "{}"),
            ("application/json", "{"),
            ("application/json", ""),
            ("application/json", "[]"),
        ] {
            assert_eq!(status(content_type, body), 422, "{content_type} {body}");
        }
        assert_eq!(parse(&HeaderMap::new(), b"{}"), Err(AirtableError::body_not_json()));
    }
}
