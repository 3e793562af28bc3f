//! Records of a table, page by page, in an order and a selection.

use std::cell::Cell;

use airtable_api::RecordId;
use airtable_api::calls::PAGE;
use airtable_api::wire::{Direction, ListRecords, SortKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::cells::{self, Names};
use crate::context::{Context, Output, Place};
use crate::error::{Code, ToolError};
use crate::formula;
use crate::gateway::Record;
use crate::links;
use crate::names::{self, quoted};
use crate::render::{self, Format, TEXT_LIMIT};
use crate::schema::{Field, Table};
use crate::seal::{Unsealed, bound_to};
use crate::tools::bases::counted;

/// Records in one answer, unless the call says otherwise: one page.
const LIMIT: i64 = PAGE as i64;

/// Most records in one answer.
pub(super) const MOST: i64 = 1000;

/// Longest text of one cell among others; the whole stands in the structured result, and in `get_record`.
const CELL: usize = 4000;

/// Where a listing goes on.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// Of the page that comes next; `None` is the first.
    offset: Option<String>,
    /// Records of that page that were given already.
    skip: usize,
    /// The last of them: where it stands by then counts, should the page have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<RecordId>,
    /// Records given before.
    seen: u64,
    page_size: u32,
}

/// What is read of a table.
pub(super) struct Selection {
    pub(super) ask: ListRecords,
    /// The fields that were asked for; empty means all.
    pub(super) fields: Vec<String>,
    /// What the caller should know about its filter.
    pub(super) notes: Vec<String>,
}

pub(super) async fn list_records(context: &Context, arguments: &Arguments) -> Result<Output, ToolError> {
    let place = context.place(arguments).await?;
    let selection = Selection::of(place.table(), arguments)?;
    let limit = arguments.integer("limit").or_else(|| arguments.integer("page_size")).unwrap_or(LIMIT);
    let limit = usize::try_from(limit).unwrap_or(1);
    let seal = bound_to(&[
        &context.caller,
        "list_records",
        place.base.as_str(),
        &place.table().id,
        &serde_json::to_string(&selection.ask).expect("wire types always serialise"),
    ]);
    let start = match arguments.text("cursor") {
        Some(text) => context.sealer.open(text, &seal).map_err(bad_cursor)?,
        None => {
            // Pages of equal size, so that none is read in part.
            let pages = limit.div_ceil(PAGE as usize);
            let page_size = u32::try_from(limit.div_ceil(pages)).unwrap_or(PAGE);
            Cursor { offset: None, skip: 0, after: None, seen: 0, page_size }
        }
    };
    let read = read(context, &place, &selection.ask, &start, limit).await?;
    let table = place.table();
    let fields = fields_of(table, &selection.fields);
    let linked = links::names_in(&context.asker, &place.base, &place.schema, &fields, &read.records).await?;

    let shown =
        Shown { table, fields: &fields, is_explicit: !selection.fields.is_empty(), names: &linked.names };
    let format = Format::of(arguments.text("format"));
    let Body { text: body, rows: kept, is_cut } = shown.text(&read.records, format);
    let next = read.cursor_after(kept, &start).map(|cursor| context.sealer.seal(&cursor, &seal));
    let first = start.seen + 1;
    let last = start.seen + kept as u64;
    let name = quoted(&table.name);
    let head = match (&next, kept) {
        (None, 0) if start.seen == 0 => format!("{name}: no records"),
        (None, 0) => format!("{name}: no more records; there were {}", start.seen),
        (None, _) if start.seen == 0 => format!("{name}: {}, all there are", counted(kept, "record")),
        (None, _) => format!("{name}: records {first}-{last} of {last}, the last ones"),
        (Some(cursor), _) => format!(
            "{name}: records {first}-{last}, more follow. To continue, repeat the call with cursor {}",
            quoted_whole(cursor)
        ),
    };
    let mut text = vec![head];
    text.extend(selection.notes.iter().map(|note| format!("Note: {note}")));
    if is_cut {
        text.push("Note: long cells are cut here; get_record has them whole".to_owned());
    }
    if kept > 0 {
        text.push(body);
    }
    if linked.is_cut {
        text.push(format!("Note: names of linked records are looked up for the first {} only", links::MOST));
    }
    let records: Vec<Value> =
        read.records.into_iter().take(kept).map(|record| record_of(record, table, &linked.names)).collect();
    let mut structured = json!({"table": table.name, "records": records, "complete": next.is_none()});
    match next {
        Some(cursor) => structured["next_cursor"] = json!(cursor),
        None => structured["total"] = json!(last),
    }
    Ok(Output::new(text.join("\n"), structured))
}

