//! `specification` of a webhook: which changes it is told, and what with them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::Source;
use crate::airtable::access::Scope;
use crate::airtable::body::only;
use crate::airtable::errors::AirtableError;
use crate::airtable::ids::{FieldId, TableId, ViewId};
use crate::airtable::model::Base;

const DATA_TYPES: [&str; 3] = ["tableData", "tableFields", "tableMetadata"];
const CHANGE_TYPES: [&str; 3] = ["add", "remove", "update"];
const SOURCES: [&str; 9] = [
    "client",
    "publicApi",
    "formSubmission",
    "formPageSubmission",
    "automation",
    "system",
    "sync",
    "anonymousUser",
    "unknown",
];

/// Where records count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RecordScope {
    Base,
    Table(TableId),
    /// `None`: the view was gone already when the hook was read.
    View(Option<TableId>, ViewId),
}

/// What a hook is told. `None` in a filter is everything.
#[derive(Debug)]
pub(super) struct Specification {
    /// `options`, as it was given.
    pub(super) json: Value,
    data_types: HashSet<String>,
    change_types: Option<HashSet<String>>,
    sources: Option<HashSet<String>>,
    pub(super) scope: RecordScope,
    pub(super) watched_data: Option<HashSet<FieldId>>,
    pub(super) watched_schemas: Option<HashSet<FieldId>>,
    pub(super) included: Included,
    pub(super) previous_cells: bool,
    pub(super) previous_fields: bool,
}

/// What of that which a specification names has to be there in the base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Required {
    All,
    /// Not the fields whose cells are told along: those may have been deleted.
    Watched,
    Nothing,
}

/// Cells that are told though they have not changed.
#[derive(Debug)]
pub(super) enum Included {
    All,
    Only(HashSet<FieldId>),
}

/// `notificationUrl` and `specification` of a request.
pub(super) fn read(
    body: &Map<String, Value>,
    base: &Base,
) -> Result<(Option<String>, Specification), AirtableError> {
    only(body, &["notificationUrl", "specification"])?;
    let url = match body.get("notificationUrl") {
        None | Some(Value::Null) => None,
        Some(Value::String(url)) if url.starts_with("https://") || url.starts_with("http://") => {
            Some(url.clone())
        }
        Some(_) => return Err(AirtableError::invalid_request()),
    };
    let specification = object(body.get("specification"))?;
    only(specification, &["options"])?;
    let options = object(specification.get("options"))?;
    Ok((url, read_options(options, base, Required::All)?))
}

/// `options` of a specification.
pub(super) fn read_options(
    options: &Map<String, Value>,
    base: &Base,
    required: Required,
) -> Result<Specification, AirtableError> {
    let watched = (required != Required::Nothing).then_some(base);
    let told = (required == Required::All).then_some(base);
    only(options, &["filters", "includes"])?;
    let filters = object(options.get("filters"))?;
    only(
        filters,
        &[
            "dataTypes",
            "recordChangeScope",
            "changeTypes",
            "fromSources",
            "sourceOptions",
            "watchDataInFieldIds",
            "watchSchemasOfFieldIds",
        ],
    )?;
    let empty = Map::new();
    let includes = match options.get("includes") {
        None => &empty,
        some => object(some)?,
    };
    only(
        includes,
        &["includeCellValuesInFieldIds", "includePreviousCellValues", "includePreviousFieldDefinitions"],
    )?;
    let data_types = words(filters, "dataTypes", &DATA_TYPES)?.filter(|types| !types.is_empty());
    let included = match includes.get("includeCellValuesInFieldIds") {
        Some(Value::String(all)) if all == "all" => Included::All,
        _ => Included::Only(fields(includes, "includeCellValuesInFieldIds", told)?.unwrap_or_default()),
    };
    Ok(Specification {
        json: Value::Object(options.clone()),
        data_types: data_types.ok_or_else(AirtableError::invalid_request)?,
        change_types: words(filters, "changeTypes", &CHANGE_TYPES)?,
        sources: words(filters, "fromSources", &SOURCES)?,
        scope: scope(filters.get("recordChangeScope"), base, watched.is_some())?,
        watched_data: fields(filters, "watchDataInFieldIds", watched)?,
        watched_schemas: fields(filters, "watchSchemasOfFieldIds", watched)?,
        included,
        previous_cells: flag(includes, "includePreviousCellValues")?,
        previous_fields: flag(includes, "includePreviousFieldDefinitions")?,
    })
}

