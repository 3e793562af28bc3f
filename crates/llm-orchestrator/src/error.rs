//! What clients are told when there is no (whole) answer. The only such place.

use std::time::Duration;

use llm_api::LlmError;
use service_kit::{ApiError, ErrorCode};

use crate::tools::ListError;
use crate::turn::Failure;

/// How long a client is asked to wait where nobody knows better.
const SOON: Duration = Duration::from_secs(5);

/// The error for a run that failed. `changed`: a tool that changes something was sent, so the question must not simply be
/// repeated.
pub(crate) fn of_failure(failure: &Failure, changed: bool) -> ApiError {
    let error = match failure {
        Failure::Model(error) => of_model(error),
        Failure::Malformed { reason } => ApiError::new(
            ErrorCode::UpstreamInvalid,
            format!("the model tried to call a tool and failed at it again and again ({reason}); ask in other words"),
        )
        .openai("server_error", "malformed_call"),
        Failure::Empty => {
            ApiError::new(ErrorCode::UpstreamInvalid, "the model gave an empty answer again and again; ask in other words")
                .openai("server_error", "empty_answer")
        }
        Failure::Other { reason } => ApiError::new(
            ErrorCode::UpstreamInvalid,
            format!("the model ended its answer for an unknown reason ({reason})"),
        )
        .openai("server_error", "provider_error"),
        Failure::TimeUp => {
            ApiError::new(ErrorCode::DeadlineExceeded, "the time for this question was over before the answer was there")
                .openai("server_error", "time_up")
        }
    };
    if changed { after_change(error) } else { error }
}

/// The error for a failed call of the model's vendor.
pub(crate) fn of_model(error: &LlmError) -> ApiError {
    let text = error.to_string();
    let cause = error.cause();
    let broke_off = !std::ptr::eq(cause, error) || matches!(cause, LlmError::CutStream { .. });
    let wait = error.retry_after().unwrap_or(SOON);
    match cause {
        _ if broke_off => ApiError::new(
            ErrorCode::UpstreamInvalid,
            "the model's answer broke off; what there is of it is not complete",
        )
        .openai("server_error", "answer_broke_off")
        .retryable(true),
        LlmError::Unauthorized { .. } | LlmError::Forbidden { .. } => ApiError::new(
            ErrorCode::UpstreamInvalid,
            "the model's provider does not accept this server's key: check GEMINI_API_KEY",
        )
        .openai("server_error", "provider_refused_key")
        .caused_by(text),
        LlmError::QuotaExhausted { .. } => ApiError::new(
            ErrorCode::RateLimited,
            "this server's quota with the model's provider is used up for today, or its budget is; waiting for minutes does not help",
        )
        .openai("insufficient_quota", "provider_quota_exhausted")
        .retryable(false)
        .caused_by(text),
        LlmError::RateLimited { .. } => {
            ApiError::new(ErrorCode::RateLimited, "the model's provider takes no more requests at the moment")
                .openai("rate_limit_error", "provider_rate_limited")
                .retry_after(wait)
                .caused_by(text)
        }
        LlmError::Overloaded { .. } => ApiError::new(ErrorCode::Unavailable, "the model is overloaded at the moment")
            .openai("server_error", "provider_overloaded")
            .retry_after(wait)
            .caused_by(text),
        LlmError::InvalidRequest { message } => {
            ApiError::new(ErrorCode::Malformed, format!("the model's provider rejected the request: {message}"))
                .openai("invalid_request_error", "provider_rejected")
        }
        LlmError::SignatureRejected { .. } => ApiError::new(
            ErrorCode::UpstreamInvalid,
            "the model does not accept its own earlier answers; begin a new session",
        )
        .openai("server_error", "history_rejected")
        .caused_by(text),
        LlmError::ContextTooLong { .. } => ApiError::new(
            ErrorCode::Malformed,
            "the conversation is longer than the model can read; begin a new one, or ask for less",
        )
        .openai("invalid_request_error", "context_length_exceeded")
        .field("/messages", "too_long", "longer than the model can read"),
        LlmError::ModelNotFound { model, .. } => no_such_model(model),
        LlmError::Unreachable(_) => {
            ApiError::new(ErrorCode::UpstreamUnreachable, "the model's provider cannot be reached")
                .openai("server_error", "provider_unreachable")
                .retryable(true)
                .caused_by(text)
        }
        LlmError::Timeout(_) => ApiError::new(ErrorCode::DeadlineExceeded, "the model did not answer in time")
            .openai("server_error", "provider_timeout")
            .caused_by(text),
        LlmError::Server { .. }
        | LlmError::CachedContentGone { .. }
        | LlmError::Broken(_)
        | LlmError::CutStream { .. }
        | LlmError::Interrupted { .. }
        | LlmError::Protocol { .. } => ApiError::new(ErrorCode::UpstreamInvalid, "the model's provider failed")
            .openai("server_error", "provider_failed")
            .retryable(error.is_retryable())
            .caused_by(text),
        LlmError::Unsendable { .. } => {
            ApiError::new(ErrorCode::Malformed, "the request cannot be put to the model").caused_by(text)
        }
    }
}

pub(crate) fn no_such_model(model: &str) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        format!("there is no model {model}; GET /v1/models lists those that there are"),
    )
    .openai("invalid_request_error", "model_not_found")
    .field("/model", "not_found", "is not a model of this server")
}

/// Heard by nobody, except a request that is repeated with the same idempotency key.
pub(crate) fn cancelled(changed: bool) -> ApiError {
    let error = ApiError::new(ErrorCode::Conflict, "the run was cancelled, since its client had left")
        .openai("conflict_error", "run_cancelled")
        .retryable(false);
    if changed { after_change(error) } else { error }
}

/// The error for a run that cannot begin without tools.
pub(crate) fn no_tools(error: ListError) -> ApiError {
    let message = match &error {
        ListError::Unreachable(_) | ListError::Late => {
            "the tools' server cannot be reached; nothing was done"
        }
        ListError::Refused { .. } => "the tools' server does not accept this server's word for its callers",
        ListError::Invalid(_) => "the tools' server gave no list of its tools",
    };
    let is_passing = matches!(error, ListError::Unreachable(_) | ListError::Late);
    let code = if is_passing { ErrorCode::UpstreamUnreachable } else { ErrorCode::UpstreamInvalid };
    ApiError::new(code, message)
        .openai("server_error", "tools_unavailable")
        .retryable(is_passing)
        .caused_by(error)
}

fn after_change(error: ApiError) -> ApiError {
    error.retryable(false).adding("changes were made or tried before this: look before you ask again")
}
