//! Bases and their schema.

use airtable_api::calls;
use airtable_api::wire::Base;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::extract::{ApiPath, ApiQuery};
use service_kit::{ApiError, ErrorCode};
use utoipa::IntoParams;

use super::own::{How, Own, base_id};
use crate::call::{Call, Operation};
use crate::error::bad_name;

/// Pages of a thousand bases; nobody has more.
const MOST_PAGES: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BasesForm {
    /// `true`: an object with `bases` and `total` instead of a bare array.
    #[serde(default)]
    envelope: bool,
}

/// A table, as listed.
#[derive(Serialize)]
struct TableLine {
    id: String,
    name: String,
    #[serde(rename = "recordCount")]
    record_count: Option<u64>,
    /// Why there is no count.
    #[serde(rename = "recordCountReason")]
    record_count_reason: &'static str,
}

/// All bases that the key may reach.
#[utoipa::path(
    get, path = "/api/v1/airtable/bases", tag = "bases", params(BasesForm),
    responses((status = 200, description = "Array of `{id, name, permissionLevel}`, or the envelope", body = Vec<Object>)),
)]
pub(super) async fn list_bases(own: Own, form: ApiQuery<BasesForm>) -> Result<Response, ApiError> {
    let mut how = How::default();
    let mut bases: Vec<Base> = Vec::new();
    let mut offset: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let wire = calls::list_bases(offset.as_deref()).map_err(bad_name)?;
        let page = own.read(Call::about(Operation::ListBases, None), wire, &mut how).await?;
        bases.extend(page.bases.into_iter().filter(|base| own.principal.may_reach(base.id.as_str())));
        offset = page.offset.filter(|offset| !offset.is_empty());
        if offset.is_none() {
            break;
        }
    }
    if offset.is_some() {
        return Err(ApiError::new(ErrorCode::UpstreamInvalid, "Airtable's list of bases does not end"));
    }
    if form.0.envelope {
        own.json(StatusCode::OK, &json!({"total": bases.len(), "bases": bases}), how)
    } else {
        own.json(StatusCode::OK, &bases, how)
    }
}

/// Tables, fields and views of a base.
#[utoipa::path(
    get, path = "/api/v1/airtable/bases/{base_id}/schema", tag = "bases", params(("base_id" = String, Path, description = "`app…`")),
    responses((status = 200, description = "`{tables, total}`, each table with all field options", body = Object)),
)]
pub(super) async fn get_schema(own: Own, ApiPath(base): ApiPath<String>) -> Result<Response, ApiError> {
    let mut how = How::default();
    let schema = schema(&own, &base, &mut how).await?;
    own.json(StatusCode::OK, &json!({"total": schema.tables.len(), "tables": schema.tables}), how)
}

/// The tables of a base. `recordCount` is null: Airtable tells no counts, and counting would read every record.
#[utoipa::path(
    get, path = "/api/v1/airtable/bases/{base_id}/tables", tag = "bases", params(("base_id" = String, Path, description = "`app…`")),
    responses((status = 200, description = "`{tables: [{id, name, recordCount}], total}`", body = Object)),
)]
pub(super) async fn list_tables(own: Own, ApiPath(base): ApiPath<String>) -> Result<Response, ApiError> {
    let mut how = How::default();
    let schema = schema(&own, &base, &mut how).await?;
    let tables: Vec<TableLine> = schema
        .tables
        .into_iter()
        .map(|table| TableLine {
            id: table.id.into(),
            name: table.name,
            record_count: None,
            record_count_reason: "Airtable's API tells no record counts",
        })
        .collect();
    own.json(StatusCode::OK, &json!({"total": tables.len(), "tables": tables}), how)
}

async fn schema(own: &Own, base: &str, how: &mut How) -> Result<airtable_api::wire::Schema, ApiError> {
    let base = base_id(base)?;
    let wire = calls::base_schema(&base).map_err(bad_name)?;
    own.read(Call::about(Operation::Schema, Some(base)), wire, how).await
}
