//! Airtable's JSON, and nothing else. Cells stay raw JSON, so that numbers and unknown shapes pass unchanged; unknown
//! keys in answers are ignored, as Airtable asks its clients to do.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{BaseId, RecordId, TableId};

/// Cells by field name or id, in the order in which they came.
pub type Cells = IndexMap<String, Box<RawValue>>;

/// A record. Empty cells are left out by Airtable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `rec…`
    pub id: RecordId,
    /// UTC, RFC 3339 with milliseconds.
    pub created_time: String,
    /// The cells that are not empty.
    pub fields: Cells,
    /// Only in listings that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_count: Option<u64>,
}

/// One page of a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordPage {
    /// At most a hundred.
    pub records: Vec<Record>,
    /// Asks for the next page; missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
}

/// What a listing asks for; `None` and empty mean Airtable's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRecords {
    /// Name or id of a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Names or ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// First key first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sort: Vec<SortKey>,
    /// Keeps the records for which it is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_by_formula: Option<String>,
    /// Over all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_records: Option<u64>,
    /// 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Keys `fields` of the answer by id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub return_fields_by_field_id: bool,
}

/// One key of a sorted listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// Name or id.
    pub field: String,
    /// Ascending if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smallest first, empty cells before all.
    Asc,
    /// Largest first, empty cells last.
    Desc,
}

/// At most ten rows to create, update or replace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteRecords {
    /// Rows to create have no id; rows to update have one, except in an upsert.
    pub records: Vec<Row>,
    /// Convert strings as well as possible, creating choices and linked records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub typecast: bool,
    /// Keys `fields` of the answer by id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub return_fields_by_field_id: bool,
    /// Match rows without id by these fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perform_upsert: Option<Upsert>,
}

/// One row of a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Which record; missing for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RecordId>,
    /// Cells to set; `null` clears.
    pub fields: Cells,
}

/// How an upsert finds its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upsert {
    /// One to three names or ids.
    pub fields_to_merge_on: Vec<String>,
}

/// What a batch write answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// In the order of the request.
    pub records: Vec<Record>,
    /// Upserts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_records: Option<Vec<RecordId>>,
    /// Upserts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_records: Option<Vec<RecordId>>,
}

/// One deleted record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Which.
    pub id: RecordId,
    /// Always true.
    pub deleted: bool,
}

/// What a batch delete answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedRecords {
    /// In the order of the request.
    pub records: Vec<Deleted>,
}

/// One page of the list of bases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasePage {
    /// At most a thousand.
    pub bases: Vec<Base>,
    /// Asks for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
}

/// A base, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// `app…`
    pub id: BaseId,
    /// For people.
    pub name: String,
    /// `none`, `read`, `comment`, `edit` or `create`.
    pub permission_level: String,
}

/// The schema of a base.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Schema {
    /// In the order of the base.
    pub tables: Vec<Table>,
}

/// A table's schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// `tbl…`
    pub id: TableId,
    /// Unique within the base, ignoring case.
    pub name: String,
    /// The field that names a record.
    pub primary_field_id: String,
    /// In the order of the table.
    pub fields: Vec<Field>,
    /// In the order of the table.
    pub views: Vec<View>,
    /// Missing when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A field's schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Field {
    /// `fld…`
    pub id: String,
    /// Unique within the table, ignoring case.
    pub name: String,
    /// Such as `singleLineText`; new types appear without notice.
    #[serde(rename = "type")]
    pub kind: String,
    /// Missing when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Missing for types without options; the shape depends on the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Box<RawValue>>,
}

/// A view's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// `viw…`
    pub id: String,
    /// Unique within the table.
    pub name: String,
    /// `grid`, `form`, `calendar`, `gallery`, `kanban`, `timeline` or `block`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    /// `usr…`
    pub id: String,
    /// Only with the scope for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Only for OAuth tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_pass_through_with_their_order_and_their_numbers() {
        let text = r##"{"id":"recABCDEFGHIJKLMN","createdTime":"2026-01-01T00:00:00.000Z","fields":{"z":1.10,"a":12345678901234567890123,"m":{"error":"#ERROR!"}}}"##;
        let record: Record = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
    }

    #[test]
    fn an_unknown_field_type_and_unknown_keys_are_tolerated() {
        let text = r#"{"tables":[{"id":"tblABCDEFGHIJKLMN","name":"T","primaryFieldId":"fld1","fields":[{"id":"fld1","name":"F","type":"hologram","options":null,"new":1}],"views":[],"dateDependencySettings":{}}]}"#;
        let schema: Schema = serde_json::from_str(text).unwrap();
        assert_eq!(schema.tables[0].fields[0].kind, "hologram");
    }
}
