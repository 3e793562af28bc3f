//! Records: list, get, create, update, replace, delete; any number of rows.

use airtable_api::wire::{Deleted, Record, WriteRecords, Written};
use airtable_api::{BaseId, RecordId, TableKey, calls};
use axum::body::Body;
use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::extract::{ApiJson, ApiPath, ApiQuery};
use service_kit::{ApiError, ErrorCode};
use utoipa::IntoParams;

use super::ask::Ask;
use super::own::{How, Own, base_id, body_bytes};
use super::rows::{Purpose, Rows, ids_of_body};
use crate::call::{Call, Operation};
use crate::error::bad_name;

/// A page, or as many records as were asked for.
#[derive(Serialize)]
struct Listed {
    records: Vec<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<String>,
    /// Only when the listing is complete: how many records there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    /// Only together with `offset`: a list that ends because `max_records` is reached may have nothing to go on with.
    #[serde(rename = "hasMore")]
    has_more: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteForm {
    /// Convert strings as well as possible.
    #[serde(default)]
    typecast: bool,
}

type TablePath = ApiPath<(String, String)>;

/// One page of a table, or `max_records` records.
#[utoipa::path(
    get, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/records", tag = "records",
    params(
        ("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name"),
        ("view" = Option<String>, Query, description = "Id or name"),
        ("max_records" = Option<u64>, Query, description = "Read so many, however many pages that takes"),
        ("page_size" = Option<u32>, Query, description = "1 to 100"), ("offset" = Option<String>, Query),
        ("fields" = Option<Vec<String>>, Query, description = "Repeat for several"),
        ("filter_by_formula" = Option<String>, Query),
        ("sort" = Option<String>, Query, description = "`-Due,Name`"),
        ("sort_field" = Option<Vec<String>>, Query, description = "Repeat together with `sort_direction`"),
        ("sort_direction" = Option<Vec<String>>, Query, description = "`asc` or `desc`"),
    ),
    responses((status = 200, description = "`{records, offset, total, hasMore}`", body = Object)),
)]
pub(super) async fn list_records(
    own: Own,
    ApiPath((base, table)): TablePath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    list(own, &base, &table, Ask::of_query(&query.unwrap_or_default())?).await
}

/// The same with a JSON body, for long formulas and many fields.
#[utoipa::path(
    post, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/listRecords", tag = "records", request_body = Ask,
    params(("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name")),
    responses((status = 200, description = "`{records, offset, total, hasMore}`", body = Object)),
)]
pub(super) async fn list_records_by_body(
    own: Own,
    ApiPath((base, table)): TablePath,
    ApiJson(ask): ApiJson<Ask>,
) -> Result<Response, ApiError> {
    list(own, &base, &table, ask.checked()?).await
}

/// One record.
#[utoipa::path(
    get, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/records/{record_id}", tag = "records",
    params(("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name"),
        ("record_id" = String, Path, description = "`rec…`")),
    responses((status = 200, description = "`{id, createdTime, fields}`", body = Object), (status = 404, description = "There is none")),
)]
pub(super) async fn get_record(
    own: Own,
    ApiPath((base, table, record)): ApiPath<(String, String, String)>,
) -> Result<Response, ApiError> {
    let base = base_id(&base)?;
    let record = RecordId::parse(&record).map_err(|e| ApiError::new(ErrorCode::NotFound, e.to_string()))?;
    let wire = calls::get_record(&base, &table, &record).map_err(bad_name)?;
    let mut how = How::default();
    let call = Call { record: Some(record.into()), ..in_table(Operation::GetRecord, &base, &table) };
    let found = own.read(call, wire, &mut how).await.map_err(|error| match error.code() {
        // Airtable does not tell "not there" from "not for you"; the key's rights were checked before.
        ErrorCode::Forbidden if error.message().contains("MODEL_NOT_FOUND") => {
            ApiError::new(ErrorCode::NotFound, "there is no such record").caused_by(error)
        }
        _ => error,
    })?;
    own.json(StatusCode::OK, &found, how)
}

