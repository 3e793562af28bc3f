//! How the gateway is doing, and whether Airtable answers.

use airtable_api::calls;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use service_kit::ApiError;

use super::own::{How, Own};
use crate::call::{Call, Operation};
use crate::directives::Directives;
use crate::error::bad_name;

/// Asks Airtable, now and really, whose token it is.
#[utoipa::path(
    get, path = "/api/v1/airtable/test", tag = "status",
    responses((status = 200, description = "`{status, message}`: Airtable answers and accepts the token", body = Object)),
)]
pub(super) async fn test(mut own: Own) -> Result<Response, ApiError> {
    own.directives = Directives { no_cache: true, no_store: true, ..Directives::default() };
    let started = std::time::Instant::now();
    let mut how = How::default();
    own.read(Call::about(Operation::WhoAmI, None), calls::who_am_i().map_err(bad_name)?, &mut how).await?;
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let body = json!({
        "status": "success",
        "message": "Airtable answers and accepts the gateway's token",
        "latency_ms": latency_ms,
    });
    own.json(StatusCode::OK, &body, how)
}

/// What the gateway is doing at the moment.
#[utoipa::path(
    get, path = "/api/v1/airtable/status", tag = "status",
    responses((status = 200, description = "Queues, pauses, open circuits, cache", body = Object)),
)]
pub(super) async fn status(own: Own) -> Result<Response, ApiError> {
    let (interactive, background, paused) = own.app.upstream.pacing().waiting();
    let open = own.app.upstream.open_circuits();
    let usage = own.app.reads.usage();
    let body = json!({
        "status": if paused + open == 0 { "healthy" } else { "degraded" },
        "service": crate::SERVICE,
        "version": env!("CARGO_PKG_VERSION"),
        "pacing": {"waiting_interactive": interactive, "waiting_background": background, "paused_lanes": paused},
        "circuits": {"open": open},
        "cache": {"entries": usage.entries, "bytes": usage.bytes, "max_bytes": usage.max_bytes},
    });
    own.json(StatusCode::OK, &body, How::default())
}

/// What the gateway did since it started.
#[utoipa::path(
    get, path = "/api/v1/airtable/stats", tag = "status",
    responses((status = 200, body = crate::stats::StatsReport)),
)]
pub(super) async fn stats(own: Own) -> Result<Response, ApiError> {
    own.json(StatusCode::OK, &own.app.stats.report(), How::default())
}
