//! Cells in and out: what the API may write into a field of each type, and what it reads there.
//!
//! Computed fields are not read here but in [`super::computed`].

pub(crate) mod attachment;
pub(crate) mod barcode;
pub(crate) mod date;
pub(crate) mod duration;
pub(crate) mod link;
pub(crate) mod number;
pub(crate) mod people;
pub(crate) mod select;
pub(crate) mod text;

use serde_json::Value;

use super::access::Users;
use super::cell::Cell;
use super::errors::AirtableError;
use super::ids::RecordId;
use super::model::{Field, Kind};

/// Where a value is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) table: usize,
    pub(crate) field: usize,
}

/// What reading a value needs from the base around it. Writes over the API and seeds resolve differently.
pub(crate) trait Resolver {
    /// Whether text is converted to what the field wants.
    fn typecast(&self) -> bool;

    fn users(&self) -> &Users;

    /// The choice of that name, which typecast may add to the field.
    fn choice(&mut self, target: Target, name: &str) -> Result<u32, Fault>;

    /// The slot of a record in a linked table.
    fn linked(&mut self, table: usize, id: RecordId) -> Result<u32, Fault>;

    /// The slot of the record whose primary field says `text`, which is created if there is none. Typecast only.
    fn linked_by_text(&mut self, table: usize, text: &str) -> Result<u32, Fault>;

    /// What the cell holds now; empty for a new record.
    fn current(&self, target: Target) -> &Cell;
}

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// A value of the wrong type, or out of range.
    Refused,
    /// Typecast could make nothing of it.
    Unparsable(String),
    /// A choice that does not exist and may not be added.
    UnknownChoice(String),
    /// A link to a record that does not exist.
    NoSuchRow(RecordId),
    /// The field is computed.
    Computed,
    /// An attachment object that is none.
    BadAttachment,
    /// A primary field that typecast would have to fill and cannot.
    NotPermittedToCreate { table_name: String, table_id: String },
}

impl Fault {
    pub(crate) fn into_error(self, field: &str) -> AirtableError {
        match self {
            Self::Refused => AirtableError::value_refused(field),
            Self::Unparsable(value) => AirtableError::value_unparsable(&value, field),
            Self::UnknownChoice(name) => AirtableError::unknown_choice(&name),
            Self::NoSuchRow(id) => AirtableError::no_such_linked_row(id),
            Self::Computed => AirtableError::field_is_computed(field),
            Self::BadAttachment => AirtableError::bad_attachment(field),
            Self::NotPermittedToCreate { table_name, table_id } => {
                AirtableError::not_permitted_to_create(&table_name, table_id)
            }
        }
    }
}

/// What to say of a value that typecast cannot convert; without typecast it is simply refused.
fn unconvertible(value: &Value, typecast: bool) -> Fault {
    match value {
        _ if !typecast => Fault::Refused,
        Value::String(text) => Fault::Unparsable(text.clone()),
        other => Fault::Unparsable(other.to_string()),
    }
}

/// Reads the JSON of a cell for writing.
pub(crate) fn read(
    target: Target,
    field: &Field,
    value: &Value,
    resolver: &mut dyn Resolver,
) -> Result<Cell, Fault> {
    if field.kind.is_computed() {
        return Err(Fault::Computed);
    }
    if value.is_null() {
        return Ok(Cell::Empty);
    }
    let typecast = resolver.typecast();
    if typecast && value.as_str() == Some("") {
        return Ok(Cell::Empty);
    }
    match &field.kind {
        Kind::Text(_) => text::read(value, typecast),
        Kind::Number(kind) => number::read(kind, value, typecast),
        Kind::Checkbox => read_checkbox(value, typecast),
        Kind::SingleSelect(_) => select::read_one(target, value, resolver),
        Kind::MultipleSelects(_) => select::read_many(target, value, resolver),
        Kind::Date(format) => date::read_date(*format, value, typecast),
        Kind::DateTime(format) => date::read_date_time(format, value, typecast),
        Kind::Attachments => attachment::read(value, resolver.current(target), typecast),
        Kind::Links(link) => link::read(link.table, value, resolver),
        Kind::Collaborator => people::read_one(value, resolver.users(), typecast),
        Kind::Collaborators => people::read_many(value, resolver.users(), typecast),
        Kind::Barcode => barcode::read(value, typecast),
        _ => Err(Fault::Computed),
    }
}

fn read_checkbox(value: &Value, typecast: bool) -> Result<Cell, Fault> {
    let ticked = match value {
        Value::Bool(ticked) => *ticked,
        Value::String(text) if typecast => match text.trim().to_lowercase().as_str() {
            "true" | "checked" | "yes" | "1" => true,
            "false" | "unchecked" | "no" | "0" => false,
            _ => return Err(Fault::Unparsable(text.clone())),
        },
        Value::Number(number) if typecast => number.as_f64() != Some(0.0),
        other => return Err(unconvertible(other, typecast)),
    };
    Ok(if ticked { Cell::Checked } else { Cell::Empty })
}
