//! A base's tables and fields, as the tools need them: what a cell is, what may be written into it, what formulas see.

use std::fmt::Write as _;

use airtable_api::wire;
use airtable_formula::{FieldDef, FieldKind};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::error::ToolError;
use crate::names::{self, Named, quoted};

/// The tables of one base.
#[derive(Debug)]
pub(crate) struct BaseSchema {
    pub(crate) tables: Vec<Table>,
}

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    primary: usize,
    pub(crate) fields: Vec<Field>,
    pub(crate) views: Vec<wire::View>,
    /// What a filter may name.
    pub(crate) formula: airtable_formula::Schema,
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Airtable's name of the type, such as `singleSelect`.
    pub(crate) api_type: String,
    /// What one value is.
    pub(crate) shape: Shape,
    /// A lookup: any number of such values.
    pub(crate) is_lookup: bool,
    /// Airtable makes the value; nobody writes it.
    pub(crate) is_computed: bool,
    /// Of a formula field.
    pub(crate) formula: Option<String>,
}

/// What a value is, as far as reading, grouping and writing go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Text,
    Number,
    /// Whole seconds or fractions of them.
    Duration,
    Percent,
    Rating {
        max: i64,
    },
    Checkbox,
    Choice(Vec<String>),
    Choices(Vec<String>),
    Day,
    /// Days begin in this zone.
    Instant(Zone),
    Links {
        table: String,
    },
    Files,
    Person,
    People,
    Barcode,
    /// Only the value itself can tell.
    Unknown,
}

/// A time zone with the name that Airtable gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) zone: TimeZone,
}

impl BaseSchema {
    pub(crate) fn new(schema: wire::Schema) -> Self {
        Self { tables: schema.tables.into_iter().map(Table::new).collect() }
    }

    /// The table of this id or name.
    pub(crate) fn table(&self, wanted: &str) -> Result<&Table, ToolError> {
        names::find("table", "", wanted, &self.tables)
    }

    pub(crate) fn table_by_id(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }
}

impl Table {
    fn new(table: wire::Table) -> Self {
        let fields: Vec<Field> = table.fields.into_iter().map(Field::new).collect();
        let primary = fields.iter().position(|field| field.id == table.primary_field_id).unwrap_or(0);
        let formula = airtable_formula::Schema::new(fields.iter().map(|field| {
            let kind = FieldKind::of_api_type(&field.api_type).unwrap_or(FieldKind::Any);
            FieldDef::new(field.id.clone(), field.name.clone(), kind)
        }));
        Self {
            id: table.id.into(),
            name: table.name,
            description: table.description,
            primary,
            fields,
            views: table.views,
            formula,
        }
    }

    /// The field that names a record; `None` only for a table without fields, which Airtable does not have.
    pub(crate) fn primary(&self) -> Option<&Field> {
        self.fields.get(self.primary)
    }

    /// The field of this id or name; also of a name in braces, as formulas have it.
    pub(crate) fn field(&self, wanted: &str) -> Result<&Field, ToolError> {
        let find =
            |wanted| names::find("field", &format!(" in table {}", quoted(&self.name)), wanted, &self.fields);
        let braced = || wanted.trim().strip_prefix('{')?.strip_suffix('}');
        find(wanted).or_else(|error| braced().and_then(|name| find(name).ok()).ok_or(error))
    }

    /// The view of this id or name.
    pub(crate) fn view(&self, wanted: &str) -> Result<&wire::View, ToolError> {
        names::find("view", &format!(" of table {}", quoted(&self.name)), wanted, &self.views)
    }

