//! Request bodies: JSON objects, called JSON, of a bounded size.

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

fn is_called(headers: &HeaderMap, wanted: &str) -> bool {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(wanted)
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
