//! The one error type for errors that we make ourselves; [`crate::dialect`] writes their bodies.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

/// What went wrong, as far as a caller is concerned. The only table from meaning to status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Cannot be read at all: bad syntax, bad head.
    Malformed,
    AuthenticationRequired,
    /// Known, but not allowed; also stands for things that the caller must not know to exist.
    Forbidden,
    NotFound,
    NoSuchRoute,
    MethodNotAllowed,
    NotAcceptable,
    /// The request's body did not arrive in time.
    RequestTimeout,
    Conflict,
    /// A write was sent and nobody knows whether it was done.
    OutcomeUnknown,
    /// A part of a larger write was done before the rest failed: sending all of it again would do that part twice.
    PartlyDone,
    PreconditionFailed,
    BodyTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    /// Readable, but its content is wrong.
    InvalidRequest,
    RateLimited,
    Internal,
    /// Of the documented surface, but this build does not have it.
    NotImplemented,
    /// The upstream answered something that is not an answer.
    UpstreamInvalid,
    /// The upstream could not be reached.
    UpstreamUnreachable,
    /// We ourselves, or a store of ours, cannot serve now.
    Unavailable,
    /// The time that the caller or the route allows is over.
    DeadlineExceeded,
    /// The caller accepts a cached answer only, and there is none.
    NotCached,
}

impl ErrorCode {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::AuthenticationRequired => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::OutcomeUnknown | Self::PartlyDone => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::UpstreamInvalid | Self::UpstreamUnreachable => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded | Self::NotCached => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The stable name in problem documents, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::AuthenticationRequired => "authentication_required",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::NoSuchRoute => "no_such_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::PartlyDone => "partly_done",
            Self::PreconditionFailed => "precondition_failed",
            Self::BodyTooLarge => "body_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidRequest => "invalid_request",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
            Self::NotImplemented => "not_implemented",
            Self::UpstreamInvalid => "upstream_invalid",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotCached => "not_cached",
        }
    }

    /// One sentence in words, the same for every occurrence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request cannot be read",
            Self::AuthenticationRequired => "A valid credential is required",
            Self::Forbidden => "The credential does not allow this",
            Self::NotFound => "There is no such thing",
            Self::NoSuchRoute => "There is no such route",
            Self::MethodNotAllowed => "The route does not know this method",
            Self::NotAcceptable => "No acceptable form of the answer exists",
            Self::RequestTimeout => "The request did not arrive in time",
            Self::Conflict => "The request conflicts with the present state",
            Self::OutcomeUnknown => "It is not known whether the change was made",
            Self::PartlyDone => "A part was done before the rest failed",
            Self::PreconditionFailed => "A precondition does not hold",
            Self::BodyTooLarge => "The request's body is too large",
            Self::UriTooLong => "The request's address is too long",
            Self::UnsupportedMediaType => "The content type is not supported",
            Self::InvalidRequest => "The request's content is not valid",
            Self::RateLimited => "Too many requests",
            Self::Internal => "Something went wrong on our side",
            Self::NotImplemented => "This is not built",
            Self::UpstreamInvalid => "The upstream service gave an unusable answer",
            Self::UpstreamUnreachable => "The upstream service cannot be reached",
            Self::Unavailable => "The service cannot serve this at the moment",
            Self::DeadlineExceeded => "The request took too long",
            Self::NotCached => "No stored answer exists",
        }
    }

    /// Whether sending the same request again later can help, as long as nothing more is known.
    fn is_retryable(self) -> bool {
        matches!(self, Self::RequestTimeout | Self::RateLimited | Self::Unavailable)
    }
}

/// An error with a public face and a private cause.
///
/// As a response it is an empty body with this value among its extensions; the edge writes the body in the dialect of
/// the route and logs the error, once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiError(Arc<Parts>);

#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) source: Option<Arc<dyn Error + Send + Sync>>,
    pub(crate) retryable: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) airtable_type: Option<Cow<'static, str>>,
    pub(crate) openai: Option<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) fields: Vec<FieldError>,
}

/// One wrong place in a request's body.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, utoipa::ToSchema)]
pub struct FieldError {
    /// RFC 6901, such as `/records/0/fields`.
    pub pointer: String,
    pub code: String,
    pub detail: String,
}

impl ApiError {
    /// `message` is for the caller: no secret, no address of an upstream, no SQL.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Parts {
            code,
            message: message.into(),
            source: None,
            retryable: code.is_retryable(),
            retry_after: None,
            airtable_type: None,
            openai: None,
            fields: Vec::new(),
        }))
    }

    /// Keeps the cause for the log. The caller never sees it.
    pub fn caused_by(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.with(|parts| parts.source = Some(Arc::from(source.into())))
    }

    /// Adds to the message, after a semicolon.
    pub fn adding(self, more: &str) -> Self {
        self.with(|parts| parts.message = format!("{}; {more}", parts.message).into())
    }

    /// When to try again; says `Retry-After` (whole seconds, rounded up) and makes the error retryable.
    pub fn retry_after(self, wait: Duration) -> Self {
        self.with(|parts| {
            parts.retry_after = Some(wait);
            parts.retryable = true;
        })
    }

    /// Whether sending the same request again is safe and can help. In Airtable's dialect only a 503 that is says `RETRIABLE_ERROR`.
    pub fn retryable(self, retryable: bool) -> Self {
        self.with(|parts| parts.retryable = retryable)
    }

    /// In Airtable's dialect: this type, and this error's own message, instead of what its code stands for.
    pub fn airtable_type(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(|parts| parts.airtable_type = Some(name.into()))
    }

    /// In OpenAI's dialect: this `type` and `code`, such as `invalid_request_error` and `model_not_found`.
    pub fn openai(self, kind: impl Into<Cow<'static, str>>, code: impl Into<Cow<'static, str>>) -> Self {
        self.with(|parts| parts.openai = Some((kind.into(), code.into())))
    }

    /// Adds a wrong place of the body; shown in problem documents and in OpenAI's dialect.
    pub fn field(
        self,
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let field = FieldError { pointer: pointer.into(), code: code.into(), detail: detail.into() };
        self.with(|parts| parts.fields.push(field))
    }

    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The message and all causes, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What an error and all its causes say, for the log.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    // A chain that loops would be a bug elsewhere; it must not hang the log.
    for _ in 0..16 {
        let Some(error) = cause else { break };
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<storage::StorageError> for ApiError {
    fn from(error: storage::StorageError) -> Self {
        use storage::StorageError as E;
        let (code, message) = match &error {
            E::Exists { .. } => (ErrorCode::Conflict, "it exists already"),
            E::Conflict { .. } => (ErrorCode::Conflict, "it was changed by somebody else meanwhile"),
            E::Missing { .. } => (ErrorCode::NotFound, "it does not exist"),
            E::TooDeep { .. } => (ErrorCode::InvalidRequest, "it is nested too deeply"),
            _ => (ErrorCode::Unavailable, "a store of this service does not answer"),
        };
        Self::new(code, message).caused_by(error)
    }
}
