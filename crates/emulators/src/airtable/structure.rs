//! Changes of a base's structure: new bases, tables and fields, new names and descriptions; views, fields and tables that go.
//!
//! A change is made in the base's definition, as a seed has it, and the base is read anew from that: what can be made is
//! then what can be kept and loaded, and formulas are checked by the one place that knows how. Records stay where they
//! are, for tables, fields and choices keep their positions, except when one of them is deleted.

mod deletion;
mod options;
mod reading;

use std::collections::HashSet;

use airtable_formula::{Formula, Timestamp, Tree};
use serde_json::{Map, Value, json};

pub(crate) use self::reading::Reading;
use super::access::{Role, Scope};
use super::body::only;
use super::errors::AirtableError;
use super::fields::date;
use super::ids::{BaseId, FieldId, TableId, ViewId};
use super::model::{Base, Field, Kind, Redefined, Table};
use super::query::Query;
use super::records::Actor;
use super::routes::StructureOp;
use super::seed::Seed;
use super::{links, meta};

/// Characters of a description.
const MAX_DESCRIPTION: usize = 20_000;

/// Types that a primary field may have. Source: <https://airtable.com/developers/web/api/field-model>.
const PRIMARY_TYPES: [&str; 15] = [
    "singleLineText",
    "multilineText",
    "richText",
    "email",
    "url",
    "phoneNumber",
    "number",
    "percent",
    "currency",
    "duration",
    "date",
    "dateTime",
    "singleSelect",
    "barcode",
    "formula",
];

type Object = Map<String, Value>;

/// What is done with the structure; its shape has been checked.
pub(crate) enum Wanted {
    Read(Reading),
    CreateTable(Object),
    UpdateTable(String, Object),
    CreateField(String, Object),
    UpdateField(String, FieldId, Object),
    DeleteTable(String),
    DeleteField(String, FieldId),
    DeleteView(ViewId),
}

impl Wanted {
    pub(crate) async fn read<B: Future<Output = Result<Object, AirtableError>>>(
        op: StructureOp,
        query: &Query,
        body: impl FnOnce() -> B,
    ) -> Result<Self, AirtableError> {
        Ok(match op {
            StructureOp::Collaborators => Self::Read(Reading::collaborators(query)?),
            StructureOp::ListViews => Self::Read(Reading::views(None, query)?),
            StructureOp::GetView(id) => Self::Read(Reading::views(Some(id), query)?),
            StructureOp::DeleteView(id) => Self::DeleteView(id),
            StructureOp::DeleteTable(table) => Self::DeleteTable(table),
            StructureOp::DeleteField(table, field) => Self::DeleteField(table, field),
            StructureOp::CreateTable => {
                let body = body().await?;
                only(&body, &["name", "description", "fields"])?;
                Self::CreateTable(body)
            }
            StructureOp::UpdateTable(table) => {
                let body = body().await?;
                changes(&body, &["name", "description", "dateDependencySettings"])?;
                Self::UpdateTable(table, body)
            }
            StructureOp::CreateField(table) => {
                let body = body().await?;
                only(&body, &["name", "type", "description", "options"])?;
                Self::CreateField(table, body)
            }
            StructureOp::UpdateField(table, field) => {
                let body = body().await?;
                changes(&body, &["name", "description", "options"])?;
                Self::UpdateField(table, field, body)
            }
        })
    }

