//! Sessions and what was said in them, for their owner alone: others' sessions are as good as not there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue};
use llm_api::{ModelTurn, Price, Turn, UserPart};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::auth::Principal;
use service_kit::extract::{ApiPath, ApiQuery, from_json};
use service_kit::{ApiError, ErrorCode};
use storage::{SessionRecord, UsageFilter};

use crate::cost::dollars;
use crate::events::Event;
use crate::sessions::{no_such_session, understand};
use crate::state::AppState;

/// Asks for the next page, where there is one.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// Events are read in pages of this size.
const PAGE: u32 = 500;

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CreateSession {
    /// A name for a user of the calling application; the owner is the caller's key.
    user_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CreateSessionQuery {
    user_id: Option<String>,
}

/// Begins an empty session.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", request_body = CreateSession,
    responses((status = 200, description = "`{id, user_id, messages, metadata, created_at, updated_at}`", body = Object)),
)]
pub(super) async fn create_session(
    State(app): State<AppState>,
    principal: Principal,
    ApiQuery(query): ApiQuery<CreateSessionQuery>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, ApiError> {
    let asked: CreateSession = if body.is_empty() { CreateSession::default() } else { from_json(&body)? };
    let mut metadata = asked.metadata.unwrap_or_default();
    if let Some(user) = asked.user_id.or(query.user_id) {
        metadata.insert("user_id".to_owned(), user.into());
    }
    let session = app.sessions.create(&principal, None, Value::Object(metadata)).await?;
    Ok(Json(with_messages(&session, Vec::new())))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// 1 to 100; 50 if it is not said.
    limit: Option<u32>,
    /// From `x-next-cursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    fn limit(&self) -> Result<u32, ApiError> {
        match self.limit.unwrap_or(50) {
            limit @ 1..=100 => Ok(limit),
            _ => Err(ApiError::new(ErrorCode::InvalidRequest, "limit must be between 1 and 100")),
        }
    }
}

/// The caller's sessions, the latest used first.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", params(Paging),
    responses((status = 200, description = "`[{id, user_id, metadata, created_at, updated_at}]`", body = Object)),
)]
pub(super) async fn list_sessions(
    State(app): State<AppState>,
    principal: Principal,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Response, ApiError> {
    page_of_sessions(&app, &principal, None, &paging).await
}

/// The caller's sessions that were made for one user of the calling application; the caller's key id stands for all.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/sessions", tag = "sessions", params(("user_id" = String, Path), Paging),
    responses((status = 200, description = "`[{id, user_id, metadata, created_at, updated_at}]`", body = Object)),
)]
pub(super) async fn list_sessions_of_user(
    State(app): State<AppState>,
    principal: Principal,
    ApiPath(user): ApiPath<String>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Response, ApiError> {
    let user = (*user != *principal.key_id).then_some(user);
    page_of_sessions(&app, &principal, user.as_deref(), &paging).await
}

async fn page_of_sessions(
    app: &AppState,
    owner: &Principal,
    user: Option<&str>,
    paging: &Paging,
) -> Result<Response, ApiError> {
    let limit = paging.limit()? as usize;
    let mut before = paging.cursor.as_deref().map(read_cursor).transpose()?;
    let mut found: Vec<SessionRecord> = Vec::new();
    // Of one user there may be few among many: look on until the page is full, but not for ever.
    for _ in 0..20 {
        let page = app.sessions.store.list(&owner.key_id, before.clone(), 100).await?;
        let is_last = page.len() < 100;
        before = page.last().map(place);
        found.extend(page.into_iter().filter(|session| user.is_none_or(|user| user_of(session) == user)));
        if is_last || found.len() > limit {
            break;
        }
    }
    let next = (found.len() > limit).then(|| write_cursor(&found[limit - 1]));
    found.truncate(limit);
    let sessions: Vec<_> = found.iter().map(session_view).collect();
    Ok(paged(Json(sessions).into_response(), next))
}

/// One session, with what was said.
#[utoipa::path(
    get, path = "/api/v1/sessions/{session_id}", tag = "sessions", params(("session_id" = String, Path)),
    responses((status = 200, description = "`{id, user_id, messages, metadata, usage, created_at, updated_at}`", body = Object)),
)]
pub(super) async fn get_session(
    State(app): State<AppState>,
    principal: Principal,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<Value>, ApiError> {
    let session = app.sessions.find(&principal, &id).await?;
    let said = read(&app, &session).await?;
    let filter = UsageFilter { session: Some(session.id.clone()), ..UsageFilter::default() };
    let usage = app.sessions.store.usage(&filter).await?;
    let input = usage.input_fresh + usage.input_cached + usage.input_cache_write + usage.tool_prompt;
    let output = usage.output_text + usage.output_reasoning;
    let mut view = with_messages(&session, said.messages);
    let cost = said.has_known_prices.then(|| dollars(usage.cost_nano_usd));
    view["usage"] = json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "runs": usage.runs, "model_calls": usage.steps, "cost": cost,
        "emulated": usage.emulated,
    });
    Ok(Json(view))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Deleted {
    status: &'static str,
    message: &'static str,
}

