use std::sync::Arc;

use http::HeaderMap;

use super::X_REQUEST_ID;

/// The caller's request id if it is harmless in logs, else a new one (UUID version 7, which sorts by time).
pub(super) fn of(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_harmless(id));
    match given {
        Some(id) => id.into(),
        None => uuid::Uuid::now_v7().to_string().into(),
    }
}

fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