/// Creates records: an array of flat rows (answers 200), or `{records: [{fields}], typecast}` (answers 201). Any number.
#[utoipa::path(
    post, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/records", tag = "records", request_body = Vec<Object>,
    params(("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name"), WriteForm),
    responses((status = 200, description = "`{records}`", body = Object), (status = 201, description = "`{records}`", body = Object)),
)]
pub(super) async fn create_records(
    own: Own,
    ApiPath((base, table)): TablePath,
    form: ApiQuery<WriteForm>,
    body: Body,
) -> Result<Response, ApiError> {
    let rows = Rows::parse(&body_bytes(body).await?, Purpose::Create)?;
    let status = if rows.is_envelope { StatusCode::CREATED } else { StatusCode::OK };
    write(own, &base, &table, rows, form.0.typecast, Verb::Create, status).await
}

/// Changes the cells named: an array of `{id, …cells}` or `{id, fields}`, or Airtable's form, also with `performUpsert`.
#[utoipa::path(
    patch, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/records", tag = "records", request_body = Vec<Object>,
    params(("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name"), WriteForm),
    responses((status = 200, description = "`{records}`", body = Object), (status = 400, description = "A row has no id")),
)]
pub(super) async fn update_records(
    own: Own,
    ApiPath((base, table)): TablePath,
    form: ApiQuery<WriteForm>,
    body: Body,
) -> Result<Response, ApiError> {
    let rows = Rows::parse(&body_bytes(body).await?, Purpose::Update)?;
    write(own, &base, &table, rows, form.0.typecast, Verb::Update, StatusCode::OK).await
}

/// Like PATCH, but clears the cells that are not named.
#[utoipa::path(
    put, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/records", tag = "records", request_body = Vec<Object>,
    params(("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name"), WriteForm),
    responses((status = 200, description = "`{records}`", body = Object), (status = 400, description = "A row has no id")),
)]
pub(super) async fn replace_records(
    own: Own,
    ApiPath((base, table)): TablePath,
    form: ApiQuery<WriteForm>,
    body: Body,
) -> Result<Response, ApiError> {
    let rows = Rows::parse(&body_bytes(body).await?, Purpose::Update)?;
    write(own, &base, &table, rows, form.0.typecast, Verb::Replace, StatusCode::OK).await
}

/// Deletes records: `record_ids` in the query, repeated, or in a JSON body. Any number.
#[utoipa::path(
    delete, path = "/api/v1/airtable/bases/{base_id}/tables/{table}/records", tag = "records",
    params(("base_id" = String, Path, description = "`app…`"), ("table" = String, Path, description = "Id or name"),
        ("record_ids" = Option<Vec<String>>, Query, description = "Repeat for several")),
    responses((status = 200, description = "`{records: [{id, deleted}]}`", body = Object)),
)]
pub(super) async fn delete_records(
    own: Own,
    ApiPath((base, table)): TablePath,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    let base = base_id(&base)?;
    let mut ids: Vec<String> = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| matches!(&**name, "record_ids" | "record_ids[]"))
        .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let body = body_bytes(body).await?;
    if ids.is_empty() && !body.is_empty() {
        ids = ids_of_body(&body)?;
    }
    let ids: Vec<RecordId> = ids
        .iter()
        .map(|id| RecordId::parse(id))
        .collect::<Result<_, _>>()
        .map_err(|e| ApiError::new(ErrorCode::InvalidRequest, format!("record_ids: {e}")))?;
    if ids.is_empty() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "record_ids names no record"));
    }
    let mut how = How::default();
    let mut deleted: Vec<Deleted> = Vec::with_capacity(ids.len());
    let call = in_table(Operation::WriteRecords, &base, &table);
    for chunk in ids.chunks(calls::BATCH) {
        let wire = calls::delete_records(&base, &table, chunk).map_err(bad_name)?;
        match own.write(&call, wire, &mut how).await {
            Ok(answer) => deleted.extend(answer.records),
            Err(error) => {
                let done: Vec<_> = deleted.iter().map(|record| record.id.clone()).collect();
                return Err(partly(error, &done, chunk.len(), ids.len()));
            }
        }
    }
    own.json(StatusCode::OK, &json!({"records": deleted}), how)
}

#[derive(Clone, Copy)]
enum Verb {
    Create,
    Update,
    Replace,
}

