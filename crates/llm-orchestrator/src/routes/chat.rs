//! Chat completions, in OpenAI's dialect and in the predecessor's.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use service_kit::auth::Principal;
use service_kit::{ApiError, ErrorCode};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::listen::{Heard, Listener};
use crate::chat::{Begun, begin};
use crate::cost::dollars;
use crate::idempotency::{self, Asked, Finished};
use crate::openai::{ChatRequest, Chunks, completion};
use crate::runner::RunEvent;
use crate::state::AppState;

const RUN_ID: HeaderName = HeaderName::from_static("x-run-id");
const SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");
const EMULATED: HeaderName = HeaderName::from_static("x-pyairtable-emulated");
const DROPPED: HeaderName = HeaderName::from_static("x-orchestrator-dropped-params");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A quiet stream says that it lives. Also how long a stream's head waits for the first word, so that what fails at once
/// fails with its own status.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How an answer is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    /// The predecessor's: `usage` holds the cost, and ends every stream.
    Own,
}

/// One answer to a conversation. Tools of the server run meanwhile; with `stream` the answer comes as it is written.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest,
    responses((status = 200, description = "A `chat.completion`, or a stream of `chat.completion.chunk`", body = Object)),
)]
pub(super) async fn openai_chat(
    State(app): State<AppState>,
    principal: Principal,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request: ChatRequest = service_kit::extract::from_json(&body)?;
    let is_stream = request.stream == Some(true);
    answer(&app, &principal, &headers, &body, &request, Dialect::OpenAi, is_stream).await
}

/// The same, with problem documents for errors and the cost among the usage.
#[utoipa::path(
    post, path = "/api/v1/chat/completions", tag = "chat", request_body = ChatRequest,
    responses((status = 200, description = "As `/v1/chat/completions`, with `usage.cost`", body = Object)),
)]
pub(super) async fn own_chat(
    State(app): State<AppState>,
    principal: Principal,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request: ChatRequest = service_kit::extract::from_json(&body)?;
    let is_stream = request.stream == Some(true);
    answer(&app, &principal, &headers, &body, &request, Dialect::Own, is_stream).await
}

/// The same, always as a stream.
#[utoipa::path(
    post, path = "/api/v1/chat/completions/stream", tag = "chat", request_body = ChatRequest,
    responses((status = 200, description = "A stream of `chat.completion.chunk`; the last one holds the usage", body = Object)),
)]
pub(super) async fn own_chat_stream(
    State(app): State<AppState>,
    principal: Principal,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request: ChatRequest = service_kit::extract::from_json(&body)?;
    answer(&app, &principal, &headers, &body, &request, Dialect::Own, true).await
}

async fn answer(
    app: &AppState,
    principal: &Principal,
    headers: &HeaderMap,
    body: &Bytes,
    request: &ChatRequest,
    dialect: Dialect,
    is_stream: bool,
) -> Result<Response, ApiError> {
    let first = match headers.get(IDEMPOTENCY_KEY) {
        None => None,
        Some(key) => {
            let key = key.to_str().map_err(|_| {
                ApiError::new(ErrorCode::InvalidRequest, "an Idempotency-Key is visible ASCII")
            })?;
            match app.idempotency.ask(principal, key, Sha256::digest(body).into())? {
                Asked::First(first) => Some(first),
                Asked::Again(outcome) => {
                    let finished = idempotency::outcome(outcome).await?;
                    return Ok(repeated(app, &finished, request, dialect, is_stream));
                }
            }
        }
    };
    let begun = match begin(app, principal, request, is_stream).await {
        Ok(begun) => begun,
        Err(error) => {
            if let Some(first) = first {
                first.refused(error.clone());
            }
            return Err(error);
        }
    };
    let Begun { run, session, model, created, dropped, running } = begun;
    let mut head = Head { run, session, dropped, emulated: app.settings.emulated };
    let mut listener = Listener::new(running, first);
    if !is_stream {
        return Ok(loop {
            match listener.next().await {
                Heard::Event(RunEvent::Dropped(names)) => head.dropped.extend(names),
                Heard::Event(_) => {}
                Heard::Ended(finished) => break whole(head, &finished, created, dialect),
                Heard::Lost(error) => break head.put_on(error.into_response()),
            }
        });
    }
    let first_heard = loop {
        match timeout(KEEP_ALIVE, listener.next()).await {
            Ok(Heard::Event(RunEvent::Dropped(names))) => head.dropped.extend(names),
            Ok(Heard::Lost(error)) => return Ok(head.put_on(error.into_response())),
            Ok(Heard::Ended(finished)) => match finished.report.error() {
                Some(error) if finished.report.answer.is_empty() => {
                    return Ok(head.put_on(error.into_response()));
                }
                _ => break Some(Heard::Ended(finished)),
            },
            Ok(heard) => break Some(heard),
            Err(_) => break None,
        }
    };
    let writer = Writer::new(&head.run, created, model, request, dialect);
    Ok(head.put_on(streamed(writer, first_heard, Some(listener))))
}

/// The answer to a request that was made before.
fn repeated(
    app: &AppState,
    finished: &Arc<Finished>,
    request: &ChatRequest,
    dialect: Dialect,
    is_stream: bool,
) -> Response {
    let report = &finished.report;
    let head = Head {
        run: report.run.clone(),
        session: report.session.clone(),
        dropped: report.dropped.clone(),
        emulated: app.settings.emulated,
    };
    let created =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    if !is_stream {
        return whole(head, finished, created, dialect);
    }
    if let (Some(error), true) = (report.error(), report.answer.is_empty()) {
        return head.put_on(error.into_response());
    }
    let mut writer = Writer::new(&head.run, created, report.model.clone(), request, dialect);
    let mut out = writer.event(&RunEvent::Thought(finished.reasoning.clone()));
    out.push_str(&writer.event(&RunEvent::Text(report.answer.clone())));
    out.push_str(&writer.end(finished));
    head.put_on(event_stream(Body::from(out)))
}

