//! What formulas see of a record, and the fields whose cells are computed from others.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use airtable_formula::{Context, Date, ErrorKind, Row, Timestamp, Value};

use super::access::{User, Users};
use super::cell::Cell;
use super::fields::{barcode, date};
use super::files::Urls;
use super::model::{Base, ButtonKind, Field, Kind, Table};
use super::rows::Record;

/// How many computed values are remembered before the memory is emptied.
const MAX_REMEMBERED: usize = 10_000;

/// Computes values of one base at one moment. Lives as long as the base is locked.
pub(crate) struct Eval<'a> {
    pub(crate) base: &'a Base,
    pub(crate) users: &'a Users,
    /// For the files of attachments; `None`: they are shown without.
    pub(crate) urls: Option<&'a Urls>,
    context: Context,
    /// Formulas refer to formulas; without remembering, n of them in a row would be evaluated 2^n times.
    remembered: RefCell<HashMap<(usize, u32, usize), Value<'static>>>,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(base: &'a Base, users: &'a Users, now: Timestamp) -> Self {
        Self { base, users, urls: None, context: Context::new(now), remembered: RefCell::default() }
    }

    /// The same, whose attachments have URLs.
    pub(crate) fn with_urls(self, urls: &'a Urls) -> Self {
        Self { urls: Some(urls), ..self }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// A record as formulas of its table see it.
    pub(crate) fn row(&self, table: usize, slot: u32) -> Option<FormulaRow<'_, 'a>> {
        let record = self.base.tables[table].rows.get(slot)?;
        Some(FormulaRow { eval: self, table, slot, record, id: OnceCell::new() })
    }

    /// A cell as formulas see it.
    pub(crate) fn value(&self, table: usize, slot: u32, index: usize) -> Value<'a> {
        let Some((record, field)) = self.cell_place(table, slot, index) else { return Value::Blank };
        match &field.kind {
            Kind::Formula(_) | Kind::Rollup(_) | Kind::Lookup { .. } => self.remember(table, slot, index),
            Kind::Count { link } => {
                link.map_or(Value::Blank, |link| Value::Number(record.cell(link).links().len() as f64))
            }
            Kind::AutoNumber => Value::Number(f64::from(record.number)),
            Kind::CreatedTime(_) => instant(Some(record.created)),
            Kind::LastModifiedTime { fields, .. } => {
                instant(last_modified(&self.base.tables[table], record, fields.as_deref()))
            }
            Kind::Button(button) if button.is_told() || record.cell(index).is_empty() => {
                Value::from(button.label.as_deref().unwrap_or(&field.name))
            }
            Kind::CreatedBy => user(self.users.get(record.created_by)),
            Kind::LastModifiedBy => user(self.users.get(record.modified_by)),
            _ => self.plain(field, record.cell(index)),
        }
    }

    /// Where a button of a record leads; `None`: nowhere.
    pub(crate) fn button_url(&self, button: &ButtonKind, table: usize, slot: u32) -> Option<String> {
        let row = self.row(table, slot)?;
        let url = button.url.as_ref()?.evaluate(&row, &self.context);
        let text = url.to_text().ok()?.into_owned();
        (!text.is_empty()).then_some(text)
    }

    fn cell_place(&self, table: usize, slot: u32, index: usize) -> Option<(&'a Record, &'a Field)> {
        let table = self.base.tables.get(table)?;
        Some((table.rows.get(slot)?, table.fields.get(index)?))
    }

    /// A stored cell.
    fn plain(&self, field: &'a Field, cell: &'a Cell) -> Value<'a> {
        match cell {
            Cell::Empty => Value::Blank,
            Cell::Text(text) => Value::from(&**text),
            Cell::Number(number) => Value::Number(*number),
            Cell::Checked => Value::Boolean(true),
            Cell::Date(day) => Date::parse_cell(&date::iso_day(*day)).map_or(Value::Blank, Value::Date),
            Cell::Instant(millis) => instant(Some(*millis)),
            Cell::Choice(choice) => Value::from(choice_name(field, *choice)),
            Cell::Choices(chosen) => {
                Value::Array(chosen.iter().map(|&choice| Value::from(choice_name(field, choice))).collect())
            }
            Cell::Links(slots) => match &field.kind {
                Kind::Links(link) => Value::Array(self.names(link.table, slots)),
                _ => Value::Blank,
            },
            Cell::User(index) => user(self.users.get(*index)),
            Cell::Users(list) => {
                Value::Array(list.iter().map(|&index| user(self.users.get(index))).collect())
            }
            Cell::Attachments(list) => {
                Value::Array(list.iter().map(|attachment| attachment.text(self.urls).into()).collect())
            }
            Cell::Json(value) => match &field.kind {
                Kind::Barcode => Value::from(barcode::text(value)),
                _ => from_json(value),
            },
        }
    }

    /// The primary values of linked records, as text where they are anything else.
    fn names(&self, table: usize, slots: &[u32]) -> Vec<Value<'a>> {
        slots.iter().map(|&slot| self.name(table, slot)).collect()
    }

    /// What a link to a record shows.
    pub(crate) fn name(&self, table: usize, slot: u32) -> Value<'a> {
        match self.value(table, slot, self.base.tables[table].primary) {
            text @ Value::Text(_) => text,
            Value::Blank => Value::from(""),
            other => Value::from(other.to_string()),
        }
    }

    fn remember(&self, table: usize, slot: u32, index: usize) -> Value<'a> {
        let key = (table, slot, index);
        if let Some(value) = self.remembered.borrow().get(&key) {
            return value.clone();
        }
        let value = self.compute(table, slot, index).into_owned();
        let mut remembered = self.remembered.borrow_mut();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, value.clone());
        value
    }

    fn compute(&self, table: usize, slot: u32, index: usize) -> Value<'static> {
        let Some((record, field)) = self.cell_place(table, slot, index) else { return Value::Blank };
        match &field.kind {
            Kind::Formula(formula) => match (&formula.compiled, self.row(table, slot)) {
                (Some(compiled), Some(row)) => compiled.evaluate(&row, &self.context).into_owned(),
                _ if formula.as_seeded => self.plain(field, record.cell(index)).into_owned(),
                _ => Value::Error(ErrorKind::Raised),
            },
            Kind::Rollup(rollup) => match &rollup.compiled {
                Some(compiled) => {
                    let row =
                        RollupRow { values: self.linked_values(table, record, rollup.link, rollup.target) };
                    compiled.evaluate(&row, &self.context).into_owned()
                }
                None if rollup.is_broken => Value::Blank,
                None => self.plain(field, record.cell(index)).into_owned(),
            },
            Kind::Lookup { link, target, valid: true } => {
                let values = self.linked_values(table, record, *link, *target);
                if values.is_empty() { Value::Blank } else { Value::Array(values).into_owned() }
            }
            _ => Value::Blank,
        }
    }

    /// The cells of a field in the linked records, lists among them spread out, empty ones left out.
    fn linked_values(&self, table: usize, record: &Record, link: usize, target: usize) -> Vec<Value<'a>> {
        let Some(linked) = self.base.tables[table].fields[link].kind.link().map(|link| link.table) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        for &slot in record.cell(link).links() {
            match self.value(linked, slot, target) {
                Value::Blank => {}
                Value::Array(items) => values.extend(items),
                value => values.push(value),
            }
        }
        values
    }
}

