//! Links to records of another table.

use serde_json::Value;

use super::text::scalar_text;
use super::{Fault, Resolver, unconvertible};
use crate::airtable::cell::Cell;
use crate::airtable::ids::RecordId;

/// Reads a list of record ids; with typecast also names, which are looked up in the linked table's primary field.
pub(crate) fn read(table: usize, value: &Value, resolver: &mut dyn Resolver) -> Result<Cell, Fault> {
    let typecast = resolver.typecast();
    let items: Vec<&str> = match value {
        Value::Array(items) if !typecast => {
            items.iter().map(|item| item.as_str().ok_or(Fault::Refused)).collect::<Result<_, _>>()?
        }
        Value::Array(items) => return read_loosely(table, items, resolver),
        Value::String(text) if typecast => {
            // A list of ids in one string; any other string is one name, commas and all.
            let parts: Vec<_> = text.split(',').map(str::trim).collect();
            if parts.iter().all(|part| RecordId::parse(part).is_some()) { parts } else { vec![text.trim()] }
        }
        one @ (Value::Number(_) | Value::Object(_)) if typecast => {
            return read_loosely(table, std::slice::from_ref(one), resolver);
        }
        other => return Err(unconvertible(other, typecast)),
    };
    let mut slots = Vec::with_capacity(items.len());
    for item in items {
        push(&mut slots, table, item, resolver)?;
    }
    Ok(cell(slots))
}

/// Typecast also takes numbers, and objects that carry an id.
fn read_loosely(table: usize, items: &[Value], resolver: &mut dyn Resolver) -> Result<Cell, Fault> {
    let mut slots = Vec::with_capacity(items.len());
    for item in items {
        let text = match item {
            Value::Object(object) => object.get("id").and_then(Value::as_str).map(str::to_owned),
            other => scalar_text(other),
        };
        let text = text.ok_or_else(|| unconvertible(item, true))?;
        push(&mut slots, table, text.trim(), resolver)?;
    }
    Ok(cell(slots))
}

fn push(slots: &mut Vec<u32>, table: usize, text: &str, resolver: &mut dyn Resolver) -> Result<(), Fault> {
    let slot = match RecordId::parse(text) {
        Some(id) => resolver.linked(table, id)?,
        None if !resolver.typecast() => return Err(Fault::Refused),
        None if text.is_empty() => return Ok(()),
        None => resolver.linked_by_text(table, text)?,
    };
    slots.push(slot);
    Ok(())
}

/// A record is linked once, however often it is named.
fn cell(slots: Vec<u32>) -> Cell {
    let mut seen = std::collections::HashSet::with_capacity(slots.len());
    let slots: Vec<u32> = slots.into_iter().filter(|slot| seen.insert(*slot)).collect();
    if slots.is_empty() { Cell::Empty } else { Cell::Links(slots) }
}