    /// Scopes of which a token must have one.
    pub(crate) fn scopes(&self) -> &'static [Scope] {
        match self {
            Self::Read(Reading::Collaborators { .. }) => &[Scope::WorkspacesRead, Scope::SchemaRead],
            Self::Read(_) => &[Scope::WorkspacesRead],
            Self::DeleteView(_) => &[Scope::WorkspacesWrite],
            _ => &[Scope::SchemaWrite],
        }
    }

    /// Where a formula field would be made, if one would: its name, after that of a new table.
    pub(crate) fn new_formula(&self) -> Option<String> {
        let is_formula = |field: &&Value| field["type"] == "formula";
        match self {
            Self::CreateField(_, body) if body.get("type").is_some_and(|kind| kind == "formula") => {
                text(body, "name")
            }
            Self::CreateTable(body) => {
                let field = body.get("fields")?.as_array()?.iter().find(is_formula)?;
                Some(format!("{}.{}", text(body, "name")?, field["name"].as_str()?))
            }
            _ => None,
        }
    }

    /// Changes the base, or leaves it as it is.
    pub(crate) fn apply(&self, base: &mut Base, actor: Actor<'_>) -> Result<Value, AirtableError> {
        if actor.role < Role::Create {
            return Err(AirtableError::not_permitted());
        }
        match self {
            Self::Read(_) => Err(AirtableError::server_error()), // never asked for with a lock for writing
            Self::CreateTable(body) => create_table(base, body),
            Self::UpdateTable(table, body) => update_table(base, find_table(base, table)?, body),
            Self::CreateField(table, body) => create_field(base, find_table(base, table)?, body),
            Self::UpdateField(table, field, body) => {
                update_field(base, find_table(base, table)?, *field, body)
            }
            Self::DeleteTable(table) => deletion::table(base, find_table(base, table)?, actor),
            Self::DeleteField(table, field) => deletion::field(base, find_table(base, table)?, *field, actor),
            Self::DeleteView(view) => delete_view(base, *view),
        }
    }
}

/// A table by its name or id.
pub(crate) fn find_table(base: &Base, name_or_id: &str) -> Result<usize, AirtableError> {
    base.table(name_or_id).ok_or_else(AirtableError::not_found_or_not_allowed)
}

/// Keys of an update: these, and at least one of them.
fn changes(body: &Object, known: &[&str]) -> Result<(), AirtableError> {
    if body.is_empty() { Err(AirtableError::invalid_request()) } else { only(body, known) }
}

fn description(body: &Object) -> Result<Option<String>, AirtableError> {
    match body.get("description") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= MAX_DESCRIPTION => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(AirtableError::invalid_request()),
    }
}

/// A new base with its tables, and what its caller is told.
pub(crate) fn create_base(body: &Object, now: Timestamp) -> Result<Base, AirtableError> {
    only(body, &["name", "workspaceId", "tables"])?;
    let name =
        text(body, "name").filter(|name| !name.is_empty()).ok_or_else(AirtableError::invalid_request)?;
    let workspace = text(body, "workspaceId").ok_or_else(AirtableError::invalid_request)?;
    if !reading::is_workspace(&workspace) {
        return Err(AirtableError::not_found_or_not_allowed());
    }
    let tables = body.get("tables").and_then(Value::as_array).filter(|tables| !tables.is_empty());
    let definition = json!({
        "id": BaseId::mint().to_string(), "name": name, "permissionLevel": "create",
        "workspaceId": workspace, "createdTime": date::iso(now.as_millisecond()), "tables": [],
    });
    let mut base = read_definition(&definition)?;
    for table in tables.ok_or_else(AirtableError::invalid_request)? {
        let table = table.as_object().ok_or_else(AirtableError::invalid_request)?;
        only(table, &["name", "description", "fields"])?;
        create_table(&mut base, table)?;
    }
    Ok(base)
}

/// What the creator of a base is told.
pub(crate) fn created_base(base: &Base) -> Value {
    let tables: Vec<_> = base.tables.iter().map(|table| meta::table(table, false)).collect();
    json!({"id": base.id.to_string(), "tables": tables})
}

