//! The error shapes that Airtable's clients know. Source: <https://airtable.com/developers/web/api/errors>.

use http::StatusCode;
use serde_json::json;

use crate::error::{ApiError, ErrorCode};

const NOT_PERMITTED: &str = "Invalid permissions, or the requested model was not found. Check that both your user and \
     your token have the required permissions, and that the model names and/or ids are correct.";

const RETRIABLE: &str =
    "Server encountered an error while processing your request, and it is safe to retry the request";

pub(super) fn body(error: &ApiError) -> (StatusCode, &'static str, Vec<u8>) {
    let parts = error.parts();
    let mut status = error.status();
    let own = parts.message.as_ref();
    let single = |kind: &str, message: &str| json!({"error": {"type": kind, "message": message}});
    let body = match (&parts.airtable_type, parts.code) {
        (Some(kind), ErrorCode::RateLimited) => json!({"errors": [{"error": kind, "message": own}]}),
        (Some(kind), _) => single(kind, own),
        (None, ErrorCode::RateLimited) => {
            json!({"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]})
        }
        // Airtable knows no 405: a method that a path does not have is a route that does not exist.
        (None, ErrorCode::NotFound | ErrorCode::NoSuchRoute | ErrorCode::MethodNotAllowed) => {
            status = StatusCode::NOT_FOUND;
            json!({"error": "NOT_FOUND"})
        }
        (None, ErrorCode::AuthenticationRequired) => {
            single("AUTHENTICATION_REQUIRED", "Authentication required")
        }
        (None, ErrorCode::Forbidden) => single("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", NOT_PERMITTED),
        // The one 503 after which clients repeat a call blindly: only where that is safe.
        (None, ErrorCode::Unavailable) if parts.retryable => single("RETRIABLE_ERROR", RETRIABLE),
        (None, code) => single(kind_of(code), own),
    };
    (status, "application/json; charset=utf-8", body.to_string().into_bytes())
}

fn kind_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest | ErrorCode::NotAcceptable | ErrorCode::PreconditionFailed => {
            "INVALID_REQUEST_UNKNOWN"
        }
        ErrorCode::Malformed | ErrorCode::UriTooLong => "INVALID_REQUEST",
        ErrorCode::UnsupportedMediaType => "INVALID_REQUEST_BODY",
        ErrorCode::BodyTooLarge => "REQUEST_TOO_LARGE",
        ErrorCode::RequestTimeout => "REQUEST_TIMEOUT",
        ErrorCode::Conflict => "CONFLICT",
        ErrorCode::OutcomeUnknown => "OUTCOME_UNKNOWN",
        ErrorCode::PartlyDone => "PARTLY_DONE",
        ErrorCode::NotImplemented => "NOT_IMPLEMENTED",
        ErrorCode::NotCached => "NOT_CACHED",
        ErrorCode::DeadlineExceeded => "TIMEOUT",
        ErrorCode::UpstreamInvalid | ErrorCode::UpstreamUnreachable => "UPSTREAM_ERROR",
        // Not reached for those that `body` names itself.
        _ => "SERVER_ERROR",
    }
}
