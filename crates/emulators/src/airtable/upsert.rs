//! `performUpsert`: update the record that agrees in the merge fields, or create one.

use super::cell::Cell;
use super::errors::AirtableError;
use super::model::{Base, Kind, Table};
use super::write::{Cells, Planner};

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Upserted {
    Created(u32),
    Updated(u32),
    /// An item that agrees with one that this request has created or updated.
    Again(u32),
}

impl Upserted {
    pub(crate) fn slot(self) -> u32 {
        match self {
            Self::Created(slot) | Self::Updated(slot) | Self::Again(slot) => slot,
        }
    }
}

/// The merge fields: one to three, of types that can be compared.
pub(crate) fn merge_fields(table: &Table, names: &[String]) -> Result<Vec<usize>, AirtableError> {
    if !(1..=3).contains(&names.len()) {
        return Err(AirtableError::invalid_request());
    }
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        let index = table.field(name).ok_or_else(|| AirtableError::unknown_field(name))?;
        let comparable = matches!(
            table.fields[index].kind,
            Kind::Text(_)
                | Kind::Number(_)
                | Kind::SingleSelect(_)
                | Kind::MultipleSelects(_)
                | Kind::Date(_)
                | Kind::DateTime(_)
        );
        if !comparable {
            let reason = format!("field \"{}\" cannot be used in fieldsToMergeOn", table.fields[index].name);
            return Err(AirtableError::invalid_request_because(&reason));
        }
        fields.push(index);
    }
    Ok(fields)
}

/// Plans one item without an id, whose cells have been read. It meets the records as the items before it leave them.
pub(crate) fn plan(
    planner: &mut Planner<'_>,
    base: &Base,
    table: usize,
    merge_on: &[usize],
    cells: Cells,
    replace: bool,
) -> Result<Upserted, AirtableError> {
    let key = key(&base.tables[table], merge_on, &cells)?;
    let rows = &base.tables[table].rows;
    let mut matches = rows.by_creation_from(0).filter(|&slot| {
        rows.get(slot).is_some_and(|record| {
            key.iter().all(|(field, cell)| {
                let planned = planner.planned_cell(table, slot, *field);
                agree(planned.unwrap_or_else(|| record.cell(*field)), cell)
            })
        })
    });
    let (found, another) = (matches.next(), matches.next());
    if let Some(slot) = found {
        if another.is_some() {
            let reason = "more than one record matches the values of fieldsToMergeOn";
            return Err(AirtableError::invalid_request_because(reason));
        }
        let again = planner.is_updated(table, slot);
        planner.update(table, slot, cells, replace);
        return Ok(if again { Upserted::Again(slot) } else { Upserted::Updated(slot) });
    }
    let planned = planner.planned(table).find(|(_, planned)| {
        key.iter().all(|(field, cell)| {
            let same = planned.iter().find(|(at, _)| at == field).map_or(&Cell::Empty, |(_, cell)| cell);
            agree(same, cell)
        })
    });
    match planned.map(|(slot, _)| slot) {
        Some(slot) => {
            planner.update(table, slot, cells, replace);
            Ok(Upserted::Again(slot))
        }
        None => Ok(Upserted::Created(planner.create(table, cells))),
    }
}

/// The merge fields' values, all of which the item must have.
fn key(table: &Table, merge_on: &[usize], cells: &Cells) -> Result<Cells, AirtableError> {
    let value = |&field: &usize| match cells.iter().find(|(named, _)| *named == field) {
        Some((_, cell)) => Ok((field, cell.clone())),
        None => {
            let reason =
                format!("each record needs a value for \"{}\" of fieldsToMergeOn", table.fields[field].name);
            Err(AirtableError::invalid_request_because(&reason))
        }
    };
    merge_on.iter().map(value).collect()
}

/// Whether two cells are the same value; the order of choices does not matter.
fn agree(a: &Cell, b: &Cell) -> bool {
    match (a, b) {
        (Cell::Choices(a), Cell::Choices(b)) => {
            a.len() == b.len() && a.iter().all(|choice| b.contains(choice))
        }
        (a, b) => a == b,
    }
}
