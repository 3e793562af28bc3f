//! Cells as text, and as the structured results show them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::schema::{Field, Shape};

/// Names of records by their ids.
pub(crate) type Names = HashMap<String, String>;

/// What stands between the values of a cell that holds several.
const BETWEEN: &str = "; ";

/// A cell as a person would write it. `names` has those of linked records; an id without a name stays an id.
pub(crate) fn text(field: &Field, cell: &Value, names: &Names) -> String {
    match cell {
        Value::Array(items) => {
            items.iter().map(|item| text_of_one(field, item, names)).collect::<Vec<_>>().join(BETWEEN)
        }
        one => text_of_one(field, one, names),
    }
}

/// A cell as Airtable has it, except that linked records are `{id, name}`.
pub(crate) fn structured(field: &Field, cell: Value, names: &Names) -> Value {
    let with_name = |item: Value| match item.as_str() {
        Some(id) => match names.get(id) {
            Some(name) => json!({"id": id, "name": name}),
            None => json!({"id": id}),
        },
        None => item,
    };
    match (&field.shape, cell) {
        (Shape::Links { .. }, Value::Array(items)) => items.into_iter().map(with_name).collect(),
        (_, cell) => cell,
    }
}

/// The ids of linked records in a cell.
pub(crate) fn linked_ids<'c>(field: &Field, cell: &'c Value) -> impl Iterator<Item = &'c str> {
    let items = match (&field.shape, cell) {
        (Shape::Links { .. }, Value::Array(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter().filter_map(Value::as_str)
}

fn text_of_one(field: &Field, value: &Value, names: &Names) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => match &field.shape {
            Shape::Links { .. } => names.get(text).unwrap_or(text).clone(),
            _ => text.clone(),
        },
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Object(members) => text_of_object(members),
        Value::Array(_) => value.to_string(),
    }
}

/// People, files, barcodes, buttons, AI texts and computed errors, told by what they have.
fn text_of_object(members: &Map<String, Value>) -> String {
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(error) = text("error") {
        return error.to_owned();
    }
    // `filename` before `url`, `name` before `email`: what a person calls it.
    for name in ["specialValue", "filename", "name", "email", "text", "label", "value", "url", "id"] {
        if let Some(text) = text(name) {
            return text.to_owned();
        }
    }
    match members.get("state") {
        Some(_) => String::new(), // an AI text that is not there yet
        None => Value::Object(members.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str, options: Value) -> Field {
        let table = json!({"tables": [{"id": "tblAAAAAAAAAAAAAA", "name": "T", "primaryFieldId": "f", "views": [],
            "fields": [{"id": "f", "name": "F", "type": kind, "options": options}]}]});
        let schema = serde_json::from_value(table).unwrap();
        crate::schema::BaseSchema::new(schema).tables[0].fields[0].clone()
    }

    #[track_caller]
    fn check(kind: &str, cell: Value, expected: &str) {
        let names = Names::from([("recA".to_owned(), "Ada".to_owned())]);
        assert_eq!(text(&field(kind, Value::Null), &cell, &names), expected, "{kind} {cell}");
    }

    #[test]
    fn cells_read_as_a_person_would_write_them() {
        check("singleLineText", json!("a"), "a");
        check("number", json!(12.5), "12.5");
        check("number", json!(0), "0");
        check("checkbox", json!(true), "true");
        check("multipleSelects", json!(["a", "b"]), "a; b");
        check("multipleRecordLinks", json!(["recA", "recB"]), "Ada; recB");
        check("singleCollaborator", json!({"id": "usr1", "email": "a@b.c", "name": "Ada"}), "Ada");
        check(
            "multipleAttachments",
            json!([{"id": "att1", "url": "https://x/y", "filename": "y.png"}]),
            "y.png",
        );
        check("barcode", json!({"text": "123", "type": null}), "123");
        check("formula", json!({"error": "#ERROR!"}), "#ERROR!");
        check("formula", json!({"specialValue": "NaN"}), "NaN");
        check("aiText", json!({"state": "empty", "isStale": true, "value": null}), "");
    }

    #[test]
    fn linked_records_have_id_and_name_and_all_else_is_as_airtable_has_it() {
        let names = Names::from([("recA".to_owned(), "Ada".to_owned())]);
        let links = field("multipleRecordLinks", json!({"linkedTableId": "tblB"}));
        assert_eq!(
            structured(&links, json!(["recA", "recB"]), &names),
            json!([{"id": "recA", "name": "Ada"}, {"id": "recB"}])
        );
        let text = field("singleLineText", Value::Null);
        assert_eq!(structured(&text, json!("recA"), &names), json!("recA"));
    }
}
