use http::StatusCode;
use serde::Serialize;

use crate::error::{ApiError, FieldError};

/// A problem document, RFC 9457.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells the kinds apart.
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    status: u16,
    detail: String,
    /// `urn:uuid:` and the request id, or `urn:request:` and the caller's own id.
    instance: String,
    /// A stable name for programs.
    code: &'static str,
    request_id: String,
    /// Whether the same request may be sent again and can then succeed.
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

pub(super) fn body(error: &ApiError, request_id: &str) -> (StatusCode, &'static str, Vec<u8>) {
    let parts = error.parts();
    let status = error.status();
    let kind_of_id = if uuid::Uuid::try_parse(request_id).is_ok() { "uuid" } else { "request" };
    let problem = Problem {
        kind: "about:blank",
        title: parts.code.title().to_owned(),
        status: status.as_u16(),
        detail: parts.message.clone().into_owned(),
        instance: format!("urn:{kind_of_id}:{request_id}"),
        code: parts.code.as_str(),
        request_id: request_id.to_owned(),
        retryable: parts.retryable,
        retry_after_ms: parts.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        errors: parts.fields.clone(),
    };
    let body = serde_json::to_vec(&problem).expect("strings and numbers always serialise");
    (status, "application/problem+json", body)
}
