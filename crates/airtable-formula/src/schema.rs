//! The fields that a formula may name.

use std::collections::HashMap;

/// One field of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDef {
    /// `fld…`; what `{fld…}` in a formula refers to.
    pub id: String,
    pub name: String,
    pub kind: FieldKind,
}

impl FieldDef {
    pub fn new(id: impl Into<String>, name: impl Into<String>, kind: FieldKind) -> Self {
        Self { id: id.into(), name: name.into(), kind }
    }
}

/// What a field's cells are to a formula. Evaluation goes by the values themselves; this decides
/// [`result_type`](crate::Formula::result_type) only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Text of any sort, single select (its name), one collaborator (the display name), barcode, button.
    Text,
    /// Number, currency, percent, rating, duration (seconds), count, autonumber.
    Number,
    /// True, or blank when not ticked.
    Checkbox,
    /// A day: midnight UTC. Its text form is `YYYY-MM-DD`.
    Date,
    /// An instant.
    DateTime,
    /// Several values: multiple selects, links (the linked records' primary values), lookups, attachments.
    Array,
    /// Only the value itself can tell (a formula or rollup that is not analysed).
    Any,
}

impl FieldKind {
    /// The kind of a field type of Airtable's API (`singleLineText`, …); `None` for a name that is none. Formulas and rollups
    /// give `Any`: their result type is a matter of their own formula.
    pub fn of_api_type(name: &str) -> Option<Self> {
        Some(match name {
            "singleLineText" | "multilineText" | "richText" | "email" | "url" | "phoneNumber"
            | "singleSelect" | "singleCollaborator" | "createdBy" | "lastModifiedBy" | "barcode"
            | "button" | "aiText" | "externalSyncSource" => Self::Text,
            "number" | "currency" | "percent" | "rating" | "duration" | "count" | "autoNumber" => {
                Self::Number
            }
            "checkbox" => Self::Checkbox,
            "date" => Self::Date,
            "dateTime" | "createdTime" | "lastModifiedTime" => Self::DateTime,
            "multipleSelects"
            | "multipleCollaborators"
            | "multipleRecordLinks"
            | "multipleLookupValues"
            | "multipleAttachments" => Self::Array,
            "formula" | "rollup" => Self::Any,
            _ => return None,
        })
    }
}

/// The type of a formula's result, as far as it can be told without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Always blank or an error.
    Blank,
    /// Text, or branches of different types: Airtable makes such a field text.
    Text,
    Number,
    /// Shown as 1 and 0.
    Boolean,
    Date,
    Array,
    /// It depends on a field of kind [`FieldKind::Any`].
    Any,
}

impl ValueType {
    /// The type of a value that is one or the other.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Blank, other) | (other, Self::Blank) => other,
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Number, Self::Boolean) | (Self::Boolean, Self::Number) => Self::Number,
            _ => Self::Text,
        }
    }
}

impl From<FieldKind> for ValueType {
    fn from(kind: FieldKind) -> Self {
        match kind {
            FieldKind::Text => Self::Text,
            FieldKind::Number => Self::Number,
            FieldKind::Checkbox => Self::Boolean,
            FieldKind::Date | FieldKind::DateTime => Self::Date,
            FieldKind::Array => Self::Array,
            FieldKind::Any => Self::Any,
        }
    }
}

/// The fields of a table, in the order whose indexes a [`Row`](crate::Row) answers to.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    fields: Vec<FieldDef>,
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
}

impl Schema {
    /// Of two fields with one name, the first is found.
    pub fn new(fields: impl IntoIterator<Item = FieldDef>) -> Self {
        let mut schema = Self::default();
        for (index, field) in fields.into_iter().enumerate() {
            schema.by_id.entry(field.id.clone()).or_insert(index);
            schema.by_name.entry(field.name.clone()).or_insert(index);
            schema.fields.push(field);
        }
        schema
    }

    pub fn fields(&self) -> &[FieldDef] {
        &self.fields
    }

    /// What `{text}` refers to: a field id, else an exact name, else a name but for spaces around it.
    pub fn find_braced(&self, text: &str) -> Option<usize> {
        let id_or_name = |text: &str| self.by_id.get(text).or_else(|| self.find_name(text)).copied();
        id_or_name(text).or_else(|| id_or_name(text.trim()))
    }

    /// What a name without braces refers to: a field's exact name. (A bare field id is not accepted by Airtable.)
    pub fn find_bare(&self, text: &str) -> Option<usize> {
        self.find_name(text).copied()
    }

    fn find_name(&self, text: &str) -> Option<&usize> {
        self.by_name.get(text)
    }
}
