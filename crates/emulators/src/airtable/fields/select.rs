//! Single and multiple select: names of choices.

use std::collections::HashSet;

use serde_json::Value;

use super::text::{scalar_text, split};
use super::{Fault, Resolver, Target, unconvertible};
use crate::airtable::cell::Cell;

pub(crate) fn read_one(target: Target, value: &Value, resolver: &mut dyn Resolver) -> Result<Cell, Fault> {
    let typecast = resolver.typecast();
    let value = match value {
        Value::Array(items) if typecast && items.len() <= 1 => match items.first() {
            Some(only) => only,
            None => return Ok(Cell::Empty),
        },
        other => other,
    };
    let name = name(value, typecast)?;
    if typecast && name.is_empty() {
        return Ok(Cell::Empty);
    }
    // Without typecast even "" is looked up, and refused: only null clears a single select.
    resolver.choice(target, &name).map(Cell::Choice)
}

pub(crate) fn read_many(target: Target, value: &Value, resolver: &mut dyn Resolver) -> Result<Cell, Fault> {
    let typecast = resolver.typecast();
    let names: Vec<String> = match value {
        Value::Array(items) => items.iter().map(|item| name(item, typecast)).collect::<Result<_, _>>()?,
        Value::String(text) if typecast => split(text),
        number @ Value::Number(_) if typecast => vec![name(number, true)?],
        other => return Err(unconvertible(other, typecast)),
    };
    let (mut chosen, mut seen) = (Vec::with_capacity(names.len()), HashSet::new());
    for name in names.iter().filter(|name| !(typecast && name.is_empty())) {
        let choice = resolver.choice(target, name)?;
        if seen.insert(choice) {
            chosen.push(choice);
        }
    }
    Ok(if chosen.is_empty() { Cell::Empty } else { Cell::Choices(chosen.into()) })
}

fn name(value: &Value, typecast: bool) -> Result<String, Fault> {
    match value {
        Value::String(name) if typecast => Ok(name.trim().to_owned()),
        Value::String(name) => Ok(name.clone()),
        other if typecast => scalar_text(other).ok_or_else(|| unconvertible(other, true)),
        _ => Err(Fault::Refused),
    }
}
