//! The seed file: structure, then records line by line, then the people who stand in them.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::cells::{Columns, Shared};
use super::mask::Masker;
use super::masks::{Masks, People};
use super::reading::{Records, Row};
use super::rules::How;
use super::structure::Structure;

/// What is written down.
pub(super) struct Content<'c> {
    /// The entry of the base, without tables.
    pub(super) base: Value,
    pub(super) structure: &'c mut Structure,
    /// The records of the tables that have any here, by the id of the table.
    pub(super) records: &'c HashMap<String, Records>,
    /// By the id of the record, the oldest first.
    pub(super) comments: &'c HashMap<String, Vec<Value>>,
    pub(super) masks: &'c mut Masks,
    pub(super) masker: &'c mut Masker,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) tables: usize,
    pub(super) records: usize,
    pub(super) comments: usize,
    /// Links to records that are not there.
    pub(super) dangling: usize,
}

impl Content<'_> {
    pub(super) fn write(mut self, out: &mut impl Write) -> io::Result<Written> {
        let mut written = Written { tables: self.structure.tables.len(), ..Written::default() };
        let mut people = People::default();
        let own_names = choices(self.structure);
        self.masks.mask_choices(self.structure, self.masker);
        if self.masks.is_any() {
            self.structure.forget_owners_of_views();
        }
        out.write_all(b"{\"bases\":[\n")?;
        open_object(out, &self.base)?;
        out.write_all(b",\n\"tables\":[")?;
        for table in 0..self.structure.tables.len() {
            out.write_all(if table == 0 { b"\n" } else { b",\n" })?;
            self.table(table, &own_names, &mut people, &mut written, out)?;
        }
        write!(out, "]}}],\n\"users\":{}}}\n", people.into_json())?;
        Ok(written)
    }

    fn table(
        &mut self,
        table: usize,
        own_names: &HashMap<String, Vec<(String, String)>>,
        people: &mut People,
        written: &mut Written,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let ids: Vec<String> = self.structure.tables.iter().map(|table| table.id.clone()).collect();
        let is_there = |table: usize, record: &str| {
            ids.get(table).and_then(|id| self.records.get(id)).is_some_and(|records| records.has(record))
        };
        let mut columns = Columns::new(own_names, self.structure, table, self.masks, self.masker);
        let mut shared = Shared { masker: self.masker, people, is_there: &is_there, dangling: 0 };
        let rows = self.records.get(&ids[table]).map(|records| records.rows.as_slice()).unwrap_or_default();
        let number = self.structure.tables[table].fields.iter().find(|field| field.kind == "autoNumber");
        let rows =
            in_order(rows, number.map(|field| field.id.as_str()), |cells| columns.learn(cells, &mut shared))?;
        for (field, names) in columns.new_choices() {
            add_choices(self.structure, field, names, shared.masker);
        }
        open_object(out, &Value::Object(self.structure.entry(table)))?;
        out.write_all(b",\n\"records\":[")?;
        for (index, row) in rows.into_iter().enumerate() {
            let cells: Map<String, Value> = serde_json::from_str(row.fields.get())?;
            let mut entry =
                json!({"id": row.id, "createdTime": columns.created(&row.created_time, shared.masker)});
            entry["fields"] = columns.cells(&cells, &mut shared).into();
            if let Some(history) = columns.history() {
                entry["history"] = history;
            }
            let comments = self.comments.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let comments = self::comments(comments, self.masks.is_any(), &mut shared);
            if !comments.is_empty() {
                written.comments += comments.len();
                entry["comments"] = comments.into();
            }
            write!(out, "{}{entry}", if index == 0 { "\n" } else { ",\n" })?;
            written.records += 1;
        }
        written.dangling += shared.dangling;
        out.write_all(b"]}")
    }
}

/// An object without its end.
fn open_object(out: &mut impl Write, object: &Value) -> io::Result<()> {
    let text = object.to_string();
    out.write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())
}

/// Ids and names of the choices of each field.
fn choices(structure: &Structure) -> HashMap<String, Vec<(String, String)>> {
    let fields = structure.tables.iter().flat_map(|table| &table.fields);
    let of_field = |field: &super::structure::Field| {
        let choices = field.option("choices")?.as_array()?.iter();
        let pair = |choice: &Value| {
            let text = |key: &str| choice.get(key).and_then(Value::as_str).map(str::to_owned);
            Some((text("id")?, text("name")?))
        };
        Some((field.id.clone(), choices.filter_map(pair).collect()))
    };
    fields.filter_map(of_field).collect()
}

/// Records in the order of their creation: an autoNumber field tells it exactly, else the time does to the second. `look` sees
/// the cells of each.
fn in_order<'r>(
    rows: &'r [Row],
    number: Option<&str>,
    mut look: impl FnMut(&Map<String, Value>),
) -> io::Result<Vec<&'r Row>> {
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows {
        let cells: Map<String, Value> = serde_json::from_str(row.fields.get())?;
        look(&cells);
        let number = number.and_then(|field| cells.get(field)?.as_u64());
        keyed.push(((number, row.created_time.as_str(), row.id.as_str()), row));
    }
    keyed.sort_unstable_by_key(|(key, _)| *key);
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

fn add_choices(structure: &mut Structure, field: &str, names: &[String], masker: &Masker) {
    let Some((table, position)) = structure.find(field) else { return };
    let field = &mut structure.tables[table].fields[position];
    let mut choices = field.option("choices").cloned().unwrap_or_else(|| json!([]));
    for name in names {
        let id = masker.id(&format!("sel{} {name}", field.id));
        choices.as_array_mut().into_iter().for_each(|list| list.push(json!({"id": id, "name": name})));
    }
    field.set_option("choices", choices);
}

/// Comments as a seed has them. They may say anything, so that they are masked as soon as anything is.
fn comments(comments: &[Value], masked: bool, shared: &mut Shared<'_>) -> Vec<Value> {
    let mut written: Vec<Value> = Vec::new();
    for comment in comments {
        let text = |key: &str| comment.get(key).and_then(Value::as_str);
        let author = match (comment.get("author"), masked) {
            (Some(Value::Object(author)), true) => shared.masker.person(author),
            (Some(author), _) => author.clone(),
            (None, _) => continue,
        };
        let Some(author) = shared.people.note(&author) else { continue };
        let said = text("text").filter(|said| !said.is_empty());
        let said = said.and_then(|said| shared.masker.text(if masked { How::Fake } else { How::Keep }, said));
        let (Some(id), Some(said)) = (text("id"), said) else { continue };
        if !masked {
            // Whom it mentions is told by id only.
            let mentioned = comment.get("mentioned").and_then(Value::as_object).into_iter().flatten();
            for (id, person) in mentioned {
                shared.people.note(
                    &json!({"id": id, "email": person.get("email"), "name": person.get("displayName")}),
                );
            }
        }
        let mut entry = json!({"id": id, "author": author["id"], "text": said});
        for key in ["createdTime", "lastUpdatedTime"] {
            if let Some(time) = text(key) {
                entry[key] = if masked { shared.masker.time(time).into() } else { time.into() };
            }
        }
        // A reply to what is no more there stands by itself.
        if let Some(parent) =
            text("parentCommentId").filter(|parent| written.iter().any(|one| one["id"] == *parent))
        {
            entry["parentCommentId"] = parent.into();
        }
        written.push(entry);
    }
    written
}