pub(super) async fn get_record(context: &Context, arguments: &Arguments) -> Result<Output, ToolError> {
    let place = context.place(arguments).await?;
    let table = place.table();
    let wanted = arguments.text("record_id").unwrap_or_default().trim();
    let id = RecordId::parse(wanted).map_err(|error| {
        ToolError::invalid(format!(
            "record_id: {error}. To find a record by what is in it, call search_records"
        ))
    })?;
    let asked = named_fields(table, arguments)?;
    let Some(mut record) = context.asker.record(&place.base, &table.id, &id).await? else {
        return Err(ToolError::new(
            Code::NotFound,
            format!(
                "there is no record {id} in table {}. Find records with search_records or list_records",
                quoted(&table.name)
            ),
        ));
    };
    if !asked.is_empty() {
        record.fields.retain(|name, _| asked.contains(name));
    }
    // Airtable finds a record of another table of the base as well; its cells would be read with the wrong schema.
    if let Some(name) = record.fields.keys().find(|name| table.by_name(name).is_none()) {
        tracing::debug!("a record has a field that its table has not: {} bytes", name.len());
        return Err(ToolError::new(
            Code::NotFound,
            format!(
                "the record {id} is not in table {} but in another table of the base",
                quoted(&table.name)
            ),
        ));
    }
    let fields = fields_of(table, &asked);
    let records = [record];
    let linked = links::names_in(&context.asker, &place.base, &place.schema, &fields, &records).await?;
    let [record] = records;
    let mut text = format!("{} {id}, created {}:", quoted(&table.name), record.created_time);
    for field in &fields {
        if let Some(cell) = record.fields.get(&field.name) {
            // Indented, so that no line of a cell passes for another field's.
            let shown =
                cells::text(field, cell, &linked.names).replace("\r\n", "\n").replace(['\n', '\r'], "\n  ");
            let line = format!("\n{}: {}", field.name, cut(shown, TEXT_LIMIT / 2));
            if text.len() + line.len() > TEXT_LIMIT {
                text.push_str("\n(cut here: name the fields you need)");
                break;
            }
            text.push_str(&line);
        }
    }
    let empty: Vec<&str> =
        fields.iter().filter(|f| !record.fields.contains_key(&f.name)).map(|f| f.name.as_str()).collect();
    if !empty.is_empty() {
        text.push_str(&format!("\n(empty: {})", names::listed(empty.into_iter())));
    }
    let record = record_of(record, table, &linked.names);
    Ok(Output::new(text, json!({"table": table.name, "record": record})))
}

impl Selection {
    /// Reads `fields`, `filter`, `sort` and `view`, all checked against the table.
    pub(super) fn of(table: &Table, arguments: &Arguments) -> Result<Self, ToolError> {
        let fields = named_fields(table, arguments)?;
        let filter = arguments.text("filter").map(str::trim).filter(|filter| !filter.is_empty());
        let mut notes = Vec::new();
        if let Some(filter) = filter {
            formula::check(filter, table)?;
            notes = formula::unknown_choices(filter, table);
        }
        let sort = arguments
            .texts("sort")
            .unwrap_or_default()
            .into_iter()
            .map(|key| sort_key(table, key))
            .collect::<Result<_, _>>()?;
        let view = arguments.text("view").map(|view| table.view(view)).transpose()?;
        let ask = ListRecords {
            view: view.map(|view| view.id.clone()),
            fields: fields.clone(),
            sort,
            filter_by_formula: filter.map(str::to_owned),
            ..ListRecords::default()
        };
        Ok(Self { ask, fields, notes })
    }
}

