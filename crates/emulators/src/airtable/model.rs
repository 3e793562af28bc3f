//! A base as it is kept: tables, fields, views, and the records in them.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use airtable_formula::{Formula, Schema};
use serde_json::{Map, Value};

use super::access::Roles;
use super::computed::Eval;
use super::dependents::Dependents;
use super::ids::{BaseId, ChoiceId, FieldId, TableId, ViewId};
use super::list::sort::SortKey;
use super::rows::Rows;

/// A base. Tables stay in their order, so that their positions are keys until one is deleted.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) id: BaseId,
    pub(crate) name: String,
    pub(crate) roles: Roles,
    /// `wsp…`; says where the base lies, and nothing else.
    pub(crate) workspace: String,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
    pub(crate) tables: Vec<Table>,
    /// What is computed from what.
    pub(crate) dependents: Arc<Dependents>,
    pub(crate) redefined: Redefined,
}

/// What of a base has changed since it was last kept, beside records.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Redefined {
    #[default]
    Nothing,
    /// Its metadata.
    Metadata,
    /// From this one on, the positions of tables too, by which their records are known.
    Positions(usize),
}

/// A table. Its fields stay in their order, too.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Position of the primary field.
    pub(crate) primary: usize,
    pub(crate) fields: Fields,
    pub(crate) views: Vec<View>,
    pub(crate) rows: Rows,
    /// Sources that CSV data may come from.
    pub(crate) syncs: Vec<Sync>,
    /// By link field without an inverse: who links to a slot of the linked table.
    pub(crate) backlinks: HashMap<usize, HashMap<u32, Vec<u32>>>,
    /// What formulas of this table see; compiled ones hold positions in it, which are those of `fields`.
    pub(crate) schema: Arc<Schema>,
    /// Keys of the metadata that only travel through, such as `dateDependencySettings`.
    pub(crate) extra: Map<String, Value>,
    pub(crate) fields_by_name: HashMap<String, usize>,
}

/// A source that CSV data comes from, as it is set up in Airtable's own interface.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sync {
    /// `apiEndpointSyncId`.
    pub(crate) id: String,
    /// Position of the field by which records are told apart; not a computed one.
    pub(crate) key: usize,
    /// Whether records that the source does not send any more are deleted.
    pub(crate) deletes_missing: bool,
}

/// The fields of a table. Clones share them until one side changes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Arc<Vec<Field>>);

impl From<Vec<Field>> for Fields {
    fn from(fields: Vec<Field>) -> Self {
        Self(Arc::new(fields))
    }
}

impl Fields {
    /// Whether they are the very same: not whether they are alike.
    pub(crate) fn are_those_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Fields {
    type Target = [Field];

    fn deref(&self) -> &[Field] {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut [Field] {
        Arc::<Vec<Field>>::make_mut(&mut self.0)
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) id: FieldId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: Kind,
    /// As served; `None` for types without options.
    pub(crate) options: Option<Value>,
}

/// A view. Without an order of its own it shows records as they were created.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) id: ViewId,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Served for grid views when asked for; `None` is all fields.
    pub(crate) visible_field_ids: Option<Vec<FieldId>>,
    /// `None`: it shows all records.
    pub(crate) filter: Option<Arc<Formula>>,
    pub(crate) sort: Vec<SortKey>,
    pub(crate) extra: Map<String, Value>,
}

/// What a field's cells are, with what reading and writing them needs to know.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Text(TextKind),
    Number(NumberKind),
    Checkbox,
    SingleSelect(Choices),
    MultipleSelects(Choices),
    Date(DateFormat),
    DateTime(DateTimeFormat),
    Attachments,
    Links(LinkKind),
    Collaborator,
    Collaborators,
    Barcode,
    Formula(FormulaKind),
    Rollup(RollupKind),
    /// Values of `target` in the records that `link` links to.
    Lookup {
        link: usize,
        target: usize,
        valid: bool,
    },
    /// How many records `link` links to.
    Count {
        link: Option<usize>,
    },
    AutoNumber,
    CreatedTime(ResultFormat),
    /// Of edits of `fields`; `None`: of all that are not computed. None of them is left if those have been deleted.
    LastModifiedTime {
        fields: Option<Vec<usize>>,
        format: ResultFormat,
    },
    CreatedBy,
    LastModifiedBy,
    Button(ButtonKind),
    /// aiText, externalSyncSource, manualSort: served as seeded, never written by the API.
    Opaque(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TextKind {
    SingleLine,
    MultiLine,
    Rich,
    Email,
    Url,
    Phone,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NumberKind {
    Number { precision: usize },
    Percent { precision: usize },
    Currency { precision: usize, symbol: String },
    Duration(DurationFormat),
    Rating { max: u32 },
}

/// How a duration is shown; cells are seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DurationFormat {
    pub(crate) seconds: bool,
    pub(crate) fraction_digits: usize,
}

/// A link to another table (or to the same one).
#[derive(Debug, Clone)]
pub(crate) struct LinkKind {
    pub(crate) table: usize,
    /// The field of `table` that shows the same links from the other side.
    pub(crate) inverse: Option<usize>,
}

/// The choices of a select field. They are only ever appended, so cells hold positions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    pub(crate) list: Vec<Choice>,
    by_name: HashMap<String, u32>,
}

#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) id: ChoiceId,
    pub(crate) name: String,
    pub(crate) color: Option<String>,
}

