//! What a call would change, row by row, with all its names and values checked.

use airtable_api::{BaseId, RecordId};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{links, values};
use crate::arguments::Arguments;
use crate::context::{Context, Place};
use crate::error::ToolError;
use crate::names::quoted;
use crate::schema::{Field, Shape, Table};
use crate::tools::Tool;

/// Most rows of one call.
const MOST_ROWS: usize = 1000;

/// Updates and upserts of more rows than this need the user's word.
const UNASKED_ROWS: usize = 10;

/// Most wrong places that an error lists.
const LISTED: usize = 10;

/// Cells to write, by field name.
pub(super) type Cells = Map<String, Value>;

/// A change that is ready to be made.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) base: BaseId,
    pub(super) table_id: String,
    pub(super) table_name: String,
    pub(super) action: Action,
    pub(super) typecast: bool,
}

#[derive(Debug)]
pub(super) enum Action {
    Create(Vec<Cells>),
    Update(Vec<(RecordId, Cells)>),
    /// Rows with an id are updates; others are matched by these fields.
    Upsert {
        rows: Vec<(Option<RecordId>, Cells)>,
        merge_on: Vec<String>,
    },
    Delete(Vec<RecordId>),
}

/// One row as the call has it.
struct Given<'a> {
    id: Option<&'a Value>,
    cells: &'a Map<String, Value>,
    /// A member of `cells` that is not a cell.
    id_key: Option<&'a str>,
}

impl Plan {
    pub(super) async fn read(
        context: &Context,
        place: &Place,
        tool: Tool,
        arguments: &Arguments,
    ) -> Result<Self, ToolError> {
        let table = place.table();
        let typecast = arguments.flag("typecast");
        let mut action = match tool {
            Tool::DeleteRecords => Action::Delete(ids_of(arguments)?),
            Tool::UpdateRecords => Action::Update(updates(table, arguments, typecast)?),
            Tool::UpsertRecords => upsert(table, arguments, typecast)?,
            _ => Action::Create(creates(table, arguments, typecast)?),
        };
        links::resolve(context, place, &mut action, typecast).await?;
        Ok(Self {
            base: place.base.clone(),
            table_id: table.id.clone(),
            table_name: table.name.clone(),
            action,
            typecast,
        })
    }

    pub(super) fn len(&self) -> usize {
        match &self.action {
            Action::Create(rows) => rows.len(),
            Action::Update(rows) => rows.len(),
            Action::Upsert { rows, .. } => rows.len(),
            Action::Delete(ids) => ids.len(),
        }
    }

    /// Whether the user has to agree before it is made, whoever calls.
    pub(super) fn needs_word(&self) -> bool {
        match &self.action {
            Action::Delete(_) => true,
            Action::Update(_) | Action::Upsert { .. } => self.len() > UNASKED_ROWS,
            Action::Create(_) => false,
        }
    }

    /// The same change has the same digest, and no other has.
    pub(super) fn digest(&self) -> String {
        let action = match &self.action {
            Action::Create(rows) => json!({"create": rows}),
            Action::Update(rows) => json!({"update": rows}),
            Action::Upsert { rows, merge_on } => json!({"upsert": rows, "on": merge_on}),
            Action::Delete(ids) => json!({"delete": ids}),
        };
        let text = json!([self.base, self.table_id, action, self.typecast]).to_string();
        hex::encode(Sha256::digest(text.as_bytes()))
    }
}

impl Action {
    pub(super) fn cells_mut(&mut self) -> Vec<&mut Cells> {
        match self {
            Self::Create(rows) => rows.iter_mut().collect(),
            Self::Update(rows) => rows.iter_mut().map(|(_, cells)| cells).collect(),
            Self::Upsert { rows, .. } => rows.iter_mut().map(|(_, cells)| cells).collect(),
            Self::Delete(_) => Vec::new(),
        }
    }
}

fn creates(table: &Table, arguments: &Arguments, typecast: bool) -> Result<Vec<Cells>, ToolError> {
    let mut problems = Problems::default();
    let given = match (arguments.objects("records"), arguments.object("fields")) {
        (Some(records), None) => records.into_iter().map(|record| given(table, record, true)).collect(),
        (None, Some(fields)) => vec![Given { id: None, cells: fields, id_key: None }],
        (Some(_), Some(_)) => {
            return Err(ToolError::invalid("give records (many) or fields (one), not both"));
        }
        (None, None) => {
            return Err(ToolError::invalid(
                "records is missing: a list of objects of field names and values",
            ));
        }
    };
    let rows = given
        .iter()
        .enumerate()
        .map(|(at, row)| {
            if row.id.is_some() {
                problems.add(at, "a new record has no id; to change one use update_records");
            }
            row.cells(at, table, typecast, &mut problems)
        })
        .collect();
    problems.finish(given.len())?;
    Ok(rows)
}

