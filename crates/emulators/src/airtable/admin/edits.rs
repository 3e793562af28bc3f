//! Changes that nobody makes over Airtable's API: those of a person in Airtable's own interface.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{ApiError, ErrorCode};
use utoipa::ToSchema;

use super::object;
use crate::airtable::emulator::Emulator;

/// Calls to be carried out as edits
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edits {
    /// Who makes them, by id or e-mail address; the first user if left out
    #[serde(default)]
    user: Option<String>,
    /// In order; one that is refused does not keep the others from being tried
    edits: Vec<Edit>,
}

/// One call of Airtable's API
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// Such as PATCH
    method: String,
    /// Path and query, such as /v0/appPyAirtableDemo/Tasks
    path: String,
    /// For calls that have one
    #[serde(default)]
    body: Option<Value>,
}

/// Carries out calls of Airtable's API as changes that a person makes in Airtable's own interface: with all rights, past all
/// rates and faults, in no counter and no log; webhooks are told that they come from `client`
#[utoipa::path(post, path = "/__emulator/edits", tag = "emulator", request_body = Edits, responses(
    (status = 200, description = "`answers`, each with the `status` and `body` of one call", body = Object),
    (status = 422, description = "Not such edits")
))]
pub(super) async fn make_edits(
    State(emulator): State<Emulator>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let invalid = |reason: String| ApiError::new(ErrorCode::InvalidRequest, reason);
    let wanted: Edits = object(&body)?;
    let user = wanted.user.as_ref().map(|named| {
        let users = &emulator.shared.world().users;
        let found = users.by_id(named).or_else(|| users.by_email(named));
        let id = found.and_then(|user| Some(users.get(user)?.id.clone()));
        id.ok_or_else(|| invalid(format!("there is no user \"{named}\"")))
    });
    let user = user.transpose()?;
    let mut requests = Vec::with_capacity(wanted.edits.len());
    for Edit { method, path, body } in wanted.edits {
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| invalid("a method is a word such as PATCH".to_owned()))?;
        let mut request = Request::builder().method(method).uri(&path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        requests.push(request.body(Body::from(body)).map_err(|_| invalid(format!("{path} is no path")))?);
    }
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let response = emulator.shared.edit(request, user.clone()).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        answers.push(json!({"status": status, "body": body}));
    }
    Ok(Json(json!({"answers": answers})))
}
