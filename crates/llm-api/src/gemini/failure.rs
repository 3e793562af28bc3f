//! What Gemini says when it refuses, in all the shapes that it comes in, and what it means.
//!
//! Source: <https://ai.google.dev/gemini-api/docs/troubleshooting>, `google/rpc/error_details.proto`

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::LlmError;

/// More of a message than helps.
const MESSAGE_LIMIT: usize = 2000;

/// More is a mistake, and would overflow the clocks it is added to.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// `google.rpc.Status`, as far as it is there.
#[derive(Debug, Default)]
struct Failure {
    code: Option<u16>,
    status: String,
    message: String,
    details: Vec<Value>,
}

/// The meaning of an answer that is not a success.
pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8], model: &str) -> LlmError {
    match Failure::parse(body) {
        Some(failure) => failure.meaning(status, retry_after(headers), model),
        None => without_envelope(status, retry_after(headers), body),
    }
}

/// The error in a piece of an answer that began as a success; `None` if the piece is none.
pub(super) fn of_piece(piece: &str, model: &str) -> Option<LlmError> {
    let failure = Failure::parse(piece.as_bytes())?;
    let status = failure.code.and_then(|code| StatusCode::from_u16(code).ok());
    Some(failure.meaning(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), None, model))
}

/// Takes the key out of a vendor's words, should they repeat it.
pub(super) fn without_key(error: LlmError, key: &str) -> LlmError {
    const SHORTEST_KEY: usize = 8;
    let clean = |message: String| {
        if key.len() >= SHORTEST_KEY && message.contains(key) {
            message.replace(key, "[key]")
        } else {
            message
        }
    };
    match error {
        LlmError::Unauthorized { message } => LlmError::Unauthorized { message: clean(message) },
        LlmError::Forbidden { message } => LlmError::Forbidden { message: clean(message) },
        LlmError::QuotaExhausted { message } => LlmError::QuotaExhausted { message: clean(message) },
        LlmError::RateLimited { message, retry_after } => {
            LlmError::RateLimited { message: clean(message), retry_after }
        }
        LlmError::Overloaded { message, retry_after } => {
            LlmError::Overloaded { message: clean(message), retry_after }
        }
        LlmError::InvalidRequest { message } => LlmError::InvalidRequest { message: clean(message) },
        LlmError::SignatureRejected { message } => LlmError::SignatureRejected { message: clean(message) },
        LlmError::ContextTooLong { message } => LlmError::ContextTooLong { message: clean(message) },
        LlmError::ModelNotFound { model, message } => {
            LlmError::ModelNotFound { model, message: clean(message) }
        }
        LlmError::CachedContentGone { message } => LlmError::CachedContentGone { message: clean(message) },
        LlmError::Server { status, message, retry_after } => {
            LlmError::Server { status, message: clean(message), retry_after }
        }
        LlmError::Protocol { message } => LlmError::Protocol { message: clean(message) },
        other @ (LlmError::Unreachable(_)
        | LlmError::Broken(_)
        | LlmError::Timeout(_)
        | LlmError::CutStream { .. }
        | LlmError::Interrupted { .. }
        | LlmError::Unsendable { .. }) => other,
    }
}

