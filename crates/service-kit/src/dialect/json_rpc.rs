//! JSON-RPC 2.0 errors without a request's id: what went wrong lies outside of any message.
//! Source: <https://www.jsonrpc.org/specification#error_object>.

use http::StatusCode;
use serde_json::json;

use crate::error::{ApiError, ErrorCode};

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const INTERNAL_ERROR: i32 = -32603;

pub(super) fn body(error: &ApiError, request_id: &str) -> (StatusCode, &'static str, Vec<u8>) {
    let parts = error.parts();
    let status = error.status();
    let code = match parts.code {
        ErrorCode::Malformed => PARSE_ERROR,
        _ if status.is_server_error() => INTERNAL_ERROR,
        _ => INVALID_REQUEST,
    };
    let data = json!({"code": parts.code.as_str(), "retryable": parts.retryable, "request_id": request_id});
    let body = json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": {"code": code, "message": parts.message, "data": data},
    });
    (status, "application/json", body.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_error_is_a_message_without_an_id() {
        let error = ApiError::new(ErrorCode::AuthenticationRequired, "the API key is not valid");
        let (status, kind, body) = body(&error, "r1");
        assert_eq!((status.as_u16(), kind), (401, "application/json"));
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"jsonrpc": "2.0", "id": null, "error": {
                "code": -32600, "message": "the API key is not valid",
                "data": {"code": "authentication_required", "retryable": false, "request_id": "r1"},
            }})
        );
    }

    #[test]
    fn what_is_no_json_and_what_is_our_fault_have_codes_of_their_own() {
        for (code, expected) in [(ErrorCode::Malformed, -32700), (ErrorCode::DeadlineExceeded, -32603)] {
            let (_, _, body) = body(&ApiError::new(code, "m"), "r");
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["error"]["code"], expected);
        }
    }
}
