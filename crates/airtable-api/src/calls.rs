//! The calls we make ourselves, as values: method, target, body, and the type that answers it. Sending is somebody
//! else's business ([`crate::AirtableClient::call`], or a pipeline with a cache and pacing in it).

use std::marker::PhantomData;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::{
    BasePage, DeletedRecords, ListRecords, Record, RecordPage, Schema, WhoAmI, WriteRecords, Written,
};
use crate::{BaseId, InvalidTarget, RecordId, Target, TargetBuilder};

/// Airtable refuses URLs of this length and more.
///
/// Source: <https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests>
pub const URL_LIMIT: usize = 16_000;

/// Most rows that one write may carry.
pub const BATCH: usize = 10;

/// Most records on a page.
pub const PAGE: u32 = 100;

/// One call; `T` is what a success answers.
#[derive(Debug, Clone)]
pub struct Call<T> {
    /// The HTTP method.
    pub method: Method,
    /// Path and query.
    pub target: Target,
    /// A JSON body, if the call has one.
    pub body: Option<Bytes>,
    answer: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Call<T> {
    fn new(method: Method, target: Target, body: Option<Bytes>) -> Self {
        Self { method, target, body, answer: PhantomData }
    }

    /// Reads the body of a successful answer.
    pub fn parse(&self, body: &[u8]) -> Result<T, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

fn json(value: &impl Serialize) -> Option<Bytes> {
    Some(Bytes::from(serde_json::to_vec(value).expect("wire types always serialise")))
}

/// Lists records: by GET, or by POST when the URL would be too long. `table` is an id or a name.
///
/// Sources: <https://airtable.com/developers/web/api/list-records>, and [`URL_LIMIT`].
pub fn list_records(
    base: &BaseId,
    table: &str,
    ask: &ListRecords,
) -> Result<Call<RecordPage>, InvalidTarget> {
    let mut url = TargetBuilder::v0([base.as_str(), table])
        .optional("view", ask.view.as_deref())
        .optional("filterByFormula", ask.filter_by_formula.as_deref())
        .optional("maxRecords", ask.max_records.map(|n| n.to_string()).as_deref())
        .optional("pageSize", ask.page_size.map(|n| n.to_string()).as_deref());
    for field in &ask.fields {
        url = url.pair("fields[]", field);
    }
    for (at, key) in ask.sort.iter().enumerate() {
        url = url.pair(&format!("sort[{at}][field]"), &key.field);
        if let Some(direction) = key.direction {
            let name = if direction == crate::wire::Direction::Desc { "desc" } else { "asc" };
            url = url.pair(&format!("sort[{at}][direction]"), name);
        }
    }
    if ask.return_fields_by_field_id {
        url = url.pair("returnFieldsByFieldId", "true");
    }
    let target = url.optional("offset", ask.offset.as_deref()).build();
    match target {
        // The origin counts as well; 300 bytes are more than any has.
        Ok(target) if target.as_str().len() + 300 < URL_LIMIT => Ok(Call::new(Method::GET, target, None)),
        Ok(_) | Err(InvalidTarget::NotAPath) => {
            let target = TargetBuilder::v0([base.as_str(), table, "listRecords"]).build()?;
            Ok(Call::new(Method::POST, target, json(ask)))
        }
        Err(problem) => Err(problem),
    }
}

/// Reads one record. Source: <https://airtable.com/developers/web/api/get-record>
pub fn get_record(base: &BaseId, table: &str, record: &RecordId) -> Result<Call<Record>, InvalidTarget> {
    let target = TargetBuilder::v0([base.as_str(), table, record.as_str()]).build()?;
    Ok(Call::new(Method::GET, target, None))
}

/// Creates at most [`BATCH`] records. Source: <https://airtable.com/developers/web/api/create-records>
pub fn create_records(
    base: &BaseId,
    table: &str,
    rows: &WriteRecords,
) -> Result<Call<Written>, InvalidTarget> {
    write_records(Method::POST, base, table, rows)
}

/// Changes the cells named, or with `replace` clears all others, in at most [`BATCH`] records.
/// Source: <https://airtable.com/developers/web/api/update-multiple-records>
pub fn update_records(
    base: &BaseId,
    table: &str,
    rows: &WriteRecords,
    replace: bool,
) -> Result<Call<Written>, InvalidTarget> {
    write_records(if replace { Method::PUT } else { Method::PATCH }, base, table, rows)
}

fn write_records(
    method: Method,
    base: &BaseId,
    table: &str,
    rows: &WriteRecords,
) -> Result<Call<Written>, InvalidTarget> {
    Ok(Call::new(method, TargetBuilder::v0([base.as_str(), table]).build()?, json(rows)))
}

/// Deletes at most [`BATCH`] records. Source: <https://airtable.com/developers/web/api/delete-multiple-records>
pub fn delete_records(
    base: &BaseId,
    table: &str,
    records: &[RecordId],
) -> Result<Call<DeletedRecords>, InvalidTarget> {
    let url = TargetBuilder::v0([base.as_str(), table]);
    let url = records.iter().fold(url, |url, id| url.pair("records[]", id.as_str()));
    Ok(Call::new(Method::DELETE, url.build()?, None))
}

/// Lists the bases that the token can see. Source: <https://airtable.com/developers/web/api/list-bases>
pub fn list_bases(offset: Option<&str>) -> Result<Call<BasePage>, InvalidTarget> {
    let target = TargetBuilder::v0(["meta", "bases"]).optional("offset", offset).build()?;
    Ok(Call::new(Method::GET, target, None))
}

/// Reads tables, fields and views of a base. Source: <https://airtable.com/developers/web/api/get-base-schema>
pub fn base_schema(base: &BaseId) -> Result<Call<Schema>, InvalidTarget> {
    let target = TargetBuilder::v0(["meta", "bases", base.as_str(), "tables"]).build()?;
    Ok(Call::new(Method::GET, target, None))
}

/// Whose token it is. Source: <https://airtable.com/developers/web/api/get-user-id-scopes>
pub fn who_am_i() -> Result<Call<WhoAmI>, InvalidTarget> {
    Ok(Call::new(Method::GET, TargetBuilder::v0(["meta", "whoami"]).build()?, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Direction, SortKey};

    fn base() -> BaseId {
        BaseId::parse("appABCDEFGHIJKLMN").unwrap()
    }

    #[test]
    fn a_listing_is_written_as_airtable_documents_it() {
        let ask = ListRecords {
            view: Some("All tasks".into()),
            fields: vec!["Name".into(), "Due?".into()],
            sort: vec![SortKey { field: "Due?".into(), direction: Some(Direction::Desc) }],
            page_size: Some(100),
            ..ListRecords::default()
        };
        let call = list_records(&base(), "Ta/sks", &ask).unwrap();
        assert_eq!(call.method, Method::GET);
        assert_eq!(
            call.target.as_str(),
            "/v0/appABCDEFGHIJKLMN/Ta%2Fsks?view=All+tasks&pageSize=100&fields%5B%5D=Name&fields%5B%5D=Due%3F\
             &sort%5B0%5D%5Bfield%5D=Due%3F&sort%5B0%5D%5Bdirection%5D=desc"
        );
    }

    #[test]
    fn a_listing_too_long_for_a_url_goes_by_post() {
        let ask = ListRecords { filter_by_formula: Some("x".repeat(15_900)), ..ListRecords::default() };
        let call = list_records(&base(), "T", &ask).unwrap();
        assert_eq!(call.method, Method::POST);
        assert_eq!(call.target.as_str(), "/v0/appABCDEFGHIJKLMN/T/listRecords");
        let huge = ListRecords { filter_by_formula: Some("x".repeat(90_000)), ..ListRecords::default() };
        assert_eq!(list_records(&base(), "T", &huge).unwrap().method, Method::POST);
    }
}
