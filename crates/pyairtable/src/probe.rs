use std::time::Duration;

use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use service_kit::outbound::{self, HttpClient};

/// Longer than any healthy answer takes, short enough to wait for in a terminal.
const PATIENCE: Duration = Duration::from_secs(10);

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What came back: the status, and the body if it is JSON.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// Why nothing came back, in words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("{0} is not an http or https address")]
    Address(String),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("nothing answers there ({0})")]
    Unreachable(String),
}

/// Asks `{root}{path}` once.
pub(crate) async fn get(root: &str, path: &str, key: Option<&str>) -> Result<Answer, ProbeError> {
    let address = || ProbeError::Address(root.to_owned());
    let uri: Uri = format!("{}{path}", root.trim_end_matches('/')).parse().map_err(|_| address())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(address());
    }
    let client = outbound::http_client(&uri).map_err(|error| ProbeError::Unreachable(error.to_string()))?;
    let mut request = Request::builder().method(Method::GET).uri(uri);
    if let Some(key) = key {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {key}"));
    }
    let request = request.body(outbound::empty()).map_err(|_| address())?;
    tokio::time::timeout(PATIENCE, ask(client, request)).await.map_err(|_| ProbeError::Slow)?
}

async fn ask(client: HttpClient, request: Request<outbound::OutBody>) -> Result<Answer, ProbeError> {
    let response = client
        .request(request)
        .await
        .map_err(|error| ProbeError::Unreachable(innermost(&error).to_string()))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await
        .map_err(|_| ProbeError::Unreachable("the answer broke off".to_owned()))?
        .to_bytes();
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

/// The cause that a person can act on, such as "Connection refused".
pub(crate) fn innermost(error: &dyn std::error::Error) -> &dyn std::error::Error {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