fn create_table(base: &mut Base, body: &Object) -> Result<Value, AirtableError> {
    let name = table_name(base, body, None)?;
    let given = body.get("fields").and_then(Value::as_array).filter(|fields| !fields.is_empty());
    let given = given.ok_or_else(AirtableError::invalid_request)?;
    let table = TableId::mint().to_string();
    let mut names = HashSet::new();
    let mut fields = Vec::new();
    for field in given {
        let field = field.as_object().ok_or_else(AirtableError::invalid_request)?;
        only(field, &["name", "type", "description", "options"])?;
        let own = text(field, "name").ok_or_else(AirtableError::invalid_request)?;
        if own.trim().is_empty() || !names.insert(own.trim().to_lowercase()) {
            return Err(AirtableError::bad_field_name(&own));
        }
        let place = format!("{name}.{}", own.trim());
        fields.push((options::field(field, own.trim(), description(field)?, &place)?, place));
    }
    let primary = fields[0].0["type"].as_str().unwrap_or_default();
    if !PRIMARY_TYPES.contains(&primary) {
        return Err(AirtableError::invalid_request_because(&format!(
            "a field of type {primary} cannot be the primary field of a table"
        )));
    }
    let known: Vec<(String, String)> = fields.iter().map(|(field, _)| id_and_name(field)).collect();
    let mut definition = base.to_seed();
    let mut inverses = Vec::new();
    for (field, place) in &mut fields {
        by_ids(field, |name, _| known.iter().find(|(_, own)| own == name.trim()).map(|(id, _)| id.clone()));
        inverses.extend(link(base, field, (&table, &name), place)?);
    }
    let places: Vec<_> = fields.iter().map(|(_, place)| place.clone()).collect();
    let fields: Vec<_> = fields.into_iter().map(|(field, _)| field).collect();
    push(
        &mut definition["tables"],
        json!({
            "id": table, "name": name, "description": description(body)?, "fields": fields, "views": [],
        }),
    );
    add_inverses(base, &mut definition, inverses);
    replace(base, &definition, &places[0])?;
    let made = base.tables.last().ok_or_else(AirtableError::server_error)?;
    Ok(meta::table(made, false))
}

fn update_table(base: &mut Base, table: usize, body: &Object) -> Result<Value, AirtableError> {
    let mut definition = base.to_seed();
    let entry = &mut definition["tables"][table];
    if body.contains_key("name") {
        entry["name"] = table_name(base, body, Some(table))?.into();
    }
    if body.contains_key("description") {
        entry["description"] = description(body)?.into();
    }
    if let Some(settings) = body.get("dateDependencySettings") {
        if !options::are_date_dependencies(settings, &base.tables[table]) {
            return Err(AirtableError::invalid_request());
        }
        entry["dateDependencySettings"] = settings.clone();
    }
    replace(base, &definition, &base.tables[table].name.clone())?;
    Ok(meta::table(&base.tables[table], false))
}

fn table_name(base: &Base, body: &Object, own: Option<usize>) -> Result<String, AirtableError> {
    let name = text(body, "name").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(AirtableError::invalid_request)?;
    let is_taken = |(index, table): (usize, &Table)| {
        Some(index) != own && table.name.to_lowercase() == name.to_lowercase()
    };
    match base.tables.iter().enumerate().any(is_taken) {
        true => Err(AirtableError::duplicate_table_name(&name)),
        false => Ok(name),
    }
}

/// Adds a field of plain text, as CSV data may; gives its position.
pub(crate) fn add_text_field(base: &mut Base, table: usize, name: &str) -> Result<usize, AirtableError> {
    let body =
        Map::from_iter([("name".to_owned(), json!(name)), ("type".to_owned(), json!("singleLineText"))]);
    create_field(base, table, &body)?;
    Ok(base.tables[table].fields.len() - 1)
}

fn create_field(base: &mut Base, table: usize, body: &Object) -> Result<Value, AirtableError> {
    let name = field_name(&base.tables[table], body, None)?;
    let own = &base.tables[table];
    let place = format!("{}.{name}", own.name);
    let mut field = options::field(body, &name, description(body)?, &place)?;
    by_ids(&mut field, names_of(own));
    let inverses = link(base, &mut field, (&own.id.to_string(), &own.name), &place)?;
    let mut definition = base.to_seed();
    push(&mut definition["tables"][table]["fields"], field);
    add_inverses(base, &mut definition, inverses.into_iter().collect());
    let position = base.tables[table].fields.len();
    replace(base, &definition, &place)?;
    Ok(meta::field(&base.tables[table].fields[position]))
}

