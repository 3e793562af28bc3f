//! Streamable HTTP: who calls, what is no message at all, and sessions that belong to their caller.

mod sessions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use service_kit::auth::Authenticator;
use service_kit::edge::{RouteLabel, Subtree};
use service_kit::serve::Shutdown;
use service_kit::telemetry::trace_context;
use service_kit::{ApiError, Dialect, ErrorCode};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::server::{Arrived, McpServer};
use sessions::Sessions;

/// Where the endpoint is.
pub(crate) const PATH: &str = "/mcp";

/// The same, as some write it.
pub(crate) const PATH_TOO: &str = "/mcp/";

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// A thousand rows of rich text.
const BODY_LIMIT: usize = 16 << 20;

/// The endpoint: large messages, and time to read a large table.
pub(crate) const MCP: Subtree = Subtree {
    prefix: PATH,
    dialect: Dialect::JsonRpc,
    body_limit: BODY_LIMIT,
    deadline: Duration::from_secs(290),
};

#[derive(Clone)]
struct Gate {
    authenticator: Authenticator,
    sessions: Arc<Sessions>,
}

/// The endpoint's route.
pub(crate) fn router(server: McpServer, authenticator: Authenticator, config: &Config) -> Router {
    let sessions = Arc::new(Sessions::default());
    let settings = StreamableHttpServerConfig::default()
        .with_allowed_hosts(config.allowed_hosts.clone())
        .with_allowed_origins(config.allowed_origins.clone())
        .enforce_origin_validation()
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_LIMIT)
        .with_cancellation_token(until_stop(config.shutdown.clone()));
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions.clone(), settings);
    let gate = Gate { authenticator, sessions };
    Router::new()
        .route_service(PATH, service.clone())
        .route_service(PATH_TOO, service)
        .layer(from_fn_with_state(gate, pass))
}

/// Streams that would stay open for ever end when a stop is asked for.
fn until_stop(shutdown: Shutdown) -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        shutdown.requested().await;
        cancelled.cancel();
    });
    token
}

/// Everything that has to be right before a message is looked at, and the last word on the answer.
async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let is_post = request.method() == Method::POST;
    let is_delete = request.method() == Method::DELETE;
    let has_json = is_json(request.headers());
    let mut response = match admit(&gate, request, is_post).await {
        Ok((request, opens_for)) => {
            let ended = request.headers().get(SESSION_ID).cloned().filter(|_| is_delete);
            let mut response = next.run(request).await;
            if let (Some(owner), Some(id)) = (opens_for, response.headers().get(SESSION_ID)) {
                gate.sessions.own(id, owner);
            }
            if let Some(id) = ended
                && response.status() == StatusCode::ACCEPTED
            {
                gate.sessions.forget(&id);
                // Clients take 202 for "not yet", and complain.
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            if is_post && has_json && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                // The transport says so of any message that it cannot read.
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            as_json_rpc(response).await
        }
        Err(response) => response,
    };
    response.extensions_mut().insert(RouteLabel(PATH.into()));
    response
}

/// The request with its caller noted; and, if it opens a session, for whom.
async fn admit(
    gate: &Gate,
    request: Request,
    is_post: bool,
) -> Result<(Request, Option<Arc<str>>), Response> {
    let principal = gate
        .authenticator
        .authenticate(request.headers())
        .await
        .map_err(|e| refused(e, request.headers()))?;
    let session = request.headers().get(SESSION_ID).cloned();
    if let Some(id) = &session
        && !gate.sessions.is_of(id, &principal.key_id)
    {
        // The same answer as for a session that never was: an id alone gives no rights, nor knowledge.
        return Err(
            ApiError::new(ErrorCode::NotFound, "there is no such session; initialize again").into_response()
        );
    }
    let (mut parts, body) = request.into_parts();
    let mut opens_for = None;
    let body = if is_post {
        let bytes = body.collect().await.map_err(|error| {
            ApiError::new(ErrorCode::Malformed, "the message could not be read")
                .caused_by(error)
                .into_response()
        })?;
        let bytes = bytes.to_bytes();
        if is_json(&parts.headers) {
            let method = method_of(&bytes).map_err(|refused| *refused)?;
            if method == "initialize" && session.is_none() {
                gate.sessions.make_room(&principal.key_id).await?;
                opens_for = Some(principal.key_id.clone());
            }
        }
        Body::from(bytes)
    } else {
        body
    };
    parts.extensions.insert(Arrived {
        principal,
        current: trace_context::current(),
        span: tracing::Span::current(),
    });
    Ok((Request::from_parts(parts, body), opens_for))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The method of a message. What is no JSON, or no single message, is refused in JSON-RPC's terms.
fn method_of(bytes: &Bytes) -> Result<String, Box<Response>> {
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        method: Option<String>,
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(no_message(-32600, "batches of messages are not taken: send one at a time"));
    }
    match serde_json::from_slice::<Message>(bytes) {
        Ok(message) => Ok(message.method.unwrap_or_default()),
        Err(error) if error.is_data() => Err(no_message(-32600, "the body is no JSON-RPC message")),
        Err(_) => Err(no_message(-32700, "the body is not JSON")),
    }
}

fn no_message(code: i32, message: &str) -> Box<Response> {
    Box::new(json_rpc(StatusCode::BAD_REQUEST, code, message))
}

/// 401 says how to authenticate, and whether what was sent was wrong.
fn refused(error: ApiError, headers: &HeaderMap) -> Response {
    let challenge = match Authenticator::credential_headers().iter().any(|name| headers.contains_key(name)) {
        true => r#"Bearer realm="pyairtable", error="invalid_token""#,
        false => r#"Bearer realm="pyairtable""#,
    };
    let is_401 = error.code() == ErrorCode::AuthenticationRequired;
    let mut response = error.into_response();
    if is_401 {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// The transport's refusals in plain text, as JSON-RPC errors; everything else as it is.
async fn as_json_rpc(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().contains_key(CONTENT_TYPE)
    {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = match body.collect().await {
        Ok(text) => String::from_utf8_lossy(&text.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    // What went wrong inside is for the log.
    let message = if status.is_server_error() { "something went wrong on our side" } else { &text };
    if status.is_server_error() {
        tracing::error!("the transport failed: {text}");
    }
    let code = if status.is_server_error() { -32603 } else { -32600 };
    let mut rewritten = json_rpc(status, code, message);
    for (name, value) in &parts.headers {
        if !rewritten.headers().contains_key(name) && name != http::header::CONTENT_LENGTH {
            rewritten.headers_mut().append(name, value.clone());
        }
    }
    rewritten
}

fn json_rpc(status: StatusCode, code: i32, message: &str) -> Response {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_single_message_is_refused_before_it_is_looked_at() {
        for (body, status) in
            [("{", 400), ("", 400), ("[{\"method\":\"ping\"}]", 400), ("7", 400), (" [", 400)]
        {
            let refused = method_of(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!(refused.status(), status, "{body}");
        }
        assert_eq!(method_of(&Bytes::from_static(br#"{"id":1,"result":{}}"#)).unwrap(), "");
        assert_eq!(method_of(&Bytes::from_static(br#"{"method":"initialize"}"#)).unwrap(), "initialize");
    }
}