/// Records of some pages, and where each stands.
struct Read {
    records: Vec<Record>,
    /// For each record, the page it came with and its place there.
    places: Vec<(usize, usize)>,
    /// The offset that asked for each page.
    pages: Vec<Option<String>>,
    /// Asks for the page after the last.
    next: Option<String>,
}

impl Read {
    /// Where to go on after the first `kept` records; `None` if nothing is left.
    fn cursor_after(&self, kept: usize, start: &Cursor) -> Option<Cursor> {
        let seen = start.seen + kept as u64;
        let page_size = start.page_size;
        match self.places.get(kept) {
            Some((page, skip)) => {
                let last = kept.checked_sub(1).and_then(|last| self.records.get(last));
                let after = last.filter(|_| *skip > 0).map(|record| record.id.clone());
                Some(Cursor { offset: self.pages[*page].clone(), skip: *skip, after, seen, page_size })
            }
            None => self.next.clone().map(|next| Cursor {
                offset: Some(next),
                skip: 0,
                after: None,
                seen,
                page_size,
            }),
        }
    }
}

async fn read(
    context: &Context,
    place: &Place,
    ask: &ListRecords,
    start: &Cursor,
    limit: usize,
) -> Result<Read, ToolError> {
    let mut read = Read { records: Vec::new(), places: Vec::new(), pages: Vec::new(), next: None };
    let mut ask =
        ListRecords { page_size: Some(start.page_size), offset: start.offset.clone(), ..ask.clone() };
    let mut skip = start.skip;
    loop {
        let page = context.asker.list(&place.base, &place.table().id, &ask).await?;
        if let (true, Some(after)) = (skip > 0, &start.after) {
            // If it is gone, one record twice is better than one never.
            let at = page.records.iter().position(|record| record.id == *after);
            skip = at.map_or(skip.saturating_sub(1), |at| at + 1);
        }
        read.pages.push(ask.offset.take());
        let number = read.pages.len() - 1;
        for (at, record) in page.records.into_iter().enumerate().skip(skip) {
            read.records.push(record);
            read.places.push((number, at));
        }
        skip = 0;
        read.next = page.offset.filter(|offset| !offset.is_empty());
        if read.records.len() >= limit || read.next.is_none() {
            break;
        }
        context.progress.report(read.records.len(), Some(limit), format!("page {}", number + 1)).await;
        ask.offset = read.next.clone();
    }
    // What was read beyond the limit is given next time; its place is known.
    Ok(read.limited(limit))
}

impl Read {
    fn limited(mut self, limit: usize) -> Self {
        self.records.truncate(limit);
        self
    }
}

/// Rows as text.
struct Body {
    text: String,
    /// Those that fit.
    rows: usize,
    /// Whether cells of theirs are.
    is_cut: bool,
}

/// What is shown of records: columns, and names of what they link to.
struct Shown<'a> {
    table: &'a Table,
    fields: &'a [&'a Field],
    /// The fields were asked for: then empty columns are shown too.
    is_explicit: bool,
    names: &'a Names,
}

impl Shown<'_> {
    fn text(&self, records: &[Record], format: Format) -> Body {
        let has_values = |field: &Field| records.iter().any(|record| record.fields.contains_key(&field.name));
        let (shown, empty): (Vec<&Field>, Vec<&Field>) =
            self.fields.iter().partition(|field| self.is_explicit || has_values(field));
        let columns: Vec<&str> =
            std::iter::once("id").chain(shown.iter().map(|field| field.name.as_str())).collect();
        let is_cut = Cell::new(false);
        let rows: Vec<Vec<String>> = records
            .iter()
            .map(|record| {
                let text = |field: &&Field| {
                    let cell = record.fields.get(&field.name);
                    cell.map(|cell| cells::text(field, cell, self.names)).unwrap_or_default()
                };
                let cells: Vec<String> = shown.iter().map(text).collect();
                let longest = longest_cell(cells.iter().map(String::len));
                is_cut.set(is_cut.get() || cells.iter().any(|cell| cell.len() > longest));
                let cells = cells.into_iter().map(|cell| cut(cell, longest));
                std::iter::once(record.id.to_string()).chain(cells).collect()
            })
            .collect();
        let json = |at: usize| {
            let (record, has_cuts) = fitted(record_of(records[at].clone(), self.table, self.names));
            is_cut.set(is_cut.get() || has_cuts);
            record
        };
        let rendered = render::rows(format, &columns, &rows, json, TEXT_LIMIT);
        let mut text = rendered.text;
        if !empty.is_empty() && !records.is_empty() && format != Format::Json {
            let names = names::listed(empty.iter().map(|field| field.name.as_str()));
            text.push_str(&format!("\n(empty in all these records: {names})"));
        }
        Body { text, rows: rendered.rows, is_cut: is_cut.get() }
    }
}

