//! The state as a whole: reset.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{ApiError, ErrorCode};
use utoipa::ToSchema;

use super::{apart, object};
use crate::airtable::emulator::Emulator;

/// What to reset beside the counters
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    /// Also makes bases, webhooks and grants what they were at the start
    #[serde(default)]
    data: bool,
}

/// Forgets counters, rate windows, penalties and the request log, ends faults, and sets the clock right; with `{"data":true}`, bases, webhooks and grants are what they were at the start
#[utoipa::path(post, path = "/__emulator/reset", tag = "emulator", request_body = ResetBody, responses(
    (status = 200, description = "Done"), (status = 422, description = "Not such a body")
))]
pub(super) async fn reset(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let wanted = if body.trim_ascii().is_empty() { ResetBody::default() } else { object(&body)? };
    if wanted.data {
        let resets = emulator.clone();
        for pending in apart(move || resets.begin_reset()).await? {
            if !pending.done().await {
                return Err(ApiError::new(
                    ErrorCode::Internal,
                    "the reset could not be written to the file of bases",
                ));
            }
        }
    }
    emulator.reset_counters();
    emulator.shared.clock.reset();
    Ok(Json(json!({"reset": true, "data": wanted.data})))
}
