//! The records of a table, written out in the order of their creation.
//!
//! Cells are keyed by field id, which no other field's name can be mistaken for. What is computed from them is left out, and
//! what would be taken for granted, too. A link stands on one side only, but where the other side has an order of its own.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::airtable::access::Users;
use crate::airtable::cell::Cell;
use crate::airtable::comments::Comment;
use crate::airtable::fields::{date, number};
use crate::airtable::model::{Base, Field, Kind};
use crate::airtable::rows::Record;
use crate::airtable::seed::records::Assumed;

/// Writes the keys `lastNumber` (if no record has that number) and `records`, each after a comma.
pub(super) fn write(base: &Base, table: usize, users: &Users, out: &mut impl Write) -> io::Result<()> {
    let rows = &base.tables[table].rows;
    let slots = || rows.by_creation_from(0).filter_map(|slot| rows.get(slot));
    let highest = slots().map(|record| record.number).max().unwrap_or_default();
    if rows.last_number() > highest {
        write!(out, ",\"lastNumber\":{}", rows.last_number())?;
    }
    out.write_all(b",\n\"records\":[")?;
    let mut last_number = 0;
    for (index, record) in slots().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &entry(base, table, record, users, last_number))?;
        last_number = record.number.max(last_number);
    }
    out.write_all(b"]")
}

/// A record; `last_number` is the highest number before it.
fn entry(base: &Base, table: usize, record: &Record, users: &Users, last_number: u32) -> Value {
    let mut entry = Map::new();
    entry.insert("id".to_owned(), record.id.to_string().into());
    entry.insert("createdTime".to_owned(), date::iso(record.created).into());
    if record.number != last_number + 1 {
        entry.insert("number".to_owned(), record.number.into());
    }
    let mut cells = Map::new();
    for (index, cell) in record.cells() {
        let field = base.tables[table].fields.get(index).filter(|field| field.kind.is_stored());
        let Some(field) = field else { continue };
        if let Some(value) = value(base, (table, index), field, cell, users) {
            cells.insert(field.id.to_string(), value);
        }
    }
    entry.insert("fields".to_owned(), cells.into());
    let history = history(base, table, record, users);
    if !history.is_empty() {
        entry.insert("history".to_owned(), history.into());
    }
    if !record.comments.is_empty() {
        let comments = record.comments.iter().map(|comment| self::comment(comment, users));
        entry.insert("comments".to_owned(), comments.collect());
    }
    entry.into()
}

/// A cell as a seed has it; `None` for a link that stands on the other side.
fn value(base: &Base, place: (usize, usize), field: &Field, cell: &Cell, users: &Users) -> Option<Value> {
    let choice = |index: &u32| Value::from(field.kind.choices().map_or("", |choices| choices.name(*index)));
    let person = |index: &u32| users.get(*index).map(|user| json!({"id": user.id}));
    Some(match cell {
        Cell::Empty => return None,
        Cell::Text(text) => Value::from(&**text),
        Cell::Number(number) => number::json(*number),
        Cell::Checked => Value::Bool(true),
        Cell::Date(day) => Value::String(date::iso_day(*day)),
        Cell::Instant(millis) => Value::String(date::iso(*millis)),
        Cell::Choice(index) => choice(index),
        Cell::Choices(list) => list.iter().map(choice).collect(),
        Cell::Links(slots) => return links(base, place, field, slots),
        Cell::User(index) => person(index)?,
        Cell::Users(list) => list.iter().filter_map(person).collect(),
        Cell::Attachments(list) => list.iter().map(|attachment| attachment.json(None)).collect(),
        Cell::Json(value) => (**value).clone(),
    })
}

/// Of two fields that show each other's links the first one writes them. On the other side they are read in the order of the
/// records that they come from, and written only where that is not the order that they have.
fn links(base: &Base, place: (usize, usize), field: &Field, slots: &[u32]) -> Option<Value> {
    let Kind::Links(link) = &field.kind else { return None };
    let is_second = link.inverse.is_some_and(|inverse| (link.table, inverse) < place);
    if is_second && slots.is_sorted() {
        return None;
    }
    let rows = &base.tables[link.table].rows;
    Some(slots.iter().filter_map(|&slot| rows.get(slot)).map(|record| record.id.to_string()).collect())
}

/// What is not as it would be assumed to be.
fn history(base: &Base, table: usize, record: &Record, users: &Users) -> Map<String, Value> {
    let assumed = Assumed::of(record, users);
    let person = |index: u32| json!(users.get(index).map(|user| &user.id));
    let mut history = Map::new();
    if record.created_by != assumed.created_by {
        history.insert("createdBy".to_owned(), person(record.created_by));
    }
    if record.modified_by != assumed.modified_by {
        history.insert("modifiedBy".to_owned(), person(record.modified_by));
    }
    if record.modified != assumed.modified {
        history.insert("modifiedTime".to_owned(), json!(record.modified.map(date::iso)));
    }
    let fields = &base.tables[table].fields;
    let edits: Map<String, Value> = record
        .edits()
        .into_iter()
        .filter_map(|(field, at)| Some((fields.get(field)?.id.to_string(), date::iso(at).into())))
        .collect();
    if !edits.is_empty() {
        history.insert("edits".to_owned(), edits.into());
    }
    history
}

fn comment(comment: &Comment, users: &Users) -> Value {
    let mut entry = json!({
        "id": comment.id.to_string(),
        "author": users.get(comment.author).map(|user| &user.id),
        "text": comment.text,
        "createdTime": date::iso(comment.created),
    });
    if let Some(updated) = comment.updated {
        entry["lastUpdatedTime"] = date::iso(updated).into();
    }
    if let Some(parent) = comment.parent {
        entry["parentCommentId"] = parent.to_string().into();
    }
    entry
}