fn update_field(
    base: &mut Base,
    table: usize,
    field: FieldId,
    body: &Object,
) -> Result<Value, AirtableError> {
    let found = base.tables[table].fields.iter().position(|own| own.id == field);
    let position = found.ok_or_else(AirtableError::not_found_or_not_allowed)?;
    let mut definition = base.to_seed();
    let fields = &mut definition["tables"][table]["fields"];
    if body.contains_key("name") {
        // Formulas go on meaning the same fields under whatever name.
        for field in fields.as_array_mut().into_iter().flatten() {
            by_ids(field, names_of(&base.tables[table]));
        }
        fields[position]["name"] = field_name(&base.tables[table], body, Some(position))?.into();
    }
    if body.contains_key("description") {
        fields[position]["description"] = description(body)?.into();
    }
    if let Some(wanted) = body.get("options") {
        let kind = base.tables[table].fields[position].kind.type_name();
        fields[position]["options"] = options::changed(kind, wanted)?;
        by_ids(&mut fields[position], names_of(&base.tables[table]));
    }
    let name = base.tables[table].fields[position].name.clone();
    replace(base, &definition, &name)?;
    Ok(meta::field(&base.tables[table].fields[position]))
}

fn field_name(table: &Table, body: &Object, own: Option<usize>) -> Result<String, AirtableError> {
    let name = text(body, "name").ok_or_else(AirtableError::invalid_request)?.trim().to_owned();
    let is_taken = |(index, field): (usize, &Field)| {
        Some(index) != own && field.name.to_lowercase() == name.to_lowercase()
    };
    match name.is_empty() || table.fields.iter().enumerate().any(is_taken) {
        true => Err(AirtableError::bad_field_name(&name)),
        false => Ok(name),
    }
}

fn delete_view(base: &mut Base, view: ViewId) -> Result<Value, AirtableError> {
    let place = base.tables.iter().find_map(|table| {
        table.views.iter().position(|own| own.id == view).map(|position| (table.id, position))
    });
    let (table, position) = place.ok_or_else(AirtableError::not_found_or_not_allowed)?;
    let views = base.tables.iter_mut().find(|own| own.id == table).map(|table| &mut table.views);
    match views {
        Some(views) if views.len() > 1 => {
            views.remove(position);
            base.redefined = Redefined::Metadata;
            Ok(json!({"id": view.to_string(), "deleted": true}))
        }
        _ => Err(AirtableError::invalid_request_because("a table keeps its last view")),
    }
}

/// A field on the other side of a new link: the position of its table, and its definition.
type Inverse = (usize, Value);

/// Completes a new link field of a table (its id and name); a link to another table gets a field on its other side.
fn link(
    base: &Base,
    field: &mut Value,
    (table, name): (&str, &str),
    place: &str,
) -> Result<Option<Inverse>, AirtableError> {
    if field["type"] != "multipleRecordLinks" {
        return Ok(None);
    }
    let linked = field["options"]["linkedTableId"].as_str().unwrap_or_default();
    if linked == table {
        return Ok(None);
    }
    let found = base.tables.iter().position(|own| own.id.to_string() == linked);
    let linked = found.ok_or_else(|| {
        AirtableError::bad_field_options(
            place,
            &format!("{place}.options.linkedTableId is no table of the base"),
        )
    })?;
    if let Some(view) = field["options"].get("viewIdForRecordSelection").and_then(Value::as_str)
        && !base.tables[linked].views.iter().any(|own| own.id.to_string() == view)
    {
        let why = format!("{place}.options.viewIdForRecordSelection is no view of the linked table");
        return Err(AirtableError::bad_field_options(place, &why));
    }
    let inverse = FieldId::mint().to_string();
    field["options"]["inverseLinkFieldId"] = inverse.clone().into();
    let other = json!({
        "id": inverse, "name": name, "type": "multipleRecordLinks",
        "options": {"linkedTableId": table, "inverseLinkFieldId": field["id"]},
    });
    Ok(Some((linked, other)))
}

