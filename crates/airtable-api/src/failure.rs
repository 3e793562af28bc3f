//! What Airtable says when it refuses, in any of its three body shapes.

use std::fmt;

use serde_json::Value;

/// Type and message of a refusal; both can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Such as `INVALID_REQUEST_UNKNOWN`.
    pub kind: Option<String>,
    /// For people.
    pub message: Option<String>,
}

impl Failure {
    /// Reads `{"error":{"type","message"}}`, `{"error":"TYPE"}` or `{"errors":[{"error","message"}]}`; anything else
    /// is a failure without type and message.
    pub fn parse(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match (value.get("error"), value.pointer("/errors/0")) {
            (Some(Value::String(kind)), _) => Self { kind: Some(kind.clone()), message: None },
            (Some(error), _) => {
                Self { kind: error.get("type").and_then(text), message: error.get("message").and_then(text) }
            }
            (None, Some(error)) => {
                Self { kind: error.get("error").and_then(text), message: error.get("message").and_then(text) }
            }
            (None, None) => Self::default(),
        }
    }

    /// The workspace's monthly quota is used up: waiting for seconds is pointless.
    pub fn is_quota(&self) -> bool {
        self.kind.as_deref() == Some("PUBLIC_API_BILLING_LIMIT_EXCEEDED")
    }

    /// Airtable's promise that nothing was done and the request may be sent again.
    pub fn is_retriable(&self) -> bool {
        self.kind.as_deref() == Some("RETRIABLE_ERROR")
    }

    /// The iterator behind an `offset` has died; the listing has to start again.
    pub fn is_dead_offset(&self) -> bool {
        self.kind.as_deref() == Some("LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    }

    /// Not there, or not visible to this token; Airtable does not tell the two apart.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.kind.as_deref(),
            Some(
                "NOT_FOUND"
                    | "MODEL_ID_NOT_FOUND"
                    | "TABLE_NOT_FOUND"
                    | "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
            )
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, &self.message) {
            (Some(kind), Some(message)) => write!(f, "{kind}: {message}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("no reason given"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_shapes_are_read() {
        let read = |body: &str| Failure::parse(body.as_bytes()).to_string();
        assert_eq!(read(r#"{"error":"NOT_FOUND"}"#), "NOT_FOUND");
        assert_eq!(read(r#"{"error":{"type":"A","message":"b"}}"#), "A: b");
        assert_eq!(read(r#"{"error":{"type":"FAILED_STATE_CHECK"}}"#), "FAILED_STATE_CHECK");
        assert_eq!(
            read(r#"{"errors":[{"error":"RATE_LIMIT_REACHED","message":"m"}]}"#),
            "RATE_LIMIT_REACHED: m"
        );
        assert_eq!(read("<html>"), "no reason given");
        assert_eq!(read(r#"{"error":null}"#), "no reason given");
    }

    #[test]
    fn a_used_up_quota_is_told_from_a_rate_limit() {
        let body = br#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"m"}]}"#;
        assert!(Failure::parse(body).is_quota());
    }
}
