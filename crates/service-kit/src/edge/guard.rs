use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST};
use http::{HeaderValue, StatusCode, Version};
use tokio::time::Instant;

use super::body::{BodyProblem, GuardedBody, Outcome};
use super::{Deadline, Edge, Subtree};
use crate::dialect::Dialect;
use crate::error::{ApiError, ErrorCode};
use crate::keys;
use crate::serve::AmbiguousLength;

/// With less time than this left there is no use in beginning.
const LEAST_TIME: Duration = Duration::from_millis(20);

/// Checks the head, bounds the body in size and time, and answers 504 at the deadline.
pub(super) async fn guard(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let subtree = edge.subtree(request.uri().path());
    if let Err(error) = check_head(&request, &subtree) {
        return closing(error);
    }
    let deadline =
        request.extensions().get::<Deadline>().map_or_else(|| Instant::now() + subtree.deadline, |it| it.0);
    let too_late = || ApiError::new(ErrorCode::DeadlineExceeded, "the time allowed for this request is over");
    if deadline < Instant::now() + LEAST_TIME {
        return too_late().into_response();
    }
    let (request, outcome) = with_bounded_body(request, subtree.body_limit);
    if outcome.problem() == Some(BodyProblem::TooLarge) {
        return closing(too_large(&subtree)); // the request is dropped, and its body drained
    }
    let response = match tokio::time::timeout_at(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => too_late().into_response(),
    };
    // A body that broke its limits is why the handler failed, whatever the handler made of it.
    match outcome.problem() {
        Some(problem) if !response.status().is_success() => closing(match problem {
            BodyProblem::TooLarge => too_large(&subtree),
            BodyProblem::TooSlow => {
                ApiError::new(ErrorCode::RequestTimeout, "the request's body did not arrive in time")
            }
        }),
        _ => response,
    }
}

/// The meaning of a bare status that a library answered with; `None` for those that are no error.
pub(super) fn code_of(status: StatusCode) -> Option<ErrorCode> {
    Some(match status.as_u16() {
        400 => ErrorCode::Malformed,
        401 => ErrorCode::AuthenticationRequired,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        405 => ErrorCode::MethodNotAllowed,
        406 => ErrorCode::NotAcceptable,
        408 => ErrorCode::RequestTimeout,
        409 => ErrorCode::Conflict,
        412 => ErrorCode::PreconditionFailed,
        413 => ErrorCode::BodyTooLarge,
        414 => ErrorCode::UriTooLong,
        415 => ErrorCode::UnsupportedMediaType,
        422 => ErrorCode::InvalidRequest,
        429 => ErrorCode::RateLimited,
        500 => ErrorCode::Internal,
        501 => ErrorCode::NotImplemented,
        502 => ErrorCode::UpstreamInvalid,
        503 => ErrorCode::Unavailable,
        504 => ErrorCode::DeadlineExceeded,
        _ => return None,
    })
}

fn check_head(request: &Request, subtree: &Subtree) -> Result<(), ApiError> {
    let malformed = |message: &'static str| Err(ApiError::new(ErrorCode::Malformed, message));
    if request.extensions().get::<AmbiguousLength>().is_some() {
        return malformed("a request has either `Content-Length` or `Transfer-Encoding`");
    }
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return malformed("a request has exactly one `Host`");
    }
    if request.uri().query().is_some_and(|query| has_key(query, subtree.dialect)) {
        return malformed(
            "an API key must not stand in the address, where logs and histories keep it: send it as a header, and revoke this one",
        );
    }
    Ok(())
}

/// Whether a query holds one of our keys as a value. In Airtable's dialect, where every text may be meant and the query
/// travels on, only what is a whole key, check digits included.
fn has_key(query: &str, dialect: Dialect) -> bool {
    let is_key = |value: &str| match dialect {
        Dialect::Problem | Dialect::OpenAi | Dialect::JsonRpc => value.starts_with(keys::PREFIX),
        Dialect::Airtable => keys::ApiKey::parse(value).is_ok(),
    };
    query.split('&').any(|pair| pair.split_once('=').is_some_and(|(_, value)| is_key(value)))
}

fn with_bounded_body(request: Request, limit: usize) -> (Request, Outcome) {
    let outcome = Outcome::default();
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        outcome.set(BodyProblem::TooLarge);
    }
    // Such a client sends its body only once it is asked to, by the first read.
    let waits_for_us = request.headers().contains_key(EXPECT);
    let request = request.map(|body| GuardedBody::wrap(body, limit, waits_for_us, outcome.clone()));
    (request, outcome)
}

fn too_large(subtree: &Subtree) -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("a body has at most {} bytes here", subtree.body_limit))
}

/// An answer after which the connection is of no more use.
fn closing(error: ApiError) -> Response {
    let mut response = error.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
