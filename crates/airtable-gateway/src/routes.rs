//! Our own dialect, `/api/v1/airtable/**`, and the table of all routes with their rules.

mod ask;
mod bases;
mod cache;
mod own;
mod records;
mod rows;
mod status;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::HeaderName;
use service_kit::auth::{Authenticator, Scope};
use service_kit::routes::{Built, Routes, Rule};
use service_kit::{ApiError, ErrorCode};
use utoipa_axum::routes;

use crate::dropin;
use crate::state::AppState;

/// What the predecessor's services sent between each other.
const X_INTERNAL_API_KEY: HeaderName = HeaderName::from_static("x-internal-api-key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// All routes of our own, each with its rule.
pub(crate) fn own(authenticator: Authenticator) -> Built<AppState> {
    let read = Rule::Scope(Scope::RecordsRead);
    let write = Rule::Scope(Scope::RecordsWrite);
    let schema = Rule::Scope(Scope::SchemaRead);
    Routes::new(authenticator)
        .documented(schema, routes!(bases::list_bases))
        .documented(schema, routes!(bases::get_schema))
        .documented(schema, routes!(bases::list_tables))
        .documented(read, routes!(records::list_records))
        .documented(read, routes!(records::list_records_by_body))
        .documented(read, routes!(records::get_record))
        .documented(write, routes!(records::create_records))
        .documented(write, routes!(records::update_records, records::replace_records))
        .documented(write, routes!(records::delete_records))
        .documented(write, routes!(cache::invalidate))
        .documented(Rule::AnyPrincipal, routes!(status::test))
        .documented(Rule::AnyPrincipal, routes!(status::status))
        .documented(Rule::AnyPrincipal, routes!(status::stats))
        .finish()
}

/// Sends `/v0` to Airtable's dialect, whose paths are not split by a router: it would decode them.
pub(crate) fn with_drop_in(own: Router<AppState>) -> Router<AppState> {
    own.fallback(async |state: axum::extract::State<AppState>, request: Request| -> Response {
        let path = request.uri().path();
        if path == "/v0" || path.starts_with("/v0/") {
            dropin::handle(state, request).await
        } else {
            ApiError::new(ErrorCode::NoSuchRoute, "there is no such route").into_response()
        }
    })
}

/// Lets `X-Internal-API-Key` stand for `X-API-Key`.
pub(crate) async fn accept_old_key_header(mut request: Request) -> Request {
    let headers = request.headers_mut();
    if !headers.contains_key(X_API_KEY)
        && let Some(key) = headers.remove(X_INTERNAL_API_KEY)
    {
        headers.insert(X_API_KEY, key);
    }
    request
}
