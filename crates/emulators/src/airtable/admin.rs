//! The emulator's own API under `/__emulator`: counters, the request log, limits, faults, reset. For this machine only.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Query, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use service_kit::{ApiError, ErrorCode};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::emulator::{Emulator, lock};
use super::faults::Faults;
use super::fields::number;
use super::limits::{Counters, Limits};

/// Entries of the request log in one answer.
const MAX_ENTRIES: usize = 10_000;

pub(super) fn router(emulator: Emulator) -> Router<Emulator> {
    Router::new()
        .route("/counters", get(read_counters))
        .route("/requests", get(list_requests))
        .route("/limits", get(read_limits).put(change_limits))
        .route("/faults", get(read_faults).put(change_faults))
        .route("/reset", post(reset))
        .fallback(async || ApiError::new(ErrorCode::NoSuchRoute, "the emulator has no such route of its own"))
        .layer(from_fn(only_from_here))
        .with_state(emulator)
}

pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(
        read_counters,
        list_requests,
        read_limits,
        change_limits,
        read_faults,
        change_faults,
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

/// Requests and violations of each base and user since the last reset
#[utoipa::path(get, path = "/__emulator/counters", tag = "emulator", responses(
    (status = 200, description = "`violations` went over a limit, `refused` were answered 429 (the violations included)",
     content_type = "application/json")
))]
async fn read_counters(State(emulator): State<Emulator>) -> Json<Value> {
    let shown = |counters: Counters| json!({"requests": counters.requests, "violations": counters.violations, "refused": counters.refused});
    let mut bases = Map::new();
    for (id, name, counters) in emulator.base_counters() {
        let mut entry = shown(counters);
        entry["name"] = name.into();
        bases.insert(id.to_string(), entry);
    }
    let mut users = Map::new();
    let limiter = lock(&emulator.shared.limiter);
    for (position, user) in emulator.shared.users.0.iter().enumerate() {
        users.insert(user.id.clone(), shown(limiter.user_counters(position)));
    }
    Json(json!({"bases": bases, "users": users}))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Only requests after this sequence number
    #[serde(default)]
    since: u64,
}

/// The last requests, in order of arrival, their targets byte for byte as received
#[utoipa::path(get, path = "/__emulator/requests", tag = "emulator", params(Since), responses(
    (status = 200, description = "At most 10,000 a call, the oldest first; `dropped` had to make room before",
     content_type = "application/json")
))]
async fn list_requests(State(emulator): State<Emulator>, Query(range): Query<Since>) -> Json<Value> {
    let log = lock(&emulator.shared.log);
    let requests: Vec<_> = log
        .since(range.since)
        .into_iter()
        .take(MAX_ENTRIES)
        .map(|entry| {
            json!({
                "sequence": entry.sequence,
                "time": format!("{:.3}", entry.time),
                "method": entry.method,
                "target": entry.target,
                "status": entry.status,
                "duration_ms": entry.duration_micros as f64 / 1000.0,
            })
        })
        .collect();
    Json(json!({"requests": requests, "dropped": log.dropped()}))
}

/// Limits in the shape of the seed; `null` is no limit
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LimitsBody {
    requests_per_second_per_base: Option<u32>,
    requests_per_second_per_user: Option<u32>,
    #[schema(value_type = f64)]
    penalty_seconds: Value,
    retry_after_header: bool,
}

impl From<Limits> for LimitsBody {
    fn from(limits: Limits) -> Self {
        Self {
            requests_per_second_per_base: limits.requests_per_second_per_base,
            requests_per_second_per_user: limits.requests_per_second_per_user,
            penalty_seconds: number::json(limits.penalty.as_secs_f64()),
            retry_after_header: limits.retry_after_header,
        }
    }
}

/// The limits that hold now
#[utoipa::path(get, path = "/__emulator/limits", tag = "emulator", responses((status = 200, body = LimitsBody)))]
async fn read_limits(State(emulator): State<Emulator>) -> Json<LimitsBody> {
    Json(emulator.limits().into())
}

/// Limits to change; what is left out stays, `null` is no limit
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitsChange {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    requests_per_second_per_base: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    requests_per_second_per_user: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>)]
    penalty_seconds: Option<Option<f64>>,
    #[serde(default)]
    retry_after_header: Option<bool>,
}

/// Tells null from left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Changes limits while the emulator runs
#[utoipa::path(put, path = "/__emulator/limits", tag = "emulator", request_body = LimitsChange, responses(
    (status = 200, body = LimitsBody), (status = 422, description = "Not such limits")
))]
async fn change_limits(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<LimitsBody>, ApiError> {
    let invalid = |reason: String| ApiError::new(ErrorCode::InvalidRequest, reason);
    let change: LimitsChange = object(&body)?;
    let mut limits = emulator.limits();
    for (limit, wanted) in [
        (&mut limits.requests_per_second_per_base, change.requests_per_second_per_base),
        (&mut limits.requests_per_second_per_user, change.requests_per_second_per_user),
    ] {
        if wanted == Some(Some(0)) {
            return Err(invalid("a limit of 0 would refuse everything; null is no limit".to_owned()));
        }
        *limit = wanted.unwrap_or(*limit);
    }
    if let Some(seconds) = change.penalty_seconds {
        limits.penalty = Limits::penalty_of_seconds(seconds.unwrap_or(0.0))
            .ok_or_else(|| invalid("penaltySeconds must be from 0 to a year".to_owned()))?;
    }
    limits.retry_after_header = change.retry_after_header.unwrap_or(limits.retry_after_header);
    emulator.set_limits(limits);
    Ok(Json(limits.into()))
}

/// The faults in force
#[utoipa::path(get, path = "/__emulator/faults", tag = "emulator", responses((status = 200, body = Faults)))]
async fn read_faults(State(emulator): State<Emulator>) -> Json<Faults> {
    Json(*lock(&emulator.shared.faults))
}

/// Replaces the faults; what is left out is no fault. A reset ends them all
#[utoipa::path(put, path = "/__emulator/faults", tag = "emulator", request_body = Faults, responses(
    (status = 200, body = Faults), (status = 422, description = "Not such faults")
))]
async fn change_faults(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<Faults>, ApiError> {
    let faults: Faults = object(&body)?;
    if let Some(problem) = faults.problem() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, problem));
    }
    *lock(&emulator.shared.faults) = faults;
    Ok(Json(faults))
}

/// What to reset beside the counters
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    /// Also makes all bases what they were at the start
    #[serde(default)]
    data: bool,
}

/// Forgets counters, rate windows, penalties and the request log, and ends faults; with `{"data":true}` also every change to the bases
#[utoipa::path(post, path = "/__emulator/reset", tag = "emulator", request_body = ResetBody, responses(
    (status = 200, description = "Done"), (status = 422, description = "Not such a body")
))]
async fn reset(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let wanted = if body.trim_ascii().is_empty() { ResetBody::default() } else { object(&body)? };
    if wanted.data {
        for pending in emulator.begin_reset() {
            if !pending.done().await {
                return Err(ApiError::new(
                    ErrorCode::Internal,
                    "the reset could not be written to the file of bases",
                ));
            }
        }
    }
    emulator.reset_counters();
    Ok(Json(json!({"reset": true, "data": wanted.data})))
}

/// Reads a JSON object; an array would pass for a struct otherwise.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let invalid = |error: serde_json::Error| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(invalid)?;
    serde_json::from_value(Value::Object(object)).map_err(invalid)
}
