//! The rows of a write: the predecessor's flat maps, or Airtable's own form.

use airtable_api::RecordId;
use airtable_api::wire::{Cells, Row, Upsert};
use serde::Deserialize;
use serde_json::value::RawValue;
use service_kit::extract::from_json;
use service_kit::{ApiError, ErrorCode};

/// Rows to write, and how.
#[derive(Debug)]
pub(super) struct Rows {
    pub rows: Vec<Row>,
    pub typecast: bool,
    pub return_fields_by_field_id: bool,
    pub upsert: Option<Upsert>,
    /// Whether the body was in Airtable's form rather than an array.
    pub is_envelope: bool,
}

/// Airtable's form; a single `fields` is one row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    records: Option<Vec<Cells>>,
    fields: Option<Cells>,
    #[serde(default)]
    typecast: bool,
    #[serde(default, rename = "returnFieldsByFieldId", alias = "return_fields_by_field_id")]
    return_fields_by_field_id: bool,
    #[serde(default, rename = "performUpsert", alias = "perform_upsert")]
    upsert: Option<Upsert>,
}

/// What is done with the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Update,
}

impl Rows {
    /// Reads a body. 400 for an update without `id`, as it always was; 422 for other wrong content.
    pub(super) fn parse(body: &[u8], purpose: Purpose) -> Result<Self, ApiError> {
        let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let envelope = if is_array {
            let records = Some(from_json(body)?);
            Envelope {
                records,
                fields: None,
                typecast: false,
                return_fields_by_field_id: false,
                upsert: None,
            }
        } else {
            from_json(body)?
        };
        let Envelope { records, fields, typecast, return_fields_by_field_id, upsert } = envelope;
        let maps = match (records, fields) {
            (Some(records), None) => records,
            (None, Some(fields)) if purpose == Purpose::Create => {
                let rows = vec![Row { id: None, fields }];
                return Ok(Self { rows, typecast, return_fields_by_field_id, upsert, is_envelope: true });
            }
            _ => {
                return Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    "send an array of rows, or an object with `records`",
                ));
            }
        };
        let mut rows = Vec::with_capacity(maps.len());
        for (at, map) in maps.into_iter().enumerate() {
            rows.push(row(map, at, purpose, upsert.is_some(), !is_array)?);
        }
        Ok(Self { rows, typecast, return_fields_by_field_id, upsert, is_envelope: !is_array })
    }
}

fn row(
    mut map: Cells,
    at: usize,
    purpose: Purpose,
    is_upsert: bool,
    is_envelope: bool,
) -> Result<Row, ApiError> {
    let wrong = |code, name: &str, message: &str| {
        let place = format!("/records/{at}{name}");
        Err(ApiError::new(code, format!("row {at}: {message}")).field(place, "invalid", message))
    };
    let id = match (purpose, map.get("id")) {
        (Purpose::Create, _) => None,
        (Purpose::Update, Some(id)) => {
            let parsed = serde_json::from_str::<RecordId>(id.get()).ok();
            if parsed.is_none() {
                return wrong(ErrorCode::InvalidRequest, "/id", "`id` must be a record id, `rec…`");
            }
            map.shift_remove("id");
            parsed
        }
        (Purpose::Update, None) if is_upsert => None,
        (Purpose::Update, None) => {
            return wrong(ErrorCode::Malformed, "/id", "an update needs the record's `id`");
        }
    };
    // `fields` alone, holding an object, is Airtable's form; beside other names it is a field that is called so.
    let nested = match map.get("fields") {
        Some(fields) if map.len() == 1 => serde_json::from_str::<Cells>(fields.get()).ok(),
        _ => None,
    };
    match nested {
        Some(fields) => Ok(Row { id, fields }),
        None if is_envelope => wrong(ErrorCode::InvalidRequest, "/fields", "needs `fields`, an object"),
        None => Ok(Row { id, fields: map }),
    }
}

/// The ids of a delete's JSON body: `{"record_ids": […]}`, `{"records": […]}` or a bare array.
pub(super) fn ids_of_body(body: &[u8]) -> Result<Vec<String>, ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(alias = "records")]
        record_ids: Vec<String>,
    }
    let value: Box<RawValue> = from_json(body)?;
    if value.get().starts_with('[') {
        from_json(body)
    } else {
        from_json::<Body>(body).map(|body| body.record_ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str, purpose: Purpose) -> Result<Rows, ApiError> {
        Rows::parse(body.as_bytes(), purpose)
    }

    fn fields(rows: &Rows) -> String {
        let fields: Vec<_> = rows.rows.iter().map(|row| &row.fields).collect();
        serde_json::to_string(&fields).unwrap()
    }

    #[test]
    fn flat_rows_and_airtables_form_say_the_same() {
        for body in [
            r#"[{"Name":"a","N":1.50}]"#,
            r#"[{"fields":{"Name":"a","N":1.50}}]"#,
            r#" {"records":[{"fields":{"Name":"a","N":1.50}}]}"#,
            r#"{"fields":{"Name":"a","N":1.50}}"#,
        ] {
            assert_eq!(
                fields(&parse(body, Purpose::Create).unwrap()),
                r#"[{"Name":"a","N":1.50}]"#,
                "{body}"
            );
        }
        for body in [
            r#"[{"id":"recAAAAAAAAAAAAAA","Name":"a"}]"#,
            r#"[{"id":"recAAAAAAAAAAAAAA","fields":{"Name":"a"}}]"#,
            r#"{"records":[{"id":"recAAAAAAAAAAAAAA","fields":{"Name":"a"}}],"typecast":true}"#,
        ] {
            let rows = parse(body, Purpose::Update).unwrap();
            assert_eq!(fields(&rows), r#"[{"Name":"a"}]"#, "{body}");
            assert!(rows.rows[0].id.is_some());
        }
    }

    #[test]
    fn a_field_may_be_called_fields() {
        let rows = parse(r#"[{"fields":"x","Name":"a"}]"#, Purpose::Create).unwrap();
        assert_eq!(fields(&rows), r#"[{"fields":"x","Name":"a"}]"#);
    }

    #[test]
    fn an_update_names_its_records_unless_it_is_an_upsert() {
        assert_eq!(parse(r#"[{"Name":"a"}]"#, Purpose::Update).unwrap_err().code(), ErrorCode::Malformed);
        assert_eq!(parse(r#"[{"id":"x"}]"#, Purpose::Update).unwrap_err().code(), ErrorCode::InvalidRequest);
        let upsert = r#"{"records":[{"fields":{"Name":"a"}}],"performUpsert":{"fieldsToMergeOn":["Name"]}}"#;
        assert!(parse(upsert, Purpose::Update).unwrap().upsert.is_some());
    }

    #[test]
    fn wrong_bodies_are_told_from_wrong_rows() {
        assert_eq!(parse("{", Purpose::Create).unwrap_err().code(), ErrorCode::Malformed);
        for body in ["{}", "[1]", r#"{"records":[{"Name":"a"}]}"#, r#"{"records":[],"surprise":1}"#, "7"] {
            assert_eq!(parse(body, Purpose::Create).unwrap_err().code(), ErrorCode::InvalidRequest, "{body}");
        }
    }

    #[test]
    fn ids_to_delete_come_in_three_forms() {
        for body in [r#"["recA"]"#, r#"{"record_ids":["recA"]}"#, r#"{"records":["recA"]}"#] {
            assert_eq!(ids_of_body(body.as_bytes()).unwrap(), ["recA"], "{body}");
        }
    }
}