/// An answer in one piece.
fn whole(mut head: Head, finished: &Finished, created: u64, dialect: Dialect) -> Response {
    let report = &finished.report;
    head.emulated |= report.emulated;
    if let Some(error) = report.error() {
        return head.put_on(error.into_response());
    }
    let mut body = completion(report, created, &finished.reasoning);
    if dialect == Dialect::Own {
        body["usage"]["cost"] = cost(report.cost_nano_usd());
    }
    head.put_on(Json(body).into_response())
}

fn cost(nano_usd: Option<i64>) -> Value {
    nano_usd.map(dollars).into()
}

/// What an answer's head says.
struct Head {
    run: String,
    session: String,
    dropped: Vec<&'static str>,
    emulated: bool,
}

impl Head {
    fn put_on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        let mut put = |name, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(RUN_ID, &self.run);
        put(SESSION_ID, &self.session);
        if self.emulated {
            put(EMULATED, "true");
        }
        if !self.dropped.is_empty() {
            put(DROPPED, &self.dropped.join(", "));
        }
        response
    }
}

/// Writes what is heard of a run as chunks.
struct Writer {
    chunks: Chunks,
    with_events: bool,
    with_reasoning: bool,
}

impl Writer {
    fn new(run: &str, created: u64, model: String, request: &ChatRequest, dialect: Dialect) -> Self {
        let asked = request.stream_options.as_ref().and_then(|options| options.include_usage);
        let with_usage = asked.unwrap_or(false) || dialect == Dialect::Own;
        Self {
            chunks: Chunks::new(run, created, model, with_usage, dialect == Dialect::Own),
            with_events: request.include_run_events.unwrap_or(false),
            with_reasoning: request.include_reasoning.unwrap_or(false),
        }
    }

    fn event(&mut self, event: &RunEvent) -> String {
        let line = match event {
            RunEvent::Text(text) if !text.is_empty() => self.chunks.text(text),
            RunEvent::Thought(text) if self.with_reasoning && !text.is_empty() => self.chunks.reasoning(text),
            RunEvent::ToolStarted { id, name, arguments } if self.with_events => {
                self.chunks.tool_started(id, name, arguments)
            }
            RunEvent::ToolFinished(step) if self.with_events => self.chunks.tool_finished(step),
            _ => return String::new(),
        };
        self.chunks.begin() + &line
    }

    fn end(&mut self, finished: &Finished) -> String {
        let report = &finished.report;
        if let Some(error) = report.error() {
            return Chunks::error(&error);
        }
        let mut out = self.chunks.begin();
        let approval = report.ending.as_ref().and_then(|ending| ending.approval.as_ref());
        if let Some(pending) = approval.filter(|_| self.with_events) {
            out.push_str(&self.chunks.approval_required(pending));
        }
        out.push_str(&self.chunks.end(report));
        out.push_str(Chunks::DONE);
        out
    }
}

/// What a stream's body is made from. Its drop, when the client leaves, is what the run hears.
struct Flow {
    writer: Writer,
    heard: Option<Heard>,
    /// `None` after the last event.
    listener: Option<Listener>,
}

fn streamed(writer: Writer, heard: Option<Heard>, listener: Option<Listener>) -> Response {
    let flow = Flow { writer, heard, listener };
    let body = stream::unfold(flow, |mut flow| async move {
        loop {
            let listener = flow.listener.as_mut()?;
            let heard = match flow.heard.take() {
                Some(heard) => heard,
                None => match timeout(KEEP_ALIVE, listener.next()).await {
                    Ok(heard) => heard,
                    Err(_) => return Some((line(Chunks::KEEP_ALIVE.to_owned()), flow)),
                },
            };
            let out = match heard {
                Heard::Event(event) => flow.writer.event(&event),
                Heard::Ended(finished) => {
                    flow.listener = None;
                    flow.writer.end(&finished)
                }
                Heard::Lost(error) => {
                    flow.listener = None;
                    Chunks::error(&error)
                }
            };
            if !out.is_empty() {
                return Some((line(out), flow));
            }
        }
    });
    event_stream(Body::from_stream(body))
}

fn line(text: String) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(text))
}

fn event_stream(body: Body) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;
    use crate::runner::Running;

    async fn next(body: &mut Body) -> String {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_says_that_it_lives() {
        let (run, events) = mpsc::channel(8);
        let writer = Writer::new("run_1", 0, "m".to_owned(), &ChatRequest::default(), Dialect::OpenAi);
        let listener = Listener::new(Running::of(events), None);
        let mut body = streamed(writer, None, Some(listener)).into_body();
        run.send(RunEvent::Text("One".to_owned())).await.unwrap();
        assert!(next(&mut body).await.contains(r#""content":"One""#));
        for _ in 0..2 {
            assert_eq!(next(&mut body).await, ": keep-alive\n\n");
        }
        run.send(RunEvent::Text("two".to_owned())).await.unwrap();
        assert!(next(&mut body).await.contains("two"));
        drop(run);
        assert!(next(&mut body).await.contains(r#""error""#), "a run that vanished is no whole answer");
        assert!(body.frame().await.is_none());
    }
}
