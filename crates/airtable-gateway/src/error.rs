//! What callers are told when there is no answer of Airtable's to pass on, and, on our own surface, what Airtable's
//! refusals become. The only such place.

use airtable_api::{Failure, InvalidTarget, SendError, Sent};
use http::{HeaderMap, StatusCode};
use service_kit::{ApiError, ErrorCode};

use crate::upstream::Trouble;

/// What the failed request was about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Reading,
    Writing,
}

const LOST_WRITE: &str = "the change was sent to Airtable but its answer was lost: it may or may not have been made. Look \
     before sending it again";

/// The error for a request that has no answer.
pub(crate) fn no_answer(trouble: Trouble, doing: Doing) -> ApiError {
    let unknown = |source: Trouble| ApiError::new(ErrorCode::OutcomeUnknown, LOST_WRITE).caused_by(source);
    match (&trouble, doing) {
        (Trouble::NoSlot(no_slot), _) => ApiError::new(
            ErrorCode::RateLimited,
            "Airtable's rate limit leaves no room for this call within its deadline; nothing was sent",
        )
        .retry_after(no_slot.retry_after),
        (Trouble::CircuitOpen { retry_after }, _) => {
            ApiError::new(ErrorCode::Unavailable, "Airtable does not answer at the moment; nothing was sent")
                .retry_after(*retry_after)
        }
        (Trouble::Stopping, _) => {
            ApiError::new(ErrorCode::Unavailable, "the gateway is stopping; nothing was sent")
                .retry_after(std::time::Duration::from_secs(1))
        }
        (Trouble::Send(error), _) if error.sent() == Sent::Nothing => {
            ApiError::new(ErrorCode::UpstreamUnreachable, "Airtable cannot be reached; nothing was sent")
                .retryable(true)
                .caused_by(trouble)
        }
        (Trouble::Send(_) | Trouble::Late, Doing::Writing) => unknown(trouble),
        (Trouble::Send(error), Doing::Reading) => {
            let message = match **error {
                SendError::Broken(_) => "the connection to Airtable broke before the answer",
                SendError::Truncated(_) => "Airtable's answer broke off",
                SendError::TooLong { .. } => "Airtable's answer is too long",
                _ => "Airtable's answer is not what an answer should be",
            };
            let lasting = matches!(**error, SendError::TooLong { .. });
            ApiError::new(ErrorCode::UpstreamInvalid, message).retryable(!lasting).caused_by(trouble)
        }
        (Trouble::Late, Doing::Reading) => {
            ApiError::new(ErrorCode::DeadlineExceeded, "Airtable did not answer in time").retryable(true)
        }
        (Trouble::NotCached, _) => ApiError::new(
            ErrorCode::NotCached,
            "the request allows a kept answer only, and there is none that will do",
        ),
        (Trouble::Payload(_), _) => {
            ApiError::new(ErrorCode::Malformed, "the request's body could not be read").caused_by(trouble)
        }
        (Trouble::Lost, Doing::Writing) => unknown(trouble),
        (Trouble::Lost, Doing::Reading) => {
            ApiError::new(ErrorCode::Internal, "something went wrong on our side").caused_by(trouble)
        }
    }
}

/// Airtable's refusal as an error of our own surface: its status, its words.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let failure = Failure::parse(body);
    let code = match status.as_u16() {
        400 => ErrorCode::Malformed,
        401 => ErrorCode::AuthenticationRequired,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        409 => ErrorCode::Conflict,
        413 => ErrorCode::BodyTooLarge,
        422 => ErrorCode::InvalidRequest,
        429 => ErrorCode::RateLimited,
        501 => ErrorCode::NotImplemented,
        503 => ErrorCode::Unavailable,
        504 => ErrorCode::DeadlineExceeded,
        _ if status.is_client_error() => ErrorCode::InvalidRequest,
        _ => ErrorCode::UpstreamInvalid,
    };
    let message = match status.as_u16() {
        401 => format!("Airtable does not accept the gateway's token: {failure}"),
        _ => format!("Airtable: {failure}"),
    };
    let error = ApiError::new(code, message);
    match airtable_api::retry_after(headers) {
        Some(wait) => error.retry_after(wait),
        None if failure.is_quota() => error.retryable(false),
        None => error,
    }
}

/// A table or other name that cannot stand in a path.
pub(crate) fn bad_name(error: InvalidTarget) -> ApiError {
    ApiError::new(ErrorCode::NotFound, "no table can have this name").caused_by(error)
}