impl Failure {
    /// Reads `{"error": {…}}`, the same in a list, and an error that is only a text.
    fn parse(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let envelope = if value.is_array() { value.get(0)? } else { &value };
        match envelope.get("error")? {
            Value::Null => None,
            Value::String(message) => Some(Self { message: message.clone(), ..Self::default() }),
            error => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                Some(Self {
                    code: error["code"].as_u64().and_then(|code| u16::try_from(code).ok()),
                    status: text("status"),
                    message: text("message"),
                    details: error["details"].as_array().cloned().unwrap_or_default(),
                })
            }
        }
    }

    fn meaning(self, status: StatusCode, advised: Option<Duration>, model: &str) -> LlmError {
        let retry_after = self.retry_delay().or(advised);
        let words = self.message.to_lowercase();
        let says = |text: &str| words.contains(text);
        let is_about_key = self.reasons().any(|reason| reason.starts_with("API_KEY"))
            || says("api key not valid")
            || says("api key expired")
            || says("unregistered callers");
        let is_about_cache = says("cachedcontent") || says("cached content");
        let is_used_up = self.is_used_up(&words);
        let message = shortened(if self.message.is_empty() { self.status.clone() } else { self.message });
        match (status.as_u16(), self.status.as_str()) {
            (401, _) | (_, "UNAUTHENTICATED") => LlmError::Unauthorized { message },
            (400 | 403, _) if is_about_key => LlmError::Unauthorized { message },
            (403 | 404, _) if is_about_cache => LlmError::CachedContentGone { message },
            (403, _) | (400, "FAILED_PRECONDITION") => LlmError::Forbidden { message },
            (404, _) => LlmError::ModelNotFound { model: model.to_owned(), message },
            (429, _) if is_used_up => LlmError::QuotaExhausted { message },
            (429, _) => LlmError::RateLimited { message, retry_after },
            (413, _) => LlmError::ContextTooLong { message },
            (400, _) if says("exceeds the maximum number of tokens") => LlmError::ContextTooLong { message },
            (400, _) if says("thought_signature") || says("thought signature") => {
                LlmError::SignatureRejected { message }
            }
            (503, _) => LlmError::Overloaded { message, retry_after },
            // 499: the vendor believes that we hung up; whoever reads this did not.
            (408 | 499 | 500.., _) => LlmError::Server { status, message, retry_after },
            (400..=498, _) => LlmError::InvalidRequest { message },
            _ => LlmError::Protocol { message: format!("status {status}: {message}") },
        }
    }

    fn detail(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let kind = format!("google.rpc.{kind}");
        self.details.iter().filter(move |detail| detail["@type"].as_str().is_some_and(|t| t.ends_with(&kind)))
    }

    fn reasons(&self) -> impl Iterator<Item = &str> {
        self.detail("ErrorInfo").filter_map(|info| info["reason"].as_str())
    }

    fn retry_delay(&self) -> Option<Duration> {
        self.detail("RetryInfo").find_map(|info| duration(&info["retryDelay"]))
    }

    /// Whether a quota by the day, one of zero, or a limit on money is what refuses.
    fn is_used_up(&self, words: &str) -> bool {
        let violations =
            self.detail("QuotaFailure").flat_map(|quota| quota["violations"].as_array()).flatten();
        let by_quota = violations.into_iter().any(|violation| {
            let text = |name: &str| violation[name].as_str().unwrap_or_default().to_lowercase();
            let named = format!("{} {}", text("quotaId"), text("quotaMetric"));
            ["perday", "per_day", "spend", "permonth", "per_month"].iter().any(|word| named.contains(word))
                || text("quotaValue") == "0"
        });
        by_quota
            || ["spend cap", "spending cap", "spend limit", "spending limit", "per day"]
                .iter()
                .any(|p| words.contains(p))
    }
}

/// An error page of something between us and the API, or of nothing that knows the API.
fn without_envelope(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> LlmError {
    let text = String::from_utf8_lossy(body);
    let message = match title(&text) {
        Some(title) => format!("a web page: {title}"),
        None if text.trim().is_empty() => "without a reason".to_owned(),
        None => shortened(text.split_whitespace().take(60).collect::<Vec<_>>().join(" ")),
    };
    match status.as_u16() {
        401 => LlmError::Unauthorized { message },
        403 => LlmError::Forbidden { message },
        413 => LlmError::ContextTooLong { message },
        429 => LlmError::RateLimited { message, retry_after },
        503 => LlmError::Overloaded { message, retry_after },
        408 | 500.. => LlmError::Server { status, message, retry_after },
        _ => LlmError::Protocol { message: format!("status {status}: {message}") },
    }
}

/// The title of an HTML page; empty if it has none.
fn title(text: &str) -> Option<String> {
    let start = text.trim_start();
    if !start.starts_with('<') {
        return None;
    }
    let lower = start.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|from| {
        let to = lower[from..].find("</title>")?;
        start.get(from + "<title>".len()..from + to)
    });
    Some(shortened(title.unwrap_or_default().trim().to_owned()))
}

/// A protobuf duration in JSON: `"1.337s"`, or its fields.
fn duration(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.strip_suffix('s')?.parse::<f64>().ok()?,
        Value::Object(fields) => {
            let number = |name: &str| {
                fields.get(name).map_or(Some(0.0), |value| match value {
                    Value::String(text) => text.parse::<f64>().ok(),
                    other => other.as_f64(),
                })
            };
            number("seconds")? + number("nanos")? / 1e9
        }
        _ => return None,
    };
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(LONGEST_RETRY_AFTER))
}