fn updates(
    table: &Table,
    arguments: &Arguments,
    typecast: bool,
) -> Result<Vec<(RecordId, Cells)>, ToolError> {
    let mut problems = Problems::default();
    let mut rows: Vec<(RecordId, Cells)> = Vec::new();
    let fields = arguments.object("fields");
    let count = match (arguments.objects("records"), fields) {
        (Some(records), None) => {
            for (at, record) in records.iter().enumerate() {
                let row = given(table, record, false);
                let id = row.id(at, &mut problems);
                let cells = row.cells(at, table, typecast, &mut problems);
                if row.id.is_none() {
                    problems.add(
                        at,
                        "has no id: each row needs the id of its record; without ids use upsert_records",
                    );
                }
                if row.is_empty() {
                    problems.add(at, "changes nothing");
                }
                if let Some(id) = id {
                    rows.push((id, cells));
                }
            }
            records.len()
        }
        (None, Some(fields)) => {
            let ids = ids_of(arguments)?;
            let row = Given { id: None, cells: fields, id_key: None };
            let cells = row.cells(0, table, typecast, &mut problems);
            if row.is_empty() {
                problems.add(0, "fields changes nothing");
            }
            let count = ids.len();
            rows.extend(ids.into_iter().map(|id| (id, cells.clone())));
            count
        }
        (Some(_), Some(_)) => {
            return Err(ToolError::invalid(
                "give records, or record_id (or record_ids) with fields, not both",
            ));
        }
        (None, None) => {
            return Err(ToolError::invalid(
                "records is missing: a list of {id, fields}; or give record_id, or record_ids, with fields",
            ));
        }
    };
    for at in 1..rows.len() {
        if rows[..at].iter().any(|(id, _)| *id == rows[at].0) {
            problems.add(at, &format!("repeats record {}", rows[at].0));
        }
    }
    problems.finish(count)?;
    Ok(rows)
}

fn upsert(table: &Table, arguments: &Arguments, typecast: bool) -> Result<Action, ToolError> {
    let mut merge_on: Vec<String> = Vec::new();
    for wanted in arguments.texts("merge_on").unwrap_or_default() {
        let field = table.field(wanted).map_err(|error| error.within("merge_on"))?;
        check_merge(field)?;
        merge_on.push(field.name.clone());
    }
    if merge_on.is_empty() || merge_on.len() > 3 {
        return Err(ToolError::invalid("merge_on must name one to three fields"));
    }
    let Some(records) = arguments.objects("records") else {
        return Err(ToolError::invalid("records is missing: a list of objects of field names and values"));
    };
    let mut problems = Problems::default();
    let mut rows: Vec<(Option<RecordId>, Cells)> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let row = given(table, record, false);
        let id = row.id(at, &mut problems);
        let cells = row.cells(at, table, typecast, &mut problems);
        if id.is_none() {
            for name in merge_on.iter().filter(|name| !cells.contains_key(*name)) {
                problems.add(at, &format!("lacks {}, by which records are matched", quoted(name)));
            }
        }
        rows.push((id, cells));
    }
    let key = |row: &(Option<RecordId>, Cells)| -> Vec<Value> {
        merge_on.iter().map(|name| row.1.get(name).cloned().unwrap_or_default()).collect()
    };
    for at in 1..rows.len() {
        let same = |other: &&(Option<RecordId>, Cells)| other.0.is_none() && key(other) == key(&rows[at]);
        if rows[at].0.is_none() && rows[..at].iter().any(|other| same(&other)) {
            problems.add(at, "has the same values to match by as a row before it");
        }
    }
    problems.finish(records.len())?;
    Ok(Action::Upsert { rows, merge_on })
}

fn check_merge(field: &Field) -> Result<(), ToolError> {
    let fits = !field.is_computed
        && (field.shape.is_number()
            || matches!(field.shape, Shape::Text | Shape::Choice(_) | Shape::Choices(_) | Shape::Day));
    if fits {
        Ok(())
    } else {
        Err(ToolError::invalid(format!(
            "merge_on: {} is a {} field; Airtable matches by text, number, date and select fields only",
            quoted(&field.name),
            field.api_type
        )))
    }
}

