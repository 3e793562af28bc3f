//! Limits, the clock, and what nobody has confirmed, changed while the emulator runs.

use std::borrow::Cow;
use std::time::Duration;

use airtable_formula::Timestamp;
use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service_kit::{ApiError, ErrorCode};
use utoipa::ToSchema;

use super::object;
use crate::airtable::emulator::{Emulator, lock};
use crate::airtable::fields::date;
use crate::airtable::unconfirmed::Unconfirmed;

fn invalid(reason: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, reason)
}

/// The limits that hold now, in the shape of a seed
#[utoipa::path(get, path = "/__emulator/limits", tag = "emulator", responses(
    (status = 200, description = "All limits; null is no limit", body = Object)
))]
pub(super) async fn read_limits(State(emulator): State<Emulator>) -> Json<Value> {
    Json(Value::Object(emulator.limits().json()))
}

/// Changes limits; what is left out stays, null is no limit
#[utoipa::path(put, path = "/__emulator/limits", tag = "emulator", request_body = Object, responses(
    (status = 200, description = "All limits", body = Object), (status = 422, description = "Not such limits")
))]
pub(super) async fn change_limits(
    State(emulator): State<Emulator>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let mut limits = emulator.limits();
    for (key, value) in object::<Map<String, Value>>(&body)? {
        limits.set(&key, &value).map_err(|problem| invalid(format!("{key} {problem}")))?;
    }
    emulator.set_limits(limits);
    Ok(Json(Value::Object(limits.json())))
}

/// How the emulator behaves where nobody has confirmed what Airtable does
#[utoipa::path(get, path = "/__emulator/unconfirmed", tag = "emulator", responses((status = 200, body = Unconfirmed)))]
pub(super) async fn read_unconfirmed(State(emulator): State<Emulator>) -> Json<Unconfirmed> {
    Json(*lock(&emulator.shared.unconfirmed))
}

/// Changes that; what is left out is as it is at first
#[utoipa::path(put, path = "/__emulator/unconfirmed", tag = "emulator", request_body = Unconfirmed, responses(
    (status = 200, body = Unconfirmed), (status = 422, description = "Not such behaviour")
))]
pub(super) async fn change_unconfirmed(
    State(emulator): State<Emulator>,
    body: Bytes,
) -> Result<Json<Unconfirmed>, ApiError> {
    let wanted: Unconfirmed = object(&body)?;
    if let Some(problem) = wanted.problem() {
        return Err(invalid(problem));
    }
    *lock(&emulator.shared.unconfirmed) = wanted;
    Ok(Json(wanted))
}

/// How to turn the clock; what is left out stays
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Turn {
    /// The time that it shows from now on, such as 2026-02-28T12:00:00.000Z; time between counts as passed
    time: Option<String>,
    /// Lets so many seconds pass at once
    advance_seconds: f64,
    /// Whether time stands still
    stopped: Option<bool>,
}

fn shown(emulator: &Emulator) -> Json<Value> {
    let clock = &emulator.shared.clock;
    Json(json!({"time": date::iso(clock.now().as_millisecond()), "stopped": clock.is_stopped()}))
}

/// The emulator's time
#[utoipa::path(get, path = "/__emulator/clock", tag = "emulator", responses(
    (status = 200, description = "`time` in UTC, and whether it is `stopped`", body = Object)
))]
pub(super) async fn read_clock(State(emulator): State<Emulator>) -> Json<Value> {
    shown(&emulator)
}

/// Sets, advances, stops or starts the clock that records, expiry and limits go by; a reset sets it right again
#[utoipa::path(put, path = "/__emulator/clock", tag = "emulator", request_body = Turn, responses(
    (status = 200, description = "As read", body = Object), (status = 422, description = "Not such a turn")
))]
pub(super) async fn turn_clock(
    State(emulator): State<Emulator>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let turn: Turn = object(&body)?;
    let time = turn.time.as_deref().map(str::parse::<Timestamp>).transpose();
    let expected = "time is not one between 1970 and 9000, such as 2026-02-28T12:00:00.000Z";
    let time = time.map_err(|_| invalid(expected))?;
    let century = 100.0 * 365.0 * 24.0 * 3600.0;
    if !(0.0..=century).contains(&turn.advance_seconds) {
        return Err(invalid("advanceSeconds must be from 0 to a century"));
    }
    let clock = &emulator.shared.clock;
    let advance = Duration::from_secs_f64(turn.advance_seconds);
    // Beyond that, times do not have four digits of a year.
    let years = 1970..=9000;
    let becomes = time.unwrap_or_else(|| clock.now()).checked_add(advance);
    let is_within = |time: Timestamp| years.contains(&date::utc(time.as_millisecond()).year());
    if time.is_some_and(|time| !is_within(time)) || !becomes.is_ok_and(is_within) {
        return Err(invalid("the time must stay between 1970 and 9000"));
    }
    if let Some(stopped) = turn.stopped {
        clock.stop(stopped);
    }
    if let Some(time) = time {
        clock.set(time);
    }
    clock.advance(advance);
    Ok(shown(&emulator))
}
