//! Linked records that a call names by their names.

use std::collections::{BTreeSet, HashMap};

use airtable_api::RecordId;
use airtable_api::calls::PAGE;
use airtable_api::wire::ListRecords;
use airtable_formula::filter::Filter;
use serde_json::Value;

use super::plan::Action;
use crate::cells::{self, Names};
use crate::context::{Context, Place};
use crate::error::{Code, ToolError};
use crate::names::quoted;

/// Names looked up with one call.
const AT_ONCE: usize = 40;

/// Pages of records of the same name before the rest is left out: any two make it ambiguous.
const MOST_PAGES: usize = 5;

/// What a name leads to, in one table.
type Found = HashMap<String, Vec<(String, String)>>;

/// Puts ids where names of linked records stand. With `typecast` a name that nothing has stays: Airtable makes the record.
pub(super) async fn resolve(
    context: &Context,
    place: &Place,
    action: &mut Action,
    typecast: bool,
) -> Result<(), ToolError> {
    let table = place.table();
    let mut wanted: HashMap<String, BTreeSet<String>> = HashMap::new();
    for cells in action.cells_mut() {
        for (name, value) in cells.iter() {
            if let Some(linked) = table.by_name(name).and_then(|field| field.linked_table()) {
                wanted.entry(linked.to_owned()).or_default().extend(names_in(value));
            }
        }
    }
    let mut found: HashMap<String, Found> = HashMap::new();
    for (linked, names) in wanted {
        if !names.is_empty() {
            let names: Vec<String> = names.into_iter().collect();
            found.insert(linked.clone(), look_up(context, place, &linked, &names).await?);
        }
    }
    for (at, cells) in action.cells_mut().into_iter().enumerate() {
        for (name, value) in cells.iter_mut() {
            let Some(linked) = table.by_name(name).and_then(|field| field.linked_table()) else { continue };
            let (Value::Array(items), Some(found)) = (value, found.get(linked)) else { continue };
            for item in items.iter_mut() {
                let id = item.as_str().and_then(|text| Some((text, found.get(text)?)));
                let Some((text, records)) = id else { continue };
                let place_name = place.schema.table_by_id(linked).map_or("", |table| table.name.as_str());
                match pick(text, records, place_name, typecast) {
                    Ok(Some(id)) => *item = Value::from(id),
                    Ok(None) => {}
                    Err(error) => return Err(error.within(format!("row {}, {}", at + 1, quoted(name)))),
                }
            }
        }
    }
    Ok(())
}

/// The texts of a link cell that are no ids.
fn names_in(value: &Value) -> impl Iterator<Item = String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).filter(|text| RecordId::parse(text).is_err()).map(str::to_owned)
}

/// The one record of this name: exactly, else but for case.
fn pick(
    name: &str,
    records: &[(String, String)],
    table: &str,
    typecast: bool,
) -> Result<Option<String>, ToolError> {
    let exact: Vec<_> = records.iter().filter(|(_, found)| found == name).collect();
    let chosen = if exact.is_empty() { records.iter().collect() } else { exact };
    match chosen[..] {
        [(id, _)] => Ok(Some(id.clone())),
        [] if typecast => Ok(None),
        [] => Err(ToolError::new(
            Code::NotFound,
            format!(
                "no record of table {} is called {}. Find it with search_records, or set typecast to create it",
                quoted(table),
                quoted(name)
            ),
        )),
        _ => {
            let ids: Vec<&str> = chosen.iter().take(10).map(|(id, _)| id.as_str()).collect();
            Err(ToolError::new(
                Code::Ambiguous,
                format!(
                    "several records of table {} are called {}: {}. Give the id instead",
                    quoted(table),
                    quoted(name),
                    ids.join(", ")
                ),
            ))
        }
    }
}

async fn look_up(
    context: &Context,
    place: &Place,
    linked: &str,
    names: &[String],
) -> Result<Found, ToolError> {
    let Some((table, primary)) =
        place.schema.table_by_id(linked).and_then(|table| Some((table, table.primary()?)))
    else {
        return Err(ToolError::new(
            Code::NotFound,
            "the linked table is not within reach, so its records cannot be named: give their ids",
        ));
    };
    let mut found: Found = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    for chunk in names.chunks(AT_ONCE) {
        let text = table.formula.as_text(&primary.id)?;
        let parts = chunk.iter().flat_map(|name| [text.is(name), text.is_ignoring_case(name)]);
        let mut ask = ListRecords {
            fields: vec![primary.name.clone()],
            filter_by_formula: Some(Filter::any(parts).to_string()),
            page_size: Some(PAGE),
            ..ListRecords::default()
        };
        for _ in 0..MOST_PAGES {
            let page = context.asker.list(&place.base, &table.id, &ask).await?;
            for record in page.records {
                let cell = record.fields.get(&primary.name);
                let text = cell.map(|cell| cells::text(primary, cell, &Names::new())).unwrap_or_default();
                for name in chunk.iter().filter(|name| name.to_lowercase() == text.trim().to_lowercase()) {
                    found.entry(name.clone()).or_default().push((record.id.to_string(), text.clone()));
                }
            }
            ask.offset = page.offset.filter(|offset| !offset.is_empty());
            if ask.offset.is_none() {
                break;
            }
        }
    }
    Ok(found)
}
