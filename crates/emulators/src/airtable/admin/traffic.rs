//! What has come in: counters and the request log.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use crate::airtable::emulator::{Emulator, lock};
use crate::airtable::limits::Counters;

/// Entries of the request log in one answer.
const MAX_ENTRIES: usize = 10_000;

/// Requests and violations of each base and user since the last reset
#[utoipa::path(get, path = "/__emulator/counters", tag = "emulator", responses(
    (status = 200, description = "`violations` went over a limit, `refused` were answered 429 (the violations included)",
     content_type = "application/json")
))]
pub(super) async fn read_counters(State(emulator): State<Emulator>) -> Json<Value> {
    let shown = |counters: Counters| json!({"requests": counters.requests, "violations": counters.violations, "refused": counters.refused});
    let mut bases = Map::new();
    for (id, name, counters) in emulator.base_counters() {
        let mut entry = shown(counters);
        entry["name"] = name.into();
        bases.insert(id.to_string(), entry);
    }
    let mut users = Map::new();
    let world = emulator.shared.world();
    let limiter = lock(&emulator.shared.limiter);
    for (position, user) in world.users.0.iter().enumerate() {
        users.insert(user.id.clone(), shown(limiter.user_counters(position)));
    }
    let mut workspaces = Map::new();
    for (id, requests, refused) in limiter.workspaces() {
        workspaces.insert(id.to_owned(), json!({"requestsThisMonth": requests, "refusedThisMonth": refused}));
    }
    Json(json!({"bases": bases, "users": users, "workspaces": workspaces}))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// Only requests after this sequence number
    #[serde(default)]
    since: u64,
}

/// The last requests, in order of arrival, their targets byte for byte as received
#[utoipa::path(get, path = "/__emulator/requests", tag = "emulator", params(Since), responses(
    (status = 200, description = "At most 10,000 a call, the oldest first; `dropped` had to make room before",
     content_type = "application/json")
))]
pub(super) async fn list_requests(
    State(emulator): State<Emulator>,
    Query(range): Query<Since>,
) -> Json<Value> {
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
