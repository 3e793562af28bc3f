//! What a model is told when the gateway has no answer, or says no. The only such place.

use std::time::Duration;

use airtable_api::{Failure, SendError, Sent, retry_after};
use http::{HeaderMap, StatusCode};

use crate::error::{Code, ToolError};

/// What the failed call was about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Reading,
    Writing,
}

const NOT_FOR_YOU: &str = "this API key may not do that, or there is no such base, table or record. Bases within reach: \
     call list_bases";

/// A write whose answer is missing.
pub(super) fn unknown_outcome() -> ToolError {
    ToolError::new(
        Code::OutcomeUnknown,
        "the change was sent, but its answer was lost: it may or may not have been made. Do not repeat it; look first, with \
         list_records or get_record, whether it is there",
    )
}

pub(super) fn too_late() -> ToolError {
    ToolError::new(
        Code::DeadlineExceeded,
        "the time for this call is over; nothing more was read or written. Ask for less at a time: a filter, fewer fields, \
         a smaller limit",
    )
}

/// The call has no answer.
pub(super) fn no_answer(error: &SendError, doing: Doing) -> ToolError {
    tracing::warn!("the gateway does not answer: {error}");
    match (error.sent(), doing) {
        (Sent::Perhaps, Doing::Writing) => unknown_outcome(),
        (Sent::Nothing, _) => ToolError::new(
            Code::Unavailable,
            "the Airtable gateway cannot be reached, nothing was sent. Try again in a moment; if it stays so, the operator \
             must start the gateway or correct AIRTABLE_GATEWAY_URL",
        ),
        (Sent::Perhaps, Doing::Reading) => ToolError::new(
            Code::Unavailable,
            "the connection to the Airtable gateway broke before its answer was complete. Try again",
        ),
    }
}

/// The gateway, or Airtable through it, answered with an error.
pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8], doing: Doing) -> ToolError {
    let failure = Failure::parse(body);
    let kind = failure.kind.as_deref().unwrap_or_default();
    let mut error = match (status.as_u16(), kind) {
        (_, "OUTCOME_UNKNOWN") => unknown_outcome(),
        (401, _) => ToolError::new(
            Code::Unauthenticated,
            "the gateway does not accept this server's credential. The operator must check PYAIRTABLE_API_KEY, or that all \
             services have the same INTERNAL_API_KEY",
        ),
        (403, "INVALID_PERMISSIONS") => {
            ToolError::new(Code::Forbidden, format!("Airtable does not permit this: {}", message(&failure)))
        }
        (403, _) => ToolError::new(Code::Forbidden, NOT_FOR_YOU),
        (404, _) => ToolError::new(Code::NotFound, format!("there is no such thing ({})", message(&failure))),
        (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE") => ToolError::new(
            Code::NotFound,
            "this listing is too old to go on with. Start again, without cursor",
        ),
        (429, _) if failure.is_quota() => ToolError::new(
            Code::Refused,
            "the Airtable workspace has used up its calls for this month; waiting for seconds does not help",
        ),
        (429, _) => ToolError::new(
            Code::RateLimited,
            "Airtable's rate limit leaves no room at the moment; nothing was done. Wait, then make the same call again",
        ),
        (400 | 409 | 413 | 422, _) => {
            ToolError::new(Code::Refused, format!("Airtable refuses this: {}", message(&failure)))
        }
        (503, "RETRIABLE_ERROR") => ToolError::new(
            Code::Unavailable,
            "Airtable does not answer at the moment; nothing was done. Try again in a moment",
        ),
        (502, "UPSTREAM_ERROR") if message(&failure).contains("nothing was sent") => ToolError::new(
            Code::Unavailable,
            "Airtable cannot be reached; nothing was done. Try again in a moment",
        ),
        (500.., _) if doing == Doing::Writing => unknown_outcome(),
        (504, _) => too_late(),
        (500.., _) => ToolError::new(
            Code::Unavailable,
            format!("Airtable cannot be read at the moment: {}. Try again in a moment", message(&failure)),
        ),
        _ => {
            ToolError::new(Code::Refused, format!("Airtable refuses this ({status}): {}", message(&failure)))
        }
    };
    if error.code.is_retryable() {
        error.retry_after = retry_after(headers);
        if let Some(wait) = error.retry_after {
            error = error.then(format!("It can succeed in {}", in_words(wait)));
        }
    }
    error
}

/// Airtable's words, cut to what a model needs.
fn message(failure: &Failure) -> String {
    const LONGEST: usize = 500;
    let mut text = failure.to_string();
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
    text
}

fn in_words(wait: Duration) -> String {
    match wait.as_secs() {
        0 | 1 => "a second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, doing: Doing, code: Code) -> ToolError {
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, "7".parse().unwrap())]);
        let error = refused(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), doing);
        assert_eq!(error.code, code, "{status} {body}");
        error
    }

    #[test]
    fn a_lost_write_is_never_an_invitation_to_repeat_it() {
        for (status, body) in [
            (409, r#"{"error":{"type":"OUTCOME_UNKNOWN","message":"m"}}"#),
            (500, ""),
            (502, r#"{"error":{"type":"UPSTREAM_ERROR","message":"m"}}"#),
            (504, r#"{"error":{"type":"TIMEOUT","message":"m"}}"#),
        ] {
            let error = check(status, body, Doing::Writing, Code::OutcomeUnknown);
            assert!(error.message.contains("Do not repeat it") && error.retry_after.is_none(), "{error}");
        }
    }

    #[test]
    fn what_was_not_done_may_be_tried_again_after_a_while() {
        let limited = r#"{"errors":[{"error":"RATE_LIMIT_REACHED","message":"m"}]}"#;
        let error = check(429, limited, Doing::Writing, Code::RateLimited);
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        assert!(error.message.ends_with("It can succeed in 7 seconds"), "{error}");
        let retriable = r#"{"error":{"type":"RETRIABLE_ERROR","message":"m"}}"#;
        check(503, retriable, Doing::Writing, Code::Unavailable);
        let unsent =
            r#"{"error":{"type":"UPSTREAM_ERROR","message":"Airtable cannot be reached; nothing was sent"}}"#;
        check(502, unsent, Doing::Writing, Code::Unavailable);
        check(502, "", Doing::Reading, Code::Unavailable);
        check(504, "", Doing::Reading, Code::DeadlineExceeded);
    }

    #[test]
    fn a_used_up_quota_is_no_rate_limit() {
        let body = r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"m"}]}"#;
        let error = check(429, body, Doing::Reading, Code::Refused);
        assert_eq!(error.retry_after, None);
    }

    #[test]
    fn airtables_words_are_passed_on_where_they_help() {
        let body = r#"{"error":{"type":"INVALID_VALUE_FOR_COLUMN","message":"Field \"X\" cannot accept the provided value"}}"#;
        let error = check(422, body, Doing::Writing, Code::Refused);
        assert!(error.message.contains("cannot accept the provided value"), "{error}");
    }
}