    /// A field by the name that answers have.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    fn new(field: wire::Field) -> Self {
        let options: Value =
            field.options.and_then(|options| serde_json::from_str(options.get()).ok()).unwrap_or_default();
        let result = options.get("result").cloned().unwrap_or_default();
        let (shape, is_computed) = match field.kind.as_str() {
            "formula" | "rollup" | "multipleLookupValues" => {
                let kind = result.get("type").and_then(Value::as_str).unwrap_or_default();
                (shape_of(kind, &result["options"]), true)
            }
            "createdTime" | "lastModifiedTime" => match result.get("type").and_then(Value::as_str) {
                Some(kind) => (shape_of(kind, &result["options"]), true),
                None => (Shape::Instant(Zone::utc()), true),
            },
            "count" | "autoNumber" => (Shape::Number, true),
            "createdBy" | "lastModifiedBy" => (Shape::Person, true),
            "button" | "aiText" | "externalSyncSource" | "manualSort" => (Shape::Unknown, true),
            kind => (shape_of(kind, &options), false),
        };
        let formula = (field.kind == "formula")
            .then(|| options.get("formula").and_then(Value::as_str).map(str::to_owned))
            .flatten();
        Self {
            is_lookup: field.kind == "multipleLookupValues",
            id: field.id,
            name: field.name,
            description: field.description.filter(|text| !text.is_empty()),
            api_type: field.kind,
            shape,
            is_computed,
            formula,
        }
    }

    /// The choices of a select field.
    pub(crate) fn choices(&self) -> &[String] {
        match &self.shape {
            Shape::Choice(choices) | Shape::Choices(choices) => choices,
            _ => &[],
        }
    }

    /// The table that the cells' record ids are of.
    pub(crate) fn linked_table(&self) -> Option<&str> {
        match &self.shape {
            Shape::Links { table } => Some(table),
            _ => None,
        }
    }

    /// Whether a cell may hold several values, each of which counts.
    pub(crate) fn is_multiple(&self) -> bool {
        self.is_lookup
            || matches!(self.shape, Shape::Choices(_) | Shape::Links { .. } | Shape::Files | Shape::People)
    }

    /// The type in a few words, for people: `singleSelect: "To do", "Done"`.
    pub(crate) fn summary(&self, schema: &BaseSchema) -> String {
        let mut text = self.api_type.clone();
        let result = match (&self.shape, self.is_computed) {
            (Shape::Unknown, _) | (_, false) => None,
            (shape, true)
                if matches!(self.api_type.as_str(), "formula" | "rollup" | "multipleLookupValues") =>
            {
                Some(shape.word())
            }
            _ => None,
        };
        if let Some(result) = result {
            let _ = write!(text, " of {result}");
        }
        if let Some(table) = self.linked_table().and_then(|id| schema.table_by_id(id)) {
            let _ = write!(text, " to table {}", quoted(&table.name));
        }
        if !self.choices().is_empty() {
            let _ = write!(text, ": {}", names::listed(self.choices().iter().map(String::as_str)));
        }
        if let Shape::Instant(zone) = &self.shape
            && !self.is_computed
        {
            let _ = write!(text, " in {}", zone.name);
        }
        if let Shape::Rating { max } = self.shape {
            let _ = write!(text, " 1-{max}");
        }
        text
    }
}

impl Shape {
    fn word(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number | Self::Rating { .. } => "number",
            Self::Duration => "seconds",
            Self::Percent => "percent",
            Self::Checkbox => "checkbox",
            Self::Choice(_) | Self::Choices(_) => "choices",
            Self::Day => "date",
            Self::Instant(_) => "date and time",
            Self::Links { .. } => "linked records",
            Self::Files => "attachments",
            Self::Person | Self::People => "people",
            Self::Barcode => "barcode",
            Self::Unknown => "values",
        }
    }

    /// Whether values are numbers.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Number | Self::Duration | Self::Percent | Self::Rating { .. })
    }
}

impl Zone {
    fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// `client` is whoever looks: there is nobody here, so UTC it is.
    fn named(name: Option<&str>) -> Self {
        let Some(name) = name.filter(|name| !matches!(*name, "utc" | "client")) else { return Self::utc() };
        match TimeZone::get(name) {
            Ok(zone) => Self { name: name.to_owned(), zone },
            Err(_) => Self::utc(),
        }
    }
}

fn shape_of(kind: &str, options: &Value) -> Shape {
    let choices = || -> Vec<String> {
        let choices = options.get("choices").and_then(Value::as_array);
        let name = |choice: &Value| choice.get("name").and_then(Value::as_str).map(str::to_owned);
        choices.into_iter().flatten().filter_map(name).collect()
    };
    match kind {
        "singleLineText" | "multilineText" | "richText" | "email" | "url" | "phoneNumber" => Shape::Text,
        "number" | "currency" | "count" | "autoNumber" => Shape::Number,
        "percent" => Shape::Percent,
        "duration" => Shape::Duration,
        "rating" => Shape::Rating { max: options.get("max").and_then(Value::as_i64).unwrap_or(10) },
        "checkbox" => Shape::Checkbox,
        "singleSelect" => Shape::Choice(choices()),
        "multipleSelects" => Shape::Choices(choices()),
        "date" => Shape::Day,
        "dateTime" => Shape::Instant(Zone::named(options.get("timeZone").and_then(Value::as_str))),
        "createdTime" | "lastModifiedTime" => Shape::Instant(Zone::utc()),
        "multipleRecordLinks" => {
            let table = options.get("linkedTableId").and_then(Value::as_str).unwrap_or_default();
            Shape::Links { table: table.to_owned() }
        }
        "multipleAttachments" => Shape::Files,
        "singleCollaborator" | "createdBy" | "lastModifiedBy" => Shape::Person,
        "multipleCollaborators" => Shape::People,
        "barcode" => Shape::Barcode,
        _ => Shape::Unknown,
    }
}

impl Named for Table {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Field {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for wire::View {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for wire::Base {
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> &str {
        &self.name
    }
}
