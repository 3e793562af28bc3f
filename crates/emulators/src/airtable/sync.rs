//! CSV sync: a table made equal to what a source sends, record by record, by a field that tells them apart.
//!
//! Source: <https://airtable.com/developers/web/api/post-sync-api-endpoint>. How Airtable maps columns is set up in its own
//! interface and not documented; here a column goes to the field of its name, and one that the table lacks becomes a new
//! text field. What a field cannot hold is left empty.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::errors::AirtableError;
use super::model::{Base, Sync};
use super::records::Actor;
use super::structure;
use super::write::{Cells, Planner, commit};

/// Rows and columns of one request, and the bytes of its body.
const MAX_ROWS: usize = 10_000;
const MAX_COLUMNS: usize = 500;
pub(crate) const MAX_BYTES: usize = 2 << 20;

/// What a source has sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Sheet {
    columns: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

impl Sheet {
    /// Reads a body: a line of column names, then a line for each record.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, AirtableError> {
        let refused = |reason: String| AirtableError::invalid_request_because(&reason);
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let mut reader = csv::Reader::from_reader(body);
        let unreadable = |error: csv::Error| refused(format!("the CSV cannot be read: {error}"));
        let columns: Vec<_> =
            reader.headers().map_err(unreadable)?.iter().map(|name| name.trim().to_owned()).collect();
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return Err(refused(format!("CSV data has 1 to {MAX_COLUMNS} columns")));
        }
        let mut names = HashSet::new();
        if let Some(name) = columns.iter().find(|name| name.is_empty() || !names.insert(name.to_lowercase()))
        {
            return Err(refused(format!("the CSV column \"{name}\" is empty or stands there twice")));
        }
        let mut rows = Vec::new();
        for row in reader.into_records() {
            rows.push(row.map_err(unreadable)?);
            if rows.len() > MAX_ROWS {
                return Err(refused(format!("CSV data has at most {MAX_ROWS} rows")));
            }
        }
        Ok(Self { columns, rows })
    }
}

/// Makes the table what the sheet says, or refuses and changes nothing.
pub(crate) fn apply(
    base: &mut Base,
    table: usize,
    sync: &Sync,
    sheet: &Sheet,
    actor: Actor<'_>,
) -> Result<Value, AirtableError> {
    let mut changed = base.clone();
    let fields = fields(&mut changed, table, sheet)?;
    let key_column = fields.iter().position(|field| *field == sync.key).ok_or_else(|| {
        let key = &changed.tables[table].fields[sync.key].name;
        AirtableError::invalid_request_because(&format!("the CSV has no column \"{key}\" to tell records by"))
    })?;
    let mut planner = Planner::new(&changed, actor, true);
    let mut slots = IndexMap::new();
    let rows = &changed.tables[table].rows;
    for slot in rows.by_creation_from(0) {
        let cell = rows.get(slot).map_or(&Cell::Empty, |record| record.cell(sync.key));
        slots.entry(key_of(cell)).or_insert(slot);
    }
    // Of several rows with one key, the last one counts.
    let mut wanted: IndexMap<String, &csv::StringRecord> = IndexMap::new();
    for row in &sheet.rows {
        let field = &changed.tables[table].fields[sync.key].name;
        let cell = read(&mut planner, table, None, field, row.get(key_column).unwrap_or_default());
        wanted.insert(key_of(&cell), row);
    }
    for (key, row) in &wanted {
        let slot = slots.get(key).copied();
        let cells: Cells = fields
            .iter()
            .zip(row.iter())
            .map(|(&field, text)| {
                let name = &changed.tables[table].fields[field].name;
                (field, read(&mut planner, table, slot, name, text))
            })
            .collect();
        match slot {
            Some(slot) => planner.update(table, slot, cells, false),
            None => {
                planner.create(table, cells);
            }
        }
    }
    if sync.deletes_missing {
        let kept: HashSet<u32> = wanted.keys().filter_map(|key| slots.get(key).copied()).collect();
        rows.by_creation_from(0)
            .filter(|slot| !kept.contains(slot))
            .for_each(|slot| planner.delete(table, slot));
    }
    let changes = planner.into_changes();
    commit(&mut changed, changes, actor.stamp());
    *base = changed;
    Ok(json!({"success": true}))
}

/// The field of each column.
fn fields(base: &mut Base, table: usize, sheet: &Sheet) -> Result<Vec<usize>, AirtableError> {
    let mut fields = Vec::with_capacity(sheet.columns.len());
    for name in &sheet.columns {
        let found = base.tables[table].field(name);
        let field = match found {
            Some(field) => field,
            None => structure::add_text_field(base, table, name)?,
        };
        if base.tables[table].fields[field].kind.is_computed() {
            return Err(AirtableError::field_is_computed(name));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The cell that a text becomes, converted as far as the field can.
fn read(planner: &mut Planner<'_>, table: usize, slot: Option<u32>, field: &str, text: &str) -> Cell {
    let cells = Map::from_iter([(field.to_owned(), Value::from(text))]);
    let read = planner.read(table, slot, &cells).ok();
    read.and_then(|cells| cells.into_iter().next()).map_or(Cell::Empty, |(_, cell)| cell)
}

/// Cells are equal where their stored forms are.
fn key_of(cell: &Cell) -> String {
    serde_json::to_string(cell).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_a_line_of_names_and_lines_of_as_many_values() {
        let sheet = Sheet::parse("\u{feff}a, b \r\n1,\"x\n\"\"y\"\"\"\r\n".as_bytes()).unwrap();
        assert_eq!(
            (sheet.columns.len(), &sheet.columns[1], &sheet.rows[0][1]),
            (2, &"b".to_owned(), "x\n\"y\"")
        );
        assert!(Sheet::parse(b"a\n").unwrap().rows.is_empty());
        for bad in ["", "\n", "a,a\n1,2", "a,A\n", "a,,b\n", "a,b\n1\n", "a\n1,2\n"] {
            assert!(Sheet::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Sheet::parse(b"a\n\xff\n").is_err());
        assert!(Sheet::parse(format!("a\n{}", "1\n".repeat(MAX_ROWS + 1)).as_bytes()).is_err());
        assert!(Sheet::parse(vec![b','; MAX_COLUMNS].as_slice()).is_err());
    }
}
