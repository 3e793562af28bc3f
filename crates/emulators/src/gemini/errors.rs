//! Google's errors: the one place that knows their statuses, wordings and details.
//!
//! The texts are those that users of the API have reported; what nobody has reported is marked "our wording".

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::proto::Violation;
use super::routes::Version;

const NO_KEY: &str = "Method doesn't allow unregistered callers (callers without established identity). \
    Please use API Key or other form of API consumer identity to call this API.";

const BAD_KEY: &str = "API key not valid. Please pass a valid API key.";

const OVERLOADED: &str = "This model is currently experiencing high demand. Spikes in demand are usually temporary. \
    Please try again later.";

const QUOTA: &str = "You exceeded your current quota, please check your plan and billing details. \
    For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.";

/// A refusal: `google.rpc.Status`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GeminiError {
    pub(super) code: u16,
    pub(super) status: String,
    pub(super) message: String,
    pub(super) details: Vec<Value>,
}

/// A limit that 429 is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quota {
    RequestsPerMinute,
    TokensPerMinute,
    RequestsPerDay,
}

impl GeminiError {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, status: status_of(code).to_owned(), message: message.into(), details: Vec::new() }
    }

    /// 400, the most common of all.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 400 with a wrong place of the body, in the form of Google's own validation: `* GenerateContentRequest.contents: …`.
    pub(super) fn field(place: &str, message: &str) -> Self {
        Self::invalid(format!("* {place}: {message}\n"))
    }

    pub(super) fn violations(violations: &[Violation]) -> Self {
        let texts: Vec<&str> = violations.iter().map(|violation| violation.description.as_str()).collect();
        let list: Vec<Value> = violations.iter().map(Violation::to_json).collect();
        let mut error = Self::invalid(texts.join("\n"));
        error.details =
            vec![json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": list})];
        error
    }

    /// A body that is no JSON object. The reason after the first sentence is our wording.
    pub(super) fn not_json(reason: &str) -> Self {
        Self::invalid(format!("Invalid JSON payload received. {reason}"))
    }

    pub(super) fn no_key() -> Self {
        Self::new(403, NO_KEY)
    }

    pub(super) fn bad_key() -> Self {
        let mut error = Self::invalid(BAD_KEY);
        error.details = vec![
            json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}),
            json!({"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": BAD_KEY}),
        ];
        error
    }

    /// No such path or method. Google answers a page of HTML; our wording.
    pub(super) fn no_route() -> Self {
        Self::new(404, "The requested URL was not found on this server.")
    }

    pub(super) fn no_model(model: &str, version: Version, method: &str) -> Self {
        let version = version.as_str();
        Self::new(
            404,
            format!(
                "models/{model} is not found for API version {version}, or is not supported for {method}. \
                 Call ListModels to see the list of available models and their supported methods."
            ),
        )
    }

    /// Expired, deleted, never made, or somebody else's: Google does not tell which.
    pub(super) fn no_cached_content() -> Self {
        Self::new(403, "CachedContent not found (or permission denied)")
    }

    pub(super) fn too_many_tokens(count: u64, limit: u64) -> Self {
        Self::invalid(format!(
            "The input token count ({count}) exceeds the maximum number of tokens allowed ({limit})."
        ))
    }

    pub(super) fn overloaded() -> Self {
        Self::new(503, OVERLOADED)
    }

    pub(super) fn internal() -> Self {
        Self::new(
            500,
            "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
        )
    }

    pub(super) fn deadline() -> Self {
        Self::new(504, "Deadline expired before operation could complete.")
    }

    /// The emulator itself cannot go on, such as a script that has run out. Our wording.
    pub(super) fn stuck(message: impl Into<String>) -> Self {
        let mut error = Self::invalid(message);
        error.status = "FAILED_PRECONDITION".to_owned();
        error
    }

    /// More bytes than Google takes. Our wording.
    pub(super) fn body_too_large(limit: usize) -> Self {
        let mut error = Self::invalid(format!("Request payload size exceeds the limit: {limit} bytes."));
        error.code = 413;
        error
    }

    /// 429. `wait` goes into `RetryInfo`; without it there are no details at all, as happens.
    pub(super) fn exhausted(quota: Quota, value: u64, model: &str, wait: Option<Duration>) -> Self {
        let mut error = Self::new(429, QUOTA);
        let Some(wait) = wait else { return error };
        let (metric, id) = match quota {
            Quota::RequestsPerMinute => (
                "generate_content_free_tier_requests",
                "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            ),
            Quota::TokensPerMinute => (
                "generate_content_free_tier_input_token_count",
                "GenerateContentInputTokensPerModelPerMinute-FreeTier",
            ),
            Quota::RequestsPerDay => {
                ("generate_content_free_tier_requests", "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
            }
        };
        let metric = format!("generativelanguage.googleapis.com/{metric}");
        let delay = duration(wait);
        error.message = format!(
            "{QUOTA} \n* Quota exceeded for metric: {metric}, limit: {value}, model: {model}\nPlease retry in {delay}."
        );
        error.details = vec![
            json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
                "quotaMetric": metric, "quotaId": id,
                "quotaDimensions": {"location": "global", "model": model}, "quotaValue": value.to_string()}]}),
            json!({"@type": "type.googleapis.com/google.rpc.Help", "links": [{
                "description": "Learn more about Gemini API quotas",
                "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]}),
            json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}),
        ];
        error
    }

    /// `{"error": {…}}`, with `error` as the first and only key: clients look for exactly that in a stream.
    pub(super) fn body(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message, "status": self.status});
        if !self.details.is_empty() {
            error["details"] = self.details.clone().into();
        }
        json!({"error": error})
    }

    /// As an answer of its own; `in_list` is how a stream without `alt=sse` fails.
    pub(super) fn response(&self, in_list: bool) -> Response<Body> {
        let body = if in_list { json!([self.body()]) } else { self.body() };
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json_response(status, &body)
    }
}

/// A JSON answer, indented as Google's are.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body:#}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}

/// The name of `google.rpc.Code` that belongs to an HTTP status.
pub(super) fn status_of(code: u16) -> &'static str {
    match code {
        400 | 405 | 413 | 414 | 415 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

/// A protobuf duration: seconds with as many decimals as are needed, and `s`.
fn duration(wait: Duration) -> String {
    format!("{}s", wait.as_secs_f64())
}
