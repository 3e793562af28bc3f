//! The emulator's own API under `/__emulator`: request log, counters, faults, script, settings, reset. For this machine only.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Query, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use service_kit::{ApiError, ErrorCode};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::emulator::{Brain, Emulator, Mode, Settings, lock};
use super::log::{Fate, LoggedRequest};
use super::script::{Script, ScriptError};

/// Entries of the request log in one answer.
const MAX_ENTRIES: usize = 1000;

pub(super) fn router(emulator: Emulator) -> Router<Emulator> {
    Router::new()
        .route("/requests", get(list_requests))
        .route("/counters", get(read_counters))
        .route("/faults", get(read_faults).put(set_faults).delete(clear_faults))
        .route("/script", get(read_script).put(load_script).delete(drop_script))
        .route("/settings", get(read_settings).put(change_settings))
        .route("/reset", post(reset))
        .fallback(async || ApiError::new(ErrorCode::NoSuchRoute, "the emulator has no such route of its own"))
        .layer(from_fn(only_from_here))
        .with_state(emulator)
}

pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(
        list_requests,
        read_counters,
        read_faults,
        set_faults,
        clear_faults,
        read_script,
        load_script,
        drop_script,
        read_settings,
        change_settings,
        reset
    ))]
    struct Document;
    Document::openapi()
}

/// Refuses other machines. A server that does not say who is calling is taken to be part of a test.
async fn only_from_here(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if peer.is_some_and(|ConnectInfo(peer)| !peer.ip().to_canonical().is_loopback()) {
        return ApiError::new(ErrorCode::Forbidden, "only this machine may call the emulator's own API")
            .into_response();
    }
    next.run(request).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Only requests after this sequence number
    #[serde(default)]
    since: u64,
}

/// The last requests, in order of arrival, with their bodies byte for byte as received
#[utoipa::path(get, path = "/__emulator/requests", tag = "emulator", params(Since), responses(
    (status = 200, description = "At most 1,000 a call, the oldest first; `dropped` had to make room before. `outcome` is \
     `open`, `delivered`, or `cancelled` where the client left early. A body that is no UTF-8 stands in `body_base64`",
     content_type = "application/json")
))]
async fn list_requests(State(emulator): State<Emulator>, Query(range): Query<Since>) -> Json<Value> {
    let log = lock(&emulator.shared.log);
    let requests: Vec<Value> = log.since(range.since).take(MAX_ENTRIES).map(shown).collect();
    Json(json!({"requests": requests, "dropped": log.dropped()}))
}

fn shown(entry: &LoggedRequest) -> Value {
    let headers: Map<String, Value> =
        entry.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let mut shown = json!({
        "sequence": entry.sequence,
        "time": format!("{:.3}", entry.time),
        "method": entry.method,
        "target": entry.target,
        "headers": headers,
        "status": entry.status,
        "outcome": match entry.fate {
            Fate::Open => "open",
            Fate::Delivered => "delivered",
            Fate::Cancelled => "cancelled",
        },
        "duration_ms": entry.duration_micros as f64 / 1000.0,
    });
    match std::str::from_utf8(&entry.body) {
        Ok(body) => shown["body"] = body.into(),
        Err(_) => {
            shown["body_base64"] = base64::engine::general_purpose::STANDARD.encode(&entry.body).into();
        }
    }
    shown
}

/// Calls by route, answers by status, and the sum of all usage that was told
#[utoipa::path(get, path = "/__emulator/counters", tag = "emulator", responses(
    (status = 200, description = "Since the start or the last reset", content_type = "application/json")
))]
async fn read_counters(State(emulator): State<Emulator>) -> Json<Value> {
    let counters = lock(&emulator.shared.counters);
    let statuses: Map<String, Value> =
        counters.statuses.iter().map(|(status, count)| (status.to_string(), (*count).into())).collect();
    let usage = counters.usage;
    Json(json!({
        "calls": counters.calls,
        "statuses": statuses,
        "usage": {
            "prompt": usage.prompt, "cached": usage.cached, "candidates": usage.candidates,
            "thoughts": usage.thoughts, "tool_use": usage.tool_use,
        },
    }))
}

/// The faults that are set, and how often each has come
#[utoipa::path(get, path = "/__emulator/faults", tag = "emulator", responses(
    (status = 200, description = "Empty if none are set", content_type = "application/json")
))]
async fn read_faults(State(emulator): State<Emulator>) -> Json<Value> {
    let faults = lock(&emulator.shared.faults);
    Json(faults.as_ref().map_or_else(|| json!({"turns": []}), |play| play.state()))
}