/// The seconds form of the header; the API itself does not send it, but proxies do.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_LIMIT) {
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> LlmError {
        of_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), "gemini-x")
    }

    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let error = read(status, body);
        let name = format!("{error:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        let shown = match (error.retry_after(), error.is_retryable()) {
            (Some(delay), true) => format!("{name}, again after {delay:?}"),
            (None, true) => format!("{name}, again"),
            (_, false) => name,
        };
        assert_eq!(shown, expected, "{body}");
    }

    fn quota(id: &str, details: &str) -> String {
        format!(
            r#"{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota.","details":[
                {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaId":"{id}","quotaValue":"10"}}]}}{details}]}}}}"#
        )
    }

    #[test]
    fn a_quota_by_the_minute_is_told_from_one_by_the_day() {
        let retry = r#",{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.337s"}"#;
        let minute = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", retry);
        check(429, &minute, "RateLimited, again after 1.337s");
        let day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", retry);
        check(429, &day, "QuotaExhausted");
        check(429, &quota("X", ""), "RateLimited, again");
        check(429, r#"{"error":{"code":429,"message":"Resource has been exhausted"}}"#, "RateLimited, again");
        check(
            429,
            r#"{"error":{"code":429,"message":"Your project has exceeded its spending cap."}}"#,
            "QuotaExhausted",
        );
    }

    #[test]
    fn all_shapes_of_an_error_are_read() {
        let body = r#"{"code":503,"status":"UNAVAILABLE","message":"high demand"}"#;
        check(503, &format!(r#"{{"error":{body}}}"#), "Overloaded, again");
        check(503, &format!(r#"[{{"error":{body}}}]"#), "Overloaded, again");
        check(503, r#"{"error":"busy"}"#, "Overloaded, again");
        check(503, "upstream connect error", "Overloaded, again");
        check(502, "<html><head><title>502 Bad Gateway</title></head></html>", "Server, again");
        check(404, "<!DOCTYPE html><title>Error 404</title>", "Protocol");
        check(418, "", "Protocol");
        check(302, "", "Protocol");
        check(500, "{", "Server, again");
        assert_eq!(
            read(502, "<html><TITLE> 502 Bad\u{130} Gateway </TITLE>").to_string(),
            "the model's vendor failed (502 Bad Gateway): a web page: 502 Bad\u{130} Gateway"
        );
    }

    #[test]
    fn a_refused_key_is_told_from_a_refused_request() {
        check(
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"m","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
            "Unauthorized",
        );
        check(
            403,
            r#"{"error":{"code":403,"message":"Method doesn't allow unregistered callers (callers without established identity)."}}"#,
            "Unauthorized",
        );
        check(403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"m"}}"#, "Forbidden");
        check(400, r#"{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"m"}}"#, "Forbidden");
        check(400, r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"m"}}"#, "InvalidRequest");
    }

    #[test]
    fn refusals_with_a_remedy_have_their_own_error() {
        check(
            400,
            r#"{"error":{"message":"The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."}}"#,
            "ContextTooLong",
        );
        check(
            400,
            r#"{"error":{"message":"Function call is missing a thought_signature in functionCall parts."}}"#,
            "SignatureRejected",
        );
        check(400, r#"{"error":{"message":"Corrupted thought signature."}}"#, "SignatureRejected");
        check(
            404,
            r#"{"error":{"message":"models/x is not found for API version v1beta"}}"#,
            "ModelNotFound",
        );
        check(
            403,
            r#"{"error":{"message":"CachedContent not found (or permission denied)"}}"#,
            "CachedContentGone",
        );
        check(504, r#"{"error":{"message":"Deadline expired"}}"#, "Server, again");
    }

    #[test]
    fn durations_may_be_fractions_objects_or_nonsense() {
        let read = |text: &str| duration(&serde_json::from_str(text).unwrap());
        assert_eq!(read(r#""26s""#), Some(Duration::from_secs(26)));
        assert_eq!(read(r#""0.000000001s""#), Some(Duration::from_nanos(1)));
        assert_eq!(read(r#"{"seconds":"3","nanos":500000000}"#), Some(Duration::from_millis(3500)));
        assert_eq!(read(r#""1e30s""#), None);
        assert_eq!(read(r#""99999999s""#), Some(LONGEST_RETRY_AFTER));
        for nonsense in [r#""-1s""#, r#""26""#, r#""xs""#, r#""NaNs""#, "26", "null", "{\"seconds\":[]}"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_message_never_repeats_the_key_and_is_never_endless() {
        let body = format!(r#"{{"error":{{"message":"key AIzaSecretSecret is bad {}"}}}}"#, "é".repeat(5000));
        let error = without_key(read(400, &body), "AIzaSecretSecret");
        let text = error.to_string();
        assert!(text.contains("key [key] is bad") && text.chars().count() < 2100, "{}", text.len());
    }
}
