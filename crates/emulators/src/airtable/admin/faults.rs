//! The faults in force.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use service_kit::{ApiError, ErrorCode};

use super::object;
use crate::airtable::emulator::{Emulator, lock};
use crate::airtable::faults::{Faults, InForce};

/// The faults in force
#[utoipa::path(get, path = "/__emulator/faults", tag = "emulator", responses((status = 200, body = Faults)))]
pub(super) async fn read_faults(State(emulator): State<Emulator>) -> Json<Faults> {
    Json(lock(&emulator.shared.faults).faults.clone())
}

/// Replaces the faults; what is left out is no fault. A reset ends them all
#[utoipa::path(put, path = "/__emulator/faults", tag = "emulator", request_body = Faults, responses(
    (status = 200, body = Faults), (status = 422, description = "Not such faults")
))]
pub(super) async fn change_faults(
    State(emulator): State<Emulator>,
    body: Bytes,
) -> Result<Json<Faults>, ApiError> {
    let faults: Faults = object(&body)?;
    if let Some(problem) = faults.problem() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, problem));
    }
    *lock(&emulator.shared.faults) = InForce::new(faults.clone(), emulator.shared.clock.instant());
    Ok(Json(faults))
}
