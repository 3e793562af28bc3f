//! What would change, in words and for programs: old and new values of the first rows.

use std::collections::HashMap;

use airtable_api::calls::PAGE;
use airtable_api::wire::ListRecords;
use airtable_api::{BaseId, RecordId};
use airtable_formula::filter::{Day, FieldError, Filter};
use serde_json::{Map, Value, json};

use super::plan::{Action, Cells, Plan};
use crate::cells::{self, Names};
use crate::context::{Context, Place};
use crate::error::{Code, ToolError};
use crate::gateway::Record;
use crate::names::{listed, quoted};
use crate::schema::{Field, Shape, Table};
use crate::tools::counted;

/// Rows that are shown.
const SHOWN: usize = 20;

/// Longest value that is shown.
const VALUE: usize = 120;

/// What a plan would do.
#[derive(Debug)]
pub(super) struct Preview {
    /// For people.
    pub(super) text: String,
    /// For programs: the first rows.
    pub(super) changes: Vec<Value>,
}

impl Preview {
    /// Reads what the plan would change. A record that is not there is an error, before anything is sent.
    pub(super) async fn of(context: &Context, place: &Place, plan: &Plan) -> Result<Self, ToolError> {
        let table = place.table();
        let viewer = Viewer { table, names: names_of(context, place, plan).await? };
        let place_text = format!("table {} of base {}", quoted(&table.name), place.base);
        let (head, changes, lines): (String, Vec<Value>, Vec<String>) = match &plan.action {
            Action::Create(rows) => {
                let head = format!("This would create {} in {place_text}", counted(rows.len(), "record"));
                let shown: Vec<_> = rows.iter().take(SHOWN).map(|cells| viewer.create(cells)).collect();
                let (changes, lines) = shown.into_iter().unzip();
                (head, changes, lines)
            }
            Action::Update(rows) => {
                let ids: Vec<&RecordId> = rows.iter().map(|(id, _)| id).collect();
                let present =
                    present(context, &place.base, table, &ids, rows.iter().map(|(_, cells)| cells)).await?;
                let head = format!("This would change {} of {place_text}", counted(rows.len(), "record"));
                let shown = rows
                    .iter()
                    .take(SHOWN)
                    .map(|(id, cells)| viewer.update(id, cells, present.get(id.as_str())));
                let (changes, lines) = shown.unzip();
                (head, changes, lines)
            }
            Action::Upsert { rows, merge_on } => {
                let head = format!(
                    "This would update or create {} in {place_text}, matched by {}",
                    counted(rows.len(), "record"),
                    listed(merge_on.iter().map(String::as_str))
                );
                let shown = &rows[..rows.len().min(SHOWN)];
                let matches = matches(context, &place.base, table, shown, merge_on).await?;
                let of = |row: &(Option<RecordId>, Cells), found: &Option<Record>| match (&row.0, found) {
                    (_, Some(record)) => viewer.update(&record.id, &row.1, Some(record)),
                    (Some(id), None) => viewer.update(id, &row.1, None),
                    (None, None) => viewer.create(&row.1),
                };
                let (changes, lines) = shown.iter().zip(&matches).map(|(row, found)| of(row, found)).unzip();
                (head, changes, lines)
            }
            Action::Delete(ids) => {
                let refs: Vec<&RecordId> = ids.iter().collect();
                let present = present(context, &place.base, table, &refs, std::iter::empty()).await?;
                let head =
                    format!("This would delete {} from {place_text}, for good", counted(ids.len(), "record"));
                let shown = ids.iter().take(SHOWN).map(|id| viewer.delete(id, present.get(id.as_str())));
                let (changes, lines) = shown.unzip();
                (head, changes, lines)
            }
        };
        let mut text = format!("{head}:\n{}", lines.join("\n"));
        if plan.len() > SHOWN {
            text.push_str(&format!("\nand {} more", plan.len() - SHOWN));
        }
        if plan.typecast {
            text.push_str(
                "\nTypecast is on: Airtable adds choices and linked records that are not there yet",
            );
        }
        Ok(Self { text, changes })
    }
}

