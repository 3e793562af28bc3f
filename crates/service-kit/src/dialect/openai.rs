//! The error shape that OpenAI's clients know. Source: <https://platform.openai.com/docs/guides/error-codes>.

use http::StatusCode;
use serde_json::{Value, json};

use crate::error::{ApiError, ErrorCode};

pub(super) fn body(error: &ApiError) -> (StatusCode, &'static str, Vec<u8>) {
    let status = match error.code() {
        // Its clients know one status for a request that is wrong in any way.
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        code => code.status(),
    };
    (status, "application/json", value(error).to_string().into_bytes())
}

/// `{"error": {"message", "type", "param", "code"}}`: the body of an error, and the last event of a stream that breaks off.
pub fn openai_error(error: &ApiError) -> Value {
    value(error)
}

fn value(error: &ApiError) -> Value {
    let parts = error.parts();
    let (kind, code) = match &parts.openai {
        Some((kind, code)) => (kind.as_ref(), code.as_ref()),
        None => (kind_of(parts.code), code_of(parts.code)),
    };
    let param = parts.fields.first().map(|field| param(&field.pointer));
    let details =
        parts.fields.iter().map(|field| format!("{}: {}", param_or_body(&field.pointer), field.detail));
    let message = std::iter::once(parts.message.to_string()).chain(details).collect::<Vec<_>>().join("; ");
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

fn kind_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::AuthenticationRequired => "authentication_error",
        ErrorCode::Forbidden => "permission_error",
        ErrorCode::RateLimited => "rate_limit_error",
        ErrorCode::Conflict | ErrorCode::OutcomeUnknown | ErrorCode::PartlyDone => "conflict_error",
        code if code.status().is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

fn code_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::AuthenticationRequired => "invalid_api_key",
        code => code.as_str(),
    }
}

/// A JSON pointer in OpenAI's way of writing: `/messages/0/content` is `messages[0].content`.
fn param(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&step.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

fn param_or_body(pointer: &str) -> String {
    let param = param(pointer);
    if param.is_empty() { "the body".to_owned() } else { param }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_place_is_named_as_its_clients_name_it() {
        let error = ApiError::new(ErrorCode::InvalidRequest, "the request is not valid").field(
            "/messages/0/content",
            "type",
            "must be a string",
        );
        let (status, kind, body) = body(&error);
        assert_eq!((status, kind), (StatusCode::BAD_REQUEST, "application/json"));
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"error": {
                "message": "the request is not valid; messages[0].content: must be a string",
                "type": "invalid_request_error", "param": "messages[0].content", "code": "invalid_request",
            }})
        );
    }

    #[test]
    fn an_error_may_say_what_it_is_for_these_clients() {
        let error = ApiError::new(ErrorCode::RateLimited, "the day's budget is used up")
            .openai("insufficient_quota", "budget_exceeded");
        assert_eq!(
            openai_error(&error),
            json!({"error": {
                "message": "the day's budget is used up", "type": "insufficient_quota",
                "param": null, "code": "budget_exceeded",
            }})
        );
    }

    #[test]
    fn every_code_has_a_type_that_its_clients_know() {
        let known = [
            "authentication_error",
            "permission_error",
            "rate_limit_error",
            "conflict_error",
            "server_error",
            "invalid_request_error",
        ];
        for code in [
            ErrorCode::Malformed,
            ErrorCode::Forbidden,
            ErrorCode::Conflict,
            ErrorCode::Unavailable,
            ErrorCode::NotImplemented,
        ] {
            assert!(known.contains(&kind_of(code)));
        }
        assert_eq!(kind_of(ErrorCode::UpstreamUnreachable), "server_error");
    }
}