async fn list(own: Own, base: &str, table: &str, ask: Ask) -> Result<Response, ApiError> {
    let base = base_id(base)?;
    let mut how = How::default();
    let mut wire = ask.wire();
    let page_size = u64::from(calls::PAGE);
    // Pages of equal size end with an offset to go on with. Where there are none, one record more than wanted shows
    // whether the list is complete, which costs no page more.
    let wanted = ask.max_records.map(|most| {
        let pages = most.div_ceil(page_size);
        (most, most % pages == 0, most / pages)
    });
    match wanted {
        None => wire.page_size = ask.page_size,
        Some((_, true, size)) => wire.page_size = u32::try_from(size).ok(),
        Some((most, false, _)) => wire.max_records = Some(most + 1),
    }
    let is_from_start = wire.offset.is_none();
    let mut records: Vec<Record> = Vec::new();
    loop {
        let call = calls::list_records(&base, table, &wire).map_err(bad_name)?;
        let page = own.read(in_table(Operation::ListRecords, &base, table), call, &mut how).await?;
        let is_empty = page.records.is_empty();
        records.extend(page.records);
        wire.offset = page.offset.filter(|offset| !offset.is_empty());
        let enough = wanted.is_none_or(|(most, equal, _)| equal && records.len() as u64 >= most);
        if enough || wire.offset.is_none() || is_empty {
            break;
        }
    }
    let has_more = wire.offset.is_some();
    let mut is_complete = !has_more;
    if let Some((most, ..)) = wanted {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        is_complete &= records.len() <= most;
        records.truncate(most);
    }
    let total = (is_from_start && is_complete).then_some(records.len());
    let listed = Listed { records, offset: wire.offset, total, has_more };
    own.json(StatusCode::OK, &listed, how)
}

async fn write(
    own: Own,
    base: &str,
    table: &str,
    rows: Rows,
    typecast: bool,
    verb: Verb,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let base = base_id(base)?;
    let typecast = typecast || rows.typecast;
    let Rows { rows, return_fields_by_field_id, upsert, .. } = &rows;
    let mut how = How::default();
    let mut written =
        Written { records: Vec::with_capacity(rows.len()), created_records: None, updated_records: None };
    let call = in_table(Operation::WriteRecords, &base, table);
    for chunk in rows.chunks(calls::BATCH) {
        let body = WriteRecords {
            records: chunk.to_vec(),
            typecast,
            return_fields_by_field_id: *return_fields_by_field_id,
            perform_upsert: upsert.clone(),
        };
        let wire = match verb {
            Verb::Create => calls::create_records(&base, table, &body),
            Verb::Update => calls::update_records(&base, table, &body, false),
            Verb::Replace => calls::update_records(&base, table, &body, true),
        };
        match own.write(&call, wire.map_err(bad_name)?, &mut how).await {
            Ok(answer) => {
                written.records.extend(answer.records);
                extend(&mut written.created_records, answer.created_records);
                extend(&mut written.updated_records, answer.updated_records);
            }
            Err(error) => {
                let done: Vec<_> = written.records.iter().map(|record| record.id.clone()).collect();
                return Err(partly(error, &done, chunk.len(), rows.len()));
            }
        }
    }
    own.json(status, &written, how)
}

fn extend(all: &mut Option<Vec<RecordId>>, some: Option<Vec<RecordId>>) {
    if let Some(some) = some {
        all.get_or_insert_default().extend(some);
    }
}

fn in_table(operation: Operation, base: &BaseId, table: &str) -> Call {
    Call {
        table: Some(TableKey::new(table)),
        is_safe: operation != Operation::WriteRecords,
        ..Call::about(operation, Some(base.clone()))
    }
}

/// An error that says what was done before it: nothing that was written is lost from sight, and no client takes the
/// answer for an invitation to send all of it again.
fn partly(error: ApiError, done: &[RecordId], failed: usize, all: usize) -> ApiError {
    if done.is_empty() {
        return error;
    }
    let status = error.code().status();
    let invites_repetition = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let code = if invites_repetition { ErrorCode::PartlyDone } else { error.code() };
    let (from, to) = (done.len(), done.len() + failed - 1);
    let message = format!(
        "{} ({} of {all} rows were written before; rows {from} to {to} failed; later ones were not tried)",
        error.message(),
        done.len()
    );
    let start = ApiError::new(code, message).retryable(false).caused_by(error);
    done.iter().enumerate().fold(start, |error, (at, id)| {
        error.field(format!("/records/{at}"), "written", format!("this row is record {id}"))
    })
}