/// Puts records and cells into words.
struct Viewer<'t> {
    table: &'t Table,
    names: Names,
}

impl Viewer<'_> {
    fn create(&self, cells: &Cells) -> (Value, String) {
        let after: Vec<String> =
            cells.iter().map(|(name, value)| format!("{name} {}", self.value(name, Some(value)))).collect();
        (json!({"action": "create", "after": cells}), format!("- new: {}", after.join("; ")))
    }

    fn update(&self, id: &RecordId, cells: &Cells, before: Option<&Record>) -> (Value, String) {
        let old = |name: &str| before.and_then(|record| record.fields.get(name));
        let lines: Vec<String> = cells
            .iter()
            .map(|(name, new)| {
                format!("{name} {} → {}", self.value(name, old(name)), self.value(name, Some(new)))
            })
            .collect();
        let was: Map<String, Value> =
            cells.keys().map(|name| (name.clone(), old(name).cloned().unwrap_or_default())).collect();
        let change =
            json!({"action": "update", "id": id, "name": self.name(before), "before": was, "after": cells});
        (change, format!("- {} ({id}): {}", quoted(&self.name(before)), lines.join("; ")))
    }

    fn delete(&self, id: &RecordId, before: Option<&Record>) -> (Value, String) {
        let name = self.name(before);
        (json!({"action": "delete", "id": id, "name": name}), format!("- {} ({id})", quoted(&name)))
    }

    fn name(&self, record: Option<&Record>) -> String {
        let cell =
            self.table.primary().and_then(|primary| Some((primary, record?.fields.get(&primary.name)?)));
        cell.map(|(primary, cell)| cells::text(primary, cell, &self.names)).unwrap_or_default()
    }

    fn value(&self, name: &str, value: Option<&Value>) -> String {
        let empty = || "(empty)".to_owned();
        match (self.table.by_name(name), value) {
            (_, None | Some(Value::Null)) => empty(),
            (Some(field), Some(value)) => {
                let text = cells::text(field, value, &self.names);
                if text.is_empty() { empty() } else { quoted(&text.chars().take(VALUE).collect::<String>()) }
            }
            (None, Some(value)) => value.to_string(),
        }
    }
}

/// Names of the linked records that the shown rows would link to.
async fn names_of(context: &Context, place: &Place, plan: &Plan) -> Result<Names, ToolError> {
    let table = place.table();
    let rows: Vec<&Cells> = match &plan.action {
        Action::Create(rows) => rows.iter().take(SHOWN).collect(),
        Action::Update(rows) => rows.iter().take(SHOWN).map(|(_, cells)| cells).collect(),
        Action::Upsert { rows, .. } => rows.iter().take(SHOWN).map(|(_, cells)| cells).collect(),
        Action::Delete(_) => Vec::new(),
    };
    let mut by_table: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, value) in rows.iter().flat_map(|cells| cells.iter()) {
        let Some(field) = table.by_name(name) else { continue };
        let Some(linked) = field.linked_table() else { continue };
        let ids = cells::linked_ids(field, value).filter(|text| RecordId::parse(text).is_ok());
        by_table.entry(linked).or_default().extend(ids);
    }
    let mut names = Names::new();
    for (linked, mut ids) in by_table {
        ids.sort_unstable();
        ids.dedup();
        names.extend(crate::links::names_of(&context.asker, &place.base, &place.schema, linked, &ids).await?);
    }
    Ok(names)
}

