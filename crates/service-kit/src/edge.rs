//! The HTTP edge: what every request passes, whatever service it is for.
//!
//! From outside in: request id, trace span, access line and metrics, errors in the dialect of the subtree; then panics;
//! then head checks, body limits and the deadline.

mod access;
mod body;
mod guard;
mod request_id;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::dialect::Dialect;
use crate::error::{ApiError, ErrorCode};
use crate::telemetry::trace_context::{self, Current, TraceContext};
use access::Access;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_REQUEST_DEADLINE_MS: HeaderName = HeaderName::from_static("x-request-deadline-ms");

/// A part of the surface: every path that is `prefix` or below it.
#[derive(Clone, Copy, Debug)]
pub struct Subtree {
    /// Such as `/v0`; `/` is everything that no longer prefix claims.
    pub prefix: &'static str,
    pub dialect: Dialect,
    /// Of a request's body, in bytes.
    pub body_limit: usize,
    /// From a request's head to the head of its answer, unless the caller says `X-Request-Deadline-Ms`.
    pub deadline: Duration,
}

impl Subtree {
    /// Our own surface: problem documents, bodies up to 1 MiB, 30 s.
    pub const OWN: Self = Self {
        prefix: "/",
        dialect: Dialect::Problem,
        body_limit: 1024 * 1024,
        deadline: Duration::from_secs(30),
    };
}

/// When the answer's head must be there; among the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub tokio::time::Instant);

/// A handler that serves many routes by itself puts this among its response's extensions: the pattern for logs and
/// metrics, such as `/v0/{base_id}/{table}`. Never with ids.
#[derive(Clone, Debug)]
pub struct RouteLabel(pub Cow<'static, str>);

/// Puts the shared layers around all of a service's routes. Paths that no subtree claims are [`Subtree::OWN`].
///
/// A router's own fallback stays. Without one, an unknown path is answered 404, an unknown method 405 (404 in Airtable's
/// dialect, as there).
pub fn with_shared_layers(
    router: Router,
    subtrees: impl IntoIterator<Item = Subtree>,
    service: &'static str,
) -> Router {
    let edge = Edge { service, subtrees: subtrees.into_iter().collect() };
    crate::telemetry::metrics::announce(service);
    router
        .method_not_allowed_fallback(async || {
            ApiError::new(
                ErrorCode::MethodNotAllowed,
                "this route does not know the method; `Allow` lists those it knows",
            )
        })
        .layer(from_fn_with_state(Arc::new(edge.clone()), guard::guard))
        .layer(CatchPanicLayer::custom(answer_to_panic))
        .layer(from_fn_with_state(Arc::new(edge), observe))
}

#[derive(Clone)]
struct Edge {
    service: &'static str,
    subtrees: Vec<Subtree>,
}

impl Edge {
    /// The subtree with the longest prefix of this path.
    fn subtree(&self, path: &str) -> Subtree {
        let claims = |subtree: &&Subtree| {
            let prefix = subtree.prefix.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let longest = self.subtrees.iter().filter(claims).max_by_key(|subtree| subtree.prefix.len());
        longest.copied().unwrap_or(Subtree::OWN)
    }
}

/// The outermost layer: gives the request its identity, and the answer its last form.
async fn observe(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let subtree = edge.subtree(request.uri().path());
    let request_id = request_id::of(request.headers());
    let deadline = tokio::time::Instant::now() + allowed_time(request.headers(), &subtree);
    let route = request.extensions().get::<MatchedPath>().map(|path| Arc::<str>::from(path.as_str()));
    let is_matched = route.is_some();
    let span = tracing::info_span!(
        "request",
        service = edge.service,
        request_id = &*request_id,
        trace_id = tracing::field::Empty,
        span_id = tracing::field::Empty,
        key_id = tracing::field::Empty,
        otel.kind = "server",
    );
    let trace = TraceContext::of_request(request.headers(), &span);
    span.record("trace_id", tracing::field::display(trace.trace_id()));
    span.record("span_id", tracing::field::display(trace.span_id()));
    let access = Access::begin(edge.service, request.method(), route, started, span.clone());
    request.extensions_mut().insert(Deadline(deadline));

    let current = Arc::new(Current { request_id: request_id.clone(), trace, deadline });
    let mut response = trace_context::enter(current, next.run(request)).instrument(span).await;

    let error = shown_error(&response, subtree.dialect, is_matched);
    if let Some(error) = &error {
        subtree.dialect.render(error, &request_id, &mut response);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if subtree.dialect.is_own() {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    access.end(&response, error.as_ref());
    response
}

/// The error of ours that this response stands for; `None` for answers that are finished as they are.
fn shown_error(response: &Response, dialect: Dialect, is_matched: bool) -> Option<ApiError> {
    if let Some(error) = response.extensions().get::<ApiError>() {
        return Some(error.clone());
    }
    let status = response.status();
    if !is_matched && status == StatusCode::NOT_FOUND && response.body().is_end_stream() {
        return Some(ApiError::new(ErrorCode::NoSuchRoute, "there is no such route"));
    }
    // On our own surface a bare status, or a library's plain text, becomes a problem document. Airtable's dialect may be
    // passing on an answer of Airtable's.
    let is_bare = response.body().is_end_stream()
        || response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if dialect.is_own() && is_bare {
        return guard::code_of(status).map(|code| ApiError::new(code, code.title()));
    }
    None
}

/// The caller's remaining time if it says one (at most a minute, or what the subtree allows), else the subtree's.
fn allowed_time(headers: &HeaderMap, subtree: &Subtree) -> Duration {
    const CAP: Duration = Duration::from_secs(60);
    let said = headers.get(X_REQUEST_DEADLINE_MS).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match said {
        Some(ms) => Duration::from_millis(ms).min(subtree.deadline.max(CAP)),
        None => subtree.deadline,
    }
}

fn answer_to_panic(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let cause = format!("the handler panicked: {}", text.unwrap_or("without a message"));
    ApiError::new(
        ErrorCode::Internal,
        "something went wrong on our side; the log knows more under this request id",
    )
    .caused_by(cause)
    .into_response()
}
