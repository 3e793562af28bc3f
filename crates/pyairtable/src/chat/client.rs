//! Asking the orchestrator, over HTTP.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use llm_api::sse::Decoder;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use service_kit::outbound::{self, HttpClient};
use tokio::time::timeout;

use super::failure::Failure;
use super::wire;
use crate::probe::innermost;

/// The orchestrator sends a sign of life at least every fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Far longer than any chunk.
const CHUNK_LIMIT: usize = 8 << 20;

const ERROR_LIMIT: usize = 1 << 20;

/// Asks one orchestrator.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    url: String,
    uri: Uri,
    key: SecretString,
}

/// An answer as it comes. Dropping it hangs up, which ends the run.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The session, where the head names it.
    pub(crate) session: Option<String>,
    body: Incoming,
    /// `None`: the last chunk has come.
    decoder: Option<Decoder>,
    url: String,
}

impl Client {
    pub(crate) fn new(url: &str, key: SecretString) -> Result<Self, Failure> {
        let bad = || Failure::BadAddress { url: url.to_owned() };
        let uri: Uri =
            format!("{}/v1/chat/completions", url.trim_end_matches('/')).parse().map_err(|_| bad())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad());
        }
        let http = outbound::http_client(&uri)
            .map_err(|error| Failure::NotRunning { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { http, url: url.to_owned(), uri, key })
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn ask(&self, body: &Value) -> Result<Answer, Failure> {
        let mut request = Request::new(outbound::full(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        let mut credential = HeaderValue::try_from(format!("Bearer {}", self.key.expose_secret()))
            .map_err(|_| self.refused(StatusCode::UNAUTHORIZED, &HeaderMap::new(), &Value::Null))?;
        credential.set_sensitive(true);
        headers.insert(AUTHORIZATION, credential);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = match timeout(PATIENCE, self.http.request(request)).await {
            Err(_) => return Err(Failure::Silent(PATIENCE)),
            Ok(Err(error)) if error.is_connect() => {
                return Err(Failure::NotRunning {
                    url: self.url.clone(),
                    reason: innermost(&error).to_string(),
                });
            }
            Ok(Err(_)) => return Err(Failure::BrokeOff),
            Ok(Ok(response)) => response,
        };
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let body = timeout(PATIENCE, Limited::new(body, ERROR_LIMIT).collect()).await;
            let bytes = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
            let json = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or(Value::Null);
            return Err(self.refused(head.status, &head.headers, &json));
        }
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let reason = format!("it answers with {}", content_type.unwrap_or("no type of content"));
            return Err(Failure::NotUnderstood { url: self.url.clone(), reason });
        }
        let session = head.headers.get("x-session-id").and_then(|value| value.to_str().ok());
        Ok(Answer {
            session: session.map(str::to_owned),
            body,
            decoder: Some(Decoder::new(CHUNK_LIMIT)),
            url: self.url.clone(),
        })
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &Value) -> Failure {
        let (code, message) = wire::error_words(body.get("error").unwrap_or(body));
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Failure::Refused { status, code, message, retry_after: seconds.map(Duration::from_secs) }
    }
}

impl Answer {
    /// The next chunk; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        while let Some(decoder) = &mut self.decoder {
            if let Some(event) = decoder.next_event() {
                if event.data == "[DONE]" {
                    self.decoder = None;
                    continue;
                }
                return match serde_json::from_str(&event.data) {
                    Ok(chunk) => Ok(Some(chunk)),
                    Err(error) => Err(self.not_understood(error.to_string())),
                };
            }
            match timeout(PATIENCE, self.body.frame()).await {
                Err(_) => return Err(Failure::Silent(PATIENCE)),
                Ok(Some(Ok(frame))) => {
                    let pushed = frame.into_data().map_or(Ok(()), |bytes| decoder.push(&bytes));
                    pushed.map_err(|error| self.not_understood(error.to_string()))?;
                }
                // An error within the stream is its last chunk: whoever saw it does not ask for more.
                Ok(Some(Err(_)) | None) => return Err(Failure::BrokeOff),
            }
        }
        Ok(None)
    }

    fn not_understood(&self, reason: String) -> Failure {
        Failure::NotUnderstood { url: self.url.clone(), reason }
    }
}