/// The records of these ids, with the cells that would change and what names them.
async fn present(
    context: &Context,
    base: &BaseId,
    table: &Table,
    ids: &[&RecordId],
    changed: impl Iterator<Item = &Cells>,
) -> Result<HashMap<String, Record>, ToolError> {
    let mut fields: Vec<String> = table.primary().map(|primary| primary.name.clone()).into_iter().collect();
    for name in changed.flat_map(|cells| cells.keys()) {
        if !fields.contains(name) {
            fields.push(name.clone());
        }
    }
    let mut present = HashMap::new();
    for chunk in ids.chunks(PAGE as usize) {
        let ask = ListRecords {
            fields: fields.clone(),
            filter_by_formula: Some(Filter::record_ids(chunk.iter().map(|id| id.as_str())).to_string()),
            page_size: Some(PAGE),
            ..ListRecords::default()
        };
        let page = context.asker.list(base, &table.id, &ask).await?;
        present.extend(page.records.into_iter().map(|record| (record.id.to_string(), record)));
    }
    let missing: Vec<&str> =
        ids.iter().map(|id| id.as_str()).filter(|id| !present.contains_key(*id)).collect();
    if missing.is_empty() {
        Ok(present)
    } else {
        Err(ToolError::new(
            Code::NotFound,
            format!(
                "nothing was changed, since table {} has no record {}. Find ids with search_records or list_records",
                quoted(&table.name),
                listed(missing.into_iter())
            ),
        ))
    }
}

/// For each row of an upsert, the record that it would meet at the moment.
async fn matches(
    context: &Context,
    base: &BaseId,
    table: &Table,
    rows: &[(Option<RecordId>, Cells)],
    merge_on: &[String],
) -> Result<Vec<Option<Record>>, ToolError> {
    let fields: Vec<&Field> = merge_on.iter().filter_map(|name| table.by_name(name)).collect();
    let condition = |row: &(Option<RecordId>, Cells)| match &row.0 {
        Some(id) => Ok(Filter::record_ids([id.as_str()])),
        None => {
            let cell = |field: &Field| row.1.get(&field.name).unwrap_or(&Value::Null);
            let each = fields.iter().map(|field| equals(table, field, cell(field)));
            each.collect::<Result<Vec<_>, _>>().map(Filter::all)
        }
    };
    let any = rows.iter().map(condition).collect::<Result<Vec<_>, FieldError>>().map(Filter::any)?;
    let ask = ListRecords {
        filter_by_formula: Some(any.to_string()),
        page_size: Some(PAGE),
        ..ListRecords::default()
    };
    let page = context.asker.list(base, &table.id, &ask).await?;
    let meets = |record: &Record, row: &(Option<RecordId>, Cells)| match &row.0 {
        Some(id) => record.id == *id,
        None => fields.iter().all(|field| {
            let text = |value: Option<&Value>| {
                value.map(|value| cells::text(field, value, &Names::new())).unwrap_or_default()
            };
            text(record.fields.get(&field.name))
                == text(row.1.get(&field.name).filter(|value| !value.is_null()))
        }),
    };
    Ok(rows.iter().map(|row| page.records.iter().find(|record| meets(record, row)).cloned()).collect())
}

/// A condition that a cell has this value.
fn equals(table: &Table, field: &Field, value: &Value) -> Result<Filter, FieldError> {
    let (schema, id) = (&table.formula, field.id.as_str());
    Ok(match (&field.shape, value) {
        (_, Value::Null) => schema.any(id)?.is_empty(),
        (Shape::Number | Shape::Percent | Shape::Rating { .. } | Shape::Duration, Value::Number(number)) => {
            schema.number(id)?.is(number.as_f64().unwrap_or(f64::NAN))
        }
        (Shape::Day, Value::String(text)) => match text.get(..10).and_then(Day::parse) {
            Some(day) => schema.date(id)?.is(day),
            None => schema.as_text(id)?.is(text),
        },
        (Shape::Choices(_), Value::Array(items)) => {
            schema.list(id)?.is(items.iter().filter_map(Value::as_str))
        }
        (_, Value::String(text)) => schema.as_text(id)?.is(text),
        (_, other) => schema.as_text(id)?.is(&other.to_string()),
    })
}