impl Specification {
    /// Scopes that both creating the hook and reading its payloads need.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        let data = self.wants_data_type("tableData").then_some(Scope::RecordsRead);
        let schema = self.wants_data_type("tableFields") || self.wants_data_type("tableMetadata");
        data.into_iter().chain(schema.then_some(Scope::SchemaRead))
    }

    pub(super) fn wants_data_type(&self, what: &str) -> bool {
        self.data_types.contains(what)
    }

    pub(super) fn wants_change(&self, what: &str) -> bool {
        self.change_types.as_ref().is_none_or(|types| types.contains(what))
    }

    pub(super) fn wants_source(&self, source: Source) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(source.name()))
    }

    pub(super) fn watches(&self, field: FieldId) -> bool {
        self.watched_data.as_ref().is_none_or(|watched| watched.contains(&field))
    }

    pub(super) fn includes(&self, field: FieldId) -> bool {
        match &self.included {
            Included::All => true,
            Included::Only(fields) => fields.contains(&field),
        }
    }

    pub(super) fn covers(&self, table: TableId) -> bool {
        match self.scope {
            RecordScope::Base => true,
            RecordScope::Table(own) => own == table,
            RecordScope::View(own, _) => own == Some(table),
        }
    }

    /// `false`: what it watches is not there any more.
    pub(super) fn still_holds(&self, base: &Base) -> bool {
        let scope = match self.scope {
            RecordScope::Base => true,
            RecordScope::Table(id) => base.tables.iter().any(|table| table.id == id),
            RecordScope::View(_, view) => view_place(base, view).is_some(),
        };
        let mut watched = [&self.watched_data, &self.watched_schemas].into_iter().flatten().flatten();
        scope && watched.all(|id| has_field(base, *id))
    }
}

fn has_field(base: &Base, id: FieldId) -> bool {
    base.tables.iter().any(|table| table.fields.iter().any(|field| field.id == id))
}

fn view_place(base: &Base, view: ViewId) -> Option<(TableId, &str)> {
    base.tables.iter().find_map(|table| {
        let found = table.views.iter().find(|own| own.id == view);
        found.map(|found| (table.id, found.kind.as_str()))
    })
}

fn object(value: Option<&Value>) -> Result<&Map<String, Value>, AirtableError> {
    value.and_then(Value::as_object).ok_or_else(AirtableError::invalid_request)
}

fn flag(object: &Map<String, Value>, key: &str) -> Result<bool, AirtableError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(AirtableError::invalid_request()),
    }
}

/// A list of texts; `None` if it is left out.
fn texts<'v>(object: &'v Map<String, Value>, key: &str) -> Result<Option<Vec<&'v str>>, AirtableError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().ok_or_else(AirtableError::invalid_request));
            texts.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(AirtableError::invalid_request()),
    }
}

fn words(
    object: &Map<String, Value>,
    key: &str,
    known: &[&str],
) -> Result<Option<HashSet<String>>, AirtableError> {
    let Some(words) = texts(object, key)? else { return Ok(None) };
    if words.iter().any(|word| !known.contains(word)) {
        return Err(AirtableError::invalid_request());
    }
    Ok(Some(words.into_iter().map(str::to_owned).collect()))
}

/// Ids of fields, which the base must have if one is given.
fn fields(
    object: &Map<String, Value>,
    key: &str,
    base: Option<&Base>,
) -> Result<Option<HashSet<FieldId>>, AirtableError> {
    let Some(ids) = texts(object, key)? else { return Ok(None) };
    let field = |text| FieldId::parse(text).filter(|id| base.is_none_or(|base| has_field(base, *id)));
    let ids: Option<HashSet<_>> = ids.into_iter().map(field).collect();
    ids.map(Some).ok_or_else(AirtableError::invalid_request)
}

/// A table or a view of the base; forms and lists cannot be watched.
fn scope(value: Option<&Value>, base: &Base, strict: bool) -> Result<RecordScope, AirtableError> {
    let text = match value {
        None | Some(Value::Null) => return Ok(RecordScope::Base),
        Some(Value::String(text)) => text,
        Some(_) => return Err(AirtableError::invalid_request()),
    };
    let is_there = |id: &TableId| !strict || base.tables.iter().any(|table| table.id == *id);
    let table = TableId::parse(text).filter(is_there);
    let view = ViewId::parse(text).and_then(|id| Some((view_place(base, id)?, id)));
    match (table, view) {
        (Some(table), _) => Ok(RecordScope::Table(table)),
        (_, Some(((table, kind), view))) if !["form", "list"].contains(&kind) => {
            Ok(RecordScope::View(Some(table), view))
        }
        (None, None) if !strict => {
            let gone = ViewId::parse(text).map(|view| RecordScope::View(None, view));
            gone.ok_or_else(AirtableError::invalid_request)
        }
        _ => Err(AirtableError::invalid_request()),
    }
}