/// The names of the fields that a call asks for.
pub(super) fn named_fields(table: &Table, arguments: &Arguments) -> Result<Vec<String>, ToolError> {
    let mut fields: Vec<String> = Vec::new();
    for wanted in arguments.texts("fields").unwrap_or_default() {
        let name = &table.field(wanted).map_err(|error| error.within("fields"))?.name;
        if !fields.contains(name) {
            fields.push(name.clone());
        }
    }
    Ok(fields)
}

/// The fields of these names, in this order; all for none.
pub(super) fn fields_of<'t>(table: &'t Table, names: &[String]) -> Vec<&'t Field> {
    if names.is_empty() {
        table.fields.iter().collect()
    } else {
        names.iter().filter_map(|name| table.by_name(name)).collect()
    }
}

/// A record for programs.
pub(crate) fn record_of(record: Record, table: &Table, names: &Names) -> Value {
    let fields: Map<String, Value> = record
        .fields
        .into_iter()
        .map(|(name, cell)| {
            let cell = match table.by_name(&name) {
                Some(field) => cells::structured(field, cell, names),
                None => cell,
            };
            (name, cell)
        })
        .collect();
    json!({"id": record.id, "createdTime": record.created_time, "fields": fields})
}

/// `Field`, or `-Field` for the largest first. A field whose name begins with a dash is itself.
fn sort_key(table: &Table, key: &str) -> Result<SortKey, ToolError> {
    let exact = table.field(key);
    let (field, direction) = match (exact, key.trim().strip_prefix('-')) {
        (Ok(field), _) => (field, Direction::Asc),
        (Err(_), Some(name)) => (table.field(name).map_err(|error| error.within("sort"))?, Direction::Desc),
        (Err(error), None) => return Err(error.within("sort")),
    };
    Ok(SortKey { field: field.name.clone(), direction: Some(direction) })
}

fn bad_cursor(unsealed: Unsealed) -> ToolError {
    let message = match unsealed {
        Unsealed::Expired => "cursor: it is older than ten minutes. Start the listing again, without cursor",
        Unsealed::NotOurs => {
            "cursor: it is not one of this listing. Repeat the call with all its arguments unchanged, or start again without \
             cursor"
        }
    };
    ToolError::invalid(message)
}

/// How long each cell of a row may be for the row to fit into a result's text, quoted and with others.
fn longest_cell(lengths: impl ExactSizeIterator<Item = usize>) -> usize {
    let count = lengths.len().max(1);
    let total: usize = lengths.map(|length| length.min(CELL)).sum();
    if total > TEXT_LIMIT / 3 { (TEXT_LIMIT / 3 / count).min(CELL) } else { CELL }
}

/// A record for programs as part of a text: if it is too long for that, its long cells as cut texts, and `true`.
pub(super) fn fitted(mut record: Value) -> (Value, bool) {
    if record.to_string().len() <= TEXT_LIMIT / 2 {
        return (record, false);
    }
    let cells = record["fields"].as_object_mut().map(|cells| cells.values_mut().collect::<Vec<_>>());
    let cells = cells.unwrap_or_default();
    let longest = (TEXT_LIMIT / 3 / cells.len().max(1)).min(CELL);
    for cell in cells {
        let text = cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        if text.len() > longest {
            *cell = Value::from(cut(text, longest));
        }
    }
    (record, true)
}

/// A text of at most so many bytes, with the rest counted.
pub(super) fn cut(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} more characters)", &text[..end], text[end..].chars().count())
}

fn quoted_whole(cursor: &str) -> String {
    format!("\"{cursor}\"")
}
