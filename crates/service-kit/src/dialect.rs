//! The bodies of errors that we make ourselves, in the dialect of the route they occur on.

mod airtable;
mod json_rpc;
mod openai;
mod problem;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::error::ApiError;

const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

pub use openai::openai_error;
pub use problem::Problem;

/// How a part of the surface speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9457 `application/problem+json`.
    Problem,
    /// The shapes of Airtable's Web API, for its clients.
    Airtable,
    /// The shape of OpenAI's API, for its clients.
    OpenAi,
    /// JSON-RPC 2.0 errors, for clients of the Model Context Protocol.
    JsonRpc,
}

impl Dialect {
    /// Whether every answer below the route is written by us, so that a bare status or a library's text is an error of ours.
    pub(crate) fn is_own(self) -> bool {
        self != Self::Airtable
    }

    /// Gives the response this error's status, headers and body; headers that it has stay.
    pub(crate) fn render(self, error: &ApiError, request_id: &str, response: &mut Response) {
        let (status, content_type, body) = match self {
            Self::Problem => problem::body(error, request_id),
            Self::Airtable => airtable::body(error),
            Self::OpenAi => openai::body(error),
            Self::JsonRpc => json_rpc::body(error, request_id),
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.remove(CONTENT_LENGTH);
        if self.is_own() && status == StatusCode::UNAUTHORIZED {
            headers.entry(http::header::WWW_AUTHENTICATE).or_insert(HeaderValue::from_static("Bearer"));
        }
        if self == Self::OpenAi {
            // Its clients repeat 408, 409, 429 and 5xx on their own, unless they are told.
            let should_retry = if error.is_retryable() { "true" } else { "false" };
            headers.entry(X_SHOULD_RETRY).or_insert(HeaderValue::from_static(should_retry));
        }
        if let Some(wait) = error.parts().retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        *response.body_mut() = Body::from(body);
    }
}

/// Rounded up: a caller that comes back at the given second must not come too early.
fn whole_seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