/// Sets faults: turns as in a script, which come before script, markers and everything else until they are used up
#[utoipa::path(put, path = "/__emulator/faults", tag = "emulator", request_body(content_type = "application/json"), responses(
    (status = 200, description = "Set; they replace earlier ones"), (status = 422, description = "Not such turns: each problem with its path")
))]
async fn set_faults(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<Value>, ApiError> {
    emulator.set_faults(Some(Script::from_json(&body).map_err(refused)?));
    Ok(read_faults(State(emulator)).await)
}

/// Takes all faults away
#[utoipa::path(delete, path = "/__emulator/faults", tag = "emulator", responses((status = 200, description = "Done")))]
async fn clear_faults(State(emulator): State<Emulator>) -> Json<Value> {
    emulator.set_faults(None);
    read_faults(State(emulator)).await
}

/// The mode, and how often each turn of the script has answered
#[utoipa::path(get, path = "/__emulator/script", tag = "emulator", responses(
    (status = 200, description = "`mode` is script, demo or echo; `used_up` once no turn has anything left to say",
     content_type = "application/json")
))]
async fn read_script(State(emulator): State<Emulator>) -> Json<Value> {
    let brain = lock(&emulator.shared.brain);
    let mut shown = json!({"mode": brain.name()});
    if let Brain::Script(play) = &*brain {
        shown["turns"] = play.state()["turns"].clone();
        shown["used_up"] = play.is_used_up().into();
    }
    Json(shown)
}

/// Loads a script and begins it
#[utoipa::path(put, path = "/__emulator/script", tag = "emulator", request_body(content_type = "application/json"), responses(
    (status = 200, description = "Loaded"), (status = 422, description = "Not a script: each problem with its path")
))]
async fn load_script(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<Value>, ApiError> {
    emulator.set_mode(Mode::Script(Script::from_json(&body).map_err(refused)?));
    Ok(read_script(State(emulator)).await)
}

/// Goes back to the mode of the start; a script given there begins again
#[utoipa::path(delete, path = "/__emulator/script", tag = "emulator", responses((status = 200, description = "Done")))]
async fn drop_script(State(emulator): State<Emulator>) -> Json<Value> {
    emulator.restart_mode();
    read_script(State(emulator)).await
}

fn refused(error: ScriptError) -> ApiError {
    let text = error.to_string();
    error
        .problems()
        .iter()
        .take(100)
        .fold(ApiError::new(ErrorCode::InvalidRequest, text), |answer, problem| {
            answer.field(problem.path.clone(), "invalid", problem.message.clone())
        })
}

/// What can be changed while it runs; `null` is no limit
#[derive(Debug, Serialize, ToSchema)]
struct SettingsBody {
    latency_ms: u64,
    chunk_delay_ms: u64,
    check_signatures: bool,
    implicit_cache: bool,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    requests_per_day: Option<u64>,
}

impl From<Settings> for SettingsBody {
    fn from(settings: Settings) -> Self {
        Self {
            latency_ms: settings.latency.as_millis() as u64,
            chunk_delay_ms: settings.chunk_delay.as_millis() as u64,
            check_signatures: settings.check_signatures,
            implicit_cache: settings.implicit_cache,
            requests_per_minute: settings.quotas.requests_per_minute,
            tokens_per_minute: settings.quotas.tokens_per_minute,
            requests_per_day: settings.quotas.requests_per_day,
        }
    }
}

/// The settings that hold now
#[utoipa::path(get, path = "/__emulator/settings", tag = "emulator", responses((status = 200, body = SettingsBody)))]
async fn read_settings(State(emulator): State<Emulator>) -> Json<SettingsBody> {
    Json(emulator.settings().into())
}

/// Settings to change; what is left out stays, `null` is no limit
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsChange {
    latency_ms: Option<u64>,
    chunk_delay_ms: Option<u64>,
    check_signatures: Option<bool>,
    implicit_cache: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    requests_per_minute: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    tokens_per_minute: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    requests_per_day: Option<Option<u64>>,
}

/// Tells null from left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Changes settings while the emulator runs
#[utoipa::path(put, path = "/__emulator/settings", tag = "emulator", request_body = SettingsChange, responses(
    (status = 200, body = SettingsBody), (status = 422, description = "Not such settings")
))]
async fn change_settings(
    State(emulator): State<Emulator>,
    body: Bytes,
) -> Result<Json<SettingsBody>, ApiError> {
    let invalid = |error: serde_json::Error| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
    // An array would pass for a struct otherwise.
    let object: Map<String, Value> = serde_json::from_slice(&body).map_err(invalid)?;
    let change: SettingsChange = serde_json::from_value(Value::Object(object)).map_err(invalid)?;
    let mut settings = emulator.settings();
    let millis = |wanted: Option<u64>, now: Duration| wanted.map_or(now, Duration::from_millis);
    settings.latency = millis(change.latency_ms, settings.latency);
    settings.chunk_delay = millis(change.chunk_delay_ms, settings.chunk_delay);
    settings.check_signatures = change.check_signatures.unwrap_or(settings.check_signatures);
    settings.implicit_cache = change.implicit_cache.unwrap_or(settings.implicit_cache);
    let quotas = &mut settings.quotas;
    quotas.requests_per_minute = change.requests_per_minute.unwrap_or(quotas.requests_per_minute);
    quotas.tokens_per_minute = change.tokens_per_minute.unwrap_or(quotas.tokens_per_minute);
    quotas.requests_per_day = change.requests_per_day.unwrap_or(quotas.requests_per_day);
    emulator.set_settings(settings);
    Ok(Json(settings.into()))
}

/// Makes everything what it was at the start: mode, settings, script, faults, quotas, cached contents, counters, log
#[utoipa::path(post, path = "/__emulator/reset", tag = "emulator", responses((status = 200, description = "Done")))]
async fn reset(State(emulator): State<Emulator>) -> Json<Value> {
    emulator.reset();
    Json(json!({"reset": true}))
}