fn choice_name(field: &Field, choice: u32) -> &str {
    field.kind.choices().map_or("", |choices| choices.name(choice))
}

fn user<'a>(user: Option<&'a User>) -> Value<'a> {
    user.map_or(Value::Blank, |user| Value::from(user.label()))
}

fn instant(millis: Option<i64>) -> Value<'static> {
    let timestamp = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    timestamp.map_or(Value::Blank, |timestamp| Value::Date(Date::at(timestamp)))
}

/// What only travels through: a scalar as it is, of an object the text that it has.
fn from_json(value: &serde_json::Value) -> Value<'_> {
    match value {
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        serde_json::Value::Bool(boolean) => Value::Boolean(*boolean),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        serde_json::Value::Object(object) => {
            let text = ["value", "label", "name"].iter().find_map(|key| object.get(*key)?.as_str());
            text.map_or(Value::Blank, Value::from)
        }
        serde_json::Value::Null => Value::Blank,
    }
}

/// The last edit of the fields; `None`: of all that are not computed.
pub(crate) fn last_modified(table: &Table, record: &Record, fields: Option<&[usize]>) -> Option<i64> {
    let Some(fields) = fields else { return record.modified };
    let stored = fields.iter().filter(|&&field| !table.fields[field].kind.is_computed());
    stored.filter_map(|&field| record.field_modified(field)).max()
}

/// A record that a formula is evaluated on.
pub(crate) struct FormulaRow<'e, 'a> {
    eval: &'e Eval<'a>,
    table: usize,
    slot: u32,
    record: &'a Record,
    id: OnceCell<String>,
}

impl Row for FormulaRow<'_, '_> {
    fn field(&self, index: usize) -> Value<'_> {
        self.eval.value(self.table, self.slot, index)
    }

    fn record_id(&self) -> &str {
        self.id.get_or_init(|| self.record.id.to_string())
    }

    fn created_time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.record.created).unwrap_or_default()
    }

    fn last_modified_time(&self, fields: Option<&[usize]>) -> Option<Timestamp> {
        let table = &self.eval.base.tables[self.table];
        let millis = last_modified(table, self.record, fields)?;
        Timestamp::from_millisecond(millis).ok()
    }
}

/// What a rollup's aggregation sees: `values`, and nothing else.
struct RollupRow<'a> {
    values: Vec<Value<'a>>,
}

impl Row for RollupRow<'_> {
    fn field(&self, _index: usize) -> Value<'_> {
        Value::Array(self.values.iter().map(Value::borrowed).collect())
    }

    fn record_id(&self) -> &str {
        ""
    }

    fn created_time(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn last_modified_time(&self, _fields: Option<&[usize]>) -> Option<Timestamp> {
        None
    }
}