/// Removes a session and what was said in it. What it used stays counted.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{session_id}", tag = "sessions", params(("session_id" = String, Path)),
    responses((status = 200, body = Deleted)),
)]
pub(super) async fn delete_session(
    State(app): State<AppState>,
    principal: Principal,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<Deleted>, ApiError> {
    let session = app.sessions.find(&principal, &id).await?;
    match app.sessions.store.delete(&session.id).await? {
        true => Ok(Json(Deleted { status: "success", message: "the session was deleted" })),
        false => Err(no_such_session()),
    }
}

/// What was said, oldest first: the latest page, or with a cursor the one before it.
#[utoipa::path(
    get, path = "/api/v1/sessions/{session_id}/messages", tag = "sessions",
    params(("session_id" = String, Path), Paging),
    responses((status = 200, description = "`[{role, content, timestamp, …}]`", body = Object)),
)]
pub(super) async fn list_messages(
    State(app): State<AppState>,
    principal: Principal,
    ApiPath(id): ApiPath<String>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Response, ApiError> {
    let limit = paging.limit()? as usize;
    let before = match paging.cursor.as_deref() {
        None => usize::MAX,
        Some(cursor) => cursor.parse().map_err(|_| bad_cursor())?,
    };
    let session = app.sessions.find(&principal, &id).await?;
    let mut all = read(&app, &session).await?.messages;
    all.truncate(before);
    let page = all.split_off(all.len().saturating_sub(limit));
    // The place of this page's first message: only at the end are there new ones.
    let next = (!all.is_empty()).then(|| all.len().to_string());
    Ok(paged(Json(page).into_response(), next))
}

/// What a session's events tell a client.
struct Said {
    messages: Vec<Value>,
    /// Of each model that answered. What one of unknown price used is not in the session's cost.
    has_known_prices: bool,
}

async fn read(app: &AppState, session: &SessionRecord) -> Result<Said, ApiError> {
    let mut said = Said { messages: Vec::new(), has_known_prices: true };
    let mut last_seq = 0;
    loop {
        let page = app.sessions.store.events(&session.id, last_seq, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        for event in page {
            last_seq = event.seq;
            let at = time(event.at);
            let asked_at = event.at;
            match understand(event)? {
                // The conversation begins anew.
                Event::Imported(imported) => {
                    said.messages = imported.turns.iter().filter_map(|turn| turn_view(turn, &at)).collect();
                }
                Event::UserMessage(message) => said.messages.push(user_view(&message.parts, &at)),
                Event::ModelTurn(turn) => {
                    said.has_known_prices &= Price::at(&turn.model, asked_at).is_some();
                }
                // What tools and the model said in between is in the run's answer.
                Event::RunEnded(ended) if !ended.answer.is_empty() => {
                    said.messages.push(json!({
                        "role": "assistant", "content": ended.answer, "timestamp": at, "run_id": ended.run,
                        "status": ended.status.as_str(),
                    }));
                }
                _ => {}
            }
        }
        if is_last {
            return Ok(said);
        }
    }
}

fn turn_view(turn: &Turn, at: &str) -> Option<Value> {
    match turn {
        Turn::User(parts) => Some(user_view(parts, at)),
        Turn::Model(turn) => model_view(turn, at),
        Turn::ToolResults(_) => None,
    }
}

fn model_view(turn: &ModelTurn, at: &str) -> Option<Value> {
    let text = turn.text();
    (!text.is_empty()).then(|| json!({"role": "assistant", "content": text, "timestamp": at}))
}

fn user_view(parts: &[UserPart], at: &str) -> Value {
    let texts = parts.iter().map(|part| match part {
        UserPart::Text(text) => text.clone(),
        UserPart::InlineData { mime_type, .. } => format!("[{mime_type}]"),
    });
    json!({"role": "user", "content": texts.collect::<Vec<_>>().join("\n"), "timestamp": at})
}

fn session_view(session: &SessionRecord) -> Value {
    json!({
        "id": session.id, "user_id": user_of(session), "metadata": session.metadata,
        "created_at": time(session.created_at), "updated_at": time(session.updated_at),
    })
}

fn with_messages(session: &SessionRecord, messages: Vec<Value>) -> Value {
    let mut view = session_view(session);
    view["messages"] = messages.into();
    view
}

/// The name that the calling application gave, else the owner's key id.
fn user_of(session: &SessionRecord) -> &str {
    session.metadata.get("user_id").and_then(Value::as_str).unwrap_or(&session.owner)
}

fn time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

fn place(session: &SessionRecord) -> (SystemTime, String) {
    (session.updated_at, session.id.clone())
}

/// Where a page ended: milliseconds since 1970, and the session's id.
fn write_cursor(session: &SessionRecord) -> String {
    let ms = session.updated_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{ms}.{}", session.id)
}

fn read_cursor(cursor: &str) -> Result<(SystemTime, String), ApiError> {
    let (ms, id) = cursor.split_once('.').ok_or_else(bad_cursor)?;
    let ms = ms.parse().map_err(|_| bad_cursor())?;
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(ms)).ok_or_else(bad_cursor)?;
    Ok((at, id.to_owned()))
}

fn bad_cursor() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, "this is no cursor of this list")
}

fn paged(mut response: Response, next: Option<String>) -> Response {
    if let Some(value) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, value);
    }
    response
}
