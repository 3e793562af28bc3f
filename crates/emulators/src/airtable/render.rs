//! Records as the API gives them: JSON cells, or display strings.

use std::collections::BTreeMap;

use airtable_formula::Value as FormulaValue;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::computed::{Eval, last_modified};
use super::fields::{attachment, barcode, date, number, people, text};
use super::model::{Choice, Field, Kind, ResultFormat};
use super::rows::Record;

/// How cells are given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rendering {
    /// Keys of `fields` are field ids, not names.
    pub(crate) by_field_id: bool,
    /// `cellFormat=string`; `None` is JSON.
    pub(crate) strings: Option<StringFormat>,
    /// Positions of the fields that were asked for; `None` is all.
    pub(crate) fields: Option<Vec<usize>>,
    /// Links are objects (`includeDateDependencyMetadata`).
    pub(crate) link_objects: bool,
}

/// `timeZone` and `userLocale`.
#[derive(Debug, Clone)]
pub(crate) struct StringFormat {
    pub(crate) zone: TimeZone,
    pub(crate) locale: String,
}

/// A record object: `{"id","createdTime","fields"}`, empty cells left out.
pub(crate) fn record(eval: &Eval<'_>, table: usize, slot: u32, rendering: &Rendering) -> Option<Value> {
    let record = eval.base.tables[table].rows.get(slot)?;
    let fields = &eval.base.tables[table].fields;
    let mut cells = Map::new();
    let mut add = |index: usize| {
        let field = &fields[index];
        let value = match &rendering.strings {
            Some(format) => string(eval, table, slot, record, index, format).map(Value::String),
            None => cell(eval, table, slot, record, index),
        };
        if let Some(mut value) = value {
            if rendering.link_objects && matches!(field.kind, Kind::Links(_)) {
                value = as_objects(value);
            }
            let key = if rendering.by_field_id { field.id.to_string() } else { field.name.clone() };
            cells.insert(key, value);
        }
    };
    match &rendering.fields {
        Some(wanted) => wanted.iter().for_each(|&index| add(index)),
        None => (0..fields.len()).for_each(add),
    }
    let mut object = Map::new();
    object.insert("id".to_owned(), Value::String(record.id.to_string()));
    object.insert("createdTime".to_owned(), Value::String(date::iso(record.created)));
    object.insert("fields".to_owned(), Value::Object(cells));
    Some(Value::Object(object))
}

fn as_objects(links: Value) -> Value {
    match links {
        Value::Array(ids) => ids.into_iter().map(|id| json!({"id": id})).collect(),
        other => other,
    }
}

/// A cell as JSON; `None` if it is empty.
fn cell(eval: &Eval<'_>, table: usize, slot: u32, record: &Record, index: usize) -> Option<Value> {
    let field = &eval.base.tables[table].fields[index];
    match &field.kind {
        Kind::Formula(formula) if !formula.as_seeded => {
            formula_json(&eval.value(table, slot, index), &formula.format)
        }
        Kind::Rollup(rollup) if rollup.compiled.is_some() || rollup.is_broken => {
            formula_json(&eval.value(table, slot, index), &rollup.format)
        }
        Kind::Lookup { link, target, valid } => {
            let linked = eval.base.tables[table].fields[*link].kind.link()?.table;
            let mut values = Vec::new();
            for &linked_slot in record.cell(*link).links().iter().filter(|_| *valid) {
                let Some(record) = eval.base.tables[linked].rows.get(linked_slot) else { continue };
                match cell(eval, linked, linked_slot, record, *target) {
                    Some(Value::Array(items)) => values.extend(items),
                    Some(value) => values.push(value),
                    None => {}
                }
            }
            (!values.is_empty()).then_some(Value::Array(values))
        }
        Kind::Count { link } => link.map(|link| record.cell(link).links().len().into()),
        Kind::AutoNumber => Some(record.number.into()),
        Kind::CreatedTime(format) => Some(time_json(record.created, format)),
        Kind::LastModifiedTime { fields, format } => {
            last_modified(&eval.base.tables[table], record, fields.as_deref())
                .map(|millis| time_json(millis, format))
        }
        // Every record has one.
        Kind::Button(button) if button.is_told() || record.cell(index).is_empty() => {
            let label = button.label.as_ref().unwrap_or(&field.name);
            Some(json!({"label": label, "url": eval.button_url(button, table, slot)}))
        }
        Kind::CreatedBy => eval.users.get(record.created_by).map(people::json),
        Kind::LastModifiedBy => eval.users.get(record.modified_by).map(people::json),
        _ => stored(eval, field, record.cell(index)),
    }
}

/// The cells of a record that are not empty, by field, in the shape of webhook payloads.
pub(crate) fn payload_cells(eval: &Eval<'_>, table: usize, slot: u32) -> BTreeMap<usize, Value> {
    let own = &eval.base.tables[table];
    let Some(record) = own.rows.get(slot) else { return BTreeMap::new() };
    let fields = 0..own.fields.len();
    fields.filter_map(|index| Some((index, payload_cell(eval, table, slot, record, index)?))).collect()
}

