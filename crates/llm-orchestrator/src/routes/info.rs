//! What this service is.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::state::AppState;

/// Name, version, model and abilities; holds no ids.
#[utoipa::path(
    get, path = "/api/v1/info", tag = "chat",
    responses((status = 200, description = "`{service, version, port, model, features}`", body = Object)),
)]
pub(super) async fn info(State(app): State<AppState>) -> Json<Value> {
    Json(json!({
        "service": crate::SERVICE,
        "version": env!("CARGO_PKG_VERSION"),
        "port": app.settings.listen.port(),
        "model": app.models.default(),
        "emulated": app.settings.emulated,
        "features": {
            "streaming": true, "tools": true, "sessions": true, "approvals": true, "token_counting": true,
            "cost_tracking": true, "openai_compatible": "/v1",
        },
    }))
}