impl Choices {
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, index: u32) -> &str {
        self.list.get(index as usize).map_or("", |choice| &choice.name)
    }

    /// `false` if there is one of that name.
    pub(crate) fn push(&mut self, choice: Choice) -> bool {
        let index = self.list.len() as u32;
        let new = self.by_name.insert(choice.name.clone(), index).is_none();
        self.list.push(choice);
        new
    }
}

/// How a formula, lookup or time field shows dates.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum ResultFormat {
    /// As the value's own type says.
    #[default]
    Plain,
    Date(DateFormat),
    DateTime(DateTimeFormat),
    Checkbox,
    Number(NumberKind),
}

/// `dateFormat` of the metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum DateFormat {
    Local,
    Friendly,
    Us,
    European,
    #[default]
    Iso,
}

/// `dateFormat`, `timeFormat` and `timeZone` of the metadata.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DateTimeFormat {
    pub(crate) date: DateFormat,
    pub(crate) twelve_hours: bool,
    /// `None` for `utc` and `client`.
    pub(crate) zone: Option<jiff::tz::TimeZone>,
}

#[derive(Debug, Clone)]
pub(crate) struct FormulaKind {
    /// `None`: it does not compile, or depends on itself; every cell is an error.
    pub(crate) compiled: Option<Arc<Formula>>,
    /// Its cells are served as seeded, whatever the formula says.
    pub(crate) as_seeded: bool,
    pub(crate) format: ResultFormat,
}

/// A rollup can be computed only if the seed tells the aggregation, which Airtable's metadata does not.
#[derive(Debug, Clone)]
pub(crate) struct RollupKind {
    pub(crate) link: usize,
    pub(crate) target: usize,
    /// The aggregation over `values`; `None` serves the cells as seeded.
    pub(crate) compiled: Option<Arc<Formula>>,
    pub(crate) valid: bool,
    /// Its metadata says that it is not valid: then it has no cells.
    pub(crate) is_broken: bool,
    pub(crate) format: ResultFormat,
}

/// A button. Airtable's metadata tells neither what it says nor where it leads; a seed may. Else cells are served as seeded.
#[derive(Debug, Clone, Default)]
pub(crate) struct ButtonKind {
    pub(crate) label: Option<String>,
    pub(crate) url: Option<Arc<Formula>>,
}

impl ButtonKind {
    /// Whether cells are computed.
    pub(crate) fn is_told(&self) -> bool {
        self.label.is_some() || self.url.is_some()
    }
}