/// As [`cell`], with more about choices, links, people and looked-up values.
pub(crate) fn payload_cell(
    eval: &Eval<'_>,
    table: usize,
    slot: u32,
    record: &Record,
    index: usize,
) -> Option<Value> {
    let field = &eval.base.tables[table].fields[index];
    let choice = |index: u32| {
        let found = field.kind.choices().and_then(|choices| choices.list.get(index as usize));
        found.map(Choice::json)
    };
    let with_level = |mut person: Value| {
        let role = eval.base.roles.of(person["id"].as_str().unwrap_or_default());
        person["permissionLevel"] = role.name().into();
        person
    };
    Some(match (&field.kind, record.cell(index)) {
        (Kind::SingleSelect(_), Cell::Choice(index)) => choice(*index)?,
        (Kind::MultipleSelects(_), Cell::Choices(list)) => {
            list.iter().filter_map(|&index| choice(index)).collect()
        }
        (Kind::Links(link), Cell::Links(slots)) => {
            let linked = &eval.base.tables[link.table];
            let item = |&slot: &u32| {
                let id = linked.rows.get(slot)?.id.to_string();
                let name = eval.value(link.table, slot, linked.primary).to_string();
                Some(json!({"id": id, "name": name}))
            };
            slots.iter().filter_map(item).collect()
        }
        (Kind::Lookup { link, target, valid: true }, _) => {
            let linked = eval.base.tables[table].fields[*link].kind.link()?.table;
            let (mut ids, mut values) = (Vec::new(), Map::new());
            for &linked_slot in record.cell(*link).links() {
                let Some(other) = eval.base.tables[linked].rows.get(linked_slot) else { continue };
                ids.push(other.id.to_string());
                let found = payload_cell(eval, linked, linked_slot, other, *target);
                values.insert(other.id.to_string(), flat(found).into());
            }
            if ids.is_empty() {
                return None;
            }
            json!({"linkedRecordIds": ids, "valuesByLinkedRecordId": values})
        }
        (Kind::Opaque("externalSyncSource"), Cell::Json(name)) => {
            let choices = field.options.as_ref().and_then(|options| options.get("choices"));
            let named = |choice: &&Value| choice.get("name").is_some_and(|own| own == &**name);
            let found = choices.and_then(Value::as_array).and_then(|all| all.iter().find(named));
            found.unwrap_or(name).clone()
        }
        // Their URLs are made when the payload is read: it may be days old by then.
        (Kind::Attachments, Cell::Attachments(list)) => {
            list.iter().map(|attachment| attachment.json(None)).collect()
        }
        (Kind::Collaborator | Kind::CreatedBy | Kind::LastModifiedBy, _) => {
            with_level(cell(eval, table, slot, record, index)?)
        }
        _ => cell(eval, table, slot, record, index)?,
    })
}

/// What a looked-up cell shows: the elements of a list, and of another lookup those of all its records.
fn flat(cell: Option<Value>) -> Vec<Value> {
    match cell {
        Some(Value::Array(items)) => items,
        Some(Value::Object(mut object)) => match object.remove("valuesByLinkedRecordId") {
            Some(Value::Object(by_record)) => {
                by_record.into_iter().flat_map(|(_, found)| flat(Some(found))).collect()
            }
            _ => vec![Value::Object(object)],
        },
        value => value.into_iter().collect(),
    }
}

/// A stored cell as JSON.
fn stored(eval: &Eval<'_>, field: &Field, cell: &Cell) -> Option<Value> {
    let choice = |index: u32| Value::from(field.kind.choices().map_or("", |choices| choices.name(index)));
    Some(match cell {
        Cell::Empty => return None,
        Cell::Text(text) => Value::from(&**text),
        Cell::Number(number) => number::json(*number),
        Cell::Checked => Value::Bool(true),
        Cell::Date(day) => Value::String(date::iso_day(*day)),
        Cell::Instant(millis) => Value::String(date::iso(*millis)),
        Cell::Choice(index) => choice(*index),
        Cell::Choices(list) => list.iter().map(|&index| choice(index)).collect(),
        Cell::Links(slots) => {
            let rows = &eval.base.tables[field.kind.link()?.table].rows;
            slots.iter().filter_map(|&slot| rows.get(slot)).map(|record| record.id.to_string()).collect()
        }
        Cell::User(index) => people::json(eval.users.get(*index)?),
        Cell::Users(list) => {
            list.iter().filter_map(|&index| eval.users.get(index)).map(people::json).collect()
        }
        Cell::Attachments(list) => list.iter().map(|attachment| attachment.json(eval.urls)).collect(),
        Cell::Json(value) => (**value).clone(),
    })
}