/// Each is called like the table that it leads to, with a number where there is a field of that name.
fn add_inverses(base: &Base, definition: &mut Value, inverses: Vec<Inverse>) {
    for (table, mut field) in inverses {
        let fields = &mut definition["tables"][table]["fields"];
        let wanted = field["name"].as_str().unwrap_or_default().to_owned();
        let taken: HashSet<String> = fields
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|field| Some(field["name"].as_str()?.to_lowercase()))
            .collect();
        let name = std::iter::once(wanted.clone())
            .chain((2..).map(|number| format!("{wanted} {number}")))
            .find(|name| !taken.contains(&name.to_lowercase()));
        field["name"] = name.into();
        debug_assert!(table < base.tables.len());
        push(fields, field);
    }
}

/// Writes the fields that a formula names as `{fld…}`, as Airtable's metadata does. A text that is no formula stays: reading
/// the definition refuses it.
fn by_ids(field: &mut Value, find: impl Fn(&str, bool) -> Option<String>) {
    if field["type"] != "formula" {
        return;
    }
    let renamed = field["options"]["formula"]
        .as_str()
        .and_then(|text| Some(Tree::parse(text).ok()?.rename_fields_in(text, find)));
    if let Some(renamed) = renamed {
        field["options"]["formula"] = renamed.into();
    }
}

/// What a formula says, whatever its fields are called; `None` for other fields and for what is no formula.
pub(crate) fn formula_by_ids(table: &Table, field: &Field) -> Option<String> {
    match &field.kind {
        Kind::Formula(formula) => Some(by_field_ids(table, formula.compiled.as_ref()?)),
        _ => None,
    }
}

/// The text of a formula of a table, fields named as `{fld…}`.
pub(crate) fn by_field_ids(table: &Table, formula: &Formula) -> String {
    formula.tree().rename_fields(names_of(table)).to_string()
}

fn names_of(table: &Table) -> impl Fn(&str, bool) -> Option<String> {
    |name, braced| {
        let found = if braced { table.schema.find_braced(name) } else { table.schema.find_bare(name) };
        found.map(|index| table.fields[index].id.to_string())
    }
}

fn id_and_name(field: &Value) -> (String, String) {
    let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
    (text("id"), text("name"))
}

fn text(body: &Object, key: &str) -> Option<String> {
    body.get(key)?.as_str().map(str::to_owned)
}

fn push(list: &mut Value, item: Value) {
    if let Value::Array(list) = list {
        list.push(item);
    }
}

/// Makes the base what the definition says, with the records that it has.
fn replace(base: &mut Base, definition: &Value, place: &str) -> Result<(), AirtableError> {
    let changed = read_definition(definition).map_err(|error| error.about_field(place))?;
    adopt(base, changed, |_| {});
    Ok(())
}

/// Puts a new version of a base in its place, with the records that it has. `mend` makes them fit where fields do not stand
/// any more where they did.
fn adopt(base: &mut Base, mut changed: Base, mend: impl FnOnce(&mut Base)) {
    for new in &mut changed.tables {
        if let Some(old) = base.tables.iter_mut().find(|old| old.id == new.id) {
            new.rows = std::mem::take(&mut old.rows);
        }
    }
    mend(&mut changed);
    links::index_sources(&mut changed);
    changed.redefined = Redefined::Metadata;
    *base = changed;
}

fn read_definition(definition: &Value) -> Result<Base, AirtableError> {
    let seed = json!({"bases": [definition]}).to_string();
    match Seed::from_json(seed.as_bytes()) {
        Ok(mut seed) => seed.bases.pop().ok_or_else(AirtableError::server_error),
        Err(error) => {
            let problem = error.problems().first();
            let key = |path: &str| {
                path.rsplit_once("options").map_or(String::new(), |(_, key)| format!("options{key} "))
            };
            let why = problem.map(|problem| format!("{}{}", key(&problem.path), problem.message));
            Err(AirtableError::bad_definition(&why.unwrap_or_default()))
        }
    }
}