fn ids_of(arguments: &Arguments) -> Result<Vec<RecordId>, ToolError> {
    let mut texts = arguments.texts("record_ids").unwrap_or_default();
    if let Some(one) = arguments.text("record_id") {
        texts.push(one);
    }
    if texts.is_empty() {
        return Err(ToolError::invalid("record_ids is missing: a list of record ids (rec…)"));
    }
    if texts.len() > MOST_ROWS {
        return Err(too_many(texts.len()));
    }
    let mut ids: Vec<RecordId> = Vec::with_capacity(texts.len());
    for text in texts {
        let id = RecordId::parse(text.trim()).map_err(|error| {
            ToolError::invalid(format!(
                "record_ids: {} is none: {error}. Find ids with search_records or list_records",
                quoted(text)
            ))
        })?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Reads one row: `{id, fields: {…}}`, or the cells flat, with or without `id`.
fn given<'a>(table: &Table, record: &'a Map<String, Value>, is_new: bool) -> Given<'a> {
    const ID_KEYS: [&str; 3] = ["id", "record_id", "recordId"];
    let is_field = |name: &str| table.by_name(name).is_some();
    // A new record's `id` is a cell if the table has such a field.
    let id_key = ID_KEYS
        .into_iter()
        .find_map(|key| record.get_key_value(key))
        .filter(|(key, _)| !(is_new && is_field(key)));
    let id = id_key.map(|(_, value)| value).filter(|value| !value.is_null());
    let others = record.keys().filter(|key| !ID_KEYS.contains(&key.as_str()) && *key != "createdTime");
    match record.get("fields") {
        Some(Value::Object(cells)) if others.count() == 1 && !is_field("fields") => {
            Given { id, cells, id_key: None }
        }
        _ => Given { id, cells: record, id_key: id_key.map(|(key, _)| key.as_str()) },
    }
}

impl Given<'_> {
    fn is_empty(&self) -> bool {
        self.cells.keys().all(|name| Some(name.as_str()) == self.id_key)
    }

    fn id(&self, at: usize, problems: &mut Problems) -> Option<RecordId> {
        let text = match self.id? {
            Value::String(text) => text.trim(),
            _ => "",
        };
        match RecordId::parse(text) {
            Ok(id) => Some(id),
            Err(error) => {
                problems.add(at, &format!("id: {error}"));
                None
            }
        }
    }

    /// The cells under their fields' names, each in the form that Airtable takes.
    fn cells(&self, at: usize, table: &Table, typecast: bool, problems: &mut Problems) -> Cells {
        let mut cells = Cells::new();
        for (name, value) in self.cells.iter().filter(|(name, _)| Some(name.as_str()) != self.id_key) {
            let field = match table.field(name) {
                Ok(field) => field,
                Err(error) => {
                    problems.add(at, &error.message);
                    continue;
                }
            };
            match values::read(field, value, typecast) {
                Ok(value) => {
                    if cells.insert(field.name.clone(), value).is_some() {
                        problems.add(at, &format!("names {} twice", quoted(&field.name)));
                    }
                }
                Err(problem) => problems.add(at, &format!("{}: {problem}", quoted(&field.name))),
            }
        }
        cells
    }
}

/// What is wrong with the rows of a call: told together, so that one correction is enough.
#[derive(Default)]
struct Problems {
    list: Vec<String>,
    more: usize,
}

impl Problems {
    fn add(&mut self, at: usize, problem: &str) {
        if self.list.len() < LISTED {
            self.list.push(format!("row {}: {problem}", at + 1));
        } else {
            self.more += 1;
        }
    }

    fn finish(self, rows: usize) -> Result<(), ToolError> {
        if rows == 0 {
            return Err(ToolError::invalid("there are no rows to write"));
        }
        if rows > MOST_ROWS {
            return Err(too_many(rows));
        }
        if self.list.is_empty() {
            return Ok(());
        }
        let more = if self.more > 0 { format!("\nand {} more", self.more) } else { String::new() };
        Err(ToolError::invalid(format!("nothing was written, since\n{}{more}", self.list.join("\n"))))
    }
}

fn too_many(rows: usize) -> ToolError {
    ToolError::invalid(format!(
        "{rows} rows are too many for one call: give {MOST_ROWS} at most, and call again for the rest"
    ))
}