/// The result of a formula as JSON.
fn formula_json(value: &FormulaValue<'_>, format: &ResultFormat) -> Option<Value> {
    Some(match value {
        FormulaValue::Blank => return None,
        FormulaValue::Text(text) if text.is_empty() => return None,
        FormulaValue::Text(text) => Value::from(&**text),
        FormulaValue::Number(number) => number::json(*number),
        FormulaValue::Boolean(ticked) if *format == ResultFormat::Checkbox => {
            return ticked.then_some(Value::Bool(true));
        }
        FormulaValue::Boolean(boolean) => Value::from(u8::from(*boolean)),
        FormulaValue::Date(instant) => time_json(instant.as_millisecond(), format),
        FormulaValue::Array(items) => {
            let mut flat = Vec::new();
            for item in items {
                match formula_json(item, format) {
                    Some(Value::Array(inner)) => flat.extend(inner),
                    Some(value) => flat.push(value),
                    None => {}
                }
            }
            if flat.is_empty() {
                return None;
            }
            Value::Array(flat)
        }
        FormulaValue::Error(_) => json!({"error": "#ERROR!"}),
    })
}

fn time_json(millis: i64, format: &ResultFormat) -> Value {
    Value::String(match format {
        ResultFormat::Date(_) => date::iso_day(date::utc(millis).date()),
        _ => date::iso(millis),
    })
}

/// A cell as text; `None` if it is empty.
fn string(
    eval: &Eval<'_>,
    table: usize,
    slot: u32,
    record: &Record,
    index: usize,
    format: &StringFormat,
) -> Option<String> {
    let field = &eval.base.tables[table].fields[index];
    match &field.kind {
        Kind::Formula(formula) => formula_text(&eval.value(table, slot, index), &formula.format, format),
        Kind::Rollup(rollup) if rollup.compiled.is_some() || rollup.is_broken => {
            formula_text(&eval.value(table, slot, index), &rollup.format, format)
        }
        Kind::Lookup { link, target, valid } => {
            let linked = eval.base.tables[table].fields[*link].kind.link()?.table;
            let slots = record.cell(*link).links().iter().filter(|_| *valid);
            let texts = slots.filter_map(|&slot| {
                string(eval, linked, slot, eval.base.tables[linked].rows.get(slot)?, *target, format)
            });
            some_text(texts.collect::<Vec<_>>().join(", "))
        }
        Kind::CreatedTime(result) => Some(time_text(record.created, result, format)),
        Kind::LastModifiedTime { fields, format: result } => {
            let millis = last_modified(&eval.base.tables[table], record, fields.as_deref())?;
            Some(time_text(millis, result, format))
        }
        Kind::Date(shape) => match record.cell(index) {
            Cell::Date(day) => Some(date::display_date(*shape, *day, &format.locale)),
            _ => None,
        },
        Kind::DateTime(shape) => match record.cell(index) {
            Cell::Instant(millis) => {
                Some(date::display_date_time(shape, *millis, &format.zone, &format.locale))
            }
            _ => None,
        },
        Kind::Number(kind) => match record.cell(index) {
            Cell::Number(number) => Some(number::display(kind, *number)),
            _ => None,
        },
        Kind::Checkbox => (!record.cell(index).is_empty()).then(|| "checked".to_owned()),
        Kind::Attachments => {
            let files = attachment::attachments(record.cell(index)).iter();
            let files = files.map(|attachment| attachment.text(eval.urls));
            some_text(files.collect::<Vec<_>>().join(", "))
        }
        Kind::Barcode => match record.cell(index) {
            Cell::Json(value) => some_text(barcode::text(value).to_owned()),
            _ => None,
        },
        // Names: of choices, people and linked records.
        _ => match eval.value(table, slot, index) {
            FormulaValue::Array(names) => some_text(text::join(names.iter().map(FormulaValue::to_string))),
            value => some_text(value.to_string()),
        },
    }
}

fn some_text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn time_text(millis: i64, result: &ResultFormat, format: &StringFormat) -> String {
    match result {
        ResultFormat::Date(shape) => date::display_date(*shape, date::utc(millis).date(), &format.locale),
        ResultFormat::DateTime(shape) => date::display_date_time(shape, millis, &format.zone, &format.locale),
        _ => date::iso(millis),
    }
}

fn formula_text(value: &FormulaValue<'_>, result: &ResultFormat, format: &StringFormat) -> Option<String> {
    match (value, result) {
        (FormulaValue::Date(instant), _) => Some(time_text(instant.as_millisecond(), result, format)),
        (FormulaValue::Number(number), ResultFormat::Number(kind)) => Some(number::display(kind, *number)),
        (FormulaValue::Boolean(ticked), ResultFormat::Checkbox) => ticked.then(|| "checked".to_owned()),
        (FormulaValue::Array(items), _) => {
            let texts: Vec<_> = items.iter().filter_map(|item| formula_text(item, result, format)).collect();
            some_text(texts.join(", "))
        }
        (value, _) => some_text(value.to_string()),
    }
}