impl Kind {
    /// The name in the metadata.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(TextKind::SingleLine) => "singleLineText",
            Self::Text(TextKind::MultiLine) => "multilineText",
            Self::Text(TextKind::Rich) => "richText",
            Self::Text(TextKind::Email) => "email",
            Self::Text(TextKind::Url) => "url",
            Self::Text(TextKind::Phone) => "phoneNumber",
            Self::Number(NumberKind::Number { .. }) => "number",
            Self::Number(NumberKind::Percent { .. }) => "percent",
            Self::Number(NumberKind::Currency { .. }) => "currency",
            Self::Number(NumberKind::Duration(_)) => "duration",
            Self::Number(NumberKind::Rating { .. }) => "rating",
            Self::Checkbox => "checkbox",
            Self::SingleSelect(_) => "singleSelect",
            Self::MultipleSelects(_) => "multipleSelects",
            Self::Date(_) => "date",
            Self::DateTime(_) => "dateTime",
            Self::Attachments => "multipleAttachments",
            Self::Links(_) => "multipleRecordLinks",
            Self::Collaborator => "singleCollaborator",
            Self::Collaborators => "multipleCollaborators",
            Self::Barcode => "barcode",
            Self::Formula(_) => "formula",
            Self::Rollup(_) => "rollup",
            Self::Lookup { .. } => "multipleLookupValues",
            Self::Count { .. } => "count",
            Self::AutoNumber => "autoNumber",
            Self::CreatedTime(_) => "createdTime",
            Self::LastModifiedTime { .. } => "lastModifiedTime",
            Self::CreatedBy => "createdBy",
            Self::LastModifiedBy => "lastModifiedBy",
            Self::Button(_) => "button",
            Self::Opaque(name) => name,
        }
    }

    /// Whether the API refuses to write it.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(
            self,
            Self::Formula(_)
                | Self::Rollup(_)
                | Self::Lookup { .. }
                | Self::Count { .. }
                | Self::AutoNumber
                | Self::CreatedTime(_)
                | Self::LastModifiedTime { .. }
                | Self::CreatedBy
                | Self::LastModifiedBy
                | Self::Button(_)
                | Self::Opaque(_)
        )
    }

    /// Whether its cells are kept, not computed.
    pub(crate) fn is_stored(&self) -> bool {
        match self {
            Self::Formula(formula) => formula.as_seeded,
            Self::Rollup(rollup) => rollup.compiled.is_none() && !rollup.is_broken,
            Self::Button(button) => !button.is_told(),
            Self::Opaque(_) => true,
            kind => !kind.is_computed(),
        }
    }

    pub(crate) fn choices(&self) -> Option<&Choices> {
        match self {
            Self::SingleSelect(choices) | Self::MultipleSelects(choices) => Some(choices),
            _ => None,
        }
    }

    pub(crate) fn choices_mut(&mut self) -> Option<&mut Choices> {
        match self {
            Self::SingleSelect(choices) | Self::MultipleSelects(choices) => Some(choices),
            _ => None,
        }
    }

    pub(crate) fn link(&self) -> Option<&LinkKind> {
        match self {
            Self::Links(link) => Some(link),
            _ => None,
        }
    }

    pub(crate) fn link_mut(&mut self) -> Option<&mut LinkKind> {
        match self {
            Self::Links(link) => Some(link),
            _ => None,
        }
    }
}

impl Table {
    /// The table as it is now, for comparing: without what finds fields by name and records by id or link.
    fn past(&self) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            primary: self.primary,
            fields: self.fields.clone(),
            views: self.views.clone(),
            rows: self.rows.past(),
            syncs: Vec::new(),
            backlinks: HashMap::new(),
            schema: Arc::clone(&self.schema),
            extra: Map::new(),
            fields_by_name: HashMap::new(),
        }
    }

    /// The slots of the records whose `field` links to a slot of its linked table.
    pub(crate) fn linking_here<'b>(&'b self, base: &'b Base, field: usize, slot: u32) -> &'b [u32] {
        let Some(link) = self.fields[field].kind.link() else { return &[] };
        match link.inverse {
            Some(inverse) => {
                base.tables[link.table].rows.get(slot).map_or(&[], |record| record.cell(inverse).links())
            }
            None => {
                self.backlinks.get(&field).and_then(|sources| sources.get(&slot)).map_or(&[], Vec::as_slice)
            }
        }
    }

    /// A field by id, else by its exact name.
    pub(crate) fn field(&self, name_or_id: &str) -> Option<usize> {
        let by_id =
            FieldId::parse(name_or_id).and_then(|id| self.fields.iter().position(|field| field.id == id));
        by_id.or_else(|| self.fields_by_name.get(name_or_id).copied())
    }
}

impl Base {
    /// The base as it is now, to be compared with what a write makes of it. Costs a pointer for 256 records.
    pub(crate) fn past(&self) -> Self {
        Self {
            id: self.id,
            name: String::new(),
            roles: self.roles.clone(),
            workspace: String::new(),
            created: self.created,
            tables: self.tables.iter().map(Table::past).collect(),
            dependents: Arc::clone(&self.dependents),
            redefined: Redefined::Nothing,
        }
    }

    /// A table by id, by its exact name, or by its name in other letters' case.
    pub(crate) fn table(&self, name_or_id: &str) -> Option<usize> {
        let by_id =
            TableId::parse(name_or_id).and_then(|id| self.tables.iter().position(|table| table.id == id));
        by_id.or_else(|| self.tables.iter().position(|table| table.name == name_or_id)).or_else(|| {
            let wanted = name_or_id.to_lowercase();
            self.tables.iter().position(|table| table.name.to_lowercase() == wanted)
        })
    }
}

impl View {
    /// Whether a record of its table is in it.
    pub(crate) fn shows(&self, eval: &Eval<'_>, table: usize, slot: u32) -> bool {
        match (&self.filter, eval.row(table, slot)) {
            (Some(filter), Some(row)) => filter.keeps(&row, eval.context()),
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }
}
